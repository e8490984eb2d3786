//! Observations: results, vital signs and all else that is observed; their values by type, their ranges, their members.

use orderly_record::{Coded, Observation, ObservationValue, Provider, Quantity, Text, Timestamp};

use super::Source;
use super::about::embedded;
use super::concern::Recorded;
use super::people::providers;
use super::shared::Shared;
use super::statement::{Related, Statement};
use super::values::{
    attribute, bounds, code_of, coded, coded_or_words, flag, identifiers, interval, is_null, is_number,
    quantity, text, time, units,
};
use super::visit::location;
use crate::document::Element;

/// What an observation takes over from the group it is in.
#[derive(Default)]
pub(super) struct Group<'d> {
    at: Shared<'d, Option<Timestamp>>,
    by: Shared<'d, Vec<Provider>>,
    recorded: Shared<'d, Recorded>,
}

impl<'d> Group<'d> {
    /// The organizer's own time, performers and authors, else those of the group that it is in.
    pub(super) fn of(organizer: &Statement<'_, 'd>, outer: &Self) -> Self {
        let source = organizer.source;
        let time = organizer.take("effectiveTime");
        let at = time.map(interval).and_then(|time| time.from.or(time.to));
        let performers = performers(organizer);
        let by = providers(source, performers.iter().copied());
        let authors = organizer.take_all("author");
        let recorded = Recorded::of(source, &authors);
        Self {
            at: Shared::new(at, time.as_slice()).or(source, &outer.at),
            by: Shared::new(by, &performers).or(source, &outer.by),
            recorded: Shared::new(recorded, &authors).or(source, &outer.recorded),
        }
    }
}

/// An observation. The type of its values is that of HL7 table 0125, so that both formats are asked alike.
pub(super) fn observation<'d>(statement: &Statement<'_, 'd>, group: &Group<'d>) -> Observation {
    let source = statement.source;
    let Values { values, units, value_type } = values(statement);
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let at = time.from.or_else(|| time.to.clone());
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let recorded = if recorded.says_nothing() { group.recorded.copy(source) } else { recorded };
    let performers = providers(source, performers(statement));
    let observed_by = if performers.is_empty() { group.by.copy(source) } else { performers };
    Observation {
        code: coded_or_words(source, statement.own("code"), || statement.words()),
        value: ObservationValue::words(&values),
        value_type,
        values,
        negated: flag(statement.element, "negationInd"),
        reference_range: reference_range(statement, units.as_ref()),
        units,
        interpretations: interpretations(statement),
        status: code_of(statement.element, "statusCode").map(status),
        observed_at: at.or_else(|| group.at.copy(source)),
        observed_to: time.to,
        observed_by,
        sites: statement
            .take_all("targetSiteCode")
            .into_iter()
            .filter_map(|site| coded(source, site))
            .collect(),
        location: location(statement),
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        identifiers: identifiers(statement.element),
        method: statement.read("methodCode", |method| coded(source, method)),
        notes: statement.notes(),
        source: Some(statement.element.location()),
        ..Observation::default()
    }
}

/// An observation with all that it is made of, whatever its relation to that.
pub(super) fn with_members(statement: &Statement<'_, '_>) -> Observation {
    let mut found = observation(statement, &Group::default());
    found.references = statement.references();
    statement.related_or_negated(is_observation, |inner| found.members.push(with_members(inner)));
    found
}

/// A group of observations as one; `None` when there are none in it.
pub(super) fn cluster(statement: &Statement<'_, '_>) -> Option<Observation> {
    let source = statement.source;
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let recorded = Recorded::of(source, &statement.take_all("author"));
    let mut members = Vec::new();
    statement.related_or_negated(is_observation, |inner| members.push(with_members(inner)));
    statement.related(
        |related| related.is("organizer"),
        |inner| match cluster(inner) {
            Some(found) => members.push(found),
            None => source.unread(inner.element),
        },
    );
    (!members.is_empty()).then(|| Observation {
        code: coded_or_words(source, statement.own("code"), || statement.words()),
        status: code_of(statement.element, "statusCode").map(status),
        observed_at: time.from.or_else(|| time.to.clone()),
        observed_to: time.to,
        observed_by: providers(source, performers(statement)),
        recorded_at: recorded.at,
        recorded_by: recorded.by,
        identifiers: identifiers(statement.element),
        notes: statement.notes(),
        source: Some(statement.element.location()),
        members,
        ..Observation::default()
    })
}

fn is_observation(related: Related<'_>) -> bool {
    related.is("observation")
}

