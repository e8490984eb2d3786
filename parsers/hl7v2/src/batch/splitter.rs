//! The members of a stream: files of any size, read in pieces.
//!
//! Gives the members that [`split`](crate::split) gives, each as soon as it is known where it ends. Held are the bytes of the member that
//! has not ended yet, up to the limit, and what stands before the first header, as long as the limit has room for it beside the message;
//! where it has none, what is stray there becomes a member of its own, also when the message then stays alone. Each byte is looked at
//! once and copied at most twice, whatever the size of the pieces.

use std::collections::VecDeque;
use std::ops::Range;

use orderly_record::Diagnostic;

use super::marks::{Mark, Marks};
use super::{Bounds, Counts, in_memory};

/// A message of a stream, or what is stray between messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it begins in the stream.
    pub offset: u64,
    /// Whether it is larger than the limit, and these are its first bytes only.
    pub cut: bool,
}

/// Splits a stream of bytes into its messages, holding no more than one message and one piece: what [`push`](Self::push) completes waits
/// for [`next_member`](Self::next_member), which is to be called until there is none before the next push.
#[derive(Debug)]
pub struct Splitter {
    message_bytes_max: usize,
    marks: Marks,
    bounds: Bounds,
    counts: Counts,
    /// Bytes of the stream from `held_from` on, at most as many as the limit; what would be more is not kept.
    held: Vec<u8>,
    held_from: u64,
    ready: VecDeque<Member>,
}

