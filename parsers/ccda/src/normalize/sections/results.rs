//! Results: a panel with its observations, or an observation alone.

use orderly_record::{Record, Report, Specimen};

use crate::document::Element;
use crate::normalize::observation::{Group, observation, status};
use crate::normalize::people::first_identifier;
use crate::normalize::statement::{Related, Statement, is_negated};
use crate::normalize::values::{code_of, coded, coded_or_words, identifier, interval};

/// Collection of a specimen (SNOMED CT).
const COLLECTION: &str = "17636008";

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    match statement.name() {
        // A denied group would deny each of its members, or that there was one: nobody can tell.
        "organizer" if is_negated(statement.element) => false,
        "organizer" => {
            let before = record.results.len();
            let found = report(statement, &Group::default(), record);
            // A panel of nothing, about nothing, is no result that somebody waits for.
            let says_something = found.code.is_some() || !found.observations.is_empty();
            if says_something {
                record.results.push(found);
            }
            record.results.len() > before
        }
        // A loose observation is the only one of its report.
        "observation" => {
            let found = observation(statement, &Group::default());
            record.results.push(Report {
                code: found.code.clone(),
                status: found.status.clone(),
                observed_at: found.observed_at.clone(),
                source: found.source.clone(),
                observations: vec![found],
                ..Report::default()
            });
            true
        }
        _ => false,
    }
}

/// A panel; panels in it are reports of their own.
fn report<'d>(statement: &Statement<'_, 'd>, outer: &Group<'d>, record: &mut Record) -> Report {
    let source = statement.source;
    let group = Group::of(statement, outer);
    let time = statement.element.child("effectiveTime").map(interval).unwrap_or_default();
    let mut specimens: Vec<Specimen> =
        statement.take_all("specimen").into_iter().filter_map(|one| specimen(statement, one)).collect();
    collection(statement, &mut specimens);
    let mut observations = Vec::new();
    statement.related_or_negated(
        |related| related.is("observation"),
        |inner| observations.push(observation(inner, &group)),
    );
    statement.related(
        |related| related.is("organizer"),
        |inner| {
            let found = report(inner, &group, record);
            record.results.push(found);
        },
    );
    Report {
        code: coded_or_words(source, statement.own("code"), || statement.words()),
        status: code_of(statement.element, "statusCode").map(status),
        filler_number: first_identifier(statement.element),
        observed_at: time.from,
        observed_to: time.to,
        specimens,
        observations,
        notes: statement.notes(),
        source: Some(statement.element.location()),
        ..Report::default()
    }
}

fn specimen<'d>(statement: &Statement<'_, 'd>, holder: Element<'d>) -> Option<Specimen> {
    let role = holder.child("specimenRole")?;
    let code = role.child("specimenPlayingEntity").and_then(|entity| entity.child("code"));
    Some(Specimen {
        kind: code.and_then(|code| coded(statement.source, code)),
        filler_number: role.child("id").and_then(identifier),
        source: Some(holder.location()),
        ..Specimen::default()
    })
}

/// When and where a specimen was taken. Of several it is told which by its number, or nobody can tell.
fn collection(statement: &Statement<'_, '_>, specimens: &mut Vec<Specimen>) {
    let is_collection = |related: Related<'_>| related.is("procedure") && related.has_code(&[COLLECTION]);
    statement.related(is_collection, |procedure| {
        let named = procedure.take_all("participant").into_iter().chain(procedure.take_all("specimen"));
        let named = named.filter_map(|one| specimen(procedure, one)).next();
        let Some(specimen) = collected(specimens, named, procedure) else { return };
        let time = procedure.take("effectiveTime").map(interval).unwrap_or_default();
        specimen.collected_at = specimen.collected_at.take().or(time.from).or(time.to);
        let site = procedure.read("targetSiteCode", |site| coded(procedure.source, site));
        specimen.site = specimen.site.take().or(site);
    });
}

/// Among so many specimens one is looked for: a panel has a handful.
const COMPARED_MAX: usize = 1_000;

