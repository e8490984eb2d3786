//! `acknowledge:` of a source: when its senders are answered.

use std::time::Duration;

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Entry, Fields, duration};

use super::Site;
use crate::plan::{Carrier, Listener};

/// How long the broker may take where nothing is said: senders commonly wait three times as long.
const WITHIN: Duration = Duration::from_secs(10);

/// Reads `stored`, `queued` or `queued within 30s`: how long senders wait for the broker, if they do.
pub(super) fn read(fields: &Fields<'_, '_>, problems: &Problems) -> Option<Duration> {
    let written = fields.text("acknowledge")?;
    let words: Vec<&str> = written.text.split_ascii_whitespace().collect();
    let within = match words[..] {
        ["stored"] => return None,
        ["queued"] => Some(WITHIN),
        ["queued", "within", time] => duration(time),
        _ => None,
    };
    if within.is_none_or(|within| within.is_zero()) {
        problems
            .error(
                "config-acknowledge",
                &written.node.span,
                "`acknowledge` takes stored, or queued with a time",
            )
            .help("write stored, or queued within 10s");
        return None;
    }
    within
}

/// What the site itself says against it.
pub(super) fn check(site: &Site, sources: &[Entry], problems: &Problems) {
    for source in site.sources.iter().filter(|source| source.queued_within.is_some()) {
        let entry = sources.iter().find(|entry| entry.key == *source.name);
        let Some(entry) = entry else { continue };
        let Some(node) = entry.value.get("acknowledge") else { continue };
        let refuse = |message: &str, help: &str| {
            problems.error("config-acknowledge", &node.span, message).help(help.to_owned());
        };
        if matches!(source.listener, Listener::Files(_) | Listener::Amqp(_)) {
            refuse("nobody waits for an answer to a file or to what comes out of a queue", "remove it");
        }
        if source.answer.is_some() {
            refuse("`answer:` says already what its senders wait for", "remove one of them");
        }
        // One with errors of its own is there.
        if entry.value.get("repeats").is_none() {
            refuse(
                "who is answered negatively sends the message again, and without `repeats` it would be delivered twice",
                "add repeats: { within: 24h }",
            );
        }
        if site.queue.carrier == Carrier::Journal && !site.says_broker {
            refuse(
                "no broker carries deliveries here, so none are queued",
                "add `queue:` with `carrier: amqp`, or remove it",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiled, Text, Texts, compile};

    const BROKER: &str = "queue: { carrier: amqp, brokers: localhost, user: u, password: '${env:MQ}' }\n";
    const REPEATS: &str = "repeats: { within: 24h }";
    const MLLP: &str = "mllp: { listen: '127.0.0.1:2575' }";

    fn compiled(queue: &str, source: &[&str]) -> Compiled {
        let text = |file: &str, text: String| Text { file: file.to_owned(), text };
        let source: String = source.iter().map(|line| format!("    {line}\n")).collect();
        let site = format!(
            "{queue}sources:\n  clinic:\n{source}destinations:\n  hub:\n    mllp: {{ address: 'hub.example.org:2576' }}\n"
        );
        let routes =
            vec![text("routes/r.yaml", "route: r\nfrom: clinic\nto:\n  - destination: hub\n".to_owned())];
        compile(&Texts { site: text("orderly.yaml", site), routes, ..Texts::default() })
    }

    #[test]
    fn how_long_senders_wait() {
        let cases = [
            ("about: x", None),
            ("acknowledge: stored", None),
            ("acknowledge: queued", Some(10)),
            ("acknowledge: queued within 1m", Some(60)),
        ];
        for (line, seconds) in cases {
            let compiled = compiled(BROKER, &[line, REPEATS, MLLP]);
            let plan = compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
            let within = plan.source("clinic").unwrap().queued_within;
            assert_eq!(within, seconds.map(Duration::from_secs), "{line}");
        }
    }

    #[test]
    fn what_does_not_go_with_it() {
        let queued = "acknowledge: queued";
        let files = "files: { folder: inbox }";
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                BROKER,
                &["acknowledge: received", REPEATS, MLLP],
                &["4:18 `acknowledge` takes stored, or queued with a time"],
            ),
            (
                BROKER,
                &["acknowledge: queued within soon", REPEATS, MLLP],
                &["4:18 `acknowledge` takes stored, or queued with a time"],
            ),
            (
                BROKER,
                &["acknowledge: queued within 0s", REPEATS, MLLP],
                &["4:18 `acknowledge` takes stored, or queued with a time"],
            ),
            (
                BROKER,
                &[queued, MLLP],
                &[
                    "4:18 who is answered negatively sends the message again, and without `repeats` it would be delivered twice",
                ],
            ),
            (
                BROKER,
                &[queued, REPEATS, files],
                &["4:18 nobody waits for an answer to a file or to what comes out of a queue"],
            ),
            (
                BROKER,
                &[queued, REPEATS, "answer: from hub within 5s", MLLP],
                &["4:18 `answer:` says already what its senders wait for"],
            ),
            ("", &[queued, REPEATS, MLLP], &["3:18 no broker carries deliveries here, so none are queued"]),
            // What is wrong with the queue is not blamed on the source.
            (
                "queue: { carrier: amqp, brokers: localhost, user: u }\n",
                &[queued, REPEATS, MLLP],
                &["1:10 the queue needs `password`"],
            ),
            // Nor what is wrong with its repeats.
            (
                BROKER,
                &[queued, "repeats: 24h", MLLP],
                &["5:14 `repeats` is a map with the key `within`, not a text"],
            ),
        ];
        for (queue, source, told) in cases {
            let found: Vec<String> = compiled(queue, source)
                .diagnostics
                .into_iter()
                .filter_map(|found| match found.place {
                    orderly_record::Place::File { line, column, .. } => {
                        Some(format!("{line}:{column} {}", found.message))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(&found, told, "{source:?}");
        }
    }
}
