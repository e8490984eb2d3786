//! Data types to values: codes, identifiers, quantities, times. Each gives nothing for nothing, and nothing for a nullFlavor.

use orderly_record::{Authority, Coded, Coding, Identifier, Quantity, Text, Timestamp, vocabulary};

use super::Source;
use super::ucum::is_ucum;
use crate::document::Element;

/// A text without blanks around it.
pub(super) fn text(text: &str) -> Option<Text> {
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| Text::new(trimmed))
}

/// An attribute's text, unless the element is null.
pub(super) fn attribute(element: Element<'_>, name: &str) -> Option<Text> {
    element.attribute(name).filter(|_| !is_null(element)).and_then(text)
}

/// The text of the first element of this name below.
pub(super) fn text_of(element: Element<'_>, name: &str) -> Option<Text> {
    let child = element.child(name).filter(|child| !is_null(*child))?;
    text(&child.text())
}

/// The code of the first element of this name below: of types CS, or where only the code counts.
pub(super) fn code_of(element: Element<'_>, name: &str) -> Option<Text> {
    element.child(name).and_then(|child| attribute(child, "code"))
}

pub(super) fn is_null(element: Element<'_>) -> bool {
    element.attribute("nullFlavor").is_some()
}

/// `true` and `false`.
pub(super) fn flag(element: Element<'_>, name: &str) -> Option<bool> {
    match element.attribute(name).map(str::trim) {
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        _ => None,
    }
}

/// CD, CE, CV, CO and CS: the code, or when it is null the first translation. What was masked on purpose is not looked for.
pub(super) fn coded<'d>(source: &Source<'d>, element: Element<'d>) -> Option<Coded> {
    if element.attribute("nullFlavor") == Some("MSK") {
        return None;
    }
    element.children_named("qualifier").for_each(|qualifier| source.unread(qualifier));
    let own = Some(element).filter(|element| !is_null(*element));
    let all = own.into_iter().chain(element.children_named("translation"));
    let mut codings = all.filter_map(coding);
    let words = element.child("originalText").and_then(|text| source.words(text));
    let first = codings.next();
    if first.is_none() && words.is_none() {
        return None;
    }
    let Coding { code, display, system } = first.unwrap_or_default();
    Some(Coded { code, display, system, text: words, translations: codings.collect() })
}

/// Whether the code, or a translation of it, is one of these.
pub(super) fn is_one_of(coded: &Coded, codes: &[&str]) -> bool {
    let translations = coded.translations.iter().map(|translation| &translation.code);
    let mut all = std::iter::once(&coded.code).chain(translations);
    all.any(|code| code.as_deref().is_some_and(|code| codes.contains(&code)))
}

/// A code, or when it says nothing, the words of the statement that it is in.
pub(super) fn coded_or_words<'d>(
    source: &Source<'d>,
    element: Option<Element<'d>>,
    words: impl FnOnce() -> Option<Text>,
) -> Option<Coded> {
    let code = element.and_then(|element| coded(source, element));
    code.or_else(|| words().map(|words| Coded { text: Some(words), ..Coded::default() }))
}

fn coding(element: Element<'_>) -> Option<Coding> {
    let (code, display) = (attribute(element, "code"), attribute(element, "displayName"));
    let is_empty = code.is_none() && display.is_none();
    (!is_empty).then(|| Coding { code, display, system: system(element) })
}

/// The code system by the name that all formats use; by its OID, by what was written in the OID's place, or by its usual name.
fn system(element: Element<'_>) -> Option<Text> {
    let oid = attribute(element, "codeSystem");
    let usual = attribute(element, "codeSystemName");
    let by_usual_name = |name: &Text| vocabulary::code_system_by_usual_name(name);
    match oid {
        Some(oid) => vocabulary::code_system_name(&oid).or_else(|| by_usual_name(&oid)).or(Some(oid)),
        None => usual.map(|usual| by_usual_name(&usual).unwrap_or(usual)),
    }
}

