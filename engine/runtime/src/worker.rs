//! One destination's worker: does what its [`Fifo`] says, on a thread of its own.
//!
//! A thread a destination, because reading the journal and writing files block, and because the operating system then
//! shares the processors fairly between feeds and deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orderly_journal::{
    AttemptOutcome, AttemptRecord, CommitError, DeliveryState, Journal, Place, Reader, WaitingDelivery,
    WaitingQuery,
};
use orderly_pipeline::plan;
use orderly_queue::fifo::{Action, Ending, Event, Fifo, Item, Micros};
use orderly_queue::planted::{self, Fault};
use orderly_queue::retry::RetrySchedule;
use orderly_transport::destinations::{Attempt, Delivery, Destination, DestinationSettings, Outcome};
use tracing::{debug, error, info, warn};

use crate::deliver;
use crate::inbox::{Inbox, News};
use crate::standing::DestinationStanding;

/// How many deliveries are read at a time, and how many bytes of them: enough that reading costs little a delivery, few
/// enough that memory stays flat however much waits.
const FETCH_MAX: usize = 128;
const FETCH_BYTES_MAX: usize = 4 << 20;

/// How much of an answer is kept with its attempt: far more than any acknowledgement has, and no receiver can fill the
/// journal with it.
const ANSWER_BYTES_KEPT: usize = 64 << 10;

/// How long a result that could not be recorded waits before it is written again, in microseconds.
const RECORD_RETRY_US: Micros = 1_000_000;

/// A destination's worker.
pub(crate) struct Worker {
    name: Arc<str>,
    settings: DestinationSettings,
    fifo: Fifo<Arc<WaitingDelivery>>,
    journal: Journal,
    reader: Reader,
    inbox: Arc<Inbox>,
    /// The attempt just made, until the line says what it means.
    made: Option<Made>,
    /// Results on their way to the journal, kept until they are there.
    unrecorded: BTreeMap<u64, AttemptRecord>,
    /// When results that could not be written are written again.
    record_again: Option<Micros>,
    /// What is told of it to those who ask.
    standing: Arc<DestinationStanding>,
    /// Whether the last attempt failed: the log tells the first failure and the recovery, not each attempt.
    failing: bool,
}

/// An attempt and what was sent.
struct Made {
    revision: u32,
    at: Micros,
    attempt: Attempt,
}

/// What to do after the actions of a step.
enum Next {
    Send(Item<Arc<WaitingDelivery>>),
    Wait(Option<Micros>),
    Finish,
}

type Actions = Vec<Action<Arc<WaitingDelivery>>>;

impl Worker {
    pub(crate) fn new(
        destination: &plan::Destination,
        settings: DestinationSettings,
        journal: Journal,
        inbox: Arc<Inbox>,
        standing: Arc<DestinationStanding>,
    ) -> Self {
        Worker {
            name: destination.name.clone(),
            settings,
            fifo: Fifo::new(retry_schedule(destination)),
            reader: journal.reader(),
            journal,
            inbox,
            made: None,
            unrecorded: BTreeMap::new(),
            record_again: None,
            standing,
            failing: false,
        }
    }

