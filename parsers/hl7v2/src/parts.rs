//! What the field separator splits of a segment: the name first, then its fields.
//!
//! Of a line only where its fields begin is kept, for all lines of a message in one list, and what was changed of it: so a message is parsed,
//! copied, edited and written with little more than a look at its bytes. What came in a charset that is transcoded, or was made anew, has
//! its fields one by one.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// The parts of one segment; there is always one.
#[derive(Debug, Clone)]
pub(crate) enum Parts<'a> {
    /// A line, and what was changed of it.
    Received(Received<'a>),
    /// Parts one by one.
    Own(Own<'a>),
}

/// A line as it came, and the parts that were changed since.
#[derive(Debug, Clone)]
pub(crate) struct Received<'a> {
    line: &'a [u8],
    starts: Starts,
    /// By number, in ascending order.
    changed: Vec<(usize, Box<[u8]>)>,
    /// How many parts there are: at least as many as the line has.
    len: usize,
}

/// Parts one by one.
#[derive(Debug, Clone)]
pub(crate) struct Own<'a> {
    parts: Vec<Cow<'a, [u8]>>,
    /// What each part came in, where that is not what the tree holds: in charsets that are transcoded. Nothing for a part that was changed.
    wire: Vec<Option<&'a [u8]>>,
}

/// A piece of a message's list of where parts begin, each counted in its line.
#[derive(Debug, Clone)]
pub(crate) struct Starts {
    all: Arc<[u32]>,
    own: Range<usize>,
}

impl Starts {
    pub(crate) fn new(all: &Arc<[u32]>, own: Range<usize>) -> Starts {
        Starts { all: all.clone(), own }
    }

    fn list(&self) -> &[u32] {
        self.all.get(self.own.clone()).unwrap_or_default()
    }
}

impl<'a> Received<'a> {
    /// Where in the line a part stands; nothing for one that was added.
    fn place(&self, index: usize) -> Option<Range<usize>> {
        let starts = self.starts.list();
        let from = match index.checked_sub(1) {
            None => 0,
            Some(before) => *starts.get(before)? as usize,
        };
        Some(from..starts.get(index).map_or(self.line.len(), |next| *next as usize - 1))
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        if let Ok(at) = self.find(index) {
            return self.changed.get(at).map(|(_, changed)| &**changed);
        }
        match self.place(index) {
            Some(place) => self.line.get(place),
            None => (index < self.len).then_some(b""),
        }
    }

    fn set(&mut self, index: usize, part: Box<[u8]>) {
        self.len = self.len.max(index + 1);
        match self.find(index) {
            Ok(at) => {
                if let Some((_, changed)) = self.changed.get_mut(at) {
                    *changed = part;
                }
            }
            Err(at) => self.changed.insert(at, (index, part)),
        }
    }

    /// Where among the changes that of a part is, or would be.
    fn find(&self, index: usize) -> Result<usize, usize> {
        self.changed.binary_search_by_key(&index, |(number, _)| *number)
    }

    /// What lies between the changes goes as it came.
    fn write_into(&self, separator: u8, bytes: &mut Vec<u8>) {
        let mut from = 0;
        let mut added = self.starts.own.len() + 1;
        for (index, changed) in &self.changed {
            let before = match self.place(*index) {
                Some(place) => std::mem::replace(&mut from, place.end)..place.start,
                None => std::mem::replace(&mut from, self.line.len())..self.line.len(),
            };
            bytes.extend_from_slice(self.line.get(before).unwrap_or_default());
            while added <= *index {
                bytes.push(separator);
                added += 1;
            }
            bytes.extend_from_slice(changed);
        }
        bytes.extend_from_slice(self.line.get(from..).unwrap_or_default());
        bytes.resize(bytes.len() + self.len.saturating_sub(added), separator);
    }

    fn joined_len(&self) -> usize {
        let changed: usize = self.changed.iter().map(|(_, changed)| changed.len()).sum();
        let replaced = self.changed.iter().filter_map(|(index, _)| self.place(*index));
        let replaced: usize = replaced.map(|place| place.len()).sum();
        let added = self.len - (self.starts.own.len() + 1);
        (self.line.len() + changed + added).saturating_sub(replaced)
    }
}

impl<'a> Parts<'a> {
    /// The parts of a line, split where these starts say.
    pub(crate) fn received(line: &'a [u8], starts: Starts) -> Self {
        let len = starts.own.len() + 1;
        Parts::Received(Received { line, starts, changed: Vec::new(), len })
    }

    /// Parts that are not to be found in one line.
    pub(crate) fn own(parts: Vec<Cow<'a, [u8]>>, wire: Vec<Option<&'a [u8]>>) -> Self {
        Parts::Own(Own { parts, wire })
    }

