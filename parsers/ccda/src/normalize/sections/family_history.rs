//! Family history: a group for each relative, with an observation for each disease, the age at its onset and whether it was the death of
//! the relative.

use orderly_record::{FamilyCondition, FamilyMember, Quantity, Record};

use crate::document::Element;
use crate::normalize::patient::sex;
use crate::normalize::people::name;
use crate::normalize::statement::{Related, Statement, is_negated};
use crate::normalize::values::{coded, coded_or_words, flag, identifiers, interval, quantity, time_of};

/// Dead (SNOMED CT).
const DEAD: &str = "419099009";

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let mut member = relative(statement);
    match statement.name() {
        // A denied group would deny each of its members, or that there was one: nobody can tell.
        "organizer" if !is_negated(statement.element) => {
            statement
                .related_or_negated(|related| related.is("observation"), |inner| add(inner, &mut member));
        }
        "observation" => add(statement, &mut member),
        _ => return false,
    }
    let says_something = member.relationship.is_some() || !member.conditions.is_empty();
    if says_something {
        record.family_history.push(member);
    }
    says_something
}

/// Who it is: the subject of the statement.
fn relative(statement: &Statement<'_, '_>) -> FamilyMember {
    let source = statement.source;
    let related = statement.read("subject", |subject| subject.child("relatedSubject"));
    let person = related.and_then(|related| related.child("subject"));
    let time = |name| person.and_then(|person| time_of(person, name));
    let part = |name| person.and_then(|person| person.child(name));
    let deceased_at = time("sdtc:deceasedTime");
    let deceased = part("sdtc:deceasedInd").and_then(|deceased| flag(deceased, "value"));
    FamilyMember {
        relationship: related.and_then(|related| related.child("code")).and_then(|code| coded(source, code)),
        name: person.and_then(name),
        sex: part("administrativeGenderCode").and_then(sex),
        birth_date: time("birthTime"),
        deceased: deceased.or(deceased_at.is_some().then_some(true)),
        deceased_at,
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
        ..FamilyMember::default()
    }
}

fn add(statement: &Statement<'_, '_>, member: &mut FamilyMember) {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let mut found = FamilyCondition {
        code: coded_or_words(source, statement.take("value"), || statement.words()),
        kind: statement.own("code").and_then(|code| coded(source, code)),
        negated: flag(statement.element, "negationInd"),
        onset_at: time.from,
        ended_at: time.to,
        onset_age: age(statement),
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
        ..FamilyCondition::default()
    };
    statement.related(is_death, |death| {
        let is_cause = relation(death.element) == Some("CAUS");
        death.take("value");
        member.deceased = Some(true);
        found.caused_death = is_cause.then_some(true).or(found.caused_death);
        found.death_age = found.death_age.take().or_else(|| age(death));
    });
    member.conditions.push(found);
}

/// How old the relative was (SNOMED CT; the second code in documents before C-CDA).
pub(super) fn age(statement: &Statement<'_, '_>) -> Option<Quantity> {
    let is_age = |related: Related<'_>| {
        related.has_code(&["445518008", "397659008"])
            || related.has_template("2.16.840.1.113883.10.20.22.4.31")
    };
    statement.value_of(is_age, |_, value| quantity(value))
}

fn is_death(related: Related<'_>) -> bool {
    let value = related.element.child("value").and_then(|value| value.attribute("code"));
    related.is("observation")
        && (value == Some(DEAD) || related.has_template("2.16.840.1.113883.10.20.22.4.47"))
}

/// What a statement is to the one that it is in.
fn relation(element: Element<'_>) -> Option<&str> {
    element.parent().and_then(|holder| holder.attribute("typeCode"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_relative_and_what_the_relative_died_of() {
        let record = record(
            "<code code='10157-6'/><entry><organizer><subject><relatedSubject classCode='PRS'><code code='FTH' codeSystem='2.16.840.1.113883.5.111'/>\
             <subject><administrativeGenderCode code='M'/><birthTime value='1912'/><sdtc:deceasedInd value='true'/></subject></relatedSubject></subject>\
             <component><observation><code code='64572001'/><value xsi:type='CD' code='22298006'/>\
             <entryRelationship typeCode='CAUS'><observation><code code='ASSERTION'/><value xsi:type='CD' code='419099009'/></observation></entryRelationship>\
             <entryRelationship typeCode='SUBJ'><observation><code code='445518008'/><value xsi:type='PQ' value='57' unit='a'/></observation></entryRelationship>\
             </observation></component><component><observation negationInd='true'><value xsi:type='CD' code='195967001'/></observation></component></organizer></entry>",
        );
        let father = &record.family_history[0];
        assert_eq!(father.relationship.as_ref().unwrap().code.as_deref(), Some("FTH"));
        assert_eq!((father.sex.as_deref(), father.deceased), (Some("M"), Some(true)));
        let [first, second] = father.conditions.as_slice() else { panic!("two conditions") };
        assert_eq!(
            (first.caused_death, first.onset_age.as_ref().unwrap().value.as_str()),
            (Some(true), "57")
        );
        assert_eq!((second.negated, second.caused_death), (Some(true), None));
        assert!(record.sections[0].unread.is_empty(), "{:?}", record.sections[0].unread);
    }

    #[test]
    fn dead_is_not_dead_of_it() {
        let record = record(
            "<code code='10157-6'/><entry><observation><value code='22298006'/><entryRelationship typeCode='SUBJ'><observation><value code='419099009'/>\
             </observation></entryRelationship></observation></entry><entry><organizer/></entry><entry><organizer negationInd='true'><component><observation/>\
             </component></organizer></entry>",
        );
        let relative = &record.family_history[0];
        assert_eq!((relative.deceased, relative.conditions[0].caused_death), (Some(true), None));
        assert_eq!((record.family_history.len(), record.sections[0].unread[0].count), (1, 2));
    }
}
