//! `amqp:` of a source and of a destination, and how a broker is reached, which the site's `queue:` says too.

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Fields, Kind, Node, Scalar, Span};

use super::http::{named_headers, value_length};
use super::{secret, template, tls};
use crate::plan::{AmqpEndpoint, AmqpSource, BrokerAccess, HeaderText, UrlPart};

/// AMQP's ports, without TLS and with it.
const PORT: u16 = 5672;
const PORT_TLS: u16 = 5671;

/// The longest name or header of AMQP, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Headers by which the broker copies messages to other queues: their values are lists, and no text.
const OF_THE_BROKER: [&str; 2] = ["CC", "BCC"];

/// Of a source, if it has it.
pub(super) fn source(of: &Fields<'_, '_>, problems: &Problems) -> Option<AmqpSource> {
    let (node, section) = (of.optional("amqp")?, of.key_span("amqp")?);
    let fields = Fields::of(node, "an AMQP source", problems)?;
    let broker = broker(&fields, section, problems);
    let queue = name(&fields, "queue", fields.required_text("queue"), problems);
    let prefetch = fields.number("prefetch");
    let size = fields.size("message_size_max");
    let unreadable = [("quarantine", false), ("reject", true)];
    let rejects_unreadable = fields.choice("on_unreadable", &unreadable).unwrap_or_default();
    if let (Some(span), Some(number)) = (fields.key_span("prefetch"), prefetch)
        && !(1..=u64::from(u16::MAX)).contains(&number)
    {
        problems
            .error("config-prefetch", span, "`prefetch` takes a number from 1 to 65535")
            .help("write how many messages may be on their way to the journal");
    }
    fields.finish();
    Some(AmqpSource {
        broker: broker?,
        queue: queue?,
        prefetch: prefetch.and_then(|number| u16::try_from(number).ok()),
        message_bytes_max: size.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        rejects_unreadable,
    })
}

/// Of a destination, if it has it.
pub(super) fn endpoint(of: &Fields<'_, '_>, problems: &Problems) -> Option<AmqpEndpoint> {
    let (node, section) = (of.optional("amqp")?, of.key_span("amqp")?);
    let fields = Fields::of(node, "an AMQP destination", problems)?;
    let broker = broker(&fields, section, problems);
    // The empty name is the broker's own exchange.
    let exchange = name(&fields, "exchange", fields.text("exchange"), problems);
    let key = fields.required_text("routing_key");
    let routing_key = key.and_then(|written| routing_key(written, problems));
    let headers = fields.optional("headers").map(|node| headers(node, problems)).unwrap_or_default();
    let content_type = fields.text("content_type").map(|text| text.to_string());
    let persistent = fields.flag("persistent").unwrap_or(true);
    let confirm_timeout = fields.duration("confirm_timeout");
    fields.finish();
    Some(AmqpEndpoint {
        broker: broker?,
        exchange: exchange.unwrap_or_default(),
        routing_key: routing_key?,
        headers,
        content_type,
        persistent,
        confirm_timeout,
    })
}

/// The keys that all have.
pub(super) fn broker(fields: &Fields<'_, '_>, section: &Span, problems: &Problems) -> Option<BrokerAccess> {
    fields.required("brokers");
    let port = if fields.has("tls") { PORT_TLS } else { PORT };
    let written = fields.texts("brokers");
    if let (Some(span), true) = (fields.key_span("brokers"), written.is_empty()) {
        problems
            .error("config-address", span, "`brokers` names no broker")
            .help("write brokers: [mq1.example.org]");
    }
    let addresses: Vec<String> =
        written.iter().filter_map(|written| address(*written, port, problems)).collect();
    let virtual_host = fields.text("virtual_host").map_or_else(|| "/".to_owned(), |text| text.to_string());
    let user = fields.required_text("user").map(|text| text.to_string());
    let password = fields.required_text("password");
    let password = password.and_then(|written| secret::required("password", written, section, problems));
    let (heartbeat, connect_timeout) = (fields.duration("heartbeat"), fields.duration("connect_timeout"));
    let tls = tls::endpoint(fields, problems);
    if let (Some(span), Some(heartbeat)) = (fields.key_span("heartbeat"), heartbeat)
        && (heartbeat.subsec_nanos() != 0 || !(1..=3600).contains(&heartbeat.as_secs()))
    {
        problems
            .error("config-heartbeat", span, "`heartbeat` takes whole seconds, from 1s to 1h")
            .help("write heartbeat: 10s");
    }
    let is_here = |address: &String| {
        let host = address.rsplit_once(':').map_or("", |(host, _)| host);
        host == "localhost" || host == "[::1]" || host.starts_with("127.")
    };
    if tls.is_none() && !fields.has("tls") && !addresses.iter().all(is_here) {
        super::http::warn_of_plain_secret(section, problems)
            .help("add `tls:`, and use the broker's port for it");
    }
    if addresses.is_empty() || addresses.len() < written.len() {
        return None;
    }
    Some(BrokerAccess {
        addresses,
        virtual_host,
        user: user?,
        password: password?,
        heartbeat,
        connect_timeout,
        tls,
    })
}

