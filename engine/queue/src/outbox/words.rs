//! What an outbox is told, and what it says.

use crate::item::{Class, Item, Lane, Micros};
use crate::line::Order;

/// A delivery that is to go to the broker, as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The delivery.
    pub item: Item,
    /// How large its payload is, in bytes.
    pub bytes: usize,
}

/// A delivery that the journal notes as with the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The delivery, with the revision that its envelope has.
    pub item: Item,
    /// The generation of its envelope.
    pub generation: u64,
    /// A person, or a replay, has changed it since: the envelope is to come back.
    pub recalled: bool,
}

/// An envelope of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The delivery.
    pub seq: u64,
    /// How often it had been replaced.
    pub revision: u32,
    /// The envelope's generation.
    pub generation: u64,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Something new may wait in the journal.
    Arrived(Class),
    /// Deliveries at places already passed wait again or not any more, or were changed.
    Rewound,
    /// The answer to [`Action::FetchCarried`].
    Carried(Vec<Carried>),
    /// The answer to [`Action::Fetch`]; `more` when its limit cut it short.
    Fetched {
        /// Of this class,
        class: Class,
        /// in journal order.
        parcels: Vec<Parcel>,
        /// Whether the journal holds more after the last of them.
        more: bool,
    },
    /// The journal could not be read; try again later.
    FetchFailed,
    /// The answer to [`Action::Open`]: a channel is open, and all that is published on it from now on comes into the queue in order.
    Opened,
    /// The channel is gone, or the broker did not take something: what is not confirmed may be in the queue, or not.
    Lost,
    /// The queue is gone, with all that was in it.
    QueueGone,
    /// The broker has it, durably.
    Confirmed(Id),
    /// The journal had nothing to publish for it any more: it was changed just now.
    Withdrawn(Id),
    /// The answer to [`Action::Mark`].
    Marked {
        /// What was noted.
        id: Id,
        /// Whether it still waited with the payload that was published.
        applied: bool,
    },
    /// The answer to [`Action::Unmark`].
    Unmarked(Id),
    /// What became of it is in the journal.
    Resolved {
        /// Of which.
        id: Id,
        /// Whether it was delivered.
        delivered: bool,
        /// Its lanes, when it was set aside.
        parked: Option<Vec<Lane>>,
    },
    /// Whoever had it gave it back without an attempt, because its lane is held.
    Returned {
        /// Which.
        id: Id,
        /// Its lanes,
        lanes: Vec<Lane>,
        /// of which envelopes of this generation and earlier ones are held.
        held: u64,
    },
    /// The destination's order is another one from now on.
    Changed(Order),
    /// Time has passed.
    Tick,
    /// Publish nothing more; what is under way ends.
    Stop,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read what the journal notes as with the broker.
    FetchCarried,
    /// Read what waits and is not with the broker, in order.
    Fetch {
        /// Of this class,
        class: Class,
        /// behind this place;
        after: u64,
        /// also what is parked.
        parked: bool,
    },
    /// Open a channel, in place of the one before, to the queue that is there ([`Event::QueueGone`] when there is none any more).
    Open {
        /// Make the queue, where there is none.
        anew: bool,
    },
    /// Publish the delivery; the same envelope each time that this is said with the same generation.
    Publish {
        /// The delivery.
        item: Item,
        /// The generation of its envelope.
        generation: u64,
    },
    /// Note that the delivery is with the broker, when it still waits with this revision.
    Mark(Id),
    /// Note that this envelope of the delivery is not with the broker any more.
    Unmark(Id),
    /// A returned envelope needs nothing more.
    Forget(Id),
    /// Have every node know that envelopes of these lanes are held and come back.
    Hold {
        /// The lanes.
        lanes: Vec<Lane>,
        /// This generation and all earlier ones.
        generation: u64,
    },
    /// Have every node know that the delivery of this envelope was delivered by an earlier one, and need not be again.
    Done(Id),
    /// Tell whoever delivers, behind all that is published: no envelope of a generation before this one comes any more.
    Release {
        /// The generation.
        before: u64,
    },
    /// Report [`Event::Tick`] at this time.
    WakeAt(Micros),
    /// So much is parked that no more can be remembered: the rest of this class waits until a person has cleared some of it.
    Choked(Class),
    /// Stopped, and nothing under way.
    Finished,
}
