//! Data types to values (chapter 2A). Each takes the view of one repetition, unless it says otherwise, and gives nothing for nothing.

use orderly_record::{
    Address, Authority, Coded, Coding, HumanName, Identifier, Organization, Precision, Provider, Quantity,
    Telecom, Text, Timestamp,
};

use crate::view::{Presence, View};

/// The first leaf's text without blanks around it.
pub(super) fn text(view: View<'_>) -> Option<Text> {
    // Most parts of most fields are empty: they are passed over before anything is decoded.
    if view.raw().is_empty() {
        return None;
    }
    let kept = |text: &str| {
        let trimmed = text.trim_ascii();
        (!trimmed.is_empty()).then(|| Text::new(trimmed))
    };
    match view.plain_leaf() {
        Some("\"\"") => None,
        Some(plain) => kept(plain),
        None => kept(&view.text()),
    }
}

/// Text as lines, of a field: each repetition is a line; delimiters that the sender forgot to escape are kept.
pub(super) fn lines(field: View<'_>) -> Option<Text> {
    let mut lines = String::new();
    for (index, line) in field.children().enumerate() {
        if index > 0 {
            lines.push('\n');
        }
        if line.presence() != Presence::Null {
            lines.push_str(&line.whole_text());
        }
    }
    lines.truncate(lines.trim_end().len());
    (!lines.is_empty()).then(|| Text::new(lines))
}

/// `Y` and `N` (HL7 table 0136).
pub(super) fn flag(view: View<'_>) -> Option<bool> {
    match text(view).as_deref() {
        Some("Y") => Some(true),
        Some("N") => Some(false),
        _ => None,
    }
}

/// DT, DTM and TS. TS.2, which tells the precision in old versions, rules when it is coarser than the text.
pub(super) fn time(view: View<'_>) -> Option<Timestamp> {
    let [value, precision] = view.parts();
    let mut time = Timestamp::parse_hl7(&text(value)?);
    if let (Timestamp::Known(moment), Some(precision)) = (&mut time, text(precision)) {
        let declared = match precision.as_str() {
            "Y" => Precision::Year,
            "L" => Precision::Month,
            "D" => Precision::Day,
            "H" => Precision::Hour,
            "M" => Precision::Minute,
            _ => moment.precision,
        };
        moment.precision = moment.precision.min(declared);
    }
    Some(time)
}

/// CE, CWE and CNE, at any level: code, text and system; the alternates are translations. With only alternates, the first of them leads.
pub(super) fn coded(view: View<'_>) -> Option<Coded> {
    if view.raw().is_empty() {
        return None;
    }
    let triplet = |[code, display, system]: [View<'_>; 3]| {
        let coding = Coding { code: text(code), display: text(display), system: text(system) };
        (coding.code.is_some() || coding.display.is_some()).then_some(coding)
    };
    let [code, display, system, code2, display2, system2, _, _, original, code3, display3, system3] =
        view.parts();
    let all = [[code, display, system], [code2, display2, system2], [code3, display3, system3]];
    let mut codings = all.into_iter().filter_map(triplet);
    let (first, original) = (codings.next(), text(original));
    if first.is_none() && original.is_none() {
        return None;
    }
    let Coding { code, display, system } = first.unwrap_or_default();
    Some(Coded { code, display, system, text: original, translations: codings.collect() })
}

/// All repetitions of a coded field.
pub(super) fn all_coded(field: View<'_>) -> Vec<Coded> {
    field.children().filter_map(coded).collect()
}

/// A code whose words, and whose system, older versions put into fields of their own.
pub(super) fn described(
    code: Option<Coded>,
    description: Option<Text>,
    method: Option<Text>,
) -> Option<Coded> {
    let mut coded = code.unwrap_or_default();
    if coded.display.is_none() && coded.text.is_none() {
        coded.text = description;
    }
    if coded.code.is_some() && coded.system.is_none() {
        coded.system = method;
    }
    (coded != Coded::default()).then_some(coded)
}

/// A code as words for a person.
pub(super) fn words(coded: Coded) -> Option<Text> {
    coded.text.or(coded.display).or(coded.code)
}

/// All repetitions of a coded field as words, each a line.
pub(super) fn all_words(field: View<'_>) -> Option<Text> {
    let lines: Vec<Text> = field.children().filter_map(coded).filter_map(words).collect();
    match lines.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(several.join("\n").into()),
    }
}

/// A number and, in another field, its unit.
pub(super) fn amount(value: View<'_>, units: View<'_>) -> Option<Quantity> {
    text(value).map(|value| Quantity { value, comparator: None, units: coded(units) })
}

