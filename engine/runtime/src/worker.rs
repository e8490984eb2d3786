//! One destination's worker: does what its [`Line`] says, on a thread of its own.
//!
//! A thread a destination, because reading the journal and writing files block, and because the operating system then
//! shares the processors fairly between feeds and deliveries. What always holds: each attempt is made with a payload that
//! waited in the journal when it began, and on a connection that no other attempt uses meanwhile.

mod records;
mod supply;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orderly_journal::{AttemptRecord, CommitError, Outgoing, WaitingQuery};
use orderly_pipeline::plan;
use orderly_queue::answers::{Answers, Attempted};
use orderly_queue::item::{Class, Item, Micros};
use orderly_queue::line::{Action, Ending, Event, Line, Settled};
use orderly_queue::planted::{self, Fault};
use orderly_transport::destinations::{Attempt, Delivery, Destination, DestinationSettings, Outcome};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use crate::deliver;
use crate::inbox::{Inbox, News};
use crate::moment::{after, now};
use crate::relay::{Relays, ends};
use crate::standing::DestinationStanding;
use crate::treatment::Treatment;
use records::Made;
pub(crate) use supply::{Supply, item};

/// How many deliveries are read at a time, without their payloads: enough that reading costs little a delivery.
const FETCH_MAX: usize = 512;

/// How long a result that could not be recorded waits before it is written again, in microseconds.
const RECORD_RETRY_US: Micros = 1_000_000;

/// A destination's worker.
pub(crate) struct Worker {
    name: Arc<str>,
    settings: DestinationSettings,
    answers: Answers,
    line: Line,
    supply: Supply,
    inbox: Arc<Inbox>,
    /// Ways to the destination that no attempt uses.
    idle: Vec<Destination>,
    /// How often the way there was changed: what was opened before a change is not used after it.
    generation: u64,
    under_way: JoinSet<Ended>,
    /// Attempts that have ended, until the line says what they mean; by delivery.
    made: BTreeMap<u64, Made>,
    /// Results on their way to the journal, kept until they are there.
    unrecorded: BTreeMap<u64, (AttemptRecord, Settled)>,
    /// The messages of those whose delivery they end, for senders who ask again meanwhile.
    ending: BTreeMap<u64, u64>,
    /// When results that could not be written are written again.
    record_again: Option<Micros>,
    /// What is told of it to those who ask.
    standing: Arc<DestinationStanding>,
    /// Senders who wait for its answers.
    relays: Arc<Relays>,
    /// Whether the last attempt failed: the log tells the first failure and the recovery, not each attempt.
    failing: bool,
}

/// An attempt that has ended.
struct Ended {
    ticket: u64,
    seq: u64,
    destination: Destination,
    generation: u64,
    made: Made,
}

/// What to do after the actions of a step.
enum Next {
    Wait(Option<Micros>),
    Finish,
}

impl Worker {
    pub(crate) fn new(
        destination: &plan::Destination,
        settings: DestinationSettings,
        supply: Supply,
        inbox: Arc<Inbox>,
        standing: Arc<DestinationStanding>,
        relays: Arc<Relays>,
    ) -> Self {
        let Treatment { policy, answers } = Treatment::of(destination);
        Worker {
            name: destination.name.clone(),
            settings,
            answers,
            line: match &supply {
                Supply::Journal(..) => Line::new(policy),
                Supply::Broker(_) => Line::from_broker(policy),
            },
            supply,
            inbox,
            idle: Vec::new(),
            generation: 0,
            under_way: JoinSet::new(),
            made: BTreeMap::new(),
            unrecorded: BTreeMap::new(),
            ending: BTreeMap::new(),
            record_again: None,
            standing,
            relays,
            failing: false,
        }
    }

    /// Delivers until it is told to stop.
    pub(crate) async fn run(mut self) {
        self.idle.push(self.settings.clone().open().await);
        let mut actions = self.line.step(Event::Tick, now());
        loop {
            let news = self.inbox.take();
            actions.extend(self.hear(news));
            let Next::Wait(until) = self.perform(actions) else { return };
            self.standing.next_attempt(self.line.next_attempt(now()));
            actions = self.wait(until).await;
        }
    }

