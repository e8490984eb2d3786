//! The formats that messages come in, told by their first bytes.

/// What the journal has for the format of bytes that came without a whole frame around them, or of which not all were kept. They are never
/// processed again: half a message, or a wrong one, would go out as if it were whole.
pub(crate) const PART: &str = "part";

/// Whether bytes that the journal has under this format are only a part of what was sent.
#[must_use]
pub fn is_part(name: &str) -> bool {
    name == PART
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// HL7 v2, also what is no message at all: it gets its reason there.
    Hl7v2,
    /// A C-CDA document, or other XML, which is refused as one.
    Ccda,
}

impl Format {
    /// What the bytes are: XML begins with `<`, HL7 v2 never does.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Format {
        if orderly_ccda::looks_like_xml(bytes) { Format::Ccda } else { Format::Hl7v2 }
    }

    /// Its name in the journal and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Hl7v2 => "hl7v2",
            Format::Ccda => "ccda",
        }
    }
}
