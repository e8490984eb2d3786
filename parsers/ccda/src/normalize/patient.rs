//! recordTarget and those around the patient: guardians and support persons.

use orderly_record::{Coded, Patient, RelatedPerson, Text};

use super::Source;
use super::people::{address_line, addresses, name, names, organization, providers, telecoms};
use super::values::{attribute, code_of, coded, flag, identifiers, text_of, time_of};
use crate::document::Element;

/// One patient for each recordTarget; there is almost always one. Persons and physicians that the document names are the first's.
pub(super) fn patients<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<Patient> {
    let roles = root.children_named("recordTarget").filter_map(|target| target.child("patientRole"));
    let mut patients: Vec<Patient> = roles.map(|role| patient(source, role)).collect();
    if let Some(first) = patients.first_mut() {
        first.related.extend(support_persons(source, root));
        first.primary_providers = primary_providers(source, root);
    }
    patients
}

fn patient<'d>(source: &Source<'d>, role: Element<'d>) -> Patient {
    let mut read = Patient {
        identifiers: identifiers(role),
        addresses: addresses(role),
        telecoms: telecoms(role),
        organization: role.child("providerOrganization").and_then(organization),
        source: Some(role.location()),
        ..Patient::default()
    };
    let Some(person) = role.child("patient") else { return read };
    let coded_of = |name: &str| person.child(name).and_then(|code| coded(source, code));
    read.names = names(person);
    read.name = read.names.first().cloned();
    read.birth_date = time_of(person, "birthTime");
    read.sex = person.child("administrativeGenderCode").and_then(sex);
    read.races = codes(source, person, &["raceCode", "sdtc:raceCode"]);
    read.ethnicities = codes(source, person, &["ethnicGroupCode", "sdtc:ethnicGroupCode"]);
    read.language = language(source, person);
    read.marital_status = coded_of("maritalStatusCode");
    read.religion = coded_of("religiousAffiliationCode");
    read.birth_place = person.child("birthplace").and_then(birth_place);
    read.multiple_birth = person.child("sdtc:multipleBirthInd").and_then(|multiple| flag(multiple, "value"));
    read.birth_order =
        person.child("sdtc:multipleBirthOrderNumber").and_then(|order| attribute(order, "value"));
    read.deceased_at = time_of(person, "sdtc:deceasedTime");
    let deceased = person.child("sdtc:deceasedInd").and_then(|deceased| flag(deceased, "value"));
    read.deceased = deceased.or(read.deceased_at.is_some().then_some(true));
    read.related = person.children_named("guardian").map(|guardian| related(source, guardian)).collect();
    read
}

/// AdministrativeGender as HL7 table 0001 has it: undifferentiated is other, and what nobody knows is unknown.
pub(super) fn sex(code: Element<'_>) -> Option<Text> {
    match (code.attribute("nullFlavor"), attribute(code, "code").as_deref()) {
        (Some("UNK"), _) => Some(Text::new_static("U")),
        (_, Some("UN")) => Some(Text::new_static("O")),
        (_, sent) => sent.map(Text::new),
    }
}

/// The codes under these names; the extension repeats what CDA allows once.
fn codes<'d>(source: &Source<'d>, person: Element<'d>, names: &[&str]) -> Vec<Coded> {
    let mut codes: Vec<Coded> = Vec::new();
    for found in person.children().filter(|child| names.contains(&child.name())) {
        codes.extend(coded(source, found).filter(|code| codes.last() != Some(code)));
    }
    codes
}

/// The preferred language, else the first.
fn language<'d>(source: &Source<'d>, person: Element<'d>) -> Option<Coded> {
    let spoken = || person.children_named("languageCommunication");
    let is_preferred = |language: &Element<'_>| {
        language.child("preferenceInd").and_then(|preferred| flag(preferred, "value")) == Some(true)
    };
    let language = spoken().find(is_preferred).or_else(|| spoken().next())?;
    language.child("languageCode").and_then(|code| coded(source, code))
}

/// The name of the place, else its address in one line.
fn birth_place(birthplace: Element<'_>) -> Option<Text> {
    let place = birthplace.child("place")?;
    text_of(place, "name").or_else(|| place.child("addr").and_then(address_line))
}

/// The persons that the patient relies on: participants of type IND.
fn support_persons<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<RelatedPerson> {
    let supporting = |participant: &Element<'_>| participant.attribute("typeCode") == Some("IND");
    let participants = root.children_named("participant").filter(supporting);
    participants
        .filter_map(|participant| participant.child("associatedEntity"))
        .map(|entity| related(source, entity))
        .collect()
}

