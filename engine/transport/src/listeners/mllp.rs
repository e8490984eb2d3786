//! Messages over MLLP: the listener that legacy systems connect to.
//!
//! What always holds: answers leave in the order of the frames, each after the handler gave it; while the handler works the
//! connection is not read, so that a slow store slows the sender and fills no memory; a failed accept never ends the listener;
//! on shutdown the message in flight is finished and its answer written, and what was not yet handed over is left unanswered,
//! which tells the sender to send it again.

use super::{Answer, BindError, CloseReason, ConnectionEvent, FrameProblem, Handler, Received};
use crate::mllp_frame::{self, Decoder, DecoderSettings, Event, Problem, Tally, Tolerances, Waiting};
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
    /// The deviations that are not taken. None: what can be understood without guessing is.
    pub refused: Tolerances,
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
            refused: Tolerances::NONE,
        }
    }
}

/// An address that is held, also while no listener runs at it: peers that connect then wait.
#[derive(Debug, Clone)]
pub struct TakenAddress(Arc<TcpListener>);

/// An MLLP listener with its address taken.
#[derive(Debug)]
pub struct MllpListener {
    socket: Arc<TcpListener>,
    address: SocketAddr,
    settings: MllpListenerSettings,
}

impl MllpListener {
    /// Takes the address, so that peers can connect; they are served from [`run`](Self::run) on.
    pub async fn bind(settings: MllpListenerSettings) -> Result<Self, BindError> {
        let wrap = |source| BindError::new(settings.listen, source);
        let socket = TcpListener::bind(settings.listen).await.map_err(wrap)?;
        Self::at(TakenAddress(Arc::new(socket)), settings)
    }

    /// Listens where another listener does or did; who connects in between is served by this one.
    pub fn at(taken: TakenAddress, settings: MllpListenerSettings) -> Result<Self, BindError> {
        let address = taken.0.local_addr().map_err(|source| BindError::new(settings.listen, source))?;
        Ok(Self { socket: taken.0, address, settings })
    }

    /// Its address, to be handed on.
    pub fn taken(&self) -> TakenAddress {
        TakenAddress(self.socket.clone())
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
    /// All deviations met so far.
    tally: Tally,
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
        Self {
            stream,
            peer,
            number,
            handler,
            settings,
            messages_count: 0,
            tally: Tally::default(),
            out: Vec::new(),
        }
    }

