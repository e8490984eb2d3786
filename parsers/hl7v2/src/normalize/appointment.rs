//! SCH, ARQ and the resources of an appointment: AIS, AIG, AIL, AIP (chapter 10).

use orderly_record::{Appointment, Coded, Location, Provider, Resource};

use super::Fields;
use super::values::{coded, entity, provider, providers, telecoms, text, time};
use super::visit::location;
use crate::view::View;

/// SCH.
pub(super) fn appointment(sch: &Fields<'_>, source: Location) -> Appointment {
    let timing = sch.first(11);
    let mut contacts = contacts(sch, 12, 13);
    contacts.extend(self::contacts(sch, 16, 17));
    Appointment {
        placer_number: entity(sch.first(1)),
        filler_number: entity(sch.first(2)),
        status: coded(sch.first(25)),
        event_reason: coded(sch.first(6)),
        reason: coded(sch.first(7)),
        kind: coded(sch.first(8)),
        starts_at: time(timing.child(4)),
        ends_at: time(timing.child(5)),
        duration: text(sch.first(9)),
        duration_units: coded(sch.first(10)),
        contacts,
        source: Some(source),
        ..Appointment::default()
    }
}

/// ARQ: an appointment that is asked for. The first range of dates that would do tells when.
pub(super) fn request(arq: &Fields<'_>, source: Location) -> Appointment {
    let range = arq.first(11);
    Appointment {
        placer_number: entity(arq.first(1)),
        filler_number: entity(arq.first(2)),
        event_reason: coded(arq.first(6)),
        reason: coded(arq.first(7)),
        kind: coded(arq.first(8)),
        starts_at: time(range.child(1)),
        ends_at: time(range.child(2)),
        duration: text(arq.first(9)),
        duration_units: coded(arq.first(10)),
        contacts: contacts(arq, 15, 16),
        source: Some(source),
        ..Appointment::default()
    }
}

/// TQ1, which since 2.5 stands for SCH-11.
pub(super) fn timing(tq1: &Fields<'_>, appointment: &mut Appointment) {
    appointment.starts_at = appointment.starts_at.take().or_else(|| time(tq1.first(7)));
    appointment.ends_at = appointment.ends_at.take().or_else(|| time(tq1.first(8)));
}

/// Persons, and in another field how the first of them is reached.
fn contacts(fields: &Fields<'_>, persons: usize, phones: usize) -> Vec<Provider> {
    let mut persons = providers(fields.field(persons));
    if let Some(first) = persons.first_mut() {
        first.telecoms = telecoms(fields.field(phones), Some("WPN"));
    }
    persons
}

/// Where in its segment a resource says what it needs to say: when it is needed, for how long, and how it stands.
struct Layout {
    kind: &'static str,
    start: usize,
    duration: usize,
    status: usize,
}

/// What stands in field 3 is a code, but for a person, which is an id with a name, and a place.
pub(super) fn resource(fields: &Fields<'_>, name: &str, source: Location) -> Resource {
    let layout = match name {
        "AIS" => Layout { kind: "service", start: 4, duration: 7, status: 10 },
        "AIG" => Layout { kind: "general", start: 8, duration: 11, status: 14 },
        "AIL" => Layout { kind: "location", start: 6, duration: 9, status: 12 },
        _ => Layout { kind: "person", start: 6, duration: 9, status: 12 },
    };
    let what = fields.first(3);
    let id = |view: View<'_>| text(view).map(|id| Coded { code: Some(id), ..Coded::default() });
    let (code, person, place) = match layout.kind {
        "person" => (id(what), provider(what), None),
        "location" => (id(what), None, location(what)),
        // AIG names the resource, or only what kind of resource is needed.
        "general" => (coded(what).or_else(|| coded(fields.first(4))), None, None),
        _ => (coded(what), None, None),
    };
    Resource {
        kind: layout.kind.into(),
        code,
        starts_at: time(fields.first(layout.start)),
        person,
        place,
        status: coded(fields.first(layout.status)),
        duration: text(fields.first(layout.duration)),
        duration_units: coded(fields.first(layout.duration + 1)),
        action: text(fields.first(2)),
        source: Some(source),
    }
}
