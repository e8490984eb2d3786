//! The coverage ledger: for each route, which populated places of its messages its mappings use, which they leave aside on purpose, and which
//! they forgot; and what in a feed was never seen before.
//!
//! Places are counted whatever the occurrence and the repetition. Only messages that gave at least one destination an output count: what a
//! mapping stops, fails or parks was not mapped at all. Where one destination has its output and another failed or parked it, nobody knows
//! what that one would have used: what no other wanted is left out of the count then, and is not called unmapped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orderly_ccda::Limits;
use orderly_mapping::{Facts, Input, InputField, populated};
use orderly_record::{Diagnostic, Fault};

use crate::format::Format;
use crate::journey::{Depth, Stop};
use crate::plan::Plan;
use crate::process::process_traced;

/// What the engine itself reads of every header: what the message is, how it is known and answered, how it is read.
const READ_BY_ENGINE: [&str; 7] = ["MSH-9", "MSH-10", "MSH-11", "MSH-12", "MSH-15", "MSH-16", "MSH-18"];

/// The longest code that is told; what is longer is no code but text.
const CODE_CHARACTERS_MAX: usize = 20;

/// What became of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// A rule looked at it, or the engine does.
    Mapped,
    /// It stands in the output because that began as a copy, or is one.
    Copied,
    /// A rule took it out of the copy, or wrote over it.
    Removed,
    /// The mapping declares that it leaves it aside.
    Ignored,
    /// Nobody wanted it.
    Unmapped,
}

impl Status {
    /// All, the best first.
    pub const ALL: [Status; 5] =
        [Status::Mapped, Status::Copied, Status::Removed, Status::Ignored, Status::Unmapped];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Mapped => "mapped",
            Status::Copied => "copied",
            Status::Removed => "removed",
            Status::Ignored => "ignored",
            Status::Unmapped => "unmapped",
        }
    }
}

/// The ledger of all routes.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By route.
    pub routes: BTreeMap<Arc<str>, RouteLedger>,
}

/// The ledger of a route.
#[derive(Debug, Default)]
pub struct RouteLedger {
    /// How many of its messages were counted.
    pub messages: usize,
    /// By place, whatever the occurrence.
    pub places: BTreeMap<String, PlaceCounts>,
}

/// What became of a place in all messages.
#[derive(Debug, Default)]
pub struct PlaceCounts {
    /// What the standard calls it.
    pub name: Option<&'static str>,
    /// How often it was what.
    pub counts: BTreeMap<Status, usize>,
    /// The first message in which it was what.
    pub first: BTreeMap<Status, String>,
    /// Why it is left aside.
    pub reason: Option<String>,
}

impl PlaceCounts {
    /// How often it had this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.counts.get(&status).copied().unwrap_or(0)
    }
}

impl Ledger {
    /// Counts a message that people know as `name`: its id, or its file. Whether it could be read.
    pub fn add(&mut self, plan: &Plan, facts: &Facts<'_>, bytes: &[u8], name: &str) -> bool {
        let (processed, journey) = process_traced(plan, facts, bytes, Depth::Lineage);
        for met in journey.routes.iter().filter(|met| met.takes) {
            let given: Vec<&Stop> =
                met.stops.iter().filter(|stop| stop.wanted && stop.ended.is_none()).collect();
            if given.is_empty() {
                continue;
            }
            let ledger = self.routes.entry(met.route.clone()).or_default();
            ledger.messages += 1;
            ledger.count(&given, !met.stops.iter().any(is_open), name);
        }
        processed.fate != crate::process::Fate::Quarantined
    }
}

impl RouteLedger {
    /// Each place has the best status that any of the destinations gives it. `are_all`: whether there is none whose use of it is open.
    fn count(&mut self, given: &[&Stop], are_all: bool, name: &str) {
        let is_copied_whole = given.iter().any(|stop| stop.mapping.is_none());
        let lineages: Vec<_> = given.iter().filter_map(|stop| stop.lineage.as_ref()).collect();
        let Some(first) = lineages.first() else { return };
        for (index, input) in first.inputs.iter().enumerate() {
            let of_all = lineages.iter().filter_map(|lineage| lineage.inputs.get(index));
            let best = of_all.map(status_of).min().unwrap_or(Status::Unmapped);
            let best = if is_copied_whole { best.min(Status::Copied) } else { best };
            let mut ignoring = given.iter().filter_map(|stop| stop.mapping.as_ref()?.ignores(&input.general));
            let reason = ignoring.next();
            let status = if best == Status::Unmapped && reason.is_some() { Status::Ignored } else { best };
            if status == Status::Unmapped && !are_all {
                continue;
            }
            let place = self.places.entry(input.general.clone()).or_default();
            place.name = place.name.or(input.place.name);
            place.reason = place.reason.take().or(reason.map(str::to_owned));
            *place.counts.entry(status).or_default() += 1;
            place.first.entry(status).or_insert_with(|| name.to_owned());
        }
    }

