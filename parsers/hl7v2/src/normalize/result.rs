//! ORC, OBR, SPM and OBX: orders, what was examined, and what was found.

use orderly_record::{
    Coded, Content, Identifier, Location, Observation, ObservationValue, Organization, Quantity, Report,
    Specimen, Text, Timestamp,
};

use super::values::{
    addresses, all_coded, coded, composite_quantity, entity, identifier, lines, organization,
    provider_of_location, providers, telecoms, text, time,
};
use super::{Fields, embedded};
use crate::view::{Presence, View};

/// Longer texts are embedded documents that their sender did not declare as such, and stay in the message: bytes.
const TEXT_LENGTH_MAX: usize = 65_536;

/// ORC: what is known of an order without its OBR.
pub(super) fn order(orc: &Fields<'_>, source: Location) -> Report {
    Report {
        order_control: text(orc.first(1)),
        placer_number: entity(orc.first(2)),
        filler_number: entity(orc.first(3)),
        ordered_by: providers(orc.field(12)),
        order_status: text(orc.first(5)),
        group_number: entity(orc.first(4)),
        ordered_at: time(orc.first(9)),
        ordering_facility: ordering_facility(orc),
        order_reason: coded(orc.first(16)),
        source: Some(source),
        ..schedule(orc.first(7))
    }
}

/// What is ordered by an order without OBR: diets and supplements (ODS), supplies (RQD), blood products (BPO).
pub(super) fn ordered(fields: &Fields<'_>) -> Option<Coded> {
    match fields.segment.name() {
        "ODS" => coded(fields.first(3)).or_else(|| coded(fields.first(1))),
        "RQD" => [2, 3, 4].into_iter().find_map(|field| coded(fields.first(field))),
        _ => coded(fields.first(2)),
    }
}

/// TQ (type of ORC-7 and OBR-27 before 2.5): when, and how urgent.
fn schedule(tq: View<'_>) -> Report {
    if tq.raw().is_empty() {
        return Report::default();
    }
    let [_, _, _, start, _, priority] = tq.parts();
    Report { scheduled_at: time(start), priority: text(priority), ..Report::default() }
}

/// TQ1 of an order that is not for drugs: the first that says it counts.
pub(super) fn timing(tq1: &Fields<'_>, report: &mut Report) {
    report.scheduled_at = report.scheduled_at.take().or_else(|| time(tq1.first(7)));
    report.priority = report.priority.take().or_else(|| text(tq1.first(9)));
}

/// ORC-21 to ORC-23.
fn ordering_facility(orc: &Fields<'_>) -> Option<Organization> {
    let house = organization(orc.first(21))?;
    Some(Organization {
        addresses: addresses(orc.field(22)),
        telecoms: telecoms(orc.field(23), Some("WPN")),
        ..house
    })
}

/// Adds to a report what only its ORC says.
pub(super) fn complete(report: &mut Report, order: Report) {
    report.order_control = order.order_control;
    report.placer_number = report.placer_number.take().or(order.placer_number);
    report.filler_number = report.filler_number.take().or(order.filler_number);
    if report.ordered_by.is_empty() {
        report.ordered_by = order.ordered_by;
    }
    if report.notes.is_empty() {
        report.notes = order.notes;
    }
    // Some put a specimen or an observation between ORC and OBR.
    report.observations.splice(..0, order.observations);
    report.specimens.splice(..0, order.specimens);
    report.reasons.splice(..0, order.reasons);
    report.studies.splice(..0, order.studies);
    report.accession_number = report.accession_number.take().or(order.accession_number);
    report.order_reason = order.order_reason;
    report.order_status = order.order_status;
    report.group_number = order.group_number;
    report.ordering_facility = order.ordering_facility;
    report.ordered_at = order.ordered_at.or(report.ordered_at.take());
    report.scheduled_at = report.scheduled_at.take().or(order.scheduled_at);
    report.priority = report.priority.take().or(order.priority);
}