/// A guardian, a support person, an informant, a guarantor. What kind of contact it is stands in the class, unless that says no more than
/// that it is a person (PRS) or has a role (ASSIGNED); a guardian has no class.
pub(super) fn related<'d>(source: &Source<'d>, role: Element<'d>) -> RelatedPerson {
    let one_of = |names: &[&str]| role.children().find(|child| names.contains(&child.name()));
    let person =
        one_of(&["guardianPerson", "associatedPerson", "relatedPerson", "assignedPerson", "playingEntity"]);
    let house = one_of(&["guardianOrganization", "scopingOrganization", "representedOrganization"]);
    let class = match role.name() {
        "guardian" => Some("GUARD"),
        _ => role.attribute("classCode").filter(|class| !matches!(*class, "PRS" | "ASSIGNED")),
    };
    let role_code = class.map(|class| Coded {
        code: Some(Text::new(class)),
        system: Some(Text::new_static("2.16.840.1.113883.5.110")),
        ..Coded::default()
    });
    RelatedPerson {
        name: person.and_then(name),
        relationship: role.child("code").and_then(|code| coded(source, code)),
        role: role_code,
        addresses: addresses(role),
        telecoms: telecoms(role),
        organization: house.and_then(organization),
        source: Some(role.location()),
        ..RelatedPerson::default()
    }
}

/// Those whom the document calls the primary care physician.
fn primary_providers<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<orderly_record::Provider> {
    let services = root.children_named("documentationOf").filter_map(|of| of.child("serviceEvent"));
    let performers = services.flat_map(|service| service.children_named("performer"));
    let primary = |performer: &Element<'_>| {
        matches!(code_of(*performer, "functionCode").as_deref(), Some("PCP" | "PP"))
    };
    providers(source, performers.filter(primary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, normalize, parse};

    fn read(role: &str, rest: &str) -> Patient {
        let text = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3' xmlns:sdtc='urn:hl7-org:sdtc'><recordTarget><patientRole>{role}\
             </patientRole></recordTarget>{rest}</ClinicalDocument>"
        );
        normalize(&parse(text.as_bytes(), &Limits::default()).unwrap()).patient.unwrap()
    }

    #[test]
    fn sex_is_that_of_hl7_v2() {
        let table = [
            ("code='F'", Some("F")),
            ("code='UN'", Some("O")),
            ("nullFlavor='UNK'", Some("U")),
            ("nullFlavor='NI'", None),
        ];
        for (code, expected) in table {
            let patient = read(&format!("<patient><administrativeGenderCode {code}/></patient>"), "");
            assert_eq!(patient.sex.as_deref(), expected, "{code}");
        }
    }

    #[test]
    fn all_races_and_the_preferred_language() {
        let patient = read(
            "<patient><raceCode code='2106-3' codeSystem='2.16.840.1.113883.6.238'/><sdtc:raceCode code='2076-8'/>\
             <ethnicGroupCode nullFlavor='ASKU'/><languageCommunication><languageCode code='en'/></languageCommunication>\
             <languageCommunication><languageCode code='es'/><preferenceInd value='true'/></languageCommunication></patient>",
            "",
        );
        let races: Vec<_> = patient.races.iter().filter_map(|race| race.code.as_deref()).collect();
        assert_eq!((races, patient.ethnicities.len()), (vec!["2106-3", "2076-8"], 0));
        assert_eq!(patient.races[0].system.as_deref(), Some("CDCREC"));
        assert_eq!(patient.language.unwrap().code.as_deref(), Some("es"));
    }

    #[test]
    fn those_around_the_patient() {
        let patient = read(
            "<patient><sdtc:deceasedTime value='20260301'/><birthplace><place><addr><city>X</city><state>OH</state></addr></place></birthplace>\
             <guardian><code code='MTH'/><guardianPerson><name><given>G</given></name></guardianPerson></guardian></patient>",
            "<participant typeCode='IND'><associatedEntity classCode='ECON'><associatedPerson><name><given>E</given></name></associatedPerson>\
             </associatedEntity></participant><participant typeCode='CALLBCK'><associatedEntity/></participant>",
        );
        let related: Vec<_> = patient
            .related
            .iter()
            .map(|person| {
                (
                    person.name.clone().and_then(|name| name.given),
                    person.role.clone().and_then(|role| role.code),
                )
            })
            .collect();
        assert_eq!(
            related,
            [(Some("G".into()), Some("GUARD".into())), (Some("E".into()), Some("ECON".into()))]
        );
        assert_eq!((patient.deceased, patient.birth_place.as_deref()), (Some(true), Some("X, OH")));
    }
}
