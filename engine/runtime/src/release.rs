//! Release: what is parked for want of a row in a table once more through today's plan, each at its place.
//!
//! What always holds: only the deliveries that were named are touched, and only while they are parked; one that meets a code without a row
//! again stays where it is.

use orderly_journal::{DeliveryState, Journal, NewDelivery, Only};
use serde::{Deserialize, Serialize};

use crate::plans::Plans;
use crate::replay::{Again, Also};

/// What to release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRequest {
    /// Messages with their parked deliveries, in the order in which they are to go out.
    pub messages: Vec<Parked>,
    /// Only say what would become of them.
    pub dry_run: bool,
    /// The user's name on this machine.
    pub who: String,
}

/// A message and the numbers of its deliveries that are parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The message.
    pub id: u64,
    /// The deliveries.
    pub deliveries: Vec<u64>,
}

/// What became of a message's parked deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The message.
    pub id: u64,
    /// So many wait to be delivered.
    pub released: usize,
    /// So many met a code without a row again.
    pub unmapped: usize,
    /// So many failed, or are parked for another reason.
    pub failed: usize,
    /// So many are not made any more, or not wanted.
    pub dropped: usize,
    /// Why nothing could be done.
    pub problem: Option<String>,
}

/// Releases message by message, in the order asked for.
pub(crate) async fn release(journal: &Journal, plans: &Plans, request: &ReleaseRequest) -> Vec<Released> {
    let mut released = Vec::with_capacity(request.messages.len());
    for parked in &request.messages {
        released.push(match one(journal, plans, parked, request.dry_run).await {
            Ok(released) => released,
            Err(problem) => {
                let (released, unmapped, failed, dropped) = (0, 0, 0, 0);
                Released { id: parked.id, released, unmapped, failed, dropped, problem: Some(problem) }
            }
        });
    }
    released
}

async fn one(journal: &Journal, plans: &Plans, parked: &Parked, dry_run: bool) -> Result<Released, String> {
    let held = plans.hold().await;
    let again = Again::process(journal, &held, parked.id)?;
    let released = foreseen(&again, parked);
    if !dry_run {
        again.commit(journal, &held, Also::default(), Some(Only::Parked(parked.deliveries.clone()))).await?;
    }
    Ok(released)
}

/// What becomes of the parked deliveries with what the plan makes of the message now.
fn foreseen(again: &Again, parked: &Parked) -> Released {
    let mut released =
        Released { id: parked.id, released: 0, unmapped: 0, failed: 0, dropped: 0, problem: None };
    for delivery in &again.stored.deliveries {
        if delivery.state != DeliveryState::Parked || !parked.deliveries.contains(&delivery.seq) {
            continue;
        }
        let is_of_pair = |route: &str, destination: &str| {
            *route == *delivery.route && *destination == *delivery.destination
        };
        let of_pair = |made: &&NewDelivery| is_of_pair(&made.route, &made.destination);
        let part = usize::try_from(delivery.part).unwrap_or(usize::MAX);
        released.count(again.made.iter().filter(of_pair).nth(part));
        // What is split after what parked it becomes several; one that was split before has all its parts already.
        let parts =
            again.stored.deliveries.iter().filter(|other| is_of_pair(&other.route, &other.destination));
        if parts.map(|other| other.part).max() == Some(0) {
            again.made.iter().filter(of_pair).skip(1).for_each(|made| released.count(Some(made)));
        }
    }
    released
}

impl Released {
    /// Counts what became of a parked delivery; nothing when the plan does not make it any more.
    fn count(&mut self, made: Option<&NewDelivery>) {
        match made {
            Some(made) if made.state == DeliveryState::Waiting => self.released += 1,
            Some(made) if made.unmapped.is_some() => self.unmapped += 1,
            Some(made) if made.state == DeliveryState::Filtered => self.dropped += 1,
            Some(_) => self.failed += 1,
            None => self.dropped += 1,
        }
    }
}
