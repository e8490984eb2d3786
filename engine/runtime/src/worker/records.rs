//! What the journal is told of attempts, and of deliveries that expire without one.

use std::time::Duration;

use orderly_journal::{AttemptOutcome, AttemptRecord, DeliveryState, Outgoing};
use orderly_queue::item::Micros;
use orderly_queue::line::Settled;
use orderly_transport::destinations::{Attempt, Outcome};

use crate::relay::ANSWER_BYTES_KEPT;

/// An attempt that was made, and what was sent.
pub(super) struct Made {
    /// By which a receiver knows the delivery again.
    pub(super) name: String,
    pub(super) message_id: u64,
    /// The id by which its answer names it.
    pub(super) control_id: String,
    pub(super) revision: u32,
    pub(super) since: Option<Micros>,
    pub(super) at: Micros,
    pub(super) attempt: Attempt,
}

/// The record of an attempt.
pub(super) fn attempted(seq: u64, made: Made, result: Settled) -> AttemptRecord {
    let Made { revision, since, at, attempt, .. } = made;
    let (code, text) = match attempt.outcome {
        Outcome::Delivered => (None, None),
        Outcome::Retryable { code, text, .. } | Outcome::Permanent { code, text } => (Some(code), Some(text)),
    };
    let (state, outcome) = match result {
        Settled::Delivered => (DeliveryState::Delivered, AttemptOutcome::Delivered),
        Settled::Waiting { not_before: Some(_) } => (DeliveryState::Waiting, AttemptOutcome::Retryable),
        Settled::Waiting { not_before: None } => (DeliveryState::Waiting, AttemptOutcome::Permanent),
        Settled::GivenUp => (DeliveryState::Parked, AttemptOutcome::Retryable),
        Settled::Parked => (DeliveryState::Parked, AttemptOutcome::Permanent),
        Settled::Expired { .. } => (DeliveryState::Expired, AttemptOutcome::Retryable),
    };
    let told = text.as_deref().unwrap_or_default();
    let reason = match result {
        Settled::Delivered => None,
        Settled::GivenUp => Some(format!("tried for as long as `retry: for` says; at last: {told}")),
        Settled::Waiting { not_before: None } => {
            Some(format!("nothing more is sent until somebody has looked: {told}"))
        }
        _ => text.clone(),
    };
    let next_attempt_at_us = match result {
        Settled::Waiting { not_before } => not_before,
        _ => None,
    };
    AttemptRecord {
        delivery: seq,
        revision,
        since_us: since,
        at_us: at,
        duration_us: u64::try_from(attempt.duration.as_micros()).unwrap_or(u64::MAX),
        outcome: Some(outcome),
        code,
        text,
        answer: attempt.answer.map(kept).unwrap_or_default(),
        state,
        reason,
        next_attempt_at_us,
    }
}

/// The record of a delivery that was too old to be sent.
pub(super) fn expired(seq: u64, revision: u32, since: Option<Micros>, at: Micros) -> AttemptRecord {
    AttemptRecord {
        delivery: seq,
        revision,
        since_us: since,
        at_us: at,
        duration_us: 0,
        outcome: None,
        code: None,
        text: None,
        answer: Vec::new(),
        state: DeliveryState::Expired,
        reason: Some("older than the destination's `expires_after`".to_owned()),
        next_attempt_at_us: None,
    }
}

/// The record of an attempt that nobody has answered: a planted fault.
pub(super) fn unanswered(seq: u64, outgoing: &Outgoing, at: Micros) -> AttemptRecord {
    let attempt = Attempt { outcome: Outcome::Delivered, answer: None, duration: Duration::ZERO };
    let Outgoing { message_id, revision, since_us, .. } = *outgoing;
    let control_id = String::new();
    let name = seq.to_string();
    let made = Made { name, message_id, control_id, revision, since: since_us, at, attempt };
    attempted(seq, made, Settled::Delivered)
}

/// The part of an answer that is kept.
fn kept(mut answer: Vec<u8>) -> Vec<u8> {
    answer.truncate(ANSWER_BYTES_KEPT);
    answer
}
