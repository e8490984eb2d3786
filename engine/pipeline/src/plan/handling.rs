//! How a destination's deliveries are handled: in which order, when again, and what its answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a destination declares of its deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handling {
    /// When a failed attempt is tried again.
    pub retry: Retry,
    /// What a refusal does, where its code has no entry of its own.
    pub on_refusal: OnAnswer,
    /// What an outcome does that is no delivery, by its code.
    pub on_answer: BTreeMap<String, OnAnswer>,
    /// What is older than this is not sent any more.
    pub expires_after: Option<Duration>,
    /// At most so many attempts in a time.
    pub rate: Option<Rate>,
}

/// `retry:` of a destination. What is not said is the queue's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// Waits after the first, second, ... failure.
    pub schedule: Vec<Duration>,
    /// The wait after every later one.
    pub then: Option<Duration>,
    /// How long a delivery is tried, from its first failure on; for ever when nothing is said.
    pub lasts: Option<Duration>,
    /// By how much a wait may be shorter or longer, in percent.
    pub jitter_percent: u8,
}

/// What is done about an outcome that is no delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnAnswer {
    /// It is set aside for a person.
    #[default]
    Park,
    /// Nothing more is sent there until a person has looked.
    Block,
    /// It is tried again by the schedule.
    Retry,
    /// It counts as delivered.
    Accept,
}

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}
