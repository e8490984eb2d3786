//! A few rounds: a group whose broker is well, and one whose broker is short of memory for a while.

use std::sync::Arc;

use orderly_tests::broker::Broker;
use orderly_tests::rounds::group::{self, PATIENCE};
use orderly_tests::rounds::plan::GROUP;
use tokio::sync::{OnceCell, RwLock};

/// The broker of these tests: whoever hurts it is alone with it. It ends with the process.
pub(crate) async fn broker() -> &'static RwLock<Arc<Broker>> {
    static BROKER: OnceCell<RwLock<Arc<Broker>>> = OnceCell::const_new();
    let start = async || {
        let broker = tokio::task::spawn_blocking(|| Broker::cluster(3)).await;
        RwLock::new(Arc::new(broker.expect("it starts")))
    };
    BROKER.get_or_init(start).await
}

/// The seeds to run, group by group: these groups', or the one that the environment asks for.
fn seeds(groups: [u64; 2]) -> Vec<Vec<u64>> {
    match std::env::var("ORDERLY_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number")) {
        Some(seed) => vec![vec![seed]],
        None => groups.map(|group| (group * GROUP..(group + 1) * GROUP).collect()).to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_is_kept_whatever_is_harmed() {
    let broker = broker().await.write().await;
    for seeds in seeds([0, 3]) {
        let ended = group::run(seeds, &broker, None, PATIENCE).await;
        let red: Vec<String> =
            ended.iter().filter_map(|round| Some(round.as_ref().err()?.to_string())).collect();
        assert!(red.is_empty(), "{}", red.join("\n"));
    }
}
