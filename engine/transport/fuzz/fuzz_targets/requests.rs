//! Whatever a peer sends to an HTTP listener is taken or turned away: no message is larger than allowed, none is handed over by whoever does
//! not know the token or at another path, and what is answered is HTTP.

#![no_main]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use orderly_transport::destinations::Credentials;
use orderly_transport::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, HttpListener, HttpListenerSettings, PostHandler, Posted,
    Received, Verdict,
};
use orderly_transport::mllp_frame::Tally;
use orderly_transport::secret::SecretSource;
use tokio::runtime::Runtime;

const BODY_BYTES_MAX: usize = 256;
const TOKEN: &str = "t0k3n";

/// What a request may begin with, so that the fuzzer comes to its body.
const BEGINNINGS: [&str; 4] = [
    "",
    "POST /in HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t0k3n\r\n",
    "POST /in HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t0k3n\r\nContent-Length: 9\r\n\r\n",
    "POST /in HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t0k3n\r\nTransfer-Encoding: chunked\r\n\r\n",
];

/// Panics when it is handed what it is not to be handed.
struct Desk;

impl Handler for Desk {
    async fn message(&self, _: Received) -> Answer {
        panic!("there are no frames")
    }

    async fn problem(&self, _: FrameProblem) -> Option<Vec<u8>> {
        panic!("there are no frames")
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, _: ConnectionEvent) {}
}

impl PostHandler for Desk {
    async fn post(&self, received: Received, media_type: Option<&str>) -> Posted {
        assert!(received.bytes.len() <= BODY_BYTES_MAX);
        assert!(media_type.is_none_or(|media| media.eq_ignore_ascii_case("text/plain")));
        let verdict = if received.bytes.starts_with(b"n") { Verdict::NotNow } else { Verdict::Taken };
        Posted { verdict, body: received.bytes, media_type: "text/plain".to_owned() }
    }
}

/// The listener, and the runtime that it runs on.
static LISTENING: LazyLock<(Runtime, SocketAddr)> = LazyLock::new(|| {
    // SAFETY: nothing else runs yet that could read the environment.
    unsafe { std::env::set_var("FUZZED_TOKEN", TOKEN) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut settings = HttpListenerSettings::new((Ipv4Addr::LOCALHOST, 0).into());
    settings.path = "/in".to_owned();
    settings.media_types = vec!["text/plain"];
    settings.body_bytes_max = BODY_BYTES_MAX;
    settings.connections_max = 4096;
    settings.credentials = Some(Credentials::Bearer(SecretSource::Environment("FUZZED_TOKEN".to_owned())));
    let listener = runtime.block_on(HttpListener::bind(settings)).expect("a free port");
    let address = listener.local_addr();
    runtime.spawn(listener.run(Arc::new(Desk), std::future::pending()));
    (runtime, address)
});

fuzz_target!(|input: (u8, Vec<u8>, Vec<u8>)| {
    let (beginning, first, second) = input;
    let mut stream = TcpStream::connect(LISTENING.1).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut sent = BEGINNINGS[usize::from(beginning) % BEGINNINGS.len()].as_bytes().to_vec();
    sent.extend_from_slice(&first);
    // The listener may have closed already.
    let _ = stream.write_all(&sent);
    let _ = stream.write_all(&second);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // A connection that is closed with something unread is reset; one that stays open is a fault.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the listener neither answers nor closes");
    }
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    let is_taken = answer.windows(13).any(|at| at == b"HTTP/1.1 200 " || at == b"HTTP/1.0 200 ");
    sent.extend_from_slice(&second);
    let has_token = sent.windows(TOKEN.len()).any(|at| at == TOKEN.as_bytes());
    let has_place = sent.windows(3).any(|at| at == b"/in");
    assert!(!is_taken || (has_token && has_place), "taken from somebody unknown");
});
