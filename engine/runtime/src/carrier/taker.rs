//! A destination's queue at the broker, taken from by this node while it is the one that delivers: what lies on its shelf, and what is said of it.
//!
//! What always holds: what is said of an envelope is published in order, and an envelope is acknowledged only after everything said before and
//! about it is confirmed; a destination is handed over by closing the channel; nothing is sent while it is not sure that the broker still counts on
//! this node.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderly_journal::{AttemptRecord, DeliveryState, Outgoing};
use orderly_queue::holds::Holds;
use orderly_queue::item::{Class, Item, Lane};
use orderly_queue::line::{Order, Settled};
use orderly_queue::outbox::Id;
use orderly_queue::shelf::{Before, Shelf};
use orderly_transport::amqp::{
    Broker, BrokerError, Connection, Consumer, ConsumerSettings, Incoming, Publication, Publisher, Verdict,
};
use tokio::sync::Notify;
use tracing::{error, warn};

use super::CarrierSettings;
use super::envelope::{Control, Envelope, News, Report};
use crate::inbox::Inbox;

/// How many envelopes are on the shelf, at most. All of them are in memory.
const PREFETCH: u16 = 250;

/// How many things may be said and not confirmed: twice the shelf, and what is in flight.
const WINDOW: usize = 1024;

/// How long to wait after the broker could not be used.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a worker and its taker share.
#[derive(Debug)]
pub(crate) struct Taken {
    settings: Arc<CarrierSettings>,
    destination: Arc<str>,
    inside: Mutex<Inside>,
    said: Notify,
}

#[derive(Debug)]
struct Inside {
    shelf: Shelf<Envelope>,
    order: Order,
    /// What is said and not confirmed, in order; the first so many of it are published.
    said: VecDeque<Said>,
    published: usize,
    connection: Option<Arc<Connection>>,
}

#[derive(Debug)]
struct Said {
    to: To,
    body: Vec<u8>,
    /// What it is about, on the shelf.
    place: Option<u64>,
}

#[derive(Debug)]
enum To {
    Node(Arc<str>),
    All,
}

