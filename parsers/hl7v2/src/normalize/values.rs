//! Data types to values (chapter 2A). Each takes the view of one repetition, unless it says otherwise, and gives nothing for nothing.

use std::borrow::Cow;

use orderly_record::{
    Address, Authority, Coded, Coding, HumanName, Identifier, Precision, Provider, Telecom, Timestamp,
};

use crate::timestamp::timestamp;
use crate::view::{Presence, View};

/// The first leaf's text without blanks around it.
pub(super) fn text(view: View<'_>) -> Option<String> {
    let leaf = view.leaf();
    if leaf.presence() != Presence::Present {
        return None;
    }
    let text = leaf.text();
    let trimmed = text.trim();
    match text {
        _ if trimmed.is_empty() => None,
        Cow::Owned(text) if text.len() == trimmed.len() => Some(text),
        _ => Some(trimmed.to_owned()),
    }
}

/// Text as lines, of a field: each repetition is a line; delimiters that the sender forgot to escape are kept.
pub(super) fn lines(field: View<'_>) -> Option<String> {
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
    (!lines.is_empty()).then_some(lines)
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
    let mut time = timestamp(&text(view)?);
    if let (Timestamp::Known(moment), Some(precision)) = (&mut time, text(view.child(2))) {
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
    let triplet = |first: usize| {
        let coding = Coding {
            code: text(view.child(first)),
            display: text(view.child(first + 1)),
            system: text(view.child(first + 2)),
        };
        (coding.code.is_some() || coding.display.is_some()).then_some(coding)
    };
    if view.raw().is_empty() {
        return None;
    }
    let mut codings = [triplet(1), triplet(4), triplet(10)].into_iter().flatten();
    let original = text(view.child(9));
    let first = codings.next();
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
    let value = text(view.child(1))?;
    let authority = authority(view.child(4));
    Some(Identifier {
        value,
        system: system(authority.as_ref()),
        kind: text(view.child(5)).or_else(|| kind.map(str::to_owned)),
        authority,
        facility: text(view.child(6)),
        from: time(view.child(7)),
        to: time(view.child(8)),
    })
}

/// EI: id ^ namespace ^ universal id ^ its type, at any level.
pub(super) fn entity(view: View<'_>) -> Option<Identifier> {
    let value = text(view.child(1))?;
    let given = Authority {
        name: text(view.child(2)),
        universal_id: text(view.child(3)),
        universal_id_type: text(view.child(4)),
    };
    let authority = (given.name.is_some() || given.universal_id.is_some()).then_some(given);
    Some(Identifier { value, system: system(authority.as_ref()), authority, ..Identifier::default() })
}

fn system(authority: Option<&Authority>) -> Option<String> {
    let authority = authority?;
    authority.universal_id.clone().or_else(|| authority.name.clone())
}

/// XPN, and PN of old versions.
pub(super) fn name(view: View<'_>) -> Option<HumanName> {
    name_from(view, 1).map(|name| HumanName { usage: text(view.child(7)), ..name })
}

/// All repetitions of a name field.
pub(super) fn names(field: View<'_>) -> Vec<HumanName> {
    field.children().filter_map(name).collect()
}

/// A name in six components from the given one on: family, given, middle, suffix, prefix, degree.
fn name_from(view: View<'_>, first: usize) -> Option<HumanName> {
    let name = HumanName {
        family: family(view.child(first)),
        given: text(view.child(first + 1)),
        middle: text(view.child(first + 2)),
        suffix: text(view.child(first + 3)),
        prefix: text(view.child(first + 4)),
        degree: text(view.child(first + 5)),
        usage: None,
    };
    (name != HumanName::default()).then_some(name)
}

/// FN: the surname, or where only its parts were sent, the own prefix and the own surname.
fn family(view: View<'_>) -> Option<String> {
    text(view.child(1)).or_else(|| match (text(view.child(2)), text(view.child(3))) {
        (Some(prefix), Some(own)) => Some(format!("{prefix} {own}")),
        (prefix, own) => own.or(prefix),
    })
}

/// XCN, and CN of old versions: id, name, who gave the id.
pub(super) fn provider(view: View<'_>) -> Option<Provider> {
    if view.raw().is_empty() {
        return None;
    }
    let name = name_from(view, 2).map(|name| HumanName { usage: text(view.child(10)), ..name });
    let identifier = text(view.child(1)).map(|value| {
        let authority = authority(view.child(9));
        let (kind, facility) = (text(view.child(13)), text(view.child(14)));
        Identifier {
            value,
            system: system(authority.as_ref()),
            kind,
            authority,
            facility,
            ..Identifier::default()
        }
    });
    (name.is_some() || identifier.is_some()).then_some(Provider { identifier, name })
}

/// All repetitions of a person field.
pub(super) fn providers(field: View<'_>) -> Vec<Provider> {
    field.children().filter_map(provider).collect()
}

/// NDL: the person stands in its first component, as subcomponents (CNN).
pub(super) fn provider_of_location(view: View<'_>) -> Option<Provider> {
    let person = view.child(1);
    let part = |n| text(person.child(n));
    let name = HumanName {
        family: part(2),
        given: part(3),
        middle: part(4),
        suffix: part(5),
        prefix: part(6),
        degree: part(7),
        usage: None,
    };
    let name = (name != HumanName::default()).then_some(name);
    let identifier = part(1).map(|value| Identifier { value, ..Identifier::default() });
    (name.is_some() || identifier.is_some()).then_some(Provider { identifier, name })
}

/// XAD, and AD of old versions.
pub(super) fn address(view: View<'_>) -> Option<Address> {
    if view.raw().is_empty() {
        return None;
    }
    let address = Address {
        lines: [street(view.child(1)), text(view.child(2))].into_iter().flatten().collect(),
        city: text(view.child(3)),
        state: text(view.child(4)),
        postal_code: text(view.child(5)),
        country: text(view.child(6)),
        county: text(view.child(9)),
        usage: text(view.child(7)),
    };
    (address != Address::default()).then_some(address)
}

/// SAD: the whole line, or where only its parts were sent, number and street.
fn street(view: View<'_>) -> Option<String> {
    text(view.child(1)).or_else(|| match (text(view.child(3)), text(view.child(2))) {
        (Some(number), Some(street)) => Some(format!("{number} {street}")),
        (number, street) => number.or(street),
    })
}

/// All repetitions of an address field.
pub(super) fn addresses(field: View<'_>) -> Vec<Address> {
    field.children().filter_map(address).collect()
}

/// All repetitions of an XTN field; `usage` is what the field itself says about its numbers. One repetition may hold a number and an
/// e-mail address.
pub(super) fn telecoms(field: View<'_>, usage: Option<&str>) -> Vec<Telecom> {
    let of_one = |view: View<'_>| {
        let (usage, system) = (text(view.child(2)).or_else(|| usage.map(str::to_owned)), text(view.child(3)));
        let mail = text(view.child(4));
        let number =
            number(view).map(|value| Telecom { value, system: system.clone(), usage: usage.clone() });
        let mail =
            mail.map(|value| Telecom { value, system: Some("Internet".to_owned()), usage: usage.clone() });
        [number, mail].into_iter().flatten()
    };
    field.children().flat_map(of_one).collect()
}

/// The number of an XTN: as it is to be dialled (.12), from its parts (.5 to .8), or in the old form (.1).
fn number(view: View<'_>) -> Option<String> {
    text(view.child(12)).or_else(|| number_from_parts(view)).or_else(|| text(view.child(1)))
}

fn number_from_parts(view: View<'_>) -> Option<String> {
    let local = text(view.child(7))?;
    let mut number = String::new();
    if let Some(country) = text(view.child(5)) {
        number.push('+');
        number.push_str(country.trim_start_matches('+'));
        number.push(' ');
    }
    if let Some(area) = text(view.child(6)) {
        number.push_str(&area);
        number.push(' ');
    }
    number.push_str(&local);
    if let Some(extension) = text(view.child(8)) {
        number.push_str(" x");
        number.push_str(&extension);
    }
    Some(number)
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
