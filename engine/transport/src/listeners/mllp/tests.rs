//! The listener with peers that behave, and with those that do not.

use super::*;
use crate::listeners::{Answer, CloseReason, ConnectionEvent, FrameProblem, Received};
use crate::mllp_frame::{ProblemKind, Seen, Tally, Tolerance};
use socket2::SockRef;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
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
    let Fact::Connection(ConnectionEvent::Closed { tally, .. }) = running.facts.recv().await.unwrap() else {
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
    let failed = ConnectionEvent::HandlerFailed { peer: stream.local_addr().unwrap() };
    while running.facts.recv().await.unwrap() != Fact::Connection(failed.clone()) {}
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
