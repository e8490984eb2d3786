//! When to try again: a schedule of waits, as declared under a destination's `retry:`.
//!
//! Pure: the wait depends on nothing but the delivery's number, how often it failed, and what its receiver asked for. Without `lasts` a
//! delivery is tried until it is answered, because what was accepted is never dropped.

use std::time::Duration;

use crate::item::{Micros, later};

/// The longest pause that a receiver is granted: one that asks for days has most likely the wrong time, and a person who mends
/// it should not have to know that we wait.
pub const ASKED_MAX: Duration = Duration::from_secs(3600);

/// The waits between attempts. The n-th failure waits for the n-th entry; after the last entry, `then` repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Waits after the first, second, ... failure.
    pub schedule: Vec<Duration>,
    /// The wait after every later failure.
    pub then: Duration,
    /// How long a delivery is tried, counted from its first failure, before it is set aside; for ever when nothing is said.
    pub lasts: Option<Duration>,
    /// By how much a wait may be shorter or longer, in percent (at most 100): so that what failed together does not come back together.
    pub jitter_percent: u8,
}

impl Default for RetrySchedule {
    /// Quick at first, since most failures are a peer's restart; then every ten minutes, which neither floods a
    /// system that is down nor leaves it waiting long once it is back.
    fn default() -> Self {
        RetrySchedule {
            schedule: [1, 5, 30, 120, 600].map(Duration::from_secs).to_vec(),
            then: Duration::from_secs(600),
            lasts: None,
            jitter_percent: 0,
        }
    }
}

impl RetrySchedule {
    /// How long to wait after the `failures`-th failed attempt (1 is the first) of the delivery `seq`, when the receiver `asked` to be
    /// left alone for so long: never less than the schedule says, so that one which asks for no pause is not flooded.
    #[must_use]
    pub fn wait_after(&self, seq: u64, failures: u32, asked: Option<Duration>) -> Duration {
        let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let planned = self.schedule.get(index).copied().unwrap_or(self.then);
        self.jittered(planned, seq, failures).max(asked.unwrap_or_default().min(ASKED_MAX))
    }

    /// Whether a delivery that fails since then is not to be tried any more.
    #[must_use]
    pub fn is_over(&self, failing_since: Micros, now: Micros) -> bool {
        self.lasts.is_some_and(|lasts| later(failing_since, lasts) <= now)
    }

    fn jittered(&self, planned: Duration, seq: u64, failures: u32) -> Duration {
        let percent = u128::from(self.jitter_percent.min(100));
        let planned = planned.as_micros();
        let width = planned.saturating_mul(percent) / 100;
        // Of [planned - width, planned + width], a place that only the delivery and the failure decide.
        let offset = u128::from(scatter(seq, failures)) % (2 * width + 1);
        Duration::from_micros(u64::try_from((planned - width).saturating_add(offset)).unwrap_or(u64::MAX))
    }
}

/// A number that looks random, and is the same each time (the mixing of SplitMix64).
fn scatter(seq: u64, failures: u32) -> u64 {
    let mut z = seq.wrapping_add(u64::from(failures).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn seconds(schedule: &[u64], then: u64) -> RetrySchedule {
        let schedule = schedule.iter().copied().map(Duration::from_secs).collect();
        RetrySchedule { schedule, then: Duration::from_secs(then), ..RetrySchedule::default() }
    }

    #[test]
    fn each_failure_takes_the_next_wait_and_the_last_repeats() {
        let schedule = seconds(&[1, 5], 60);
        let waits: Vec<u64> = (1..=5).map(|n| schedule.wait_after(9, n, None).as_secs()).collect();
        assert_eq!(waits, [1, 5, 60, 60, 60]);
    }

    #[test]
    fn an_empty_schedule_waits_for_then() {
        assert_eq!(seconds(&[], 7).wait_after(9, 1, None).as_secs(), 7);
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever() {
        let schedule = seconds(&[], 10);
        let asked = |seconds| schedule.wait_after(9, 1, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([asked(0), asked(9), asked(11), asked(3600), asked(86_400)], [10, 10, 11, 3600, 3600]);
    }

    #[test]
    fn jitter_spreads_within_its_bounds_and_is_the_same_each_time() {
        let schedule = RetrySchedule { jitter_percent: 10, ..seconds(&[], 100) };
        let waits: BTreeSet<Duration> = (0..100).map(|seq| schedule.wait_after(seq, 3, None)).collect();
        assert!(waits.len() > 90);
        let (least, most) = (waits.first().unwrap().as_secs_f64(), waits.last().unwrap().as_secs_f64());
        assert!((90.0..92.0).contains(&least) && (108.0..=110.0).contains(&most), "{least} to {most}");
        assert_eq!(schedule.wait_after(7, 3, None), schedule.wait_after(7, 3, None));
        assert_ne!(schedule.wait_after(7, 3, None), schedule.wait_after(7, 4, None));
    }

    #[test]
    fn the_largest_waits_do_not_overflow() {
        let forever = RetrySchedule { then: Duration::MAX, jitter_percent: 100, ..RetrySchedule::default() };
        assert!(forever.wait_after(u64::MAX, u32::MAX, None) > Duration::from_secs(1 << 40));
    }

    #[test]
    fn it_lasts_from_the_first_failure_on() {
        let schedule = RetrySchedule { lasts: Some(Duration::from_secs(2)), ..RetrySchedule::default() };
        assert!(!schedule.is_over(1_000_000, 2_999_999));
        assert!(schedule.is_over(1_000_000, 3_000_000));
        assert!(!RetrySchedule::default().is_over(0, Micros::MAX));
    }
}
