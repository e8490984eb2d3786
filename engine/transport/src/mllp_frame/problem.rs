//! What is in a byte stream that is not a frame to be taken: what is wrong, where, and the bytes.

use super::Tolerance;
use std::fmt;

/// How much of a frame that is too large, or of endless noise, is kept with a [`Problem`]: enough for any MSH segment, so that
/// the sender can be answered, and for a look at what went wrong.
pub const KEPT_BYTES_MAX: usize = 4096;

/// Something in the byte stream that is not a frame to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where: bytes since the connection was opened. Of a frame that is refused, where the deviation is; of everything else,
    /// where it began.
    pub offset: u64,
    /// How many bytes it concerns.
    pub bytes_count: u64,
    /// These bytes, without those of the framing; the first [`KEPT_BYTES_MAX`] where there may be any number of them. May hold
    /// patient data: never for logs.
    pub bytes: Vec<u8>,
}

/// What is wrong with a byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemKind {
    /// A deviation that is not to be taken.
    Refused(Tolerance),
    /// Bytes between frames were skipped.
    Noise,
    /// A start block inside a frame: the sender began again, and what came before is no whole frame.
    Restarted,
    /// The frame is larger than the limit.
    TooLarge,
    /// The connection ended inside a frame.
    CutOff,
    /// The rest of a frame did not come in time.
    Stalled,
    /// The peer speaks TLS on a plain port.
    SpeaksTls,
    /// The peer speaks HTTP.
    SpeaksHttp,
    /// So much came without any frame that the peer does not speak MLLP.
    NotMllp,
}

impl ProblemKind {
    /// Its stable code, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused(tolerance) => tolerance.code(),
            Self::Noise => Tolerance::Noise.code(),
            Self::Restarted => Tolerance::Restarted.code(),
            Self::TooLarge => "mllp-too-large",
            Self::CutOff => "mllp-cut-off",
            Self::Stalled => "mllp-stalled",
            Self::SpeaksTls => "mllp-speaks-tls",
            Self::SpeaksHttp => "mllp-speaks-http",
            Self::NotMllp => "mllp-not-mllp",
        }
    }

    /// Whether the byte stream cannot be used any further, so that the connection is closed. A refused deviation inside a frame
    /// spoils that frame only; where it is in doubt which frame is meant, or none is, nothing that follows can be relied on.
    pub fn is_fatal(self) -> bool {
        match self {
            Self::Refused(tolerance) => tolerance.is_between_frames() || tolerance == Tolerance::Restarted,
            Self::Noise | Self::Restarted => false,
            Self::TooLarge
            | Self::CutOff
            | Self::Stalled
            | Self::SpeaksTls
            | Self::SpeaksHttp
            | Self::NotMllp => true,
        }
    }

    /// How many of the bytes are kept: all of those that were one message's, or between two.
    pub(super) fn bytes_kept_max(self) -> usize {
        match self {
            Self::Refused(_) | Self::Noise | Self::Restarted | Self::CutOff | Self::Stalled => usize::MAX,
            Self::TooLarge | Self::SpeaksTls | Self::SpeaksHttp | Self::NotMllp => KEPT_BYTES_MAX,
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(tolerance) => write!(f, "{tolerance}"),
            Self::Noise => write!(f, "bytes outside a frame were skipped"),
            Self::Restarted => write!(f, "a new frame began inside an unfinished one, which was dropped"),
            Self::TooLarge => write!(f, "the frame is larger than the limit"),
            Self::CutOff => write!(f, "the connection was closed inside a frame"),
            Self::Stalled => write!(f, "the rest of a frame did not come in time"),
            Self::SpeaksTls => write!(f, "the peer speaks TLS, this is plain MLLP"),
            Self::SpeaksHttp => write!(f, "the peer speaks HTTP, this is MLLP"),
            Self::NotMllp => write!(f, "the peer sends no MLLP frames"),
        }
    }
}
