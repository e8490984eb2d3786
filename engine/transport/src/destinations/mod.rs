//! Every way out: one file a kind, one line in [`DestinationSettings`] and [`Destination`].
//!
//! A destination makes one attempt at a time and says what came of it. When to try again, and in which order, is decided
//! elsewhere. What always holds: an attempt ends within its timeouts; it is `Delivered` only on the receiver's own word (or on
//! a file flushed to disk); after an attempt whose outcome is unknown nothing else is sent on the same connection.

mod amqp;
mod fhir;
mod files;
mod http;
mod mllp;

pub use crate::http_client::Origin;
pub use amqp::{AmqpDestination, AmqpSettings};
pub use fhir::FhirDestination;
pub use files::{FilesDestination, FilesSettings};
pub use http::{
    ClientProof, Credentials, HeaderContent, HttpDestination, HttpSettings, Judged, MediaType, OAuthSettings,
};
pub use hyper::Method;
pub use mllp::{MllpDestination, MllpSettings};
use std::time::Duration;

/// The settings of a destination of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationSettings {
    /// HL7's minimal lower layer protocol over TCP.
    Mllp(MllpSettings),
    /// One file a delivery, in a folder.
    Files(FilesSettings),
    /// One HTTP request a delivery.
    Http(Box<HttpSettings>),
    /// Resources to a FHIR server.
    Fhir(Box<HttpSettings>),
    /// An exchange of a broker.
    Amqp(Box<AmqpSettings>),
}

impl DestinationSettings {
    /// Makes the destination ready. It never fails: a receiver that is away today may be back at the first attempt.
    pub async fn open(self) -> Destination {
        match self {
            Self::Mllp(settings) => Destination::Mllp(Box::new(MllpDestination::new(settings))),
            Self::Files(settings) => Destination::Files(FilesDestination::open(settings).await),
            Self::Http(settings) => Destination::Http(Box::new(HttpDestination::new(*settings))),
            Self::Fhir(settings) => Destination::Fhir(Box::new(FhirDestination::new(*settings))),
            Self::Amqp(settings) => Destination::Amqp(Box::new(AmqpDestination::new(*settings))),
        }
    }
}

/// A destination of any kind, ready for attempts.
#[derive(Debug)]
pub enum Destination {
    /// See [`DestinationSettings::Mllp`].
    Mllp(Box<MllpDestination>),
    /// See [`DestinationSettings::Files`].
    Files(FilesDestination),
    /// See [`DestinationSettings::Http`].
    Http(Box<HttpDestination>),
    /// See [`DestinationSettings::Fhir`].
    Fhir(Box<FhirDestination>),
    /// See [`DestinationSettings::Amqp`].
    Amqp(Box<AmqpDestination>),
}

impl Destination {
    /// Makes one attempt. Dropping the future gives the attempt up with its outcome unknown.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>, classify: &Classify<'_>) -> Attempt {
        match self {
            Self::Mllp(destination) => destination.attempt(delivery, classify).await,
            Self::Files(destination) => destination.attempt(delivery).await,
            Self::Http(destination) => destination.attempt(delivery, classify).await,
            Self::Fhir(destination) => destination.attempt(delivery, classify).await,
            Self::Amqp(destination) => destination.attempt(delivery).await,
        }
    }
}

/// One message on its way to one destination.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'d> {
    /// What no other delivery to this destination is called; the same for every attempt.
    pub id: &'d str,
    /// What the delivery would like to be called where it gets a name: of a file, any text; of a request, its path with its query; of a resource, its interaction; of a message at a broker, its routing key and headers.
    pub name: &'d str,
    /// The bytes to deliver.
    pub payload: &'d [u8],
}

/// Judges an answer: what it says about the message that was sent. It alone knows the format.
pub type Classify<'c> = dyn Fn(&[u8]) -> Classified + Send + Sync + 'c;

/// What an answer says about the message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classified {
    /// It is about this message.
    Outcome(Outcome),
    /// It is about another message (late, or repeated). The right one may still come.
    Foreign,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The receiver does not have it, or it is not known whether it has; trying again makes sense.
    Retryable {
        /// A stable code, e.g. `connect-refused` or an answer code.
        code: String,
        /// What happened, for a person. Holds no patient data.
        text: String,
        /// How long the receiver asks to be left alone (HTTP's `Retry-After`), when it says so.
        retry_after: Option<Duration>,
    },
    /// The receiver will not take it; trying the same again is of no use.
    Permanent {
        /// A stable code, commonly an answer code.
        code: String,
        /// What happened, for a person. Holds no patient data.
        text: String,
    },
}

impl Outcome {
    /// What may work later, where the receiver does not say when.
    pub fn retryable(code: &str, text: impl ToString) -> Self {
        Self::Retryable { code: code.to_owned(), text: text.to_string(), retry_after: None }
    }
}

/// One attempt, as it goes into the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What came of it.
    pub outcome: Outcome,
    /// The answer that the outcome was read from. May hold patient data.
    pub answer: Option<Vec<u8>>,
    /// How long it took.
    pub duration: Duration,
}
