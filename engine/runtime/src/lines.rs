//! The lines of the network: a listener for each source, a worker for each destination, begun and ended one by one.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use orderly_journal::{Commit, Fresh, Journal};
use orderly_pipeline::plan;
use orderly_queue::item::Class;
use orderly_queue::line::Order;
use orderly_queue::outbox::Event;
use orderly_transport::listeners::{BindError, Listener, Place, TakenAddress};
use tokio::sync::watch;
use tracing::info;

use crate::arrive;
use crate::carrier::CarrierSettings;
use crate::carrier::control::Pausing;
use crate::carrier::nodes::{Nodes, talk};
use crate::carrier::results::{self, Heard, Senders};
use crate::carrier::sender::{Inbox as SenderInbox, Sender, Told};
use crate::carrier::taker::Taken;
use crate::deliver;
use crate::engine::StartError;
use crate::inbox::Inbox;
use crate::ingest::{self, Ingest};
use crate::part::{self, Part, is_said};
use crate::plans::Plans;
use crate::queued::Queued;
use crate::relay::Relays;
use crate::standing::{SourceStanding, Standing};
use crate::treatment::Treatment;
use crate::worker::{Supply, Worker};

/// How long what is in flight may take to end, first on its way in, then on its way out; after that its outcome is unknown, and it is sent
/// again: by the sender that read no answer, or by us. Twice this is shorter than the 30 seconds after which service managers kill.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(10);

/// All that runs between the listeners and the destinations.
pub(crate) struct Lines {
    base: PathBuf,
    journal: Journal,
    plans: Plans,
    standing: Arc<Standing>,
    relays: Arc<Relays>,
    queued: Arc<Queued>,
    inboxes: Inboxes,
    carrier: Option<Carrier>,
    sources: BTreeMap<Arc<str>, SourceLine>,
    destinations: BTreeMap<Arc<str>, DestinationLine>,
}

/// The way by a broker.
struct Carrier {
    settings: Arc<CarrierSettings>,
    senders: Senders,
    queued: Arc<Queued>,
    results: Part,
    /// Whether this process has its node's name for itself.
    owned: watch::Receiver<bool>,
    nodes: Arc<Nodes>,
    talk: Part,
}

struct SourceLine {
    part: Part,
    place: Place,
    /// As configured; with port 0 not what it listens at.
    listen: Option<SocketAddr>,
    taken: Option<TakenAddress>,
    standing: Arc<SourceStanding>,
}

/// What of a destination runs here: its sender to the broker, its worker, or both.
struct DestinationLine {
    sender: Option<(Part, SenderInbox)>,
    worker: Option<(Part, Arc<Inbox>)>,
}

impl DestinationLine {
    fn parts(&self) -> impl Iterator<Item = &Part> {
        let sender = self.sender.iter().map(|(part, _)| part);
        sender.chain(self.worker.iter().map(|(part, _)| part))
    }
}

/// A listener with its address taken, and whose it is.
pub(crate) struct Bound {
    source: Arc<str>,
    settings: plan::Listener,
    listener: Listener,
}

impl Bound {
    pub(crate) fn source(&self) -> &Arc<str> {
        &self.source
    }
}

/// The inboxes of all destinations, which commits are told to.
type Inboxes = Arc<RwLock<HashMap<Arc<str>, Arc<Inbox>>>>;

impl Lines {
    /// No lines yet; from now on commits are told to those that there will be.
    pub(crate) fn new(
        base: &Path,
        journal: Journal,
        plans: Plans,
        standing: Arc<Standing>,
        carrier: Option<CarrierSettings>,
    ) -> Lines {
        let inboxes = Inboxes::default();
        let relays = Arc::new(Relays::new(standing.clone()));
        let queued = Arc::<Queued>::default();
        let carrier = carrier.map(|settings| Carrier::begin(settings, &journal, &relays, &queued));
        let (told, senders) = (inboxes.clone(), carrier.as_ref().map(|carrier| carrier.senders.clone()));
        journal.subscribe(move |commit: &Commit| {
            let inboxes = told.read().unwrap_or_else(PoisonError::into_inner);
            for fresh in &commit.waiting {
                if let Some(inbox) = inboxes.get(&fresh.destination) {
                    tell(inbox, fresh);
                }
                if let Some(sender) =
                    senders.as_ref().and_then(|senders| sender_of(senders, &fresh.destination))
                {
                    tell_sender(&sender, fresh);
                }
            }
        });
        let (sources, destinations) = Default::default();
        Lines {
            base: base.to_owned(),
            journal,
            plans,
            standing,
            relays,
            queued,
            inboxes,
            carrier,
            sources,
            destinations,
        }
    }

