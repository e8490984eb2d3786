//! What the sender is told: decided by [`process`](crate::process()), written once the message is stored.

use orderly_hl7v2::{AckCode, AckError, Answer, Header};
use orderly_record::{Diagnostic, Severity};

use crate::plan::MappingFailureAnswer;
use crate::process::Facts;

/// The answer to one message, still without the commit that it waits for.
#[derive(Debug, Clone)]
pub struct Reply {
    header: Option<Header>,
    code: AckCode,
    errors: Vec<AckError>,
    on_mapping_failure: MappingFailureAnswer,
}

/// Why a message that could be read is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The journal could not store it.
    NotStored,
    /// The engine is about to stop.
    ShuttingDown,
}

/// An error that is this system's own: code 207 of table 0357.
fn ours(text: &str) -> AckError {
    AckError { location: String::new(), code: 207, severity: Severity::Error, text: text.to_owned() }
}

impl Reply {
    /// AA. A document has no header that an answer could name it by.
    pub(crate) fn accept(header: Option<Header>, on_mapping_failure: MappingFailureAnswer) -> Reply {
        Reply { header, code: AckCode::AA, errors: Vec::new(), on_mapping_failure }
    }

    /// AE where the sender can be named, AR where not even a header was found.
    pub(crate) fn unreadable(header: Option<Header>, diagnostic: &Diagnostic) -> Reply {
        let code = if header.is_none() { AckCode::AR } else { AckCode::AE };
        let errors = vec![AckError::from(diagnostic)];
        Reply { header, code, errors, on_mapping_failure: MappingFailureAnswer::Accept }
    }

    /// AR: whatever the message holds, it was not taken in as it was sent.
    pub(crate) fn rejected(header: Option<Header>, diagnostic: &Diagnostic) -> Reply {
        Reply { code: AckCode::AR, ..Reply::unreadable(header, diagnostic) }
    }

    pub(crate) fn mapping_failed(&mut self) {
        if self.on_mapping_failure == MappingFailureAnswer::Error {
            self.code = AckCode::AE;
            self.errors.push(ours("the message is stored, but no mapping could be applied to it"));
        }
    }

    /// The acknowledgement of a stored message, ready to be framed; none for a message that is one itself.
    #[must_use]
    pub fn stored(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        self.write(self.code, &self.errors, facts)
    }

    /// The acknowledgement of a message that was not stored: AR, and the sender may try again.
    #[must_use]
    pub fn not_taken(&self, why: NotTaken, facts: &Facts<'_>) -> Option<Vec<u8>> {
        let text = match why {
            NotTaken::NotStored => "the message could not be stored; send it again later",
            NotTaken::ShuttingDown => "the system is about to stop; send it again later",
        };
        self.write(AckCode::AR, &[ours(text)], facts)
    }

    fn write(&self, code: AckCode, errors: &[AckError], facts: &Facts<'_>) -> Option<Vec<u8>> {
        if self.header.as_ref().is_some_and(Header::is_acknowledgement) {
            return None;
        }
        let control_id = format!("ORD{}", facts.id);
        let at = facts.accepted_at.strftime("%Y%m%d%H%M%S%.3f+0000").to_string();
        Some(orderly_hl7v2::acknowledge(
            self.header.as_ref(),
            &Answer { code, control_id: &control_id, at: &at, errors },
        ))
    }
}
