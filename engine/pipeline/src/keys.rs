//! Under which words a message can be found: control id, patient, order, visit, document. From the record, so that they
//! are the same for every format.

use orderly_record::{Document, Identifier, Patient, Record};

/// A search key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What kind of word it is.
    pub kind: KeyKind,
    /// The word as the message has it.
    pub value: String,
}

/// What a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// MSH-10, and the ids of the documents that the message carries or is.
    ControlId,
    /// An identifier of the patient, without its authority.
    PatientId,
    /// `FAMILY GIVEN`
    PatientName,
    /// An accession number.
    Accession,
    /// A placer's or filler's number of an order or an appointment, or the number of a prescription.
    OrderNumber,
    /// A visit or account number.
    Visit,
}

/// How many keys one message may have: far more than any real one, and no sender can fill the index with one message.
const KEYS_MAX: usize = 1_000;

/// The keys of a message. What speaks of several patients or orders is found under each.
pub(crate) fn of(record: &Record, control_id: &str) -> Vec<Key> {
    let mut keys = Keys(Vec::with_capacity(8));
    keys.add(KeyKind::ControlId, control_id);
    keys.add(KeyKind::ControlId, record.header.control_id.as_deref().unwrap_or_default());
    for patient in record.patient.iter().chain(&record.patients) {
        keys.add_patient(patient);
    }
    for visit in record.visit.iter().chain(&record.visits) {
        keys.add_number(KeyKind::Visit, visit.number.as_ref());
    }
    for document in &record.documents {
        keys.add_document(document, record.header.format == "ccda");
    }
    for report in &record.results {
        keys.add_numbers([&report.placer_number, &report.filler_number]);
        keys.add_number(KeyKind::Accession, report.accession_number.as_ref());
    }
    for medication in &record.medications {
        let prescription = &medication.prescription_number;
        keys.add_numbers([&medication.placer_number, &medication.filler_number, prescription]);
    }
    for immunization in &record.immunizations {
        keys.add_numbers([&immunization.placer_number, &immunization.filler_number]);
    }
    for appointment in &record.appointments {
        keys.add_numbers([&appointment.placer_number, &appointment.filler_number]);
    }
    keys.0
}

struct Keys(Vec<Key>);

impl Keys {
    fn add_patient(&mut self, patient: &Patient) {
        for identifier in patient.identifiers.iter().chain(&patient.prior_identifiers) {
            self.add(KeyKind::PatientId, &identifier.value);
        }
        self.add_number(KeyKind::Visit, patient.account.as_ref());
        for name in patient.name.iter().chain(&patient.names) {
            let (family, given) = (name.family.as_deref(), name.given.as_deref());
            let words = [family.unwrap_or_default(), given.unwrap_or_default()].join(" ");
            self.add(KeyKind::PatientName, &words);
        }
    }

    /// A C-CDA document's id may stand in its extension alone or need the root too: it is found by either.
    fn add_document(&mut self, document: &Document, has_root: bool) {
        self.add_number(KeyKind::ControlId, document.number.as_ref());
        if has_root {
            let root = document.number.as_ref().and_then(|number| number.system.as_deref());
            self.add(KeyKind::ControlId, root.unwrap_or_default());
        }
        self.add_number(KeyKind::ControlId, document.set_number.as_ref());
        self.add_numbers([&document.placer_number, &document.filler_number]);
    }

    /// What orders are called.
    fn add_numbers<const N: usize>(&mut self, numbers: [&Option<Identifier>; N]) {
        for number in numbers {
            self.add_number(KeyKind::OrderNumber, number.as_ref());
        }
    }

    fn add_number(&mut self, kind: KeyKind, number: Option<&Identifier>) {
        self.add(kind, number.map_or("", |number| &number.value));
    }