/// II: the extension, and the root as who gave it; a root alone is the identifier itself.
pub(super) fn identifier(element: Element<'_>) -> Option<Identifier> {
    let (root, extension) = (attribute(element, "root"), attribute(element, "extension"));
    let Some(value) = extension else {
        return root.map(|value| Identifier { value, ..Identifier::default() });
    };
    let kind = root.as_deref().and_then(vocabulary::identifier_kind).map(Text::new_static);
    let name = attribute(element, "assigningAuthorityName");
    let authority = Authority {
        universal_id_type: root.as_deref().and_then(universal_id_type).map(Text::new_static),
        universal_id: root.clone(),
        name: name.clone(),
    };
    let is_known = authority.universal_id.is_some() || authority.name.is_some();
    let authority = is_known.then_some(authority);
    Some(Identifier { value, system: root.or(name), kind, authority, ..Identifier::default() })
}

/// Kind of a universal id by its shape (HL7 table 0301).
pub(super) fn universal_id_type(root: &str) -> Option<&'static str> {
    let is_oid = root.contains('.') && root.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_uuid = root.len() == 36
        && root.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && root.matches('-').count() == 4;
    match (is_oid, is_uuid) {
        (true, _) => Some("ISO"),
        (_, true) => Some("UUID"),
        _ => None,
    }
}

/// All identifiers directly below.
pub(super) fn identifiers(element: Element<'_>) -> Vec<Identifier> {
    element.children_named("id").filter_map(identifier).collect()
}

/// TS: as sent, with the precision and the offset it has.
pub(super) fn time(element: Element<'_>) -> Option<Timestamp> {
    attribute(element, "value").map(|value| Timestamp::parse_hl7(&value))
}

/// The time of the first element of this name below.
pub(super) fn time_of(element: Element<'_>, name: &str) -> Option<Timestamp> {
    element.child(name).and_then(time)
}

/// A time from and to.
#[derive(Default)]
pub(super) struct Interval {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    /// It is over, though nobody knows since when.
    pub(super) has_ended: bool,
}

/// IVL_TS: its bounds, or the one point that it is.
pub(super) fn interval(element: Element<'_>) -> Interval {
    let high = element.child("high");
    let point = || time(element).or_else(|| time_of(element, "center"));
    let to = high.and_then(time);
    // A high bound that is unknown is one all the same; one that does not apply or is infinite is none.
    let is_unknown = high.and_then(|high| high.attribute("nullFlavor")) == Some("UNK");
    Interval {
        from: element.child("low").map_or_else(point, time),
        has_ended: to.is_some() || is_unknown,
        to,
    }
}

/// PQ, INT and REAL; `None` when the value is no number.
pub(super) fn quantity(element: Element<'_>) -> Option<Quantity> {
    let value = attribute(element, "value").filter(|value| is_number(value))?;
    Some(Quantity { value, comparator: None, units: units(element) })
}

/// The unit of a quantity: of UCUM, which is what PQ is defined by, or whatever the sender wrote instead; `1` is none.
pub(super) fn units(element: Element<'_>) -> Option<Coded> {
    let code = attribute(element, "unit").filter(|unit| unit != "1")?;
    let system = is_ucum(&code).then_some(Text::new_static("UCUM"));
    Some(Coded { code: Some(code), system, ..Coded::default() })
}

/// A sign, digits, a point, digits, an exponent: what XML Schema calls a double, written out.
pub(super) fn is_number(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    is_plain && text.parse::<f64>().is_ok()
}

