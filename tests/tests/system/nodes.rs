//! Several engines with one configuration and a real broker between them: how they are started, what is refused, and who does what.

use std::collections::BTreeSet;

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState;
use orderly_tests::broker::{Broker, PASSWORD, TLS_NAME};
use orderly_tests::peers::{AbsentPeer, Peer, Sender, admission};
use orderly_tests::proxy::Proxy;
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use serde_json::json;

/// A relay whose deliveries a broker carries, with names of its test's own.
fn site(hospital: &Peer, prefix: &str) -> Site {
    let site = Site::relay(hospital.address);
    site.carry(&Broker::shared().address(), prefix);
    site
}

async fn feed(engine: &Running, numbers: std::ops::Range<u32>) {
    let mut clinic = Sender::connect(engine.address("clinic")).await;
    for number in numbers {
        assert_eq!(clinic.send(&admission(&format!("M{number}"))).await.code, Some(AckCode::AA));
    }
}

/// Waits until so many deliveries of a journal are with the broker.
async fn with_broker(site: &Site, journal: &str, count: u64) {
    until("so many to be with the broker", || {
        (site.journal_in(journal).carried_count().expect("a journal") == count).then_some(())
    })
    .await;
}

/// Waits until the broker has nothing in a queue.
async fn queue_is_empty(queue: &str) {
    let list = ["list_queues", "name", "messages"];
    until("the queue to be empty", || {
        let queues = Broker::shared().node(0).control(&list);
        queues.lines().any(|line| line == format!("{queue}\t0")).then_some(())
    })
    .await;
}

