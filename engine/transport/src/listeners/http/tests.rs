//! Requests as clients send them, good ones and others, and what they are answered.

use super::*;
use crate::listeners::{Answer, FrameProblem, Handler, Posted, Received, Verdict};
use crate::secret::SecretSource;
use crate::tls::tests::Authority;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Answers with what it got; the first letter of the message says what becomes of it. Holds each until a permit is there.
struct Recorder {
    events: UnboundedSender<ConnectionEvent>,
    permits: Semaphore,
    begun: Semaphore,
}

impl Handler for Recorder {
    async fn message(&self, _: Received) -> Answer {
        panic!("there are no frames")
    }

    async fn problem(&self, _: FrameProblem) -> Option<Vec<u8>> {
        panic!("there are no frames")
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, event: ConnectionEvent) {
        self.events.send(event).unwrap();
    }
}

impl PostHandler for Recorder {
    async fn post(&self, received: Received, media_type: Option<&str>) -> Posted {
        self.begun.add_permits(1);
        self.permits.acquire().await.unwrap().forget();
        let verdict = match received.bytes.first() {
            Some(b'u') => Verdict::Unreadable,
            Some(b'p') => Verdict::NotProcessed,
            Some(b'n') => Verdict::NotNow,
            _ => Verdict::Taken,
        };
        let body = if received.bytes == b"quiet" { Vec::new() } else { [b"got ", &*received.bytes].concat() };
        Posted { verdict, body, media_type: media_type.unwrap_or("text/none").to_owned() }
    }
}

struct Running {
    address: SocketAddr,
    recorder: Arc<Recorder>,
    events: UnboundedReceiver<ConnectionEvent>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

const MANY: usize = 1 << 20;

async fn start(change: impl FnOnce(&mut HttpListenerSettings)) -> Running {
    let mut settings = HttpListenerSettings::new((Ipv4Addr::LOCALHOST, 0).into());
    settings.path = "/in".to_owned();
    settings.media_types = vec!["text/plain", "application/xml"];
    settings.body_bytes_max = 1000;
    change(&mut settings);
    let listener = HttpListener::bind(settings).await.unwrap();
    let address = listener.local_addr();
    let (sender, events) = unbounded_channel();
    let recorder =
        Arc::new(Recorder { events: sender, permits: Semaphore::new(MANY), begun: Semaphore::new(0) });
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        stopped.await.ok();
    };
    let task = tokio::spawn(listener.run(recorder.clone(), shutdown));
    Running { address, recorder, events, stop, task }
}

impl Running {
    /// All that comes back for these bytes, after which the client has no more to say.
    async fn say(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        all(&mut stream).await
    }

    async fn closed(&mut self) -> (CloseReason, u64) {
        loop {
            if let ConnectionEvent::Closed { reason, messages_count, .. } = self.events.recv().await.unwrap()
            {
                return (reason, messages_count);
            }
        }
    }
}

