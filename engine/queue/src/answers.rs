//! What an attempt's outcome means for its delivery, as declared by a destination's `on_refusal:` and `on_answer:`.
//!
//! Pure data. What always holds: a delivery counts as delivered only on an answer, whatever is declared.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::line::Ending;

/// What to do about an outcome that is no delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// Set it aside for a person; the next one goes on.
    #[default]
    Park,
    /// Keep it where it is, and send nothing more to this destination until a person has looked.
    Block,
    /// Try it again by the schedule.
    Retry,
    /// Take it for delivered: the receiver says no to what it has already, for example.
    Accept,
}

/// A destination's declared reading of outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// For refusals without an entry in `on_answer`.
    pub on_refusal: Then,
    /// By the outcome's code: an acknowledgement code, an HTTP status, or the name of what went wrong on the way.
    pub on_answer: BTreeMap<String, Then>,
}

/// What came of an attempt, by the usual reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted<'a> {
    /// The destination has it.
    Delivered,
    /// It may work later.
    Retryable {
        /// The outcome's code.
        code: &'a str,
        /// How long the destination asked to be left alone.
        asked: Option<Duration>,
        /// Whether the destination answered at all.
        answered: bool,
    },
    /// The destination refused it.
    Refused {
        /// The outcome's code.
        code: &'a str,
    },
}

impl Answers {
    /// What an outcome means at this destination.
    #[must_use]
    pub fn ending(&self, attempted: Attempted<'_>) -> Ending {
        let (code, usual, asked, answered) = match attempted {
            Attempted::Delivered => return Ending::Delivered,
            Attempted::Retryable { code, asked, answered } => (code, Then::Retry, asked, answered),
            Attempted::Refused { code } => (code, self.on_refusal, None, true),
        };
        match self.on_answer.get(code).copied().unwrap_or(usual) {
            Then::Accept if answered => Ending::Delivered,
            Then::Accept | Then::Retry => Ending::Retryable { asked, answered },
            Then::Park => Ending::Parked,
            Then::Block => Ending::Blocking,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Ending = Ending::Retryable { asked: None, answered: true };
    const LOST: Ending = Ending::Retryable { asked: None, answered: false };

    fn answers(on_refusal: Then, on_answer: &[(&str, Then)]) -> Answers {
        let on_answer = on_answer.iter().map(|(code, then)| ((*code).to_owned(), *then)).collect();
        Answers { on_refusal, on_answer }
    }

    fn refused(answers: &Answers, code: &str) -> Ending {
        answers.ending(Attempted::Refused { code })
    }

    fn lost(answers: &Answers, code: &str) -> Ending {
        answers.ending(Attempted::Retryable { code, asked: None, answered: false })
    }

    #[test]
    fn a_refusal_is_parked_unless_something_else_is_said() {
        assert_eq!(refused(&Answers::default(), "AE"), Ending::Parked);
        assert_eq!(refused(&answers(Then::Block, &[]), "AE"), Ending::Blocking);
        assert_eq!(refused(&answers(Then::Retry, &[]), "AE"), RETRY);
        assert_eq!(lost(&answers(Then::Block, &[]), "connect-refused"), LOST);
        assert_eq!(Answers::default().ending(Attempted::Delivered), Ending::Delivered);
    }

    #[test]
    fn a_code_has_the_last_word() {
        let declared = [("AE", Then::Retry), ("AR", Then::Accept), ("503", Then::Park)];
        let answers = answers(Then::Block, &declared);
        assert_eq!(refused(&answers, "AE"), RETRY);
        assert_eq!(refused(&answers, "AR"), Ending::Delivered);
        assert_eq!(refused(&answers, "CR"), Ending::Blocking);
        let busy = Attempted::Retryable { code: "503", asked: Some(Duration::from_secs(9)), answered: true };
        assert_eq!(answers.ending(busy), Ending::Parked);
    }

    #[test]
    fn without_an_answer_nothing_is_delivered() {
        let answers = answers(Then::Park, &[("answer-timeout", Then::Accept)]);
        assert_eq!(lost(&answers, "answer-timeout"), LOST);
    }

    #[test]
    fn what_the_receiver_asks_for_is_handed_on() {
        let asked = Some(Duration::from_secs(9));
        let busy = Attempted::Retryable { code: "503", asked, answered: true };
        assert_eq!(Answers::default().ending(busy), Ending::Retryable { asked, answered: true });
    }
}