fn ids(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("M{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_takes_in_and_another_delivers() {
    let hospital = Peer::accepting().await;
    let site = site(&hospital, "members1");
    let feeds = Running::start_node(&site, "feeds", "feeds", &["--only", "sources"]).await;
    feed(&feeds, 0..50).await;
    // Nobody delivers yet; the queue is full.
    with_broker(&site, "feeds", 50).await;
    assert_eq!(hospital.control_ids(), [""; 0]);
    let out = Running::start_node(&site, "out", "out", &["--only", "destinations"]).await;
    assert!(out.log().iter().all(|line| !line.contains("listening")), "it takes nothing in");
    hospital.received(50).await;
    feed(&feeds, 50..100).await;
    hospital.received(100).await;
    assert_eq!(hospital.control_ids(), ids(0..100));
    with_broker(&site, "feeds", 0).await;
    // A reload gives it no source either.
    site.amend("orderly.yaml", "sources:\n", "sources:\n  second:\n    mllp: { listen: '127.0.0.1:0' }\n");
    orderly(&site, ["reload", "--journal", "out"]).await.ended(0);
    assert!(out.log().iter().all(|line| !line.contains("listening")));
    out.stop().await;
    feeds.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_deliveries_are_with_the_broker_it_is_the_journal_of_the_node_that_published_them() {
    let hospital = Peer::accepting().await;
    let site = site(&hospital, "members2");
    let north = Running::start_node(&site, "north", "j", &["--only", "sources"]).await;
    feed(&north, 0..3).await;
    with_broker(&site, "j", 3).await;
    north.stop().await;
    let run = ["run", "--journal", "j"];
    let other = orderly(&site, [&run[..], &["--node", "south"]].concat()).await.ended(2);
    let told = "deliveries of this journal are with the broker (3), published by the node `north` with the prefix `members2`; start it with \
                `--node north` until what became of them is known";
    assert!(other.err.contains(told), "{}", other.err);
    site.amend("orderly.yaml", "prefix: members2", "prefix: members2b");
    let other = orderly(&site, [&run[..], &["--node", "north"]].concat()).await.ended(2);
    assert!(other.err.contains("start it with `prefix: members2` until"), "{}", other.err);
    let text = std::fs::read_to_string(site.path("orderly.yaml")).expect("a file");
    let (_, without) = text.split_once("sources:").expect("sources");
    site.write("orderly.yaml", format!("sources:{without}"));
    let other = orderly(&site, run).await.ended(2);
    assert!(
        other.err.contains("start it with `carrier: amqp`, `prefix: members2`, `--node north` until"),
        "{}",
        other.err
    );
    // As it was: all is delivered, once; then it may be anybody's.
    site.write("orderly.yaml", text.replace("prefix: members2b", "prefix: members2"));
    let north = Running::start_node(&site, "north", "j", &[]).await;
    with_broker(&site, "j", 0).await;
    assert_eq!(hospital.control_ids(), ids(0..3));
    north.stop().await;
    let south = Running::start_node(&site, "south", "j", &[]).await;
    south.logged("members2.results.north").await;
    south.stop().await;
}

/// The worst moment: it publishes, is told and delivers, all at once. Who goes on has delivered nothing of it before, and has let go of the queue when
/// the killed one is back and publishes what it had not noted.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_node_that_took_in_and_delivered_and_is_killed_no_more_come_twice_than_were_in_flight() {
    const COUNT: u32 = 2_000;
    let hospital = Peer::accepting().await;
    let site = site(&hospital, "members7");
    site.amend(
        "orderly.yaml",
        "    mllp:\n      address",
        "    order: per_patient\n    mllp:\n      address",
    );
    let north = Running::start_node(&site, "north", "north", &["--only", "sources"]).await;
    let part = |number: u32| feed(&north, number * COUNT / 4..(number + 1) * COUNT / 4);
    tokio::join!(part(0), part(1), part(2), part(3));
    north.stop().await;
    Broker::shared().node(0).delete_queue("members7.to.hospital");
    let north = Running::start_node(&site, "north", "north", &[]).await;
    hospital.received(500).await;
    north.kill().await;
    let south = Running::start_node(&site, "south", "south", &["--only", "destinations"]).await;
    south.logged("this node delivers").await;
    queue_is_empty("members7.to.hospital").await;
    south.stop().await;
    let north = Running::start_node(&site, "north", "north", &[]).await;
    until("all results to be home", || {
        let delivered = site.journal_in("north").counts().expect("a journal").deliveries;
        let is_home = delivered.iter().all(|count| count.state == DeliveryState::Delivered);
        (is_home && site.journal_in("north").carried_count().expect("a journal") == 0).then_some(())
    })
    .await;
    let arrived = hospital.control_ids();
    let different: BTreeSet<&String> = arrived.iter().collect();
    assert_eq!(different.len(), COUNT as usize);
    let repeats = arrived.len() - different.len();
    assert!(repeats <= 64, "{repeats} came twice");
    north.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_needs_a_broker_and_a_name_that_can_be_one() {
    let site = Site::filing();
    for (arguments, told) in [
        (&["--node", "north"][..], "--node is for engines that share a broker"),
        (&["--only", "sources"], "--only is for engines that share a broker"),
        (&["--node", "a b"], "a node's name is made of at most 60 letters, digits, `-`, `_` and `.`"),
    ] {
        let ran = orderly(&site, [&["run"], arguments].concat()).await.ended(2);
        assert!(ran.err.contains(told), "{}", ran.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_journal_lies_in_a_folder_that_is_watched() {
    let site = Site::filing();
    site.amend("orderly.yaml", "sources:\n", "sources:\n  drop:\n    files: { folder: inbox }\n");
    let ran = orderly(&site, ["run", "--journal", "inbox"]).await.ended(2);
    assert!(ran.err.contains("`drop` watches the folder in which the journal lies"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_queue_takes_a_restart() {
    let hospital = Peer::accepting().await;
    let site = site(&hospital, "members3");
    let engine = Running::start(&site).await;
    site.amend("orderly.yaml", "prefix: members3", "ahead: 5\n  prefix: members3");
    let ran = orderly(&site, ["reload"]).await.ended(1);
    let told = "orderly.yaml:1:1: error[config-queue]: `queue:` cannot change while the engine runs: it takes a restart";
    assert!(ran.err.contains(told) || ran.out.contains(told), "{ran:?}");
    site.amend("orderly.yaml", "ahead: 5\n  ", "");
    orderly(&site, ["reload"]).await.ended(0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_how_the_broker_stands() {
    let hospital = Peer::accepting().await;
    let proxy = Proxy::to(&Broker::shared().address()).await;
    let site = Site::relay(hospital.address);
    site.carry(&proxy.address(), "members4");
    let feeds = Running::start_node(&site, "feeds", "journal", &["--only", "sources"]).await;
    feeds.logged("the broker is reached").await;
    feed(&feeds, 0..3).await;
    until("all to be with the broker", || {
        (site.journal().carried_count().expect("a journal") == 3).then_some(())
    })
    .await;
    let status = orderly(&site, ["status", "--json"]).await.ended(0).json().remove(0);
    let broker = &status["broker"];
    assert_eq!((&broker["node"], &broker["state"]), (&json!("feeds"), &json!("connected")));
    assert_eq!(broker["address"], json!(proxy.address()));
    assert_eq!(status["destinations"][0]["with_broker"], json!(3));
    let shown = orderly(&site, ["status"]).await.ended(0).out;
    assert!(
        shown.contains("node feeds, carrier amqp, broker ") && shown.contains("3 (3 with the broker)"),
        "{shown}"
    );
    proxy.close(true);
    proxy.cut();
    feeds.logged("other nodes are not heard").await;
    let status = orderly(&site, ["status", "--json"]).await.ended(0).json().remove(0);
    assert_eq!(status["broker"]["state"], json!("lost"));
    proxy.close(false);
    feeds.logged("the broker is reached again").await;
    feeds.stop().await;
    // What is with the broker is told of an engine that does not run, too.
    let stopped = orderly(&site, ["status", "--json"]).await.ended(1).json().remove(0);
    assert_eq!(stopped["destinations"][0]["with_broker"], json!(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_of_the_broker_is_told() {
    let hospital = Peer::accepting().await;
    let broker = Broker::hurt().await;
    let site = Site::relay(hospital.address);
    site.carry(&broker.address(), "members5");
    let engine = Running::start(&site).await;
    engine.logged("the broker is reached").await;
    broker.node(0).raise_alarm();
    engine.logged("the broker has an alarm and takes nothing").await;
    let status = orderly(&site, ["status", "--json"]).await.ended(0).json().remove(0);
    assert_eq!(status["broker"]["state"], json!("blocked"));
    broker.node(0).clear_alarm();
    engine.logged("the broker's alarm is over").await;
    engine.stop().await;
}

/// The wrong password first, then the right one, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn tls_and_passwords_to_the_broker_are_those_of_the_site() {
    let (hospital, broker) = (Peer::accepting().await, Broker::shared());
    let site = site(&hospital, "members8");
    for file in ["ca.pem", "client.pem", "client.key"] {
        site.write(&format!("tls/{file}"), std::fs::read(broker.tls_file(file)).expect("a file"));
    }
    let identity = "ca: tls/ca.pem, certificate: tls/client.pem, key: tls/client.key";
    let address = broker.node(0).tls_address();
    let tls = format!("brokers: '{address}'\n  tls: {{ {identity}, name: {TLS_NAME} }}");
    site.amend("orderly.yaml", &format!("brokers: '{}'", broker.address()), &tls);
    site.write("password", "open-sesame");
    orderly(&site, ["check"]).await.ended(0);
    let north = Running::start_node(&site, "north", "north", &["--only", "sources"]).await;
    feed(&north, 0..20).await;
    north.logged("refuses user `guest`: the name or the password is wrong").await;
    site.write("password", PASSWORD);
    let south = Running::start_node(&site, "south", "south", &["--only", "destinations"]).await;
    hospital.received(20).await;
    assert_eq!(hospital.control_ids(), ids(0..20));
    let status = orderly(&site, ["status", "--json", "--journal", "south"]).await.ended(0).json().remove(0);
    assert_eq!(status["broker"]["address"], json!(address), "{status}");
    assert!(!north.log().join("").contains("open-sesame"));
    south.stop().await;
    north.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_took_in_is_found_there_while_the_broker_is_away() {
    let hospital = Peer::accepting().await;
    let site = site(&hospital, "members6");
    let away = AbsentPeer::somewhere();
    site.amend("orderly.yaml", &Broker::shared().address(), &away.address.to_string());
    let north = Running::start_node(&site, "north", "north", &[]).await;
    feed(&north, 0..2).await;
    for (asked, is_alone) in [(&[][..], true), (&["--node", "north"], false)] {
        let found = orderly(&site, [&["messages", "--journal", "north"], asked].concat()).await.ended(0);
        assert!(found.out.contains("M0") && found.out.contains("M1"), "{}", found.out);
        assert_eq!(found.err.contains("the broker is not reached"), is_alone, "{}", found.err);
    }
    let other = ["messages", "--journal", "north", "--node", "south"];
    let found = orderly(&site, other).await.ended(2);
    assert!(found.err.contains("the node south does not answer"), "{}", found.err);
    north.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_with_the_broker_is_not_called_cancelled_while_its_node_does_not_run() {
    let hospital = Peer::accepting().await;
    let site = site(&hospital, "members9");
    let north = Running::start_node(&site, "north", "north", &["--only", "sources"]).await;
    feed(&north, 0..2).await;
    with_broker(&site, "north", 2).await;
    north.stop().await;
    let words = ["--journal", "north", "--reason", "by phone"];
    let ran = orderly(&site, [&["cancel", "1"][..], &words].concat()).await.ended(1);
    assert!(ran.out.contains("it is with the broker, and another node may deliver it"), "{}", ran.out);
    assert!(ran.out.contains("0 deliveries cancelled"), "{}", ran.out);
    let ran = orderly(&site, [&["pause", "hospital"][..], &words].concat()).await.ended(0);
    assert!(ran.err.contains("other nodes are told when this one starts"), "{}", ran.err);
    orderly(&site, ["resume", "hospital", "--journal", "north"]).await.ended(0);
    // By a node that runs it comes back.
    let north = Running::start_node(&site, "north", "north", &["--only", "sources"]).await;
    orderly(&site, [&["cancel", "1"][..], &words].concat()).await.ended(0);
    let south = Running::start_node(&site, "south", "south", &["--only", "destinations"]).await;
    hospital.received(1).await;
    with_broker(&site, "north", 0).await;
    assert_eq!(hospital.control_ids(), ids(1..2));
    south.stop().await;
    north.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_says_nothing_is_not_waited_for_for_ever() {
    let hospital = Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = Running::start(&site).await;
    engine.freeze();
    let ran = orderly(&site, ["status"]).await.ended(2);
    assert!(ran.err.contains("did not answer within 20 s: it is frozen"), "{}", ran.err);
    engine.thaw();
    engine.stop().await;
}
