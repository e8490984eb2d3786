//! DG1 and PRB: diagnoses and problems.

use orderly_record::{Condition, Location, Text};

use super::Fields;
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
    Condition {
        code: described(coded(dg1.first(3)), text(dg1.first(4)), text(dg1.first(2))),
        category: Some(Text::new_static(category)),
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
    Condition {
        code: coded(prb.first(3)),
        category: Some(Text::new_static("problem")),
        status: status(text(prb.first(14))),
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

/// PRB-14 has a user-defined table; its words count only where they are the record's.
fn status(code: Option<Text>) -> Option<Text> {
    let code = code?.to_ascii_lowercase();
    ["active", "inactive", "resolved", "recurrence", "relapse", "remission"]
        .into_iter()
        .find(|known| *known == code)
        .map(Text::new_static)
}