/// The lower and the upper bound of a range of quantities, as far as each is given; a single quantity is the lower one.
pub(super) fn bounds(element: Element<'_>) -> (Option<Quantity>, Option<Quantity>) {
    let bound = |name| element.child(name).and_then(quantity);
    match (bound("low"), bound("high")) {
        (None, None) => (quantity(element).or_else(|| bound("center")), None),
        both => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Limits, parse};

    fn document(body: &str) -> Document {
        let text = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'>{body}</ClinicalDocument>");
        parse(text.as_bytes(), &Limits::default()).unwrap()
    }

    fn first<T>(body: &str, read: impl for<'d> Fn(&Source<'d>, Element<'d>) -> T) -> T {
        let document = document(body);
        read(&Source::new(&document), document.root().children().next().unwrap())
    }

    fn code(attributes_and_content: &str) -> Option<Coded> {
        first(&format!("<code {attributes_and_content}</code><text ID='w'>own words</text>"), coded)
    }

    fn brief(coded: Option<Coded>) -> String {
        let coded = coded.unwrap_or_default();
        let part = |part: Option<Text>| part.unwrap_or_else(|| "-".into());
        let translations = coded.translations.len();
        format!("{} {} {} +{translations}", part(coded.code), part(coded.system), part(coded.text))
    }

    #[test]
    fn a_code_and_its_system() {
        let table = [
            ("code='1' codeSystem='2.16.840.1.113883.6.1'>", "1 LN - +0"),
            ("code='1' codeSystem='1.2.3'>", "1 1.2.3 - +0"),
            ("code='1' codeSystem='CPT'>", "1 C4 - +0"),
            ("code='1' codeSystemName='SNOMED CT'>", "1 SCT - +0"),
            ("code='1'>", "1 - - +0"),
            ("code='1'><originalText><reference value='#w'/></originalText>", "1 - own words +0"),
            ("code='1'><originalText><reference value='w'/></originalText>", "1 - own words +0"),
            ("code='1'><originalText><reference value='#gone'/></originalText>", "1 - - +0"),
            ("code='1'><originalText>said <reference value='#gone'/></originalText>", "1 - said +0"),
            ("nullFlavor='OTH'><translation code='2' codeSystem='2.16.840.1.113883.6.96'/>", "2 SCT - +0"),
            ("code='1'><translation code='2'/><translation nullFlavor='UNK' code='3'/>", "1 - - +1"),
            ("nullFlavor='UNK' code='1'>", "- - - +0"),
            ("nullFlavor='UNK'><originalText>said</originalText>", "- - said +0"),
            ("nullFlavor='MSK'><translation code='2'/>", "- - - +0"),
        ];
        for (xml, expected) in table {
            assert_eq!(brief(code(xml)), expected, "{xml}");
        }
    }

    #[test]
    fn identifiers_name_who_gave_them() {
        let id = |attributes: &str| first(&format!("<id {attributes}/>"), |_, element| identifier(element));
        let npi = id("root='2.16.840.1.113883.4.6' extension='1245319599'").unwrap();
        assert_eq!((npi.value.as_str(), npi.kind.as_deref()), ("1245319599", Some("NPI")));
        assert_eq!(npi.authority.and_then(|authority| authority.universal_id_type).as_deref(), Some("ISO"));
        let alone = id("root='b5f0a0c2-5b0e-4a53-9d5e-0d6a3f5d1a11'").unwrap();
        assert_eq!((alone.value.len(), alone.system), (36, None));
        assert_eq!(id("nullFlavor='UNK' root='1.2' extension='x'"), None);
        assert_eq!(
            id("extension='x' assigningAuthorityName='NORTH'").unwrap().system.as_deref(),
            Some("NORTH")
        );
    }

    #[test]
    fn intervals_tell_what_is_over() {
        let brief = |body: &str| {
            let found =
                first(&format!("<effectiveTime {body}</effectiveTime>"), |_, element| interval(element));
            let shown = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
            format!("{} {} {}", shown(found.from), shown(found.to), found.has_ended)
        };
        assert_eq!(brief("><low value='2020'/><high value='202103'/>"), "2020 2021-03 true");
        assert_eq!(brief("><low value='2020'/><high nullFlavor='UNK'/>"), "2020 - true");
        assert_eq!(brief("><low nullFlavor='UNK'/>"), "- - false");
        assert_eq!(brief("><low value='2020'/><high nullFlavor='NA'/>"), "2020 - false");
        assert_eq!(brief("value='20200101000000'>"), "2020-01-01T00:00:00 - false");
        assert_eq!(brief("><center value='2020'/>"), "2020 - false");
    }

    #[test]
    fn numbers_are_numbers() {
        for number in ["5", "-5", "0.50", "1e3", "+7", ".5"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "NaN", "inf", "1,5", ">= 40", "5 mg", "-"] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn a_unit_of_the_senders_own_is_of_no_system() {
        let system = |unit: &str| {
            let xml = format!("<value value='1' unit='{unit}'/>");
            first(&xml, |_, element| quantity(element)).unwrap().units.unwrap().system
        };
        assert_eq!((system("mg").as_deref(), system("cap(s)")), (Some("UCUM"), None));
    }
}
