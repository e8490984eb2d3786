//! Whatever a token server and then an HTTP server answer, an attempt ends; it is delivered only on a status of success, and no text holds
//! anything of what was answered but codes and where a redirect leads.

#![no_main]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use orderly_transport::destinations::{
    Classified, ClientProof, Delivery, HttpDestination, HttpSettings, Judged, MediaType, Method, OAuthSettings,
    Origin, Outcome,
};
use orderly_transport::secret::SecretSource;
use orderly_transport::tls::TlsClientSettings;
use tokio::runtime::Runtime;

const SECRET: &str = "open-sesame-4711";
/// What an answer of success begins with, so that the fuzzer finds its body.
const SUCCESS: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n";

/// What the server answers to requests for tokens, and to others.
static ANSWERS: Mutex<(Vec<u8>, Vec<u8>)> = Mutex::new((Vec::new(), Vec::new()));

static SERVING: LazyLock<(Runtime, SocketAddr)> = LazyLock::new(|| {
    // SAFETY: nothing else runs yet that could read the environment.
    unsafe { std::env::set_var("FUZZED_SECRET", SECRET) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap_or(0);
            let answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
            let is_for_token = buffer[..count].starts_with(b"POST /token ");
            // The other side may have closed already.
            let _ = stream.write_all(if is_for_token { &answers.0 } else { &answers.1 });
        }
    });
    (runtime, address)
});

fn settings(address: SocketAddr) -> HttpSettings {
    let origin = Origin { is_secure: false, address: address.to_string() };
    HttpSettings {
        origin: origin.clone(),
        path: "/in".to_owned(),
        method: Method::POST,
        headers: Vec::new(),
        credentials: None,
        oauth: Some(OAuthSettings {
            origin,
            path: "/token".to_owned(),
            client_id: "orderly".to_owned(),
            proof: ClientProof::Secret(SecretSource::Environment("FUZZED_SECRET".to_owned())),
            scope: None,
            tls: TlsClientSettings::default(),
        }),
        media_types: vec![MediaType { beginning: b"", name: "text/plain".to_owned() }],
        judged: Judged { media_types: vec!["application/fhir+json"], beginnings: vec!["MSH"] },
        connect_timeout: Duration::from_secs(5),
        answer_timeout: Duration::from_secs(5),
        tls: TlsClientSettings::default(),
    }
}

fuzz_target!(|input: (Option<Vec<u8>>, bool, Vec<u8>)| {
    let (token, has_head, answer) = input;
    let with_head = |body: &[u8]| [SUCCESS.as_bytes(), body].concat();
    let token = with_head(&token.unwrap_or_else(|| br#"{"access_token":"t"}"#.to_vec()));
    let answer = if has_head { with_head(&answer) } else { answer };
    let (runtime, address) = &*SERVING;
    *ANSWERS.lock().unwrap_or_else(PoisonError::into_inner) = (token, answer.clone());
    let classify = |_: &[u8]| Classified::Outcome(Outcome::Delivered);
    let delivery = Delivery { id: "1", name: "/in/ADT", payload: b"MSH|1" };
    let mut destination = HttpDestination::new(settings(*address));
    let attempt = runtime.block_on(destination.attempt(&delivery, &classify));
    match attempt.outcome {
        Outcome::Delivered => {
            // Provisional answers may come before it.
            let is_success = answer.windows(10).any(|at| at.starts_with(b"HTTP/1.") && at.ends_with(b" 2"));
            assert!(is_success, "{}", answer.escape_ascii());
        }
        Outcome::Retryable { code, text, .. } | Outcome::Permanent { code, text } => {
            assert!(code.len() <= 32 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{code}");
            assert!(text.len() <= 1000 && !text.contains(char::is_control) && !text.contains(SECRET), "{text}");
        }
    }
});
