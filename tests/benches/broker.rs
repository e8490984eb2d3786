//! Publishing to RabbitMQ with confirms: ours beside bare lapin, turn by turn, in one run.
//!
//! `cargo bench -p orderly-tests --bench broker`. What is compared: the same messages to the same quorum queue with the same window; lapin's
//! confirms are awaited in their order and nothing else is done with them.

use std::time::{Duration, Instant};

use orderly_tests::bare;
use orderly_tests::broker::{Broker, USER, to_queue};
use orderly_transport::amqp::{
    self, BrokerCredentials, BrokerSettings, Declaration, HEARTBEAT_DEFAULT, QueueKind, Verdict,
};
use orderly_transport::secret::SecretSource;

const QUEUE: &str = "measured";

/// As many as an ADT message has bytes.
const BODY_BYTES: usize = 1100;

const WINDOWS: [usize; 3] = [1, 64, 256];

#[tokio::main]
async fn main() {
    let broker = Broker::start();
    let ours = amqp::Broker::new(settings(&broker)).connect().await.expect("a broker");
    let queue = Declaration::Queue { name: QUEUE.to_owned(), kind: QueueKind::Quorum, arguments: Vec::new() };
    ours.declare(&[queue]).await.expect("a queue");
    let bare = bare::connect(&broker).await;
    println!("{:>6}  {:>12}  {:>12}  {:>6}", "window", "ours msg/s", "lapin msg/s", "ratio");
    for window in WINDOWS {
        let count = if window == 1 { 3_000 } else { 20_000 };
        let (mut with_ours, mut with_lapin) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..3 {
            with_lapin += bare::publish(&bare, QUEUE, window, BODY_BYTES, count.into()).await;
            with_ours += publish_ours(&ours, window, count).await;
        }
        let rate = |time: Duration| f64::from(3 * count) / time.as_secs_f64();
        let (ours, lapin) = (rate(with_ours), rate(with_lapin));
        println!("{window:>6}  {ours:>12.0}  {lapin:>12.0}  {:>6.2}", ours / lapin);
    }
}

fn settings(broker: &Broker) -> BrokerSettings {
    BrokerSettings {
        addresses: vec![broker.address()],
        virtual_host: "/".to_owned(),
        credentials: BrokerCredentials {
            user: USER.to_owned(),
            password: SecretSource::File(broker.password_file()),
        },
        tls: None,
        heartbeat: HEARTBEAT_DEFAULT,
        connect_timeout: Duration::from_secs(10),
        name: "measured".to_owned(),
    }
}

async fn publish_ours(connection: &amqp::Connection, window: usize, count: u32) -> Duration {
    let mut publisher = connection.publisher(window).await.expect("a channel");
    let body = vec![b'x'; BODY_BYTES];
    let begun = Instant::now();
    for number in 0..count {
        if publisher.room() == 0 {
            let confirmed = publisher.next().await.expect("an outcome");
            assert_eq!(confirmed.verdict, Verdict::Acknowledged);
        }
        let id = number.to_string();
        publisher.publish(&to_queue(QUEUE, &id, &body)).expect("room");
    }
    while let Some(confirmed) = publisher.next().await {
        assert_eq!(confirmed.verdict, Verdict::Acknowledged);
    }
    begun.elapsed()
}
