//! Rounds see: with each of these faults planted, one of them turns red, and says why.

use orderly_queue::planted::Fault;
use orderly_tests::rounds::group;
use orderly_tests::rounds::plan::GROUP;
use tokio::time::Duration;

use crate::some::broker;

/// What has no end after so long never has one.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many groups may pass until it is seen.
const GROUPS: u64 = 3;

async fn is_seen(fault: Fault, signs: &[&str]) {
    let broker = broker().await;
    let mut all = Vec::new();
    for group in 0..GROUPS {
        let ended = group::run(group * GROUP..(group + 1) * GROUP, &broker, Some(fault), PATIENCE).await;
        for red in ended.into_iter().filter_map(Result::err) {
            if red.why.iter().any(|why| signs.iter().any(|sign| why.contains(sign))) {
                println!("{fault:?}: seen at seed {}: {}", red.seed, red.why.join("; "));
                return;
            }
            all.push(red.why.join("; "));
        }
    }
    panic!(
        "{fault:?} was not seen, or as something else; a binary built alone cannot plant it: cargo build --workspace --bins\n{}",
        all.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn confirms_that_are_ignored_are_seen() {
    is_seen(Fault::ConfirmsIgnored, &["not everything has an end", "the broker still holds"]).await;
}