    /// Whether messages come in here; at a node that only delivers, they do not.
    pub(crate) fn takes_in(&self) -> bool {
        self.carrier.as_ref().is_none_or(|carrier| carrier.settings.takes_in)
    }

    /// Takes the address of a source. One that another source gives up at the same time is handed on without a gap.
    pub(crate) async fn bind(&self, source: &plan::Source, ending: &[Arc<str>]) -> Result<Bound, BindError> {
        let settings = arrive::settings(source, &self.base);
        let listener = match self.taken(source, ending) {
            Some(taken) => settings.bind_at(taken)?,
            None => settings.bind().await?,
        };
        Ok(Bound { source: source.name.clone(), settings: source.listener.clone(), listener })
    }

    /// The address as this source's own line holds it, or one that ends.
    fn taken(&self, source: &plan::Source, ending: &[Arc<str>]) -> Option<TakenAddress> {
        let listen = source.listener.address()?;
        let own = self.sources.get(&source.name).filter(|line| line.listen == Some(listen));
        // With port 0, each has a port of its own.
        let fixed = ending.iter().filter(|_| listen.port() != 0);
        let mut others = fixed.filter_map(|name| self.sources.get(name));
        let line = own.or_else(|| others.find(|line| line.listen == Some(listen)))?;
        line.taken.clone()
    }

    /// Begins to take in what comes at a source.
    pub(crate) fn begin_source(&mut self, bound: Bound) -> io::Result<()> {
        let Bound { source, settings, listener } = bound;
        let (place, taken) = (listener.place(), listener.taken());
        let listen = settings.address();
        ingest::announce(&source, &place);
        let standing = self.standing.source(&source, place.clone());
        let (plans, journal) = (self.plans.clone(), self.journal.clone());
        let waiting = (self.relays.clone(), self.queued.clone());
        let handler = Ingest::new(source.clone(), settings, plans, journal, standing.clone(), waiting);
        let handler = Arc::new(handler);
        let (stop, stopped) = watch::channel(false);
        let stop = move || {
            stop.send_replace(true);
        };
        let part = match listener {
            Listener::Mllp(listener) => {
                Part::task(stop, async move { listener.run(handler, is_said(stopped)).await })
            }
            Listener::Http(listener) => {
                Part::task(stop, async move { listener.run(handler, is_said(stopped)).await })
            }
            Listener::Amqp(listener) => {
                Part::task(stop, async move { listener.run(handler, is_said(stopped)).await })
            }
            // It blocks on the disk, as a destination's worker does.
            Listener::Files(listener) => {
                let watching = async move { listener.run(handler, is_said(stopped)).await };
                Part::thread(&format!("from-{source}"), stop, watching)?
            }
        };
        self.sources.insert(source, SourceLine { part, place, listen, taken, standing });
        Ok(())
    }

    /// Begins to deliver what waits for a destination, unless it is paused.
    pub(crate) fn begin_destination(&mut self, destination: &plan::Destination) -> Result<(), StartError> {
        let order = Treatment::of(destination).policy.order;
        let standing = self.standing.destination(&destination.name);
        let mut sender = None;
        if let Some(carrier) = &self.carrier {
            let begun = carrier.begin_sender(destination, order, self.journal.clone());
            let (part, inbox) = begun.map_err(StartError::Thread)?;
            if let Some(act) = self.journal.reader().last_word_on(&destination.name)? {
                // It may have been said while the broker was away. Who knows a later word keeps that.
                let pausing = Pausing::of(act);
                carrier.nodes.know_word(&destination.name, pausing.at_us);
                let _ = inbox.send(Told::Paused(pausing));
            }
            sender = Some((part, inbox));
            if !carrier.settings.delivers {
                self.destinations.insert(destination.name.clone(), DestinationLine { sender, worker: None });
                return Ok(());
            }
        }
        let inbox = Arc::<Inbox>::default();
        if let Some(pause) = self.journal.reader().pause_of(&destination.name)? {
            info!(destination = %destination.name, by = pause.who, "paused: `orderly resume` has it sent to again");
            inbox.tell(|news| news.paused = Some(true));
        }
        let transport = deliver::settings(destination, &self.base);
        let taken =
            self.carrier.as_ref().map(|carrier| Arc::new(carrier.taken(destination.name.clone(), order)));
        let supply = match &taken {
            Some(taken) => Supply::Broker(taken.clone()),
            None => Supply::Journal(self.journal.clone(), self.journal.reader()),
        };
        // Another node's messages have the same numbers: by a broker, those who wait hear it from the results.
        let nobody = || Arc::new(Relays::new(self.standing.clone()));
        let relays = if taken.is_some() { nobody() } else { self.relays.clone() };
        let worker = Worker::new(destination, transport, supply, inbox.clone(), standing, relays);
        let told = inbox.clone();
        let stop = move || told.tell(|news| news.stop = true);
        if taken.is_none() {
            // It reads what waits when it begins: nothing is missed that is told before.
            self.change_inboxes(|inboxes| inboxes.insert(destination.name.clone(), inbox.clone()));
        }
        let (own, work) = (inbox.clone(), worker.run());
        let work = async move {
            match taken {
                None => work.await,
                Some(taken) => {
                    let work = async {
                        work.await;
                        taken.stop();
                    };
                    tokio::join!(work, taken.run(&own));
                }
            }
        };
        let part =
            Part::thread(&format!("to-{}", destination.name), stop, work).map_err(StartError::Thread)?;
        let line = DestinationLine { sender, worker: Some((part, inbox)) };
        self.destinations.insert(destination.name.clone(), line);
        Ok(())
    }

