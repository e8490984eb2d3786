//! Search keys: what a message can be found by, and how they stand in its row.
//!
//! Values are folded (Unicode lower case, trimmed) and cut at [`VALUE_CHARS_MAX`] characters, both when stored and when
//! searched, so that a search meets what was stored whatever its case.

/// Longer values are cut: an index entry must stay small whatever a sender puts into a field.
pub(crate) const VALUE_CHARS_MAX: usize = 128;

/// A value that a message can be found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What the value is.
    pub kind: KeyKind,
    /// The value as it stands in the message.
    pub value: String,
}

/// What a search key is. The codes are stored: never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// The sender's id of the message.
    ControlId,
    /// Any identifier of the patient.
    PatientId,
    /// The patient's name, family name first.
    PatientName,
    /// Accession or filler order number.
    Accession,
    /// Placer order number.
    OrderNumber,
    /// Visit or account number.
    Visit,
}

impl KeyKind {
    pub(crate) fn code(self) -> u8 {
        match self {
            KeyKind::ControlId => 1,
            KeyKind::PatientId => 2,
            KeyKind::PatientName => 3,
            KeyKind::Accession => 4,
            KeyKind::OrderNumber => 5,
            KeyKind::Visit => 6,
        }
    }
}

/// The form in which a value is stored and searched.
pub(crate) fn fold(value: &str) -> String {
    value.trim().chars().flat_map(char::to_lowercase).take(VALUE_CHARS_MAX).collect()
}

/// Writes the keys as they stand in a message's row: kind, length in bytes (little endian, two bytes), folded value.
/// Empty values are left out, so that nobody finds a message by nothing.
pub(crate) fn write(keys: &[Key], out: &mut Vec<u8>) {
    for key in keys {
        let value = fold(&key.value);
        // A folded value has at most 128 characters of 4 bytes, so its length always fits.
        if let (false, Ok(length)) = (value.is_empty(), u16::try_from(value.len())) {
            out.push(key.kind.code());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// The keys in a message's row as (kind code, folded value); stops at the first that is not whole.
pub(crate) fn read(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[kind, low, high], rest) = bytes.split_first_chunk::<3>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
        bytes = rest;
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: KeyKind, value: &str) -> Key {
        Key { kind, value: value.into() }
    }

    #[test]
    fn keys_are_read_as_written_folded_and_without_empty_ones() {
        let keys = [
            key(KeyKind::PatientName, " Müller^ÄNNE "),
            key(KeyKind::Visit, "  "),
            key(KeyKind::ControlId, "A1"),
        ];
        let mut bytes = Vec::new();
        write(&keys, &mut bytes);
        let read: Vec<_> = read(&bytes).collect();
        assert_eq!(read, [(3, "müller^änne".as_bytes()), (1, b"a1".as_slice())]);
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        assert_eq!(fold(&"é".repeat(1000)).len(), 2 * VALUE_CHARS_MAX);
    }

    #[test]
    fn a_damaged_row_ends_the_list() {
        assert_eq!(read(&[1, 200, 0, b'x']).count(), 0);
        assert_eq!(read(&[1]).count(), 0);
    }
}
