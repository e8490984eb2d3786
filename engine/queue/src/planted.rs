//! Faults that tests plant to prove that they see: each breaks one promise of the engine, here or in the runtime.
//!
//! Only with the feature `planted-faults`, which the product is never built with; without it, [`is_planted`] is
//! always false and the code behind it is compiled away.

/// A promise to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// The positive answer leaves before the commit.
    AnswerBeforeCommit = 1,
    /// A delivery that must be tried again goes behind the next one.
    OrderSwappedOnRetry = 2,
    /// A delivery is marked delivered before its answer came.
    MarkedBeforeAnswer = 3,
    /// A file is put away before the commit of its messages.
    FileRemovedBeforeCommit = 4,
    /// A file is marked as out of the way before it is.
    FileReleasedBeforeMove = 5,
    /// Processing panics at every second message.
    ProcessingPanics = 6,
    /// What comes too late is taken for the answer to what is under way now.
    LateAnswerCredited = 7,
    /// What is set aside does not hold its lanes.
    ParkedHoldsNoLane = 8,
    /// A merge ties only one of its lanes.
    MergeHoldsOneLane = 9,
    /// What is published counts as confirmed at once.
    ConfirmsIgnored = 10,
    /// What the broker delivers is acknowledged before it is delivered to its destination.
    AcknowledgedBeforeDelivery = 11,
    /// A node hands a destination over by cancelling its consumer, keeping what it has not acknowledged.
    CancelledWithUnacknowledged = 12,
    /// What is held is sent all the same.
    HoldsIgnored = 13,
    /// Results of attempts are never written down.
    ResultForgotten = 14,
    /// A message is taken off a broker's queue before its commit.
    TakenOffBeforeCommit = 15,
    /// A message is taken for a repeat by its name alone, whatever its bytes are.
    RepeatByNameAlone = 16,
    /// A destination's answer is given to the sender of another message.
    AnswerToAnother = 17,
}

/// Held by each test that plants one, and each that one would disturb.
#[cfg(test)]
pub(crate) static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Whether this fault is planted.
#[cfg(not(feature = "planted-faults"))]
#[must_use]
pub const fn is_planted(_: Fault) -> bool {
    false
}

#[cfg(feature = "planted-faults")]
pub use planting::{is_planted, plant};

#[cfg(feature = "planted-faults")]
mod planting {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Fault;

    /// The fault planted in this process; 0 is none.
    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Whether this fault is planted.
    #[must_use]
    pub fn is_planted(fault: Fault) -> bool {
        PLANTED.load(Ordering::Relaxed) == fault as u8
    }

    /// Plants a fault in this process by its number; 0 takes it out.
    pub fn plant(fault: u8) {
        PLANTED.store(fault, Ordering::Relaxed);
    }
}
