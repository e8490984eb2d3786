//! `orderly codes`: what is parked for want of a row in a table, counted, and released at its place once the table has it.

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState;
use orderly_tests::peers::{AbsentPeer, Peer, Sender, acknowledgement, admission, control_id};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::Value;
use std::net::SocketAddr;

const MAPPING: &str = "\
mapping: wards
input: hl7v2 2.5.1
output: hl7v2
tables:
  ward: { file: tables/ward.csv, key: code, value: name, unmapped: park }
rules:
  - set:
      PV1-3.1: ${PV1-3.1 | lookup(ward)}
";

/// A relay whose table knows the ward CLIN2 only.
fn parking(hospital: SocketAddr) -> Site {
    let site = Site::relay(hospital);
    site.write("mappings/wards.yaml", MAPPING);
    site.write("mappings/tables/ward.csv", "code,name\nCLIN2,O2\n");
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: wards");
    site
}

async fn feed(engine: &Running, messages: &[(&str, &str)]) {
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for (id, ward) in messages {
        let message = String::from_utf8(admission(id)).unwrap().replace("CLIN2", ward);
        assert_eq!(clinic.send(message.as_bytes()).await.code, Some(AckCode::AA));
    }
}

/// Code, count and how many wait.
async fn codes(site: &Site) -> Vec<(String, u64, u64)> {
    let ran = orderly(site, ["codes", "--json"]).await.ended(0);
    let told = |code: &Value| {
        assert_eq!((&code["table"], &code["mapping"]), (&"ward".into(), &"wards".into()));
        assert_eq!(code["destination"], "hospital");
        let number = |name: &str| code[name].as_u64().unwrap();
        (code["code"].as_str().unwrap().to_owned(), number("count"), number("waiting"))
    };
    ran.json().iter().map(told).collect()
}

fn code(code: &str, count: u64, waiting: u64) -> (String, u64, u64) {
    (code.to_owned(), count, waiting)
}

/// Control id and ward of each message.
fn wards(messages: &[std::sync::Arc<[u8]>]) -> Vec<(String, String)> {
    let ward = |message: &[u8]| {
        let text = String::from_utf8_lossy(message).into_owned();
        text.trim_end().rsplit('|').next().unwrap_or_default().to_owned()
    };
    messages.iter().map(|message| (control_id(message), ward(message))).collect()
}

#[tokio::test]
async fn a_row_that_is_added_releases_what_waited_for_it() {
    let hospital = Peer::accepting().await;
    let site = parking(hospital.address);
    let engine = Running::start(&site).await;
    let messages = [("P1", "CLIN2"), ("P2", "CLIN9"), ("P3", "CLIN8"), ("P4", "CLIN9"), ("P5", "CLIN2")];
    feed(&engine, &messages).await;
    hospital.received(2).await;
    assert_eq!(codes(&site).await, [code("CLIN8", 1, 1), code("CLIN9", 2, 2)]);
    let ran = orderly(&site, ["codes"]).await.ended(0);
    assert!(ran.out.starts_with(" TABLE  CODE   MAPPING  DESTINATION  COUNT  WAITING  FIRST"), "{}", ran.out);

    let ran = orderly(&site, ["codes", "release"]).await.ended(1);
    assert_eq!(ran.out, "0 deliveries released, 3 still unmapped\n");
    assert_eq!(codes(&site).await, [code("CLIN8", 1, 1), code("CLIN9", 2, 2)], "nothing is counted twice");

    site.amend("mappings/tables/ward.csv", "CLIN2,O2", "CLIN2,O2\nCLIN9,O9");
    engine.logged("\"message\":\"reloaded\"").await;
    let ran = orderly(&site, ["codes", "release", "--dry-run"]).await.ended(1);
    assert_eq!(ran.out, "2 deliveries would be released, 1 still unmapped\n");
    assert_eq!(site.state_of(2), [DeliveryState::Parked]);
    let ran = orderly(&site, ["codes", "release", "--table", "ward", "--code", "CLIN9"]).await.ended(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("2 deliveries released, 0 still unmapped\n", ""));
    let received = hospital.received(4).await;
    let expected = [("P1", "O2"), ("P5", "O2"), ("P2", "O9"), ("P4", "O9")];
    assert_eq!(wards(&received), expected.map(|(id, ward)| (id.to_owned(), ward.to_owned())));
    assert_eq!(codes(&site).await, [code("CLIN8", 1, 1), code("CLIN9", 2, 0)]);

    let ran = orderly(&site, ["codes", "release", "--json"]).await.ended(1);
    let expected = "{\"id\":3,\"released\":0,\"unmapped\":1,\"failed\":0,\"dropped\":0,\"problem\":null}\n";
    assert_eq!(ran.out, expected);
    let ran = orderly(&site, ["codes", "release", "--table", "none"]).await.ended(0);
    assert_eq!(ran.out, "0 deliveries released, 0 still unmapped\n");
    assert!(engine.log().iter().all(|line| !line.contains("CLIN9")), "codes are not for the log");
}

