//! `orderly replay`: by id and by state, by the running engine and without one, in place and again.

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState;
use orderly_tests::peers::{AbsentPeer, Peer, Sender, acknowledgement, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::json;
use std::net::SocketAddr;

const MAPPING: &str = "\
mapping: wards
input: hl7v2 2.5.1
output: hl7v2
tables:
  ward:
    rows:
      OTHER: O1
    unmapped: fail
rules:
  - set:
      PV1-3.1: ${PV1-3.1 | lookup(ward)}
";

/// A relay whose mapping knows no ward of [`admission`], so that every message fails.
fn failing(hospital: SocketAddr) -> Site {
    let site = Site::relay(hospital);
    site.write("mappings/wards.yaml", MAPPING);
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: wards");
    site
}

fn mend(site: &Site) {
    site.amend("mappings/wards.yaml", "OTHER: O1", "CLIN2: O2");
}

async fn feed(engine: &Running, ids: &[&str]) {
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ids {
        assert_eq!(clinic.send(&admission(id)).await.code, Some(AckCode::AA));
    }
}

#[tokio::test]
async fn without_an_engine_what_failed_waits_for_the_next_start() {
    let hospital = Peer::accepting().await;
    let site = failing(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1", "P2"]).await;
    engine.stop().await;
    assert_eq!(site.state_of(1), [DeliveryState::Failed]);

    let ran = orderly(&site, ["replay", "--state", "failed", "--json"]).await.ended(1);
    assert_eq!(
        ran.json()[0],
        json!({ "id": 1, "fate": "failed", "waiting": 0, "failed": 1, "problem": null }),
        "nothing was mended"
    );
    mend(&site);
    let ran = orderly(&site, ["replay", "--state", "failed"]).await.ended(0);
    assert!(ran.out.contains("2 messages replayed, 2 deliveries waiting, 0 not mended"), "{}", ran.out);
    assert_eq!(site.state_of(1), [DeliveryState::Waiting]);
    let _engine = Running::start(&site).await;
    let received = hospital.received(2).await;
    assert_eq!(hospital.control_ids(), ["P1", "P2"]);
    assert!(received[0].windows(4).any(|text| text == b"|O2\r"), "{}", received[0].escape_ascii());
}

#[tokio::test]
async fn the_running_engine_replays_by_id() {
    let hospital = Peer::accepting().await;
    let site = failing(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1", "P2"]).await;
    engine.stop().await;
    mend(&site);
    let _engine = Running::start(&site).await;
    let ran = orderly(&site, ["replay", "2", "--json"]).await.ended(0);
    assert_eq!(
        ran.json(),
        [json!({ "id": 2, "fate": "routed", "waiting": 1, "failed": 0, "problem": null })]
    );
    hospital.received(1).await;
    assert_eq!(hospital.control_ids(), ["P2"]);
    let ran = orderly(&site, ["replay", "1", "99"]).await.ended(1);
    assert!(ran.out.contains("99: not replayed: there is no message"), "{}", ran.out);
    hospital.received(2).await;
    assert_eq!(hospital.control_ids(), ["P2", "P1"]);
}

#[tokio::test]
async fn what_was_delivered_goes_out_again_only_when_asked_for() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1"]).await;
    until("the delivery", || (site.state_of(1) == [DeliveryState::Delivered]).then_some(())).await;
    let ran = orderly(&site, ["replay", "1", "--json"]).await.ended(0);
    assert_eq!(ran.json()[0]["waiting"], 0);
    let ran = orderly(&site, ["replay", "1", "--also-delivered", "--json"]).await.ended(0);
    assert_eq!(ran.json()[0]["waiting"], 1);
    hospital.received(2).await;
    assert_eq!(hospital.control_ids(), ["P1", "P1"]);
}

#[tokio::test]
async fn what_waits_is_replaced_at_its_place() {
    let absent = AbsentPeer::somewhere();
    let site = failing(absent.address);
    mend(&site);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1", "P2", "P3"]).await;
    engine.stop().await;
    site.amend("mappings/wards.yaml", "CLIN2: O2", "CLIN2: O3");
    let engine = Running::start(&site).await;
    orderly(&site, ["replay", "1"]).await.ended(0);
    let hospital = absent.arrives().await;
    let received = hospital.received(3).await;
    assert_eq!(hospital.control_ids(), ["P1", "P2", "P3"]);
    let wards: Vec<_> =
        received.iter().map(|message| message[message.len() - 3..].escape_ascii().to_string()).collect();
    assert_eq!(wards, ["O3\\r", "O2\\r", "O2\\r"]);
    engine.stop().await;
}

#[tokio::test]
async fn a_parked_message_goes_out_after_a_replay() {
    let hospital = Peer::answering(|before, message| match before {
        0 => acknowledgement(message, AckCode::AE),
        _ => acknowledgement(message, AckCode::AA),
    });
    let hospital = hospital.await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1", "P2"]).await;
    until("P2's delivery", || (site.state_of(2) == [DeliveryState::Delivered]).then_some(())).await;
    assert_eq!(site.state_of(1), [DeliveryState::Parked]);
    let ran = orderly(&site, ["replay", "--state", "parked", "--since", "1h", "--json"]).await.ended(0);
    assert_eq!(ran.json().len(), 1);
    hospital.received(3).await;
    assert_eq!(hospital.control_ids(), ["P1", "P2", "P1"]);
    until("P1's delivery", || (site.state_of(1) == [DeliveryState::Delivered]).then_some(())).await;
}

#[tokio::test]
async fn a_wrong_charset_is_repaired_by_setting_it_and_replaying() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    site.write(
        "mappings/names.yaml",
        "mapping: names\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - set:\n      PID-5.1: ${PID-5.1 | upper}\n",
    );
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: names");
    let utf8 = "MSH|^~\\&|A|B|C|D|20260305||ADT^A04|P1|P|2.3\rPID|1||7||ñandú\r";
    let engine = Running::start(&site).await;
    Sender::connect(engine.address("clinic")).await.send(utf8.as_bytes()).await;
    hospital.received(1).await;
    engine.stop().await;
    site.amend("orderly.yaml", "  clinic:\n", "  clinic:\n    charset: UTF-8\n");
    let _engine = Running::start(&site).await;
    orderly(&site, ["replay", "1", "--also-delivered"]).await.ended(0);
    let received = hospital.received(2).await;
    assert_eq!(String::from_utf8_lossy(&received[1]), utf8.replace("ñandú", "ÑANDÚ"));
}

#[tokio::test]
async fn a_replay_through_an_engine_with_an_older_configuration_says_so() {
    let hospital = Peer::accepting().await;
    let site = failing(hospital.address);
    site.amend("orderly.yaml", "sources:", "reload: manual\nsources:");
    let engine = Running::start(&site).await;
    feed(&engine, &["P1"]).await;
    mend(&site);
    let ran = orderly(&site, ["replay", "--state", "failed"]).await.ended(1);
    assert!(ran.out.contains("1: failed, 0 waiting, 1 failed again"), "{}", ran.out);
    assert!(ran.err.contains("`orderly reload` says why"), "{}", ran.err);
    assert!(engine.log().iter().any(|line| line.contains("the mapping failed")));
    orderly(&site, ["reload"]).await.ended(0);
    let ran = orderly(&site, ["replay", "--state", "failed"]).await.ended(0);
    assert_eq!((ran.out.contains("1: routed, 1 waiting"), ran.err.as_str()), (true, ""), "{}", ran.out);
}

#[tokio::test]
async fn what_waits_for_a_destination_that_is_gone_is_told_at_start() {
    let site = Site::relay("127.0.0.1:9".parse().unwrap());
    let engine = Running::start(&site).await;
    feed(&engine, &["P1"]).await;
    engine.stop().await;
    for file in ["orderly.yaml", "routes/relay.yaml"] {
        site.amend(file, "hospital", "clinic-west");
    }
    let engine = Running::start(&site).await;
    engine.logged("a destination that the configuration no longer has").await;
}

/// What a person took back is not sent because somebody replays a day: only when that is said.
#[tokio::test]
async fn what_a_person_took_back_stays_so_unless_that_is_said() {
    let hospital = Peer::accepting().await;
    let site = failing(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1", "P2"]).await;
    orderly(&site, ["cancel", "1", "--reason", "sent by telephone"]).await.ended(0);
    mend(&site);
    orderly(&site, ["reload"]).await.ended(0);
    let told = "1 left alone that a person took back; --also-cancelled sends what was taken back";
    for chosen in [&["1"][..], &["--source", "clinic"]] {
        let ran = orderly(&site, [&["replay", "--dry-run"], chosen].concat()).await.ended(0);
        assert!(ran.out.contains(told), "{}", ran.out);
    }
    let ran = orderly(&site, ["replay", "1"]).await.ended(0);
    assert_eq!(ran.out, "1: routed, 0 waiting\n1 message replayed, 0 deliveries waiting, 0 not mended\n");
    assert!(ran.err.contains("--also-cancelled"), "{}", ran.err);
    assert_eq!(site.state_of(1), [DeliveryState::Cancelled]);
    orderly(&site, ["replay", "--source", "clinic"]).await.ended(0);
    hospital.received(1).await;

    let ran = orderly(&site, ["replay", "1", "--also-cancelled", "--dry-run"]).await.ended(0);
    assert!(ran.out.contains("1 to be sent ALTHOUGH A PERSON TOOK IT BACK"), "{}", ran.out);
    orderly(&site, ["replay", "1", "--also-cancelled"]).await.ended(0);
    hospital.received(2).await;
    assert_eq!(hospital.control_ids(), ["P2", "P1"]);
    until("both", || (site.state_of(1) == [DeliveryState::Delivered]).then_some(())).await;

    // What only a replay cancelled, the next one makes again.
    feed(&engine, &["P3"]).await;
    hospital.received(3).await;
    engine.stop().await;
    orderly(&site, ["balance"]).await.ended(0);
}

/// How it stands is told while a long replay is under way.
#[tokio::test]
async fn nobody_waits_behind_a_replay_to_see_how_it_stands() {
    let hospital = Peer::accepting().await;
    let site = failing(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1"]).await;
    let ids = vec!["1"; 20_000].join(",");
    let long = format!(
        "{{\"replay\":{{\"ids\":[{ids}],\"also_delivered\":false,\"only\":null,\"destination\":null,\"dry_run\":true,\
         \"differences\":false,\"who\":\"somebody\"}}}}\n"
    );
    let mut asker = tokio::net::UnixStream::connect(site.path("journal/control.sock")).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut asker, long.as_bytes()).await.unwrap();
    engine.logged("replaying").await;
    orderly(&site, ["status"]).await.ended(0);
    let answer = asker.try_read(&mut [0]);
    assert_eq!(
        answer.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::WouldBlock),
        "the replay goes on"
    );
}
