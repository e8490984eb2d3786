//! What is handed to the journal: messages, deliveries, results of attempts, and the words for what became of them.
//!
//! The numeric codes of [`Fate`], [`DeliveryState`] and [`AttemptOutcome`] are stored in segment files: they are never renumbered.

use std::ops::Range;
use std::sync::Arc;

use crate::codes::UnmappedCode;
use crate::intake::Origin;
use crate::keys::Key;
use crate::repeats::{Earlier, Identity, Unseen};
use crate::waiting::Place;

/// A message as accepted, with all deliveries that follow from it; stored by one commit.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// From [`crate::Journal::next_id`]; unique.
    pub id: u64,
    /// Name of the source it came in by.
    pub source: Arc<str>,
    /// When it came in, in microseconds since 1970-01-01T00:00:00Z.
    pub accepted_at_us: i64,
    /// Name of the format, such as `hl7v2`.
    pub format: Arc<str>,
    /// Message type as the sender gave it; empty when unknown.
    pub message_type: String,
    /// Trigger event as the sender gave it; empty when unknown.
    pub event: String,
    /// The sender's own id of the message, verbatim; empty when unknown.
    pub control_id: String,
    /// What became of the message as a whole.
    pub fate: Fate,
    /// Why, where the fate needs a reason (the rule that filtered it, the fault's code). No patient data.
    pub reason: Option<String>,
    /// Version of the plan that processed it.
    pub plan: Arc<str>,
    /// The file it came in, if it did.
    pub origin: Option<Origin>,
    /// The name in the certificate that its sender showed, if it showed one.
    pub sender: Option<Arc<str>>,
    /// What it is known by when it comes once more; nothing where repeats are messages like all others.
    pub identity: Option<Identity>,
    /// The bytes as received.
    pub body: Arc<[u8]>,
    /// What it can be found by.
    pub keys: Vec<Key>,
    /// One for each pair of route and destination (more when the output was split), in the order they are to be delivered.
    pub deliveries: Vec<NewDelivery>,
}

/// One message for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Name of the route that made it.
    pub route: Arc<str>,
    /// Name of the destination.
    pub destination: Arc<str>,
    /// `Waiting` to be sent; anything else is the pair's own fate from the start (filtered, failed, parked).
    pub state: DeliveryState,
    /// Why, where the state needs a reason. No patient data.
    pub reason: Option<String>,
    /// Of a parked one, the code that it is parked for.
    pub unmapped: Option<UnmappedCode>,
    /// What is to be sent; `None` when processing made no output. Equal payloads of a message are stored once.
    pub payload: Option<Arc<[u8]>>,
    /// The payload's own id, by which its acknowledgement is matched.
    pub control_id: Option<String>,
    /// Where at the destination it goes, in the destination's own words: a file's name.
    pub target: Option<String>,
    /// How it stands to the destination's other deliveries.
    pub place: Place,
}

/// Where an accepted message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its place in commit order.
    pub seq: u64,
    /// The sequence numbers of its deliveries, in the order given; of a duplicate none.
    pub deliveries: Range<u64>,
    /// The message that it repeats, or that has its name and other bytes; of what has an identity.
    pub earlier: Option<Earlier>,
    /// Files in which the message that it may repeat could not be looked for: it was taken as new.
    pub unseen: Vec<Arc<Unseen>>,
}

/// The result of one attempt to deliver, or what becomes of a delivery without one.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// Sequence number of the delivery.
    pub delivery: u64,
    /// [`crate::WaitingDelivery::revision`] of what was sent. When a replay has replaced the payload since, the attempt is
    /// kept but the delivery stays as the replay left it.
    pub revision: u32,
    /// [`crate::WaitingDelivery::since_us`] of what was sent. When a person has had it tried anew since, its time began anew: then the
    /// attempt is kept, and only its success changes the delivery. Not compared where it is not known.
    pub since_us: Option<i64>,
    /// When it began, in microseconds since 1970-01-01T00:00:00Z.
    pub at_us: i64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What kind of end it had; `None` when nothing was sent, and only the state changes.
    pub outcome: Option<AttemptOutcome>,
    /// The answer's code (AA, AE, 503...), when there was an answer.
    pub code: Option<String>,
    /// What went wrong, in words. No patient data.
    pub text: Option<String>,
    /// The answer as received; empty when there was none.
    pub answer: Vec<u8>,
    /// The delivery's state from now on.
    pub state: DeliveryState,
    /// Why, where the state needs a reason. No patient data.
    pub reason: Option<String>,
    /// When to try again, in microseconds since 1970-01-01T00:00:00Z; for a delivery that stays `Waiting`.
    pub next_attempt_at_us: Option<i64>,
}

/// A stored message processed anew (a replay). Pairs of route and destination not delivered yet are replaced in place, at
/// their place in the order; output for delivered ones is appended only when asked for.
#[derive(Debug, Clone)]
pub struct Reprocessed {
    /// The message.
    pub message_id: u64,
    /// When it was reprocessed, in microseconds since 1970-01-01T00:00:00Z.
    pub at_us: i64,
    /// Version of the plan that reprocessed it.
    pub plan: Arc<str>,
    /// What became of the message now.
    pub fate: Fate,
    /// Why, where the fate needs a reason.
    pub reason: Option<String>,
    /// The pairs the plan makes now. An undelivered delivery that has no counterpart here is cancelled.
    pub deliveries: Vec<NewDelivery>,
    /// Also send again what was delivered already.
    pub also_delivered: bool,
    /// Also send what a person took back; it stays so otherwise.
    pub also_cancelled: bool,
    /// Leave alone all other deliveries than these.
    pub only: Option<Only>,
}

