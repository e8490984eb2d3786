//! Records of documents, as a parser of documents would make them: what cases and examples map that has no segments.

use orderly_record::{
    Allergy, Coded, Header, HumanName, Identifier, Moment, Observation, ObservationValue, Patient, Record,
    Report, Text, Timestamp,
};

/// The record of that name.
pub(crate) fn named(name: &str) -> Record {
    match name {
        "ccd" => ccd(),
        "nearly empty" => Record { header: header(), ..Record::default() },
        _ => panic!("there is no record `{name}`"),
    }
}

fn ccd() -> Record {
    let mrn = Identifier {
        value: "70014".into(),
        system: text("RIVERSIDE"),
        kind: text("MR"),
        ..Identifier::default()
    };
    let name = HumanName { family: text("Smith"), given: text("Jane"), ..HumanName::default() };
    let patient = Patient {
        identifiers: vec![mrn],
        name: Some(name),
        birth_date: time("1984-02-11"),
        sex: text("F"),
        deceased: Some(false),
        ..Patient::default()
    };
    let allergy = |code: &str, display: &str, status: &str| Allergy {
        code: coded(code, display, "RXNORM"),
        status: text(status),
        ..Allergy::default()
    };
    Record {
        header: header(),
        patient: Some(patient),
        results: vec![metabolic_panel(), hemoglobin()],
        allergies: vec![allergy("7980", "Penicillin", "active"), allergy("1191", "Aspirin", "inactive")],
        ..Record::default()
    }
}

fn header() -> Header {
    Header {
        format: "ccda".into(),
        kind: text("CDA"),
        event: text("CCD"),
        control_id: text("DOC-17"),
        version: text("R2.1"),
        ..Header::default()
    }
}

fn metabolic_panel() -> Report {
    let glucose = Observation {
        code: coded("2345-7", "Glucose", "LN"),
        value_type: text("NM"),
        value: text("182"),
        units: Some(Coded { code: text("mg/dL"), ..Coded::default() }),
        reference_range: text("70-99"),
        interpretations: vec!["H".into()],
        status: text("F"),
        observed_at: time("2026-03-05T09:15:30-05:00"),
        ..Observation::default()
    };
    let color = Observation {
        code: coded("5778-6", "Color of urine", "LN"),
        value_type: text("CWE"),
        value: text("371244009"),
        values: coded("371244009", "Yellow", "SCT").into_iter().map(ObservationValue::Coded).collect(),
        status: text("F"),
        ..Observation::default()
    };
    Report {
        code: coded("24323-8", "Metabolic panel", "LN"),
        status: text("F"),
        observed_at: time("2026-03-05T09:15-05:00"),
        observations: vec![glucose, color],
        ..Report::default()
    }
}

fn hemoglobin() -> Report {
    let observation = Observation {
        code: coded("718-7", "Hemoglobin", "LN"),
        value_type: text("NM"),
        value: text("13.20"),
        units: Some(Coded { code: text("g/dL"), ..Coded::default() }),
        status: text("F"),
        ..Observation::default()
    };
    Report {
        code: coded("718-7", "Hemoglobin", "LN"),
        status: text("F"),
        observed_at: time("2026-03"),
        observations: vec![observation],
        ..Report::default()
    }
}

fn coded(code: &str, display: &str, system: &str) -> Option<Coded> {
    Some(Coded { code: text(code), display: text(display), system: text(system), ..Coded::default() })
}

fn text(text: &str) -> Option<Text> {
    Some(text.into())
}

fn time(text: &str) -> Option<Timestamp> {
    Some(Timestamp::Known(Moment::parse_hl7(text).expect("a time")))
}
