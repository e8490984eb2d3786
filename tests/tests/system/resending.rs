//! `orderly resend`, and what `--dry-run` says of it and of `orderly replay` before anything is done.

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState::{Cancelled, Delivered, Parked};
use orderly_tests::peers::{Peer, Sender, acknowledgement, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::{Value, json};

/// Another patient than [`admission`]'s.
fn of_another(control_id: &str) -> Vec<u8> {
    String::from_utf8(admission(control_id)).unwrap().replace("70014", "70015").into_bytes()
}

/// Messages A1 (which the hospital refuses), B1 of another patient, A2 of the first again.
async fn fed() -> (Peer, Site, Running) {
    let hospital = Peer::answering(|before, message| {
        acknowledgement(message, if before == 0 { AckCode::AE } else { AckCode::AA })
    });
    let hospital = hospital.await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for message in [admission("A1"), of_another("B1"), admission("A2")] {
        assert_eq!(clinic.send(&message).await.code, Some(AckCode::AA));
    }
    until("the last delivery", || (site.state_of(3) == [Delivered]).then_some(())).await;
    (hospital, site, engine)
}

fn foreseen(ran: &Value) -> Vec<(&str, u64)> {
    let counts = ran["hospital"].as_object().unwrap().iter();
    counts
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[tokio::test]
async fn what_is_parked_goes_at_its_place_and_what_is_delivered_goes_once_more() {
    let (hospital, site, engine) = fed().await;
    let ran = orderly(&site, ["resend", "1", "2", "3", "--dry-run", "--json"]).await.ended(0);
    let expected = [
        ("in_place", 1),
        ("again", 2),
        ("delivered_before", 2),
        ("newer_of_patient", 1),
        ("newer_of_others", 1),
    ];
    assert_eq!(foreseen(&ran.json()[0]), expected);
    assert_eq!((site.state_of(1), site.state_of(2)), (vec![Parked], vec![Delivered]), "nothing is done yet");
    let ran = orderly(&site, ["resend", "1", "--dry-run"]).await.ended(0);
    assert!(
        ran.out.starts_with(" DESTINATION  IN PLACE  AGAIN  DELIVERED BEFORE  NEWER OF PATIENT"),
        "{}",
        ran.out
    );

    let ran =
        orderly(&site, ["resend", "--state", "parked", "--reason", "their disk is mended"]).await.ended(0);
    assert_eq!(ran.out, "1 delivery sent again\n");
    until("A1's delivery", || (site.state_of(1) == [Delivered]).then_some(())).await;
    let ran =
        orderly(&site, ["resend", "3", "2", "--destination", "hospital", "--rate", "100/s"]).await.ended(0);
    assert_eq!(ran.out, "2 deliveries sent again\n");
    hospital.received(6).await;
    assert_eq!(hospital.control_ids(), ["A1", "B1", "A2", "A1", "A2", "B1"]);
    until("B1's new delivery", || (site.state_of(2) == [Delivered; 2]).then_some(())).await;

    engine.stop().await;
    orderly(&site, ["resend", "--patient", "70015"]).await.ended(0);
    let _engine = Running::start(&site).await;
    hospital.received(7).await;
    assert_eq!(hospital.control_ids().last().map(String::as_str), Some("B1"));
    let acts = orderly(&site, ["audit", "--json"]).await.ended(0).json();
    let told: Vec<_> =
        acts.iter().map(|act| (act["what"].as_str().unwrap(), act["count"].as_u64())).collect();
    assert_eq!(told, [("resend", Some(1)), ("resend", Some(2)), ("resend", Some(1))]);
    until("all", || (site.state_of(2) == [Delivered; 3]).then_some(())).await;
    orderly(&site, ["balance"]).await.ended(0);
}

#[tokio::test]
async fn what_cannot_be_sent_again_is_told() {
    let (hospital, site, _engine) = fed().await;
    site.write(
        "mappings/wards.yaml",
        "mapping: wards\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - fail: never works\n",
    );
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: wards");
    orderly(&site, ["reload"]).await.ended(0);
    orderly(&site, ["replay", "1"]).await.ended(1);
    let ran = orderly(&site, ["resend", "1", "--dry-run", "--json"]).await.ended(1);
    assert_eq!(foreseen(&ran.json()[0]), [("nothing_to_send", 1)]);
    let ran = orderly(&site, ["resend", "1"]).await.ended(1);
    assert!(ran.out.contains("1 to hospital: not sent again: no output was made of it"), "{}", ran.out);
    let ran = orderly(&site, ["resend", "--state", "expired"]).await.ended(1);
    assert_eq!(ran.out, "nothing to send again\n");
    for (arguments, said) in [
        (&["resend"][..], "this does not say which messages"),
        (&["replay"], "this does not say which messages"),
        (&["resend", "1", "--since", "1h"], "either named by id or searched for"),
        (&["resend", "99"], "there is no message 99"),
        (&["resend", "1", "--rate", "fast"], "write 10/s"),
    ] {
        let ran = orderly(&site, arguments).await.ended(2);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    assert_eq!(hospital.control_ids(), ["A1", "B1", "A2"]);
}

#[tokio::test]
async fn what_a_person_took_back_is_told_before_it_is_sent_all_the_same() {
    let (_hospital, site, _engine) = fed().await;
    orderly(&site, ["cancel", "1", "--reason", "entered twice"]).await.ended(0);
    let ran = orderly(&site, ["resend", "1", "2", "--dry-run", "--json"]).await.ended(0);
    let expected = [
        ("in_place", 0),
        ("again", 2),
        ("delivered_before", 1),
        ("taken_back", 1),
        ("newer_of_patient", 1),
        ("newer_of_others", 1),
    ];
    let counts = ran.json()[0]["hospital"].clone();
    for (name, count) in expected {
        assert_eq!(counts[name], json!(count), "{name} of {counts}");
    }
    let ran = orderly(&site, ["resend", "1", "2", "--dry-run"]).await.ended(0);
    assert!(ran.out.ends_with("\n1 to be sent ALTHOUGH A PERSON TOOK IT BACK\n"), "{}", ran.out);
    let ran = orderly(&site, ["resend", "2", "--dry-run"]).await.ended(0);
    assert!(!ran.out.contains("TOOK IT BACK"), "{}", ran.out);
}

const MAPPING: &str = "\
mapping: wards
input: hl7v2 2.5.1
output: hl7v2
rules:
  - set:
      PV1-3.1: NEW
";

#[tokio::test]
async fn a_replay_says_before_what_it_would_send_and_where_that_differs() {
    let (hospital, site, engine) = fed().await;
    site.write("mappings/wards.yaml", MAPPING);
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: wards");
    site.amend("routes/relay.yaml", "to:\n", "when: MSH-10 != 'B1'\nto:\n");
    orderly(&site, ["reload"]).await.ended(0);
    orderly(&site, ["cancel", "1", "--reason", "a test"]).await.ended(0);

    let all = ["replay", "--source", "clinic", "--also-delivered", "--also-cancelled", "--dry-run"];
    let ran = orderly(&site, [&all[..], &["--diff"]].concat()).await.ended(0);
    let told = "message 1 to hospital: 1 difference\n  PV1-3 Assigned Patient Location: \"CLIN2\" is now \"NEW\"\n\
                message 3 to hospital: 1 difference\n";
    assert!(ran.out.starts_with(told), "{}", ran.out);
    assert!(
        ran.out.ends_with("3 messages would be replayed, 2 deliveries waiting, 0 not mended\n"),
        "{}",
        ran.out
    );
    let lines = orderly(&site, [&all[..], &["--json"]].concat()).await.ended(0).json();
    let one = |line: usize| lines[line]["foreseen"].as_array().unwrap().as_slice();
    let expected = json!({
        "destination": "hospital", "route": "relay", "effect": "replaced", "before": "cancelled", "taken_back": true,
        "becomes": "waiting", "differing": 1, "received_since": "same_patient",
    });
    assert_eq!(one(0), [expected]);
    assert_eq!(one(1), [] as [Value; 0], "what is delivered and not made any more stays");
    assert_eq!((&one(2)[0]["effect"], &one(2)[0]["received_since"]), (&json!("added"), &json!("nothing")));
    assert_eq!((site.state_of(1), site.state_of(3)), (vec![Cancelled], vec![Delivered]));

    let ran =
        orderly(&site, ["replay", "1", "2", "3", "--destination", "elsewhere", "--dry-run"]).await.ended(0);
    assert!(ran.out.contains("3 messages would be replayed, 0 deliveries waiting"), "{}", ran.out);
    orderly(&site, &all[..5]).await.ended(0);
    hospital.received(5).await;
    assert_eq!(hospital.control_ids(), ["A1", "B1", "A2", "A1", "A2"], "as foreseen");
    engine.stop().await;
}

#[tokio::test]
async fn what_a_destination_was_sent_can_be_seen() {
    let (hospital, site, _engine) = fed().await;
    site.write("mappings/wards.yaml", MAPPING);
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: wards");
    orderly(&site, ["reload"]).await.ended(0);
    orderly(&site, ["replay", "3", "--also-delivered"]).await.ended(0);
    let sent = hospital.received(4).await;
    let ran = orderly(&site, ["show", "3", "--sent", "hospital", "--raw"]).await.ended(0);
    assert_eq!(ran.out.as_bytes(), &*sent[3]);
    let ran = orderly(&site, ["show", "3", "--delivery", "3", "PV1-3.1"]).await.ended(0);
    assert!(ran.out.contains("CLIN2"), "{}", ran.out);
    let ran = orderly(&site, ["show", "3", "--delivery", "4", "PV1-3.1"]).await.ended(0);
    assert!(ran.out.contains("NEW"), "{}", ran.out);
    let ran = orderly(&site, ["show", "3", "--sent", "billing"]).await.ended(2);
    assert!(ran.err.contains("message 3 has no such delivery"), "{}", ran.err);
    let ran = orderly(&site, ["show", "3"]).await.ended(0);
    assert!(ran.out.contains("DELIVERY  DESTINATION"), "{}", ran.out);
}
