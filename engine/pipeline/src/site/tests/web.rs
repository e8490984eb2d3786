//! What is spoken by HTTP: servers, what is posted, FHIR, tokens.

use super::*;

const WEB: &[&str] = &["http:"];

#[test]
fn a_server_that_takes_messages() {
    let lines = [
        "  url: 'https://hub.example.org:8443/hl7/${message.type}?site=${PID-3 | first}'",
        "  method: PUT",
        "  headers:",
        "    X-Site: riverside",
        "    X-Api-Key: ${env:HUB_KEY}",
        "  basic:",
        "    user: orderly",
        "    password: ${file:secrets/hub password}",
        "  answer_timeout: 1m",
        "  tls:",
        "    ca: tls/ca.pem",
    ];
    let plan = plan(CLINIC, &[WEB, &lines].concat());
    let Endpoint::Http(http) = &plan.destination("hub").unwrap().endpoint else { panic!("no HTTP") };
    assert_eq!((http.url.is_secure, http.url.address.as_str()), (true, "hub.example.org:8443"));
    assert_eq!((http.url.fixed_path().as_str(), http.url.path.len()), ("/hl7/?site=", 4));
    assert_eq!(http.method, HttpMethod::Put);
    let [(site, HeaderContent::Text(text)), (key, HeaderContent::Secret(secret))] = &http.headers[..] else {
        panic!("{:?}", http.headers)
    };
    assert_eq!((site.as_str(), text.as_str(), key.as_str()), ("X-Site", "riverside", "X-Api-Key"));
    assert_eq!(secret.source, SecretSource::Environment("HUB_KEY".to_owned()));
    let Some(Credentials::Basic { user, password }) = &http.credentials else { panic!("no user") };
    assert_eq!(user, "orderly");
    assert_eq!(password.source, SecretSource::File("secrets/hub password".to_owned()));
    assert_eq!(http.answer_timeout, Some(Duration::from_secs(60)));
}

#[test]
fn urls_as_they_are_written() {
    for (written, address, path) in [
        ("https://hub.example.org", "hub.example.org:443", "/"),
        ("http://localhost/hl7", "localhost:80", "/hl7"),
        ("https://[::1]:8443/a?b=c", "[::1]:8443", "/a?b=c"),
        ("https://[::1]", "[::1]:443", "/"),
        ("https://hub.example.org?to=lab", "hub.example.org:443", "/?to=lab"),
    ] {
        let line = format!("  url: '{written}'");
        let plan = plan(CLINIC, &[WEB, &[line.as_str()]].concat());
        let Endpoint::Http(http) = &plan.destination("hub").unwrap().endpoint else { panic!("no HTTP") };
        assert_eq!((http.url.address.as_str(), http.url.fixed_path().as_str()), (address, path), "{written}");
    }
}

/// Lines below `http:`, which is the seventh of the file, and what is said of them.
const WRONG: &[(&[&str], &str)] = &[
    (
        &["url: hub.example.org"],
        "8:12 config-url a URL begins with https:// or http:// | write https://hub.example.org/hl7",
    ),
    (
        &["url: 'https://${PID-3}.example.org/'"],
        "8:12 config-url the host is the same for all messages: `${...}` stands in the path | write https://hub.example.org/hl7",
    ),
    (
        &["url: https://me:secret@hub.example.org/"],
        "8:12 config-url user and password do not stand in a URL | say who sends with `bearer` or `basic`",
    ),
    (
        &["url: https://hub.example.org:port/"],
        "8:12 config-url this URL has no host, or its port is none | write https://hub.example.org/hl7",
    ),
    (
        &["url: https://hub.example.org/a b"],
        "8:35 config-url this cannot stand in a URL | escape it as %20 and the like, and leave out what begins with #",
    ),
    (
        &["url: https://h/", "bearer: geheim"],
        "7:5 config-secret `bearer` takes no secret as it is, only where it is found | write `bearer: ${env:NAME}` for a variable of the environment, or `bearer: ${file:secrets/name}`",
    ),
    (
        &["url: https://h/", "bearer: ${env:}"],
        "7:5 config-secret `bearer` takes no secret as it is, only where it is found | write `bearer: ${env:NAME}` for a variable of the environment, or `bearer: ${file:secrets/name}`",
    ),
    (
        &["url: https://h/", "bearer: ${env:A}", "basic:", "  user: u", "  password: ${env:B}"],
        "7:5 config-credentials there are two kinds of credentials, `bearer` and `basic` | remove one of them",
    ),
    (
        &["url: https://h/", "headers:", "  Authorization: Bearer x"],
        "10:9 config-header no header can be given as `Authorization` | say who sends with `bearer` or `basic`",
    ),
    (
        &["url: https://h/", "headers:", "  X Site: a"],
        "10:9 config-header no header can be given as `X Site` | names are made of letters, digits and `-`",
    ),
    (
        &["url: https://h/", "headers:", "  X-Site: \"a\\nb\""],
        "10:17 config-header a header's text is made of printable ASCII | escape other letters as the receiver wants them",
    ),
    (
        &["url: http://hub.example.org/", "bearer: ${env:A}"],
        "8:7 config-plain-secret the credentials go over the network for everybody to read | write https://, if the receiver speaks it",
    ),
    (
        &["url: http://127.0.0.1:80/", "tls: {}"],
        "8:7 config-url `tls` is for URLs that begin with https | write https://",
    ),
    (&["method: POST"], "8:7 config-missing-key an HTTP destination needs `url` | add `url:`"),
];

