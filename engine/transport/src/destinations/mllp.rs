//! Messages over MLLP to a receiver that answers each one.
//!
//! What always holds: one message is in flight; an answer counts only when the caller's judge says that it is about this message;
//! a connection is used again only after an attempt that ended with such an answer. So a late answer can never meet the next message.

use super::{Attempt, Classified, Classify, Delivery, Outcome};
use crate::mllp_client::{ConnectError, MllpClient, NoFrame, connect};
use crate::mllp_frame;
use crate::stream::in_words;
use crate::tls::{HandshakeError, TlsClient, TlsClientSettings};
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// How an MLLP destination behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MllpSettings {
    /// `host:port`. A name is looked up at each connect.
    pub address: String,
    /// How long connecting may take. 10 s: a host that is up answers in milliseconds.
    pub connect_timeout: Duration,
    /// How long writing may take, and then how long the answer may take. 30 s: receivers that process before they answer need
    /// 5 to 30.
    pub answer_timeout: Duration,
    /// Whether the connection is kept for the next message. Some receivers want one a message.
    pub persistent: bool,
    /// TLS, where the receiver speaks it.
    pub tls: Option<TlsClientSettings>,
}

impl MllpSettings {
    /// The defaults, to an address.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            persistent: true,
            tls: None,
        }
    }
}

/// An MLLP destination with its connection, if there is one.
#[derive(Debug)]
pub struct MllpDestination {
    settings: MllpSettings,
    tls: Option<TlsClient>,
    client: Option<MllpClient>,
    /// The frame, written with one call.
    out: Vec<u8>,
}

impl MllpDestination {
    /// A destination without a connection; the first attempt opens one.
    pub fn new(settings: MllpSettings) -> Self {
        let tls = settings.tls.clone().map(|tls| TlsClient::new(tls, &[]));
        Self { settings, tls, client: None, out: Vec::new() }
    }

    /// Connects, so that it is known whether the receiver is there; the next attempt uses the connection.
    pub async fn reach(&mut self) -> Result<(), ConnectError> {
        self.client = Some(self.connected().await?);
        Ok(())
    }

    /// Sends a message and waits for its answer.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>, classify: &Classify<'_>) -> Attempt {
        let started = Instant::now();
        let (outcome, answer) = match self.exchange(delivery.payload, classify).await {
            Ok((outcome, answer)) => (outcome, Some(answer)),
            Err(outcome) => (outcome, None),
        };
        Attempt { outcome, answer, duration: started.elapsed() }
    }

    /// The answer to this message and what it says, or what kept it from coming.
    async fn exchange(
        &mut self,
        payload: &[u8],
        classify: &Classify<'_>,
    ) -> Result<(Outcome, Vec<u8>), Outcome> {
        // The connection is put back only after a matching answer: whatever else happens drops it, and closes it.
        let mut client = self.connected().await.map_err(|error| Outcome::retryable(error.code(), error))?;
        self.encode(payload);
        let deadline = Instant::now() + self.settings.answer_timeout;
        if let Err(error) = client.send(&self.out, deadline).await {
            return unsent(client, error, deadline, classify).await;
        }
        let deadline = Instant::now() + self.settings.answer_timeout;
        let answered = answer(&mut client, deadline, classify).await.map_err(unanswered)?;
        if self.settings.persistent {
            self.client = Some(client);
        }
        Ok(answered)
    }

    /// The connection at hand, unless the receiver closed it meanwhile, or a new one.
    async fn connected(&mut self) -> Result<MllpClient, ConnectError> {
        let mut kept = self.client.take();
        match kept.take_if(|client| !client.is_stale()) {
            Some(client) => Ok(client),
            None => {
                let MllpSettings { address, connect_timeout, .. } = &self.settings;
                connect(address, *connect_timeout, self.tls.as_ref()).await.map(MllpClient::on)
            }
        }
    }

    fn encode(&mut self, payload: &[u8]) {
        self.out.clear();
        self.out.shrink_to(OUT_BYTES_KEPT);
        mllp_frame::encode(payload, &mut self.out);
    }
}

