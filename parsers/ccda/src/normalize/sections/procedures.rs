//! Procedures: what changed the body (procedure), what looked at it (observation), and what else was done (act).

use orderly_record::{Coded, Procedure, Record, Text};

use super::medications::indications;
use super::{devices, notes};
use crate::normalize::concern::Recorded;
use crate::normalize::people::providers;
use crate::normalize::statement::Statement;
use crate::normalize::values::{code_of, coded, coded_or_words, flag, identifiers, interval};
use crate::normalize::visit::location;

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let is_procedure = matches!(statement.name(), "procedure" | "observation" | "act");
    if is_procedure {
        let found = procedure(statement);
        record.devices.extend(devices::of_procedure(statement, &found));
        record.procedures.push(found);
        notes::attached(statement, record);
    }
    is_procedure
}

/// What was done, without the devices that it used.
pub(super) fn procedure(statement: &Statement<'_, '_>) -> Procedure {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let coded_part = |name: &str| statement.read(name, |part| coded(source, part));
    Procedure {
        code: coded_or_words(source, statement.own("code"), || statement.words()),
        status: status(statement),
        negated: flag(statement.element, "negationInd"),
        finding: finding(statement),
        performed_at: time.from,
        performed_to: time.to,
        priority: coded_part("priorityCode"),
        method: coded_part("methodCode"),
        sites: statement
            .take_all("targetSiteCode")
            .into_iter()
            .filter_map(|site| coded(source, site))
            .collect(),
        reasons: indications(statement),
        performed_by: providers(source, statement.take_all("performer")),
        location: location(statement),
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
        ..Procedure::default()
    }
}

/// What is only intended is planned, whatever the state of the intention.
fn status(statement: &Statement<'_, '_>) -> Option<Text> {
    match statement.element.attribute("moodCode") {
        None | Some("EVN") => code_of(statement.element, "statusCode"),
        Some(_) => Some(Text::new_static("planned")),
    }
}

/// A finding is a code; a value of another type stays unread.
fn finding(statement: &Statement<'_, '_>) -> Option<Coded> {
    let is_code = |value: crate::document::Element<'_>| {
        value.name() == "value"
            && !matches!(value.declared_type(), Some("PQ" | "INT" | "REAL" | "ED" | "ST" | "TS"))
    };
    let values = statement.take_where(is_code);
    values.into_iter().find_map(|value| coded(statement.source, value))
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn done_planned_and_found() {
        let record = record(
            "<code code='47519-4'/><entry><procedure moodCode='EVN'><code code='73761001'/><statusCode code='completed'/>\
             <effectiveTime value='2019'/><targetSiteCode code='71854001'><qualifier><name code='x'/></qualifier></targetSiteCode>\
             <participant typeCode='DEV'/><participant typeCode='LOC'><participantRole><playingEntity><name>Theatre 2</name></playingEntity></participantRole></participant>\
             <author><time value='2019'/></author></procedure></entry><entry><act moodCode='INT'><statusCode code='active'/></act></entry>\
             <entry><observation moodCode='EVN'><value xsi:type='CD' code='1'/></observation></entry><entry><organizer/></entry>",
        );
        let statuses: Vec<_> = record.procedures.iter().map(|one| one.status.as_deref()).collect();
        assert_eq!(statuses, [Some("completed"), Some("planned"), None]);
        let place = record.procedures[0].location.as_ref().unwrap();
        assert_eq!(
            (place.point_of_care.as_deref(), record.procedures[0].recorded_at.is_some()),
            (Some("Theatre 2"), true)
        );
        assert_eq!(record.procedures[2].finding.as_ref().unwrap().code.as_deref(), Some("1"));
        let unread: Vec<_> = record.sections[0].unread.iter().map(|one| one.element.as_str()).collect();
        assert_eq!(unread, ["qualifier", "participant", "organizer"]);
    }
}