/// What was found, with the unit and the type of the first value that has one.
pub(super) struct Values {
    pub(super) values: Vec<ObservationValue>,
    pub(super) units: Option<Coded>,
    pub(super) value_type: Option<Text>,
}

/// All values of a statement.
pub(super) fn values(statement: &Statement<'_, '_>) -> Values {
    let mut all = Values { values: Vec::new(), units: None, value_type: None };
    for value in statement.take_all("value").into_iter().filter(|value| !says_nothing(*value)) {
        let (kind, read) = typed(statement.source, value);
        all.value_type = all.value_type.or(Some(Text::new_static(kind)));
        all.units = all.units.or_else(|| units_of(value));
        all.values.extend(read);
    }
    all
}

/// Takes those who observed, and those who stand for it (RESP).
fn performers<'d>(statement: &Statement<'_, 'd>) -> Vec<Element<'d>> {
    let is_responsible =
        |part: Element<'_>| part.name() == "participant" && part.attribute("typeCode") == Some("RESP");
    statement.take_where(|part| part.name() == "performer" || is_responsible(part))
}

/// ActStatus as HL7 table 0085 has it, which is that of table 0123 for these; others stay as sent.
pub(super) fn status(sent: Text) -> Text {
    Text::new(match sent.as_str() {
        "completed" => "F",
        "active" => "P",
        "aborted" | "cancelled" => "X",
        other => other,
    })
}

fn interpretations(statement: &Statement<'_, '_>) -> Vec<Text> {
    let codes = statement.take_all("interpretationCode").into_iter();
    codes
        .filter_map(|code| {
            attribute(code, "code")
                .or_else(|| code.children_named("translation").find_map(|code| attribute(code, "code")))
        })
        .collect()
}

fn says_nothing(value: Element<'_>) -> bool {
    is_null(value) && value.children().next().is_none()
}

/// A value and the name of its type.
fn typed<'d>(source: &Source<'d>, value: Element<'d>) -> (&'static str, Vec<ObservationValue>) {
    let declared = value.declared_type().unwrap_or_else(|| shape(value));
    let (kind, read) = match declared {
        "PQ" | "INT" | "REAL" | "MO" => number(value),
        "CD" | "CE" | "CV" | "CO" | "CS" => ("CWE", coded(source, value).map(ObservationValue::Coded)),
        "ED" => ("ED", embedded_or_words(source, value)),
        "TS" => ("TS", time(value).map(ObservationValue::Time)),
        "IVL_TS" => return ("TS", times(value)),
        "IVL_PQ" | "IVL_INT" | "IVL_REAL" => range(value),
        "RTO" | "RTO_PQ_PQ" | "RTO_INT_INT" | "RTO_QTY_QTY" | "RTO_MO_PQ" => ("SN", ratio(value)),
        "BL" => ("ST", attribute(value, "value").map(ObservationValue::Text)),
        _ => ("ST", None),
    };
    if read.is_some() {
        return (kind, read.into_iter().collect());
    }
    // A value that is not of its type is text.
    let written = attribute(value, "value").or_else(|| source.words(value)).map(ObservationValue::Text);
    (if written.is_some() { "ST" } else { kind }, written.into_iter().collect())
}

/// A number, with what some senders write before it.
fn number(value: Element<'_>) -> (&'static str, Option<ObservationValue>) {
    if let Some(quantity) = quantity(value) {
        return ("NM", Some(ObservationValue::Quantity(quantity)));
    }
    let compared = attribute(value, "value").and_then(|sent| {
        let comparators = ["<=", ">=", "<", ">"].into_iter();
        let split = |comparator| Some((comparator, sent.strip_prefix(comparator)?.trim()));
        let (comparator, amount) =
            comparators.filter_map(split).next().filter(|(_, amount)| is_number(amount))?;
        let comparator = Some(Text::new_static(comparator));
        Some(Quantity { value: Text::new(amount), comparator, units: units(value) })
    });
    (if compared.is_some() { "SN" } else { "NM" }, compared.map(ObservationValue::Quantity))
}

/// The type of a value that declares none.
fn shape(value: Element<'_>) -> &'static str {
    let has = |name| value.child(name).is_some();
    match value.attribute("value") {
        _ if value.attribute("code").is_some() || has("translation") => "CD",
        Some(sent) if is_number(sent) => "PQ",
        None if has("low") || has("high") => "IVL_PQ",
        None if has("numerator") => "RTO",
        _ => "ST",
    }
}

/// ED: words, here or referred to, or content that stays in the document.
fn embedded_or_words<'d>(source: &Source<'d>, value: Element<'d>) -> Option<ObservationValue> {
    let is_base64 = value.attribute("representation") == Some("B64");
    let words = if is_base64 { None } else { source.words(value) };
    words.map(ObservationValue::Text).or_else(|| {
        let content = embedded(value);
        let is_there = content.length.is_some() || content.pointer.is_some();
        is_there.then_some(ObservationValue::Content(content))
    })
}