    fn add(&mut self, kind: KeyKind, word: &str) {
        let key = Key { kind, value: word.trim().to_owned() };
        if !key.value.is_empty() && self.0.len() < KEYS_MAX && !self.0.contains(&key) {
            self.0.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use orderly_record::{Appointment, Header, Immunization, Medication, Report, Visit};
    use proptest::prelude::*;

    use super::*;

    fn number(value: &str) -> Option<Identifier> {
        Some(Identifier { value: value.into(), system: Some("1.2.999".into()), ..Identifier::default() })
    }

    fn words(record: &Record) -> Vec<(KeyKind, String)> {
        of(record, "MSG1").into_iter().map(|key| (key.kind, key.value)).collect()
    }

    fn expect(record: &Record, kind: KeyKind, expected: &[&str]) {
        let found: Vec<String> =
            words(record).into_iter().filter(|(own, _)| *own == kind).map(|(_, value)| value).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn orders_of_every_kind_are_found_by_their_numbers() {
        let record = Record {
            results: vec![Report {
                placer_number: number("P1"),
                filler_number: number("F1"),
                accession_number: number("A1"),
                ..Report::default()
            }],
            medications: vec![Medication {
                placer_number: number("P2"),
                filler_number: number("F2"),
                prescription_number: number("RX2"),
                ..Medication::default()
            }],
            immunizations: vec![Immunization {
                placer_number: number("P3"),
                filler_number: number("F3"),
                ..Immunization::default()
            }],
            appointments: vec![Appointment {
                placer_number: number(" P4 "),
                filler_number: number("F1"),
                ..Appointment::default()
            }],
            ..Record::default()
        };
        expect(&record, KeyKind::OrderNumber, &["P1", "F1", "P2", "F2", "RX2", "P3", "F3", "P4"]);
        expect(&record, KeyKind::Accession, &["A1"]);
        expect(&record, KeyKind::ControlId, &["MSG1"]);
    }

    #[test]
    fn a_document_is_found_by_its_ids() {
        let document = Document {
            number: number("D1"),
            set_number: number("S1"),
            filler_number: number("F1"),
            ..Document::default()
        };
        let header = |format: &str| Header {
            format: format.into(),
            control_id: Some("D1".into()),
            ..Header::default()
        };
        let record = |format| Record {
            header: header(format),
            documents: vec![document.clone()],
            ..Record::default()
        };
        expect(&record("ccda"), KeyKind::ControlId, &["MSG1", "D1", "1.2.999", "S1"]);
        // Of an HL7 v2 document the system is the program that numbered it.
        expect(&record("hl7v2"), KeyKind::ControlId, &["MSG1", "D1", "S1"]);
        expect(&record("hl7v2"), KeyKind::OrderNumber, &["F1"]);
    }

    #[test]
    fn no_message_has_more_keys_than_the_limit() {
        let visit = |index: usize| Visit { number: number(&index.to_string()), ..Visit::default() };
        let visits = (0..2 * KEYS_MAX).map(visit).collect();
        assert_eq!(words(&Record { visits, ..Record::default() }).len(), KEYS_MAX);
    }

    fn same_keys(bytes: &[u8]) -> bool {
        let message = orderly_hl7v2::parse(bytes, &orderly_hl7v2::Settings::default()).unwrap();
        let whole = words(&orderly_hl7v2::normalize(&message));
        let naming = words(&orderly_hl7v2::identify(&message));
        assert_eq!(naming, whole, "{}", bytes.escape_ascii());
        whole.len() > 1
    }

    #[test]
    fn what_only_names_has_the_keys_of_the_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../parsers/hl7v2/tests/samples");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let messages = files.filter(|file| file.extension().is_some_and(|ending| ending == "hl7"));
        let with_keys = messages.filter(|file| {
            let bytes = std::fs::read(file).unwrap();
            orderly_hl7v2::split(&bytes).members.iter().any(|member| {
                let member = &bytes[member.clone()];
                orderly_hl7v2::parse(member, &orderly_hl7v2::Settings::default()).is_ok() && same_keys(member)
            })
        });
        assert!(with_keys.count() >= 60);
    }

    proptest! {
        /// Numbers everywhere, segments in any order.
        #[test]
        fn what_only_names_has_the_keys_of_the_whole_whatever_the_order(
            kind in prop::sample::select(vec!["ADT^A01", "ORU^R01", "OUL^R21", "OUL^R22", "OML^O33", "VXU^V04", "DFT^P03", "MDM^T02", "RDE^O11"]),
            segments in prop::collection::vec((prop::sample::select(SEGMENTS.to_vec()), 0..40_usize), 0..12),
        ) {
            let mut message = format!("MSH|^~\\&|||||||{kind}|1\r");
            for (index, (name, fields)) in segments.iter().enumerate() {
                message.push_str(name);
                for field in 1..=*fields {
                    message.push_str(&format!("|{index}n{field}^x~{index}m{field}"));
                }
                message.push('\r');
            }
            same_keys(message.as_bytes());
        }
    }

    const SEGMENTS: [&str; 37] = [
        "PID", "MRG", "PD1", "NK1", "PV1", "PV2", "ORC", "OBR", "OBX", "SPM", "SAC", "NTE", "RXO", "RXE",
        "RXD", "RXG", "RXA", "RXR", "RXC", "TQ1", "AL1", "DG1", "PR1", "TXA", "SCH", "ARQ", "AIS", "GT1",
        "IN1", "FT1", "ODS", "RQD", "BPO", "IPC", "CTI", "MFI", "ZZZ",
    ];
}
