//! A node's deliveries by way of a real broker, up to the queue of their destination and back: a hand of the test's own stands for the node that
//! delivers them.

use std::sync::Arc;

use orderly_hl7v2::AckCode;
use orderly_journal::{AttemptOutcome, AttemptRecord, DeliveryState};
use orderly_pipeline::{Text, Texts, compile};
use orderly_runtime::{Duty, Engine, Envelope, News, Node, Report, Settings};
use orderly_tests::broker::{Broker, PASSWORD, USER};
use orderly_tests::peers::{PATIENCE, Peer, Sender, admission};
use orderly_tests::proxy::Proxy;
use orderly_tests::running::until;
use orderly_tests::site::{Site, queue};
use orderly_transport::amqp::{
    self, BrokerCredentials, BrokerSettings, Connection, Consumer, ConsumerSettings, Publication, Publisher,
    Verdict,
};
use orderly_transport::secret::SecretSource;
use tokio::time::{Duration, timeout};

pub(crate) fn broker_settings(address: &str, site: &Site) -> BrokerSettings {
    site.write("password", PASSWORD);
    BrokerSettings {
        addresses: vec![address.to_owned()],
        virtual_host: "/".to_owned(),
        credentials: BrokerCredentials {
            user: USER.to_owned(),
            password: SecretSource::File(site.path("password")),
        },
        tls: None,
        heartbeat: Duration::from_secs(3),
        connect_timeout: PATIENCE,
        name: "test".to_owned(),
    }
}

/// A node named north that takes in at `clinic`, by a broker at this address, with names of its test's own.
async fn node(site: &Site, address: &str, prefix: &str) -> Engine {
    start(site, "north", address, prefix, false).await
}

async fn start(site: &Site, name: &str, address: &str, prefix: &str, delivers: bool) -> Engine {
    let text = |path: &str| Text {
        file: path.to_owned(),
        text: std::fs::read_to_string(site.path(path)).expect("a file"),
    };
    let routes = vec![text("routes/relay.yaml")];
    site.write("password", PASSWORD);
    let mut orderly = text("orderly.yaml");
    orderly.text.insert_str(0, &queue(address, prefix));
    let compiled = compile(&Texts { site: orderly, routes, ..Texts::default() });
    let mut settings = Settings::new(site.folder(), Arc::new(compiled.plan.expect("a plan")));
    let duty = if delivers { Duty::Both } else { Duty::Sources };
    settings.node = Node { name: name.into(), duty, ..Node::default() };
    Engine::start(settings).await.expect("it starts")
}

fn site() -> Site {
    Site::relay("127.0.0.1:1".parse().expect("an address"))
}

pub(crate) async fn feed(engine: &Engine, numbers: std::ops::Range<u32>) {
    let mut clinic = Sender::connect(engine.address("clinic").expect("it listens")).await;
    for number in numbers {
        assert_eq!(clinic.send(&admission(&format!("M{number}"))).await.code, Some(AckCode::AA));
    }
}

/// Who delivers.
struct Hand {
    consumer: Consumer,
    publisher: Publisher,
    prefix: String,
    attempts: i64,
    _connection: Connection,
}

