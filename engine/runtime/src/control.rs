//! The socket through which commands ask a running engine how it stands or to change something: one JSON request a line, one JSON
//! response a line, in the journal's folder, for the engine's own user only.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::warn;

use crate::carrier::nodes::AllFound;
use crate::desk::Desk;
use crate::engine::StartError;
use crate::find::Find;
use crate::hand::{HandRequest, Handed};
use crate::house::House;
use crate::inject::{InjectRequest, Injected};
use crate::release::{ReleaseRequest, Released};
use crate::reload::{NotReloaded, Reloaded, reload};
use crate::replay::{ReplayRequest, Replayed};
use crate::status::{DestinationState, DestinationStatus, Status};

/// The socket's name in the journal's folder.
const SOCKET: &str = "control.sock";
/// The longest request, in bytes: some hundred thousand message ids.
const REQUEST_BYTES_MAX: u64 = 4 << 20;

/// How long an engine may take to say how it stands.
const STATUS_TIME_MAX: Duration = Duration::from_secs(20);

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Process stored messages again.
    Replay(ReplayRequest),
    /// Say how it stands.
    Status,
    /// Process again what is parked for want of a row in a table.
    Release(ReleaseRequest),
    /// Do what a person does by hand.
    Hand(HandRequest),
    /// Take in bytes that a person repaired.
    Inject(InjectRequest),
    /// Read the configuration's files again, and bring them into force.
    Reload,
    /// Search the journals of all nodes that share a broker, or of those of these names.
    Find(Vec<String>, Find),
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Replay`].
    Replayed {
        /// The version of the configuration that the engine runs.
        plan: String,
        /// What became of each message.
        messages: Vec<Replayed>,
    },
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Release`].
    Released {
        /// The version of the configuration that the engine runs.
        plan: String,
        /// What became of each message.
        messages: Vec<Released>,
    },
    /// To [`Request::Hand`].
    Handed(Handed),
    /// To [`Request::Inject`].
    Injected(Injected),
    /// To [`Request::Find`].
    Found(AllFound),
    /// To [`Request::Reload`].
    Reloaded(Reloaded),
    /// To [`Request::Reload`], when something is wrong.
    NotReloaded(NotReloaded),
    /// The request could not be read or served; why.
    Refused(String),
}

/// Why an engine could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No engine runs on this journal.
    #[error("no engine runs on the journal {path}", path = .0.display())]
    NoEngine(PathBuf),
    /// The engine took the request and said nothing for so many seconds.
    #[error(
        "the engine that runs did not answer within {0} s: it is frozen, or its disk is; `top` and `dmesg` tell more"
    )]
    Silent(u64),
    /// The conversation broke off.
    #[error("the running engine did not answer: {0}")]
    Broken(String),
}

/// Asks the engine that runs on the journal in `folder`.
pub async fn ask(folder: &Path, request: &Request) -> Result<Response, ControlError> {
    let no_engine = |_| ControlError::NoEngine(folder.to_owned());
    let place = Place::of(folder).map_err(no_engine)?;
    let stream = UnixStream::connect(place.path()).await.map_err(no_engine)?;
    let conversation = converse(stream, request);
    let answered = match request {
        Request::Status => timeout(STATUS_TIME_MAX, conversation)
            .await
            .map_err(|_| ControlError::Silent(STATUS_TIME_MAX.as_secs()))?,
        // These take as long as they have to do.
        _ => conversation.await,
    };
    answered.map_err(|error| ControlError::Broken(error.to_string()))
}

async fn converse(mut stream: UnixStream, request: &Request) -> io::Result<Response> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}

