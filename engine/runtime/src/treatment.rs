//! How a destination's deliveries are to be treated, in the words of the queue.

use orderly_pipeline::plan;
use orderly_queue::answers::Answers;
use orderly_queue::line::Policy;
use orderly_queue::retry::RetrySchedule;

/// How a destination's deliveries are to be treated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Treatment {
    /// In which order they go, and when again.
    pub(crate) policy: Policy,
    /// What its answers mean.
    pub(crate) answers: Answers,
}

impl Treatment {
    /// As a destination declares it.
    pub(crate) fn of(destination: &plan::Destination) -> Treatment {
        let retry = destination.retry.as_ref().map_or_else(RetrySchedule::default, |retry| RetrySchedule {
            schedule: retry.schedule.clone(),
            then: retry.then,
            ..RetrySchedule::default()
        });
        Treatment { policy: Policy { retry, ..Policy::default() }, ..Treatment::default() }
    }
}
