//! SIGKILL at random moments under load: the real binary is killed and started again on the same journal.

use std::time::Duration;

use orderly_queue::line::Order;
use orderly_queue::planted::Fault;
use orderly_tests::load::{Hospital, check_promise, feed};
use orderly_tests::running::Running;
use orderly_tests::site::Site;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::rounds::{ORDERS, ROUTE, first_failure, orderly_yaml, seeds};

const CONNECTIONS: usize = 8;
/// How long the engine is under load before it is killed, in milliseconds.
const LOAD_MS: std::ops::Range<u64> = 20..300;
const RECEIVER_FAULTS_PERCENT: u8 = 4;

#[test]
fn what_was_answered_survives_sigkill() {
    for order in ORDERS {
        let failure = first_failure(&seeds(1, 20), |seed| kill_round(seed, order, None));
        assert_eq!(failure, None, "seed and reason, {order:?}");
    }
}

/// Faults that a kill can show; a missing flush it cannot, because the system keeps what was written.
#[test]
fn planted_faults_are_seen() {
    for (fault, sign) in [
        (Fault::AnswerBeforeCommit, "is not in the journal"),
        (Fault::OrderSwappedOnRetry, "comes in the journal"),
        (Fault::ResultForgotten, "came again after 1 crashes"),
    ] {
        for order in ORDERS {
            // On a busy machine few rounds have enough messages to show what is more than may come twice.
            let failure = first_failure(&seeds(1, 60), |seed| kill_round(seed, order, Some(fault)));
            let (seed, why) = failure.unwrap_or_else(|| {
                panic!(
                    "{fault:?} was not seen with {order:?}; a binary built alone cannot plant it: cargo build --workspace --bins"
                )
            });
            assert!(why.contains(sign), "{fault:?} was seen as something else, {order:?}: {why}");
            println!("{fault:?}: seen at seed {seed}, {order:?}: {why}");
        }
    }
}

fn kill_round(seed: u64, order: Order, fault: Option<Fault>) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let result = runtime.block_on(async {
        let hospital = Hospital::open(seed, RECEIVER_FAULTS_PERCENT).await;
        let main = orderly_yaml(&hospital, order);
        let site = Site::of(&[("orderly.yaml", &main), ("routes/feed.yaml", ROUTE)]);
        let load = Duration::from_millis(fastrand::Rng::with_seed(seed).u64(LOAD_MS));
        let engine = Running::start_with(&site, fault).await;
        let accepted = under_load(engine, seed, load).await?;
        let recovered = Running::start_with(&site, fault).await;
        let result = check_promise(&site.journal(), &hospital, &accepted, order, 1).await;
        recovered.kill().await;
        result
    });
    runtime.shutdown_background();
    result
}

/// Feeds for a while, and kills the engine in the middle of it.
async fn under_load(engine: Running, seed: u64, load: Duration) -> Result<Vec<String>, String> {
    let (stop, stopped) = watch::channel(false);
    let address = engine.address("feed");
    let feeding = tokio::spawn(async move { feed(address, &format!("K{seed}"), CONNECTIONS, stopped).await });
    // Not a wait for something: the random moment at which the engine is killed.
    tokio::time::sleep(load).await;
    engine.kill().await;
    stop.send_replace(true);
    feeding.await.map_err(|error| error.to_string())
}
