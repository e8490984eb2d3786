//! Notes: documents within the document, with their words or the embedded file.

use orderly_record::{Document, Record};

use crate::normalize::about::embedded;
use crate::normalize::concern::Recorded;
use crate::normalize::people::{first_identifier, providers};
use crate::normalize::statement::{Related, Statement, is_negated};
use crate::normalize::values::{coded, interval};

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let is_note =
        statement.name() == "act" && !is_negated(statement.element) && statement.own("text").is_some();
    if is_note {
        record.documents.push(note(statement));
    }
    is_note
}

/// The notes that are attached to a statement.
pub(super) fn attached(statement: &Statement<'_, '_>, record: &mut Record) {
    let is_note = |related: Related<'_>| {
        related.is("act")
            && related.element.child("text").is_some()
            && (related.has_code(&["34109-9"]) || related.has_template("2.16.840.1.113883.10.20.22.4.202"))
    };
    statement.related(is_note, |inner| record.documents.push(note(inner)));
}

fn note(statement: &Statement<'_, '_>) -> Document {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let is_authenticator = |part: crate::document::Element<'_>| {
        part.name() == "participant" && part.attribute("typeCode") == Some("LA")
    };
    let text = statement.own("text");
    let is_file = text.is_some_and(|text| text.attribute("representation") == Some("B64"));
    Document {
        number: first_identifier(statement.element),
        kind: statement.own("code").and_then(|code| coded(source, code)),
        // Words beside the file, if there are any, are those that it refers to.
        text: if is_file { referred(statement) } else { statement.words() },
        content: text.filter(|_| is_file).map(embedded),
        activity_at: time.from,
        activity_to: time.to,
        created_at: recorded.at,
        authors: recorded.by,
        authenticators: providers(source, statement.take_where(is_authenticator)),
        source: Some(statement.element.location()),
        ..Document::default()
    }
}

fn referred(statement: &Statement<'_, '_>) -> Option<orderly_record::Text> {
    let id = statement.own("text")?.child("reference")?.attribute("value")?.strip_prefix('#')?;
    let element = statement.source.document.by_id(id)?;
    statement.source.words(element)
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_note_may_be_attached_to_what_it_is_about() {
        let note = "<entryRelationship typeCode='COMP'><act><code code='34109-9'/><text>Went well.</text></act></entryRelationship>";
        let record = record(&format!(
            "<code code='47519-4'/><entry><procedure><code code='1'/>{note}</procedure></entry><component><section><code code='46240-8'/>\
             <entry><encounter>{note}</encounter></entry></section></component>"
        ));
        let texts: Vec<_> = record.documents.iter().filter_map(|document| document.text.as_deref()).collect();
        assert_eq!(texts, ["Went well.", "Went well."]);
        assert!(record.sections.iter().all(|section| section.unread.is_empty()));
    }

    #[test]
    fn words_or_a_file() {
        let note = |text: &str| {
            format!(
                "<entry><act><id root='1' extension='N1'/><code code='34109-9'><translation code='11506-3'/></code>{text}<effectiveTime value='20260305'/>\
                 <author><time value='20260306'/><assignedAuthor><id root='7'/></assignedAuthor></author></act></entry>"
            )
        };
        let record = record(&format!(
            "<templateId root='2.16.840.1.113883.10.20.22.2.65'/><text><paragraph ID='n'>Walks well.</paragraph></text>{}{}{}{}",
            note("<text><reference value='#n'/></text>"),
            note("<text mediaType='application/pdf' representation='B64'>JVBE</text>"),
            note("<text mediaType='application/pdf' representation='B64'>JVBE<reference value='#n'/></text>"),
            note("")
        ));
        let [own, words, file, both] = record.documents.as_slice() else { panic!("four documents") };
        assert_eq!((own.text.as_deref(), words.text.as_deref()), (None, Some("Walks well.")));
        assert_eq!((file.text.as_deref(), file.content.as_ref().unwrap().length), (None, Some(4)));
        assert_eq!((both.text.as_deref(), both.content.is_some()), (Some("Walks well."), true));
        assert_eq!(words.kind.as_ref().unwrap().translations[0].code.as_deref(), Some("11506-3"));
        let times = [&words.activity_at, &words.created_at].map(|time| time.as_ref().unwrap().to_string());
        assert_eq!(times, ["2026-03-05", "2026-03-06"]);
        assert_eq!(record.sections[0].unread[0].count, 1);
    }
}
