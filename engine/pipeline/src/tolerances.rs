//! All deviations that are tolerated, with their stable codes: those of the parsers, and those of MLLP's framing.
//!
//! The framing is read elsewhere; its codes stand here too, because a source's `refuse` names them.

use orderly_record::{Diagnostic, Place};

/// Code and meaning of the deviations of MLLP's framing.
pub const FRAME_TOLERANCES: [(&str, &str); 9] = [
    ("mllp-no-start-block", "a message without the start block 0B"),
    ("mllp-doubled-start-block", "the start block 0B twice"),
    (
        "mllp-end-without-return",
        "an end block 1C with silence or another control byte after it instead of 0D",
    ),
    ("mllp-end-block-inside", "1C inside a message"),
    ("mllp-restarted", "a new frame inside an unfinished one"),
    ("mllp-line-feed-after-end", "a line feed after the end of a frame"),
    ("mllp-filler", "line ends, NUL, spaces or byte order marks between frames"),
    ("mllp-empty-frame", "a frame without a message"),
    ("mllp-noise", "other bytes between frames"),
];

/// Code and meaning of every deviation that is tolerated.
pub fn tolerances() -> impl Iterator<Item = (&'static str, &'static str)> {
    orderly_hl7v2::TOLERANCES.into_iter().chain(orderly_ccda::TOLERANCES).chain(FRAME_TOLERANCES)
}

/// The deviations that were taken in a message: their codes, and where in the message.
pub fn tolerated(found: &[Diagnostic]) -> impl Iterator<Item = (&'static str, u64)> {
    let taken = found.iter().filter(|found| tolerances().any(|(code, _)| code == found.code));
    taken.map(|found| match found.place {
        Place::Input { offset, .. } => (found.code, offset as u64),
        Place::File { .. } | Place::None => (found.code, 0),
    })
}

/// Whether this is the code of a deviation of MLLP's framing.
pub(crate) fn is_of_framing(code: &str) -> bool {
    FRAME_TOLERANCES.iter().any(|(known, _)| *known == code)
}
