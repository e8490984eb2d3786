//! Devices: what was supplied, and what procedures implanted or used, with the parts of the unique device identifier.

use orderly_record::{Device, Identifier, Organization, Procedure, Record, Text};

use super::medications::{drug_code, indications, material};
use super::{plans, procedures};
use crate::document::Element;
use crate::normalize::Source;
use crate::normalize::concern::Recorded;
use crate::normalize::people::providers;
use crate::normalize::shared::Shared;
use crate::normalize::statement::{Related, Statement, is_negated};
use crate::normalize::values::{
    attribute, code_of, coded, coded_or_words, flag, identifier, identifiers, interval, quantity, text_of,
    time,
};

/// Who gives out unique device identifiers: the FDA.
const UDI: &str = "2.16.840.1.113883.3.3719";

/// Reads a supply, a procedure with devices, or a list of them.
pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let is_intended = statement.element.attribute("moodCode").is_some_and(|mood| mood.trim() != "EVN");
    match statement.name() {
        "supply" | "procedure" if is_intended => plans::read(statement, record),
        "supply" => {
            supplied(statement, record);
            true
        }
        "procedure" => {
            let procedure = procedures::procedure(statement);
            let found = of_procedure(statement, &procedure);
            // Here it tells of the device that it implanted, else of itself.
            if found.is_empty() {
                record.procedures.push(procedure);
            }
            record.devices.extend(found);
            true
        }
        "organizer" if !is_negated(statement.element) => list(statement, record),
        _ => false,
    }
}

fn list(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let before = record.devices.len();
    statement.related_or_negated(
        |related| ["supply", "procedure", "organizer"].iter().any(|name| related.is(name)),
        |inner| {
            if !read(inner, record) {
                inner.source.unread(inner.element);
            }
        },
    );
    record.devices.len() > before
}

/// A supply: one device, which its product is.
pub(super) fn supplied(statement: &Statement<'_, '_>, record: &mut Record) {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let around = Device {
        category: Some(Text::new_static("supply")),
        status: code_of(statement.element, "statusCode"),
        negated: flag(statement.element, "negationInd"),
        starts_at: time.from,
        ends_at: time.to,
        quantity: statement.read("quantity", quantity),
        reasons: indications(statement),
        performed_by: providers(source, statement.take_all("performer")),
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        notes: statement.notes(),
        ..Device::default()
    };
    let mut roles = participants(statement, &["PRD", "DEV"]).into_iter();
    let role = roles.next();
    // A supply is of one product.
    roles.for_each(|another| source.unread(another));
    let mut device = device(source, role, around);
    let material = || {
        let product = statement.take("product")?.child("manufacturedProduct")?;
        drug_code(source, material(product)?)
    };
    let code = device.code.take().or_else(material);
    device.code = code.or_else(|| coded_or_words(source, None, || statement.words()));
    udi(statement, &mut device);
    device.identifiers.extend(identifiers(statement.element));
    device.source = Some(statement.element.location());
    record.devices.push(device);
}

/// The devices that a procedure implanted or used; each tells what is said of the procedure.
pub(super) fn of_procedure(statement: &Statement<'_, '_>, procedure: &Procedure) -> Vec<Device> {
    let roles = participants(statement, &["DEV"]);
    if roles.is_empty() {
        return Vec::new();
    }
    let around = Device {
        category: Some(Text::new_static("procedure")),
        status: procedure.status.clone(),
        negated: procedure.negated,
        procedure: procedure.code.clone(),
        sites: procedure.sites.clone(),
        starts_at: procedure.performed_at.clone(),
        ends_at: procedure.performed_to.clone(),
        reasons: procedure.reasons.clone(),
        performed_by: procedure.performed_by.clone(),
        recorded_at: procedure.recorded_at.clone(),
        recorded_by: procedure.recorded_by.clone(),
        ..Device::default()
    };
    // The devices are no part of what is said once.
    let said: Vec<_> = statement.element.children().filter(|part| part.name() != "participant").collect();
    let around = Shared::new(around, &said);
    let source = statement.source;
    let mut devices: Vec<Device> =
        roles.into_iter().map(|role| device(source, Some(role), around.copy(source))).collect();
    // The parts of a udi are those of the only device.
    if let [only] = devices.as_mut_slice() {
        udi(statement, only);
    }
    devices
}

