//! Every way in: one file a kind, one line in [`ListenerSettings`] and [`Listener`].
//!
//! A listener receives, hands what came to its [`Handler`], [`FileHandler`] or [`QueueHandler`], and writes the answer back or puts the file away. It never
//! does so by itself: what is answered, and when, is the handler's to decide, because only the handler knows whether the message is stored.

mod accept;
pub mod amqp;
pub mod files;
mod http;
mod mllp;

use crate::mllp_frame::{Problem, Tally};
use crate::tls::FilesError;
pub use accept::TakenAddress;
pub use amqp::{AmqpListener, AmqpListenerSettings, QueueHandler};
pub use files::{FileHandler, FilesListener, FilesListenerSettings};
pub use http::{HttpListener, HttpListenerSettings};
pub use mllp::{MllpListener, MllpListenerSettings};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The settings of a listener of any kind.
#[derive(Debug, Clone)]
pub enum ListenerSettings {
    /// HL7's minimal lower layer protocol over TCP.
    Mllp(MllpListenerSettings),
    /// Files dropped in a folder.
    Files(FilesListenerSettings),
    /// Messages posted by HTTP.
    Http(HttpListenerSettings),
    /// A queue of a broker.
    Amqp(AmqpListenerSettings),
}

impl ListenerSettings {
    /// Takes the address, so that peers can connect; they are served from the listener's `run` on.
    pub async fn bind(self) -> Result<Listener, BindError> {
        match self {
            Self::Mllp(settings) => MllpListener::bind(settings).await.map(Listener::Mllp),
            Self::Http(settings) => HttpListener::bind(settings).await.map(Listener::Http),
            Self::Files(settings) => Ok(Listener::Files(FilesListener::new(settings))),
            Self::Amqp(settings) => Ok(Listener::Amqp(AmqpListener::new(settings))),
        }
    }

    /// The same at an address that is held already; a listener without one begins as with [`bind`](Self::bind).
    pub fn bind_at(self, taken: TakenAddress) -> Result<Listener, BindError> {
        match self {
            Self::Mllp(settings) => MllpListener::at(taken, settings).map(Listener::Mllp),
            Self::Http(settings) => HttpListener::at(taken, settings).map(Listener::Http),
            Self::Files(settings) => Ok(Listener::Files(FilesListener::new(settings))),
            Self::Amqp(settings) => Ok(Listener::Amqp(AmqpListener::new(settings))),
        }
    }
}

/// A listener of any kind, with its address taken.
#[derive(Debug)]
pub enum Listener {
    /// See [`ListenerSettings::Mllp`].
    Mllp(MllpListener),
    /// See [`ListenerSettings::Files`].
    Files(FilesListener),
    /// See [`ListenerSettings::Http`].
    Http(HttpListener),
    /// See [`ListenerSettings::Amqp`].
    Amqp(AmqpListener),
}

impl Listener {
    /// The address that it holds, if it has one.
    pub fn taken(&self) -> Option<TakenAddress> {
        match self {
            Self::Mllp(listener) => Some(listener.taken()),
            Self::Http(listener) => Some(listener.taken()),
            Self::Files(_) | Self::Amqp(_) => None,
        }
    }

    /// Where messages come in.
    pub fn place(&self) -> Place {
        match self {
            Self::Mllp(listener) => Place::Address(listener.local_addr()),
            Self::Http(listener) => Place::Address(listener.local_addr()),
            Self::Files(listener) => Place::Folder(listener.folder().to_owned()),
            Self::Amqp(listener) => Place::Queue(listener.queue().to_owned()),
        }
    }
}

/// Where messages come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address; with port 0 in the settings, the port that the system chose.
    Address(SocketAddr),
    /// A folder.
    Folder(PathBuf),
    /// A queue of a broker, by its name.
    Queue(String),
}

/// What a listener's owner does with what comes in. Called for each connection in the order of its frames, one at a time;
/// different connections call at the same time.
pub trait Handler: Send + Sync + 'static {
    /// A message came. The answer is written when the future is ready; the connection reads no further until then.
    fn message(&self, received: Received) -> impl Future<Output = Answer> + Send;

    /// Something came that is not a frame to be taken. What this gives is written back as a frame.
    fn problem(&self, problem: FrameProblem) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// A peer's framing deviated, whether that is taken or refused: what was met since this was last told, before the message
    /// or the problem that it was met in.
    fn deviations(&self, peer: SocketAddr, connection: u64, met: &Tally);

    /// A connection came, went or was refused.
    fn connection(&self, event: ConnectionEvent);
}

/// What the owner of an HTTP listener does with what is posted.
pub trait PostHandler: Handler {
    /// A message was posted, with this media type if one was said. The answer is written when the future is ready.
    fn post(&self, received: Received, media_type: Option<&str>) -> impl Future<Output = Posted> + Send;
}

