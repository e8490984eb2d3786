//! Handshakes that come about, and each way in which they do not.

use super::*;
use crate::destinations::{Attempt, Classified, Delivery, DestinationSettings, MllpSettings, Outcome};
use crate::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, MllpListener, MllpListenerSettings, Received,
};
use crate::mllp_frame::Tally;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use std::fs;
use std::future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// An authority with a folder of its own, where its certificates lie.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("Authority")
    }

    fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.path().join("ca.key"), key.serialize_pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `name.pem` and `name.key`, valid in these years.
    fn issue_for_years(&self, name: &str, names: &[&str], years: (i32, i32)) {
        let mut params = CertificateParams::default();
        let name_of = |text: &&str| match text.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if text.contains(':') => SanType::URI((*text).try_into().unwrap()),
            Err(_) => SanType::DnsName((*text).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(name_of).collect();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    pub(crate) fn issue(&self, name: &str, names: &[&str]) {
        self.issue_for_years(name, names, (2020, 2120));
    }

    /// TLS of a listener that shows `name`.
    pub(crate) fn server(&self, name: &str) -> TlsServerSettings {
        TlsServerSettings {
            certificate: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
            client_ca: None,
            clients: Vec::new(),
        }
    }

    /// TLS of a destination that trusts this authority.
    pub(crate) fn client(&self) -> TlsClientSettings {
        TlsClientSettings { ca: Some(self.file("ca.pem")), ..TlsClientSettings::default() }
    }

    /// What a destination shows.
    pub(crate) fn identity(&self, name: &str) -> Option<ClientIdentity> {
        let TlsServerSettings { certificate, key, .. } = self.server(name);
        Some(ClientIdentity { certificate, key })
    }
}

/// Answers each message with itself, and tells which handshakes failed.
struct Echo(UnboundedSender<(&'static str, String)>);

impl Handler for Echo {
    async fn message(&self, received: Received) -> Answer {
        Answer::one(received.bytes)
    }

    async fn problem(&self, problem: FrameProblem) -> Option<Vec<u8>> {
        self.0.send((problem.problem.kind.code(), String::new())).unwrap();
        None
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, event: ConnectionEvent) {
        if let ConnectionEvent::HandshakeFailed { code, text, .. } = event {
            self.0.send((code, text.unwrap_or_default())).unwrap();
        }
    }
}

/// A listener with this TLS, and what it says of handshakes that fail. It ends with the test.
async fn listener(tls: Option<TlsServerSettings>) -> (SocketAddr, UnboundedReceiver<(&'static str, String)>) {
    let settings = MllpListenerSettings { tls, ..MllpListenerSettings::new((Ipv4Addr::LOCALHOST, 0).into()) };
    let listener = MllpListener::bind(settings).await.unwrap();
    let (failures, told) = unbounded_channel();
    let address = listener.local_addr();
    tokio::spawn(listener.run(Arc::new(Echo(failures)), future::pending()));
    (address, told)
}

async fn attempts(address: SocketAddr, tls: Option<TlsClientSettings>, count: usize) -> Vec<Attempt> {
    let settings = MllpSettings { tls, ..MllpSettings::new(address.to_string()) };
    let mut destination = DestinationSettings::Mllp(settings).open().await;
    let mut attempts = Vec::new();
    for _ in 0..count {
        let delivery = Delivery { id: "1", name: "", payload: b"MSH|1" };
        attempts.push(destination.attempt(&delivery, &|_| Classified::Outcome(Outcome::Delivered)).await);
    }
    attempts
}

async fn attempt(address: SocketAddr, tls: Option<TlsClientSettings>) -> Outcome {
    attempts(address, tls, 1).await.remove(0).outcome
}

fn code_and_text(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Delivered => ("delivered".to_owned(), String::new()),
        Outcome::Retryable { code, text, .. } | Outcome::Permanent { code, text } => (code, text),
    }
}

#[tokio::test]
async fn messages_go_through_both_versions_and_one_connection_serves_many() {
    let authority = Authority::new();
    authority.issue("server", &["127.0.0.1"]);
    authority.issue("clinic", &["emr.clinic.example"]);
    let mut tls = authority.server("server");
    tls.client_ca = Some(authority.file("ca.pem"));
    tls.clients = vec!["emr.clinic.example".to_owned()];
    let (address, _) = listener(Some(tls)).await;
    let client = TlsClientSettings { identity: authority.identity("clinic"), ..authority.client() };
    for attempt in attempts(address, Some(client), 3).await {
        assert_eq!((attempt.outcome, attempt.answer), (Outcome::Delivered, Some(b"MSH|1".to_vec())));
    }
}

#[tokio::test]
async fn peers_are_known_by_any_of_their_alternative_names() {
    let authority = Authority::new();
    authority.issue("server", &["127.0.0.1"]);
    let cases = [
        ("emr.clinic.example", "emr.clinic.example", true),
        ("*.clinic.example", "emr.clinic.example", true),
        ("urn:example:clinic", "urn:example:clinic", true),
        ("10.1.2.3", "10.1.2.3", true),
        ("lab.example", "emr.clinic.example", false),
        ("urn:example:lab", "urn:example:clinic", false),
    ];
    for (presented, wanted, is_let_in) in cases {
        authority.issue("client", &["other.example", presented]);
        let mut tls = authority.server("server");
        (tls.client_ca, tls.clients) =
            (Some(authority.file("ca.pem")), vec!["someone.example".to_owned(), wanted.to_owned()]);
        let (address, mut told) = listener(Some(tls)).await;
        let client = TlsClientSettings { identity: authority.identity("client"), ..authority.client() };
        let outcome = attempt(address, Some(client)).await;
        assert_eq!(outcome == Outcome::Delivered, is_let_in, "{presented} for {wanted}: {outcome:?}");
        if !is_let_in {
            let (code, text) = told.recv().await.unwrap();
            assert_eq!(code, "tls-not-allowed");
            assert!(text.contains(presented) && text.contains("none of `clients`"), "{text}");
            assert_eq!(code_and_text(outcome).0, "tls-refused");
        }
    }
}

/// What the listener has, what the destination has, what the destination says and what the listener says.
type Case = (
    fn(&Authority, &Authority) -> Option<TlsServerSettings>,
    fn(&Authority, &Authority) -> Option<TlsClientSettings>,
    [&'static str; 2],
    [&'static str; 2],
);

fn with_clients(authority: &Authority, name: &str) -> TlsServerSettings {
    TlsServerSettings { client_ca: Some(authority.file("ca.pem")), ..authority.server(name) }
}

fn showing(authority: &Authority, of: &Authority, name: &str) -> TlsClientSettings {
    TlsClientSettings { identity: of.identity(name), ..authority.client() }
}

const CASES: &[Case] = &[
    (
        |ours, _| Some(ours.server("ca")),
        |ours, _| Some(ours.client()),
        ["tls-bad-certificate", "an authority's (basic constraints: CA:TRUE)"],
        ["tls-refused", ""],
    ),
    (
        |ours, _| Some(ours.server("old")),
        |ours, _| Some(ours.client()),
        ["tls-expired", "expired on 2021-01-01"],
        ["tls-refused", "our certificate has expired"],
    ),
    (
        |ours, _| Some(ours.server("future")),
        |ours, _| Some(ours.client()),
        ["tls-not-valid-yet", "only from 2110-01-01 on"],
        ["tls-refused", "expired"],
    ),
    (
        |_, other| Some(other.server("server")),
        |ours, _| Some(ours.client()),
        ["tls-unknown-issuer", "not known here"],
        ["tls-refused", "does not know the authority"],
    ),
    (
        |ours, _| Some(ours.server("elsewhere")),
        |ours, _| Some(ours.client()),
        ["tls-wrong-name", "for elsewhere.example, 10.1.2.3, and not for 127.0.0.1"],
        ["tls-refused", "does not take our certificate"],
    ),
    (
        |ours, _| Some(with_clients(ours, "server")),
        |ours, _| Some(ours.client()),
        ["tls-refused", "wants a certificate from us"],
        ["tls-no-client-certificate", "showed no certificate"],
    ),
    (
        |ours, _| Some(with_clients(ours, "server")),
        |ours, other| Some(showing(ours, other, "server")),
        ["tls-refused", "does not know the authority"],
        ["tls-unknown-issuer", "`client_ca`"],
    ),
    (
        |ours, _| Some(with_clients(ours, "server")),
        |ours, _| Some(showing(ours, ours, "old")),
        ["tls-refused", "has expired"],
        ["tls-expired", "2021-01-01"],
    ),
    (
        |ours, _| Some(ours.server("server")),
        |_, _| None,
        ["closed-before-answer", "closed the connection"],
        ["tls-plain-mllp", "plain MLLP, and TLS is wanted"],
    ),
    (
        |_, _| None,
        |ours, _| Some(ours.client()),
        ["tls-closed", "perhaps it speaks no TLS"],
        ["mllp-speaks-tls", ""],
    ),
];

#[tokio::test]
async fn each_way_to_fail_has_its_own_words_on_both_sides() {
    let (ours, other) = (Authority::new(), Authority::named("Another"));
    for authority in [&ours, &other] {
        authority.issue("server", &["127.0.0.1"]);
        authority.issue("elsewhere", &["elsewhere.example", "10.1.2.3"]);
        authority.issue_for_years("old", &["127.0.0.1"], (2020, 2021));
        authority.issue_for_years("future", &["127.0.0.1"], (2110, 2120));
    }
    for (number, (server, client, [code, words], [told_code, told_words])) in CASES.iter().enumerate() {
        let (address, mut told) = listener(server(&ours, &other)).await;
        let (is_code, text) = code_and_text(attempt(address, client(&ours, &other)).await);
        assert_eq!(is_code, *code, "case {number}: {text}");
        assert!(text.contains(words), "case {number}: {text}");
        let (is_told, text) = told.recv().await.unwrap();
        assert_eq!(is_told, *told_code, "case {number}: {text}");
        assert!(text.contains(told_words), "case {number}: {text}");
    }
}

#[tokio::test]
async fn an_authority_of_the_same_name_is_another() {
    let (ours, renamed) = (Authority::new(), Authority::new());
    renamed.issue("server", &["127.0.0.1"]);
    let (address, _) = listener(Some(renamed.server("server"))).await;
    let (code, text) = code_and_text(attempt(address, Some(ours.client())).await);
    assert_eq!(code, "tls-unknown-issuer");
    assert!(text.contains("made anew"), "{text}");
}

#[tokio::test]
async fn those_who_speak_no_tls_are_told_apart() {
    let authority = Authority::new();
    authority.issue("server", &["127.0.0.1"]);
    let (address, mut told) = listener(Some(authority.server("server"))).await;
    for (sent, code) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "tls-plain-http"),
        (b"hello", "tls-not-spoken"),
        (b"", "tls-silent"),
        (b"\x16hello", "tls-not-spoken"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(told.recv().await.unwrap().0, code, "{}", sent.escape_ascii());
    }
}

#[tokio::test]
async fn a_receiver_that_answers_a_handshake_with_something_else() {
    let authority = Authority::new();
    let peer = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = peer.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = peer.accept().await.unwrap();
        stream.write_all(b"220 mail.example ready\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let (code, text) = code_and_text(attempt(address, Some(authority.client())).await);
    assert_eq!(code, "tls-not-spoken");
    assert!(text.contains("speaks no TLS"), "{text}");
    serving.await.unwrap();
}

#[tokio::test]
async fn renewed_files_come_into_force_and_broken_ones_do_not() {
    let authority = Authority::new();
    authority.issue("server", &["elsewhere.example"]);
    let (address, _) = listener(Some(authority.server("server"))).await;
    let code = async || code_and_text(attempt(address, Some(authority.client())).await).0;
    assert_eq!(code().await, "tls-wrong-name");
    authority.issue("server", &["127.0.0.1"]);
    assert_eq!(code().await, "delivered");
    fs::write(authority.file("server.key"), "half a file").unwrap();
    assert_eq!(code().await, "delivered");
    fs::remove_file(authority.file("server.pem")).unwrap();
    assert_eq!(code().await, "delivered");
    authority.issue("server", &["elsewhere.example"]);
    assert_eq!(code().await, "tls-wrong-name");
}

/// What the files hold, and what is said of them.
#[test]
fn files_that_cannot_be_used_say_why() {
    let authority = Authority::new();
    authority.issue("server", &["127.0.0.1"]);
    authority.issue("other", &["127.0.0.1"]);
    let (certificate, key) = (authority.file("server.pem"), authority.file("server.key"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(authority.file("encrypted.key"), encrypted).unwrap();
    fs::write(authority.file("der.pem"), [0x30, 0x82, 1, 2]).unwrap();
    fs::write(authority.file("words.pem"), "certificate").unwrap();
    fs::write(
        authority.file("damaged.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let cases: [(&Path, &Path, &str); 9] = [
        (&authority.file("none.pem"), &key, "none.pem cannot be read"),
        (&certificate, &authority.file("none.key"), "the key "),
        (&certificate, &authority.file("other.key"), "does not belong to the certificate"),
        (&certificate, &authority.file("encrypted.key"), "is encrypted"),
        (&certificate, &certificate, "holds a certificate, and no key"),
        (&key, &key, "holds a key, and no certificate"),
        (&authority.file("der.pem"), &key, "is DER"),
        (&authority.file("words.pem"), &key, "is not PEM"),
        (&authority.file("damaged.pem"), &key, "is damaged"),
    ];
    for (certificate, key, says) in cases {
        let settings = TlsServerSettings {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: None,
            clients: Vec::new(),
        };
        let text = settings.check().unwrap_err().to_string();
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn how_long_a_certificate_is_valid_is_known_beforehand() {
    let authority = Authority::new();
    authority.issue_for_years("old", &["a.example"], (2020, 2021));
    authority.issue_for_years("future", &["a.example"], (2110, 2120));
    authority.issue("fine", &["a.example"]);
    let text = |validity: Validity| match validity {
        Validity::Valid => "valid".to_owned(),
        Validity::Ends(at) => format!("ends {at}"),
        Validity::Ended(at) => format!("ended {at}"),
        Validity::Begins(at) => format!("begins {at}"),
    };
    let said = ["old", "future", "fine"].map(|name| text(authority.server(name).check().unwrap()));
    assert_eq!(said, ["ended 2021-01-01T00:00:00Z", "begins 2110-01-01T00:00:00Z", "valid"]);
}
