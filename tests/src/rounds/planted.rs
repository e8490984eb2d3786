//! Rounds see: with each of these faults planted, a round that has what it takes to show it turns red, and says why.

use std::sync::Arc;

use orderly_queue::planted::Fault;
use tokio::time::Duration;

use super::group;
use super::plan::{Harm, Plan};
use crate::broker::Broker;

/// What has no end after so long never has one.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many rounds with one fault go on together.
const TOGETHER: usize = 4;

/// So many times they may go on until the fault is seen.
const TRIES: usize = 5;

/// What a round says of which something has no end.
const NO_END: &[&str] = &["not everything has an end", "the senders do not end"];

/// A fault, what a round says of it, and which rounds have what it takes to show it.
struct Shown {
    fault: Fault,
    signs: &'static [&'static str],
    shows: fn(&Plan) -> bool,
}

const ALL: [Shown; 4] = [
    Shown {
        fault: Fault::ConfirmsIgnored,
        signs: NO_END,
        shows: |plan| {
            // Longer than a connection lives without a heartbeat.
            plan.troubles.iter().any(|trouble| {
                matches!(trouble.harm, Harm::ConnectionsHeld(0..2)) && trouble.lasts > Duration::from_secs(5)
            })
        },
    },
    Shown {
        fault: Fault::AcknowledgedBeforeDelivery,
        signs: NO_END,
        shows: |plan| {
            meets_backlog(plan, |harm| matches!(harm, Harm::NodeKilled(_) | Harm::ConnectionsCut(_)))
        },
    },
    Shown {
        fault: Fault::CancelledWithUnacknowledged,
        signs: &["which is before it, was not answered yet"],
        shows: |plan| meets_backlog(plan, |harm| matches!(harm, Harm::NodeStopped(_))),
    },
    Shown {
        fault: Fault::HoldsIgnored,
        signs: &["of the same patient, was refused and set aside"],
        shows: |plan| plan.backlog.is_some() && plan.refused_percent.iter().any(|percent| *percent > 5),
    },
];

/// Whether something happens to one of a plan's nodes while receivers say nothing and much waits.
fn meets_backlog(plan: &Plan, harms: fn(Harm) -> bool) -> bool {
    plan.backlog.is_some_and(|until| {
        plan.troubles
            .iter()
            .any(|trouble| harms(trouble.harm) && trouble.at + Duration::from_millis(500) < until)
    })
}

/// Plants each fault, and gives the seed at which a round has seen it and what it said, or nothing.
pub async fn all(broker: &Arc<Broker>) -> Vec<(Fault, Option<(u64, String)>)> {
    let mut seen = Vec::new();
    for shown in ALL {
        seen.push((shown.fault, shown.is_seen(broker).await));
    }
    seen
}

impl Shown {
    async fn is_seen(&self, broker: &Arc<Broker>) -> Option<(u64, String)> {
        let suitable = (0_u64..).filter(|seed| {
            let plan = Plan::of(*seed, broker.nodes().len());
            plan.weather.is_empty() && (self.shows)(&plan)
        });
        let seeds: Vec<u64> = suitable.take(TRIES * TOGETHER).collect();
        for seeds in seeds.chunks(TOGETHER) {
            let ended = group::run(seeds.iter().copied(), broker, Some(self.fault), PATIENCE).await;
            for red in ended.into_iter().filter_map(Result::err) {
                let sign = |why: &&String| self.signs.iter().any(|sign| why.contains(sign));
                if let Some(why) = red.why.iter().find(sign) {
                    return Some((red.seed, why.clone()));
                }
            }
        }
        None
    }
}
