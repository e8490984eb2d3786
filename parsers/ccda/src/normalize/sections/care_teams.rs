//! Care teams: a group for each team, with an act for each member.

use orderly_record::{CareTeamMember, Coded, Identifier, Record, Text, Timestamp};

use crate::normalize::people::providers;
use crate::normalize::shared::Shared;
use crate::normalize::statement::{Related, Statement, is_negated};
use crate::normalize::values::{code_of, coded, identifiers, interval};

/// What a team is, which each member tells.
#[derive(Clone, Default)]
struct Team {
    name: Option<Text>,
    kind: Option<Coded>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// The ids of the one who leads it.
    leader: Vec<Identifier>,
}

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let before = record.care_team.len();
    match statement.name() {
        "organizer" if !is_negated(statement.element) => {
            // The members are no part of what is said once.
            let said: Vec<_> =
                statement.element.children().filter(|part| part.name() != "component").collect();
            let team = Shared::new(team(statement), &said);
            statement.related(is_member, |act| members(act, &team, record));
        }
        "act" if !is_negated(statement.element) => members(statement, &Shared::default(), record),
        _ => return false,
    }
    record.care_team.len() > before
}

fn is_member(related: Related<'_>) -> bool {
    related.is("act") && related.element.child("performer").is_some()
}

fn team(statement: &Statement<'_, '_>) -> Team {
    let code = statement.own("code").and_then(|code| coded(statement.source, code));
    let is_type = |related: Related<'_>| {
        related.is("observation") && related.has_template("2.16.840.1.113883.10.20.22.4.500.2")
    };
    let leads = statement
        .take_where(|part| part.name() == "participant" && part.attribute("typeCode") == Some("PPRF"));
    let roles = leads.into_iter().filter_map(|lead| lead.child("participantRole"));
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    Team {
        from: time.from,
        to: time.to,
        name: code.and_then(|code| code.text),
        kind: statement.value_of(is_type, coded),
        leader: roles.flat_map(identifiers).collect(),
    }
}

fn members<'d>(act: &Statement<'_, 'd>, team: &Shared<'d, Team>, record: &mut Record) {
    let source = act.source;
    let member = member(act);
    for performer in act.take_all("performer") {
        let (team, member) = (team.copy(source), member.copy(source));
        let role = ["sdtc:functionCode", "functionCode"].iter().find_map(|name| performer.child(name));
        let ids = performer.child("assignedEntity").map(identifiers).unwrap_or_default();
        let leads = ids.iter().chain(&member.identifiers).any(|id| team.leader.contains(id));
        record.care_team.push(CareTeamMember {
            provider: providers(source, [performer]).into_iter().next(),
            role: role.and_then(|role| coded(source, role)),
            team: team.name,
            team_type: team.kind,
            leads: leads.then_some(true),
            starts_at: member.starts_at.or(team.from),
            ends_at: member.ends_at.or(team.to),
            source: Some(performer.location()),
            ..member
        });
    }
}

/// What an act says of each performer in it; there is almost always one.
fn member<'d>(act: &Statement<'_, 'd>) -> Shared<'d, CareTeamMember> {
    let time = act.take("effectiveTime");
    let (from, to) = time.map(interval).map(|time| (time.from, time.to)).unwrap_or_default();
    let said: Vec<_> = act.element.children_named("id").chain(act.own("statusCode")).chain(time).collect();
    let member = CareTeamMember {
        status: code_of(act.element, "statusCode"),
        starts_at: from,
        ends_at: to,
        identifiers: identifiers(act.element),
        ..CareTeamMember::default()
    };
    Shared::new(member, &said)
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn members_of_a_team_and_who_leads_it() {
        let member = |number: &str, role: &str| {
            format!(
                "<component><act><code code='85847-2'/><statusCode code='active'/><effectiveTime><low value='2026'/></effectiveTime><performer>\
                 <sdtc:functionCode code='{role}'/><assignedEntity><id root='1.2' extension='{number}'/></assignedEntity></performer></act></component>"
            )
        };
        let record = record(&format!(
            "<code code='85847-2'/><text><content ID='t'>Heart team</content></text><entry><organizer><code code='86744-0'><originalText><reference value='#t'/>\
             </originalText></code><effectiveTime><low value='2025'/><high value='2027'/></effectiveTime><participant typeCode='PPRF'><participantRole><id root='1.2' extension='2'/></participantRole></participant>{}{}\
             <component><observation><templateId root='2.16.840.1.113883.10.20.22.4.500.2'/><value xsi:type='CD' code='LA28865-6'/></observation></component>\
             </organizer></entry><entry><organizer/></entry>",
            member("1", "PCP"),
            member("2", "CP")
        ));
        let shown: Vec<_> = record
            .care_team
            .iter()
            .map(|one| (one.role.as_ref().unwrap().code.as_deref().unwrap(), one.leads, one.team.as_deref()))
            .collect();
        assert_eq!(shown, [("PCP", None, Some("Heart team")), ("CP", Some(true), Some("Heart team"))]);
        let times = [&record.care_team[0].starts_at, &record.care_team[0].ends_at];
        assert_eq!(times.map(|time| time.as_ref().unwrap().to_string()), ["2026", "2027"]);
        assert_eq!(record.care_team[0].team_type.as_ref().unwrap().code.as_deref(), Some("LA28865-6"));
        assert_eq!(
            (record.sections[0].unread.len(), record.sections[0].unread[0].element.as_str()),
            (1, "organizer")
        );
    }
}