/// Who made a drug, sent as a code (HL7 table 0227) or just as a name.
pub(super) fn manufacturer(view: View<'_>) -> Option<Organization> {
    let coded = coded(view)?;
    let (name, code) = match coded.display.or(coded.text) {
        Some(name) => (Some(name), coded.code),
        None => (coded.code, None),
    };
    let identifier = code.map(|value| Identifier { value, system: coded.system, ..Identifier::default() });
    Some(Organization { name, identifiers: identifier.into_iter().collect(), ..Organization::default() })
}

/// XON: a house, by name and id; the id is last, before there was that third.
pub(super) fn organization(view: View<'_>) -> Option<Organization> {
    if view.raw().is_empty() {
        return None;
    }
    let [own, _, old_id, _, _, assigner, kind, _, _, id] = view.parts();
    let identifier = text(id).or_else(|| text(old_id)).map(|value| {
        let authority = authority(assigner);
        let system = system(authority.as_ref());
        Identifier { value, system, kind: text(kind), authority, ..Identifier::default() }
    });
    let (name, identifiers) = (text(own), Vec::from_iter(identifier));
    let is_nothing = name.is_none() && identifiers.is_empty();
    (!is_nothing).then(|| Organization { name, identifiers, ..Organization::default() })
}

/// All repetitions of a field as texts.
pub(super) fn texts(field: View<'_>) -> Vec<Text> {
    field.children().filter_map(text).collect()
}

/// All repetitions of an identifier field.
pub(super) fn identifiers(field: View<'_>) -> Vec<Identifier> {
    field.children().filter_map(|view| identifier(view, None)).collect()
}

/// CQ: a number, and its unit as subcomponents.
pub(super) fn composite_quantity(view: View<'_>) -> Option<Quantity> {
    if view.raw().is_empty() {
        return None;
    }
    amount(view.child(1), view.child(2))
}

/// HD: who gives identifiers out.
pub(super) fn authority(view: View<'_>) -> Option<Authority> {
    if view.raw().is_empty() {
        return None;
    }
    let authority = Authority {
        name: text(view.child(1)),
        universal_id: text(view.child(2)),
        universal_id_type: text(view.child(3)),
    };
    (authority.name.is_some() || authority.universal_id.is_some()).then_some(authority)
}

/// CX, and plain ids of old versions: the id, who gave it, what it is. `kind` is what the field itself says it is.
pub(super) fn identifier(view: View<'_>, kind: Option<&str>) -> Option<Identifier> {
    let [id, _, _, authority, own_kind, facility, from, to] = view.parts();
    let value = text(id)?;
    let authority = self::authority(authority);
    Some(Identifier {
        value,
        system: system(authority.as_ref()),
        kind: text(own_kind).or_else(|| kind.map(Text::new)),
        authority,
        facility: text(facility),
        from: time(from),
        to: time(to),
    })
}

/// EI: id ^ namespace ^ universal id ^ its type, at any level.
pub(super) fn entity(view: View<'_>) -> Option<Identifier> {
    let [id, name, universal_id, universal_id_type] = view.parts();
    let value = text(id)?;
    let given = Authority {
        name: text(name),
        universal_id: text(universal_id),
        universal_id_type: text(universal_id_type),
    };
    let authority = (given.name.is_some() || given.universal_id.is_some()).then_some(given);
    Some(Identifier { value, system: system(authority.as_ref()), authority, ..Identifier::default() })
}

fn system(authority: Option<&Authority>) -> Option<Text> {
    let authority = authority?;
    authority.universal_id.clone().or_else(|| authority.name.clone())
}

/// XPN, and PN of old versions.
pub(super) fn name(view: View<'_>) -> Option<HumanName> {
    let [family, given, middle, suffix, prefix, degree, usage] = view.parts();
    person_name([family, given, middle, suffix, prefix, degree], usage)
}

/// All repetitions of a name field.
pub(super) fn names(field: View<'_>) -> Vec<HumanName> {
    field.children().filter_map(name).collect()
}

/// Family, given, middle, suffix, prefix and degree, which follow one another wherever there is a name, and the name's use.
fn person_name(parts: [View<'_>; 6], usage: View<'_>) -> Option<HumanName> {
    if parts.iter().all(|part| part.raw().is_empty()) {
        return None;
    }
    let [surname, given, middle, suffix, prefix, degree] = parts;
    let name = HumanName {
        family: family(surname),
        given: text(given),
        middle: text(middle),
        suffix: text(suffix),
        prefix: text(prefix),
        degree: text(degree),
        usage: None,
    };
    let HumanName { family, given, middle, suffix, prefix, degree, .. } = &name;
    let is_empty = [family, given, middle, suffix, prefix, degree].iter().all(|part| part.is_none());
    (!is_empty).then(|| HumanName { usage: text(usage), ..name })
}

/// FN: the surname, or where only its parts were sent, the own prefix and the own surname.
fn family(view: View<'_>) -> Option<Text> {
    text(view).or_else(|| {
        let [_, prefix, own] = view.parts();
        joined(text(prefix), text(own))
    })
}

fn joined(first: Option<Text>, second: Option<Text>) -> Option<Text> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first} {second}").into()),
        (first, second) => first.or(second),
    }
}

