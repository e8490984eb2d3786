//! The encounter that a document is about; and what visits of all kinds have in common.

use orderly_record::{PersonLocation, Provider, Text, Visit};

use super::Source;
use super::people::{address_line, organization, provider};
use super::statement::Statement;
use super::values::{attribute, code_of, coded, identifiers, interval, text_of};
use crate::document::Element;

/// HL7 v3 ActCode, in which the class of an encounter is given.
const ACT_CODE: &str = "2.16.840.1.113883.5.4";

/// componentOf/encompassingEncounter.
pub(super) fn documented<'d>(source: &Source<'d>, root: Element<'d>) -> Option<Visit> {
    let encounter = root.child("componentOf")?.child("encompassingEncounter")?;
    let mut visit = visit(source, encounter);
    let responsible = encounter.child("responsibleParty").and_then(|party| party.child("assignedEntity"));
    visit.attending.extend(responsible.and_then(|entity| provider(source, entity)));
    for participant in encounter.children_named("encounterParticipant") {
        let Some(person) = participant.child("assignedEntity").and_then(|entity| provider(source, entity))
        else {
            continue;
        };
        of_type(&mut visit, participant.attribute("typeCode").unwrap_or_default(), person);
    }
    let facility = encounter.child("location").and_then(|location| location.child("healthCareFacility"));
    visit.location = facility.and_then(facility_location);
    Some(visit)
}

/// Puts a person where its part in the visit belongs (ParticipationType); a person may have several.
fn of_type(visit: &mut Visit, participation: &str, person: Provider) {
    let people = match participation {
        "ADM" => &mut visit.admitting,
        "CON" => &mut visit.consulting,
        "REF" => &mut visit.referring,
        _ => &mut visit.attending,
    };
    if !people.iter().take(COMPARED_MAX).any(|known| *known == person) {
        people.push(person);
    }
}

/// With so many people a new one is compared: more have nothing to do with one visit.
const COMPARED_MAX: usize = 100;

/// What every encounter element has: numbers, code, times, disposition.
pub(super) fn visit<'d>(source: &Source<'d>, encounter: Element<'d>) -> Visit {
    let mut numbers = identifiers(encounter).into_iter();
    let number = numbers.next().map(|number| orderly_record::Identifier {
        kind: number.kind.or(Some(Text::new_static("VN"))),
        ..number
    });
    let time = encounter.child("effectiveTime").map(interval).unwrap_or_default();
    let code = encounter.child("code");
    let disposition = ["dischargeDispositionCode", "sdtc:dischargeDispositionCode"];
    Visit {
        number,
        alternate_numbers: numbers.collect(),
        kind: code.and_then(|code| coded(source, code)),
        class: code.and_then(class),
        admitted_at: time.from,
        discharged_at: time.to,
        discharge_disposition: disposition.into_iter().find_map(|name| code_of(encounter, name)),
        source: Some(encounter.location()),
        ..Visit::default()
    }
}

/// Inpatient, outpatient or emergency, as HL7 table 0004 has it, when the code or a translation is of ActCode.
fn class(code: Element<'_>) -> Option<Text> {
    let mut all = std::iter::once(code).chain(code.children_named("translation"));
    let class = all.find(|code| attribute(*code, "codeSystem").as_deref() == Some(ACT_CODE))?;
    let name = match attribute(class, "code")?.as_str() {
        "AMB" => "O",
        "EMER" => "E",
        "IMP" | "ACUTE" | "NONAC" => "I",
        "PRENC" => "P",
        _ => return None,
    };
    Some(Text::new_static(name))
}

fn facility_location(facility: Element<'_>) -> Option<PersonLocation> {
    let house = facility.child("serviceProviderOrganization").and_then(organization);
    let location = PersonLocation {
        point_of_care: facility.child("location").and_then(|place| text_of(place, "name")),
        facility: house.and_then(|house| house.name),
        description: facility.child("code").and_then(|code| attribute(code, "displayName")),
        ..PersonLocation::default()
    };
    (location != PersonLocation::default()).then_some(location)
}

/// Where a statement says that its service is given: its participants of type LOC.
pub(super) fn location(statement: &Statement<'_, '_>) -> Option<PersonLocation> {
    let is_location =
        |part: Element<'_>| part.name() == "participant" && part.attribute("typeCode") == Some("LOC");
    let mut found = None;
    for place in statement.take_where(is_location) {
        match place.child("participantRole").and_then(service_location) {
            Some(location) if found.is_none() => found = Some(location),
            // A second one, or one that nobody can read.
            _ => statement.source.unread(place),
        }
    }
    found
}

/// Where a service was given, or something took place: a participantRole of class SDLOC or TERR. A place without a name is told by what
/// kind it is, or by its address.
fn service_location(role: Element<'_>) -> Option<PersonLocation> {
    let place = role.child("playingEntity");
    let display = |holder: Element<'_>| holder.child("code").and_then(|code| attribute(code, "displayName"));
    let address = || role.child("addr").and_then(address_line);
    let location = PersonLocation {
        point_of_care: place.and_then(|place| text_of(place, "name")),
        facility: role.child("scopingEntity").and_then(|house| text_of(house, "desc")),
        description: display(role).or_else(|| place.and_then(display)).or_else(address),
        ..PersonLocation::default()
    };
    (location != PersonLocation::default()).then_some(location)
}
