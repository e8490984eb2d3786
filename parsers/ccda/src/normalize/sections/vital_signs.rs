//! Vital signs: observations, each with the time of its group unless it has its own.

use orderly_record::Record;

use crate::normalize::observation::{Group, observation};
use crate::normalize::statement::{Statement, is_negated};

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    match statement.name() {
        // A denied group would deny each of its members, or that there was one: nobody can tell.
        "organizer" if is_negated(statement.element) => false,
        "organizer" => {
            let before = record.vital_signs.len();
            group(statement, &Group::default(), record);
            record.vital_signs.len() > before
        }
        "observation" => {
            record.vital_signs.push(observation(statement, &Group::default()));
            true
        }
        _ => false,
    }
}

fn group<'d>(statement: &Statement<'_, 'd>, outer: &Group<'d>, record: &mut Record) {
    let own = Group::of(statement, outer);
    statement.related_or_negated(
        |related| related.is("observation"),
        |inner| {
            record.vital_signs.push(observation(inner, &own));
        },
    );
    statement.related(|related| related.is("organizer"), |inner| group(inner, &own, record));
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn the_time_is_its_own_or_the_groups() {
        let record = record(
            "<code code='8716-3'/><entry><organizer><effectiveTime value='20260305'/>\
             <component><observation><code code='8480-6'/><effectiveTime value='202603050915'/><value xsi:type='PQ' value='120' unit='mm[Hg]'/></observation></component>\
             <component><observation><code code='8462-4'/><value xsi:type='PQ' value='80' unit='mm[Hg]'/></observation></component></organizer></entry>\
             <entry><organizer/></entry>",
        );
        let times: Vec<_> =
            record.vital_signs.iter().map(|one| one.observed_at.as_ref().unwrap().to_string()).collect();
        assert_eq!(times, ["2026-03-05T09:15", "2026-03-05"]);
        assert_eq!(record.sections[0].unread.len(), 1);
    }

    #[test]
    fn a_group_in_a_group_takes_over_what_it_does_not_say() {
        let record = record(
            "<code code='8716-3'/><entry><organizer><effectiveTime value='20260305'/><performer><assignedEntity><id root='7'/></assignedEntity></performer>\
             <component><organizer><component><observation><code code='8480-6'/></observation></component></organizer></component></organizer></entry>",
        );
        let found = &record.vital_signs[0];
        assert_eq!(found.observed_at.as_ref().unwrap().to_string(), "2026-03-05");
        assert_eq!(found.observed_by.len(), 1);
    }

    #[test]
    fn a_target_is_no_measurement() {
        let record = record(
            "<code code='8716-3'/><entry><organizer><component><observation moodCode='GOL'><value value='120'/></observation></component>\
             <component><observation negationInd='true'/></component></organizer></entry>",
        );
        let negated: Vec<_> = record.vital_signs.iter().map(|one| one.negated).collect();
        assert_eq!((negated.as_slice(), record.sections[0].unread[0].count), (&[Some(true)][..], 1));
    }
}