    /// Has a destination be reached as it is configured now, from its next attempt on.
    pub(crate) fn change_destination(&self, destination: &plan::Destination) {
        if let Some(line) = self.destinations.get(&destination.name) {
            let settings = deliver::settings(destination, &self.base);
            let treatment = Treatment::of(destination);
            let order = treatment.policy.order;
            if let Some((_, inbox)) = &line.worker {
                inbox.tell(|news| news.changed = Some((settings, treatment)));
            }
            if let Some((_, sender)) = &line.sender {
                // It may have ended.
                let _ = sender.send(Told::Event(Event::Changed(order)));
            }
        }
    }

    /// Has nothing be sent to a destination from now on, or has it be sent to again.
    pub(crate) fn pause_destination(&self, destination: &str, pausing: Pausing) {
        let Some(line) = self.destinations.get(destination) else { return };
        if let Some((_, inbox)) = &line.worker {
            inbox.tell(|news| news.paused = Some(pausing.paused));
        }
        if let Some((_, sender)) = &line.sender {
            // It may have ended.
            let _ = sender.send(Told::Paused(pausing));
        }
    }

    /// The nodes with which it shares a broker, if it does.
    pub(crate) fn nodes(&self) -> Option<Arc<Nodes>> {
        self.carrier.as_ref().map(|carrier| carrier.nodes.clone())
    }

    /// Whether two plans reach a destination differently.
    pub(crate) fn is_other_destination(&self, one: &plan::Destination, other: &plan::Destination) -> bool {
        Treatment::of(one) != Treatment::of(other)
            || deliver::settings(one, &self.base) != deliver::settings(other, &self.base)
    }

    /// Ends these sources after what is in flight there is answered; the addresses that nobody has taken over are free then.
    pub(crate) async fn end_sources(&mut self, names: &[Arc<str>]) {
        let ending: Vec<SourceLine> = names.iter().filter_map(|name| self.sources.remove(name)).collect();
        let (mut parts, mut standings) = (Vec::with_capacity(ending.len()), Vec::with_capacity(ending.len()));
        for line in ending {
            drop(line.taken);
            parts.push(line.part);
            standings.push(line.standing);
        }
        part::end(&parts.iter().collect::<Vec<_>>(), STOP_GRACE).await;
        standings.iter().for_each(|standing| standing.ended());
    }

    /// Ends these destinations after what is in flight there is answered.
    pub(crate) async fn end_destinations(&mut self, names: &[Arc<str>]) {
        let ending: Vec<_> = names.iter().filter_map(|name| self.destinations.remove(name)).collect();
        let parts: Vec<&Part> = ending.iter().flat_map(DestinationLine::parts).collect();
        part::end(&parts, STOP_GRACE).await;
        self.change_inboxes(|inboxes| inboxes.retain(|name, _| !names.contains(name)));
        if let Some(carrier) = &self.carrier {
            let mut senders = carrier.senders.write().unwrap_or_else(PoisonError::into_inner);
            senders.retain(|name, _| !names.contains(name));
        }
    }

