//! The way of one message, written down for people who ask why: which routes it met, which destinations, and what each rule of their
//! mappings did. It holds patient data and is never logged.

use std::sync::Arc;

use orderly_ccda::Limits;
use orderly_hl7v2::Settings;
use orderly_mapping::{Facts, Input, Lineage, Mapping, Outcome, Question, Trace};
use orderly_record::{Diagnostic, Place};

use crate::format::Format;
use crate::plan::{Destination, Route, Target};

/// How much of a journey is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Routes, destinations and rules.
    Rules,
    /// Also where each place of the outputs came from, and where each of the input went.
    Lineage,
}

/// Where a message came by, in the order of the plan.
#[derive(Debug)]
pub struct Journey {
    /// The routes of its source.
    pub routes: Vec<Met>,
    depth: Depth,
}

/// A route that a message met.
#[derive(Debug)]
pub struct Met {
    /// Its name.
    pub route: Arc<str>,
    /// The route's condition, where it has one.
    pub when: Option<Question>,
    /// Whether it let the message in.
    pub takes: bool,
    /// The destinations of a route that takes it.
    pub stops: Vec<Stop>,
}

/// A destination of a route, as the message met it.
#[derive(Debug)]
pub struct Stop {
    /// Its name.
    pub destination: Arc<str>,
    /// The route's condition for it, where it has one.
    pub when: Option<Question>,
    /// Whether it let the message through.
    pub wanted: bool,
    /// The mapping that it went through.
    pub mapping: Option<Arc<Mapping>>,
    /// What each rule did.
    pub trace: Trace,
    /// Where everything came from and went, where that was asked for.
    pub lineage: Option<Lineage>,
    /// Why there is no output, where the mapping gave none.
    pub ended: Option<Ended>,
}

/// How a mapping ended without an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// `filtered`, `failed` or `parked`.
    pub fate: &'static str,
    /// Why.
    pub reason: String,
    /// The line of the mapping that said so, where it is known.
    pub line: Option<usize>,
}

impl Ended {
    /// How this outcome ended without an output.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Ended> {
        let told = |fate, diagnostic: &Diagnostic| {
            let line = match &diagnostic.place {
                Place::File { line, .. } => Some(*line),
                Place::Input { .. } | Place::None => None,
            };
            Ended { fate, reason: diagnostic.message.clone(), line }
        };
        match outcome {
            Outcome::Output(_) => None,
            Outcome::Filtered { rule, reason } => {
                let line = rule.rsplit_once(':').and_then(|(_, line)| line.parse().ok());
                Some(Ended { fate: "filtered", reason: reason.clone(), line })
            }
            Outcome::Failed(diagnostic) => Some(told("failed", diagnostic)),
            Outcome::Parked { diagnostic, .. } => Some(told("parked", diagnostic)),
        }
    }
}

impl Ended {
    /// How a mapping ended that gave no output at all.
    #[must_use]
    pub fn of_all(outcomes: &[Outcome]) -> Option<Ended> {
        let has_output = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Output(_)));
        outcomes.iter().find_map(Ended::of).filter(|_| !has_output)
    }
}

impl Journey {
    pub(crate) fn new(depth: Depth) -> Journey {
        Journey { routes: Vec::new(), depth }
    }

    pub(crate) fn meet(&mut self, route: &Route, takes: bool, when: Option<Question>) {
        self.routes.push(Met { route: route.name.clone(), when, takes, stops: Vec::new() });
    }

    pub(crate) fn turn(
        &mut self,
        destination: &Destination,
        target: &Target,
        wanted: bool,
        when: Option<Question>,
    ) {
        let stop = Stop {
            destination: destination.name.clone(),
            when,
            wanted,
            mapping: target.mapping.clone(),
            trace: Trace::default(),
            lineage: None,
            ended: None,
        };
        if let Some(met) = self.routes.last_mut() {
            met.stops.push(stop);
        }
    }

    /// Applies the mapping of the last stop.
    pub(crate) fn mapped(&mut self, mapping: &Mapping, input: &Input<'_>) -> Vec<Outcome> {
        let mapped = Mapped::of(mapping, input, self.depth);
        if let Some(stop) = self.routes.last_mut().and_then(|met| met.stops.last_mut()) {
            stop.trace = mapped.trace;
            stop.lineage = mapped.lineage;
            stop.ended = Ended::of_all(&mapped.outcomes);
        }
        mapped.outcomes
    }
}

/// What one mapping alone made of a message.
#[derive(Debug)]
pub struct Mapped {
    /// The outcome, or one for each output of a `split`.
    pub outcomes: Vec<Outcome>,
    /// What each rule did.
    pub trace: Trace,
    /// Where everything came from and went, where that was asked for.
    pub lineage: Option<Lineage>,
}

impl Mapped {
    fn of(mapping: &Mapping, input: &Input<'_>, depth: Depth) -> Mapped {
        let (outcomes, trace) = mapping.execute_traced(input);
        let lineage = (depth == Depth::Lineage).then(|| mapping.lineage(input, &trace));
        Mapped { outcomes, trace, lineage }
    }
}

/// Takes a message through one mapping, whatever routes say. `reading` is how its source is read.
///
/// # Errors
/// Why it cannot be read.
pub fn map_alone(
    mapping: &Mapping,
    facts: &Facts<'_>,
    bytes: &[u8],
    reading: &Settings,
    depth: Depth,
) -> Result<Mapped, Diagnostic> {
    match Format::of(bytes) {
        Format::Hl7v2 => {
            let message = orderly_hl7v2::parse(bytes, reading).map_err(|unreadable| unreadable.diagnostic)?;
            Ok(Mapped::of(mapping, &Input::of_message(facts, &message), depth))
        }
        Format::Ccda => {
            let document = orderly_ccda::parse(bytes, &Limits::default())?;
            let record = orderly_ccda::normalize(&document);
            Ok(Mapped::of(mapping, &Input::of_document(facts, &document, &record), depth))
        }
    }
}
