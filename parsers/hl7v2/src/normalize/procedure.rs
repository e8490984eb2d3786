//! PR1: procedures and surgeries.

use orderly_record::{Location, Procedure};

use super::Fields;
use super::action::retraction;
use super::values::{all_coded, coded, described, entity, providers, text, time};

pub(super) fn procedure(pr1: &Fields<'_>, source: Location) -> Procedure {
    let mut performed_by = providers(pr1.field(11));
    performed_by.extend(providers(pr1.field(12)));
    let action = text(pr1.first(20));
    Procedure {
        status: retraction(action.as_ref()),
        action,
        code: described(coded(pr1.first(3)), text(pr1.first(4)), text(pr1.first(2))),
        performed_at: time(pr1.first(5)),
        rank: text(pr1.first(14)),
        reasons: all_coded(pr1.field(15)),
        performed_by,
        identifiers: entity(pr1.first(19)).into_iter().collect(),
        source: Some(source),
        ..Procedure::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::{Settings, parse};

    #[test]
    fn a_deleted_procedure_was_entered_in_error() {
        let read = |action: &str| {
            let message = format!("MSH|^~\\&|||||||ADT^A08|1\rPR1|1||80146002{}{action}\r", "|".repeat(17));
            let message = parse(message.as_bytes(), &Settings::default()).unwrap();
            let procedure = crate::normalize(&message).procedures.remove(0);
            (procedure.action.map(String::from), procedure.status.map(String::from))
        };
        assert_eq!(read("A"), (Some("A".into()), None));
        assert_eq!(read("D"), (Some("D".into()), Some("entered-in-error".into())));
        assert_eq!(read(""), (None, None));
    }
}