fn times(value: Element<'_>) -> Vec<ObservationValue> {
    let time = interval(value);
    [time.from, time.to].into_iter().flatten().map(ObservationValue::Time).collect()
}

/// IVL_PQ: both bounds, or one with what it means. Bounds belong to the range unless they say that they do not; a range without its bounds,
/// or of two units, is text, since the record's range is of two plain numbers.
fn range(value: Element<'_>) -> (&'static str, Option<ObservationValue>) {
    let bound = |name: &str, without: &'static str, with: &'static str| {
        let element = value.child(name)?;
        let is_outside = element.attribute("inclusive") == Some("false");
        let comparator = Some(Text::new_static(if is_outside { without } else { with }));
        quantity(element).map(|quantity| (is_outside, Quantity { comparator, ..quantity }))
    };
    let (low, high) = match (bound("low", ">", ">="), bound("high", "<", "<=")) {
        (Some(low), Some(high)) => (low, high),
        (None, None) => return ("SN", bounds(value).0.map(ObservationValue::Quantity)),
        (low, high) => return ("SN", low.or(high).map(|(_, bound)| ObservationValue::Quantity(bound))),
    };
    let units = units_of(value);
    let is_of_two = units.is_none() && low.1.units.is_some();
    let shown = |(is_outside, bound): &(bool, Quantity)| {
        let amount = if *is_outside { bound.amount() } else { bound.value.clone() };
        match bound.units.as_ref().and_then(|units| units.code.as_ref()).filter(|_| is_of_two) {
            None => amount,
            Some(unit) => format!("{amount} {unit}").into(),
        }
    };
    if low.0 || high.0 || is_of_two {
        let words = format!("{}-{}", shown(&low), shown(&high));
        return ("ST", Some(ObservationValue::Text(words.into())));
    }
    let first = Quantity { comparator: None, units, ..low.1 };
    (
        "SN",
        Some(ObservationValue::Ratio { first, separator: Text::new_static("-"), second: Some(high.1.value) }),
    )
}

/// The unit of a value: its own, or the one that its parts have, or one of them.
fn units_of(value: Element<'_>) -> Option<Coded> {
    let part = |name| value.child(name).and_then(units);
    let of_range = match (part("low"), part("high")) {
        (Some(low), Some(high)) => (low == high).then_some(low),
        (low, high) => low.or(high),
    };
    units(value).or(of_range).or_else(|| part("center")).or_else(|| part("numerator"))
}

/// RTO: a titre of plain numbers, else a quotient whose second number has its unit beside it.
fn ratio(value: Element<'_>) -> Option<ObservationValue> {
    let part = |name| value.child(name).and_then(quantity);
    let (first, second) = (part("numerator")?, part("denominator"));
    let unit = second.as_ref().and_then(|second| second.units.as_ref()?.code.clone());
    let separator = if first.units.is_none() && unit.is_none() { ":" } else { "/" };
    let second = second.map(|second| match unit {
        None => second.value,
        Some(unit) => format!("{} {unit}", second.value).into(),
    });
    Some(ObservationValue::Ratio { first, separator: Text::new_static(separator), second })
}

/// The ranges of normal values as one text: bounds where they are given, else words. The unit is told only where it is another one than
/// that of the observation.
fn reference_range(statement: &Statement<'_, '_>, own: Option<&Coded>) -> Option<Text> {
    let ranges = statement.take_all("referenceRange").into_iter();
    let texts = ranges.filter_map(|range| range.child("observationRange")).filter_map(|range| {
        let of_value = range.child("value").and_then(|value| range_text(statement.source, value, own));
        of_value.or_else(|| range.child("text").and_then(|text| statement.source.words(text)))
    });
    text(&texts.collect::<Vec<_>>().join("; "))
}

fn range_text<'d>(source: &Source<'d>, value: Element<'d>, own: Option<&Coded>) -> Option<Text> {
    let (_, values) = typed(source, value);
    let unit = units_of(value).filter(|units| Some(units) != own).and_then(|units| units.code);
    let words = ObservationValue::words(&values)?;
    Some(match unit {
        None => words,
        Some(unit) => format!("{words} {unit}").into(),
    })
}