    /// Delivers until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut destination = self.settings.clone().open().await;
        let mut actions = self.fifo.step(Event::Tick, now());
        loop {
            let news = self.inbox.take();
            if let Some((settings, _)) = &news.changed {
                info!(destination = %self.name, "the destination is reached another way from now on");
                destination = settings.clone().open().await;
            }
            actions.extend(self.hear(news));
            match self.perform(actions) {
                Next::Send(item) => {
                    let ending = self.attempt(&mut destination, &item).await;
                    actions = self.fifo.step(Event::Attempted(ending), now());
                }
                Next::Wait(until) => {
                    self.wait(until).await;
                    actions = self.fifo.step(Event::Tick, now());
                }
                Next::Finish => return,
            }
        }
    }

    fn hear(&mut self, news: News) -> Actions {
        let mut events: Vec<Event<_>> = Vec::new();
        for seq in news.recorded {
            self.unrecorded.remove(&seq);
            events.push(Event::Recorded(seq));
        }
        if let Some(problem) = news.record_failed {
            error!(destination = %self.name, "a result could not be recorded, writing it again: {problem}");
            self.record_again = Some(now() + RECORD_RETRY_US);
        }
        events.extend(news.changed.map(|(_, retry)| Event::Changed(retry)));
        events.extend(news.rewound.then_some(Event::Rewound));
        events.extend(news.arrived.then_some(Event::Arrived));
        events.extend(news.paused.map(|paused| if paused { Event::Pause } else { Event::Resume }));
        events.extend(news.stop.then_some(Event::Stop));
        events.into_iter().flat_map(|event| self.fifo.step(event, now())).collect()
    }

    /// Does what is to be done at once, and says what is left: to send, to wait or to end.
    fn perform(&mut self, mut actions: Actions) -> Next {
        let mut wake = None;
        let mut send = None;
        let mut finished = false;
        while !actions.is_empty() {
            let mut following = Vec::new();
            for action in actions {
                match action {
                    Action::Fetch { after } => following.extend(self.fetch(after)),
                    Action::Record { seq, ending, not_before, .. } => self.record(seq, ending, not_before),
                    Action::Send(item) => send = Some(item),
                    Action::WakeAt(time) => wake = Some(wake.map_or(time, |other: Micros| other.min(time))),
                    Action::Finished => finished = true,
                }
            }
            actions = following;
        }
        match send {
            Some(item) => Next::Send(item),
            None if finished => Next::Finish,
            None => Next::Wait(wake),
        }
    }

    fn fetch(&mut self, after: u64) -> Actions {
        let query = WaitingQuery {
            destination: &self.name,
            class: Place::USUAL,
            after,
            limit: FETCH_MAX,
            bytes_max: FETCH_BYTES_MAX,
            parked: false,
        };
        let event = match self.reader.waiting(&query) {
            Ok(batch) => {
                let items = batch.deliveries.into_iter().map(item).collect();
                Event::Fetched { items, more: batch.more }
            }
            Err(problem) => {
                error!(destination = %self.name, "the journal cannot be read, trying again: {problem}");
                Event::FetchFailed
            }
        };
        self.fifo.step(event, now())
    }

    async fn attempt(&mut self, destination: &mut Destination, item: &Item<Arc<WaitingDelivery>>) -> Ending {
        let waiting = &item.payload;
        let id = waiting.seq.to_string();
        let delivery = Delivery {
            id: &id,
            name: waiting.target.as_deref().unwrap_or_default(),
            payload: &waiting.payload,
        };
        let control_id = waiting.control_id.as_deref().unwrap_or_default();
        let at = now();
        if planted::is_planted(Fault::MarkedBeforeAnswer) {
            self.mark_unanswered(waiting, at);
        }
        let attempt = deliver::attempt(destination, &delivery, control_id).await;
        let ending = match attempt.outcome {
            Outcome::Delivered => Ending::Delivered,
            Outcome::Retryable { retry_after, .. } => Ending::Retryable { asked: retry_after },
            Outcome::Permanent { .. } => Ending::Refused,
        };
        self.standing.attempted(now(), &attempt.outcome);
        self.note(waiting, &attempt.outcome);
        self.made = Some(Made { revision: waiting.revision, at, attempt });
        ending
    }

    fn mark_unanswered(&self, waiting: &WaitingDelivery, at: Micros) {
        let attempt = Attempt { outcome: Outcome::Delivered, answer: None, duration: Duration::ZERO };
        let made = Made { revision: waiting.revision, at, attempt };
        self.journal.record(attempt_record(waiting.seq, made, Ending::Delivered, None), |_| {});
    }

    fn record(&mut self, seq: u64, ending: Ending, not_before: Option<Micros>) {
        let Some(made) = self.made.take() else { return };
        let record = attempt_record(seq, made, ending, not_before);
        self.unrecorded.insert(seq, record.clone());
        self.hand_over(record);
    }

    fn hand_over(&self, record: AttemptRecord) {
        let (inbox, seq) = (self.inbox.clone(), record.delivery);
        self.journal.record(record, move |result| {
            inbox.tell(|news| match result {
                Ok(()) => news.recorded.push(seq),
                // A replay took it away and its file was sealed: there is nothing to record it in, now or later.
                Err(CommitError::NoSuchDelivery { .. }) => {
                    news.recorded.push(seq);
                    news.rewound = true;
                }
                Err(error) => news.record_failed = Some(error.to_string()),
            });
        });
    }

    /// Waits for news or for the time, whichever is first; then writes again what could not be recorded.
    async fn wait(&mut self, until: Option<Micros>) {
        let until = [until, self.record_again].into_iter().flatten().min();
        match until {
            None => self.inbox.wait().await,
            Some(time) => {
                let wait = Duration::from_micros(u64::try_from(time - now()).unwrap_or(0));
                // Either way the line is asked anew.
                let _ = tokio::time::timeout(wait, self.inbox.wait()).await;
            }
        }
        if self.record_again.is_some_and(|time| time <= now()) {
            self.record_again = None;
            for record in self.unrecorded.values().cloned() {
                self.hand_over(record);
            }
        }
    }

    fn note(&mut self, waiting: &WaitingDelivery, outcome: &Outcome) {
        let (destination, id, delivery) = (&self.name, waiting.message_id, waiting.seq);
        match outcome {
            Outcome::Delivered if self.failing => info!(%destination, "delivering again"),
            Outcome::Delivered => {}
            Outcome::Retryable { code, text, .. } if self.failing => {
                debug!(%destination, id, delivery, code, "failed again: {text}");
            }
            Outcome::Retryable { code, text, .. } => {
                warn!(%destination, id, delivery, code, "cannot deliver, will try again: {text}");
            }
            Outcome::Permanent { code, text } => {
                warn!(%destination, id, delivery, code, "refused, parked: {text}");
            }
        }
        self.failing = matches!(outcome, Outcome::Retryable { .. });
    }
}