/// XCN, and CN of old versions: id, name, who gave the id.
pub(super) fn provider(view: View<'_>) -> Option<Provider> {
    if view.raw().is_empty() {
        return None;
    }
    let [id, family, given, middle, suffix, prefix, degree, _, assigner, usage, _, _, kind, facility] =
        view.parts();
    let name = person_name([family, given, middle, suffix, prefix, degree], usage);
    let identifier = text(id).map(|value| {
        let authority = authority(assigner);
        let (kind, facility) = (text(kind), text(facility));
        Identifier {
            value,
            system: system(authority.as_ref()),
            kind,
            authority,
            facility,
            ..Identifier::default()
        }
    });
    (name.is_some() || identifier.is_some()).then(|| Provider { identifier, name, ..Provider::default() })
}

/// All repetitions of a person field.
pub(super) fn providers(field: View<'_>) -> Vec<Provider> {
    field.children().filter_map(provider).collect()
}

/// NDL: the person stands in its first component, as subcomponents (CNN).
pub(super) fn provider_of_location(view: View<'_>) -> Option<Provider> {
    let [id, family, given, middle, suffix, prefix, degree] = view.child(1).parts();
    let no_usage = view.child(usize::MAX);
    let name = person_name([family, given, middle, suffix, prefix, degree], no_usage);
    let identifier = text(id).map(|value| Identifier { value, ..Identifier::default() });
    (name.is_some() || identifier.is_some()).then(|| Provider { identifier, name, ..Provider::default() })
}

/// XAD, and AD of old versions.
pub(super) fn address(view: View<'_>) -> Option<Address> {
    if view.raw().is_empty() {
        return None;
    }
    let [line, other, city, state, postal_code, country, usage, _, county] = view.parts();
    let address = Address {
        lines: [street(line), text(other)].into_iter().flatten().collect(),
        city: text(city),
        state: text(state),
        postal_code: text(postal_code),
        country: text(country),
        county: text(county),
        usage: text(usage),
    };
    (address != Address::default()).then_some(address)
}

/// SAD: the whole line, or where only its parts were sent, number and street.
fn street(view: View<'_>) -> Option<Text> {
    text(view).or_else(|| {
        let [_, street, number] = view.parts();
        joined(text(number), text(street))
    })
}

/// All repetitions of an address field.
pub(super) fn addresses(field: View<'_>) -> Vec<Address> {
    field.children().filter_map(address).collect()
}

/// All repetitions of an XTN field; `usage` is what the field itself says about its numbers. One repetition may hold a number and an
/// e-mail address.
pub(super) fn telecoms(field: View<'_>, usage: Option<&str>) -> Vec<Telecom> {
    field.children().flat_map(|view| telecom(view, usage)).collect()
}

/// XTN: the number as it is to be dialled (.12), from its parts (.5 to .8), or in the old form (.1), and the e-mail address (.4).
fn telecom(view: View<'_>, usage: Option<&str>) -> impl Iterator<Item = Telecom> + use<> {
    let [old, own_usage, system, mail, country, area, local, extension, _, _, _, unformatted] = view.parts();
    let usage = text(own_usage).or_else(|| usage.map(Text::new));
    let number =
        text(unformatted).or_else(|| number([country, area, local, extension])).or_else(|| text(old));
    let number = number.map(|value| {
        // A mail address in the place of a number says itself what it is.
        let is_mail = value.contains('@');
        let system = text(system).or_else(|| is_mail.then_some(Text::new_static("Internet")));
        Telecom { value, system, usage: usage.clone() }
    });
    let mail = text(mail).map(|value| Telecom { value, system: Some(Text::new_static("Internet")), usage });
    [number, mail].into_iter().flatten()
}

