//! TLS as a destination speaks it: the receiver shows who it is, and so do we where it wants that.

use super::files::{self, FilesError, Reloading};
use super::{HANDSHAKE_TIME_MAX, HandshakeError, TlsClientSettings, provider};
use crate::stream::Stream;
use std::fmt;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{ClientConfig, DEFAULT_VERSIONS};

/// TLS of a destination, ready for connections.
#[derive(Clone)]
pub(crate) struct TlsClient {
    config: Arc<Reloading<ClientConfig>>,
    name: Option<String>,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Reads nothing yet: files that are broken today may be mended at the first connection. `protocols` are offered (ALPN).
    pub(crate) fn new(settings: TlsClientSettings, protocols: &'static [&'static [u8]]) -> Self {
        let identity = settings.identity.iter().flat_map(|one| [one.certificate.clone(), one.key.clone()]);
        let files = settings.ca.iter().cloned().chain(identity).collect();
        let name = settings.name.clone();
        Self { config: Arc::new(Reloading::new(files, move || config(&settings, protocols))), name }
    }

    /// The handshake with the receiver at `host`.
    pub(crate) async fn connect(&self, stream: TcpStream, host: &str) -> Result<Stream, HandshakeError> {
        let config = self.current().await?;
        let name = self.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| FilesError::NoName(name.to_owned()))?;
        match timeout(HANDSHAKE_TIME_MAX, TlsConnector::from(config).connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream.into()))),
            Ok(Err(error)) => Err(HandshakeError::from_io(error)),
            Err(_) => Err(HandshakeError::TimedOut),
        }
    }

    async fn current(&self) -> Result<Arc<ClientConfig>, HandshakeError> {
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || config.current()).await;
        Ok(read.map_err(|_| HandshakeError::TimedOut)??)
    }
}

/// What the files say.
pub(super) fn config(settings: &TlsClientSettings, protocols: &[&[u8]]) -> Result<ClientConfig, FilesError> {
    let authorities = match &settings.ca {
        Some(path) => files::authorities(path)?,
        None => files::machines_authorities()?,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(DEFAULT_VERSIONS)
        .map_err(|_| FilesError::NoAuthorities)?
        .with_root_certificates(authorities);
    let mut config = match &settings.identity {
        Some(identity) => {
            let identity = files::identity(&identity.certificate, &identity.key)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => builder.with_no_client_auth(),
    };
    // Each connection proves anew who is there.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}
