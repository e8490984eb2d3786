//! DG1, PRB and PEO: diagnoses, problems and adverse events.

use orderly_record::{Condition, Location, Text};

use super::Fields;
use super::action::retraction;
use super::values::{coded, described, entity, providers, text, time};

/// DG1. Its type (HL7 table 0052) tells the list: `A` was made at admission, `F` is what stands at the end; `W` and all others are
/// just diagnoses.
pub(super) fn diagnosis(dg1: &Fields<'_>, source: Location) -> Condition {
    let kind = coded(dg1.first(6));
    let category = match kind.as_ref().and_then(|kind| kind.code.as_deref()) {
        Some("A") => "admission-diagnosis",
        Some("F") => "discharge-diagnosis",
        _ => "diagnosis",
    };
    let action = text(dg1.first(21));
    Condition {
        code: described(coded(dg1.first(3)), text(dg1.first(4)), text(dg1.first(2))),
        category: Some(Text::new_static(category)),
        status: retraction(action.as_ref()),
        action,
        kind,
        rank: text(dg1.first(15)),
        recorded_at: time(dg1.first(5)).or_else(|| time(dg1.first(19))),
        recorded_by: providers(dg1.field(16)),
        identifiers: entity(dg1.first(20)).into_iter().collect(),
        source: Some(source),
        ..Condition::default()
    }
}

/// PRB.
pub(super) fn problem(prb: &Fields<'_>, source: Location) -> Condition {
    let action = text(prb.first(1));
    Condition {
        code: coded(prb.first(3)),
        category: Some(Text::new_static("problem")),
        status: retraction(action.as_ref()).or_else(|| status(text(prb.first(14)))),
        action,
        severity: coded(prb.first(26)),
        rank: text(prb.first(18)).or_else(|| text(prb.first(6))),
        onset_at: time(prb.first(16)),
        ended_at: time(prb.first(9)),
        recorded_at: time(prb.first(7)),
        identifiers: entity(prb.first(4)).into_iter().collect(),
        source: Some(source),
        ..Condition::default()
    }
}

/// PEO (chapter 7, "Product experience observation"): what happened to the patient, in whose list of symptoms the first leads.
pub(super) fn adverse_event(peo: &Fields<'_>, source: Location) -> Condition {
    Condition {
        code: coded(peo.first(2)).or_else(|| coded(peo.first(1))),
        category: Some(Text::new_static("adverse-event")),
        onset_at: time(peo.first(3)),
        ended_at: time(peo.first(5)),
        source: Some(source),
        ..Condition::default()
    }
}

/// PRB-14 has a user-defined table; its words count only where they are the record's.
fn status(code: Option<Text>) -> Option<Text> {
    let code = code?.to_ascii_lowercase();
    ["active", "inactive", "resolved", "recurrence", "relapse", "remission"]
        .into_iter()
        .find(|known| *known == code)
        .map(Text::new_static)
}

#[cfg(test)]
mod tests {
    use orderly_record::{Condition, Record};

    use crate::parse::{Settings, parse};

    fn read(segments: &str) -> Record {
        let message = format!("MSH|^~\\&|||||||ADT^A08|1\rPV1|1|I\r{segments}");
        crate::normalize(&parse(message.as_bytes(), &Settings::default()).unwrap())
    }

    /// Action and status.
    fn action(condition: &Condition) -> (Option<&str>, Option<&str>) {
        assert_eq!(condition.negated, None);
        (condition.action.as_deref(), condition.status.as_deref())
    }

    #[test]
    fn a_deleted_diagnosis_is_told_but_is_not_the_visit_s_or_an_order_s() {
        let deleted = format!("DG1|1||I10{}D\r", "|".repeat(18));
        let record = read(&format!("DG1|1||J18.9{}A\r{deleted}OBR|1\r{deleted}", "|".repeat(18)));
        let actions: Vec<_> = record.conditions.iter().map(action).collect();
        let retracted = (Some("D"), Some("entered-in-error"));
        assert_eq!(actions, [(Some("A"), None), retracted, retracted]);
        let diagnoses: Vec<_> = record.visit.unwrap().diagnoses.into_iter().map(|code| code.code).collect();
        assert_eq!(diagnoses, [Some("J18.9".into())]);
        assert_eq!(record.results[0].reasons, []);
    }

    #[test]
    fn a_deleted_problem_is_not_active() {
        let problem = |code: &str| {
            let record = read(&format!("PRB|{code}|20260307|E11.9|7||||||||||active\r"));
            let (action, status) = action(&record.conditions[0]);
            format!("{} {}", action.unwrap(), status.unwrap())
        };
        assert_eq!(problem("AD"), "AD active");
        assert_eq!(problem("UC"), "UC active");
        assert_eq!(problem("DE"), "DE entered-in-error");
        assert_eq!(problem("D"), "D entered-in-error");
    }
}
