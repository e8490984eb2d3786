//! Medications: what is taken, was given or is to be given; how much and how often; and what was handed out.

use orderly_record::{Coded, Medication, Note, Organization, Quantity, Record, Text, Timing};

use crate::document::Element;
use crate::normalize::Source;
use crate::normalize::people::{organization, providers};
use crate::normalize::shared::Shared;
use crate::normalize::statement::{Related, Statement, is_negated};
use crate::normalize::values::{
    attribute, bounds, code_of, coded, coded_or_words, flag, identifiers, interval, quantity, text_of,
};

/// Instruction to the patient or the pharmacy.
const INSTRUCTION: &str = "2.16.840.1.113883.10.20.22.4.20";

pub(super) fn taken(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    medications(statement, "statement", record)
}

pub(super) fn administered(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    medications(statement, "administration", record)
}

fn medications(statement: &Statement<'_, '_>, category: &'static str, record: &mut Record) -> bool {
    match statement.name() {
        "substanceAdministration" => activity(statement, category, record),
        // Admission and discharge medications are wrapped into an act.
        "act" if !is_negated(statement.element) => {
            let before = record.medications.len();
            let is_activity = |related: Related<'_>| related.is("substanceAdministration");
            statement.related_or_negated(is_activity, |inner| {
                activity(inner, category, record);
            });
            return record.medications.len() > before;
        }
        "supply" if !is_negated(statement.element) => record.medications.push(supply(statement)),
        _ => return false,
    }
    true
}

fn activity(statement: &Statement<'_, '_>, category: &'static str, record: &mut Record) {
    let is_intended = statement.element.attribute("moodCode").is_some_and(|mood| mood != "EVN");
    let category = if is_intended { "order" } else { category };
    let (medication, handed_out) = with_supplies(statement, category);
    record.medications.push(medication);
    record.medications.extend(handed_out);
}

/// What a plan says of a drug or a supply; what was handed out all the same is the record's own.
pub(super) fn planned(statement: &Statement<'_, '_>, record: &mut Record) -> Medication {
    if statement.name() == "supply" {
        return supply(statement);
    }
    let (medication, handed_out) = with_supplies(statement, "order");
    record.medications.extend(handed_out);
    medication
}

/// A drug and how it is used, and beside it what was handed out of it.
fn with_supplies(statement: &Statement<'_, '_>, category: &'static str) -> (Medication, Vec<Medication>) {
    let source = statement.source;
    let mut medication = drug(statement);
    medication.category = Some(Text::new_static(category));
    medication.negated = flag(statement.element, "negationInd");
    medication.status = statement.value_of(is_status, |_, value| status_of(value)).or(medication.status);
    times(statement, &mut medication);
    statement.read("doseQuantity", |dose| {
        (medication.dose, medication.dose_max) = bounds(dose);
        (medication.dose.is_some() || medication.dose_max.is_some()).then_some(())
    });
    medication.rate = statement.read("rateQuantity", |rate| amount(source, rate));
    let coded_part = |name: &str| statement.read(name, |part| coded(source, part));
    medication.route = coded_part("routeCode");
    medication.site = coded_part("approachSiteCode");
    medication.form = coded_part("administrationUnitCode");
    let conditions = statement.take_all("precondition");
    medication.as_needed = (!conditions.is_empty()).then_some(true);
    medication.reasons =
        conditions.into_iter().filter_map(|condition| criterion(source, condition)).collect();
    medication.reasons.extend(indications(statement));
    medication.instructions = sig(statement).or_else(|| statement.words());
    medication.ordered_by = providers(source, statement.take_all("author"));
    medication.given_by = providers(source, statement.take_all("performer"));
    medication.notes = notes(statement);
    let mut handed_out = Vec::new();
    supplies(statement, &mut medication, &mut handed_out);
    (medication, handed_out)
}

