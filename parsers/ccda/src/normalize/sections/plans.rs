//! Plans: what is intended, ordered, asked for, booked or advised, of every kind; told from what was done by its mood.

use orderly_record::{Coded, Medication, ObservationValue, Plan, Record, Text};

use super::medications::{self, indications};
use super::{goals, procedures};
use crate::document::Element;
use crate::normalize::concern::Recorded;
use crate::normalize::observation::values;
use crate::normalize::people::providers;
use crate::normalize::statement::{Related, Statement, has_template};
use crate::normalize::values::{code_of, coded, coded_or_words, flag, identifiers, interval};
use crate::normalize::visit::location;

/// Instruction, in C-CDA and before it.
const INSTRUCTION: [&str; 2] = ["2.16.840.1.113883.10.20.22.4.20", "2.16.840.1.113883.10.20.1.49"];
/// Planned immunization.
const IMMUNIZATION: &str = "2.16.840.1.113883.10.20.22.4.120";

/// Reads what is planned; among plans there are goals, and acts that were done.
pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    match mood(statement.element) {
        _ if statement.name() == "organizer" => group(statement, record),
        Some("GOL") => goals::read(statement, record),
        // An instruction is one whether it was already given or not.
        Some("EVN") if !is_instruction(statement.element) => done(statement, record),
        _ => planned(statement, record),
    }
}

/// A group of plans, as of alternatives, which are plans each.
fn group(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let mut is_read = false;
    let is_member = |related: Related<'_>| !related.is_reference();
    statement.related(is_member, |inner| match read(inner, record) {
        true => is_read = true,
        false => inner.source.unread(inner.element),
    });
    is_read
}

/// What was done. An observation among plans is not told from one that is asked for by all senders, so it is not taken for a result.
fn done(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let is_read = matches!(statement.name(), "act" | "procedure") && procedures::read(statement, record);
    if is_read {
        parts(statement, record);
    }
    is_read
}

fn planned(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    let Some(category) = category(statement.element) else { return false };
    let plan = match category {
        "medication" | "immunization" | "supply" => {
            of_drug(statement, medications::planned(statement, record))
        }
        _ => of_service(statement),
    };
    let says_something = plan.code.is_some() || plan.text.is_some() || plan.starts_at.is_some();
    if says_something {
        record.plans.push(Plan { category: Some(Text::new_static(category)), ..plan });
        parts(statement, record);
    }
    says_something
}

/// What a plan or an intervention is made of.
fn parts(statement: &Statement<'_, '_>, record: &mut Record) {
    statement.related(is_part, |inner| {
        if !read(inner, record) {
            inner.source.unread(inner.element);
        }
    });
}

fn is_part(related: Related<'_>) -> bool {
    let is_act = related.is("act") && !related.is_reference() && !related.has_code(&["48768-6"]);
    let is_kind = is_act
        || ["procedure", "encounter", "substanceAdministration", "supply"]
            .iter()
            .any(|name| related.is(name))
        || (related.is("observation") && mood(related.element).is_some_and(|mood| mood != "EVN"));
    is_kind && matches!(related.relation, "REFR" | "COMP" | "")
}

fn mood(element: Element<'_>) -> Option<&str> {
    element.attribute("moodCode").map(str::trim)
}

fn is_instruction(element: Element<'_>) -> bool {
    INSTRUCTION.iter().any(|template| has_template(element, template))
}

