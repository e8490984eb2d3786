//! Advance directives: observations, alone or in a group, with who verified them and where the document is.

use orderly_record::{AdvanceDirective, Coded, ObservationValue, Record};

use crate::document::Element;
use crate::normalize::concern::Recorded;
use crate::normalize::observation::values;
use crate::normalize::people::{first_identifier, providers};
use crate::normalize::shared::Shared;
use crate::normalize::statement::{Statement, is_negated};
use crate::normalize::values::{
    attribute, code_of, coded, coded_or_words, flag, identifiers, interval, time_of,
};

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    match statement.name() {
        // A denied group would deny each of its members, or that there was one: nobody can tell.
        "organizer" if is_negated(statement.element) => false,
        "organizer" => {
            let before = record.advance_directives.len();
            let group = group(statement);
            statement.related_or_negated(
                |related| related.is("observation"),
                |inner| record.advance_directives.push(directive(inner, &group)),
            );
            record.advance_directives.len() > before
        }
        "observation" => {
            record.advance_directives.push(directive(statement, &Shared::default()));
            true
        }
        _ => false,
    }
}

/// What a group says of each directive in it.
#[derive(Clone, Default)]
struct Group {
    code: Option<Coded>,
    recorded: Recorded,
}

fn group<'d>(statement: &Statement<'_, 'd>) -> Shared<'d, Group> {
    let (code, authors) = (statement.own("code"), statement.take_all("author"));
    let group = Group {
        code: code.and_then(|code| coded(statement.source, code)),
        recorded: Recorded::of(statement.source, &authors),
    };
    let said: Vec<_> = authors.into_iter().chain(code).collect();
    Shared::new(group, &said)
}

fn directive<'d>(statement: &Statement<'_, 'd>, group: &Shared<'d, Group>) -> AdvanceDirective {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let group = group.copy(source);
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let recorded = if recorded.says_nothing() { group.recorded } else { recorded };
    let verified = participants(statement, "VRF");
    let values = values(statement).values;
    let document = statement.read("reference", |reference| reference.child("externalDocument"));
    let pointer = document.and_then(|document| document.child("text")?.child("reference"));
    AdvanceDirective {
        code: coded_or_words(source, statement.own("code"), || statement.words()),
        value: ObservationValue::words(&values),
        values,
        group: group.code,
        status: code_of(statement.element, "statusCode"),
        negated: flag(statement.element, "negationInd"),
        starts_at: time.from,
        ends_at: time.to,
        verified_at: verified.iter().find_map(|participant| time_of(*participant, "time")),
        verified_by: providers(source, verified),
        custodians: providers(source, participants(statement, "CST")),
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        document_number: document.and_then(first_identifier),
        document_pointer: pointer.and_then(|pointer| attribute(pointer, "value")),
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
    }
}

fn participants<'d>(statement: &Statement<'_, 'd>, kind: &str) -> Vec<Element<'d>> {
    statement.take_where(|part| part.name() == "participant" && part.attribute("typeCode") == Some(kind))
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    #[test]
    fn a_decision_who_verified_it_and_where_it_is() {
        let observation = "<observation><code code='304251008'/><effectiveTime><low value='2011'/><high nullFlavor='NA'/></effectiveTime>\
             <value xsi:type='CD' code='304253006'/><participant typeCode='VRF'><time value='2012'/><participantRole><id root='7'/></participantRole></participant>\
             <participant typeCode='CST'><participantRole><playingEntity><name><family>Tester</family></name></playingEntity></participantRole></participant>\
             <reference typeCode='REFR'><externalDocument><id root='1' extension='W1'/><text><reference value='will.pdf'/></text></externalDocument></reference></observation>";
        let record = record(&format!(
            "<code code='42348-3'/><entry>{observation}</entry><entry><organizer><code code='45473-6'/><author><time value='2013'/></author><component>{observation}</component></organizer></entry>\
             <entry><organizer/></entry>"
        ));
        let [alone, grouped] = record.advance_directives.as_slice() else { panic!("two directives") };
        assert_eq!(
            (alone.value.as_deref(), alone.document_pointer.as_deref()),
            (Some("304253006"), Some("will.pdf"))
        );
        assert_eq!(
            (alone.verified_by.len(), alone.custodians.len(), alone.verified_at.is_some()),
            (1, 1, true)
        );
        assert_eq!((alone.group.is_some(), grouped.group.is_some()), (false, true));
        assert_eq!((alone.recorded_at.is_some(), grouped.recorded_at.is_some()), (false, true));
        assert_eq!(record.sections[0].unread.len(), 1);
    }
}
