//! What travels through the broker: deliveries, what became of them, and what all nodes must know.
//!
//! A message's body is one line of JSON, then bytes as they are: a payload, or a receiver's answer. What always holds: what was written is read
//! as it was; what cannot be read, or is of a later version, is an error that says so, and holds no part of it.

use std::sync::Arc;

use orderly_journal::{AttemptOutcome, AttemptRecord, DeliveryState, Outgoing};
use orderly_queue::item::{Class, Item, Lane};
use orderly_queue::outbox::Id;
use orderly_queue::shelf::Head;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version that is written, and the latest that can be read.
const VERSION: u32 = 1;

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

/// What is told to the node that accepted a delivery.
#[derive(Debug, Clone)]
pub struct Report {
    /// The destination.
    pub destination: String,
    /// Which envelope.
    pub id: Id,
    /// What became of it.
    pub news: News,
}

/// What became of an envelope.
#[derive(Debug, Clone)]
pub enum News {
    /// An attempt was made, or its time ran out. With the lanes of what was set aside.
    Result(Box<AttemptRecord>, Option<Vec<Lane>>),
    /// It comes back unsent: of these lanes, envelopes of this generation and earlier ones are held.
    Back(Vec<Lane>, u64),
}

#[derive(Serialize, Deserialize)]
struct ReportLine {
    version: u32,
    destination: String,
    delivery: u64,
    revision: u32,
    generation: u64,
    news: NewsLine,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NewsLine {
    Result {
        at_us: i64,
        since_us: Option<i64>,
        duration_us: u64,
        outcome: Option<String>,
        code: Option<String>,
        text: Option<String>,
        state: String,
        reason: Option<String>,
        next_attempt_at_us: Option<i64>,
        parked: Option<Vec<Lane>>,
    },
    Back {
        lanes: Vec<Lane>,
        held: u64,
    },
}

impl Report {
    /// As a message's body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (news, answer): (_, &[u8]) = match &self.news {
            News::Back(lanes, held) => (NewsLine::Back { lanes: lanes.clone(), held: *held }, &[]),
            News::Result(record, parked) => {
                let line = NewsLine::Result {
                    at_us: record.at_us,
                    since_us: record.since_us,
                    duration_us: record.duration_us,
                    outcome: record.outcome.map(|outcome| outcome.name().to_owned()),
                    code: record.code.clone(),
                    text: record.text.clone(),
                    state: record.state.name().to_owned(),
                    reason: record.reason.clone(),
                    next_attempt_at_us: record.next_attempt_at_us,
                    parked: parked.clone(),
                };
                (line, &record.answer)
            }
        };
        let Id { seq, revision, generation } = self.id;
        let destination = self.destination.clone();
        written(
            &ReportLine { version: VERSION, destination, delivery: seq, revision, generation, news },
            answer,
        )
    }

    /// From a message's body.
    pub fn read(body: &[u8]) -> Result<Report, Unreadable> {
        let (line, answer): (ReportLine, _) = read(body)?;
        let news = match line.news {
            NewsLine::Back { lanes, held } => News::Back(lanes, held),
            NewsLine::Result {
                at_us,
                since_us,
                duration_us,
                outcome,
                code,
                text,
                state,
                reason,
                next_attempt_at_us,
                parked,
            } => {
                let outcome = match outcome {
                    None => None,
                    Some(name) => Some(AttemptOutcome::named(&name).ok_or(Unreadable::Damaged)?),
                };
                let record = AttemptRecord {
                    delivery: line.delivery,
                    revision: line.revision,
                    since_us,
                    at_us,
                    duration_us,
                    outcome,
                    code,
                    text,
                    answer: answer.to_vec(),
                    state: DeliveryState::named(&state).ok_or(Unreadable::Damaged)?,
                    reason,
                    next_attempt_at_us,
                };
                News::Result(Box::new(record), parked)
            }
        };
        let id = Id { seq: line.delivery, revision: line.revision, generation: line.generation };
        Ok(Report { destination: line.destination, id, news })
    }
}

/// What all nodes must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// A node's envelopes for a destination, of these lanes, are held up to this generation.
    Hold {
        /// The destination.
        destination: String,
        /// The node that accepted them.
        node: Arc<str>,
        /// The lanes.
        lanes: Vec<Lane>,
        /// The generation.
        generation: u64,
    },
}

impl Control {
    /// As a message's body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        written(&ControlLine { version: VERSION, control: self.clone() }, &[])
    }

    /// From a message's body.
    pub fn read(body: &[u8]) -> Result<Control, Unreadable> {
        let (line, _): (ControlLine, _) = read(body)?;
        Ok(line.control)
    }
}

#[derive(Serialize, Deserialize)]
struct ControlLine {
    version: u32,
    control: Control,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn written(line: &impl Serialize, bytes: &[u8]) -> Vec<u8> {
    // Plain values: there is nothing in them that JSON cannot hold.
    let mut body = serde_json::to_vec(line).unwrap_or_default();
    body.push(b'\n');
    body.extend_from_slice(bytes);
    body
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<(T, &[u8]), Unreadable> {
    let end = body.iter().position(|byte| *byte == b'\n').ok_or(Unreadable::Damaged)?;
    let (line, bytes) = body.split_at_checked(end).ok_or(Unreadable::Damaged)?;
    let Version { version } = serde_json::from_slice(line).map_err(|_| Unreadable::Damaged)?;
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let line = serde_json::from_slice(line).map_err(|_| Unreadable::Damaged)?;
    Ok((line, bytes.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(payload: &[u8]) -> Envelope {
        let item = Item {
            seq: 7,
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
    fn a_report_is_read_as_it_was_written() {
        let record = AttemptRecord {
            delivery: 7,
            revision: 2,
            since_us: Some(9),
            at_us: 10,
            duration_us: 11,
            outcome: Some(AttemptOutcome::Permanent),
            code: Some("AE".to_owned()),
            text: None,
            answer: b"MSA|AE\n\r".to_vec(),
            state: DeliveryState::Parked,
            reason: Some("refused".to_owned()),
            next_attempt_at_us: None,
        };
        let id = Id { seq: 7, revision: 2, generation: 1 };
        for news in [News::Result(Box::new(record), Some(vec![1])), News::Back(vec![2], 3)] {
            let report = Report { destination: "ehr".to_owned(), id, news };
            let read = Report::read(&report.write()).expect("it can be read");
            assert_eq!(format!("{read:?}"), format!("{report:?}"));
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
