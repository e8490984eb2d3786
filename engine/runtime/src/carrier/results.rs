//! What became of this node's deliveries, as the nodes that delivered them say: written to the journal, then acknowledged to the broker.
//!
//! What always holds: a message is acknowledged only after the journal has what it says; what the journal could not take is given again; one
//! that is told again changes nothing more; after a start nothing is published, and after results were not heard for a while no new way to the broker is
//! opened, before the journal has what was told until then.

use std::collections::{BTreeSet, HashMap};
use std::iter;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use orderly_journal::{AttemptRecord, Carry, DeliveryState, Journal};
use orderly_queue::item::Lane;
use orderly_queue::outbox::{Event, Id};
use orderly_transport::amqp::{
    Broker, BrokerError, Connection, Consumer, ConsumerSettings, Incoming, Publisher, Verdict,
};
use tokio::sync::{mpsc, watch};
use tracing::{error, warn};

use super::CarrierSettings;
use super::acknowledging::Acknowledging;
use super::control::Control;
use super::envelope::{CONTROL, Unreadable, publication};
use super::report::{News, Report};
use super::sender::{Given, Inbox, Receipt, Told, envelope};
use crate::moment::now;
use crate::part::is_said;
use crate::queued::Queued;
use crate::relay::{Asked, Relays};

/// How many results are on their way to the journal at a time.
const PREFETCH: u16 = 512;

/// So often senders are asked to publish again what is noted as with the broker.
const ASKINGS_MAX: u32 = 30;

/// How long to wait after the broker could not be used.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long nothing may come of the queue until it is proved this node's own.
const PROVING_TIME_MAX: Duration = Duration::from_secs(15);

/// How often it is looked whether the queue is still the one that is consumed.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where the senders of this node's destinations are told.
pub(crate) type Senders = Arc<RwLock<HashMap<Arc<str>, Inbox>>>;

/// Who of the senders of messages hears what became of them.
#[derive(Clone)]
pub(crate) struct Heard {
    /// Those who wait for a destination's answer.
    pub(crate) relays: Arc<Relays>,
    /// Those who wait for the broker.
    pub(crate) queued: Arc<Queued>,
}

/// Takes in results until it is told to stop. `owned` says whether this process has its node's name for itself.
pub(crate) async fn run(
    settings: Arc<CarrierSettings>,
    journal: Journal,
    senders: Senders,
    heard: Heard,
    owned: watch::Sender<bool>,
    stop: watch::Receiver<bool>,
) {
    let (receipts, mut given) = mpsc::unbounded_channel();
    let mut results = Results {
        settings,
        journal,
        senders,
        heard,
        receipts,
        session: 0,
        proof: Proof::default(),
        failing: None,
        askings: 0,
        owned,
    };
    tokio::select! {
        () = is_said(stop) => {}
        () = results.take_in(&mut given) => {}
    }
}

struct Results {
    settings: Arc<CarrierSettings>,
    journal: Journal,
    senders: Senders,
    heard: Heard,
    receipts: mpsc::UnboundedSender<Given>,
    /// Which consumer it is, of all since the start.
    session: u64,
    proof: Proof,
    /// Why nothing is heard, as the log has it.
    failing: Option<String>,
    /// How often all was to be published again, since results were last heard.
    askings: u32,
    /// Whether this process has its node's name for itself: nobody else can consume the queue then.
    owned: watch::Sender<bool>,
}

/// What shows that the queue is this node's own, and that what it held when the session began is known. Otherwise what was published and is not
/// noted would be published again, also where it was delivered.
#[derive(Debug, Default)]
struct Proof {
    /// What this session puts into the queue.
    mark: String,
    is_heard: bool,
    /// Results that came before it and are not in the journal yet, by their tags. What came back does not count: its sender may wait for this
    /// proof.
    unwritten: BTreeSet<u64>,
}

impl Proof {
    fn result_came(&mut self, tag: u64) {
        if !self.is_heard {
            self.unwritten.insert(tag);
        }
    }

    fn is_complete(&self) -> bool {
        self.is_heard && self.unwritten.is_empty()
    }
}

