//! Health concerns and risks: what is tracked, with the observations that it is about.

use orderly_record::{HealthConcern, Record, Text};

use super::goals::priorities;
use crate::document::Element;
use crate::normalize::concern::Recorded;
use crate::normalize::observation::with_members;
use crate::normalize::statement::{Related, Statement, has_template};
use crate::normalize::values::{code_of, coded_or_words, flag, identifiers, interval};

const RISK: &str = "2.16.840.1.113883.10.20.22.4.136";

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let found = match statement.name() {
        "act" => concern(statement),
        "observation" => alone(statement),
        _ => return false,
    };
    record.health_concerns.push(found);
    true
}

fn concern(statement: &Statement<'_, '_>) -> HealthConcern {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let priorities = priorities(statement);
    let mut observations = Vec::new();
    statement.related_or_negated(is_observed, |inner| observations.push(with_members(inner)));
    HealthConcern {
        code: coded_or_words(source, statement.own("code"), || statement.words()),
        category: Some(Text::new_static(category(statement.element))),
        status: code_of(statement.element, "statusCode"),
        negated: flag(statement.element, "negationInd"),
        text: statement.words(),
        starts_at: time.from,
        ends_at: time.to,
        observations,
        priorities,
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        references: statement.references(),
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
    }
}

fn is_observed(related: Related<'_>) -> bool {
    related.is("observation")
}

fn category(act: Element<'_>) -> &'static str {
    let code = act.child("code").and_then(|code| code.attribute("code"));
    if code == Some("281694009") || has_template(act, RISK) { "risk" } else { "concern" }
}

/// An observation beside the concerns, as of the health status.
fn alone(statement: &Statement<'_, '_>) -> HealthConcern {
    let found = with_members(statement);
    HealthConcern {
        code: found.code.clone(),
        category: Some(Text::new_static("observation")),
        negated: found.negated,
        text: statement.words(),
        source: found.source.clone(),
        observations: vec![found],
        ..HealthConcern::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_concern_a_risk_and_a_status() {
        let record = record(
            "<code code='75310-3'/><entry><act><code code='75310-3'/><statusCode code='active'/><effectiveTime value='20260305'/>\
             <entryRelationship typeCode='REFR'><observation><code code='75326-9'/><value xsi:type='CD' code='409623005'/></observation></entryRelationship>\
             <entryRelationship typeCode='RSON'><observation><code code='225773000'/><value xsi:type='CD' code='394849002'/></observation></entryRelationship>\
             <entryRelationship typeCode='REFR'><act><id root='1' extension='P1'/><code nullFlavor='NP'/></act></entryRelationship></act></entry>\
             <entry><act negationInd='true'><code code='281694009'/></act></entry><entry><observation><code code='11323-3'/><value xsi:type='CD' code='81323004'/></observation></entry>\
             <entry><organizer/></entry>",
        );
        let categories: Vec<_> =
            record.health_concerns.iter().map(|one| one.category.as_deref().unwrap()).collect();
        assert_eq!(categories, ["concern", "risk", "observation"]);
        let first = &record.health_concerns[0];
        assert_eq!((first.observations.len(), first.priorities.len(), first.references.len()), (1, 1, 1));
        assert_eq!(record.health_concerns[1].negated, Some(true));
        assert_eq!(record.health_concerns[2].observations[0].value.as_deref(), Some("81323004"));
        assert_eq!(record.sections[0].unread.len(), 1);
    }
}
