//! An engine between a queue and an exchange: what comes goes on, whatever happens to the engine and the broker meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use orderly_hl7v2::AckCode;
use orderly_journal::{DeliveryState, Fate};
use orderly_queue::planted::Fault;
use orderly_tests::broker::{Broker, MESSAGE_BYTES_MAX, TLS_NAME, pika, to_queue};
use orderly_tests::peers::{PATIENCE, Sender, admission};
use orderly_tests::running::{Running, orderly, until};
use orderly_tests::site::Site;
use orderly_transport::amqp::{Connection, ConsumerSettings, Declaration, ExchangeKind, QueueKind};
use serde_json::Value;
use tokio::time::timeout;

use super::{connect, declare_queue};

/// Out of the queue NAME-in, by the exchange NAME to the queue NAME-out.
const SITE: &str = "\
sources:
  clinic:
    mllp:
      listen: 127.0.0.1:0
  labs:
    amqp:
      brokers: ADDRESS
      user: guest
      password: ${file:password}
      queue: NAME-in
      on_unreadable: reject
destinations:
  hub:
    retry:
      then: 50ms
    amqp:
      brokers: ADDRESS
      user: guest
      password: ${file:password}
      exchange: NAME
      routing_key: adt.${message.event}.x
      headers:
        x-site: riverside
        x-id: ${message.control_id}
      confirm_timeout: 1s
";

const ROUTE: &str = "route: ROUTE\nfrom: SOURCE\nto:\n  - destination: hub\n";

fn site(name: &str, address: &str) -> Site {
    let text = SITE.replace("NAME", name).replace("ADDRESS", address);
    let site = Site::of(&[("orderly.yaml", &text), ("password", "guest\n")]);
    for (route, source) in [("relay", "clinic"), ("results", "labs")] {
        site.write(&format!("routes/{route}.yaml"), ROUTE.replace("ROUTE", route).replace("SOURCE", source));
    }
    site
}

/// Declares what the site of that name uses; the queue out is bound to what it sends.
async fn declare(name: &str, address: &str) -> Connection {
    let connection = connect(&[address.to_owned()]).await;
    let (queue_in, queue_out) = (format!("{name}-in"), format!("{name}-out"));
    declare_queue(&connection, &queue_in, QueueKind::Quorum).await.unwrap();
    declare_queue(&connection, &queue_out, QueueKind::Quorum).await.unwrap();
    let exchange = Declaration::Exchange { name: name.to_owned(), kind: ExchangeKind::Topic };
    let way = Declaration::Binding {
        exchange: name.to_owned(),
        queue: queue_out,
        routing_key: "adt.*.x".to_owned(),
    };
    connection.declare(&[exchange, way]).await.unwrap();
    connection
}

async fn publish(connection: &Connection, queue: &str, bodies: impl IntoIterator<Item = Vec<u8>>) {
    let mut publisher = connection.publisher(1024).await.unwrap();
    for (number, body) in bodies.into_iter().enumerate() {
        let id = number.to_string();
        publisher.publish(&to_queue(queue, &id, &body)).unwrap();
    }
    while publisher.next().await.is_some() {}
}

fn control_id(body: &[u8]) -> String {
    String::from_utf8_lossy(body).split('|').nth(9).unwrap_or_default().to_owned()
}

/// The control ids of what comes out, in the order of first deliveries, until so many different ones have come.
async fn comes_out(connection: &Connection, queue: &str, count: usize) -> Vec<String> {
    let settings = ConsumerSettings { prefetch: 100, exclusive: false, arguments: Vec::new() };
    let mut consumer = connection.consumer(queue, settings).await.unwrap();
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    while order.len() < count {
        let next = timeout(PATIENCE, consumer.next()).await;
        let message = next.unwrap_or_else(|_| panic!("only {} of {count} came out", order.len())).unwrap();
        consumer.acknowledge(message.tag, false).unwrap();
        let id = control_id(&message.body);
        if seen.insert(id.clone()) {
            order.push(id);
        }
    }
    consumer.close().await.unwrap();
    order
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("N{number:04}")).collect()
}

async fn status(site: &Site) -> Value {
    orderly(site, ["status", "--json"]).await.ended(0).json().remove(0)
}

