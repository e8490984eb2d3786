//! Allergies: a concern with observations, each of one allergen, its reactions and how bad they are.

use orderly_record::{Allergy, Coded, Reaction, Record};

use crate::document::Element;
use crate::normalize::concern::{Concern, Recorded, is_subject, severity, status};
use crate::normalize::statement::{Related, Statement};
use crate::normalize::values::{coded, coded_or_words, identifiers, interval, is_one_of, text_of};

/// "No known allergies" as a code of its own, which old documents send without negation (SNOMED CT).
const NONE_KNOWN: [&str; 5] = ["160244002", "716186003", "409137002", "428607008", "429625007"];

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    match statement.name() {
        "act" => {
            let (concern, before) = (Concern::of(statement), record.allergies.len());
            statement.related_or_negated(is_subject, |observation| {
                record.allergies.push(allergy(observation, &concern));
            });
            let found = record.allergies.get_mut(before..).unwrap_or_default();
            // What is said of the concern is said of the only allergy in it.
            if let [only] = found {
                only.severity = only.severity.take().or_else(|| severity(statement));
            }
            let Some(last) = found.last_mut() else { return false };
            last.notes.extend(statement.notes());
            statement.take_all("effectiveTime");
            true
        }
        "observation" => {
            record.allergies.push(allergy(statement, &Concern::default()));
            true
        }
        _ => false,
    }
}

fn allergy<'d>(statement: &Statement<'_, 'd>, concern: &Concern<'d>) -> Allergy {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let kind = statement.take("value").and_then(|value| coded(source, value));
    let code = allergen(statement);
    let says_none = says_none_known(code.as_ref(), kind.as_ref()).then_some(true);
    let recorded = Recorded::under(statement, concern);
    Allergy {
        negated: says_none.or(concern.negated(statement.element)),
        status: status(statement, &time, concern),
        reactions: reactions(statement),
        severity: severity(statement),
        criticality: statement.value_of(|related| related.has_code(&["82606-5"]), coded),
        onset_at: time.from,
        ended_at: time.to,
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        identifiers: identifiers(statement.element),
        action: None, // documents state, they do not add or delete
        notes: statement.notes(),
        source: Some(statement.element.location()),
        code,
        kind,
    }
}

/// "None known" stands for the allergen, or for the kind where no allergen has a code: words such as "none" may stand there.
fn says_none_known(code: Option<&Coded>, kind: Option<&Coded>) -> bool {
    let is_none_known = |coded: &Coded| is_one_of(coded, &NONE_KNOWN);
    let has_allergen = code.is_some_and(|code| code.code.is_some());
    code.is_some_and(is_none_known) || (!has_allergen && kind.is_some_and(is_none_known))
}

/// What the patient reacts to: the consumable, by its code, else by its name.
fn allergen(statement: &Statement<'_, '_>) -> Option<Coded> {
    let is_consumable =
        |part: Element<'_>| part.name() == "participant" && part.attribute("typeCode") == Some("CSM");
    let consumables = statement.take_where(is_consumable);
    let entities = consumables.iter().filter_map(|one| one.child("participantRole")?.child("playingEntity"));
    let mut found = entities.filter_map(|entity| {
        let name = || text_of(entity, "name");
        coded_or_words(statement.source, entity.child("code"), name)
    });
    let first = found.next()?;
    // One observation is about one allergen; further consumables are the same one otherwise coded.
    let others = found.flat_map(|other| {
        let own = orderly_record::Coding {
            code: other.code,
            display: other.display.or(other.text),
            system: other.system,
        };
        std::iter::once(own).chain(other.translations)
    });
    let translations = first.translations.iter().cloned().chain(others).collect();
    Some(Coded { translations, ..first })
}

