//! A destination's queue at the broker, taken from by this node while it is the one that delivers: what lies on its shelf, and what is said of it.
//!
//! What always holds: what is said of an envelope is published in order, and an envelope is acknowledged only after everything said before and
//! about it is confirmed; nothing is sent while it is not sure that the broker still counts on this node.

mod session;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderly_journal::{AttemptOutcome, AttemptRecord, DeliveryState, Outgoing};
use orderly_queue::holds::Holds;
use orderly_queue::item::{Class, Item, Lane, Micros};
use orderly_queue::line::{self, Order, Settled};
use orderly_queue::outbox::Id;
use orderly_queue::shelf::{Before, Shelf};
use orderly_transport::amqp::{Broker, Connection};
use tokio::sync::Notify;
use tracing::warn;

use super::CarrierSettings;
use super::control::Control;
use super::envelope::Envelope;
use super::nodes::Nodes;
use super::report::{News, Report};
use crate::inbox::Inbox;
use session::Session;

/// How long to wait after the broker could not be used.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a worker and its taker share.
pub(crate) struct Taken {
    settings: Arc<CarrierSettings>,
    destination: Arc<str>,
    nodes: Arc<Nodes>,
    inside: Mutex<Inside>,
    /// Something was said, or is to be done.
    said: Notify,
}

#[derive(Debug)]
struct Inside {
    shelf: Shelf<Envelope>,
    order: Order,
    /// What is said and not confirmed, in order; the first so many of it are published.
    said: VecDeque<Said>,
    published: usize,
    /// While this node may send: what the broker is heard by.
    may_send: Option<Arc<Connection>>,
    /// Nodes whose queue of results is not there.
    queueless: BTreeSet<Arc<str>>,
    /// When the latest word was said by which a person had everything tried again.
    looked_at: Micros,
    stopping: bool,
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
    /// A node's queue of results.
    Node(Arc<str>),
    /// Whoever delivers to this destination.
    Control,
    /// The destination's own queue: a question, which comes back.
    Queue,
    /// A person: what cannot be read. It is acknowledged by this tag.
    Person(Option<u64>),
}

