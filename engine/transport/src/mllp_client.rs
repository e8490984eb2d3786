//! One MLLP connection seen from the sender: connect, send a frame, receive a frame.
//!
//! What always holds: every wait has a deadline; an answer has a size limit; MLLP release 2 commit blocks are passed over, as
//! they say nothing about the message. Which answer belongs to which message is not decided here.

use crate::mllp_frame::{Decoder, DecoderSettings, Event, ProblemKind, START_BLOCK, Tolerances, Waiting};
use crate::stream::{Stream, in_words, prepare};
use crate::tls::{HandshakeError, TlsClient};
use std::fmt;
use std::io;
use std::ops::Range;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// A connection to a receiver.
#[derive(Debug)]
pub struct MllpClient {
    stream: Stream,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// The part of `buffer` that was read and not decoded yet.
    unread: Range<usize>,
    oddities: Oddities,
}

/// What a receiver sent that is no answer; part of the explanation when the answer never comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oddities {
    /// MLLP release 2 commit blocks.
    pub commit_blocks: u64,
    /// Bytes outside any frame.
    pub unframed_bytes: u64,
}

impl fmt::Display for Oddities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.commit_blocks > 0 {
            write!(f, "; it sent {} MLLP release 2 commit block(s)", self.commit_blocks)?;
        }
        if self.unframed_bytes > 0 {
            write!(f, "; it sent {} byte(s) without MLLP framing", self.unframed_bytes)?;
        }
        Ok(())
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("{address} refuses connections: nobody listens there")]
    Refused {
        /// The address wanted.
        address: String,
    },
    /// No reply in time.
    #[error("{address} did not take the connection within {} s", timeout.as_secs_f32())]
    TimedOut {
        /// The address wanted.
        address: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The receiver is there, but TLS did not come about.
    #[error("TLS with {address}: {error}")]
    Handshake {
        /// The address wanted.
        address: String,
        /// What went wrong.
        error: HandshakeError,
    },
    /// Anything else: a name that is not known, a network that cannot be reached.
    #[error("cannot connect to {address}: {source}")]
    Other {
        /// The address wanted.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl ConnectError {
    /// A stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "connect-refused",
            Self::TimedOut { .. } => "connect-timeout",
            Self::Handshake { error, .. } => error.code(),
            Self::Other { .. } => "connect-failed",
        }
    }
}

/// Why no frame came. In all cases the connection cannot be used any further.
#[derive(Debug, thiserror::Error)]
pub enum NoFrame {
    /// Nothing (or nothing usable) came in time.
    #[error("no answer came in time{0}")]
    TimedOut(Oddities),
    /// The receiver closed the connection instead.
    #[error("the receiver closed the connection instead of answering{0}")]
    Closed(Oddities),
    /// The connection broke.
    #[error("the connection broke before the answer came: {}", in_words(.0))]
    Broken(io::Error),
    /// What came cannot be read as MLLP.
    #[error("the receiver's answer cannot be read: {0}")]
    Unusable(ProblemKind),
}

impl MllpClient {
    /// Connects to `address` (`host:port`).
    pub async fn connect(address: &str, connect_timeout: Duration) -> Result<Self, ConnectError> {
        connect(address, connect_timeout, None).await.map(Self::on)
    }