/// What happens: the manifestations, each with its own severity.
pub(super) fn reactions(statement: &Statement<'_, '_>) -> Vec<Reaction> {
    let mut reactions = Vec::new();
    let is_manifestation = |related: Related<'_>| related.relation == "MFST" && related.is("observation");
    statement.related(is_manifestation, |reaction| {
        let value = reaction.take("value");
        let code = coded_or_words(reaction.source, value, || reaction.words());
        let severity = severity(reaction);
        if code.is_some() || severity.is_some() {
            let time = reaction.take("effectiveTime").map(interval).unwrap_or_default();
            reactions.push(Reaction { code, severity, onset_at: time.from, ended_at: time.to });
        }
    });
    reactions
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use orderly_record::Text;

    use super::*;

    fn allergies(entry: &str) -> Vec<Allergy> {
        record(&format!("<code code='48765-2'/><entry>{entry}</entry>")).allergies
    }

    fn observation(attributes: &str, content: &str) -> String {
        format!(
            "<entryRelationship typeCode='SUBJ'><observation {attributes}>{content}</observation></entryRelationship>"
        )
    }

    const PENICILLIN: &str = "<participant typeCode='CSM'><participantRole><playingEntity><code code='7980' codeSystem='2.16.840.1.113883.6.88'/>\
                              </playingEntity></participantRole></participant>";

    #[test]
    fn each_observation_of_a_concern_is_an_allergy() {
        let two = observation("", PENICILLIN) + &observation("negationInd='true'", PENICILLIN);
        let found = allergies(&format!("<act><statusCode code='active'/>{two}</act>"));
        let brief: Vec<_> = found.iter().map(|one| (one.status.as_deref(), one.negated)).collect();
        assert_eq!(brief, [(Some("active"), None), (Some("active"), Some(true))]);
        assert_eq!(found[0].code.as_ref().unwrap().system.as_deref(), Some("RXNORM"));
    }

    #[test]
    fn nothing_known_is_a_denial_however_it_is_written() {
        let denied = observation(
            "negationInd='true'",
            "<value code='419199007'/><participant typeCode='CSM'><participantRole><playingEntity><code nullFlavor='NA'/></playingEntity></participantRole></participant>",
        );
        let coded = observation("", "<value code='160244002'/>");
        let in_words = observation(
            "",
            "<value code='160244002'/><participant typeCode='CSM'><participantRole><playingEntity><code nullFlavor='NA'><originalText>None</originalText></code>\
             </playingEntity></participantRole></participant>",
        );
        let as_allergen = observation(
            "",
            "<value code='419199007'/><participant typeCode='CSM'><participantRole><playingEntity><code code='716186003'/></playingEntity></participantRole></participant>",
        );
        for written in [in_words, as_allergen] {
            assert_eq!(allergies(&format!("<act>{written}</act>"))[0].negated, Some(true));
        }
        let of_something = observation("", &format!("<value code='160244002'/>{PENICILLIN}"));
        assert_eq!(allergies(&format!("<act>{of_something}</act>"))[0].negated, None);
        for written in [denied, coded] {
            let found = allergies(&format!("<act>{written}</act>"));
            assert_eq!((found[0].negated, &found[0].code), (Some(true), &None));
        }
    }

    #[test]
    fn its_own_status_rules_then_its_end_then_the_concern() {
        let status = "<entryRelationship typeCode='REFR'><observation><code code='33999-4'/><value code='413322009'/></observation></entryRelationship>";
        let table = [
            (status, "completed", "resolved"),
            (
                "<effectiveTime><low value='2000'/><high nullFlavor='UNK'/></effectiveTime>",
                "active",
                "inactive",
            ),
            ("<effectiveTime><low value='2000'/></effectiveTime>", "active", "active"),
            ("", "completed", "inactive"),
        ];
        for (content, concern, expected) in table {
            let found =
                allergies(&format!("<act><statusCode code='{concern}'/>{}</act>", observation("", content)));
            assert_eq!(found[0].status, Some(Text::from(expected)), "{content}");
        }
    }

    #[test]
    fn an_allergy_without_a_concern_is_one_too() {
        assert_eq!(allergies(&format!("<observation>{PENICILLIN}</observation>")).len(), 1);
        let nothing = record("<code code='48765-2'/><entry><act/></entry><entry><supply/></entry>");
        assert_eq!((nothing.allergies.len(), nothing.sections[0].unread.len()), (0, 2));
    }

    const SEVERE: &str = "<entryRelationship typeCode='SUBJ'><observation><templateId root='2.16.840.1.113883.10.20.22.4.8'/><code code='SEV'/>\
                          <value code='24484000'/></observation></entryRelationship>";

    #[test]
    fn how_bad_a_concern_is_is_no_allergy() {
        let severity = |one: &Allergy| one.severity.as_ref().and_then(|severity| severity.code.clone());
        let one = allergies(&format!("<act>{}{SEVERE}</act>", observation("", PENICILLIN)));
        assert_eq!((one.len(), severity(&one[0]).as_deref()), (1, Some("24484000")));
        // Of two nobody can tell which it is about.
        let two = observation("", PENICILLIN).repeat(2);
        let record = record(&format!("<code code='48765-2'/><entry><act>{two}{SEVERE}</act></entry>"));
        assert!(record.allergies.iter().all(|one| one.severity.is_none()));
        assert_eq!((record.allergies.len(), record.sections[0].unread.len()), (2, 1));
        for further in ["82606-5", "33999-4"] {
            let further = format!(
                "<entryRelationship typeCode='SUBJ'><observation><code code='{further}'/></observation></entryRelationship>"
            );
            assert_eq!(allergies(&format!("<act>{}{further}</act>", observation("", PENICILLIN))).len(), 1);
        }
    }

    #[test]
    fn what_is_null_planned_or_denied_is_no_allergy() {
        for attributes in ["nullFlavor='NI'", "moodCode='INT'", "moodCode='GOL'"] {
            let record = record(&format!(
                "<code code='48765-2'/><entry><act>{}</act></entry><entry><act {attributes}>{}</act></entry>",
                observation(attributes, PENICILLIN),
                observation("", PENICILLIN),
            ));
            assert_eq!(record.allergies, [], "{attributes}");
            assert_eq!(record.sections[0].unread[0].count, 2);
        }
        let denied = allergies(&format!("<act negationInd='true'>{}</act>", observation("", PENICILLIN)));
        assert_eq!(denied[0].negated, Some(true));
        let none = observation("negationInd='true' nullFlavor='NI'", "<value code='419199007'/>");
        assert_eq!(allergies(&format!("<act>{none}</act>"))[0].negated, Some(true));
    }

    #[test]
    fn a_reaction_that_did_not_happen_is_none() {
        let reaction = |attributes: &str| {
            format!(
                "<entryRelationship typeCode='MFST'><observation {attributes}><value code='247472004'/></observation></entryRelationship>"
            )
        };
        let both = reaction("negationInd='true'") + &reaction("");
        let found = allergies(&format!("<act>{}</act>", observation("", &(PENICILLIN.to_owned() + &both))));
        assert_eq!(found[0].reactions.len(), 1);
    }

    #[test]
    fn a_status_that_is_not_understood_is_not_active_and_a_second_severity_is_unread() {
        let inner = |content: &str| {
            format!("<entryRelationship><observation>{content}</observation></entryRelationship>")
        };
        let content = inner(
            "<code code='33999-4'/><value nullFlavor='OTH'><originalText>Resolved</originalText></value>",
        ) + &inner("<code code='SEV'/><value code='6736007'/>")
            + &inner("<code code='SEV'/><value code='24484000'/>");
        let record = record(&format!(
            "<code code='48765-2'/><entry><act><statusCode code='active'/>{}</act></entry>",
            observation("", &content)
        ));
        let allergy = &record.allergies[0];
        assert_eq!(
            (allergy.status.as_ref(), allergy.severity.as_ref().unwrap().code.as_deref()),
            (None, Some("6736007"))
        );
        let unread: Vec<_> = record.sections[0].unread.iter().map(|one| one.element.as_str()).collect();
        assert_eq!(unread, ["value", "observation"]);
    }

    #[test]
    fn a_reaction_has_its_own_time() {
        let found = allergies(&format!(
            "<observation><effectiveTime><low value='1998'/></effectiveTime>{PENICILLIN}<entryRelationship typeCode='MFST'><observation>\
             <effectiveTime><low value='20200301'/><high value='20200302'/></effectiveTime><value code='247472004'/></observation></entryRelationship></observation>"
        ));
        let reaction = &found[0].reactions[0];
        let times = [&found[0].onset_at, &reaction.onset_at, &reaction.ended_at];
        assert_eq!(
            times.map(|time| time.as_ref().unwrap().to_string()),
            ["1998", "2020-03-01", "2020-03-02"]
        );
    }
}