async fn all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn post(head: &str, body: &str) -> String {
    format!("POST /in HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A request, the status of its answer, and words of that.
async fn asked(running: &Running, request: &str, status: u16, words: &[&str]) {
    let answer = running.say(request).await;
    let is = answer.split(' ').nth(1).unwrap_or_default();
    assert_eq!(is, status.to_string(), "{request}\n{answer}");
    for words in words {
        assert!(answer.contains(words), "{words} is not in the answer to\n{request}\n{answer}");
    }
}

#[tokio::test]
async fn what_becomes_of_a_message_is_the_status() {
    let running = start(|_| {}).await;
    asked(
        &running,
        &post("Content-Type: Text/Plain; charset=utf-8\r\n", "MSH"),
        200,
        &["content-type: text/plain\r\n", "\r\n\r\ngot MSH"],
    )
    .await;
    asked(&running, &post("", "MSH"), 200, &["text/none"]).await;
    asked(&running, &post("", "quiet"), 204, &[]).await;
    asked(&running, &post("", "u"), 400, &["got u"]).await;
    asked(&running, &post("", "p"), 422, &["got p"]).await;
    asked(&running, &post("", "n"), 503, &["retry-after: 10", "got n"]).await;
    let chunked = "POST /in?x=y HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nMS\r\n1\r\nH\r\n0\r\n\r\n";
    asked(&running, chunked, 200, &["got MSH"]).await;
    asked(&running, "POST /in HTTP/1.0\r\nContent-Length: 3\r\n\r\nMSH", 200, &["got MSH"]).await;
}

#[tokio::test]
async fn what_is_no_message_is_turned_away_with_words() {
    let mut running = start(|_| {}).await;
    let large = "x".repeat(1001);
    let chunked = format!(
        "POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{large}\r\n0\r\n\r\n"
    );
    let cases = [
        (
            "POST /out HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            404,
            vec!["messages are posted to /in"],
        ),
        ("GET /in HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 405, vec!["allow: POST", "the method POST"]),
        (post("", &large), 413, vec!["larger than 1000 bytes"]),
        (chunked, 413, vec!["larger than 1000 bytes"]),
        (post("Content-Type: image/png\r\n", "x"), 415, vec!["these are: text/plain, application/xml"]),
        (post("Content-Encoding: gzip\r\n", "x"), 415, vec!["encoded as gzip"]),
        (post("", ""), 400, vec!["has no body"]),
        ("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nMSH".to_owned(), 400, vec![]),
    ];
    for (request, status, words) in &cases {
        asked(&running, request, *status, words).await;
        while let Ok(event) = running.events.try_recv() {
            if let ConnectionEvent::RequestRefused { status: told, .. } = event {
                assert_eq!(told, *status, "{request}");
            }
        }
    }
    for nonsense in ["\u{b}MSH|^~\\&\r\u{1c}\r", "\u{16}\u{3}\u{1}", "hello\r\n\r\n"] {
        let answer = running.say(nonsense).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(matches!(
            running.closed().await.0,
            CloseReason::Problem | CloseReason::Broken(_) | CloseReason::Peer
        ));
    }
}

#[tokio::test]
async fn only_whoever_may_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "open sesame\n").unwrap();
    let secret = SecretSource::File(folder.path().join("secret"));
    let bearer = start(|settings| settings.credentials = Some(Credentials::Bearer(secret.clone()))).await;
    asked(&bearer, &post("", "MSH"), 401, &["www-authenticate: Bearer", "missing or wrong"]).await;
    asked(&bearer, &post("Authorization: Bearer open\r\n", "MSH"), 401, &[]).await;
    asked(&bearer, &post("Authorization: bearer open sesame\r\n", "MSH"), 200, &["got MSH"]).await;
    let user = Credentials::Basic { user: "orderly".to_owned(), password: secret.clone() };
    let basic = start(|settings| settings.credentials = Some(user)).await;
    // "orderly:open sesame" in Base64, by hand.
    asked(&basic, &post("Authorization: Basic b3JkZXJseTpvcGVuIHNlc2FtZQ==\r\n", "MSH"), 200, &[]).await;
    asked(&basic, &post("Authorization: Basic b3JkZXJseTo=\r\n", "MSH"), 401, &["www-authenticate: Basic"])
        .await;
    std::fs::write(folder.path().join("secret"), "renewed").unwrap();
    asked(&bearer, &post("Authorization: Bearer open sesame\r\n", "MSH"), 401, &[]).await;
    asked(&bearer, &post("Authorization: Bearer renewed\r\n", "MSH"), 200, &[]).await;
    drop(folder);
    let answer = bearer.say(&post("Authorization: Bearer renewed\r\n", "MSH")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("renewed"), "{answer}");
}

#[tokio::test]
async fn one_connection_serves_many_requests_one_after_another() {
    let mut running = start(|_| {}).await;
    let both = format!("{}{}", post("", "one"), post("", "two"));
    let answers = running.say(&both).await;
    let (one, two) = (answers.find("got one").unwrap(), answers.find("got two").unwrap());
    assert!(one < two);
    assert_eq!(running.closed().await, (CloseReason::Peer, 2));
}

#[tokio::test]
async fn a_drip_of_bytes_does_not_hold_a_connection() {
    let short = Duration::from_millis(100);
    let mut running = start(|settings| (settings.head_timeout, settings.body_timeout) = (short, short)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"POST /in HT").await.unwrap();
    assert_eq!(running.closed().await, (CloseReason::Idle, 0));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nMSH").await.unwrap();
    let answer = all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn shutdown_answers_what_is_in_flight_and_takes_in_no_more() {
    let running = start(|_| {}).await;
    running.recorder.permits.acquire_many(MANY as u32).await.unwrap().forget();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(post("", "MSH").as_bytes()).await.unwrap();
    running.recorder.begun.acquire().await.unwrap().forget();
    running.stop.send(()).unwrap();
    assert_eq!(all(&mut idle).await, "");
    running.recorder.permits.add_permits(1);
    let answer = all(&mut stream).await;
    assert!(answer.contains("got MSH"), "{answer}");
    running.task.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn https_wants_https() {
    let authority = Authority::new();
    authority.issue("server", &["127.0.0.1"]);
    let mut running = start(|settings| settings.tls = Some(authority.server("server"))).await;
    assert_eq!(running.say(&post("", "MSH")).await, "");
    loop {
        match running.events.recv().await.unwrap() {
            ConnectionEvent::HandshakeFailed { code, .. } => break assert_eq!(code, "tls-plain-http"),
            event => assert!(matches!(event, ConnectionEvent::Opened { .. }), "{event:?}"),
        }
    }
}
