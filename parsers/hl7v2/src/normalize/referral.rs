//! RF1 and AUT: a referral, and what the payer says to it.

use orderly_record::{Location, Referral};

use super::Fields;
use super::values::{all_coded, coded, entity, time};

/// RF1 (chapter 11, "Referral information segment").
pub(super) fn referral(rf1: &Fields<'_>, source: Location) -> Referral {
    Referral {
        number: entity(rf1.first(6)),
        external_number: entity(rf1.first(11)),
        status: coded(rf1.first(1)),
        priority: coded(rf1.first(2)),
        kind: coded(rf1.first(3)),
        dispositions: all_coded(rf1.field(4)),
        category: coded(rf1.first(5)),
        effective_at: time(rf1.first(7)),
        expires_at: time(rf1.first(8)),
        processed_at: time(rf1.first(9)),
        reasons: all_coded(rf1.field(10)),
        source: Some(source),
        ..Referral::default()
    }
}

/// AUT-6: the number under which the payer agreed.
pub(super) fn authorization(aut: &Fields<'_>, referral: &mut Referral) {
    referral.authorization_number = referral.authorization_number.take().or_else(|| entity(aut.first(6)));
}
