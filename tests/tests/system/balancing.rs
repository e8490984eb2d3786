//! `orderly balance`: both ledgers, beside a running engine and without one, and a sender's list against them.

use orderly_journal::DeliveryState;
use orderly_tests::peers::{Peer, Sender, acknowledgement, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::{Value, json};

use orderly_hl7v2::AckCode;

/// Four messages of which the hospital refuses the first, and bytes without a header.
async fn fed(hospital: &Peer) -> (Site, Running) {
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ["B1", "B2", "B3", "B2"] {
        clinic.send(&admission(id)).await;
    }
    clinic.send(b"PID|1||no header\r").await;
    until("the last delivery", || (site.state_of(4) == [DeliveryState::Delivered]).then_some(())).await;
    (site, engine)
}

async fn refusing_the_first() -> Peer {
    Peer::answering(|before, message| {
        acknowledgement(message, if before == 0 { AckCode::AE } else { AckCode::AA })
    })
    .await
}

fn without_zeros(line: &Value) -> Value {
    let mut line = line.clone();
    line.as_object_mut().unwrap().retain(|_, value| *value != json!(0) && *value != json!({}));
    line
}

#[tokio::test]
async fn every_message_has_a_fate_and_every_delivery_a_state() {
    let hospital = refusing_the_first().await;
    let (site, engine) = fed(&hospital).await;
    let expected = [
        json!({ "name": "clinic", "accepted": 5, "routed": 4, "quarantined": 1, "sum": 5 }),
        json!({ "name": "hospital", "made": 4, "delivered": 3, "parked": 1, "sum": 4 }),
    ];
    for running in [Some(engine), None] {
        for period in [&[][..], &["--day", "today"], &["--from", "1h", "--zone", "Asia/Tokyo"]] {
            let ran = orderly(&site, [&["balance", "--json"], period].concat()).await.ended(0);
            let balance = ran.json().remove(0);
            assert_eq!(balance["balanced"], true, "{balance}");
            let lines = [&balance["sources"][0], &balance["destinations"][0]].map(without_zeros);
            assert_eq!(lines, expected, "{period:?}");
        }
        if let Some(engine) = running {
            engine.stop().await;
        }
    }
    let ran = orderly(&site, ["balance", "--day", "2026-03-05", "--zone", "Europe/Paris"]).await.ended(0);
    let period =
        "messages accepted from 2026-03-05T00:00:00+01:00 until 2026-03-06T00:00:00+01:00 (Europe/Paris)\n";
    assert!(ran.out.starts_with(period) && ran.out.ends_with("\nbalanced\n"), "{}", ran.out);
    let ran = orderly(&site, ["balance"]).await.ended(0);
    assert!(ran.out.starts_with("messages accepted at any time\n"), "{}", ran.out);
}

#[tokio::test]
async fn a_senders_list_shows_what_is_missing_repeated_and_unknown() {
    let hospital = Peer::accepting().await;
    let (site, _engine) = fed(&hospital).await;
    site.write("same.txt", "B3\r\nB2\r\n\r\n B1 \r\nB2\r\n");
    site.write("other.csv", "\u{feff}sent;MSH-10\n08:00;B1\n08:01;B2\n08:02;\"B9\"\n08:03;B2\n08:04;B2\n");

    let ran = orderly(&site, ["balance", "--json", "--compare", "same.txt"]).await.ended(1);
    let ids = |count: u64, ids: &[&str]| json!({ "count": count, "control_ids": ids });
    let compared = json!({
        "source": "clinic", "listed": 4, "here": 5,
        "missing": ids(0, &[]), "repeated": ids(0, &[]), "unknown": ids(1, &["(no control id)"]),
    });
    assert_eq!(ran.json()[0]["compared"], compared, "only what has no id differs");

    let list = ["--compare", "other.csv", "--column", "MSH-10", "--separator", ";", "--source", "clinic"];
    let ran = orderly(&site, [&["balance"][..], &list].concat()).await.ended(1);
    let told = "\nclinic: 5 in the list, 5 here\n2 in the list and not here:\n  B9\n  B2\n\
                2 here and not in the list:\n  (no control id)\n  B3\n";
    assert!(ran.out.ends_with(told), "{}", ran.out);
    site.write("once.txt", "B1\nB2\nB3");
    let ran = orderly(&site, ["balance", "--compare", "once.txt"]).await.ended(1);
    assert!(ran.out.contains("\n1 here more often than in the list:\n  B2\n"), "{}", ran.out);
    let ran = orderly(&site, ["balance", "--compare", "once.txt", "--day", "2026-03-05"]).await.ended(1);
    assert!(ran.out.contains("\nclinic: 3 in the list, 0 here\n3 in the list and not here:"), "{}", ran.out);
}

#[tokio::test]
async fn what_cannot_be_compared_says_why() {
    let hospital = Peer::accepting().await;
    let (site, _engine) = fed(&hospital).await;
    site.write("list.csv", "time,id\n1,B1\n");
    for (arguments, said) in [
        (&["--compare", "none.csv"][..], "none.csv cannot be read"),
        (&["--compare", "list.csv", "--column", "MSH-10"], "it has time, id"),
        (&["--compare", "list.csv", "--source", "lab"], "messages came from clinic"),
        (&["--day", "5.3.2026"], "write 2026-03-05"),
        (&["--zone", "Paris"], "Europe/Paris"),
    ] {
        let ran = orderly(&site, [&["balance"], arguments].concat()).await.ended(2);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}
