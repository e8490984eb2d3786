//! A destination's deliveries from this node's journal into the destination's queue at the broker: does what its [`Outbox`] says, on a thread of
//! its own.
//!
//! What always holds: an envelope is published again byte for byte as it was; what the journal could not write is written again; the broker may
//! be away for as long as it likes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use orderly_journal::{Carry, Journal, Reader, WaitingQuery};
use orderly_queue::item::{Class, Item, Lane, Micros};
use orderly_queue::line::Order;
use orderly_queue::outbox::{Action, Carried, Event, Id, Outbox, Parcel, WINDOW_MAX};
use orderly_transport::amqp::{Broker, BrokerError, Confirmed, Connection, Publication, Publisher, Verdict};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::CarrierSettings;
use super::control::{Control, Pausing};
use super::envelope::{CONTROL, ENVELOPE, Envelope};
use crate::moment::{after, now};
use crate::queued::Queued;
use crate::worker::item;

/// How many deliveries are read at a time, without their payloads.
const FETCH_MAX: usize = 512;

/// Besides the window: holds that are told, and the question whether the queue is there.
const OTHERS_MAX: usize = 1024;

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
    broker: Broker,
    link: Option<Link>,
    /// What is published and not confirmed, as it was published.
    bodies: HashMap<Id, Vec<u8>>,
    /// What whoever delivers must know and does not, as far as is confirmed.
    controls: VecDeque<Control>,
    /// Messages about envelopes that came back, until the journal knows.
    receipts: BTreeMap<Id, Vec<Receipt>>,
    not_written: Vec<Carry>,
    failing: bool,
}

/// A way to the broker.
struct Link {
    // The channel before its connection.
    publisher: Publisher,
    _connection: Connection,
    /// What is published, in order.
    published: VecDeque<Published>,
    /// When the last of it was.
    published_at: Instant,
}

impl Link {
    fn note(&mut self, published: Published) {
        self.published.push_back(published);
        self.published_at = Instant::now();
    }
}

enum Published {
    Envelope(Id),
    /// The first of the controls.
    Control,
    Release,
    Question,
}

