//! The operator's hand: pause, resume, drain, skip, cancel, and what is said of them afterwards.

use std::net::TcpListener;

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState::{Cancelled, Delivered, Parked, Waiting};
use orderly_tests::peers::{PATIENCE, Peer, Sender, acknowledgement, admission, control_id};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use orderly_transport::listeners::Answer;
use serde_json::{Value, json};

async fn feed(engine: &Running, ids: &[&str]) {
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ids {
        assert_eq!(clinic.send(&admission(id)).await.code, Some(AckCode::AA));
    }
}

/// Takes everything but X1, to which it says something that is no answer.
async fn stumbling() -> Peer {
    Peer::answering(|_, message| match control_id(message).as_str() {
        "X1" => Answer::one(b"?".to_vec()),
        _ => acknowledgement(message, AckCode::AA),
    })
    .await
}

async fn hospital_of(site: &Site) -> Value {
    orderly(site, ["destinations", "--json"]).await.ended(0).json().remove(0)
}

#[tokio::test]
async fn a_pause_holds_over_restarts_until_it_is_taken_back() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1"]).await;
    until("the delivery", || (site.state_of(1) == [Delivered]).then_some(())).await;
    let ran = orderly(&site, ["pause", "hospital", "--reason", "upgrade"]).await.ended(0);
    assert_eq!(ran.out, "hospital is paused\n");
    let ran = orderly(&site, ["pause", "hospital"]).await.ended(0);
    assert_eq!(ran.out, "hospital was paused already\n");
    feed(&engine, &["P2", "P3"]).await;

    let told = hospital_of(&site).await;
    let numbers = ["waiting", "parked", "failed"].map(|name| told[name].as_u64().unwrap());
    assert_eq!((numbers, told["paused"]["reason"].as_str()), ([2, 0, 0], Some("upgrade")), "{told}");
    assert!(told["oldest_waiting"].is_string() && told["last_delivered"].is_string(), "{told}");
    let ran = orderly(&site, ["drain", "hospital", "--json"]).await.ended(1);
    assert_eq!((&ran.json()[0]["waited"], &ran.json()[0]["left"]), (&json!(2), &json!(2)));
    assert!(ran.out.contains("`orderly resume hospital` goes on"), "{}", ran.out);
    engine.stop().await;

    let ran = orderly(&site, ["drain", "hospital"]).await.ended(1);
    assert_eq!(ran.out, "hospital: 2 of 2 still wait: no engine runs\n");
    let engine = Running::start(&site).await;
    feed(&engine, &["P4"]).await;
    let ran = orderly(&site, ["status"]).await.ended(0);
    assert!(ran.out.contains("paused since") && ran.out.contains(": upgrade"), "{}", ran.out);
    assert_eq!(hospital.control_ids(), ["P1"]);
    let ran = orderly(&site, ["resume", "hospital", "--json"]).await.ended(0);
    assert_eq!(ran.json(), [json!({ "changed": 1, "unchanged": [] })]);
    // Whether something still waited when it looked is chance; nothing does when it ends.
    orderly(&site, ["drain", "hospital"]).await.ended(0);
    assert_eq!(site.state_of(4), [Delivered]);
    assert_eq!(hospital.control_ids(), ["P1", "P2", "P3", "P4"]);
    assert_eq!(hospital_of(&site).await["paused"], Value::Null);

    let acts = orderly(&site, ["audit", "--json", "--since", "1h"]).await.ended(0).json();
    let told: Vec<_> = acts.iter().map(|act| (&act["what"], &act["whom"], &act["reason"])).collect();
    let (pause, resume, whom) = (json!("pause"), json!("resume"), json!("hospital"));
    assert_eq!(told, [(&pause, &whom, &json!("upgrade")), (&resume, &whom, &Value::Null)]);
    assert!(acts.iter().all(|act| act["who"].as_str().is_some_and(|who| !who.is_empty())));
}

#[tokio::test]
async fn a_destination_is_paused_and_resumed_without_an_engine_too() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    orderly(&site, ["pause", "hospital"]).await.ended(0);
    let engine = Running::start(&site).await;
    feed(&engine, &["P1"]).await;
    engine.stop().await;
    assert_eq!(
        (site.state_of(1), hospital_of(&site).await["state"].as_str()),
        (vec![Waiting], Some("stopped"))
    );
    orderly(&site, ["resume", "hospital"]).await.ended(0);
    let _engine = Running::start(&site).await;
    hospital.received(1).await;
    let ran = orderly(&site, ["pause", "hospitol"]).await.ended(2);
    assert!(ran.err.contains("there is no destination hospitol; there are hospital"), "{}", ran.err);
}

