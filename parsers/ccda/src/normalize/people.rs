//! Persons, houses, and how to reach them: names, addresses, telecoms, providers, organizations.

use orderly_record::{Address, HumanName, Organization, Provider, Telecom, Text};

use super::Source;
use super::values::{coded, identifier, identifiers, is_null, text, text_of};
use crate::document::Element;

/// All names directly below. One element may hold several: the name, the one at birth, the one the person goes by.
pub(super) fn names(element: Element<'_>) -> Vec<HumanName> {
    element.children_named("name").flat_map(names_in).collect()
}

/// The first name directly below.
pub(super) fn name(element: Element<'_>) -> Option<HumanName> {
    element.child("name").and_then(|name| names_in(name).into_iter().next())
}

fn names_in(element: Element<'_>) -> Vec<HumanName> {
    if is_null(element) {
        return Vec::new();
    }
    if element.children().next().is_none() {
        // A name in one piece: nobody can tell its parts.
        let family = text(&element.text());
        return family
            .map(|family| HumanName { family: Some(family), ..HumanName::default() })
            .into_iter()
            .collect();
    }
    let (at_birth, called): (Vec<_>, Vec<_>) =
        (qualified(element, "family", "BR"), qualified(element, "given", "CL"));
    let usage = element.attribute("use").and_then(name_usage);
    let families = parts(element, "family", &["BR"]);
    let main = HumanName {
        family: family(element, if families.is_empty() { &at_birth } else { &families }),
        ..given(element, usage.clone())
    };
    let mut names = vec![main];
    if !families.is_empty() && !at_birth.is_empty() {
        let usage = Some(Text::new_static("B"));
        names.push(HumanName { family: joined(&at_birth), ..given(element, usage) });
    }
    if !called.is_empty() {
        let usage = Some(Text::new_static("N"));
        names.push(HumanName { given: joined(&called), usage, ..HumanName::default() });
    }
    let says_nothing =
        |name: &HumanName| *name == HumanName { usage: name.usage.clone(), ..HumanName::default() };
    names.retain(|name| !says_nothing(name));
    names
}

/// The parts of a name but the family name.
fn given(element: Element<'_>, usage: Option<Text>) -> HumanName {
    let mut given = parts(element, "given", &["CL"]).into_iter();
    let degrees = [qualified(element, "suffix", "AC"), qualified(element, "prefix", "AC")].concat();
    HumanName {
        family: None,
        given: given.next(),
        middle: joined(&given.collect::<Vec<_>>()),
        suffix: joined(&parts(element, "suffix", &["AC"])),
        prefix: joined(&parts(element, "prefix", &["AC", "VV"])),
        degree: joined(&degrees),
        usage,
    }
}

/// The family name with its own prefix (`van`).
fn family(element: Element<'_>, families: &[Text]) -> Option<Text> {
    joined(&[qualified(element, "prefix", "VV").as_slice(), families].concat())
}

/// The parts of this name without these qualifiers.
fn parts(element: Element<'_>, name: &str, without: &[&str]) -> Vec<Text> {
    let is_plain = |part: &Element<'_>| !without.iter().any(|qualifier| has_qualifier(*part, qualifier));
    element.children_named(name).filter(is_plain).filter_map(part_text).collect()
}

/// The parts of this name with this qualifier.
fn qualified(element: Element<'_>, name: &str, qualifier: &str) -> Vec<Text> {
    element
        .children_named(name)
        .filter(|part| has_qualifier(*part, qualifier))
        .filter_map(part_text)
        .collect()
}

fn has_qualifier(part: Element<'_>, wanted: &str) -> bool {
    part.attribute("qualifier").is_some_and(|all| all.split_whitespace().any(|one| one == wanted))
}

fn part_text(part: Element<'_>) -> Option<Text> {
    Some(part).filter(|part| !is_null(*part)).and_then(|part| text(&part.text()))
}

fn joined(parts: &[Text]) -> Option<Text> {
    match parts {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(several.join(" ").into()),
    }
}

