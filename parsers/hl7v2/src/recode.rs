//! A message in another charset: the same text in every leaf, and no byte changed that means the same in both.
//!
//! Only fields with characters beyond ASCII, or with escape sequences that speak of bytes, are written anew.

use crate::charset::Charset;
use crate::delimiters::{Delimiters, Encoding};
use crate::escape::Unencodable;
use crate::message::{Message, Position};
use crate::view::{Level, View};

impl<'a> Message<'a> {
    /// A copy to be edited and sent in this charset. MSH-18 is left as it is.
    ///
    /// # Errors
    /// The first field that holds a character which the charset lacks. UTF-16, in which the bytes around the fields would change too, can't
    /// be written to.
    pub fn in_charset(&self, charset: Charset) -> Result<Message<'a>, (Position, Unencodable)> {
        let mut message = self.working_copy();
        let own = self.encoding.charset;
        if own == charset {
            return Ok(message);
        }
        if charset.is_wide() {
            return Err((Position::field(0, 18), Unencodable::Character { charset }));
        }
        message.encoding.charset = charset;
        if own.is_wide() {
            (message.leading, message.trailing) = (b"", b"");
        } else if !message.leading.is_ascii() {
            // A byte order mark.
            message.leading = b"";
        }
        for (index, segment) in message.segments.iter_mut().enumerate() {
            if own.is_wide() {
                segment.terminator = narrow(segment.terminator);
            }
            for part in 0..segment.parts.len() {
                let raw = segment.parts.get(part).unwrap_or_default();
                let is_same = means_the_same(raw, &self.encoding.delimiters);
                if is_same && segment.parts.wire(part).is_none() {
                    continue;
                }
                let field = part + usize::from(segment.declares_delimiters());
                let mut written = Vec::with_capacity(raw.len());
                if is_same {
                    written.extend_from_slice(raw);
                } else {
                    let view = View::new(raw, Level::Field, &self.encoding);
                    recode(&view, &message.encoding, &mut written)
                        .map_err(|why| (Position::field(index, field), why))?;
                }
                segment.parts.set(part, written.into());
            }
        }
        Ok(message)
    }
}

/// Whether these bytes of a tree are the same text in every charset.
fn means_the_same(raw: &[u8], delimiters: &Delimiters) -> bool {
    let speaks_of_bytes =
        |pair: &[u8]| matches!(pair, [mark, b'X' | b'C' | b'M'] if Some(*mark) == delimiters.escape);
    raw.iter().all(|byte| byte.is_ascii() && *byte != 0x1B) && !raw.windows(2).any(speaks_of_bytes)
}

/// Writes what is below a part, leaf by leaf.
fn recode(view: &View<'_>, to: &Encoding, written: &mut Vec<u8>) -> Result<(), Unencodable> {
    if view.level() == Level::Subcomponent {
        written.extend_from_slice(&view.transcoded(to)?);
        return Ok(());
    }
    for (number, child) in view.children().enumerate() {
        if let (1.., Some(delimiter)) = (number, to.delimiters.below(view.level())) {
            written.push(delimiter);
        }
        recode(&child, to, written)?;
    }
    Ok(())
}

/// The line end that one of UTF-16 is in all other charsets.
fn narrow(terminator: &[u8]) -> &'static [u8] {
    match (terminator.contains(&b'\r'), terminator.contains(&b'\n')) {
        (true, true) => b"\r\n",
        (true, false) => b"\r",
        (false, true) => b"\n",
        (false, false) => b"",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parse::{Settings, parse};

    const HEADER: &str = "MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\r";

    fn named(name: &str) -> Charset {
        Charset::named(name).unwrap()
    }

    fn wire(text: &str, charset: Charset) -> Vec<u8> {
        charset.write(text).unwrap()
    }

    /// The message in one charset as it is sent in another.
    fn sent(text: &str, from: &str, to: &str) -> Result<String, String> {
        let (from, to) = (named(from), named(to));
        let bytes = wire(&format!("{HEADER}{text}\r"), from);
        let settings = Settings { charset: Some(from), ..Settings::default() };
        let message = parse(&bytes, &settings).unwrap();
        assert_eq!(message.encoding().charset, from);
        let recoded = message.in_charset(to).map_err(|(at, _)| message.path(&at))?;
        Ok(to.read(&recoded.encode()).strip_prefix(HEADER).unwrap().trim_end().to_owned())
    }

    #[test]
    fn the_text_is_the_same_in_another_charset() {
        let text = r"PID|1||7^^^M&Ü~8||Müller^Zoë||C:\temp|\H\x\N\";
        for from in ["UNICODE UTF-8", "8859/1", "UNICODE UTF-16"] {
            for to in ["UNICODE UTF-8", "8859/1", "8859/15", "GB 18030-2000"] {
                if from == "UNICODE UTF-16" {
                    let mut bytes = b"\xFF\xFE".to_vec();
                    bytes.extend(wire(&format!("{HEADER}{text}\r"), named(from)));
                    let message = parse(&bytes, &Settings::default()).unwrap();
                    let recoded = message.in_charset(named(to)).unwrap();
                    assert_eq!(recoded.encode(), wire(&format!("{HEADER}{text}\r"), named(to)));
                } else {
                    assert_eq!(sent(text, from, to).as_deref(), Ok(text), "{from} {to}");
                }
            }
        }
    }

    #[test]
    fn sequences_of_bytes_become_what_they_mean() {
        assert_eq!(sent(r"PID|\XE9\^\.br\", "8859/1", "UNICODE UTF-8").as_deref(), Ok(r"PID|é^\.br\"));
        assert_eq!(sent(r"PID|\XC3A9\", "UNICODE UTF-8", "8859/1").as_deref(), Ok("PID|é"));
        assert_eq!(sent(r"PID|\X0D\", "8859/1", "UNICODE UTF-8").as_deref(), Ok(r"PID|\X0D\"));
    }

    #[test]
    fn what_a_charset_lacks_is_told_by_its_place() {
        assert_eq!(sent("PID|1||a|x^Łódź", "UNICODE UTF-8", "8859/1"), Err("PID-4".to_owned()));
        let message = parse(HEADER.as_bytes(), &Settings::default()).unwrap();
        assert!(message.in_charset(named("UNICODE UTF-16")).is_err());
    }

    proptest! {
        #[test]
        fn any_message_goes_to_utf_8_and_back(fields in prop::collection::vec("[a-z^~&éüß ]{0,12}", 1..6)) {
            let text = format!("PID|{}", fields.join("|"));
            let there = sent(&text, "8859/1", "UNICODE UTF-8").unwrap();
            prop_assert_eq!(&there, text.trim_end());
            prop_assert_eq!(sent(&there, "UNICODE UTF-8", "8859/1").unwrap(), there);
        }
    }
}
