//! One peer's connection: reads, hands over and answers, until there is a reason to close.

use super::MllpListenerSettings;
use crate::listeners::accept::secured;
use crate::listeners::{Answer, CloseReason, ConnectionEvent, FrameProblem, Handler, Received};
use crate::mllp_frame::{self, Decoder, DecoderSettings, Event, Problem, Tally, Waiting};
use crate::stream::Stream;
use crate::tls::TlsServer;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// How much is read at once: many small messages or a good part of a large one, for a few megabytes in all at the usual
/// number of connections.
const READ_BYTES: usize = 32 * 1024;

/// How long to wait for the CR of `1C 0D`, and for the end of noise: both come at once or not at all.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// The progress that renews a frame's time.
const FRAME_PROGRESS_BYTES: u64 = 1024;

/// How long a connection that we close is still emptied: closing with bytes unread would reset it, and the peer would lose the
/// answer that tells why.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);

/// One peer's connection.
pub(super) struct Connection<H> {
    peer: SocketAddr,
    /// The name in its certificate.
    name: Option<Arc<str>>,
    number: u64,
    handler: Arc<H>,
    settings: MllpListenerSettings,
    messages_count: u64,
    /// All deviations met so far.
    tally: Tally,
    /// The frames of an answer, written with one call.
    out: Vec<u8>,
}

impl<H: Handler> Connection<H> {
    pub(super) fn new(
        peer: SocketAddr,
        number: u64,
        handler: Arc<H>,
        settings: MllpListenerSettings,
    ) -> Self {
        let (name, messages_count, tally, out) = Default::default();
        Self { peer, name, number, handler, settings, messages_count, tally, out }
    }

    /// Serves the peer until one of both ends it.
    pub(super) async fn serve(
        mut self,
        stream: TcpStream,
        tls: Option<Arc<TlsServer>>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let (connection, peer) = (self.number, self.peer);
        self.handler.connection(ConnectionEvent::Opened { connection, peer });
        let reason =
            match secured(stream, tls.as_deref(), connection, peer, &*self.handler, &mut stopped).await {
                Ok((mut stream, name)) => {
                    self.name = name;
                    self.talk(&mut stream, &mut stopped).await
                }
                Err(reason) => reason,
            };
        let (messages_count, tally) = (self.messages_count, self.tally);
        self.handler.connection(ConnectionEvent::Closed { connection, peer, reason, messages_count, tally });
    }

    async fn talk(&mut self, stream: &mut Stream, stopped: &mut watch::Receiver<bool>) -> CloseReason {
        let mut decoder = Decoder::new(DecoderSettings {
            frame_bytes_max: self.settings.frame_bytes_max,
            refused: self.settings.refused,
        });
        let reason = self.converse(stream, &mut decoder, stopped).await;
        match reason {
            CloseReason::Problem | CloseReason::Handler => linger(stream, stopped).await,
            CloseReason::Shutdown => stream.discard_unread(),
            _ => {}
        }
        reason
    }

    /// Reads, hands over and answers, until there is a reason to close.
    async fn converse(
        &mut self,
        stream: &mut Stream,
        decoder: &mut Decoder,
        stopped: &mut watch::Receiver<bool>,
    ) -> CloseReason {
        let mut buffer = vec![0; READ_BYTES];
        let mut patience = Patience::new();
        loop {
            let deadline = patience.deadline(decoder, &self.settings);
            let read = tokio::select! {
                biased;
                _ = stopped.changed() => return CloseReason::Shutdown,
                read = timeout_at(deadline, stream.read_marked(&mut buffer)) => read,
            };
            let handled = match read {
                Ok(Ok(0)) => self.handle_end(stream, decoder).await,
                Ok(Ok(count)) => {
                    let input = buffer.get(..count).unwrap_or_default();
                    self.handle_input(stream, decoder, input, stopped).await
                }
                Ok(Err(error)) => return self.broken(decoder, error.kind()).await,
                Err(_) => self.handle_silence(stream, decoder).await,
            };
            if let Err(reason) = handled {
                return reason;
            }
        }
    }

    async fn handle_input(
        &mut self,
        stream: &mut Stream,
        decoder: &mut Decoder,
        mut input: &[u8],
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), CloseReason> {
        while let Some(event) = decoder.next(&mut input) {
            self.tell_deviations(decoder);
            self.handle(stream, event).await?;
            if *stopped.borrow() {
                return Err(CloseReason::Shutdown);
            }
        }
        // Such as keep-alives, of which nothing comes.
        self.tell_deviations(decoder);
        Ok(())
    }

