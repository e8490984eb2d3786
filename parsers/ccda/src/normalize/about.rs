//! The document as a document: its number and version, who wrote it, who stands for it, who keeps it, and who else takes part in it.

use orderly_record::{
    CareTeamMember, Consent, Content, Document, Participant, Provider, RelatedPerson, Text,
};

use super::Source;
use super::patient::related;
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
        performers: providers(source, performers(root)),
        entered_by: providers(source, root.children_named("dataEnterer")),
        informants: providers(source, root.children_named("informant")),
        informing_relatives: relatives(source, root),
        recipients: providers(source, root.children_named("informationRecipient")),
        consents: consents(source, root),
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

/// Who gave the care that it tells of.
fn performers(root: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    let services = root.children_named("documentationOf").filter_map(|of| of.child("serviceEvent"));
    services.flat_map(|service| service.children_named("performer"))
}

/// The same as the team that they are, each with its part.
pub(super) fn care_team<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<CareTeamMember> {
    let member = |performer: Element<'d>| {
        let time = performer.child("time").map(interval).unwrap_or_default();
        let provider = providers(source, [performer]).into_iter().next()?;
        Some(CareTeamMember {
            provider: Some(provider),
            role: performer.child("functionCode").and_then(|code| coded(source, code)),
            starts_at: time.from,
            ends_at: time.to,
            source: Some(performer.location()),
            ..CareTeamMember::default()
        })
    };
    performers(root).filter_map(member).collect()
}

/// Those around the patient who told what is in it.
fn relatives<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<RelatedPerson> {
    let entities = root.children_named("informant").filter_map(|informant| informant.child("relatedEntity"));
    entities.map(|entity| related(source, entity)).collect()
}

/// All who are named beside those that have their own place: the persons that the patient relies on (IND) are the patient's.
pub(super) fn participants<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<Participant> {
    let others = root.children_named("participant").filter(|one| one.attribute("typeCode") != Some("IND"));
    let participant = |one: Element<'d>| {
        let time = one.child("time").map(interval).unwrap_or_default();
        Participant {
            kind: attribute(one, "typeCode"),
            providers: providers(source, [one]),
            role: one.child("functionCode").and_then(|code| coded(source, code)),
            starts_at: time.from,
            ends_at: time.to,
            source: Some(one.location()),
            ..Participant::default()
        }
    };
    others.map(participant).collect()
}

fn consents<'d>(source: &Source<'d>, root: Element<'d>) -> Vec<Consent> {
    let consents = root.children_named("authorization").filter_map(|one| one.child("consent"));
    let consent = |one: Element<'d>| Consent {
        number: first_identifier(one),
        code: one.child("code").and_then(|code| coded(source, code)),
        status: code_of(one, "statusCode"),
        source: Some(one.location()),
    };
    consents.map(consent).collect()
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
        parts: Vec::new(),
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
