//! From the journal to the destinations: in which order deliveries leave, when a failed one is tried again.
//!
//! Both parts are state without IO: they are told what happened and the time, and say what to do next, so that a
//! test can run them by the million. The runtime does what they say.
//!
//! - [`retry`]: how long to wait after the n-th failure; plain data from `orderly.yaml`.
//! - [`fifo`]: one destination's deliveries in journal order, one in flight.

pub mod fifo;
pub mod planted;
pub mod retry;