    async fn handle_silence(
        &mut self,
        stream: &mut Stream,
        decoder: &mut Decoder,
    ) -> Result<(), CloseReason> {
        if decoder.waiting() == Waiting::NextFrame {
            return Err(CloseReason::Idle);
        }
        match decoder.on_silence() {
            Some(event) => {
                self.tell_deviations(decoder);
                self.handle(stream, event).await
            }
            None => Ok(()),
        }
    }

    async fn handle_end(&mut self, stream: &mut Stream, decoder: &mut Decoder) -> Result<(), CloseReason> {
        if let Some(event) = decoder.on_end() {
            self.tell_deviations(decoder);
            self.handle(stream, event).await?;
        }
        Err(CloseReason::Peer)
    }

    /// The connection broke: nothing can be answered, but what was cut off is told.
    async fn broken(&mut self, decoder: &mut Decoder, kind: io::ErrorKind) -> CloseReason {
        let event = decoder.on_end();
        self.tell_deviations(decoder);
        if let Some(Event::Problem(problem)) = event {
            self.tell(problem).await;
        }
        CloseReason::Broken(kind)
    }

    async fn handle(&mut self, stream: &mut Stream, event: Event) -> Result<(), CloseReason> {
        match event {
            Event::Frame(bytes) => {
                self.messages_count += 1;
                let received =
                    Received { bytes, peer: self.peer, name: self.name.clone(), connection: self.number };
                let answer = self.handler.message(received).await;
                self.write(stream, &answer).await?;
                if answer.close { Err(CloseReason::Handler) } else { Ok(()) }
            }
            Event::Problem(problem) => {
                let fatal = problem.kind.is_fatal();
                if let Some(frame) = self.tell(problem).await {
                    self.write(stream, &Answer::one(frame)).await?;
                }
                if fatal { Err(CloseReason::Problem) } else { Ok(()) }
            }
        }
    }

    async fn tell(&self, problem: Problem) -> Option<Vec<u8>> {
        let (peer, name, connection) = (self.peer, self.name.clone(), self.number);
        self.handler.problem(FrameProblem { problem, peer, name, connection }).await
    }

    /// Tells the handler which deviations were met since the last time, before it gets what they were met in.
    fn tell_deviations(&mut self, decoder: &mut Decoder) {
        let met = decoder.take_tally();
        if met.is_empty() {
            return;
        }
        for seen in met.seen() {
            self.tally.add(*seen);
        }
        self.handler.deviations(self.peer, self.number, &met);
    }

    async fn write(&mut self, stream: &mut Stream, answer: &Answer) -> Result<(), CloseReason> {
        self.out.clear();
        for frame in &answer.frames {
            mllp_frame::encode(frame, &mut self.out);
        }
        match timeout(self.settings.write_timeout, stream.send(&self.out)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(CloseReason::AnswerLost(error.kind())),
            Err(_) => Err(CloseReason::AnswerLost(io::ErrorKind::TimedOut)),
        }
    }
}

/// Ends our side and empties the other for a while.
async fn linger(stream: &mut Stream, stopped: &mut watch::Receiver<bool>) {
    let mut buffer = vec![0; READ_BYTES];
    let empty = async {
        // Under TLS this waits for a peer that reads nothing any more.
        if stream.shutdown().await.is_err() {
            return;
        }
        // An error means that the peer is gone, as an end does.
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    };
    tokio::select! {
        _ = stopped.changed() => {}
        _ = timeout(LINGER_TIME_MAX, empty) => {}
    }
}

/// How long a connection waits for the next bytes.
struct Patience {
    /// The frame that is being read, by where it began, the bytes taken when its time was renewed last, and its time.
    frame: Option<(u64, u64, Instant)>,
}

impl Patience {
    fn new() -> Self {
        Self { frame: None }
    }

    fn deadline(&mut self, decoder: &Decoder, settings: &MllpListenerSettings) -> Instant {
        let now = Instant::now();
        match decoder.waiting() {
            Waiting::RestOfFrame => self.frame_deadline(decoder, now, settings.frame_timeout),
            Waiting::NextFrame | Waiting::Nothing => now + settings.idle_timeout,
            Waiting::EndOfFrame | Waiting::EndOfNoise => now + PROMPT_TIMEOUT,
        }
    }

    fn frame_deadline(&mut self, decoder: &Decoder, now: Instant, frame_timeout: Duration) -> Instant {
        let (began, offset) = (decoder.started(), decoder.offset());
        if let Some((frame, mark, deadline)) = self.frame
            && frame == began
            && offset < mark + FRAME_PROGRESS_BYTES
        {
            return deadline;
        }
        let deadline = now + frame_timeout;
        self.frame = Some((began, offset, deadline));
        deadline
    }
}
