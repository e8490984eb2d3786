//! MLLP framing without a socket: bytes become frames, frames become bytes.
//!
//! A frame is `0B`, the content, `1C 0D` (HL7 MLLP release 1). Senders in the field deviate; the [`Decoder`] takes what can be
//! understood without guessing and reports the rest as a [`Problem`].
//!
//! What always holds: the events depend on the bytes only, never on how reads cut them; a frame's bytes are handed on
//! unchanged; a frame that was cut off is never handed on as a frame; no more than the frame limit is ever held, and memory
//! grows with what arrives, not with what may arrive.

use std::fmt;

/// VT, the start block: the first byte of every frame.
pub const START_BLOCK: u8 = 0x0B;
/// FS, the end block: the first of the two bytes that end a frame.
pub const END_BLOCK: u8 = 0x1C;
/// CR, the second of the two bytes that end a frame.
pub const CARRIAGE_RETURN: u8 = 0x0D;

/// How much of a broken frame or of noise is kept with a [`Problem`]: enough for any MSH segment, so that the sender can be
/// answered, and for a look at what went wrong.
pub const KEPT_BYTES_MAX: usize = 4096;

/// How many bytes without a start block are skipped before the peer is given up: a banner or a message whose start block was
/// lost fits well, an endless stream of something else does not.
pub const NOISE_BYTES_MAX: u64 = 256 * 1024;

/// Appends `content` to `out` as one frame.
pub fn encode(content: &[u8], out: &mut Vec<u8>) {
    out.reserve(content.len().saturating_add(3));
    out.push(START_BLOCK);
    out.extend_from_slice(content);
    out.extend_from_slice(&[END_BLOCK, CARRIAGE_RETURN]);
}

/// What ends a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrameEnd {
    /// `1C 0D`, and also `1C` followed by a start block, another control byte or silence, because senders lose the CR.
    /// `1C` followed by anything printable is content: taking it for the end would accept half a message.
    #[default]
    Tolerant,
    /// Only `1C 0D`. For senders that put `1C` into their content.
    Strict,
}

/// The limits and habits of one connection's decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderSettings {
    /// The largest content of a frame in bytes; a larger one is refused while it is read.
    pub frame_bytes_max: usize,
    /// What ends a frame.
    pub frame_end: FrameEnd,
}

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole frame's content, as received. Never empty: empty frames are keep-alives.
    Frame(Vec<u8>),
    /// Something that is not a whole, well-formed frame.
    Problem(Problem),
}

/// Something in the byte stream that is not a whole, well-formed frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where it began: bytes since the connection was opened.
    pub offset: u64,
    /// How many bytes it concerns.
    pub bytes_count: u64,
    /// The first of these bytes, at most [`KEPT_BYTES_MAX`]. May hold patient data: never for logs.
    pub bytes: Vec<u8>,
}

/// What is wrong with a byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The frame was taken although its end block was not followed by CR; the byte that stood there, if any came.
    EndWithoutReturn(Option<u8>),
    /// Bytes between frames were skipped.
    Noise,
    /// A message without a start block was skipped.
    NoStartBlock,
    /// A start block inside a frame: the sender began again, and what came before was dropped.
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
    /// Whether the byte stream cannot be used any further, so that the connection is closed.
    pub fn is_fatal(self) -> bool {
        match self {
            Self::EndWithoutReturn(_) | Self::Noise | Self::NoStartBlock | Self::Restarted => false,
            Self::TooLarge
            | Self::CutOff
            | Self::Stalled
            | Self::SpeaksTls
            | Self::SpeaksHttp
            | Self::NotMllp => true,
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndWithoutReturn(Some(byte)) => {
                write!(f, "the end block 1C was followed by {byte:02X} instead of 0D")
            }
            Self::EndWithoutReturn(None) => {
                write!(f, "the end block 1C was followed by nothing instead of 0D")
            }
            Self::Noise => write!(f, "bytes outside a frame were skipped"),
            Self::NoStartBlock => write!(f, "a message without the start block 0B was skipped"),
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

/// What the decoder waits for, so that its owner knows how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Between frames: nothing is owed.
    NextFrame,
    /// Inside a frame.
    RestOfFrame,
    /// After an end block: the CR is due at once.
    EndOfFrame,
    /// Inside bytes that belong to no frame.
    EndOfNoise,
    /// For nothing: the stream has ended or cannot be used.
    Nothing,
}

/// What a connection's sender did that the decoder passed over in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// CR, LF, NUL, space and byte order marks between frames.
    pub filler_bytes: u64,
    /// Frames without content: keep-alives.
    pub empty_frames: u64,
    /// Bytes that belong to no frame.
    pub noise_bytes: u64,
    /// Frames whose end block was not followed by CR.
    pub ends_without_return: u64,
}