    /// Serves the peer until one of both ends it.
    async fn serve(mut self, mut stopped: watch::Receiver<bool>) {
        self.handler.connection(ConnectionEvent::Opened { connection: self.number, peer: self.peer });
        prepare(&self.stream);
        let mut decoder = Decoder::new(DecoderSettings {
            frame_bytes_max: self.settings.frame_bytes_max,
            refused: self.settings.refused,
        });
        let reason = self.converse(&mut decoder, &mut stopped).await;
        match reason {
            CloseReason::Problem | CloseReason::Handler => self.linger(&mut stopped).await,
            CloseReason::Shutdown => self.discard_unread(),
            _ => {}
        }
        self.handler.connection(ConnectionEvent::Closed {
            connection: self.number,
            peer: self.peer,
            reason,
            messages_count: self.messages_count,
            tally: self.tally,
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
            self.tell_deviations(decoder);
            self.handle(event).await?;
            if *stopped.borrow() {
                return Err(CloseReason::Shutdown);
            }
        }
        // Such as keep-alives, of which nothing comes.
        self.tell_deviations(decoder);
        Ok(())
    }

    async fn handle_silence(&mut self, decoder: &mut Decoder) -> Result<(), CloseReason> {
        if decoder.waiting() == Waiting::NextFrame {
            return Err(CloseReason::Idle);
        }
        match decoder.on_silence() {
            Some(event) => {
                self.tell_deviations(decoder);
                self.handle(event).await
            }
            None => Ok(()),
        }
    }

    async fn handle_end(&mut self, decoder: &mut Decoder) -> Result<(), CloseReason> {
        if let Some(event) = decoder.on_end() {
            self.tell_deviations(decoder);
            self.handle(event).await?;
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

    async fn tell(&self, problem: Problem) -> Option<Vec<u8>> {
        self.handler.problem(FrameProblem { problem, peer: self.peer, connection: self.number }).await
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

    /// Takes what came meanwhile and is left unanswered: closing with bytes unread would reset the connection, and the answer
    /// written last could be lost.
    fn discard_unread(&self) {
        let mut buffer = vec![0; READ_BYTES];
        while self.stream.try_read(&mut buffer).is_ok_and(|count| count > 0) {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mllp_frame::{ProblemKind, Seen, Tolerance};
    use std::net::Ipv4Addr;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use tokio::sync::{Semaphore, oneshot};
    use tokio::task::JoinHandle;

    /// Answers `ok:` and the message; holds each message until a permit is there; tells what happened.
    struct Recorder {
        facts: UnboundedSender<Fact>,
        permits: Semaphore,
    }

    #[derive(Debug, PartialEq)]
    enum Fact {
        Message(Vec<u8>),
        Problem(ProblemKind, u64),
        Deviation(Seen),
        Connection(ConnectionEvent),
    }

    impl Handler for Recorder {
        async fn message(&self, received: Received) -> Answer {
            self.facts.send(Fact::Message(received.bytes.clone())).unwrap();
            self.permits.acquire().await.unwrap().forget();
            match received.bytes.as_slice() {
                b"bye" => Answer { frames: vec![b"bye".to_vec()], close: true },
                b"quiet" => Answer::none(),
                b"two" => Answer { frames: vec![b"1".to_vec(), b"2".to_vec()], close: false },
                b"panic" => panic!("a handler's fault"),
                bytes => Answer::one([b"ok:", bytes].concat()),
            }
        }

        async fn problem(&self, problem: FrameProblem) -> Option<Vec<u8>> {
            let problem = problem.problem;
            self.facts.send(Fact::Problem(problem.kind, problem.bytes_count)).unwrap();
            (problem.kind == ProblemKind::TooLarge).then(|| b"too large".to_vec())
        }

        fn deviations(&self, _: SocketAddr, _: u64, met: &Tally) {
            for seen in met.seen() {
                self.facts.send(Fact::Deviation(*seen)).unwrap();
            }
        }

        fn connection(&self, event: ConnectionEvent) {
            self.facts.send(Fact::Connection(event)).unwrap();
        }
    }

    /// A running listener.
    struct Running {
        address: SocketAddr,
        recorder: Arc<Recorder>,
        facts: UnboundedReceiver<Fact>,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    }

    const MANY: usize = 1 << 20;

    async fn start(change: impl FnOnce(&mut MllpListenerSettings)) -> Running {
        let mut settings = MllpListenerSettings::new((Ipv4Addr::LOCALHOST, 0).into());
        change(&mut settings);
        let listener = MllpListener::bind(settings).await.unwrap();
        let address = listener.local_addr();
        let (sender, facts) = unbounded_channel();
        let recorder = Arc::new(Recorder { facts: sender, permits: Semaphore::new(MANY) });
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            stopped.await.ok();
        };
        let task = tokio::spawn(listener.run(recorder.clone(), shutdown));
        Running { address, recorder, facts, stop, task }
    }

    impl Running {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn hold_messages(&self) {
            self.recorder.permits.acquire_many(MANY as u32).await.unwrap().forget();
        }

        /// The next message or problem.
        async fn content(&mut self) -> Fact {
            loop {
                match self.facts.recv().await.unwrap() {
                    Fact::Connection(_) => {}
                    fact => return fact,
                }
            }
        }

        /// How the next connection that ends ends, and how many messages came over it.
        async fn closed(&mut self) -> (CloseReason, u64) {
            loop {
                if let Fact::Connection(ConnectionEvent::Closed { reason, messages_count, .. }) =
                    self.facts.recv().await.unwrap()
                {
                    return (reason, messages_count);
                }
            }
        }
    }

    async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, bytes);
    }

    async fn expect_end(stream: &mut TcpStream) {
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn each_message_is_answered_in_its_turn() {
        let running = start(|_| {}).await;
        let mut stream = running.connect().await;
        for _ in 0..3 {
            stream.write_all(b"\x0bA\r\x1c\r").await.unwrap();
            expect(&mut stream, b"\x0bok:A\r\x1c\r").await;
        }
        stream.write_all(b"\x0btwo\x1c\r\x0bquiet\x1c\r\x0bB\x1c\r").await.unwrap();
        expect(&mut stream, b"\x0b1\x1c\r\x0b2\x1c\r\x0bok:B\x1c\r").await;
    }

    #[tokio::test]
    async fn a_frame_may_come_byte_by_byte() {
        let running = start(|_| {}).await;
        let mut stream = running.connect().await;
        stream.set_nodelay(true).unwrap();
        for byte in b"\x0bMSH|A\r\x1c\r" {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        expect(&mut stream, b"\x0bok:MSH|A\r\x1c\r").await;
    }

    #[tokio::test]
    async fn a_peer_that_has_sent_its_last_still_gets_its_answers() {
        let mut running = start(|_| {}).await;
        let mut stream = running.connect().await;
        stream.write_all(b"\x0bA\x1c\r\x0bB\x1c\r\x0bC\x1c").await.unwrap();
        stream.shutdown().await.unwrap();
        expect(&mut stream, b"\x0bok:A\x1c\r\x0bok:B\x1c\r\x0bok:C\x1c\r").await;
        expect_end(&mut stream).await;
        assert_eq!(running.closed().await, (CloseReason::Peer, 3));
    }

    #[tokio::test]
    async fn a_cut_off_message_is_told_and_not_handed_on() {
        let mut running = start(|_| {}).await;
        let mut stream = running.connect().await;
        stream.write_all(b"\x0bMSH|half").await.unwrap();
        stream.shutdown().await.unwrap();
        expect_end(&mut stream).await;
        assert_eq!(running.content().await, Fact::Problem(ProblemKind::CutOff, 8));
        assert_eq!(running.closed().await, (CloseReason::Problem, 0));
    }

    #[tokio::test]
    async fn a_look_at_the_port_is_no_problem() {
        let mut running = start(|_| {}).await;
        drop(running.connect().await);
        assert_eq!(running.closed().await, (CloseReason::Peer, 0));
    }

    #[tokio::test]
    async fn a_peer_that_does_not_wait_for_its_answer_loses_only_the_answer() {
        let mut running = start(|_| {}).await;
        running.hold_messages().await;
        let mut stream = running.connect().await;
        stream.write_all(b"\x0bA\x1c\r\x0bB\x1c\r").await.unwrap();
        assert_eq!(running.content().await, Fact::Message(b"A".to_vec()));
        // Closing without lingering resets the connection, so that writing to it fails for certain.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        running.recorder.permits.add_permits(MANY);
        let (reason, messages_count) = running.closed().await;
        assert!(matches!(reason, CloseReason::AnswerLost(_)), "{reason:?}");
        assert_eq!(messages_count, 1);
    }

    #[tokio::test]
    async fn a_message_too_large_is_refused_while_it_comes_and_the_sender_is_told() {
        let mut running = start(|settings| settings.frame_bytes_max = 100_000).await;
        let mut stream = running.connect().await;
        let message = [b"\x0b".as_slice(), &[b'x'; 1_000_000], b"\x1c\r"].concat();
        // All of it can be written: the listener empties the connection that it will close.
        stream.write_all(&message).await.unwrap();
        expect(&mut stream, b"\x0btoo large\x1c\r").await;
        expect_end(&mut stream).await;
        drop(stream);
        assert_eq!(running.content().await, Fact::Problem(ProblemKind::TooLarge, 100_000));
        assert_eq!(running.closed().await, (CloseReason::Problem, 0));
    }

    #[tokio::test]
    async fn other_protocols_are_shown_the_door() {
        for (bytes, kind, count) in [
            (b"\x16\x03\x01\x00\xa5\x01".as_slice(), ProblemKind::SpeaksTls, 2),
            (b"GET / HTTP/1.0\r\n\r\n", ProblemKind::SpeaksHttp, 4),
        ] {
            let mut running = start(|_| {}).await;
            let mut stream = running.connect().await;
            stream.write_all(bytes).await.unwrap();
            expect_end(&mut stream).await;
            drop(stream);
            assert_eq!(running.content().await, Fact::Problem(kind, count));
            assert_eq!(running.closed().await, (CloseReason::Problem, 0));
        }
    }

    #[tokio::test]
    async fn deviations_are_told_before_the_message_they_were_met_in() {
        let mut running = start(|_| {}).await;
        let mut stream = running.connect().await;
        let without_return =
            |count, last_offset| Seen { tolerance: Tolerance::EndWithoutReturn, count, last_offset };
        for (message, offset) in [(b'A', 2), (b'B', 6)] {
            stream.write_all(&[0x0b, message, 0x1c, b'\n']).await.unwrap();
            expect(&mut stream, &[b"\x0bok:", [message].as_slice(), b"\x1c\r"].concat()).await;
            assert_eq!(running.content().await, Fact::Deviation(without_return(1, offset)));
            assert_eq!(running.content().await, Fact::Message(vec![message]));
        }
        drop(stream);
        let Fact::Connection(ConnectionEvent::Closed { tally, .. }) = running.facts.recv().await.unwrap()
        else {
            panic!("nothing else was to be told");
        };
        assert_eq!(tally.seen(), [without_return(2, 6)]);
    }

    #[tokio::test]
    async fn a_refused_deviation_inside_a_frame_is_told_and_the_next_frame_is_taken() {
        let refused = [Tolerance::DoubledStartBlock].into_iter().collect();
        let mut running = start(|settings| settings.refused = refused).await;
        let mut stream = running.connect().await;
        stream.write_all(b"\x0b\x0bA\x1c\r\x0bB\x1c\r").await.unwrap();
        expect(&mut stream, b"\x0bok:B\x1c\r").await;
        let Fact::Deviation(_) = running.content().await else { panic!() };
        let kind = ProblemKind::Refused(Tolerance::DoubledStartBlock);
        assert_eq!(running.content().await, Fact::Problem(kind, 1));
    }

    #[tokio::test]
    async fn refused_bytes_between_frames_end_the_connection() {
        let refused = [Tolerance::Filler].into_iter().collect();
        let mut running = start(|settings| settings.refused = refused).await;
        let mut stream = running.connect().await;
        stream.write_all(b"\r\n\x0bA\x1c\r").await.unwrap();
        expect_end(&mut stream).await;
        drop(stream);
        let Fact::Deviation(_) = running.content().await else { panic!() };
        let kind = ProblemKind::Refused(Tolerance::Filler);
        assert_eq!(running.content().await, Fact::Problem(kind, 2));
        assert_eq!(running.closed().await, (CloseReason::Problem, 0));
    }

    #[tokio::test]
    async fn an_end_without_return_is_taken_after_a_moment() {
        let running = start(|_| {}).await;
        let mut stream = running.connect().await;
        stream.write_all(b"\x0bA\x1c").await.unwrap();
        expect(&mut stream, b"\x0bok:A\x1c\r").await;
    }

    #[tokio::test]
    async fn a_drip_of_bytes_does_not_hold_a_connection() {
        let mut running = start(|settings| settings.frame_timeout = Duration::from_millis(50)).await;
        let (mut read, mut write) = running.connect().await.into_split();
        let drip = tokio::spawn(async move {
            write.write_all(b"\x0bMSH|").await.unwrap();
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            // Until the listener has closed.
            while write.write_all(b"x").await.is_ok() {
                ticks.tick().await;
            }
        });
        assert_eq!(read.read(&mut [0; 16]).await.unwrap(), 0);
        let Fact::Problem(ProblemKind::Stalled, _) = running.content().await else { panic!() };
        drip.abort();
        drip.await.ok();
        drop(read);
        assert_eq!(running.closed().await, (CloseReason::Problem, 0));
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_without_complaint() {
        let mut running = start(|settings| settings.idle_timeout = Duration::from_millis(20)).await;
        let mut stream = running.connect().await;
        expect_end(&mut stream).await;
        assert_eq!(running.closed().await, (CloseReason::Idle, 0));
    }

    #[tokio::test]
    async fn one_too_many_is_turned_away() {
        let mut running = start(|settings| settings.connections_max = 1).await;
        let mut first = running.connect().await;
        first.write_all(b"\x0bA\x1c\r").await.unwrap();
        expect(&mut first, b"\x0bok:A\x1c\r").await;
        let mut second = running.connect().await;
        assert_eq!(second.read(&mut [0; 16]).await.unwrap_or(0), 0);
        first.write_all(b"\x0bB\x1c\r").await.unwrap();
        expect(&mut first, b"\x0bok:B\x1c\r").await;
        drop(first);
        running.closed().await;
        let mut third = running.connect().await;
        third.write_all(b"\x0bC\x1c\r").await.unwrap();
        expect(&mut third, b"\x0bok:C\x1c\r").await;
    }

    #[tokio::test]
    async fn the_handler_can_close() {
        let mut running = start(|_| {}).await;
        let mut stream = running.connect().await;
        stream.write_all(b"\x0bbye\x1c\r").await.unwrap();
        expect(&mut stream, b"\x0bbye\x1c\r").await;
        expect_end(&mut stream).await;
        drop(stream);
        assert_eq!(running.closed().await, (CloseReason::Handler, 1));
    }

    #[tokio::test]
    async fn a_handlers_panic_ends_its_connection_only() {
        let mut running = start(|_| {}).await;
        let mut other = running.connect().await;
        let mut stream = running.connect().await;
        stream.write_all(b"\x0bpanic\x1c\r").await.unwrap();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0);
        while running.facts.recv().await.unwrap() != Fact::Connection(ConnectionEvent::HandlerFailed) {}
        other.write_all(b"\x0bA\x1c\r").await.unwrap();
        expect(&mut other, b"\x0bok:A\x1c\r").await;
    }

    #[tokio::test]
    async fn shutdown_finishes_what_is_in_flight_and_takes_in_no_more() {
        let mut running = start(|_| {}).await;
        running.hold_messages().await;
        let mut idle = running.connect().await;
        let mut busy = running.connect().await;
        busy.write_all(b"\x0bA\x1c\r\x0bB\x1c\r").await.unwrap();
        assert_eq!(running.content().await, Fact::Message(b"A".to_vec()));
        running.stop.send(()).unwrap();
        expect_end(&mut idle).await;
        assert!(!running.task.is_finished());
        running.recorder.permits.add_permits(MANY);
        expect(&mut busy, b"\x0bok:A\x1c\r").await;
        expect_end(&mut busy).await;
        running.task.await.unwrap();
        assert!(TcpStream::connect(running.address).await.is_err());
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_had_says_what_to_do() {
        let running = start(|_| {}).await;
        let taken = MllpListener::bind(MllpListenerSettings::new(running.address)).await.unwrap_err();
        assert!(matches!(taken, BindError::InUse { .. }));
        assert!(taken.to_string().contains("is in use by another program"), "{taken}");
        let foreign = MllpListenerSettings::new("192.0.2.1:0".parse().unwrap());
        let foreign = MllpListener::bind(foreign).await.unwrap_err();
        assert!(foreign.to_string().contains("this machine has no address 192.0.2.1"), "{foreign}");
    }
}
