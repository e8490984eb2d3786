//! PV1, PV2 and ACC: the visit, and the accident that led to it.

use orderly_record::{Accident, Location, PersonLocation, Visit};

use super::Fields;
use super::values::{coded, flag, identifier, lines, providers, text, texts, time};
use crate::view::View;

pub(super) fn visit(pv1: &Fields<'_>, source: Location) -> Visit {
    let alternate_numbers = [identifier(pv1.first(50), None), identifier(pv1.first(5), None)];
    Visit {
        number: identifier(pv1.first(19), Some("VN")),
        alternate_numbers: alternate_numbers.into_iter().flatten().collect(),
        class: text(pv1.first(2)),
        patient_type: text(pv1.first(18)),
        admission_type: text(pv1.first(4)),
        admission_source: text(pv1.first(14)),
        service: text(pv1.first(10)),
        location: location(pv1.first(3)),
        prior_location: location(pv1.first(6)),
        attending: providers(pv1.field(7)),
        referring: providers(pv1.field(8)),
        consulting: providers(pv1.field(9)),
        admitting: providers(pv1.field(17)),
        temporary_location: location(pv1.first(11)),
        pending_location: location(pv1.first(42)),
        other_providers: providers(pv1.field(52)),
        facility: text(pv1.first(39)),
        financial_classes: texts(pv1.field(20)),
        ambulatory_statuses: texts(pv1.field(15)),
        discharged_to: text(pv1.first(37)),
        vip: text(pv1.first(16)),
        admitted_at: time(pv1.first(44)),
        discharged_at: time(pv1.first(45)),
        discharge_disposition: text(pv1.first(36)),
        source: Some(source),
        ..Visit::default()
    }
}

pub(super) fn additional(pv2: &Fields<'_>, visit: &mut Visit) {
    visit.reason = coded(pv2.first(3));
    visit.expected_admission_at = time(pv2.first(8));
    visit.expected_discharge_at = time(pv2.first(9));
    visit.transfer_reason = coded(pv2.first(4));
    visit.description = lines(pv2.field(12));
    visit.protected = flag(pv2.first(22));
    visit.priority = coded(pv2.first(25));
    visit.arrival_mode = coded(pv2.first(38));
    visit.level_of_care = coded(pv2.first(40));
}

/// ACC.
pub(super) fn accident(acc: &Fields<'_>, source: Location) -> Accident {
    Accident {
        code: coded(acc.first(2)),
        happened_at: time(acc.first(1)),
        place: text(acc.first(3)),
        state: text(acc.first(4)),
        job_related: flag(acc.first(5)),
        fatal: flag(acc.first(6)),
        description: lines(acc.field(8)),
        source: Some(source),
    }
}

/// PL.
pub(super) fn location(view: View<'_>) -> Option<PersonLocation> {
    if view.raw().is_empty() {
        return None;
    }
    let [point_of_care, room, bed, facility, _, _, building, floor, description] = view.parts();
    let location = PersonLocation {
        point_of_care: text(point_of_care),
        room: text(room),
        bed: text(bed),
        facility: text(facility),
        building: text(building),
        floor: text(floor),
        description: text(description),
    };
    (location != PersonLocation::default()).then_some(location)
}
