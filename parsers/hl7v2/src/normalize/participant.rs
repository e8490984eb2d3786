//! ROL, PRT, PRD and CTD: who has to do with it, and in which role.

use orderly_record::{Identifier, Location, Participant, Provider};

use super::Fields;
use super::values::{addresses, coded, identifier, names, organization, providers, telecoms, text, time};

/// ROL, and PRT in its place since 2.7: person, role, from when to when.
pub(super) fn role(
    fields: &Fields<'_>,
    segment: &str,
    about: Option<Location>,
    source: Location,
) -> Participant {
    let (role, person, house, from, address, phone) =
        if segment == "ROL" { (3, 4, 14, 5, 11, 12) } else { (4, 5, 8, 11, 14, 15) };
    let mut all = providers(fields.field(person));
    let house = organization(fields.first(house));
    let device = if segment == "PRT" { text(fields.first(10)) } else { None };
    if all.is_empty() && (house.is_some() || device.is_some()) {
        all.push(Provider::default());
    }
    if let Some(first) = all.first_mut() {
        first.organization = house;
        first.device = device;
        first.addresses = addresses(fields.field(address));
        first.telecoms = telecoms(fields.field(phone), None);
    }
    Participant {
        kind: None,
        role: coded(fields.first(role)),
        providers: all,
        action: text(fields.first(2)),
        starts_at: time(fields.first(from)),
        ends_at: time(fields.first(from + 1)),
        about,
        source: Some(source),
    }
}

/// PRD and CTD: role, names, address, how to reach, and last the ids (type PLN, of which the third component says what it is).
pub(super) fn contact(fields: &Fields<'_>, about: Option<Location>, source: Location) -> Participant {
    let ids: Vec<Identifier> = fields
        .field(7)
        .children()
        .filter_map(|view| {
            let kind = text(view.child(2));
            identifier(view.child(1), kind.as_deref())
        })
        .collect();
    let mut ids = ids.into_iter();
    let first = Provider {
        identifier: ids.next(),
        name: names(fields.field(2)).into_iter().next(),
        addresses: addresses(fields.field(3)),
        telecoms: telecoms(fields.field(5), None),
        ..Provider::default()
    };
    let others = ids.map(|id| Provider { identifier: Some(id), ..Provider::default() });
    Participant {
        kind: None,
        role: coded(fields.first(1)),
        starts_at: if fields.segment.is("PRD") { time(fields.first(8)) } else { None },
        ends_at: if fields.segment.is("PRD") { time(fields.first(9)) } else { None },
        providers: std::iter::once(first).chain(others).collect(),
        action: None,
        about,
        source: Some(source),
    }
}
