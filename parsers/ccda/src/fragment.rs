//! Pieces of documents, as guides and mails show them: a section, an entry, a part of the header, without the document around it.
//!
//! A piece is never taken in as a document. It is completed for people to look at: put where it belongs, with the namespaces that
//! C-CDA's own examples leave out.

/// The declarations that a piece may lack, by what its text has when it has them.
const NAMESPACES: [(&str, &str); 3] = [
    (" xmlns=", " xmlns=\"urn:hl7-org:v3\""),
    (" xmlns:sdtc=", " xmlns:sdtc=\"urn:hl7-org:sdtc\""),
    (" xmlns:xsi=", " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""),
];

/// Parts of the header, which stand in the document itself.
const OF_HEADER: [&str; 14] = [
    "recordTarget",
    "author",
    "dataEnterer",
    "informant",
    "custodian",
    "informationRecipient",
    "legalAuthenticator",
    "authenticator",
    "participant",
    "inFulfillmentOf",
    "documentationOf",
    "authorization",
    "relatedDocument",
    "componentOf",
];

/// A whole document of a piece in UTF-8; `None` for what is a document already, or no XML.
#[must_use]
pub fn completed(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}').trim_start();
    let content = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>")?.1,
        None => text,
    };
    let (root, tag) = root(content)?;
    let lacking = |tag: &str| -> String {
        NAMESPACES.iter().filter(|(has, _)| !tag.contains(has)).map(|(_, declaration)| *declaration).collect()
    };
    if root == "ClinicalDocument" {
        let declared = lacking(tag);
        let with = format!("<ClinicalDocument{declared}");
        return (!declared.is_empty()).then(|| content.replacen("<ClinicalDocument", &with, 1).into_bytes());
    }
    let (before, after) = around(root);
    let declared = lacking("");
    Some(format!("<ClinicalDocument{declared}>{before}{content}{after}</ClinicalDocument>").into_bytes())
}

/// What stands between the document and a piece that begins with this element.
fn around(root: &str) -> (&'static str, &'static str) {
    match root {
        "component" => ("<component><structuredBody>", "</structuredBody></component>"),
        "section" => ("<component><structuredBody><component>", "</component></structuredBody></component>"),
        "entry" => (
            "<component><structuredBody><component><section>",
            "</section></component></structuredBody></component>",
        ),
        root if OF_HEADER.contains(&root) => ("", ""),
        _ => (
            "<component><structuredBody><component><section><entry>",
            "</entry></section></component></structuredBody></component>",
        ),
    }
}

/// The name of the first element, and its tag.
fn root(content: &str) -> Option<(&str, &str)> {
    let mut rest = content;
    loop {
        rest = rest.get(rest.find('<')?..)?;
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->")?.1;
        } else if let Some(instruction) = rest.strip_prefix("<?") {
            rest = instruction.split_once("?>")?.1;
        } else {
            let tag = rest.get(1..rest.find('>')?)?;
            let end = tag.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(tag.len());
            return tag.get(..end).filter(|name| !name.is_empty()).map(|name| (name, tag));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, normalize, parse};

    #[test]
    fn pieces_are_put_where_they_belong() {
        let section = "<section><code code='48765-2' codeSystem='2.16.840.1.113883.6.1'/><title>Allergies</title></section>";
        for piece in [
            section.to_owned(),
            format!("\u{feff}<?xml version='1.0'?>\n<!-- an example --><component>{section}</component>"),
            format!(
                "<?xml-stylesheet href='x'?><ClinicalDocument><component><structuredBody><component>{section}</component></structuredBody></component></ClinicalDocument>"
            ),
        ] {
            let whole = completed(piece.as_bytes()).unwrap();
            let record = normalize(&parse(&whole, &Limits::default()).unwrap());
            assert_eq!(record.sections[0].kind.as_deref(), Some("allergies"), "{piece}");
        }
        let patient =
            b"<recordTarget><patientRole><id root='1.2' extension='7'/></patientRole></recordTarget>";
        let record = normalize(&parse(&completed(patient).unwrap(), &Limits::default()).unwrap());
        assert_eq!(record.patient.unwrap().identifiers[0].value, "7");
        let entry =
            b"<observation classCode='OBS' moodCode='EVN'><value xsi:type='ST'>x</value></observation>";
        let record = normalize(&parse(&completed(entry).unwrap(), &Limits::default()).unwrap());
        assert_eq!(record.sections[0].entries, 1);
    }

    #[test]
    fn what_is_no_piece_stays_as_it_is() {
        let whole =
            "<ClinicalDocument xmlns=\"urn:hl7-org:v3\" xmlns:sdtc=\"urn:hl7-org:sdtc\" xmlns:xsi=\"x\"/>";
        for bytes in [whole.as_bytes(), b"", b"no XML", b"<", b"<?xml", b"<!-- ", b"\xFF\xFE<\0", b"<>"] {
            assert_eq!(completed(bytes), None);
        }
    }
}
