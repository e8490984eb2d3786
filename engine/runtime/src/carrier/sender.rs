//! A destination's deliveries from this node's journal into the destination's queue at the broker: does what its [`Outbox`] says, on a thread of
//! its own.
//!
//! What always holds: an envelope is published again byte for byte as it was; what the journal could not write is written again; the broker may
//! be away for as long as it likes.

mod link;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use orderly_journal::{AttemptOutcome, AttemptRecord, Carry, DeliveryState, Journal, Reader, WaitingQuery};
use orderly_queue::item::{Class, Item, Lane, Micros};
use orderly_queue::line::Order;
use orderly_queue::outbox::{Action, Carried, Event, Id, Outbox, Parcel};
use orderly_transport::amqp::{Broker, Confirmed, Loss, Verdict};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::CarrierSettings;
use link::{CONTROLS_MAX, First, Link, Opened, Published};

use super::control::{Control, Pausing};
use super::envelope::{CONTROL, ENVELOPE, Envelope, publication};
use crate::moment::{after, now};
use crate::queued::Queued;
use crate::worker::item;

/// How many deliveries are read at a time, without their payloads.
const FETCH_MAX: usize = 512;

/// How long to wait after a way was lost.
const LOST_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait after the broker could not be used, or the journal not written.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a sender is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something for its outbox.
    Event(Event),
    /// An envelope came back, in a message with this tag of this session of the results.
    Returned {
        /// Which.
        id: Id,
        /// Its lanes.
        lanes: Vec<Lane>,
        /// Up to which generation they are held.
        held: u64,
        /// How the message is acknowledged.
        receipt: Receipt,
    },
    /// A person wants nothing sent to the destination, or that it is sent again.
    Paused(Pausing),
    /// The journal could not write this; why.
    NotWritten(Carry, String),
}

/// What acknowledges a message, once what it says is in the journal.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) session: u64,
    pub(crate) tag: u64,
    pub(crate) to: mpsc::UnboundedSender<Given>,
}

/// A receipt that was given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) session: u64,
    pub(crate) tag: u64,
    /// Whether the journal has it, or why not: then the broker is to give the message again.
    pub(crate) written: Result<(), String>,
}

impl Receipt {
    pub(crate) fn give(self, written: Result<(), String>) {
        let Receipt { session, tag, to } = self;
        // Of a session that has ended, the broker gives the message again.
        let _ = to.send(Given { session, tag, written });
    }
}

/// Where a sender is told.
pub(crate) type Inbox = mpsc::UnboundedSender<Told>;

/// A destination's sender.
pub(crate) struct Sender {
    destination: Arc<str>,
    settings: Arc<CarrierSettings>,
    journal: Journal,
    /// Those who wait until deliveries are with the broker.
    queued: Arc<Queued>,
    reader: Reader,
    outbox: Outbox,
    inbox: Inbox,
    told: mpsc::UnboundedReceiver<Told>,
    /// Nothing while a way is opened.
    broker: Option<Broker>,
    /// How long to wait before the next way is opened.
    pause: Duration,
    /// Said when what the broker does not take is set aside, or cannot be.
    parking: Option<oneshot::Receiver<()>>,
    /// Whether this process has its node's name for itself.
    owned: watch::Receiver<bool>,
    link: Option<Link>,
    /// What is published and not confirmed, as it was published.
    bodies: HashMap<Id, Vec<u8>>,
    /// What whoever delivers must know and does not, as far as is confirmed.
    controls: VecDeque<Control>,
    /// Messages about envelopes that came back, until the journal knows.
    receipts: BTreeMap<Id, Vec<Receipt>>,
    not_written: Vec<Carry>,
    /// When these are written again.
    write_again_at: Option<Instant>,
    failing: bool,
}

enum Next {
    Wait { until: Option<Micros>, open: Option<bool> },
    Finish,
}

