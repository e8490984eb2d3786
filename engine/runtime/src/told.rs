//! What a sender was told of a stored message, in the form in which the journal keeps it to tell it again.
//!
//! The numbers stand in segment files: they are never changed.

use orderly_transport::listeners::Verdict;

const TAKEN: u8 = 0;
const UNREADABLE: u8 = 1;
const NOT_PROCESSED: u8 = 2;
/// Added where there is no answer at all.
const SILENT: u8 = 0x80;

/// To be kept.
pub(crate) fn write(verdict: Verdict, answer: Option<&[u8]>) -> Vec<u8> {
    let code = match verdict {
        Verdict::Taken => TAKEN,
        Verdict::Unreadable => UNREADABLE,
        // What is not stored is not kept, and the answer of another system is kept with its attempt.
        Verdict::NotProcessed | Verdict::Unanswered | Verdict::NotNow => NOT_PROCESSED,
    };
    let silent = if answer.is_none() { SILENT } else { 0 };
    [&[code | silent], answer.unwrap_or_default()].concat()
}

/// What was kept; nothing when it is of a program that knows more.
pub(crate) fn read(told: &[u8]) -> Option<(Verdict, Option<Vec<u8>>)> {
    let (code, answer) = told.split_first()?;
    let verdict = match code & !SILENT {
        TAKEN => Verdict::Taken,
        UNREADABLE => Verdict::Unreadable,
        NOT_PROCESSED => Verdict::NotProcessed,
        _ => return None,
    };
    Some((verdict, (code & SILENT == 0).then(|| answer.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_leads_back() {
        for verdict in [Verdict::Taken, Verdict::Unreadable, Verdict::NotProcessed] {
            for answer in [None, Some(&b""[..]), Some(b"MSA|AA|1")] {
                let told = read(&write(verdict, answer));
                assert_eq!(told, Some((verdict, answer.map(<[u8]>::to_vec))));
            }
        }
        assert_eq!((read(b""), read(&[7, 1])), (None, None));
    }
}
