//! Sorted key entries packed into blocks.
//!
//! An entry is one byte string: kind, folded value, 0xFF, sequence number (big endian). UTF-8 has no byte 0xFF, so both questions a
//! search asks are about beginnings: a whole value is everything that begins with kind, value and 0xFF; the beginning of a value is
//! everything that begins with kind and that beginning.
//!
//! In a block each entry is: bytes shared with the entry before, bytes that follow (two bytes each, little endian), those bytes.

/// A block is closed beyond this size: small enough that a lookup, which unpacks one, takes microseconds.
const BLOCK_BYTES: usize = 8 << 10;

const TERMINATOR: u8 = 0xFF;

/// The entry of one key of one message.
pub(crate) fn entry(kind: u8, value: &[u8], seq: u64) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(value.len() + 10);
    bytes.push(kind);
    bytes.extend_from_slice(value);
    bytes.push(TERMINATOR);
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.into_boxed_slice()
}

/// What all entries with this value begin with.
pub(crate) fn exact(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = beginning(kind, value);
    bytes.push(TERMINATOR);
    bytes
}

/// What all entries whose value begins like this begin with.
pub(crate) fn beginning(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(value);
    bytes
}

/// The message that an entry names.
pub(crate) fn seq(entry: &[u8]) -> Option<u64> {
    entry.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A finished block and its first entry.
pub(crate) struct Block {
    pub(crate) first: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// Packs entries that come in order.
#[derive(Default)]
pub(crate) struct Packer {
    first: Vec<u8>,
    last: Vec<u8>,
    bytes: Vec<u8>,
}

impl Packer {
    /// Adds an entry; gives the block that it did not fit into any more. An entry equal to the one before adds nothing.
    pub(crate) fn push(&mut self, entry: &[u8]) -> Option<Block> {
        if !self.bytes.is_empty() && entry == self.last {
            return None;
        }
        let full = if self.bytes.len() >= BLOCK_BYTES { self.finish() } else { None };
        if self.bytes.is_empty() {
            self.first = entry.to_vec();
        }
        let shared = self.last.iter().zip(entry).take_while(|(left, right)| left == right).count();
        let rest = entry.get(shared..).unwrap_or_default();
        self.bytes.extend_from_slice(&length(shared));
        self.bytes.extend_from_slice(&length(rest.len()));
        self.bytes.extend_from_slice(rest);
        self.last.truncate(shared);
        self.last.extend_from_slice(rest);
        full
    }

    /// The block begun, if any.
    pub(crate) fn finish(&mut self) -> Option<Block> {
        self.last.clear();
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then(|| Block { first: std::mem::take(&mut self.first), bytes })
    }
}

/// Values are cut at 128 characters, so an entry has at most 522 bytes.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_le_bytes()
}

/// The entries of a block, one after the other.
pub(crate) struct Entries {
    bytes: Vec<u8>,
    at: usize,
    entry: Vec<u8>,
}

impl Entries {
    pub(crate) fn new(bytes: Vec<u8>) -> Entries {
        Entries { bytes, at: 0, entry: Vec::new() }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next entry; `None` at the end, and where the block is damaged.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let (&[a, b, c, d], rest) = self.bytes.get(self.at..)?.split_first_chunk::<4>()?;
        let shared = usize::from(u16::from_le_bytes([a, b]));
        let length = usize::from(u16::from_le_bytes([c, d]));
        let suffix = rest.get(..length)?;
        if shared > self.entry.len() {
            return None;
        }
        self.entry.truncate(shared);
        self.entry.extend_from_slice(suffix);
        self.at += 4 + length;
        Some(&self.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(entries: &[Box<[u8]>]) -> Vec<Block> {
        let mut packer = Packer::default();
        let mut blocks: Vec<Block> = entries.iter().filter_map(|entry| packer.push(entry)).collect();
        blocks.extend(packer.finish());
        blocks
    }

    fn unpacked(blocks: Vec<Block>) -> Vec<Box<[u8]>> {
        let mut all = Vec::new();
        for block in blocks {
            let mut entries = Entries::new(block.bytes);
            let mut first = true;
            while let Some(entry) = entries.next() {
                assert!(!first || entry == block.first);
                first = false;
                all.push(Box::from(entry));
            }
        }
        all
    }

    #[test]
    fn a_whole_value_and_a_beginning_are_told_apart() {
        let short = entry(1, b"ab", 7);
        let long = entry(1, b"abc", 8);
        assert!(short.starts_with(&exact(1, b"ab")) && !long.starts_with(&exact(1, b"ab")));
        assert!(short.starts_with(&beginning(1, b"ab")) && long.starts_with(&beginning(1, b"ab")));
        assert_eq!((seq(&short), seq(b"short")), (Some(7), None));
    }

    proptest! {
        #[test]
        fn entries_come_back_in_order_and_once(
            mut keys in prop::collection::vec(("[a-f]{0,40}", 0u64..50), 0..2000)
        ) {
            keys.sort();
            let mut entries: Vec<Box<[u8]>> =
                keys.iter().map(|(value, seq)| entry(2, value.as_bytes(), *seq)).collect();
            entries.sort();
            let blocks = packed(&entries);
            entries.dedup();
            prop_assert_eq!(unpacked(blocks), entries);
        }

        #[test]
        fn damaged_blocks_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut entries = Entries::new(bytes);
            while entries.next().is_some() {}
        }
    }
}
