//! The plan: all configuration, compiled. Every name in it is resolved; nothing in it can fail to be found later.
//!
//! A plan is made once by [`compile`](crate::compile()) and then only read, by many at a time.

mod amqp;
mod handling;
mod http;
mod network;
mod queue;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use globset::GlobSet;
use orderly_mapping::{Condition, Input, Mapping, Template};

use crate::compile::Text;
pub use amqp::{AmqpEndpoint, AmqpSource, BrokerAccess, HeaderText};
pub use handling::{Handling, OnAnswer, Order, Priority, Rate, Retry};

pub use http::{
    ClientProof, Conditional, Credentials, FhirEndpoint, HeaderContent, HttpEndpoint, HttpMethod, HttpSource,
    OAuth, Prefer, Url, UrlPart,
};
pub use network::{At, Secret, SecretSource, TlsEndpoint, TlsIdentity, TlsListener};
pub use queue::{AmqpCarrier, Carrier, Queue};

/// Everything `orderly.yaml`, the routes and the mappings say.
#[derive(Debug)]
pub struct Plan {
    /// A hash of all texts it was made of: twelve hexadecimal digits.
    pub version: String,
    /// The texts it was made of, by path below the folder of `orderly.yaml`.
    pub files: Vec<Text>,
    /// When changed files come into force.
    pub reload: Reload,
    /// What the site calls itself.
    pub site: String,
    /// Where the journal lies and how it is kept.
    pub journal: JournalSettings,
    /// What carries deliveries to whoever delivers them.
    pub queue: Queue,
    /// Where messages come in.
    pub sources: Vec<Source>,
    /// Where messages go.
    pub destinations: Vec<Destination>,
    /// Who gets what, in the order of the files' names.
    pub routes: Vec<Route>,
    /// All mappings, also those that no route uses, by name.
    pub mappings: BTreeMap<String, Arc<Mapping>>,
}

impl Plan {
    /// The source of this name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| *source.name == *name)
    }

    /// The route of this name.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| *route.name == *name)
    }

    /// The source of the first route that uses this mapping.
    #[must_use]
    pub fn source_of(&self, mapping: &Arc<Mapping>) -> Option<&Source> {
        let uses = |target: &Target| target.mapping.as_ref().is_some_and(|used| Arc::ptr_eq(used, mapping));
        let route = self.routes.iter().find(|route| route.to.iter().any(uses))?;
        self.sources.get(route.source)
    }

    /// The destination of this name.
    #[must_use]
    pub fn destination(&self, name: &str) -> Option<&Destination> {
        self.destinations.iter().find(|destination| *destination.name == *name)
    }
}

/// When changed files come into force in a running engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reload {
    /// When they change.
    #[default]
    Watch,
    /// When somebody asks for it.
    Manual,
}

/// `journal:` of `orderly.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// The folder, relative to the folder of `orderly.yaml`.
    pub folder: String,
    /// How long sealed segment files stay; for ever when nothing is said.
    pub keep: Option<Duration>,
    /// When the current segment file is closed and a new one begun, in bytes.
    pub segment_bytes_max: Option<u64>,
}

/// Where messages come in.
#[derive(Debug)]
pub struct Source {
    /// Its name in `orderly.yaml`.
    pub name: Arc<str>,
    /// What it is, for people.
    pub about: String,
    /// The processing it carries (MSH-11.1); a message with another goes to nobody. Any when nothing is said.
    pub processing: Option<Processing>,
    /// How its bytes become text.
    pub reading: orderly_hl7v2::Settings,
    /// What a sender is told when its message is stored but every mapping failed: AA or AE.
    pub on_mapping_failure: MappingFailureAnswer,
    /// The codes of deviations that it does not take, of messages and of framing: what has one of them is quarantined.
    pub refuse: Vec<&'static str>,
    /// In which mode its messages are answered.
    pub acknowledgements: Acknowledgements,
    /// For how long a message is known, so that the same once more is a repeat; never when nothing is said.
    pub repeats: Option<Duration>,
    /// Whose answer its senders get; that the message is stored, when nothing is said.
    pub answer: Option<AnswerFrom>,
    /// How long its senders wait until the broker has all deliveries of their message; they are answered when it is stored, when nothing is said.
    pub queued_within: Option<Duration>,
    /// How it is connected.
    pub listener: Listener,
}