    fn hear(&mut self, news: News) -> Vec<Action> {
        let mut events: Vec<Event> = Vec::new();
        for seq in news.recorded {
            self.unrecorded.remove(&seq);
            if let Some(message) = self.ending.remove(&seq) {
                self.relays.recorded(message, &self.name);
            }
            events.push(Event::Recorded(seq));
        }
        if let Some(problem) = news.record_failed {
            error!(destination = %self.name, "a result could not be recorded, writing it again: {problem}");
            self.record_again = Some(now() + RECORD_RETRY_US);
        }
        if let Some((settings, treatment)) = news.changed {
            info!(destination = %self.name, "the destination is reached another way from now on");
            self.generation += 1;
            self.idle.clear();
            (self.settings, self.answers) = (settings, treatment.answers);
            if let Supply::Broker(taken) = &self.supply {
                taken.change(treatment.policy.order);
            }
            events.push(Event::Changed(treatment.policy));
        }
        events.extend(news.rewound.then_some(Event::Rewound));
        events.extend(news.arrived.into_iter().map(Event::Arrived));
        events.extend(news.paused.map(|paused| if paused { Event::Pause } else { Event::Resume }));
        events.extend(news.stop.then_some(Event::Stop));
        events.into_iter().flat_map(|event| self.line.step(event, now())).collect()
    }

    /// Does what is to be done at once, and says what is left: to wait or to end.
    fn perform(&mut self, mut actions: Vec<Action>) -> Next {
        let mut wake = None;
        let mut finished = false;
        while !actions.is_empty() {
            let mut following = Vec::new();
            for action in actions {
                match action {
                    Action::Fetch { class, after, parked } => {
                        following.extend(self.fetch(class, after, parked))
                    }
                    Action::Record { seq, result } => self.record(seq, result),
                    Action::Send { item, ticket } => following.extend(self.send(&item, ticket)),
                    Action::WakeAt(time) => wake = Some(wake.map_or(time, |other: Micros| other.min(time))),
                    Action::Choked(class) => error!(
                        destination = %self.name,
                        "so much is parked that nothing more of the class {class:?} is read: clear some of it"
                    ),
                    Action::Finished => finished = true,
                }
            }
            actions = following;
        }
        if finished { Next::Finish } else { Next::Wait(wake) }
    }

    fn fetch(&mut self, class: Class, after: u64, parked: bool) -> Vec<Action> {
        let query =
            WaitingQuery { destination: &self.name, class: class.number(), after, limit: FETCH_MAX, parked };
        let event = match self.supply.waiting(&query) {
            Ok((items, more)) => Event::Fetched { class, items, more },
            Err(problem) => {
                error!(destination = %self.name, "what waits cannot be read, trying again: {problem}");
                Event::FetchFailed(class)
            }
        };
        self.line.step(event, now())
    }

    /// Begins an attempt with what the journal has for this delivery now.
    fn send(&mut self, item: &Item, ticket: u64) -> Vec<Action> {
        let ending = match self.supply.outgoing(item.seq) {
            Ok(Some(outgoing)) => {
                self.begin(item.seq, ticket, outgoing);
                return Vec::new();
            }
            Ok(None) => Ending::Withdrawn,
            Err(problem) => {
                error!(destination = %self.name, "what is to be sent cannot be read, trying again: {problem}");
                Ending::Unread
            }
        };
        self.line.step(Event::Attempted { ticket, ending }, now())
    }

    fn begin(&mut self, seq: u64, ticket: u64, outgoing: Outgoing) {
        let at = now();
        if planted::is_planted(Fault::MarkedBeforeAnswer) {
            let record = records::unanswered(seq, &outgoing, at);
            self.supply.record(record, Settled::Delivered, Box::new(|_| {}));
        }
        let (idle, settings, generation) = (self.idle.pop(), self.settings.clone(), self.generation);
        let name = self.supply.name(seq);
        self.under_way.spawn(async move {
            let mut destination = match idle {
                Some(destination) => destination,
                None => settings.open().await,
            };
            let attempt = attempt(&mut destination, &name, &outgoing).await;
            let Outgoing { message_id, control_id, revision, since_us, .. } = outgoing;
            let control_id = control_id.unwrap_or_default();
            let made = Made { name, message_id, control_id, revision, since: since_us, at, attempt };
            Ended { ticket, seq, destination, generation, made }
        });
    }

    /// Waits for news, the end of an attempt or the time, whichever is first; then writes again what could not be recorded.
    async fn wait(&mut self, until: Option<Micros>) -> Vec<Action> {
        let until = [until, self.record_again].into_iter().flatten().min();
        let wait = until.map(|time| Duration::from_micros(u64::try_from(time - now()).unwrap_or(0)));
        let ended = tokio::select! {
            Some(ended) = self.under_way.join_next() => Some(ended),
            () = self.inbox.wait() => None,
            () = after(wait) => None,
        };
        if self.record_again.is_some_and(|time| time <= now()) {
            self.record_again = None;
            for (record, result) in self.unrecorded.values().cloned() {
                self.hand_over(record, result);
            }
        }
        match ended {
            Some(Ok(ended)) => self.ended(ended),
            Some(Err(problem)) => {
                // An attempt panicked: its outcome stays unknown, as after a crash, and this part says so and ends.
                if let Ok(panic) = problem.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                Vec::new()
            }
            None => self.line.step(Event::Tick, now()),
        }
    }

