//! Rounds see: with each of these faults planted, a round that has what it takes to show it turns red, and says why.

use orderly_queue::planted::Fault;
use orderly_tests::rounds::group;
use orderly_tests::rounds::plan::{Harm, Plan};
use tokio::time::Duration;

use crate::some::broker;

/// What has no end after so long never has one.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many rounds with one fault go on together, beside those with others.
const TOGETHER: usize = 4;

/// So many times they may go on until the fault is seen.
const TRIES: usize = 5;

/// What a round says of which something has no end.
const NO_END: [&str; 2] = ["not everything has an end", "the senders do not end"];

async fn is_seen(fault: Fault, signs: &[&str], shows: impl Fn(&Plan) -> bool) {
    let broker = broker().await.read().await;
    let suitable = (0_u64..).filter(|seed| {
        let plan = Plan::of(*seed, broker.nodes().len());
        plan.weather.is_empty() && shows(&plan)
    });
    let seeds: Vec<u64> = suitable.take(TRIES * TOGETHER).collect();
    let mut others = Vec::new();
    for seeds in seeds.chunks(TOGETHER) {
        let ended = group::run(seeds.iter().copied(), &broker, Some(fault), PATIENCE).await;
        for red in ended.into_iter().filter_map(Result::err) {
            if let Some(why) = red.why.iter().find(|why| signs.iter().any(|sign| why.contains(sign))) {
                println!("{fault:?}: seen at seed {}: {why}", red.seed);
                return;
            }
            others.push(red.why.join("; "));
        }
    }
    panic!(
        "{fault:?} was not seen, or as something else; a binary built alone cannot plant it: cargo build --workspace --bins\n{}",
        others.join("\n")
    );
}

/// Whether something happens to one of a plan's nodes while receivers say nothing and much waits.
fn meets_backlog(plan: &Plan, harms: fn(Harm) -> bool) -> bool {
    plan.backlog.is_some_and(|until| {
        plan.troubles
            .iter()
            .any(|trouble| harms(trouble.harm) && trouble.at + Duration::from_millis(500) < until)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn confirms_that_are_ignored_are_seen() {
    is_seen(Fault::ConfirmsIgnored, &NO_END, |plan| {
        // Longer than a connection lives without a heartbeat.
        plan.troubles.iter().any(|trouble| {
            matches!(trouble.harm, Harm::ConnectionsHeld(0..2)) && trouble.lasts > Duration::from_secs(5)
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_before_it_is_delivered_is_seen() {
    let harms = |harm| matches!(harm, Harm::NodeKilled(_) | Harm::ConnectionsCut(_));
    is_seen(Fault::AcknowledgedBeforeDelivery, &NO_END, |plan| meets_backlog(plan, harms)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_cancelled_with_what_it_has_is_seen() {
    let harms = |harm| matches!(harm, Harm::NodeStopped(_));
    let signs = ["which is before it, was not answered yet"];
    is_seen(Fault::CancelledWithUnacknowledged, &signs, |plan| meets_backlog(plan, harms)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_that_are_ignored_are_seen() {
    let signs = ["of the same patient, was refused and set aside"];
    let refuses =
        |plan: &Plan| plan.backlog.is_some() && plan.refused_percent.iter().any(|percent| *percent > 5);
    is_seen(Fault::HoldsIgnored, &signs, refuses).await;
}