/// Takes the roles of the participants of these types that name a device, or that there is none.
fn participants<'d>(statement: &Statement<'_, 'd>, types: &[&str]) -> Vec<Element<'d>> {
    let is_wanted = |part: Element<'_>| {
        let kind = part.attribute("typeCode").unwrap_or_default();
        let role = part.child("participantRole");
        let names = |role: Element<'_>| {
            role.child("playingDevice").is_some()
                || role.children_named("id").any(|id| identifier(id).is_some())
        };
        part.name() == "participant" && types.contains(&kind) && role.is_some_and(names)
    };
    let taken = statement.take_where(is_wanted).into_iter();
    taken.filter_map(|participant| participant.child("participantRole")).collect()
}

/// A product instance.
fn device<'d>(source: &Source<'d>, role: Option<Element<'d>>, around: Device) -> Device {
    let playing = role.and_then(|role| role.child("playingDevice"));
    let numbers = role.map(identifiers).unwrap_or_default();
    let udi = numbers.iter().find(|number| number.system.as_deref() == Some(UDI));
    Device {
        code: playing.and_then(|device| device.child("code")).and_then(|code| coded(source, code)),
        udi: udi.map(|number| number.value.clone()),
        model: playing.and_then(|device| text_of(device, "manufacturerModelName")),
        manufacturer: role.and_then(|role| role.child("scopingEntity")).and_then(maker),
        identifiers: numbers,
        source: role.map(Element::location),
        ..around
    }
}

/// Who made or supplied it. A house that is only known as the giver of the udi is the FDA, not the maker.
fn maker(entity: Element<'_>) -> Option<Organization> {
    let is_maker = |number: &Identifier| number.value != UDI;
    let house = Organization {
        name: text_of(entity, "desc"),
        identifiers: identifiers(entity).into_iter().filter(is_maker).collect(),
        ..Organization::default()
    };
    (house != Organization::default()).then_some(house)
}

/// The unique device identifier in its parts, as far as they have a place.
fn udi(statement: &Statement<'_, '_>, device: &mut Device) {
    let is_udi = |related: Related<'_>| {
        related.is("organizer")
            && (related.has_code(&["74711-3"]) || related.has_template("2.16.840.1.113883.10.20.22.4.311"))
    };
    statement.related(is_udi, |organizer| {
        let number = organizer.own("id").and_then(identifier).map(|number| number.value);
        device.udi = device.udi.take().or(number);
        organizer.related(is_udi_part, |part| udi_part(part, device));
    });
}

/// The parts that have a place (NCI Thesaurus).
fn is_udi_part(related: Related<'_>) -> bool {
    let codes = [
        "C101722", "C101672", "C101671", "C113843", "C101669", "C101670", "C71898", "C99285", "C99286",
        "C54131", "C160939", "C106044", "C160938",
    ];
    related.is("observation") && related.has_code(&codes)
}

fn udi_part(part: &Statement<'_, '_>, device: &mut Device) {
    let code = code_of(part.element, "code");
    part.read("value", |value| match code.as_deref()? {
        "C101669" => put(&mut device.manufactured_at, time(value)),
        "C101670" => put(&mut device.expires_at, time(value)),
        "C160939" => put(&mut device.condition, coded(part.source, value)),
        "C106044" => put(&mut device.mri_safety, coded(part.source, value)),
        "C160938" => put(&mut device.latex_safety, coded(part.source, value)),
        code => {
            let words = udi_words(part.source, value)?;
            put(words_of_udi(code, device), Some(words))
        }
    });
}

/// Where the words of a part stand in the record.
fn words_of_udi<'r>(code: &str, device: &'r mut Device) -> &'r mut Option<Text> {
    match code {
        "C101722" => &mut device.device_identifier,
        "C101672" => &mut device.lot_number,
        "C101671" => &mut device.serial_number,
        "C113843" => &mut device.distinct_identification,
        "C71898" => &mut device.brand,
        "C99285" => &mut device.model,
        "C99286" => &mut device.catalog_number,
        _ => &mut device.manufacturer.get_or_insert_default().name,
    }
}

