//! Bare lapin: the yardstick of what goes by way of a broker.
//!
//! What always holds: nothing is done with a message but what is named; a confirm is awaited as soon as the window is full, the oldest first.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_core::Stream;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm};

use crate::broker::{Broker, PASSWORD, USER};

/// How long a queue may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Connects.
pub async fn connect(broker: &Broker) -> Connection {
    let url = format!("amqp://{USER}:{PASSWORD}@{}/%2f", broker.address());
    Connection::connect(&url, ConnectionProperties::default()).await.expect("a broker")
}

/// Makes a quorum queue.
pub async fn declare(connection: &Connection, queue: &str) {
    let channel = connection.create_channel().await.expect("a channel");
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, arguments).await.expect("a queue");
}

/// Looks at how many messages a queue can hand out.
pub struct Depth<'q> {
    queue: &'q str,
    channel: Channel,
    _connection: Connection,
}

impl Depth<'_> {
    /// Of a queue that is there, or comes.
    pub async fn of<'q>(broker: &Broker, queue: &'q str) -> Depth<'q> {
        let since = Instant::now();
        loop {
            // A queue that is missing closes the channel, and each look has a connection of its own.
            let connection = connect(broker).await;
            let channel = connection.create_channel().await.expect("a channel");
            if look(&channel, queue).await.is_ok() {
                return Depth { queue, channel, _connection: connection };
            }
            assert!(since.elapsed() < PATIENCE, "there is no queue {queue}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How many it has now.
    pub async fn now(&self) -> u64 {
        look(&self.channel, self.queue).await.expect("a queue")
    }
}

async fn look(channel: &Channel, queue: &str) -> lapin::Result<u64> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok(found.message_count().into())
}

/// Publishes so many messages of so many bytes, at most `window` of which are unconfirmed.
pub async fn publish(
    connection: &Connection,
    queue: &str,
    window: usize,
    bytes: usize,
    count: u64,
) -> Duration {
    let mut publisher = Publisher::new(connection, queue, window, bytes).await;
    let begun = Instant::now();
    for number in 0..count {
        publisher.publish(number).await;
    }
    while publisher.confirm().await.is_some() {}
    begun.elapsed()
}

/// Consumes so many messages; for each publishes one of so many bytes to another queue, and acknowledges it when that is confirmed.
pub async fn consume(
    connection: &Connection,
    from: &str,
    to: &str,
    (prefetch, window): (u16, usize),
    bytes: usize,
    count: u64,
) -> Duration {
    let mut publisher = Publisher::new(connection, to, window, bytes).await;
    let channel = connection.create_channel().await.expect("a channel");
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.expect("a channel");
    let options = BasicConsumeOptions::default();
    let begun = Instant::now();
    let consumer = channel.basic_consume(from.into(), "".into(), options, FieldTable::default()).await;
    let mut consumer = consumer.expect("a queue");
    let acknowledge = async |tag| {
        channel.basic_ack(tag, BasicAckOptions::default()).await.expect("a channel");
    };
    for _ in 0..count {
        let delivery = poll_fn(|context| Pin::new(&mut consumer).poll_next(context)).await;
        let delivery = delivery.expect("a consumer").expect("a message");
        if let Some(confirmed) = publisher.publish(delivery.delivery_tag).await {
            acknowledge(confirmed).await;
        }
    }
    while let Some(confirmed) = publisher.confirm().await {
        acknowledge(confirmed).await;
    }
    begun.elapsed()
}

struct Publisher<'q> {
    channel: Channel,
    queue: &'q str,
    window: usize,
    body: Vec<u8>,
    unconfirmed: VecDeque<(u64, PublisherConfirm)>,
}

impl<'q> Publisher<'q> {
    async fn new(connection: &Connection, queue: &'q str, window: usize, bytes: usize) -> Publisher<'q> {
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Publisher { channel, queue, window, body: vec![b'x'; bytes], unconfirmed: VecDeque::new() }
    }

    /// Publishes a message of this number; with a full window it waits for the oldest confirm, and says whose that is.
    async fn publish(&mut self, number: u64) -> Option<u64> {
        let confirmed = match self.unconfirmed.len() == self.window {
            true => self.confirm().await,
            false => None,
        };
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_message_id(number.to_string().into());
        let published =
            self.channel.basic_publish("".into(), self.queue.into(), options, &self.body, properties);
        self.unconfirmed.push_back((number, published.await.expect("a connection")));
        confirmed
    }

    /// Waits for the oldest confirm, and says whose it is; nothing when there is none to wait for.
    async fn confirm(&mut self) -> Option<u64> {
        let (number, confirm) = self.unconfirmed.pop_front()?;
        black_box(confirm.await.expect("a confirm"));
        Some(number)
    }
}
