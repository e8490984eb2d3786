//! At most so many deliveries in a time, as declared by a destination's `rate:`: a token bucket, pure.
//!
//! What always holds: in any stretch of time no more are let through than the rate allows, and [`BURST`] more.

use std::time::Duration;

use crate::item::{Micros, later};

/// What may be caught up at once after a pause: long enough that a timer which wakes late costs nothing, too short to be felt
/// as a flood.
pub const BURST: Duration = Duration::from_millis(100);

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

/// How much of a rate is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// When the bucket would be full again, if nothing more were taken.
    full_at: Micros,
}

impl Bucket {
    /// Takes one, or says from when on there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Micros) -> Result<(), Micros> {
        let one = rate.per / rate.count.max(1);
        // A rate that was slower, or a clock that was set back, leaves no more behind than one at this rate would.
        self.full_at = self.full_at.min(later(now, one.max(BURST)));
        // All but one may be gone already: the burst, or one at a time where the burst holds less than that.
        let slack = BURST.saturating_sub(one);
        let from = self.full_at.saturating_sub(later(0, slack));
        if from > now {
            return Err(from);
        }
        self.full_at = later(self.full_at.max(now), one);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: Rate, until: Micros) -> Vec<Micros> {
        let (mut bucket, mut now, mut taken) = (Bucket::default(), 1_000_000, Vec::new());
        while now < 1_000_000 + until {
            match bucket.take(rate, now) {
                Ok(()) => taken.push(now - 1_000_000),
                Err(from) => {
                    assert!(from > now, "it names a time to come");
                    now = from;
                }
            }
        }
        taken
    }

    #[test]
    fn a_slow_rate_lets_one_through_at_a_time() {
        let rate = Rate { count: 2, per: Duration::from_secs(1) };
        assert_eq!(taken(rate, 2_000_000), [0, 500_000, 1_000_000, 1_500_000]);
    }

    #[test]
    fn a_fast_rate_may_catch_up_a_tenth_of_a_second() {
        let rate = Rate { count: 1000, per: Duration::from_secs(1) };
        let taken = taken(rate, 1_000_000);
        assert_eq!(taken.iter().filter(|at| **at == 0).count(), 100);
        assert_eq!(taken.len(), 1099);
    }

    #[test]
    fn a_rate_made_faster_and_a_clock_set_back_hold_nothing_up() {
        let (slow, fast) = (Duration::from_secs(3600), Duration::from_secs(1));
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(Rate { count: 1, per: slow }, 9_000_000_000), Ok(()));
        assert_eq!(bucket.take(Rate { count: 10, per: fast }, 9_000_000_001), Err(9_000_100_001));
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(Rate { count: 1, per: fast }, 9_000_000_000), Ok(()));
        assert_eq!(bucket.take(Rate { count: 1, per: fast }, 1_000_000_000), Err(1_001_000_000));
    }

    #[test]
    fn what_is_not_used_is_not_saved_up() {
        let rate = Rate { count: 1, per: Duration::from_secs(60) };
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(rate, 1_000_000_000), Ok(()));
        assert_eq!(bucket.take(rate, 1_000_000_000), Err(1_060_000_000));
    }
}