/// The destination whose answer senders get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerFrom {
    /// Its name. It gives answers of HL7 v2, and a route leads there.
    pub destination: Arc<str>,
    /// How long the answer may take, since the message was accepted.
    pub within: Duration,
}

/// MSH-11.1, table 0103.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processing {
    /// `P`
    Production,
    /// `T`
    Training,
    /// `D`
    Debugging,
}

impl Processing {
    /// The code in MSH-11.1.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Processing::Production => "P",
            Processing::Training => "T",
            Processing::Debugging => "D",
        }
    }
}

/// The answer to a message that is stored but whose mappings all failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MappingFailureAnswer {
    /// It is stored, and the fault is ours to mend: AA.
    #[default]
    Accept,
    /// The sender wants to know: AE.
    Error,
}

/// In which mode a source's messages are answered (HL7 v2 chapter 2, "Acknowledgment modes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledgements {
    /// AA, AE or AR, whatever MSH-15 and MSH-16 say: most senders that fill them have never been tested with anything else.
    #[default]
    Original,
    /// CA, CE or CR where MSH-15 or MSH-16 is filled, and only when MSH-15 wants it.
    Enhanced,
}

/// How a source is connected.
#[derive(Debug, Clone, PartialEq)]
pub enum Listener {
    /// HL7 v2 over MLLP.
    Mllp(MllpListener),
    /// Files dropped in a folder.
    Files(FilesSource),
    /// Messages posted by HTTP.
    Http(HttpSource),
    /// A queue of a broker.
    Amqp(AmqpSource),
}

impl Listener {
    /// Where it listens, if it does.
    #[must_use]
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        match self {
            Listener::Mllp(mllp) => Some(mllp.listen),
            Listener::Http(http) => Some(http.listen),
            Listener::Files(_) | Listener::Amqp(_) => None,
        }
    }
}

/// `mllp:` of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MllpListener {
    /// Address and port to listen at.
    pub listen: std::net::SocketAddr,
    /// The largest frame taken in, in bytes; the transport's default when nothing is said, as for what follows.
    pub frame_bytes_max: Option<usize>,
    /// How many connections at a time.
    pub connections_max: Option<usize>,
    /// When a connection that sends nothing is closed.
    pub idle_timeout: Option<Duration>,
    /// TLS; plain MLLP when nothing is said.
    pub tls: Option<TlsListener>,
}

/// `files:` of a source. Folders are relative to the folder of `orderly.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct FilesSource {
    /// The folder that is watched.
    pub folder: String,
    /// Which names are taken.
    pub pattern: Patterns,
    /// Whether folders below it are watched too.
    pub subfolders: bool,
    /// When a file is complete.
    pub complete: Complete,
    /// Which file comes first.
    pub order: FileOrder,
    /// What happens to a file that was taken in.
    pub after: After,
    /// Where files go that could not be taken in, each with its reason beside it.
    pub failed: String,
    /// What tells a file from another.
    pub identify: Identify,
    /// How often the folder is looked at without a hint; the engine's default when nothing is said, as for what follows.
    pub poll: Option<Duration>,
    /// The largest message taken in, in bytes.
    pub message_bytes_max: Option<usize>,
}

/// Patterns of file names; equal when they are written alike.
#[derive(Debug, Clone)]
pub struct Patterns {
    /// As written.
    pub written: Vec<String>,
    /// Ready to match.
    pub set: GlobSet,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Patterns) -> bool {
        self.written == other.written
    }
}

