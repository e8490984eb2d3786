//! Changed files in a running engine: by themselves and by `orderly reload`, under load, refused, and what they begin and end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use orderly_hl7v2::AckCode;
use orderly_journal::{DeliveryState, Query};
use orderly_tests::peers::{AbsentPeer, Peer, Sender, admission, control_id, framed};
use orderly_tests::running::{Ran, Running, orderly, until};
use orderly_tests::site::Site;
use orderly_transport::mllp_client::NoFrame;
use serde_json::Value;
use tokio::task::JoinSet;

/// What the log says of each reload that changed something.
const RELOADED: &str = "\"message\":\"reloaded\"";

/// A relay whose mapping marks each message with the ward W0.
fn marking(hospital: SocketAddr) -> Site {
    let site = Site::relay(hospital);
    site.write(
        "mappings/mark.yaml",
        "mapping: mark\ninput: hl7v2 2.5.1\noutput: hl7v2\nrules:\n  - set:\n      PV1-3.1: W0\n",
    );
    site.amend("routes/relay.yaml", "destination: hospital", "destination: hospital\n    mapping: mark");
    site
}

/// The same, which reloads only when it is asked to.
fn manual(hospital: SocketAddr) -> Site {
    let site = marking(hospital);
    site.amend("orderly.yaml", "sources:", "reload: manual\nsources:");
    site
}

/// The ward of a message, which ends it.
fn ward(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    text.trim_end().rsplit('|').next().unwrap_or_default().to_owned()
}

