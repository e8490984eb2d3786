//! A message put together again from the leaves of its tree: the proof that nothing is lost on the way down.

use std::borrow::Cow;

use crate::delimiters::Delimiters;
use crate::message::Message;
use crate::segment::Segment;
use crate::view::View;

impl Message<'_> {
    /// Its bytes, joined from the subcomponents up. Equal to [`encode`](Message::encode) as long as the tree holds everything; that one is
    /// cheaper.
    pub fn rebuild(&self) -> Vec<u8> {
        let delimiters = &self.encoding.delimiters;
        let mut bytes = self.leading.to_vec();
        for (index, segment) in self.segments().iter().enumerate() {
            let name = segment.parts.get(0).unwrap_or_default();
            self.rebuild_part(segment, 0, name, &mut bytes);
            let declares = segment.declares_delimiters();
            for field in 1..=segment.last_field() {
                // A header's first field is the separator itself.
                if !(declares && field == 1) {
                    bytes.extend_from_slice(&self.sent(std::slice::from_ref(&delimiters.field)));
                    let mut joined = Vec::new();
                    join(self.field(index, field), declares && field == 2, delimiters, &mut joined);
                    self.rebuild_part(segment, segment.index(field), &joined, &mut bytes);
                }
            }
            bytes.extend_from_slice(segment.terminator);
        }
        bytes.extend_from_slice(self.trailing);
        bytes
    }

    /// What the leaves of a field make, as it is sent. Where the charset has several ways to write a text, it is the way it came in, if the
    /// leaves make the very text that came in.
    fn rebuild_part(&self, segment: &Segment<'_>, index: usize, joined: &[u8], bytes: &mut Vec<u8>) {
        let wire = segment.parts.wire(index);
        let is_as_it_came = segment.parts.get(index).is_some_and(|part| part == joined);
        match wire.filter(|_| is_as_it_came) {
            Some(wire) => bytes.extend_from_slice(wire),
            None => bytes.extend_from_slice(&self.sent(joined)),
        }
    }

    fn sent<'p>(&self, part: &'p [u8]) -> Cow<'p, [u8]> {
        match self.encoding.charset.is_transcoded() {
            true => Cow::Owned(self.encoding.charset.send(part)),
            false => Cow::Borrowed(part),
        }
    }
}

fn join(view: View<'_>, is_verbatim: bool, delimiters: &Delimiters, bytes: &mut Vec<u8>) {
    let delimiter = delimiters.below(view.level()).filter(|_| !is_verbatim);
    if is_verbatim || view.level().below().is_none() {
        return bytes.extend_from_slice(view.raw());
    }
    for (index, child) in view.children().enumerate() {
        if index > 0 {
            bytes.extend(delimiter);
        }
        join(child, false, delimiters, bytes);
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::{Settings, parse};

    #[test]
    fn the_leaves_make_the_message() {
        for message in [
            "MSH|^~\\&|A|B|C|D|||ADT^A01|7|P|2.3\rPID|1||a&b^c~d^&e~||^^|\"\"|\r\nZPI\r\r",
            "\u{b}\u{feff}MSH#*!?:#A#B#C#D###ADT*A01#7#P#2.3\nPID#a:b*c!d!#^~\n\u{1c}\r",
            "MSH|^|A|B|C|D|||ADT^A01|7~8|P\rPID|a~b&c^d",
        ] {
            let parsed = parse(message.as_bytes(), &Settings::default()).unwrap();
            assert_eq!(String::from_utf8(parsed.rebuild()).unwrap(), message);
        }
    }
}
