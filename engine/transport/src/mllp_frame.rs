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
    /// Its stable code, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::EndWithoutReturn(_) => "mllp-end-without-return",
            Self::Noise => "mllp-noise",
            Self::NoStartBlock => "mllp-no-start-block",
            Self::Restarted => "mllp-restarted",
            Self::TooLarge => "mllp-too-large",
            Self::CutOff => "mllp-cut-off",
            Self::Stalled => "mllp-stalled",
            Self::SpeaksTls => "mllp-speaks-tls",
            Self::SpeaksHttp => "mllp-speaks-http",
            Self::NotMllp => "mllp-not-mllp",
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: DecoderSettings =
        DecoderSettings { frame_bytes_max: 64 * 1024, frame_end: FrameEnd::Tolerant };

    /// All events of a stream that comes in these reads and then ends.
    fn decode(settings: DecoderSettings, reads: &[&[u8]]) -> (Vec<Event>, Tally) {
        let mut decoder = Decoder::new(settings);
        let mut events = Vec::new();
        for read in reads {
            let mut input = *read;
            while let Some(event) = decoder.next(&mut input) {
                events.push(event);
            }
            assert!(input.is_empty(), "what gives no event is taken whole");
        }
        while let Some(event) = decoder.on_end() {
            events.push(event);
        }
        assert_eq!(decoder.waiting(), Waiting::Nothing);
        (events, decoder.tally())
    }

    fn frame(content: &[u8]) -> Event {
        Event::Frame(content.to_vec())
    }

    fn problem(kind: ProblemKind, offset: u64, bytes: &[u8]) -> Event {
        let (bytes, bytes_count) = (bytes.to_vec(), bytes.len() as u64);
        Event::Problem(Problem { kind, offset, bytes_count, bytes })
    }

    /// The bare fact that a frame's end lacked its CR: the content was handed on already.
    fn end_without_return(found: Option<u8>, offset: u64, bytes_count: u64) -> Event {
        let kind = ProblemKind::EndWithoutReturn(found);
        Event::Problem(Problem { kind, offset, bytes_count, bytes: Vec::new() })
    }

    #[test]
    fn what_senders_do_in_the_field() {
        use ProblemKind::*;
        let cases: &[(&str, &[u8], Vec<Event>)] = &[
            ("a frame", b"\x0bMSH|A\r\x1c\r", vec![frame(b"MSH|A\r")]),
            ("two frames in one read", b"\x0bA\x1c\r\x0bB\x1c\r", vec![frame(b"A"), frame(b"B")]),
            ("nothing", b"", vec![]),
            ("keep-alive bytes", b"\r\n\0 ", vec![]),
            ("an empty frame as keep-alive", b"\x0b\x1c\r\x0bA\x1c\r", vec![frame(b"A")]),
            ("a frame of line ends as keep-alive", b"\x0b\r\n\x1c\r", vec![]),
            (
                "LF after the frame and before the next",
                b"\x0bA\x1c\r\n\n\x0bB\x1c\r",
                vec![frame(b"A"), frame(b"B")],
            ),
            ("NUL between frames", b"\x0bA\x1c\r\0\0\x0bB\x1c\r", vec![frame(b"A"), frame(b"B")]),
            ("a byte order mark before the frame", b"\xef\xbb\xbf\x0bA\x1c\r", vec![frame(b"A")]),
            (
                "a byte order mark in the frame stays",
                b"\x0b\xef\xbb\xbfA\x1c\r",
                vec![frame(b"\xef\xbb\xbfA")],
            ),
            ("a doubled start block", b"\x0b\x0bA\x1c\r", vec![frame(b"A")]),
            ("CR and LF inside are content", b"\x0bA\rB\r\nC\x1c\r", vec![frame(b"A\rB\r\nC")]),
            (
                "no CR, and the next frame follows",
                b"\x0bA\x1c\x0bB\x1c\r",
                vec![frame(b"A"), end_without_return(Some(0x0b), 0, 1), frame(b"B")],
            ),
            ("LF instead of CR", b"\x0bA\x1c\n", vec![frame(b"A"), end_without_return(Some(b'\n'), 0, 1)]),
            (
                "form feed instead of CR",
                b"\x0bA\x1c\x0c",
                vec![frame(b"A"), end_without_return(Some(0x0c), 0, 1)],
            ),
            (
                "no CR, and the connection ends",
                b"\x0bA\x1c",
                vec![frame(b"A"), end_without_return(None, 0, 1)],
            ),
            ("an empty frame without CR", b"\x0b\x1c\x0bA\x1c\r", vec![frame(b"A")]),
            ("1C before something printable is content", b"\x0bA\x1cB\x1c\r", vec![frame(b"A\x1cB")]),
            ("1C twice", b"\x0bA\x1c\x1c\r", vec![frame(b"A"), end_without_return(Some(0x1c), 0, 1)]),
            (
                "a start block inside a frame",
                b"\x0bMSH|old\x0bMSH|new\x1c\r",
                vec![problem(Restarted, 0, b"MSH|old"), frame(b"MSH|new")],
            ),
            ("a banner", b"hello\r\n\x0bA\x1c\r", vec![problem(Noise, 0, b"hello\r\n"), frame(b"A")]),
            (
                "a banner after filler",
                b"\r\nhello\x0bA\x1c\r",
                vec![problem(Noise, 2, b"hello"), frame(b"A")],
            ),
            (
                "no start block",
                b"MSH|lost\rPID|1\r\x1c\r\x0bA\x1c\r",
                vec![problem(NoStartBlock, 0, b"MSH|lost\rPID|1\r"), frame(b"A")],
            ),
            ("the connection ends inside a frame", b"\x0bMSH|A", vec![problem(CutOff, 0, b"MSH|A")]),
            ("the connection ends after a start block", b"\x0b", vec![problem(CutOff, 0, b"")]),
            ("the connection ends in noise", b"hello", vec![problem(Noise, 0, b"hello")]),
            (
                "TLS",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x0b\x1c\r",
                vec![problem(SpeaksTls, 0, b"\x16\x03")],
            ),
            ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", vec![problem(SpeaksHttp, 0, b"GET ")]),
            (
                "HTTP's word later is just noise",
                b"\x0bA\x1c\rGET /",
                vec![frame(b"A"), problem(Noise, 4, b"GET /")],
            ),
        ];
        for (name, bytes, expected) in cases {
            let (whole, _) = decode(SETTINGS, &[bytes]);
            assert_eq!(&whole, expected, "{name}, in one read");
            let (single, _) = decode(SETTINGS, &bytes.chunks(1).collect::<Vec<_>>());
            assert_eq!(&single, expected, "{name}, byte by byte");
        }
    }

    #[test]
    fn strict_frames_end_with_both_bytes_only() {
        let strict = DecoderSettings { frame_end: FrameEnd::Strict, ..SETTINGS };
        let (events, _) = decode(strict, &[b"\x0bA\x1c\nB\x1c\x1c\x1c\r\x0bC\x1c\r"]);
        assert_eq!(events, [frame(b"A\x1c\nB\x1c\x1c"), frame(b"C")]);
    }

    #[test]
    fn the_limit_is_the_largest_content_that_passes() {
        let small = DecoderSettings { frame_bytes_max: 5, ..SETTINGS };
        assert_eq!(decode(small, &[b"\x0b12345\x1c\r"]).0, [frame(b"12345")]);
        let refused = [problem(ProblemKind::TooLarge, 0, b"12345")];
        assert_eq!(decode(small, &[b"\x0b123456\x1c\r\x0bA\x1c\r"]).0, refused);
        assert_eq!(decode(small, &[b"\x0b12345", b"6"]).0, refused);
        assert_eq!(decode(small, &[b"\x0b12345\x1c", b"6"]).0, refused);
    }

    #[test]
    fn a_refused_frame_keeps_its_beginning_only() {
        let settings = DecoderSettings { frame_bytes_max: 1 << 20, ..SETTINGS };
        let bytes: Vec<u8> = [START_BLOCK].into_iter().chain(vec![b'x'; 2 << 20]).collect();
        let mut decoder = Decoder::new(settings);
        let event = decoder.next(&mut bytes.as_slice()).unwrap();
        let Event::Problem(problem) = event else { panic!("{event:?}") };
        assert_eq!((problem.kind, problem.bytes_count), (ProblemKind::TooLarge, 1 << 20));
        assert_eq!(problem.bytes.len(), KEPT_BYTES_MAX);
        assert!(problem.bytes.capacity() < 2 * KEPT_BYTES_MAX);
        assert_eq!(decoder.held.capacity(), 0);
    }

    #[test]
    fn a_frame_takes_memory_as_it_comes() {
        let mut decoder = Decoder::new(DecoderSettings { frame_bytes_max: 64 << 20, ..SETTINGS });
        assert_eq!(decoder.next(&mut [START_BLOCK].as_slice()), None);
        assert_eq!(decoder.held.capacity(), 0);
        assert_eq!(decoder.next(&mut [b'x'; 1000].as_slice()), None);
        assert!(decoder.held.capacity() <= 2000);
    }

    #[test]
    fn endless_noise_is_given_up() {
        let noise = vec![b'x'; NOISE_BYTES_MAX as usize + 1];
        let (events, tally) = decode(SETTINGS, &[&noise]);
        let [Event::Problem(problem)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((problem.kind, problem.bytes_count), (ProblemKind::NotMllp, NOISE_BYTES_MAX));
        assert_eq!(problem.bytes.len(), KEPT_BYTES_MAX);
        assert_eq!(tally.noise_bytes, NOISE_BYTES_MAX);
    }

    #[test]
    fn silence_ends_what_can_be_ended() {
        let mut decoder = Decoder::new(SETTINGS);
        assert_eq!((decoder.waiting(), decoder.on_silence()), (Waiting::NextFrame, None));

        assert_eq!(decoder.next(&mut b"\x0bA\x1c".as_slice()), None);
        assert_eq!(decoder.waiting(), Waiting::EndOfFrame);
        assert_eq!(decoder.on_silence(), Some(frame(b"A")));
        assert_eq!(decoder.on_silence(), Some(end_without_return(None, 0, 1)));
        assert_eq!(decoder.on_silence(), None);

        assert_eq!(decoder.next(&mut b"\rnoise".as_slice()), None);
        assert_eq!(decoder.waiting(), Waiting::EndOfNoise);
        assert_eq!(decoder.on_silence(), Some(problem(ProblemKind::Noise, 4, b"noise")));

        assert_eq!(decoder.next(&mut b"\x0bMSH".as_slice()), None);
        assert_eq!(decoder.waiting(), Waiting::RestOfFrame);
        assert_eq!(decoder.on_silence(), Some(problem(ProblemKind::Stalled, 9, b"MSH")));
        assert_eq!(decoder.waiting(), Waiting::Nothing);
        assert_eq!(decoder.next(&mut b"\x0bA\x1c\r".as_slice()), None);
    }

    #[test]
    fn what_is_passed_over_is_counted() {
        let (_, tally) = decode(SETTINGS, &[b"\r\n\x0b\x1c\r\x0bA\x1c\nnoise\x0bB\x1c\r\n"]);
        let expected = Tally { filler_bytes: 3, empty_frames: 1, noise_bytes: 5, ends_without_return: 1 };
        assert_eq!(tally, expected);
    }

    #[test]
    fn problems_tell_no_content() {
        let (events, _) = decode(SETTINGS, &[b"\x0bPID|SECRET\x0bA\x1c\r"]);
        let Some(Event::Problem(problem)) = events.first() else { panic!("{events:?}") };
        assert!(!problem.kind.to_string().contains("SECRET"));
    }

    /// Streams that mean something more often than chance would have it.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => proptest::collection::vec(any::<u8>(), 0..12),
            4 => "[ -~\r]{0,20}".prop_map(|content| {
                let mut out = Vec::new();
                encode(content.as_bytes(), &mut out);
                out
            }),
            2 => proptest::sample::select(vec![
                vec![START_BLOCK], vec![END_BLOCK], vec![CARRIAGE_RETURN], vec![b'\n'],
                b"MSH|".to_vec(), b"GET ".to_vec(), vec![0x16, 0x03],
            ]),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn settings() -> impl Strategy<Value = DecoderSettings> {
        let ends = prop_oneof![Just(FrameEnd::Tolerant), Just(FrameEnd::Strict)];
        (prop_oneof![Just(8_usize), Just(1024)], ends)
            .prop_map(|(frame_bytes_max, frame_end)| DecoderSettings { frame_bytes_max, frame_end })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn cuts_change_nothing(
            settings in settings(),
            bytes in stream(),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let reads: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(settings, &[&bytes]), decode(settings, &reads));
        }

        #[test]
        fn nothing_goes_beyond_the_limits(settings in settings(), bytes in stream()) {
            for event in decode(settings, &[&bytes]).0 {
                match event {
                    Event::Frame(content) => {
                        prop_assert!(!content.is_empty() && content.len() <= settings.frame_bytes_max);
                    }
                    Event::Problem(problem) => {
                        prop_assert!(problem.bytes.len() as u64 <= problem.bytes_count);
                        prop_assert!(problem.offset + problem.bytes_count <= bytes.len() as u64);
                    }
                }
            }
        }

        #[test]
        fn what_is_encoded_comes_back(
            contents in proptest::collection::vec("MSH[ -~\r\u{80}-\u{2FF}]{0,200}", 0..6),
        ) {
            let mut bytes = Vec::new();
            for content in &contents {
                encode(content.as_bytes(), &mut bytes);
            }
            let expected: Vec<Event> = contents.iter().map(|content| frame(content.as_bytes())).collect();
            prop_assert_eq!(decode(SETTINGS, &[&bytes]), (expected, Tally::default()));
        }
    }
}
