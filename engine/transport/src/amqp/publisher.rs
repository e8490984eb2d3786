//! Publishing with confirms: what became of each message, in the order of publishing.
//!
//! What always holds: each message that got a tag gets one outcome; a message that the broker returned is never reported as acknowledged;
//! after the channel has ended, everything unconfirmed is reported as lost.
//!
//! Which confirm a returned message belongs to is found out here, by the message's id. lapin hands a returned message over with whichever
//! confirm is resolved next, which may be another message's: the broker confirms several messages in one frame, and lapin goes through them
//! in no order. It holds all the same that when the messages up to a tag are confirmed, each of them that was returned has been handed over
//! with some confirm that is resolved: returns come before their confirms and in the order of publishing, and each confirm takes the oldest
//! return that waits. So outcomes are given in the order of tags, after a look at all confirms.

use super::error::BrokerError;
use super::value::{HeaderValue, short, table};
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A message to publish.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'p> {
    /// The exchange; the empty name leads to the queue that the routing key names.
    pub exchange: &'p str,
    /// The routing key.
    pub routing_key: &'p str,
    /// What no other unconfirmed message of this publisher is called. The receiver sees it as the message's id.
    pub id: &'p str,
    /// Whether the broker returns it when no queue takes it.
    pub mandatory: bool,
    /// Whether it outlives the broker's restart.
    pub persistent: bool,
    /// What the body is, as a media type.
    pub content_type: Option<&'p str>,
    /// What kind of message it is.
    pub kind: Option<&'p str>,
    /// When it was made, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// Headers.
    pub headers: &'p [(String, HeaderValue)],
    /// The body.
    pub body: &'p [u8],
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// Which one: what [`Publisher::publish`] gave.
    pub tag: u64,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The broker has it: on the disks of a majority, for a persistent message in a quorum queue.
    Acknowledged,
    /// The broker could not take it; it may be published again.
    Refused,
    /// No queue takes it: the broker's code (312: no route) and words.
    Returned(u16, String),
    /// The channel ended before the broker said anything of this message: it has it, or it does not.
    Lost(Loss),
}

/// Why a channel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The broker ended it over a message that is larger than it takes: this one, or another one that was unconfirmed. With its words.
    TooLarge(String),
    /// The user may not publish so. Without the broker's words: they hold the routing key, which may be made of a patient's data.
    Forbidden,
    /// Anything else, in words.
    Other(String),
}

impl Loss {
    fn of(error: &lapin::Error) -> Self {
        match BrokerError::of(error) {
            // Nothing else that is published here has a precondition.
            BrokerError::Differs(text) => Self::TooLarge(text),
            BrokerError::Forbidden(_) => Self::Forbidden,
            error => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(text) => write!(
                f,
                "the broker takes no message of this size: {text}; raise the broker's `max_message_size`, or let a mapping leave out what the receiver does not need"
            ),
            Self::Forbidden => f.write_str(
                "the broker does not allow the user to publish there with this routing key; give the user the permission",
            ),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A channel with confirms.
pub struct Publisher {
    channel: lapin::Channel,
    window: usize,
    next_tag: u64,
    unconfirmed: VecDeque<Unconfirmed>,
    /// What was returned and not reported yet, by the message's id.
    returned: HashMap<String, (u16, String)>,
}

type Confirming = Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send>>;

struct Unconfirmed {
    tag: u64,
    id: String,
    outcome: Outcome,
}

enum Outcome {
    Awaited(Confirming),
    Known(Verdict),
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("unconfirmed", &self.unconfirmed.len()).finish_non_exhaustive()
    }
}

impl Publisher {
    pub(super) fn new(channel: lapin::Channel, window: usize) -> Self {
        let unconfirmed = VecDeque::with_capacity(window);
        Self { channel, window, next_tag: 1, unconfirmed, returned: HashMap::new() }
    }

    /// Whether the channel is open, as far as this side knows.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.channel.status().connected()
    }

    /// How many messages may be published before the next outcome is taken.
    #[must_use]
    pub fn room(&self) -> usize {
        self.window.saturating_sub(self.unconfirmed.len())
    }

    /// How many messages have a tag and no outcome yet.
    #[must_use]
    pub fn unconfirmed_count(&self) -> usize {
        self.unconfirmed.len()
    }

    /// Hands a message to the connection, after all those before, and gives its tag: one more than the last. Waits for nothing. An error
    /// is about this message, which was not sent and has no tag, or about a full window; that the channel has ended is told as an outcome.
    pub fn publish(&mut self, message: &Publication<'_>) -> Result<u64, BrokerError> {
        if self.room() == 0 {
            return Err(BrokerError::WindowFull);
        }
        let tag = self.next_tag;
        let mut confirming = self.confirming(message)?;
        // Polled once now: this is when lapin puts it behind those before.
        let outcome = match confirming.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Outcome::Known(self.read(result)),
            Poll::Pending => Outcome::Awaited(confirming),
        };
        self.unconfirmed.push_back(Unconfirmed { tag, id: message.id.to_owned(), outcome });
        self.next_tag += 1;
        Ok(tag)
    }

