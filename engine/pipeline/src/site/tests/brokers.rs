//! Queues and exchanges of brokers.

use super::*;

#[test]
fn a_queue_that_is_consumed() {
    let lines = [
        "amqp:",
        "  brokers: [mq1.example.org, 'mq2.example.org:5681', '[::1]']",
        "  virtual_host: labs",
        "  user: orderly",
        "  password: ${env:MQ_PASSWORD}",
        "  queue: results",
        "  prefetch: 200",
        "  message_size_max: 1MiB",
        "  on_unreadable: reject",
        "  heartbeat: 5s",
        "  connect_timeout: 3s",
        "  tls: {}",
    ];
    let plan = plan(&lines, HUB);
    let Listener::Amqp(amqp) = &plan.source("clinic").unwrap().listener else { panic!("no AMQP") };
    assert_eq!(amqp.broker.addresses, ["mq1.example.org:5671", "mq2.example.org:5681", "[::1]:5671"]);
    assert_eq!((amqp.broker.virtual_host.as_str(), amqp.broker.user.as_str()), ("labs", "orderly"));
    assert_eq!(amqp.broker.password.source, SecretSource::Environment("MQ_PASSWORD".to_owned()));
    let times = (amqp.broker.heartbeat, amqp.broker.connect_timeout);
    assert_eq!(times, (Some(Duration::from_secs(5)), Some(Duration::from_secs(3))));
    assert_eq!(
        (amqp.queue.as_str(), amqp.prefetch, amqp.message_bytes_max),
        ("results", Some(200), Some(1 << 20))
    );
    assert!(amqp.rejects_unreadable && amqp.broker.tls.is_some());
}

#[test]
fn an_exchange_that_is_published_to() {
    let lines = [
        "amqp:",
        "  brokers: localhost",
        "  user: orderly",
        "  password: ${file:secrets/mq}",
        "  exchange: hl7",
        "  routing_key: 'adt.${message.event}.${PID-3 | first}'",
        "  headers:",
        "    x-site: riverside",
        "    x-id: 'id ${message.control_id}'",
        "  content_type: text/plain",
        "  persistent: false",
        "  confirm_timeout: 5s",
    ];
    let known = plan(CLINIC, &lines);
    let Endpoint::Amqp(amqp) = &known.destination("hub").unwrap().endpoint else { panic!("no AMQP") };
    assert_eq!(
        (amqp.broker.addresses.as_slice(), amqp.broker.virtual_host.as_str()),
        (&["localhost:5672".to_owned()][..], "/")
    );
    assert_eq!((amqp.exchange.as_str(), amqp.fixed_routing_key().as_str()), ("hl7", "adt.."));
    assert_eq!(amqp.fixed_headers().collect::<Vec<_>>(), [("x-site", "riverside")]);
    assert!(matches!(&amqp.headers[..], [_, (name, HeaderText::Made(_))] if name == "x-id"));
    assert_eq!((amqp.content_type.as_deref(), amqp.persistent), (Some("text/plain"), false));
    assert_eq!(amqp.confirm_timeout, Some(Duration::from_secs(5)));
    // The broker's own exchange, to a queue by its name.
    let known = plan(CLINIC, &[&lines[..4], &["  routing_key: adt"]].concat());
    let Endpoint::Amqp(amqp) = &known.destination("hub").unwrap().endpoint else { panic!("no AMQP") };
    assert_eq!((amqp.exchange.as_str(), amqp.persistent, amqp.headers.len()), ("", true, 0));
}

#[test]
fn brokers_that_cannot_be() {
    let source = [
        "refuse: mllp-noise",
        "amqp:",
        "  brokers: [amqp://u:geheim@mq.example.org, 'mq.example.org:x']",
        "  user: orderly",
        "  password: geheim",
        "  queue: results",
        "  prefetch: 0",
        "  heartbeat: 1500ms",
        "  on_unreadable: drop",
    ];
    let destination = [
        "amqp:",
        "  brokers: mq.example.org",
        "  user: orderly",
        "  password: ${env:MQ}",
        "  exchange: hl7",
        "  headers:",
        "    CC: other",
        "    'a:b': x",
        "    X-Api-Key: geheim",
        "    x-name: ${PID-5",
    ];
    let found = wrong(&source, &destination);
    assert!(!found.join("\n").contains("geheim"), "{found:#?}");
    let begins: Vec<&str> = found.iter().map(|line| line.split(" | ").next().unwrap()).collect();
    assert_eq!(
        begins,
        [
            "5:17 config-address `brokers` takes hosts, with their ports where those are not AMQP's own",
            "5:49 config-address `brokers` takes hosts, with their ports where those are not AMQP's own",
            "4:5 config-secret `password` takes no secret as it is, only where it is found",
            "10:7 config-heartbeat `heartbeat` takes whole seconds, from 1s to 1h",
            "11:22 config-choice `on_unreadable` is one of quarantine, reject",
            "9:7 config-prefetch `prefetch` takes a number from 1 to 65535",
            "3:13 config-refuse mllp-noise is about MLLP's frames, and this source has none",
            "14:5 config-plain-secret the credentials go over the network for everybody to read",
            "15:7 config-missing-key an AMQP destination needs `routing_key`",
            "20:9 config-header no header can be given as `CC`",
            "21:9 config-header no header can be given as `a:b`",
            "22:9 config-secret `X-Api-Key` is a secret by its name, and everybody who reads the queue would see it",
            "23:17 mapping-syntax this `${` is not closed",
        ]
    );
}
