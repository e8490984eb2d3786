//! What sources and destinations on a network may say, and what is told about what they may not: each line by hand.

mod brokers;
mod web;

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