    fn ended(&mut self, ended: Ended) -> Vec<Action> {
        let Ended { ticket, seq, destination, generation, made } = ended;
        if generation == self.generation {
            self.idle.push(destination);
        }
        let ending = self.answers.ending(judged(&made.attempt));
        self.standing.attempted(now(), &made.attempt.outcome, ending);
        self.note(&made, ending);
        self.made.insert(seq, made);
        let actions = self.line.step(Event::Attempted { ticket, ending }, now());
        if self.line.is_blocked() {
            self.standing.blocked(now());
        }
        actions
    }

    fn record(&mut self, seq: u64, result: Settled) {
        let record = match (self.made.remove(&seq), result) {
            (_, Settled::Expired { message, revision, since }) => {
                self.relays.expired(message, &self.name);
                self.ending.insert(seq, message);
                records::expired(seq, revision, since, now())
            }
            (Some(made), result) => {
                self.relays.tell(made.message_id, &self.name, result, &made.attempt, &made.control_id);
                if ends(result) {
                    self.ending.insert(seq, made.message_id);
                }
                records::attempted(seq, made, result)
            }
            (None, _) => return,
        };
        self.unrecorded.insert(seq, (record.clone(), result));
        self.hand_over(record, result);
    }

    fn hand_over(&self, record: AttemptRecord, settled: Settled) {
        let (inbox, seq) = (self.inbox.clone(), record.delivery);
        if planted::is_planted(Fault::ResultForgotten) {
            return inbox.tell(|news| news.recorded.push(seq));
        }
        let written = move |result| {
            inbox.tell(|news| match result {
                Ok(()) => news.recorded.push(seq),
                // A replay took it away and its file was sealed: there is nothing to record it in, now or later.
                Err(CommitError::NoSuchDelivery { .. }) => {
                    warn!(delivery = seq, "the result of an attempt comes too late: a person, or a replay, has settled the delivery");
                    news.recorded.push(seq);
                    news.rewound = true;
                }
                Err(error) => news.record_failed = Some(error.to_string()),
            });
        };
        self.supply.record(record, settled, Box::new(written));
    }

    /// Tells the log: of failures the first and the recovery, of what needs a person each.
    fn note(&mut self, made: &Made, ending: Ending) {
        let (destination, id, delivery) = (&self.name, made.message_id, &made.name);
        let (code, text) = match &made.attempt.outcome {
            Outcome::Delivered => ("", ""),
            Outcome::Retryable { code, text, .. } | Outcome::Permanent { code, text } => {
                (code.as_str(), text.as_str())
            }
        };
        let was_failing = std::mem::take(&mut self.failing);
        match ending {
            Ending::Delivered if was_failing => info!(%destination, "delivering again"),
            Ending::Delivered | Ending::Withdrawn | Ending::Unread => {}
            Ending::Retryable { .. } => {
                self.failing = true;
                match was_failing {
                    true => debug!(%destination, id, %delivery, code, "failed again: {text}"),
                    false => {
                        warn!(%destination, id, %delivery, code, "cannot deliver, will try again: {text}");
                    }
                }
            }
            Ending::Parked => warn!(%destination, id, %delivery, code, "refused, parked: {text}"),
            Ending::Blocking => {
                warn!(%destination, id, %delivery, code, "blocked until somebody has looked: {text}");
            }
        }
    }
}

async fn attempt(destination: &mut Destination, name: &str, outgoing: &Outgoing) -> Attempt {
    let delivery = Delivery {
        id: name,
        name: outgoing.target.as_deref().unwrap_or_default(),
        payload: &outgoing.payload,
    };
    let control_id = outgoing.control_id.as_deref().unwrap_or_default();
    deliver::attempt(destination, &delivery, control_id).await
}

/// An attempt's outcome in the words of the queue.
fn judged(attempt: &Attempt) -> Attempted<'_> {
    match &attempt.outcome {
        Outcome::Delivered => Attempted::Delivered,
        Outcome::Retryable { code, retry_after, .. } => {
            Attempted::Retryable { code, asked: *retry_after, answered: attempt.answer.is_some() }
        }
        Outcome::Permanent { code, .. } => Attempted::Refused { code },
    }
}