async fn send(sender: &mut Sender, id: &str) {
    assert_eq!(sender.send(&admission(id)).await.code, Some(AckCode::AA), "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_under_load_drop_no_connection_and_lose_swap_and_repeat_nothing() {
    const MESSAGES: usize = 10_000;
    const RELOADS: usize = 20;
    let hospital = Peer::accepting().await;
    let site = marking(hospital.address);
    let engine = Running::start(&site).await;
    let (sent, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut senders = JoinSet::new();
    for connection in 0..4 {
        let (sent, done, address) = (sent.clone(), done.clone(), engine.address("clinic"));
        senders.spawn(async move {
            // It never connects again.
            let mut sender = Sender::connect(address).await;
            let mut number = 0;
            while !done.load(Ordering::Relaxed) || sent.load(Ordering::Relaxed) < MESSAGES {
                number += 1;
                send(&mut sender, &format!("C{connection}N{number}")).await;
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for reload in 1..=RELOADS {
        let (from, to) = (format!("W{}", reload - 1), format!("W{reload}"));
        site.amend("mappings/mark.yaml", &from, &to);
        engine.logged_times(RELOADED, reload).await;
    }
    done.store(true, Ordering::Relaxed);
    senders.join_all().await;
    let sent = sent.load(Ordering::Relaxed);
    let received = hospital.received(sent).await;
    until("the last result", || (waiting(&site) == 0).then_some(())).await;
    let all = Query { limit: 1 << 40, ..Query::default() };
    let mut stored = site.journal().search(&all).unwrap();
    stored.sort_by_key(|summary| summary.seq);
    let stored: Vec<&str> = stored.iter().map(|summary| summary.control_id.as_str()).collect();
    let arrived: Vec<String> = received.iter().map(|message| control_id(message)).collect();
    assert_eq!(stored.len(), sent, "each is stored once");
    assert_eq!(arrived, stored, "each arrived once, in the order of the journal");
    assert!(engine.log().iter().all(|line| !line.contains("ERROR")), "{:?}", engine.log());
    let wards: Vec<String> = received.iter().map(|message| ward(message)).collect();
    assert_eq!(wards.last().map(String::as_str), Some("W20"));
    assert!(
        wards.iter().map(|ward| ward[1..].parse::<u32>().unwrap()).is_sorted(),
        "one plan after the other"
    );
}

fn waiting(site: &Site) -> u64 {
    let counts = site.journal().counts().unwrap();
    let waiting = counts.deliveries.iter().filter(|count| count.state == DeliveryState::Waiting);
    waiting.map(|count| count.count).sum()
}

#[tokio::test]
async fn each_message_names_the_plan_that_processed_it_and_what_it_said_can_be_told() {
    let hospital = Peer::accepting().await;
    let site = manual(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    send(&mut clinic, "P1").await;
    site.amend("mappings/mark.yaml", "W0", "W1");
    let ran = orderly(&site, ["reload", "--json"]).await.ended(0);
    let (before, after) = (ran.json()[0]["before"].clone(), ran.json()[0]["plan"].clone());
    assert_ne!(before, after);
    send(&mut clinic, "P2").await;
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert_eq!(ran.out, format!("nothing has changed: plan {} is in force\n", after.as_str().unwrap()));

    let plan = |id| site.journal().message(id).unwrap().unwrap().plan;
    assert_eq!((plan(1).as_str(), plan(2).as_str()), (before.as_str().unwrap(), after.as_str().unwrap()));
    let plans = orderly(&site, ["plans", "--json"]).await.ended(0).json();
    let versions: Vec<_> = plans.iter().map(|plan| plan["version"].clone()).collect();
    assert_eq!(versions, [before.clone(), after.clone()]);
    for (version, ward) in [(&before, "W0"), (&after, "W1")] {
        let ran = orderly(&site, ["plans", version.as_str().unwrap(), "mappings/mark.yaml"]).await.ended(0);
        assert!(ran.out.ends_with(&format!("PV1-3.1: {ward}\n")), "{}", ran.out);
    }
    let ran = orderly(&site, ["plans", before.as_str().unwrap()]).await.ended(0);
    assert_eq!(ran.out, "orderly.yaml\nroutes/relay.yaml\nmappings/mark.yaml\n");
    orderly(&site, ["plans", "000000000000"]).await.ended(1);
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_the_old_plan_stays() {
    let hospital = Peer::accepting().await;
    let site = marking(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    site.amend("mappings/mark.yaml", "PV1-3.1: W0", "PV1-3.1: ${PV1-3.1 | uper}");
    site.amend("routes/relay.yaml", "from: clinic", "from: clinik");
    engine.logged("not reloaded, the plan before stays in force").await;
    let log = engine.log();
    for place in ["mappings/mark.yaml:6:", "routes/relay.yaml:2:7"] {
        assert!(log.iter().any(|line| line.contains(place)), "{log:?}");
    }
    let ran = orderly(&site, ["reload"]).await.ended(1);
    assert!(ran.out.contains("there is no source `clinik`"), "{}", ran.out);
    assert!(ran.out.contains("not reloaded, 2 errors: plan"), "{}", ran.out);
    send(&mut clinic, "P1").await;
    assert_eq!(ward(&hospital.received(1).await[0]), "W0");

    site.amend("routes/relay.yaml", "from: clinik", "from: clinic");
    site.amend("mappings/mark.yaml", "${PV1-3.1 | uper}", "W2");
    engine.logged(RELOADED).await;
    send(&mut clinic, "P2").await;
    assert_eq!(ward(&hospital.received(2).await[1]), "W2");
}

#[tokio::test]
async fn a_table_is_a_part_of_the_plan() {
    let hospital = Peer::accepting().await;
    let site = marking(hospital.address);
    site.write("mappings/tables/ward.csv", "code,name\nO,OUT1\n");
    let table = "tables:\n  ward: { file: tables/ward.csv, key: code, value: name, unmapped: keep }\nrules:";
    site.amend("mappings/mark.yaml", "rules:", table);
    site.amend("mappings/mark.yaml", "PV1-3.1: W0", "PV1-3.1: ${PV1-2 | lookup(ward)}");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    send(&mut clinic, "P1").await;
    site.amend("mappings/tables/ward.csv", "OUT1", "OUT2");
    engine.logged(RELOADED).await;
    send(&mut clinic, "P2").await;
    let received = hospital.received(2).await;
    assert_eq!((ward(&received[0]), ward(&received[1])), ("OUT1".to_owned(), "OUT2".to_owned()));
}

#[tokio::test]
async fn a_destination_that_something_waits_for_stays() {
    let absent = AbsentPeer::somewhere();
    let site = manual(absent.address);
    let archive = "  archive:\n    files:\n      folder: archived\n";
    site.amend("orderly.yaml", "destinations:\n", &format!("destinations:\n{archive}"));
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ["P1", "P2", "P3"] {
        send(&mut clinic, id).await;
    }
    let before = std::fs::read_to_string(site.path("orderly.yaml")).unwrap();
    let (start, _) = before.split_once("  hospital:").unwrap();
    site.write("orderly.yaml", start);
    site.amend("routes/relay.yaml", "destination: hospital", "destination: archive");
    let ran = orderly(&site, ["reload", "--json"]).await.ended(1);
    let problem = ran.json()[0]["problems"][0].clone();
    let problem = problem.as_str().unwrap();
    assert!(
        problem.starts_with("destination hospital cannot be removed: 3 deliveries wait for it"),
        "{problem}"
    );
    send(&mut clinic, "P4").await;
    assert_eq!(waiting(&site), 4, "the old plan is in force");

    let hospital = absent.arrives().await;
    hospital.received(4).await;
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert!(ran.out.contains("destination stopped: hospital\n"), "{}", ran.out);
    send(&mut clinic, "P5").await;
    until("the archive", || (site.state_of(5) == [DeliveryState::Delivered]).then_some(())).await;
    assert_eq!(hospital.control_ids(), ["P1", "P2", "P3", "P4"]);
    engine.stop().await;
}

/// What waits has its lanes by what was declared when it came in: by another declaration a patient's next message would overtake it.
#[tokio::test]
async fn lanes_do_not_change_while_something_waits_in_them() {
    let absent = AbsentPeer::somewhere();
    let site = manual(absent.address);
    site.amend("orderly.yaml", "  hospital:\n", "  hospital:\n    order: per_patient\n");
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    send(&mut clinic, "P1").await;
    site.amend("orderly.yaml", "order: per_patient\n", "order: per_patient\n    lane: ${PID-18.1}\n");
    let ran = orderly(&site, ["reload", "--json"]).await.ended(1);
    let problem = ran.json()[0]["problems"][0].to_string();
    assert!(
        problem.contains("orderly.yaml:9:5: error[config-lane-held]: destination hospital: its `lane:` cannot change while 1 delivery is waiting"),
        "{problem}"
    );
    // Nor by a restart.
    engine.stop().await;
    let ran = orderly(&site, ["run"]).await.ended(2);
    assert!(
        ran.err.contains("orderly.yaml:9:5: error[config-lane-held]: destination hospital: "),
        "{}",
        ran.err
    );
    site.amend("orderly.yaml", "    lane: ${PID-18.1}\n", "");
    let _engine = Running::start(&site).await;
    // How many lanes may be busy changes nothing about who is in which.
    site.amend("orderly.yaml", "order: per_patient\n", "order: per_patient\n    lanes: 3\n");
    orderly(&site, ["reload"]).await.ended(0);
    let hospital = absent.arrives().await;
    hospital.received(1).await;
    site.amend("orderly.yaml", "    lanes: 3\n", "    lane: ${PID-18.1}\n");
    orderly(&site, ["reload"]).await.ended(0);
}

#[tokio::test]
async fn a_destination_that_moved_gets_at_once_what_failed_where_it_was() {
    let (old, new) = (Peer::accepting().await, Peer::accepting().await);
    let site = manual(old.address);
    site.amend("orderly.yaml", "then: 50ms", "then: 1h");
    let old_address = old.address.to_string();
    drop(old);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for id in ["P1", "P2"] {
        send(&mut clinic, id).await;
    }
    engine.logged("cannot deliver, will try again").await;
    site.amend("orderly.yaml", &old_address, &new.address.to_string());
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert!(ran.out.contains("destination changed: hospital\n"), "{}", ran.out);
    new.received(2).await;
    assert_eq!(new.control_ids(), ["P1", "P2"]);
}

const LAB_LISTENS: &str = "\"source\":\"lab\",\"address\"";
const LAB_SETTINGS: &str = "  lab:\n    mllp:\n      listen: 127.0.0.1:0\n";

#[tokio::test]
async fn sources_come_change_and_go_each_alone() {
    let hospital = Peer::accepting().await;
    let site = manual(hospital.address);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    send(&mut clinic, "P1").await;
    site.amend("orderly.yaml", "sources:\n", &format!("sources:\n{LAB_SETTINGS}"));
    site.write("routes/lab.yaml", "route: lab\nfrom: lab\nto:\n  - destination: hospital\n");
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert!(ran.out.contains("source started: lab\n"), "{}", ran.out);
    engine.logged(LAB_LISTENS).await;
    let (clinics, labs) = (engine.address("clinic"), engine.address("lab"));
    let mut lab = Sender::connect(labs).await;
    send(&mut lab, "L1").await;
    send(&mut clinic, "P2").await;

    let changed = format!("{LAB_SETTINGS}      frame_size_max: 1MiB\n");
    site.amend("orderly.yaml", LAB_SETTINGS, &changed);
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert!(ran.out.contains("source restarted: lab\n"), "{}", ran.out);
    assert!(matches!(lab.receive(Duration::from_secs(30)).await, Err(NoFrame::Closed(_))), "it is closed");
    engine.logged_times(LAB_LISTENS, 2).await;
    assert_eq!((engine.address("clinic"), engine.address("lab")), (clinics, labs), "both where they were");
    let mut lab = Sender::connect(labs).await;
    send(&mut lab, "L2").await;
    send(&mut clinic, "P3").await;

    std::fs::remove_file(site.path("routes/lab.yaml")).unwrap();
    site.amend("orderly.yaml", &changed, "");
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert!(ran.out.contains("source stopped: lab\n"), "{}", ran.out);
    assert!(tokio::net::TcpStream::connect(labs).await.is_err(), "nobody listens there");
    send(&mut clinic, "P4").await;
    hospital.received(6).await;
    assert_eq!(hospital.control_ids(), ["P1", "L1", "P2", "L2", "P3", "P4"]);
}

/// What `orderly status` says.
async fn status(site: &Site) -> Value {
    orderly(site, ["status", "--json"]).await.ended(0).json()[0].clone()
}

/// The names of what it lists, in its order.
fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn status_has_what_the_plan_has_and_counts_on_for_what_stays() {
    let hospital = Peer::accepting().await;
    let site = manual(hospital.address);
    let before = std::fs::read_to_string(site.path("orderly.yaml")).unwrap();
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    send(&mut clinic, "P1").await;
    let archive = "destinations:\n  archive:\n    files:\n      folder: archived\n";
    site.amend("orderly.yaml", "destinations:\n", archive);
    site.amend("orderly.yaml", "sources:\n", &format!("sources:\n{LAB_SETTINGS}"));
    site.write("routes/lab.yaml", "route: lab\nfrom: lab\nto:\n  - destination: archive\n");
    let plan = orderly(&site, ["reload", "--json"]).await.ended(0).json()[0]["plan"].clone();
    let labs = engine.new_address("lab").await;
    let mut lab = Sender::connect(labs).await;
    send(&mut lab, "L1").await;
    let now = status(&site).await;
    assert_eq!(now["plan"], plan);
    assert_eq!(names(&now["sources"]), ["lab", "clinic"]);
    assert_eq!(names(&now["destinations"]), ["archive", "hospital"]);
    for source in [0, 1] {
        assert_eq!(now["sources"][source]["messages"]["routed"], 1);
        assert_eq!(now["sources"][source]["connections"], 1);
    }

    let refusing = format!("{LAB_SETTINGS}    refuse: mllp-doubled-start-block\n");
    site.amend("orderly.yaml", LAB_SETTINGS, &refusing);
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert!(ran.out.contains("source restarted: lab\n"), "{}", ran.out);
    let now = status(&site).await;
    assert_eq!(
        (&now["sources"][0]["messages"]["routed"], &now["sources"][0]["connections"]),
        (&1.into(), &0.into())
    );
    let mut lab = Sender::connect(labs).await;
    lab.write(&[b"\x0B", framed(&admission("L2")).as_slice()].concat()).await;
    assert_eq!(lab.answer().await.code, Some(AckCode::AE), "it refuses that now");
    let now = status(&site).await;
    assert_eq!(now["sources"][0]["messages"]["quarantined"], 1);
    assert_eq!(now["sources"][0]["peers"][0]["tolerances"][0]["code"], "mllp-doubled-start-block");

    site.write("orderly.yaml", before);
    std::fs::remove_file(site.path("routes/lab.yaml")).unwrap();
    until("the archive", || (site.state_of(2) == [DeliveryState::Delivered]).then_some(())).await;
    orderly(&site, ["reload"]).await.ended(0);
    send(&mut clinic, "P2").await;
    hospital.received(2).await;
    let now = status(&site).await;
    assert_eq!((names(&now["sources"]), names(&now["destinations"])), (vec!["clinic"], vec!["hospital"]));
    assert_eq!(now["sources"][0]["messages"]["routed"], 2);
    assert_eq!(now["destinations"][0]["state"], "reachable");
}

#[tokio::test]
async fn a_test_beside_a_mapping_is_no_part_of_the_plan() {
    let hospital = Peer::accepting().await;
    let site = manual(hospital.address);
    let _engine = Running::start(&site).await;
    site.write("mappings/mark.test.yaml", b"cases: \xFF");
    let ran = orderly(&site, ["reload"]).await.ended(0);
    assert!(ran.out.starts_with("nothing has changed"), "{}", ran.out);
    let ran = orderly(&site, ["check"]).await.ended(1);
    assert!(ran.out.contains("mark.test.yaml cannot be read"), "{}", ran.out);
}

#[tokio::test]
async fn a_source_of_another_name_takes_over_the_address() {
    let hospital = Peer::accepting().await;
    let site = manual(hospital.address);
    let free = Peer::accepting().await.address.to_string();
    site.amend("orderly.yaml", "127.0.0.1:0", &free);
    let engine = Running::start(&site).await;
    send(&mut Sender::connect(engine.address("clinic")).await, "P1").await;
    site.amend("orderly.yaml", "  clinic:", "  clinic-west:");
    site.amend("routes/relay.yaml", "from: clinic", "from: clinic-west");
    orderly(&site, ["reload"]).await.ended(0);
    send(&mut Sender::connect(free.parse().unwrap()).await, "P2").await;
    assert_eq!(site.journal().message(2).unwrap().unwrap().source, "clinic-west");
}

#[tokio::test]
async fn an_address_that_cannot_be_had_changes_nothing() {
    let hospital = Peer::accepting().await;
    let site = manual(hospital.address);
    let free = Peer::accepting().await.address.to_string();
    site.amend("orderly.yaml", "127.0.0.1:0", &free);
    let engine = Running::start(&site).await;
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    let problem = |ran: Ran| ran.json()[0]["problems"][0].as_str().unwrap().to_owned();
    let taken = format!("sources:\n  lab:\n    mllp:\n      listen: {}\n", hospital.address);
    site.amend("orderly.yaml", "sources:\n", &taken);
    let told = problem(orderly(&site, ["reload", "--json"]).await.ended(1));
    assert!(
        told.starts_with(&format!("source lab: {} is in use by another program", hospital.address)),
        "{told}"
    );
    site.amend("orderly.yaml", &taken, "sources:\n");
    let all = format!("0.0.0.0:{}", engine.address("clinic").port());
    site.amend("orderly.yaml", &free, &all);
    let told = problem(orderly(&site, ["reload", "--json"]).await.ended(1));
    assert!(told.contains("is held by this engine as it runs; restart it for this change"), "{told}");
    send(&mut clinic, "P1").await;
    hospital.received(1).await;
}

#[tokio::test]
async fn a_watched_folder_comes_and_goes() {
    let hospital = Peer::accepting().await;
    let site = manual(hospital.address);
    let engine = Running::start(&site).await;
    let lab = "sources:\n  lab:\n    files:\n      folder: inbox\n      complete: renamed\n";
    site.amend("orderly.yaml", "sources:\n", lab);
    site.write("routes/lab.yaml", "route: lab\nfrom: lab\nto:\n  - destination: hospital\n");
    orderly(&site, ["reload"]).await.ended(0);
    site.write("inbox/1.hl7", admission("L1"));
    hospital.received(1).await;
    until("the file to be put away", || (!site.path("inbox/1.hl7").exists()).then_some(())).await;
    site.amend("orderly.yaml", lab, "sources:\n");
    std::fs::remove_file(site.path("routes/lab.yaml")).unwrap();
    orderly(&site, ["reload"]).await.ended(0);
    site.write("inbox/2.hl7", admission("L2"));
    send(&mut Sender::connect(engine.address("clinic")).await, "P1").await;
    hospital.received(2).await;
    engine.stop().await;
    assert!(site.path("inbox/2.hl7").exists(), "nobody takes it");
}

#[tokio::test]
async fn the_journal_stays_where_it_is() {
    let hospital = Peer::accepting().await;
    let site = marking(hospital.address);
    let engine = Running::start(&site).await;
    let before = std::fs::read_to_string(site.path("orderly.yaml")).unwrap();
    site.write("orderly.yaml", format!("journal:\n  folder: elsewhere\n{before}"));
    engine.logged("`journal:` cannot change while the engine runs").await;
    let ran = orderly(&site, ["reload", "--journal", "journal"]).await.ended(1);
    assert!(ran.out.contains("not reloaded, 1 error"), "{}", ran.out);
}

#[tokio::test]
async fn without_an_engine_there_is_nothing_to_reload() {
    let site = Site::filing();
    let ran = orderly(&site, ["reload"]).await.ended(2);
    assert!(ran.err.contains("no engine runs on the journal"), "{}", ran.err);
}
