//! The formats that messages come in, told by their first bytes.

/// What the journal has for the format of bytes that came without a whole frame around them, or of which not all were kept. They are never
/// processed again: half a message, or a wrong one, would go out as if it were whole.
pub(crate) const PART: &str = "part";

/// Whether bytes that the journal has under this format are only a part of what was sent.
#[must_use]
pub fn is_part(name: &str) -> bool {
    name == PART
}

/// How what is sent begins, leading blanks aside, and its media type: the first that fits. HL7 v2 has none that is registered; this one is
/// what its receivers over HTTP have agreed on.
pub const MEDIA_TYPES: [(&[u8], &str); 7] = [
    (b"MSH", HL7_V2_MEDIA_TYPE),
    (b"FHS", HL7_V2_MEDIA_TYPE),
    (b"BHS", HL7_V2_MEDIA_TYPE),
    (b"<", "application/xml"),
    (b"{", "application/json"),
    (b"[", "application/json"),
    (b"", "text/plain; charset=utf-8"),
];

/// The media type of HL7 v2 in its usual encoding.
const HL7_V2_MEDIA_TYPE: &str = "x-application/hl7-v2+er7";

/// The media types of HL7 v2 that others use too.
pub const HL7_V2_MEDIA_TYPES: [&str; 3] = [HL7_V2_MEDIA_TYPE, "application/hl7-v2", "application/hl7-v2+er7"];

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
