//! Start and end of a running engine, and the threads and tasks in between.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use orderly_journal::{Commit, DeliveryState, Indexer, Journal, JournalError, Options, Reader, Writer};
use orderly_pipeline::Plan;
use orderly_transport::listeners::{BindError, Listener, Place};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::arrive;
use crate::control;
use crate::deliver;
use crate::inbox::Inbox;
use crate::ingest::{self, Ingest};
use crate::standing::Standing;
use crate::worker::Worker;

/// How long what is in flight may take to end when the engine stops, first on its way in, then on its way out; after that
/// its outcome is unknown, and it is sent again: by the sender that read no answer, or by us at the next start. Twice this
/// is shorter than the 30 seconds after which service managers kill.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What an engine is started with.
#[derive(Clone)]
pub struct Settings {
    /// The folder from which relative folders of the configuration count.
    pub base: PathBuf,
    /// The configuration.
    pub plan: Arc<Plan>,
    /// How the journal is kept.
    pub journal: Options,
}

impl Settings {
    /// The settings that a plan asks for.
    #[must_use]
    pub fn new(base: &Path, plan: Arc<Plan>) -> Self {
        let mut journal = Options::new(base.join(&plan.journal.folder));
        journal.keep = plan.journal.keep;
        if let Some(bytes) = plan.journal.segment_bytes_max {
            journal.segment_bytes_max = bytes;
        }
        Settings { base: base.to_owned(), plan, journal }
    }
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// A source's address cannot be taken.
    #[error("source {source_name}: {error}")]
    Bind {
        /// The source.
        source_name: String,
        /// What the system said.
        error: BindError,
    },
    /// The socket for commands cannot be made.
    #[error("the socket for commands {path}: {error}", path = path.display())]
    Control {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system gives no thread.
    #[error("no thread could be started: {0}")]
    Thread(io::Error),
}

/// A running engine.
pub struct Engine {
    journal: Journal,
    listening: Vec<(Arc<str>, Place)>,
    listeners: JoinSet<()>,
    watchers: Vec<JoinHandle<()>>,
    control: control::Control,
    stop: watch::Sender<bool>,
    abandon: watch::Sender<bool>,
    inboxes: Inboxes,
    workers: Vec<JoinHandle<()>>,
    journal_threads: Vec<JoinHandle<()>>,
}

type Inboxes = HashMap<Arc<str>, Arc<Inbox>>;

impl Engine {
    /// Opens the journal, takes the addresses, delivers what waits, and takes in what comes. Call it within a tokio
    /// runtime of several threads.
    pub async fn start(settings: Settings) -> Result<Engine, StartError> {
        #[cfg(feature = "planted-faults")]
        plant_from_environment();
        let (journal, writer, indexer) = orderly_journal::open(settings.journal.clone())?;
        let journal_threads = spawn_journal(writer, indexer)?;
        match Engine::begin(&settings, journal.clone()).await {
            Ok(engine) => Ok(Engine { journal_threads, ..engine }),
            Err(error) => {
                // What cannot start holds nothing either.
                journal.close();
                let _ = tokio::task::spawn_blocking(move || join(journal_threads)).await;
                Err(error)
            }
        }
    }

    async fn begin(settings: &Settings, journal: Journal) -> Result<Engine, StartError> {
        let listeners = bind(settings).await?;
        let (stop, stopped) = watch::channel(false);
        let (abandon, abandoned) = watch::channel(false);
        let inboxes = inboxes(&settings.plan, &journal);
        let places = listeners.iter().map(|(source, listener)| (source, listener.place()));
        let standing = Arc::new(Standing::new(&settings.plan, places));
        let control = control::Control::start(settings, journal.clone(), standing.clone())?;
        let mut engine = Engine {
            listening: Vec::new(),
            listeners: JoinSet::new(),
            watchers: Vec::new(),
            control,
            stop,
            abandon,
            workers: spawn_workers(settings, &journal, &inboxes, &standing, &abandoned)?,
            inboxes,
            journal,
            journal_threads: Vec::new(),
        };
        for (source, listener) in listeners {
            let Some(counts) = standing.source(&source) else { continue };
            let handler = Ingest::new(source, settings.plan.clone(), engine.journal.clone(), counts);
            if let Err(error) = engine.listen(handler, listener, &stopped, &abandoned) {
                engine.abandon().await;
                return Err(error);
            }
        }
        warn_of_stranded(&settings.plan, &engine.reader());
        info!(plan = %settings.plan.version, "started");
        Ok(engine)
    }

    /// The sources and where their messages come in.
    #[must_use]
    pub fn listening(&self) -> &[(Arc<str>, Place)] {
        &self.listening
    }

    /// Where a source listens, if it has an address.
    #[must_use]
    pub fn address(&self, source: &str) -> Option<SocketAddr> {
        self.listening.iter().find_map(|(name, place)| match place {
            Place::Address(address) if **name == *source => Some(*address),
            Place::Address(_) | Place::Folder(_) => None,
        })
    }

    /// A view into the journal.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.journal.reader()
    }

    /// Takes in no more, finishes what is in flight, and closes the journal. An answer that a sender does not read within
    /// ten seconds is lost; what a destination does not answer within ten more is sent again at the next start.
    pub async fn shutdown(mut self) {
        info!("stopping: taking in no more, finishing what is in flight");
        self.stop.send_replace(true);
        let answered = async { while self.listeners.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, answered).await.is_err() {
            // Some peer does not read its answer.
            self.listeners.shutdown().await;
        }
        self.control.stop().await;
        for inbox in self.inboxes.values() {
            inbox.tell(|news| news.stop = true);
        }
        let mut threads = std::mem::take(&mut self.watchers);
        threads.append(&mut self.workers);
        let mut ended = tokio::task::spawn_blocking(move || join(threads));
        if tokio::time::timeout(STOP_GRACE, &mut ended).await.is_err() {
            self.abandon.send_replace(true);
            // A thread that panicked has said so; there is nothing left to finish for it.
            let _ = ended.await;
        }
        self.close_journal().await;
        info!("stopped");
    }

