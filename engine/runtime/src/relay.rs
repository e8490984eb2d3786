//! Senders who wait for a destination's answer, and the destinations' workers who have it.
//!
//! What always holds: whoever waits is told of its own message only, once, and not after its time: an answer that comes later is kept with
//! its attempt and given to nobody.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use orderly_journal::{AttemptRecord, DeliveryState, Journal, StoredDelivery};
use orderly_pipeline::plan::AnswerFrom;
use orderly_pipeline::{Facts, Reply, relayed, too_many};
use orderly_queue::line::Settled;
use orderly_queue::planted::{self, Fault};
use orderly_transport::destinations::{Attempt, Outcome};
use orderly_transport::listeners::Verdict;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::ingest::Taken;
use crate::standing::Standing;

/// How much of an answer is kept with its attempt: far more than any acknowledgement has, and no receiver can fill the
/// journal with it.
pub(crate) const ANSWER_BYTES_KEPT: usize = 64 << 10;

/// All who wait.
#[derive(Debug)]
pub(crate) struct Relays {
    /// How destinations stand, which is why one waits in vain.
    standing: Arc<Standing>,
    /// By message.
    waiting: Mutex<HashMap<u64, Vec<Waiting>>>,
    /// Whether anybody ever did.
    are_used: AtomicBool,
}

/// What another node says of a delivery, and whose it is.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) message: u64,
    /// The id by which it was asked.
    pub(crate) sent: String,
    pub(crate) record: AttemptRecord,
}

#[derive(Debug)]
struct Waiting {
    destination: Arc<str>,
    tell: oneshot::Sender<News>,
}

/// What one who waits hears.
#[derive(Debug)]
enum News {
    Ended(Ended),
    /// The journal has it.
    Recorded,
}

/// Whether a delivery has come to its end with this; otherwise it is tried again, and may be answered in time.
pub(crate) fn ends(settled: Settled) -> bool {
    !matches!(settled, Settled::Waiting { not_before: Some(_) })
}

/// How a delivery ended, as far as its sender is concerned.
#[derive(Debug)]
enum Ended {
    /// With the id by which it was asked.
    Answered { answer: Vec<u8>, sent: String },
    /// Why not, for the sender: nothing of a patient, and no place of this engine's own.
    Unanswered(String),
}

impl Relays {
    pub(crate) fn new(standing: Arc<Standing>) -> Relays {
        Relays { standing, waiting: Mutex::default(), are_used: AtomicBool::new(false) }
    }

    /// An attempt for a message has ended, and this is what becomes of its delivery.
    /// It was asked by the id `sent`.
    pub(crate) fn tell(
        &self,
        message: u64,
        destination: &str,
        settled: Settled,
        attempt: &Attempt,
        sent: &str,
    ) {
        if !ends(settled) {
            return;
        }
        let message = self.meant(message, destination);
        self.tell_each(message, destination, || match (&attempt.answer, &attempt.outcome) {
            (Some(answer), _) => {
                News::Ended(Ended::Answered { answer: answer.clone(), sent: sent.to_owned() })
            }
            (None, Outcome::Retryable { code, .. } | Outcome::Permanent { code, .. }) => {
                News::Ended(Ended::Unanswered(format!("{destination} could not be asked ({code})")))
            }
            (None, Outcome::Delivered) => {
                News::Ended(Ended::Unanswered(format!("{destination} took it without an answer")))
            }
        });
    }

    /// What another node says of a delivery stands in the journal.
    pub(crate) fn tell_result(&self, asked: &Asked, destination: &str) {
        let Asked { message, sent, record } = asked;
        if record.state == DeliveryState::Waiting && record.next_attempt_at_us.is_some() {
            return;
        }
        let ended = || match &record.code {
            _ if record.answer.len() >= ANSWER_BYTES_KEPT => {
                Ended::Unanswered("its answer is too long to be passed on by the broker".to_owned())
            }
            _ if !record.answer.is_empty() => {
                Ended::Answered { answer: record.answer.clone(), sent: sent.clone() }
            }
            Some(code) => Ended::Unanswered(format!("{destination} could not be asked ({code})")),
            None => Ended::Unanswered(format!("{destination} took it without an answer")),
        };
        // Without an attempt it expired, or is told a second time: the journal says how it stands.
        let news = || if record.outcome.is_some() { News::Ended(ended()) } else { News::Recorded };
        self.tell_each(*message, destination, news);
    }

    /// Whether there ever was somebody who waited.
    pub(crate) fn are_used(&self) -> bool {
        self.are_used.load(Ordering::Relaxed)
    }

    /// The message whose senders are told.
    fn meant(&self, message: u64, destination: &str) -> u64 {
        if !planted::is_planted(Fault::AnswerToAnother) {
            return message;
        }
        let all = self.waiting();
        let waits = |waiting: &Vec<Waiting>| waiting.iter().any(|one| *one.destination == *destination);
        let other = all.iter().find(|(other, waiting)| **other != message && waits(waiting));
        other.map_or(message, |(other, _)| *other)
    }

