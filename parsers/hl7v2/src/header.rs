//! The header's facts (MSH), also of a message that can't be read otherwise: what routing and an answer need.

use std::borrow::Cow;

use crate::charset::Charset;
use crate::delimiters::Encoding;
use crate::view::{Level, View, nth_part};

/// The header segment on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `MSH|^~\&|...` without its terminator.
    raw: Vec<u8>,
    encoding: Encoding,
}

impl Header {
    pub(crate) fn new(raw: Vec<u8>, encoding: Encoding) -> Self {
        Self { raw, encoding }
    }

    /// The same header of a message in another charset whose messages are transcoded, as this one is by its text.
    pub(crate) fn in_charset(mut self, charset: Charset) -> Self {
        self.encoding.charset = charset;
        self
    }

    /// How its bytes are read.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// A field, counted from 1 as the standard counts; empty when it is not there.
    pub fn field(&self, n: usize) -> View<'_> {
        match n {
            0 => View::verbatim(&[], &self.encoding),
            1 => View::verbatim(std::slice::from_ref(&self.encoding.delimiters.field), &self.encoding),
            2 => View::verbatim(self.part(2), &self.encoding),
            _ => View::new(self.part(n), Level::Field, &self.encoding),
        }
    }

    /// The application that sent it: MSH-3.1.
    pub fn sending_application(&self) -> Cow<'_, str> {
        self.field(3).text()
    }

    /// The facility that sent it: MSH-4.1.
    pub fn sending_facility(&self) -> Cow<'_, str> {
        self.field(4).text()
    }

    /// The message type, `ADT`: MSH-9.1.
    pub fn message_type(&self) -> Cow<'_, str> {
        self.field(9).text()
    }

    /// The trigger event, `A01`: MSH-9.2.
    pub fn event(&self) -> Cow<'_, str> {
        self.field(9).child(1).child(2).text()
    }

    /// The message structure as declared, `ADT_A01`: MSH-9.3.
    pub fn structure(&self) -> Cow<'_, str> {
        self.field(9).child(1).child(3).text()
    }

    /// The control id as it stands, escapes and blanks included: MSH-10. An answer repeats exactly this.
    pub fn control_id(&self) -> Cow<'_, str> {
        self.encoding.charset.decode(self.field(10).raw())
    }

    /// The processing id, `P`, `T` or `D`: MSH-11.1.
    pub fn processing_id(&self) -> Cow<'_, str> {
        self.field(11).text()
    }

    /// The version, `2.5.1`: MSH-12.1.
    pub fn version(&self) -> Cow<'_, str> {
        self.field(12).text()
    }

    /// When the sender wants an accept acknowledgement, `AL`, `NE`, `ER` or `SU` (HL7 table 0155): MSH-15.
    pub fn accept_acknowledgement(&self) -> Cow<'_, str> {
        self.field(15).text()
    }

    /// When the sender wants an application acknowledgement (HL7 table 0155): MSH-16.
    pub fn application_acknowledgement(&self) -> Cow<'_, str> {
        self.field(16).text()
    }

    fn part(&self, n: usize) -> &[u8] {
        nth_part(&self.raw, self.encoding.delimiters.field, n).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::{Settings, parse};

    #[test]
    fn the_header_s_facts() {
        let bytes =
            b"MSH|^~\\&|APP^1.2^ISO|FAC|C|D|20260305||ADT^A01^ADT_A01| a\\T\\b |P^T|2.5.1^USA|||AL|NE";
        let header = parse(bytes, &Settings::default()).unwrap().header();
        assert_eq!(
            (header.sending_application().as_ref(), header.sending_facility().as_ref()),
            ("APP", "FAC")
        );
        assert_eq!(
            (header.message_type().as_ref(), header.event().as_ref(), header.structure().as_ref()),
            ("ADT", "A01", "ADT_A01")
        );
        assert_eq!((header.processing_id().as_ref(), header.version().as_ref()), ("P", "2.5.1"));
        assert_eq!(
            (header.accept_acknowledgement().as_ref(), header.application_acknowledgement().as_ref()),
            ("AL", "NE")
        );
        assert_eq!(header.control_id(), " a\\T\\b ", "an answer repeats it as it stands");
        assert_eq!((header.field(1).text().as_ref(), header.field(2).text().as_ref()), ("|", "^~\\&"));
        assert_eq!(header.field(40).text(), "");
    }
}