/// Which deliveries a replay touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// Those in this state and to this destination, where they are given.
    Of {
        /// The state.
        state: Option<DeliveryState>,
        /// The destination.
        destination: Option<Arc<str>>,
    },
    /// Those of these numbers that are parked.
    Parked(Vec<u64>),
}

impl Only {
    /// Whether a delivery to this destination is one of them; `seq` is its number where it can be replaced.
    pub fn takes(&self, seq: Option<u64>, state: DeliveryState, destination: &str) -> bool {
        match self {
            Only::Of { state: only, .. } => {
                only.is_none_or(|only| only == state) && self.takes_new(destination)
            }
            Only::Parked(numbers) => {
                state == DeliveryState::Parked && seq.is_some_and(|seq| numbers.contains(&seq))
            }
        }
    }

    /// Whether a delivery to this destination may be one of them that was not made before.
    pub fn takes_new(&self, destination: &str) -> bool {
        match self {
            Only::Of { destination: only, .. } => only.as_ref().is_none_or(|only| **only == *destination),
            Only::Parked(_) => true,
        }
    }
}

/// What became of a message; the first ledger: all accepted messages of a source have exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// At least one route took it.
    Routed,
    /// No route took it; the reason names the rule.
    Filtered,
    /// It had come before.
    Duplicate,
    /// It could not be processed, before any delivery was made.
    Failed,
    /// Its bytes could not be read.
    Quarantined,
}

impl Fate {
    /// All fates.
    pub const ALL: [Fate; 5] =
        [Fate::Routed, Fate::Filtered, Fate::Duplicate, Fate::Failed, Fate::Quarantined];

    /// Its name, as commands and pages write it.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Routed => "routed",
            Fate::Filtered => "filtered",
            Fate::Duplicate => "duplicate",
            Fate::Failed => "failed",
            Fate::Quarantined => "quarantined",
        }
    }

    /// The fate of that name.
    pub fn named(name: &str) -> Option<Fate> {
        Fate::ALL.into_iter().find(|fate| fate.name() == name)
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Fate::Routed => 0,
            Fate::Filtered => 1,
            Fate::Duplicate => 2,
            Fate::Failed => 3,
            Fate::Quarantined => 4,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Fate> {
        Fate::ALL.into_iter().find(|fate| fate.code() == code)
    }
}

/// What became of a delivery; the second ledger: all deliveries of a destination have exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeliveryState {
    /// To be sent, or sent again.
    Waiting,
    /// The destination has it.
    Delivered,
    /// The mapping declared that this pair gets nothing.
    Filtered,
    /// Set aside, waiting for a person.
    Parked,
    /// Could not be mapped, or the destination refused it for good.
    Failed,
    /// A person, or a replay that no longer makes it, took it back.
    Cancelled,
    /// Its time ran out.
    Expired,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [DeliveryState; 7] = [
        DeliveryState::Waiting,
        DeliveryState::Delivered,
        DeliveryState::Filtered,
        DeliveryState::Parked,
        DeliveryState::Failed,
        DeliveryState::Cancelled,
        DeliveryState::Expired,
    ];

    /// Its name, as commands and pages write it.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Filtered => "filtered",
            DeliveryState::Parked => "parked",
            DeliveryState::Failed => "failed",
            DeliveryState::Cancelled => "cancelled",
            DeliveryState::Expired => "expired",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Nothing more will happen to it by itself or by a person who clears the failures: its file may be sealed.
    pub fn is_settled(self) -> bool {
        match self {
            DeliveryState::Delivered
            | DeliveryState::Filtered
            | DeliveryState::Cancelled
            | DeliveryState::Expired => true,
            DeliveryState::Waiting | DeliveryState::Parked | DeliveryState::Failed => false,
        }
    }

    // The partial indexes of a segment file name these numbers.
    pub(crate) fn code(self) -> i64 {
        match self {
            DeliveryState::Waiting => 0,
            DeliveryState::Delivered => 1,
            DeliveryState::Filtered => 2,
            DeliveryState::Parked => 3,
            DeliveryState::Failed => 4,
            DeliveryState::Cancelled => 5,
            DeliveryState::Expired => 6,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// What kind of end an attempt had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// The destination took it.
    Delivered,
    /// It may succeed later: connection, time-out, a busy peer.
    Retryable,
    /// It will not succeed by trying again: refused.
    Permanent,
}

impl AttemptOutcome {
    const ALL: [AttemptOutcome; 3] =
        [AttemptOutcome::Delivered, AttemptOutcome::Retryable, AttemptOutcome::Permanent];

    /// Its name, as commands and pages write it.
    pub fn name(self) -> &'static str {
        match self {
            AttemptOutcome::Delivered => "delivered",
            AttemptOutcome::Retryable => "retryable",
            AttemptOutcome::Permanent => "permanent",
        }
    }

    /// The outcome of that name.
    pub fn named(name: &str) -> Option<AttemptOutcome> {
        AttemptOutcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            AttemptOutcome::Delivered => 0,
            AttemptOutcome::Retryable => 1,
            AttemptOutcome::Permanent => 2,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<AttemptOutcome> {
        AttemptOutcome::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_codes_and_names_lead_back() {
        for fate in Fate::ALL {
            assert_eq!(Fate::from_code(fate.code()), Some(fate));
            assert_eq!(Fate::named(fate.name()), Some(fate));
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_code(state.code()), Some(state));
            assert_eq!(DeliveryState::named(state.name()), Some(state));
        }
        for outcome in AttemptOutcome::ALL {
            assert_eq!(AttemptOutcome::from_code(outcome.code()), Some(outcome));
        }
        assert_eq!(Fate::from_code(99), None);
        assert_eq!(DeliveryState::from_code(-1), None);
    }
}