/// When it is needed: a code, else words.
fn criterion<'d>(source: &Source<'d>, condition: Element<'d>) -> Option<Coded> {
    let criterion = condition.child("criterion");
    let part = |name| criterion.and_then(|criterion| criterion.child(name));
    let words = || part("text").and_then(|text| source.words(text));
    let found = coded_or_words(source, part("value"), words);
    if found.is_none() {
        source.unread(condition);
    }
    found
}

/// A quantity where the record has no place for a range: its lower bound.
pub(super) fn amount<'d>(source: &Source<'d>, range: Element<'d>) -> Option<Quantity> {
    let (low, high) = bounds(range);
    if low.is_some() && high.is_some() {
        range.children_named("high").for_each(|high| source.unread(high));
    }
    low
}

/// Whether it is still taken, in documents before C-CDA (LOINC 33999-4): there statusCode tells about the act of writing it down.
fn is_status(related: Related<'_>) -> bool {
    let is_of_template = related.has_template("2.16.840.1.113883.10.20.1.47");
    related.is("observation") && (is_of_template || related.has_code(&["33999-4"]))
}

/// The record's word for a status of SNOMED CT: active, no longer active, inactive. Others ("other", "administered") tell nothing of it.
fn status_of(value: Element<'_>) -> Option<Text> {
    Some(Text::new_static(match attribute(value, "code")?.as_str() {
        "55561003" => "active",
        "421139008" | "73425007" => "completed",
        _ => return None,
    }))
}

/// What an activity and a supply have in common: the drug, its maker, the status, the ids.
fn drug(statement: &Statement<'_, '_>) -> Medication {
    let holder = statement.take("consumable").or_else(|| statement.take("product"));
    let product = holder.and_then(|holder| holder.child("manufacturedProduct"));
    let material = product.and_then(material);
    Medication {
        code: material.and_then(|material| drug_code(statement.source, material)),
        lot_number: material.and_then(|material| text_of(material, "lotNumberText")),
        manufacturer: product.and_then(maker),
        status: code_of(statement.element, "statusCode"),
        identifiers: identifiers(statement.element),
        source: Some(statement.element.location()),
        ..Medication::default()
    }
}

pub(super) fn material(product: Element<'_>) -> Option<Element<'_>> {
    product.child("manufacturedMaterial").or_else(|| product.child("manufacturedLabeledDrug"))
}

pub(super) fn maker(product: Element<'_>) -> Option<Organization> {
    product.child("manufacturerOrganization").and_then(organization)
}

/// The drug's code, else its name.
pub(super) fn drug_code<'d>(source: &Source<'d>, material: Element<'d>) -> Option<Coded> {
    coded_or_words(source, material.child("code"), || text_of(material, "name"))
}

/// effectiveTime, which stands there several times: from when to when, and how often.
fn times(statement: &Statement<'_, '_>, medication: &mut Medication) {
    for time in statement.take_all("effectiveTime") {
        let has = |name| time.child(name).is_some();
        match time.declared_type() {
            Some("PIVL_TS") if medication.timing.is_none() => {
                medication.timing = Some(periodic(statement.source, time))
            }
            Some("EIVL_TS") if medication.timing.is_none() => {
                medication.timing = Some(by_event(statement.source, time))
            }
            None if has("period") && medication.timing.is_none() => {
                medication.timing = Some(periodic(statement.source, time))
            }
            Some("IVL_TS" | "TS") | None
                if medication.starts_at.is_none() && medication.ends_at.is_none() =>
            {
                let found = interval(time);
                (medication.starts_at, medication.ends_at) = (found.from, found.to);
            }
            // A second timing of the same drug, or one put together from several.
            _ => statement.source.unread(time),
        }
    }
}

/// PIVL_TS: every so often. From when on within the period it is counted has no place in the record.
fn periodic<'d>(source: &Source<'d>, time: Element<'d>) -> Timing {
    time.children_named("phase").for_each(|phase| source.unread(phase));
    let (period, period_max) = time.child("period").map(bounds).unwrap_or_default();
    let institution_specified = flag(time, "institutionSpecified");
    Timing { period, period_max, institution_specified, ..Timing::default() }
}