fn number([country, area, local, extension]: [View<'_>; 4]) -> Option<Text> {
    let local = text(local)?;
    let country = text(country).map(|country| format!("+{} ", country.trim_start_matches('+')));
    let area = text(area).map(|area| format!("{area} "));
    let extension = text(extension).map(|extension| format!(" x{extension}"));
    let part = Option::unwrap_or_default;
    Some([part(country), part(area), local.into(), part(extension)].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charset::Charset;
    use crate::delimiters::{Delimiters, Encoding};
    use crate::view::Level;

    fn with<T>(raw: &str, read: impl Fn(View<'_>) -> T) -> T {
        let encoding = Encoding { delimiters: Delimiters::default(), charset: Charset::utf_8() };
        read(View::new(raw.as_bytes(), Level::Field, &encoding))
    }

    fn first<T>(raw: &str, read: impl Fn(View<'_>) -> T) -> T {
        with(raw, |field| read(field.child(1)))
    }

    #[test]
    fn text_is_trimmed_and_null_is_absent() {
        assert_eq!(first(" a ^b", text).as_deref(), Some("a"));
        assert_eq!(first("a\\T\\b", text).as_deref(), Some("a&b"));
        assert_eq!(first("\"\"", text), None);
        assert_eq!(first("  ", text), None);
        assert_eq!(with("a^b~~c\\.br\\d", lines).as_deref(), Some("a^b\n\nc\nd"));
    }

    #[test]
    fn an_old_precision_rules_when_it_is_coarser() {
        assert_eq!(first("20260305141500^D", time).unwrap().to_string(), "2026-03-05");
        assert_eq!(first("2026^S", time).unwrap().to_string(), "2026");
    }

    #[test]
    fn codes_with_their_alternates() {
        let code = first("GLU^GLUCOSE^L^2345-7^Glucose^LN^^^blood sugar", coded).unwrap();
        assert_eq!(
            (code.code.as_deref(), code.system.as_deref(), code.text.as_deref()),
            (Some("GLU"), Some("L"), Some("blood sugar"))
        );
        assert_eq!(code.translations.first().and_then(|coding| coding.code.as_deref()), Some("2345-7"));
        let alternate = first("^^^2345-7^Glucose^LN", coded).unwrap();
        assert_eq!((alternate.code.as_deref(), alternate.translations.len()), (Some("2345-7"), 0));
        assert_eq!(first("^^L", coded), None);
    }

    #[test]
    fn identifiers_name_who_gave_them() {
        let full =
            first("70014^^^NORTH&2.16.840&ISO^MR^CLINIC&x^20200101^20301231", |view| identifier(view, None))
                .unwrap();
        assert_eq!(
            (full.value.as_str(), full.system.as_deref(), full.kind.as_deref()),
            ("70014", Some("2.16.840"), Some("MR"))
        );
        assert_eq!(full.authority.as_ref().and_then(|authority| authority.name.as_deref()), Some("NORTH"));
        assert_eq!(
            (full.facility.as_deref(), full.from.unwrap().to_string()),
            (Some("CLINIC"), "2020-01-01".to_owned())
        );
        let plain = first("999-00-1234", |view| identifier(view, Some("SS"))).unwrap();
        assert_eq!((plain.system, plain.kind.as_deref()), (None, Some("SS")));
        assert_eq!(first("^^^NORTH", |view| identifier(view, None)), None);
        assert_eq!(first("PO-1^EHR", entity).unwrap().system.as_deref(), Some("EHR"));
    }

    #[test]
    fn names_of_all_versions() {
        let full = first("van Berg&van&Berg^ALMA^Q^Jr^Dr^MD^L", name).unwrap();
        assert_eq!(full.family.as_deref(), Some("van Berg"));
        assert_eq!(
            (full.suffix.as_deref(), full.degree.as_deref(), full.usage.as_deref()),
            (Some("Jr"), Some("MD"), Some("L"))
        );
        assert_eq!(first("&van&Berg", name).unwrap().family.as_deref(), Some("van Berg"));
        let doctor = first("1245319599^MENDES&x^IRA^^^^MD^^NPI&2.16&ISO^L^^^NPI", provider).unwrap();
        assert_eq!(doctor.name.as_ref().and_then(|name| name.family.as_deref()), Some("MENDES"));
        assert_eq!(doctor.identifier.as_ref().and_then(|id| id.kind.as_deref()), Some("NPI"));
        let interpreter = first("1234&RAY&ROY^20260305", provider_of_location).unwrap();
        assert_eq!(interpreter.name.and_then(|name| name.given).as_deref(), Some("ROY"));
    }

    #[test]
    fn addresses_and_numbers() {
        let home = first("12 ELM ST&ELM&12^APT 4^SPRINGTOWN^OH^44001^USA^H^^CLARK", address).unwrap();
        assert_eq!(home.lines, ["12 ELM ST", "APT 4"]);
        assert_eq!((home.county.as_deref(), home.usage.as_deref()), (Some("CLARK"), Some("H")));
        assert_eq!(first("&ELM ST&12", address).unwrap().lines, ["12 ELM ST"]);
        let values = |raw| {
            with(raw, |field| {
                telecoms(field, Some("PRN")).into_iter().map(|telecom| telecom.value).collect::<Vec<_>>()
            })
        };
        assert_eq!(values("(555)555-0100"), ["(555)555-0100"]);
        assert_eq!(values("^PRN^PH^^1^555^5550100^12"), ["+1 555 5550100 x12"]);
        assert_eq!(values("x^WPN^PH^a@example.org^^^^^^^^+15555550100"), ["+15555550100", "a@example.org"]);
        assert_eq!(values("^NET^Internet^a@example.org~\"\""), ["a@example.org"]);
    }
}
