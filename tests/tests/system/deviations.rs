//! Senders whose frames deviate: what is taken, what a source refuses, and what an operator is told of them while the engine runs.

use orderly_hl7v2::AckCode;
use orderly_journal::{Fate, Query};
use orderly_tests::peers::{AbsentPeer, PATIENCE, Peer, Sender, admission};
use orderly_tests::running::{Running, orderly};
use orderly_tests::site::Site;
use orderly_transport::mllp_client::NoFrame;
use serde_json::{Value, json};

/// A running relay whose clinic may not do what is named.
async fn relay(refuse: &str) -> (Site, Running, Peer) {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    site.amend("orderly.yaml", "  clinic:\n", &format!("  clinic:\n    refuse: [{refuse}]\n"));
    let engine = Running::start(&site).await;
    (site, engine, hospital)
}

/// Fate, reason and bytes of each message, in their order.
fn stored(site: &Site) -> Vec<(Fate, String, Vec<u8>)> {
    let journal = site.journal();
    let mut found = journal.search(&Query { limit: 1000, ..Query::default() }).unwrap();
    found.reverse();
    let whole = |id| journal.message(id).unwrap().unwrap();
    found
        .into_iter()
        .map(|summary| (summary.fate, summary.reason.unwrap_or_default(), whole(summary.id).body))
        .collect()
}

async fn status(site: &Site) -> Value {
    orderly(site, ["status", "--json"]).await.ended(0).json().remove(0)
}

/// What a message looks like on the wire: the deviation's code, what comes before it and after it, and where it is noticed,
/// by the byte of the connection.
fn inside_frames(message: &[u8]) -> Vec<(&'static str, Vec<u8>, u64)> {
    let end = message.len() as u64;
    let wire = |parts: &[&[u8]]| parts.concat();
    vec![
        ("mllp-no-start-block", wire(&[message, b"\x1c\r"]), 0),
        ("mllp-doubled-start-block", wire(&[b"\x0b\x0b", message, b"\x1c\r"]), 1),
        ("mllp-end-without-return", wire(&[b"\x0b", message, b"\x1c\n"]), end + 1),
        ("mllp-end-block-inside", wire(&[b"\x0b", message, b"NTE|1||a\x1cb\r\x1c\r"]), end + 9),
    ]
}

#[tokio::test]
async fn what_deviates_is_taken_and_counted_by_sender_while_the_engine_runs() {
    let (site, engine, hospital) = relay("").await;
    for (number, (code, bytes, _)) in inside_frames(&admission("M1")).into_iter().enumerate() {
        let mut clinic = Sender::connect(engine.address("clinic")).await;
        clinic.write(&bytes).await;
        assert_eq!(clinic.answer().await.code, Some(AckCode::AA), "{code}");
        hospital.received(number + 1).await;
    }
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.write(b"\r\n\0\x0b\x1c\r\n").await;
    let without_id = b"MSH|^~\\&|REGI|NORTH|HUB|HUB|20260305||ADT^A04||P|2.5.1\rPID|1||7\r";
    assert_eq!(clinic.send(without_id).await.code, Some(AckCode::AA));
    let status = status(&site).await;
    let clinic = &status["sources"][0];
    assert_eq!(
        (&clinic["name"], &clinic["state"], &clinic["connections"]),
        (&json!("clinic"), &json!("listening"), &json!(1))
    );
    assert_eq!(
        clinic["messages"],
        json!({"routed": 5, "filtered": 0, "duplicate": 0, "failed": 0, "quarantined": 0})
    );
    assert_eq!(clinic["peers"][0]["address"], "127.0.0.1");
    let met = |code: &str, count: u64, last_offset: u64| json!({"code": code, "count": count, "last_offset": last_offset});
    let length = admission("M1").len() as u64;
    let expected = json!([
        met("hl7-no-control-id", 1, 0),
        met("mllp-doubled-start-block", 1, 1),
        met("mllp-empty-frame", 1, 3),
        met("mllp-end-block-inside", 1, length + 9),
        met("mllp-end-without-return", 1, length + 1),
        met("mllp-filler", 3, 2),
        met("mllp-line-feed-after-end", 1, 6),
        met("mllp-no-start-block", 1, 0),
    ]);
    assert_eq!(clinic["peers"][0]["tolerances"], expected);
}

#[tokio::test]
async fn a_refused_deviation_is_quarantined_whole_answered_negatively_and_the_next_frame_is_taken() {
    for (code, bytes, offset) in inside_frames(&admission("M1")) {
        let (site, engine, hospital) = relay(code).await;
        let mut clinic = Sender::connect(engine.address("clinic")).await;
        clinic.write(&bytes).await;
        let refused = clinic.answer().await;
        assert_eq!((refused.code, refused.control_id.as_str()), (Some(AckCode::AE), "M1"), "{code}");
        assert_eq!(clinic.send(&admission("M2")).await.code, Some(AckCode::AA), "{code}");
        hospital.received(1).await;
        assert_eq!(hospital.control_ids(), ["M2"], "{code}");
        let messages = stored(&site);
        let [(Fate::Quarantined, reason, kept), (Fate::Routed, ..)] = messages.as_slice() else {
            panic!("{code}: {messages:?}");
        };
        assert!(reason.starts_with(&format!("{code} at byte {offset} of the connection: ")), "{reason}");
        assert!(kept.starts_with(&admission("M1")), "{code}");
        let replayed = orderly(&site, ["replay", "--state", "quarantined"]).await;
        assert_eq!((replayed.code, hospital.messages().len()), (1, 1), "{code}: {replayed:?}");
    }
}