impl Taken {
    pub(crate) fn new(settings: Arc<CarrierSettings>, destination: Arc<str>, order: Order) -> Taken {
        let inside = Inside {
            shelf: Shelf::new(order, Holds::default()),
            order,
            said: VecDeque::new(),
            published: 0,
            connection: None,
        };
        Taken { settings, destination, inside: Mutex::new(inside), said: Notify::new() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Whoever panicked has said so, and its part of the engine has ended.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies on the shelf, in order.
    pub(crate) fn fetch(&self, class: Class, after: u64, limit: usize) -> (Vec<Item>, bool) {
        self.inside().shelf.fetch(class, after, limit)
    }

    /// What is to be sent of a place on the shelf; nothing when it goes back unsent, or is gone.
    pub(crate) fn outgoing(&self, place: u64) -> Result<Option<Outgoing>, String> {
        let mut inside = self.inside();
        if !inside.connection.as_ref().is_some_and(|connection| connection.is_fresh()) {
            return Err("the broker was not heard for too long; another node may deliver by now".to_owned());
        }
        match inside.shelf.before(place) {
            Before::Gone => Ok(None),
            Before::Send => Ok(inside.shelf.get(place).map(|(_, envelope)| outgoing(envelope))),
            before => {
                self.give_back(&mut inside, place, before);
                Ok(None)
            }
        }
    }

    fn give_back(&self, inside: &mut Inside, place: u64, before: Before) {
        let Some((head, _)) = inside.shelf.get(place) else { return };
        let (node, id, lanes) = (head.node.clone(), head.id(), lanes(inside.order, &head.item));
        let news = match before {
            Before::Back { held, ties } => {
                if !ties.is_empty() {
                    self.hold(inside, &node, ties, held);
                }
                News::Back(lanes, held)
            }
            _ => News::Result(Box::new(repeated(id)), None),
        };
        self.say(inside, node, id, news, place);
    }

    /// Says what became of a place on the shelf.
    pub(crate) fn settled(&self, record: AttemptRecord, result: Settled) {
        let mut inside = self.inside();
        let place = record.delivery;
        let attempted = record.outcome.map(|_| record.at_us);
        let follows = inside.shelf.settled(place, result, attempted);
        let Some((head, _)) = inside.shelf.get(place) else { return };
        let (node, id) = (head.node.clone(), head.id());
        if let Some(lanes) = follows.parked.clone().filter(|_| follows.is_held) {
            self.hold(&mut inside, &node, lanes, id.generation);
        }
        let record = AttemptRecord { delivery: id.seq, revision: id.revision, ..record };
        self.say(&mut inside, node, id, News::Result(Box::new(record), follows.parked), place);
    }

    fn hold(&self, inside: &mut Inside, node: &Arc<str>, lanes: Vec<Lane>, generation: u64) {
        let destination = self.destination.to_string();
        let body = Control::Hold { destination, node: node.clone(), lanes, generation }.write();
        inside.said.push_back(Said { to: To::All, body, place: None });
    }

    fn say(&self, inside: &mut Inside, node: Arc<str>, id: Id, news: News, place: u64) {
        let body = Report { destination: self.destination.to_string(), id, news }.write();
        inside.said.push_back(Said { to: To::Node(node), body, place: Some(place) });
        self.said.notify_one();
    }

    /// Another order from now on.
    pub(crate) fn change(&self, order: Order) {
        let mut inside = self.inside();
        inside.order = order;
        inside.shelf.change(order);
    }

    /// Takes from the queue for as long as it runs.
    pub(crate) async fn run(&self, inbox: &Inbox) {
        let mut broker = Broker::new(self.settings.broker.clone());
        let mut failing = false;
        loop {
            if let Err(problem) = self.session(&mut broker, inbox, &mut failing).await
                && !std::mem::replace(&mut failing, true)
            {
                warn!(destination = %self.destination, "nothing is taken from its queue until the broker can be used: {problem}");
            }
            {
                let mut inside = self.inside();
                inside.connection = None;
                inside.published = 0;
                inside.shelf.lost();
            }
            inbox.tell(|news| news.rewound = true);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn session(
        &self,
        broker: &mut Broker,
        inbox: &Inbox,
        failing: &mut bool,
    ) -> Result<(), BrokerError> {
        let connection = Arc::new(broker.connect().await?);
        connection.declare(&self.settings.exchanges()).await?;
        connection.declare(&self.settings.destination(&self.destination)).await?;
        let mut publisher = connection.publisher(WINDOW).await?;
        let settings = ConsumerSettings { prefetch: PREFETCH, exclusive: false, arguments: Vec::new() };
        let mut consumer = connection.consumer(&self.settings.queue(&self.destination), settings).await?;
        self.inside().connection = Some(connection.clone());
        *failing = false;
        loop {
            self.publish(&mut publisher)?;
            let confirmed = async {
                match publisher.unconfirmed_count() {
                    0 => std::future::pending().await,
                    _ => publisher.next().await,
                }
            };
            tokio::select! {
                incoming = consumer.next() => self.take(&consumer, incoming?, inbox).await?,
                Some(confirmed) = confirmed => self.confirmed(&consumer, confirmed.verdict, inbox).await?,
                () = self.said.notified() => {}
            }
        }
    }

    /// Publishes what was said.
    fn publish(&self, publisher: &mut Publisher) -> Result<(), BrokerError> {
        let mut inside = self.inside();
        while publisher.room() > 0 {
            let Some(said) = inside.said.get(inside.published) else { break };
            let (exchange, key) = match &said.to {
                To::Node(node) => (String::new(), self.settings.results(node)),
                To::All => (self.settings.control_exchange(), String::new()),
            };
            let publication = Publication {
                exchange: &exchange,
                routing_key: &key,
                id: &inside.published.to_string(),
                mandatory: matches!(said.to, To::Node(_)),
                persistent: true,
                content_type: Some("application/vnd.orderly.report"),
                kind: None,
                timestamp: None,
                headers: &[],
                body: &said.body,
            };
            publisher.publish(&publication)?;
            inside.published += 1;
        }
        Ok(())
    }

    async fn take(&self, consumer: &Consumer, incoming: Incoming, inbox: &Inbox) -> Result<(), BrokerError> {
        if incoming.body.is_empty() {
            return consumer.acknowledge(incoming.tag, false).await;
        }
        match Envelope::read(&incoming.body) {
            Ok(envelope) => {
                let class = envelope.head.item.class;
                self.inside().shelf.arrive(envelope.head.clone(), envelope, Some(incoming.tag));
                inbox.tell(|news| _ = news.arrived.insert(class));
                Ok(())
            }
            Err(problem) => {
                error!(destination = %self.destination, "a message in its queue is left there: {problem}");
                Ok(())
            }
        }
    }

    async fn confirmed(
        &self,
        consumer: &Consumer,
        verdict: Verdict,
        inbox: &Inbox,
    ) -> Result<(), BrokerError> {
        let lost = |text: String| Err(BrokerError::Lost(text));
        match verdict {
            Verdict::Acknowledged => {}
            Verdict::Refused => return lost("the broker refused a result".to_owned()),
            Verdict::Returned(_, text) => return lost(format!("a result has no queue: {text}")),
            Verdict::Lost(loss) => return lost(loss.to_string()),
        }
        let (place, tag) = {
            let mut inside = self.inside();
            inside.published = inside.published.saturating_sub(1);
            let place = inside.said.pop_front().and_then(|said| said.place);
            (place, place.and_then(|place| inside.shelf.confirmed(place)))
        };
        place.into_iter().for_each(|place| inbox.tell(|news| news.recorded.push(place)));
        match tag {
            Some(tag) => consumer.acknowledge(tag, false).await,
            None => Ok(()),
        }
    }
}

fn lanes(order: Order, item: &Item) -> Vec<Lane> {
    orderly_queue::line::lanes(order, item)
}

fn outgoing(envelope: &Envelope) -> Outgoing {
    Outgoing {
        message_id: envelope.message_id,
        route: envelope.route.clone(),
        control_id: envelope.control_id.clone(),
        target: envelope.target.clone(),
        payload: envelope.payload.clone(),
        revision: envelope.head.item.revision,
        since_us: envelope.head.item.since,
    }
}

/// What is said of one that came again after it was delivered.
fn repeated(id: Id) -> AttemptRecord {
    AttemptRecord {
        delivery: id.seq,
        revision: id.revision,
        since_us: None,
        at_us: 0,
        duration_us: 0,
        outcome: None,
        code: None,
        text: None,
        answer: Vec::new(),
        state: DeliveryState::Delivered,
        reason: None,
        next_attempt_at_us: None,
    }
}
