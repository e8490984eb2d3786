//! Requests as they go out, and what their answers mean: from a server that answers as it is told, byte by byte.

use super::*;
use crate::destinations::{Classified, FhirDestination, Judged};
use crate::tls::tests::Authority;
use std::net::Ipv4Addr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a server does with one connection after another: the answers that it gives on each before it closes it.
type Script = Vec<Vec<&'static str>>;

/// Gives what it was asked, request by request.
async fn server(script: Script) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answers in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                asked.push(request(&mut stream).await);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        asked
    });
    (address, serving)
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request ends early: {text}");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn settings(address: String) -> HttpSettings {
    HttpSettings {
        origin: Origin { is_secure: false, address },
        path: "/in".to_owned(),
        method: Method::POST,
        headers: Vec::new(),
        credentials: None,
        oauth: None,
        media_types: vec![
            MediaType { beginning: b"MSH", name: "x-application/hl7-v2+er7".to_owned() },
            MediaType { beginning: b"", name: "text/plain".to_owned() },
        ],
        judged: Judged { media_types: vec!["x-application/hl7-v2+er7"], beginnings: vec!["MSH"] },
        connect_timeout: Duration::from_secs(5),
        answer_timeout: Duration::from_secs(5),
        tls: TlsClientSettings::default(),
    }
}

/// The judge of the tests.
fn judge(answer: &[u8]) -> Classified {
    Classified::Outcome(match answer {
        b"yes" => Outcome::Delivered,
        b"other" => return Classified::Foreign,
        _ => Outcome::Permanent { code: "AE".to_owned(), text: "the receiver answered AE".to_owned() },
    })
}

async fn attempt(destination: &mut HttpDestination, name: &str) -> Attempt {
    destination.attempt(&Delivery { id: "1", name, payload: b"MSH|1" }, &judge).await
}

fn told(outcome: Outcome) -> (&'static str, String, String) {
    match outcome {
        Outcome::Delivered => ("delivered", String::new(), String::new()),
        Outcome::Retryable { code, text, .. } => ("again", code, text),
        Outcome::Permanent { code, text } => ("refused", code, text),
    }
}

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_request_says_what_it_carries_and_who_sends_it() {
    let (address, serving) = server(vec![vec![YES, YES]]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).unwrap();
        SecretSource::File(folder.path().join(name))
    };
    let mut settings = settings(address.clone());
    settings.headers = vec![
        ("X-Site".to_owned(), HeaderContent::Text("riverside".to_owned())),
        ("X-Api-Key".to_owned(), HeaderContent::Secret(file("key", "k3y\n"))),
    ];
    settings.credentials =
        Some(Credentials::Basic { user: "orderly".to_owned(), password: file("password", "open sesame\n") });
    let mut destination = HttpDestination::new(settings);
    let first = attempt(&mut destination, "").await;
    assert_eq!((first.outcome, first.answer), (Outcome::Delivered, Some(b"ok".to_vec())));
    destination.settings.credentials = Some(Credentials::Bearer(file("token", "t0k3n")));
    assert_eq!(attempt(&mut destination, "/adt/A01?site=x%20y").await.outcome, Outcome::Delivered);
    let asked = serving.await.unwrap();
    let head = |request: &str, lines: &[&str]| {
        for line in lines {
            assert!(request.contains(&format!("{line}\r\n")), "{line} is not in {request}");
        }
        assert!(request.ends_with("\r\n\r\nMSH|1"), "{request}");
    };
    let host = format!("host: {address}");
    // "orderly:open sesame" in Base64, by hand.
    let basic = "authorization: Basic b3JkZXJseTpvcGVuIHNlc2FtZQ==";
    head(
        &asked[0],
        &[
            "POST /in HTTP/1.1",
            &host,
            "content-type: x-application/hl7-v2+er7",
            basic,
            "x-site: riverside",
            "x-api-key: k3y",
        ],
    );
    head(&asked[1], &["POST /adt/A01?site=x%20y HTTP/1.1", "authorization: Bearer t0k3n"]);
    assert!(!format!("{destination:?}").contains("t0k3n"));
}

