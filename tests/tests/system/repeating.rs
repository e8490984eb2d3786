//! Repeats: what a sender sends once more is answered as it was and delivered once, on whatever connection and after whatever it comes.

use std::fs;
use std::net::SocketAddr;

use orderly_journal::{DeliveryState, Fate};
use orderly_queue::planted::Fault;
use orderly_tests::peers::{PATIENCE, Peer, Sender, admission, framed};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A site whose source knows messages for so long, with a new segment file for every commit.
fn knowing(hospital: SocketAddr, within: &str) -> Site {
    let site = Site::relay(hospital);
    let clinic = format!("  clinic:\n    repeats: {{ within: {within} }}");
    site.amend("orderly.yaml", "  clinic:", &clinic);
    site.amend("orderly.yaml", "sources:", "journal:\n  segment_size_max: 1KiB\nsources:");
    site
}

/// The answer as received.
async fn answer(clinic: &mut Sender, message: &[u8]) -> String {
    clinic.write(&framed(message)).await;
    String::from_utf8(clinic.receive(PATIENCE).await.unwrap()).unwrap()
}

/// The fates of the messages with these ids.
fn fates<const N: usize>(site: &Site, ids: [u64; N]) -> [Fate; N] {
    let journal = site.journal();
    ids.map(|id| journal.message(id).unwrap().unwrap().fate)
}

#[tokio::test]
async fn of_two_at_once_one_is_delivered_and_both_are_answered_alike() {
    let hospital = Peer::accepting().await;
    let site = knowing(hospital.address, "24h");
    let engine = Running::start(&site).await;
    let address = engine.address("clinic");
    let (mut one, mut other) = tokio::join!(Sender::connect(address), Sender::connect(address));
    let names: Vec<String> = (0..20).map(|number| format!("T{number}")).collect();
    for name in &names {
        let message = admission(name);
        let answers = tokio::join!(answer(&mut one, &message), answer(&mut other, &message));
        assert_eq!(answers.0, answers.1);
        assert!(answers.0.contains(&format!("MSA|AA|{name}\r")), "{}", answers.0);
    }
    until("all deliveries", || (hospital.first_arrivals().len() == 20).then_some(())).await;
    assert_eq!(hospital.control_ids(), names);

    let found = orderly(&site, ["messages", "--state", "duplicate", "--json"]).await.ended(0).json();
    assert_eq!(found.len(), 20);
    let repeat = found[0]["id"].to_string();
    let shown = orderly(&site, ["show", &repeat, "--json"]).await.ended(0).json().remove(0);
    let first = shown["message"]["repeats"].clone();
    assert_eq!(shown["message"]["reason"], json!(format!("repeats message {first}")));
    assert_eq!(fates(&site, [first.as_u64().unwrap()]), [Fate::Routed]);
    let ran = orderly(&site, ["replay", &repeat]).await.ended(1);
    assert!(ran.out.contains(&format!("it repeats message {first}")), "{}", ran.out);
    let ran =
        orderly(&site, ["replay", "--source", "clinic", "--also-delivered", "--dry-run"]).await.ended(0);
    assert!(ran.out.contains("20 messages would be replayed"), "{}", ran.out);
    let balance = orderly(&site, ["balance", "--json"]).await.ended(0).json().remove(0);
    assert_eq!(balance["sources"][0]["duplicate"], 20);
    assert_eq!((&balance["sources"][0]["routed"], &balance["balanced"]), (&json!(20), &json!(true)));
    fs::write(site.path("sent.txt"), names.join("\n")).unwrap();
    orderly(&site, ["balance", "--source", "clinic", "--compare", "sent.txt"]).await.ended(0);
    let status = orderly(&site, ["status", "--json"]).await.ended(0).json().remove(0);
    assert_eq!(status["sources"][0]["messages"]["duplicate"], 20);
}