#[tokio::test]
async fn what_blocks_the_line_is_set_aside_and_the_line_goes_on() {
    let hospital = stumbling().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let ran = orderly(&site, ["skip", "hospital"]).await.ended(1);
    assert_eq!(ran.out, "nothing of hospital waits to be tried again\n");
    feed(&engine, &["X1", "X2", "X3"]).await;
    engine.logged("cannot deliver, will try again").await;
    until("a failed attempt", || {
        let stored = site.journal().message(1).unwrap().unwrap();
        (!stored.deliveries[0].attempts.is_empty()).then_some(())
    })
    .await;
    assert_eq!(site.state_of(3), [Waiting]);
    let ran = orderly(&site, ["skip", "hospital", "--reason", "asked their hotline"]).await.ended(0);
    assert_eq!(ran.out, "message 1 to hospital\n1 delivery set aside\n");
    until("the last delivery", || (site.state_of(3) == [Delivered]).then_some(())).await;
    assert_eq!((site.state_of(1), site.state_of(2)), (vec![Parked], vec![Delivered]));
    let stored = site.journal().message(1).unwrap().unwrap();
    let reason = stored.deliveries[0].reason.clone().unwrap();
    assert!(reason.starts_with("set aside by ") && reason.ends_with(": asked their hotline"), "{reason}");
    assert!(!engine.log().iter().any(|line| line.contains("hotline")), "a reason is not for the log");
    orderly(&site, ["balance"]).await.ended(0);
}

/// A line that a refusal blocks: skipping what was refused lets it go on, resuming has that be tried again.
#[tokio::test]
async fn a_blocked_line_is_skipped_or_resumed() {
    let refuses_x = |before: usize, message: &[u8]| {
        let refused = control_id(message).starts_with('X') && before < 2;
        acknowledgement(message, if refused { AckCode::AE } else { AckCode::AA })
    };
    let hospital = Peer::answering(refuses_x).await;
    let site = Site::relay(hospital.address);
    site.amend("orderly.yaml", "  hospital:\n", "  hospital:\n    on_refusal: block\n");
    let engine = Running::start(&site).await;
    feed(&engine, &["X1", "X2", "P3"]).await;
    let attempts = |id| site.journal().message(id).unwrap().unwrap().deliveries[0].attempts.len();
    until("the refusal", || (attempts(1) == 1).then_some(())).await;
    assert_eq!(
        (hospital_of(&site).await["state"].as_str(), site.state_of(1)),
        (Some("blocked"), vec![Waiting])
    );
    orderly(&site, ["skip", "hospital"]).await.ended(0);
    until("the next refusal", || (attempts(2) == 1).then_some(())).await;
    assert_eq!(site.state_of(1), [Parked]);
    let ran = orderly(&site, ["resume", "hospital"]).await.ended(0);
    assert_eq!(ran.out, "hospital was not paused; what blocks it, or waits after a failure, is tried now\n");
    until("the last delivery", || (site.state_of(3) == [Delivered]).then_some(())).await;
    assert_eq!(hospital.control_ids(), ["X1", "X2", "X2", "P3"]);
}

/// In `per_patient` order what is parked holds its patient: sending it again, or taking it back, lets the others of the patient go.
#[tokio::test]
async fn what_is_held_by_a_parked_delivery_goes_when_that_is_taken_back_or_sent_again() {
    let refuses_x_once = |before: usize, message: &[u8]| {
        let refused = control_id(message).starts_with('X') && before < 2;
        acknowledgement(message, if refused { AckCode::AE } else { AckCode::AA })
    };
    let hospital = Peer::answering(refuses_x_once).await;
    let site = Site::relay(hospital.address);
    site.amend("orderly.yaml", "  hospital:\n", "  hospital:\n    order: per_patient\n");
    let engine = Running::start(&site).await;
    feed(&engine, &["X1"]).await;
    until("the refusal", || (site.state_of(1) == [Parked]).then_some(())).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let of_another =
        |id: &str| String::from_utf8(admission(id)).unwrap().replace("70014", "70015").into_bytes();
    for message in [admission("P2"), of_another("X3"), of_another("P4")] {
        clinic.send(&message).await;
    }
    until("the other refusal", || (site.state_of(3) == [Parked]).then_some(())).await;
    assert_eq!((site.state_of(2), site.state_of(4)), (vec![Waiting], vec![Waiting]));
    orderly(&site, ["cancel", "1", "--reason", "a double"]).await.ended(0);
    until("P2's delivery", || (site.state_of(2) == [Delivered]).then_some(())).await;
    assert_eq!(site.state_of(4), [Waiting]);
    orderly(&site, ["resend", "3"]).await.ended(0);
    until("P4's delivery", || (site.state_of(4) == [Delivered]).then_some(())).await;
    assert_eq!(hospital.control_ids(), ["X1", "X3", "P2", "X3", "P4"]);
}