/// An answer, and what it means: the outcome, its code, and words of its text.
const ANSWERS: &[(&str, &str, &str, &str)] = &[
    ("HTTP/1.1 204 No Content\r\n\r\n", "delivered", "", ""),
    ("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "delivered", "", ""),
    // A body that breaks off takes nothing from the status.
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "delivered", "", ""),
    ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "refused", "400", "answered 400 (Bad Request)"),
    ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nMSH|AE", "refused", "AE", "AE"),
    ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "refused", "404", "404"),
    ("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", "refused", "409", "409"),
    ("HTTP/1.1 422 X\r\nContent-Length: 0\r\n\r\n", "refused", "422", "422"),
    (
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        "again",
        "401",
        "credentials are missing, wrong or expired",
    ),
    ("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", "again", "408", "408"),
    ("HTTP/1.1 425 Too Early\r\nContent-Length: 0\r\n\r\n", "again", "425", "425"),
    ("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", "again", "429", "429"),
    ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "again", "500", "500"),
    ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "again", "503", "503"),
    (
        "HTTP/1.1 308 Moved\r\nLocation: https://new.example/hl7?a=b\r\nContent-Length: 0\r\n\r\n",
        "refused",
        "308",
        "if https://new.example/hl7 is right, make it the `url`",
    ),
    ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "refused", "302", "redirects are not followed"),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: X-Application/HL7-v2+er7; charset=utf-8\r\nContent-Length: 3\r\n\r\nyes",
        "delivered",
        "",
        "",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: x-application/hl7-v2+er7\r\nContent-Length: 2\r\n\r\nno",
        "refused",
        "AE",
        "the receiver answered AE",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: x-application/hl7-v2+er7\r\nContent-Length: 5\r\n\r\nother",
        "again",
        "foreign-answer",
        "another message",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: x-application/hl7-v2+er7\r\nContent-Length: 9\r\n\r\nyes",
        "again",
        "answer-unreadable",
        "broke off",
    ),
    (
        "HTTP/1.1 500 Oops\r\nContent-Type: x-application/hl7-v2+er7\r\nContent-Length: 2\r\n\r\nno",
        "again",
        "500",
        "500 (Internal Server Error): the receiver answered AE",
    ),
    ("\u{b}MSH|ACK\u{1c}\r", "again", "answer-unreadable", "no HTTP/1.1"),
    ("", "again", "closed-before-answer", "closed the connection instead of answering"),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "delivered", "", ""),
];

#[tokio::test]
async fn what_an_answer_means() {
    for (answer, is, code, words) in ANSWERS {
        let (address, _) = server(vec![vec![answer]]).await;
        let mut destination = HttpDestination::new(settings(address));
        let found = told(attempt(&mut destination, "").await.outcome);
        assert_eq!((found.0, found.1.as_str()), (*is, *code), "{answer}: {}", found.2);
        assert!(found.2.contains(words), "{answer}: {}", found.2);
    }
}

#[tokio::test]
async fn how_long_a_server_wants_to_be_left_alone_is_passed_on() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n";
    let (address, _) = server(vec![vec![busy]]).await;
    let outcome = attempt(&mut HttpDestination::new(settings(address)), "").await.outcome;
    let Outcome::Retryable { retry_after, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn a_connection_serves_until_the_server_closes_it_or_an_answer_is_not_whole() {
    let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
    let (address, serving) = server(vec![vec![YES, YES, last], vec![YES], vec![cut], vec![YES]]).await;
    let mut destination = HttpDestination::new(settings(address));
    // The second connection is closed while it is idle, the third inside an answer: neither is used again.
    for _ in 0..6 {
        assert_eq!(attempt(&mut destination, "").await.outcome, Outcome::Delivered);
    }
    assert_eq!(serving.await.unwrap().len(), 6);
}

#[tokio::test]
async fn an_answer_that_does_not_come_closes_the_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    });
    let settings = HttpSettings { answer_timeout: Duration::from_millis(50), ..settings(address) };
    let found = told(attempt(&mut HttpDestination::new(settings), "").await.outcome);
    assert_eq!((found.0, found.1.as_str()), ("again", "answer-timeout"));
    serving.await.unwrap();
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named_and_nothing_is_sent() {
    let mut settings = settings("127.0.0.1:1".to_owned());
    let source = SecretSource::Environment("ORDERLY_NO_SUCH_SECRET".to_owned());
    settings.credentials = Some(Credentials::Bearer(source));
    let (is, code, text) = told(attempt(&mut HttpDestination::new(settings), "").await.outcome);
    assert_eq!((is, code.as_str()), ("again", "secret-missing"));
    assert!(text.contains("ORDERLY_NO_SUCH_SECRET is not set"), "{text}");
}

