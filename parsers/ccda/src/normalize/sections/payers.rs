//! Payers: a coverage with its policies, each with the payer, the guarantor, the covered party, the holder and the plan.

use orderly_record::{Coded, Guarantor, Insurance, Organization, Record, RelatedPerson, Text};

use crate::document::Element;
use crate::normalize::patient::related as related_person;
use crate::normalize::people::{addresses, name, organization, telecoms};
use crate::normalize::statement::{Related, Statement, is_negated};
use crate::normalize::values::{attribute, code_of, coded, identifier, identifiers, interval};

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    if statement.name() != "act" || is_negated(statement.element) {
        return false;
    }
    let before = record.insurances.len();
    if is_policy(statement.element) {
        take_policy(statement, record);
    } else {
        let is_policy = |related: Related<'_>| related.is("act") && !related.is_reference();
        statement.related(is_policy, |inner| take_policy(inner, record));
    }
    record.insurances.len() > before
}

/// Whether it names who pays or is covered; else it is what holds the policies.
fn is_policy(act: Element<'_>) -> bool {
    act.children().any(|part| matches!(part.name(), "performer" | "participant"))
}

fn take_policy(statement: &Statement<'_, '_>, record: &mut Record) {
    record.guarantors.extend(guarantors(statement));
    record.insurances.push(policy(statement));
}

fn policy(statement: &Statement<'_, '_>) -> Insurance {
    let source = statement.source;
    let numbers = identifiers(statement.element);
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let mut found = Insurance {
        kind: statement.own("code").and_then(|code| coded(source, code)),
        priority: rank(statement.element),
        payer: payer(statement),
        // A number alone is one that the sending program made.
        group_number: numbers
            .iter()
            .find(|number| number.system.is_some())
            .map(|number| number.value.clone()),
        identifiers: numbers,
        starts_at: time.from,
        ends_at: time.to,
        source: Some(statement.element.location()),
        ..Insurance::default()
    };
    holder(statement, &mut found);
    covered(statement, &mut found);
    found.plan = plan(statement);
    let is_authorization = |related: Related<'_>| related.is("act") && !is_plan(related);
    statement.related(is_authorization, |act| found.authorizations.extend(identifiers(act.element)));
    found
}

/// Its place among the policies of a coverage.
fn rank(act: Element<'_>) -> Option<Text> {
    let number = act.parent()?.child("sequenceNumber")?;
    attribute(number, "value")
}

/// The performer that is called payer, else the first that is no guarantor.
fn payer(statement: &Statement<'_, '_>) -> Option<Organization> {
    let performers = || {
        let all = statement.element.children_named("performer");
        all.filter(|one| role_code(*one).as_deref() != Some("GUAR"))
    };
    let called = performers().find(|one| role_code(*one).as_deref() == Some("PAYOR"));
    let chosen = called.or_else(|| performers().next())?;
    let taken = statement.take_where(|part| part == chosen);
    let entity = taken.first()?.child("assignedEntity")?;
    let house = entity.child("representedOrganization").and_then(organization).unwrap_or_default();
    let or = |own: Vec<_>, other: Vec<_>| if own.is_empty() { other } else { own };
    let house = Organization {
        name: house.name,
        identifiers: if house.identifiers.is_empty() { identifiers(entity) } else { house.identifiers },
        addresses: or(house.addresses, addresses(entity)),
        telecoms: if house.telecoms.is_empty() { telecoms(entity) } else { house.telecoms },
    };
    (house != Organization::default()).then_some(house)
}

fn role_code(performer: Element<'_>) -> Option<Text> {
    performer.child("assignedEntity").and_then(|entity| code_of(entity, "code"))
}

/// Who answers for what the insurance does not pay.
fn guarantors(statement: &Statement<'_, '_>) -> Vec<Guarantor> {
    let is_guarantor =
        |part: Element<'_>| part.name() == "performer" && role_code(part).as_deref() == Some("GUAR");
    let entities = statement.take_where(is_guarantor).into_iter();
    let guarantor = |entity| {
        let RelatedPerson { name, addresses, telecoms, organization, source, .. } =
            related_person(statement.source, entity);
        // What the guarantor is to the patient is not said: the code tells the part.
        let identifiers = identifiers(entity);
        Guarantor { name, identifiers, organization, addresses, telecoms, source, ..Guarantor::default() }
    };
    entities.filter_map(|performer| performer.child("assignedEntity")).map(guarantor).collect()
}

/// Takes the first participant of this type.
fn participant<'d>(statement: &Statement<'_, 'd>, kind: &str) -> Option<(Element<'d>, Element<'d>)> {
    let is_it = |part: Element<'_>| part.name() == "participant" && part.attribute("typeCode") == Some(kind);
    let first = statement.element.children().find(|part| is_it(*part))?;
    let taken = statement.take_where(|part| part == first).into_iter().next()?;
    Some((taken, taken.child("participantRole")?))
}