#[tokio::test]
async fn whoever_got_no_answer_before_a_crash_gets_it_after_it() {
    let hospital = Peer::accepting().await;
    let site = knowing(hospital.address, "24h");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    clinic.write(&framed(&admission("C1"))).await;
    hospital.received(1).await;
    engine.kill().await;

    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let again = answer(&mut clinic, &admission("C1")).await;
    assert!(again.contains("MSA|AA|C1\r"), "{again}");
    assert_eq!(answer(&mut clinic, &admission("C1")).await, again);
    let changed = String::from_utf8(admission("C1")).unwrap().replace("ALMA", "ALMA-LUISA");
    let other = answer(&mut clinic, changed.as_bytes()).await;
    assert!(other.contains("MSA|AA|C1\r") && other != again, "{other}");
    hospital.received(2).await;
    until("both deliveries", || {
        let counts = site.journal().counts().unwrap().deliveries;
        counts.iter().all(|line| line.state == DeliveryState::Delivered || line.count == 0).then_some(())
    })
    .await;
    let names: Vec<String> =
        hospital.messages().iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect();
    // The first one may come twice: its result may not have been recorded when the engine was killed.
    assert!(names.last().unwrap().contains("ALMA-LUISA"), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.contains("ALMA-LUISA")).count(), 1);
    let journal = site.journal();
    let ids: Vec<u64> = journal
        .search(&orderly_journal::Query { limit: 10, ..Default::default() })
        .unwrap()
        .iter()
        .rev()
        .map(|found| found.id)
        .collect();
    let [first, repeat, repeat_again, namesake] = ids[..] else { panic!("{ids:?}") };
    let expected = [Fate::Routed, Fate::Duplicate, Fate::Duplicate, Fate::Routed];
    assert_eq!(fates(&site, [first, repeat, repeat_again, namesake]), expected);

    let status = orderly(&site, ["status", "--json"]).await.ended(0).json().remove(0);
    assert_eq!(status["sources"][0]["reused_ids"], 1);
    engine.logged("control-id-reused").await;
    let shown = orderly(&site, ["show", &namesake.to_string()]).await.ended(0).out;
    let warning = format!("warning[control-id-reused]: message {first} came before it");
    assert!(shown.contains(&warning), "{shown}");
}

#[tokio::test]
async fn after_its_time_it_is_a_message_of_its_own() {
    let hospital = Peer::accepting().await;
    let site = knowing(hospital.address, "300ms");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let first = answer(&mut clinic, &admission("W1")).await;
    assert_eq!(answer(&mut clinic, &admission("W1")).await, first);
    let mut repeats = 1;
    while answer(&mut clinic, &admission("W1")).await == first {
        repeats += 1;
    }
    hospital.received(2).await;
    assert_eq!(fates(&site, [1, 2, repeats + 2]), [Fate::Routed, Fate::Duplicate, Fate::Routed]);
    orderly(&site, ["balance"]).await.ended(0);
}

#[tokio::test]
async fn a_refusal_is_told_again_until_the_configuration_changes() {
    let hospital = Peer::accepting().await;
    let site = knowing(hospital.address, "24h");
    site.amend(
        "orderly.yaml",
        "  clinic:\n",
        "  clinic:\n    refuse: hl7-trailing-bytes\n    on_mapping_failure: AE\n",
    );
    site.write(
        "mappings/wards.yaml",
        "mapping: wards\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - when: PV1-2 = 'O'\n    fail: no ward\n",
    );
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: wards");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let failing = admission("F1");
    let padded = [&admission("P1")[..], &[0, 0]].concat();
    for message in [&failing, &padded] {
        let first = answer(&mut clinic, message).await;
        assert!(first.contains("MSA|AE|"), "{first}");
        assert_eq!(answer(&mut clinic, message).await, first);
    }
    assert_eq!(
        fates(&site, [1, 2, 3, 4]),
        [Fate::Failed, Fate::Duplicate, Fate::Quarantined, Fate::Duplicate]
    );
    site.amend("orderly.yaml", "    refuse: hl7-trailing-bytes\n", "");
    site.amend(
        "mappings/wards.yaml",
        "  - when: PV1-2 = 'O'\n    fail: no ward\n",
        "  - set:\n      MSH-3: ORDERLY\n",
    );
    orderly(&site, ["reload"]).await.ended(0);
    // It never was a message, and is one now.
    assert!(answer(&mut clinic, &padded).await.contains("MSA|AA|P1\r"));
    // It waits for whoever mends it, and its sender is told so until then.
    let told = answer(&mut clinic, &failing).await;
    assert!(told.contains("MSA|AE|F1|"), "{told}");
    orderly(&site, ["replay", "1"]).await.ended(0);
    assert!(answer(&mut clinic, &failing).await.contains("MSA|AA|F1\r"));
    hospital.received(2).await;
    assert_eq!(hospital.control_ids(), ["P1", "F1"]);
    assert_eq!(fates(&site, [1, 5, 6, 7]), [Fate::Routed, Fate::Routed, Fate::Duplicate, Fate::Duplicate]);
    orderly(&site, ["balance"]).await.ended(0);
}

