//! PV1 and PV2: the visit.

use orderly_record::{Location, PersonLocation, Visit};

use super::Fields;
use super::values::{coded, identifier, providers, text, time};
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
}

/// PL.
fn location(view: View<'_>) -> Option<PersonLocation> {
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
