//! `orderly run`: what keeps it from starting, and how it ends.

use std::net::TcpListener;

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState;
use orderly_tests::peers::{AbsentPeer, PATIENCE, Peer, Sender, acknowledgement, admission, framed};
use orderly_tests::running::{Running, orderly};
use orderly_tests::site::Site;
use orderly_transport::listeners::Answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn what_comes_in_goes_out_and_sigterm_ends_it_with_0() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let reply = Sender::connect(engine.address("clinic")).await.send(&admission("S1")).await;
    assert_eq!((reply.code, reply.control_id.as_str()), (Some(AckCode::AA), "S1"));
    assert_eq!(*hospital.received(1).await[0], *admission("S1"));
    assert_eq!(engine.stop().await.code(), Some(0));
    assert!(!site.path("journal/control.sock").exists());
}

#[tokio::test]
async fn sigterm_lets_the_delivery_in_flight_finish() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::relay(socket.local_addr().unwrap());
    site.amend("orderly.yaml", "300ms", "20s");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    assert_eq!(clinic.send(&admission("S1")).await.code, Some(AckCode::AA));
    let (mut hospital, _) = socket.accept().await.unwrap();
    let mut read = vec![0; framed(&admission("S1")).len()];
    hospital.read_exact(&mut read).await.unwrap();
    engine.terminate();
    assert!(clinic.receive(PATIENCE).await.is_err(), "it takes in no more");
    let answer = acknowledgement(&admission("S1"), AckCode::AA).frames.remove(0);
    hospital.write_all(&framed(&answer)).await.unwrap();
    assert_eq!(engine.ended().await.code(), Some(0));
    assert_eq!(site.state_of(1), [DeliveryState::Delivered]);
}

#[tokio::test]
async fn sigterm_waits_no_longer_than_its_grace_for_a_receiver_that_does_not_answer() {
    let hospital = Peer::answering(|_, _| Answer::none()).await;
    let site = Site::relay(hospital.address);
    site.amend("orderly.yaml", "300ms", "60s");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    assert_eq!(clinic.send(&admission("S1")).await.code, Some(AckCode::AA));
    hospital.received(1).await;
    assert_eq!(
        engine.stop().await.code(),
        Some(0),
        "within the harness's patience, which is half of the answer's"
    );
    assert_eq!(site.state_of(1), [DeliveryState::Waiting]);
}

#[tokio::test]
async fn what_waited_goes_out_after_the_next_start() {
    let absent = AbsentPeer::somewhere();
    let site = Site::relay(absent.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ["S1", "S2", "S3"] {
        assert_eq!(clinic.send(&admission(id)).await.code, Some(AckCode::AA));
    }
    engine.kill().await;
    let hospital = absent.arrives().await;
    let _engine = Running::start(&site).await;
    hospital.received(3).await;
    assert_eq!(hospital.control_ids(), ["S1", "S2", "S3"]);
}

#[tokio::test]
async fn a_second_engine_on_the_same_journal_is_refused_by_the_first_ones_process_id() {
    let site = Site::filing();
    let engine = Running::start(&site).await;
    let second = orderly(&site, ["run"]).await.ended(2);
    assert!(second.err.contains(&format!("in use by process {}", engine.pid())), "{}", second.err);
    let reply = Sender::connect(engine.address("clinic")).await.send(&admission("S1")).await;
    assert_eq!(reply.code, Some(AckCode::AA), "the first goes on");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_source() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let site = Site::filing();
    site.amend("orderly.yaml", "127.0.0.1:0", &address);
    let refused = orderly(&site, ["run"]).await.ended(2);
    assert!(refused.err.contains(&format!("source clinic: {address} is in use")), "{}", refused.err);
}

#[tokio::test]
async fn a_journal_that_cannot_be_made_is_named() {
    let site = Site::filing();
    site.write("journal", "a file");
    let refused = orderly(&site, ["run"]).await.ended(2);
    assert!(refused.err.contains("journal: "), "{}", refused.err);
}

#[tokio::test]
async fn a_wrong_configuration_keeps_it_from_starting_and_leaves_no_journal() {
    let site = Site::filing();
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hopsital");
    let refused = orderly(&site, ["run"]).await.ended(2);
    assert!(refused.err.contains("routes/relay.yaml:4:18"), "{}", refused.err);
    assert!(refused.err.contains("the configuration has 1 error"), "{}", refused.err);
    assert!(!site.path("journal").exists());
}