/// When a file is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complete {
    /// As soon as it has its name.
    Renamed,
    /// When it has looked the same for so long.
    Stable(Duration),
    /// When a marker with this ending lies beside it.
    Marker(String),
}

/// Which file comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOrder {
    /// By name.
    Name,
    /// By the time it was last written.
    Time,
}

/// What happens to a file that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// It is moved to this folder.
    Archive(String),
    /// It is deleted.
    Delete,
    /// It stays where it is.
    Leave,
}

/// What tells a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identify {
    /// Device, inode, size and time.
    Inode,
    /// Name and content.
    Content,
}

/// Where messages go.
#[derive(Debug)]
pub struct Destination {
    /// Its name in `orderly.yaml`.
    pub name: Arc<str>,
    /// What it is, for people.
    pub about: String,
    /// How its deliveries are handled.
    pub handling: Handling,
    /// What ties its deliveries to one another with `order: per_patient`; the message's patients when nothing is said.
    pub lane: Lane,
    /// How it is connected.
    pub endpoint: Endpoint,
}

/// What ties deliveries to one another; equal when it is written alike.
#[derive(Debug)]
pub struct Lane {
    /// As written.
    pub written: Vec<String>,
    /// Ready to be made of a message.
    pub texts: Vec<Template>,
    /// Where it stands; the destination's name, where nothing is said.
    pub at: At,
}

impl PartialEq for Lane {
    fn eq(&self, other: &Lane) -> bool {
        self.written == other.written
    }
}

/// How a destination is connected.
#[derive(Debug)]
pub enum Endpoint {
    /// HL7 v2 over MLLP.
    Mllp(MllpEndpoint),
    /// One file a message.
    Files(FilesEndpoint),
    /// One HTTP request a message.
    Http(HttpEndpoint),
    /// FHIR R4 resources.
    Fhir(FhirEndpoint),
    /// An exchange of a broker.
    Amqp(AmqpEndpoint),
}

/// `mllp:` of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MllpEndpoint {
    /// `host:port`, resolved when connecting.
    pub address: String,
    /// How long connecting may take; the transport's default when nothing is said, as for what follows.
    pub connect_timeout: Option<Duration>,
    /// How long the answer may take.
    pub answer_timeout: Option<Duration>,
    /// How long a connection lasts.
    pub connection: MllpConnection,
    /// TLS; plain MLLP when nothing is said.
    pub tls: Option<TlsEndpoint>,
}

/// `connection:` of an MLLP destination: how long a connection lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MllpConnection {
    /// From message to message.
    #[default]
    Persistent,
    /// For one message: receivers exist that answer only the first one right.
    PerMessage,
}

/// `files:` of a destination.
#[derive(Debug)]
pub struct FilesEndpoint {
    /// The folder, relative to the folder of `orderly.yaml`.
    pub folder: String,
    /// The file's name, made of the message as it came in; the delivery's id is added.
    pub name: Option<Template>,
}

/// Who gets what: messages of one source that meet the condition, to each of `to`.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// The index of its source in the plan.
    pub source: usize,
    /// Which messages it takes.
    pub when: Option<Condition>,
    /// Which of them have another priority than the usual: the first that fits.
    pub priority: Vec<(Priority, Option<Condition>)>,
    /// Where they go, in the order of the file.
    pub to: Vec<Target>,
}

impl Route {
    /// How its deliveries of a message go: by the first priority that fits it.
    pub(crate) fn priority_of(&self, input: &Input<'_>) -> Priority {
        let fits = |when: &Option<Condition>| when.as_ref().is_none_or(|when| when.holds(input));
        let found = self.priority.iter().find(|(_, when)| fits(when));
        found.map(|(priority, _)| *priority).unwrap_or_default()
    }
}

/// One destination of a route.
#[derive(Debug)]
pub struct Target {
    /// The index of the destination in the plan.
    pub destination: usize,
    /// Which of the route's messages go there.
    pub when: Option<Condition>,
    /// What rewrites them; without one the message goes as it came.
    pub mapping: Option<Arc<Mapping>>,
}
