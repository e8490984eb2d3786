//! TLS on both ends: which certificates are shown and taken, and in clear words why a handshake failed.
//!
//! What always holds: a peer is known by the subject alternative names of its certificate, never by its subject; the files are looked at
//! again at each new connection, and what has changed in them comes into force whole or not at all; a handshake has a time; TLS 1.2 and
//! 1.3 are spoken, nothing older.

mod client;
mod failure;
mod files;
mod server;
#[cfg(test)]
pub(crate) mod tests;
mod validity;

pub(crate) use client::TlsClient;
pub use failure::HandshakeError;
pub use files::FilesError;
pub(crate) use server::TlsServer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
pub use validity::Validity;

/// How long a handshake may take: one takes milliseconds, and a peer that says nothing must not hold a connection.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// TLS of a listener. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsServerSettings {
    /// The certificate that is shown, with those that lead from it to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that peers' certificates come from. Without any, peers show none.
    pub client_ca: Option<PathBuf>,
    /// The subject alternative names (DNS names, IP addresses, URIs) of the peers that may connect; all that the authorities know, when
    /// there are none.
    pub clients: Vec<String>,
}

/// TLS of a destination. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsClientSettings {
    /// The authorities that the receiver's certificate comes from; those that this machine trusts, when nothing is said.
    pub ca: Option<PathBuf>,
    /// What is shown to a receiver that wants to know who we are.
    pub identity: Option<ClientIdentity>,
    /// The name that the receiver's certificate must be for; the host of the address, when nothing is said.
    pub name: Option<String>,
}

/// A certificate to show to receivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, with those that lead from it to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsServerSettings {
    /// Reads the files, and says what cannot be used in them, or until when they can.
    pub fn check(&self) -> Result<Validity, FilesError> {
        server::config(self)?;
        files::validity(&self.certificate)
    }
}

impl TlsClientSettings {
    /// Reads the files, and says what cannot be used in them, or until when they can; nothing when no certificate is shown.
    pub fn check(&self) -> Result<Option<Validity>, FilesError> {
        client::config(self, &[])?;
        self.identity.as_ref().map(|identity| files::validity(&identity.certificate)).transpose()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
