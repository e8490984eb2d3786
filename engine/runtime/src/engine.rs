//! Start and end of a running engine, and the threads and tasks in between.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use orderly_journal::{DeliveryState, Indexer, Journal, JournalError, Options, Reader, Writer};
use orderly_pipeline::{Diagnostic, Plan};
use orderly_transport::listeners::{BindError, Place};
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::carrier::CarrierSettings;
use crate::configuration::Configuration;
use crate::control::Control;
use crate::house::{House, note};
use crate::lanes;
use crate::lines::Lines;
use crate::node::{self, ClaimError, Node, OtherNode};
use crate::part;
use crate::plans::Plans;
use crate::standing::Standing;
use crate::watch::watch;

/// What an engine is started with.
#[derive(Clone)]
pub struct Settings {
    /// The folder from which relative folders of the configuration count.
    pub base: PathBuf,
    /// The configuration.
    pub plan: Arc<Plan>,
    /// How the journal is kept.
    pub journal: Options,
    /// Whoever reads the files again when they change; nobody, and the plan stays as it is.
    pub configuration: Option<Arc<dyn Configuration>>,
    /// How it takes part among others, where a broker carries deliveries.
    pub node: Node,
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
        Settings { base: base.to_owned(), plan, journal, configuration: None, node: Node::default() }
    }
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// Deliveries of the journal are with the broker of another node.
    #[error("{0}")]
    OtherNode(#[from] OtherNode),
    /// A source's address cannot be taken.
    #[error("source {source_name}: {error}")]
    Bind {
        /// The source.
        source_name: String,
        /// What the system said.
        error: BindError,
    },
    /// A destination's lanes are declared otherwise than what waits for it has them.
    #[error("{0}")]
    LaneHeld(Diagnostic),
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

impl From<ClaimError> for StartError {
    fn from(error: ClaimError) -> StartError {
        match error {
            ClaimError::Journal(error) => StartError::Journal(error),
            ClaimError::Other(error) => StartError::OtherNode(error),
        }
    }
}

/// A running engine.
pub struct Engine {
    house: Arc<House>,
    listening: Vec<(Arc<str>, Place)>,
    control: Control,
    watching: Option<tokio::task::JoinHandle<()>>,
    journal_threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Opens the journal, takes the addresses, delivers what waits, and takes in what comes. Call it within a tokio
    /// runtime of several threads.
    pub async fn start(settings: Settings) -> Result<Engine, StartError> {
        #[cfg(feature = "planted-faults")]
        plant_from_environment();
        let (journal, writer, indexer) = orderly_journal::open(settings.journal.clone())?;
        let journal_threads = spawn_journal(writer, indexer)?;
        match Engine::begin(settings, journal.clone()).await {
            Ok(engine) => Ok(Engine { journal_threads, ..engine }),
            Err(error) => {
                // What cannot start holds nothing either.
                close(&journal, journal_threads).await;
                Err(error)
            }
        }
    }

    async fn begin(settings: Settings, journal: Journal) -> Result<Engine, StartError> {
        let Settings { base, plan, journal: options, configuration, node } = settings;
        let mut carrier = CarrierSettings::of(&plan, &node, &base);
        node::claim(&journal, carrier.as_mut())?;
        let held = tokio::task::block_in_place(|| lanes::changed_since_then(&journal.reader(), &plan))?;
        if let Some(diagnostic) = held {
            return Err(StartError::LaneHeld(diagnostic));
        }
        let plans = Plans::new(plan.clone());
        let standing = Arc::new(Standing::new());
        let mut lines = Lines::new(&base, journal.clone(), plans.clone(), standing.clone(), carrier);
        if let Err(error) = begin_lines(&mut lines, &plan).await {
            lines.abandon().await;
            return Err(error);
        }
        let listening = listening(&lines, &plan);
        let house = Arc::new(House {
            journal,
            journal_folder: options.folder,
            plans,
            standing,
            configuration: configuration.clone(),
            nodes: lines.nodes(),
            lines: Mutex::new(Some(lines)),
        });
        let noted = note(&house, &plan).map_err(StartError::from);
        let control = match noted.and_then(|()| Control::start(house.clone())) {
            Ok(control) => control,
            Err(error) => {
                house.abandon().await;
                return Err(error);
            }
        };
        let watching = configuration.map(|configuration| tokio::spawn(watch(house.clone(), configuration)));
        warn_of_stranded(&plan, &house.journal.reader());
        let node = house.nodes.as_ref().map(|_| &*node.name);
        info!(plan = %plan.version, node, "started");
        Ok(Engine { house, listening, control, watching, journal_threads: Vec::new() })
    }

    /// The sources that it was started with and where their messages come in.
    #[must_use]
    pub fn listening(&self) -> &[(Arc<str>, Place)] {
        &self.listening
    }

    /// Where a source listens, if it was started with an address.
    #[must_use]
    pub fn address(&self, source: &str) -> Option<SocketAddr> {
        self.listening.iter().find_map(|(name, place)| match place {
            Place::Address(address) if **name == *source => Some(*address),
            Place::Address(_) | Place::Folder(_) | Place::Queue(_) => None,
        })
    }

    /// A view into the journal.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.house.journal.reader()
    }

    /// Takes in no more, finishes what is in flight, and closes the journal. An answer that a sender does not read within
    /// ten seconds is lost; what a destination does not answer within ten more is sent again at the next start.
    pub async fn shutdown(mut self) {
        info!("stopping: taking in no more, finishing what is in flight");
        self.ask_no_more().await;
        self.house.end().await;
        close(&self.house.journal, self.journal_threads).await;
        info!("stopped");
    }

    /// Ends at once, finishing nothing: what a crash would leave, but for the process.
    pub async fn abandon(mut self) {
        self.ask_no_more().await;
        self.house.abandon().await;
        close(&self.house.journal, self.journal_threads).await;
    }

    /// A change that is under way still goes to its end.
    async fn ask_no_more(&mut self) {
        if let Some(watching) = self.watching.take() {
            watching.abort();
            let _ = watching.await;
        }
        self.control.stop().await;
    }
}

