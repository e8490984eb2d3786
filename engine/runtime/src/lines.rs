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
use orderly_transport::listeners::{BindError, Listener, Place, TakenAddress};
use tokio::sync::watch;
use tracing::info;

use crate::arrive;
use crate::deliver;
use crate::engine::StartError;
use crate::inbox::Inbox;
use crate::ingest::{self, Ingest};
use crate::part::{self, Part, is_said};
use crate::plans::Plans;
use crate::relay::Relays;
use crate::standing::{SourceStanding, Standing};
use crate::treatment::Treatment;
use crate::worker::Worker;

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
    inboxes: Inboxes,
    sources: BTreeMap<Arc<str>, SourceLine>,
    destinations: BTreeMap<Arc<str>, DestinationLine>,
}

struct SourceLine {
    part: Part,
    place: Place,
    /// As configured; with port 0 not what it listens at.
    listen: Option<SocketAddr>,
    taken: Option<TakenAddress>,
    standing: Arc<SourceStanding>,
}

struct DestinationLine {
    part: Part,
    inbox: Arc<Inbox>,
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
    pub(crate) fn new(base: &Path, journal: Journal, plans: Plans, standing: Arc<Standing>) -> Lines {
        let inboxes = Inboxes::default();
        let told = inboxes.clone();
        journal.subscribe(move |commit: &Commit| {
            let inboxes = told.read().unwrap_or_else(PoisonError::into_inner);
            for fresh in &commit.waiting {
                if let Some(inbox) = inboxes.get(&fresh.destination) {
                    tell(inbox, fresh);
                }
            }
        });
        let relays = Arc::new(Relays::new(standing.clone()));
        let (sources, destinations) = Default::default();
        Lines { base: base.to_owned(), journal, plans, standing, relays, inboxes, sources, destinations }
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
        let (plans, journal, relays) = (self.plans.clone(), self.journal.clone(), self.relays.clone());
        let handler = Ingest::new(source.clone(), settings, plans, journal, standing.clone(), relays);
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
        let inbox = Arc::<Inbox>::default();
        if let Some(pause) = self.journal.reader().pause_of(&destination.name)? {
            info!(destination = %destination.name, by = pause.who, "paused: `orderly resume` has it sent to again");
            inbox.tell(|news| news.paused = Some(true));
        }
        let transport = deliver::settings(destination, &self.base);
        let standing = self.standing.destination(&destination.name);
        let (journal, relays) = (self.journal.clone(), self.relays.clone());
        let worker = Worker::new(destination, transport, journal, inbox.clone(), standing, relays);
        let told = inbox.clone();
        let stop = move || told.tell(|news| news.stop = true);
        // It reads what waits when it begins: nothing is missed that is told before.
        self.change_inboxes(|inboxes| inboxes.insert(destination.name.clone(), inbox.clone()));
        let part = Part::thread(&format!("to-{}", destination.name), stop, worker.run())
            .map_err(StartError::Thread)?;
        self.destinations.insert(destination.name.clone(), DestinationLine { part, inbox });
        Ok(())
    }

    /// Has a destination be reached as it is configured now, from its next attempt on.
    pub(crate) fn change_destination(&self, destination: &plan::Destination) {
        if let Some(line) = self.destinations.get(&destination.name) {
            let settings = deliver::settings(destination, &self.base);
            let treatment = Treatment::of(destination);
            line.inbox.tell(|news| news.changed = Some((settings, treatment)));
        }
    }

    /// Has nothing be sent to a destination from now on, or has it be sent to again.
    pub(crate) fn pause_destination(&self, destination: &str, paused: bool) {
        if let Some(line) = self.destinations.get(destination) {
            line.inbox.tell(|news| news.paused = Some(paused));
        }
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
        part::end(&ending.iter().map(|line| &line.part).collect::<Vec<_>>(), STOP_GRACE).await;
        self.change_inboxes(|inboxes| inboxes.retain(|name, _| !names.contains(name)));
    }

    /// Ends everything: takes in no more first, then finishes what is in flight on its way out.
    pub(crate) async fn end(&mut self) {
        let sources: Vec<_> = self.sources.keys().cloned().collect();
        self.end_sources(&sources).await;
        let destinations: Vec<_> = self.destinations.keys().cloned().collect();
        self.end_destinations(&destinations).await;
    }

    /// Ends everything at once, finishing nothing.
    pub(crate) async fn abandon(&mut self) {
        let (sources, destinations) =
            (std::mem::take(&mut self.sources), std::mem::take(&mut self.destinations));
        let sources = sources.values().map(|line| &line.part);
        let parts: Vec<&Part> = sources.chain(destinations.values().map(|line| &line.part)).collect();
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

fn tell(inbox: &Inbox, fresh: &Fresh) {
    inbox.tell(|news| {
        news.arrived.insert(Class::numbered(fresh.class));
        news.rewound |= fresh.rewound;
    });
}
