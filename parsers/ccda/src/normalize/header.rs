//! The record's header: what the document is, by whom, when.

use orderly_record::{Authority, Header, Text};

use super::people::device_name;
use super::values::{attribute, text, time_of, universal_id_type};
use crate::document::Element;

/// The header that all documents of the US realm have (C-CDA, template of the header).
const US_REALM_HEADER: &str = "2.16.840.1.113883.10.20.22.1.1";
/// What the templates of C-CDA's document types begin with.
const CCDA_DOCUMENT: &str = "2.16.840.1.113883.10.20.22.1.";

/// Each document type: the last number of its template, its LOINC code, and its name.
const DOCUMENT_TYPES: [(&str, &[&str], &str); 12] = [
    ("2", &["34133-9"], "CCD"),
    ("3", &["34117-2"], "HISTORY_AND_PHYSICAL"),
    ("4", &["11488-4"], "CONSULTATION_NOTE"),
    ("5", &["18748-4"], "DIAGNOSTIC_IMAGING_REPORT"),
    ("6", &["28570-0"], "PROCEDURE_NOTE"),
    ("7", &["11504-8"], "OPERATIVE_NOTE"),
    ("8", &["18842-5"], "DISCHARGE_SUMMARY"),
    ("9", &["11506-3"], "PROGRESS_NOTE"),
    ("10", &[], "UNSTRUCTURED"),
    ("13", &["18761-7"], "TRANSFER_SUMMARY"),
    ("14", &["57133-1"], "REFERRAL_NOTE"),
    ("15", &["52521-2"], "CARE_PLAN"),
];

pub(super) fn header(root: Element<'_>) -> Header {
    let id = root.child("id");
    let control_id = id.and_then(|id| attribute(id, "extension").or_else(|| attribute(id, "root")));
    Header {
        format: Text::new_static("ccda"),
        kind: Some(Text::new_static("CDA")),
        event: event(root),
        control_id,
        version: version(root).map(Text::new_static),
        sending_application: sending_application(root),
        sending_facility: sending_facility(root),
        sent_at: time_of(root, "effectiveTime"),
        ..Header::default()
    }
}

fn templates(root: Element<'_>) -> impl Iterator<Item = (&str, Option<&str>)> {
    root.children_named("templateId")
        .filter_map(|template| Some((template.attribute("root")?.trim(), template.attribute("extension"))))
}

/// What the document is: by its template, else by its code, else the code itself.
fn event(root: Element<'_>) -> Option<Text> {
    let of_template = templates(root).find_map(|(template, _)| {
        let number = template.strip_prefix(CCDA_DOCUMENT)?;
        DOCUMENT_TYPES.iter().find(|(known, ..)| *known == number)
    });
    let code = root.child("code").and_then(|code| attribute(code, "code"));
    let of_code = || {
        let code = code.as_deref()?;
        DOCUMENT_TYPES.iter().find(|(_, codes, _)| codes.contains(&code))
    };
    of_template.or_else(of_code).map(|(.., name)| Text::new_static(name)).or(code)
}

/// The release of C-CDA, by the newest version of the header's template; without one, R1.1.
fn version(root: Element<'_>) -> Option<&'static str> {
    let is_ccda = templates(root).any(|(template, _)| template.starts_with(CCDA_DOCUMENT));
    let of_header = templates(root).filter(|(template, _)| *template == US_REALM_HEADER);
    let newest = of_header.filter_map(|(_, extension)| extension).max();
    match newest {
        None => is_ccda.then_some("R1.1"),
        Some(date) if date < "2015" => Some("R2.0"),
        Some(date) if date < "2023" => Some("R2.1"),
        Some(_) => Some("R3.0"),
    }
}

/// The first device among the authors.
fn sending_application(root: Element<'_>) -> Option<Authority> {
    let authors = root.children_named("author").filter_map(|author| author.child("assignedAuthor"));
    let mut devices = authors.filter_map(|author| author.child("assignedAuthoringDevice"));
    let name = devices.find_map(device_name)?;
    Some(Authority { name: Some(name), ..Authority::default() })
}

/// The custodian: the house that keeps the document.
fn sending_facility(root: Element<'_>) -> Option<Authority> {
    let custodian = super::about::custodian(root)?;
    let universal_id = custodian.child("id").and_then(|id| attribute(id, "root"));
    let authority = Authority {
        name: custodian.child("name").and_then(|name| text(&name.text())),
        universal_id_type: universal_id.as_deref().and_then(universal_id_type).map(Text::new_static),
        universal_id,
    };
    (authority.name.is_some() || authority.universal_id.is_some()).then_some(authority)
}

#[cfg(test)]
mod tests {
    use crate::{Limits, normalize, parse};

    fn read(body: &str) -> [Option<String>; 3] {
        let text = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'>{body}</ClinicalDocument>");
        let header = normalize(&parse(text.as_bytes(), &Limits::default()).unwrap()).header;
        [header.event, header.version, header.control_id].map(|part| part.map(String::from))
    }

    #[test]
    fn template_first_code_second() {
        let header = "<templateId root='2.16.840.1.113883.10.20.22.1.1'";
        let table = [
            (
                format!(
                    "{header} extension='2015-08-01'/><templateId root='2.16.840.1.113883.10.20.22.1.8'/><code code='34133-9'/>"
                ),
                [Some("DISCHARGE_SUMMARY"), Some("R2.1")],
            ),
            (format!("{header}/><code code='57133-1'/>"), [Some("REFERRAL_NOTE"), Some("R1.1")]),
            (
                format!("{header}/>{header} extension='2014-06-09'/><code code='99999-9'/>"),
                [Some("99999-9"), Some("R2.0")],
            ),
            (format!("{header} extension='2024-05-01'/>"), [None, Some("R3.0")]),
            ("<code code='34133-9'/>".to_owned(), [Some("CCD"), None]),
            (String::new(), [None, None]),
        ];
        for (body, expected) in table {
            let [event, version, _] = read(&body);
            assert_eq!([event.as_deref(), version.as_deref()], expected, "{body}");
        }
    }

    #[test]
    fn the_id_is_the_control_id() {
        assert_eq!(read("<id root='1.2' extension='D1'/>")[2].as_deref(), Some("D1"));
        assert_eq!(read("<id root='1.2'/>")[2].as_deref(), Some("1.2"));
        assert_eq!(read("<id nullFlavor='UNK'/>")[2], None);
    }
}
