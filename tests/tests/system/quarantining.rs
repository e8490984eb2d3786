//! `orderly quarantine`: what could not be read is listed, looked at, repaired and taken in.

use orderly_journal::DeliveryState::Delivered;
use orderly_tests::peers::{Peer, Sender, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::json;

/// A message whose header has lost its beginning, and one without any.
const DAMAGED: &[u8] =
    b"SH|^~\\&|REGI|NORTH|HUB|HUB|20260305141500||ADT^A04|Q1|P|2.5.1\rPID|1||70014||TESTER^ALMA\r";
const HEADLESS: &[u8] = b"PID|1||70015||SAMPLER^BORIS\r";

async fn fed() -> (Peer, Site, Running) {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for bytes in [DAMAGED, HEADLESS, &admission("P3")] {
        clinic.send(bytes).await;
    }
    hospital.received(1).await;
    (hospital, site, engine)
}

#[tokio::test]
async fn what_could_not_be_read_is_listed_and_shown() {
    let (_hospital, site, engine) = fed().await;
    let lines = orderly(&site, ["quarantine", "list", "--json"]).await.ended(0).json();
    let told: Vec<_> = lines.iter().map(|line| (&line["id"], &line["bytes"], &line["repaired"])).collect();
    let (none, lengths) = (json!(null), [json!(HEADLESS.len()), json!(DAMAGED.len())]);
    assert_eq!(told, [(&json!(2), &lengths[0], &none), (&json!(1), &lengths[1], &none)]);
    assert!(lines.iter().all(|line| line["cause"].as_str().is_some_and(|cause| !cause.is_empty())));
    let ran = orderly(&site, ["quarantine", "show", "1", "--around", "16"]).await.ended(0);
    assert!(ran.out.starts_with("message 1 from clinic, "), "{}", ran.out);
    assert!(
        ran.out
            .contains("\n00000000  53 48 7c 5e 7e 5c 26 7c 52 45 47 49 7c 4e 4f 52  |SH|^~\\&|REGI|NOR|\n"),
        "{}",
        ran.out
    );
    let ran = orderly(&site, ["quarantine", "show", "3"]).await.ended(2);
    assert!(ran.err.contains("message 3 is routed, and not quarantined"), "{}", ran.err);
    assert!(!engine.log().iter().any(|line| line.contains("TESTER")));
}

#[tokio::test]
async fn repaired_bytes_come_in_as_a_new_message_that_names_the_old_one() {
    let (hospital, site, engine) = fed().await;
    let ran = orderly(&site, ["quarantine", "repair", "1", "--to", "mended.hl7"]).await.ended(0);
    assert!(ran.out.contains("`orderly quarantine inject 1 mended.hl7`"), "{}", ran.out);
    assert_eq!(std::fs::read(site.path("mended.hl7")).unwrap(), DAMAGED);
    let ran = orderly(&site, ["quarantine", "inject", "1", "mended.hl7"]).await.ended(1);
    assert!(ran.out.starts_with("not taken in, it still cannot be read: "), "{}", ran.out);
    let mended = [b"M", DAMAGED].concat();
    site.write("mended.hl7", &mended);
    let ran = orderly(&site, ["quarantine", "inject", "1", "mended.hl7", "--dry-run"]).await.ended(0);
    assert_eq!(ran.out, "it would be routed, hospital waiting\n");
    site.write("both.hl7", [mended.clone(), admission("P9")].concat());
    let ran = orderly(&site, ["quarantine", "inject", "1", "both.hl7"]).await.ended(2);
    assert!(ran.err.contains("these are 2 messages"), "{}", ran.err);
    assert!(site.journal().message(4).unwrap().is_none(), "nothing was stored yet");

    let ran = orderly(
        &site,
        ["quarantine", "inject", "1", "mended.hl7", "--reason", "their gateway cut it", "--json"],
    );
    let injected = ran.await.ended(0).json().remove(0);
    assert_eq!(
        (&injected["fate"], &injected["deliveries"]),
        (&json!("routed"), &json!([["hospital", "waiting"]]))
    );
    let id = injected["id"].as_u64().unwrap();
    let received = hospital.received(2).await;
    assert_eq!(*received[1], *mended);
    until("the delivery", || (site.state_of(id) == [Delivered]).then_some(())).await;
    let stored = site.journal().message(1).unwrap().unwrap();
    assert_eq!(
        (stored.body.as_slice(), stored.fate.name()),
        (DAMAGED, "quarantined"),
        "it stays as it was received"
    );

    let lines = orderly(&site, ["quarantine", "list", "--json"]).await.ended(0).json();
    assert_eq!(lines.iter().map(|line| &line["id"]).collect::<Vec<_>>(), [2]);
    let lines = orderly(&site, ["quarantine", "list", "--all", "--json"]).await.ended(0).json();
    assert_eq!(lines.iter().map(|line| &line["repaired"]).collect::<Vec<_>>(), [&json!(null), &json!(id)]);
    let balance = orderly(&site, ["balance", "--json"]).await.ended(0).json().remove(0);
    let counts = ["accepted", "routed", "quarantined"].map(|name| balance["sources"][0][name].as_u64());
    assert_eq!(counts, [Some(4), Some(2), Some(2)]);
    site.write("sent.txt", "Q1\nP3\n");
    let ran = orderly(&site, ["balance", "--json", "--compare", "sent.txt"]).await.ended(1);
    let unknown = &ran.json()[0]["compared"]["unknown"];
    assert_eq!(unknown, &json!({ "count": 1, "control_ids": ["(no control id)"] }), "Q1 is here once");
    let acts = orderly(&site, ["audit", "--json"]).await.ended(0).json();
    assert_eq!((&acts[0]["what"], &acts[0]["whom"]), (&json!("quarantine inject"), &json!("clinic")));
    let log = engine.log();
    assert!(log.iter().all(|line| !line.contains("TESTER") && !line.contains("gateway")));
}

/// `orderly quarantine repair 1` with an editor that is this script.
async fn edited(site: &Site, options: &str, script: &str) -> std::process::Output {
    site.write("editor", format!("#!/bin/sh\n{script}\n"));
    let editor = site.path("editor");
    let command = format!("EDITOR='sh {}' exec \"$0\" quarantine repair 1 {options}", editor.display());
    let mut shell = std::process::Command::new("sh");
    shell.env_remove("VISUAL").args(["-c", &command]).arg(orderly_tests::running::binary());
    shell.current_dir(site.folder());
    tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap()
}

/// In the editor the name is text, and in the message it is what the sender's charset makes of it.
#[tokio::test]
async fn bytes_of_another_charset_are_repaired_as_text() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let header = b"SH|^~\\&|REGI|NORTH|HUB|HUB|20260305141500||ADT^A04|Q1|P|2.5.1||||||BIG-5\rPID|1||70014||";
    // The second name ends with a byte that is a backslash in ASCII.
    clinic.send(&[&header[..], b"\xB3\x5C^\xAA\xFC\r"].concat()).await;
    let ran = edited(&site, "--charset KLINGON", "true").await;
    assert_eq!(ran.status.code(), Some(2));
    let ran = edited(&site, "--charset UTF-8", "true").await;
    assert!(String::from_utf8_lossy(&ran.stderr).contains("not all of these bytes are UTF-8"), "{ran:?}");
    let ran = edited(&site, "--charset BIG-5", "sed -i 's/許/\u{1F600}/' \"$1\"").await;
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("line 2 has a letter that Big5 has not"), "{ran:?}");
    let ran = edited(&site, "--charset BIG-5", "true").await;
    assert_eq!(&*ran.stdout, b"nothing was changed\n");
    let ran = edited(&site, "--charset BIG-5", "sed -i -e 's/^SH/MSH/' -e 's/許^/許^王/' \"$1\"").await;
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let received = hospital.received(1).await;
    let expected = [b"M", &header[..], b"\xB3\x5C^\xA4\xFD\xAA\xFC\r"].concat();
    assert_eq!(received[0].escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[tokio::test]
async fn bytes_are_repaired_in_an_editor_without_an_engine_too() {
    let (hospital, site, engine) = fed().await;
    engine.stop().await;
    let run = async |script: &str| edited(&site, "", script).await;
    let ran = run("true").await;
    assert_eq!((ran.status.code(), &*ran.stdout), (Some(1), &b"nothing was changed\n"[..]));
    let ran = run("false").await;
    assert_eq!(ran.status.code(), Some(2), "{}", String::from_utf8_lossy(&ran.stderr));
    let ran = run("sed -i -e 's/^SH/MSH/' -e 's/^PID|1||70014/PID|1||70099/' \"$1\"").await;
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let _engine = Running::start(&site).await;
    let received = hospital.received(2).await;
    let mended = String::from_utf8([b"M", DAMAGED].concat()).unwrap().replace("70014", "70099");
    assert_eq!(String::from_utf8_lossy(&received[1]), mended);
}
