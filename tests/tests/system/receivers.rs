//! Receivers that misbehave: the order is kept, nothing is lost, and what happened is on record.

use std::fs;

use orderly_hl7v2::AckCode;
use orderly_journal::{AttemptOutcome, DeliveryState};
use orderly_tests::peers::{AbsentPeer, Peer, Sender, acknowledgement, admission};
use orderly_tests::running::{Running, until};
use orderly_tests::site::Site;
use orderly_transport::listeners::Answer;

const IDS: [&str; 3] = ["R1", "R2", "R3"];

/// Feeds three messages to a receiver whose first two answers are `bad`, and waits until all are delivered. Gives the
/// code of the first attempt.
async fn recovers_from(bad: impl Fn(&[u8]) -> Answer + Send + Sync + 'static) -> String {
    let hospital = Peer::answering(move |before, message| match before {
        0 | 1 => bad(message),
        _ => acknowledgement(message, AckCode::AA),
    });
    let hospital = hospital.await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in IDS {
        assert_eq!(clinic.send(&admission(id)).await.code, Some(AckCode::AA));
    }
    until("all deliveries", || (site.state_of(3) == [DeliveryState::Delivered]).then_some(())).await;
    assert_eq!(hospital.control_ids(), ["R1", "R1", "R1", "R2", "R3"]);
    engine.logged("cannot deliver, will try again").await;
    engine.logged("delivering again").await;
    assert_eq!(engine.stop().await.code(), Some(0));
    let attempts = site.journal().message(1).unwrap().unwrap().deliveries.remove(0).attempts;
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt.outcome).collect();
    use AttemptOutcome::{Delivered, Retryable};
    assert_eq!(outcomes, [Retryable, Retryable, Delivered]);
    attempts.into_iter().next().unwrap().code.unwrap()
}

#[tokio::test]
async fn one_that_answers_nonsense() {
    let code = recovers_from(|_| Answer::one(b"what?".to_vec())).await;
    assert_eq!(code, "unreadable-answer");
}

#[tokio::test]
async fn one_that_answers_another_message() {
    assert_eq!(recovers_from(|_| acknowledgement(&admission("X9"), AckCode::AA)).await, "answer-timeout");
}

#[tokio::test]
async fn one_that_refuses_another_message() {
    assert_eq!(recovers_from(|_| acknowledgement(&admission("X9"), AckCode::AE)).await, "answer-timeout");
}

#[tokio::test]
async fn one_that_closes_instead_of_answering() {
    assert_eq!(recovers_from(|_| Answer { frames: Vec::new(), close: true }).await, "closed-before-answer");
}

#[tokio::test]
async fn one_that_never_answers() {
    assert_eq!(recovers_from(|_| Answer::none()).await, "answer-timeout");
}

#[tokio::test]
async fn one_that_answers_without_a_code() {
    let code = recovers_from(|_| Answer::one(b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.3\rMSA||R1\r".to_vec())).await;
    assert_eq!(code, "unreadable-answer");
}

#[tokio::test]
async fn one_that_answers_a_query_instead() {
    let code = recovers_from(|_| Answer::one(admission("R1"))).await;
    assert_eq!(code, "unreadable-answer");
}

#[tokio::test]
async fn one_that_refuses_a_message_holds_nobody_up() {
    let hospital = Peer::answering(|_, message| {
        let refused = message.windows(4).any(|text| text == b"|R1|");
        acknowledgement(message, if refused { AckCode::AR } else { AckCode::AA })
    });
    let hospital = hospital.await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in IDS {
        clinic.send(&admission(id)).await;
    }
    until("the last delivery", || (site.state_of(3) == [DeliveryState::Delivered]).then_some(())).await;
    assert_eq!(hospital.control_ids(), IDS);
    assert_eq!(site.state_of(1), [DeliveryState::Parked]);
    let reason = site.journal().message(1).unwrap().unwrap().deliveries[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("the receiver answered AR"));
}

#[tokio::test]
async fn one_that_is_away_and_comes_back() {
    let absent = AbsentPeer::somewhere();
    let site = Site::relay(absent.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in IDS {
        assert_eq!(clinic.send(&admission(id)).await.code, Some(AckCode::AA));
    }
    engine.logged("nobody listens there").await;
    let hospital = absent.arrives().await;
    hospital.received(3).await;
    assert_eq!(hospital.control_ids(), IDS);
}

#[tokio::test]
async fn a_slow_one_holds_up_no_other() {
    let (slow, quick) = (Peer::answering(|_, _| Answer::none()).await, Peer::accepting().await);
    let site = Site::relay(slow.address);
    site.amend("orderly.yaml", "300ms", "20s");
    let second = format!("destinations:\n  registry:\n    mllp:\n      address: {}\n", quick.address);
    site.amend("orderly.yaml", "destinations:\n", &second);
    site.amend("routes/relay.yaml", "to:\n", "to:\n  - destination: registry\n");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in IDS {
        clinic.send(&admission(id)).await;
    }
    quick.received(3).await;
    assert_eq!(
        (quick.control_ids(), slow.control_ids()),
        (IDS.map(str::to_owned).to_vec(), vec!["R1".to_owned()])
    );
}

#[tokio::test]
async fn a_folder_that_is_a_file_recovers_when_it_is_gone() {
    let site = Site::filing();
    site.write("filed", "in the way");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in IDS {
        assert_eq!(clinic.send(&admission(id)).await.code, Some(AckCode::AA));
    }
    engine.logged("cannot write into").await;
    fs::remove_file(site.path("filed")).unwrap();
    until("all files", || (site.filed() == ["R1-1.hl7", "R2-2.hl7", "R3-3.hl7"]).then_some(())).await;
    assert_eq!(fs::read(site.path("filed/R1-1.hl7")).unwrap(), admission("R1"));
}
