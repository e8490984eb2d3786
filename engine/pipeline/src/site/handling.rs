//! What `orderly.yaml` says of a destination's deliveries: `retry:`, `on_refusal:`, `on_answer:`, `expires_after:`, `rate:`.

use std::collections::BTreeMap;
use std::time::Duration;

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Entry, Fields, Node};

use crate::plan::{Handling, OnAnswer, Order, Rate, Retry};

/// The acknowledgement codes that refuse.
pub(crate) const REFUSALS: [&str; 4] = ["AE", "AR", "CE", "CR"];

/// What can go wrong on the way, by the codes that attempts are recorded with: then nobody knows what became of the message, so none of
/// them can be taken for a delivery.
pub(crate) const ON_THE_WAY: [&str; 24] = [
    "amqp-blocked",
    "amqp-forbidden",
    "amqp-handshake",
    "amqp-login",
    "amqp-lost",
    "amqp-missing",
    "amqp-no-answer",
    "amqp-refused",
    "amqp-silent",
    "amqp-too-large",
    "amqp-unconfirmed",
    "amqp-virtual-host",
    "answer-timeout",
    "answer-unreadable",
    "closed-before-answer",
    "connect-failed",
    "connect-refused",
    "connect-timeout",
    "connection-lost",
    "foreign-answer",
    "no-token",
    "secret-missing",
    "send-timeout",
    "unreadable-answer",
];

/// What may be done about an outcome.
pub(crate) const ACTIONS: [(&str, OnAnswer); 4] = [
    ("park", OnAnswer::Park),
    ("block", OnAnswer::Block),
    ("retry", OnAnswer::Retry),
    ("accept", OnAnswer::Accept),
];

/// Reads the keys about deliveries of a destination.
pub(super) fn read(fields: &Fields<'_, '_>, problems: &Problems) -> Handling {
    // Taking every refusal for a delivery would lose messages without a trace: only a code may be accepted.
    let on_refusal: Vec<_> = ACTIONS.into_iter().filter(|(_, action)| *action != OnAnswer::Accept).collect();
    Handling {
        order: order(fields, problems),
        retry: fields.optional("retry").and_then(|node| retry(node, problems)).unwrap_or_default(),
        on_refusal: fields.choice("on_refusal", &on_refusal).unwrap_or_default(),
        on_answer: fields.optional("on_answer").map(|node| on_answer(node, problems)).unwrap_or_default(),
        expires_after: lasting(fields, "expires_after", "deliver anything", problems),
        rate: rate(fields, problems),
    }
}

/// How many deliveries are in flight in different lanes, when nothing is said: enough that a receiver's time to answer costs little, few
/// enough for one that takes eight connections from nobody else.
const LANES: usize = 8;

/// What an AMQP broker answers that has given a message back because no queue takes it.
const NO_ROUTE: &str = "312";

/// So many deliveries may be sent twice after a crash: no more are ever in flight.
const IN_FLIGHT_MAX: u64 = 64;

fn order(fields: &Fields<'_, '_>, problems: &Problems) -> Order {
    let per_patient = fields.choice("order", &[("fifo", false), ("per_patient", true)]).unwrap_or_default();
    let lanes = fields.number("lanes");
    let refuse = |key: &str, message: &str, help: &str| {
        let span = fields.key_span(key).unwrap_or_else(|| fields.span());
        problems.error("config-lanes", span, message.to_owned()).help(help.to_owned());
    };
    if lanes.is_some_and(|lanes| !(1..=IN_FLIGHT_MAX).contains(&lanes)) {
        refuse(
            "lanes",
            "`lanes` takes a number from 1 to 64",
            "write how many messages the receiver may have at a time",
        );
    }
    for key in ["lanes", "lane"].into_iter().filter(|key| !per_patient && fields.has(key)) {
        refuse(key, &format!("`{key}` goes with `order: per_patient` only"), "remove it, or add the order");
    }
    if per_patient && fields.has("files") {
        refuse("order", "a folder takes one file after the other", "remove `order:`");
    }
    match per_patient {
        true => Order::PerPatient { lanes: lanes.and_then(|lanes| lanes.try_into().ok()).unwrap_or(LANES) },
        false => Order::Fifo,
    }
}