#[tokio::test]
async fn https_shows_and_proves_who_is_there() {
    let authority = Authority::new();
    authority.issue("server", &["127.0.0.1"]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tls = crate::tls::TlsServer::new(authority.server("server")).unwrap();
    let serving = tokio::spawn(async move {
        let mut stream = tls.accept(listener.accept().await.unwrap().0).await.unwrap();
        request(&mut stream).await;
        stream.send(YES.as_bytes()).await.unwrap();
        tls.accept(listener.accept().await.unwrap().0).await.unwrap_err().code()
    });
    let mut settings = settings(address);
    settings.origin.is_secure = true;
    settings.tls = authority.client();
    assert_eq!(attempt(&mut HttpDestination::new(settings.clone()), "").await.outcome, Outcome::Delivered);
    settings.tls.name = Some("elsewhere.example".to_owned());
    let found = told(attempt(&mut HttpDestination::new(settings), "").await.outcome);
    assert_eq!((found.0, found.1.as_str()), ("again", "tls-wrong-name"));
    assert_eq!(serving.await.unwrap(), "tls-refused");
}

#[tokio::test]
async fn a_resource_goes_where_its_interaction_says() {
    let (address, serving) = server(vec![vec![YES; 6]]).await;
    let mut destination = FhirDestination::new(HttpSettings { path: "/r4/".to_owned(), ..settings(address) });
    let conditional = ["POST Patient?identifier=a%7C1", "PUT Patient?identifier=a%7C1"];
    for name in ["", "POST", "POST Patient", "PUT Patient/70014"].into_iter().chain(conditional) {
        let delivery = Delivery { id: "1", name, payload: b"{}" };
        assert_eq!(destination.attempt(&delivery, &judge).await.outcome, Outcome::Delivered, "{name}");
    }
    let asked = serving.await.unwrap();
    let lines: Vec<_> = asked.iter().filter_map(|request| request.lines().next()).collect();
    let expected = [
        "POST /r4",
        "POST /r4",
        "POST /r4/Patient",
        "PUT /r4/Patient/70014",
        "POST /r4/Patient",
        "PUT /r4/Patient?identifier=a%7C1",
    ];
    assert_eq!(lines, expected.map(|line| format!("{line} HTTP/1.1")));
    let conditions = asked.iter().map(|request| request.contains("\r\nif-none-exist: identifier=a%7C1\r\n"));
    assert_eq!(conditions.collect::<Vec<_>>(), [false, false, false, false, true, false]);
}

#[tokio::test]
async fn a_token_is_fetched_kept_and_fetched_anew_once_it_is_refused() {
    let token = |name: &str| {
        let body = format!("{{\"access_token\":\"{name}\",\"token_type\":\"bearer\",\"expires_in\":3600}}");
        &*format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).leak()
    };
    let (giver, giving) = server(vec![vec![token("one"), token("two")]]).await;
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let (address, serving) = server(vec![vec![YES, YES, refused, YES]]).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "s/cret").unwrap();
    let mut settings = settings(address);
    settings.oauth = Some(OAuthSettings {
        origin: Origin { is_secure: false, address: giver },
        path: "/token".to_owned(),
        client_id: "orderly".to_owned(),
        proof: ClientProof::Secret(SecretSource::File(folder.path().join("secret"))),
        scope: Some("system/*.cud".to_owned()),
        tls: TlsClientSettings::default(),
    });
    let mut destination = HttpDestination::new(settings);
    for is in ["delivered", "delivered", "again", "delivered"] {
        assert_eq!(told(attempt(&mut destination, "").await.outcome).0, is);
    }
    let shown = |request: &String| {
        request.lines().find_map(|line| line.strip_prefix("authorization: ").map(str::to_owned))
    };
    let shown: Vec<_> = serving.await.unwrap().iter().filter_map(shown).collect();
    assert_eq!(shown, ["Bearer one", "Bearer one", "Bearer one", "Bearer two"]);
    let asked = giving.await.unwrap();
    // "orderly:s%2Fcret" in Base64, by hand.
    assert!(asked[0].contains("authorization: Basic b3JkZXJseTpzJTJGY3JldA=="), "{}", asked[0]);
    assert!(
        asked[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=system%2F%2A.cud"),
        "{}",
        asked[0]
    );
    assert!(!format!("{destination:?}").contains("two"));
}