/// An identifier, words, or whatever stands as the value.
fn udi_words<'d>(source: &Source<'d>, value: Element<'d>) -> Option<Text> {
    attribute(value, "extension").or_else(|| source.words(value)).or_else(|| attribute(value, "value"))
}

/// Puts what was read in its place, unless that was nothing.
fn put<T>(place: &mut Option<T>, read: Option<T>) -> Option<()> {
    *place = Some(read?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    fn part(code: &str, value: &str) -> String {
        format!("<component><observation><code code='{code}'/>{value}</observation></component>")
    }

    #[test]
    fn an_implant_with_its_udi() {
        let parts = [
            part("C101722", "<value xsi:type='II' root='1.3.160' extension='00811111000017'/>"),
            part("C101672", "<value xsi:type='ST'>L5</value>"),
            part("C101670", "<value xsi:type='TS' value='20301231'/>"),
            part("C54131", "<value xsi:type='ED'><reference value='#maker'/></value>"),
            part("C160938", "<value xsi:type='CD' code='C106038'/>"),
            part("C999", "<value xsi:type='ST'>x</value>"),
        ];
        let record = record(&format!(
            "<code code='46264-8'/><text><content ID='maker'>Harbor Devices</content></text><entry><procedure moodCode='EVN'><code code='71388002'/>\
             <statusCode code='completed'/><effectiveTime value='20240102'/><targetSiteCode code='80891009'/>\
             <participant typeCode='DEV'><participantRole><id root='2.16.840.1.113883.3.3719' extension='(01)00811111000017(10)L5'/>\
             <playingDevice><code code='14106009'/></playingDevice><scopingEntity><id root='2.16.840.1.113883.3.3719'/></scopingEntity></participantRole></participant>\
             <entryRelationship typeCode='COMP'><organizer><code code='74711-3'/>{}</organizer></entryRelationship></procedure></entry>",
            parts.concat()
        ));
        let device = &record.devices[0];
        assert_eq!(
            (device.udi.as_deref(), device.lot_number.as_deref()),
            (Some("(01)00811111000017(10)L5"), Some("L5"))
        );
        assert_eq!(device.expires_at.as_ref().unwrap().to_string(), "2030-12-31");
        assert_eq!(device.manufacturer.as_ref().unwrap().name.as_deref(), Some("Harbor Devices"));
        assert_eq!(device.latex_safety.as_ref().unwrap().code.as_deref(), Some("C106038"));
        assert_eq!((device.procedure.is_some(), record.procedures.len()), (true, 0));
        assert_eq!((record.sections[0].unread.len(), record.sections[0].unread[0].count), (1, 1));
    }

    #[test]
    fn supplies_lists_and_none() {
        let record = record(
            "<code code='46264-8'/><entry><supply moodCode='EVN'><effectiveTime><low value='2020'/></effectiveTime><quantity value='2'/>\
             <participant typeCode='PRD'><participantRole><playingDevice><code code='72506001'/></playingDevice><scopingEntity><desc>Harbor Supply</desc></scopingEntity>\
             </participantRole></participant></supply></entry>\
             <entry><organizer><code code='40388003'/><component><supply><text>a cane</text></supply></component></organizer></entry>\
             <entry><procedure negationInd='true'><participant typeCode='DEV'><participantRole><playingDevice><code nullFlavor='NA'/></playingDevice></participantRole>\
             </participant></procedure></entry><entry><supply moodCode='RQO'><text>a chair</text></supply></entry><entry><organizer/></entry>",
        );
        let [first, second, none] = record.devices.as_slice() else { panic!("three devices") };
        assert_eq!(first.manufacturer.as_ref().unwrap().name.as_deref(), Some("Harbor Supply"));
        assert_eq!(first.quantity.as_ref().unwrap().value, "2");
        assert_eq!(second.code.as_ref().unwrap().text.as_deref(), Some("a cane"));
        assert_eq!((none.negated, &none.code), (Some(true), &None));
        assert_eq!((record.plans.len(), record.sections[0].unread.len()), (1, 1));
    }
}
