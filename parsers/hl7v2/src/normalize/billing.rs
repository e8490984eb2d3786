//! GT1, IN1, IN2, IN3 and FT1: who answers for the bill, who pays, and what is charged.

use orderly_record::{Charge, Coded, Guarantor, Identifier, Insurance, Location, Organization, Quantity};

use super::Fields;
use super::values::{
    addresses, all_coded, coded, described, identifier, identifiers, name, organization, providers, telecoms,
    text, time,
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
    let policy = identifier(in1.first(36), None);
    let authorization = text(in1.first(14)).map(|value| Identifier { value, ..Identifier::default() });
    let (member_number, policy) = match identifier(in1.first(49), None) {
        Some(member) => (Some(member), policy),
        None => (policy, None),
    };
    Insurance {
        plan: coded(in1.first(2)),
        payer: (payer != Organization::default()).then_some(payer),
        member_number,
        group_number: text(in1.first(8)),
        subscriber: name(in1.first(16)),
        relationship: coded(in1.first(17)),
        starts_at: time(in1.first(12)),
        ends_at: time(in1.first(13)),
        kind: coded(in1.first(15)),
        priority: text(in1.first(22)),
        policy_number: policy,
        authorizations: authorization.into_iter().collect(),
        subscriber_birth_date: time(in1.first(18)),
        subscriber_sex: text(in1.first(43)),
        subscriber_addresses: addresses(in1.field(19)),
        source: Some(source),
        ..Insurance::default()
    }
}

/// IN2: what IN1 left out; further numbers of the subscriber, by kind (HL7 table 0203).
pub(super) fn additional(in2: &Fields<'_>, insurance: &mut Insurance) {
    let kinds = [(2, "SS"), (6, "MC"), (8, "MA")];
    let numbers = kinds.into_iter().filter_map(|(field, kind)| identifier(in2.first(field), Some(kind)));
    insurance.subscriber_identifiers.extend(numbers);
    insurance.member_number = insurance.member_number.take().or_else(|| identifier(in2.first(61), None));
    insurance.relationship = insurance.relationship.take().or_else(|| coded(in2.first(72)));
}

/// IN3: the number of a certification.
pub(super) fn certification(in3: &Fields<'_>) -> Option<Identifier> {
    identifier(in3.first(2), None)
}

/// GT1.
pub(super) fn guarantor(gt1: &Fields<'_>, source: Location) -> Guarantor {
    let mut identifiers = identifiers(gt1.field(2));
    identifiers.extend(identifier(gt1.first(12), Some("SS")));
    let mut telecoms_of_both = telecoms(gt1.field(6), Some("PRN"));
    telecoms_of_both.extend(telecoms(gt1.field(7), Some("WPN")));
    Guarantor {
        name: name(gt1.first(3)),
        identifiers,
        organization: organization(gt1.first(21)),
        kind: text(gt1.first(10)),
        relationship: coded(gt1.first(11)),
        addresses: addresses(gt1.field(5)),
        telecoms: telecoms_of_both,
        birth_date: time(gt1.first(8)),
        sex: text(gt1.first(9)),
        employer: name(gt1.first(16)),
        source: Some(source),
    }
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
