//! RabbitMQ: our connection to it, and AMQP as a way in and out, against real nodes.

mod carrying;
mod connecting;

use std::time::Duration;

use orderly_tests::broker::{Broker, USER};
use orderly_tests::peers::PATIENCE;
use orderly_transport::amqp::{
    self, BrokerCredentials, BrokerError, BrokerSettings, Connection, Declaration, QueueKind,
};
use orderly_transport::secret::SecretSource;

/// Short, and long enough for a busy machine.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// Settings that lead to these addresses.
fn settings(addresses: &[String]) -> BrokerSettings {
    let password = SecretSource::File(Broker::shared().password_file());
    BrokerSettings {
        addresses: addresses.to_vec(),
        virtual_host: "/".to_owned(),
        credentials: BrokerCredentials { user: USER.to_owned(), password },
        tls: None,
        heartbeat: HEARTBEAT,
        connect_timeout: PATIENCE,
        name: "test".to_owned(),
    }
}

async fn connect(addresses: &[String]) -> Connection {
    amqp::Broker::new(settings(addresses)).connect().await.unwrap()
}

async fn declare_queue(connection: &Connection, name: &str, kind: QueueKind) -> Result<(), BrokerError> {
    connection.declare(&[Declaration::Queue { name: name.to_owned(), kind, arguments: Vec::new() }]).await
}
