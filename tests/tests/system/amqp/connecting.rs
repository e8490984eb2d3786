//! The connection itself: what is published and confirmed, returned and lost, handed over, blocked and no more fresh.

use std::time::Duration;

use orderly_tests::broker::{Broker, PASSWORD, TLS_NAME, USER, to_queue};
use orderly_tests::peers::PATIENCE;
use orderly_tests::proxy::Proxy;
use orderly_transport::amqp::{
    self, BrokerError, BrokerSettings, Connection, ConsumerSettings, Declaration, ExchangeKind, HeaderValue,
    Incoming, LinkState, Publication, Publisher, QueueKind, Verdict,
};
use orderly_transport::tls::{ClientIdentity, TlsClientSettings};
use tokio::time::timeout;

use super::{HEARTBEAT, connect, declare_queue, settings};

fn window_of(prefetch: u16) -> ConsumerSettings {
    ConsumerSettings { prefetch, exclusive: false, arguments: Vec::new() }
}

/// Publishes numbers as messages and waits for all to be acknowledged.
async fn publish_numbers(connection: &Connection, queue: &str, count: u64) {
    let mut publisher = connection.publisher(usize::try_from(count).unwrap()).await.unwrap();
    for number in 0..count {
        let id = number.to_string();
        assert_eq!(publisher.publish(&to_queue(queue, &id, id.as_bytes())).unwrap(), number + 1);
    }
    for number in 0..count {
        let confirmed = publisher.next().await.unwrap();
        assert_eq!((confirmed.tag, confirmed.verdict), (number + 1, Verdict::Acknowledged));
    }
    assert!(publisher.next().await.is_none());
}

async fn state(connection: &Connection, wanted: impl FnMut(&LinkState) -> bool) -> LinkState {
    let mut state = connection.state();
    let reached = timeout(PATIENCE, state.wait_for(wanted)).await;
    reached
        .unwrap_or_else(|_| panic!("it stays as it is: {:?}", connection.state().borrow()))
        .unwrap()
        .clone()
}

async fn next_verdict(publisher: &mut Publisher) -> Verdict {
    timeout(PATIENCE, publisher.next()).await.expect("an outcome in time").expect("an outcome").verdict
}

#[tokio::test]
async fn what_is_published_comes_as_it_was() {
    let connection = connect(&[Broker::shared().address()]).await;
    declare_queue(&connection, "as-it-was", QueueKind::Quorum).await.unwrap();
    let headers = [
        ("text".to_owned(), HeaderValue::Text("Grüße".to_owned())),
        ("number".to_owned(), HeaderValue::Number(-4)),
        ("flag".to_owned(), HeaderValue::Flag(true)),
    ];
    let body: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let mut publisher = connection.publisher(2).await.unwrap();
    publisher.publish(&Publication { headers: &headers, ..to_queue("as-it-was", "first", &body) }).unwrap();
    publisher.publish(&Publication { kind: Some("ADT"), ..to_queue("as-it-was", "second", b"") }).unwrap();
    let full = publisher.publish(&to_queue("as-it-was", "third", b"")).unwrap_err();
    assert!(matches!(full, BrokerError::WindowFull));
    let mut consumer = connection.consumer("as-it-was", window_of(10)).await.unwrap();
    let first = consumer.next().await.unwrap();
    let mut sorted = headers.to_vec();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!((first.body == body, &first.headers, first.redelivered), (true, &sorted, false));
    assert_eq!((first.id.as_deref(), first.timestamp), (Some("first"), Some(1_700_000_000)));
    let Incoming { id, body, kind, .. } = consumer.next().await.unwrap();
    assert_eq!((id.as_deref(), body.is_empty(), kind.as_deref()), (Some("second"), true, Some("ADT")));
    let long = "k".repeat(256);
    let error = publisher.publish(&Publication { routing_key: &long, ..to_queue("", "x", b"") }).unwrap_err();
    assert!(matches!(
        error,
        BrokerError::TooLong { what: "routing key", bytes: 256 } | BrokerError::WindowFull
    ));
}