impl Results {
    async fn take_in(&mut self, given: &mut mpsc::UnboundedReceiver<Given>) {
        let mut broker = Broker::new(self.settings.broker.clone());
        loop {
            self.session += 1;
            let ended = self.session(&mut broker, given).await;
            self.owned.send_replace(false);
            // Each new reason once: behind a lost connection may stand one that does not go away by itself.
            if let Err(problem) = ended.map_err(|problem| problem.to_string())
                && self.failing.as_ref() != Some(&problem)
            {
                warn!("what became of deliveries is not heard until the broker can be used: {problem}");
                self.failing = Some(problem);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// From a connection to its end.
    async fn session(
        &mut self,
        broker: &mut Broker,
        given: &mut mpsc::UnboundedReceiver<Given>,
    ) -> Result<(), BrokerError> {
        let mut connection = broker.connect().await?;
        if !self.is_queue_there(&connection).await? {
            // An error of the broker may be met again on another channel of its connection.
            connection = broker.connect().await?;
        }
        self.proof = Proof { mark: now().to_string(), ..Proof::default() };
        let (mut consumer, mut marker) = self.open(&connection).await?;
        let mut acknowledging = Acknowledging::default();
        let queue = self.settings.results(&self.settings.node);
        let mut gone = pin!(gone(&connection, &queue));
        let mut late = pin!(late(&connection));
        loop {
            if self.proof.is_complete() && !self.owned.send_replace(true) {
                (self.failing, self.askings) = (None, 0);
            }
            let is_heard = self.proof.is_heard;
            tokio::select! {
                incoming = consumer.next() => {
                    let incoming = incoming?;
                    acknowledging.came(incoming.tag);
                    self.hear(&consumer, &mut acknowledging, incoming)?;
                }
                Some(confirmed) = marker.next(), if marker.unconfirmed_count() > 0 => {
                    self.proves(confirmed.verdict, &connection, &mut marker).await?;
                }
                late = &mut late, if !is_heard && acknowledging.is_empty() => {
                    return Err(if marker.unconfirmed_count() > 0 { late } else { given_to_another(&queue) });
                }
                () = &mut gone => return Err(BrokerError::ConsumerEnded),
                Some(first) = given.recv() => {
                    // A commit gives many.
                    let receipts = iter::once(first).chain(iter::from_fn(|| given.try_recv().ok()));
                    let written = self.take_receipts(receipts, &mut acknowledging);
                    acknowledging.acknowledge(&consumer)?;
                    written.map_err(BrokerError::Lost)?;
                }
            }
            late.set(self::late(&connection));
        }
    }

    /// What the journal has is done. An error is why it does not have one.
    fn take_receipts(
        &mut self,
        receipts: impl Iterator<Item = Given>,
        acknowledging: &mut Acknowledging,
    ) -> Result<(), String> {
        let mut written = Ok(());
        for receipt in receipts.filter(|receipt| receipt.session == self.session) {
            match receipt.written {
                Ok(()) => {
                    self.proof.unwritten.remove(&receipt.tag);
                    acknowledging.done(receipt.tag);
                }
                Err(problem) => written = Err(problem),
            }
        }
        written
    }

    /// Begins to consume, and to ask whether the queue is the one that this node made.
    async fn open(&self, connection: &Connection) -> Result<(Consumer, Publisher), BrokerError> {
        connection.declare(&self.settings.own_results()).await?;
        // It has a single active consumer: of another process with this node's name, one is given nothing.
        let settings = ConsumerSettings { prefetch: PREFETCH, exclusive: false, arguments: Vec::new() };
        let consumer = connection.consumer(&self.settings.results(&self.settings.node), settings).await?;
        let mut marker = connection.publisher(1).await?;
        self.mark(&mut marker)?;
        Ok((consumer, marker))
    }

    /// Sends a message by this node's own way to its queue.
    fn mark(&self, marker: &mut Publisher) -> Result<(), BrokerError> {
        let body = Control::Mark(self.proof.mark.clone()).write();
        let (exchange, key) = (self.settings.exchange(), self.settings.own_key());
        marker.publish(&publication(&exchange, &key, "mark", CONTROL, &body)).map(drop)
    }

    /// Whether the queue is there; it is made when nothing that it may have held can be missed.
    async fn is_queue_there(&mut self, connection: &Connection) -> Result<bool, BrokerError> {
        match connection.queue_state(&self.settings.results(&self.settings.node)).await {
            Ok(_) => Ok(true),
            Err(BrokerError::Missing(_)) => self.misses_nothing().map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// When the queue is not there any more, or another one is, nobody knows what it held: all that is with the broker is published again, and
    /// meanwhile this is an error, until the journal notes nothing as there any more, or nobody is there who could say so.
    fn misses_nothing(&mut self) -> Result<(), BrokerError> {
        let count = tokio::task::block_in_place(|| self.journal.reader().carried_count());
        if count.is_ok_and(|count| count == 0) || self.askings >= ASKINGS_MAX {
            return Ok(());
        }
        self.askings += 1;
        let senders = self.senders.read().unwrap_or_else(PoisonError::into_inner);
        senders.values().for_each(|sender| _ = sender.send(Told::Event(Event::QueueGone)));
        let gone = "the queue of what became of this node's deliveries was deleted; what is with the broker is published again";
        Err(BrokerError::Lost(gone.to_owned()))
    }

    /// The mark came to the queue, or did not: only this node makes its way there, and whoever delivers may have made the queue anew.
    async fn proves(
        &mut self,
        verdict: Verdict,
        connection: &Connection,
        marker: &mut Publisher,
    ) -> Result<(), BrokerError> {
        match verdict {
            // It proves the queue when it is heard.
            Verdict::Acknowledged => Ok(()),
            Verdict::Returned(..) => {
                self.misses_nothing()?;
                connection.declare(&[self.settings.own_way()]).await?;
                self.mark(marker)
            }
            Verdict::Refused => Err(BrokerError::Lost("the queue of results refused a mark".to_owned())),
            Verdict::Lost(loss) => Err(BrokerError::Lost(loss.to_string())),
        }
    }

    fn hear(
        &mut self,
        consumer: &Consumer,
        acknowledging: &mut Acknowledging,
        incoming: Incoming,
    ) -> Result<(), BrokerError> {
        if incoming.content_type.as_deref() == Some(CONTROL) {
            self.proof.is_heard |= Control::read(&incoming.body)
                .is_ok_and(|control| control == Control::Mark(self.proof.mark.clone()));
            acknowledging.done(incoming.tag);
            return acknowledging.acknowledge(consumer);
        }
        let receipt = Receipt { session: self.session, tag: incoming.tag, to: self.receipts.clone() };
        let Report { node, destination, id, news } = match Report::read(&incoming.body) {
            Ok(report) => report,
            Err(problem @ Unreadable::Newer(_)) => {
                return Err(BrokerError::Lost(format!("a result waits for a newer program: {problem}")));
            }
            Err(problem) => {
                error!("a message in the queue of results is given up: {problem}");
                acknowledging.gone(incoming.tag);
                return consumer.reject(incoming.tag);
            }
        };
        if node != self.settings.identity {
            // Its number would mean another delivery here.
            warn!(
                destination,
                "what became of a delivery of another journal is left out: it was this node's before"
            );
            acknowledging.gone(incoming.tag);
            return consumer.acknowledge(incoming.tag, false);
        }
        let sender = self.senders.read().unwrap_or_else(PoisonError::into_inner).get(&*destination).cloned();
        match news {
            News::Result(record, parked) => {
                self.proof.result_came(receipt.tag);
                self.write(id, record, parked, destination, sender, receipt);
            }
            News::Back(lanes, held) => {
                let returned = Told::Returned { id, lanes, held, receipt };
                let returned = match sender {
                    Some(sender) => sender.send(returned).err().map(|unsent| unsent.0),
                    None => Some(returned),
                };
                // The configuration no longer has its destination, or it ends: the journal knows, which is read when it begins again.
                if let Some(Told::Returned { receipt, .. }) = returned {
                    self.journal.carry(Carry::Back(envelope(id)), move |written| {
                        receipt.give(written.map(drop).map_err(|problem| problem.to_string()));
                    });
                }
            }
        }
        Ok(())
    }

    /// Writes what was tried, then tells those who wait for it.
    fn write(
        &self,
        id: Id,
        record: Box<AttemptRecord>,
        parked: Option<Vec<Lane>>,
        destination: String,
        sender: Option<Inbox>,
        receipt: Receipt,
    ) {
        let is_final = record.state != DeliveryState::Waiting;
        let delivered = record.state == DeliveryState::Delivered;
        let asked = self.asked(&record);
        let heard = self.heard.clone();
        self.journal.carry(Carry::Result(envelope(id), record), move |written| {
            let is_written = written.is_ok();
            if is_written {
                heard.queued.tell(id.seq);
                if let Some(asked) = asked {
                    heard.relays.tell_result(&asked, &destination);
                }
            }
            receipt.give(written.map(drop).map_err(|problem| problem.to_string()));
            if let Some(sender) = sender.filter(|_| is_written && is_final) {
                // It may have ended, and reads the journal when it begins again.
                let _ = sender.send(Told::Event(Event::Resolved { id, delivered, parked }));
            }
        });
    }

    /// Who may wait for the answer of what this is about; nobody where no source passes answers on.
    fn asked(&self, record: &AttemptRecord) -> Option<Asked> {
        if !self.heard.relays.are_used() {
            return None;
        }
        let found = tokio::task::block_in_place(|| self.journal.reader().sent_as(record.delivery));
        let found = found.inspect_err(|problem| error!("whose answer it is could not be read: {problem}"));
        let (message, sent) = found.ok().flatten()?;
        Some(Asked { message, sent: sent.unwrap_or_default(), record: record.clone() })
    }
}

/// Waits until the queue is not there any more, or another one is: of one that is deleted by force, the broker tells its consumer nothing.
async fn gone(connection: &Connection, queue: &str) {
    let mut looks_without = 0;
    // Once alone may be the moment in which the queue's leader is lost.
    while looks_without < 2 {
        tokio::time::sleep(LOOK_EVERY).await;
        let is_there = match connection.queue_state(queue).await {
            Ok(state) => state.consumers_count > 0,
            Err(BrokerError::Missing(_)) => false,
            Err(_) => true,
        };
        looks_without = if is_there { 0 } else { looks_without + 1 };
    }
}

/// The broker has the mark, and gives it to somebody else.
fn given_to_another(queue: &str) -> BrokerError {
    BrokerError::Locked(format!(
        "`{queue}` is consumed by another process with this node's name, or by a connection that the broker has not missed yet"
    ))
}

/// Waits until the mark has taken too long, and gives that as an error. Of a broker with an alarm, that time does not count.
async fn late(connection: &Connection) -> BrokerError {
    loop {
        tokio::time::sleep(PROVING_TIME_MAX).await;
        if !connection.is_blocked() {
            return BrokerError::NoAnswer(PROVING_TIME_MAX.as_secs_f32());
        }
    }
}
