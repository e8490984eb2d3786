//! Consuming a queue.
//!
//! What always holds: nothing is acknowledged unless it is told; what is not acknowledged when the consumer ends goes back to the queue, in
//! its old order, because the channel is closed and the consumer never cancelled before (after a cancel, the next consumer at once gets
//! later messages).

use super::connection::answered;
use super::error::BrokerError;
use super::value::{HeaderValue, short, table};
use futures_core::Stream;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::protocol::constants::REPLY_SUCCESS;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// How a queue is consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// How many messages the broker hands out before the first is acknowledged, at least one. All of them may be in memory.
    pub prefetch: u16,
    /// Whether nobody else may consume the queue at the same time. RabbitMQ (seen with 3.10) keeps this of classic queues only: declare a quorum
    /// queue with `x-single-active-consumer`.
    pub exclusive: bool,
    /// Arguments of `basic.consume`, e.g. `x-priority`.
    pub arguments: Vec<(String, HeaderValue)>,
}

/// A message that came.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// What it is acknowledged by, on this consumer.
    pub tag: u64,
    /// Where it was published.
    pub exchange: String,
    /// With which routing key.
    pub routing_key: String,
    /// Whether the broker has handed it out before; to whom, and whether that one did anything, is not known.
    pub redelivered: bool,
    /// How often it came back, where the queue counts that (quorum queues do).
    pub delivery_count: Option<u64>,
    /// The id that its publisher gave it.
    pub id: Option<String>,
    /// What the body is, as a media type, if that was said.
    pub content_type: Option<String>,
    /// How the body is packed (`gzip`), if that was said.
    pub content_encoding: Option<String>,
    /// What kind of message it is, if that was said.
    pub kind: Option<String>,
    /// When it was made, in seconds since 1970, if that was said.
    pub timestamp: Option<u64>,
    /// Headers.
    pub headers: Vec<(String, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Incoming {
    /// Without what may be a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("tag", &self.tag)
            .field("redelivered", &self.redelivered)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A channel that consumes a queue.
pub struct Consumer {
    channel: lapin::Channel,
    consumer: lapin::Consumer,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("queue", &self.consumer.queue()).finish_non_exhaustive()
    }
}

impl Consumer {
    pub(super) async fn open(
        channel: lapin::Channel,
        queue: &str,
        settings: ConsumerSettings,
    ) -> Result<Self, BrokerError> {
        answered(channel.basic_qos(settings.prefetch, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions { exclusive: settings.exclusive, ..BasicConsumeOptions::default() };
        let arguments = table(&settings.arguments)?;
        let queue = short("queue's name", queue)?;
        let consumer = answered(channel.basic_consume(queue, "".into(), options, arguments)).await?;
        Ok(Self { channel, consumer })
    }

    /// Whether the channel is open, as far as this side knows.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.channel.status().connected()
    }

    /// The next message, when it comes. After an error there is none any more. Giving the future up loses nothing.
    pub async fn next(&mut self) -> Result<Incoming, BrokerError> {
        match poll_fn(|context| Pin::new(&mut self.consumer).poll_next(context)).await {
            Some(Ok(delivery)) => Ok(read(delivery)),
            Some(Err(error)) => Err(BrokerError::of(&error)),
            None => Err(BrokerError::ConsumerEnded),
        }
    }

    /// Takes a message off the queue; with `all_before` also all that came before it. It waits for nothing: a broker with an alarm reads it later.
    /// That it could not be sent is told as the consumer's end.
    pub fn acknowledge(&self, tag: u64, all_before: bool) -> Result<(), BrokerError> {
        hand_over(self.channel.basic_ack(tag, BasicAckOptions { multiple: all_before }))
    }

    /// Gives a message up: to the queue's dead letters, where it has such, or to nowhere.
    pub fn reject(&self, tag: u64) -> Result<(), BrokerError> {
        hand_over(self.channel.basic_reject(tag, BasicRejectOptions { requeue: false }))
    }

    /// Takes no more, and keeps what it has and has not acknowledged: what is never to be done.
    #[cfg(feature = "planted-faults")]
    pub async fn cancel(&self) -> Result<(), BrokerError> {
        answered(
            self.channel.basic_cancel(self.consumer.tag(), lapin::options::BasicCancelOptions::default()),
        )
        .await
    }

    /// Hands over: closes the channel and waits until the broker has said that it is closed.
    pub async fn close(self) -> Result<(), BrokerError> {
        answered(self.channel.close(REPLY_SUCCESS, "handing over".into())).await
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // The request to close goes out before the cancel that dropping lapin's consumer would send, which then comes to nothing. When the
        // channel is closed already, this does nothing.
        let closing = pin!(self.channel.close(REPLY_SUCCESS, "handing over".into()));
        let _ = closing.poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// Hands a request that has no answer to the connection, behind all before it: lapin does that when it is polled once.
fn hand_over(request: impl Future<Output = lapin::Result<()>>) -> Result<(), BrokerError> {
    match pin!(request).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(handed) => handed.map_err(|error| BrokerError::of(&error)),
        Poll::Pending => Ok(()),
    }
}

/// The header in which quorum queues count.
const DELIVERY_COUNT: &str = "x-delivery-count";

fn read(delivery: Delivery) -> Incoming {
    let Delivery { delivery_tag, exchange, routing_key, redelivered, properties, data, .. } = delivery;
    let headers: Vec<(String, HeaderValue)> = properties
        .headers()
        .iter()
        .flatten()
        .map(|(name, value)| (name.as_str().to_owned(), HeaderValue::read(value)))
        .collect();
    let delivery_count = headers.iter().find_map(|(name, value)| match value {
        HeaderValue::Number(count) if name == DELIVERY_COUNT => u64::try_from(*count).ok(),
        _ => None,
    });
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(|text| text.as_str().to_owned());
    Incoming {
        tag: delivery_tag,
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        redelivered,
        delivery_count,
        id: text(properties.message_id()),
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        kind: text(properties.kind()),
        timestamp: *properties.timestamp(),
        headers,
        body: data,
    }
}
