//! How a destination's deliveries are to be treated, in the words of the queue.

use orderly_pipeline::plan::{self, Handling, OnAnswer, Retry};
use orderly_queue::answers::{Answers, Then};
use orderly_queue::line::{Order, Policy};
use orderly_queue::rate::Rate;
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
        let Handling { order, retry, on_refusal, on_answer, expires_after, rate } = &destination.handling;
        let policy = Policy {
            order: match *order {
                plan::Order::Fifo => Order::Fifo,
                plan::Order::PerPatient { lanes } => Order::Lanes { in_flight_max: lanes },
            },
            retry: schedule(retry),
            rate: rate.map(|rate| Rate { count: rate.count, per: rate.per }),
            expires_after: *expires_after,
        };
        let on_answer = on_answer.iter().map(|(code, action)| (code.clone(), then(*action))).collect();
        Treatment { policy, answers: Answers { on_refusal: then(*on_refusal), on_answer } }
    }
}

fn schedule(retry: &Retry) -> RetrySchedule {
    let defaults =
        RetrySchedule { lasts: retry.lasts, jitter_percent: retry.jitter_percent, ..Default::default() };
    match retry.then {
        Some(then) => RetrySchedule { schedule: retry.schedule.clone(), then, ..defaults },
        None => defaults,
    }
}

fn then(action: OnAnswer) -> Then {
    match action {
        OnAnswer::Park => Then::Park,
        OnAnswer::Block => Then::Block,
        OnAnswer::Retry => Then::Retry,
        OnAnswer::Accept => Then::Accept,
    }
}