/// OBR.
pub(super) fn request(obr: &Fields<'_>, source: Location) -> Report {
    let (schedule, parent) = (schedule(obr.first(27)), obr.first(29));
    Report {
        code: coded(obr.first(4)),
        status: text(obr.first(25)),
        placer_number: entity(obr.first(2)),
        filler_number: entity(obr.first(3)),
        // No field of OBR is the accession number by the standard; imaging puts it into OBR-18 (IHE), laboratories often into OBR-20.
        accession_number: entity(obr.first(18)).or_else(|| entity(obr.first(20))),
        order_control: None,
        section: text(obr.first(24)),
        observed_at: time(obr.first(7)),
        observed_to: time(obr.first(8)),
        reported_at: time(obr.first(22)),
        ordered_by: providers(obr.field(16)),
        interpreted_by: provider_of_location(obr.first(32)),
        copies_to: providers(obr.field(28)),
        reasons: all_coded(obr.field(31)),
        specimens: old_specimen(obr, source.clone()).into_iter().collect(),
        // OBR-5 and OBR-6 are what there was before quantity/timing.
        priority: schedule.priority.or_else(|| text(obr.first(5))),
        scheduled_at: [schedule.scheduled_at, time(obr.first(36)), time(obr.first(6))]
            .into_iter()
            .flatten()
            .next(),
        clinical_information: lines(obr.field(13)),
        parent_placer_number: entity(parent.child(1)),
        parent_filler_number: entity(parent.child(2)),
        parent_observation: coded(obr.first(26).child(1)),
        procedure: coded(obr.first(44)),
        source: Some(source),
        ..Report::default()
    }
}

/// OBR-15 (type SPS): the specimen before there was SPM.
fn old_specimen(obr: &Fields<'_>, source: Location) -> Option<Specimen> {
    let sps = obr.first(15);
    let kind = coded(sps.child(1))?;
    Some(Specimen {
        kind: Some(kind),
        site: coded(sps.child(4)),
        received_at: time(obr.first(14)),
        source: Some(source),
        ..Specimen::default()
    })
}

/// SPM (chapter 7, "Specimen segment").
pub(super) fn specimen(spm: &Fields<'_>, source: Location) -> Specimen {
    let (id, collected) = (spm.first(2), spm.first(17));
    Specimen {
        kind: coded(spm.first(4)),
        placer_number: entity(id.child(1)),
        filler_number: entity(id.child(2)),
        site: coded(spm.first(8)),
        collected_at: time(collected.child(1)),
        collected_to: time(collected.child(2)),
        received_at: time(spm.first(18)),
        accession_number: identifier(spm.first(30), None),
        collection_method: coded(spm.first(7)),
        amount: composite_quantity(spm.first(12)),
        role: coded(spm.first(11)),
        description: lines(spm.field(14)),
        reject_reasons: all_coded(spm.field(21)),
        conditions: all_coded(spm.field(24)),
        source: Some(source),
        ..Specimen::default()
    }
}

/// SAC: a container, and the number of what is in it.
pub(super) fn container(sac: &Fields<'_>, specimen: &mut Specimen) {
    specimen.containers.extend(entity(sac.first(3)));
    specimen.accession_number = specimen.accession_number.take().or_else(|| entity(sac.first(2)));
}

/// OBX.
pub(super) fn observation(obx: &Fields<'_>, source: Location) -> Observation {
    let value_type = text(obx.first(2));
    let units = coded(obx.first(6));
    let values = match value_type.as_deref() {
        Some("ED") if embedded::has_documents(obx.field(5)) => embedded::documents(obx.field(5), &source),
        Some("ED") => words_or_content(obx.field(5)).into_iter().collect(),
        kind => values(obx.field(5), kind.unwrap_or_default(), units.as_ref()),
    };
    Observation {
        code: coded(obx.first(3)),
        sub_id: text(obx.first(4)),
        value: ObservationValue::words(&values),
        values,
        value_type,
        // An OBX denies nothing: that something was not found is its value.
        negated: None,
        units,
        reference_range: text(obx.first(7)),
        interpretations: obx.field(8).children().filter_map(text).collect(),
        status: text(obx.first(11)),
        observed_at: time(obx.first(14)),
        observed_by: providers(obx.field(16)),
        method: coded(obx.first(17)),
        analyzed_at: time(obx.first(19)),
        sites: coded(obx.first(20)).into_iter().collect(),
        performer: performer(obx),
        source: Some(source),
        ..Observation::default()
    }
}

