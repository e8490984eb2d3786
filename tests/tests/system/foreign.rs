//! Software of others on the other side, over real sockets: Python's hl7, and node-hl7-client, node-hl7-server and simple-hl7 of npm send to a
//! source and read its answers, and receive from a destination and answer; Python's fhirclient reads what a FHIR destination posted.
//!
//! Each exchange is of several messages over one connection, with text that is not ASCII, a repeated segment and a refusal. TLS is spoken
//! by all but simple-hl7, which has none, and the blocking client of Python's hl7, whose asyncio client sends there. node-hl7-server is here
//! twice: 2.4 answers every message of a connection, 2.5 only the first one right.

use std::fs;

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState;
use orderly_tests::authority::Authority;
use orderly_tests::foreign::Foreign;
use orderly_tests::peers::Sender;
use orderly_tests::running::{Running, until};
use orderly_tests::site::Site;
use serde_json::{Value, json};

/// Control ids, and PV1-2, by which whoever receives knows which one to refuse.
const MESSAGES: [(&str, char); 4] = [("F1", 'I'), ("F2", 'O'), ("F3", 'R'), ("F4", 'E')];
const ANSWERS: [&str; 4] = ["AA", "AA", "AE", "AA"];

const NAME: &str = "ÅSTRÖM^ŁUCJA^ジャン";
const NEXT_OF_KIN: [&str; 2] = ["MÜLLER^ÉVA", "ØDEGÅRD^ŽOFIA"];

fn message(control_id: &str, class: char) -> String {
    format!(
        "MSH|^~\\&|REGI|NORTH|HUB|HUB|20260305141500-0500||ADT^A04^ADT_A01|{control_id}|P|2.5.1||||||UNICODE UTF-8\r\
         EVN|A04|20260305141455-0500\r\
         PID|1||70014^^^NORTH^MR~8814^^^SOUTH^PI||{NAME}||19840211|F\r\
         NK1|1|{}|MTH\rNK1|2|{}|SIS\rPV1|1|{class}|CLIN2\r",
        NEXT_OF_KIN[0], NEXT_OF_KIN[1]
    )
}

/// Takes in, and files; a mapping refuses what is to be refused.
const TAKING: &str = "\
sources:
  clinic:
    on_mapping_failure: AE
    mllp:
      listen: 127.0.0.1:0
destinations:
  filed:
    files:
      folder: filed
      name: ${message.control_id}.hl7
";
const TAKING_ROUTE: &str =
    "route: relay\nfrom: clinic\nto:\n  - destination: filed\n    mapping: unless-refused\n";
const UNLESS_REFUSED: &str = "mapping: unless-refused\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - when: PV1-2 = 'R'\n    fail: refused\n";
const TLS_OF_SOURCE: &str =
    "127.0.0.1:0\n      tls:\n        certificate: tls/engine.pem\n        key: tls/engine.key";

/// The engine that takes in, and the files with the messages.
async fn taking(is_secure: bool) -> (Site, Running, Vec<String>) {
    let files = [
        ("orderly.yaml", TAKING),
        ("routes/relay.yaml", TAKING_ROUTE),
        ("mappings/unless-refused.yaml", UNLESS_REFUSED),
    ];
    let site = Site::of(&files);
    if is_secure {
        Authority::default().issue(&site, "engine", "engine.example");
        site.amend("orderly.yaml", "127.0.0.1:0", TLS_OF_SOURCE);
    }
    let write = |(control_id, class)| {
        let name = format!("{control_id}.hl7");
        site.write(&name, message(control_id, class));
        site.path(&name).to_str().unwrap().to_owned()
    };
    let messages = MESSAGES.map(write).into();
    // The log of each connection counts them.
    let engine = Running::start_under(&site, &["env", "ORDERLY_LOG=debug"]).await;
    (site, engine, messages)
}

