//! Vital signs: observations, each with the time of its group unless it has its own.

use orderly_record::Record;

use crate::normalize::observation::{Group, observation};
use crate::normalize::people::providers;
use crate::normalize::statement::Statement;
use crate::normalize::values::interval;

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    match statement.name() {
        "organizer" => {
            let before = record.vital_signs.len();
            group(statement, record);
            record.vital_signs.len() > before
        }
        "observation" => {
            record.vital_signs.push(observation(statement, &Group::default()));
            true
        }
        _ => false,
    }
}

fn group(statement: &Statement<'_, '_>, record: &mut Record) {
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let by = providers(statement.source, statement.take_all("performer"));
    let group_of = Group { at: time.from.or(time.to), by };
    statement.related(
        |related| related.is("observation"),
        |inner| {
            record.vital_signs.push(observation(inner, &group_of));
        },
    );
    statement.related(|related| related.is("organizer"), |inner| group(inner, record));
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
}
