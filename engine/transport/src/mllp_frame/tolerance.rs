//! The deviations of a sender's framing that can be understood without guessing, each with its stable code, its place and a count.

use std::fmt;

/// A deviation that is taken, unless it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tolerance {
    /// A message without its start block: it begins with MSH right where a frame was to begin.
    NoStartBlock,
    /// A start block directly after another.
    DoubledStartBlock,
    /// `1C` followed by another control byte or by silence instead of CR ends the frame, because senders lose the CR. When
    /// this is refused, such a `1C` is content ([`Self::EndBlockInside`]), but at the end of what came: there it ends a frame
    /// that is refused.
    EndWithoutReturn,
    /// `1C` inside the content: followed by anything printable, it is no end. Taking it for one would accept half a message.
    EndBlockInside,
    /// A start block inside a frame: the sender began anew. The unfinished frame is a problem, the new one is read.
    Restarted,
    /// A line feed right after a frame: `1C 0D 0A`.
    LineFeedAfterEnd,
    /// Line ends, NUL, spaces and byte order marks between frames: keep-alives and habits. Each byte counts.
    Filler,
    /// A frame with nothing or only filler in it: a keep-alive.
    EmptyFrame,
    /// Other bytes between frames: they are a problem, the next frame is read.
    Noise,
}

impl Tolerance {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NoStartBlock,
        Self::DoubledStartBlock,
        Self::EndWithoutReturn,
        Self::EndBlockInside,
        Self::Restarted,
        Self::LineFeedAfterEnd,
        Self::Filler,
        Self::EmptyFrame,
        Self::Noise,
    ];

    /// Its stable code, for programs and for a source's `refuse`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoStartBlock => "mllp-no-start-block",
            Self::DoubledStartBlock => "mllp-doubled-start-block",
            Self::EndWithoutReturn => "mllp-end-without-return",
            Self::EndBlockInside => "mllp-end-block-inside",
            Self::Restarted => "mllp-restarted",
            Self::LineFeedAfterEnd => "mllp-line-feed-after-end",
            Self::Filler => "mllp-filler",
            Self::EmptyFrame => "mllp-empty-frame",
            Self::Noise => "mllp-noise",
        }
    }

    /// The one with this code.
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tolerance| tolerance.code() == code)
    }

    /// Whether it stands between frames, so that no message, and nobody to answer, belongs to it.
    pub fn is_between_frames(self) -> bool {
        matches!(self, Self::LineFeedAfterEnd | Self::Filler | Self::Noise)
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoStartBlock => "a message without the start block 0B",
            Self::DoubledStartBlock => "the start block 0B came twice",
            Self::EndWithoutReturn => "the end block 1C was not followed by 0D",
            Self::EndBlockInside => "1C stands inside a message",
            Self::Restarted => "a new frame began inside an unfinished one",
            Self::LineFeedAfterEnd => "a line feed followed the end of a frame",
            Self::Filler => "line ends, NUL, spaces or byte order marks between frames",
            Self::EmptyFrame => "a frame without a message",
            Self::Noise => "other bytes between frames",
        })
    }
}

/// A set of tolerances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tolerances(u16);

impl Tolerances {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether this one is among them.
    pub fn contains(self, tolerance: Tolerance) -> bool {
        self.0 & tolerance.bit() != 0
    }
}

impl FromIterator<Tolerance> for Tolerances {
    fn from_iter<I: IntoIterator<Item = Tolerance>>(tolerances: I) -> Self {
        Self(tolerances.into_iter().fold(0, |bits, tolerance| bits | tolerance.bit()))
    }
}

/// What was met of one deviation, taken or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub tolerance: Tolerance,
    /// How often.
    pub count: u64,
    /// Where it was met last: bytes since the connection was opened.
    pub last_offset: u64,
}

/// What was met of every deviation. At most one entry each, in the order of the first meeting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally(Vec<Seen>);

impl Tally {
    /// Those that were met.
    pub fn seen(&self) -> &[Seen] {
        &self.0
    }

    /// Whether none was met.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what was met, the last time at this offset.
    pub fn add(&mut self, met: Seen) {
        match self.0.iter_mut().find(|seen| seen.tolerance == met.tolerance) {
            Some(seen) => {
                seen.count = seen.count.saturating_add(met.count);
                seen.last_offset = met.last_offset;
            }
            None => self.0.push(met),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for one in Tolerance::ALL {
            let set = Tolerances::from_iter([one]);
            for other in Tolerance::ALL {
                assert_eq!(set.contains(other), one == other, "{one:?} {other:?}");
            }
            assert_eq!(Tolerance::named(one.code()), Some(one));
        }
        assert_eq!(Tolerance::named("mllp-too-large"), None);
    }
}