/// What a sender read in the answers, and what came of its messages.
async fn assert_taken(site: &Site, engine: &Running, sender: Foreign) {
    let answers = sender.ended().await;
    let expected: Vec<Value> = MESSAGES
        .iter()
        .zip(ANSWERS)
        .map(|((id, _), code)| json!({ "code": code, "acknowledges": id }))
        .collect();
    assert_eq!(answers, expected);
    let filed = ["F1-1.hl7", "F2-2.hl7", "F4-4.hl7"];
    until("all files", || (site.filed() == filed).then_some(())).await;
    for (file, (control_id, class)) in filed.iter().zip([MESSAGES[0], MESSAGES[1], MESSAGES[3]]) {
        let text = String::from_utf8(fs::read(site.path("filed").join(file)).unwrap()).unwrap();
        assert_eq!(text.trim_end(), message(control_id, class).trim_end());
    }
    let connections = engine.log().iter().filter(|line| line.contains("\"connected\"")).count();
    assert_eq!(connections, 1, "{:#?}", engine.log());
}

/// The arguments of a sender.
fn arguments<'a>(first: &[&'a str], messages: &'a [String]) -> Vec<&'a str> {
    first.iter().copied().chain(messages.iter().map(String::as_str)).collect()
}

fn port(engine: &Running) -> String {
    engine.address("clinic").port().to_string()
}

#[tokio::test]
async fn python_hl7_sends() {
    let (site, engine, messages) = taking(false).await;
    let sender = Foreign::python("python_hl7.py", arguments(&["send", &port(&engine), "plain"], &messages));
    assert_taken(&site, &engine, sender).await;
}

#[tokio::test]
async fn python_hl7_sends_by_tls() {
    let (site, engine, messages) = taking(true).await;
    let ca = site.path("tls/ca.pem");
    let first = ["send", &port(&engine), ca.to_str().unwrap()];
    assert_taken(&site, &engine, Foreign::python("python_hl7.py", arguments(&first, &messages))).await;
}

#[tokio::test]
async fn node_hl7_client_sends() {
    let (site, engine, messages) = taking(false).await;
    let sender = Foreign::node("node_hl7_client.js", arguments(&[&port(&engine), "plain"], &messages));
    assert_taken(&site, &engine, sender).await;
}

#[tokio::test]
async fn node_hl7_client_sends_by_tls() {
    let (site, engine, messages) = taking(true).await;
    let ca = site.path("tls/ca.pem");
    let first = [&port(&engine), ca.to_str().unwrap()];
    assert_taken(&site, &engine, Foreign::node("node_hl7_client.js", arguments(&first, &messages))).await;
}

#[tokio::test]
async fn simple_hl7_sends() {
    let (site, engine, messages) = taking(false).await;
    let sender = Foreign::node("simple_hl7.js", arguments(&["send", &port(&engine)], &messages));
    assert_taken(&site, &engine, sender).await;
}

/// A receiver's certificate and key.
struct Shown(Site, [String; 2]);

impl Shown {
    fn new() -> Shown {
        let site = Site::of(&[]);
        Authority::default().issue(&site, "receiver", "receiver.example");
        let paths =
            ["pem", "key"].map(|ending| site.path(&format!("tls/receiver.{ending}")).display().to_string());
        Shown(site, paths)
    }
}