fn category(element: Element<'_>) -> Option<&'static str> {
    Some(match element.name() {
        "encounter" => "encounter",
        "procedure" => "procedure",
        "substanceAdministration" if has_template(element, IMMUNIZATION) => "immunization",
        "substanceAdministration" => "medication",
        "supply" => "supply",
        "observation" => "observation",
        "act" if is_instruction(element) => "instruction",
        "act" => "act",
        _ => return None,
    })
}

/// How firm it is (ActMood).
fn intent(element: Element<'_>) -> Option<Text> {
    Some(Text::new_static(match mood(element)? {
        "INT" => "intended",
        "RQO" => "ordered",
        "PRMS" => "promised",
        "ARQ" => "appointment-requested",
        "APT" => "booked",
        "PRP" => "proposed",
        _ => return None,
    }))
}

/// What every plan says.
fn plan(statement: &Statement<'_, '_>) -> Plan {
    Plan {
        intent: intent(statement.element),
        status: code_of(statement.element, "statusCode"),
        negated: flag(statement.element, "negationInd"),
        text: statement.words(),
        priorities: priorities(statement),
        references: statement.references(),
        identifiers: identifiers(statement.element),
        source: Some(statement.element.location()),
        ..Plan::default()
    }
}

/// How urgent it is, and how important to each who was asked.
fn priorities(statement: &Statement<'_, '_>) -> Vec<Coded> {
    let urgency = statement.read("priorityCode", |code| coded(statement.source, code));
    urgency.into_iter().chain(goals::priorities(statement)).collect()
}

/// What a visit is, where it stands in one that it refers to.
fn encounter_in(statement: &Statement<'_, '_>) -> Option<Coded> {
    let is_encounter = |related: Related<'_>| related.is("encounter") && statement.name() == "encounter";
    statement.first_related(is_encounter, |inner| {
        coded_or_words(inner.source, inner.own("code"), || inner.words())
    })
}

/// The drug's own part tells how much, how often, by whom and why.
fn of_drug(statement: &Statement<'_, '_>, drug: Medication) -> Plan {
    Plan {
        code: drug.code.clone(),
        starts_at: drug.starts_at.clone(),
        ends_at: drug.ends_at.clone(),
        medication: Some(drug),
        ..plan(statement)
    }
}

fn of_service(statement: &Statement<'_, '_>) -> Plan {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let found = values(statement).values;
    let sites = statement.take_all("targetSiteCode").into_iter();
    Plan {
        code: coded_or_words(source, statement.own("code"), || statement.words())
            .or_else(|| encounter_in(statement)),
        starts_at: time.from,
        ends_at: time.to,
        method: statement.read("methodCode", |code| coded(source, code)),
        sites: sites.filter_map(|site| coded(source, site)).collect(),
        value: ObservationValue::words(&found),
        values: found,
        location: location(statement),
        reasons: indications(statement),
        performed_by: providers(source, statement.take_all("performer")),
        ordered_at: recorded.at,
        ordered_by: recorded.by,
        notes: medications::notes(statement),
        ..plan(statement)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    const DRUG: &str = "<consumable><manufacturedProduct><manufacturedMaterial><code code='1191'/></manufacturedMaterial></manufacturedProduct></consumable>";

    #[test]
    fn each_kind_by_its_mood() {
        let table = [
            ("encounter moodCode='APT'", "", "encounter booked"),
            ("encounter moodCode='ARQ'", "", "encounter appointment-requested"),
            ("procedure moodCode='RQO'", "", "procedure ordered"),
            ("observation moodCode='PRP'", "", "observation proposed"),
            ("observation", "", "observation -"),
            ("act moodCode='PRMS'", "", "act promised"),
            ("act moodCode='EVN'", "<templateId root='2.16.840.1.113883.10.20.22.4.20'/>", "instruction -"),
            ("substanceAdministration moodCode='INT'", DRUG, "medication intended"),
            (
                "substanceAdministration moodCode='INT'",
                &format!("<templateId root='2.16.840.1.113883.10.20.22.4.120'/>{DRUG}"),
                "immunization intended",
            ),
            ("supply moodCode='RQO'", "<quantity value='2'/>", "supply ordered"),
        ];
        for (element, content, expected) in table {
            let name = element.split(' ').next().unwrap();
            let record = record(&format!(
                "<code code='18776-5'/><entry><{element}>{content}<code code='1'/><effectiveTime value='20270101'/></{name}></entry>"
            ));
            let plan = &record.plans[0];
            let shown = [&plan.category, &plan.intent].map(|part| part.as_deref().unwrap_or("-"));
            assert_eq!(shown.join(" "), expected);
            assert_eq!(plan.starts_at.as_ref().unwrap().to_string(), "2027-01-01", "{element}");
            assert!(record.sections[0].unread.is_empty(), "{element}: {:?}", record.sections[0].unread);
            assert!(
                record.medications.is_empty() && record.visits.is_empty() && record.procedures.is_empty()
            );
        }
    }

    #[test]
    fn what_was_done_and_what_is_hoped_for_is_no_plan() {
        let record = record(
            "<code code='18776-5'/><entry><act moodCode='EVN'><code code='432138007'/><statusCode code='completed'/></act></entry>\
             <entry><observation moodCode='GOL'><code code='289169006'/></observation></entry><entry><observation moodCode='EVN'><code code='1'/></observation></entry>\
             <entry><encounter moodCode='EVN'/></entry><entry><encounter moodCode='RQO'/></entry><entry><act moodCode='OPT'/></entry>",
        );
        assert_eq!((record.plans.len(), record.goals.len(), record.procedures.len()), (0, 1, 1));
        let unread: Vec<_> =
            record.sections[0].unread.iter().map(|one| (one.element.as_str(), one.count)).collect();
        assert_eq!(unread, [("observation", 1), ("encounter", 2), ("act", 1)]);
    }

    #[test]
    fn a_visit_may_say_what_it_is_in_the_visit_it_refers_to() {
        let record = record(
            "<code code='18776-5'/><entry><encounter moodCode='RQO'><entryRelationship typeCode='REFR'><encounter moodCode='EVN'><code code='185349003'/></encounter>\
             </entryRelationship></encounter></entry>",
        );
        assert_eq!(record.plans[0].code.as_ref().unwrap().code.as_deref(), Some("185349003"));
        assert!(record.visits.is_empty() && record.sections[0].unread.is_empty());
    }

    #[test]
    fn alternatives_are_plans_each() {
        let record = record(
            "<code code='18776-5'/><entry><organizer moodCode='EVN'><component><procedure moodCode='RQO'><code code='1'/></procedure></component>\
             <component><procedure moodCode='RQO'><code code='2'/></procedure></component><component><observation moodCode='EVN'/></component></organizer></entry>\
             <entry><organizer moodCode='INT'/></entry>",
        );
        assert_eq!(record.plans.len(), 2);
        let unread: Vec<_> = record.sections[0].unread.iter().map(|one| one.element.as_str()).collect();
        assert_eq!(unread, ["observation", "organizer"]);
    }

    #[test]
    fn a_plan_of_several_parts() {
        let record = record(
            "<code code='18776-5'/><entry><act moodCode='INT'><code code='362956003'/>\
             <entryRelationship typeCode='REFR'><procedure moodCode='INT'><code code='371907003'/></procedure></entryRelationship>\
             <entryRelationship typeCode='REFR'><act moodCode='EVN'><id root='1' extension='C1'/><code nullFlavor='NP'/></act></entryRelationship>\
             <entryRelationship typeCode='RSON'><observation><value code='J18.9'/></observation></entryRelationship><priorityCode code='A'/>\
             <entryRelationship typeCode='REFR'><observation><code code='225773000'/><value code='394849002'/></observation></entryRelationship>\
             <entryRelationship typeCode='SUBJ'><act moodCode='INT'><text>bring a list</text></act></entryRelationship>\
             <participant typeCode='LOC'><participantRole><playingEntity><name>Clinic</name></playingEntity></participantRole></participant></act></entry>",
        );
        let [outer, inner] = record.plans.as_slice() else { panic!("two plans") };
        assert_eq!(
            (outer.references[0].value.as_str(), outer.reasons.len(), outer.notes.len()),
            ("C1", 1, 1)
        );
        assert_eq!(outer.location.as_ref().unwrap().point_of_care.as_deref(), Some("Clinic"));
        assert_eq!((inner.category.as_deref(), outer.priorities.len()), (Some("procedure"), 2));
        assert!(record.sections[0].unread.is_empty(), "{:?}", record.sections[0].unread);
    }
}
