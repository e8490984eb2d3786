//! Senders who are answered when all deliveries of their message are with the broker, and those who hear that they are.
//!
//! What always holds: what decides is the journal. Whoever waits reads it after it has begun to listen, so that nothing is missed, and once more when
//! its time is over; a positive answer means that no delivery of the message waits that is not noted as with the broker.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use orderly_journal::Journal;
use orderly_pipeline::{Facts, Reply};
use orderly_transport::listeners::Verdict;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    /// By delivery.
    waiting: Mutex<HashMap<u64, Vec<Arc<Left>>>>,
}

/// What one who waits has not heard of.
#[derive(Debug, Default)]
struct Left {
    deliveries: Mutex<BTreeSet<u64>>,
    nothing: Notify,
}

impl Queued {
    /// The journal has a delivery noted as with the broker, or what became of it.
    pub(crate) fn tell(&self, delivery: u64) {
        let told = locked(&self.waiting).remove(&delivery);
        for left in told.into_iter().flatten() {
            left.without(|of| *of == delivery);
        }
    }

    fn wait(self: &Arc<Self>, deliveries: impl IntoIterator<Item = u64>) -> Place {
        let left = Arc::<Left>::default();
        let mut waiting = locked(&self.waiting);
        for delivery in deliveries {
            locked(&left.deliveries).insert(delivery);
            waiting.entry(delivery).or_default().push(left.clone());
        }
        drop(waiting);
        Place { queued: self.clone(), left }
    }
}

impl Left {
    fn without(&self, is_known: impl Fn(&u64) -> bool) {
        let mut deliveries = locked(&self.deliveries);
        deliveries.retain(|delivery| !is_known(delivery));
        if deliveries.is_empty() {
            self.nothing.notify_one();
        }
    }
}

/// A place among those who wait; given up when dropped.
#[derive(Debug)]
struct Place {
    queued: Arc<Queued>,
    left: Arc<Left>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = locked(&self.queued.waiting);
        for delivery in locked(&self.left.deliveries).iter() {
            if let Some(places) = waiting.get_mut(delivery) {
                places.retain(|left| !Arc::ptr_eq(left, &self.left));
                if places.is_empty() {
                    waiting.remove(delivery);
                }
            }
        }
    }
}

/// What is changed under these locks is whole after each step.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stored message whose sender waits until it is queued.
#[derive(Debug)]
pub(crate) struct Queueing {
    queued: Arc<Queued>,
    id: u64,
    accepted_at: Timestamp,
    reply: Reply,
    within: Duration,
    until: Instant,
    place: Option<Place>,
}

impl Queueing {
    pub(crate) fn new(queued: &Arc<Queued>, within: Duration, reply: Reply, facts: &Facts<'_>) -> Queueing {
        let (id, accepted_at) = (facts.id, facts.accepted_at);
        let until = Instant::now() + within;
        Queueing { queued: queued.clone(), id, accepted_at, reply, within, until, place: None }
    }

    /// The message is stored, with these deliveries.
    pub(crate) fn of(mut self, deliveries: impl IntoIterator<Item = u64>) -> Queueing {
        self.place = Some(self.queued.wait(deliveries));
        self
    }

    /// The message was stored as a repeat of this one, whose deliveries are waited for.
    pub(crate) fn of_first(self, first: u64) -> Queueing {
        Queueing { id: first, place: None, ..self }
    }

    /// Waits until all is queued, at the latest until its time is over: then this is the answer instead.
    pub(crate) async fn done(
        mut self,
        journal: &Journal,
        source: &str,
    ) -> Result<(), (Option<Vec<u8>>, Verdict)> {
        let id = self.id;
        let place = match self.place.take() {
            Some(place) => place,
            None => self.queued.wait(unqueued(journal, id).into_iter().flatten()),
        };
        if let Some(unqueued) = unqueued(journal, id) {
            place.left.without(|delivery| !unqueued.contains(delivery));
        }
        if timeout_at(self.until, place.left.nothing.notified()).await.is_ok() {
            return Ok(());
        }
        // A person may have taken it back.
        if unqueued(journal, id).is_some_and(|unqueued| unqueued.is_empty()) {
            return Ok(());
        }
        warn!(
            source,
            id, "not confirmed by the broker in time, answered negatively; it is delivered all the same"
        );
        let Queueing { accepted_at, reply, within, .. } = self;
        let facts = Facts { id, source, accepted_at };
        Err((reply.not_queued(within, &facts), Verdict::Unanswered))
    }
}

/// The deliveries of a message that wait and are not with the broker; nothing when that cannot be known.
fn unqueued(journal: &Journal, id: u64) -> Option<Vec<u64>> {
    let read = tokio::task::block_in_place(|| journal.reader().to_queue(id));
    read.inspect_err(|problem| error!(id, "whether the broker has it could not be read: {problem}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_done(place: &Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.left.nothing.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn who_waits_hears_when_the_last_is_queued_and_nobody_is_kept() {
        let queued = Arc::<Queued>::default();
        let (first, repeat, other) = (queued.wait([1, 2]), queued.wait([2]), queued.wait([3]));
        queued.tell(2);
        assert_eq!(
            (is_done(&first).await, is_done(&repeat).await, is_done(&other).await),
            (false, true, false)
        );
        first.left.without(|delivery| *delivery == 1);
        assert!(is_done(&first).await, "what the journal knows is not waited for");
        drop((first, repeat, other));
        queued.tell(7);
        // What the journal knew first is still asked for, and is forgotten when it is told of.
        queued.tell(1);
        assert!(locked(&queued.waiting).is_empty());
    }
}
