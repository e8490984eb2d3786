//! Which answer is due, and whether one is (chapter 2, "Enhanced acknowledgement rules").
//!
//! In original mode each message is answered by what became of it. In enhanced mode, which a sender asks for by filling MSH-15 or MSH-16,
//! the answer on the connection says only whether the message is stored, and is sent when MSH-15 wants it. An acknowledgement is answered
//! in neither.

use crate::acknowledgement::AckCode;
use crate::header::Header;

/// The types of messages that are acknowledgements: the general one, and the delayed one of versions up to 2.2.
const ACKNOWLEDGEMENTS: [&str; 2] = ["ACK", "MCF"];

impl Header {
    /// Whether the message is an acknowledgement itself, and so never answered.
    pub fn is_acknowledgement(&self) -> bool {
        let kind = self.message_type();
        ACKNOWLEDGEMENTS.iter().any(|known| kind.trim().eq_ignore_ascii_case(known))
    }

    /// Whether the sender asks for enhanced mode: one of the two fields is enough.
    pub fn asks_for_enhanced_mode(&self) -> bool {
        [15, 16].into_iter().any(|n| !self.field(n).text().trim().is_empty())
    }

    /// In enhanced mode, what to answer on the connection to a message with this outcome; `None` when the sender wants no answer to it.
    /// A field that is empty while the other is not wants none, and a value that is not of HL7 table 0155 wants always.
    pub fn accept_answer(&self, outcome: AckCode) -> Option<AckCode> {
        let is_accepted = matches!(outcome, AckCode::AA | AckCode::CA);
        let is_wanted = match self.accept_acknowledgement().trim().to_ascii_uppercase().as_str() {
            "" | "NE" => false,
            "ER" => !is_accepted,
            "SU" => is_accepted,
            _ => true,
        };
        let is_due = is_wanted && !self.is_acknowledgement();
        is_due.then(|| outcome.committed())
    }
}

impl AckCode {
    /// The code of an accept acknowledgement for this outcome: what an application says, a store never does.
    #[must_use]
    pub fn committed(self) -> Self {
        match self {
            Self::AA | Self::CA => Self::CA,
            Self::AE | Self::CE => Self::CE,
            Self::AR | Self::CR => Self::CR,
        }
    }
}

#[cfg(test)]
mod tests {
    use AckCode::{AA, AE, AR, CA, CE, CR};

    use super::*;
    use crate::parse::{Settings, parse};

    fn header(kind: &str, accept: &str, application: &str) -> Header {
        let message = format!("MSH|^~\\&|A|B|C|D|||{kind}|7|P|2.5|||{accept}|{application}\r");
        parse(message.as_bytes(), &Settings::default()).unwrap().header()
    }

    #[test]
    fn an_acknowledgement_is_one_in_every_version_s_form() {
        for kind in ["ACK", "ACK^A01", "ACK^A01^ACK", "ack", " ACK ", "MCF"] {
            let header = header(kind, "AL", "AL");
            assert!(header.is_acknowledgement(), "{kind}");
            assert_eq!(header.accept_answer(AA), None, "{kind}");
        }
        for kind in ["ADT^A01", "ORR^O02", "RSP^K11^RSP_K11", "ACKX"] {
            assert!(!header(kind, "AL", "AL").is_acknowledgement(), "{kind}");
        }
    }

    #[test]
    fn the_sender_says_which_answers_it_wants() {
        let outcomes = [AA, AE, AR];
        let table = [
            ("AL", "NE", [Some(CA), Some(CE), Some(CR)]),
            ("AL", "", [Some(CA), Some(CE), Some(CR)]),
            ("al", "AL", [Some(CA), Some(CE), Some(CR)]),
            ("NE", "AL", [None, None, None]),
            ("NE", "NE", [None, None, None]),
            ("", "AL", [None, None, None]),
            ("ER", "AL", [None, Some(CE), Some(CR)]),
            ("SU", "ER", [Some(CA), None, None]),
            ("Y", "", [Some(CA), Some(CE), Some(CR)]),
        ];
        for (accept, application, expected) in table {
            let header = header("ADT^A01", accept, application);
            assert!(header.asks_for_enhanced_mode(), "{accept} {application}");
            assert_eq!(outcomes.map(|code| header.accept_answer(code)), expected, "{accept} {application}");
        }
        assert!(!header("ADT^A01", "", " ").asks_for_enhanced_mode());
    }

    #[test]
    fn a_store_s_code_is_never_an_application_s() {
        assert_eq!([AA, AE, AR, CA, CE, CR].map(AckCode::committed), [CA, CE, CR, CA, CE, CR]);
    }
}
