//! From the journal to the destinations: in which order deliveries leave, when a failed one is tried again.
//!
//! All parts are state without IO: they are told what happened and the time, and say what to do next, so that a
//! test can run them by the million. The runtime does what they say.
//!
//! - [`line`]: one destination's deliveries in order: all one behind the other, or lane by lane.
//! - [`retry`]: how long to wait after the n-th failure; plain data from `orderly.yaml`.
//! - [`answers`]: what a refusal means here; plain data too.
//! - [`rate`]: at most so many in a time.
//!
//! With a broker in between, what the line is given comes from there:
//!
//! - [`outbox`]: from the journal of the node that accepted a message into the broker's queue, in order.
//! - [`shelf`]: what the node that delivers has taken from the queue.
//! - [`holds`]: which of it must go back instead, because of what came before it in its lane.

pub mod answers;
pub mod holds;
pub mod item;
pub mod line;
pub mod outbox;
pub mod planted;
pub mod rate;
pub mod retry;
pub mod shelf;
