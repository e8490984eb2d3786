//! What allergies and problems share: the concern that they are tracked under, and how they stand.
//!
//! How long something is tracked is not how long it lasts: a concern that is completed is no cure (C-CDA, problem concern act).

use orderly_record::{Coded, Provider, Text, Timestamp};

use super::Source;
use super::people::providers;
use super::shared::Shared;
use super::statement::{Related, Statement, is_negated};
use super::values::{Interval, attribute, code_of, coded, flag, time_of};
use crate::document::Element;

/// The act around the observations.
#[derive(Default)]
pub(super) struct Concern<'d> {
    status: Option<Text>,
    is_negated: bool,
    recorded: Shared<'d, Recorded>,
}

/// Who wrote it down, and when.
#[derive(Default, Clone)]
pub(super) struct Recorded {
    pub(super) at: Option<Timestamp>,
    pub(super) by: Vec<Provider>,
}

impl<'d> Concern<'d> {
    /// Reads what the act says; its time is that of tracking, which the record has no place for.
    pub(super) fn of(act: &Statement<'_, 'd>) -> Self {
        let authors = act.take_all("author");
        let recorded = Recorded::of(act.source, &authors);
        Self {
            status: code_of(act.element, "statusCode"),
            is_negated: is_negated(act.element),
            recorded: Shared::new(recorded, &authors),
        }
    }

    /// Whether an observation under it is denied: by itself, or because all under the concern is.
    pub(super) fn negated(&self, observation: Element<'_>) -> Option<bool> {
        if self.is_negated { Some(true) } else { flag(observation, "negationInd") }
    }
}

impl Recorded {
    pub(super) fn of<'d>(source: &Source<'d>, authors: &[Element<'d>]) -> Self {
        Self {
            at: authors.iter().find_map(|author| time_of(*author, "time")),
            by: providers(source, authors.iter().copied()),
        }
    }

    /// The observation's own, else the concern's.
    pub(super) fn under<'d>(observation: &Statement<'_, 'd>, concern: &Concern<'d>) -> Self {
        let source = observation.source;
        let own = Self::of(source, &observation.take_all("author"));
        if own.says_nothing() { concern.recorded.copy(source) } else { own }
    }

    pub(super) fn says_nothing(&self) -> bool {
        self.at.is_none() && self.by.is_empty()
    }
}

/// The observations under a concern: not the acts beside them (priorities, progress notes), nor the observations that say more about it.
pub(super) fn is_subject(related: Related<'_>) -> bool {
    let says_more = is_status(related)
        || is_severity(related)
        || related.has_code(&FURTHER_CODES)
        || FURTHER_TEMPLATES.iter().any(|template| related.has_template(template));
    related.is("observation") && matches!(related.relation, "SUBJ" | "") && !says_more
}

/// Criticality, health status, age at onset, prognosis (LOINC and SNOMED CT), priority.
const FURTHER_CODES: [&str; 5] = ["82606-5", "11323-3", "445518008", "75328-5", "225773000"];

/// The same by template, and reactions, which are no problems of their own; the last two of the releases before C-CDA.
const FURTHER_TEMPLATES: [&str; 8] = [
    "2.16.840.1.113883.10.20.22.4.145",
    "2.16.840.1.113883.10.20.22.4.5",
    "2.16.840.1.113883.10.20.22.4.31",
    "2.16.840.1.113883.10.20.22.4.113",
    "2.16.840.1.113883.10.20.22.4.143",
    "2.16.840.1.113883.10.20.22.4.9",
    "2.16.840.1.113883.10.20.1.51",
    "2.16.840.1.113883.10.20.1.54",
];

/// How bad it is: of an observation, or of all under a concern.
pub(super) fn severity(statement: &Statement<'_, '_>) -> Option<Coded> {
    statement.value_of(is_severity, coded)
}

fn is_severity(related: Related<'_>) -> bool {
    let templates = ["2.16.840.1.113883.10.20.22.4.8", "2.16.840.1.113883.10.20.1.55"];
    related.has_code(&["SEV"]) || templates.iter().any(|template| related.has_template(template))
}

/// How it stands: by its own status observation, else by its end, else by the concern.
pub(super) fn status(
    observation: &Statement<'_, '_>,
    time: &Interval,
    concern: &Concern<'_>,
) -> Option<Text> {
    let is_status = |related: Related<'_>| related.is("observation") && is_status(related);
    let mut is_said = false;
    let said = observation.first_related(is_status, |inner| {
        is_said = true;
        inner.read("value", status_of)
    });
    let ended = || time.has_ended.then_some(Text::new_static("inactive"));
    let tracked = || {
        Some(Text::new_static(match concern.status.as_deref()? {
            "active" => "active",
            _ => "inactive",
        }))
    };
    // One that is said in words that are not known here is not that of the concern.
    said.or_else(ended).or_else(|| if is_said { None } else { tracked() })
}

/// LOINC 33999-4, or the templates of the problem's and the allergy's status in old releases.
fn is_status(related: Related<'_>) -> bool {
    let templates = [
        "2.16.840.1.113883.10.20.22.4.6",
        "2.16.840.1.113883.10.20.22.4.28",
        "2.16.840.1.113883.10.20.1.50",
        "2.16.840.1.113883.10.20.1.39",
    ];
    related.has_code(&["33999-4"]) || templates.iter().any(|template| related.has_template(template))
}

/// The record's word for a status of SNOMED CT.
fn status_of(value: Element<'_>) -> Option<Text> {
    Some(Text::new_static(match attribute(value, "code")?.as_str() {
        "55561003" => "active",
        "73425007" => "inactive",
        "413322009" => "resolved",
        "246455001" => "recurrence",
        "263855007" => "relapse",
        "277022003" => "remission",
        _ => return None,
    }))
}
