//! What a line is told, what it says, and how a destination is to be treated.

use std::time::Duration;

use crate::item::{Class, Item, Micros};
use crate::rate::Rate;
use crate::retry::RetrySchedule;

/// Which deliveries wait for which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each waits for all that came before it.
    Fifo,
    /// Each waits for those that came before it in one of its lanes.
    Lanes {
        /// So many may be in flight, in different lanes; at least one, at most [`super::LANES_MAX`].
        in_flight_max: usize,
    },
}

/// How a destination is to be treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which deliveries wait for which.
    pub order: Order,
    /// When a failed one is tried again.
    pub retry: RetrySchedule,
    /// At most so many attempts in a time.
    pub rate: Option<Rate>,
    /// What is older than this is not sent any more.
    pub expires_after: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { order: Order::Fifo, retry: RetrySchedule::default(), rate: None, expires_after: None }
    }
}

/// How an attempt ended, and what that means at this destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The destination has it.
    Delivered,
    /// It may work later: the delivery stays first in its lanes.
    Retryable {
        /// How long the destination asked to be left alone.
        asked: Option<Duration>,
        /// Whether the destination answered at all. When it did not, it may be away, and nothing is sent to it for a while.
        answered: bool,
    },
    /// It is set aside.
    Parked,
    /// It stays where it is, and nothing is sent any more until a person has looked.
    Blocking,
    /// Nothing was sent: the journal does not have it waiting any more.
    Withdrawn,
    /// Nothing was sent: the journal could not be read.
    Unread,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Something new may wait in the journal.
    Arrived(Class),
    /// Deliveries at places already passed wait again or not any more, or their payload was replaced.
    Rewound,
    /// The answer to [`Action::Fetch`]; `more` when its limit cut it short.
    Fetched {
        /// Of this class,
        class: Class,
        /// in journal order.
        items: Vec<Item>,
        /// Whether the journal holds more after the last of them.
        more: bool,
    },
    /// The journal could not be read; try again later.
    FetchFailed(Class),
    /// What became of an attempt.
    Attempted {
        /// That of [`Action::Send`]. Any other is passed over.
        ticket: u64,
        /// How it ended.
        ending: Ending,
    },
    /// The result of this delivery is on disk.
    Recorded(u64),
    /// The destination is reached or treated another way from now on: what failed the old way is due at once.
    Changed(Policy),
    /// Send nothing more until [`Event::Resume`]; what is in flight ends.
    Pause,
    /// Go on where it was paused, or blocked; what failed is due at once.
    Resume,
    /// Time has passed.
    Tick,
    /// Send nothing more; what is in flight ends.
    Stop,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Read waiting deliveries in order.
    Fetch {
        /// Those of this class
        class: Class,
        /// behind the last place already in hand;
        after: u64,
        /// also those that are parked.
        parked: bool,
    },
    /// Send this one and report [`Event::Attempted`].
    Send {
        /// The delivery.
        item: Item,
        /// Which attempt this is, of all of this line.
        ticket: u64,
    },
    /// Commit this result and report [`Event::Recorded`].
    Record {
        /// The delivery.
        seq: u64,
        /// What becomes of it.
        result: Settled,
    },
    /// Report [`Event::Tick`] at this time.
    WakeAt(Micros),
    /// So much is parked that no more can be remembered: the rest of this class waits until a person has cleared some of it.
    Choked(Class),
    /// Stopped, nothing in flight, every result recorded.
    Finished,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The destination has it.
    Delivered,
    /// It is tried again.
    Waiting {
        /// Not before this time.
        not_before: Option<Micros>,
    },
    /// It is set aside: it was refused.
    Parked,
    /// It is set aside: it was tried for as long as the schedule lasts.
    GivenUp,
    /// It was too old to be sent.
    Expired {
        /// The message that it comes from.
        message: u64,
        /// How often it had been replaced by then,
        revision: u32,
        /// and since when it waited.
        since: Option<Micros>,
    },
}