impl Taken {
    pub(crate) fn new(
        settings: Arc<CarrierSettings>,
        destination: Arc<str>,
        order: Order,
        nodes: Arc<Nodes>,
    ) -> Taken {
        let inside = Inside {
            shelf: Shelf::new(order, Holds::default()),
            order,
            said: VecDeque::new(),
            published: 0,
            may_send: None,
            queueless: BTreeSet::new(),
            looked_at: Micros::MIN,
            stopping: false,
        };
        Taken { settings, destination, nodes, inside: Mutex::new(inside), said: Notify::new() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Whoever panicked has said so, and its part of the engine has ended.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies on the shelf, in order; nothing while this node may not send.
    pub(crate) fn fetch(&self, class: Class, after: u64, limit: usize) -> (Vec<Item>, bool) {
        let inside = self.inside();
        match inside.may_send {
            Some(_) => inside.shelf.fetch(class, after, limit),
            None => (Vec::new(), false),
        }
    }

    /// What is to be sent of a place on the shelf; nothing when it goes back unsent, is gone, or this node may not send: then the line is told
    /// to read again when it may.
    pub(crate) fn outgoing(&self, place: u64) -> Option<Outgoing> {
        let mut inside = self.inside();
        if !inside.may_send.as_ref()?.is_fresh() {
            // Another node may deliver by now.
            inside.may_send = None;
            self.said.notify_one();
            return None;
        }
        match inside.shelf.before(place) {
            Before::Gone => None,
            Before::Send => inside.shelf.get(place).map(|(_, envelope)| outgoing(envelope)),
            before => {
                self.give_back(&mut inside, place, before);
                None
            }
        }
    }

    /// Gives back what is held now: what blocks, or is left alone for a while, would lie here long.
    /// Says whether there was something.
    fn give_back_held(&self) -> bool {
        let mut inside = self.inside();
        let mut has_given = false;
        for place in inside.shelf.waiting() {
            match inside.shelf.return_held(place) {
                Before::Gone => {}
                before => {
                    self.give_back(&mut inside, place, before);
                    has_given = true;
                }
            }
        }
        has_given
    }

    /// By which a receiver knows a delivery again.
    pub(crate) fn name(&self, place: u64) -> Option<String> {
        let inside = self.inside();
        let (head, _) = inside.shelf.get(place)?;
        Some(format!("{}-{}", head.node, head.item.seq))
    }

    fn give_back(&self, inside: &mut Inside, place: u64, before: Before) {
        let Some((head, _)) = inside.shelf.get(place) else { return };
        let (node, id) = (head.node.clone(), head.id());
        let news = match before {
            Before::Back { held, ties } => {
                let lanes = line::lanes(inside.order, &head.item);
                if !ties.is_empty() {
                    hold(inside, &node, ties, held);
                }
                News::Back(lanes, held)
            }
            Before::Repeat(began) => News::Result(Box::new(repeated(id, began)), None),
            Before::Send | Before::Gone => return,
        };
        self.say(inside, node, id, news, place);
    }

    /// Says what became of a place on the shelf. False when it is not there any more: then nothing is to be said.
    pub(crate) fn settled(&self, record: AttemptRecord, result: Settled) -> bool {
        let mut inside = self.inside();
        let place = record.delivery;
        let attempted = record.outcome.map(|_| record.at_us);
        let follows = inside.shelf.settled(place, result, attempted);
        let Some((head, _)) = inside.shelf.get(place) else { return false };
        let (node, id) = (head.node.clone(), head.id());
        if let Some(lanes) = follows.parked.clone().filter(|_| follows.is_held) {
            hold(&mut inside, &node, lanes, id.generation);
        }
        let record = AttemptRecord { delivery: id.seq, revision: id.revision, ..record };
        self.say(&mut inside, node, id, News::Result(Box::new(record), follows.parked), place);
        true
    }

    fn say(&self, inside: &mut Inside, node: Arc<str>, id: Id, news: News, place: u64) {
        let report = Report { node: node.clone(), destination: self.destination.to_string(), id, news };
        let body = report.write();
        inside.said.push_back(Said { to: To::Node(node), body, place: Some(place) });
        self.said.notify_one();
    }

    /// Another order from now on.
    pub(crate) fn change(&self, order: Order) {
        let mut inside = self.inside();
        inside.order = order;
        inside.shelf.change(order);
    }

    /// The worker has ended: what is said is to be published, and the queue handed over.
    pub(crate) fn stop(&self) {
        self.inside().stopping = true;
        self.said.notify_one();
    }

    /// Takes from the queue until it is stopped.
    pub(crate) async fn run(&self, inbox: &Inbox) {
        let _turn = Turn(self);
        let mut broker = Broker::new(self.settings.broker.clone());
        let mut failing = false;
        while !self.inside().stopping {
            let stopped = async {
                while !self.inside().stopping {
                    self.said.notified().await;
                }
            };
            let ended = tokio::select! {
                opened = Session::open(self, inbox, &mut broker) => match opened {
                    Ok(session) => {
                        failing = false;
                        session.run().await
                    }
                    Err(problem) => Err(problem),
                },
                () = stopped => Ok(()),
            };
            self.lost();
            inbox.tell(|news| news.rewound = true);
            if let Err(problem) = ended {
                if !std::mem::replace(&mut failing, true) {
                    warn!(destination = %self.destination, "nothing is taken from its queue until the broker can be used: {problem}");
                }
                let stopped = async {
                    while !self.inside().stopping {
                        self.said.notified().await;
                    }
                };
                let _ = tokio::time::timeout(AGAIN_AFTER, stopped).await;
            }
        }
    }

    fn lost(&self) {
        self.nodes.ends(&self.destination);
        let mut inside = self.inside();
        inside.may_send = None;
        inside.published = 0;
        inside.shelf.lost();
        // The broker gives it again; and a new channel asks anew.
        inside.said.retain(|said| !matches!(said.to, To::Person(_) | To::Queue));
    }
}

/// Says that this node does not deliver any more, also when what delivers panics.
struct Turn<'t>(&'t Taken);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.nodes.ends(&self.0.destination);
    }
}

fn hold(inside: &mut Inside, node: &Arc<str>, lanes: Vec<Lane>, generation: u64) {
    tell(inside, &Control::Hold { node: node.clone(), lanes, generation });
}

fn tell(inside: &mut Inside, control: &Control) {
    inside.said.push_back(Said { to: To::Control, body: control.write(), place: None });
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

/// What is said of one that came again after it was delivered, by the attempt that began then: its journal may not have been told of that.
fn repeated(id: Id, began: Option<Micros>) -> AttemptRecord {
    AttemptRecord {
        delivery: id.seq,
        revision: id.revision,
        since_us: None,
        at_us: began.unwrap_or(0),
        duration_us: 0,
        outcome: began.map(|_| AttemptOutcome::Delivered),
        code: None,
        text: None,
        answer: Vec::new(),
        state: DeliveryState::Delivered,
        reason: None,
        next_attempt_at_us: None,
    }
}
