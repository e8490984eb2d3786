//! Social history: how the patient lives, and what the patient is; an observation each, of a category where one is known.

use orderly_record::{Observation, ObservationValue, Record, Text};

use crate::document::Element;
use crate::normalize::observation::{cluster, with_members};
use crate::normalize::statement::{Statement, has_template, is_negated};
use crate::normalize::values::is_one_of;

/// Each category: its name, the templates, and the codes that mean it (LOINC, SNOMED CT).
const CATEGORIES: [(&str, &[&str], &[&str]); 15] = [
    ("smoking-status", &["2.16.840.1.113883.10.20.22.4.78"], &["72166-2", "365981007"]),
    (
        "tobacco-use",
        &["2.16.840.1.113883.10.20.22.4.85"],
        &["11367-0", "229819007", "230056004", "365980008"],
    ),
    ("alcohol-use", &[], &["11331-6", "74013-4", "160573003", "228272008"]),
    ("birth-sex", &["2.16.840.1.113883.10.20.22.4.200"], &["76689-9"]),
    ("sex", &["2.16.840.1.113883.10.20.22.4.507"], &["46098-0"]),
    ("gender-identity", &["2.16.840.1.113883.10.20.34.3.45"], &["76691-5"]),
    ("sexual-orientation", &["2.16.840.1.113883.10.20.22.4.501"], &["76690-7"]),
    ("pregnancy", &["2.16.840.1.113883.10.20.15.3.8"], &["82810-3"]),
    (
        "occupation",
        &["2.16.840.1.113883.10.20.22.4.503", "2.16.840.1.113883.10.20.22.4.217"],
        &["11341-5", "21843-8", "74165-2"],
    ),
    ("industry", &["2.16.840.1.113883.10.20.22.4.504"], &["86188-0"]),
    ("disability", &["2.16.840.1.113883.10.20.22.4.505"], &["89571-4"]),
    ("tribe", &["2.16.840.1.113883.10.20.22.4.506"], &["95370-3"]),
    ("residence", &["2.16.840.1.113883.10.20.22.4.109"], &["75274-1"]),
    ("travel", &["2.16.840.1.113883.10.20.15.2.3.1"], &["420008001"]),
    ("caregiver", &["2.16.840.1.113883.10.20.22.4.72"], &[]),
];

/// Pregnant, as the value of an assertion (SNOMED CT).
const PREGNANT: &str = "77386006";

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let found = match statement.name() {
        // What was not done tells nothing about the patient; a value that is denied does.
        "act" if is_negated(statement.element) => None,
        "observation" | "act" => Some(in_words(statement, with_members(statement))),
        "organizer" if is_negated(statement.element) => None,
        "organizer" => cluster(statement),
        _ => None,
    };
    let category = found.as_ref().and_then(|found| category(statement.element, found));
    let is_read = found.is_some();
    record.social_history.extend(found.map(|found| Observation { category, ..found }));
    is_read
}

/// Where nothing stands as its value, the statement's own words are.
fn in_words(statement: &Statement<'_, '_>, found: Observation) -> Observation {
    if statement.element.child("value").is_some() || found.code.is_none() {
        return found;
    }
    let value = statement.words();
    let values: Vec<ObservationValue> = value.clone().into_iter().map(ObservationValue::Text).collect();
    let value_type = value.is_some().then_some(Text::new_static("ST"));
    Observation { value, values, value_type, ..found }
}

/// What it tells of: by its template, else by its code, else by what it asserts.
fn category(element: Element<'_>, found: &Observation) -> Option<Text> {
    let of_template = CATEGORIES
        .iter()
        .find(|(_, templates, _)| templates.iter().any(|template| has_template(element, template)));
    let code = found.code.as_ref();
    let of_code = || CATEGORIES.iter().find(|(.., codes)| code.is_some_and(|code| is_one_of(code, codes)));
    let name = of_template.or_else(of_code).map(|(name, ..)| *name);
    let asserted = || (found.value.as_deref() == Some(PREGNANT)).then_some("pregnancy");
    name.or_else(asserted).map(Text::new_static)
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn each_of_its_category() {
        let table = [
            (
                "<templateId root='2.16.840.1.113883.10.20.22.4.78'/><code code='ASSERTION'/><value xsi:type='CD' code='8517006'/>",
                Some("smoking-status"),
                "8517006",
            ),
            ("<code code='11367-0'/><value xsi:type='CD' code='77176002'/>", Some("tobacco-use"), "77176002"),
            (
                "<code nullFlavor='OTH'><translation code='76689-9'/></code><value xsi:type='CD' code='F'/>",
                Some("birth-sex"),
                "F",
            ),
            ("<code code='ASSERTION'/><value xsi:type='CD' code='77386006'/>", Some("pregnancy"), "77386006"),
            ("<code code='160573003'/><value xsi:type='ST'>None</value>", Some("alcohol-use"), "None"),
            ("<code code='99'/><value xsi:type='PQ' value='2' unit='/d'/>", None, "2"),
            ("<code code='99'/><text>walks a dog</text>", None, "walks a dog"),
            (
                "<code code='420008001'/><participant typeCode='LOC'><participantRole classCode='TERR'><addr><city>X</city><country>US</country></addr></participantRole></participant><value xsi:type='ST'>by train</value>",
                Some("travel"),
                "by train",
            ),
        ];
        for (content, category, value) in table {
            let record =
                record(&format!("<code code='29762-2'/><entry><observation>{content}</observation></entry>"));
            let found = &record.social_history[0];
            assert_eq!(
                (found.category.as_deref(), found.value.as_deref()),
                (category, Some(value)),
                "{content}"
            );
            assert!(record.sections[0].unread.is_empty(), "{content}");
        }
    }

    #[test]
    fn a_habit_has_a_time_and_a_pregnancy_a_date_of_birth() {
        let record = record(
            "<code code='29762-2'/><entry><observation><code code='11367-0'/><effectiveTime><low value='2001'/><high value='2012'/></effectiveTime>\
             <value xsi:type='CD' code='8517006'/><author><time value='2013'/></author></observation></entry>\
             <entry><observation><code code='82810-3'/><value xsi:type='CD' code='77386006'/><entryRelationship typeCode='REFR'><observation>\
             <code code='11778-8'/><value xsi:type='TS' value='20261001'/></observation></entryRelationship></observation></entry>\
             <entry><act negationInd='true'><code code='420008001'/></act></entry><entry><encounter/></entry>",
        );
        let [tobacco, pregnancy] = record.social_history.as_slice() else { panic!("two statements") };
        let times = [&tobacco.observed_at, &tobacco.observed_to, &tobacco.recorded_at]
            .map(|time| time.as_ref().unwrap().to_string());
        assert_eq!(times, ["2001", "2012", "2013"]);
        assert_eq!(pregnancy.members[0].value.as_deref(), Some("2026-10-01"));
        let unread: Vec<_> = record.sections[0].unread.iter().map(|one| one.element.as_str()).collect();
        assert_eq!(unread, ["act", "encounter"]);
    }
}