/// EntityNameUse as HL7 table 0200 has it; what that table lacks stays as sent.
fn name_usage(usage: &str) -> Option<Text> {
    let first = usage.split_whitespace().next()?;
    Some(Text::new(match first {
        "C" => "I",
        "I" => "T",
        "P" => "A",
        other => other,
    }))
}

/// All addresses directly below.
pub(super) fn addresses(element: Element<'_>) -> Vec<Address> {
    element.children_named("addr").filter_map(address).collect()
}

/// AD.
pub(super) fn address(element: Element<'_>) -> Option<Address> {
    if is_null(element) {
        return None;
    }
    let lines = element.children_named("streetAddressLine").filter_map(part_text);
    let address = Address {
        lines: lines.chain(street(element)).collect(),
        city: text_of(element, "city"),
        state: text_of(element, "state"),
        postal_code: text_of(element, "postalCode"),
        country: text_of(element, "country"),
        county: text_of(element, "county"),
        usage: None,
    };
    let has_parts = element.children().next().is_some();
    // An address in one piece is its own line.
    let lines = if has_parts { address.lines } else { text(&element.text()).into_iter().collect() };
    let address = Address { lines, ..address };
    let usage = element.attribute("use").and_then(address_usage);
    (address != Address::default()).then_some(Address { usage, ..address })
}

/// The town of an address and what is around it in one line; of an address in one piece, that.
pub(super) fn address_line(address: Element<'_>) -> Option<Text> {
    if is_null(address) {
        return None;
    }
    let parts = ["city", "county", "state", "country"].into_iter().filter_map(|part| text_of(address, part));
    let line = parts.collect::<Vec<_>>().join(", ");
    text(&line).or_else(|| text(&address.text()))
}

/// Number and street where they were sent apart.
fn street(element: Element<'_>) -> Option<Text> {
    let parts = ["houseNumber", "streetName"].into_iter().filter_map(|name| text_of(element, name));
    joined(&parts.collect::<Vec<_>>())
}

/// PostalAddressUse as HL7 table 0190 has it; what that table lacks stays as sent.
fn address_usage(usage: &str) -> Option<Text> {
    let first = usage.split_whitespace().next()?;
    Some(Text::new(match first {
        "HP" | "H" => "H",
        "WP" => "O",
        "TMP" => "C",
        "BAD" => "BA",
        "HV" => "V",
        "PST" => "M",
        other => other,
    }))
}

/// All telecoms directly below.
pub(super) fn telecoms(element: Element<'_>) -> Vec<Telecom> {
    element.children_named("telecom").filter_map(telecom).collect()
}

/// TEL: the number or address without its scheme; the scheme and the use say what it reaches (HL7 tables 0201 and 0202).
fn telecom(element: Element<'_>) -> Option<Telecom> {
    let sent = element.attribute("value").filter(|_| !is_null(element)).and_then(text)?;
    let uses = element.attribute("use").unwrap_or_default();
    let has = |wanted: &[&str]| uses.split_whitespace().any(|one| wanted.contains(&one));
    let (scheme, value) = match sent.split_once(':') {
        Some((scheme, value)) if !value.trim().is_empty() => (scheme.to_ascii_lowercase(), value.trim()),
        // A scheme without anything behind it reaches nobody.
        Some(_) => return None,
        None => (String::new(), sent.as_str()),
    };
    let (system, value) = match scheme.as_str() {
        "tel" | "" if has(&["MC"]) => (Some("CP"), value),
        "tel" if has(&["PG"]) => (Some("BP"), value),
        "tel" => (Some("PH"), value),
        "fax" | "x-text-fax" => (Some("FX"), value),
        "mailto" | "email" => (Some("Internet"), value),
        "" if value.contains('@') => (Some("Internet"), value),
        "" if value.bytes().any(|byte| byte.is_ascii_digit()) => (Some("PH"), value),
        "" => (None, value),
        // Any other scheme is part of the address.
        _ => (None, sent.as_str()),
    };
    let usage = match () {
        () if has(&["HP", "H"]) => Some("PRN"),
        () if has(&["HV"]) => Some("VHN"),
        () if has(&["WP", "DIR", "PUB"]) => Some("WPN"),
        () if has(&["EC"]) => Some("EMR"),
        () if has(&["AS"]) => Some("ASN"),
        () => None,
    };
    let [system, usage] = [system, usage].map(|part| part.map(Text::new_static));
    Some(Telecom { value: Text::new(value), system, usage })
}