/// The specimen of this number; the only one, unless it has another number; or one that is known only by its collection.
fn collected<'s>(
    specimens: &'s mut Vec<Specimen>,
    named: Option<Specimen>,
    procedure: &Statement<'_, '_>,
) -> Option<&'s mut Specimen> {
    let number = named.as_ref().and_then(|named| named.filler_number.clone());
    let is_it = |own: &Specimen| number.is_some() && own.filler_number == number;
    let is_only = specimens.len() == 1;
    let may_be = |own: &Specimen| is_only && (number.is_none() || own.filler_number.is_none());
    let known = || specimens.iter().take(COMPARED_MAX);
    let place = known().position(is_it).or_else(|| known().position(may_be));
    if place.is_none() && (specimens.is_empty() || number.is_some()) {
        let source = Some(procedure.element.location());
        specimens.push(named.unwrap_or_else(|| Specimen { source, ..Specimen::default() }));
        return specimens.last_mut();
    }
    place.and_then(|place| specimens.get_mut(place))
}

#[cfg(test)]
mod tests {
    use orderly_record::Observation;

    use super::super::tests::record;

    fn observation(content: &str) -> Observation {
        let mut record = record(&format!(
            "<code code='30954-2'/><text ID='t'>words</text><entry><observation>{content}</observation></entry>"
        ));
        record.results.remove(0).observations.remove(0)
    }

    /// Type, value and unit.
    fn value(value: &str) -> String {
        let found = observation(value);
        let unit = found.units.and_then(|units| units.code);
        [found.value_type, found.value, unit].map(|part| part.unwrap_or_else(|| "-".into())).join(" ")
    }

    #[test]
    fn values_of_every_type() {
        let table = [
            ("<value xsi:type='PQ' value='2.50' unit='mg/dL'/>", "NM 2.50 mg/dL"),
            ("<value xsi:type='x:PQ' value='2.50' unit='1'/>", "NM 2.50 -"),
            ("<value xsi:type='PQ' value='&gt;= 40' unit='mg/dL'/>", "SN >=40 mg/dL"),
            ("<value xsi:type='PQ' value='few' unit='/[HPF]'/>", "ST few /[HPF]"),
            ("<value xsi:type='PQ' nullFlavor='UNK'/>", "- - -"),
            ("<value xsi:type='PQ' unit='mg'/>", "NM - mg"),
            ("<value xsi:type='INT' value='7'/>", "NM 7 -"),
            ("<value xsi:type='CD' code='260385009' displayName='Negative'/>", "CWE 260385009 -"),
            (
                "<value xsi:type='CD' nullFlavor='OTH'><originalText><reference value='#t'/></originalText></value>",
                "CWE words -",
            ),
            ("<value xsi:type='ST'> clear </value>", "ST clear -"),
            ("<value xsi:type='ED'><reference value='#t'/></value>", "ED words -"),
            ("<value xsi:type='ED' mediaType='application/pdf' representation='B64'>JVBE</value>", "ED - -"),
            ("<value xsi:type='IVL_PQ'><high value='5' unit='mg' inclusive='false'/></value>", "SN <5 mg"),
            ("<value xsi:type='IVL_PQ'><low value='5' unit='mg'/></value>", "SN >=5 mg"),
            ("<value xsi:type='IVL_PQ'><low value='2'/><high value='4'/></value>", "SN 2-4 -"),
            ("<value xsi:type='IVL_PQ'><low value='2'/><high value='4' unit='mg'/></value>", "SN 2-4 mg"),
            (
                "<value xsi:type='IVL_PQ'><low value='2' unit='mg'/><high value='4' unit='g'/></value>",
                "ST 2 mg-4 g -",
            ),
            (
                "<value xsi:type='IVL_PQ'><low value='2' inclusive='false'/><high value='4' unit='mg' inclusive='false'/></value>",
                "ST >2-<4 mg",
            ),
            ("<value xsi:type='RTO'><numerator value='1'/><denominator value='128'/></value>", "SN 1:128 -"),
            (
                "<value xsi:type='RTO_PQ_PQ'><numerator value='3' unit='mg'/><denominator value='2' unit='h'/></value>",
                "SN 3/2 h mg",
            ),
            ("<value xsi:type='TS' value='20260305'/>", "TS 2026-03-05 -"),
            ("<value xsi:type='BL' value='true'/>", "ST true -"),
            ("<value value='5' unit='mg'/>", "NM 5 mg"),
            ("<value code='1'/>", "CWE 1 -"),
            ("<value>words here</value>", "ST words here -"),
        ];
        for (xml, expected) in table {
            assert_eq!(value(xml), expected, "{xml}");
        }
    }

