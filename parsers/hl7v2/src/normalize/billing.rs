//! IN1, IN2 and FT1: who pays, and what is charged.

use orderly_record::{Charge, Coded, Insurance, Location, Organization, Quantity};

use super::Fields;
use super::values::{
    addresses, all_coded, coded, described, identifier, name, providers, telecoms, text, time,
};
use crate::view::View;

/// IN1. The patient's number is the insured's (IN1-49), before there was that the policy's (IN1-36).
pub(super) fn insurance(in1: &Fields<'_>, source: Location) -> Insurance {
    let payer = Organization {
        name: text(in1.first(4)),
        identifiers: in1.field(3).children().filter_map(|view| identifier(view, None)).collect(),
        addresses: addresses(in1.field(5)),
        telecoms: telecoms(in1.field(7), Some("WPN")),
    };
    Insurance {
        plan: coded(in1.first(2)),
        payer: (payer != Organization::default()).then_some(payer),
        member_number: identifier(in1.first(49), None).or_else(|| identifier(in1.first(36), None)),
        group_number: text(in1.first(8)),
        subscriber: name(in1.first(16)),
        relationship: coded(in1.first(17)),
        starts_at: time(in1.first(12)),
        ends_at: time(in1.first(13)),
        source: Some(source),
        ..Insurance::default()
    }
}

/// IN2: what IN1 left out.
pub(super) fn additional(in2: &Fields<'_>, insurance: &mut Insurance) {
    insurance.member_number = insurance.member_number.take().or_else(|| identifier(in2.first(61), None));
    insurance.relationship = insurance.relationship.take().or_else(|| coded(in2.first(72)));
}

/// FT1.
pub(super) fn charge(ft1: &Fields<'_>, source: Location) -> Charge {
    Charge {
        code: described(coded(ft1.first(7)), text(ft1.first(8)), None),
        kind: text(ft1.first(6)),
        number: text(ft1.first(2)),
        service_at: time(ft1.first(4)),
        posted_at: time(ft1.first(5)),
        quantity: text(ft1.first(10)),
        amount: price(ft1.first(11)),
        unit_amount: price(ft1.first(12)),
        department: coded(ft1.first(13)),
        procedure: coded(ft1.first(25)),
        modifiers: all_coded(ft1.field(26)),
        diagnoses: all_coded(ft1.field(19)),
        performed_by: providers(ft1.field(20)),
        ordered_by: providers(ft1.field(21)),
        notes: Vec::new(),
        source: Some(source),
    }
}

/// CP, and the plain number of old versions: amount & currency.
fn price(view: View<'_>) -> Option<Quantity> {
    let [amount, currency] = view.child(1).parts();
    let units = text(currency).map(|currency| Coded { code: Some(currency), ..Coded::default() });
    text(amount).map(|value| Quantity { value, comparator: None, units })
}