/// EIVL_TS: with an event of the day. How long before or after it has no place in the record.
fn by_event<'d>(source: &Source<'d>, time: Element<'d>) -> Timing {
    time.children_named("offset").for_each(|offset| source.unread(offset));
    let event = time.child("event").and_then(|event| attribute(event, "code"));
    Timing { event, ..Timing::default() }
}

/// Why: the indications.
pub(super) fn indications(statement: &Statement<'_, '_>) -> Vec<Coded> {
    let mut reasons = Vec::new();
    statement.related(is_indication, |reason| reasons.extend(indication(reason)));
    reasons
}

pub(super) fn is_indication(related: Related<'_>) -> bool {
    related.relation == "RSON" && related.is("observation")
}

/// The value of an indication, else its words.
pub(super) fn indication(reason: &Statement<'_, '_>) -> Option<Coded> {
    let value = reason.read("value", |value| coded(reason.source, value));
    value.or_else(|| reason.words().map(|words| Coded { text: Some(words), ..Coded::default() }))
}

/// The directions in words (LOINC 76662-6).
fn sig(statement: &Statement<'_, '_>) -> Option<Text> {
    let mut words = None;
    let is_sig =
        |related: Related<'_>| related.is("substanceAdministration") && related.has_code(&["76662-6"]);
    statement.related(is_sig, |inner| {
        inner.take("consumable");
        words = words.take().or_else(|| inner.words());
    });
    words
}

/// Comments, and instructions to the patient or the pharmacy.
pub(super) fn notes(statement: &Statement<'_, '_>) -> Vec<Note> {
    let mut notes = statement.notes();
    let is_instruction = |related: Related<'_>| {
        related.is("act")
            && matches!(related.relation, "SUBJ" | "COMP")
            && (related.element.child("text").is_some() || related.has_template(INSTRUCTION))
    };
    statement.related(is_instruction, |act| {
        let code = act.own("code").and_then(|code| coded(act.source, code));
        // One that is a code only says what the code is called.
        let words = act.words().or_else(|| code.and_then(|code| code.text.or(code.display)));
        let source = Some(act.element.location());
        match words {
            Some(text) => notes.push(Note { text, author: None, source }),
            None => act.source.unread(act.element),
        }
    });
    notes
}

/// The order to supply tells how much and how often; what was handed out is a medication of its own.
fn supplies(statement: &Statement<'_, '_>, medication: &mut Medication, handed_out: &mut Vec<Medication>) {
    let holder = statement.element.child("consumable");
    let drug = Shared::new(medication.code.clone(), holder.as_slice());
    let is_dispense = |related: Related<'_>| related.is("supply") && is_dispense(related.element);
    statement.related(is_dispense, |inner| {
        let found = supply(inner);
        let code = found.code.clone().or_else(|| drug.copy(statement.source));
        handed_out.push(Medication { code, ..found });
    });
    statement.first_related(
        |related| related.is("supply"),
        |order| {
            fill_from_order(medication, order);
            Some(())
        },
    );
}

/// What the order to supply says of the medication. When, by whom, and another product than the one taken have no place in the record.
fn fill_from_order(medication: &mut Medication, order: &Statement<'_, '_>) {
    let source = order.source;
    medication.prescription_number = identifiers(order.element).into_iter().next();
    medication.quantity = order.read("quantity", quantity);
    medication.refills = order.read("repeatNumber", refills);
    medication.ordered_by.extend(providers(source, order.take_all("author")));
    medication.notes.extend(notes(order));
    order.read("product", |holder| {
        let code = drug_code(source, material(holder.child("manufacturedProduct")?)?)?;
        let own = medication.code.get_or_insert_with(|| code.clone());
        (own.code == code.code && own.system == code.system).then_some(())
    });
}

fn is_dispense(supply: Element<'_>) -> bool {
    supply.attribute("moodCode") == Some("EVN")
}

