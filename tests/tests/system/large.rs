//! A message of 50 MB, as an embedded scan makes it: accepted, delivered, and not at the price of the machine's memory.

use orderly_hl7v2::AckCode;
use orderly_tests::peers::{Peer, Sender, acknowledgement, admission};
use orderly_tests::running::Running;
use orderly_tests::site::Site;

/// The message's size in bytes.
const SIZE: usize = 50_000_000;

/// How often the message may be in memory at once: as received, stored, read back and framed, and half as much again
/// for buffers that grew.
const COPIES_MAX: u64 = 6;

#[tokio::test]
async fn it_is_accepted_and_delivered_with_bounded_memory() {
    let hospital =
        Peer::answering(|_, message| acknowledgement(message.get(..500).unwrap_or(message), AckCode::AA))
            .await;
    let site = Site::relay(hospital.address);
    site.amend("orderly.yaml", "300ms", "20s");
    let engine = Running::start(&site).await;
    let idle = engine.memory_bytes_max();
    let head = [admission("B1"), b"OBX|1|ED|PDF||^^PDF^Base64^".to_vec()].concat();
    let message = [head.as_slice(), "QUJD".repeat((SIZE - head.len()) / 4).as_bytes(), b"\r"].concat();
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for count in 1..=2 {
        assert_eq!(clinic.send(&message).await.code, Some(AckCode::AA));
        let received = hospital.received(count).await;
        assert!(*received[count - 1] == *message, "not the bytes that were sent");
    }
    let used = engine.memory_bytes_max() - idle;
    assert!(
        used < COPIES_MAX * SIZE as u64,
        "{} MB for a message of {} MB",
        used / 1_000_000,
        SIZE / 1_000_000
    );
}