    /// A connection to a receiver, by MLLP from now on.
    pub(crate) fn on(stream: Stream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(DecoderSettings {
                frame_bytes_max: ANSWER_BYTES_MAX,
                refused: Tolerances::NONE,
            }),
            buffer: vec![0; READ_BYTES],
            unread: 0..0,
            oddities: Oddities::default(),
        }
    }

    /// Whether the connection must not be used for another message: the receiver closed it while it was idle (sending would seem
    /// to succeed, and the answer never come), or has sent something that nobody asked for (an answer given twice would be taken
    /// for the answer to the next message). Filler between frames is harmless and dropped.
    pub fn is_stale(&mut self) -> bool {
        let unread = self.buffer.get(self.unread.clone()).unwrap_or_default();
        if unread.contains(&START_BLOCK) || self.decoder.waiting() == Waiting::RestOfFrame {
            return true;
        }
        self.unread = 0..0;
        let mut idle = [0; IDLE_BYTES_MAX];
        match self.stream.read_now(&mut idle) {
            Ok(0) => true,
            Ok(count) => count == idle.len() || idle.contains(&START_BLOCK) || self.stream.has_news(),
            // Under TLS something may have come that tokio has not heard of yet.
            Err(error) => error.kind() != io::ErrorKind::WouldBlock || self.stream.has_news(),
        }
    }

    /// Writes a frame, already encoded (see [`crate::mllp_frame::encode`]), until `deadline`.
    pub async fn send(&mut self, encoded: &[u8], deadline: Instant) -> io::Result<()> {
        match timeout_at(deadline, self.stream.send(encoded)).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// The content of the next frame that comes until `deadline`.
    pub async fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, NoFrame> {
        loop {
            while let Some(event) = self.next_unread() {
                if let Some(frame) = self.accept(event)? {
                    return Ok(frame);
                }
            }
            let patience = self.patience(deadline);
            match timeout_at(patience, self.stream.read_marked(&mut self.buffer)).await {
                Ok(Ok(0)) => return self.receive_last(),
                Ok(Ok(count)) => self.unread = 0..count,
                Ok(Err(error)) => return Err(NoFrame::Broken(error)),
                Err(_) => {
                    if let Some(frame) = self.receive_after_silence(patience == deadline)? {
                        return Ok(frame);
                    }
                }
            }
        }
    }

    fn next_unread(&mut self) -> Option<Event> {
        let mut input = self.buffer.get(self.unread.clone()).unwrap_or_default();
        let event = self.decoder.next(&mut input);
        self.unread.start = self.unread.end.saturating_sub(input.len());
        event
    }

    /// The frame that the silence ended, if it did.
    fn receive_after_silence(&mut self, is_last: bool) -> Result<Option<Vec<u8>>, NoFrame> {
        let event = match self.decoder.waiting() {
            Waiting::EndOfFrame | Waiting::EndOfNoise => self.decoder.on_silence(),
            Waiting::NextFrame | Waiting::RestOfFrame | Waiting::Nothing => None,
        };
        match event.map(|event| self.accept(event)).transpose()?.flatten() {
            None if is_last => Err(NoFrame::TimedOut(self.oddities)),
            frame => Ok(frame),
        }
    }

    /// The frame that the receiver's closing ended, if it did.
    fn receive_last(&mut self) -> Result<Vec<u8>, NoFrame> {
        if let Some(event) = self.decoder.on_end() {
            if let Event::Problem(problem) = &event
                && problem.kind == ProblemKind::CutOff
            {
                return Err(NoFrame::Unusable(problem.kind));
            }
            if let Some(frame) = self.accept(event)? {
                return Ok(frame);
            }
        }
        Err(NoFrame::Closed(self.oddities))
    }

    /// The frame in an event, unless it is a commit block or harmless.
    fn accept(&mut self, event: Event) -> Result<Option<Vec<u8>>, NoFrame> {
        match event {
            Event::Frame(frame) if COMMIT_BLOCKS.contains(&frame.as_slice()) => {
                self.oddities.commit_blocks += 1;
                Ok(None)
            }
            Event::Frame(frame) => Ok(Some(frame)),
            Event::Problem(problem) if problem.kind.is_fatal() => Err(NoFrame::Unusable(problem.kind)),
            Event::Problem(problem) => {
                if problem.kind == ProblemKind::Noise {
                    self.oddities.unframed_bytes += problem.bytes_count;
                }
                Ok(None)
            }
        }
    }

    fn patience(&self, deadline: Instant) -> Instant {
        match self.decoder.waiting() {
            Waiting::EndOfFrame | Waiting::EndOfNoise => deadline.min(Instant::now() + PROMPT_TIMEOUT),
            Waiting::NextFrame | Waiting::RestOfFrame | Waiting::Nothing => deadline,
        }
    }
}

/// A connection to `address` (`host:port`), with TLS where it is wanted.
pub(crate) async fn connect(
    address: &str,
    connect_timeout: Duration,
    tls: Option<&TlsClient>,
) -> Result<Stream, ConnectError> {
    let stream = match timeout(connect_timeout, TcpStream::connect(address)).await {
        Err(_) => {
            return Err(ConnectError::TimedOut { address: address.to_owned(), timeout: connect_timeout });
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(ConnectError::Refused { address: address.to_owned() });
        }
        Ok(Err(source)) => return Err(ConnectError::Other { address: address.to_owned(), source }),
        Ok(Ok(stream)) => stream,
    };
    prepare(&stream);
    let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    // An IPv6 address stands in brackets before a port.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let handshake = |error| ConnectError::Handshake { address: address.to_owned(), error };
    tls.connect(stream, host).await.map_err(handshake)
}

/// The largest answer in bytes: an acknowledgement has a few hundred, a query's response may have many.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much is read at once: answers are short.
const READ_BYTES: usize = 8 * 1024;

/// How long to wait for the CR of `1C 0D`, and for the end of noise: both come at once or not at all.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// How much filler may stand between an answer and the next message.
const IDLE_BYTES_MAX: usize = 256;

/// The contents of MLLP release 2's positive and negative commit blocks.
const COMMIT_BLOCKS: [&[u8]; 2] = [&[0x06], &[0x15]];