fn retry(node: &Node, problems: &Problems) -> Option<Retry> {
    let fields = Fields::of(node, "a retry", problems)?;
    let schedule = fields.durations("schedule");
    let then = fields.duration("then").or_else(|| schedule.last().copied());
    let retry = Retry {
        schedule,
        then,
        lasts: lasting(&fields, "for", "deliver anything", problems),
        jitter_percent: jitter(&fields, problems).unwrap_or_default(),
    };
    fields.finish();
    if node.entries().is_some_and(<[Entry]>::is_empty) {
        problems.error("config-retry", &node.span, "a retry needs waits").help("add `schedule:` or `then:`");
    }
    Some(retry)
}

/// A time after which something ends, which therefore must not be over before it begins.
pub(super) fn lasting(
    fields: &Fields<'_, '_>,
    key: &'static str,
    what: &str,
    problems: &Problems,
) -> Option<Duration> {
    let found = fields.duration(key);
    if found.is_some_and(|found| found.is_zero()) {
        let span = fields.key_span(key).unwrap_or_else(|| fields.span());
        problems
            .error("config-no-time", span, format!("`{key}` leaves no time to {what}"))
            .help("write how long, such as 3d, or remove the key");
    }
    found
}

fn jitter(fields: &Fields<'_, '_>, problems: &Problems) -> Option<u8> {
    let written = fields.text("jitter")?;
    let percent = written.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
    let found = percent.filter(|percent| *percent <= 100);
    if found.is_none() {
        problems
            .error("config-jitter", &written.node.span, "`jitter` takes a share of a wait")
            .help("write 10%; at most 100%");
    }
    found
}

fn rate(fields: &Fields<'_, '_>, problems: &Problems) -> Option<Rate> {
    let written = fields.text("rate")?;
    let found = written.split_once('/').and_then(|(count, unit)| {
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        let count = count.parse().ok().filter(|count| *count > 0)?;
        Some(Rate { count, per: Duration::from_secs(seconds) })
    });
    if found.is_none() {
        problems
            .error("config-rate", &written.node.span, "`rate` takes how many, a slash and a unit of time")
            .help("write 50/s, 600/m or 10000/h");
    }
    found
}

fn on_answer(node: &Node, problems: &Problems) -> BTreeMap<String, OnAnswer> {
    let Some(entries) = node.entries() else {
        let message = format!("`on_answer` is a map from codes to what they do, not {}", node.what());
        problems.error("config-not-a-map", &node.span, message).help("write on_answer: { AR: retry }");
        return BTreeMap::new();
    };
    entries.iter().filter_map(|entry| Some((entry.key.clone(), action(entry, problems)?))).collect()
}

/// What is done about one code, when it is one and something can be done about it.
fn action(entry: &Entry, problems: &Problems) -> Option<OnAnswer> {
    let code = entry.key.as_str();
    let is_on_the_way = ON_THE_WAY.contains(&code);
    if !is_on_the_way && !REFUSALS.contains(&code) && !is_status(code) {
        let message = format!(
            "`on_answer` knows no {code}; it knows AE, AR, CE, CR, HTTP statuses such as '503', and {}",
            ON_THE_WAY.join(", ")
        );
        problems
            .error("config-answer-code", &entry.key_span, message)
            .suggest(meant(code), REFUSALS.into_iter().chain(ON_THE_WAY));
        return None;
    }
    let written = entry.value.text().unwrap_or_default();
    let Some((_, action)) = ACTIONS.into_iter().find(|(name, _)| *name == written) else {
        let names = ACTIONS.map(|(name, _)| name);
        problems
            .error("config-choice", &entry.value.span, format!("`{code}` is one of {}", names.join(", ")))
            .suggest(written, names);
        return None;
    };
    if action == OnAnswer::Accept && (is_on_the_way || code == NO_ROUTE) {
        problems
            .error(
                "config-answer-accept",
                &entry.value.span,
                format!("{code} is no answer: nobody took the message"),
            )
            .help("write retry, park or block");
        return None;
    }
    Some(action)
}

/// What brokers call otherwise than attempts do.
fn meant(code: &str) -> &str {
    match code {
        "amqp-nack" | "nack" | "basic.nack" => "amqp-refused",
        other => other,
    }
}

