//! The demo's table: what became of each sample, and whether that is what was written down for it.

use std::collections::{BTreeMap, BTreeSet};

use orderly_journal::StoredMessage;
use serde::Serialize;

use super::network::{Expected, Outcome, Sample};
use super::stage::states;
use crate::output::{print_json, table};

/// All lines, and the totals.
#[derive(Serialize)]
pub(crate) struct Report {
    all_as_expected: bool,
    messages: usize,
    deliveries: BTreeMap<String, usize>,
    samples: Vec<Line>,
}

/// One sample.
#[derive(Serialize)]
pub(crate) struct Line {
    id: u64,
    sample: String,
    shows: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    control_id: String,
    routes: Vec<String>,
    answer: String,
    fate: String,
    deliveries: BTreeMap<String, String>,
    as_expected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
}

impl Line {
    /// Compares what became of a message of a sample with what was expected.
    pub(crate) fn new(
        sample: &Sample,
        expected: &Expected,
        outcome: &Outcome,
        stored: &StoredMessage,
    ) -> Line {
        let deliveries = states(stored);
        let fate = stored.fate.name().to_owned();
        let is_it = expected.control_id.as_ref().is_none_or(|id| *id == stored.control_id);
        let as_expected =
            *outcome == sample.outcome && is_it && fate == expected.fate && deliveries == expected.deliveries;
        let routes: BTreeSet<String> =
            stored.deliveries.iter().map(|delivery| delivery.route.to_string()).collect();
        Line {
            id: stored.id,
            sample: sample.file.clone(),
            shows: sample.shows.clone(),
            source: stored.source.to_string(),
            kind: kind(&stored.message_type, &stored.event),
            control_id: stored.control_id.clone(),
            routes: routes.into_iter().collect(),
            answer: outcome.name().to_owned(),
            fate,
            deliveries,
            as_expected,
            expected: (!as_expected).then(|| expectation(sample, expected)),
        }
    }
}

fn expectation(sample: &Sample, expected: &Expected) -> String {
    let deliveries: Vec<String> =
        expected.deliveries.iter().map(|(destination, state)| format!("{destination} {state}")).collect();
    format!("{}, {}, {}", sample.outcome.name(), expected.fate, deliveries.join(", "))
}

/// `ADT^A01`, or what there is of it.
fn kind(message_type: &str, event: &str) -> String {
    if event.is_empty() { message_type.to_owned() } else { format!("{message_type}^{event}") }
}

impl Report {
    /// Lines and their totals.
    pub(crate) fn new(samples: Vec<Line>) -> Report {
        let mut deliveries: BTreeMap<String, usize> = BTreeMap::new();
        for state in samples.iter().flat_map(|line| line.deliveries.values()) {
            *deliveries.entry(state.clone()).or_default() += 1;
        }
        Report {
            all_as_expected: samples.iter().all(|line| line.as_expected),
            messages: samples.len(),
            deliveries,
            samples,
        }
    }

    /// Whether every message met the fate written down for it.
    pub(crate) fn all_as_expected(&self) -> bool {
        self.all_as_expected
    }

    /// For programs.
    pub(crate) fn print_json(&self) {
        print_json(self);
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let destinations: BTreeSet<&String> =
            self.samples.iter().flat_map(|line| line.deliveries.keys()).collect();
        let mut heading = vec!["source", "type", "control id", "routes", "answer", "fate"];
        heading.extend(destinations.iter().map(|destination| destination.as_str()));
        heading.push("");
        let mut table = table(heading);
        for line in &self.samples {
            let mut row = vec![
                line.source.clone(),
                line.kind.clone(),
                line.control_id.clone(),
                line.routes.join(", "),
                line.answer.clone(),
                line.fate.clone(),
            ];
            let state =
                |destination: &&String| line.deliveries.get(*destination).cloned().unwrap_or("-".to_owned());
            row.extend(destinations.iter().map(state));
            row.push(
                line.expected
                    .as_ref()
                    .map_or("ok".to_owned(), |expected| format!("NOT AS EXPECTED: {expected}")),
            );
            table.add_row(row);
        }
        format!("{}\n\n{}", table.trim_fmt(), self.totals())
    }

    fn totals(&self) -> String {
        let states: Vec<String> =
            self.deliveries.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let wrong = self.samples.iter().filter(|line| !line.as_expected).count();
        let verdict = match wrong {
            0 => "every message met the fate written down for it".to_owned(),
            _ => format!("{wrong} did not meet the fate written down for it"),
        };
        let deliveries: usize = self.deliveries.values().sum();
        format!("{} messages, {deliveries} deliveries ({}): {verdict}", self.messages, states.join(", "))
    }
}