/// How much room for a frame is kept between messages, so that one large message does not hold its memory for ever.
const OUT_BYTES_KEPT: usize = 1024 * 1024;

/// The answer to the message that was just sent; answers to others are passed over.
async fn answer(
    client: &mut MllpClient,
    deadline: Instant,
    classify: &Classify<'_>,
) -> Result<(Outcome, Vec<u8>), NoFrame> {
    loop {
        let frame = client.receive(deadline).await?;
        if let Classified::Outcome(outcome) = classify(&frame) {
            return Ok((outcome, frame));
        }
    }
}

/// The message could not be written whole. A receiver that refuses a message in its middle answers before it closes, so look
/// for that answer.
async fn unsent(
    mut client: MllpClient,
    error: io::Error,
    deadline: Instant,
    classify: &Classify<'_>,
) -> Result<(Outcome, Vec<u8>), Outcome> {
    // Nobody can have accepted what was not sent whole: such an answer is another's.
    if let Ok((outcome, answer)) = answer(&mut client, deadline, classify).await
        && outcome != Outcome::Delivered
    {
        return Ok((outcome, answer));
    }
    Err(match error.kind() {
        io::ErrorKind::TimedOut => {
            Outcome::retryable("send-timeout", "the receiver did not take the message in time")
        }
        _ => {
            let text = format!("the connection broke while sending: {}", in_words(&error));
            Outcome::retryable(lost(&error), text)
        }
    })
}

/// Where the connection did not just break, what the receiver said by TLS.
fn lost(error: &io::Error) -> &'static str {
    HandshakeError::within(error).map_or("connection-lost", |error| error.code())
}

