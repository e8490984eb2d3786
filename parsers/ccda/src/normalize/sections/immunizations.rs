//! Immunizations: vaccines given, or not given and why.

use orderly_record::{Coded, Immunization, Record, Text};

use super::allergies::reactions;
use super::medications::{amount, drug_code, maker, material, notes};
use crate::normalize::people::providers;
use crate::normalize::statement::{Related, Statement};
use crate::normalize::values::{
    attribute, code_of, coded, coded_or_words, flag, identifiers, interval, text_of,
};

/// Reasons of HL7 v3 ActReason that mean that somebody refused.
const REFUSALS: [&str; 3] = ["PATOBJ", "RELIG", "PHILISOP"];

pub(super) fn read(statement: &Statement<'_, '_>, record: &mut Record) -> bool {
    // What is only intended was not given. Intents are let in for the instructions that go with what was.
    let is_intended = statement.element.attribute("moodCode").is_some_and(|mood| mood.trim() != "EVN");
    let is_immunization = statement.name() == "substanceAdministration" && !is_intended;
    if is_immunization {
        record.immunizations.push(immunization(statement));
    }
    is_immunization
}

fn immunization(statement: &Statement<'_, '_>) -> Immunization {
    let source = statement.source;
    let product = statement.take("consumable").and_then(|holder| holder.child("manufacturedProduct"));
    let material = product.and_then(material);
    let code = material.and_then(|material| drug_code(source, material));
    let negated = code.as_ref().and_then(names_no_vaccine).or(flag(statement.element, "negationInd"));
    let reasons = if negated == Some(true) { reasons(statement) } else { Vec::new() };
    let time = statement.take("effectiveTime").map(interval).unwrap_or_default();
    let coded_part = |name: &str| statement.read(name, |part| coded(source, part));
    Immunization {
        code,
        status: status(statement, negated == Some(true), &reasons),
        negated,
        given_at: time.from.or(time.to),
        dose: statement.read("doseQuantity", |dose| amount(source, dose)),
        dose_number: statement.read("repeatNumber", |number| attribute(number, "value")),
        route: coded_part("routeCode"),
        site: coded_part("approachSiteCode"),
        lot_number: material.and_then(|material| text_of(material, "lotNumberText")),
        manufacturer: product.and_then(maker),
        given_by: providers(source, statement.take_all("performer")),
        ordered_by: providers(source, statement.take_all("author")),
        reactions: reactions(statement),
        refusal_reasons: reasons,
        identifiers: identifiers(statement.element),
        notes: notes(statement),
        source: Some(statement.element.location()),
        ..Immunization::default()
    }
}

/// CVX 998 stands for a vaccine where none was given: a history, a refusal. That is a denial.
fn names_no_vaccine(code: &Coded) -> Option<bool> {
    let own = (code.code.as_deref(), code.system.as_deref());
    let translations = code.translations.iter().map(|one| (one.code.as_deref(), one.system.as_deref()));
    let mut all = std::iter::once(own).chain(translations);
    all.any(|one| one == (Some("998"), Some("CVX"))).then_some(true)
}

/// How far it is, as HL7 table 0322 has it; other states stay as sent.
fn status(statement: &Statement<'_, '_>, is_negated: bool, reasons: &[Coded]) -> Option<Text> {
    let is_refusal = |reason: &Coded| reason.code.as_deref().is_some_and(|code| REFUSALS.contains(&code));
    if is_negated {
        return Some(Text::new_static(if reasons.iter().any(is_refusal) { "RE" } else { "NA" }));
    }
    match code_of(statement.element, "statusCode") {
        Some(code) if code == "completed" => Some(Text::new_static("CP")),
        other => other,
    }
}

/// Why it was not given: the code of the reason itself, or its value.
fn reasons(statement: &Statement<'_, '_>) -> Vec<Coded> {
    let mut reasons = Vec::new();
    let is_reason = |related: Related<'_>| related.relation == "RSON" && related.is("observation");
    statement.related(is_reason, |reason| {
        let value = reason.read("value", |value| coded(reason.source, value));
        let code = coded_or_words(reason.source, reason.own("code"), || reason.words());
        reasons.extend(value.or(code));
    });
    reasons
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;

    const VACCINE: &str = "<consumable><manufacturedProduct><manufacturedMaterial><code code='88' codeSystem='2.16.840.1.113883.12.292'/>\
                           <lotNumberText>L1</lotNumberText></manufacturedMaterial><manufacturerOrganization><name>Maker</name></manufacturerOrganization>\
                           </manufacturedProduct></consumable>";

    #[test]
    fn given_and_not_given() {
        let reason = |code: &str| {
            format!(
                "<entryRelationship typeCode='RSON'><observation><code code='{code}'/></observation></entryRelationship>"
            )
        };
        let table = [
            ("negationInd='false'", String::new(), Some("CP"), 0),
            ("negationInd='true'", reason("PATOBJ"), Some("RE"), 1),
            ("negationInd='true'", reason("OSTOCK"), Some("NA"), 1),
        ];
        for (attributes, content, status, reasons) in table {
            let record = record(&format!(
                "<code code='11369-6'/><entry><substanceAdministration {attributes}><statusCode code='completed'/>\
                 <effectiveTime value='20251001'/>{VACCINE}{content}</substanceAdministration></entry>"
            ));
            let given = &record.immunizations[0];
            assert_eq!((given.status.as_deref(), given.refusal_reasons.len()), (status, reasons));
            assert_eq!(given.code.as_ref().unwrap().system.as_deref(), Some("CVX"));
            assert_eq!((given.lot_number.as_deref(), given.given_at.is_some()), (Some("L1"), true));
            assert!(record.sections[0].unread.is_empty(), "{:?}", record.sections[0].unread);
        }
    }

    #[test]
    fn what_is_to_be_given_was_not_given() {
        for attributes in ["moodCode='INT'", "nullFlavor='NI'"] {
            let record = record(&format!(
                "<code code='11369-6'/><entry><substanceAdministration {attributes}>{VACCINE}</substanceAdministration></entry>"
            ));
            assert_eq!((record.immunizations.len(), record.sections[0].unread.len()), (0, 1), "{attributes}");
        }
    }

    #[test]
    fn instructions_are_notes_in_words_or_as_a_code() {
        let instruction = |content: &str| {
            format!(
                "<entryRelationship typeCode='SUBJ'><act moodCode='INT'><templateId root='2.16.840.1.113883.10.20.22.4.20'/>{content}</act></entryRelationship>"
            )
        };
        let record = record(&format!(
            "<code code='11369-6'/><entry><substanceAdministration>{VACCINE}{}{}{}</substanceAdministration></entry>",
            instruction("<text>rest the arm</text>"),
            instruction("<code code='171044003' displayName='immunization education'/>"),
            instruction("<code nullFlavor='UNK'/>")
        ));
        let notes: Vec<_> = record.immunizations[0].notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(
            (notes, record.sections[0].unread[0].count),
            (vec!["rest the arm", "immunization education"], 1)
        );
    }

    #[test]
    fn no_vaccine_is_a_code_too() {
        let none = VACCINE.replace("code='88'", "code='998'");
        let record = record(&format!(
            "<code code='11369-6'/><entry><substanceAdministration negationInd='false'><statusCode code='completed'/>{none}</substanceAdministration></entry>"
        ));
        let immunization = &record.immunizations[0];
        assert_eq!((immunization.negated, immunization.status.as_deref()), (Some(true), Some("NA")));
    }
}