#[tokio::test]
async fn a_returned_message_is_never_taken_for_another() {
    let connection = connect(&[Broker::shared().address()]).await;
    declare_queue(&connection, "some-returned", QueueKind::Quorum).await.unwrap();
    let mut publisher = connection.publisher(64).await.unwrap();
    for round in 0..40_u32 {
        // Each round another mixture, from none to all.
        let has_way = |number: u32| (number.wrapping_mul(2_654_435_761) >> 7) % 40 >= round;
        for number in 0..64 {
            let queue = if has_way(round * 64 + number) { "some-returned" } else { "nowhere" };
            publisher.publish(&to_queue(queue, &format!("{round}-{number}"), b"x")).unwrap();
        }
        for number in 0..64 {
            let verdict = next_verdict(&mut publisher).await;
            let is_returned = matches!(&verdict, Verdict::Returned(312, text) if text == "NO_ROUTE");
            let is_taken = verdict == Verdict::Acknowledged;
            assert_eq!(
                (is_taken, is_returned),
                (has_way(round * 64 + number), !is_taken),
                "{round} {number} {verdict:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_in_its_old_order() {
    let connection = connect(&[Broker::shared().address()]).await;
    let alone = vec![("x-single-active-consumer".to_owned(), HeaderValue::Flag(true))];
    let name = "handed-over".to_owned();
    connection
        .declare(&[Declaration::Queue { name, kind: QueueKind::Quorum, arguments: alone }])
        .await
        .unwrap();
    publish_numbers(&connection, "handed-over", 30).await;
    let mut other = connect(&[Broker::shared().address()]).await;
    let mut consumer = other.consumer("handed-over", window_of(8)).await.unwrap();
    // One closes in good order, one is dropped, one loses its connection. Each has acknowledged its first, and another waits to go on.
    for round in 0..4_u64 {
        let next_other = connect(&[Broker::shared().address()]).await;
        let next = next_other.consumer("handed-over", window_of(8)).await.unwrap();
        for number in round..round + 8 {
            let Incoming { tag, body, redelivered, delivery_count, .. } = consumer.next().await.unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), number.to_string(), "round {round}");
            assert_eq!(redelivered, delivery_count.is_some());
            // The last may have been on its way before.
            assert!(redelivered == (round > 0) || number == round + 7, "round {round}, {number}");
            if number == round {
                consumer.acknowledge(tag, false).unwrap();
            }
        }
        match round {
            0 => consumer.close().await.unwrap(),
            1 => drop(consumer),
            _ => {
                // What was acknowledged is written before what is asked now.
                other.queue_state("handed-over").await.unwrap();
                other.cut("by the test");
            }
        }
        (consumer, other) = (next, next_other);
    }
}

#[tokio::test]
async fn the_broker_says_how_it_differs() {
    let connection = connect(&[Broker::shared().address()]).await;
    declare_queue(&connection, "differs", QueueKind::Quorum).await.unwrap();
    declare_queue(&connection, "differs", QueueKind::Quorum).await.unwrap();
    let error = declare_queue(&connection, "differs", QueueKind::Classic).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Differs(text) if text.contains("x-queue-type") && text.contains("differs"))
    );
    let error = connection.queue_state("not-there").await.unwrap_err();
    assert!(matches!(&error, BrokerError::Missing(text) if text.contains("not-there")), "{error}");
    assert!(error.wants_a_person());
    let kind = ExchangeKind::Topic;
    let binding = |key: &str| Declaration::Binding {
        exchange: "labs".to_owned(),
        queue: "differs".to_owned(),
        routing_key: key.to_owned(),
    };
    connection
        .declare(&[Declaration::Exchange { name: "labs".to_owned(), kind }, binding("oru.#")])
        .await
        .unwrap();
    connection.exchange_exists("labs").await.unwrap();
    assert!(connection.exchange_exists("no-labs").await.is_err());
    let mut publisher = connection.publisher(4).await.unwrap();
    for key in ["oru.r01", "adt.a01"] {
        publisher.publish(&Publication { exchange: "labs", ..to_queue(key, key, b"x") }).unwrap();
    }
    assert_eq!(next_verdict(&mut publisher).await, Verdict::Acknowledged);
    assert!(matches!(next_verdict(&mut publisher).await, Verdict::Returned(..)));
    // An exchange that is not there ends the channel, and the message is lost with it.
    publisher.publish(&Publication { exchange: "no-labs", ..to_queue("key", "id", b"x") }).unwrap();
    assert!(
        matches!(next_verdict(&mut publisher).await, Verdict::Lost(why) if why.to_string().contains("no-labs"))
    );
    assert!(connection.is_open() && !publisher.is_open());
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_without_the_password() {
    let address = Broker::shared().address();
    let with = |change: fn(&mut BrokerSettings)| {
        let mut settings = settings(std::slice::from_ref(&address));
        change(&mut settings);
        async move { amqp::Broker::new(settings).connect().await.unwrap_err() }
    };
    let error = with(|settings| settings.credentials.user = "nobody".to_owned()).await;
    assert!(matches!(&error, BrokerError::Login { user, .. } if user == "nobody"), "{error}");
    let error = with(|settings| settings.virtual_host = "elsewhere".to_owned()).await;
    assert!(
        matches!(&error, BrokerError::VirtualHost { virtual_host, .. } if virtual_host == "elsewhere"),
        "{error}"
    );
    assert!(!error.to_string().contains(PASSWORD) || USER == PASSWORD);
    let error = with(|settings| settings.tls = Some(TlsClientSettings::default())).await;
    assert!(matches!(&error, BrokerError::Connect(_)), "{error}");
    let error =
        with(|settings| settings.addresses = vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()]).await;
    assert!(
        error.to_string().contains("127.0.0.1:1") && error.to_string().contains("127.0.0.1:2"),
        "{error}"
    );
    let failed_over = connect(&["127.0.0.1:1".to_owned(), address.clone()]).await;
    assert_eq!(failed_over.address(), address);
}