async fn begin_lines(lines: &mut Lines, plan: &Plan) -> Result<(), StartError> {
    let mut bound = Vec::with_capacity(plan.sources.len());
    for source in plan.sources.iter().filter(|_| lines.takes_in()) {
        let taken = lines.bind(source, &[]).await;
        bound.push(taken.map_err(|error| StartError::Bind { source_name: source.name.to_string(), error })?);
    }
    for destination in &plan.destinations {
        lines.begin_destination(destination)?;
    }
    bound.into_iter().try_for_each(|bound| lines.begin_source(bound)).map_err(StartError::Thread)
}

/// In the order of the plan.
fn listening(lines: &Lines, plan: &Plan) -> Vec<(Arc<str>, Place)> {
    let place = |name: &Arc<str>| Some((name.clone(), lines.place(name)?));
    plan.sources.iter().filter_map(|source| place(&source.name)).collect()
}

async fn close(journal: &Journal, threads: Vec<JoinHandle<()>>) {
    journal.close();
    // A thread that panicked has said so; there is nothing left to finish for it.
    let _ = tokio::task::spawn_blocking(move || join(threads)).await;
}

/// An engine in a process of its own is told by environment which promise to break.
#[cfg(feature = "planted-faults")]
fn plant_from_environment() {
    let number = std::env::var("ORDERLY_PLANTED_FAULT").ok().and_then(|text| text.parse().ok());
    if let Some(number) = number {
        orderly_queue::planted::plant(number);
    }
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

fn spawn_journal(writer: Writer, indexer: Indexer) -> Result<Vec<JoinHandle<()>>, StartError> {
    let writer = part::spawn("journal-writer", move || writer.run()).map_err(StartError::Thread)?;
    let indexer = part::spawn("journal-indexer", move || indexer.run()).map_err(StartError::Thread)?;
    Ok(vec![writer, indexer])
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // A thread that panicked has printed why; the others are still to be waited for.
        let _ = thread.join();
    }
}
