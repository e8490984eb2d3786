//! The way of one message, written down for people who ask why: which routes it met, which destinations, and what each rule of their
//! mappings did. It holds patient data and is never logged.

use std::sync::Arc;

use orderly_mapping::{Input, Mapping, Outcome, Trace};
use orderly_record::{Diagnostic, Place};

use crate::plan::{Destination, Route, Target};

/// Where a message came by, in the order of the plan.
#[derive(Debug, Default)]
pub struct Journey {
    /// The routes of its source.
    pub routes: Vec<Met>,
}

/// A route that a message met.
#[derive(Debug)]
pub struct Met {
    /// Its name.
    pub route: Arc<str>,
    /// Whether the route's condition let it in.
    pub takes: bool,
    /// The destinations of a route that takes it.
    pub stops: Vec<Stop>,
}

/// A destination of a route, as the message met it.
#[derive(Debug)]
pub struct Stop {
    /// Its name.
    pub destination: Arc<str>,
    /// Whether the route's condition for it let the message through.
    pub wanted: bool,
    /// The mapping that it went through.
    pub mapping: Option<Arc<Mapping>>,
    /// What each rule did.
    pub trace: Trace,
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
            Outcome::Parked(diagnostic) => Some(told("parked", diagnostic)),
        }
    }
}

impl Journey {
    pub(crate) fn meet(&mut self, route: &Route, takes: bool) {
        self.routes.push(Met { route: route.name.clone(), takes, stops: Vec::new() });
    }

    pub(crate) fn turn(&mut self, destination: &Destination, target: &Target, wanted: bool) {
        let mapping = target.mapping.clone();
        let stop =
            Stop { destination: destination.name.clone(), wanted, mapping, trace: Trace::new(), ended: None };
        if let Some(met) = self.routes.last_mut() {
            met.stops.push(stop);
        }
    }

    /// Applies the mapping of the last stop.
    pub(crate) fn mapped(&mut self, mapping: &Mapping, input: &Input<'_>) -> Vec<Outcome> {
        let (outcomes, trace) = mapping.execute_traced(input);
        if let Some(stop) = self.routes.last_mut().and_then(|met| met.stops.last_mut()) {
            stop.trace = trace;
            let has_output = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Output(_)));
            stop.ended = outcomes.iter().find_map(Ended::of).filter(|_| !has_output);
        }
        outcomes
    }
}
