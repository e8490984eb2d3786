//! `queue:` of the site: what carries deliveries from the journal to whoever delivers them.

use std::time::Duration;

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Entry, Fields, Scalar};

use super::{amqp, is_plain_name};
use crate::plan::{AmqpCarrier, At, Carrier, Queue};

/// The broker gives a silent node up after two heartbeats, and another one delivers then: within ten seconds, when they are this long.
const HEARTBEAT: Duration = Duration::from_secs(3);

const PREFIX: &str = "orderly";

/// How long a prefix may be, and a node's name.
const NAME_LETTERS_MAX: usize = 60;

/// How long a destination's name may be: with a prefix or a node's name before it, it is a name at the broker, of 255 bytes at most.
const DESTINATION_LETTERS_MAX: usize = 180;

/// So many deliveries are ahead, where nothing is said: a few megabytes of what is known of each.
const AHEAD: u64 = 10_000;

/// What only a broker has.
const OF_BROKER: [&str; 9] =
    ["brokers", "user", "password", "virtual_host", "heartbeat", "connect_timeout", "tls", "prefix", "ahead"];

/// Of the site, also where it says nothing or something wrong, which is reported; and whether it names a broker.
pub(super) fn read(of: &Fields<'_, '_>, problems: &Problems) -> (Queue, bool) {
    let mut says_broker = false;
    let carrier = of.optional("queue").and_then(|node| {
        let fields = Fields::of(node, "the queue", problems)?;
        let carrier = fields.choice("carrier", &[("journal", false), ("amqp", true)]);
        let is_amqp = carrier.unwrap_or_default();
        says_broker = fields.has("carrier") && carrier != Some(false);
        let carrier = match is_amqp {
            true => by_broker(&fields, of, problems).map(|amqp| Carrier::Amqp(Box::new(amqp))),
            false => {
                // What is wrong with the carrier's name is told already.
                if carrier.is_some() || !fields.has("carrier") {
                    refuse_of_broker(&fields, problems);
                }
                None
            }
        };
        OF_BROKER.iter().for_each(|key| _ = fields.optional(key));
        refuse_url(&fields, problems);
        fields.finish();
        carrier
    });
    let span = of.key_span("queue").unwrap_or_else(|| of.span());
    (Queue { carrier: carrier.unwrap_or(Carrier::Journal), at: At(span.place()) }, says_broker)
}

fn by_broker(fields: &Fields<'_, '_>, of: &Fields<'_, '_>, problems: &Problems) -> Option<AmqpCarrier> {
    let broker = amqp::broker(fields, of.key_span("queue")?, problems);
    let written = fields.text("prefix");
    let prefix = written.map_or_else(|| Some(PREFIX.to_owned()), |written| prefix(written, problems));
    let ahead = fields.number("ahead").unwrap_or(AHEAD);
    if let (Some(span), 0) = (fields.key_span("ahead"), ahead) {
        problems
            .error("config-ahead", span, "`ahead` takes a number from 1 on")
            .help("write how many deliveries a destination may be with the broker: 10000");
    }
    let mut broker = broker?;
    broker.heartbeat.get_or_insert(HEARTBEAT);
    Some(AmqpCarrier { broker, prefix: prefix?, ahead_max: usize::try_from(ahead).unwrap_or(usize::MAX) })
}

fn prefix(written: Scalar<'_>, problems: &Problems) -> Option<String> {
    let message = if !is_plain_name(&written) || written.len() > NAME_LETTERS_MAX {
        format!("`prefix` is made of at most {NAME_LETTERS_MAX} letters, digits, `-`, `_` and `.`")
    } else if written.starts_with("amq.") {
        "names that begin with `amq.` are the broker's own".to_owned()
    } else {
        return Some(written.to_string());
    };
    problems.error("config-amqp-name", &written.node.span, message).help("write prefix: orderly");
    None
}

