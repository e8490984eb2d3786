//! Where a broker is and who we are there; connecting, with several addresses in turn.

use super::connection::Connection;
use super::error::BrokerError;
use super::socket::{Socket, runtime};
use crate::mllp_client::connect;
use crate::secret::SecretSource;
use crate::tls::{TlsClient, TlsClientSettings};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, ConnectionProperties};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tracing::{debug, warn};

/// The heartbeat where nothing else is wanted: a broker that has died is noticed within it, and a busy one is left in peace.
pub const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(10);

/// How long what came before the end of a connection may take to be understood.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_millis(200);

/// A broker, or the nodes of a cluster of brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Its addresses, `host:port` each, in the order in which they are tried.
    pub addresses: Vec<String>,
    /// The virtual host; `/` is the one that each broker has.
    pub virtual_host: String,
    /// Who we are.
    pub credentials: BrokerCredentials,
    /// TLS, where it is wanted (`amqps`).
    pub tls: Option<TlsClientSettings>,
    /// The longest silence of the broker, whole seconds, at least one. The broker may ask for less; it gives us up after twice that.
    pub heartbeat: Duration,
    /// How long connecting may take, and logging in after it.
    pub connect_timeout: Duration,
    /// What the broker shows its operator as the connection's name.
    pub name: String,
}

/// A user of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerCredentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretSource,
}

/// A broker to connect to.
#[derive(Debug)]
pub struct Broker {
    settings: BrokerSettings,
    tls: Option<TlsClient>,
    /// The address that is tried first: the one that was connected last.
    first: usize,
}

impl Broker {
    /// Reads nothing and connects to nothing yet.
    #[must_use]
    pub fn new(settings: BrokerSettings) -> Self {
        let tls = settings.tls.clone().map(|tls| TlsClient::new(tls, &[]));
        Self { settings, tls, first: 0 }
    }

    /// Connects to the first address that lets us in, and tells the log which one that is. A broker that refuses the user is not asked at
    /// its other addresses.
    pub async fn connect(&mut self) -> Result<Connection, BrokerError> {
        let count = self.settings.addresses.len();
        let mut errors = Vec::new();
        for index in (self.first..count).chain(0..self.first.min(count)) {
            let Some(address) = self.settings.addresses.get(index) else { continue };
            match self.connect_to(address).await {
                Ok(connection) => {
                    self.tell_connected(address, index != self.first && !errors.is_empty());
                    self.first = index;
                    return Ok(connection);
                }
                Err(error) if error.is_refusal() || count == 1 => return Err(error),
                Err(error) => {
                    let name = &self.settings.name;
                    warn!(connection = %name, broker = %address, "this broker cannot be used, the next one is tried: {error}");
                    errors.push(error);
                }
            }
        }
        Err(BrokerError::AllFailed(errors))
    }

    fn tell_connected(&self, address: &str, is_failover: bool) {
        let name = &self.settings.name;
        if is_failover {
            warn!(connection = %name, broker = %address, "connected to another broker than before");
        } else {
            debug!(connection = %name, broker = %address, "connected to the broker");
        }
    }

    async fn connect_to(&self, address: &str) -> Result<Connection, BrokerError> {
        let settings = &self.settings;
        let password = settings.credentials.password.fetch().await?;
        let socket = Socket::new(connect(address, settings.connect_timeout, self.tls.as_ref()).await?);
        let hearing = socket.hearing();
        let socket = Mutex::new(Some(AsyncTcpStream::Plain(socket)));
        let connecting = lapin::Connection::connector(
            self.uri(password.value()),
            runtime(),
            // Asked once: lapin does not connect again unless it is told to.
            async move |_, _| {
                let made = socket.lock().unwrap_or_else(PoisonError::into_inner).take();
                made.ok_or_else(|| lapin::Error::from(lapin::ErrorKind::FutureCompleted))
            },
            ConnectionProperties::default()
                .with_connection_name(settings.name.as_str().into())
                .with_client_property("product".into(), "orderly".into())
                .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into()),
        );
        let connecting = async {
            let mut connecting = pin!(connecting);
            tokio::select! {
                biased;
                connected = connecting.as_mut() => Ok(connected),
                // lapin goes on waiting. What the broker said before it closed the connection is understood in no time.
                why = hearing.broken() => timeout(LAST_WORDS_TIME_MAX, connecting).await.map_err(|_| why.to_owned()),
            }
        };
        match timeout(settings.connect_timeout, connecting).await {
            Ok(Err(text)) => {
                hearing.cut(&text);
                Err(BrokerError::Handshake { address: address.to_owned(), text })
            }
            Ok(Ok(Ok(connected))) => Ok(Connection::new(connected, address.to_owned(), hearing)),
            Ok(Ok(Err(error))) => {
                let BrokerCredentials { user, .. } = &settings.credentials;
                Err(BrokerError::of_login(&error, address, user, &settings.virtual_host))
            }
            Err(_) => {
                hearing.cut("the handshake took too long");
                let seconds = settings.connect_timeout.as_secs_f32();
                Err(BrokerError::Silent { address: address.to_owned(), seconds })
            }
        }
    }

    /// The settings as lapin wants them. Where to connect to is not read from it.
    fn uri(&self, password: &str) -> AMQPUri {
        let heartbeat = u16::try_from(self.settings.heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
        let userinfo =
            AMQPUserInfo { username: self.settings.credentials.user.clone(), password: password.to_owned() };
        AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo, host: String::new(), port: 0 },
            vhost: self.settings.virtual_host.clone(),
            query: AMQPQueryString { heartbeat: Some(heartbeat), ..AMQPQueryString::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// What a broker says first: a `connection.start` that offers PLAIN in en_US, with an empty table of properties.
    const START: &[u8] = b"\x01\0\0\0\0\0\x1c\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US\xce";

    /// Connects to something that sends this after the client's first bytes and closes.
    async fn met_with(bytes: Vec<u8>) -> Result<Connection, BrokerError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "geheim").unwrap();
        let mut broker = Broker::new(BrokerSettings {
            addresses: vec![address],
            virtual_host: "/".to_owned(),
            credentials: BrokerCredentials {
                user: "orderly".to_owned(),
                password: SecretSource::File(password),
            },
            tls: None,
            heartbeat: HEARTBEAT_DEFAULT,
            connect_timeout: Duration::from_secs(5),
            name: "test".to_owned(),
        });
        let peer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 8]).await.ok();
            stream.write_all(&bytes).await.ok();
            stream.shutdown().await.ok();
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
        };
        tokio::join!(broker.connect(), peer).0
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn whatever_answers_that_is_no_broker_is_told_so(
            starts: bool,
            cut in 0..START.len(),
            junk in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let start = if starts { START } else { START.get(..cut).unwrap_or_default() };
            let error = runtime.block_on(met_with([start, &junk].concat())).err();
            let told = error.map(|error| (error.code(), error.to_string()));
            prop_assert!(
                matches!(&told, Some(("amqp-handshake", text)) if !text.contains("geheim")),
                "{:?}", told
            );
        }
    }
}
