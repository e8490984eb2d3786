//! What sources and destinations on a network may say, and what is told about what they may not: each line by hand.

use orderly_record::Place;

use crate::plan::{Endpoint, Listener, Plan, TlsIdentity};
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
