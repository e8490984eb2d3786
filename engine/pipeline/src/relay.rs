//! A destination's answer as the answer to whoever sent the message: only the id that it names changes.

use orderly_hl7v2::{AckCode, Position, Settings, parse, read_reply};

use crate::acknowledge::Reply;
use crate::judge::is_anothers;
use crate::process::{Pair, PairFate};

/// Makes a destination's answer to what was `sent` by that id the answer to the sender: MSA-2 names the sender's message, every other byte
/// stays as it was received. An error says why it cannot be passed on; nothing of it is of a patient. What answers another message is
/// never passed on, whatever became of the delivery by it.
pub fn relayed(answer: &[u8], sent: &str, reply: &Reply) -> Result<Vec<u8>, String> {
    let unreadable = || "its answer is no HL7 v2 message, or has no MSA".to_owned();
    let read = read_reply(answer).map_err(|_| unreadable())?;
    if is_anothers(&read.control_id, sent) {
        return Err("its answer is about another message".to_owned());
    }
    if let Some(code @ (AckCode::CA | AckCode::CE | AckCode::CR)) = read.code {
        // Enhanced mode: what the receiver's application says comes later, and by another way.
        return Err(format!(
            "it answered {}, which says nothing but whether it has the message",
            code.as_str()
        ));
    }
    let mut message = parse(answer, &Settings::default()).map_err(|_| unreadable())?;
    let header = reply.header().ok_or("its sender cannot be named")?;
    let segment = message.indexes("MSA").next().ok_or_else(unreadable)?;
    let named = header
        .field(10)
        .transcoded(message.encoding())
        .and_then(|control_id| message.replace(&Position::field(segment, 2), &control_id));
    named.map_err(|_| "the sender's control id cannot be written in the charset of its answer")?;
    Ok(message.encode())
}

/// Whether one message goes to this destination, which can then be answered; an error says why not. A reason of a route or a mapping is for
/// whoever runs the engine, and not for the sender.
pub fn is_answerable(pairs: &[Pair], destination: &str) -> Result<(), String> {
    let there = || pairs.iter().filter(|pair| *pair.destination == *destination);
    match there().filter(|pair| matches!(pair.fate, PairFate::Ready(_))).count() {
        1 => Ok(()),
        0 => Err(match there().next().map(|pair| &pair.fate) {
            Some(PairFate::Failed(_)) => format!("nothing could be made of it for {destination}"),
            Some(PairFate::Parked(_)) => {
                format!("it was set aside for {destination} until a person has looked")
            }
            Some(PairFate::Filtered(_)) => format!("it is not for {destination}"),
            Some(PairFate::Ready(_)) | None => format!("no route takes it to {destination}"),
        }),
        count => Err(too_many(count, destination)),
    }
}

/// Why a sender of whose message several were made gets none of their answers.
pub fn too_many(count: usize, destination: &str) -> String {
    format!("{count} messages were made of it for {destination}, and one answer is due")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reply to a message with this MSH-10.
    fn reply(control_id: &str) -> Reply {
        let message = format!("MSH|^~\\&|A|B|C|D|2026||QBP^Q11|{control_id}|P|2.5\r");
        Reply::accept(Some(parse(message.as_bytes(), &Settings::default()).unwrap().header()))
    }

    #[test]
    fn only_the_id_changes() {
        let answer = b"MSH|^~\\&|L|L|A|B|2026||RSP^K11|77|P|2.5|||||| 8859/1\nMSA|AA|OUT-1|text\nZZZ|a\\X41\\|M\xFCller| \n\n";
        let expected = b"MSH|^~\\&|L|L|A|B|2026||RSP^K11|77|P|2.5|||||| 8859/1\nMSA|AA|Q\\T\\1|text\nZZZ|a\\X41\\|M\xFCller| \n\n";
        assert_eq!(relayed(answer, "OUT-1", &reply("Q\\T\\1")), Ok(expected.to_vec()));
        // An answer that names nothing is named.
        let short = relayed(b"MSH|^~\\&|L|L|A|B|2026||ACK|77|P|2.5\rMSA|AE", "OUT-1", &reply("Q1")).unwrap();
        assert!(short.ends_with(b"\rMSA|AE|Q1"), "{}", short.escape_ascii());
        // In its own delimiters.
        let other = relayed(b"MSH#*~\\&#L#L#A#B#2026##ACK#77#P#2.5\rMSA#AA#x\r", "x", &reply("Q*1")).unwrap();
        assert!(other.ends_with(b"\rMSA#AA#Q\\S\\1\r"), "{}", other.escape_ascii());
    }

    #[test]
    fn in_utf_16_it_stays_so() {
        let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let text = |id: &str| {
            format!("\u{feff}MSH|^~\\&|L|L|A|B|2026||ACK|77|P|2.5||||||UNICODE UTF-16\rMSA|AA|{id}\r")
        };
        assert_eq!(relayed(&wide(&text("OUT-1")), "OUT-1", &reply("Q1")), Ok(wide(&text("Q1"))));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (answer, told) in [
            (&b"OK"[..], "no HL7 v2"),
            (b"MSH|^~\\&|L|L|A|B|2026||ACK|77|P|2.5\r", "no MSA"),
            (b"MSH|^~\\&|L|L|A|B|2026||ACK|77|P|2.5\rMSA|CA|x\r", "it answered CA"),
            (b"MSH|^~\\&|L|L|A|B|2026||ACK|77|P|2.5\rMSA|AA|y\r", "about another message"),
        ] {
            let why = relayed(answer, "x", &reply("Q1")).unwrap_err();
            assert!(why.contains(told), "{why}");
        }
    }
}
