//! Takes a case through its mapping, or through the whole of [`process`](crate::process()) for a route.

use orderly_hl7v2::Settings;
use orderly_mapping::{Facts, Fired, Outcome};

use super::compare::{Actual, Compared};
use super::expectation::Expectation;
use super::{Expects, Mismatch, Repair, Subject, Suite, TestCase};
use crate::journey::{Depth, Ended, Journey, Mapped, map_alone};
use crate::plan::Plan;
use crate::process::{Fate, PairFate, Processed, process_traced};

/// How a case went.
#[derive(Debug, Default)]
pub struct CaseResult {
    /// What is not as expected; nothing when it passed.
    pub mismatches: Vec<Mismatch>,
    /// What would make its expectations true.
    pub repairs: Vec<Repair>,
}

impl CaseResult {
    fn add(&mut self, destination: Option<&str>, compared: Compared) {
        let destination = destination.map(str::to_owned);
        let placed = |found| Mismatch { destination: destination.clone(), ..found };
        self.mismatches.extend(compared.mismatches.into_iter().map(placed));
        self.repairs.extend(compared.repairs);
    }

    /// Compares each output with what is expected of it, in their order.
    fn compare(
        &mut self,
        destination: Option<&str>,
        expected: &[Expectation],
        actual: &[Actual<'_>],
        reading: &Settings,
    ) {
        if let Some(first) = expected.first().filter(|_| expected.len() != actual.len()) {
            let told = Mismatch {
                place: first.key.place(),
                destination: destination.map(str::to_owned),
                what: "how many outputs".to_owned(),
                expected: expected.len().to_string(),
                got: actual.len().to_string(),
            };
            self.mismatches.push(told);
        }
        for (expectation, actual) in expected.iter().zip(actual) {
            self.add(destination, expectation.compare(actual, reading));
        }
    }

    fn tell(&mut self, case: &TestCase, what: &str, expected: &str, got: String) {
        let (what, expected) = (what.to_owned(), expected.to_owned());
        self.mismatches.push(Mismatch { place: case.place.clone(), destination: None, what, expected, got });
    }
}

impl Suite {
    /// Runs a case. Every rule that did something on the way is added to `fired`.
    pub fn run(&self, case: &TestCase, plan: &Plan, fired: &mut Fired) -> CaseResult {
        let mut result = CaseResult::default();
        let facts = Facts { id: case.id, source: &case.source, accepted_at: case.accepted_at };
        match &self.subject {
            Subject::Mapping(mapping) => {
                let reading = plan.source(&case.source).map(|source| source.reading.clone());
                let reading = reading.unwrap_or_default();
                match map_alone(mapping, &facts, &case.input, &reading, Depth::Rules) {
                    Ok(Mapped { outcomes, trace, .. }) => {
                        fired.add(&trace);
                        let actual: Vec<Actual<'_>> = outcomes.iter().filter_map(actual).collect();
                        if let Expects::Outputs(expected) = &case.expects {
                            result.compare(None, expected, &actual, &reading);
                        }
                    }
                    Err(diagnostic) => unreadable(case, &diagnostic.message, &mut result),
                }
            }
            Subject::Route(route) => {
                let (processed, journey) = process_traced(plan, &facts, &case.input, Depth::Rules);
                for stop in journey.routes.iter().flat_map(|met| &met.stops) {
                    fired.add(&stop.trace);
                }
                let reading = plan.source(&case.source).map(|source| source.reading.clone());
                routed(case, route, &processed, &journey, &reading.unwrap_or_default(), &mut result);
            }
        }
        result
    }
}

fn actual(outcome: &Outcome) -> Option<Actual<'_>> {
    match outcome {
        Outcome::Output(output) => Some(Actual::Output(&output.bytes)),
        ended => Ended::of(ended).map(Actual::Ended),
    }
}

/// What became of a pair; `said` is how its mapping ended where it gave no output at all.
fn fate<'a>(fate: &'a PairFate, case: &'a TestCase, said: Option<&Ended>) -> Actual<'a> {
    let ended = |fate, reason: &String| {
        Actual::Ended(said.cloned().unwrap_or(Ended { fate, reason: reason.clone(), line: None }))
    };
    match fate {
        PairFate::Ready(payload) => Actual::Output(payload.bytes.as_deref().unwrap_or(&case.input)),
        PairFate::Filtered(reason) => ended("filtered", reason),
        PairFate::Failed(reason) => ended("failed", reason),
        PairFate::Parked(reason) => ended("parked", reason),
    }
}

fn unreadable(case: &TestCase, why: &str, result: &mut CaseResult) {
    result.tell(case, "the input", "a message or a document", format!("what cannot be read: {why}"));
}

fn routed(
    case: &TestCase,
    route: &str,
    processed: &Processed,
    journey: &Journey,
    reading: &Settings,
    result: &mut CaseResult,
) {
    let reason = || processed.reason.clone().unwrap_or_default();
    if processed.fate == Fate::Quarantined {
        return unreadable(case, &reason(), result);
    }
    let met = journey.routes.iter().find(|met| *met.route == *route && met.takes);
    match (&case.expects, met) {
        (Expects::NotTaken(_), None) | (Expects::Outputs(_), _) => {}
        (Expects::NotTaken(said), Some(_)) => {
            let told = Mismatch {
                place: said.place(),
                destination: None,
                what: "the route".to_owned(),
                expected: "not taken".to_owned(),
                got: "taken".to_owned(),
            };
            result.mismatches.push(told);
        }
        (Expects::Deliveries { all, .. }, None) => {
            let why = processed.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            let told = Mismatch {
                place: all.place(),
                destination: None,
                what: "the route".to_owned(),
                expected: "taken".to_owned(),
                got: format!("not taken{why}"),
            };
            result.mismatches.push(told);
            result.repairs.extend(Repair::not_taken(all));
        }
        (Expects::Deliveries { of, .. }, Some(met)) => {
            for (destination, expected) in of {
                let pairs = processed.pairs.iter();
                let pairs = pairs.filter(|pair| *pair.route == *route && *pair.destination == **destination);
                let stop = met.stops.iter().find(|stop| *stop.destination == **destination);
                let said = stop.and_then(|stop| stop.ended.as_ref());
                let actual: Vec<Actual<'_>> = pairs.map(|pair| fate(&pair.fate, case, said)).collect();
                result.compare(Some(destination), expected, &actual, reading);
            }
        }
    }
}