    /// How many places were at least once this.
    #[must_use]
    pub fn places_with(&self, status: Status) -> usize {
        self.places.values().filter(|place| place.count(status) > 0).count()
    }
}

/// Whether a destination is to have an output that it does not have yet.
fn is_open(stop: &Stop) -> bool {
    stop.wanted && stop.ended.as_ref().is_some_and(|ended| ended.fate != "filtered")
}

fn status_of(input: &InputField) -> Status {
    let is_engines = READ_BY_ENGINE.iter().any(|field| {
        input.general.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    match input {
        _ if is_engines => Status::Mapped,
        input if !input.to.is_empty() || !input.rules.is_empty() => Status::Mapped,
        input if input.copied => Status::Copied,
        input if input.removed => Status::Removed,
        _ => Status::Unmapped,
    }
}

/// What feeds were seen to have, by source.
#[derive(Debug, Default)]
pub struct Feeds {
    seen: BTreeMap<String, BTreeSet<String>>,
}

impl Feeds {
    /// Takes in a message, and tells what of it this source never sent before: segments, fields, codes of tables. The first message of
    /// a source tells nothing new, all of it is. `name` is what people know the message by.
    pub fn add(&mut self, plan: &Plan, facts: &Facts<'_>, bytes: &[u8], name: &str) -> Vec<Diagnostic> {
        let Some(found) = places(plan, facts, bytes) else { return Vec::new() };
        let is_first = !self.seen.contains_key(facts.source);
        let seen = self.seen.entry(facts.source.to_owned()).or_default();
        let segments = found.iter().filter_map(|(path, _)| segment(path));
        let new_segments: BTreeSet<String> =
            segments.filter(|segment| !seen.contains(*segment)).map(str::to_owned).collect();
        let mut told = Vec::new();
        let mut tell = |kind, what: String| {
            let message = format!("{what} in what {} sends: message {name}", facts.source);
            told.push(Diagnostic::warning(kind, Fault::Sender, message));
        };
        for segment in &new_segments {
            seen.insert(segment.clone());
            tell("feed-new-segment", format!("{segment} is new"));
        }
        for (path, code) in found {
            let code = code.filter(|code| is_code(code));
            let is_new_place = seen.insert(path.clone());
            let is_new_code = code.as_ref().is_some_and(|code| seen.insert(format!("{path}={code}")));
            // A whole new segment is told once, and not with each of its fields.
            let is_told = segment(&path).is_some_and(|segment| new_segments.contains(segment));
            match (is_told, is_new_place, is_new_code, code) {
                (false, true, ..) => tell("feed-new-field", format!("{path} is new")),
                (false, false, true, Some(code)) => {
                    tell("feed-new-code", format!("{path} has the new code {code}"));
                }
                _ => {}
            }
        }
        if is_first { Vec::new() } else { told }
    }
}

/// The segment of a path into a message.
fn segment(path: &str) -> Option<&str> {
    path.split_once('-').map(|(segment, _)| segment)
}

/// Whether a text looks like a code: anything else might tell of a patient.
fn is_code(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    text.chars().count() <= CODE_CHARACTERS_MAX && text.chars().all(is_part)
}

/// The populated places of a message, and the codes of tables in them; nothing when it cannot be read.
fn places(plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Option<Vec<(String, Option<String>)>> {
    let reading = plan.source(facts.source).map(|source| source.reading.clone()).unwrap_or_default();
    match Format::of(bytes) {
        Format::Hl7v2 => {
            let message = orderly_hl7v2::parse(bytes, &reading).ok()?;
            Some(populated(&Input::of_message(facts, &message)))
        }
        Format::Ccda => {
            let document = orderly_ccda::parse(bytes, &Limits::default()).ok()?;
            let record = orderly_ccda::normalize(&document);
            Some(populated(&Input::of_document(facts, &document, &record)))
        }
    }
}
