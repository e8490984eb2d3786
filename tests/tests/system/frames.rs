//! What comes in over MLLP: well framed in every way that networks cut it, and badly in every way that senders do.

use std::time::{Duration, Instant};

use orderly_hl7v2::AckCode;
use orderly_journal::{Fate, Query};
use orderly_tests::peers::{PATIENCE, Peer, Sender, admission, framed};
use orderly_tests::running::{Running, until};
use orderly_tests::site::Site;
use orderly_transport::mllp_client::NoFrame;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A running relay and its hospital.
async fn relay() -> (Site, Running, Peer) {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    site.amend("orderly.yaml", "listen: 127.0.0.1:0", "listen: 127.0.0.1:0\n      frame_size_max: 64KiB");
    let engine = Running::start(&site).await;
    (site, engine, hospital)
}

/// That the engine still takes in and delivers, over a new connection.
async fn is_up(engine: &Running, hospital: &Peer) {
    let before = hospital.messages().len();
    let reply = Sender::connect(engine.address("clinic")).await.send(&admission("UP")).await;
    assert_eq!(reply.code, Some(AckCode::AA));
    hospital.received(before + 1).await;
}

fn fates(site: &Site) -> Vec<Fate> {
    let mut found = site.journal().search(&Query { limit: 1000, ..Query::default() }).unwrap();
    found.reverse();
    found.into_iter().map(|message| message.fate).collect()
}

