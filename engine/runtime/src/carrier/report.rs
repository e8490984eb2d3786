//! What the node that accepted a message is told by the one that delivers it.

use std::sync::Arc;

use orderly_journal::{AttemptOutcome, AttemptRecord, DeliveryState};
use orderly_queue::item::Lane;
use orderly_queue::outbox::Id;
use serde::{Deserialize, Serialize};

use super::envelope::{Unreadable, VERSION, read, written};

/// What is told to the node that accepted a delivery.
#[derive(Debug, Clone)]
pub struct Report {
    /// The node, and its journal, that it is told to.
    pub node: Arc<str>,
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
    node: Arc<str>,
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
        let (node, destination) = (self.node.clone(), self.destination.clone());
        written(
            &ReportLine { version: VERSION, node, destination, delivery: seq, revision, generation, news },
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
        Ok(Report { node: line.node, destination: line.destination, id, news })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let report = Report { node: "north".into(), destination: "ehr".to_owned(), id, news };
            let read = Report::read(&report.write()).expect("it can be read");
            assert_eq!(format!("{read:?}"), format!("{report:?}"));
        }
    }
}
