//! Under which words a message can be found: control id, patient, order, visit. From the record, so that they are the
//! same for every format.

use orderly_record::{Identifier, Patient, Record};

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
    /// MSH-10
    ControlId,
    /// An identifier of the patient, without its authority.
    PatientId,
    /// `FAMILY GIVEN`
    PatientName,
    /// An accession number.
    Accession,
    /// A placer's or filler's order number.
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
    for patient in record.patient.iter().chain(&record.patients) {
        keys.add_patient(patient);
    }
    for visit in record.visit.iter().chain(&record.visits) {
        keys.add_number(KeyKind::Visit, visit.number.as_ref());
    }
    for report in &record.results {
        keys.add_number(KeyKind::OrderNumber, report.placer_number.as_ref());
        keys.add_number(KeyKind::OrderNumber, report.filler_number.as_ref());
        keys.add_number(KeyKind::Accession, report.accession_number.as_ref());
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