/// The answer to a message that was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// What became of it.
    pub verdict: Verdict,
    /// What is written back.
    pub body: Vec<u8>,
    /// What that is.
    pub media_type: String,
}

/// What became of a message that was posted: the answer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken in: 200, or 204 where nothing is said about it.
    Taken,
    /// It cannot be read, or is not taken as it is: 400.
    Unreadable,
    /// It could be read and was not processed: 422.
    NotProcessed,
    /// It is taken in, and whoever was to answer it has not: 504.
    Unanswered,
    /// It is not taken now, and may be sent again: 503.
    NotNow,
}

/// A message as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The frame's content, unchanged.
    pub bytes: Vec<u8>,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The name in the certificate that it showed, if it showed one.
    pub name: Option<Arc<str>>,
    /// The number of the connection, counted from 1 a listener.
    pub connection: u64,
}

/// What is written back for a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The contents of the frames to write: one for a message, several for a frame that held several messages, none when the
    /// sender wants no answer.
    pub frames: Vec<Vec<u8>>,
    /// Whether the connection is closed after that.
    pub close: bool,
}

impl Answer {
    /// Nothing is written, the connection stays.
    pub fn none() -> Self {
        Self::default()
    }

    /// One frame is written, the connection stays.
    pub fn one(frame: Vec<u8>) -> Self {
        Self { frames: vec![frame], close: false }
    }
}

/// A [`Problem`] and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameProblem {
    /// What is wrong.
    pub problem: Problem,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The name in the certificate that it showed, if it showed one.
    pub name: Option<Arc<str>>,
    /// The number of the connection, counted from 1 a listener.
    pub connection: u64,
}

/// What became of a connection, for logs and counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// A peer connected.
    Opened {
        /// Counted from 1 a listener.
        connection: u64,
        /// Who connected.
        peer: SocketAddr,
    },
    /// A connection's TLS did not come about; that it is closed is told next.
    HandshakeFailed {
        /// The number it was opened with.
        connection: u64,
        /// Who connected.
        peer: SocketAddr,
        /// Why, as a stable code.
        code: &'static str,
        /// Why, for a person. Nothing when the peer went without a word, as whoever looks whether the port is open does.
        text: Option<String>,
    },
    /// A request by HTTP was turned away before its message was looked at.
    RequestRefused {
        /// The number of its connection.
        connection: u64,
        /// Who sent it.
        peer: SocketAddr,
        /// The status that was answered.
        status: u16,
        /// Why, for a person.
        text: String,
    },
    /// A connection ended.
    Closed {
        /// The number it was opened with.
        connection: u64,
        /// Who was connected.
        peer: SocketAddr,
        /// Why it ended.
        reason: CloseReason,
        /// How many messages came over it. None is common: load balancers look whether the port is open.
        messages_count: u64,
        /// All deviations that were met.
        tally: Tally,
    },
    /// A peer was turned away, because as many as allowed are connected.
    Refused {
        /// Who was turned away.
        peer: SocketAddr,
        /// How many are allowed.
        connections_max: usize,
    },
    /// The system gave no connection (often: too many open files). Accepting goes on after a pause.
    AcceptFailed {
        /// The system's reason.
        kind: io::ErrorKind,
        /// The system's text.
        text: String,
    },
    /// The handler panicked on a connection, which was closed. A fault of the engine.
    HandlerFailed {
        /// Who was connected.
        peer: SocketAddr,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed it.
    Peer,
    /// The peer broke it, or it broke on the way.
    Broken(io::ErrorKind),
    /// Nothing came for as long as the settings allow.
    Idle,
    /// TLS did not come about; the handler was told why.
    Handshake,
    /// The byte stream could not be used any further; the handler was told the problem.
    Problem,
    /// An answer could not be written; what was stored stays stored.
    AnswerLost(io::ErrorKind),
    /// The handler wanted it closed.
    Handler,
    /// The listener shuts down.
    Shutdown,
}

/// Why a listener could not take its address, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program (or another source) has it.
    #[error(
        "{address} is in use by another program; stop that program (`ss -ltnp` shows it) or listen on another port"
    )]
    InUse {
        /// The address wanted.
        address: SocketAddr,
    },
    /// The system does not allow it, commonly because the port is below 1024.
    #[error(
        "this user may not listen on {address}; use a port above 1023, or give the program the capability CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// The address wanted.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error("this machine has no address {}; use one that it has, 0.0.0.0 for all, or 127.0.0.1 for this machine only", address.ip())]
    NoSuchAddress {
        /// The address wanted.
        address: SocketAddr,
    },
    /// The files of TLS cannot be used.
    #[error("{0}")]
    Tls(#[from] FilesError),
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address wanted.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address },
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress { address },
            _ => Self::Other { address, source },
        }
    }
}
