//! What an answer says about the message that was sent: the field's usual reading of acknowledgement codes.

use orderly_hl7v2::{AckCode, read_reply};

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// It may take it later.
    Retryable {
        /// The answer's code.
        code: String,
        /// What happened, without anything from the answer but codes.
        text: String,
    },
    /// It refuses it.
    Refused {
        /// The answer's code.
        code: String,
        /// What happened, without anything from the answer but codes.
        text: String,
    },
    /// The answer is another message's.
    Foreign,
}

/// Judges the answer to a message whose MSH-10 was `control_id`.
///
/// AA and CA: delivered. AE, CE, AR and CR: refused, so that one bad message does not hold up a hospital; an operator
/// replays it. What cannot be read as an answer: tried again, since nobody knows what became of the message.
#[must_use]
pub fn judge_answer(answer: &[u8], control_id: &str) -> Verdict {
    let reply = match read_reply(answer) {
        Ok(reply) => reply,
        Err(problem) => {
            return unreadable(format!("the receiver's answer cannot be read: {}", problem.message));
        }
    };
    // Receivers that leave MSA-2 empty answer what they were last sent: one message is in flight at a time.
    if !reply.control_id.is_empty() && reply.control_id != control_id {
        return Verdict::Foreign;
    }
    let Some(code) = reply.code else {
        return unreadable("the receiver's answer holds no acknowledgement code".to_owned());
    };
    match code {
        AckCode::AA | AckCode::CA => Verdict::Delivered,
        AckCode::AE | AckCode::CE | AckCode::AR | AckCode::CR => {
            let code = code.as_str();
            let text = match reply.error_code {
                Some(error) => format!("the receiver answered {code} with error {error}"),
                None => format!("the receiver answered {code}"),
            };
            Verdict::Refused { code: code.to_owned(), text }
        }
    }
}

fn unreadable(text: String) -> Verdict {
    Verdict::Retryable { code: "unreadable-answer".to_owned(), text }
}
