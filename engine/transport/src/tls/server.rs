//! TLS as a listener speaks it: it shows who it is, and lets in whom it is told to.

use super::failure::OtherNames;
use super::files::{self, FilesError, Reloading};
use super::{HANDSHAKE_TIME_MAX, HandshakeError, TlsServerSettings, provider};
use crate::stream::Stream;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{
    CertificateError, DEFAULT_VERSIONS, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureScheme,
};
use webpki::EndEntityCert;

/// How long a peer whose handshake failed has to read why: closing with bytes unread would reset the connection, and lose it.
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);

/// TLS of a listener, ready for connections.
pub(crate) struct TlsServer {
    config: Arc<Reloading<ServerConfig>>,
    /// The names by which peers are let in, where not all are.
    clients: Vec<String>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl TlsServer {
    /// Reads the files.
    pub(crate) fn new(settings: TlsServerSettings) -> Result<Self, FilesError> {
        let files = [settings.certificate.clone(), settings.key.clone()];
        let files = files.into_iter().chain(settings.client_ca.clone()).collect();
        let clients = settings.clients.clone();
        let config = Arc::new(Reloading::new(files, move || config(&settings)));
        config.current()?;
        Ok(Self { config, clients })
    }

    /// The name that a peer's certificate is for: the one by which it was let in, else the first that the certificate has; none when it
    /// showed none.
    pub(crate) fn name_of(&self, stream: &Stream) -> Option<Arc<str>> {
        let Stream::Tls(stream) = stream else { return None };
        let shown = stream.get_ref().1.peer_certificates()?.first()?;
        let certificate = EndEntityCert::try_from(shown).ok()?;
        let known = self.clients.iter().find(|name| is_for(&certificate, name)).map(String::as_str);
        let mut names = certificate.valid_dns_names().chain(certificate.valid_uri_names());
        known.or_else(|| names.next()).map(Arc::from)
    }

    /// The handshake with a peer that connected. A peer that is refused is told so, and has a moment to read it.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<Stream, HandshakeError> {
        timeout(HANDSHAKE_TIME_MAX, self.handshake(stream)).await.unwrap_or(Err(HandshakeError::TimedOut))
    }

    async fn handshake(&self, stream: TcpStream) -> Result<Stream, HandshakeError> {
        if let Err(error) = look_at_first_byte(&stream).await {
            linger(stream).await;
            return Err(error);
        }
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || config.current()).await;
        let config = read.map_err(|_| HandshakeError::TimedOut)??;
        match TlsAcceptor::from(config).accept(stream).into_fallible().await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream.into()))),
            Err((error, stream)) => {
                linger(stream).await;
                Err(HandshakeError::from_io(error))
            }
        }
    }
}

/// Those who take this port for another one are known by what they say first.
async fn look_at_first_byte(stream: &TcpStream) -> Result<(), HandshakeError> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(0) => Err(HandshakeError::Silent),
        Ok(_) => match first {
            [HANDSHAKE_RECORD] => Ok(()),
            [crate::mllp_frame::START_BLOCK] => Err(HandshakeError::PlainMllp),
            [byte] if byte.is_ascii_uppercase() => Err(HandshakeError::PlainHttp),
            _ => Err(HandshakeError::NotTls),
        },
        Err(error) => Err(HandshakeError::Broken(error)),
    }
}

/// The first byte of a handshake (RFC 8446, section 5.1).
const HANDSHAKE_RECORD: u8 = 0x16;

async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut buffer = [0; 1024];
        let empty = async { while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {} };
        // Whichever is first: then the peer has read it, or never will.
        timeout(LINGER_TIME_MAX, empty).await.ok();
    }
}

/// What the files say.
pub(super) fn config(settings: &TlsServerSettings) -> Result<ServerConfig, FilesError> {
    let identity = files::identity(&settings.certificate, &settings.key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(DEFAULT_VERSIONS)
        .map_err(|_| FilesError::NoAuthorities)?;
    let builder = match &settings.client_ca {
        Some(path) => {
            let authorities = Arc::new(files::authorities(path)?);
            let inner = WebPkiClientVerifier::builder_with_provider(authorities, provider())
                .build()
                .map_err(|_| FilesError::NoAuthorities)?;
            builder.with_client_cert_verifier(Arc::new(Named { inner, names: settings.clients.clone() }))
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    // Each connection proves anew who is there: a peer that is taken out of the list is out at once.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Lets in certificates of known authorities that are for one of these names; for any, when there are none.
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

impl Named {
    fn lets_in(&self, certificate: &EndEntityCert<'_>) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| is_for(certificate, name))
    }
}

/// Whether a certificate is for this name: of a host, an address, or a URI.
fn is_for(certificate: &EndEntityCert<'_>, name: &str) -> bool {
    match ServerName::try_from(name) {
        Ok(name) => certificate.verify_is_valid_for_subject_name(&name).is_ok(),
        Err(_) => certificate.valid_uri_names().any(|presented| presented == name),
    }
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if self.lets_in(&certificate) {
            return Ok(verified);
        }
        let names = certificate.valid_dns_names().chain(certificate.valid_uri_names());
        let names = OtherNames(names.map(str::to_owned).collect());
        Err(CertificateError::Other(OtherError(Arc::new(names))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