/// `host:port`, with AMQP's own port where none is said.
fn address(written: Scalar<'_>, port: u16, problems: &Problems) -> Option<String> {
    let is_of_host =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '%');
    let port_at = written.rfind(':').filter(|at| !written.get(*at..).is_some_and(|end| end.contains(']')));
    let (host, port) = match port_at {
        Some(at) => (written.get(..at)?, written.get(at + 1..).and_then(|port| port.parse::<u16>().ok())),
        None => (written.text, Some(port)),
    };
    match port {
        Some(port) if !host.is_empty() && host.chars().all(is_of_host) => Some(format!("{host}:{port}")),
        _ => {
            let message = "`brokers` takes hosts, with their ports where those are not AMQP's own";
            // A URL may hold a password.
            let help = if written.contains("//") {
                "write the host alone: user, password and virtual host have keys of their own"
            } else {
                "write mq1.example.org, or mq1.example.org:5672"
            };
            problems.error("config-address", &written.node.span, message).help(help);
            None
        }
    }
}

/// A name at the broker.
fn name(
    fields: &Fields<'_, '_>,
    key: &str,
    written: Option<Scalar<'_>>,
    problems: &Problems,
) -> Option<String> {
    let written = written?;
    if written.len() > NAME_BYTES_MAX {
        let span = fields.key_span(key).unwrap_or_else(|| fields.span());
        problems
            .error("config-amqp-name", span, format!("`{key}` has more than 255 bytes"))
            .help("correct it");
        return None;
    }
    if written.contains("${") {
        problems
            .error("config-amqp-name", &written.node.span, format!("`{key}` is the same for all messages"))
            .help("write its name; what differs by message goes into `routing_key`, and bindings take it from there");
        return None;
    }
    Some(written.to_string())
}

/// A routing key's parts.
fn routing_key(written: Scalar<'_>, problems: &Problems) -> Option<Vec<UrlPart>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(rest) = written.text.get(at..).filter(|rest| !rest.is_empty()) {
        let is_value = rest.starts_with("${");
        let length = if is_value { value_length(rest) } else { rest.find("${").unwrap_or(rest.len()) };
        let text = rest.get(..length)?;
        if is_value {
            let span = written.node.part(at..at + length);
            let node = Node { span, kind: Kind::Text(text.to_owned()) };
            parts.push(UrlPart::Value(template(&node, problems)?));
        } else {
            parts.push(UrlPart::Text(text.to_owned()));
        }
        at += length;
    }
    let fixed: usize =
        parts.iter().map(|part| if let UrlPart::Text(text) = part { text.len() } else { 0 }).sum();
    if fixed > NAME_BYTES_MAX {
        problems
            .error("config-amqp-name", &written.node.span, "`routing_key` has more than 255 bytes")
            .help("correct it");
        return None;
    }
    Some(parts)
}

fn headers(node: &Node, problems: &Problems) -> Vec<(String, HeaderText)> {
    let mut read = Vec::new();
    for entry in named_headers(node, problems) {
        let wrong = |message: String, help: &str| {
            problems.error("config-header", &entry.key_span, message).help(help.to_owned());
        };
        let key = entry.key.as_str();
        let Some(text) = entry.value.text() else {
            wrong(format!("`{key}` takes a text"), "write x-type: ${message.type}");
            continue;
        };
        if OF_THE_BROKER.contains(&key) {
            wrong(format!("no header can be given as `{key}`"), "bind one more queue to the exchange");
        } else if key.is_empty()
            || key.len() > NAME_BYTES_MAX
            || key.contains(|c: char| c.is_control() || c == ':')
        {
            wrong(format!("no header can be given as `{key}`"), "names have 1 to 255 bytes, and no `:`");
        } else if secret::names_secret(key) {
            // It would go through the broker in each message, for every consumer to read.
            problems
                .error(
                    "config-secret",
                    &entry.key_span,
                    format!(
                        "`{key}` is a secret by its name, and everybody who reads the queue would see it"
                    ),
                )
                .help("leave it out: who may publish, the broker knows by `user` and `password`");
        } else if text.contains("${") {
            read.extend(
                template(&entry.value, problems).map(|made| (entry.key.clone(), HeaderText::Made(made))),
            );
        } else {
            read.push((entry.key.clone(), HeaderText::Fixed(text.to_owned())));
        }
    }
    read
}
