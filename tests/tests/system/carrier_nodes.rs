//! Several nodes by way of a real broker: one takes in, others deliver in turn.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use orderly_hl7v2::AckCode;
use orderly_journal::DeliveryState;
use orderly_pipeline::{Text, Texts, compile};
use orderly_runtime::{
    AllFound, Deed, Duty, Engine, Find, HandRequest, Node as Member, Request, Response, Settings, ask,
};
use orderly_tests::broker::{Broker, MESSAGE_BYTES_MAX, to_queue};
use orderly_tests::peers::{
    AbsentPeer, PATIENCE, Peer, Sender, acknowledgement, admission, admission_of, control_id,
};
use orderly_tests::proxy::Proxy;
use orderly_tests::running::{orderly, until};
use orderly_tests::site::Site;
use orderly_transport::amqp;

use crate::carrier::{all_delivered, broker_settings, feed};

/// A node with a journal of its own.
struct Node {
    site: Site,
    engine: Engine,
}

/// What its settings are, beside a node's own.
struct Cluster {
    prefix: &'static str,
    hospital: SocketAddr,
    order: &'static str,
    hand_over_after: Duration,
    ask_after: Duration,
}

impl Cluster {
    fn new(prefix: &'static str, hospital: SocketAddr) -> Cluster {
        let Member { hand_over_after, ask_after, .. } = Member::default();
        Cluster { prefix, hospital, order: "fifo", hand_over_after, ask_after }
    }

    fn site(&self) -> Site {
        let site = Site::relay(self.hospital);
        let order = format!("    order: {}\n    mllp:\n      address", self.order);
        site.amend("orderly.yaml", "    mllp:\n      address", &order);
        site
    }

    async fn node(&self, name: &str, delivers: bool) -> Node {
        let site = self.site();
        site.carry(&Broker::shared().address(), self.prefix);
        self.begin(site, name, delivers).await
    }

    /// A node that stops at the first refusal.
    async fn blocking(&self, name: &str) -> Node {
        let site = self.site();
        site.amend(
            "orderly.yaml",
            "    mllp:\n      address",
            "    on_refusal: block\n    mllp:\n      address",
        );
        site.carry(&Broker::shared().address(), self.prefix);
        self.begin(site, name, true).await
    }

    async fn begin(&self, site: Site, name: &str, delivers: bool) -> Node {
        let text = |path: &str| Text {
            file: path.to_owned(),
            text: std::fs::read_to_string(site.path(path)).expect("a file"),
        };
        let routes = vec![text("routes/relay.yaml")];
        let compiled = compile(&Texts { site: text("orderly.yaml"), routes, ..Texts::default() });
        let mut settings = Settings::new(site.folder(), Arc::new(compiled.plan.expect("a plan")));
        let duty = if delivers { Duty::Both } else { Duty::Sources };
        let name = name.into();
        settings.node =
            Member { name, duty, hand_over_after: self.hand_over_after, ask_after: self.ask_after };
        let engine = Engine::start(settings).await.expect("it starts");
        Node { site, engine }
    }
}

impl Node {
    async fn do_by_hand(&self, deed: Deed) {
        let request = Request::Hand(HandRequest { who: "tester".to_owned(), reason: None, deed });
        ask(&self.site.path("journal"), &request).await.expect("it answers");
    }

    async fn all_are_with_the_broker(&self, count: u64) {
        let reader = self.engine.reader();
        until("all to be with the broker", || {
            (reader.carried_count().expect("a journal") == count).then_some(())
        })
        .await;
    }

    async fn all_are_with_the_broker_or_delivered(&self, count: u64) {
        until("all to be with the broker, or delivered", || {
            let with_broker = self.engine.reader().carried_count().expect("a journal");
            (with_broker + self.count(DeliveryState::Delivered) == count).then_some(())
        })
        .await;
    }

    fn count(&self, state: DeliveryState) -> u64 {
        let counts = self.engine.reader().counts().expect("a journal");
        counts.deliveries.iter().find(|count| count.state == state).map_or(0, |count| count.count)
    }
}

async fn said(node: &Node, request: Request) -> Response {
    ask(&node.site.path("journal"), &request).await.expect("it answers")
}

