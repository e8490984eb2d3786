//! In which order deliveries leave, with a real receiver: patients beside each other, merges, what is parked or blocks, priorities, expiry.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState;
use orderly_tests::peers::{AbsentPeer, Peer, Sender, acknowledgement, control_id};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use orderly_transport::listeners::Answer;

/// A message about a patient, or with `prior` a merge of that one into him.
fn about(id: &str, patient: &str, prior: Option<&str>) -> Vec<u8> {
    let merge = prior.map(|prior| format!("MRG|{prior}^^^NORTH^MR\r")).unwrap_or_default();
    let event = if prior.is_some() { "A40" } else { "A08" };
    format!("MSH|^~\\&|REGI|NORTH|HUB|HUB|20260305141500||ADT^{event}|{id}|P|2.5.1\rPID|1||{patient}^^^NORTH^MR\r{merge}")
        .into_bytes()
}

/// A relay whose destination has these lines too.
fn relay(hospital: SocketAddr, lines: &str) -> Site {
    let site = Site::relay(hospital);
    site.amend("orderly.yaml", "    mllp:\n      address", &format!("    {lines}\n    mllp:\n      address"));
    site
}

async fn feed(engine: &Running, messages: &[Vec<u8>]) {
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for message in messages {
        assert_eq!(clinic.send(message).await.code, Some(AckCode::AA));
    }
}

async fn delivered(site: &Site, ids: std::ops::RangeInclusive<u64>) {
    for id in ids {
        until("all deliveries", || (site.state_of(id) == [DeliveryState::Delivered]).then_some(())).await;
    }
}

#[tokio::test]
async fn a_patient_whose_message_is_not_answered_holds_up_nobody_else() {
    static OTHERS_CAME: AtomicBool = AtomicBool::new(false);
    let hospital = Peer::answering(|_, message| {
        let id = control_id(message);
        OTHERS_CAME.fetch_or(id == "B2", Ordering::SeqCst);
        match id == "A1" && !OTHERS_CAME.load(Ordering::SeqCst) {
            true => Answer::none(),
            false => acknowledgement(message, AckCode::AA),
        }
    });
    let hospital = hospital.await;
    let site = relay(hospital.address, "order: per_patient");
    let engine = Running::start(&site).await;
    let messages = [("A1", "A"), ("A2", "A"), ("B1", "B"), ("B2", "B")];
    feed(&engine, &messages.map(|(id, patient)| about(id, patient, None))).await;
    delivered(&site, 1..=4).await;
    assert_eq!(hospital.first_arrivals(), ["A1", "B1", "B2", "A2"]);
}

#[tokio::test]
async fn what_is_parked_holds_its_patient_and_a_merge_both() {
    static REFUSED: AtomicBool = AtomicBool::new(false);
    let hospital = Peer::answering(|_, message| {
        let refuses = control_id(message) == "A1" && !REFUSED.swap(true, Ordering::SeqCst);
        acknowledgement(message, if refuses { AckCode::AE } else { AckCode::AA })
    });
    let hospital = hospital.await;
    let site = relay(hospital.address, "order: per_patient");
    let engine = Running::start(&site).await;
    let merge = about("M", "A", Some("B"));
    feed(&engine, &[about("A1", "A", None), merge, about("B1", "B", None), about("C1", "C", None)]).await;
    delivered(&site, 4..=4).await;
    assert_eq!(site.state_of(1), [DeliveryState::Parked]);
    // Also after a restart, which reads what is parked from the journal.
    assert_eq!(engine.stop().await.code(), Some(0));
    let engine = Running::start(&site).await;
    feed(&engine, &[about("C2", "C", None)]).await;
    delivered(&site, 5..=5).await;
    assert_eq!(hospital.control_ids(), ["A1", "C1", "C2"]);
    orderly(&site, ["replay", "1"]).await.ended(0);
    delivered(&site, 1..=3).await;
    assert_eq!(hospital.control_ids(), ["A1", "C1", "C2", "A1", "M", "B1"]);
}

#[tokio::test]
async fn a_refusal_can_block_until_somebody_has_looked() {
    static REFUSES: AtomicBool = AtomicBool::new(true);
    let hospital = Peer::answering(|_, message| {
        let refuses = REFUSES.swap(false, Ordering::SeqCst);
        acknowledgement(message, if refuses { AckCode::AR } else { AckCode::AA })
    });
    let hospital = hospital.await;
    let site = relay(hospital.address, "on_answer: { AR: block }");
    let engine = Running::start(&site).await;
    feed(&engine, &[about("A1", "A", None), about("A2", "A", None)]).await;
    let mut status = String::new();
    while !status.contains("blocked by a refusal") {
        status = orderly(&site, ["status"]).await.ended(0).out;
    }
    assert_eq!(
        (hospital.control_ids(), site.state_of(1)),
        (vec!["A1".to_owned()], vec![DeliveryState::Waiting])
    );
    orderly(&site, ["replay", "1"]).await.ended(0);
    delivered(&site, 1..=2).await;
    assert_eq!(hospital.control_ids(), ["A1", "A1", "A2"]);
}

#[tokio::test]
async fn stat_goes_first_and_backfill_last_when_a_destination_comes_back() {
    let absent = AbsentPeer::somewhere();
    let site = relay(absent.address, "order: per_patient");
    site.amend(
        "routes/relay.yaml",
        "to:\n",
        "priority: { stat: PID-3.1 = 'S', backfill: PID-3.1 = 'H' }\nto:\n",
    );
    site.amend("orderly.yaml", "order: per_patient", "order: per_patient\n    lanes: 1");
    let engine = Running::start(&site).await;
    feed(&engine, &[about("H1", "H", None), about("N1", "N", None)]).await;
    engine.logged("nobody listens there").await;
    feed(&engine, &[about("N2", "O", None), about("S1", "S", None)]).await;
    let hospital = absent.arrives().await;
    hospital.received(4).await;
    assert_eq!(hospital.first_arrivals(), ["S1", "N1", "N2", "H1"]);
}

#[tokio::test]
async fn what_is_too_old_is_not_sent() {
    let absent = AbsentPeer::somewhere();
    let site = relay(absent.address, "expires_after: 1s");
    let engine = Running::start(&site).await;
    feed(&engine, &[about("A1", "A", None), about("A2", "A", None)]).await;
    for id in 1..=2 {
        until("its expiry", || (site.state_of(id) == [DeliveryState::Expired]).then_some(())).await;
    }
    let hospital = absent.arrives().await;
    feed(&engine, &[about("A3", "A", None)]).await;
    delivered(&site, 3..=3).await;
    assert_eq!(hospital.control_ids(), ["A3"]);
}