/// What waited as one, because the code is looked up before the message is split, goes as all that it becomes.
#[tokio::test]
async fn a_message_that_is_split_after_the_table_is_released_whole() {
    let hospital = Peer::accepting().await;
    let site = parking(hospital.address);
    site.write("mappings/wards.yaml", format!("{MAPPING}  - split: ORDER_OBSERVATION\n"));
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let orders = "OBR|1||A\rOBR|2||B\rOBR|3||C\r";
    let results =
        format!("MSH|^~\\&|LAB|X|Y|Z|20260305||ORU^R01|P1|P|2.5.1\rPID|1||7\rPV1|1|I|CLIN9\r{orders}");
    assert_eq!(clinic.send(results.as_bytes()).await.code, Some(AckCode::AA));
    assert_eq!(codes(&site).await, [code("CLIN9", 1, 1)]);

    site.amend("mappings/tables/ward.csv", "CLIN2,O2", "CLIN2,O2\nCLIN9,O9");
    engine.logged("\"message\":\"reloaded\"").await;
    let ran = orderly(&site, ["codes", "release", "--dry-run"]).await.ended(0);
    assert_eq!(ran.out, "3 deliveries would be released, 0 still unmapped\n");
    let ran = orderly(&site, ["codes", "release"]).await.ended(0);
    assert_eq!(ran.out, "3 deliveries released, 0 still unmapped\n");
    let received: Vec<String> =
        hospital.received(3).await.iter().map(|message| control_id(message)).collect();
    assert_eq!(received, ["P1-1", "P1-2", "P1-3"]);
}

#[tokio::test]
async fn what_is_released_goes_before_what_came_after_it_and_waits() {
    let absent = AbsentPeer::somewhere();
    let site = parking(absent.address);
    let engine = Running::start(&site).await;
    feed(&engine, &[("P1", "CLIN9"), ("P2", "CLIN2"), ("P3", "CLIN9"), ("P4", "CLIN2")]).await;
    engine.logged("cannot deliver, will try again").await;
    site.amend("mappings/tables/ward.csv", "CLIN2,O2", "CLIN2,O2\nCLIN9,O9");
    engine.logged("\"message\":\"reloaded\"").await;
    orderly(&site, ["codes", "release"]).await.ended(0);
    let hospital = absent.arrives().await;
    hospital.received(4).await;
    assert_eq!(hospital.control_ids(), ["P1", "P2", "P3", "P4"]);
}

#[tokio::test]
async fn without_an_engine_what_is_released_waits_for_the_next_start() {
    let hospital = Peer::accepting().await;
    let site = parking(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &[("P1", "CLIN9"), ("P2", "CLIN9")]).await;
    engine.stop().await;
    site.amend("mappings/tables/ward.csv", "CLIN2,O2", "CLIN9,O9");
    let ran = orderly(&site, ["codes", "release"]).await.ended(0);
    assert_eq!(ran.out, "2 deliveries released, 0 still unmapped\n");
    assert_eq!(site.state_of(1), [DeliveryState::Waiting]);
    let _engine = Running::start(&site).await;
    hospital.received(2).await;
    assert_eq!(hospital.control_ids(), ["P1", "P2"]);
}

#[tokio::test]
async fn only_what_is_parked_for_a_code_is_released() {
    let hospital = Peer::accepting().await;
    let lab = Peer::answering(|_, message| acknowledgement(message, AckCode::AE)).await;
    let site = parking(hospital.address);
    let destination = format!("destinations:\n  lab:\n    mllp:\n      address: {}\n", lab.address);
    site.amend("orderly.yaml", "destinations:\n", &destination);
    site.amend("routes/relay.yaml", "to:\n", "to:\n  - destination: lab\n");
    let engine = Running::start(&site).await;
    feed(&engine, &[("P1", "CLIN9")]).await;
    let parked = [DeliveryState::Parked; 2];
    until("the refusal", || (site.state_of(1) == parked).then_some(())).await;
    site.amend("mappings/tables/ward.csv", "CLIN2,O2", "CLIN9,O9");
    orderly(&site, ["reload"]).await.ended(0);
    orderly(&site, ["codes", "release"]).await.ended(0);
    hospital.received(1).await;
    let states = [DeliveryState::Parked, DeliveryState::Delivered];
    until("the delivery", || (site.state_of(1) == states).then_some(())).await;
    assert_eq!(lab.control_ids(), ["P1"], "what was refused is not sent again");
}
