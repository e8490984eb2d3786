//! What sources and destinations on a network may say, and what is told about what they may not: each line by hand.

use std::time::Duration;

use orderly_record::Place;

use crate::plan::{
    ClientProof, Conditional, Credentials, Endpoint, HeaderContent, HeaderText, HttpMethod, Listener,
    MllpConnection, Plan, Prefer, SecretSource, TlsIdentity,
};
use crate::{Compiled, Text, Texts, compile};

/// A site with a source `clinic` and a destination `hub`, each with these lines.
fn compiled(source: &[&str], destination: &[&str]) -> Compiled {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let lines = |lines: &[&str]| lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
    let site = format!("sources:\n  clinic:\n{}destinations:\n  hub:\n{}", lines(source), lines(destination));
    let route = "route: r\nfrom: clinic\nto:\n  - destination: hub\n";
    let routes = vec![text("routes/r.yaml", route)];
    compile(&Texts { site: text("orderly.yaml", &site), routes, ..Texts::default() })
}

const CLINIC: &[&str] = &["mllp:", "  listen: 127.0.0.1:2575"];
const HUB: &[&str] = &["mllp:", "  address: hub.example.org:2576"];

fn plan(source: &[&str], destination: &[&str]) -> Plan {
    let compiled = compiled(source, destination);
    compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

/// What is wrong, as `line:column code message | help`.
fn wrong(source: &[&str], destination: &[&str]) -> Vec<String> {
    let told = |found: crate::Diagnostic| {
        let Place::File { line, column, .. } = &found.place else { return None };
        let help = found.help.map(|help| format!(" | {help}")).unwrap_or_default();
        Some(format!("{line}:{column} {} {}{help}", found.code, found.message))
    };
    compiled(source, destination).diagnostics.into_iter().filter_map(told).collect()
}

#[test]
fn tls_of_a_source_and_of_a_destination() {
    let source = [
        "  tls:",
        "    certificate: tls/server.pem",
        "    key: tls/server.key",
        "    client_ca: tls/ca.pem",
        "    clients: [emr.clinic.example, 10.0.0.7]",
    ];
    let destination = [
        "  tls:",
        "    ca: tls/ca.pem",
        "    certificate: tls/me.pem",
        "    key: tls/me.key",
        "    name: hub.example.org",
    ];
    let plan = plan(&[CLINIC, &source].concat(), &[HUB, &destination].concat());
    let identity =
        |name: &str| TlsIdentity { certificate: format!("tls/{name}.pem"), key: format!("tls/{name}.key") };
    let Listener::Mllp(mllp) = &plan.source("clinic").unwrap().listener else { panic!("no MLLP") };
    let tls = mllp.tls.as_ref().unwrap();
    assert_eq!((&tls.identity, tls.client_ca.as_deref()), (&identity("server"), Some("tls/ca.pem")));
    assert_eq!(tls.clients, ["emr.clinic.example", "10.0.0.7"]);
    let Endpoint::Mllp(mllp) = &plan.destination("hub").unwrap().endpoint else { panic!("no MLLP") };
    let tls = mllp.tls.as_ref().unwrap();
    assert_eq!((tls.ca.as_deref(), tls.identity.as_ref()), (Some("tls/ca.pem"), Some(&identity("me"))));
    assert_eq!(tls.name.as_deref(), Some("hub.example.org"));
}

#[test]
fn what_a_destination_trusts_need_not_be_said() {
    let plan = plan(CLINIC, &[HUB, &["  tls: {}"]].concat());
    let Endpoint::Mllp(mllp) = &plan.destination("hub").unwrap().endpoint else { panic!("no MLLP") };
    let tls = mllp.tls.as_ref().unwrap();
    assert_eq!((&tls.ca, &tls.identity, &tls.name), (&None, &None, &None));
}

#[test]
fn a_setting_that_moves_is_the_same() {
    let tls = ["  tls:", "    certificate: a.pem", "    key: a.key"];
    let listener =
        |before: &[&'static str]| plan(&[before, CLINIC, &tls].concat(), HUB).sources.remove(0).listener;
    assert_eq!(listener(&[]), listener(&["about: The clinic"]));
}

#[test]
fn tls_that_cannot_be() {
    let source = ["  tls:", "    certificate: a.pem", "    clients: x.example", "    cipher: none"];
    let destination = ["  tls:", "    certificate: a.pem"];
    assert_eq!(
        wrong(&[CLINIC, &source].concat(), &[HUB, &destination].concat()),
        [
            "6:9 config-missing-key TLS of a source needs `key` | add `key:`",
            "7:9 config-tls `clients` are known by their certificates, and without `client_ca` they show none | add \
             `client_ca:`, the authorities of their certificates",
            "8:9 config-unknown-key TLS of a source has no key `cipher` | there are certificate, key, client_ca, clients",
            "14:9 config-tls `certificate` and `key` belong together | name both, or none",
        ]
    );
}

#[test]
fn how_long_a_connection_lasts() {
    let lasting = |lines: &[&str]| {
        let plan = plan(CLINIC, &[HUB, lines].concat());
        let Endpoint::Mllp(mllp) = &plan.destination("hub").unwrap().endpoint else { panic!("no MLLP") };
        mllp.connection
    };
    assert_eq!(lasting(&[]), MllpConnection::Persistent);
    assert_eq!(lasting(&["  connection: persistent"]), MllpConnection::Persistent);
    assert_eq!(lasting(&["  connection: per_message"]), MllpConnection::PerMessage);
}

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

#[test]
fn a_queue_that_is_consumed() {
    let lines = [
        "amqp:",
        "  brokers: [mq1.example.org, 'mq2.example.org:5681', '[::1]']",
        "  virtual_host: labs",
        "  user: orderly",
        "  password: ${env:MQ_PASSWORD}",
        "  queue: results",
        "  prefetch: 200",
        "  message_size_max: 1MiB",
        "  on_unreadable: reject",
        "  heartbeat: 5s",
        "  connect_timeout: 3s",
        "  tls: {}",
    ];
    let plan = plan(&lines, HUB);
    let Listener::Amqp(amqp) = &plan.source("clinic").unwrap().listener else { panic!("no AMQP") };
    assert_eq!(amqp.broker.addresses, ["mq1.example.org:5671", "mq2.example.org:5681", "[::1]:5671"]);
    assert_eq!((amqp.broker.virtual_host.as_str(), amqp.broker.user.as_str()), ("labs", "orderly"));
    assert_eq!(amqp.broker.password.source, SecretSource::Environment("MQ_PASSWORD".to_owned()));
    let times = (amqp.broker.heartbeat, amqp.broker.connect_timeout);
    assert_eq!(times, (Some(Duration::from_secs(5)), Some(Duration::from_secs(3))));
    assert_eq!(
        (amqp.queue.as_str(), amqp.prefetch, amqp.message_bytes_max),
        ("results", Some(200), Some(1 << 20))
    );
    assert!(amqp.rejects_unreadable && amqp.broker.tls.is_some());
}

#[test]
fn an_exchange_that_is_published_to() {
    let lines = [
        "amqp:",
        "  brokers: localhost",
        "  user: orderly",
        "  password: ${file:secrets/mq}",
        "  exchange: hl7",
        "  routing_key: 'adt.${message.event}.${PID-3 | first}'",
        "  headers:",
        "    x-site: riverside",
        "    x-id: 'id ${message.control_id}'",
        "  content_type: text/plain",
        "  persistent: false",
        "  confirm_timeout: 5s",
    ];
    let known = plan(CLINIC, &lines);
    let Endpoint::Amqp(amqp) = &known.destination("hub").unwrap().endpoint else { panic!("no AMQP") };
    assert_eq!(
        (amqp.broker.addresses.as_slice(), amqp.broker.virtual_host.as_str()),
        (&["localhost:5672".to_owned()][..], "/")
    );
    assert_eq!((amqp.exchange.as_str(), amqp.fixed_routing_key().as_str()), ("hl7", "adt.."));
    assert_eq!(amqp.fixed_headers().collect::<Vec<_>>(), [("x-site", "riverside")]);
    assert!(matches!(&amqp.headers[..], [_, (name, HeaderText::Made(_))] if name == "x-id"));
    assert_eq!((amqp.content_type.as_deref(), amqp.persistent), (Some("text/plain"), false));
    assert_eq!(amqp.confirm_timeout, Some(Duration::from_secs(5)));
    // The broker's own exchange, to a queue by its name.
    let known = plan(CLINIC, &[&lines[..4], &["  routing_key: adt"]].concat());
    let Endpoint::Amqp(amqp) = &known.destination("hub").unwrap().endpoint else { panic!("no AMQP") };
    assert_eq!((amqp.exchange.as_str(), amqp.persistent, amqp.headers.len()), ("", true, 0));
}

#[test]
fn brokers_that_cannot_be() {
    let source = [
        "refuse: mllp-noise",
        "amqp:",
        "  brokers: [amqp://u:geheim@mq.example.org, 'mq.example.org:x']",
        "  user: orderly",
        "  password: geheim",
        "  queue: results",
        "  prefetch: 0",
        "  heartbeat: 1500ms",
        "  on_unreadable: drop",
    ];
    let destination = [
        "amqp:",
        "  brokers: mq.example.org",
        "  user: orderly",
        "  password: ${env:MQ}",
        "  exchange: hl7",
        "  headers:",
        "    CC: other",
        "    'a:b': x",
        "    X-Api-Key: geheim",
        "    x-name: ${PID-5",
    ];
    let found = wrong(&source, &destination);
    assert!(!found.join("\n").contains("geheim"), "{found:#?}");
    let begins: Vec<&str> = found.iter().map(|line| line.split(" | ").next().unwrap()).collect();
    assert_eq!(
        begins,
        [
            "5:17 config-address `brokers` takes hosts, with their ports where those are not AMQP's own",
            "5:49 config-address `brokers` takes hosts, with their ports where those are not AMQP's own",
            "4:5 config-secret `password` takes no secret as it is, only where it is found",
            "10:7 config-heartbeat `heartbeat` takes whole seconds, from 1s to 1h",
            "11:22 config-choice `on_unreadable` is one of quarantine, reject",
            "9:7 config-prefetch `prefetch` takes a number from 1 to 65535",
            "3:13 config-refuse mllp-noise is about MLLP's frames, and this source has none",
            "14:5 config-plain-secret the credentials go over the network for everybody to read",
            "15:7 config-missing-key an AMQP destination needs `routing_key`",
            "20:9 config-header no header can be given as `CC`",
            "21:9 config-header no header can be given as `a:b`",
            "22:9 config-secret `X-Api-Key` is a secret by its name, and everybody who reads the queue would see it",
            "23:17 mapping-syntax this `${` is not closed",
        ]
    );
}

#[test]
fn repeats_that_cannot_be_known() {
    let wrong = |line: &str| wrong(&[CLINIC, &[line]].concat(), HUB);
    let needs = |told: &[String]| told.iter().any(|told| told.contains("`within`"));
    assert!(needs(&wrong("repeats: {}")) && needs(&wrong("repeats: { within: soon }")));
    assert_eq!(
        wrong("repeats: { within: 0s }"),
        [
            "5:16 config-no-time `within` leaves no time to know a message by | write how long, such as 3d, or remove the key"
        ]
    );
    assert_eq!(
        wrong("repeats: 24h"),
        [
            "5:14 config-not-a-map `repeats` is a map with the key `within`, not a text | write repeats: { within: 24h }"
        ]
    );
    let known = plan(&[CLINIC, &["repeats: { within: 36h }"]].concat(), HUB);
    assert_eq!(known.source("clinic").unwrap().repeats, Some(Duration::from_secs(36 * 3600)));
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let site = "journal: { keep: 1d }\nsources:\n  clinic:\n    mllp: { listen: '127.0.0.1:0' }\n    repeats: { within: 25h }\ndestinations: {}\n";
    let found = compile(&Texts { site: text("orderly.yaml", site), ..Texts::default() }).diagnostics;
    assert!(found.iter().any(|found| found.code == "config-repeats"), "{found:?}");
}

#[test]
fn an_answer_that_cannot_come() {
    let source = |line: &'static str| [CLINIC, &[line][..]].concat();
    let wrong = |line: &'static str, more: &[&str]| wrong(&[&source(line)[..], more].concat(), HUB);
    let known = plan(&source("answer: from hub within 10s"), HUB);
    let answer = known.source("clinic").unwrap().answer.clone().unwrap();
    assert_eq!((&*answer.destination, answer.within), ("hub", Duration::from_secs(10)));
    for line in
        ["answer: hub", "answer: from hub", "answer: from hub within 10", "answer: from hub within 0s"]
    {
        let told = "5:13 config-answer `answer` takes one destination and a time | write answer: from lab-system within 10s";
        assert_eq!(wrong(line, &[]), [told], "{line}");
    }
    assert_eq!(
        wrong("answer: from hubb within 10s", &[]),
        ["5:13 config-answer there is no destination `hubb` in `destinations:` | did you mean `hub`?"]
    );
    assert_eq!(
        wrong("answer: from hub within 10s", &["acknowledgements: enhanced"]),
        [
            "5:13 config-answer in enhanced mode the answer to a message is that it is stored | remove `acknowledgements: enhanced`, or `answer:`"
        ]
    );
    let filing = compiled(&source("answer: from hub within 10s"), &["files:", "  folder: out"]).diagnostics;
    assert!(filing.iter().any(|found| found.message == "`hub` answers nothing that is HL7 v2"), "{filing:?}");
    let dropped = ["files:", "  folder: in", "answer: from hub within 10s"];
    let dropped = compiled(&dropped, HUB).diagnostics;
    assert!(
        dropped.iter().any(|found| found.message == "nobody waits for an answer to a file"),
        "{dropped:?}"
    );
}

#[test]
fn an_answer_that_no_route_leads_to_and_one_that_waits_for_others() {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let site = "sources:\n  portal: { answer: from lab within 10s, mllp: { listen: '127.0.0.1:0' } }\n  feed: { mllp: { listen: '127.0.0.1:0' } }\n\
                destinations:\n  lab: { mllp: { address: 'lab:2575' } }\n  hub: { mllp: { address: 'hub:2575' } }\n";
    let found = |portal: &str, feed: &str| {
        let route = |name: &str, to: &str| {
            text(&format!("routes/{name}.yaml"), &format!("route: {name}\nfrom: {name}\n{to}\n"))
        };
        let routes = vec![route("portal", portal), route("feed", feed)];
        let compiled = compile(&Texts { site: text("orderly.yaml", site), routes, ..Texts::default() });
        let told =
            |one: &crate::Diagnostic| one.code.starts_with("config-answer").then(|| one.message.clone());
        compiled.diagnostics.iter().filter_map(told).collect::<Vec<_>>()
    };
    let (lab, hub) = ("to: [{ destination: lab }]", "to: [{ destination: hub }]");
    assert_eq!(found(lab, hub), Vec::<String>::new());
    assert_eq!(found(hub, lab), ["no route takes messages from here to `lab`"]);
    let behind =
        "its messages wait behind those of the route `feed` for `lab`, and their senders wait for them";
    assert_eq!(found(lab, lab), [behind]);
    assert_eq!(found(&format!("priority: stat\n{lab}"), lab), Vec::<String>::new());
    assert_eq!(found(lab, &format!("priority: backfill\n{lab}")), Vec::<String>::new());
}

#[test]
fn a_header_that_is_a_secret_does_not_stand_there() {
    let lines =
        ["http:", "  url: https://h/", "  headers:", "    X-Api-Key: 4711-0815", "    X-Site: riverside"];
    assert_eq!(
        wrong(CLINIC, &lines),
        [
            "10:9 config-secret `X-Api-Key` takes no secret as it is, only where it is found | write `X-Api-Key: ${env:NAME}` for a variable \
          of the environment, or `X-Api-Key: ${file:secrets/name}`"
        ]
    );
}