    /// A message's delivery waited for too long.
    pub(crate) fn expired(&self, message: u64, destination: &str) {
        self.tell_each(message, destination, || News::Ended(Ended::Unanswered(too_old(destination))));
    }

    /// What ended a delivery stands in the journal. Whoever came between its end and this has heard of neither.
    pub(crate) fn recorded(&self, message: u64, destination: &str) {
        self.tell_each(message, destination, || News::Recorded);
    }

    fn tell_each(&self, message: u64, destination: &str, news: impl Fn() -> News) {
        let mut all = self.waiting();
        let Some(waiting) = all.get_mut(&message) else { return };
        for one in waiting.extract_if(.., |one| *one.destination == *destination) {
            // It may have gone.
            let _ = one.tell.send(news());
        }
        if waiting.is_empty() {
            all.remove(&message);
        }
    }

    /// To be told of a message's delivery to a destination, from now on.
    fn wait(self: &Arc<Self>, message: u64, destination: Arc<str>) -> Place {
        self.are_used.store(true, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.waiting().entry(message).or_default().push(Waiting { destination, tell });
        Place { relays: self.clone(), message, told }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Vec<Waiting>>> {
        // Whoever panicked has added or removed one as a whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait; given up when dropped.
#[derive(Debug)]
struct Place {
    relays: Arc<Relays>,
    message: u64,
    told: oneshot::Receiver<News>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.told.close();
        let mut all = self.relays.waiting();
        if let Some(waiting) = all.get_mut(&self.message) {
            waiting.retain(|one| !one.tell.is_closed());
            if waiting.is_empty() {
                all.remove(&self.message);
            }
        }
    }
}

/// A message whose sender gets a destination's answer.
#[derive(Debug)]
pub(crate) struct Relay {
    id: u64,
    accepted_at: Timestamp,
    reply: Reply,
    from: AnswerFrom,
    until: Instant,
    /// Whether the message came before: then its answer may be known.
    is_repeat: bool,
    /// Where it waits; or why there can be no answer.
    place: Result<Place, String>,
}

impl Relay {
    /// Waits from before the message is stored, so that no answer is missed. `answerable` says why there can be none.
    pub(crate) fn new(
        relays: &Arc<Relays>,
        from: &AnswerFrom,
        reply: Reply,
        facts: &Facts<'_>,
        answerable: Result<(), String>,
    ) -> Relay {
        let place = answerable.map(|()| relays.wait(facts.id, from.destination.clone()));
        let (id, accepted_at) = (facts.id, facts.accepted_at);
        let until = Instant::now() + from.within;
        Relay { id, accepted_at, reply, from: from.clone(), until, is_repeat: false, place }
    }

    /// The message was stored as a repeat of this one, whose answer it gets.
    pub(crate) fn of_first(self, relays: &Arc<Relays>, first: u64) -> Relay {
        let place = Ok(relays.wait(first, self.from.destination.clone()));
        Relay { id: first, place, is_repeat: true, ..self }
    }

    /// The answer, or that there is none and why, at the latest when its time is over.
    pub(crate) async fn answer(self, journal: &Journal, source: &str) -> Taken {
        let Relay { id, accepted_at, reply, from, until, is_repeat, place } = self;
        let ended = match place {
            Err(why) => Ended::Unanswered(why),
            Ok(place) => wait(journal, id, &from, until, place, is_repeat).await,
        };
        let answer = match ended {
            Ended::Answered { answer, sent } => {
                relayed(&answer, &sent, &reply).map_err(|why| format!("{}: {why}", from.destination))
            }
            Ended::Unanswered(why) => Err(why),
        };
        match answer {
            Ok(answer) => Taken { id, answer: Some(answer), verdict: Verdict::Taken, awaited: None },
            Err(why) => {
                tracing::warn!(source, id, destination = %from.destination, "its sender gets no answer: {why}");
                let answer = reply.unanswered(&why, &Facts { id, source, accepted_at });
                Taken { id, answer, verdict: Verdict::Unanswered, awaited: None }
            }
        }
    }
}

/// Waits, unless it is known already how it ends.
async fn wait(
    journal: &Journal,
    id: u64,
    from: &AnswerFrom,
    until: Instant,
    mut place: Place,
    is_repeat: bool,
) -> Ended {
    let destination = &from.destination;
    if is_repeat {
        match tokio::task::block_in_place(|| stands(journal, id, destination)) {
            Stands::Waiting(_) => {}
            Stands::Ended(ended) => return ended,
        }
    }
    let paused = tokio::task::block_in_place(|| journal.reader().pause_of(destination));
    if let Ok(Some(pause)) = paused {
        return Ended::Unanswered(format!("{destination} is paused by {}", pause.who));
    }
    if let Ok(Ok(News::Ended(ended))) = timeout_at(until, &mut place.told).await {
        return ended;
    }
    match tokio::task::block_in_place(|| stands(journal, id, destination)) {
        Stands::Ended(ended) => ended,
        Stands::Waiting(why) => {
            let why = place.relays.standing.hindrance(destination).unwrap_or(why);
            let seconds = from.within.as_secs_f64();
            Ended::Unanswered(format!("{destination} has not answered within {seconds} s: {why}"))
        }
    }
}

/// How the journal has a delivery.
enum Stands {
    /// Why it still waits.
    Waiting(String),
    Ended(Ended),
}

fn stands(journal: &Journal, id: u64, destination: &str) -> Stands {
    let message = match journal.reader().message(id) {
        Ok(Some(message)) => message,
        Ok(None) => {
            return Stands::Ended(Ended::Unanswered("the journal does not have it any more".to_owned()));
        }
        Err(problem) => return Stands::Waiting(format!("the journal cannot be read: {problem}")),
    };
    let here = message.deliveries.into_iter().filter(|delivery| delivery.destination == *destination);
    let (mut made, others): (Vec<_>, Vec<_>) = here.partition(|delivery| delivery.payload.is_some());
    // A replay makes the same part once more.
    let parts: BTreeSet<_> = made.iter().map(|delivery| (delivery.route.clone(), delivery.part)).collect();
    if parts.len() > 1 {
        return Stands::Ended(Ended::Unanswered(too_many(parts.len(), destination)));
    }
    match made.pop().or_else(|| others.into_iter().next_back()) {
        Some(delivery) => as_it_stands(delivery),
        None => Stands::Ended(Ended::Unanswered(format!("no route takes it to {destination}"))),
    }
}

fn too_old(destination: &str) -> String {
    format!("it waited for longer than `expires_after` of {destination}, and is not sent any more")
}

fn as_it_stands(mut delivery: StoredDelivery) -> Stands {
    let last = delivery.attempts.pop();
    let answer = last.as_ref().map(|last| last.answer.as_slice()).unwrap_or_default();
    let ended = |why: String| Stands::Ended(Ended::Unanswered(why));
    match delivery.state {
        DeliveryState::Waiting => Stands::Waiting(match last.and_then(|last| last.code) {
            Some(code) => format!("the last attempt failed ({code})"),
            None => "it is there now, or waits behind others".to_owned(),
        }),
        DeliveryState::Delivered | DeliveryState::Parked if answer.len() >= ANSWER_BYTES_KEPT => {
            ended("its answer is too long to be told a second time".to_owned())
        }
        DeliveryState::Delivered | DeliveryState::Parked if !answer.is_empty() => {
            let (answer, sent) = (answer.to_vec(), delivery.control_id.unwrap_or_default());
            Stands::Ended(Ended::Answered { answer, sent })
        }
        DeliveryState::Expired => ended(too_old(&delivery.destination)),
        state => ended(format!("it is {}", state.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn attempt(answer: Option<&[u8]>) -> Attempt {
        Attempt { outcome: Outcome::Delivered, answer: answer.map(<[u8]>::to_vec), duration: Duration::ZERO }
    }

    #[tokio::test]
    async fn who_waits_hears_of_its_own_message_and_nobody_is_kept() {
        let relays = Arc::new(Relays::new(Arc::new(Standing::new())));
        let (lab, hub): (Arc<str>, Arc<str>) = (Arc::from("lab"), Arc::from("hub"));
        let mut waits = [
            relays.wait(1, lab.clone()),
            relays.wait(1, lab.clone()),
            relays.wait(1, hub),
            relays.wait(2, lab.clone()),
        ];
        relays.tell(1, "lab", Settled::Waiting { not_before: Some(5) }, &attempt(None), "S1");
        assert!(waits.iter_mut().all(|place| place.told.try_recv().is_err()), "it is tried again");
        relays.tell(1, "lab", Settled::Delivered, &attempt(Some(b"yes")), "S1");
        let heard: Vec<bool> = waits
            .iter_mut()
            .map(|place| matches!(place.told.try_recv(), Ok(News::Ended(Ended::Answered { answer, sent })) if answer == b"yes" && sent == "S1"))
            .collect();
        assert_eq!(heard, [true, true, false, false]);
        let mut late = relays.wait(1, lab);
        relays.recorded(1, "lab");
        assert!(
            matches!(late.told.try_recv(), Ok(News::Recorded)),
            "who came after the end hears that it is known"
        );
        drop((waits, late));
        assert!(relays.waiting().is_empty(), "who has gone is not kept");
        relays.tell(2, "lab", Settled::Parked, &attempt(None), "S1");
    }
}
