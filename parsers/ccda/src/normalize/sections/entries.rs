//! Entries in sections that no kind has a reader for: each is read by its own template, or not at all.

use orderly_record::Record;

use super::{
    Read, advance_directives, allergies, care_teams, devices, encounters, family_history, functional_status,
    health_concerns, immunizations, medications, notes, payers, plans, problems, procedures, results,
    social_history, vital_signs,
};
use crate::document::Element;
use crate::normalize::statement::{Mood, Statement};

/// What the templates of C-CDA's entries begin with.
const CCDA_ENTRY: &str = "2.16.840.1.113883.10.20.22.4.";

/// Templates of entries without their prefix, the reader of what they are, and the moods that it tells apart.
const READERS: [(&[&str], Read, Mood); 21] = [
    (&["30"], allergies::read, Mood::Event),
    (&["3", "4"], |statement, record| problems::conditions(statement, "problem", record), Mood::Event),
    (
        &["33"],
        |statement, record| problems::conditions(statement, "discharge-diagnosis", record),
        Mood::Event,
    ),
    (
        &["34"],
        |statement, record| problems::conditions(statement, "admission-diagnosis", record),
        Mood::Event,
    ),
    (&["16", "17", "18", "35", "36"], medications::taken, Mood::EventOrIntent),
    (&["52"], immunizations::read, Mood::EventOrIntent),
    (&["12", "13", "14"], procedures::read, Mood::EventOrIntent),
    (&["1", "2"], results::read, Mood::Event),
    (&["26", "27"], vital_signs::read, Mood::Event),
    (&["49"], encounters::read, Mood::Event),
    (&["38", "78", "85", "109", "200", "217", "501", "503", "504", "507"], social_history::read, Mood::Event),
    (&["45"], family_history::read, Mood::Event),
    (
        &["66", "67", "68", "69"],
        |statement, record| functional_status::read(statement, "functional", record),
        Mood::Event,
    ),
    (
        &["73", "74", "75"],
        |statement, record| functional_status::read(statement, "mental", record),
        Mood::Event,
    ),
    (
        &["20", "39", "40", "41", "42", "43", "44", "120", "121", "130", "131", "140", "141", "146"],
        plans::read,
        Mood::OrGoal,
    ),
    (&["132", "136"], health_concerns::read, Mood::Event),
    (&["50", "135"], devices::read, Mood::EventOrIntent),
    (&["60", "61"], payers::read, Mood::OrDefinition),
    (&["48", "108"], advance_directives::read, Mood::Event),
    (&["500", "500.1"], care_teams::read, Mood::Event),
    (&["202"], notes::read, Mood::Event),
];

/// The reader of an entry of this template.
pub(super) fn reader(statement: Element<'_>) -> Option<(Read, Mood)> {
    let templates = statement.children_named("templateId").filter_map(|template| template.attribute("root"));
    let mut numbers = templates.filter_map(|root| root.trim().strip_prefix(CCDA_ENTRY));
    numbers.find_map(|number| {
        let found = READERS.iter().find(|(templates, ..)| templates.contains(&number))?;
        Some((found.1, found.2))
    })
}

/// Under anaesthesia: what was given, and what was done to give it.
pub(super) fn administered_or_done(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    medications::administered(statement, record) || procedures::read(statement, record)
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn an_entry_is_what_its_template_says_where_the_section_does_not() {
        let entry = |template: &str, content: &str| {
            format!(
                "<entry><observation moodCode='EVN'><templateId root='{template}'/>{content}</observation></entry>"
            )
        };
        let content = "<code code='1'/><value xsi:type='CD' code='2'/>";
        let entries = [
            entry("2.16.840.1.113883.10.20.22.4.4", content),
            entry("2.16.840.1.113883.10.20.22.4.78", content),
            entry("2.16.840.1.113883.10.20.22.4.2", content),
            entry("2.16.840.1.113883.10.20.22.4.44", content),
            entry("1.2.3", content),
        ];
        for code in ["<code code='99999-9'/>", "<code code='29545-1'/>"] {
            let record = record(&format!("{code}{}", entries.concat()));
            let found = [
                record.conditions.len(),
                record.social_history.len(),
                record.results.len(),
                record.plans.len(),
            ];
            assert_eq!((found, record.sections[0].unread.len()), ([1, 1, 1, 0], 2), "{code}");
        }
    }

    #[test]
    fn anaesthesia_is_drugs_and_procedures() {
        let record = record(
            "<code code='59774-0'/><entry><substanceAdministration><code code='1'/></substanceAdministration></entry><entry><procedure><code code='2'/></procedure></entry>",
        );
        assert_eq!(
            (record.medications[0].category.as_deref(), record.procedures.len()),
            (Some("administration"), 1)
        );
    }
}
