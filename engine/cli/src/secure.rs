//! The arguments of TLS, of `orderly send` and of `orderly listen`.

use std::path::PathBuf;

use clap::Args;
use orderly_transport::tls::{ClientIdentity, TlsClientSettings, TlsServerSettings};

/// TLS of a sender.
#[derive(Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct SenderTls {
    /// Speak TLS.
    #[arg(long)]
    tls: bool,
    /// The authorities of the receiver's certificate, a PEM file; without it those that this machine trusts.
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca: Option<PathBuf>,
    /// The certificate to show to a receiver that wants one, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key, a PEM file without a passphrase.
    #[arg(long, value_name = "FILE", requires = "tls", requires = "certificate")]
    key: Option<PathBuf>,
    /// The name that the receiver's certificate is for; without it the host of the address.
    #[arg(long, value_name = "NAME", requires = "tls")]
    name: Option<String>,
}

impl SenderTls {
    /// What was asked for.
    pub(crate) fn settings(&self) -> Option<TlsClientSettings> {
        let identity = self.certificate.clone().zip(self.key.clone());
        self.tls.then(|| TlsClientSettings {
            ca: self.ca.clone(),
            identity: identity.map(|(certificate, key)| ClientIdentity { certificate, key }),
            name: self.name.clone(),
        })
    }
}

/// TLS of a receiver.
#[derive(Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct ReceiverTls {
    /// Speak TLS; needs --certificate and --key.
    #[arg(long, requires = "certificate", requires = "key")]
    tls: bool,
    /// The certificate to show, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls")]
    certificate: Option<PathBuf>,
    /// Its private key, a PEM file without a passphrase.
    #[arg(long, value_name = "FILE", requires = "tls")]
    key: Option<PathBuf>,
    /// The authorities of senders' certificates, a PEM file; with it, senders have to show one.
    #[arg(long, value_name = "FILE", requires = "tls")]
    client_ca: Option<PathBuf>,
    /// A subject alternative name that a sender may have, may be given several times; without it all that the authorities know.
    #[arg(long = "client", value_name = "NAME", requires = "client_ca")]
    clients: Vec<String>,
}

impl ReceiverTls {
    /// What was asked for.
    pub(crate) fn settings(&self) -> Option<TlsServerSettings> {
        let identity = self.certificate.clone().zip(self.key.clone()).filter(|_| self.tls);
        identity.map(|(certificate, key)| TlsServerSettings {
            certificate,
            key,
            client_ca: self.client_ca.clone(),
            clients: self.clients.clone(),
        })
    }
}
