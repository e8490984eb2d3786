//! Sources and destinations at a broker that speaks AMQP 0-9-1.

use std::time::Duration;

use orderly_mapping::{Input, Template};
use orderly_record::{Diagnostic, Fault};

use super::{Secret, TlsEndpoint, UrlPart};

/// How a broker is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerAccess {
    /// Its addresses, `host:port` each, in the order in which they are tried.
    pub addresses: Vec<String>,
    /// The virtual host.
    pub virtual_host: String,
    /// Who we are there.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The longest silence; the transport's default when nothing is said, as for what follows.
    pub heartbeat: Option<Duration>,
    /// How long connecting may take.
    pub connect_timeout: Option<Duration>,
    /// TLS; plain AMQP when nothing is said.
    pub tls: Option<TlsEndpoint>,
}

/// `amqp:` of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct AmqpSource {
    /// Where the queue is.
    pub broker: BrokerAccess,
    /// The queue's name. It is there already: whoever fills it has declared it.
    pub queue: String,
    /// How many messages are handed out before the first is acknowledged; the transport's default when nothing is said, as for what follows.
    pub prefetch: Option<u16>,
    /// The largest message taken in, in bytes.
    pub message_bytes_max: Option<usize>,
    /// Whether what cannot be read is, beside being kept in quarantine, rejected to the queue's dead letters.
    pub rejects_unreadable: bool,
}

/// `amqp:` of a destination.
#[derive(Debug)]
pub struct AmqpEndpoint {
    /// Where the exchange is.
    pub broker: BrokerAccess,
    /// The exchange; the empty name leads to the queue that the routing key names.
    pub exchange: String,
    /// The routing key's parts.
    pub routing_key: Vec<UrlPart>,
    /// What stands in the head of each message.
    pub headers: Vec<(String, HeaderText)>,
    /// What payloads are; by what they begin with, when nothing is said.
    pub content_type: Option<String>,
    /// Whether messages outlive the broker's restart.
    pub persistent: bool,
    /// How long the broker's confirm may take; the transport's default when nothing is said.
    pub confirm_timeout: Option<Duration>,
}

/// The text of a header.
#[derive(Debug)]
pub enum HeaderText {
    /// The same for all messages.
    Fixed(String),
    /// Made of the message.
    Made(Template),
}

/// The longest routing key of AMQP, in bytes.
pub(crate) const ROUTING_KEY_BYTES_MAX: usize = 255;

/// The longest headers that are made of a message, in bytes together: AMQP has all of a message's headers in one frame, and brokers take
/// frames of 128 KiB.
const HEADERS_BYTES_MAX: usize = 64 << 10;

impl AmqpEndpoint {
    /// The routing key without anything of a message.
    #[must_use]
    pub fn fixed_routing_key(&self) -> String {
        let fixed = self.routing_key.iter().map(|part| match part {
            UrlPart::Text(text) => text.as_str(),
            UrlPart::Value(_) => "",
        });
        fixed.collect()
    }

    /// The headers that are the same for all messages.
    pub fn fixed_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|(name, text)| match text {
            HeaderText::Fixed(text) => Some((name.as_str(), text.as_str())),
            HeaderText::Made(_) => None,
        })
    }

    /// What of the way is made of a message: the routing key, and below it each such header as `name: text` in a line of its own; nothing
    /// when all of it is the same for all.
    pub(crate) fn target(&self, input: &Input<'_>) -> Result<Option<String>, Diagnostic> {
        let has_values = self.routing_key.iter().any(|part| matches!(part, UrlPart::Value(_)));
        let made = self.headers.iter().filter_map(|(name, text)| match text {
            HeaderText::Made(template) => Some((name, template)),
            HeaderText::Fixed(_) => None,
        });
        let mut lines = String::new();
        for (name, template) in made {
            let text = template.text(input)?.replace(char::is_control, " ");
            lines.push_str(&format!("\n{name}: {text}"));
        }
        if lines.len() > HEADERS_BYTES_MAX {
            let message = format!(
                "the headers of this message have {} bytes, and {HEADERS_BYTES_MAX} go with a message",
                lines.len()
            );
            return Err(Diagnostic::error("amqp-headers", Fault::Sender, message)
                .with_help("make them of shorter values, or of the beginning of one: `| truncate(200)`"));
        }
        if !has_values && lines.is_empty() {
            return Ok(None);
        }
        let mut target = String::new();
        for part in &self.routing_key {
            match part {
                UrlPart::Text(text) => target.push_str(text),
                UrlPart::Value(value) => target.push_str(&word(&value.text(input)?)),
            }
        }
        if target.len() > ROUTING_KEY_BYTES_MAX {
            let message =
                format!("the routing key of this message has {} bytes, and AMQP allows 255", target.len());
            return Err(Diagnostic::error("amqp-routing-key", Fault::Sender, message)
                .with_help("make it of shorter values, or of the beginning of one"));
        }
        target.push_str(&lines);
        Ok(Some(target))
    }
}

/// A value as a part of a routing key: it cannot change how many words the key has, and bindings with patterns still mean what they say.
fn word(value: &str) -> String {
    value.replace(|letter: char| letter == '.' || letter.is_control(), "_")
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_value_is_never_more_than_a_part_of_a_word() {
        for (value, is) in
            [("A01", "A01"), ("St. Mary", "St_ Mary"), ("a\r\nb", "a__b"), ("", ""), ("Zoë#*", "Zoë#*")]
        {
            assert_eq!(word(value), is);
        }
    }
}