/// Waits until the status of the destination tells of an error with this code.
async fn status_tells(site: &Site, code: &str) -> String {
    let looking = async {
        loop {
            let error = status(site).await["destinations"][0]["last_error"].clone();
            if error["code"] == code {
                return error["text"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("no error {code}"))
}

const PUBLISH: &str = "
import sys, json, pika
connection = pika.BlockingConnection(pika.ConnectionParameters(port=int(sys.argv[1])))
channel = connection.channel()
channel.confirm_delivery()
for body in json.loads(sys.argv[3]):
    channel.basic_publish('', sys.argv[2], body.encode(), pika.BasicProperties(headers={'x': {'deep': [1, None, b'x']}}), mandatory=True)
connection.close()
";

const CONSUME: &str = "
import sys, json, pika
connection = pika.BlockingConnection(pika.ConnectionParameters(port=int(sys.argv[1])))
channel = connection.channel()
for method, properties, body in channel.consume(sys.argv[2], inactivity_timeout=20):
    if method is None: sys.exit('nothing came')
    print(json.dumps({'body': body.decode(), 'key': method.routing_key, 'headers': properties.headers, 'id': properties.message_id,
        'type': properties.content_type, 'mode': properties.delivery_mode}))
    channel.basic_ack(method.delivery_tag)
    if method.delivery_tag == int(sys.argv[3]): break
connection.close()
";

#[tokio::test]
async fn a_python_program_publishes_to_us_and_consumes_from_us() {
    let broker = Broker::shared();
    let connection = declare("python", &broker.address()).await;
    // What cannot be read goes to the dead letters, as this queue's owner wants it.
    declare_queue(&connection, "python-dead", QueueKind::Quorum).await.unwrap();
    broker.node(0).control(&[
        "set_policy",
        "python",
        "^python-in$",
        r#"{"dead-letter-exchange": "", "dead-letter-routing-key": "python-dead"}"#,
        "--apply-to",
        "queues",
    ]);
    let site = site("python", &broker.address());
    let engine = Running::start(&site).await;
    engine.logged("consuming the queue").await;
    let text =
        |ids: &[&str]| ids.iter().map(|id| String::from_utf8(admission(id)).unwrap()).collect::<String>();
    let bodies = serde_json::json!([text(&["P1"]), "no message", text(&["P2", "P3"]), ""]);
    let (address, bodies) = (broker.address(), bodies.to_string());
    let consumed = tokio::task::spawn_blocking(move || {
        pika(&address, PUBLISH, &["python-in", &bodies]);
        pika(&address, CONSUME, &["python-out", "3"])
    });
    let consumed = consumed.await.unwrap();
    let lines: Vec<Value> = consumed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, id) in lines.iter().zip(["P1", "P2", "P3"]) {
        assert_eq!(line["body"], text(&[id]));
        assert_eq!((line["key"].as_str(), line["mode"].as_i64()), (Some("adt.A04.x"), Some(2)));
        assert_eq!(line["headers"], serde_json::json!({ "x-id": id, "x-site": "riverside" }));
        assert_eq!(line["type"], "x-application/hl7-v2+er7");
        assert!(line["id"].as_str().unwrap().parse::<u64>().is_ok());
    }
    let waits = async {
        while connection.queue_state("python-dead").await.unwrap().messages_count < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waits).await.expect("both are dead letters");
    let status = status(&site).await;
    assert_eq!(
        (&status["sources"][1]["state"], &status["sources"][1]["place"]),
        (&"consuming".into(), &"python-in".into())
    );
    let messages = &status["sources"][1]["messages"];
    assert_eq!((&messages["routed"], &messages["quarantined"]), (&3.into(), &2.into()));
    assert_eq!(status["destinations"][0]["state"], "reachable");
}

/// Kills the engine when so many messages have come out, and waits until the broker has noticed. Gives how many are in the queue or in the
/// journal then.
async fn kill(engine: Running, name: &str, site: &Site, connection: &Connection, came_out: u32) -> u64 {
    let (queue_in, queue_out) = (format!("{name}-in"), format!("{name}-out"));
    let waits = async {
        while connection.queue_state(&queue_out).await.unwrap().messages_count < came_out {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        engine.kill().await;
        loop {
            let state = connection.queue_state(&queue_in).await.unwrap();
            if state.consumers_count == 0 {
                return state.messages_count;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_queue = timeout(PATIENCE, waits).await.expect("it delivers");
    u64::from(in_queue) + stored(site)
}

fn stored(site: &Site) -> u64 {
    site.journal().counts().unwrap().messages.iter().map(|count| count.count).sum()
}

/// That the test below sees a message that is in neither place.
#[tokio::test]
async fn a_message_taken_off_too_early_is_seen() {
    let connection = declare("planted", &Broker::shared().address()).await;
    // How much is under way when the engine dies is chance.
    for _ in 0..10 {
        let site = site("planted", &Broker::shared().address());
        publish(&connection, "planted-in", numbered(400).iter().map(|id| admission(id))).await;
        let before = connection.queue_state("planted-out").await.unwrap().messages_count;
        let there = u64::from(connection.queue_state("planted-in").await.unwrap().messages_count);
        let engine = Running::start_with(&site, Some(Fault::TakenOffBeforeCommit)).await;
        if kill(engine, "planted", &site, &connection, before + 20).await < there {
            return;
        }
    }
    panic!("ten engines that acknowledge before the commit were killed, and nothing was missed");
}

#[tokio::test]
async fn a_killed_engine_loses_nothing_and_keeps_the_order() {
    let connection = declare("killed", &Broker::shared().address()).await;
    let ids = numbered(400);
    publish(&connection, "killed-in", ids.iter().map(|id| admission(id))).await;
    let site = site("killed", &Broker::shared().address());
    for so_many in [40, 160] {
        let engine = Running::start(&site).await;
        let there = kill(engine, "killed", &site, &connection, so_many).await;
        assert!(there >= ids.len() as u64, "{there} of {} are there", ids.len());
    }
    let _engine = Running::start(&site).await;
    assert_eq!(comes_out(&connection, "killed-out", ids.len()).await, ids);
    let left = connection.queue_state("killed-in").await.unwrap();
    assert_eq!(left.messages_count, 0);
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_parked_or_tried_as_declared() {
    let address = Broker::shared().address();
    let connection = declare("returned", &address).await;
    let site = site("returned", &address);
    site.amend("orderly.yaml", "adt.${message.event}.x", "nobody.${message.event}");
    let engine = Running::start(&site).await;
    let mut sender = Sender::connect(engine.address("clinic")).await;
    assert_eq!(sender.send(&admission("R1")).await.code, Some(AckCode::AA));
    engine.logged("refused, parked").await;
    let text = status_tells(&site, "312").await;
    assert!(text.contains("no queue takes the message"), "{text}");
    assert!(!engine.log().join("").contains("ALMA"), "what was returned is in the log");
    // The other way: it waits until there is a queue for it.
    site.amend("orderly.yaml", "  hub:\n", "  hub:\n    on_answer: { '312': retry }\n");
    engine.logged("reached another way").await;
    assert_eq!(sender.send(&admission("R2")).await.code, Some(AckCode::AA));
    engine.logged("cannot deliver, will try again").await;
    let way = Declaration::Binding {
        exchange: "returned".to_owned(),
        queue: "returned-out".to_owned(),
        routing_key: "nobody.#".to_owned(),
    };
    connection.declare(&[way]).await.unwrap();
    assert_eq!(comes_out(&connection, "returned-out", 1).await, ["R2"]);
    assert_eq!(site.state_of(1), [DeliveryState::Parked]);
}

#[tokio::test]
async fn what_is_handed_out_twice_is_known_as_a_repeat() {
    let address = Broker::shared().address();
    let connection = declare("twice", &address).await;
    let site = site("twice", &address);
    site.amend("orderly.yaml", "  labs:\n", "  labs:\n    repeats:\n      within: 1h\n");
    let _engine = Running::start(&site).await;
    publish(&connection, "twice-in", [admission("T1"), admission("T1"), admission("T2")]).await;
    assert_eq!(comes_out(&connection, "twice-out", 2).await, ["T1", "T2"]);
    let fate = |id| site.journal().message(id).unwrap().unwrap().fate;
    assert_eq!([1, 2, 3].map(fate), [Fate::Routed, Fate::Duplicate, Fate::Routed]);
}

#[tokio::test]
async fn what_is_too_large_holds_nothing_up() {
    let address = Broker::shared().address();
    let connection = declare("large", &address).await;
    let site = site("large", &address);
    site.amend("orderly.yaml", "x-id: ${message.control_id}", "x-note: ${NTE-3}");
    let engine = Running::start(&site).await;
    let mut sender = Sender::connect(engine.address("clinic")).await;
    let with = |id: &str, more: String| [admission(id), more.into_bytes()].concat();
    let text = |bytes: usize| "x".repeat(bytes);
    for message in [
        with("L1", format!("ZXX|{}\r", text(MESSAGE_BYTES_MAX))),
        with("L2", format!("NTE|1||{}\r", text(70_000))),
        with("L3", format!("NTE|1||{}\r", text(60_000))),
    ] {
        sender.send(&message).await;
    }
    assert_eq!(comes_out(&connection, "large-out", 1).await, ["L3"]);
    // Its result is written a moment after the next one has gone out.
    until("the refusal", || (site.state_of(1) == [DeliveryState::Parked]).then_some(())).await;
    assert_eq!(site.state_of(2), [DeliveryState::Failed]);
    let shown = orderly(&site, ["show", "1"]).await.ended(0).out;
    assert!(shown.contains("the broker takes no message of this size"), "{shown}");
    let shown = orderly(&site, ["show", "2"]).await.ended(0).out;
    assert!(shown.contains("the headers of this message have 70"), "{shown}");
}

#[tokio::test]
async fn tls_and_passwords_are_those_of_the_site() {
    let broker = Broker::shared();
    let connection = declare("secured", &broker.address()).await;
    let site = site("secured", &broker.address());
    for file in ["ca.pem", "client.pem", "client.key"] {
        site.write(&format!("tls/{file}"), std::fs::read(broker.tls_file(file)).unwrap());
    }
    let text = std::fs::read_to_string(site.path("orderly.yaml")).unwrap();
    let tls = format!(
        "brokers: {}\n      tls: {{ ca: tls/ca.pem, certificate: tls/client.pem, key: tls/client.key, name: {TLS_NAME} }}",
        broker.node(0).tls_address()
    );
    site.write("orderly.yaml", text.replace(&format!("brokers: {}", broker.address()), &tls));
    site.write("password", "open-sesame");
    let engine = Running::start(&site).await;
    let mut sender = Sender::connect(engine.address("clinic")).await;
    sender.send(&admission("S1")).await;
    let text = status_tells(&site, "amqp-login").await;
    assert!(text.contains("refuses user `guest`"), "{text}");
    assert_eq!(status(&site).await["sources"][1]["state"], "trying");
    assert!(!engine.log().join("").contains("open-sesame"));
    // A renewed password is taken up without a restart.
    site.write("password", "guest");
    assert_eq!(comes_out(&connection, "secured-out", 1).await, ["S1"]);
    engine.logged("consuming the queue").await;
}

#[tokio::test]
async fn an_alarm_and_a_restart_of_the_broker_only_make_it_wait() {
    let broker = Broker::hurt().await;
    let address = broker.address();
    drop(declare("restarted", &address).await);
    let site = site("restarted", &address);
    let engine = Running::start(&site).await;
    let mut sender = Sender::connect(engine.address("clinic")).await;
    let ids = numbered(60);
    let (early, late) = ids.split_at(30);
    broker.node(0).raise_alarm();
    for id in early {
        assert_eq!(sender.send(&admission(id)).await.code, Some(AckCode::AA));
    }
    let text = status_tells(&site, "amqp-blocked").await;
    assert!(text.contains("memory"), "{text}");
    broker.node(0).clear_alarm();
    engine.logged("delivering again").await;
    broker.node(0).kill();
    for id in late {
        assert_eq!(sender.send(&admission(id)).await.code, Some(AckCode::AA));
    }
    engine.logged_times("cannot deliver, will try again", 2).await;
    broker.node(0).start();
    let connection = connect(&[address]).await;
    assert_eq!(comes_out(&connection, "restarted-out", ids.len()).await, ids);
    engine.logged_times("consuming the queue", 2).await;
}

#[tokio::test]
async fn a_cluster_that_loses_the_node_it_goes_through_delivers_on_in_order() {
    let broker = Broker::cluster(3);
    let connection = declare("cluster", &broker.address()).await;
    let site = site("cluster", &format!("[{}]", broker.addresses().join(", ")));
    let engine = Running::start(&site).await;
    let mut sender = Sender::connect(engine.address("clinic")).await;
    let ids = numbered(40);
    let (before, after) = ids.split_at(20);
    for id in before {
        sender.send(&admission(id)).await;
    }
    drop(connection);
    broker.node(0).kill();
    for id in after {
        sender.send(&admission(id)).await;
    }
    let other = connect(&[broker.node(1).address()]).await;
    assert_eq!(comes_out(&other, "cluster-out", 40).await, ids);
}
