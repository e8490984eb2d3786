//! One time at a destination's queue: from a connection until it is lost, handed over, or everything ends.
//!
//! What always holds: nothing is sent before this node has read its own mark from the control queue, which the broker gives it only when whoever
//! delivered before is gone and all it had taken is back; the queue is handed over by closing the channels, after what is with the destination
//! has ended and what is said of it is confirmed; what is held or paused stays in the control queue until that is over.

use std::sync::Arc;
use std::time::Duration;

use orderly_queue::outbox::Id;
use orderly_queue::planted::{self, Fault};
use orderly_queue::shelf::Tried;
use orderly_transport::amqp::{
    Broker, BrokerError, Confirmed, Connection, Consumer, ConsumerSettings, Incoming, Publisher, Verdict,
};
use tokio::time::{Instant, timeout};
use tracing::{debug, error};

use super::{Said, Taken, To, tell};
use crate::carrier::CarrierSettings;
use crate::carrier::acknowledging::Acknowledging;
use crate::carrier::control::{Control, Pausing};
use crate::carrier::envelope::{CONTROL, ENVELOPE, Envelope, REPORT, Unreadable, publication};
use crate::inbox::Inbox;
use crate::moment::now;

/// How many envelopes are on the shelf, at most. All of them are in memory.
const PREFETCH: u16 = 250;

/// How many things may be said and not confirmed: twice the shelf, and what is in flight.
const WINDOW: usize = 1024;

/// How long a queue that refused something is left alone.
const REFUSED_WAIT: Duration = Duration::from_millis(200);

/// When nothing came for so long, the queue is asked whether this node is still the one that it gives to.
const ASK_AFTER: Duration = Duration::from_secs(5);

/// How long a node waits for its own mark. Then it lets go of what it was given, for the broker to sort it out anew.
const MARK_TIME_MAX: Duration = Duration::from_secs(15);

/// How often a node without a turn looks whether something waits.
const LOOK_FOR_WAITING_EVERY: Duration = Duration::from_secs(10);

/// How often the time is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long what is with the destination may take to end before the queue is handed over all the same.
const HAND_OVER_GRACE: Duration = Duration::from_secs(900);

/// How long what is said last may take to be confirmed.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(15);

/// A session.
pub(super) struct Session<'t> {
    taken: &'t Taken,
    inbox: &'t Inbox,
    // Channels before their connection.
    publisher: Publisher,
    consumer: Consumer,
    acknowledging: Acknowledging,
    /// From the first envelope on: then this node is the one that delivers.
    control: Option<Consumer>,
    connection: Arc<Connection>,
    turn_at: Option<Instant>,
    /// What this node waits for before it sends.
    mark: String,
    is_marked: bool,
    /// What stays in the control queue: holds, what is done, and the latest word about a pause.
    kept: Vec<Kept>,
    pause: Option<(u64, Pausing)>,
    /// When the queue last gave something.
    given_at: Instant,
    /// Since when it has a question of this node, which it must give back.
    asked_at: Option<Instant>,
    is_asking: bool,
    /// When it was last looked whether something waits that others do not take, and whether it did.
    looked_at: Instant,
    is_waiting: bool,
    /// How much was published.
    number: u64,
    /// Since when it hands over.
    ending: Option<Instant>,
}

/// A hold, or what is done, by the tag of its message.
struct Kept {
    tag: u64,
    node: Arc<str>,
    generation: u64,
}

