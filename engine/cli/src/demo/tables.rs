//! The demo's tables, for people: one that fits a screen, with a line for each kind of message, and one with a line for each message.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::ColumnConstraint;

use super::report::{Line, Played, Report};
use crate::output::table;

/// How long a line of several counts may be, in characters, so that all destinations fit beside each other.
const CELL_MAX: usize = "13 filtered".len();

/// How often each word stands in a cell, in the order in which the words first came.
#[derive(Default)]
struct Counts(Vec<(String, usize)>);

impl Counts {
    fn add(&mut self, word: &str) {
        match self.0.iter_mut().find(|(known, _)| known == word) {
            Some((_, count)) => *count += 1,
            None => self.0.push((word.to_owned(), 1)),
        }
    }

    /// `9, 1 parked`: the number alone is of the word that needs no saying. What is longer than a cell goes on below.
    fn shown(&self, unsaid: &str) -> String {
        let said = |(word, count): &(String, usize)| match word == unsaid {
            true => count.to_string(),
            false => format!("{count} {word}"),
        };
        // What is usual comes first.
        let (usual, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|(word, _)| word == unsaid);
        let mut lines: Vec<String> = Vec::new();
        for count in usual.into_iter().chain(others).map(said) {
            match lines.last_mut() {
                Some(line) if line.len() + ", ".len() + count.len() <= CELL_MAX => {
                    *line += ", ";
                    *line += &count;
                }
                _ => lines.push(count),
            }
        }
        lines.join("\n")
    }
}

/// All messages of one type from one source.
#[derive(Default)]
struct Group {
    answers: Counts,
    fates: Counts,
    deliveries: BTreeMap<String, Counts>,
}

impl Report {
    /// A line for each source and type of message, which fits a screen, then what is not as written down, then the totals.
    pub(crate) fn summary(&self) -> String {
        let destinations = self.destinations();
        let mut heading = vec!["source", "type", "answer or file", "fate"];
        heading.extend(destinations.iter().map(|name| short(name, &destinations)));
        let mut table = table(heading);
        for ((source, kind), group) in self.groups() {
            let mut row = vec![source.to_owned(), kind.to_owned(), group.answers.shown("")];
            row.push(group.fates.shown("routed"));
            let counts = |name: &&str| group.deliveries.get(*name).map(|counts| counts.shown("delivered"));
            row.extend(destinations.iter().map(|name| counts(name).unwrap_or_default()));
            table.add_row(row);
        }
        // The names of sources stay whole on a narrow screen.
        if let Some(sources) = table.column_mut(0) {
            sources.set_constraint(ColumnConstraint::ContentWidth);
        }
        let legend = "Under a destination a number alone counts deliveries that it has, under the fate messages that were routed.";
        format!("{}\n\n{legend}\n{}{}", table.trim_fmt(), self.complaints(), self.totals())
    }

    /// A line for each message, and for each file that none came of.
    pub(crate) fn each(&self) -> String {
        let destinations = self.destinations();
        let mut heading = vec!["sample", "source", "type", "control id", "answer or file", "fate"];
        heading.extend(destinations.iter().map(|name| short(name, &destinations)));
        let mut table = table(heading);
        for played in &self.samples {
            let own = [played.sample.as_str(), played.source.as_str()].map(str::to_owned);
            let outcome = played.outcome.name().to_owned();
            for line in &played.messages {
                let message = [kind(line), line.control_id.clone(), outcome.clone(), line.fate.clone()];
                let states =
                    destinations.iter().map(|name| line.deliveries.get(*name).cloned().unwrap_or_default());
                table.add_row(own.iter().cloned().chain(message).chain(states));
            }
            if played.messages.is_empty() {
                table.add_row(own.into_iter().chain([String::new(), String::new(), outcome]));
            }
        }
        format!("{}\n\n{}{}", table.trim_fmt(), self.complaints(), self.totals())
    }

    fn destinations(&self) -> BTreeSet<&str> {
        let lines = self.samples.iter().flat_map(|played| &played.messages);
        lines.flat_map(|line| line.deliveries.keys()).map(String::as_str).collect()
    }

    /// By source and type, in the order of sending.
    fn groups(&self) -> Vec<((&str, &str), Group)> {
        let mut groups: Vec<((&str, &str), Group)> = Vec::new();
        for played in &self.samples {
            for line in played.messages.iter().map(Some).chain(played.messages.is_empty().then_some(None)) {
                let key = (played.source.as_str(), line.map_or("", |line| line.kind.as_str()));
                let index = groups.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                    groups.push((key, Group::default()));
                    groups.len() - 1
                });
                if let Some((_, group)) = groups.get_mut(index) {
                    group.add(played, line);
                }
            }
        }
        groups
    }

    fn complaints(&self) -> String {
        let mut text = String::new();
        for played in self.samples.iter().filter(|played| !played.as_expected) {
            if let Some(expected) = &played.expected {
                let found = format!("{}, messages in it: {}", played.outcome.name(), played.messages.len());
                text.push_str(&format!("NOT AS WRITTEN: {}: {found}; written: {expected}\n", played.sample));
            }
            for line in played.messages.iter().filter(|line| !line.as_expected) {
                let written = line.expected.as_deref().unwrap_or("no such message");
                let states: Vec<String> =
                    line.deliveries.iter().map(|(name, state)| format!("{name} {state}")).collect();
                let found = format!("{} {}, {}", line.control_id, line.fate, states.join(", "));
                text.push_str(&format!("NOT AS WRITTEN: {}: {found}; written: {written}\n", played.sample));
            }
        }
        text
    }

    fn totals(&self) -> String {
        let states: Vec<String> =
            self.deliveries.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let wrong = self.samples.iter().filter(|played| !played.as_expected).count();
        let verdict = match wrong {
            0 => "every message met the fate written down for it".to_owned(),
            _ => format!("{wrong} samples did not meet the fate written down for them"),
        };
        let deliveries: usize = self.deliveries.values().sum();
        format!(
            "{} samples, {} messages, {deliveries} deliveries ({}): {verdict}",
            self.samples.len(),
            self.messages,
            states.join(", ")
        )
    }
}

impl Group {
    fn add(&mut self, played: &Played, line: Option<&Line>) {
        self.answers.add(played.outcome.name());
        let Some(line) = line else { return };
        self.fates.add(&line.fate);
        for (destination, state) in &line.deliveries {
            self.deliveries.entry(destination.clone()).or_default().add(state);
        }
    }
}

/// `ADT^A01`, or what there is of it.
fn kind(line: &Line) -> String {
    let parts = [line.kind.as_str(), line.event.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("^")
}

/// The last word of a name, unless another one ends in the same: `hospital-ehr` is `ehr` in a heading.
fn short<'n>(name: &'n str, all: &BTreeSet<&str>) -> &'n str {
    let last = |name: &'n str| name.rsplit_once('-').map_or(name, |(_, last)| last);
    let alike = all.iter().filter(|other| other.rsplit('-').next() == name.rsplit('-').next()).count();
    if alike == 1 { last(name) } else { name }
}