impl Sender {
    pub(crate) fn new(
        destination: Arc<str>,
        order: Order,
        settings: Arc<CarrierSettings>,
        journal: Journal,
        queued: Arc<Queued>,
        owned: watch::Receiver<bool>,
    ) -> (Sender, Inbox) {
        let (inbox, told) = mpsc::unbounded_channel();
        let generation = u64::try_from(now()).unwrap_or(0);
        let sender = Sender {
            destination,
            outbox: Outbox::new(order, settings.ahead_max, generation),
            broker: None,
            pause: Duration::ZERO,
            parking: None,
            owned,
            settings,
            reader: journal.reader(),
            journal,
            queued,
            inbox: inbox.clone(),
            told,
            link: None,
            bodies: HashMap::new(),
            controls: VecDeque::new(),
            receipts: BTreeMap::new(),
            not_written: Vec::new(),
            write_again_at: None,
            failing: false,
        };
        (sender, inbox)
    }

    /// Publishes until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut actions = self.outbox.step(Event::Tick, now());
        let mut wake = None;
        loop {
            match self.perform(actions) {
                Next::Finish => return,
                Next::Wait { open: Some(anew), .. } => {
                    match self.open(anew).await {
                        Some(following) => actions = following,
                        None => return,
                    }
                    continue;
                }
                Next::Wait { until, open: None } => wake = until.or(wake.filter(|time| *time > now())),
            }
            actions = self.wait(wake).await;
        }
    }

    /// Does what is to be done at once.
    fn perform(&mut self, actions: Vec<Action>) -> Next {
        let mut actions = VecDeque::from(actions);
        let (mut until, mut open) = (None, None);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::FetchCarried => actions.extend(self.fetch_carried()),
                Action::Fetch { class, after, parked } => actions.extend(self.fetch(class, after, parked)),
                Action::Open { anew } => open = Some(anew),
                Action::Publish { item, generation } => actions.extend(self.publish(item, generation)),
                Action::Mark(id) => self.write(Carry::Sent(envelope(id))),
                Action::Unmark(id) => self.write(Carry::Back(envelope(id))),
                Action::Forget(id) => self.acknowledge(id),
                Action::Hold { lanes, generation } => {
                    let node = self.settings.identity.clone();
                    self.control(Control::Hold { node, lanes, generation });
                }
                Action::Done(id) => {
                    let node = self.settings.identity.clone();
                    let (deliveries, generation) = (vec![(id.seq, id.revision)], id.generation);
                    self.control(Control::Done { node, deliveries, generation });
                }
                Action::Release { before } => self.release(before),
                Action::WakeAt(time) => until = Some(until.map_or(time, |other: Micros| other.min(time))),
                Action::Choked(class) => error!(
                    destination = %self.destination,
                    "so much is parked that nothing more of the class {class:?} goes to the broker: clear some of it"
                ),
                Action::Finished => return Next::Finish,
            }
        }
        Next::Wait { until, open }
    }

    fn fetch_carried(&mut self) -> Vec<Action> {
        let event = match self.reader.carried(&self.destination) {
            Ok(carried) => Event::Carried(
                carried
                    .into_iter()
                    .map(|one| Carried {
                        item: item(one.delivery),
                        generation: one.generation,
                        recalled: one.recalled,
                    })
                    .collect(),
            ),
            Err(problem) => self.unreadable(&problem),
        };
        self.outbox.step(event, now())
    }

    fn fetch(&mut self, class: Class, after: u64, parked: bool) -> Vec<Action> {
        let query = WaitingQuery {
            destination: &self.destination,
            class: class.number(),
            after,
            limit: FETCH_MAX,
            parked,
        };
        let event = match self.reader.to_carry(&query) {
            Ok((found, more)) => {
                let parcel = |(delivery, bytes)| Parcel {
                    item: item(delivery),
                    bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
                };
                Event::Fetched { class, parcels: found.into_iter().map(parcel).collect(), more }
            }
            Err(problem) => self.unreadable(&problem),
        };
        self.outbox.step(event, now())
    }

    fn unreadable(&self, problem: &orderly_journal::JournalError) -> Event {
        error!(destination = %self.destination, "the journal cannot be read, trying again: {problem}");
        Event::FetchFailed
    }

    fn publish(&mut self, item: Item, generation: u64) -> Vec<Action> {
        let id = Id { seq: item.seq, revision: item.revision, generation };
        if !self.bodies.contains_key(&id) {
            match self.reader.outgoing(item.seq) {
                Ok(Some(outgoing)) if outgoing.revision == item.revision => {
                    let envelope = Envelope::new(&self.settings.identity, item, generation, outgoing);
                    self.bodies.insert(id, envelope.write());
                }
                Ok(_) => return self.outbox.step(Event::Withdrawn(id), now()),
                Err(problem) => {
                    error!(destination = %self.destination, "the journal cannot be read, trying again: {problem}");
                    return self.lose();
                }
            }
        }
        let (Some(link), Some(body)) = (&mut self.link, self.bodies.get(&id)) else { return Vec::new() };
        let key = self.settings.routing_key(&self.destination);
        let name = format!("{}-{}-{}", id.seq, id.revision, id.generation);
        let sent =
            link.publisher.publish(&publication(&self.settings.exchange(), &key, &name, ENVELOPE, body));
        match sent {
            Ok(_) => {
                link.note(Published::Envelope(id));
                Vec::new()
            }
            Err(problem) => {
                warn!(destination = %self.destination, "publishing failed, trying again: {problem}");
                self.lose()
            }
        }
    }

    /// Tells whoever delivers, as soon as there is a way and room.
    fn control(&mut self, control: Control) {
        let unpublished = self.controls.len() > self.link.as_ref().map_or(0, |link| link.controls);
        let last = self.controls.back_mut().filter(|_| unpublished);
        if !last.is_some_and(|last| last.takes_in(&control)) {
            self.controls.push_back(control);
        }
        self.tell_controls();
    }

    fn tell_controls(&mut self) {
        let Some(link) = &mut self.link else { return };
        let queue = self.settings.control(&self.destination);
        while link.controls < CONTROLS_MAX
            && let Some(control) = self.controls.get(link.controls)
        {
            let body = control.write();
            if link.publisher.publish(&publication("", &queue, "control", CONTROL, &body)).is_err() {
                break;
            }
            link.note(Published::Control);
        }
    }

    /// Behind all that was published. When it does not come there, holds are remembered until the next one.
    fn release(&mut self, before: u64) {
        let Some(link) = &mut self.link else { return };
        let (exchange, key) = (self.settings.exchange(), self.settings.routing_key(&self.destination));
        let body = Control::Release { node: self.settings.identity.clone(), before }.write();
        let publication = publication(&exchange, &key, "release", CONTROL, &body);
        if link.publisher.publish(&publication).is_ok() {
            link.note(Published::Release);
        }
    }

    /// Asks whether the queue is still there, when nothing that is published would show it.
    fn ask(&mut self) {
        let Some(link) = &mut self.link else { return };
        if self.outbox.abroad() == 0
            || link.published_at.elapsed() < self.settings.ask_after
            || link.is_asking()
        {
            return;
        }
        let (exchange, key) = (self.settings.exchange(), self.settings.routing_key(&self.destination));
        let publication = publication(&exchange, &key, "question", ENVELOPE, &[]);
        if link.publisher.publish(&publication).is_ok() {
            link.note(Published::Question);
        }
    }

    /// Sets aside the largest of what is not confirmed: when the broker ended the channel over one that it does not take, it is that.
    fn park_largest(&mut self, first: Published, why: &str) {
        let rest = self.link.iter().flat_map(|link| link.published.iter());
        let envelopes = std::iter::once(&first).chain(rest).filter_map(|published| match published {
            Published::Envelope(id) => Some(*id),
            Published::Control | Published::Release | Published::Question => None,
        });
        let Some(id) = envelopes.max_by_key(|id| self.bodies.get(id).map_or(0, Vec::len)) else { return };
        warn!(destination = %self.destination, delivery = id.seq, "larger than the broker takes, parked: {why}");
        self.bodies.remove(&id);
        let text = Loss::TooLarge(why.to_owned()).to_string();
        let record = AttemptRecord {
            delivery: id.seq,
            revision: id.revision,
            since_us: None,
            at_us: now(),
            duration_us: 0,
            outcome: Some(AttemptOutcome::Permanent),
            code: Some("amqp-too-large".to_owned()),
            text: Some(text.clone()),
            answer: Vec::new(),
            state: DeliveryState::Parked,
            reason: Some(text),
            next_attempt_at_us: None,
        };
        let (inbox, (said, parking)) = (self.inbox.clone(), oneshot::channel());
        let queued = self.queued.clone();
        self.parking = Some(parking);
        self.pause = AGAIN_AFTER;
        self.journal.record(record, move |written| {
            if written.is_ok() {
                // It is a person's now: a sender who sent it again would only have it parked again.
                queued.tell(id.seq);
                // The sender may have ended, and reads the journal when it begins again.
                let _ = inbox.send(Told::Event(Event::Withdrawn(id)));
            }
            let _ = said.send(());
        });
    }

    fn lose(&mut self) -> Vec<Action> {
        self.pause = self.pause.max(LOST_PAUSE);
        self.link = None;
        self.outbox.step(Event::Lost, now())
    }

    fn write(&self, carry: Carry) {
        let (inbox, told, queued) = (self.inbox.clone(), carry.clone(), self.queued.clone());
        self.journal.carry(carry, move |written| {
            if let (Carry::Sent(envelope), Ok(true)) = (&told, &written) {
                queued.tell(envelope.delivery);
            }
            // The sender may have ended: what is written holds all the same.
            let _ = inbox.send(match written {
                Ok(applied) => Told::Event(written_event(&told, applied)),
                Err(problem) => Told::NotWritten(told, problem.to_string()),
            });
        });
    }

    fn acknowledge(&mut self, id: Id) {
        self.receipts.remove(&id).into_iter().flatten().for_each(|receipt| receipt.give(Ok(())));
    }

    /// Opens a way to the broker, hearing meanwhile what is told. Nothing when it is to end.
    async fn open(&mut self, anew: bool) -> Option<Vec<Action>> {
        self.link = None;
        let mut broker = self.broker.take().unwrap_or_else(|| Broker::new(self.settings.broker.clone()));
        let (settings, destination) = (self.settings.clone(), self.destination.clone());
        let first = First {
            pause: std::mem::take(&mut self.pause),
            parked: self.parking.take(),
            owned: self.owned.clone(),
        };
        let opened = {
            let opening = link::open(&mut broker, &settings, &destination, anew, first);
            tokio::pin!(opening);
            loop {
                let write_again = after(self.write_again_in());
                tokio::select! {
                    biased;
                    Some(told) = self.told.recv() => {
                        let actions = self.hear(told);
                        if let Next::Finish = self.perform(actions) {
                            return None;
                        }
                    }
                    opened = &mut opening => break opened,
                    () = write_again => {
                        let actions = self.write_again();
                        if let Next::Finish = self.perform(actions) {
                            return None;
                        }
                    }
                }
            }
        };
        self.broker = Some(broker);
        Some(self.opened(opened))
    }

    fn opened(&mut self, opened: Opened) -> Vec<Action> {
        match opened {
            Opened::Ready(link) => {
                if std::mem::take(&mut self.failing) {
                    info!(destination = %self.destination, "its deliveries go to the broker again");
                }
                self.link = Some(*link);
                self.tell_controls();
                let Sender { bodies, outbox, .. } = self;
                bodies.retain(|id, _| outbox.is_on_its_way(*id));
                self.outbox.step(Event::Opened, now())
            }
            Opened::QueueGone => {
                if self.outbox.abroad() > 0 {
                    warn!(destination = %self.destination, "its queue at the broker was deleted; what was in it is published again");
                }
                self.bodies.clear();
                self.outbox.step(Event::QueueGone, now())
            }
            Opened::Failed(problem) => {
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(destination = %self.destination, "its deliveries wait in the journal until the broker can be used: {problem}");
                }
                self.pause = AGAIN_AFTER;
                self.outbox.step(Event::Lost, now())
            }
        }
    }

    /// Waits for what is told, a confirm, or the time.
    async fn wait(&mut self, until: Option<Micros>) -> Vec<Action> {
        self.ask();
        if self.write_again_in() == Some(Duration::ZERO) {
            return self.write_again();
        }
        let ask = (self.link.is_some() && self.outbox.abroad() > 0).then_some(self.settings.ask_after);
        let wait = until.map(|time| Duration::from_micros(u64::try_from(time - now()).unwrap_or(0)));
        let wait = [wait, self.write_again_in(), ask].into_iter().flatten().min();
        let confirmed = async {
            match &mut self.link {
                Some(link) if link.publisher.unconfirmed_count() > 0 => link.publisher.next().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            told = self.told.recv() => told.map_or_else(Vec::new, |told| self.hear(told)),
            Some(confirmed) = confirmed => self.confirmed(confirmed),
            () = after(wait) => {
                self.outbox.step(Event::Tick, now())
            }
        }
    }

    fn write_again_in(&self) -> Option<Duration> {
        self.write_again_at.map(|time| time.saturating_duration_since(Instant::now()))
    }

    /// What the journal could not write; but for notes of envelopes that have come back meanwhile.
    fn write_again(&mut self) -> Vec<Action> {
        self.write_again_at = None;
        let mut actions = Vec::new();
        for carry in std::mem::take(&mut self.not_written) {
            match &carry {
                Carry::Sent(sent) if !self.outbox.is_to_be_noted(id(*sent)) => {
                    let marked = Event::Marked { id: id(*sent), applied: false };
                    actions.extend(self.outbox.step(marked, now()));
                }
                _ => self.write(carry),
            }
        }
        actions
    }

    fn hear(&mut self, told: Told) -> Vec<Action> {
        match told {
            Told::Event(event) => {
                let unmarked = match &event {
                    Event::Unmarked(id) => Some(*id),
                    _ => None,
                };
                let actions = self.outbox.step(event, now());
                unmarked.into_iter().for_each(|id| self.acknowledge(id));
                actions
            }
            Told::Returned { id, lanes, held, receipt } => {
                self.receipts.entry(id).or_default().push(receipt);
                self.outbox.step(Event::Returned { id, lanes, held }, now())
            }
            Told::Paused(pausing) => {
                self.control(Control::Pause(pausing));
                Vec::new()
            }
            Told::NotWritten(carry, problem) => {
                error!(destination = %self.destination, "what is with the broker could not be noted, writing it again: {problem}");
                self.not_written.push(carry);
                self.write_again_at.get_or_insert_with(|| Instant::now() + AGAIN_AFTER);
                Vec::new()
            }
        }
    }

    fn confirmed(&mut self, confirmed: Confirmed) -> Vec<Action> {
        let Some(published) = self.link.as_mut().and_then(|link| link.published.pop_front()) else {
            return Vec::new();
        };
        match (confirmed.verdict, published) {
            (Verdict::Acknowledged, Published::Envelope(id)) => {
                self.bodies.remove(&id);
                self.outbox.step(Event::Confirmed(id), now())
            }
            (Verdict::Acknowledged, Published::Control) => {
                self.controls.pop_front();
                self.link.iter_mut().for_each(|link| link.controls = link.controls.saturating_sub(1));
                self.tell_controls();
                Vec::new()
            }
            (Verdict::Acknowledged, Published::Release | Published::Question) => Vec::new(),
            // The way is opened anew, which makes that queue.
            (Verdict::Returned(..), Published::Control) => self.lose(),
            (
                Verdict::Returned(_, text),
                Published::Envelope(_) | Published::Release | Published::Question,
            ) => {
                warn!(destination = %self.destination, "the broker has no queue for it any more ({text}); what was in it is published again");
                self.link = None;
                self.bodies.clear();
                self.outbox.step(Event::QueueGone, now())
            }
            (Verdict::Refused, _) => self.lose(),
            (Verdict::Lost(Loss::TooLarge(text)), published) => {
                self.park_largest(published, &text);
                self.lose()
            }
            (Verdict::Lost(text), _) => {
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(destination = %self.destination, "the way to the broker is lost: {text}");
                }
                self.lose()
            }
        }
    }
}

fn written_event(carry: &Carry, applied: bool) -> Event {
    match carry {
        Carry::Sent(envelope) => Event::Marked { id: id(*envelope), applied },
        Carry::Back(envelope) | Carry::Result(envelope, _) => Event::Unmarked(id(*envelope)),
    }
}

pub(crate) fn envelope(id: Id) -> orderly_journal::Envelope {
    orderly_journal::Envelope { delivery: id.seq, revision: id.revision, generation: id.generation }
}

fn id(envelope: orderly_journal::Envelope) -> Id {
    Id { seq: envelope.delivery, revision: envelope.revision, generation: envelope.generation }
}
