//! From bytes to frames.
//!
//! What always holds: the events depend on the bytes only, never on how reads cut them; a frame's bytes are handed on
//! unchanged; a frame that was cut off is never handed on as a frame, unless it was cut just behind an end block in it, which
//! then looks like its end; no more than the frame limit is ever held, and memory grows with what arrives, not with what may
//! arrive.

use super::{
    CARRIAGE_RETURN, END_BLOCK, Problem, ProblemKind, START_BLOCK, Seen, Tally, Tolerance, Tolerances,
};

/// How many bytes without a start block are skipped before the peer is given up: a banner or a message whose start block was
/// lost fits well, an endless stream of something else does not.
pub const NOISE_BYTES_MAX: u64 = 256 * 1024;

/// So many pieces of noise and cut frames in a row, without a frame that can be taken between them, are no accident: each is kept,
/// so that a peer of another kind could fill the disk with them.
const SPOILT_MAX: u32 = 100;

/// The limits and habits of one connection's decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderSettings {
    /// The largest content of a frame in bytes; a larger one is refused while it is read.
    pub frame_bytes_max: usize,
    /// The deviations that are not taken.
    pub refused: Tolerances,
}

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole frame's content, as received. Never empty: empty frames are keep-alives.
    Frame(Vec<u8>),
    /// Something that is not a frame to be taken.
    Problem(Problem),
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

