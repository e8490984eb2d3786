//! What became of each sample, and whether that is what was written down for it.

use std::collections::{BTreeMap, BTreeSet};

use orderly_journal::StoredMessage;
use serde::Serialize;

use super::network::{Expected, Outcome, Sample};
use crate::output::print_json;

/// All samples, and the totals.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(super) all_as_expected: bool,
    pub(super) messages: usize,
    pub(super) deliveries: BTreeMap<String, usize>,
    pub(super) samples: Vec<Played>,
}

/// One sample: a message that was sent, or a file that was dropped.
#[derive(Serialize)]
pub(crate) struct Played {
    pub(super) sample: String,
    pub(super) shows: String,
    pub(super) source: String,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    pub(super) messages: Vec<Line>,
    pub(super) as_expected: bool,
    /// What was written down, where something else came of it than messages with other fates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<String>,
}

/// One message.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(super) id: u64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) event: String,
    pub(super) control_id: String,
    pub(super) routes: Vec<String>,
    pub(super) fate: String,
    pub(super) deliveries: BTreeMap<String, String>,
    pub(super) as_expected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<String>,
}

impl Played {
    /// Compares what its sender saw and what became of its messages with what was written down.
    pub(crate) fn new(sample: &Sample, outcome: Outcome, stored: &[StoredMessage]) -> Played {
        let as_written = outcome == sample.outcome && stored.len() == sample.messages.len();
        let expected = (!as_written)
            .then(|| format!("{}, messages in it: {}", sample.outcome.name(), sample.messages.len()));
        // What comes beyond what was written down has nothing to be compared with, and is shown all the same.
        let written = sample.messages.iter().map(Some).chain(std::iter::repeat(None));
        let messages: Vec<Line> =
            stored.iter().zip(written).map(|(stored, expected)| Line::new(expected, stored)).collect();
        Played {
            sample: sample.file.clone(),
            shows: sample.shows.clone(),
            source: sample.source.clone(),
            outcome,
            as_expected: as_written && messages.iter().all(|line| line.as_expected),
            messages,
            expected,
        }
    }
}

impl Line {
    fn new(expected: Option<&Expected>, stored: &StoredMessage) -> Line {
        let deliveries = states(stored);
        let fate = stored.fate.name().to_owned();
        let is_as_written = |expected: &Expected| {
            expected.control_id.as_ref().is_none_or(|id| *id == stored.control_id)
                && fate == expected.fate
                && deliveries == expected.deliveries
        };
        let as_expected = expected.is_some_and(is_as_written);
        let routes: BTreeSet<String> =
            stored.deliveries.iter().map(|delivery| delivery.route.to_string()).collect();
        Line {
            id: stored.id,
            kind: stored.message_type.clone(),
            event: stored.event.clone(),
            control_id: stored.control_id.clone(),
            routes: routes.into_iter().collect(),
            fate,
            deliveries,
            as_expected,
            expected: expected.filter(|_| !as_expected).map(in_words),
        }
    }
}

fn in_words(expected: &Expected) -> String {
    let deliveries = expected.deliveries.iter().map(|(destination, state)| format!("{destination} {state}"));
    let id = expected.control_id.iter().map(|id| format!("control id {id}"));
    id.chain([expected.fate.clone()]).chain(deliveries).collect::<Vec<_>>().join(", ")
}

/// The states of a message's deliveries by destination; several routes to one destination are joined.
fn states(stored: &StoredMessage) -> BTreeMap<String, String> {
    let mut states: BTreeMap<String, String> = BTreeMap::new();
    for delivery in &stored.deliveries {
        let state = states.entry(delivery.destination.clone()).or_default();
        if !state.is_empty() {
            state.push('+');
        }
        state.push_str(delivery.state.name());
    }
    states
}

impl Report {
    /// Samples and their totals.
    pub(crate) fn new(samples: Vec<Played>) -> Report {
        let lines = || samples.iter().flat_map(|played| &played.messages);
        let mut deliveries: BTreeMap<String, usize> = BTreeMap::new();
        for state in lines().flat_map(|line| line.deliveries.values()) {
            *deliveries.entry(state.clone()).or_default() += 1;
        }
        Report {
            all_as_expected: samples.iter().all(|played| played.as_expected),
            messages: lines().count(),
            deliveries,
            samples,
        }
    }

    /// Whether every sample met the fate written down for it.
    pub(crate) fn all_as_expected(&self) -> bool {
        self.all_as_expected
    }

    /// For programs.
    pub(crate) fn print_json(&self) {
        print_json(self);
    }
}
