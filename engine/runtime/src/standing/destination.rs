//! What is known of a destination: whether it takes what is sent to it, what went wrong last, and when it is tried again.

use std::sync::{Arc, Mutex, MutexGuard};

use orderly_journal::{JournalError, Reader};
use orderly_queue::line::Ending;
use orderly_transport::destinations::Outcome;

use super::{locked, time};
use crate::status::{DestinationState, DestinationStatus, LastError, NextAttempt};

/// What is known of a destination.
#[derive(Debug)]
pub(crate) struct DestinationStanding {
    name: Arc<str>,
    known: Mutex<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    state: DestinationState,
    since_us: i64,
    last_error: Option<LastError>,
    /// What came of the last attempt that is made again: its code and text.
    failure: Option<(String, String)>,
    /// When the next attempt is made of what waits because one failed, and of which delivery.
    next_attempt: Option<(i64, u64)>,
}

impl DestinationStanding {
    pub(crate) fn new(name: Arc<str>, since_us: i64) -> DestinationStanding {
        let state = DestinationState::Idle;
        let known = Known { state, since_us, last_error: None, failure: None, next_attempt: None };
        DestinationStanding { name, known: Mutex::new(known) }
    }

    /// An attempt ended, and this is what that means here.
    pub(crate) fn attempted(&self, at_us: i64, outcome: &Outcome, ending: Ending) {
        let mut known = self.known();
        let state = match outcome {
            Outcome::Delivered | Outcome::Permanent { .. } => DestinationState::Reachable,
            Outcome::Retryable { .. } => DestinationState::Trying,
        };
        if known.state != state {
            (known.state, known.since_us) = (state, at_us);
        }
        if let Outcome::Retryable { code, text, .. } | Outcome::Permanent { code, text } = outcome {
            known.last_error = Some(LastError { at: time(at_us), code: code.clone(), text: text.clone() });
            if let Ending::Retryable { asked, .. } = ending {
                let asked = asked.map(|asked| format!("; it asked to be left alone for {asked:?}"));
                known.failure = Some((code.clone(), text.clone() + &asked.unwrap_or_default()));
            }
        }
    }

    /// The next attempt of what waits because one failed, and the delivery that it is about.
    pub(crate) fn next_attempt(&self, next: Option<(i64, u64)>) {
        self.known().next_attempt = next;
    }

    /// When it is tried again and why not sooner. What failed before the engine was started, the journal knows.
    pub(super) fn waits_for(
        &self,
        reader: &Reader,
        now_us: i64,
    ) -> Result<Option<NextAttempt>, JournalError> {
        let Known { failure, next_attempt, .. } = self.known().clone();
        let Some((at_us, delivery)) = next_attempt.filter(|(at_us, _)| *at_us > now_us) else {
            return Ok(None);
        };
        let failure = match failure {
            Some((code, text)) => Some((Some(code), Some(text))),
            None => last_failure(reader, delivery)?,
        };
        let (code, text) = failure.unwrap_or_default();
        let in_seconds = seconds_until(at_us, now_us);
        Ok(Some(NextAttempt { at: time(at_us), in_seconds, code, text }))
    }

    pub(super) fn hindrance(&self, now_us: i64) -> Option<String> {
        let Known { state, since_us, failure, next_attempt, .. } = self.known().clone();
        match (state, failure) {
            (DestinationState::Blocked, _) => {
                Some("it refused a message, and gets nothing more until somebody has looked".to_owned())
            }
            (DestinationState::Trying, Some((code, _))) => {
                let next = next_attempt.map(|(at_us, _)| seconds_until(at_us, now_us));
                let next = next.map_or("is made now".to_owned(), |seconds| format!("is in {seconds} s"));
                let since = time(since_us);
                Some(format!(
                    "it is tried in vain since {since}: the last attempt failed ({code}), the next one {next}"
                ))
            }
            _ => None,
        }
    }

    /// A refusal keeps everything else from being sent.
    pub(crate) fn blocked(&self, at_us: i64) {
        let mut known = self.known();
        if known.state != DestinationState::Blocked {
            (known.state, known.since_us) = (DestinationState::Blocked, at_us);
        }
    }

    /// Without what the journal keeps of it.
    pub(crate) fn status(&self) -> DestinationStatus {
        let Known { state, since_us, last_error, .. } = self.known().clone();
        let (name, since) = (self.name.to_string(), time(since_us));
        let (waiting, parked, failed) = (0, 0, 0);
        let (oldest_waiting, last_delivered, paused) = (None, None, None);
        DestinationStatus {
            name,
            state,
            since,
            waiting,
            with_broker: 0,
            delivered_by: None,
            parked,
            failed,
            oldest_waiting,
            last_delivered,
            paused,
            last_error,
            next_attempt: None,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }
}

/// Rounded up; none when the time has come.
fn seconds_until(at_us: i64, now_us: i64) -> u64 {
    u64::try_from(at_us.saturating_sub(now_us)).unwrap_or(0).div_ceil(1_000_000)
}

/// Code and text of an attempt that failed, as far as they are known.
type Failure = (Option<String>, Option<String>);

/// Code and text of a waiting delivery's last attempt.
fn last_failure(reader: &Reader, delivery: u64) -> Result<Option<Failure>, JournalError> {
    let Some(outgoing) = reader.outgoing(delivery)? else { return Ok(None) };
    let message = reader.message(outgoing.message_id)?;
    let deliveries = message.map(|message| message.deliveries).unwrap_or_default();
    let mut waiting = deliveries.into_iter().find(|one| one.seq == delivery);
    let last = waiting.as_mut().and_then(|waiting| waiting.attempts.pop());
    Ok(last.map(|last| (last.code, last.text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Outcome {
        Outcome::retryable("connect-refused", "nobody listens there")
    }

    #[test]
    fn a_destination_is_trying_since_its_first_failure() {
        let destination = DestinationStanding::new(Arc::from("hospital"), 0);
        let again = Ending::Retryable { asked: None, answered: false };
        for (at, outcome, ending) in
            [(1000, Outcome::Delivered, Ending::Delivered), (2000, failed(), again), (3000, failed(), again)]
        {
            destination.attempted(at, &outcome, ending);
        }
        let status = destination.status();
        assert_eq!((status.state, status.since), (DestinationState::Trying, time(2000)));
        assert_eq!(status.last_error.map(|error| error.at), Some(time(3000)));
        destination.attempted(5000, &Outcome::Delivered, Ending::Delivered);
        assert_eq!(destination.status().state, DestinationState::Reachable);
        assert!(destination.status().last_error.is_some());
    }
}
