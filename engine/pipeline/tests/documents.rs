//! Documents through `process`: the same routes, conditions and keys as messages, and the same patient from every format.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use orderly_pipeline::keys::KeyKind;
use orderly_pipeline::{
    Facts, Fate, Format, PairFate, Plan, Processed, Text, Texts, compile, members, process,
};
use orderly_record::{Patient, Record};

const SITE: &str = "\
sources:
  clinic:
    processing: production
    files:
      folder: inbox
destinations:
  ehr:
    mllp:
      address: localhost:2575
  files:
    files:
      folder: out
      name: ${message.event}_${message.control_id}.xml
";
const ROUTE: &str = "\
route: documents
from: clinic
when: message.type = 'CDA' and patient.identifiers[1].value = '70014'
to:
  - destination: files
    when: message.event = 'CCD'
  - destination: ehr
";

fn plan() -> Plan {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/documents.yaml", ROUTE)],
        ..Texts::default()
    };
    let compiled = compile(&texts);
    compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn processed(bytes: &[u8]) -> Processed {
    let facts = Facts { id: 7, source: "clinic", accepted_at: "2026-03-05T14:15:00Z".parse().unwrap() };
    process(&plan(), &facts, bytes)
}

#[test]
fn a_document_meets_routes_and_conditions_as_a_message_does() {
    let document = processed(&sample("ccda/ccd_same_patient.xml"));
    assert_eq!((document.format, document.fate), (Format::Ccda.name(), Fate::Routed));
    let summary = document.summary;
    assert_eq!(
        (summary.kind.as_str(), summary.event.as_str(), summary.control_id.as_str()),
        ("CDA", "CCD", "LC-7001")
    );
    let [to_files, to_ehr] = document.pairs.as_slice() else { panic!("{:?}", document.pairs) };
    let PairFate::Ready(payload) = &to_files.fate else { panic!("{to_files:?}") };
    assert_eq!((payload.bytes.as_ref(), payload.target.as_deref()), (None, Some("CCD_LC-7001.xml")));
    let PairFate::Failed(reason) = &to_ehr.fate else { panic!("{to_ehr:?}") };
    assert_eq!(reason, "MLLP carries HL7 v2; a document needs a mapping that makes it");
    let found =
        |kind: KeyKind, value: &str| document.keys.iter().any(|key| key.kind == kind && key.value == value);
    assert!(found(KeyKind::PatientId, "70014") && found(KeyKind::PatientName, "Tester Alma"));
    assert!(found(KeyKind::ControlId, "LC-7001"));
}

#[test]
fn xml_is_never_split_and_what_is_no_document_is_quarantined() {
    let text = b"<note>MSH|^~\\&|A\rMSH|^~\\&|B\r</note>";
    assert_eq!(members(text).first(), Some(&(0..text.len())));
    for bytes in
        [&text[..], b"<ClinicalDocument", b"<!DOCTYPE a><ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>"]
    {
        let refused = processed(bytes);
        assert_eq!((refused.format, refused.fate), (Format::Ccda.name(), Fate::Quarantined));
        assert!(refused.reason.is_some_and(|reason| !reason.is_empty()));
    }
}

#[test]
fn the_same_patient_comes_out_of_every_format() {
    let from_hl7 = |name: &str| {
        let bytes = sample(name);
        patient(orderly_hl7v2::normalize(&orderly_hl7v2::parse(&bytes, &Default::default()).unwrap()))
    };
    let admission = from_hl7("hl7v2/adt_a04_same_patient.hl7");
    let result = from_hl7("hl7v2/oru_r01_same_patient.hl7");
    let document = sample("ccda/ccd_same_patient.xml");
    let limits = orderly_ccda::Limits::default();
    let summary = patient(orderly_ccda::normalize(&orderly_ccda::parse(&document, &limits).unwrap()));
    assert_eq!(same(&admission), same(&result));
    assert_eq!(same(&admission), same(&summary));
    assert_eq!(admission.sex.as_deref(), Some("F"), "there is something to compare");
    assert!(!admission.races.is_empty() && !admission.addresses.is_empty() && !admission.telecoms.is_empty());
}

fn patient(record: Record) -> Patient {
    record.patient.unwrap()
}

/// What is the same person's in every format. What an identifier is for, documents do not say.
fn same(patient: &Patient) -> Patient {
    let mut same = Patient { source: None, organization: None, ..patient.clone() };
    for identifier in &mut same.identifiers {
        identifier.kind = None;
    }
    same
}