/// Sends the messages through an engine to a receiver; it accepts all but one, which is parked, and sees each once, over so many connections.
async fn assert_received(receiver: Foreign, shown: Option<&Shown>, connection: &str) {
    let address = ([127, 0, 0, 1], receiver.port().await).into();
    let site = Site::relay(address);
    let more = match shown {
        None => format!("connection: {connection}"),
        Some(Shown(other, _)) => {
            format!(
                "connection: {connection}\n      tls:\n        ca: {}",
                other.path("tls/ca.pem").display()
            )
        }
    };
    site.amend("orderly.yaml", "answer_timeout: 300ms", &format!("answer_timeout: 10s\n      {more}"));
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for (control_id, class) in MESSAGES {
        assert_eq!(clinic.send(message(control_id, class).as_bytes()).await.code, Some(AckCode::AA));
    }
    use DeliveryState::{Delivered, Parked};
    for (id, state) in (1..).zip([Delivered, Delivered, Parked, Delivered]) {
        until("a delivery", || (site.state_of(id) == [state]).then_some(())).await;
    }
    let reason = site.journal().message(3).unwrap().unwrap().deliveries[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("the receiver answered AE"));
    assert_eq!(engine.stop().await.code(), Some(0));

    let connections = if connection == "persistent" { 1 } else { MESSAGES.len() };
    let said = receiver.said(1 + connections + MESSAGES.len()).await;
    let (connected, seen): (Vec<_>, Vec<_>) =
        said.into_iter().skip(1).partition(|said| said["connected"] == true);
    assert_eq!(connected.len(), connections);
    let expected = MESSAGES
        .map(|(control_id, _)| json!({ "control_id": control_id, "name": NAME, "next_of_kin": NEXT_OF_KIN }));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn python_hl7_receives() {
    assert_received(Foreign::python("python_hl7.py", ["serve", "plain"]), None, "persistent").await;
}

#[tokio::test]
async fn python_hl7_receives_by_tls() {
    let shown = Shown::new();
    let receiver = Foreign::python("python_hl7.py", ["serve", &shown.1[0], &shown.1[1]]);
    assert_received(receiver, Some(&shown), "persistent").await;
}

#[tokio::test]
async fn node_hl7_server_receives() {
    assert_received(Foreign::node("node_hl7_server.js", ["2.4", "plain"]), None, "persistent").await;
}

#[tokio::test]
async fn node_hl7_server_receives_by_tls() {
    let shown = Shown::new();
    let receiver = Foreign::node("node_hl7_server.js", ["2.4", &shown.1[0], &shown.1[1]]);
    assert_received(receiver, Some(&shown), "persistent").await;
}

#[tokio::test]
async fn a_node_hl7_server_that_answers_one_message_a_connection_receives() {
    let shown = Shown::new();
    assert_received(Foreign::node("node_hl7_server.js", ["2.5", "plain"]), None, "per_message").await;
    let receiver = Foreign::node("node_hl7_server.js", ["2.5", &shown.1[0], &shown.1[1]]);
    assert_received(receiver, Some(&shown), "per_message").await;
}

#[tokio::test]
async fn simple_hl7_receives() {
    assert_received(Foreign::node("simple_hl7.js", ["serve"]), None, "persistent").await;
}

const POSTING: &str = "\
sources:
  lab:
    mllp:
      listen: 127.0.0.1:0
destinations:
  registry:
    retry:
      then: 50ms
    fhir:
      base: http://127.0.0.1:PORT/r4
";
const POSTING_ROUTE: &str =
    "route: results\nfrom: lab\nto:\n  - destination: registry\n    mapping: to-fhir\n";
const TO_FHIR: &str = "\
mapping: to-fhir
input: hl7v2 2.5.1
output: json
tables:
  sex:
    rows: { F: female, M: male }
    unmapped: 'unknown'
rules:
  - let:
      patient: urn:uuid:${PID-3.1 | uuid('patients')}
build:
  resourceType: Bundle
  type: transaction
  entry:
    - fullUrl: ${$patient}
      resource:
        resourceType: Patient
        identifier:
          - system: urn:oid:2.16.840.1.113883.19.44
            value: ${PID-3.1}
        name:
          - family: ${PID-5.1}
            given:
              - ${PID-5.2}
              - ${PID-5.3}
        gender: ${PID-8 | lookup(sex)}
        birthDate: ${PID-7 | date('yyyy-MM-dd')}
      request:
        method: POST
        url: Patient
        ifNoneExist: identifier=urn:oid:2.16.840.1.113883.19.44|${PID-3.1}
";

const OBSERVATION: &str =
    "    - fullUrl: urn:uuid:${results[1].observations[NUMBER].code.code | uuid('observations')}
      resource:
        resourceType: Observation
        status: final
        code:
          coding:
            - system: http://loinc.org
              code: ${results[1].observations[NUMBER].code.code}
              display: ${results[1].observations[NUMBER].code.display}
        subject:
          reference: ${$patient}
        valueQuantity:
          $when: results[1].observations[NUMBER].value_type = 'NM'
          value: ${results[1].observations[NUMBER].value | number}
          unit: ${results[1].observations[NUMBER].units.code}
        valueString:
          $when: results[1].observations[NUMBER].value_type != 'NM'
          $value: ${results[1].observations[NUMBER].value}
      request:
        method: POST
        url: Observation
";

fn results() -> String {
    format!(
        "MSH|^~\\&|LAB|NORTH|HUB|HUB|20260305141500-0500||ORU^R01^ORU_R01|F1|P|2.5.1||||||UNICODE UTF-8\r\
         PID|1||70014^^^NORTH^MR||{NAME}||19840211|F\r\
         OBR|1||A1|718-7^Hemoglobin^LN|||20260305120000\r\
         OBX|1|NM|718-7^Hemoglobin^LN||13.20|g/dL|||||F\r\
         OBX|2|ST|5778-6^Färbung^LN||gelblich – trüb||||||F\r"
    )
}

/// A site that posts to a recording server at this port.
fn posting(port: &str) -> Site {
    let observations = ["1", "2"].map(|number| OBSERVATION.replace("NUMBER", number)).concat();
    Site::of(&[
        ("orderly.yaml", &POSTING.replace("PORT", port)),
        ("routes/results.yaml", POSTING_ROUTE),
        ("mappings/to-fhir.yaml", &format!("{TO_FHIR}{observations}")),
    ])
}

#[tokio::test]
async fn fhirclient_reads_what_was_posted() {
    let server = Foreign::python("fhir.py", ["serve"]);
    let port = server.port().await.to_string();
    let site = posting(&port);
    let engine = Running::start(&site).await;
    let mut lab = Sender::connect(engine.address("lab")).await;
    assert_eq!(lab.send(results().as_bytes()).await.code, Some(AckCode::AA));
    until("a delivery", || (site.state_of(1) == [DeliveryState::Delivered]).then_some(())).await;

    let posted = server.said(2).await.swap_remove(1);
    let condition = "identifier=urn:oid:2.16.840.1.113883.19.44|70014";
    let expected = json!({
        "path": "/r4",
        "content_type": "application/fhir+json",
        "entries": ["POST Patient", "POST Observation", "POST Observation"],
        "conditions": [condition, null, null],
    });
    assert_eq!(posted, expected);
    let found = Foreign::python("fhir.py", ["read", &port, "70014"]).ended().await;
    let expected = [
        json!({ "patient": "ÅSTRÖM, ŁUCJA ジャン", "born": "1984-02-11", "sex": "female" }),
        json!({ "code": "718-7", "display": "Hemoglobin", "status": "final", "value": "13.2 g/dL" }),
        json!({ "code": "5778-6", "display": "Färbung", "status": "final", "value": "gelblich – trüb" }),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_fhirclient_refuses_is_parked_with_the_place() {
    let server = Foreign::python("fhir.py", ["serve"]);
    let port = server.port().await.to_string();
    let site = posting(&port);
    site.amend("mappings/to-fhir.yaml", "birthDate:", "born:");
    let engine = Running::start(&site).await;
    let mut lab = Sender::connect(engine.address("lab")).await;
    assert_eq!(lab.send(results().as_bytes()).await.code, Some(AckCode::AA));
    until("a delivery", || (site.state_of(1) == [DeliveryState::Parked]).then_some(())).await;
    let refused = server.said(2).await.swap_remove(1)["refused"].to_string();
    assert!(refused.contains("Superfluous entry \\\"born\\\""), "{refused}");
    let reason = site.journal().message(1).unwrap().unwrap().deliveries.remove(0).reason.unwrap();
    assert!(reason.contains("structure at Bundle.entry[0].resource"), "{reason}");
}