/// OBX-23 and OBX-24, before there were these OBX-15: the laboratory.
fn performer(obx: &Fields<'_>) -> Option<Organization> {
    let named = organization(obx.first(23));
    let named = named.map(|house| Organization { addresses: addresses(obx.field(24)), ..house });
    named.or_else(|| {
        let Coded { code, display, text, system, .. } = coded(obx.first(15))?;
        let identifier = code.map(|value| Identifier { value, system, ..Identifier::default() });
        Some(Organization {
            name: display.or(text),
            identifiers: identifier.into_iter().collect(),
            ..Organization::default()
        })
    })
}

/// OBX-5 by its declared type (HL7 table 0125). A value that is not of its type is text.
fn values(field: View<'_>, value_type: &str, units: Option<&Coded>) -> Vec<ObservationValue> {
    match value_type {
        // Repetitions of text are its lines. Blanks before it are a layout in TX and FT, and nothing in ST.
        "ST" => words_or_content(field).map(trimmed).into_iter().collect(),
        "TX" | "FT" => words_or_content(field).into_iter().collect(),
        _ => field.children().filter_map(|view| value(view, value_type, units)).collect(),
    }
}

fn value(view: View<'_>, value_type: &str, units: Option<&Coded>) -> Option<ObservationValue> {
    if view.presence() != Presence::Present {
        return None;
    }
    let typed = match value_type {
        "NM" => text(view).filter(|text| is_number(text)).map(|value| quantity(value, None, units)),
        "SN" => structured_number(view, units),
        "CE" | "CWE" | "CNE" | "CF" => coded(view).map(ObservationValue::Coded),
        "ID" | "IS" => {
            text(view).map(|code| ObservationValue::Coded(Coded { code: Some(code), ..Coded::default() }))
        }
        "DT" | "DTM" | "TS" => time(view).map(ObservationValue::Time),
        "DR" => period(view),
        "CQ" => measured(view.child(1), coded(view.child(2)).as_ref().or(units)),
        "MO" => measured(view.child(1), coded(view.child(2)).as_ref()),
        "CP" => measured(view.child(1).child(1), coded(view.child(1).child(2)).as_ref()),
        "RP" => Some(embedded::pointer(view)),
        _ => None,
    };
    typed.or_else(|| words_or_content(view))
}

fn words_or_content(view: View<'_>) -> Option<ObservationValue> {
    let length = view.raw().len();
    if let Some(content) = embedded::undeclared(view.raw()) {
        return Some(ObservationValue::Content(content));
    }
    if length > TEXT_LENGTH_MAX {
        return Some(ObservationValue::Content(Content { length: Some(length), ..Content::default() }));
    }
    let text = match view.level() {
        crate::view::Level::Field => lines(view),
        _ => Some(Text::new(view.whole_text().trim())).filter(|text| !text.is_empty()),
    };
    text.filter(|text| text != "\"\"").map(ObservationValue::Text)
}

fn trimmed(value: ObservationValue) -> ObservationValue {
    match value {
        ObservationValue::Text(text) => ObservationValue::Text(text.trim().into()),
        other => other,
    }
}

/// DR: from when to when.
fn period(view: View<'_>) -> Option<ObservationValue> {
    let [from, to] = view.parts();
    let (from, to) = (time(from), time(to));
    let is_date = |time: &Option<Timestamp>| time.as_ref().is_none_or(|time| time.moment().is_some());
    let is_period = (from.is_some() || to.is_some()) && is_date(&from) && is_date(&to);
    is_period.then_some(ObservationValue::Period { from, to })
}

/// A number with the unit that stands beside it.
fn measured(value: View<'_>, units: Option<&Coded>) -> Option<ObservationValue> {
    text(value).filter(|text| is_number(text)).map(|value| quantity(value, None, units))
}

fn quantity(value: Text, comparator: Option<Text>, units: Option<&Coded>) -> ObservationValue {
    ObservationValue::Quantity(Quantity { value, comparator, units: units.cloned() })
}

/// NM: a sign, digits, a point and digits.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

