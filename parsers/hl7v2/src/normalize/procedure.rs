//! PR1: procedures and surgeries.

use orderly_record::{Location, Procedure};

use super::Fields;
use super::values::{all_coded, coded, described, entity, providers, text, time};

pub(super) fn procedure(pr1: &Fields<'_>, source: Location) -> Procedure {
    let mut performed_by = providers(pr1.field(11));
    performed_by.extend(providers(pr1.field(12)));
    Procedure {
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