impl<'t> Session<'t> {
    /// Begins to take from the queue.
    pub(super) async fn open(
        taken: &'t Taken,
        inbox: &'t Inbox,
        broker: &mut Broker,
    ) -> Result<Session<'t>, BrokerError> {
        let settings = &taken.settings;
        let connection = Arc::new(broker.connect().await?);
        connection.declare(&settings.destination(&taken.destination)).await?;
        connection.declare(&[settings.for_unreadable()]).await?;
        let queueless = taken.inside().queueless.clone();
        for node in queueless {
            connection.declare(&[settings.results_of(CarrierSettings::name_of(&node))]).await?;
            taken.inside().queueless.remove(&node);
        }
        let publisher = connection.publisher(WINDOW).await?;
        let consumer = consumer(&connection, &settings.queue(&taken.destination), PREFETCH).await?;
        let mark = format!("{}-{}", settings.node, now());
        let (control, kept, pause, ending) = (None, Vec::new(), None, None);
        let began = Instant::now();
        Ok(Session {
            taken,
            inbox,
            publisher,
            consumer,
            acknowledging: Acknowledging::default(),
            control,
            connection,
            turn_at: None,
            mark,
            is_marked: false,
            kept,
            pause,
            given_at: began,
            asked_at: None,
            is_asking: false,
            looked_at: began,
            is_waiting: false,
            number: 0,
            ending,
        })
    }

    /// Until it is handed over; an error when the way is lost.
    pub(super) async fn run(mut self) -> Result<(), BrokerError> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.publish()?;
            if self.is_over()? {
                return self.hand_over().await;
            }
            let confirmed = async {
                match self.publisher.unconfirmed_count() {
                    0 => std::future::pending().await,
                    _ => self.publisher.next().await,
                }
            };
            let told = async {
                match &mut self.control {
                    Some(control) => control.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                incoming = self.consumer.next() => {
                    let incoming = incoming?;
                    (self.given_at, self.asked_at, self.is_asking) = (Instant::now(), None, false);
                    self.take(incoming).await?;
                }
                told = told => self.hear(told?).await?,
                Some(confirmed) = confirmed => self.all_confirmed(confirmed).await?,
                () = self.taken.said.notified() => {}
                _ = look.tick() => {
                    self.ask()?;
                    // Also what came, or was refused, after its hold was heard.
                    self.give_back_held();
                    if self.is_forgotten().await? {
                        return self.hand_over().await;
                    }
                }
            }
        }
    }

    fn give_back_held(&self) {
        if self.is_marked && self.ending.is_none() && self.taken.give_back_held() {
            self.inbox.tell(|news| news.rewound = true);
        }
    }

    /// A queue that was deleted by force, and made anew by another node, tells its old consumer nothing: so while nothing comes, this node asks by
    /// way of the queue, and ends its time there when the question does not come back.
    fn ask(&mut self) -> Result<(), BrokerError> {
        if self.connection.is_blocked() {
            // Neither a mark nor a question goes there as long as the broker has an alarm.
            (self.turn_at, self.asked_at) = (self.turn_at.map(|_| Instant::now()), None);
            return Ok(());
        }
        if !self.is_marked && self.turn_at.is_some_and(|since| since.elapsed() > MARK_TIME_MAX) {
            return Err(BrokerError::Lost("whoever delivered before has not let go".to_owned()));
        }
        let mut inside = self.taken.inside();
        if self.control.is_none() || inside.shelf.len() > usize::from(PREFETCH) / 2 {
            // Another one has its turn, or the broker gives no more at a time.
            self.asked_at = None;
            return Ok(());
        }
        if self.asked_at.is_some_and(|since| since.elapsed() > ASK_AFTER) {
            return Err(BrokerError::Lost("its queue gives to another node, or was made anew".to_owned()));
        }
        if !self.is_asking && self.given_at.elapsed() > ASK_AFTER {
            self.is_asking = true;
            inside.said.push_back(Said { to: To::Queue, body: Vec::new(), place: None });
        }
        Ok(())
    }

    /// Whether something waits, again and again, that this node is not given, and nobody says that it is given it: the broker may have forgotten who
    /// has its turn, as it can when a queue's leader is lost. To ask for a turn anew disturbs nobody.
    async fn is_forgotten(&mut self) -> Result<bool, BrokerError> {
        if self.control.is_some() || self.looked_at.elapsed() < LOOK_FOR_WAITING_EVERY {
            return Ok(false);
        }
        self.looked_at = Instant::now();
        if self.taken.nodes.other_at(&self.taken.destination).is_some() {
            self.is_waiting = false;
            return Ok(false);
        }
        let state = self.connection.queue_state(&self.taken.settings.queue(&self.taken.destination)).await?;
        let was_waiting = std::mem::replace(&mut self.is_waiting, state.messages_count > 0);
        Ok(was_waiting && self.is_waiting)
    }

    /// Whether there is nothing more to do here.
    fn is_over(&mut self) -> Result<bool, BrokerError> {
        let mut inside = self.taken.inside();
        if self.ending.is_none() {
            if self.is_marked && inside.may_send.as_ref().is_none_or(|connection| !connection.is_fresh()) {
                return Err(BrokerError::Lost(
                    "it was silent for longer than one and a half heartbeats".to_owned(),
                ));
            }
            let has_something = !inside.shelf.is_empty() || !self.kept.is_empty() || self.pause.is_some();
            let hand_over_after = self.taken.settings.hand_over_after;
            let is_old = has_something && self.turn_at.is_some_and(|since| since.elapsed() > hand_over_after);
            if !inside.stopping && !is_old {
                return Ok(false);
            }
            self.ending = Some(Instant::now());
            inside.may_send = None;
            debug!(destination = %self.taken.destination, "handing over");
        }
        let took_too_long = self.ending.is_some_and(|since| since.elapsed() > HAND_OVER_GRACE);
        Ok(took_too_long || (inside.shelf.in_flight() == 0 && inside.said.is_empty()))
    }

    /// Tells whoever delivers next what was tried, and closes the channels.
    async fn hand_over(mut self) -> Result<(), BrokerError> {
        let tried: Vec<Control> = {
            let inside = self.taken.inside();
            let heads = inside.shelf.tried();
            let tried = heads.map(|head| {
                let item = &head.item;
                let tried = Tried {
                    attempts: item.attempts,
                    not_before: item.not_before,
                    failing_since: item.failing_since,
                };
                Control::tried(head.node.clone(), head.id(), tried)
            });
            tried.collect()
        };
        tried.iter().for_each(|control| tell(&mut self.taken.inside(), control));
        // A queue without a leader confirms nothing. What is not confirmed by then goes back, and this node says it again when it has its next turn.
        if let Ok(said) = timeout(FAREWELL_TIME_MAX, self.say_all()).await {
            said?;
        }
        #[cfg(feature = "planted-faults")]
        if planted::is_planted(Fault::CancelledWithUnacknowledged) {
            self.consumer.cancel().await?;
            // What is not acknowledged goes back later.
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.consumer.close().await?;
        if let Some(control) = self.control {
            control.close().await?;
        }
        Ok(())
    }

    /// Until all that was said is confirmed.
    async fn say_all(&mut self) -> Result<(), BrokerError> {
        loop {
            self.publish()?;
            if self.taken.inside().said.is_empty() {
                return Ok(());
            }
            if let Some(confirmed) = self.publisher.next().await {
                self.all_confirmed(confirmed).await?;
            }
        }
    }

    /// Publishes what was said.
    fn publish(&mut self) -> Result<(), BrokerError> {
        let mut inside = self.taken.inside();
        let settings = &self.taken.settings;
        while self.publisher.room() > 0 {
            let Some(said) = inside.said.get(inside.published) else { break };
            let (queue, content_type) = match &said.to {
                To::Node(node) => (settings.results(CarrierSettings::name_of(node)), REPORT),
                To::Queue => (settings.queue(&self.taken.destination), ENVELOPE),
                To::Control => (settings.control(&self.taken.destination), CONTROL),
                To::Person(_) => (settings.unreadable(), "application/octet-stream"),
            };
            let id = self.number.to_string();
            let publication = publication("", &queue, &id, content_type, &said.body);
            self.publisher.publish(&publication)?;
            self.number += 1;
            inside.published += 1;
        }
        Ok(())
    }

    /// Takes in what the destination's queue gave.
    async fn take(&mut self, incoming: Incoming) -> Result<(), BrokerError> {
        if self.control.is_none() {
            let control = self.taken.settings.control(&self.taken.destination);
            // Of a quorum queue, no more would be given at a time.
            self.turn_at = Some(Instant::now());
            self.control = Some(consumer(&self.connection, &control, u16::MAX).await?);
            tell(&mut self.taken.inside(), &Control::Mark(self.mark.clone()));
        }
        if incoming.body.is_empty() {
            return self.consumer.acknowledge(incoming.tag, false);
        }
        let mut tag = incoming.tag;
        if planted::is_planted(Fault::AcknowledgedBeforeDelivery) {
            self.consumer.acknowledge(tag, false)?;
            tag = ACKNOWLEDGED;
        } else {
            self.acknowledging.came(tag);
        }
        if incoming.content_type.as_deref() == Some(CONTROL) {
            return match Control::read(&incoming.body) {
                Ok(Control::Release { node, before }) => {
                    self.taken.inside().shelf.arrive_release(node, before, tag);
                    self.release().await?;
                    self.acknowledging.acknowledge(&self.consumer)
                }
                Ok(_) => self.cannot_read(incoming.body, tag, &Unreadable::Damaged),
                Err(problem) => self.cannot_read(incoming.body, tag, &problem),
            };
        }
        match Envelope::read(&incoming.body) {
            Ok(envelope) => {
                let class = envelope.head.item.class;
                self.taken.inside().shelf.arrive(envelope.head.clone(), envelope, Some(tag));
                self.inbox.tell(|news| _ = news.arrived.insert(class));
                Ok(())
            }
            Err(problem) => self.cannot_read(incoming.body, tag, &problem),
        }
    }

    /// Sets aside what cannot be read; what is of a newer program waits for one.
    fn cannot_read(&mut self, body: Vec<u8>, tag: u64, problem: &Unreadable) -> Result<(), BrokerError> {
        if let Unreadable::Newer(_) = problem {
            return Err(BrokerError::Lost(format!(
                "a message in its queue waits for another node: {problem}"
            )));
        }
        error!(
            destination = %self.taken.destination,
            queue = self.taken.settings.unreadable(),
            "a message in its queue is set aside in another: {problem}"
        );
        self.taken.inside().said.push_back(Said { to: To::Person(Some(tag)), body, place: None });
        Ok(())
    }

    /// Takes in what the control queue gave.
    async fn hear(&mut self, incoming: Incoming) -> Result<(), BrokerError> {
        let tag = incoming.tag;
        match Control::read(&incoming.body) {
            Ok(Control::Hold { node, lanes, generation }) => {
                self.taken.inside().shelf.holds().hold(&node, &lanes, generation);
                self.kept.push(Kept { tag, node, generation });
                self.give_back_held();
                return Ok(());
            }
            Ok(Control::Done { node, deliveries, generation }) => {
                let shelf = &mut self.taken.inside().shelf;
                for (delivery, revision) in deliveries {
                    shelf.delivered_elsewhere(node.clone(), delivery, revision);
                }
                self.kept.push(Kept { tag, node, generation });
                return Ok(());
            }
            Ok(Control::Pause(pausing)) => return self.pause(tag, pausing).await,
            Ok(Control::Mark(mark)) => {
                if mark == self.mark {
                    self.is_marked = true;
                    self.taken.inside().may_send = Some(self.connection.clone());
                    self.inbox.tell(|news| news.rewound = true);
                    self.tell_turn();
                }
            }
            Ok(Control::Tried {
                node,
                delivery,
                revision,
                generation,
                attempts,
                not_before_us,
                failing_since_us,
            }) => {
                let id = Id { seq: delivery, revision, generation };
                let tried = Tried { attempts, not_before: not_before_us, failing_since: failing_since_us };
                self.taken.inside().shelf.tried_elsewhere(node, id, tried);
            }
            Ok(Control::Release { .. }) => {}
            Err(problem @ Unreadable::Newer(_)) => {
                return Err(BrokerError::Lost(format!(
                    "what is to be known waits for another node: {problem}"
                )));
            }
            Err(problem) => {
                error!(destination = %self.taken.destination, "a message in its control queue is given up: {problem}");
            }
        }
        self.acknowledge_control(tag).await
    }

    /// The latest word about a pause holds, and stays.
    async fn pause(&mut self, tag: u64, pausing: Pausing) -> Result<(), BrokerError> {
        // The same word comes again when a node starts.
        if self.pause.as_ref().is_some_and(|(_, latest)| latest.at_us >= pausing.at_us) {
            return self.acknowledge_control(tag).await;
        }
        {
            // An old word is read anew with each turn.
            let mut inside = self.taken.inside();
            if !pausing.paused && pausing.at_us > inside.looked_at {
                inside.looked_at = pausing.at_us;
                inside.shelf.looked();
            }
        }
        self.inbox.tell(|news| news.paused = Some(pausing.paused));
        let before = self.pause.replace((tag, pausing));
        self.tell_turn();
        match before {
            Some((earlier, _)) => self.acknowledge_control(earlier).await,
            None => Ok(()),
        }
    }

    fn tell_turn(&self) {
        if self.is_marked {
            let pausing = self.pause.as_ref().map(|(_, pausing)| pausing);
            self.taken.nodes.begins(&self.taken.destination, pausing);
        }
    }

    async fn acknowledge_control(&mut self, tag: u64) -> Result<(), BrokerError> {
        match &self.control {
            Some(control) => control.acknowledge(tag, false),
            None => Ok(()),
        }
    }

    /// Takes off both queues what is over.
    async fn release(&mut self) -> Result<(), BrokerError> {
        let released = self.taken.inside().shelf.release();
        for released in released {
            let is_over = |kept: &mut Kept| kept.node == released.node && kept.generation < released.before;
            let over: Vec<Kept> = self.kept.extract_if(.., is_over).collect();
            for kept in over {
                self.acknowledge_control(kept.tag).await?;
            }
            self.acknowledging.done(released.tag);
        }
        Ok(())
    }

    /// Says everything that is not confirmed once more, on a new channel: of a queue whose leader is not found yet the broker refuses what a channel
    /// publishes first. What is with the destination goes on, and nothing that was taken goes back.
    async fn publish_anew(&mut self) -> Result<(), BrokerError> {
        tokio::time::sleep(REFUSED_WAIT).await;
        self.publisher = self.connection.publisher(WINDOW).await?;
        self.taken.inside().published = 0;
        Ok(())
    }

    /// The broker has the first that was said, or not; and what else is known by now of what was said. What is done by that is acknowledged
    /// together.
    async fn all_confirmed(&mut self, first: Confirmed) -> Result<(), BrokerError> {
        let mut confirmed = self.confirmed(first).await;
        while confirmed.is_ok()
            && let Some(next) = self.publisher.next_known()
        {
            confirmed = self.confirmed(next).await;
        }
        self.acknowledging.acknowledge(&self.consumer)?;
        confirmed
    }

    /// The broker has the first that was said, or not.
    async fn confirmed(&mut self, confirmed: Confirmed) -> Result<(), BrokerError> {
        let lost = |text: String| Err(BrokerError::Lost(text));
        match confirmed.verdict {
            Verdict::Acknowledged => {}
            Verdict::Refused => return self.publish_anew().await,
            Verdict::Returned(_, text) => {
                let mut inside = self.taken.inside();
                if let Some(To::Node(node)) = inside.said.front().map(|said| &said.to) {
                    let node = node.clone();
                    inside.queueless.insert(node);
                }
                return lost(format!("what is said has no queue: {text}"));
            }
            Verdict::Lost(loss) => return lost(loss.to_string()),
        }
        let (place, tag) = {
            let mut inside = self.taken.inside();
            inside.published = inside.published.saturating_sub(1);
            match inside.said.pop_front() {
                Some(Said { to: To::Person(tag), .. }) => (None, tag),
                Some(Said { to: To::Queue, .. }) => {
                    self.asked_at = self.is_asking.then(Instant::now);
                    (None, None)
                }
                Some(Said { place: Some(place), .. }) => (Some(place), inside.shelf.confirmed(place)),
                Some(Said { place: None, .. }) | None => (None, None),
            }
        };
        place.into_iter().for_each(|place| self.inbox.tell(|news| news.recorded.push(place)));
        tag.into_iter().for_each(|tag| self.acknowledging.done(tag));
        self.release().await
    }
}

/// The tag of what was acknowledged before its time, by a planted fault.
const ACKNOWLEDGED: u64 = 0;

async fn consumer(connection: &Connection, queue: &str, prefetch: u16) -> Result<Consumer, BrokerError> {
    let settings = ConsumerSettings { prefetch, exclusive: false, arguments: Vec::new() };
    connection.consumer(queue, settings).await
}