impl Splitter {
    /// A splitter for a new stream. Larger messages are cut, so that no sender can fill the memory.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            marks: Marks::default(),
            bounds: Bounds::default(),
            counts: Counts::default(),
            held: Vec::new(),
            held_from: 0,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        loop {
            let unread = rest;
            let mark = self.marks.next(&mut rest);
            self.hold(unread.get(..unread.len() - rest.len()).unwrap_or_default());
            match mark {
                Some(mark) => self.mark(&mark),
                None => return,
            }
        }
    }

    /// Takes the end of the stream, once: the last message ends.
    pub fn finish(&mut self) {
        if let Some(mark) = self.marks.finish() {
            self.mark(&mark);
        }
        if let Some(range) = self.bounds.finish(self.marks.read()) {
            self.release(range);
        }
    }

    /// The next message that is complete.
    pub fn next_member(&mut self) -> Option<Member> {
        self.ready.pop_front()
    }

    /// What is odd about the batch, as far as it was read.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.counts.diagnostics
    }

    fn mark(&mut self, mark: &Mark) {
        self.counts.take(mark);
        for range in self.bounds.take(mark).into_iter().flatten() {
            self.release(range);
        }
        if self.bounds.open.is_none() {
            return;
        }
        // Before the first header stand bytes that are its message's if it stays alone, unless some of them are lost already.
        let is_whole = self.held_from + self.held.len() as u64 == self.marks.read();
        if self.bounds.is_batch || !is_whole {
            self.release_leading();
            self.held.clear();
            self.held_from = mark.at;
            let read = in_memory(self.marks.read().saturating_sub(mark.at));
            self.hold(mark.letters.get(..read).unwrap_or(&mark.letters));
        }
    }

    /// Keeps what was read, if it is of a member or comes before the first, as far as there is room.
    fn hold(&mut self, bytes: &[u8]) {
        if self.bounds.has_member && self.bounds.open.is_none() {
            return;
        }
        if bytes.len() > self.room()
            && let Some(start) = self.bounds.open
        {
            self.release_leading();
            self.drop_before(start);
        }
        self.held.extend_from_slice(bytes.get(..self.room()).unwrap_or(bytes));
    }

    fn room(&self) -> usize {
        self.message_bytes_max.saturating_sub(self.held.len())
    }

    fn drop_before(&mut self, start: u64) {
        let count = in_memory(start.saturating_sub(self.held_from)).min(self.held.len());
        self.held.drain(..count);
        self.held_from += count as u64;
    }

    /// Makes a member of what is stray before the first message, where it can't stay with it.
    fn release_leading(&mut self) {
        if let Some(leading) = self.bounds.leading.take() {
            self.release(leading);
        }
    }

    /// Makes a member of what is held of a range. Of a message that is alone only the message is left where all did not fit.
    fn release(&mut self, range: Range<u64>) {
        self.drop_before(range.start);
        let length = in_memory(range.end.saturating_sub(self.held_from));
        let after = self.held.split_off(length.min(self.held.len()));
        let bytes = std::mem::replace(&mut self.held, after);
        let cut = bytes.len() < length;
        self.ready.push_back(Member { bytes, offset: self.held_from, cut });
        self.held_from = range.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members of a stream read in pieces of this size, with the most bytes held at a time.
    fn members(input: &str, piece: usize, message_bytes_max: usize) -> (Vec<(u64, String, bool)>, usize) {
        let mut splitter = Splitter::new(message_bytes_max);
        let (mut members, mut held_max) = (Vec::new(), 0);
        let mut take = |splitter: &mut Splitter| {
            let waiting: usize = splitter.ready.iter().map(|member| member.bytes.len()).sum();
            held_max = held_max.max(splitter.held.len() + waiting);
            while let Some(member) = splitter.next_member() {
                members.push((member.offset, String::from_utf8(member.bytes).unwrap(), member.cut));
            }
        };
        for chunk in input.as_bytes().chunks(piece) {
            splitter.push(chunk);
            take(&mut splitter);
        }
        splitter.finish();
        take(&mut splitter);
        (members, held_max)
    }

    /// A header's name, which may have come before the piece that shows that it is one.
    const NAME_BYTES: usize = 3;

    fn check(input: &str, limit: usize, expected: &[(u64, &str, bool)]) {
        for piece in 1..=input.len() {
            let (members, held_max) = members(input, piece, limit);
            let members: Vec<_> =
                members.iter().map(|(offset, text, cut)| (*offset, text.as_str(), *cut)).collect();
            assert_eq!(members, expected, "in pieces of {piece}");
            assert!(held_max <= limit + piece + NAME_BYTES, "{held_max} bytes were held");
        }
    }

    #[test]
    fn a_message_over_the_limit_is_cut_and_the_next_is_whole() {
        let input = "FHS|\rMSH|1\rPID|123\rMSH|2\rMSH|3\rPID|4567890\rBTS|3\rMSH|4\r";
        let expected = [(5, "MSH|1\rPID", true), (19, "MSH|2\r", false), (25, "MSH|3\rPID", true)];
        let expected = [expected.as_slice(), &[(49, "MSH|4\r", false)]].concat();
        check(input, 9, &expected);
        check("MSH|1\rPID|1", 11, &[(0, "MSH|1\rPID|1", false)]);
        check("MSH|1\rPID|1", 10, &[(0, "MSH|1\rPID|", true)]);
        check("MSH|1\rMSH|2", 2, &[(0, "MS", true), (6, "MS", true)]);
    }

    #[test]
    fn a_message_alone_keeps_what_stands_around_it_as_far_as_there_is_room() {
        let alone = "ready\rMSH|1\r\0";
        check(alone, 13, &[(0, alone, false)]);
        check(alone, 12, &[(0, "ready\r", false), (6, "MSH|1\r\0", false)]);
        check(alone, 4, &[(0, "read", true), (6, "MSH|", true)]);
        check("\r\r\rMSH|1\r", 9, &[(0, "\r\r\rMSH|1\r", false)]);
        check("\r\r\rMSH|1\r", 8, &[(3, "MSH|1\r", false)]);
        check("FHS|\rMSH|1\rFTS|\r", 100, &[(5, "MSH|1\r", false)]);
    }

    #[test]
    fn what_is_stray_is_cut_at_the_limit_like_a_message() {
        let banner = "ready\rMSH|1\rMSH|2\r";
        let messages = [(6, "MSH|1\r", false), (12, "MSH|2\r", false)];
        for limit in [6, 11, 12, 100] {
            check(banner, limit, &[[(0, "ready\r", false)].as_slice(), &messages].concat());
        }
        check(banner, 4, &[(0, "read", true), (6, "MSH|", true), (12, "MSH|", true)]);
        let between = "a\rFHS|\r\rMSx\r1234\rMSH|1\rBTS|1\rMSHx|\rFTS|\rB";
        for limit in [9, 100] {
            let strays = [(0, "a\r", false), (8, "MSx\r1234\r", false), (17, "MSH|1\r", false)];
            check(between, limit, &[strays.as_slice(), &[(29, "MSHx|\r", false), (40, "B", false)]].concat());
        }
        let cut = [(0, "a\r", false), (8, "MSx", true), (17, "MSH", true), (29, "MSH", true)];
        check(between, 3, &[cut.as_slice(), &[(40, "B", false)]].concat());
    }

    #[test]
    fn what_holds_no_message_is_one_member() {
        check("nonsense MSH|\rnonsense", 100, &[(0, "nonsense MSH|\rnonsense", false)]);
        check("nonsense", 5, &[(0, "nonse", true)]);
        check("FHS|\rFTS|0\r", 100, &[(0, "FHS|\rFTS|0\r", false)]);
        assert_eq!(members("", 1, 100).0, [(0, String::new(), false)]);
    }

    #[test]
    fn a_large_stream_takes_no_more_memory_and_little_time() {
        const LIMIT: usize = 1 << 20;
        let message = ["MSH|^~\\&|A\r", &"OBX|1|NM|8867-4^Heart rate^LN||72|/min\r".repeat(200)].concat();
        let many = message.repeat((64 << 20) / message.len());
        let huge = ["MSH|^~\\&|A\r", &"x".repeat(64 << 20), "\rMSH|^~\\&|B\r"].concat();
        let started = std::time::Instant::now();
        let (members_of_many, held_max) = members(&many, 1000, LIMIT);
        assert!(members_of_many.iter().all(|(_, text, cut)| *text == message && !cut));
        assert_eq!(members_of_many.len(), many.len() / message.len());
        assert!(held_max <= message.len() + 1000 + NAME_BYTES, "{held_max} bytes were held");
        // The same without its header is stray.
        let stray = huge.trim_start_matches("MSH|^~\\&|A\r");
        let cut = (LIMIT, true);
        for (huge, expected) in [
            (huge.as_str(), [cut, (11, false)].as_slice()),
            (stray, &[cut, (11, false)]),
            (&[stray, "MSH|^~\\&|C\r"].concat(), &[cut, (11, false), (11, false)]),
        ] {
            let (members_of_huge, held_max) = members(huge, 100, LIMIT);
            let lengths: Vec<_> = members_of_huge.iter().map(|(_, text, cut)| (text.len(), *cut)).collect();
            assert_eq!(lengths, expected);
            assert!(held_max <= LIMIT + 100 + NAME_BYTES, "{held_max} bytes were held");
        }
        // A few seconds even unoptimised on a busy machine; with any rescanning it would be hours.
        assert!(started.elapsed().as_secs() < 60, "took {:?}", started.elapsed());
    }
}
