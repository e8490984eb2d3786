//! Where a broker is and who we are there; connecting, with several addresses in turn.

use super::connection::Connection;
use super::error::BrokerError;
use super::socket::{Socket, runtime};
use crate::mllp_client::connect;
use crate::secret::SecretSource;
use crate::tls::{TlsClient, TlsClientSettings};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, ConnectionProperties};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tracing::{info, warn};

/// The heartbeat where nothing else is wanted: a broker that has died is noticed within it, and a busy one is left in peace.
pub const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(10);

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
            info!(connection = %name, broker = %address, "connected to the broker");
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
        match timeout(settings.connect_timeout, connecting).await {
            Ok(Ok(connected)) => Ok(Connection::new(connected, address.to_owned(), hearing)),
            Ok(Err(error)) => {
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
