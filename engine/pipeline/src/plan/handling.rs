//! How a destination's deliveries are handled: in which order, when again, and what its answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a destination declares of its deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handling {
    /// Which deliveries wait for which.
    pub order: Order,
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

/// Which deliveries wait for which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Each waits for all before it.
    #[default]
    Fifo,
    /// Each waits for those before it that are about one of its patients.
    PerPatient {
        /// So many may be in flight.
        lanes: usize,
    },
}

/// Which deliveries go first. Order holds within a priority, not between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Priority {
    /// Before all others.
    Stat,
    /// What is neither hurried nor put off.
    #[default]
    Normal,
    /// Only while nothing else is to be sent.
    Backfill,
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
