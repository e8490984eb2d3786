//! Problems and diagnoses: an observation each, under a concern or a diagnosis act, or alone.

use orderly_record::{Condition, Record, Text};

use super::family_history::age;
use crate::normalize::concern::{Concern, Recorded, is_subject, severity, status};
use crate::normalize::statement::Statement;
use crate::normalize::values::{coded, coded_or_words, identifiers, interval, is_one_of, time_of};

/// "No current problems" as a code of its own, which old documents send without negation (SNOMED CT).
const NONE_KNOWN: [&str; 1] = ["160245001"];

/// Reads an act with its observations, or an observation alone; false when there is none.
pub(super) fn conditions(statement: &Statement<'_, '_>, category: &'static str, record: &mut Record) -> bool {
    match statement.name() {
        "act" => {
            let (concern, before) = (Concern::of(statement), record.conditions.len());
            statement.related_or_negated(is_subject, |observation| {
                record.conditions.push(condition(observation, category, &concern));
            });
            let found = record.conditions.get_mut(before..).unwrap_or_default();
            // What is said of the concern is said of the only problem in it.
            if let [only] = found {
                only.severity = only.severity.take().or_else(|| severity(statement));
            }
            let Some(last) = found.last_mut() else { return false };
            last.notes.extend(statement.notes());
            statement.take_all("effectiveTime");
            true
        }
        "observation" => {
            record.conditions.push(condition(statement, category, &Concern::default()));
            true
        }
        _ => false,
    }
}

fn condition<'d>(statement: &Statement<'_, 'd>, category: &'static str, concern: &Concern<'d>) -> Condition {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::under(statement, concern);
    let code = coded_or_words(source, statement.take("value"), || statement.words());
    let says_none = code.as_ref().is_some_and(|code| is_one_of(code, &NONE_KNOWN)).then_some(true);
    Condition {
        code,
        category: Some(Text::new_static(category)),
        kind: statement.own("code").and_then(|code| coded(source, code)),
        status: status(statement, &time, concern),
        negated: says_none.or(concern.negated(statement.element)),
        severity: severity(statement),
        onset_age: age(statement),
        onset_at: time.from,
        ended_at: time.to,
        recorded_at: diagnosed_at(statement).or(recorded.at),
        recorded_by: recorded.by,
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
        ..Condition::default()
    }
}

/// The date of diagnosis (LOINC 77975-1).
fn diagnosed_at(statement: &Statement<'_, '_>) -> Option<orderly_record::Timestamp> {
    let mut found = None;
    statement.related(
        |related| related.has_code(&["77975-1"]),
        |act| {
            act.take("effectiveTime");
            found = found.take().or_else(|| time_of(act.element, "effectiveTime"));
        },
    );
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_problem_with_all_that_is_told_of_it() {
        let record = record(
            "<code code='11450-4'/><text><content ID='p'>sugar</content></text><entry><act><statusCode code='completed'/>\
             <entryRelationship typeCode='SUBJ'><observation><code code='55607006' codeSystem='2.16.840.1.113883.6.96'/>\
             <effectiveTime><low value='2012'/></effectiveTime><value nullFlavor='OTH'><originalText><reference value='#p'/></originalText>\
             <translation code='E11.9' codeSystem='2.16.840.1.113883.6.90'/></value>\
             <entryRelationship><act><code code='77975-1'/><effectiveTime value='201203'/></act></entryRelationship>\
             <entryRelationship><observation><code code='445518008'/><value value='40' unit='a'/></observation></entryRelationship>\
             </observation></entryRelationship></act></entry>",
        );
        let condition = &record.conditions[0];
        let code = condition.code.clone().unwrap();
        assert_eq!(
            (code.code.as_deref(), code.system.as_deref(), code.text.as_deref()),
            (Some("E11.9"), Some("I10C"), Some("sugar"))
        );
        assert_eq!(
            (condition.status.as_deref(), condition.category.as_deref()),
            (Some("inactive"), Some("problem"))
        );
        assert_eq!(condition.recorded_at.as_ref().unwrap().to_string(), "2012-03");
        assert_eq!(condition.onset_age.as_ref().unwrap().value, "40");
        assert!(record.sections[0].unread.is_empty(), "{:?}", record.sections[0].unread);
    }

    #[test]
    fn the_list_tells_the_category() {
        for (code, category) in [
            ("46241-6", "admission-diagnosis"),
            ("11535-2", "discharge-diagnosis"),
            ("10219-4", "preoperative-diagnosis"),
            ("10218-6", "postoperative-diagnosis"),
            ("59769-0", "postprocedure-diagnosis"),
            ("11348-0", "history"),
            ("11329-0", "history"),
            ("55109-3", "complication"),
            ("59768-2", "indication"),
            ("59776-5", "procedure-finding"),
        ] {
            let record = record(&format!(
                "<code code='{code}'/><entry><observation><value code='1'/></observation></entry>"
            ));
            assert_eq!(record.conditions[0].category.as_deref(), Some(category));
        }
    }

    #[test]
    fn what_is_said_of_a_problem_is_no_problem() {
        let subject = |content: &str| {
            format!(
                "<entryRelationship typeCode='SUBJ'><observation>{content}</observation></entryRelationship>"
            )
        };
        let content =
            subject("<value code='44054006'/>") + &subject("<code code='SEV'/><value code='6736007'/>");
        let record =
            record(&format!("<code code='11450-4'/><entry><act negationInd='true'>{content}</act></entry>"));
        let [only] = record.conditions.as_slice() else { panic!("one problem") };
        assert_eq!(only.severity.as_ref().unwrap().code.as_deref(), Some("6736007"));
        assert_eq!(only.negated, Some(true));
    }

    #[test]
    fn no_problem_is_none_however_it_is_written() {
        let table = [
            ("", "160245001", Some(true)),
            ("negationInd='true'", "55607006", Some(true)),
            ("negationInd='false'", "44054006", Some(false)),
        ];
        for (attributes, code, expected) in table {
            let record = record(&format!(
                "<code code='11450-4'/><entry><observation {attributes}><value code='{code}'/></observation></entry>"
            ));
            assert_eq!(record.conditions[0].negated, expected, "{code}");
        }
    }
}