/// Turns one connection's bytes into [`Event`]s. Hand every read to [`next`](Self::next) until it gives nothing more.
#[derive(Debug)]
pub struct Decoder {
    settings: DecoderSettings,
    state: State,
    /// Bytes taken since the connection was opened.
    offset: u64,
    /// Where the frame or noise that is being read began.
    started: u64,
    /// Where the last frame ended.
    ended: Option<u64>,
    /// The content of the frame so far, or the noise.
    pub(super) held: Vec<u8>,
    /// How long the noise is so far.
    noise_bytes: u64,
    /// Pieces of noise and cut frames since the last frame.
    spoilt: u32,
    /// The first deviation of what is being read that is not to be taken, and its offset.
    refused: Option<(Tolerance, u64)>,
    tally: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    InFrame,
    /// After an end block.
    MaybeEnd,
    /// After an end block and this control byte, where [`Tolerance::EndWithoutReturn`] is refused: what follows tells whether
    /// they are content.
    Unreturned(u8),
    /// In bytes between frames; which they are by the first of them.
    InNoise(Tolerance),
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
            ended: None,
            held: Vec::new(),
            noise_bytes: 0,
            spoilt: 0,
            refused: None,
            tally: Tally::default(),
        }
    }

    /// The next event in `input`, which is shortened by what was taken; nothing when all of it was taken without an event.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Event> {
        loop {
            let byte = *input.first()?;
            let event = match self.state {
                State::Idle => self.idle(byte, input),
                State::InFrame => self.in_frame(input),
                State::MaybeEnd => self.maybe_end(byte, input),
                State::Unreturned(control) => self.unreturned(control, byte),
                State::InNoise(tolerance) => self.in_noise(tolerance, byte, input),
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
    pub fn on_silence(&mut self) -> Option<Event> {
        match self.state {
            State::Idle | State::Ended => None,
            State::InFrame => Some(self.broken_frame(ProblemKind::Stalled)),
            State::MaybeEnd => self.end_without_return(1),
            State::Unreturned(_) => self.end_without_return(2),
            State::InNoise(tolerance) => Some(self.end_noise(tolerance)),
        }
    }

    /// The peer sends no more: what that means.
    pub fn on_end(&mut self) -> Option<Event> {
        let event = match self.state {
            State::InFrame => Some(self.broken_frame(ProblemKind::CutOff)),
            _ => self.on_silence(),
        };
        self.state = State::Ended;
        event
    }

    /// What the decoder waits for.
    pub fn waiting(&self) -> Waiting {
        match self.state {
            State::Idle => Waiting::NextFrame,
            State::InFrame => Waiting::RestOfFrame,
            State::MaybeEnd | State::Unreturned(_) => Waiting::EndOfFrame,
            State::InNoise(_) => Waiting::EndOfNoise,
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

    /// The deviations met since this was last asked, taken or refused.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn idle(&mut self, byte: u8, input: &mut &[u8]) -> Option<Event> {
        let between = match byte {
            START_BLOCK => {
                self.begin_frame(input);
                return None;
            }
            b'\n' if self.ended == Some(self.offset) => Tolerance::LineFeedAfterEnd,
            byte if is_filler(byte) => Tolerance::Filler,
            _ => Tolerance::Noise,
        };
        if between == Tolerance::Noise || self.settings.refused.contains(between) {
            self.started = self.offset;
            self.noise_bytes = 0;
            self.state = State::InNoise(between);
        } else {
            self.take(input, 1);
            self.meet(between, self.offset.saturating_sub(1));
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
            Some(&START_BLOCK) if self.held.is_empty() => {
                // A doubled start block loses nothing.
                self.meet(Tolerance::DoubledStartBlock, self.offset);
                self.begin_frame(input);
                None
            }
            Some(&START_BLOCK) => Some(self.restarted()),
            Some(_) => {
                self.take(input, 1);
                self.state = State::MaybeEnd;
                None
            }
            None => None,
        }
    }

    /// Gives up the unfinished frame; the start block is still to be read.
    fn restarted(&mut self) -> Event {
        self.refused = None;
        self.meet(Tolerance::Restarted, self.offset);
        match self.refused {
            Some((tolerance, offset)) => self.refused_frame(tolerance, offset),
            None => self.broken_frame(ProblemKind::Restarted),
        }
    }

    fn maybe_end(&mut self, byte: u8, input: &mut &[u8]) -> Option<Event> {
        match byte {
            CARRIAGE_RETURN => {
                self.take(input, 1);
                self.end_frame()
            }
            START_BLOCK => self.end_without_return(1),
            byte if !byte.is_ascii_control() => {
                self.state = State::InFrame;
                self.hold_end_block(&[END_BLOCK], 1)
            }
            _ if !self.settings.refused.contains(Tolerance::EndWithoutReturn) => {
                self.take(input, 1);
                self.end_without_return(2)
            }
            END_BLOCK => {
                let event = self.hold_end_block(&[END_BLOCK], 1);
                self.take(input, 1);
                event
            }
            control => {
                self.take(input, 1);
                self.state = State::Unreturned(control);
                None
            }
        }
    }

    fn unreturned(&mut self, control: u8, byte: u8) -> Option<Event> {
        if byte == START_BLOCK {
            return self.end_without_return(2);
        }
        self.state = State::InFrame;
        self.hold_end_block(&[END_BLOCK, control], 2)
    }

    fn in_noise(&mut self, tolerance: Tolerance, byte: u8, input: &mut &[u8]) -> Option<Event> {
        if tolerance == Tolerance::Noise && self.goes_on_as_message(byte) {
            let content = self.take(input, 1);
            self.held.extend_from_slice(content);
            self.noise_bytes += 1;
            if self.held == MESSAGE_BEGIN {
                self.state = State::InFrame;
                self.meet(Tolerance::NoStartBlock, self.started);
                let begin = std::mem::take(&mut self.held);
                return self.hold(&begin);
            }
            return None;
        }
        let count = memchr::memchr2(START_BLOCK, END_BLOCK, input).unwrap_or(input.len());
        let noise = self.take(input, count);
        self.noise_bytes += noise.len() as u64;
        let room = (NOISE_BYTES_MAX as usize).saturating_sub(self.held.len());
        self.held.extend(noise.iter().take(room));
        if let Some((kind, length)) = self.other_protocol() {
            self.held.truncate(length);
            return Some(self.problem(kind, self.started, length as u64));
        }
        if self.noise_bytes > NOISE_BYTES_MAX {
            return Some(self.problem(ProblemKind::NotMllp, self.started, NOISE_BYTES_MAX));
        }
        match input.first() {
            Some(&START_BLOCK) => Some(self.end_noise(tolerance)),
            Some(_) => {
                // The end block of something whose beginning was lost: it belongs to what came before.
                self.take(input, 1);
                Some(self.end_noise(tolerance))
            }
            None => None,
        }
    }

    /// Whether these bytes are, so far, the beginning of a message without a start block.
    fn goes_on_as_message(&self, byte: u8) -> bool {
        MESSAGE_BEGIN.strip_prefix(self.held.as_slice()).is_some_and(|rest| rest.first() == Some(&byte))
    }

    /// The protocol that a connection's very first bytes belong to, and how many of them tell.
    fn other_protocol(&self) -> Option<(ProblemKind, usize)> {
        if self.started != 0 {
            return None;
        }
        if let Some(record) = TLS_RECORDS.iter().find(|record| self.held.starts_with(record)) {
            return Some((ProblemKind::SpeaksTls, record.len()));
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

    /// Adds an end block that was none to the content; it came `back` bytes ago.
    fn hold_end_block(&mut self, content: &[u8], back: u64) -> Option<Event> {
        self.meet(Tolerance::EndBlockInside, self.offset.saturating_sub(back));
        self.hold(content)
    }

    fn end_frame(&mut self) -> Option<Event> {
        self.state = State::Idle;
        self.ended = Some(self.offset);
        let is_empty = self.held.iter().all(|byte| is_filler(*byte));
        if is_empty {
            self.meet(Tolerance::EmptyFrame, self.started);
        }
        if let Some((tolerance, offset)) = self.refused.take() {
            return Some(self.refused_frame(tolerance, offset));
        }
        self.spoilt = 0;
        let content = std::mem::take(&mut self.held);
        (!is_empty).then_some(Event::Frame(content))
    }

    /// The end block that came `back` bytes ago ends the frame, although no CR followed it.
    fn end_without_return(&mut self, back: u64) -> Option<Event> {
        self.meet(Tolerance::EndWithoutReturn, self.offset.saturating_sub(back));
        self.end_frame()
    }

    fn end_noise(&mut self, tolerance: Tolerance) -> Event {
        self.meet(tolerance, self.started);
        let kind = match self.refused.take() {
            Some((tolerance, _)) => ProblemKind::Refused(tolerance),
            None => ProblemKind::Noise,
        };
        self.problem(kind, self.started, self.noise_bytes)
    }

    /// Counts a deviation; one that is refused spoils what is being read.
    fn meet(&mut self, tolerance: Tolerance, offset: u64) {
        self.tally.add(Seen { tolerance, count: 1, last_offset: offset });
        if self.settings.refused.contains(tolerance) {
            self.refused.get_or_insert((tolerance, offset));
        }
    }

    fn broken_frame(&mut self, kind: ProblemKind) -> Event {
        self.problem(kind, self.started, self.held.len() as u64)
    }

    fn refused_frame(&mut self, tolerance: Tolerance, offset: u64) -> Event {
        self.problem(ProblemKind::Refused(tolerance), offset, self.held.len() as u64)
    }

    /// Gives up what is held, as a problem.
    fn problem(&mut self, kind: ProblemKind, offset: u64, bytes_count: u64) -> Event {
        self.spoilt += u32::from(matches!(kind, ProblemKind::Noise | ProblemKind::Restarted));
        let kind = if self.spoilt > SPOILT_MAX { ProblemKind::NotMllp } else { kind };
        let mut bytes = std::mem::take(&mut self.held);
        bytes.truncate(kind.bytes_kept_max());
        bytes.shrink_to_fit();
        self.refused = None;
        self.state = if kind.is_fatal() { State::Ended } else { State::Idle };
        Event::Problem(Problem { kind, offset, bytes_count, bytes })
    }

    /// Takes the first `count` bytes of `input`.
    fn take<'i>(&mut self, input: &mut &'i [u8], count: usize) -> &'i [u8] {
        let (taken, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
        self.offset += taken.len() as u64;
        *input = rest;
        taken
    }
}

/// How a message begins, so that it is known without its start block.
const MESSAGE_BEGIN: &[u8] = b"MSH";

/// The first two bytes of TLS records: of a handshake, and of the alert that a peer gives who expected one.
const TLS_RECORDS: [&[u8]; 2] = [&[0x16, 0x03], &[0x15, 0x03]];

/// How an HTTP request begins.
const HTTP_METHODS: [&[u8]; 6] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"CONNECT "];

/// Bytes between frames that mean nothing: line ends, NUL, space, and the bytes of UTF-8 and UTF-16 byte order marks.
fn is_filler(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0 | b' ' | 0xEF | 0xBB | 0xBF | 0xFE | 0xFF)
}
