//! A delivery on its way through the broker, and how all that travels there is written.
//!
//! A message's body is one line of JSON, then bytes as they are: a payload, or a receiver's answer. What always holds: what was written is read
//! as it was; what cannot be read, or is of a later version, is an error that says so, and holds no part of it.

use std::sync::Arc;

use orderly_journal::Outgoing;
use orderly_queue::item::{Class, Item, Lane};
use orderly_queue::shelf::Head;
use orderly_transport::amqp::Publication;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version that is written, and the latest that can be read.
pub(super) const VERSION: u32 = 1;

/// What a delivery says that it is, as a media type.
pub(super) const ENVELOPE: &str = "application/vnd.orderly.envelope";
/// What tells of deliveries.
pub(super) const REPORT: &str = "application/vnd.orderly.report";
/// What whoever delivers must know.
pub(super) const CONTROL: &str = "application/vnd.orderly.control";

/// Why a message could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not of ours, or damaged.
    #[error("it is not a message of an Orderly node, or it is damaged")]
    Damaged,
    /// It is of a newer program.
    #[error("it is of version {0}, and this program reads {VERSION}; upgrade this node")]
    Newer(u32),
}

/// A delivery on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Who sends it, and its place in the order.
    pub head: Head,
    /// Its message, in the journal of the node that accepted it.
    pub message_id: u64,
    /// The route that made it.
    pub route: Arc<str>,
    /// The payload's own id.
    pub control_id: Option<String>,
    /// Where at the destination it goes.
    pub target: Option<String>,
    /// What is to be sent.
    pub payload: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeLine {
    version: u32,
    node: Arc<str>,
    delivery: u64,
    revision: u32,
    generation: u64,
    class: u8,
    lanes: Arc<[Lane]>,
    attempts: u32,
    not_before_us: Option<i64>,
    since_us: Option<i64>,
    failing_since_us: Option<i64>,
    message: u64,
    route: Arc<str>,
    control_id: Option<String>,
    target: Option<String>,
}

impl Envelope {
    /// Of a delivery of this node, with what the journal has to be sent.
    #[must_use]
    pub fn new(node: &Arc<str>, item: Item, generation: u64, outgoing: Outgoing) -> Envelope {
        let Outgoing { message_id, route, control_id, target, payload, .. } = outgoing;
        let head = Head { node: node.clone(), generation, item };
        Envelope { head, message_id, route, control_id, target, payload }
    }

    /// As a message's body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Head { node, generation, item } = &self.head;
        let line = EnvelopeLine {
            version: VERSION,
            node: node.clone(),
            delivery: item.seq,
            revision: item.revision,
            generation: *generation,
            class: item.class.number(),
            lanes: item.lanes.clone(),
            attempts: item.attempts,
            not_before_us: item.not_before,
            since_us: item.since,
            failing_since_us: item.failing_since,
            message: self.message_id,
            route: self.route.clone(),
            control_id: self.control_id.clone(),
            target: self.target.clone(),
        };
        written(&line, &self.payload)
    }

    /// From a message's body.
    pub fn read(body: &[u8]) -> Result<Envelope, Unreadable> {
        let (line, payload): (EnvelopeLine, _) = read(body)?;
        let item = Item {
            seq: line.delivery,
            message: line.message,
            class: Class::numbered(line.class),
            revision: line.revision,
            lanes: line.lanes,
            attempts: line.attempts,
            not_before: line.not_before_us,
            since: line.since_us,
            failing_since: line.failing_since_us,
            parked: false,
        };
        Ok(Envelope {
            head: Head { node: line.node, generation: line.generation, item },
            message_id: line.message,
            route: line.route,
            control_id: line.control_id,
            target: line.target,
            payload: payload.to_vec(),
        })
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

pub(super) fn written(line: &impl Serialize, bytes: &[u8]) -> Vec<u8> {
    // Plain values: there is nothing in them that JSON cannot hold.
    let mut body = serde_json::to_vec(line).unwrap_or_default();
    body.push(b'\n');
    body.extend_from_slice(bytes);
    body
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<(T, &[u8]), Unreadable> {
    let end = body.iter().position(|byte| *byte == b'\n').ok_or(Unreadable::Damaged)?;
    let (line, bytes) = body.split_at_checked(end).ok_or(Unreadable::Damaged)?;
    let Version { version } = serde_json::from_slice(line).map_err(|_| Unreadable::Damaged)?;
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let line = serde_json::from_slice(line).map_err(|_| Unreadable::Damaged)?;
    Ok((line, bytes.get(1..).unwrap_or_default()))
}

/// How all of it is published: kept on disk, and told of when no queue takes it.
pub(super) fn publication<'p>(
    exchange: &'p str,
    routing_key: &'p str,
    id: &'p str,
    content_type: &'p str,
    body: &'p [u8],
) -> Publication<'p> {
    Publication {
        exchange,
        routing_key,
        id,
        mandatory: true,
        persistent: true,
        content_type: Some(content_type),
        kind: None,
        timestamp: None,
        headers: &[],
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(payload: &[u8]) -> Envelope {
        let item = Item {
            seq: 7,
            message: 9,
            class: Class::Stat,
            revision: 2,
            lanes: Arc::from([3, u64::MAX]),
            attempts: 1,
            not_before: Some(5),
            since: Some(-1),
            failing_since: None,
            parked: false,
        };
        Envelope {
            head: Head { node: "north".into(), generation: u64::MAX, item },
            message_id: 9,
            route: "relay".into(),
            control_id: Some("A\n1".to_owned()),
            target: None,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        for payload in [&b""[..], b"\n", b"MSH|\r\n\xff\x00"] {
            let envelope = envelope(payload);
            assert_eq!(Envelope::read(&envelope.write()), Ok(envelope));
        }
    }

    #[test]
    fn what_is_not_of_ours_or_newer_is_said_to_be() {
        let newer = b"{\"version\":2,\"node\":5}\nx";
        assert_eq!(Envelope::read(newer), Err(Unreadable::Newer(2)));
        for other in [&b""[..], b"\n", b"MSH|^~\\&|A\r", b"{\"version\":1}\n", b"{\"version\":1}"] {
            assert_eq!(Envelope::read(other), Err(Unreadable::Damaged), "{}", other.escape_ascii());
        }
    }
}
