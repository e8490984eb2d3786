//! Under which words a message can be found: control id, patient, order, visit. From the record, so that they are the
//! same for every format.

use orderly_record::Record;

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

/// The keys of a message.
pub(crate) fn of(record: &Record, control_id: &str) -> Vec<Key> {
    let mut keys = Keys(Vec::with_capacity(8));
    keys.add(KeyKind::ControlId, control_id);
    if let Some(patient) = &record.patient {
        for identifier in &patient.identifiers {
            keys.add(KeyKind::PatientId, &identifier.value);
        }
        for name in &patient.names {
            let (family, given) = (name.family.as_deref(), name.given.as_deref());
            keys.add(
                KeyKind::PatientName,
                &[family.unwrap_or_default(), given.unwrap_or_default()].join(" "),
            );
        }
    }
    if let Some(visit) = &record.visit {
        keys.add(KeyKind::Visit, visit.number.as_ref().map_or("", |number| &number.value));
    }
    keys.0
}

struct Keys(Vec<Key>);

impl Keys {
    fn add(&mut self, kind: KeyKind, word: &str) {
        let key = Key { kind, value: word.trim().to_owned() };
        if !key.value.is_empty() && !self.0.contains(&key) {
            self.0.push(key);
        }
    }
}