    /// Ends at once, finishing nothing: what a crash would leave, but for the process.
    pub async fn abandon(mut self) {
        self.abandon.send_replace(true);
        self.listeners.shutdown().await;
        self.control.stop().await;
        let mut threads = std::mem::take(&mut self.watchers);
        threads.append(&mut self.workers);
        let _ = tokio::task::spawn_blocking(move || join(threads)).await;
        self.close_journal().await;
    }

    async fn close_journal(self) {
        self.journal.close();
        let threads = self.journal_threads;
        let _ = tokio::task::spawn_blocking(move || join(threads)).await;
    }

    fn listen(
        &mut self,
        handler: Ingest,
        listener: Listener,
        stopped: &watch::Receiver<bool>,
        abandoned: &watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let (source, place) = (handler.source.clone(), listener.place());
        ingest::announce(&source, &place);
        let handler = Arc::new(handler);
        self.listening.push((source.clone(), place));
        let stop = is_said(stopped.clone());
        match listener {
            Listener::Mllp(listener) => {
                self.listeners.spawn(async move { listener.run(handler, stop).await });
            }
            // It blocks on the disk, as a destination's worker does.
            Listener::Files(listener) => {
                let abandon = is_said(abandoned.clone());
                let watching = async move {
                    tokio::select! {
                        () = listener.run(handler, stop) => {}
                        () = abandon => {}
                    }
                };
                self.watchers.push(spawn_with_runtime(&format!("from-{source}"), watching)?);
            }
        }
        Ok(())
    }
}

/// Ready when it is said, or when whoever could say it is gone.
async fn is_said(mut word: watch::Receiver<bool>) {
    let _ = word.wait_for(|said| *said).await;
}

/// An engine in a process of its own is told by environment which promise to break.
#[cfg(feature = "planted-faults")]
fn plant_from_environment() {
    let number = std::env::var("ORDERLY_PLANTED_FAULT").ok().and_then(|text| text.parse().ok());
    if let Some(number) = number {
        orderly_queue::planted::plant(number);
    }
}

async fn bind(settings: &Settings) -> Result<Vec<(Arc<str>, Listener)>, StartError> {
    let mut listeners = Vec::with_capacity(settings.plan.sources.len());
    for source in &settings.plan.sources {
        let bound = arrive::settings(source, &settings.base).bind().await;
        let listener =
            bound.map_err(|error| StartError::Bind { source_name: source.name.to_string(), error })?;
        listeners.push((source.name.clone(), listener));
    }
    Ok(listeners)
}

/// Deliveries that wait for a destination which the configuration no longer has wait for ever: somebody must know.
fn warn_of_stranded(plan: &Plan, reader: &Reader) {
    let Ok(counts) = reader.counts() else { return };
    for count in counts.deliveries.iter().filter(|count| count.state == DeliveryState::Waiting) {
        if count.count > 0 && plan.destination(&count.destination).is_none() {
            warn!(
                destination = %count.destination,
                waiting = count.count,
                "deliveries wait for a destination that the configuration no longer has; declare it again, or \
                 `orderly replay --state waiting` sends them where today's routes say"
            );
        }
    }
}

/// An inbox for each destination, filled by the journal's commits.
fn inboxes(plan: &Plan, journal: &Journal) -> Inboxes {
    let inboxes: Inboxes =
        plan.destinations.iter().map(|destination| (destination.name.clone(), Arc::default())).collect();
    let told = inboxes.clone();
    journal.subscribe(move |commit: &Commit| {
        for fresh in &commit.waiting {
            if let Some(inbox) = told.get(&fresh.destination) {
                inbox.tell(|news| {
                    news.arrived = true;
                    news.rewound |= fresh.rewound;
                });
            }
        }
    });
    inboxes
}

fn spawn_journal(writer: Writer, indexer: Indexer) -> Result<Vec<JoinHandle<()>>, StartError> {
    Ok(vec![spawn("journal-writer", move || writer.run())?, spawn("journal-indexer", move || indexer.run())?])
}

fn spawn_workers(
    settings: &Settings,
    journal: &Journal,
    inboxes: &Inboxes,
    standing: &Standing,
    abandoned: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let mut workers = Vec::new();
    for destination in &settings.plan.destinations {
        let Some(inbox) = inboxes.get(&destination.name) else { continue };
        let Some(known) = standing.destination(&destination.name) else { continue };
        let transport = deliver::settings(destination, &settings.base);
        let worker = Worker::new(destination, transport, journal.clone(), inbox.clone(), known);
        let abandon = is_said(abandoned.clone());
        let name = format!("to-{}", destination.name);
        workers.push(spawn_with_runtime(&name, worker.run(abandon))?);
    }
    Ok(workers)
}

/// Runs a task on a thread of its own, where it may block.
fn spawn_with_runtime(
    name: &str,
    task: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    spawn(name, move || runtime.block_on(task))
}

/// A thread that ends because of a panic says so: what it did is not done any more.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let thread = name.to_owned();
    let run = move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            error!(
                thread,
                "a part of the engine has failed and stands still; this is our fault: restart the engine"
            );
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(StartError::Thread)
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // A thread that panicked has printed why; the others are still to be waited for.
        let _ = thread.join();
    }
}