    /// Ends everything: takes in no more first, then finishes what is in flight on its way out.
    pub(crate) async fn end(&mut self) {
        let sources: Vec<_> = self.sources.keys().cloned().collect();
        self.end_sources(&sources).await;
        let destinations: Vec<_> = self.destinations.keys().cloned().collect();
        self.end_destinations(&destinations).await;
        if let Some(carrier) = self.carrier.take() {
            part::end(&[&carrier.results, &carrier.talk], STOP_GRACE).await;
        }
    }

    /// Ends everything at once, finishing nothing.
    pub(crate) async fn abandon(&mut self) {
        let (sources, destinations) =
            (std::mem::take(&mut self.sources), std::mem::take(&mut self.destinations));
        let sources = sources.values().map(|line| &line.part);
        let carrier = self.carrier.take();
        let own = carrier.iter().flat_map(|carrier| [&carrier.results, &carrier.talk]);
        let parts: Vec<&Part> =
            sources.chain(destinations.values().flat_map(DestinationLine::parts)).chain(own).collect();
        part::abandon(&parts).await;
    }

    /// Whether one of the sources listens at this port of any address.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        let is_there =
            |line: &SourceLine| matches!(line.place, Place::Address(address) if address.port() == port);
        self.sources.values().any(is_there)
    }

    /// Where a source's messages come in.
    pub(crate) fn place(&self, source: &str) -> Option<Place> {
        self.sources.get(source).map(|line| line.place.clone())
    }

    fn change_inboxes<T>(&self, change: impl FnOnce(&mut HashMap<Arc<str>, Arc<Inbox>>) -> T) -> T {
        change(&mut self.inboxes.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Carrier {
    /// Takes in what became of deliveries.
    fn begin(
        settings: CarrierSettings,
        journal: &Journal,
        relays: &Arc<Relays>,
        queued: &Arc<Queued>,
    ) -> Carrier {
        let (settings, senders) = (Arc::new(settings), Senders::default());
        let (stop, stopped) = watch::channel(false);
        let (own, owned) = watch::channel(false);
        let heard = Heard { relays: relays.clone(), queued: queued.clone() };
        let taking_in = results::run(settings.clone(), journal.clone(), senders.clone(), heard, own, stopped);
        let stop = move || {
            stop.send_replace(true);
        };
        let results = Part::task(stop, taking_in);
        let (nodes, to_say) = Nodes::new(settings.clone(), journal.clone());
        let (stop, stopped) = watch::channel(false);
        let talking = talk(nodes.clone(), to_say, stopped);
        let stop = move || {
            stop.send_replace(true);
        };
        let queued = queued.clone();
        Carrier { owned, settings, senders, queued, results, nodes, talk: Part::task(stop, talking) }
    }

    fn taken(&self, destination: Arc<str>, order: Order) -> Taken {
        Taken::new(self.settings.clone(), destination, order, self.nodes.clone())
    }

    /// Publishes what waits for a destination.
    fn begin_sender(
        &self,
        destination: &plan::Destination,
        order: Order,
        journal: Journal,
    ) -> io::Result<(Part, SenderInbox)> {
        let name = destination.name.clone();
        let (sender, inbox) =
            Sender::new(name, order, self.settings.clone(), journal, self.queued.clone(), self.owned.clone());
        let told = inbox.clone();
        // It may have ended already.
        let stop = move || _ = told.send(Told::Event(Event::Stop));
        // It reads what waits when it begins: nothing is missed that is told before.
        let mut senders = self.senders.write().unwrap_or_else(PoisonError::into_inner);
        senders.insert(destination.name.clone(), inbox.clone());
        let part = Part::thread(&format!("out-{}", destination.name), stop, sender.run())?;
        Ok((part, inbox))
    }
}

fn sender_of(senders: &Senders, destination: &str) -> Option<SenderInbox> {
    senders.read().unwrap_or_else(PoisonError::into_inner).get(destination).cloned()
}

fn tell_sender(sender: &SenderInbox, fresh: &Fresh) {
    let rewound = fresh.rewound.then_some(Event::Rewound);
    for event in rewound.into_iter().chain([Event::Arrived(Class::numbered(fresh.class))]) {
        // It may have ended, and reads the journal when it begins again.
        let _ = sender.send(Told::Event(event));
    }
}

fn tell(inbox: &Inbox, fresh: &Fresh) {
    inbox.tell(|news| {
        news.arrived.insert(Class::numbered(fresh.class));
        news.rewound |= fresh.rewound;
    });
}