#[tokio::test]
async fn tls_shows_both_who_they_are() {
    let broker = Broker::shared();
    let mut settings = settings(&[broker.node(0).tls_address()]);
    let identity =
        ClientIdentity { certificate: broker.tls_file("client.pem"), key: broker.tls_file("client.key") };
    let tls = TlsClientSettings {
        ca: Some(broker.tls_file("ca.pem")),
        identity: Some(identity),
        name: Some(TLS_NAME.to_owned()),
    };
    settings.tls = Some(tls.clone());
    let connection = amqp::Broker::new(settings.clone()).connect().await.unwrap();
    declare_queue(&connection, "by-tls", QueueKind::Classic).await.unwrap();
    publish_numbers(&connection, "by-tls", 3).await;
    connection.close().await;
    for wrong in
        [TlsClientSettings { identity: None, ..tls.clone() }, TlsClientSettings { name: None, ..tls }]
    {
        settings.tls = Some(wrong);
        let error = amqp::Broker::new(settings.clone()).connect().await.unwrap_err();
        assert!(error.to_string().contains("TLS") || error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_silent_broker_is_never_trusted_again() {
    let proxy = Proxy::to(&Broker::shared().address()).await;
    let connection = connect(&[proxy.address()]).await;
    declare_queue(&connection, "silent", QueueKind::Classic).await.unwrap();
    let mut publisher = connection.publisher(4).await.unwrap();
    assert!(connection.is_fresh());
    proxy.pause();
    publisher.publish(&to_queue("silent", "held", b"x")).unwrap();
    while connection.is_fresh() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(connection.silence() >= HEARTBEAT);
    // What was held comes now, too late.
    proxy.resume();
    assert!(matches!(next_verdict(&mut publisher).await, Verdict::Lost(_)));
    let LinkState::Lost(why) = state(&connection, |state| matches!(state, LinkState::Lost(_))).await else {
        unreachable!()
    };
    assert!(why.contains("heartbeat") && !connection.is_open(), "{why}");
}

#[tokio::test]
async fn a_cut_connection_tells_what_is_lost() {
    let proxy = Proxy::to(&Broker::shared().address()).await;
    let connection = connect(&[proxy.address()]).await;
    declare_queue(&connection, "cut", QueueKind::Classic).await.unwrap();
    let mut publisher = connection.publisher(8).await.unwrap();
    let mut consumer = connection.consumer("cut", window_of(1)).await.unwrap();
    proxy.pause();
    for id in ["a", "b", "c"] {
        publisher.publish(&to_queue("cut", id, b"x")).unwrap();
    }
    proxy.cut();
    for tag in 1..=3 {
        let confirmed = timeout(PATIENCE, publisher.next()).await.unwrap().unwrap();
        assert!(confirmed.tag == tag && matches!(confirmed.verdict, Verdict::Lost(_)));
    }
    assert!(timeout(PATIENCE, consumer.next()).await.unwrap().is_err());
    assert!(!connection.is_fresh() && publisher.next().await.is_none());
    // That the channel is gone is told of what is published after it.
    publisher.publish(&to_queue("cut", "d", b"x")).unwrap();
    assert!(matches!(next_verdict(&mut publisher).await, Verdict::Lost(_)));
}

#[tokio::test]
async fn an_alarm_is_told_and_so_is_the_end() {
    let broker = Broker::hurt().await;
    let connection = connect(&[broker.address()]).await;
    declare_queue(&connection, "alarmed", QueueKind::Quorum).await.unwrap();
    publish_numbers(&connection, "alarmed", 3).await;
    let mut publisher = connection.publisher(4).await.unwrap();
    broker.node(0).raise_alarm();
    // A connection is blocked when it publishes.
    publisher.publish(&to_queue("alarmed", "held", b"x")).unwrap();
    let LinkState::Blocked(why) = state(&connection, |state| matches!(state, LinkState::Blocked(_))).await
    else {
        unreachable!()
    };
    assert!(why.contains("memory"), "{why}");
    // Heartbeats go on.
    tokio::time::sleep(HEARTBEAT + Duration::from_millis(500)).await;
    assert!(connection.is_fresh());
    broker.node(0).clear_alarm();
    state(&connection, |state| *state == LinkState::Open).await;
    assert_eq!(next_verdict(&mut publisher).await, Verdict::Acknowledged);
    broker.node(0).stop();
    state(&connection, |state| matches!(state, LinkState::Lost(_))).await;
    broker.node(0).start();
    let connection = connect(&[broker.address()]).await;
    assert_eq!(connection.queue_state("alarmed").await.unwrap().messages_count, 4);
    broker.node(0).kill();
    state(&connection, |state| matches!(state, LinkState::Lost(_))).await;
    broker.node(0).start();
    assert_eq!(connect(&[broker.address()]).await.queue_state("alarmed").await.unwrap().messages_count, 4);
}

/// A quorum queue without a leader answers nobody.
#[tokio::test]
async fn a_connection_that_waits_for_an_answer_is_closed_when_it_is_dropped() {
    let broker = Broker::shared();
    let proxy = Proxy::to(&broker.address()).await;
    let connection = connect(&[proxy.address()]).await;
    declare_queue(&connection, "mute", QueueKind::Quorum).await.unwrap();
    let have_it = |what: &str| broker.node(0).evaluate(&format!("sys:{what}('%2F_mute')."));
    have_it("suspend");
    let waiting = timeout(HEARTBEAT / 4, connection.consumer("mute", window_of(10))).await;
    assert!(waiting.is_err(), "the queue does not answer");
    drop(connection);
    let closed = timeout(PATIENCE, proxy.emptied()).await;
    have_it("resume");
    closed.expect("nobody is left who would be given what comes to the queue");
}
