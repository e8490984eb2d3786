//! Where a worker's deliveries come from, and where it says what became of them: the journal, or a broker.

use std::sync::Arc;

use orderly_journal::{AttemptRecord, CommitError, Journal, Outgoing, Reader, WaitingDelivery, WaitingQuery};
use orderly_queue::item::{Class, Item};
use orderly_queue::line::Settled;

use crate::carrier::taker::Taken;

/// The supply of a worker.
pub(crate) enum Supply {
    /// This node's journal.
    Journal(Journal, Reader),
    /// The destination's queue at a broker.
    Broker(Arc<Taken>),
}

type Written = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

impl Supply {
    /// What waits, in order, without payloads; and whether there is more.
    pub(super) fn waiting(&self, query: &WaitingQuery<'_>) -> Result<(Vec<Item>, bool), String> {
        match self {
            Supply::Journal(_, reader) => {
                let batch = reader.waiting(query).map_err(|problem| problem.to_string())?;
                Ok((batch.deliveries.into_iter().map(item).collect(), batch.more))
            }
            Supply::Broker(taken) => Ok(taken.fetch(Class::numbered(query.class), query.after, query.limit)),
        }
    }

    /// What is to be sent now.
    pub(super) fn outgoing(&self, seq: u64) -> Result<Option<Outgoing>, String> {
        match self {
            Supply::Journal(_, reader) => reader.outgoing(seq).map_err(|problem| problem.to_string()),
            Supply::Broker(taken) => Ok(taken.outgoing(seq)),
        }
    }

    /// By which a receiver knows a delivery again, however often and by whichever node it is sent.
    pub(super) fn name(&self, seq: u64) -> String {
        match self {
            Supply::Journal(..) => seq.to_string(),
            Supply::Broker(taken) => taken.name(seq).unwrap_or_default(),
        }
    }

    /// Has a result kept. With the journal, `written` hears of it; a broker's taker tells the inbox.
    pub(super) fn record(&self, record: AttemptRecord, result: Settled, written: Written) {
        match self {
            Supply::Journal(journal, _) => journal.record(record, written),
            Supply::Broker(taken) if taken.settled(record, result) => {}
            // It lies there no more: the broker gives it again, to this node or another.
            Supply::Broker(_) => written(Ok(())),
        }
    }
}

/// As the queues know a delivery that waits in the journal.
pub(crate) fn item(waiting: WaitingDelivery) -> Item {
    Item {
        seq: waiting.seq,
        message: waiting.message_id,
        class: Class::numbered(waiting.place.class),
        revision: waiting.revision,
        lanes: waiting.place.lanes,
        attempts: waiting.attempts,
        not_before: waiting.next_attempt_at_us,
        since: waiting.since_us,
        failing_since: waiting.failing_since_us,
        parked: waiting.parked,
    }
}