/// SN: comparator ^ number ^ separator ^ number.
fn structured_number(view: View<'_>, units: Option<&Coded>) -> Option<ObservationValue> {
    let comparator = text(view.child(1));
    let value = text(view.child(2)).filter(|text| is_number(text))?;
    let second = text(view.child(4));
    Some(match text(view.child(3)) {
        None => quantity(value, comparator, units),
        Some(separator) => {
            let first = Quantity { value, comparator, units: units.cloned() };
            ObservationValue::Ratio { first, separator, second }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};

    /// Type and text of the observation in an OBX with this type and value.
    fn read(value_type: &str, raw: &str) -> (Vec<ObservationValue>, Option<Text>) {
        let message = format!("MSH|^~\\&|||||||ORU^R01|1\rOBX|1|{value_type}|X||{raw}\r");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        let observation = crate::normalize(&message).results.remove(0).observations.remove(0);
        (observation.values, observation.value)
    }

    fn value(value_type: &str, raw: &str) -> Option<Text> {
        read(value_type, raw).1
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(value("NM", "2.50").as_deref(), Some("2.50"));
        assert!(matches!(read("NM", "-7").0.as_slice(), [ObservationValue::Quantity(_)]));
        for odd in ["<5", "5.0E3", "1,200", ".5", "NEG", "5."] {
            assert_eq!(
                read("NM", odd),
                (vec![ObservationValue::Text(odd.into())], Some(odd.into())),
                "{odd}"
            );
        }
        assert_eq!(value("NM", "1~2").as_deref(), Some("1\n2"));
    }

    #[test]
    fn structured_numbers_in_all_forms() {
        for (raw, words) in
            [("^100", "100"), (">^1000", ">1000"), ("^1^:^128", "1:128"), ("^2^-^4", "2-4"), ("^2^+", "2+")]
        {
            assert_eq!(value("SN", raw).as_deref(), Some(words), "{raw}");
        }
        assert_eq!(value("SN", ">^many").as_deref(), Some(">^many"));
    }

    #[test]
    fn text_keeps_what_its_sender_forgot_to_escape() {
        assert_eq!(value("ST", "Smith & Sons^x").as_deref(), Some("Smith & Sons^x"));
        assert_eq!(value("ST", "  13.1 ").as_deref(), Some("13.1"));
        assert_eq!(value("TX", "  13.1").as_deref(), Some("  13.1"));
        assert_eq!(value("TX", "one~two").as_deref(), Some("one\ntwo"));
        assert_eq!(value("FT", "a\\.br\\b").as_deref(), Some("a\nb"));
        assert_eq!(value("ST", "\"\""), None);
        assert_eq!(value("ST", ""), None);
    }

    #[test]
    fn codes_times_and_unknown_types() {
        assert_eq!(value("CE", "260385009^Negative^SCT").as_deref(), Some("260385009"));
        assert_eq!(value("CWE", "^Negative").as_deref(), Some("Negative"));
        assert_eq!(value("IS", "POS").as_deref(), Some("POS"));
        assert_eq!(value("TS", "20260305").as_deref(), Some("2026-03-05"));
        assert_eq!(value("TM", "1415").as_deref(), Some("1415"));
        assert_eq!(value("XX", "a^b").as_deref(), Some("a^b"));
        assert_eq!(value("", "a").as_deref(), Some("a"));
    }

    #[test]
    fn documents_stay_in_the_message() {
        let (values, words) = read("ED", "LAB1^application^pdf^Base64^JVBERi0=");
        let content = Content {
            media_type: Some("application/pdf".into()),
            encoding: Some("Base64".into()),
            length: Some(8),
            ..Content::default()
        };
        assert_eq!((values, words), (vec![ObservationValue::Content(content)], None));
        let (values, _) = read("RP", "https://pacs.example/1^PACS^image^DICOM");
        let content = Content {
            media_type: Some("image/dicom".into()),
            pointer: Some("https://pacs.example/1".into()),
            ..Content::default()
        };
        assert_eq!(values, vec![ObservationValue::Content(content)]);
        let long = "A".repeat(TEXT_LENGTH_MAX + 1);
        assert!(matches!(read("TX", &long).0.as_slice(), [ObservationValue::Content(_)]));
    }
}