impl Hand {
    async fn new(broker: &Broker, site: &Site, prefix: &str) -> Hand {
        let settings = broker_settings(&broker.address(), site);
        let mut broker = amqp::Broker::new(settings);
        let queue = format!("{prefix}.to.hospital");
        let (connection, consumer) = loop {
            let connection = broker.connect().await.expect("a connection");
            let settings = ConsumerSettings { prefetch: 1000, exclusive: false, arguments: Vec::new() };
            // It is there as soon as the node has made it. What is refused closes its channel, so each look has its own connection.
            match connection.consumer(&queue, settings).await {
                Ok(consumer) => break (connection, consumer),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let publisher = connection.publisher(100).await.expect("a publisher");
        Hand { consumer, publisher, prefix: prefix.to_owned(), attempts: 0, _connection: connection }
    }

    /// The next envelope and its tag.
    async fn take(&mut self) -> (u64, Envelope) {
        loop {
            let incoming =
                timeout(PATIENCE, self.consumer.next()).await.expect("it comes").expect("it comes");
            // A question, or the mark behind which holds are over.
            if incoming.body.is_empty()
                || incoming.content_type.as_deref() == Some("application/vnd.orderly.control")
            {
                self.consumer.acknowledge(incoming.tag, false).expect("a channel");
                continue;
            }
            return (incoming.tag, Envelope::read(&incoming.body).expect("an envelope"));
        }
    }

    /// Says what became of one, and takes it off the queue.
    async fn tell(&mut self, tag: u64, envelope: &Envelope, news: News) {
        let (node, id) = (envelope.head.node.clone(), envelope.head.id());
        let report = Report { node, destination: "hospital".to_owned(), id, news };
        let body = report.write();
        let publication = Publication {
            exchange: "",
            routing_key: &format!("{}.results.north", self.prefix),
            id: &tag.to_string(),
            mandatory: true,
            persistent: true,
            content_type: None,
            kind: None,
            timestamp: None,
            headers: &[],
            body: &body,
        };
        self.publisher.publish(&publication).expect("it is published");
        assert_eq!(self.publisher.next().await.expect("an outcome").verdict, Verdict::Acknowledged);
        self.consumer.acknowledge(tag, false).expect("a channel");
    }

    fn result(&mut self, envelope: &Envelope, state: DeliveryState) -> News {
        self.attempts += 1;
        let item = &envelope.head.item;
        let outcome = match state {
            DeliveryState::Delivered => AttemptOutcome::Delivered,
            _ => AttemptOutcome::Permanent,
        };
        let record = AttemptRecord {
            delivery: item.seq,
            revision: item.revision,
            since_us: item.since,
            at_us: self.attempts,
            duration_us: 1,
            outcome: Some(outcome),
            code: None,
            text: None,
            answer: Vec::new(),
            state,
            reason: None,
            next_attempt_at_us: None,
        };
        let parked = (state == DeliveryState::Parked).then(|| item.lanes.to_vec());
        News::Result(Box::new(record), parked)
    }

    /// Takes and delivers so many; gives their numbers as they came.
    async fn deliver(&mut self, count: usize) -> Vec<u64> {
        let mut came = Vec::new();
        while came.len() < count {
            let (tag, envelope) = self.take().await;
            let news = self.result(&envelope, DeliveryState::Delivered);
            self.tell(tag, &envelope, news).await;
            came.push(envelope.head.item.seq);
        }
        came
    }
}

pub(crate) async fn all_delivered(engine: &Engine, count: u64) {
    let reader = engine.reader();
    until("all to be delivered", || {
        let counts = reader.counts().expect("a journal");
        let delivered = counts.deliveries.iter().find(|count| count.state == DeliveryState::Delivered);
        (delivered.is_some_and(|delivered| delivered.count == count)).then_some(())
    })
    .await;
    until("nothing to be with the broker", || {
        (reader.carried_count().expect("a journal") == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_comes_into_the_queue_in_order_and_what_became_of_it_into_the_journal() {
    let (broker, site) = (Broker::shared(), site());
    let engine = node(&site, &broker.address(), "carrier1").await;
    let mut hand = Hand::new(broker, &site, "carrier1").await;
    feed(&engine, 0..300).await;
    assert_eq!(hand.deliver(300).await, (1..=300).collect::<Vec<u64>>());
    all_delivered(&engine, 300).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_with_the_broker_is_not_published_again_after_a_restart() {
    let (broker, site) = (Broker::shared(), site());
    let engine = node(&site, &broker.address(), "carrier2").await;
    feed(&engine, 0..100).await;
    let reader = engine.reader();
    until("all to be with the broker", || (reader.carried_count().expect("a journal") == 100).then_some(()))
        .await;
    engine.shutdown().await;
    // Another node delivers while this one is away; what became of it waits for this one.
    let mut hand = Hand::new(broker, &site, "carrier2").await;
    assert_eq!(hand.deliver(100).await, (1..=100).collect::<Vec<u64>>());
    let engine = node(&site, &broker.address(), "carrier2").await;
    all_delivered(&engine, 100).await;
    feed(&engine, 100..150).await;
    assert_eq!(hand.deliver(50).await, (101..=150).collect::<Vec<u64>>(), "nothing comes again");
    all_delivered(&engine, 150).await;
    engine.shutdown().await;
}

/// As it is when a node was killed before it noted what it published behind this delivery.
fn forget(site: &Site, behind: u32) -> usize {
    let journal = rusqlite::Connection::open(site.path("journal/segments/00000001.db")).expect("a journal");
    let forget = "UPDATE delivery SET carried = NULL, carried_revision = NULL WHERE seq > ?1";
    journal.execute(forget, [behind]).expect("a journal")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_twice_is_sent_once_also_when_another_node_comes_to_the_second() {
    let hospital = Peer::accepting().await;
    let (broker, site, other) = (Broker::shared(), site(), Site::relay(hospital.address));
    let count = |engine: &Engine, count| {
        let reader = engine.reader();
        move || (reader.carried_count().expect("a journal") == count).then_some(())
    };
    let engine = node(&site, &broker.address(), "carrier9").await;
    feed(&engine, 0..5).await;
    until("all to be with the broker", count(&engine, 5)).await;
    engine.shutdown().await;
    assert_eq!(forget(&site, 0), 5);
    let engine = node(&site, &broker.address(), "carrier9").await;
    until("all to be there twice", count(&engine, 5)).await;
    let mut hand = Hand::new(broker, &site, "carrier9").await;
    assert_eq!(hand.deliver(5).await, [1, 2, 3, 4, 5]);
    until("it to be told", || {
        let message = engine.reader().message(5).expect("a journal").expect("a message");
        message.deliveries.iter().all(|delivery| delivery.state == DeliveryState::Delivered).then_some(())
    })
    .await;
    feed(&engine, 5..6).await;
    drop(hand);
    let south = start(&other, "south", &broker.address(), "carrier9", true).await;
    all_delivered(&engine, 6).await;
    assert_eq!(hospital.control_ids(), ["M5"], "the others were delivered by the first");
    south.shutdown().await;
    engine.shutdown().await;
}

/// More was delivered than is told at a time, so what was told of the last is behind what the journal must have first.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_before_a_killed_node_could_note_it_is_not_published_again() {
    const COUNT: u32 = 700;
    const NOTED: u32 = COUNT - 128;
    let (broker, site) = (Broker::shared(), site());
    let engine = node(&site, &broker.address(), "carrier8").await;
    let part = |number: u32| feed(&engine, number * COUNT / 4..(number + 1) * COUNT / 4);
    tokio::join!(part(0), part(1), part(2), part(3));
    let reader = engine.reader();
    let is_there = || (reader.carried_count().expect("a journal") == u64::from(COUNT)).then_some(());
    until("all to be with the broker", is_there).await;
    engine.shutdown().await;
    let mut hand = Hand::new(broker, &site, "carrier8").await;
    assert_eq!(hand.deliver(COUNT as usize).await, (1..=u64::from(COUNT)).collect::<Vec<u64>>());
    assert_eq!(forget(&site, NOTED), 128);
    let engine = node(&site, &broker.address(), "carrier8").await;
    all_delivered(&engine, u64::from(COUNT)).await;
    feed(&engine, COUNT..COUNT + 1).await;
    assert_eq!(hand.deliver(1).await, [u64::from(COUNT) + 1], "nothing comes again");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_queue_is_deleted_all_that_was_in_it_is_published_again_in_order() {
    let (broker, site) = (Broker::shared(), site());
    let engine = node(&site, &broker.address(), "carrier3").await;
    feed(&engine, 0..100).await;
    let reader = engine.reader();
    until("all to be with the broker", || (reader.carried_count().expect("a journal") == 100).then_some(()))
        .await;
    broker.node(0).delete_queue("carrier3.to.hospital");
    // The next message finds no way to the queue.
    feed(&engine, 100..110).await;
    let mut hand = Hand::new(broker, &site, "carrier3").await;
    assert_eq!(hand.deliver(110).await, (1..=110).collect::<Vec<u64>>());
    all_delivered(&engine, 110).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lost_all_it_had_is_given_it_again() {
    let (broker, site) = (Broker::hurt().await, site());
    let engine = node(&site, &broker.address(), "carrier14").await;
    feed(&engine, 0..50).await;
    let reader = engine.reader();
    until("all to be with the broker", || (reader.carried_count().expect("a journal") == 50).then_some(()))
        .await;
    for command in ["stop_app", "force_reset", "start_app"] {
        broker.node(0).control(&[command]);
    }
    let mut hand = Hand::new(&broker, &site, "carrier14").await;
    assert_eq!(hand.deliver(50).await, (1..=50).collect::<Vec<u64>>());
    all_delivered(&engine, 50).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_nothing_and_change_no_order() {
    let (broker, site) = (Broker::shared(), site());
    let proxy = Proxy::to(&broker.address()).await;
    let engine = node(&site, &proxy.address(), "carrier4").await;
    let mut hand = Hand::new(broker, &site, "carrier4").await;
    for round in 0..5_u32 {
        let cutting = async {
            tokio::task::yield_now().await;
            proxy.cut();
        };
        tokio::join!(feed(&engine, round * 60..(round + 1) * 60), cutting);
    }
    let mut first = Vec::new();
    while first.len() < 300 {
        for seq in hand.deliver(1).await {
            if !first.contains(&seq) {
                first.push(seq);
            }
        }
    }
    assert_eq!(first, (1..=300).collect::<Vec<u64>>());
    all_delivered(&engine, 300).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_held_behind_a_parked_one_goes_again_after_it() {
    let (broker, site) = (Broker::shared(), site());
    site.amend(
        "orderly.yaml",
        "    mllp:\n      address",
        "    order: per_patient\n    mllp:\n      address",
    );
    let engine = node(&site, &broker.address(), "carrier5").await;
    let mut hand = Hand::new(broker, &site, "carrier5").await;
    feed(&engine, 0..3).await;
    let (tag, refused) = hand.take().await;
    let news = hand.result(&refused, DeliveryState::Parked);
    hand.tell(tag, &refused, news).await;
    for _ in 0..2 {
        let (tag, held) = hand.take().await;
        let back = News::Back(held.head.item.lanes.to_vec(), refused.head.generation);
        hand.tell(tag, &held, back).await;
    }
    let reader = engine.reader();
    until("all to come home", || (reader.carried_count().expect("a journal") == 0).then_some(())).await;
    // A person has it tried again: the others follow it.
    let request = orderly_runtime::Request::Hand(orderly_runtime::HandRequest {
        who: "tester".to_owned(),
        reason: None,
        deed: orderly_runtime::Deed::Resend(vec![orderly_runtime::Delivery {
            message_id: 1,
            number: 1,
            destination: "hospital".to_owned(),
        }]),
    });
    orderly_runtime::ask(&site.path("journal"), &request).await.expect("it answers");
    let mut again = Vec::new();
    for _ in 0..3 {
        let (tag, envelope) = hand.take().await;
        assert!(envelope.head.generation > refused.head.generation);
        let news = hand.result(&envelope, DeliveryState::Delivered);
        hand.tell(tag, &envelope, news).await;
        again.push(envelope.head.item.seq);
    }
    assert_eq!(again, [1, 2, 3]);
    all_delivered(&engine, 3).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_delivers_by_the_broker_in_order() {
    let broker = Broker::shared();
    let hospital = orderly_tests::peers::Peer::accepting().await;
    let site = Site::relay(hospital.address);
    let engine = start(&site, "north", &broker.address(), "carrier6", true).await;
    feed(&engine, 0..300).await;
    all_delivered(&engine, 300).await;
    assert_eq!(hospital.control_ids(), (0..300).map(|number| format!("M{number}")).collect::<Vec<_>>());
    engine.shutdown().await;
}
