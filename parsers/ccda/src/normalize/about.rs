//! The document as a document: its number and version, who wrote it, who stands for it, who keeps it.

use orderly_record::{Content, Document, Provider, Text};

use super::Source;
use super::people::{first_identifier, organization, providers};
use super::values::{attribute, code_of, coded, interval, text_of, time_of};
use crate::document::Element;

pub(super) fn document<'d>(source: &Source<'d>, root: Element<'d>) -> Document {
    let parent = root.child("relatedDocument");
    let parent_document = parent.and_then(|related| related.child("parentDocument"));
    let service = root.child("documentationOf").and_then(|of| of.child("serviceEvent"));
    let activity =
        service.and_then(|service| service.child("effectiveTime")).map(interval).unwrap_or_default();
    Document {
        number: first_identifier(root),
        parent_number: parent_document.and_then(first_identifier),
        parent_relationship: parent.and_then(|related| attribute(related, "typeCode")),
        placer_number: root
            .child("inFulfillmentOf")
            .and_then(|of| of.child("order"))
            .and_then(first_identifier),
        set_number: root.child("setId").and_then(super::values::identifier),
        version_number: root.child("versionNumber").and_then(|version| attribute(version, "value")),
        kind: root.child("code").and_then(|code| coded(source, code)),
        title: text_of(root, "title"),
        confidentiality: code_of(root, "confidentialityCode"),
        language: code_of(root, "languageCode"),
        activity_at: activity.from,
        activity_to: activity.to,
        created_at: time_of(root, "effectiveTime"),
        authors: providers(source, root.children_named("author")),
        authenticators: authenticators(source, root),
        custodian: custodian(root).and_then(organization),
        performers: performers(source, root),
        content: content(root),
        source: Some(root.location()),
        ..Document::default()
    }
}

/// The house that keeps the document.
pub(super) fn custodian(root: Element<'_>) -> Option<Element<'_>> {
    root.child("custodian")?.child("assignedCustodian")?.child("representedCustodianOrganization")
}

/// The one who stands for it by law first.
fn authenticators<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<Provider> {
    let names = ["legalAuthenticator", "authenticator"];
    providers(source, names.into_iter().flat_map(|name| root.children_named(name)))
}

fn performers<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<Provider> {
    let services = root.children_named("documentationOf").filter_map(|of| of.child("serviceEvent"));
    providers(source, services.flat_map(|service| service.children_named("performer")))
}

/// The body of a document that has no sections.
fn content(root: Element<'_>) -> Option<Content> {
    let bodies = root.children_named("component").find_map(|component| component.child("nonXMLBody"));
    bodies.and_then(|body| body.child("text")).map(embedded)
}

/// ED: what it is and how long, or where; the data itself stays in the document.
pub(super) fn embedded(data: Element<'_>) -> Content {
    let pointer = data.child("reference").and_then(|reference| attribute(reference, "value"));
    let encoding = match attribute(data, "representation").as_deref() {
        Some("B64") => Some(Text::new_static("Base64")),
        Some("TXT") | None => None,
        Some(other) => Some(Text::new(other)),
    };
    let length = data.leading_text().trim().len();
    Content {
        media_type: attribute(data, "mediaType").map(|media| media.to_ascii_lowercase().into()),
        encoding,
        length: (length > 0).then_some(length),
        pointer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, normalize, parse};

    fn read(body: &str) -> Document {
        let text = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'>{body}</ClinicalDocument>");
        normalize(&parse(text.as_bytes(), &Limits::default()).unwrap()).documents.remove(0)
    }

    #[test]
    fn versions_and_parents() {
        let document = read(
            "<id root='1.2' extension='D2'/><setId root='1.2' extension='S'/><versionNumber value='2'/>\
             <relatedDocument typeCode='RPLC'><parentDocument><id root='1.2' extension='D1'/></parentDocument></relatedDocument>",
        );
        let value =
            |id: Option<orderly_record::Identifier>| id.map(|id| id.value.to_string()).unwrap_or_default();
        assert_eq!(
            [value(document.number), value(document.set_number), value(document.parent_number)],
            ["D2", "S", "D1"]
        );
        assert_eq!(
            (document.version_number.as_deref(), document.parent_relationship.as_deref()),
            (Some("2"), Some("RPLC"))
        );
    }

    #[test]
    fn a_body_that_is_a_file() {
        let embedded = read(
            "<component><nonXMLBody><text mediaType='application/PDF' representation='B64'>JVBE\nRi0=</text></nonXMLBody></component>",
        );
        let content = Content {
            media_type: Some("application/pdf".into()),
            encoding: Some("Base64".into()),
            length: Some(9),
            pointer: None,
        };
        assert_eq!(embedded.content, Some(content));
        let pointed = read(
            "<component><nonXMLBody><text mediaType='image/png'><reference value='https://x.example/1'/></text></nonXMLBody></component>",
        );
        assert_eq!(pointed.content.unwrap().pointer.as_deref(), Some("https://x.example/1"));
    }
}
