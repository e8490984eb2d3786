//! MLLP framing without a socket: bytes become frames, frames become bytes.
//!
//! A frame is `0B`, the content, `1C 0D` (HL7 MLLP release 1). Senders in the field deviate; the [`Decoder`] takes what can be
//! understood without guessing, counts it by its [`Tolerance`], and reports the rest as a [`Problem`]. Each tolerance can be
//! refused. What is written is always strict.

mod decoder;
mod problem;
mod tolerance;

#[cfg(test)]
mod tests;

pub use decoder::{Decoder, DecoderSettings, Event, NOISE_BYTES_MAX, Waiting};
pub use problem::{KEPT_BYTES_MAX, Problem, ProblemKind};
pub use tolerance::{Seen, Tally, Tolerance, Tolerances};

/// VT, the start block: the first byte of every frame.
pub const START_BLOCK: u8 = 0x0B;
/// FS, the end block: the first of the two bytes that end a frame.
pub const END_BLOCK: u8 = 0x1C;
/// CR, the second of the two bytes that end a frame.
pub const CARRIAGE_RETURN: u8 = 0x0D;

/// Appends `content` to `out` as one frame.
pub fn encode(content: &[u8], out: &mut Vec<u8>) {
    out.reserve(content.len().saturating_add(3));
    out.push(START_BLOCK);
    out.extend_from_slice(content);
    out.extend_from_slice(&[END_BLOCK, CARRIAGE_RETURN]);
}