/// What came of opening a way.
enum Opened {
    Ready(Box<Link>),
    QueueGone,
    Failed(BrokerError),
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
    ) -> (Sender, Inbox) {
        let (inbox, told) = mpsc::unbounded_channel();
        let generation = u64::try_from(now()).unwrap_or(0);
        let sender = Sender {
            destination,
            outbox: Outbox::new(order, settings.ahead_max, generation),
            broker: Broker::new(settings.broker.clone()),
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
                    actions = self.open(anew).await;
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
                    let node = self.settings.node.clone();
                    self.control(Control::Hold { node, lanes, generation });
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
                    let envelope = Envelope::new(&self.settings.node, item, generation, outgoing);
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

    /// Tells whoever delivers; when there is no way now, after the next one is open.
    fn control(&mut self, control: Control) {
        self.controls.push_back(control);
        self.tell_control(self.controls.len() - 1);
    }

    fn tell_control(&mut self, index: usize) {
        let (Some(link), Some(control)) = (&mut self.link, self.controls.get(index)) else { return };
        let queue = self.settings.control(&self.destination);
        let body = control.write();
        let publication = publication("", &queue, "control", CONTROL, &body);
        if link.publisher.publish(&publication).is_ok() {
            link.note(Published::Control);
        }
    }

    /// Behind all that was published. When it does not come there, holds are remembered until the next one.
    fn release(&mut self, before: u64) {
        let Some(link) = &mut self.link else { return };
        let (exchange, key) = (self.settings.exchange(), self.settings.routing_key(&self.destination));
        let body = Control::Release { node: self.settings.node.clone(), before }.write();
        let publication = publication(&exchange, &key, "release", CONTROL, &body);
        if link.publisher.publish(&publication).is_ok() {
            link.note(Published::Release);
        }
    }

    /// Asks whether the queue is still there, when nothing that is published would show it.
    fn ask(&mut self) {
        let Some(link) = &mut self.link else { return };
        if self.outbox.abroad() == 0 || link.published_at.elapsed() < self.settings.ask_after {
            return;
        }
        let (exchange, key) = (self.settings.exchange(), self.settings.routing_key(&self.destination));
        let publication = publication(&exchange, &key, "question", ENVELOPE, &[]);
        if link.publisher.publish(&publication).is_ok() {
            link.note(Published::Question);
        }
    }

    fn lose(&mut self) -> Vec<Action> {
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

    /// Opens a way to the broker, waiting a little after a failure.
    async fn open(&mut self, anew: bool) -> Vec<Action> {
        self.link = None;
        match self.try_to_open(anew).await {
            Opened::Ready(link) => {
                if std::mem::take(&mut self.failing) {
                    info!(destination = %self.destination, "its deliveries go to the broker again");
                }
                self.link = Some(*link);
                (0..self.controls.len()).for_each(|index| self.tell_control(index));
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
                tokio::time::sleep(AGAIN_AFTER).await;
                self.outbox.step(Event::Lost, now())
            }
        }
    }

    async fn try_to_open(&mut self, anew: bool) -> Opened {
        let opened = async {
            let connection = self.broker.connect().await?;
            connection.declare(&self.settings.destination(&self.destination)).await?;
            if anew {
                connection.declare(&[self.settings.way(&self.destination)]).await?;
            }
            let mut publisher = connection.publisher(WINDOW_MAX + OTHERS_MAX).await?;
            let key = self.settings.routing_key(&self.destination);
            let is_there = asks_for_queue(&mut publisher, &self.settings.exchange(), &key).await?;
            let (published, published_at) = (VecDeque::new(), Instant::now());
            let link = Link { publisher, _connection: connection, published, published_at };
            Ok::<_, BrokerError>(is_there.then_some(link))
        };
        match opened.await {
            Ok(Some(link)) => Opened::Ready(Box::new(link)),
            Ok(None) => Opened::QueueGone,
            Err(problem) => Opened::Failed(problem),
        }
    }

    /// Waits for what is told, a confirm, or the time.
    async fn wait(&mut self, until: Option<Micros>) -> Vec<Action> {
        let again = (!self.not_written.is_empty()).then_some(AGAIN_AFTER);
        let ask = (self.link.is_some() && self.outbox.abroad() > 0).then_some(self.settings.ask_after);
        let wait = until.map(|time| Duration::from_micros(u64::try_from(time - now()).unwrap_or(0)));
        let wait = [wait, again, ask].into_iter().flatten().min();
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
                std::mem::take(&mut self.not_written).into_iter().for_each(|carry| self.write(carry));
                self.ask();
                self.outbox.step(Event::Tick, now())
            }
        }
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
            (Verdict::Lost(text), _) => {
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(destination = %self.destination, "the way to the broker is lost: {text}");
                }
                self.lose()
            }
        }
    }
}

/// Whether this node's way to the queue is there: an empty message goes it, which consumers pass over. It also proves the channel: of a queue
/// whose leader is not found yet, the broker may refuse the first message and take the second.
async fn asks_for_queue(publisher: &mut Publisher, exchange: &str, key: &str) -> Result<bool, BrokerError> {
    publisher.publish(&publication(exchange, key, "question", ENVELOPE, &[]))?;
    match publisher.next().await.map(|confirmed| confirmed.verdict) {
        Some(Verdict::Acknowledged) => Ok(true),
        Some(Verdict::Returned(..)) => Ok(false),
        Some(Verdict::Refused) => Err(BrokerError::Lost("the broker refused a message".to_owned())),
        Some(Verdict::Lost(loss)) => Err(BrokerError::Lost(loss.to_string())),
        None => Err(BrokerError::Lost("nothing was confirmed".to_owned())),
    }
}

fn publication<'p>(
    exchange: &'p str,
    routing_key: &'p str,
    id: &'p str,
    content_type: &'p str,
    body: &'p [u8],
) -> Publication<'p> {
    Publication {
        exchange,
        routing_key,
        id,
        mandatory: true,
        persistent: true,
        content_type: Some(content_type),
        kind: None,
        timestamp: None,
        headers: &[],
        body,
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