/// An organization.
pub(super) fn organization(element: Element<'_>) -> Option<Organization> {
    let name = element.child("name").filter(|name| !is_null(*name));
    let organization = Organization {
        name: name.and_then(|name| text(&name.text())),
        identifiers: identifiers(element),
        addresses: addresses(element),
        telecoms: telecoms(element),
    };
    (organization != Organization::default()).then_some(organization)
}

/// A person in a role: `assignedAuthor`, `assignedEntity`, `participantRole`, ...
pub(super) fn provider<'d>(source: &Source<'d>, role: Element<'d>) -> Option<Provider> {
    let one_of = |names: &[&str]| role.children().find(|child| names.contains(&child.name()));
    let person = one_of(&[
        "assignedPerson",
        "associatedPerson",
        "relatedPerson",
        "informationRecipient",
        "playingEntity",
    ]);
    let ids = identifiers(role);
    // The number that everybody knows the person by, if there is one, else the first.
    let npi = ids.iter().find(|id| id.kind.as_deref() == Some("NPI")).cloned();
    let device = one_of(&["assignedAuthoringDevice", "playingDevice"]).and_then(device_name);
    let provider = Provider {
        identifier: npi.or_else(|| ids.into_iter().next()),
        name: person.and_then(name),
        specialty: role.child("code").and_then(|code| coded(source, code)),
        device,
        organization: one_of(&["representedOrganization", "scopingOrganization", "receivedOrganization"])
            .and_then(organization),
        addresses: addresses(role),
        telecoms: telecoms(role),
    };
    (provider != Provider::default()).then_some(provider)
}

/// What a device is called: its software, else its model.
pub(super) fn device_name(device: Element<'_>) -> Option<Text> {
    text_of(device, "softwareName").or_else(|| text_of(device, "manufacturerModelName"))
}

/// The persons in these participations, each holding its role.
pub(super) fn providers<'d>(
    source: &Source<'d>,
    participations: impl IntoIterator<Item = Element<'d>>,
) -> Vec<Provider> {
    let role = |participation: Element<'d>| participation.children().find(|child| is_role(child.name()));
    participations.into_iter().filter_map(role).filter_map(|role| provider(source, role)).collect()
}

fn is_role(name: &str) -> bool {
    matches!(
        name,
        "assignedAuthor" | "assignedEntity" | "associatedEntity" | "participantRole" | "intendedRecipient"
    )
}

