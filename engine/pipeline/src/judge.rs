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
    if is_anothers(&reply.control_id, control_id) {
        return Verdict::Foreign;
    }
    let Some(code) = reply.code else {
        return unreadable("the receiver's answer holds no acknowledgement code".to_owned());
    };
    match code {
        AckCode::AA | AckCode::CA => Verdict::Delivered,
        AckCode::AE | AckCode::CE | AckCode::AR | AckCode::CR => {
            let code = code.as_str();
            let text = match reply.error_code.filter(|error| is_code(error)) {
                Some(error) => format!("the receiver answered {code} with error {error}"),
                None => format!("the receiver answered {code}"),
            };
            Verdict::Refused { code: code.to_owned(), text }
        }
    }
}

/// Whether MSA-2 names another message. Receivers that leave it empty, and those that answer a message without MSH-10 as
/// they please, answer what they were last sent: one message is in flight at a time. Some trim what they repeat.
pub(crate) fn is_anothers(answered: &str, sent: &str) -> bool {
    let (answered, sent) = (answered.trim(), sent.trim());
    !answered.is_empty() && !sent.is_empty() && answered != sent
}

/// Whether this is a code of table 0357: anything else might tell of a patient.
fn is_code(error: &str) -> bool {
    let listed = |code: u16| matches!(code, 0 | 100..=104 | 198..=207);
    error.len() <= 3 && error.parse().is_ok_and(listed)
}

fn unreadable(text: String) -> Verdict {
    Verdict::Retryable { code: "unreadable-answer".to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(msa: &str, control_id: &str) -> Verdict {
        judge_answer(format!("MSH|^~\\&|B|B|A|A|20260305||ACK|1|P|2.5\r{msa}\r").as_bytes(), control_id)
    }

    #[test]
    fn codes_mean_what_the_field_means_by_them() {
        for accepted in ["AA", "CA"] {
            assert_eq!(judged(&format!("MSA|{accepted}|M1"), "M1"), Verdict::Delivered);
        }
        for refused in ["AE", "AR", "CE", "CR"] {
            let text = format!("the receiver answered {refused}");
            assert_eq!(
                judged(&format!("MSA|{refused}|M1"), "M1"),
                Verdict::Refused { code: refused.to_owned(), text }
            );
        }
    }

    #[test]
    fn an_answer_to_another_message_is_foreign() {
        assert_eq!(judged("MSA|AA|M2", "M1"), Verdict::Foreign);
    }

    #[test]
    fn an_id_that_was_trimmed_left_out_or_never_sent_is_ours() {
        for (answered, sent) in [("M1", " M1 "), ("", "M1"), ("GENERATED7", "")] {
            assert_eq!(
                judged(&format!("MSA|AA|{answered}"), sent),
                Verdict::Delivered,
                "{answered:?} to {sent:?}"
            );
        }
    }

    #[test]
    fn an_errors_code_is_told_and_its_text_is_not() {
        let Verdict::Refused { text, .. } = judged("MSA|AE|M1\rERR||PID^1^3|204^Unknown key^HL70357|E", "M1")
        else {
            panic!("not refused");
        };
        assert_eq!(text, "the receiver answered AE with error 204");
        for words in ["TESTER ALMA unknown", "TESTER", "70014"] {
            let answer = format!("MSA|AE|M1\rERR||PID^1^3|{words}|E");
            let Verdict::Refused { text, .. } = judged(&answer, "M1") else { panic!("not refused") };
            assert_eq!(text, "the receiver answered AE");
        }
    }

    #[test]
    fn nonsense_is_tried_again() {
        for answer in [&b""[..], b"nonsense", b"MSH|^~\\&|B\rMSA|ZZ|M1\r"] {
            assert!(matches!(judge_answer(answer, "M1"), Verdict::Retryable { .. }));
        }
    }
}
