//! Messages published to an exchange of a broker, each confirmed by it.
//!
//! What always holds: a message counts as delivered when the broker has confirmed it and has not returned it; after an attempt whose outcome
//! is unknown its connection is cut, so that nothing of it is sent later; before each message the broker was heard within one and a half heartbeats.

use super::{Attempt, Delivery, MediaType, Outcome};
use crate::amqp::{
    Broker, BrokerError, BrokerSettings, Confirmed, Connection, HeaderValue, LinkState, Loss, Publication,
    Publisher, Verdict,
};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout_at};

/// How a destination publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpSettings {
    /// Where the exchange is.
    pub broker: BrokerSettings,
    /// The exchange; the empty name leads to the queue that the routing key names.
    pub exchange: String,
    /// The routing key of a delivery without a name. One with a name has its own: the name's first line, below it headers as `name: text`
    /// in a line each.
    pub routing_key: String,
    /// The headers of all messages.
    pub headers: Vec<(String, String)>,
    /// What payloads are, by what they begin with: the first that fits.
    pub media_types: Vec<MediaType>,
    /// Whether messages outlive the broker's restart.
    pub is_persistent: bool,
    /// How long the confirm may take.
    pub confirm_timeout: Duration,
}

/// An exchange of a broker.
#[derive(Debug)]
pub struct AmqpDestination {
    settings: AmqpSettings,
    broker: Broker,
    link: Option<Link>,
}

#[derive(Debug)]
struct Link {
    connection: Connection,
    publisher: Publisher,
}

impl AmqpDestination {
    /// Connects to nothing yet.
    pub(super) fn new(settings: AmqpSettings) -> Self {
        Self { broker: Broker::new(settings.broker.clone()), settings, link: None }
    }

    /// Makes one attempt.
    pub(super) async fn attempt(&mut self, delivery: &Delivery<'_>) -> Attempt {
        let started = Instant::now();
        let link =
            match self.link.take().filter(|link| link.connection.is_fresh() && link.publisher.is_open()) {
                Some(link) => Ok(link),
                None => self.open().await,
            };
        let outcome = match link {
            Ok(link) => self.publish(link, delivery).await,
            Err(error) => Outcome::retryable(error.code(), error),
        };
        Attempt { outcome, answer: None, duration: started.elapsed() }
    }

    async fn open(&mut self) -> Result<Link, BrokerError> {
        let connection = self.broker.connect().await?;
        // Publishing to an exchange that is not there ends the channel, and says so to nobody in particular.
        if !self.settings.exchange.is_empty() {
            connection.exchange_exists(&self.settings.exchange).await?;
        }
        let publisher = connection.publisher(1).await?;
        Ok(Link { connection, publisher })
    }

    /// Publishes, and keeps the way when it can be used again.
    async fn publish(&mut self, mut link: Link, delivery: &Delivery<'_>) -> Outcome {
        let deadline = Instant::now() + self.settings.confirm_timeout;
        let mut state = link.connection.state();
        // What is published to a broker in need waits in the network, and might be read long after it was sent again.
        let unblocked = async { drop(state.wait_for(|state| !matches!(state, LinkState::Blocked(_))).await) };
        let unblocked = timeout_at(deadline, unblocked).await;
        if unblocked.is_err() {
            let outcome = blocked(&link.connection);
            self.link = Some(link);
            return outcome;
        }
        if let Err(error) = hand_over(&self.settings, &mut link.publisher, delivery) {
            self.link = Some(link);
            return Outcome::Permanent { code: error.code().to_owned(), text: error.to_string() };
        }
        match timeout_at(deadline, link.publisher.next()).await {
            Ok(Some(Confirmed { verdict: Verdict::Lost(why), .. })) => lost(&why),
            Ok(None) => Outcome::retryable("amqp-lost", "the broker's confirm is gone; this is our fault"),
            Ok(Some(Confirmed { verdict, .. })) => {
                match verdict {
                    // RabbitMQ refuses all that a channel publishes whose first message came while the queue's leader was down, also after
                    // another one leads (seen with 3.10): the next attempt begins anew.
                    Verdict::Refused => link.connection.cut("the broker refused a message"),
                    _ => self.link = Some(link),
                }
                judged(verdict)
            }
            Err(_) => {
                let outcome = match *link.connection.state().borrow() {
                    LinkState::Blocked(_) => blocked(&link.connection),
                    _ => Outcome::retryable(
                        "amqp-unconfirmed",
                        "the broker did not confirm the message in time",
                    ),
                };
                link.connection.cut("a message was not confirmed in time");
                outcome
            }
        }
    }
}