fn unanswered(error: NoFrame) -> Outcome {
    let code = match &error {
        NoFrame::TimedOut(_) => "answer-timeout",
        NoFrame::Closed(_) => "closed-before-answer",
        NoFrame::Broken(error) => lost(error),
        NoFrame::Unusable(_) => "answer-unreadable",
    };
    Outcome::retryable(code, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    /// The judge of the tests: an answer is `yes <message>`, `no <message>` or nonsense.
    fn judge(payload: &[u8]) -> impl Fn(&[u8]) -> Classified + Send + Sync + use<> {
        let payload = String::from_utf8(payload.to_vec()).unwrap();
        move |answer: &[u8]| match String::from_utf8_lossy(answer).split_once(' ') {
            Some(("yes", about)) if about == payload => Classified::Outcome(Outcome::Delivered),
            Some(("no", about)) if about == payload => {
                Classified::Outcome(Outcome::Permanent { code: "no".into(), text: "refused".into() })
            }
            Some(_) => Classified::Foreign,
            None => Classified::Outcome(Outcome::retryable("nonsense", "cannot be read")),
        }
    }

    /// A receiver that does with its connections, one after another, what it is told.
    async fn receiver<F: Future<Output = ()> + Send + 'static>(
        script: impl FnOnce(TcpListener) -> F,
    ) -> (MllpDestination, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = MllpSettings::new(listener.local_addr().unwrap().to_string());
        settings.answer_timeout = Duration::from_millis(300);
        (MllpDestination::new(settings), tokio::spawn(script(listener)))
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        listener.accept().await.unwrap().0
    }

    async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, bytes);
    }

    async fn expect_end(stream: &mut TcpStream) {
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    }

    async fn attempt(destination: &mut MllpDestination, payload: &[u8]) -> Attempt {
        destination.attempt(&Delivery { id: "1", name: "", payload }, &judge(payload)).await
    }

    fn code(attempt: &Attempt) -> &str {
        match &attempt.outcome {
            Outcome::Delivered => "delivered",
            Outcome::Retryable { code, .. } | Outcome::Permanent { code, .. } => code,
        }
    }

    #[tokio::test]
    async fn one_connection_serves_many_messages_and_answers_are_kept() {
        let (mut destination, peer) = receiver(|listener| async move {
            let mut stream = accept(&listener).await;
            expect(&mut stream, b"\x0bA\x1c\r").await;
            stream.write_all(b"\x0byes A\x1c\r").await.unwrap();
            expect(&mut stream, b"\x0bB\x1c\r").await;
            stream.write_all(b"\x0bno B\x1c\r").await.unwrap();
            expect(&mut stream, b"\x0bC\x1c\r").await;
            stream.write_all(b"\x0byes C\x1c\r").await.unwrap();
        })
        .await;
        let first = attempt(&mut destination, b"A").await;
        assert_eq!((first.outcome, first.answer), (Outcome::Delivered, Some(b"yes A".to_vec())));
        let refused = attempt(&mut destination, b"B").await;
        assert_eq!((code(&refused), refused.answer.as_deref()), ("no", Some(b"no B".as_slice())));
        assert_eq!(code(&attempt(&mut destination, b"C").await), "delivered");
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_may_come_in_pieces_and_among_others() {
        let (mut destination, peer) = receiver(|listener| async move {
            let mut stream = accept(&listener).await;
            stream.set_nodelay(true).unwrap();
            expect(&mut stream, b"\x0bA\x1c\r").await;
            for piece in [b"\r\n\x0byes X\x1c\r\x0b".as_slice(), b"yes ", b"A\x1c", b"\r"] {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(code(&attempt(&mut destination, b"A").await), "delivered");
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn a_repeated_answer_is_not_credited_to_the_next_message() {
        let (mut destination, peer) = receiver(|listener| async move {
            let mut stream = accept(&listener).await;
            expect(&mut stream, b"\x0bA\x1c\r").await;
            stream.write_all(b"\x0byes A\x1c\r\x0byes A\x1c\r").await.unwrap();
            // The next message is called the same: only a connection without leftovers can tell the answers apart.
            let mut next = accept(&listener).await;
            expect(&mut next, b"\x0bA\x1c\r").await;
            next.write_all(b"\x0bno A\x1c\r").await.unwrap();
        })
        .await;
        assert_eq!(code(&attempt(&mut destination, b"A").await), "delivered");
        assert_eq!(code(&attempt(&mut destination, b"A").await), "no");
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn after_a_timeout_the_connection_is_closed_before_anything_is_sent_again() {
        let (mut destination, peer) = receiver(|listener| async move {
            let mut silent = accept(&listener).await;
            expect(&mut silent, b"\x0bA\x1c\r").await;
            expect_end(&mut silent).await;
            // A late answer has nobody left to reach.
            silent.write_all(b"\x0byes A\x1c\r").await.ok();
            let mut stream = accept(&listener).await;
            expect(&mut stream, b"\x0bA\x1c\r").await;
            stream.write_all(b"\x0byes A\x1c\r").await.unwrap();
        })
        .await;
        let timed_out = attempt(&mut destination, b"A").await;
        assert_eq!((code(&timed_out), &timed_out.answer), ("answer-timeout", &None));
        assert!(timed_out.duration >= Duration::from_millis(300));
        assert_eq!(code(&attempt(&mut destination, b"A").await), "delivered");
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_closed_while_idle_is_replaced_before_sending() {
        let (mut destination, peer) = receiver(|listener| async move {
            for _ in 0..3 {
                let mut stream = accept(&listener).await;
                expect(&mut stream, b"\x0bA\x1c\r").await;
                stream.write_all(b"\x0byes A\x1c\r").await.unwrap();
                stream.shutdown().await.unwrap();
                expect_end(&mut stream).await;
            }
        })
        .await;
        for _ in 0..3 {
            assert_eq!(code(&attempt(&mut destination, b"A").await), "delivered");
            let client = destination.client.as_mut().unwrap();
            while !client.is_stale() {
                tokio::task::yield_now().await;
            }
        }
        drop(destination);
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn one_connection_a_message_where_wanted() {
        let (mut destination, peer) = receiver(|listener| async move {
            for _ in 0..2 {
                let mut stream = accept(&listener).await;
                expect(&mut stream, b"\x0bA\x1c\r").await;
                stream.write_all(b"\x0byes A\x1c\r").await.unwrap();
                expect_end(&mut stream).await;
            }
        })
        .await;
        destination.settings.persistent = false;
        assert_eq!(code(&attempt(&mut destination, b"A").await), "delivered");
        assert_eq!(code(&attempt(&mut destination, b"A").await), "delivered");
        peer.await.unwrap();
    }

    /// What a receiver sends back instead of an answer, whether it then closes, and what the attempt says.
    #[tokio::test]
    async fn a_receiver_that_answers_nonsense() {
        let cases: &[(&[u8], bool, &str, &str)] = &[
            (b"", true, "closed-before-answer", "closed the connection instead of answering"),
            (
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                true,
                "closed-before-answer",
                "28 byte(s) without MLLP framing",
            ),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", false, "answer-timeout", "28 byte(s) without MLLP framing"),
            (b"\x0b\x06\x1c\r", false, "answer-timeout", "1 MLLP release 2 commit block(s)"),
            (b"\x15\x03\x03\x00\x02\x02\x46", true, "answer-unreadable", "speaks TLS"),
            (b"\x16\x03\x03\x00", false, "answer-unreadable", "speaks TLS"),
            (b"\x0byes", true, "answer-unreadable", "closed inside a frame"),
            (b"\x0byes", false, "answer-timeout", "no answer came in time"),
            (b"\x0bgibberish\x1c\r", false, "nonsense", "cannot be read"),
            (b"\x0byes A\x1c", true, "delivered", ""),
            (b"\x0byes A\x1c", false, "delivered", ""),
            (b"\x0byes B\x1c\r", false, "answer-timeout", "no answer came in time"),
        ];
        for (reply, closes, expected, says) in cases {
            let (mut destination, peer) = receiver(|listener| {
                let (reply, closes) = (reply.to_vec(), *closes);
                async move {
                    let mut stream = accept(&listener).await;
                    expect(&mut stream, b"\x0bA\x1c\r").await;
                    stream.write_all(&reply).await.unwrap();
                    if !closes {
                        expect_end(&mut stream).await;
                    }
                }
            })
            .await;
            let attempt = attempt(&mut destination, b"A").await;
            assert_eq!(code(&attempt), *expected, "{}", reply.escape_ascii());
            if let Outcome::Retryable { text, .. } = attempt.outcome {
                assert!(text.contains(says), "{text}");
            }
            drop(destination);
            peer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_message_refused_in_its_middle_is_heard() {
        let (mut destination, peer) = receiver(|listener| async move {
            let mut stream = accept(&listener).await;
            expect(&mut stream, b"\x0bxxx").await;
            stream.write_all(b"\x0bno\x1c\r").await.unwrap();
        })
        .await;
        let payload = vec![b'x'; 8 << 20];
        let too_large = Outcome::Permanent { code: "no".into(), text: "too large".into() };
        let delivery = Delivery { id: "1", name: "", payload: &payload };
        let refused = destination.attempt(&delivery, &|_| Classified::Outcome(too_large.clone())).await;
        // Whether the answer survives the reset is the network's luck; that it is no success is certain.
        assert!(["no", "connection-lost"].contains(&code(&refused)), "{}", code(&refused));
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn a_receiver_that_is_not_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut destination = MllpDestination::new(MllpSettings::new(address.clone()));
        let refused = attempt(&mut destination, b"A").await;
        let text = format!("{address} refuses connections: nobody listens there");
        assert_eq!(refused.outcome, Outcome::retryable("connect-refused", text));
        let mut destination = MllpDestination::new(MllpSettings::new("no-such-host.invalid:2575"));
        assert_eq!(code(&attempt(&mut destination, b"A").await), "connect-failed");
    }

    #[tokio::test]
    async fn an_attempt_given_up_closes_its_connection() {
        let (mut destination, peer) = receiver(|listener| async move {
            let mut stream = accept(&listener).await;
            expect(&mut stream, b"\x0bA\x1c\r").await;
            expect_end(&mut stream).await;
        })
        .await;
        destination.settings.answer_timeout = Duration::from_secs(60);
        let given_up = tokio::time::timeout(Duration::from_millis(50), attempt(&mut destination, b"A")).await;
        assert!(given_up.is_err());
        peer.await.unwrap();
        assert!(destination.client.is_none());
    }
}
