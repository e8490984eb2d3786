//! What is strange about a document that could be read: references to nothing, codes without their system, times that are none.
//!
//! One pass over all elements. Each finding has a code and a path, and nothing of the content.

use orderly_record::{Diagnostic, Fault, Moment};

use crate::document::{Document, Element};

/// A document that is odd in one place is so in hundreds; the first tell enough, and each costs a path.
const DIAGNOSTICS_MAX: usize = 100;

/// The deviations that are taken and reported, each with its stable code and what it is: a source may refuse any of them.
pub const TOLERANCES: [(&str, &str); 6] = [
    ("ccda-code-without-system", "a code without codeSystem"),
    ("ccda-id-twice", "an ID that another element has already"),
    ("ccda-reference-dangling", "a reference to no ID of the document"),
    ("ccda-reference-without-hash", "a reference that lacks its #"),
    ("ccda-time", "a time that is no date of the calendar"),
    ("ccda-value-without-type", "a value without xsi:type"),
];

/// The elements whose `value` is a time.
const TIMES: [&str; 7] = ["effectiveTime", "birthTime", "time", "low", "high", "center", "sdtc:deceasedTime"];

pub(crate) fn find(document: &Document) -> Vec<Diagnostic> {
    document.elements().flat_map(of_element).take(DIAGNOSTICS_MAX).collect()
}

fn of_element(element: Element<'_>) -> impl Iterator<Item = Diagnostic> {
    let found = [reference(element), id(element), time(element), code(element), value(element)];
    found.into_iter().flatten().map(move |diagnostic| diagnostic.in_input(element.offset(), element.path()))
}

fn warning(code: &'static str, message: &'static str) -> Diagnostic {
    Diagnostic::warning(code, Fault::Sender, message)
}

/// A reference into the narrative that leads nowhere, or that lacks its `#`.
fn reference(element: Element<'_>) -> Option<Diagnostic> {
    let is_text = |name| matches!(name, "text" | "originalText" | "value");
    let target = element.attribute("value").filter(|_| element.name() == "reference")?;
    if !element.parent().is_some_and(|parent| is_text(parent.name())) || target.contains(':') {
        return None;
    }
    match (target.strip_prefix('#'), element.document()) {
        (Some(id), document) if document.by_id(id).is_some() => None,
        (None, document) if document.by_id(target).is_some() => Some(warning(
            "ccda-reference-without-hash",
            "the reference lacks its #; it was followed all the same",
        )),
        _ => Some(warning("ccda-reference-dangling", "the reference leads to no ID of the document")),
    }
}

/// An `ID` that another element has already.
fn id(element: Element<'_>) -> Option<Diagnostic> {
    let first = element.document().by_id(element.attribute("ID")?)?;
    (first != element).then(|| {
        warning("ccda-id-twice", "another element has this ID already; references lead to the first")
    })
}

/// A time that is none of the calendar.
fn time(element: Element<'_>) -> Option<Diagnostic> {
    let value = element.attribute("value").filter(|_| TIMES.contains(&element.name()))?;
    // The bounds of quantities have the same names as those of times.
    let is_time = match element.name() {
        "low" | "high" | "center" => element.parent().is_some_and(|parent| TIMES.contains(&parent.name())),
        _ => true,
    };
    (is_time && Moment::parse_hl7(value).is_none())
        .then(|| warning("ccda-time", "the time is no date of the calendar; the record shows it as sent"))
}

/// A code that nobody can look up.
fn code(element: Element<'_>) -> Option<Diagnostic> {
    element.attribute("code")?;
    let is_without_system = element.attribute("codeSystem").is_none();
    let needs_system = match element.name() {
        "code" | "translation" => true,
        "value" => matches!(element.declared_type(), Some("CD" | "CE" | "CV" | "CO")),
        _ => false,
    };
    (is_without_system && needs_system)
        .then(|| warning("ccda-code-without-system", "the code has no codeSystem; the record shows none"))
}

/// An observation's value that does not say what it is.
fn value(element: Element<'_>) -> Option<Diagnostic> {
    let is_value = element.name() == "value"
        && element.parent().is_some_and(|parent| parent.name() == "observation")
        && element.attribute("nullFlavor").is_none();
    (is_value && element.declared_type().is_none())
        .then(|| warning("ccda-value-without-type", "the value has no xsi:type; it was read by its shape"))
}

#[cfg(test)]
mod tests {
    use crate::{Limits, parse};

    #[test]
    fn each_oddity_has_its_code_and_place() {
        let table = [
            ("<text><reference value='#gone'/></text>", "ccda-reference-dangling", "/text/reference"),
            (
                "<a ID='x'/><text><reference value='x'/></text>",
                "ccda-reference-without-hash",
                "/text/reference",
            ),
            ("<a ID='x'/><b ID='x'/>", "ccda-id-twice", "/b"),
            ("<effectiveTime><low value='201102013'/></effectiveTime>", "ccda-time", "/effectiveTime/low"),
            ("<code code='1-8'/>", "ccda-code-without-system", "/code"),
            (
                "<observation><value code='1' codeSystem='2'/></observation>",
                "ccda-value-without-type",
                "/observation/value",
            ),
        ];
        for (body, code, path) in table {
            let text = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'>{body}</ClinicalDocument>");
            let document = parse(text.as_bytes(), &Limits::default()).unwrap();
            let found: Vec<_> =
                document.diagnostics().iter().map(|one| (one.code, one.place.clone())).collect();
            assert_eq!(found.len(), 1, "{body}: {found:?}");
            assert_eq!(found[0].0, code);
            let orderly_record::Place::Input { path: found, .. } = &found[0].1 else { panic!("no place") };
            assert_eq!(found, &format!("/ClinicalDocument{path}"));
        }
    }

    #[test]
    fn what_is_as_it_should_be_is_not_mentioned() {
        let text = "<ClinicalDocument xmlns='urn:hl7-org:v3' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>\
            <text ID='a'>x<content ID='b'/></text><code code='1' codeSystem='2'><originalText><reference value='#b'/></originalText></code>\
            <statusCode code='active'/><effectiveTime value='20260305'/><text><reference value='https://example.org/x'/></text>\
            <observation><value xsi:type='PQ' value='1'><low value='x'/></value></observation></ClinicalDocument>";
        let document = parse(text.as_bytes(), &Limits::default()).unwrap();
        assert!(document.diagnostics().is_empty(), "{:?}", document.diagnostics());
    }
}
