//! What `orderly send` reads from files: each message of each file, as it goes on the wire.

use std::fs;
use std::path::{Path, PathBuf};

use orderly_hl7v2::{Position, Settings, parse, split};
use orderly_transport::mllp_frame::{END_BLOCK, START_BLOCK};

use crate::failure::Failure;

/// One message, ready to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The file it comes from.
    pub(super) file: PathBuf,
    /// Its place among the file's messages, from 1.
    pub(super) number: usize,
    /// The bytes to send, segments ended by CR.
    pub(super) bytes: Vec<u8>,
    /// Its control id; nothing when the message is not readable. It is sent all the same: bad input is worth testing.
    pub(super) control_id: Option<String>,
    /// Its type and event, `ADT^A01`.
    pub(super) kind: String,
}

/// All messages of all files, in their order.
pub(super) fn read_files(files: &[PathBuf]) -> Result<Vec<Outgoing>, Failure> {
    let mut messages = Vec::new();
    for file in files {
        let bytes = fs::read(file)
            .map_err(|error| Failure::new(format_args!("cannot read {}: {error}", file.display())))?;
        let before = messages.len();
        messages.extend(read_messages(file, &bytes));
        if messages.len() == before {
            return Err(Failure::new(format_args!("{} holds no message", file.display())));
        }
    }
    Ok(messages)
}

fn read_messages(file: &Path, bytes: &[u8]) -> Vec<Outgoing> {
    let members = split(bytes).members;
    let members = members.into_iter().filter_map(|range| bytes.get(range));
    members.enumerate().map(|(index, bytes)| Outgoing::new(file, index + 1, bytes)).collect()
}

impl Outgoing {
    /// A message as it stands in a file.
    pub(super) fn new(file: &Path, number: usize, bytes: &[u8]) -> Self {
        let bytes = with_carriage_returns(without_frame(bytes));
        let header = match parse(&bytes, &Settings::default()) {
            Ok(message) => Some(message.header()),
            Err(unreadable) => unreadable.header,
        };
        let control_id = header.as_ref().map(|header| header.control_id().into_owned());
        let kind =
            header.map_or_else(String::new, |header| format!("{}^{}", header.message_type(), header.event()));
        Self { file: file.to_owned(), number, bytes, control_id, kind }
    }

    /// The message with another control id.
    pub(super) fn with_control_id(&self, control_id: &str) -> Result<Vec<u8>, Failure> {
        let mut message = parse(&self.bytes, &Settings::default()).map_err(|unreadable| {
            let (file, number) = (self.file.display(), self.number);
            Failure::new(format_args!("message {number} of {file}: {}", unreadable.diagnostic.message))
                .help("with --count each message gets control ids of its own, so it must be readable")
        })?;
        let header = message.segments().iter().position(|segment| segment.is("MSH")).unwrap_or(0);
        let replaced = message.replace(&Position::field(header, 10), control_id.as_bytes());
        replaced.map_err(|error| Failure::new(format_args!("cannot set a control id: {error}")))?;
        Ok(message.encode())
    }
}

/// Framing bytes that were saved with messages are not part of them.
fn without_frame(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(&[START_BLOCK]).unwrap_or(bytes);
    let end = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != START_BLOCK);
    match end.map(|end| bytes.split_at(end)) {
        Some((content, [END_BLOCK, ..])) => content,
        _ => bytes,
    }
}

/// Text editors end lines with LF or CR LF, HL7 ends segments with CR. An LF in a message that also has lone CRs is its own text.
fn with_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let has_returns = bytes.windows(2).any(|pair| matches!(pair, [b'\r', next] if *next != b'\n'))
        || bytes.last() == Some(&b'\r');
    for (index, &byte) in bytes.iter().enumerate() {
        let follows_return = index.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\r');
        match byte {
            b'\n' if follows_return => {}
            b'\n' if !has_returns => out.push(b'\r'),
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_segments() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"MSH|1\rPID|2\r", b"MSH|1\rPID|2\r"),
            (b"MSH|1\nPID|2\n", b"MSH|1\rPID|2\r"),
            (b"MSH|1\r\nPID|2\r\n", b"MSH|1\rPID|2\r"),
            (b"MSH|1\rOBX|a\nb\r", b"MSH|1\rOBX|a\nb\r"),
            (b"MSH|1\nPID|2", b"MSH|1\rPID|2"),
            (b"", b""),
        ];
        for (bytes, expected) in cases {
            assert_eq!(with_carriage_returns(bytes), *expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn saved_framing_is_taken_off() {
        for bytes in [
            b"MSH|1\r".as_slice(),
            b"\x0bMSH|1\r\x1c\r",
            b"\x0bMSH|1\r\x1c",
            b"MSH|1\r\x1c\r\n",
            b"MSH|1\r\x1c\r\x0b",
        ] {
            assert_eq!(without_frame(bytes), b"MSH|1\r");
        }
    }

    #[test]
    fn a_file_gives_its_messages() {
        let file =
            b"MSH|^~\\&|A|B|C|D|1||ADT^A01|N1|P|2.3\nPID|1\nMSH|^~\\&|A|B|C|D|1||ADT^A08|N2|P|2.3\nPID|2\n";
        let messages = read_messages(Path::new("two.hl7"), file);
        let ids: Vec<_> =
            messages.iter().map(|message| (message.number, message.control_id.as_deref())).collect();
        assert_eq!(ids, [(1, Some("N1")), (2, Some("N2"))]);
        let second = messages.get(1).unwrap();
        assert_eq!(second.kind, "ADT^A08");
        let expected = b"MSH|^~\\&|A|B|C|D|1||ADT^A08|LOAD7|P|2.3\rPID|2\r";
        assert_eq!(second.with_control_id("LOAD7").unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_read_is_sent_but_not_numbered() {
        let [message] = &read_messages(Path::new("x"), b"no header")[..] else { panic!("one message") };
        assert_eq!((message.bytes.as_slice(), &message.control_id), (b"no header".as_slice(), &None));
        assert!(message.with_control_id("L1").is_err());
    }
}
