//! SCH and the resources of an appointment: AIS, AIG, AIL, AIP.

use orderly_record::{Appointment, Coded, Location, Resource};

use super::Fields;
use super::values::{coded, entity, text, time};

pub(super) fn appointment(sch: &Fields<'_>, source: Location) -> Appointment {
    let timing = sch.first(11);
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
        resources: Vec::new(),
        source: Some(source),
    }
}

/// What stands in field 3 is a code, but for a person: that is an id with a name.
pub(super) fn resource(fields: &Fields<'_>, name: &str, source: Location) -> Resource {
    let (kind, start) = match name {
        "AIS" => ("service", 4),
        "AIG" => ("general", 8),
        "AIL" => ("location", 6),
        _ => ("person", 6),
    };
    let code = match kind {
        "person" => text(fields.first(3)).map(|id| Coded { code: Some(id), ..Coded::default() }),
        "location" => text(fields.first(3)).map(|place| Coded { code: Some(place), ..Coded::default() }),
        _ => coded(fields.first(3)),
    };
    Resource { kind: kind.into(), code, starts_at: time(fields.first(start)), source: Some(source) }
}