fn supply(statement: &Statement<'_, '_>) -> Medication {
    let source = statement.source;
    let is_dispense = is_dispense(statement.element);
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    // Of what was handed out it tells which time this was.
    let refills = if is_dispense { None } else { statement.read("repeatNumber", refills) };
    Medication {
        category: Some(Text::new_static(if is_dispense { "dispense" } else { "order" })),
        quantity: statement.read("quantity", quantity),
        refills,
        starts_at: time.from,
        ends_at: time.to,
        ordered_by: providers(source, statement.take_all("author")),
        given_by: providers(source, statement.take_all("performer")),
        notes: notes(statement),
        ..drug(statement)
    }
}

/// repeatNumber of an order, which counts the first time too.
fn refills(total: Element<'_>) -> Option<Text> {
    let total: u32 = attribute(total, "value")?.parse().ok()?;
    Some(total.checked_sub(1)?.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn medications(code: &str, entry: &str) -> (Vec<Medication>, Vec<orderly_record::Unread>) {
        let mut record = record(&format!(
            "<code code='{code}'/><text><content ID='sig'>one a day</content></text><entry>{entry}</entry>"
        ));
        (record.medications, std::mem::take(&mut record.sections[0].unread))
    }

    const DRUG: &str = "<consumable><manufacturedProduct><manufacturedMaterial><code code='197361' codeSystem='2.16.840.1.113883.6.88'/>\
                        </manufacturedMaterial></manufacturedProduct></consumable>";

    #[test]
    fn how_much_and_how_often() {
        let (found, unread) = medications(
            "10160-0",
            &format!(
                "<substanceAdministration moodCode='EVN'><text><reference value='#sig'/></text><statusCode code='active'/>\
                 <effectiveTime xsi:type='IVL_TS'><low value='20260101'/></effectiveTime>\
                 <effectiveTime xsi:type='PIVL_TS' institutionSpecified='true' operator='A'><period value='8' unit='h'/></effectiveTime>\
                 <doseQuantity><low value='1'/><high value='2'/></doseQuantity>{DRUG}<precondition><criterion><value code='56018004'/></criterion></precondition>\
                 </substanceAdministration>"
            ),
        );
        let medication = &found[0];
        let timing = medication.timing.clone().unwrap();
        assert_eq!((timing.period.unwrap().value.as_str(), timing.institution_specified), ("8", Some(true)));
        let doses = [medication.dose.clone(), medication.dose_max.clone()].map(|dose| dose.unwrap().value);
        assert_eq!(doses, ["1", "2"]);
        assert_eq!((medication.as_needed, medication.reasons.len()), (Some(true), 1));
        assert_eq!(
            (medication.instructions.as_deref(), medication.category.as_deref()),
            (Some("one a day"), Some("statement"))
        );
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn an_order_is_part_of_the_medication_and_a_dispense_is_its_own() {
        let (found, unread) = medications(
            "10183-2",
            &format!(
                "<act><entryRelationship typeCode='SUBJ'><substanceAdministration moodCode='INT'>{DRUG}\
                 <entryRelationship typeCode='REFR'><supply moodCode='INT'><id root='1' extension='RX1'/><repeatNumber value='3'/><quantity value='30'/></supply></entryRelationship>\
                 <entryRelationship typeCode='REFR'><supply moodCode='EVN'><effectiveTime value='20260102'/><quantity value='30'/></supply></entryRelationship>\
                 </substanceAdministration></entryRelationship></act>"
            ),
        );
        let brief: Vec<_> =
            found.iter().map(|one| (one.category.as_deref(), one.refills.as_deref())).collect();
        assert_eq!(brief, [(Some("order"), Some("2")), (Some("dispense"), None)]);
        assert_eq!(found[0].prescription_number.as_ref().unwrap().value, "RX1");
        assert_eq!(found[1].code, found[0].code);
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn what_was_given_and_what_is_not_taken() {
        let (found, _) = medications(
            "29549-3",
            &format!("<substanceAdministration moodCode='EVN'>{DRUG}</substanceAdministration>"),
        );
        assert_eq!(found[0].category.as_deref(), Some("administration"));
        let none = "<substanceAdministration moodCode='EVN' negationInd='true'><consumable><manufacturedProduct><manufacturedMaterial>\
                    <code nullFlavor='OTH'/></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration>";
        let (found, _) = medications("10160-0", none);
        assert_eq!((found[0].negated, &found[0].code), (Some(true), &None));
    }

    /// A statement in use with this content, and what of it is unread.
    fn taken(content: &str) -> (Medication, Vec<String>) {
        let entry = format!(
            "<substanceAdministration moodCode='EVN'><statusCode code='completed'/>{DRUG}{content}</substanceAdministration>"
        );
        let (mut found, unread) = medications("10160-0", &entry);
        let unread = unread.into_iter().map(|one| format!("{} {}", one.element, one.count)).collect();
        (found.remove(0), unread)
    }

    #[test]
    fn its_status_observation_rules() {
        let table = [
            ("55561003", "active", 0),
            ("421139008", "completed", 0),
            ("73425007", "completed", 0),
            ("74964007", "completed", 1),
        ];
        for (code, expected, count) in table {
            let (found, unread) = taken(&format!(
                "<entryRelationship typeCode='REFR'><observation><code code='33999-4'/><value code='{code}'/></observation></entryRelationship>"
            ));
            assert_eq!((found.status.as_deref(), unread.len()), (Some(expected), count), "{code}");
        }
    }

    #[test]
    fn two_orders_are_not_mixed() {
        let (found, unread) = taken(
            "<entryRelationship><supply moodCode='INT'><id root='1' extension='S1'/><effectiveTime value='2026'/><quantity value='30'/>\
             <product><manufacturedProduct><manufacturedMaterial><code code='2'/></manufacturedMaterial></manufacturedProduct></product></supply></entryRelationship>\
             <entryRelationship><supply moodCode='INT'><id root='1' extension='S2'/><quantity value='90'/><repeatNumber value='4'/></supply></entryRelationship>",
        );
        let quantity = found.quantity.unwrap().value;
        assert_eq!((found.prescription_number.unwrap().value.as_str(), quantity.as_str()), ("S1", "30"));
        assert_eq!(
            (found.refills, unread.join(", ").as_str()),
            (None, "effectiveTime 1, product 1, supply 1")
        );
    }

    #[test]
    fn which_time_it_was_handed_out_is_no_number_of_refills() {
        let (found, unread) =
            medications("10160-0", "<supply moodCode='EVN'><repeatNumber value='3'/></supply>");
        assert_eq!((found[0].refills.as_deref(), unread[0].element.as_str()), (None, "repeatNumber"));
        let (found, unread) =
            medications("10160-0", "<supply moodCode='INT'><repeatNumber value='0'/></supply>");
        assert_eq!((found[0].refills.as_deref(), unread[0].element.as_str()), (None, "repeatNumber"));
    }

    #[test]
    fn what_is_no_number_or_half_a_range_does_not_vanish() {
        let table = [
            ("<doseQuantity value='1-2'/>", "- - -", "doseQuantity 1"),
            ("<doseQuantity><high value='2'/></doseQuantity>", "- 2 -", ""),
            ("<rateQuantity><low value='1'/><high value='5'/></rateQuantity>", "- - 1", "high 1"),
            ("<rateQuantity><high value='5'/></rateQuantity>", "- - -", "rateQuantity 1"),
            ("<routeCode nullFlavor='UNK'/><doseQuantity nullFlavor='NI'/>", "- - -", ""),
            ("<precondition/>", "- - -", "precondition 1"),
        ];
        for (content, expected, expected_unread) in table {
            let (found, unread) = taken(content);
            let shown = [found.dose, found.dose_max, found.rate]
                .map(|part| part.map_or("-".to_owned(), |part| part.value.to_string()));
            assert_eq!(
                (shown.join(" ").as_str(), unread.join(" ").as_str()),
                (expected, expected_unread),
                "{content}"
            );
        }
        let (found, _) = taken("<precondition><criterion><text>for pain</text></criterion></precondition>");
        assert_eq!((found.as_needed, found.reasons[0].text.as_deref()), (Some(true), Some("for pain")));
    }
}
