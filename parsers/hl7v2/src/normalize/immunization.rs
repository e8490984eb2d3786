//! RXA of a vaccination, with its RXR and OBX.

use orderly_record::{Coded, Immunization, Location, Medication, Note, Observation};

use super::Fields;
use super::action::is_deletion;
use super::medication::share;
use super::values::{all_coded, amount, coded, manufacturer, providers, text, time, words};

/// The types of messages whose administrations are vaccinations: updates, and the answers to queries for them.
const VACCINATION_MESSAGES: [&str; 3] = ["VXU", "VXR", "VXX"];

/// The code system of vaccines (HL7 table 0292).
const VACCINES: &str = "CVX";

/// The code of CVX for that none was given, as in forecasts and evidence of immunity; the completion status, which many send all the
/// same, is then not of a vaccine.
const NO_VACCINE: &str = "998";

/// RXA-6 must be filled; 999 says that nobody knows the amount.
const AMOUNT_UNKNOWN: &str = "999";

/// The code system of where the information is from.
const INFORMATION_SOURCES: &str = "NIP001";

/// LOINC: dose number in series.
const DOSE_NUMBER: &str = "30973-2";

/// Whether what an RXA tells of is a vaccination.
pub(super) fn is_vaccination(rxa: &Fields<'_>, message_type: Option<&str>) -> bool {
    let [_, _, system, _, _, alternate] = rxa.first(5).parts();
    message_type.is_some_and(|kind| VACCINATION_MESSAGES.contains(&kind))
        || [system, alternate].into_iter().any(|system| text(system).as_deref() == Some(VACCINES))
}

fn is_no_vaccine(code: &Coded) -> bool {
    let translations = code.translations.iter().map(|coding| (&coding.code, &coding.system));
    std::iter::once((&code.code, &code.system))
        .chain(translations)
        .any(|(code, system)| (code.as_deref(), system.as_deref()) == (Some(NO_VACCINE), Some(VACCINES)))
}

/// RXA with the facts of its order.
pub(super) fn immunization(rxa: &Fields<'_>, source: Location, order: &mut Medication) -> Immunization {
    let (code, action) = (coded(rxa.first(5)), text(rxa.first(21)));
    let is_none = code.as_ref().is_some_and(is_no_vaccine);
    let status = text(rxa.first(20)).filter(|status| !is_none || !matches!(status.as_str(), "CP" | "PA"));
    let is_negated = matches!(status.as_deref(), Some("RE" | "NA"));
    let negated = (is_negated || is_none || is_deletion(action.as_ref())).then_some(true);
    let is_source = |code: &Coded| code.system.as_deref() == Some(INFORMATION_SOURCES);
    let (sources, remarks): (Vec<_>, Vec<_>) = all_coded(rxa.field(9)).into_iter().partition(is_source);
    let remarks = remarks.into_iter().filter_map(words);
    let remarks = remarks.map(|text| Note { text, author: None, source: Some(source.clone()) });
    Immunization {
        code,
        status,
        negated,
        action,
        refusal_reasons: all_coded(rxa.field(18)),
        given_at: time(rxa.first(3)),
        dose: amount(rxa.first(6), rxa.first(7)).filter(|dose| dose.value != AMOUNT_UNKNOWN),
        lot_number: text(rxa.first(15)),
        expires_at: time(rxa.first(16)),
        manufacturer: manufacturer(rxa.first(17)),
        information_source: sources.into_iter().next(),
        given_by: providers(rxa.field(10)),
        ordered_by: share(&mut order.ordered_by),
        placer_number: order.placer_number.clone(),
        filler_number: order.filler_number.clone(),
        order_control: order.order_control.clone(),
        notes: share(&mut order.notes).into_iter().chain(remarks).collect(),
        source: Some(source),
        ..Immunization::default()
    }
}

/// Adds an OBX, which may tell the dose's number.
pub(super) fn observe(immunization: &mut Immunization, observation: Observation) {
    let code = observation.code.as_ref();
    if code.is_some_and(|code| code.code.as_deref() == Some(DOSE_NUMBER)) {
        immunization.dose_number = immunization.dose_number.take().or_else(|| observation.value.clone());
    }
    immunization.observations.push(observation);
}

#[cfg(test)]
mod tests {
    use crate::parse::{Settings, parse};

    /// Status, action and whether not given, of an RXA with this vaccine, completion status and action.
    fn read(vaccine: &str, status: &str, action: &str) -> (String, String, bool) {
        let rxa = format!("RXA|0|1|20260307||{vaccine}|999||||||||||||||{status}|{action}");
        let message = format!("MSH|^~\\&|||||||VXU^V04|1\r{rxa}\r");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        let found = crate::normalize(&message).immunizations.remove(0);
        let words = |text: Option<orderly_record::Text>| text.unwrap_or_default().to_string();
        (words(found.status), words(found.action), found.negated == Some(true))
    }

    #[test]
    fn what_was_not_given_is_negated() {
        let table = [
            ("03^MMR^CVX", "CP", "A", "CP", false),
            ("03^MMR^CVX", "", "", "", false),
            ("03^MMR^CVX", "RE", "A", "RE", true),
            ("03^MMR^CVX", "NA", "", "NA", true),
            ("03^MMR^CVX", "CP", "D", "CP", true),
            ("998^no vaccine administered^CVX", "CP", "A", "", true),
            ("998^no vaccine administered^CVX", "NA", "", "NA", true),
            ("NONE^^L^998^^CVX", "", "", "", true),
            ("998^local^L", "CP", "", "CP", false),
        ];
        for (vaccine, status, action, expected, negated) in table {
            let expected = (expected.to_owned(), action.to_owned(), negated);
            assert_eq!(read(vaccine, status, action), expected, "{vaccine} {status} {action}");
        }
    }
}
