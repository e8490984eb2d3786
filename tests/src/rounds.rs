//! Fault rounds: several nodes share a broker, senders feed them, receivers take or refuse, and what stands between them is killed, frozen and
//! cut, by seed. Afterwards what the engine promises is checked from what senders and receivers saw and from the journals.
//!
//! What always holds: a round is repeated by its seed, as far as times of processes can be; everything waits for an event or for a limited time; what
//! was harmed is healed before anything is checked.

pub mod check;
pub mod feed;
pub mod group;
pub mod history;
pub mod node;
pub mod plan;
pub mod planted;
pub mod report;
pub mod round;
pub mod ward;