/// A destination's waits between attempts.
pub(crate) fn retry_schedule(destination: &plan::Destination) -> RetrySchedule {
    destination.retry.as_ref().map_or_else(RetrySchedule::default, |retry| RetrySchedule {
        schedule: retry.schedule.clone(),
        then: retry.then,
    })
}

fn item(waiting: WaitingDelivery) -> Item<Arc<WaitingDelivery>> {
    Item {
        seq: waiting.seq,
        attempts: waiting.attempts,
        not_before: waiting.next_attempt_at_us,
        payload: Arc::new(waiting),
    }
}

/// What the journal is told of an attempt. What is refused is parked: it waits for a person, and holds nobody up.
fn attempt_record(seq: u64, made: Made, ending: Ending, not_before: Option<Micros>) -> AttemptRecord {
    let Made { revision, at, attempt } = made;
    let (state, outcome) = match ending {
        Ending::Delivered => (DeliveryState::Delivered, AttemptOutcome::Delivered),
        Ending::Retryable { .. } => (DeliveryState::Waiting, AttemptOutcome::Retryable),
        Ending::Refused => (DeliveryState::Parked, AttemptOutcome::Permanent),
    };
    let (code, text) = match attempt.outcome {
        Outcome::Delivered => (None, None),
        Outcome::Retryable { code, text, .. } | Outcome::Permanent { code, text } => (Some(code), Some(text)),
    };
    AttemptRecord {
        delivery: seq,
        revision,
        at_us: at,
        duration_us: u64::try_from(attempt.duration.as_micros()).unwrap_or(u64::MAX),
        outcome: Some(outcome),
        reason: text.clone().filter(|_| state != DeliveryState::Delivered),
        code,
        text,
        answer: attempt.answer.map(kept).unwrap_or_default(),
        state,
        next_attempt_at_us: not_before,
    }
}

/// The part of an answer that is kept.
fn kept(mut answer: Vec<u8>) -> Vec<u8> {
    answer.truncate(ANSWER_BYTES_KEPT);
    answer
}

fn now() -> Micros {
    Timestamp::now().as_microsecond()
}