#[test]
fn a_server_that_cannot_be() {
    for (lines, told) in WRONG {
        let lines: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(wrong(CLINIC, &[WEB, &lines].concat()), [*told]);
    }
}

#[test]
fn a_destination_is_of_one_kind() {
    assert_eq!(
        wrong(CLINIC, &[HUB, WEB, &["  url: https://h/"]].concat()),
        [
            "6:3 config-two-endpoints a destination is one of `mllp`, `files`, `http`, `fhir` and `amqp`, not several | make a destination of each"
        ]
    );
}

#[test]
fn a_listener_for_what_is_posted() {
    let lines = [
        "http:",
        "  listen: 127.0.0.1:8443",
        "  path: /hl7",
        "  body_size_max: 1MiB",
        "  connections_max: 9",
        "  bearer: ${file:secrets/token}",
        "  tls:",
        "    certificate: tls/server.pem",
        "    key: tls/server.key",
    ];
    let plan = plan(&lines, HUB);
    let Listener::Http(http) = &plan.source("clinic").unwrap().listener else { panic!("no HTTP") };
    assert_eq!((http.listen.port(), http.path.as_str()), (8443, "/hl7"));
    assert_eq!((http.body_bytes_max, http.connections_max), (Some(1 << 20), Some(9)));
    let Some(Credentials::Bearer(token)) = &http.credentials else { panic!("no token") };
    assert_eq!(token.source, SecretSource::File("secrets/token".to_owned()));
    assert!(http.tls.is_some());
}

#[test]
fn a_listener_that_cannot_be() {
    let lines =
        ["refuse: mllp-noise", "http:", "  listen: 0.0.0.0:8080", "  path: hl7", "  bearer: ${env:TOKEN}"];
    assert_eq!(
        wrong(&lines, HUB),
        [
            "6:13 config-url `path` begins with / and has no ? and no blanks | write /hl7",
            "4:5 config-plain-secret the credentials go over the network for everybody to read | add `tls:`",
            "3:13 config-refuse mllp-noise is about MLLP's frames, and this source has none | remove it",
        ]
    );
}

#[test]
fn an_address_is_for_one_source_however_it_is_spoken_to() {
    let text = "sources:\n  clinic:\n    mllp:\n      listen: 127.0.0.1:2575\n  web:\n    http:\n      listen: 0.0.0.0:2575\n\
                destinations: {}\n"
        .to_owned();
    let site = Text { file: "orderly.yaml".to_owned(), text };
    let found = compile(&Texts { site, ..Texts::default() }).diagnostics;
    assert!(found.iter().any(|found| found.code == "config-address-twice"), "{found:?}");
}

#[test]
fn a_fhir_server_is_known_by_its_base() {
    let lines = ["fhir:", "  base: https://fhir.example.org/r4", "  bearer: ${env:TOKEN}"];
    let known = plan(CLINIC, &lines);
    let Endpoint::Fhir(fhir) = &known.destination("hub").unwrap().endpoint else { panic!("no FHIR") };
    assert_eq!(
        (fhir.base.address.as_str(), fhir.base.fixed_path().as_str()),
        ("fhir.example.org:443", "/r4")
    );
    assert_eq!((fhir.conditional, fhir.prefer), (None, None));
    let more = ["  conditional: update", "  prefer: OperationOutcome"];
    let known = plan(CLINIC, &[&lines[..], &more].concat());
    let Endpoint::Fhir(fhir) = &known.destination("hub").unwrap().endpoint else { panic!("no FHIR") };
    assert_eq!((fhir.conditional, fhir.prefer), (Some(Conditional::Update), Some(Prefer::OperationOutcome)));
    let lines = ["fhir:", "  base: 'https://fhir.example.org/${PID-3}'"];
    assert_eq!(
        wrong(CLINIC, &lines),
        ["8:13 config-url this URL has no `${...}` and no `?` | write https://fhir.example.org/r4"]
    );
}

#[test]
fn tokens_that_a_server_gives() {
    let base = [
        "fhir:",
        "  base: https://fhir.example.org/r4",
        "  oauth:",
        "    token_url: https://auth.example.org/token",
        "    client_id: orderly",
    ];
    let known = plan(
        CLINIC,
        &[&base[..], &["    key: keys/orderly.pem", "    key_id: k1", "    scope: system/*.cud"]].concat(),
    );
    let Endpoint::Fhir(fhir) = &known.destination("hub").unwrap().endpoint else { panic!("no FHIR") };
    let oauth = fhir.oauth.as_ref().unwrap();
    assert_eq!((oauth.token_url.fixed_path().as_str(), oauth.client_id.as_str()), ("/token", "orderly"));
    let proof = ClientProof::Key { file: "keys/orderly.pem".to_owned(), key_id: Some("k1".to_owned()) };
    assert_eq!((&oauth.proof, oauth.scope.as_deref()), (&proof, Some("system/*.cud")));
    let wrong = |lines: &[&str]| wrong(CLINIC, &[&base[..], lines].concat());
    let needs = "10:9 config-credentials OAuth needs one of `client_secret` and `key` | write the one that the server wants";
    assert_eq!(wrong(&[]), [needs]);
    assert_eq!(wrong(&["    key: a", "    client_secret: ${env:A}"]), [needs]);
    assert_eq!(
        wrong(&["    key: a", "  bearer: ${env:A}"]),
        ["7:5 config-credentials `oauth` stands in place of `bearer` and `basic` | remove one of them"]
    );
}
