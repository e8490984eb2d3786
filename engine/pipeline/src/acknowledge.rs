//! What the sender is told: decided by [`process`](crate::process()), written once the message is stored.

use std::time::Duration;

use orderly_hl7v2::{AckCode, AckError, Answer, Header};
use orderly_record::{Diagnostic, Severity};

use crate::plan::{Acknowledgements, MappingFailureAnswer, Source};
use crate::process::Facts;

/// The answer to one message, still without the commit that it waits for.
#[derive(Debug, Clone)]
pub struct Reply {
    header: Option<Header>,
    code: AckCode,
    errors: Vec<AckError>,
    /// Whether it is stored, but no mapping could be applied to it.
    mapping_failed: bool,
    on_mapping_failure: MappingFailureAnswer,
    acknowledgements: Acknowledgements,
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
    pub(crate) fn accept(header: Option<Header>) -> Reply {
        Reply::of(header, AckCode::AA, Vec::new())
    }

    /// AE where the sender can be named, AR where not even a header was found.
    pub(crate) fn unreadable(header: Option<Header>, diagnostic: &Diagnostic) -> Reply {
        let code = if header.is_none() { AckCode::AR } else { AckCode::AE };
        Reply::of(header, code, vec![AckError::from(diagnostic)])
    }

    /// AR: whatever the message holds, it was not taken in as it was sent.
    pub(crate) fn rejected(header: Option<Header>, diagnostic: &Diagnostic) -> Reply {
        Reply { code: AckCode::AR, ..Reply::unreadable(header, diagnostic) }
    }

    fn of(header: Option<Header>, code: AckCode, errors: Vec<AckError>) -> Reply {
        let (on_mapping_failure, acknowledgements) = Default::default();
        Reply { header, code, errors, mapping_failed: false, on_mapping_failure, acknowledgements }
    }

    /// The header of the message that is answered, if it has one.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Answers as the source is to be answered.
    pub(crate) fn as_wanted_by(&mut self, source: &Source) {
        self.on_mapping_failure = source.on_mapping_failure;
        self.acknowledgements = source.acknowledgements;
    }

    pub(crate) fn mapping_failed(&mut self) {
        self.mapping_failed = true;
    }

    /// The acknowledgement of a stored message, ready to be framed; none for a message that is one itself, and none where the sender
    /// wants none. In enhanced mode it says that the message is stored, which no mapping changes.
    #[must_use]
    pub fn stored(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        if self.tells_of_mapping() {
            let error = ours("the message is stored, but no mapping could be applied to it");
            return self.write(AckCode::AE, &[self.errors.as_slice(), &[error]].concat(), facts);
        }
        self.write(self.code, &self.errors, facts)
    }

    /// Whether that acknowledgement is a positive one.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code == AckCode::AA && !self.tells_of_mapping()
    }

    /// Whether the sender is told that no mapping could be applied.
    fn tells_of_mapping(&self) -> bool {
        let tells = self.mapping_failed && self.on_mapping_failure == MappingFailureAnswer::Error;
        tells && !self.is_enhanced()
    }

    /// The acknowledgement of a message that was not stored: AR, in enhanced mode CE, and the sender may try again.
    #[must_use]
    pub fn not_taken(&self, why: NotTaken, facts: &Facts<'_>) -> Option<Vec<u8>> {
        let text = match why {
            NotTaken::NotStored => "the message could not be stored; send it again later",
            NotTaken::ShuttingDown => "the system is about to stop; send it again later",
        };
        let code = if self.is_enhanced() { AckCode::CE } else { AckCode::AR };
        self.write(code, &[ours(text)], facts)
    }

    /// Whether its sender can wait for another answer than that the message is stored: not one that sent an answer itself, or a document.
    #[must_use]
    pub fn can_be_relayed(&self) -> bool {
        self.code == AckCode::AA && self.header.as_ref().is_some_and(|header| !header.is_acknowledgement())
    }

    /// The acknowledgement of a stored message which somebody else should have answered and did not: AE.
    #[must_use]
    pub fn unanswered(&self, why: &str, facts: &Facts<'_>) -> Option<Vec<u8>> {
        self.write(AckCode::AE, &[ours(&format!("the message is stored; there is no answer: {why}"))], facts)
    }

    /// Whether there is a positive acknowledgement that can be waited for.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        self.is_positive() && !self.header.as_ref().is_some_and(Header::is_acknowledgement)
    }

    /// The acknowledgement of a stored message that the broker has not confirmed in time: AE, in enhanced mode CE.
    #[must_use]
    pub fn not_queued(&self, within: Duration, facts: &Facts<'_>) -> Option<Vec<u8>> {
        let seconds = within.as_secs_f64();
        let text = format!(
            "the message is stored and will be delivered; the queue has not taken it within {seconds} s; send it again to know"
        );
        let code = if self.is_enhanced() { AckCode::CE } else { AckCode::AE };
        self.write(code, &[ours(&text)], facts)
    }

    fn is_enhanced(&self) -> bool {
        let asks = || self.header.as_ref().is_some_and(Header::asks_for_enhanced_mode);
        self.acknowledgements == Acknowledgements::Enhanced && asks()
    }

    fn write(&self, code: AckCode, errors: &[AckError], facts: &Facts<'_>) -> Option<Vec<u8>> {
        if self.header.as_ref().is_some_and(Header::is_acknowledgement) {
            return None;
        }
        let code = match &self.header {
            Some(header) if self.is_enhanced() => header.accept_answer(code)?,
            _ => code,
        };
        let control_id = format!("ORD{}", facts.id);
        let at = facts.accepted_at.strftime("%Y%m%d%H%M%S%.3f+0000").to_string();
        Some(orderly_hl7v2::acknowledge(
            self.header.as_ref(),
            &Answer { code, control_id: &control_id, at: &at, errors },
        ))
    }
}
