//! Functional, mental and nutritional status and the outcomes of care: observations and groups of them, with the items of scales as members.

use orderly_record::{Observation, Record, Text};

use super::devices;
use crate::normalize::observation::{cluster, with_members};
use crate::normalize::statement::{Statement, is_negated};

/// Reads an observation or a group of them into this category.
pub(super) fn read(statement: &Statement<'_, '_>, category: &'static str, record: &mut Record) -> bool {
    let found = match statement.name() {
        // A denied group would deny each of its members, or that there was one: nobody can tell.
        "organizer" if is_negated(statement.element) => None,
        "organizer" => cluster(statement),
        "observation" => Some(with_members(statement)),
        _ => None,
    };
    let Some(found) = found else { return false };
    record.functional_status.push(Observation { category: Some(Text::new_static(category)), ..found });
    // What the patient manages with: a cane, a chair.
    statement.related(|related| related.is("supply"), |supply| devices::supplied(supply, record));
    true
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn groups_scales_and_aids() {
        let record = record(
            "<code code='47420-5'/><entry><organizer><code code='d5'/><component><observation><code code='46008-9'/><value xsi:type='CD' code='371153006'/>\
             </observation></component></organizer></entry>\
             <entry><observation><code code='54522-8'/><value xsi:type='CD' code='165245003'/><entryRelationship typeCode='COMP'><observation>\
             <code code='38208-5'/><value xsi:type='INT' value='3'/></observation></entryRelationship><entryRelationship typeCode='COMP'><supply>\
             <participant typeCode='PRD'><participantRole><playingDevice><code code='87405001'/></playingDevice></participantRole></participant></supply>\
             </entryRelationship></observation></entry><entry><organizer/></entry><entry><organizer negationInd='true'><component><observation/></component></organizer></entry>",
        );
        let [group, alone] = record.functional_status.as_slice() else { panic!("two statements") };
        assert_eq!(
            (group.category.as_deref(), group.members[0].value.as_deref()),
            (Some("functional"), Some("371153006"))
        );
        assert_eq!((alone.members[0].value.as_deref(), record.devices.len()), (Some("3"), 1));
        assert_eq!(record.sections[0].unread[0].count, 2);
    }

    #[test]
    fn the_section_tells_the_category() {
        for (code, category) in [("10190-7", "mental"), ("61144-2", "nutrition"), ("11383-7", "outcome")] {
            let record = record(&format!(
                "<code code='{code}'/><entry><observation><code code='1'/></observation></entry>"
            ));
            assert_eq!(record.functional_status[0].category.as_deref(), Some(category));
        }
    }
}
