//! Encounters: visits, and what was diagnosed during them.

use orderly_record::Record;

use super::medications::{indication, is_indication};
use super::{notes, problems};
use crate::document::Element;
use crate::normalize::people::providers;
use crate::normalize::statement::{Related, Statement, has_template, is_negated};
use crate::normalize::visit::{location, visit};

/// The diagnoses that a stay ended with.
const DISCHARGE: &str = "2.16.840.1.113883.10.20.22.4.33";

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    // A visit that did not take place is none.
    if statement.name() != "encounter" || is_negated(statement.element) {
        return false;
    }
    let mut found = visit(statement.source, statement.element);
    for read in ["effectiveTime", "dischargeDispositionCode", "sdtc:dischargeDispositionCode"] {
        statement.take(read);
    }
    found.attending = providers(statement.source, statement.take_all("performer"));
    found.location = location(statement);
    found.reason = statement.first_related(is_indication, indication);
    let before = record.conditions.len();
    statement.related_or_negated(is_diagnosis, |inner| {
        problems::conditions(inner, category(inner.element), record);
    });
    notes::attached(statement, record);
    let diagnosed = record.conditions.iter().skip(before).filter(|condition| condition.negated != Some(true));
    found.diagnoses = diagnosed.filter_map(|condition| condition.code.clone()).collect();
    record.visits.push(found);
    true
}

fn category(diagnosis: Element<'_>) -> &'static str {
    if has_template(diagnosis, DISCHARGE) { "discharge-diagnosis" } else { "encounter-diagnosis" }
}

/// An act with diagnoses (LOINC 29308-4, or the template), or a problem observation directly below.
fn is_diagnosis(related: Related<'_>) -> bool {
    let is_act = related.is("act")
        && (related.has_code(&["29308-4"])
            || related.has_template(DISCHARGE)
            || related.has_template("2.16.840.1.113883.10.20.22.4.80"));
    is_act || (related.is("observation") && related.has_template("2.16.840.1.113883.10.20.22.4.4"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_visit_and_what_was_diagnosed() {
        let record = record(
            "<code code='46240-8'/><entry><encounter><id root='1' extension='V1'/><code code='99213' codeSystem='2.16.840.1.113883.6.12'>\
             <translation code='AMB' codeSystem='2.16.840.1.113883.5.4'/></code><effectiveTime><low value='20260305'/><high value='20260306'/></effectiveTime>\
             <participant typeCode='LOC'><participantRole><playingEntity><name>Clinic</name></playingEntity></participantRole></participant>\
             <entryRelationship typeCode='RSON'><observation><value code='R05'/></observation></entryRelationship>\
             <entryRelationship typeCode='SUBJ'><act><code code='29308-4'/><entryRelationship typeCode='SUBJ'><observation><value code='J18.9'/></observation>\
             </entryRelationship></act></entryRelationship><entryRelationship><act><templateId root='2.16.840.1.113883.10.20.22.4.33'/><entryRelationship typeCode='SUBJ'>\
             <observation><value code='J15.9'/></observation></entryRelationship></act></entryRelationship></encounter></entry>",
        );
        assert_eq!(record.conditions[1].category.as_deref(), Some("discharge-diagnosis"));
        let visit = &record.visits[0];
        assert_eq!(
            (visit.class.as_deref(), visit.number.as_ref().unwrap().kind.as_deref()),
            (Some("O"), Some("VN"))
        );
        assert_eq!(visit.location.as_ref().unwrap().point_of_care.as_deref(), Some("Clinic"));
        assert_eq!(visit.reason.as_ref().unwrap().code.as_deref(), Some("R05"));
        assert_eq!(visit.diagnoses[0].code.as_deref(), Some("J18.9"));
        assert_eq!(record.conditions[0].category.as_deref(), Some("encounter-diagnosis"));
        assert_eq!((record.visit.as_ref(), record.sections[0].unread.len()), (None, 0));
    }

    #[test]
    fn what_was_not_diagnosed_is_no_diagnosis_and_a_second_reason_is_no_diagnosis_either() {
        let reason = |code: &str| {
            format!(
                "<entryRelationship typeCode='RSON'><observation><value code='{code}'/></observation></entryRelationship>"
            )
        };
        let record = record(&format!(
            "<code code='46240-8'/><entry><encounter>{}{}<entryRelationship typeCode='SUBJ'><act><code code='29308-4'/>\
             <entryRelationship typeCode='SUBJ'><observation negationInd='true'><value code='C50.9'/></observation></entryRelationship></act>\
             </entryRelationship></encounter></entry>",
            reason("R05"),
            reason("R07")
        ));
        let visit = &record.visits[0];
        assert_eq!(visit.reason.as_ref().unwrap().code.as_deref(), Some("R05"));
        assert_eq!((visit.diagnoses.as_slice(), record.conditions[0].negated), (&[][..], Some(true)));
        assert_eq!(
            (record.sections[0].unread[0].element.as_str(), record.sections[0].unread[0].count),
            ("observation", 1)
        );
    }

    #[test]
    fn a_visit_that_did_not_take_place_is_none() {
        for attributes in ["moodCode='INT'", "moodCode='APT'", "negationInd='true'", "nullFlavor='NI'"] {
            let record = record(&format!(
                "<code code='46240-8'/><entry><encounter {attributes}><effectiveTime value='2027'/></encounter></entry>"
            ));
            assert_eq!((record.visits.len(), record.sections[0].unread.len()), (0, 1), "{attributes}");
        }
    }
}