#[tokio::test]
async fn where_framing_cannot_go_on_the_bytes_are_kept_and_the_connection_is_closed() {
    let cases: [(&str, &[u8], &[u8]); 4] = [
        ("mllp-restarted", b"\x0bMSH|^~\\&|cut", b"MSH|^~\\&|cut"),
        ("mllp-line-feed-after-end", b"\x0b\x1c\r\n", b"\n"),
        ("mllp-filler", b"\0\r", b"\0\r"),
        ("mllp-noise", b"a banner", b"a banner"),
    ];
    for (code, before, bytes) in cases {
        let (site, engine, hospital) = relay(code).await;
        let mut clinic = Sender::connect(engine.address("clinic")).await;
        clinic.write(&[before, b"\x0b", &admission("M1"), b"\x1c\r"].concat()).await;
        if code == "mllp-restarted" {
            let answer = clinic.receive(PATIENCE).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("MSA|AE") || answer.contains("MSA|AR"), "{answer}");
        }
        let ended = clinic.receive(PATIENCE).await;
        assert!(matches!(ended, Err(NoFrame::Closed(_) | NoFrame::Broken(_))), "{code}: {ended:?}");
        let messages = stored(&site);
        let [(Fate::Quarantined, reason, kept)] = messages.as_slice() else { panic!("{code}: {messages:?}") };
        assert!(reason.starts_with(code), "{reason}");
        assert_eq!(kept, bytes, "{code}");
        assert!(hospital.messages().is_empty(), "{code}");
    }
}

#[tokio::test]
async fn an_unfinished_message_and_bytes_between_frames_do_not_vanish() {
    let (site, engine, hospital) = relay("").await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let unfinished = [b"MSH|^~\\&|".as_slice(), &[b'x'; 20_000]].concat();
    clinic.write(&[b"a banner\x0b", unfinished.as_slice()].concat()).await;
    assert_eq!(clinic.send(&admission("M1")).await.control_id, "M1");
    hospital.received(1).await;
    let kept: Vec<_> = stored(&site).into_iter().map(|(fate, _, bytes)| (fate, bytes)).collect();
    let expected = [
        (Fate::Quarantined, b"a banner".to_vec()),
        (Fate::Quarantined, unfinished),
        (Fate::Routed, admission("M1")),
    ];
    assert!(
        kept == expected,
        "{:?}",
        kept.iter().map(|(fate, bytes)| (fate, bytes.len())).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_destination_that_is_not_there_is_told_with_what_waits_and_why() {
    let absent = AbsentPeer::somewhere();
    let site = Site::relay(absent.address);
    let nobody = orderly(&site, ["status"]).await.ended(1);
    assert!(nobody.out.starts_with("no engine runs on the journal"), "{nobody:?}");
    let engine = Running::start(&site).await;
    let idle = status(&site).await;
    assert_eq!((&idle["running"], &idle["destinations"][0]["state"]), (&json!(true), &json!("idle")));
    assert_eq!(
        Sender::connect(engine.address("clinic")).await.send(&admission("M1")).await.code,
        Some(AckCode::AA)
    );
    engine.logged("cannot deliver").await;
    let trying = status(&site).await["destinations"][0].clone();
    assert_eq!((&trying["state"], &trying["waiting"]), (&json!("trying"), &json!(1)));
    assert_eq!(trying["last_error"]["code"], "connect-refused");
    let shown = orderly(&site, ["status"]).await.ended(0).out;
    assert!(shown.contains("trying since") && shown.contains("nobody listens there"), "{shown}");
    assert_eq!(engine.stop().await.code(), Some(0));
    let stopped = orderly(&site, ["status", "--json"]).await.ended(1).json().remove(0);
    let kept = &stopped["destinations"][0];
    assert_eq!(
        (&stopped["running"], &kept["state"], &kept["waiting"]),
        (&json!(false), &json!("stopped"), &json!(1))
    );
    let shown = orderly(&site, ["status"]).await.ended(1).out;
    assert!(shown.contains("hospital"), "{shown}");
}

#[tokio::test]
async fn a_peer_that_went_is_still_told_of() {
    let (site, engine, _hospital) = relay("").await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.write(b"\x0b\x1c\r").await;
    assert_eq!(clinic.send(&admission("M1")).await.code, Some(AckCode::AA));
    drop(clinic);
    // Nobody announces that a connection has ended.
    let gone = async {
        loop {
            let source = status(&site).await["sources"][0].clone();
            if source["connections"] == 0 {
                return source;
            }
        }
    };
    let source = tokio::time::timeout(PATIENCE, gone).await.expect("the connection ends");
    let peer = &source["peers"][0];
    assert_eq!(
        (&peer["connections"], &peer["tolerances"][0]["code"]),
        (&json!(0), &json!("mllp-empty-frame"))
    );
}