    #[test]
    fn ranges_flags_and_status() {
        let range = |content: &str| {
            format!("<referenceRange><observationRange>{content}</observationRange></referenceRange>")
        };
        let found = observation(&format!(
            "<statusCode code='completed'/><value xsi:type='PQ' value='200' unit='mg/dL'/><interpretationCode code='H'/><interpretationCode nullFlavor='UNK'/>{}{}{}",
            range(
                "<text>x</text><value xsi:type='IVL_PQ'><low value='70' unit='mg/dL'/><high value='99' unit='mg/dL'/></value>"
            ),
            range("<value xsi:type='IVL_PQ'><high value='5' unit='mmol/L'/></value>"),
            range("<text>none <reference value='#t'/></text>"),
        ));
        assert_eq!(found.reference_range.as_deref(), Some("70-99; <=5 mmol/L; words"));
        assert_eq!(
            (found.status.as_deref(), found.interpretations.as_slice()),
            (Some("F"), &["H".into()][..])
        );
    }

    #[test]
    fn a_panel_with_a_panel_and_a_specimen() {
        let record = record(
            "<code code='30954-2'/><entry><organizer><id root='1' extension='R1'/><code code='24323-8'/><statusCode code='active'/><effectiveTime value='20260305'/>\
             <specimen><specimenRole><specimenPlayingEntity><code code='119364003'/></specimenPlayingEntity></specimenRole></specimen>\
             <component><procedure><code code='17636008'/><effectiveTime value='20260304'/></procedure></component>\
             <component><observation><code code='2345-7'/></observation></component>\
             <component><organizer><component><observation/></component></organizer></component></organizer></entry>",
        );
        let [inner, outer] = record.results.as_slice() else { panic!("two reports") };
        assert_eq!((inner.observations.len(), outer.observations.len()), (1, 1));
        assert_eq!(outer.observations[0].observed_at, outer.observed_at);
        assert_eq!(inner.observations[0].observed_at, outer.observed_at);
        assert_eq!(
            (outer.status.as_deref(), outer.filler_number.as_ref().unwrap().value.as_str()),
            (Some("P"), "R1")
        );
        assert_eq!(outer.specimens[0].collected_at.as_ref().unwrap().to_string(), "2026-03-04");
        assert!(record.sections[0].unread.is_empty(), "{:?}", record.sections[0].unread);
    }

    #[test]
    fn what_was_not_found_and_what_was_not_done() {
        let denied = record(
            "<code code='30954-2'/><entry><organizer><component><observation negationInd='true'><value code='10828004'/></observation></component>\
             <component><observation moodCode='RQO'/></component><component><observation nullFlavor='NI'/></component></organizer></entry>\
             <entry><observation moodCode='INT'/></entry><entry><organizer nullFlavor='NI'/></entry><entry><organizer negationInd='true'/></entry>\
             <entry><organizer><code nullFlavor='NI'/><statusCode code='completed'/></organizer></entry>",
        );
        assert_eq!((denied.results.len(), denied.results[0].observations.len()), (1, 1));
        assert_eq!(denied.results[0].observations[0].negated, Some(true));
        let unread: Vec<_> =
            denied.sections[0].unread.iter().map(|one| (one.element.as_str(), one.count)).collect();
        assert_eq!(unread, [("observation", 3), ("organizer", 3)]);
    }

    #[test]
    fn a_collection_is_of_the_specimen_it_names() {
        let specimen = |number: &str| {
            format!("<specimen><specimenRole><id root='1' extension='{number}'/></specimenRole></specimen>")
        };
        let table = [
            (vec!["A", "B"], "B", "A - B 2026-03-04", 0),
            (vec!["A", "B"], "", "A - B -", 1),
            (vec!["A"], "", "A 2026-03-04", 0),
            (vec!["A"], "C", "A - C 2026-03-04", 0),
            (vec![], "C", "C 2026-03-04", 0),
        ];
        for (sent, named, expected, unread) in table {
            let sent: String = sent.into_iter().map(specimen).collect();
            let named = if named.is_empty() { String::new() } else { specimen(named) };
            let record = record(&format!(
                "<code code='30954-2'/><entry><organizer><code code='P'/>{sent}<component><procedure><code code='17636008'/><effectiveTime value='20260304'/>{named}\
                 </procedure></component></organizer></entry>"
            ));
            let shown = record.results[0].specimens.iter().map(|one| {
                let number = one.filler_number.as_ref().unwrap().value.clone();
                let time = one.collected_at.as_ref().map_or("-".to_owned(), ToString::to_string);
                format!("{number} {time}")
            });
            assert_eq!(shown.collect::<Vec<_>>().join(" "), expected);
            assert_eq!(record.sections[0].unread.len(), unread, "{expected}");
        }
    }
}