    /// A part, counted from 0.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        match self {
            Parts::Received(received) => received.get(index),
            Parts::Own(own) => own.parts.get(index).map(Cow::as_ref),
        }
    }

    /// Puts another part in its place; those that are missing before it are added empty.
    pub(crate) fn set(&mut self, index: usize, part: Box<[u8]>) {
        match self {
            Parts::Received(received) => received.set(index, part),
            Parts::Own(own) => {
                own.parts.resize(own.parts.len().max(index + 1), Cow::Borrowed(b""));
                if let Some(place) = own.parts.get_mut(index) {
                    *place = Cow::Owned(part.into_vec());
                }
                if let Some(wire) = own.wire.get_mut(index) {
                    *wire = None;
                }
            }
        }
    }

    /// What a part came in, where the tree holds something else.
    pub(crate) fn wire(&self, index: usize) -> Option<&'a [u8]> {
        match self {
            Parts::Received(_) => None,
            Parts::Own(own) => own.wire.get(index).copied().flatten(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Parts::Received(received) => received.len,
            Parts::Own(own) => own.parts.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// All of them joined again.
    pub(crate) fn write_into(&self, separator: u8, bytes: &mut Vec<u8>) {
        match self {
            Parts::Received(received) => received.write_into(separator, bytes),
            Parts::Own(own) => {
                for (index, part) in own.parts.iter().enumerate() {
                    if index > 0 {
                        bytes.push(separator);
                    }
                    bytes.extend_from_slice(part);
                }
            }
        }
    }

    /// Room for all of them joined: found faster than the exact number.
    pub(crate) fn room(&self) -> usize {
        match self {
            Parts::Received(Received { line, changed, len, .. }) => {
                line.len() + len + changed.iter().map(|(_, changed)| changed.len()).sum::<usize>()
            }
            Parts::Own(_) => self.joined_len(),
        }
    }

    /// How many bytes that are.
    pub(crate) fn joined_len(&self) -> usize {
        match self {
            Parts::Received(received) => received.joined_len(),
            Parts::Own(own) => {
                let parts: usize = own.parts.iter().map(|part| part.len()).sum();
                parts + own.parts.len().saturating_sub(1)
            }
        }
    }
}

/// Finds the parts of a line: adds to the list where each begins that follows a separator. `None`, and nothing is added, for a line too long
/// to be counted so.
pub(crate) fn split(line: &[u8], separator: u8, starts: &mut Vec<u32>) -> Option<()> {
    u32::try_from(line.len()).ok()?;
    let pattern = u64::from_ne_bytes([separator; 8]);
    let (words, rest) = line.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let mut found = equal_bytes(u64::from_le_bytes(*word), pattern);
        while found != 0 {
            // The marks are the highest bits of their bytes.
            starts.push(at + found.trailing_zeros() / 8 + 1);
            found &= found - 1;
        }
        at += 8;
    }
    for byte in rest {
        at += 1;
        if *byte == separator {
            starts.push(at);
        }
    }
    Some(())
}

/// The bytes of two words that are equal, each told by its highest bit: fields are short, and a search that starts anew for each of them
/// costs more than looking at eight bytes at once.
fn equal_bytes(one: u64, other: u64) -> u64 {
    const LOW_BITS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let different = one ^ other;
    !(((different & LOW_BITS) + LOW_BITS) | different | LOW_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn received(line: &[u8]) -> Parts<'_> {
        let mut starts = Vec::new();
        split(line, b'|', &mut starts).unwrap();
        let count = starts.len();
        Parts::received(line, Starts::new(&starts.into(), 0..count))
    }

    proptest! {
        #[test]
        fn a_line_is_split_and_joined_as_it_is_written(
            line in prop::collection::vec(prop_oneof![Just(b'|'), Just(b'}'), Just(0xFC), any::<u8>()], 0..100),
            changes in prop::collection::vec((0..20_usize, prop::collection::vec(b'a'..=b'z', 0..4)), 0..6),
        ) {
            let mut expected: Vec<Vec<u8>> = line.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
            let (mut parts, own) = (received(&line), expected.iter().cloned().map(Cow::Owned).collect());
            let mut own = Parts::own(own, Vec::new());
            for (index, part) in std::iter::once((0, expected[0].clone())).chain(changes) {
                expected.resize(expected.len().max(index + 1), Vec::new());
                expected[index].clone_from(&part);
                own.set(index, part.clone().into());
                parts.set(index, part.into());
                for parts in [&parts, &own] {
                    prop_assert_eq!(parts.iter().collect::<Vec<_>>(), expected.clone());
                    prop_assert_eq!(parts.get(expected.len()), None);
                    let mut joined = Vec::new();
                    parts.write_into(b'|', &mut joined);
                    prop_assert_eq!(&joined, &expected.join(&b'|'));
                    prop_assert_eq!(parts.joined_len(), joined.len());
                    prop_assert!(parts.room() >= joined.len());
                }
            }
        }
    }
}