/// The covered party is the patient: the number there, and what the patient is to the holder.
fn covered(statement: &Statement<'_, '_>, insurance: &mut Insurance) {
    let Some((party, role)) = participant(statement, "COV") else { return };
    let time = party.child("time").map(interval).unwrap_or_default();
    insurance.member_number = role.child("id").and_then(identifier);
    insurance.relationship = role.child("code").and_then(|code| coded(statement.source, code));
    insurance.starts_at = insurance.starts_at.take().or(time.from);
    insurance.ends_at = insurance.ends_at.take().or(time.to);
    let is_self = insurance.relationship.as_ref().and_then(|code| code.code.as_deref()) == Some("SELF");
    if is_self && insurance.subscriber.is_none() {
        insurance.subscriber = role.child("playingEntity").and_then(name);
    }
}

fn holder(statement: &Statement<'_, '_>, insurance: &mut Insurance) {
    let Some((_, role)) = participant(statement, "HLD") else { return };
    insurance.subscriber = role.child("playingEntity").and_then(name);
    insurance.subscriber_number = role.child("id").and_then(identifier);
}

/// The plan is a definition: its name in words, its number as the id.
fn plan(statement: &Statement<'_, '_>) -> Option<Coded> {
    statement.first_related(is_plan, |act| {
        let code = act.own("code").and_then(|code| coded(act.source, code)).unwrap_or_default();
        let number = || act.own("id").and_then(identifier).map(|number| number.value);
        let plan = Coded {
            code: code.code.clone().or_else(number),
            text: code.text.clone().or_else(|| act.words()),
            ..code
        };
        (plan != Coded::default()).then_some(plan)
    })
}

fn is_plan(related: Related<'_>) -> bool {
    related.is("act") && related.element.attribute("moodCode") == Some("DEF")
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    const POLICY: &str = "<act moodCode='EVN'><id root='1.9' extension='GRP'/><code code='12'/>\
        <performer><assignedEntity><code code='GUAR'/><assignedPerson><name><family>Tester</family></name></assignedPerson></assignedEntity></performer>\
        <performer><assignedEntity><id root='1.2' extension='P1'/><code code='PAYOR'/><representedOrganization><name>Harbor Mutual</name></representedOrganization>\
        </assignedEntity></performer>\
        <participant typeCode='COV'><time><low value='2025'/></time><participantRole><id root='1.3' extension='M1'/><code code='FAMDEP'/></participantRole></participant>\
        <participant typeCode='HLD'><participantRole><id root='1.3' extension='S1'/><playingEntity><name><given>Noel</given></name></playingEntity></participantRole></participant>\
        <entryRelationship typeCode='REFR'><act moodCode='DEF'><id root='1.4' extension='PLAN-7'/><text>Harbor Gold</text></act></entryRelationship>\
        <entryRelationship typeCode='REFR'><act moodCode='EVN'><id root='1.5' extension='AUTH-1'/><entryRelationship><procedure moodCode='PRMS'/></entryRelationship></act></entryRelationship></act>";

    #[test]
    fn a_policy_with_all_around_it() {
        for entry in [
            POLICY.to_owned(),
            format!(
                "<act moodCode='EVN'><code code='48768-6'/><entryRelationship typeCode='COMP'><sequenceNumber value='2'/>{POLICY}</entryRelationship></act>"
            ),
        ] {
            let record = record(&format!("<code code='48768-6'/><entry>{entry}</entry>"));
            let found = &record.insurances[0];
            let number =
                |number: &Option<orderly_record::Identifier>| number.as_ref().unwrap().value.to_string();
            assert_eq!([number(&found.member_number), number(&found.subscriber_number)], ["M1", "S1"]);
            let payer = found.payer.as_ref().unwrap();
            assert_eq!(
                (payer.name.as_deref(), payer.identifiers[0].value.as_str()),
                (Some("Harbor Mutual"), "P1")
            );
            let plan = found.plan.as_ref().unwrap();
            assert_eq!((plan.code.as_deref(), plan.text.as_deref()), (Some("PLAN-7"), Some("Harbor Gold")));
            assert_eq!((found.group_number.as_deref(), record.guarantors.len()), (Some("GRP"), 1));
            assert_eq!(found.subscriber.as_ref().unwrap().given.as_deref(), Some("Noel"));
            assert_eq!((found.starts_at.is_some(), found.authorizations.len()), (true, 1));
            assert_eq!(found.priority.as_deref(), entry.contains("sequence").then_some("2"));
            assert_eq!(record.sections[0].unread[0].element, "procedure");
        }
    }

    #[test]
    fn a_coverage_without_a_policy_is_unread() {
        let record = record(
            "<code code='48768-6'/><entry><act/></entry><entry><act negationInd='true'><performer/></act></entry>",
        );
        assert_eq!((record.insurances.len(), record.sections[0].unread[0].count), (0, 2));
    }
}