/// The answer to a request, without its head but for the status.
async fn posted(address: SocketAddr, body: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: engine\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn what_is_posted_or_dropped_once_more_is_known_too() {
    let site = Site::filing();
    site.amend(
        "orderly.yaml",
        "    mllp:\n      listen",
        "    repeats: { within: 24h }\n    http:\n      listen",
    );
    site.amend(
        "orderly.yaml",
        "destinations:",
        "  lab:\n    repeats: { within: 1h }\n    files:\n      folder: inbox\n      complete: renamed\n      poll: 20ms\ndestinations:",
    );
    site.write("routes/lab.yaml", "route: lab\nfrom: lab\nto:\n  - destination: hospital\n");
    let engine = Running::start(&site).await;
    let address = engine.address("clinic");
    let first = posted(address, &admission("H1")).await;
    assert!(first.0.contains("200") && first.1.contains("MSA|AA|H1\r"), "{first:?}");
    assert_eq!(posted(address, &admission("H1")).await, first);
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/ccda/referral_note.xml");
    let document = fs::read(document).unwrap();
    let first = posted(address, &document).await;
    assert_eq!(first.1, "stored as message 3\n");
    assert_eq!(posted(address, &document).await, first);
    assert_eq!(fates(&site, [1, 2, 3, 4]), [Fate::Routed, Fate::Duplicate, Fate::Routed, Fate::Duplicate]);

    for (name, messages) in [("a.hl7", ["L1", "L2"]), ("b.hl7", ["L2", "L3"])] {
        let batch = messages.map(|id| String::from_utf8(admission(id)).unwrap()).concat();
        site.write(&format!("inbox/.{name}"), batch);
        fs::rename(site.path(&format!("inbox/.{name}")), site.path(&format!("inbox/{name}"))).unwrap();
        until("the file to be put away", || {
            site.path(&format!("inbox/archive/{name}")).exists().then_some(())
        })
        .await;
    }
    assert_eq!(fates(&site, [5, 6, 7, 8]), [Fate::Routed, Fate::Routed, Fate::Duplicate, Fate::Routed]);
    orderly(&site, ["balance"]).await.ended(0);
}

#[tokio::test]
async fn a_file_of_the_journal_that_cannot_be_read_stops_no_source_and_is_told() {
    let hospital = Peer::accepting().await;
    let site = knowing(hospital.address, "24h");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ["U1", "U2", "U3"] {
        assert!(answer(&mut clinic, &admission(id)).await.contains("MSA|AA|"));
    }
    until("the deliveries", || (site.state_of(3) == [DeliveryState::Delivered]).then_some(())).await;
    until("the first file to be sealed", || {
        let log = fs::metadata(site.path("journal/segments/00000002.db-wal"));
        log.map_or(true, |log| log.len() == 0).then_some(())
    })
    .await;
    engine.stop().await;
    fs::write(site.path("journal/segments/00000002.db"), [b'x'; 8192]).unwrap();

    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ["U4", "U5"] {
        assert!(answer(&mut clinic, &admission(id)).await.contains(&format!("MSA|AA|{id}\r")));
    }
    hospital.received(5).await;
    engine.logged_times("repeat-unsure", 1).await;
    let ran = orderly(&site, ["status"]).await.ended(0);
    let told = "clinic: 2 taken as new that may be repeats, because a file of the journal cannot be read: ";
    assert!(ran.out.contains(told) && ran.out.contains("00000002.db"), "{}", ran.out);
}

/// Each message twice, and under the same control id other bytes twice: each of them is delivered once, in order. Says what was not.
async fn kept_apart(fault: Option<Fault>) -> Result<(), String> {
    let hospital = Peer::accepting().await;
    let site = knowing(hospital.address, "24h");
    let engine = Running::start_with(&site, fault).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let mut expected = Vec::new();
    for id in ["A1", "A2", "A3", "LAST"] {
        let one = admission(id);
        let other = String::from_utf8(admission(id)).unwrap().replace("70014", "70015").into_bytes();
        for message in [one, other] {
            for _ in 0..2 {
                let told = answer(&mut clinic, &message).await;
                assert!(told.contains(&format!("MSA|AA|{id}\r")), "{told}");
            }
            expected.push(message);
        }
    }
    // The line is in order: when this has come, nothing before it is still to come.
    clinic.send(&admission("END")).await;
    until("the last one", || hospital.control_ids().contains(&"END".to_owned()).then_some(())).await;
    let came: Vec<Vec<u8>> = hospital.received(1).await.iter().map(|message| message.to_vec()).collect();
    let missing = expected.iter().filter(|message| !came.contains(message)).count();
    if missing > 0 {
        return Err(format!("{missing} messages were answered AA and never delivered"));
    }
    expected.push(admission("END"));
    (came == expected).then_some(()).ok_or_else(|| "messages came twice, or in another order".to_owned())
}

#[tokio::test]
async fn what_has_other_bytes_is_no_repeat_and_a_planted_fault_is_seen() {
    assert_eq!(kept_apart(None).await, Ok(()));
    let seen = kept_apart(Some(Fault::RepeatByNameAlone)).await;
    assert_eq!(seen, Err("4 messages were answered AA and never delivered".to_owned()));
}