    /// The outcome of the oldest message that has none yet, when it is there; none when no message is without. Giving the future up loses
    /// nothing.
    pub async fn next(&mut self) -> Option<Confirmed> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same when it is known already; none when it is not.
    pub fn next_known(&mut self) -> Option<Confirmed> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(confirmed) => confirmed,
            Poll::Pending => None,
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Confirmed>> {
        let Some(mut oldest) = self.unconfirmed.pop_front() else { return Poll::Ready(None) };
        if let Outcome::Awaited(confirming) = &mut oldest.outcome {
            match confirming.as_mut().poll(context) {
                Poll::Ready(result) => oldest.outcome = Outcome::Known(self.read(result)),
                Poll::Pending => {
                    self.unconfirmed.push_front(oldest);
                    return Poll::Pending;
                }
            }
            self.look_at_all();
        }
        let Outcome::Known(verdict) = oldest.outcome else { return Poll::Pending };
        let verdict = match self.returned.remove(&oldest.id) {
            Some((code, text)) => Verdict::Returned(code, text),
            None => verdict,
        };
        Poll::Ready(Some(Confirmed { tag: oldest.tag, verdict }))
    }

    /// Takes what is known of all messages behind the oldest. What is known then of the next ones needs no second look: everything behind
    /// each of them was looked at after it.
    fn look_at_all(&mut self) {
        for index in 0..self.unconfirmed.len() {
            let Some(Unconfirmed { outcome: Outcome::Awaited(confirming), .. }) =
                self.unconfirmed.get_mut(index)
            else {
                continue;
            };
            // Whoever becomes the oldest is polled again, with the waker that counts.
            if let Poll::Ready(result) = confirming.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                let known = Outcome::Known(self.read(result));
                if let Some(message) = self.unconfirmed.get_mut(index) {
                    message.outcome = known;
                }
            }
        }
    }

    fn read(&mut self, result: lapin::Result<Confirmation>) -> Verdict {
        match result {
            Ok(Confirmation::Ack(returned)) => {
                self.note(returned);
                Verdict::Acknowledged
            }
            Ok(Confirmation::Nack(returned)) => {
                self.note(returned);
                Verdict::Refused
            }
            Ok(Confirmation::NotRequested) => {
                Verdict::Lost(Loss::Other("the channel has no confirms".to_owned()))
            }
            Err(error) => Verdict::Lost(Loss::of(&error)),
        }
    }

    fn note(&mut self, returned: Option<BasicReturnMessage>) {
        let Some(returned) = returned else { return };
        if let Some(id) = returned.properties.message_id() {
            let words = (returned.reply_code, returned.reply_text.to_string());
            self.returned.insert(id.as_str().to_owned(), words);
        }
    }

    fn confirming(&self, message: &Publication<'_>) -> Result<Confirming, BrokerError> {
        let (exchange, routing_key) =
            (short("exchange's name", message.exchange)?, short("routing key", message.routing_key)?);
        let options = BasicPublishOptions { mandatory: message.mandatory, immediate: false };
        let properties = properties(message)?;
        let (channel, body) = (self.channel.clone(), message.body.to_vec());
        Ok(Box::pin(async move {
            channel.basic_publish(exchange, routing_key, options, &body, properties).await?.await
        }))
    }
}

/// AMQP's numbers for what outlives a restart and what does not.
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

fn properties(message: &Publication<'_>) -> Result<BasicProperties, BrokerError> {
    let set = |properties, text: Option<&str>, what, with: fn(BasicProperties, ShortString) -> _| match text {
        Some(text) => short(what, text).map(|text| with(properties, text)),
        None => Ok(properties),
    };
    let mut properties = BasicProperties::default()
        .with_delivery_mode(if message.persistent { PERSISTENT } else { TRANSIENT })
        .with_message_id(short("message's id", message.id)?);
    properties = set(properties, message.content_type, "content type", BasicProperties::with_content_type)?;
    properties = set(properties, message.kind, "message's type", BasicProperties::with_type)?;
    if let Some(timestamp) = message.timestamp {
        properties = properties.with_timestamp(timestamp);
    }
    if !message.headers.is_empty() {
        properties = properties.with_headers(table(message.headers)?);
    }
    Ok(properties)
}