#[tokio::test]
async fn what_is_cancelled_is_never_sent() {
    let hospital = stumbling().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    orderly(&site, ["pause", "hospital"]).await.ended(0);
    feed(&engine, &["P1", "P2", "P3", "P4", "P5"]).await;
    let ran = orderly(&site, ["cancel", "2", "--reason", "sent by telephone", "--json"]).await.ended(0);
    assert_eq!(ran.json(), [json!({ "changed": 1, "unchanged": [] })]);
    let ran = orderly(&site, ["cancel", "2", "--reason", "again"]).await.ended(1);
    assert_eq!(ran.out, "0 deliveries cancelled\n");
    let ran = orderly(&site, ["cancel", "99", "--reason", "none"]).await.ended(2);
    assert!(ran.err.contains("there is no message 99"), "{}", ran.err);
    let ran = orderly(&site, ["cancel", "1"]).await.ended(2);
    assert!(ran.err.contains("add --reason"), "{}", ran.err);
    let old = ["cancel", "--destination", "hospital", "--older-than", "1h", "--dry-run"];
    let ran = orderly(&site, old).await.ended(1);
    assert_eq!(ran.out, "0 deliveries would be cancelled\n");
    engine.stop().await;

    let all = ["cancel", "--destination", "hospital", "--state", "waiting"];
    let ran = orderly(&site, [&all[..], &["--dry-run"]].concat()).await.ended(0);
    assert_eq!(ran.out, "4 deliveries would be cancelled\n");
    let ran = orderly(&site, [&all[..], &["--reason", "a test feed"]].concat()).await.ended(0);
    assert_eq!(ran.out, "4 deliveries cancelled\n");
    orderly(&site, ["resume", "hospital"]).await.ended(0);
    let engine = Running::start(&site).await;
    feed(&engine, &["P6"]).await;
    hospital.received(1).await;
    assert_eq!(hospital.control_ids(), ["P6"]);
    assert_eq!((1..=5).map(|id| site.state_of(id)).collect::<Vec<_>>(), vec![vec![Cancelled]; 5]);
    let acts = orderly(&site, ["audit", "--json"]).await.ended(0).json();
    let counts: Vec<_> =
        acts.iter().map(|act| (act["what"].as_str().unwrap(), act["count"].as_u64())).collect();
    assert_eq!(counts, [("pause", Some(1)), ("cancel", Some(1)), ("cancel", Some(4)), ("resume", Some(1))]);
    orderly(&site, ["balance"]).await.ended(0);
}

/// What is told of the hospital's next attempt, once there is one.
async fn next_attempt(site: &Site) -> Value {
    let asked = async {
        loop {
            let next = hospital_of(site).await["next_attempt"].take();
            if next.is_object() {
                return next;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("a next attempt")
}

#[tokio::test]
async fn the_next_attempt_is_told_with_its_time_and_why() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::relay(nobody);
    site.amend("orderly.yaml", "then: 50ms", "then: 10m");
    let mut engine = Running::start(&site).await;
    feed(&engine, &["N1"]).await;
    for _ in ["by the running engine", "by the journal"] {
        let told = next_attempt(&site).await;
        assert!((500..=600).contains(&told["in_seconds"].as_u64().unwrap()), "{told}");
        assert_eq!(told["code"], json!("connect-refused"), "{told}");
        let (at, _) = told["at"].as_str().unwrap().split_once('.').unwrap();
        for command in ["status", "destinations"] {
            let ran = orderly(&site, [command]).await.ended(0);
            let line = ran.out.lines().find(|line| line.starts_with("hospital: ")).unwrap();
            assert!(line.starts_with(&format!("hospital: next attempt {at}Z, in ")), "{line}");
            assert!(line.contains(", because the last one failed (connect-refused: "), "{line}");
        }
        engine.stop().await;
        engine = Running::start(&site).await;
    }
    orderly(&site, ["pause", "hospital"]).await.ended(0);
    assert_eq!(hospital_of(&site).await["next_attempt"], Value::Null, "a person holds it");
    engine.stop().await;
}
