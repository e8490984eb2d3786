//! AL1 and IAM: allergies and intolerances.

use orderly_record::{Allergy, Coded, Location, Provider, Reaction, Text};

use super::Fields;
use super::action::{RETRACTED, retraction};
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
    let action = text(iam.first(6));
    Allergy {
        identifiers: entity(iam.first(7)).into_iter().collect(),
        onset_at: time(iam.first(11)),
        recorded_at: time(iam.first(24)).or_else(|| time(iam.first(13))),
        recorded_by: recorded_by.unwrap_or_else(|| informant().into_iter().collect()),
        status: retraction(action.as_ref()).or_else(|| status(text(iam.first(17)).as_deref())),
        action,
        ..allergy(iam, source)
    }
}

/// HL7 table 0438: confirmed, confirmed but inactive, erroneous. Its other codes say how sure it is, not whether it is active.
fn status(code: Option<&str>) -> Option<Text> {
    match code {
        Some("C") => Some(Text::new_static("active")),
        Some("I") => Some(Text::new_static("inactive")),
        Some("E") => Some(RETRACTED),
        _ => None,
    }
}

/// AL1-5 is words by the standard; some send a code there.
fn reaction(view: View<'_>) -> Option<Reaction> {
    let code = match view.count() {
        0 | 1 => text(view).map(|words| Coded { text: Some(words), ..Coded::default() }),
        _ => coded(view),
    };
    code.map(|code| Reaction { code: Some(code), ..Reaction::default() })
}

#[cfg(test)]
mod tests {
    use crate::parse::{Settings, parse};

    /// Action, status and whether denied, of an IAM with this action and this clinical status.
    fn read(action: &str, status: &str) -> (Option<String>, Option<String>, Option<bool>) {
        let message = format!("MSH|^~\\&|||||||ADT^A60|1\rIAM|1|DA|PEN|SV||{action}|||||||||||{status}\r");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        let allergy = crate::normalize(&message).allergies.remove(0);
        (allergy.action.map(Into::into), allergy.status.map(Into::into), allergy.negated)
    }

    #[test]
    fn an_allergy_that_is_taken_back_is_neither_active_nor_denied() {
        let table = [
            ("A", "C", Some("active")),
            ("U^Update^HL70206", "I", Some("inactive")),
            ("A", "S", None),
            ("A", "E", Some("entered-in-error")),
            ("D", "", Some("entered-in-error")),
            ("D^Delete^HL70206", "C", Some("entered-in-error")),
        ];
        for (action, status, expected) in table {
            let code = action.split('^').next().map(str::to_owned);
            assert_eq!(read(action, status), (code, expected.map(str::to_owned), None), "{action} {status}");
        }
    }
}
