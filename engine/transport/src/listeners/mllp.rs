//! Messages over MLLP: the listener that legacy systems connect to.
//!
//! What always holds: answers leave in the order of the frames, each after the handler gave it; while the handler works the
//! connection is not read, so that a slow store slows the sender and fills no memory; a failed accept never ends the listener;
//! on shutdown the message in flight is finished and its answer written, and what was not yet handed over is left unanswered,
//! which tells the sender to send it again.

use super::{Answer, BindError, CloseReason, ConnectionEvent, FrameProblem, Handler, Received};
use crate::mllp_frame::{self, Decoder, DecoderSettings, Event, FrameEnd, Problem, ProblemKind, Waiting};
use socket2::{SockRef, TcpKeepalive};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How an MLLP listener behaves. Each limit says why it stands where it does.
#[derive(Debug, Clone)]
pub struct MllpListenerSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The largest message in bytes. 64 MiB: embedded PDFs and images of tens of megabytes are common.
    pub frame_bytes_max: usize,
    /// How many peers at once. 64: a feed needs one, a sender gone wrong must not take the files of all others.
    pub connections_max: usize,
    /// How long a connection may be silent between messages. 10 minutes: longer than any sender waits between its keep-alives,
    /// and connections whose peer vanished do not pile up.
    pub idle_timeout: Duration,
    /// How long the next 1,024 bytes of a frame, or its end, may take. 30 s: a stalled sender is found, a slow line is not cut,
    /// and a byte now and then does not hold a connection for ever.
    pub frame_timeout: Duration,
    /// How long a peer may take to read its answer. 30 s, as for a frame.
    pub write_timeout: Duration,
    /// What ends a frame.
    pub frame_end: FrameEnd,
}

impl MllpListenerSettings {
    /// The defaults, on an address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            frame_bytes_max: 64 * 1024 * 1024,
            connections_max: 64,
            idle_timeout: Duration::from_secs(600),
            frame_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            frame_end: FrameEnd::Tolerant,
        }
    }
}

/// An MLLP listener with its address taken.
#[derive(Debug)]
pub struct MllpListener {
    socket: TcpListener,
    address: SocketAddr,
    settings: MllpListenerSettings,
}

impl MllpListener {
    /// Takes the address, so that peers can connect; they are served from [`run`](Self::run) on.
    pub async fn bind(settings: MllpListenerSettings) -> Result<Self, BindError> {
        let wrap = |source| BindError::new(settings.listen, source);
        let socket = TcpListener::bind(settings.listen).await.map_err(wrap)?;
        let address = socket.local_addr().map_err(wrap)?;
        Ok(Self { socket, address, settings })
    }

    /// Where it listens; with port 0 in the settings, the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready; then takes in no more, finishes what is in flight, and returns.
    pub async fn run<H: Handler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut number = 0;
        let mut pause = ACCEPT_PAUSE_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => {
                    if ended.is_err() {
                        handler.connection(ConnectionEvent::HandlerFailed);
                    }
                    continue;
                }
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((_, peer)) if connections.len() >= self.settings.connections_max => {
                    let connections_max = self.settings.connections_max;
                    handler.connection(ConnectionEvent::Refused { peer, connections_max });
                }
                Ok((stream, peer)) => {
                    pause = ACCEPT_PAUSE_MIN;
                    number += 1;
                    let connection =
                        Connection::new(stream, peer, number, handler.clone(), self.settings.clone());
                    connections.spawn(connection.serve(stopped.clone()));
                }
                Err(error) => {
                    let (kind, text) = (error.kind(), error.to_string());
                    handler.connection(ConnectionEvent::AcceptFailed { kind, text });
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = sleep(pause) => pause = (pause * 2).min(ACCEPT_PAUSE_MAX),
                    }
                }
            }
        }
        drop(self.socket);
        // No connection may be left that could hear it: then there is nothing to stop.
        stop.send(true).ok();
        while let Some(ended) = connections.join_next().await {
            if ended.is_err() {
                handler.connection(ConnectionEvent::HandlerFailed);
            }
        }
    }
}

/// The first and the longest pause after a failed accept: files may be free again soon, and a spinning loop helps nobody.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How much is read at once: many small messages or a good part of a large one, for a few megabytes in all at the usual
/// number of connections.
const READ_BYTES: usize = 32 * 1024;

/// How long to wait for the CR of `1C 0D`, and for the end of noise: both come at once or not at all.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// The progress that renews a frame's time.
const FRAME_PROGRESS_BYTES: u64 = 1024;

/// After how long a silent connection is probed by TCP, so that firewalls keep it and vanished peers are noticed.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);

/// How long a connection that we close is still emptied: closing with bytes unread would reset it, and the peer would lose the
/// answer that tells why.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);

/// One peer's connection.
struct Connection<H> {
    stream: TcpStream,
    peer: SocketAddr,
    number: u64,
    handler: Arc<H>,
    settings: MllpListenerSettings,
    messages_count: u64,
    /// Tolerated deviations that the handler was told already.
    told: Vec<ProblemKind>,
    /// The frames of an answer, written with one call.
    out: Vec<u8>,
}

impl<H: Handler> Connection<H> {
    fn new(
        stream: TcpStream,
        peer: SocketAddr,
        number: u64,
        handler: Arc<H>,
        settings: MllpListenerSettings,
    ) -> Self {
        Self { stream, peer, number, handler, settings, messages_count: 0, told: Vec::new(), out: Vec::new() }
    }