fn judged(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Acknowledged => Outcome::Delivered,
        Verdict::Refused => {
            Outcome::retryable("amqp-refused", "the broker could not take the message (nack)")
        }
        Verdict::Returned(code, text) => Outcome::Permanent {
            code: code.to_string(),
            text: format!(
                "no queue takes the message ({text}): nothing at the broker is bound to the exchange with its routing key"
            ),
        },
        Verdict::Lost(why) => lost(&why),
    }
}

/// One message is unconfirmed at a time, so that one too large is this one.
fn lost(why: &Loss) -> Outcome {
    match why {
        Loss::TooLarge(_) => Outcome::Permanent { code: "amqp-too-large".to_owned(), text: why.to_string() },
        Loss::Forbidden => Outcome::retryable("amqp-forbidden", why),
        Loss::Other(_) => {
            Outcome::retryable("amqp-lost", format!("{why}; the broker may have the message, or not"))
        }
    }
}

fn blocked(connection: &Connection) -> Outcome {
    let address = connection.address();
    let why = match &*connection.state().borrow() {
        LinkState::Blocked(why) => why.clone(),
        LinkState::Open | LinkState::Lost(_) => String::new(),
    };
    Outcome::retryable("amqp-blocked", format!("{address} takes nothing while its alarm is in force: {why}"))
}

fn hand_over(
    settings: &AmqpSettings,
    publisher: &mut Publisher,
    delivery: &Delivery<'_>,
) -> Result<(), BrokerError> {
    let (routing_key, made) = way(settings, delivery.name);
    let fixed = settings.headers.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let headers: Vec<(String, HeaderValue)> =
        fixed.chain(made).map(|(name, text)| (name.to_owned(), HeaderValue::Text(text.to_owned()))).collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let publication = Publication {
        exchange: &settings.exchange,
        routing_key,
        id: delivery.id,
        mandatory: true,
        persistent: settings.is_persistent,
        content_type: Some(MediaType::of(&settings.media_types, delivery.payload)),
        kind: None,
        timestamp: now.ok().map(|since| since.as_secs()),
        headers: &headers,
        body: delivery.payload,
    };
    publisher.publish(&publication).map(|_| ())
}

/// The routing key and the headers of a delivery's own.
fn way<'d>(settings: &'d AmqpSettings, name: &'d str) -> (&'d str, impl Iterator<Item = (&'d str, &'d str)>) {
    let mut lines = name.split('\n');
    let first = lines.next().unwrap_or_default();
    let key = if name.is_empty() { settings.routing_key.as_str() } else { first };
    (key, lines.filter_map(|line| line.split_once(": ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::{BrokerCredentials, HEARTBEAT_DEFAULT};
    use crate::secret::SecretSource;
    use proptest::prelude::*;

    fn settings() -> AmqpSettings {
        AmqpSettings {
            broker: BrokerSettings {
                addresses: Vec::new(),
                virtual_host: "/".to_owned(),
                credentials: BrokerCredentials {
                    user: "orderly".to_owned(),
                    password: SecretSource::Environment("NONE".to_owned()),
                },
                tls: None,
                heartbeat: HEARTBEAT_DEFAULT,
                connect_timeout: Duration::from_secs(1),
                name: "test".to_owned(),
            },
            exchange: "hl7".to_owned(),
            routing_key: "adt".to_owned(),
            headers: Vec::new(),
            media_types: Vec::new(),
            is_persistent: true,
            confirm_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_delivery_without_a_name_goes_where_all_go() {
        let settings = settings();
        let (key, headers) = way(&settings, "");
        assert_eq!((key, headers.count()), ("adt", 0));
    }

    proptest! {
        #[test]
        fn a_name_gives_its_key_and_its_headers(
            key in "[^\n]{1,40}",
            headers in prop::collection::vec(("[^\n:]{1,9}", "[^\n]{0,9}"), 0..4),
        ) {
            let lines = headers.iter().map(|(name, text)| format!("\n{name}: {text}"));
            let name = format!("{key}{}", lines.collect::<String>());
            let settings = settings();
            let (found, made) = way(&settings, &name);
            let made: Vec<(String, String)> =
                made.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
            prop_assert_eq!((found, made), (key.as_str(), headers));
        }

        #[test]
        fn any_name_gives_a_key(name in "\\PC*|(?s).*") {
            let settings = settings();
            let _ = way(&settings, &name).1.count();
        }
    }
}
