//! When to try again: a schedule of waits, as declared under a destination's `retry:`.
//!
//! Pure: the wait depends on nothing but how often the delivery failed and what its receiver asked for. A delivery is tried until it is answered;
//! the schedule has no end, because what was accepted is never dropped.

use std::time::Duration;

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
}

impl Default for RetrySchedule {
    /// Quick at first, since most failures are a peer's restart; then every ten minutes, which neither floods a
    /// system that is down nor leaves it waiting long once it is back.
    fn default() -> Self {
        RetrySchedule {
            schedule: [1, 5, 30, 120, 600].map(Duration::from_secs).to_vec(),
            then: Duration::from_secs(600),
        }
    }
}

impl RetrySchedule {
    /// How long to wait after the `failures`-th failed attempt (1 is the first), when the receiver `asked` to be left alone for so
    /// long: never less than the schedule says, so that one which asks for no pause is not flooded.
    #[must_use]
    pub fn wait_after(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let planned = self.schedule.get(index).copied().unwrap_or(self.then);
        planned.max(asked.unwrap_or_default().min(ASKED_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_takes_the_next_wait_and_the_last_repeats() {
        let schedule = RetrySchedule {
            schedule: vec![Duration::from_secs(1), Duration::from_secs(5)],
            then: Duration::from_secs(60),
        };
        let waits: Vec<u64> = (1..=5).map(|n| schedule.wait_after(n, None).as_secs()).collect();
        assert_eq!(waits, [1, 5, 60, 60, 60]);
    }

    #[test]
    fn an_empty_schedule_waits_for_then() {
        let schedule = RetrySchedule { schedule: vec![], then: Duration::from_secs(7) };
        assert_eq!(schedule.wait_after(1, None).as_secs(), 7);
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever() {
        let schedule = RetrySchedule { schedule: vec![], then: Duration::from_secs(10) };
        let asked = |seconds| schedule.wait_after(1, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([asked(0), asked(9), asked(11), asked(3600), asked(86_400)], [10, 10, 11, 3600, 3600]);
    }
}
