//! `lane:` of destinations over a change of the configuration: what waits has its lanes by what was declared when it came in.
//!
//! What always holds: as long as something waits or is parked in lanes of one kind, nothing gets lanes of another: a patient's next message
//! would overtake it.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_journal::{DestinationFigures, JournalError, Reader};
use orderly_pipeline::{Diagnostic, Fault, Plan, declared_lane};

/// What speaks against a plan with which an engine starts. What waits came in under plans before it.
pub(crate) fn changed_since_then(reader: &Reader, plan: &Plan) -> Result<Option<Diagnostic>, JournalError> {
    let figures = reader.destinations()?;
    for destination in &plan.destinations {
        let count = held(&figures, &destination.name);
        let is_other = |lane: Vec<String>| lane != destination.lane.written;
        if count > 0 && was_declared(reader, &destination.name)?.is_some_and(is_other) {
            return Ok(Some(refusal(plan, &destination.name, count)));
        }
    }
    Ok(None)
}

/// What speaks against a plan that changes the lanes of these destinations.
pub(crate) fn change(
    reader: &Reader,
    plan: &Plan,
    changed: &[Arc<str>],
) -> Result<Option<Diagnostic>, JournalError> {
    if changed.is_empty() {
        return Ok(None);
    }
    let figures = reader.destinations()?;
    let held = changed.iter().map(|destination| (destination, held(&figures, destination)));
    let first = held.into_iter().find(|(_, count)| *count > 0);
    Ok(first.map(|(destination, count)| refusal(plan, destination, count)))
}

/// How many deliveries are in lanes: what is parked holds its lane too.
fn held(figures: &BTreeMap<String, DestinationFigures>, destination: &str) -> u64 {
    figures.get(destination).map_or(0, |figures| figures.waiting + figures.parked)
}

/// The lane that the latest plan declared which had this destination.
fn was_declared(reader: &Reader, destination: &str) -> Result<Option<Vec<String>>, JournalError> {
    for plan in reader.plans()?.iter().rev() {
        // The site's file is the first.
        let files = reader.plan_files(&plan.version)?;
        let lane = files.first().and_then(|site| declared_lane(&site.text, destination));
        if lane.is_some() {
            return Ok(lane);
        }
    }
    Ok(None)
}

fn refusal(plan: &Plan, destination: &str, count: u64) -> Diagnostic {
    let (ies, is) = if count == 1 { ("y", "is") } else { ("ies", "are") };
    let message = format!(
        "destination {destination}: its `lane:` cannot change while {count} deliver{ies} {is} waiting for it or parked: each has its \
         place by the old one, and later messages would overtake it; put the old `lane:` back until they are delivered, or take them \
         back (`orderly skip --cancel`, `orderly cancel`), and try again"
    );
    let diagnostic = Diagnostic::error("config-lane-held", Fault::Configuration, message);
    match plan.destination(destination) {
        Some(declared) => diagnostic.at(declared.lane.at.0.clone()),
        None => diagnostic,
    }
}
