//! Whether a destination has meanwhile received something newer than what is to be sent to it again.
//!
//! A newer message of the same patient may have changed what an older one would now change back: a person should know before.

use std::collections::HashMap;

use orderly_journal::{DeliveryState, KeyKind, KeyMatch, Match, Query, Reader};
use serde::Serialize;

use crate::failure::Failure;

/// What a destination has received since a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Since {
    /// Nothing.
    Nothing,
    /// Messages of other patients.
    Others,
    /// A message of the same patient.
    SamePatient,
}

/// Asks the journal, and remembers what is the same for many messages.
pub(crate) struct Newer {
    reader: Reader,
    latest: HashMap<String, u64>,
}

impl Newer {
    pub(crate) fn of(reader: Reader) -> Newer {
        Newer { reader, latest: HashMap::new() }
    }

    /// What the destination has received of messages that came in after this one.
    pub(crate) fn since(&mut self, id: u64, destination: &str) -> Result<Since, Failure> {
        let latest = match self.latest.get(destination) {
            Some(latest) => *latest,
            None => {
                let latest = self.latest(destination, Vec::new())?;
                self.latest.insert(destination.to_owned(), latest);
                latest
            }
        };
        let found = self.reader.keys_of(id, KeyKind::PatientId).map_err(Failure::new)?;
        let Some((seq, patient)) = found.filter(|(seq, _)| *seq < latest) else { return Ok(Since::Nothing) };
        for value in patient {
            let key = KeyMatch { kind: KeyKind::PatientId, value, match_: Match::Exact };
            if self.latest(destination, vec![key])? > seq {
                return Ok(Since::SamePatient);
            }
        }
        Ok(Since::Others)
    }

    /// The place of the latest message that was delivered there; 0 when none was.
    fn latest(&self, destination: &str, keys: Vec<KeyMatch>) -> Result<u64, Failure> {
        let query = Query {
            keys,
            state: Some(DeliveryState::Delivered),
            destination: Some(destination.to_owned()),
            limit: 1,
            ..Query::default()
        };
        let found = self.reader.search(&query).map_err(Failure::new)?;
        Ok(found.first().map_or(0, |summary| summary.seq))
    }
}
