//! A delivery as the order sees it, without its payload: where it stands, and when it may go.

use std::sync::Arc;
use std::time::Duration;

/// Microseconds since the epoch: the journal's clock, so that a planned retry survives a restart.
pub type Micros = i64;

/// [`Item::not_before`] of one that was refused and blocks its destination until a person has looked, where the line learns it from another.
pub const BLOCKED: Micros = Micros::MAX;

/// A time after a wait.
#[must_use]
pub(crate) fn later(now: Micros, wait: Duration) -> Micros {
    now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}

/// Which deliveries go first. Order holds within a class, not between classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Class {
    /// Before all others.
    Stat,
    /// What is neither hurried nor put off.
    #[default]
    Normal,
    /// Only while nothing else is to be sent.
    Backfill,
}

impl Class {
    /// What a line or an outbox has of it, of one for each class in the order of [`Class::ALL`].
    pub(crate) fn of<T>(self, each: &mut [T; Class::ALL.len()]) -> &mut T {
        let [stat, normal, backfill] = each;
        match self {
            Class::Stat => stat,
            Class::Normal => normal,
            Class::Backfill => backfill,
        }
    }

    /// All classes, in the order in which they go.
    pub const ALL: [Class; 3] = [Class::Stat, Class::Normal, Class::Backfill];

    /// The class of a number; what no class has is normal.
    #[must_use]
    pub fn numbered(number: u8) -> Class {
        Class::ALL.into_iter().find(|class| class.number() == number).unwrap_or_default()
    }

    /// Its number in the journal; smaller goes first.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Class::Stat => 0,
            Class::Normal => 1,
            Class::Backfill => 2,
        }
    }
}

/// A lane: deliveries that have one in common go one after the other.
pub type Lane = u64;

/// What is known of a waiting delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the order; unique and increasing over the whole journal.
    pub seq: u64,
    /// The message that it comes from; only handed on.
    pub message: u64,
    /// The class that it is of.
    pub class: Class,
    /// How often a replay replaced it.
    pub revision: u32,
    /// The lanes that it is in; without any it shares one with all others that have none.
    pub lanes: Arc<[Lane]>,
    /// Attempts made so far.
    pub attempts: u32,
    /// Not before this time, when an earlier attempt failed for now.
    pub not_before: Option<Micros>,
    /// When it came in, for its expiry; one without a time does not expire.
    pub since: Option<Micros>,
    /// When its first attempt failed.
    pub failing_since: Option<Micros>,
    /// It is set aside, and holds its lanes until a person has decided.
    pub parked: bool,
}
