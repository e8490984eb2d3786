//! `orderly run`: what keeps it from starting, and how it ends.

use std::net::TcpListener;

use orderly_hl7v2::AckCode;
use orderly_tests::peers::{Peer, Sender, admission};
use orderly_tests::running::{Running, orderly};
use orderly_tests::site::Site;

#[tokio::test]
async fn what_comes_in_goes_out_and_sigterm_ends_it_with_0() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let reply = Sender::connect(engine.address("clinic")).await.send(&admission("S1")).await;
    assert_eq!((reply.code, reply.control_id.as_str()), (Some(AckCode::AA), "S1"));
    assert_eq!(*hospital.received(1).await[0], *admission("S1"));
    assert_eq!(engine.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_engine_on_the_same_journal_is_refused_by_the_first_ones_process_id() {
    let site = Site::relay(Peer::accepting().await.address);
    let engine = Running::start(&site).await;
    let second = orderly(&site, ["run"]).await.ended(2);
    assert!(second.err.contains(&format!("in use by process {}", engine.pid())), "{}", second.err);
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_source() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let site = Site::relay(address.parse().unwrap());
    site.amend("orderly.yaml", "127.0.0.1:0", &address);
    let refused = orderly(&site, ["run"]).await.ended(2);
    assert!(refused.err.contains(&format!("source clinic: {address} is in use")), "{}", refused.err);
}