async fn nodes_known(node: &Node) -> Vec<String> {
    let Response::Status(status) = said(node, Request::Status).await else { panic!("no status") };
    status.nodes.into_iter().map(|node| node.node).collect()
}

async fn found(node: &Node, request: Request) -> AllFound {
    let Response::Found(found) = said(node, request).await else { panic!("it does not search") };
    found
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("M{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_come_and_go_deliver_everything_once_and_in_order() {
    let hospital = Peer::accepting().await;
    let cluster = Cluster::new("nodes1", hospital.address);
    let north = cluster.node("north", false).await;
    let mut nodes = vec![cluster.node("south", true).await];
    for round in 0..5 {
        let other = if round % 2 == 0 { "west" } else { "south" };
        nodes.push(cluster.node(other, true).await);
        let going = nodes.remove(0);
        let leaving = async {
            hospital.received(round * 60 + 20).await;
            going.engine.shutdown().await;
        };
        let first = u32::try_from(round).expect("small") * 60;
        tokio::join!(feed(&north.engine, first..first + 60), leaving);
    }
    all_delivered(&north.engine, 300).await;
    assert_eq!(hospital.control_ids(), numbered(0..300));
    north.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_is_handed_over_and_goes_on_where_it_was() {
    let absent = AbsentPeer::somewhere();
    let mut cluster = Cluster::new("nodes2", absent.address);
    cluster.hand_over_after = Duration::from_millis(500);
    let north = cluster.node("north", false).await;
    let (south, west) = (cluster.node("south", true).await, cluster.node("west", true).await);
    feed(&north.engine, 0..50).await;
    let attempts = || {
        let message = north.engine.reader().message(1).expect("a journal").expect("the first message");
        message.deliveries.first().map_or(0, |delivery| delivery.attempts.len())
    };
    until("it to be tried a few times", || (attempts() > 7).then_some(())).await;
    let hospital = absent.arrives().await;
    all_delivered(&north.engine, 50).await;
    assert_eq!(hospital.control_ids(), numbered(0..50));
    for node in [north, south, west] {
        node.engine.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_over_knows_what_is_held() {
    let refused_once = std::sync::atomic::AtomicBool::new(false);
    let hospital = Peer::answering(move |_, message| {
        let is_first =
            control_id(message) == "M0" && !refused_once.swap(true, std::sync::atomic::Ordering::Relaxed);
        acknowledgement(message, if is_first { AckCode::AR } else { AckCode::AA })
    })
    .await;
    let mut cluster = Cluster::new("nodes3", hospital.address);
    cluster.order = "per_patient";
    let north = cluster.node("north", false).await;
    feed(&north.engine, 0..400).await;
    north.all_are_with_the_broker(400).await;
    let south = cluster.node("south", true).await;
    let west = cluster.node("west", true).await;
    hospital.received(1).await;
    south.engine.shutdown().await;
    until("all to come home", || {
        let is_home = north.engine.reader().carried_count().expect("a journal") == 0;
        (is_home && north.count(DeliveryState::Parked) == 1).then_some(())
    })
    .await;
    assert_eq!(hospital.control_ids(), ["M0"]);
    let first = orderly_runtime::Delivery { message_id: 1, number: 1, destination: "hospital".to_owned() };
    north.do_by_hand(Deed::Resend(vec![first])).await;
    all_delivered(&north.engine, 400).await;
    assert_eq!(hospital.control_ids()[1..], numbered(0..400));
    west.engine.shutdown().await;
    north.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_said_to_one_node_holds_at_all_and_over_their_turns() {
    let hospital = Peer::accepting().await;
    let cluster = Cluster::new("nodes4", hospital.address);
    let (north, south) = (cluster.node("north", false).await, cluster.node("south", true).await);
    feed(&north.engine, 0..10).await;
    all_delivered(&north.engine, 10).await;
    north.do_by_hand(Deed::Pause("hospital".to_owned())).await;
    feed(&north.engine, 10..60).await;
    north.all_are_with_the_broker_or_delivered(60).await;
    let sent = hospital.messages().len();
    assert!(sent < 60, "a few may have gone before the word came");
    let west = cluster.node("west", true).await;
    south.engine.shutdown().await;
    // What it says of its own mark is not seen from here: another message is, which comes behind it.
    feed(&north.engine, 60..61).await;
    assert_eq!(hospital.messages().len(), sent);
    let is_paused = |node: &Node| node.engine.reader().pause_of("hospital").expect("a journal").is_some();
    until("the new node to know of it", || is_paused(&west).then_some(())).await;
    west.do_by_hand(Deed::Resume("hospital".to_owned())).await;
    until("the other to know that it is over", || (!is_paused(&north)).then_some(())).await;
    all_delivered(&north.engine, 61).await;
    assert_eq!(hospital.control_ids(), numbered(0..61));
    west.engine.shutdown().await;
    north.engine.shutdown().await;
}

/// It may have been said while the node did not run, or had no way to the broker.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_taken_back_at_a_node_that_was_down_is_over_when_it_is_back() {
    let hospital = Peer::accepting().await;
    let cluster = Cluster::new("nodes16", hospital.address);
    let (north, south) = (cluster.node("north", false).await, cluster.node("south", true).await);
    feed(&north.engine, 0..1).await;
    all_delivered(&north.engine, 1).await;
    north.do_by_hand(Deed::Pause("hospital".to_owned())).await;
    let is_paused = |node: &Node| node.engine.reader().pause_of("hospital").expect("a journal").is_some();
    until("the other to know of it", || is_paused(&south).then_some(())).await;
    feed(&north.engine, 1..10).await;
    let Node { site, engine } = north;
    engine.shutdown().await;
    orderly(&site, ["resume", "hospital"]).await.ended(0);
    let north = cluster.begin(site, "north", false).await;
    all_delivered(&north.engine, 10).await;
    assert_eq!(hospital.control_ids(), numbered(0..10));
    for node in [north, south] {
        node.engine.shutdown().await;
    }
}

/// What a node was told last it tells again when it starts: that changes nothing where it is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_told_again_unblocks_nothing() {
    let hospital = Peer::answering(|_, message| acknowledgement(message, AckCode::AR)).await;
    let mut cluster = Cluster::new("nodes18", hospital.address);
    cluster.order = "per_patient";
    let (north, south) = (cluster.node("north", false).await, cluster.blocking("south").await);
    let is_paused = |node: &Node| node.engine.reader().pause_of("hospital").expect("a journal").is_some();
    north.do_by_hand(Deed::Pause("hospital".to_owned())).await;
    until("the other to know of it", || is_paused(&south).then_some(())).await;
    north.do_by_hand(Deed::Resume("hospital".to_owned())).await;
    until("the other to know that it is over", || (!is_paused(&south)).then_some(())).await;
    feed(&north.engine, 0..1).await;
    hospital.received(1).await;
    let Node { site, engine } = north;
    engine.shutdown().await;
    let north = cluster.begin(site, "north", false).await;
    // Behind the word, of another patient.
    let mut clinic = Sender::connect(north.engine.address("clinic").expect("it listens")).await;
    assert_eq!(clinic.send(&admission_of("70015", "M1")).await.code, Some(AckCode::AA));
    north.all_are_with_the_broker(2).await;
    north.do_by_hand(Deed::Pause("hospital".to_owned())).await;
    until("the other to know of it, behind the first word", || is_paused(&south).then_some(())).await;
    assert_eq!(hospital.control_ids(), ["M0"]);
    for node in [north, south] {
        node.engine.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_set_aside_for_a_person() {
    let hospital = Peer::accepting().await;
    let cluster = Cluster::new("nodes5", hospital.address);
    let north = cluster.node("north", true).await;
    feed(&north.engine, 0..1).await;
    all_delivered(&north.engine, 1).await;
    let mut broker = amqp::Broker::new(broker_settings(&Broker::shared().address(), &north.site));
    let connection = broker.connect().await.expect("a connection");
    let mut publisher = connection.publisher(1).await.expect("a publisher");
    publisher.publish(&to_queue("nodes5.to.hospital", "1", b"MSH|not of ours")).expect("it is published");
    publisher.next().await.expect("it is confirmed");
    feed(&north.engine, 1..10).await;
    all_delivered(&north.engine, 10).await;
    assert_eq!(hospital.control_ids(), numbered(0..10));
    let set_aside = connection.queue_state("nodes5.unreadable").await.expect("it is there");
    assert_eq!(set_aside.messages_count, 1);
    north.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_queue_was_deleted_is_seen_also_when_nothing_new_comes() {
    let hospital = Peer::accepting().await;
    let mut cluster = Cluster::new("nodes6", hospital.address);
    cluster.ask_after = Duration::from_millis(300);
    let north = cluster.node("north", false).await;
    feed(&north.engine, 0..20).await;
    north.all_are_with_the_broker(20).await;
    Broker::shared().node(0).delete_queue("nodes6.to.hospital");
    let south = cluster.node("south", true).await;
    all_delivered(&north.engine, 20).await;
    assert_eq!(hospital.control_ids(), numbered(0..20));
    south.engine.shutdown().await;
    north.engine.shutdown().await;
}

/// Whoever delivers makes the queue anew before its node is back, which must hear all the same that what was in it is lost.
#[tokio::test(flavor = "multi_thread")]
async fn results_that_were_deleted_while_their_node_was_away_are_not_waited_for() {
    static ANSWERS: OnceLock<()> = OnceLock::new();
    let hospital = Peer::answering(|_, message| {
        if control_id(message) == "M9" {
            tokio::task::block_in_place(|| ANSWERS.wait());
        }
        acknowledgement(message, AckCode::AA)
    })
    .await;
    let cluster = Cluster::new("nodes17", hospital.address);
    let way = Proxy::to(&Broker::shared().address()).await;
    let site = cluster.site();
    site.carry(&way.address(), cluster.prefix);
    let north = cluster.begin(site, "north", false).await;
    feed(&north.engine, 0..10).await;
    north.all_are_with_the_broker(10).await;
    way.close(true);
    way.cut();
    let south = cluster.node("south", true).await;
    let mut broker = amqp::Broker::new(broker_settings(&Broker::shared().address(), &south.site));
    // What is refused closes its channel, so each look has its own connection.
    let mut told = async || {
        let connection = broker.connect().await.expect("a connection");
        connection.queue_state("nodes17.results.north").await.map_or(0, |queue| queue.messages_count)
    };
    while told().await < 9 {}
    Broker::shared().node(0).delete_queue("nodes17.results.north");
    ANSWERS.set(()).expect("once");
    // What is said of the last finds no queue, and makes it.
    while told().await == 0 {}
    way.close(false);
    all_delivered(&north.engine, 10).await;
    assert_eq!(hospital.first_arrivals(), numbered(0..10));
    // What was told by a deleted message is told anew, with its attempt.
    for number in 1..=10 {
        let message = north.engine.reader().message(number).expect("a journal").expect("a message");
        assert!(message.deliveries.iter().all(|delivery| !delivery.attempts.is_empty()), "{number}");
    }
    for node in [north, south] {
        node.engine.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_under_one_name_the_second_is_told_nothing_and_publishes_nothing() {
    let hospital = Peer::accepting().await;
    let cluster = Cluster::new("nodes11", hospital.address);
    let first = cluster.node("north", false).await;
    feed(&first.engine, 0..10).await;
    first.all_are_with_the_broker(10).await;
    let second = cluster.node("north", false).await;
    feed(&second.engine, 10..15).await;
    until("both to wait for results", || {
        let consumers = Broker::shared().node(0).control(&["list_consumers", "queue_name"]);
        (consumers.lines().filter(|queue| *queue == "nodes11.results.north").count() == 2).then_some(())
    })
    .await;
    let south = cluster.node("south", true).await;
    all_delivered(&first.engine, 10).await;
    assert_eq!(hospital.control_ids(), numbered(0..10));
    // Of the other's results, this one would have given up what was told first.
    assert_eq!(second.count(DeliveryState::Waiting), 5);
    first.engine.shutdown().await;
    all_delivered(&second.engine, 5).await;
    assert_eq!(hospital.control_ids(), numbered(0..15));
    for node in [second, south] {
        node.engine.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_at_one_node_finds_what_others_took_in() {
    let hospital = Peer::accepting().await;
    let cluster = Cluster::new("nodes7", hospital.address);
    let (north, south) = (cluster.node("north", true).await, cluster.node("south", true).await);
    feed(&north.engine, 0..3).await;
    feed(&south.engine, 3..5).await;
    all_delivered(&north.engine, 3).await;
    all_delivered(&south.engine, 2).await;
    let find = |nodes: &[&str]| {
        let nodes = nodes.iter().map(|name| (*name).to_owned()).collect();
        Request::Find(nodes, Find { kind: Some("ADT".to_owned()), limit: 10, ..Find::default() })
    };
    let counts = |found: &AllFound| -> Vec<(String, usize)> {
        found.answers.iter().map(|answer| (answer.node.clone(), answer.found.len())).collect()
    };
    let (northern, southern) = (("north".to_owned(), 3), ("south".to_owned(), 2));
    let all = found(&south, find(&[])).await;
    assert_eq!((counts(&all), all.silent.len()), (vec![northern.clone(), southern], 0));
    let one = found(&south, find(&["north"])).await;
    assert_eq!(counts(&one), [northern]);
    let Response::Status(status) = said(&south, Request::Status).await else { panic!("a status") };
    let delivering: Vec<_> = status.nodes.iter().filter(|node| node.delivers == ["hospital"]).collect();
    assert_eq!((status.nodes.len(), delivering.len()), (2, 1), "{:?}", status.nodes);
    north.engine.shutdown().await;
    let gone = async {
        while nodes_known(&south).await != ["south"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it says that it goes");
    south.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_takes_back_by_the_thousand_is_not_sent() {
    let hospital = Peer::accepting().await;
    let mut cluster = Cluster::new("nodes8", hospital.address);
    cluster.order = "per_patient";
    let north = cluster.node("north", false).await;
    feed(&north.engine, 0..1500).await;
    north.all_are_with_the_broker(1500).await;
    let taken_back = |number: u64| orderly_runtime::Delivery {
        message_id: number,
        number,
        destination: "hospital".to_owned(),
    };
    north.do_by_hand(Deed::Cancel((1..=1500).map(taken_back).collect())).await;
    assert_eq!(north.count(DeliveryState::Cancelled), 1500);
    feed(&north.engine, 1500..1501).await;
    let south = cluster.node("south", true).await;
    all_delivered(&north.engine, 1).await;
    assert_eq!(hospital.control_ids(), ["M1500"]);
    south.engine.shutdown().await;
    north.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_the_broker_takes_is_parked_and_holds_nothing_up() {
    let hospital = Peer::accepting().await;
    let cluster = Cluster::new("nodes9", hospital.address);
    let north = cluster.node("north", true).await;
    feed(&north.engine, 0..5).await;
    let large = [admission("L1"), b"OBX|1|TX|1||".to_vec(), vec![b'x'; MESSAGE_BYTES_MAX]].concat();
    let mut clinic = Sender::connect(north.engine.address("clinic").expect("it listens")).await;
    assert_eq!(clinic.send(&large).await.code, Some(AckCode::AA));
    feed(&north.engine, 5..10).await;
    all_delivered(&north.engine, 10).await;
    assert_eq!(hospital.control_ids(), numbered(0..10));
    let message = north.engine.reader().message(6).expect("a journal").expect("the large one");
    let delivery = message.deliveries.first().expect("a delivery");
    let code = delivery.attempts.last().and_then(|attempt| attempt.code.clone());
    assert_eq!((delivery.state, code.as_deref()), (DeliveryState::Parked, Some("amqp-too-large")));
    north.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_broker_is_away_ends_when_it_is_told_to() {
    let hospital = Peer::accepting().await;
    let nobody = AbsentPeer::somewhere();
    let site = Site::relay(hospital.address);
    site.carry(&nobody.address.to_string(), "nodes10");
    let north = orderly_tests::running::Running::start_node(&site, "north", "journal", &[]).await;
    north.logged("until the broker can be used").await;
    north.terminate();
    // Sooner than the engine gives up what does not end.
    let ended = tokio::time::timeout(Duration::from_secs(8), north.ended()).await;
    assert!(ended.expect("it ends").success());
}