fn refuse_of_broker(fields: &Fields<'_, '_>, problems: &Problems) {
    for key in OF_BROKER {
        if let Some(span) = fields.key_span(key) {
            problems
                .error(
                    "config-queue",
                    span,
                    format!("`{key}` is about a broker, and the journal carries deliveries"),
                )
                .help("write carrier: amqp, or remove it");
        }
    }
}

/// Where others write one text with everything in it, its password too.
fn refuse_url(fields: &Fields<'_, '_>, problems: &Problems) {
    if let Some(span) = fields.key_span("url") {
        let _ = fields.optional("url");
        problems
            .error("config-queue", span, "a broker is not named by a `url`, which would hold its password")
            .help("write brokers: [mq1.example.org], and user, password, virtual_host and tls in keys of their own");
    }
}

/// What destinations may not be called when a broker carries their deliveries.
pub(super) fn check(queue: &Queue, destinations: &[Entry], problems: &Problems) {
    if queue.carrier == Carrier::Journal {
        return;
    }
    for entry in destinations.iter().filter(|entry| entry.key.len() > DESTINATION_LETTERS_MAX) {
        let message = format!(
            "its name is a part of names at the broker, and has more than {DESTINATION_LETTERS_MAX} letters"
        );
        problems.error("config-amqp-name", &entry.key_span, message).help("shorten it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Text, Texts, compile};
    use orderly_record::Place;

    /// A site whose `queue:` has these lines, from line 2 on.
    fn compiled(lines: &[&str]) -> crate::Compiled {
        let text = |file: &str, text: String| Text { file: file.to_owned(), text };
        let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
        let queue = if lines.is_empty() { String::new() } else { format!("queue:\n{lines}") };
        let site = format!(
            "{queue}sources:\n  clinic:\n    mllp: {{ listen: '127.0.0.1:2575' }}\ndestinations:\n  hub:\n    mllp: {{ address: \
             'hub.example.org:2576' }}\n"
        );
        let routes =
            vec![text("routes/r.yaml", "route: r\nfrom: clinic\nto:\n  - destination: hub\n".to_owned())];
        compile(&Texts { site: text("orderly.yaml", site), routes, ..Texts::default() })
    }

    fn queue(lines: &[&str]) -> Queue {
        let compiled = compiled(lines);
        compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)).queue
    }

    /// What is wrong, as `line:column code message | help`.
    fn wrong(lines: &[&str]) -> Vec<String> {
        let told = |found: crate::Diagnostic| {
            let Place::File { line, column, .. } = &found.place else { return None };
            let help = found.help.map(|help| format!(" | {help}")).unwrap_or_default();
            Some(format!("{line}:{column} {} {}{help}", found.code, found.message))
        };
        compiled(lines).diagnostics.into_iter().filter_map(told).collect()
    }

    const BROKER: &[&str] = &[
        "carrier: amqp",
        "brokers: [mq1.example.org, mq2.example.org]",
        "user: u",
        "password: ${env:MQ}",
        "tls: {}",
    ];

    fn with<'l>(lines: &[&'l str]) -> Vec<&'l str> {
        [BROKER, lines].concat()
    }

    #[test]
    fn the_journal_carries_when_nothing_else_is_said() {
        for lines in [&[][..], &["carrier: journal"]] {
            assert_eq!(queue(lines).carrier, Carrier::Journal);
        }
    }

    #[test]
    fn a_broker_that_carries() {
        let Carrier::Amqp(amqp) = queue(BROKER).carrier else { panic!("no broker") };
        assert_eq!(amqp.broker.addresses, ["mq1.example.org:5671", "mq2.example.org:5671"]);
        assert_eq!((amqp.prefix.as_str(), amqp.ahead_max), ("orderly", 10_000));
        assert_eq!(
            amqp.broker.heartbeat,
            Some(Duration::from_secs(3)),
            "so that another node takes over soon"
        );
        let lines = with(&["prefix: riverside.v2", "ahead: 500", "heartbeat: 20s", "virtual_host: hl7"]);
        let Carrier::Amqp(amqp) = queue(&lines).carrier else { panic!("no broker") };
        assert_eq!((amqp.prefix.as_str(), amqp.ahead_max), ("riverside.v2", 500));
        assert_eq!(
            (amqp.broker.heartbeat, amqp.broker.virtual_host.as_str()),
            (Some(Duration::from_secs(20)), "hl7")
        );
    }

    #[test]
    fn a_queue_that_has_moved_in_the_file_is_the_same() {
        let tail = with(&["prefix: a"]);
        let head = [&["prefix: a"], BROKER].concat();
        assert_eq!(queue(&tail), queue(&head));
        assert_ne!(queue(&tail), queue(BROKER));
    }

    #[test]
    fn a_queue_that_cannot_be() {
        let long = format!("prefix: {}", "x".repeat(61));
        let help = "write prefix: orderly";
        let made = "config-amqp-name `prefix` is made of at most 60 letters, digits, `-`, `_` and `.`";
        let cases: &[(Vec<&str>, Vec<String>)] = &[
            (vec!["carrier: kafka"], vec!["2:12 config-choice `carrier` is one of journal, amqp".to_owned()]),
            (
                vec!["carrier: amqp"],
                ["user", "password", "brokers"]
                    .map(|key| format!("2:3 config-missing-key the queue needs `{key}` | add `{key}:`"))
                    .into(),
            ),
            (
                vec!["brokers: mq1.example.org", "ahead: 5"],
                vec![
                    "2:3 config-queue `brokers` is about a broker, and the journal carries deliveries | write carrier: amqp, or remove it".to_owned(),
                    "3:3 config-queue `ahead` is about a broker, and the journal carries deliveries | write carrier: amqp, or remove it".to_owned(),
                ],
            ),
            (
                with(&["url: amqp://u:p@mq1.example.org"]),
                vec![
                    "7:3 config-queue a broker is not named by a `url`, which would hold its password | write brokers: \
                     [mq1.example.org], and user, password, virtual_host and tls in keys of their own"
                        .to_owned(),
                ],
            ),
            (
                vec!["carrier: amqp", "brokers: []", "user: orderly", "password: ${env:MQ}"],
                vec!["3:3 config-address `brokers` names no broker | write brokers: [mq1.example.org]".to_owned()],
            ),
            (with(&["prefix: a/b"]), vec![format!("7:11 {made} | {help}")]),
            (with(&[long.as_str()]), vec![format!("7:11 {made} | {help}")]),
            (
                with(&["prefix: amq.orderly"]),
                vec![format!("7:11 config-amqp-name names that begin with `amq.` are the broker's own | {help}")],
            ),
            (
                with(&["ahead: 0"]),
                vec![
                    "7:3 config-ahead `ahead` takes a number from 1 on | write how many deliveries a destination may be with the \
                     broker: 10000"
                        .to_owned(),
                ],
            ),
            (
                with(&["nodes: 3"]),
                vec![
                    "7:3 config-unknown-key the queue has no key `nodes` | there are carrier, brokers, virtual_host, user, \
                     password, heartbeat, connect_timeout, tls, prefix, ahead"
                        .to_owned(),
                ],
            ),
        ];
        for (lines, told) in cases {
            let mut found = wrong(lines);
            let mut told = told.clone();
            found.sort();
            told.sort();
            assert_eq!(found, told, "{lines:?}");
        }
    }

    #[test]
    fn a_destination_whose_name_is_too_long_for_the_broker() {
        let name = "d".repeat(181);
        let text = |file: &str, text: String| Text { file: file.to_owned(), text };
        let site = format!(
            "queue:\n  {}\nsources:\n  s:\n    mllp: {{ listen: '127.0.0.1:2575' }}\ndestinations:\n  {name}:\n    mllp: {{ address: 'h:1' \
             }}\n",
            BROKER.join("\n  ")
        );
        let routes =
            vec![text("routes/r.yaml", format!("route: r\nfrom: s\nto:\n  - destination: {name}\n"))];
        let compiled = compile(&Texts { site: text("orderly.yaml", site), routes, ..Texts::default() });
        let codes: Vec<_> = compiled.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, ["config-amqp-name"]);
    }
}