    /// Serves the peer until one of both ends it.
    async fn serve(mut self, mut stopped: watch::Receiver<bool>) {
        self.handler.connection(ConnectionEvent::Opened { connection: self.number, peer: self.peer });
        prepare(&self.stream);
        let mut decoder = Decoder::new(DecoderSettings {
            frame_bytes_max: self.settings.frame_bytes_max,
            frame_end: self.settings.frame_end,
        });
        let reason = self.converse(&mut decoder, &mut stopped).await;
        if matches!(reason, CloseReason::Problem | CloseReason::Handler) {
            self.linger(&mut stopped).await;
        }
        self.handler.connection(ConnectionEvent::Closed {
            connection: self.number,
            peer: self.peer,
            reason,
            messages_count: self.messages_count,
            tally: decoder.tally(),
        });
    }

    /// Reads, hands over and answers, until there is a reason to close.
    async fn converse(&mut self, decoder: &mut Decoder, stopped: &mut watch::Receiver<bool>) -> CloseReason {
        let mut buffer = vec![0; READ_BYTES];
        let mut patience = Patience::new();
        loop {
            let deadline = patience.deadline(decoder, &self.settings);
            let read = tokio::select! {
                biased;
                _ = stopped.changed() => return CloseReason::Shutdown,
                read = timeout_at(deadline, self.stream.read(&mut buffer)) => read,
            };
            let handled = match read {
                Ok(Ok(0)) => self.handle_end(decoder).await,
                Ok(Ok(count)) => {
                    let input = buffer.get(..count).unwrap_or_default();
                    self.handle_input(decoder, input, stopped).await
                }
                Ok(Err(error)) => return self.broken(decoder, error.kind()).await,
                Err(_) => self.handle_silence(decoder).await,
            };
            if let Err(reason) = handled {
                return reason;
            }
        }
    }

    async fn handle_input(
        &mut self,
        decoder: &mut Decoder,
        mut input: &[u8],
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), CloseReason> {
        while let Some(event) = decoder.next(&mut input) {
            self.handle(event).await?;
            if *stopped.borrow() {
                return Err(CloseReason::Shutdown);
            }
        }
        Ok(())
    }

    async fn handle_silence(&mut self, decoder: &mut Decoder) -> Result<(), CloseReason> {
        if decoder.waiting() == Waiting::NextFrame {
            return Err(CloseReason::Idle);
        }
        while let Some(event) = decoder.on_silence() {
            self.handle(event).await?;
        }
        Ok(())
    }

    async fn handle_end(&mut self, decoder: &mut Decoder) -> Result<(), CloseReason> {
        while let Some(event) = decoder.on_end() {
            self.handle(event).await?;
        }
        Err(CloseReason::Peer)
    }

    /// The connection broke: nothing can be answered, but what was cut off is told.
    async fn broken(&mut self, decoder: &mut Decoder, kind: io::ErrorKind) -> CloseReason {
        if let Some(Event::Problem(problem)) = decoder.on_end() {
            self.tell(problem).await;
        }
        CloseReason::Broken(kind)
    }

    async fn handle(&mut self, event: Event) -> Result<(), CloseReason> {
        match event {
            Event::Frame(bytes) => {
                self.messages_count += 1;
                let received = Received { bytes, peer: self.peer, connection: self.number };
                let answer = self.handler.message(received).await;
                self.write(&answer).await?;
                if answer.close { Err(CloseReason::Handler) } else { Ok(()) }
            }
            Event::Problem(problem) => {
                let fatal = problem.kind.is_fatal();
                if let Some(frame) = self.tell(problem).await {
                    self.write(&Answer::one(frame)).await?;
                }
                if fatal { Err(CloseReason::Problem) } else { Ok(()) }
            }
        }
    }

    /// Tells the handler of a problem, and of a tolerated one only the first time.
    async fn tell(&mut self, problem: Problem) -> Option<Vec<u8>> {
        let tolerated = matches!(problem.kind, ProblemKind::EndWithoutReturn(_) | ProblemKind::Noise);
        if tolerated {
            if self.told.contains(&problem.kind) {
                return None;
            }
            self.told.push(problem.kind);
        }
        self.handler.problem(FrameProblem { problem, peer: self.peer, connection: self.number }).await
    }

    async fn write(&mut self, answer: &Answer) -> Result<(), CloseReason> {
        self.out.clear();
        for frame in &answer.frames {
            mllp_frame::encode(frame, &mut self.out);
        }
        match timeout(self.settings.write_timeout, self.stream.write_all(&self.out)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(CloseReason::AnswerLost(error.kind())),
            Err(_) => Err(CloseReason::AnswerLost(io::ErrorKind::TimedOut)),
        }
    }

    /// Ends our side and empties the other for a while.
    async fn linger(&mut self, stopped: &mut watch::Receiver<bool>) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut buffer = vec![0; READ_BYTES];
        let empty = async {
            // An error means that the peer is gone, as an end does.
            while self.stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        };
        tokio::select! {
            _ = stopped.changed() => {}
            _ = timeout(LINGER_TIME_MAX, empty) => {}
        }
    }
}

/// Settles a socket's options; a system that refuses one serves without it.
fn prepare(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_TIME / 6);
    SockRef::from(stream).set_tcp_keepalive(&keepalive).ok();
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