/// The engine's side of the socket.
pub(crate) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    /// Opens the socket. The journal's lock is held, so a socket that is already there was left by a crash.
    pub(crate) fn start(house: Arc<House>) -> Result<Control, StartError> {
        let path = house.journal_folder.join(SOCKET);
        let failed = |error| StartError::Control { path: path.clone(), error };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let place = Place::of(&house.journal_folder).map_err(failed)?;
        let listener = UnixListener::bind(place.path()).map_err(failed)?;
        allow_owner_only(&path).map_err(failed)?;
        let task = tokio::spawn(serve(listener, house));
        Ok(Control { path, task })
    }

    /// Closes the socket; a request under way is broken off, which its asker is told.
    pub(crate) async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        // Left behind, it would only be removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The socket's folder, held open: a socket's path has at most 108 bytes, and a journal may lie deeper than that.
struct Place(File);

impl Place {
    fn of(folder: &Path) -> io::Result<Place> {
        File::open(folder).map(Place)
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.0.as_raw_fd()))
    }
}

fn allow_owner_only(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// How many commands may ask at a time: people and their scripts, and never so many that the engine has no files left.
const ASKERS_MAX: usize = 64;

/// What changes the journal is done one request after the other: people wait their turn. How it stands is told at once, also while a long
/// replay is under way.
async fn serve(listener: UnixListener, house: Arc<House>) {
    let turn = Arc::new(Mutex::new(()));
    // They end with this task.
    let mut askers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            Some(_) = askers.join_next() => continue,
            accepted = listener.accept(), if askers.len() < ASKERS_MAX => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (house, turn) = (house.clone(), turn.clone());
                askers.spawn(async move {
                    if let Err(error) = serve_one(stream, &house, &turn).await {
                        warn!("a command went away before its answer: {error}");
                    }
                });
            }
            Err(error) => {
                warn!("the socket for commands: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Where another node delivers, what this one saw of a destination when it last did says nothing any more.
fn delivered_by(other: Option<String>, destination: DestinationStatus) -> DestinationStatus {
    let is_past = other.is_some() && destination.state != DestinationState::Undeclared;
    let state = if is_past { DestinationState::Idle } else { destination.state };
    DestinationStatus { delivered_by: other, state, ..destination }
}

async fn serve_one(stream: UnixStream, house: &Arc<House>, turn: &Mutex<()>) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let request = serde_json::from_str(&line);
    let _turn = match &request {
        Ok(Request::Status | Request::Find(..)) => None,
        _ => Some(turn.lock().await),
    };
    let response = match request {
        Ok(Request::Status) => {
            let plan = house.plans.hold().await.plan.clone();
            // The journal is read from the disk.
            match tokio::task::block_in_place(|| house.standing.status(&plan, &house.journal.reader())) {
                Ok(status) => {
                    let nodes = house.nodes.as_ref().map(|nodes| nodes.known()).unwrap_or_default();
                    let broker = house.nodes.as_ref().map(|nodes| nodes.broker());
                    let other_at = |name: &str| house.nodes.as_ref().and_then(|nodes| nodes.other_at(name));
                    let destinations = status.destinations.into_iter();
                    let destinations =
                        destinations.map(|one| delivered_by(other_at(&one.name), one)).collect();
                    Response::Status(Status { nodes, broker, destinations, ..status })
                }
                Err(problem) => Response::Refused(format!("the journal cannot be read: {problem}")),
            }
        }
        Ok(Request::Find(nodes, find)) => match &house.nodes {
            Some(known) => Response::Found(known.find(nodes, find).await),
            None => Response::Refused("this engine shares no broker with others".to_owned()),
        },
        Ok(Request::Reload) => match reload(house.clone()).await {
            Ok(reloaded) => Response::Reloaded(reloaded),
            Err(refusal) => Response::NotReloaded(refusal),
        },
        Ok(request) => {
            let desk = Desk { journal: &house.journal, plans: &house.plans, lines: Some(&house.lines) };
            desk.perform(request).await
        }
        Err(error) => Response::Refused(format!("this is not a request: {error}")),
    };
    let mut answer = serde_json::to_vec(&response)?;
    answer.push(b'\n');
    writing.write_all(&answer).await
}