/// Turns one connection's bytes into [`Event`]s. Hand every read to [`next`](Self::next) until it gives nothing more.
#[derive(Debug)]
pub struct Decoder {
    settings: DecoderSettings,
    state: State,
    /// Bytes taken since the connection was opened.
    offset: u64,
    /// Where the frame or noise that is being read began.
    started: u64,
    /// The content of the frame so far, or the first bytes of noise.
    held: Vec<u8>,
    /// How long the noise is so far.
    noise_bytes: u64,
    /// Found together with the event given last.
    pending: Option<Event>,
    tally: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    InFrame,
    MaybeEnd,
    InNoise,
    Ended,
}

impl Decoder {
    /// A decoder for a connection from which nothing was read yet.
    pub fn new(settings: DecoderSettings) -> Self {
        Self {
            settings,
            state: State::Idle,
            offset: 0,
            started: 0,
            held: Vec::new(),
            noise_bytes: 0,
            pending: None,
            tally: Tally::default(),
        }
    }

    /// The next event in `input`, which is shortened by what was taken; nothing when all of it was taken without an event.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.take() {
                return Some(event);
            }
            let byte = *input.first()?;
            let event = match self.state {
                State::Idle => self.idle(byte, input),
                State::InFrame => self.in_frame(input),
                State::MaybeEnd => self.maybe_end(byte, input),
                State::InNoise => self.in_noise(input),
                State::Ended => {
                    self.take(input, input.len());
                    None
                }
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// Nothing came for as long as [`waiting`](Self::waiting) deserves: what that means.
    /// Call until it gives nothing more.
    pub fn on_silence(&mut self) -> Option<Event> {
        if let Some(event) = self.pending.take() {
            return Some(event);
        }
        match self.state {
            State::Idle | State::Ended => None,
            State::InFrame => Some(self.broken_frame(ProblemKind::Stalled)),
            State::MaybeEnd => self.end_without_return(None),
            State::InNoise => Some(self.end_noise()),
        }
    }

    /// The peer sends no more: what that means. Call until it gives nothing more.
    pub fn on_end(&mut self) -> Option<Event> {
        let event = match self.state {
            State::InFrame if self.pending.is_none() => Some(self.broken_frame(ProblemKind::CutOff)),
            _ => self.on_silence(),
        };
        if event.is_none() {
            self.state = State::Ended;
        }
        event
    }

    /// What the decoder waits for.
    pub fn waiting(&self) -> Waiting {
        match self.state {
            State::Idle => Waiting::NextFrame,
            State::InFrame => Waiting::RestOfFrame,
            State::MaybeEnd => Waiting::EndOfFrame,
            State::InNoise => Waiting::EndOfNoise,
            State::Ended => Waiting::Nothing,
        }
    }

    /// Bytes taken since the connection was opened.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the frame or noise that is being read, or was read last, began.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// What was passed over in silence so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn idle(&mut self, byte: u8, input: &mut &[u8]) -> Option<Event> {
        if byte == START_BLOCK {
            self.begin_frame(input);
        } else if is_filler(byte) {
            let count = input.iter().take_while(|byte| is_filler(**byte)).count();
            self.tally.filler_bytes += count as u64;
            self.take(input, count);
        } else {
            self.started = self.offset;
            self.noise_bytes = 0;
            self.state = State::InNoise;
        }
        None
    }

    fn in_frame(&mut self, input: &mut &[u8]) -> Option<Event> {
        let count = memchr::memchr2(START_BLOCK, END_BLOCK, input).unwrap_or(input.len());
        let content = self.take(input, count);
        if let Some(event) = self.hold(content) {
            return Some(event);
        }
        match input.first() {
            Some(&START_BLOCK) => {
                // A doubled start block loses nothing and is no problem.
                let event = (!self.held.is_empty()).then(|| self.broken_frame(ProblemKind::Restarted));
                self.begin_frame(input);
                event
            }
            Some(_) => {
                self.take(input, 1);
                self.state = State::MaybeEnd;
                None
            }
            None => None,
        }
    }

    fn maybe_end(&mut self, byte: u8, input: &mut &[u8]) -> Option<Event> {
        if byte == CARRIAGE_RETURN {
            self.take(input, 1);
            return self.end_frame();
        }
        let is_content = self.settings.frame_end == FrameEnd::Strict || !byte.is_ascii_control();
        if is_content {
            self.state = State::InFrame;
            return self.hold(&[END_BLOCK]);
        }
        if byte != START_BLOCK {
            self.take(input, 1);
        }
        self.end_without_return(Some(byte))
    }

    fn in_noise(&mut self, input: &mut &[u8]) -> Option<Event> {
        let count = memchr::memchr2(START_BLOCK, END_BLOCK, input).unwrap_or(input.len());
        let noise = self.take(input, count);
        self.noise_bytes += noise.len() as u64;
        let room = KEPT_BYTES_MAX.saturating_sub(self.held.len());
        self.held.extend(noise.iter().take(room));
        if let Some((kind, length)) = self.other_protocol() {
            self.held.truncate(length);
            self.noise_bytes = length as u64;
            return Some(self.broken_noise(kind));
        }
        if self.noise_bytes > NOISE_BYTES_MAX {
            self.noise_bytes = NOISE_BYTES_MAX;
            return Some(self.broken_noise(ProblemKind::NotMllp));
        }
        match input.first() {
            Some(&START_BLOCK) => Some(self.end_noise()),
            Some(_) => {
                // A lost start block: the end block is the last that belongs to the message.
                self.take(input, 1);
                Some(self.end_noise())
            }
            None => None,
        }
    }

    /// The protocol that a connection's very first bytes belong to, and how many of them tell.
    fn other_protocol(&self) -> Option<(ProblemKind, usize)> {
        if self.started != 0 {
            return None;
        }
        if self.held.starts_with(TLS_RECORD) {
            return Some((ProblemKind::SpeaksTls, TLS_RECORD.len()));
        }
        let method = HTTP_METHODS.iter().find(|method| self.held.starts_with(method))?;
        Some((ProblemKind::SpeaksHttp, method.len()))
    }

    fn begin_frame(&mut self, input: &mut &[u8]) {
        self.started = self.offset;
        self.take(input, 1);
        self.state = State::InFrame;
    }

    /// Adds to the frame's content, unless that makes it too large.
    fn hold(&mut self, content: &[u8]) -> Option<Event> {
        let room = self.settings.frame_bytes_max.saturating_sub(self.held.len());
        if content.len() > room {
            self.held.extend(content.iter().take(room));
            return Some(self.broken_frame(ProblemKind::TooLarge));
        }
        self.held.extend_from_slice(content);
        None
    }

    fn end_frame(&mut self) -> Option<Event> {
        self.state = State::Idle;
        if self.held.iter().all(|byte| is_filler(*byte)) {
            self.held.clear();
            self.tally.empty_frames += 1;
            return None;
        }
        Some(Event::Frame(std::mem::take(&mut self.held)))
    }

    fn end_without_return(&mut self, found: Option<u8>) -> Option<Event> {
        let problem = Problem {
            kind: ProblemKind::EndWithoutReturn(found),
            offset: self.started,
            bytes_count: self.held.len() as u64,
            bytes: Vec::new(),
        };
        let frame = self.end_frame()?;
        self.tally.ends_without_return += 1;
        self.pending = Some(Event::Problem(problem));
        Some(frame)
    }

    fn broken_frame(&mut self, kind: ProblemKind) -> Event {
        let bytes_count = self.held.len() as u64;
        self.problem(kind, bytes_count)
    }

    fn broken_noise(&mut self, kind: ProblemKind) -> Event {
        self.tally.noise_bytes += self.noise_bytes;
        self.problem(kind, self.noise_bytes)
    }

    fn end_noise(&mut self) -> Event {
        let kind = if self.held.starts_with(b"MSH") { ProblemKind::NoStartBlock } else { ProblemKind::Noise };
        self.broken_noise(kind)
    }

    /// Gives up what is held, as a problem.
    fn problem(&mut self, kind: ProblemKind, bytes_count: u64) -> Event {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.truncate(KEPT_BYTES_MAX);
        bytes.shrink_to_fit();
        self.state = if kind.is_fatal() { State::Ended } else { State::Idle };
        Event::Problem(Problem { kind, offset: self.started, bytes_count, bytes })
    }

    /// Takes the first `count` bytes of `input`.
    fn take<'i>(&mut self, input: &mut &'i [u8], count: usize) -> &'i [u8] {
        let (taken, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
        self.offset += taken.len() as u64;
        *input = rest;
        taken
    }
}

/// The first two bytes of a TLS handshake record.
const TLS_RECORD: &[u8] = &[0x16, 0x03];

/// How an HTTP request begins.
const HTTP_METHODS: [&[u8]; 6] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"CONNECT "];

/// Bytes between frames that mean nothing: line ends, NUL, space, and the bytes of UTF-8 and UTF-16 byte order marks.
fn is_filler(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0 | b' ' | 0xEF | 0xBB | 0xBF | 0xFE | 0xFF)
}
