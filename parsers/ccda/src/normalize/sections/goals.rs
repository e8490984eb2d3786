//! Goals: what is to be reached, by when, how important it is and who set it.

use orderly_record::{Coded, Goal, ObservationValue, Record};

use super::medications::indications;
use crate::normalize::concern::Recorded;
use crate::normalize::observation::{Values, values};
use crate::normalize::statement::{Related, Statement, has_template};
use crate::normalize::values::{code_of, coded, coded_or_words, flag, identifiers, interval};

const GOAL: &str = "2.16.840.1.113883.10.20.22.4.121";

/// A goal is one by its mood, or by its template where it has no other mood.
pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let mood = statement.element.attribute("moodCode").map(str::trim);
    let is_goal = mood == Some("GOL") || (mood.is_none() && has_template(statement.element, GOAL));
    let is_kind = matches!(statement.name(), "observation" | "act" | "procedure");
    if is_goal && is_kind {
        record.goals.push(goal(statement));
    }
    is_goal && is_kind
}

fn goal(statement: &Statement<'_, '_>) -> Goal {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let Values { values, units, .. } = values(statement);
    Goal {
        code: coded_or_words(source, statement.own("code"), || statement.words()),
        value: ObservationValue::words(&values),
        values,
        units,
        text: statement.words(),
        status: code_of(statement.element, "statusCode"),
        negated: flag(statement.element, "negationInd"),
        starts_at: time.from,
        target_at: time.to,
        priorities: priorities(statement),
        reasons: indications(statement),
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        references: statement.references(),
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
    }
}

/// How important it is to patient and providers, each told apart only by its author.
pub(super) fn priorities(statement: &Statement<'_, '_>) -> Vec<Coded> {
    let mut found = Vec::new();
    let is_priority = |related: Related<'_>| {
        related.has_code(&["225773000"]) || related.has_template("2.16.840.1.113883.10.20.22.4.143")
    };
    statement.related(is_priority, |priority| {
        found.extend(priority.read("value", |value| coded(priority.source, value)));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_goal_and_what_is_none() {
        let record = record(
            "<code code='61146-7'/><entry><observation moodCode='GOL'><code code='8310-5'/><statusCode code='active'/>\
             <effectiveTime><low value='20260305'/><high value='20260401'/></effectiveTime><value xsi:type='IVL_PQ'><low value='36' unit='Cel'/><high value='37' unit='Cel'/></value>\
             <author><time value='20260305'/><assignedAuthor><id root='7'/></assignedAuthor></author>\
             <entryRelationship typeCode='REFR'><observation><code code='225773000'/><value xsi:type='CD' code='394849002'/></observation></entryRelationship>\
             <entryRelationship typeCode='RSON'><observation><code code='77301-0'/><value xsi:type='CD' code='Z59.1'/></observation></entryRelationship>\
             <entryRelationship typeCode='REFR'><act><templateId root='2.16.840.1.113883.10.20.22.4.122'/><id root='1' extension='C1'/></act></entryRelationship>\
             </observation></entry><entry><observation moodCode='EVN'><code code='8310-5'/></observation></entry>",
        );
        let goal = &record.goals[0];
        assert_eq!(
            (goal.value.as_deref(), goal.target_at.as_ref().unwrap().to_string().as_str()),
            (Some("36-37"), "2026-04-01")
        );
        assert_eq!((goal.priorities.len(), goal.reasons.len(), goal.recorded_by.len()), (1, 1, 1));
        assert_eq!(goal.references[0].value, "C1");
        assert_eq!((record.goals.len(), record.sections[0].unread[0].count), (1, 1));
    }
}