/// An HTTP status that is no success.
fn is_status(code: &str) -> bool {
    code.len() == 3 && code.parse().is_ok_and(|status: u16| (300..600).contains(&status))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// What a destination with these lines says, and what is wrong in it, as `line:column code`.
    fn read_lines(lines: &str) -> (Handling, Vec<String>) {
        let document = orderly_mapping::yaml::parse("orderly.yaml", lines).unwrap();
        let problems = Problems::default();
        let fields = Fields::of(&document.root, "a destination", &problems).unwrap();
        let handling = read(&fields, &problems);
        fields.finish();
        let place = |found: &orderly_record::Diagnostic| match &found.place {
            orderly_record::Place::File { line, column, .. } => format!("{line}:{column} {}", found.code),
            other => format!("{other:?}"),
        };
        (handling, problems.into_vec().iter().map(place).collect())
    }

    fn wrong(lines: &str) -> Vec<String> {
        read_lines(lines).1
    }

    #[test]
    fn everything_that_can_be_said() {
        let (handling, wrong) = read_lines(
            "order: per_patient\nlanes: 4\nretry: { schedule: [1s, 5s], then: 10m, for: 3d, jitter: 10% }\non_refusal: block\n\
             on_answer: { AE: retry, AR: accept, '503': park, answer-timeout: block }\nexpires_after: 2d\nrate: 600/m\n",
        );
        assert_eq!(wrong, [""; 0]);
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
        let retry = Retry {
            schedule: vec![second, 5 * second],
            then: Some(600 * second),
            lasts: Some(3 * day),
            jitter_percent: 10,
        };
        let on_answer = [
            ("503", OnAnswer::Park),
            ("AE", OnAnswer::Retry),
            ("AR", OnAnswer::Accept),
            ("answer-timeout", OnAnswer::Block),
        ];
        let expected = Handling {
            order: Order::PerPatient { lanes: 4 },
            retry,
            on_refusal: OnAnswer::Block,
            on_answer: on_answer.map(|(code, action)| (code.to_owned(), action)).into(),
            expires_after: Some(2 * day),
            rate: Some(Rate { count: 600, per: 60 * second }),
        };
        assert_eq!(handling, expected);
    }

    #[test]
    fn what_is_not_said_is_as_the_field_has_it() {
        assert_eq!(read_lines("retry: { for: 3d }\n").0.retry.then, None);
        assert_eq!(read_lines("order: per_patient\n").0.order, Order::PerPatient { lanes: 8 });
        assert_eq!(read_lines("retry: { schedule: [1s, 7s] }\n").0.retry.then, Some(Duration::from_secs(7)));
        let (handling, wrong) = read_lines("{}\n");
        assert_eq!((handling, wrong.as_slice()), (Handling::default(), &[][..]));
    }

    #[test]
    fn what_cannot_be_is_told_where_it_stands() {
        for (lines, expected) in [
            ("order: per_patient\nlanes: 0\n", "2:1 config-lanes"),
            ("order: per_patient\nlanes: 65\n", "2:1 config-lanes"),
            ("order: fifo\nlanes: 8\n", "2:1 config-lanes"),
            ("retry: {}\n", "1:8 config-retry"),
            ("retry: { for: 0s }\n", "1:10 config-no-time"),
            ("retry: { then: 1s, jitter: 101% }\n", "1:28 config-jitter"),
            ("retry: { then: 1s, jitter: 10 }\n", "1:28 config-jitter"),
            ("on_refusal: accept\n", "1:13 config-choice"),
            ("on_answer: retry\n", "1:12 config-not-a-map"),
            ("on_answer: { AA: retry }\n", "1:14 config-answer-code"),
            ("on_answer: { '200': park }\n", "1:14 config-answer-code"),
            ("on_answer: { AR: again }\n", "1:18 config-choice"),
            ("on_answer: { send-timeout: accept }\n", "1:28 config-answer-accept"),
            ("on_answer: { '312': accept }\n", "1:21 config-answer-accept"),
            ("expires_after: 0s\n", "1:1 config-no-time"),
            ("rate: 0/s\n", "1:7 config-rate"),
            ("rate: 50\n", "1:7 config-rate"),
            ("rate: 50/day\n", "1:7 config-rate"),
        ] {
            assert_eq!(wrong(lines), [expected], "{lines}");
        }
    }
}
