//! AL1 and IAM: allergies and intolerances.

use orderly_record::{Allergy, Coded, Location, Provider, Reaction, Text};

use super::Fields;
use super::values::{coded, entity, name, providers, text, time};
use crate::view::View;

/// AL1. Its date is when the allergy was identified, the nearest that the segment has to an onset.
pub(super) fn allergy(al1: &Fields<'_>, source: Location) -> Allergy {
    Allergy {
        kind: coded(al1.first(2)),
        code: coded(al1.first(3)),
        severity: coded(al1.first(4)),
        reactions: al1.field(5).children().filter_map(reaction).collect(),
        onset_at: time(al1.first(6)),
        source: Some(source),
        ..Allergy::default()
    }
}

/// IAM: AL1 with an identity and a history. Who recorded it is who stands for its status, in old versions only who told of it.
pub(super) fn identified(iam: &Fields<'_>, source: Location) -> Allergy {
    let informant = || name(iam.first(14)).map(|name| Provider { name: Some(name), ..Provider::default() });
    let recorders = [iam.field(23), iam.field(18)].into_iter().map(providers);
    let recorded_by = recorders.into_iter().find(|found| !found.is_empty());
    Allergy {
        identifiers: entity(iam.first(7)).into_iter().collect(),
        onset_at: time(iam.first(11)),
        recorded_at: time(iam.first(24)).or_else(|| time(iam.first(13))),
        recorded_by: recorded_by.unwrap_or_else(|| informant().into_iter().collect()),
        status: status(text(iam.first(17)).as_deref()),
        ..allergy(iam, source)
    }
}

/// HL7 table 0438. Its other codes say how sure it is, not whether it is active.
fn status(code: Option<&str>) -> Option<Text> {
    match code {
        Some("C") => Some(Text::new_static("active")),
        Some("I") => Some(Text::new_static("inactive")),
        _ => None,
    }
}

/// AL1-5 is words by the standard; some send a code there.
fn reaction(view: View<'_>) -> Option<Reaction> {
    let code = match view.count() {
        0 | 1 => text(view).map(|words| Coded { text: Some(words), ..Coded::default() }),
        _ => coded(view),
    };
    code.map(|code| Reaction { code: Some(code), severity: None })
}
