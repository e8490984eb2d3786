//! What sources and destinations on a network have in common: TLS, secrets.
//!
//! Files and secrets are named here and read elsewhere, when they are needed: nothing that is in them ever stands in a plan.

use orderly_record::Place;

/// Where something of the configuration stands. It equals any other: a setting that has moved is the same setting.
#[derive(Debug, Clone)]
pub struct At(pub Place);

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

impl Eq for At {}

/// `tls:` of a source. Files are PEM, and their paths relative to the folder of `orderly.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListener {
    /// What is shown to senders.
    pub identity: TlsIdentity,
    /// The authorities of senders' certificates; senders show none, when nothing is said.
    pub client_ca: Option<String>,
    /// The subject alternative names of those who may send; all that the authorities know, when there are none.
    pub clients: Vec<String>,
    /// Where it stands.
    pub at: At,
}

/// `tls:` of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsEndpoint {
    /// The authorities of the receiver's certificate; those that the machine trusts, when nothing is said.
    pub ca: Option<String>,
    /// What is shown to the receiver, when it wants to know who sends.
    pub identity: Option<TlsIdentity>,
    /// The name that the receiver's certificate is for; the host of its address, when nothing is said.
    pub name: Option<String>,
    /// Where it stands.
    pub at: At,
}

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate, with those that lead from it to its authority.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// A secret, by where its value is found: `${env:NAME}` or `${file:path}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The key that it is the value of, for people.
    pub key: String,
    /// Where its value is found.
    pub source: SecretSource,
    /// Where it is named.
    pub at: At,
}

/// Where a secret's value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this variable of the engine's environment.
    Environment(String),
    /// In this file, relative to the folder of `orderly.yaml`.
    File(String),
}