#[tokio::test]
async fn several_frames_in_one_write_are_answered_in_their_order() {
    let (_site, engine, hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let ids: Vec<String> = (1..=20).map(|number| format!("M{number}")).collect();
    clinic.write(&ids.iter().flat_map(|id| framed(&admission(id))).collect::<Vec<u8>>()).await;
    for id in &ids {
        let reply = clinic.answer().await;
        assert_eq!((reply.code, &reply.control_id), (Some(AckCode::AA), id));
    }
    hospital.received(20).await;
    assert_eq!(hospital.control_ids(), ids);
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let (_site, engine, hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for byte in framed(&admission("M1")) {
        clinic.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(clinic.answer().await.control_id, "M1");
    assert_eq!(*hospital.received(1).await[0], *admission("M1"));
}

#[tokio::test]
async fn many_connections_are_served_at_once_persistent_or_one_a_message() {
    let (_site, engine, hospital) = relay().await;
    let address = engine.address("clinic");
    let mut clinics = JoinSet::new();
    for number in 0..32 {
        clinics.spawn(async move {
            let mut clinic = Sender::connect(address).await;
            for message in 0..5 {
                if number % 2 == 0 {
                    clinic = Sender::connect(address).await;
                }
                let id = format!("M{number}x{message}");
                assert_eq!(clinic.send(&admission(&id)).await.control_id, id);
            }
        });
    }
    clinics.join_all().await;
    hospital.received(160).await;
    let arrived = hospital.control_ids();
    for number in 0..32 {
        let of_one: Vec<_> =
            arrived.iter().filter(|id| id.starts_with(&format!("M{number}x"))).cloned().collect();
        assert_eq!(of_one, (0..5).map(|message| format!("M{number}x{message}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_rejected() {
    let (site, engine, hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let large = [admission("M1"), b"NTE|1||".to_vec(), vec![b'x'; 100 << 10]].concat();
    let reply = clinic.send(&large).await;
    assert_eq!((reply.code, reply.control_id.as_str()), (Some(AckCode::AR), "M1"));
    assert_eq!(fates(&site), [Fate::Quarantined]);
    is_up(&engine, &hospital).await;
}

#[tokio::test]
async fn a_truncated_frame_is_kept_and_not_answered() {
    let (site, engine, hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let frame = framed(&admission("M1"));
    clinic.write(&frame[..frame.len() / 2]).await;
    drop(clinic);
    until("the rest to be missed", || (fates(&site) == [Fate::Quarantined]).then_some(())).await;
    is_up(&engine, &hospital).await;
}

#[tokio::test]
async fn a_frame_that_begins_anew_loses_only_the_unfinished_one() {
    let (site, engine, hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let frame = framed(&admission("M1"));
    clinic.write(&frame[..frame.len() / 2]).await;
    assert_eq!(clinic.send(&admission("M2")).await.control_id, "M2");
    hospital.received(1).await;
    assert_eq!(fates(&site), [Fate::Quarantined, Fate::Routed]);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_negatively_and_kept() {
    let (site, engine, hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let garbage: Vec<u8> =
        (0u8..=255).filter(|byte| !matches!(byte, 0x0b | 0x1c)).cycle().take(4096).collect();
    let unreadable: [&[u8]; 5] = [b"PID|1||70014\r", b"MSH", b"MSH|", b"FHS|^~\\&|A\rFTS|0\r", &garbage];
    for bytes in unreadable {
        let code = clinic.send(bytes).await.code;
        assert!(matches!(code, Some(AckCode::AE | AckCode::AR)), "{}: {code:?}", bytes.escape_ascii());
    }
    assert_eq!(fates(&site), [Fate::Quarantined; 5]);
    assert_eq!(clinic.send(&admission("M1")).await.code, Some(AckCode::AA), "the same connection goes on");
    is_up(&engine, &hospital).await;
}

#[tokio::test]
async fn empty_frames_are_keep_alives_and_get_no_answer() {
    let (site, engine, _hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.write(&[framed(b""), framed(b"\r\n"), b"\r\n".to_vec()].concat()).await;
    assert_eq!(clinic.send(&admission("M1")).await.control_id, "M1");
    assert_eq!(fates(&site), [Fate::Routed]);
}

#[tokio::test]
async fn bytes_without_a_frame_are_survived() {
    let (_site, engine, hospital) = relay().await;
    let noises: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x1c\r\x1c\r\x1c\r",
        b"\0\xff\xfe\x01random\x1c\x1c\x0d",
        b"MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.3\r",
    ];
    for noise in noises {
        let mut clinic = Sender::connect(engine.address("clinic")).await;
        clinic.write(noise).await;
        drop(clinic);
        is_up(&engine, &hospital).await;
    }
}

#[tokio::test]
async fn an_acknowledgement_is_never_answered() {
    let (site, engine, _hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.write(&framed(b"MSH|^~\\&|A|B|C|D|20260305||ACK^A01|A1|P|2.5.1\rMSA|AA|X1\r")).await;
    assert_eq!(
        clinic.send(&admission("M1")).await.control_id,
        "M1",
        "the first answer is the second message's"
    );
    assert!(clinic.receive(Duration::from_millis(50)).await.is_err());
    assert_eq!(fates(&site).len(), 2, "it is stored all the same");
}

#[tokio::test]
async fn each_message_of_a_batch_is_a_message_of_its_own() {
    let (site, engine, hospital) = relay().await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let batch = [
        b"FHS|^~\\&|REGI|NORTH\rBHS|^~\\&|REGI|NORTH\r".to_vec(),
        admission("M1"),
        admission("M2"),
        admission("M3"),
        b"BTS|3\rFTS|1\r".to_vec(),
    ];
    clinic.write(&framed(&batch.concat())).await;
    for id in ["M1", "M2", "M3"] {
        let reply = clinic.answer().await;
        assert_eq!((reply.code, reply.control_id.as_str()), (Some(AckCode::AA), id));
    }
    let received = hospital.received(3).await;
    assert_eq!(
        received.iter().map(|message| message.to_vec()).collect::<Vec<_>>(),
        [admission("M1"), admission("M2"), admission("M3")]
    );
    assert_eq!(fates(&site), [Fate::Routed; 3]);
}

#[tokio::test]
async fn iso_8859_1_goes_out_as_it_came() {
    let (_site, engine, hospital) = relay().await;
    let message = b"MSH|^~\\&|A|B|C|D|20260305||ADT^A04|M1|P|2.3||||||8859/1\rPID|1||7||M\xfcller^Ren\xe9e\r";
    let reply = Sender::connect(engine.address("clinic")).await.send(message).await;
    assert_eq!(reply.code, Some(AckCode::AA));
    assert_eq!(*hospital.received(1).await[0], *message);
}

#[tokio::test]
async fn more_connections_than_allowed_are_turned_away_and_the_others_go_on() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    site.amend("orderly.yaml", "listen: 127.0.0.1:0", "listen: 127.0.0.1:0\n      connections_max: 2");
    let engine = Running::start(&site).await;
    let address = engine.address("clinic");
    let (mut first, mut second) = (Sender::connect(address).await, Sender::connect(address).await);
    assert_eq!(first.send(&admission("M1")).await.code, Some(AckCode::AA));
    assert_eq!(second.send(&admission("M2")).await.code, Some(AckCode::AA));
    let mut third = Sender::connect(address).await;
    assert!(matches!(third.receive(PATIENCE).await, Err(NoFrame::Closed(_) | NoFrame::Broken(_))));
    engine.logged("as many connections as allowed").await;
    assert_eq!(first.send(&admission("M3")).await.code, Some(AckCode::AA));
    hospital.received(3).await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_its_time() {
    let site = Site::filing();
    site.amend("orderly.yaml", "listen: 127.0.0.1:0", "listen: 127.0.0.1:0\n      idle_timeout: 100ms");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    assert_eq!(clinic.send(&admission("M1")).await.code, Some(AckCode::AA));
    assert!(matches!(clinic.receive(PATIENCE).await, Err(NoFrame::Closed(_))));
}

#[tokio::test]
async fn one_that_reads_no_answers_holds_up_neither_others_nor_the_end() {
    let (site, engine, hospital) = relay().await;
    // Answers repeat the control id: with so long ones, those that are not read soon fill every buffer.
    let frames = framed(&admission(&"M".repeat(50_000))).repeat(400);
    let mut deaf = TcpStream::connect(engine.address("clinic")).await.unwrap();
    let sending = tokio::spawn(async move { deaf.write_all(&frames).await });
    // Nobody announces that an answer cannot be written: when nothing more is taken in for a while, that is why.
    let mut taken_in = (0, Instant::now());
    until("the answers to pile up", || {
        let count = fates(&site).len();
        if count != taken_in.0 {
            taken_in = (count, Instant::now());
        }
        (count > 0 && taken_in.1.elapsed() > Duration::from_millis(500)).then_some(())
    })
    .await;
    is_up(&engine, &hospital).await;
    let stopping = Instant::now();
    assert_eq!(engine.stop().await.code(), Some(0));
    assert!(stopping.elapsed() < Duration::from_secs(25), "service managers kill after 30 seconds");
    sending.abort();
}