/// An identifier of the first of these elements that has one.
pub(super) fn first_identifier(element: Element<'_>) -> Option<orderly_record::Identifier> {
    element.children_named("id").find_map(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    fn with<T>(body: &str, read: impl for<'d> Fn(&Source<'d>, Element<'d>) -> T) -> T {
        let text = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'>{body}</ClinicalDocument>");
        let document = parse(text.as_bytes(), &Limits::default()).unwrap();
        read(&Source::new(&document), document.root())
    }

    fn named(body: &str) -> Vec<String> {
        let show = |name: HumanName| {
            let HumanName { family, given, middle, suffix, prefix, degree, usage } = name;
            let parts = [family, given, middle, suffix, prefix, degree, usage];
            parts.map(|part| part.unwrap_or_else(|| "-".into())).join(" ")
        };
        with(body, |_, root| names(root).into_iter().map(show).collect())
    }

    #[test]
    fn names_in_all_their_forms() {
        let table: [(&str, &[&str]); 7] = [
            (
                "<name use='L'><given>Alma</given><given>Q</given><given>R</given><family>Tester</family></name>",
                &["Tester Alma Q R - - - L"],
            ),
            (
                "<name><prefix>Dr</prefix><given>Ira</given><family>Mendes</family><suffix>Jr</suffix><suffix qualifier='AC'>MD</suffix></name>",
                &["Mendes Ira - Jr Dr MD -"],
            ),
            (
                "<name><given>A</given><given qualifier='CL'>Al</given><family>New</family><family qualifier='BR'>Old</family></name>",
                &["New A - - - - -", "Old A - - - - B", "- Al - - - - N"],
            ),
            (
                "<name><prefix qualifier='VV'>van</prefix><family>Berg</family></name>",
                &["van Berg - - - - - -"],
            ),
            ("<name>Alma Tester</name>", &["Alma Tester - - - - - -"]),
            ("<name nullFlavor='UNK'/><name use='L'><given nullFlavor='UNK'/></name>", &[]),
            ("<name use='P'><family>Star</family></name>", &["Star - - - - - A"]),
        ];
        for (body, expected) in table {
            assert_eq!(named(body), expected, "{body}");
        }
    }

    #[test]
    fn addresses_with_and_without_parts() {
        let read = |body: &str| with(body, |_, root| addresses(root));
        let parts = read(
            "<addr use='HP'><streetAddressLine>12 Elm St</streetAddressLine><city>Springtown</city><state>OH</state><country nullFlavor='UNK'>x</country></addr>",
        );
        assert_eq!(
            (parts[0].lines.join("/"), parts[0].usage.as_deref()),
            ("12 Elm St".to_owned(), Some("H"))
        );
        assert_eq!((parts[0].state.as_deref(), parts[0].country.as_deref()), (Some("OH"), None));
        assert_eq!(read("<addr use='WP'>12 Elm St, Springtown</addr>")[0].lines, ["12 Elm St, Springtown"]);
        assert_eq!(
            read("<addr><houseNumber>12</houseNumber><streetName>Elm St</streetName></addr>")[0].lines,
            ["12 Elm St"]
        );
        assert!(read("<addr nullFlavor='UNK'><city>x</city></addr><addr use='HP'/>").is_empty());
    }

    #[test]
    fn telecoms_by_scheme_and_use() {
        let table = [
            ("use='HP' value='tel:+1-555-555-0100'", "+1-555-555-0100 PH PRN"),
            ("use='WP' value='fax:5550101'", "5550101 FX WPN"),
            ("use='MC' value='tel:5550102'", "5550102 CP -"),
            ("use='HP MC' value='5550102'", "5550102 CP PRN"),
            ("value='mailto:a@example.org'", "a@example.org Internet -"),
            ("value='a@example.org'", "a@example.org Internet -"),
            ("value='(555) 555-0103'", "(555) 555-0103 PH -"),
            ("value='http://example.org/x'", "http://example.org/x - -"),
        ];
        for (attributes, expected) in table {
            let shown = with(&format!("<telecom {attributes}/>"), |_, root| {
                let telecom = telecoms(root).remove(0);
                let part = |part: Option<Text>| part.unwrap_or_else(|| "-".into());
                format!("{} {} {}", telecom.value, part(telecom.system), part(telecom.usage))
            });
            assert_eq!(shown, expected, "{attributes}");
        }
        assert!(
            with("<telecom value='tel:'/><telecom nullFlavor='UNK' value='tel:1'/>", |_, root| telecoms(
                root
            ))
            .is_empty()
        );
    }

    #[test]
    fn a_provider_is_known_by_the_national_number() {
        let body = "<assignedAuthor><id root='1.2' extension='7'/><id root='2.16.840.1.113883.4.6' extension='1245319599'/>\
                    <assignedPerson><name><family>Mendes</family></name></assignedPerson>\
                    <representedOrganization><name>North Clinic</name></representedOrganization></assignedAuthor>";
        let found = with(body, |source, root| provider(source, root.children().next().unwrap())).unwrap();
        assert_eq!(found.identifier.and_then(|id| id.kind).as_deref(), Some("NPI"));
        assert_eq!(found.organization.and_then(|house| house.name).as_deref(), Some("North Clinic"));
        let device = "<assignedAuthor><assignedAuthoringDevice><manufacturerModelName>M</manufacturerModelName>\
                      <softwareName>S</softwareName></assignedAuthoringDevice></assignedAuthor>";
        let found = with(device, |source, root| provider(source, root.children().next().unwrap())).unwrap();
        assert_eq!(found.device.as_deref(), Some("S"));
    }
}
