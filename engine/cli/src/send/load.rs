//! The load generator: many messages over many connections, each connection waiting for its answers, and the figures.
//!
//! What always holds: no two messages have the same control id, also across runs; on one connection the ids' numbers increase; a
//! message that got no answer is sent again, unchanged, before the next one of its connection, as a careful sender does. The cost of a
//! message is kept low, because generator, engine and receiver commonly share the machine.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use orderly_transport::destinations::{MllpDestination, MllpSettings};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::exchange::{code_text, exchange, is_positive};
use super::figures::{Figures, Results, RunTimes};
use super::outgoing::Outgoing;
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::output::{print, print_json};

/// The most messages of a run and the most connections: what the control id's digits hold.
pub(super) const COUNT_MAX: u64 = 99_999_999;
pub(super) const CONNECTIONS_MAX: u64 = 999;

/// What to send, and how.
pub(super) struct Load {
    /// Where to; an answer may take as long as it says there.
    pub(super) settings: MllpSettings,
    pub(super) messages: Vec<Outgoing>,
    pub(super) count: u64,
    pub(super) connections: u64,
    /// Messages a second in all.
    pub(super) rate: Option<u64>,
}

impl Load {
    /// Sends all, moves the bar, prints the figures.
    pub(super) async fn run(self, bar: &ProgressBar, json: bool) -> CommandResult {
        let figures = self.perform(bar).await?;
        if json {
            print_json(&figures);
        } else {
            print(figures.text());
        }
        Ok(if figures.is_fine() { ExitCode::SUCCESS } else { ANSWER_IS_NO })
    }

    async fn perform(&self, bar: &ProgressBar) -> Result<Figures, Failure> {
        let run = run_name();
        let prefixes = (1..=self.connections).map(|number| format!("L{run}C{number}N"));
        let templates = prefixes.map(|prefix| self.templates(&prefix)).collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared::new(self));
        let mut connections: JoinSet<Results> = templates
            .into_iter()
            .map(|templates| Connection::new(self, templates, shared.clone()).send_all())
            .collect();
        let mut ticks = interval(Duration::from_millis(200));
        let mut results = Results::new();
        loop {
            tokio::select! {
                ended = connections.join_next() => match ended {
                    Some(Ok(result)) => results.add(result),
                    Some(Err(error)) => return Err(Failure::new(format_args!("a connection failed: {error}"))),
                    None => break,
                },
                _ = ticks.tick() => bar.set_position(shared.answered.load(Ordering::Relaxed)),
            }
        }
        bar.finish_and_clear();
        Ok(results.figures(self.count, &shared.times()))
    }

    fn templates(&self, id_prefix: &str) -> Result<Vec<Template>, Failure> {
        self.messages.iter().map(|message| Template::new(message, id_prefix)).collect()
    }
}

/// The digits of a control id's number; they stand at the end of the id.
const NUMBER_DIGITS: usize = 8;

/// A name that no other run has, within seven years: tenths of seconds in six digits to the base 36.
fn run_name() -> String {
    let tenths = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() / 100;
    let mut rest = tenths;
    let digits: Vec<char> = (0..6)
        .map(|_| {
            let digit = char::from_digit((rest % 36) as u32, 36).unwrap_or('0');
            rest /= 36;
            digit.to_ascii_uppercase()
        })
        .collect();
    digits.into_iter().rev().collect()
}

/// A message whose control id is renewed in place: it is taken apart once, not each time it is sent.
struct Template {
    bytes: Vec<u8>,
    id: String,
    /// Where the number's digits stand in `bytes`.
    number_at: usize,
}

impl Template {
    fn new(message: &Outgoing, id_prefix: &str) -> Result<Self, Failure> {
        let id = format!("{id_prefix}{:0NUMBER_DIGITS$}", 0);
        let bytes = message.with_control_id(&id)?;
        let id_at = bytes.windows(id.len()).position(|window| window == id.as_bytes());
        let id_at = id_at.ok_or_else(|| Failure::new("a message did not take its control id"))?;
        Ok(Self { bytes, number_at: id_at + id_prefix.len(), id })
    }

    fn set_number(&mut self, number: u64) {
        self.id.truncate(self.id.len() - NUMBER_DIGITS);
        self.id.push_str(&format!("{number:0NUMBER_DIGITS$}"));
        let digits = self.bytes.iter_mut().skip(self.number_at);
        for (digit, new) in digits.zip(self.id.bytes().skip(self.id.len() - NUMBER_DIGITS)) {
            *digit = new;
        }
    }
}

/// What the connections share.
struct Shared {
    count: u64,
    /// How many messages were taken by a connection.
    taken: AtomicU64,
    /// How many were answered.
    answered: AtomicU64,
    started: Instant,
    /// When the first tenth, nine tenths and all were answered, in nanoseconds from the start.
    marks: [AtomicU64; 3],
}

impl Shared {
    fn new(load: &Load) -> Self {
        Self {
            count: load.count,
            taken: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            started: Instant::now(),
            marks: Default::default(),
        }
    }

    /// The next message to send, counted from 0.
    fn take(&self) -> Option<u64> {
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        (index < self.count).then_some(index)
    }

    fn note_answer(&self) {
        let answered = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        for (at, mark) in self.mark_positions().into_iter().zip(&self.marks) {
            if answered == at {
                mark.store(self.started.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
        }
    }

    fn mark_positions(&self) -> [u64; 3] {
        let tenth = self.tenth();
        [tenth, self.count - tenth, self.count]
    }

    fn tenth(&self) -> u64 {
        self.count.div_ceil(10)
    }

    fn times(&self) -> RunTimes {
        RunTimes { elapsed: self.started.elapsed(), rates_at_the_ends: self.rates_at_the_ends() }
    }

    /// Messages a second in the first and in the last tenth; nothing when not all were answered.
    fn rates_at_the_ends(&self) -> Option<(f64, f64)> {
        let [first, nine, all] = &self.marks;
        let seconds = |mark: &AtomicU64| mark.load(Ordering::Relaxed) as f64 / 1e9;
        let tenth = self.tenth() as f64;
        let (first, last) = (seconds(first), seconds(all) - seconds(nine));
        (first > 0.0 && last > 0.0).then(|| (tenth / first, tenth / last))
    }
}

/// One connection of the load.
struct Connection {
    sender: MllpDestination,
    templates: Vec<Template>,
    rate: Option<u64>,
    timeout: Duration,
    shared: Arc<Shared>,
    results: Results,
}

/// How long to wait before a message without an answer is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

impl Connection {
    fn new(load: &Load, templates: Vec<Template>, shared: Arc<Shared>) -> Self {
        Self {
            sender: MllpDestination::new(load.settings.clone()),
            templates,
            rate: load.rate,
            timeout: load.settings.answer_timeout,
            shared,
            results: Results::new(),
        }
    }

    /// Sends until no message is left, or until one could not be brought home.
    async fn send_all(mut self) -> Results {
        let mut number = 0;
        while let Some(index) = self.shared.take() {
            if let Some(rate) = self.rate {
                sleep_until(self.shared.started + Duration::from_secs_f64(index as f64 / rate as f64)).await;
            }
            number += 1;
            if !self.send_one(index, number).await {
                break;
            }
        }
        self.results
    }

    /// Sends one message until it is answered, and says whether it was. A receiver that stays away for longer than the timeout
    /// is given up.
    async fn send_one(&mut self, index: u64, number: u64) -> bool {
        let which = index as usize % self.templates.len().max(1);
        let Some(template) = self.templates.get_mut(which) else { return false };
        template.set_number(number);
        let started = Instant::now();
        loop {
            let exchange = exchange(&mut self.sender, &template.bytes, Some(&template.id)).await;
            match exchange.reply {
                Ok(reply) => {
                    self.results.note_answer(
                        code_text(reply.code),
                        is_positive(reply.code),
                        started.elapsed(),
                    );
                    self.shared.note_answer();
                    return true;
                }
                Err(unanswered) => self.results.note_error(unanswered.code),
            }
            if started.elapsed() > self.timeout * 2 {
                return false;
            }
            sleep(RETRY_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use orderly_hl7v2::{AckCode, Answer, Settings, acknowledge, parse};
    use orderly_transport::listeners::{self, MllpListener, MllpListenerSettings};
    use orderly_transport::receiver::Receiver;

    use super::super::exchange::sender;
    use super::super::outgoing::Outgoing;
    use super::*;

    const MESSAGES: [&[u8]; 2] = [
        b"MSH|^~\\&|A|B|C|D|20260305||ADT^A01|N1|P|2.3\rPID|1\r",
        b"MSH|^~\\&|A|B|C|D|20260305||ADT^A08|N2|P|2.3\rPID|2\r",
    ];

    fn control_id(message: &[u8]) -> String {
        parse(message, &Settings::default()).unwrap().header().control_id().into_owned()
    }

    fn answer(message: &[u8], code: AckCode) -> listeners::Answer {
        let header = parse(message, &Settings::default()).unwrap().header();
        let answer = Answer { code, control_id: "R1", at: "20260305", errors: &[] };
        listeners::Answer::one(acknowledge(Some(&header), &answer))
    }

    /// Sends 40 messages over 4 connections to a receiver that answers so.
    async fn load(
        answer: impl Fn(&[u8]) -> listeners::Answer + Send + Sync + 'static,
    ) -> (Figures, Vec<Arc<[u8]>>) {
        let receiver = Arc::new(Receiver::new(answer));
        let settings = MllpListenerSettings::new(([127, 0, 0, 1], 0).into());
        let listener = MllpListener::bind(settings).await.unwrap();
        let load = Load {
            settings: sender(&listener.local_addr().to_string(), Duration::from_secs(5), None),
            messages: MESSAGES.iter().map(|bytes| Outgoing::new(Path::new("x"), 1, bytes)).collect(),
            count: 40,
            connections: 4,
            rate: None,
        };
        let serving = tokio::spawn(listener.run(receiver.clone(), std::future::pending()));
        let figures = load.perform(&ProgressBar::hidden()).await.unwrap();
        serving.abort();
        (figures, receiver.messages())
    }

    #[tokio::test]
    async fn each_message_has_an_id_of_its_own_that_increases_along_its_connection() {
        let (figures, messages) = load(|message| answer(message, AckCode::AA)).await;
        assert_eq!((figures.answered, figures.unanswered, figures.is_fine()), (40, 0, true));
        assert_eq!(figures.answers, BTreeMap::from([("AA", 40)]));
        assert!(figures.messages_per_second_last_tenth.is_some());
        let mut numbers: HashMap<String, Vec<u64>> = HashMap::new();
        for message in &messages {
            let id = control_id(message);
            assert!(id.len() <= 20, "{id}");
            let (prefix, number) = id.rsplit_once('N').unwrap(); // the prefix may have an N, too
            numbers.entry(prefix.to_owned()).or_default().push(number.parse().unwrap());
        }
        assert_eq!(numbers.values().map(Vec::len).sum::<usize>(), 40);
        for numbers in numbers.values() {
            assert_eq!(*numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        }
        let taken_in_turn =
            messages.iter().filter(|message| message.windows(7).any(|at| at == b"ADT^A08")).count();
        assert_eq!(taken_in_turn, 20);
    }

    #[tokio::test]
    async fn refusals_are_counted_by_code() {
        let (figures, _) = load(|message| answer(message, AckCode::AE)).await;
        assert_eq!((figures.negative, figures.is_fine()), (40, false));
        assert_eq!(figures.answers, BTreeMap::from([("AE", 40)]));
    }

    #[tokio::test]
    async fn a_message_without_an_answer_is_sent_again_unchanged() {
        let first = AtomicBool::new(true);
        let (figures, messages) = load(move |message| {
            let close = first.swap(false, Ordering::Relaxed);
            if close {
                listeners::Answer { close, ..Default::default() }
            } else {
                answer(message, AckCode::AA)
            }
        })
        .await;
        assert_eq!((figures.answered, figures.is_fine()), (40, true));
        assert_eq!(figures.errors, BTreeMap::from([("closed-before-answer".to_owned(), 1)]));
        let again = messages.iter().skip(1).filter(|message| **message == messages[0]).count();
        assert_eq!((messages.len(), again), (41, 1));
    }

    #[test]
    fn a_number_takes_the_place_of_the_one_before() {
        let message = Outgoing::new(Path::new("x"), 1, MESSAGES[0]);
        let mut template = Template::new(&message, "L0ABCDEC1N").unwrap();
        for (number, id) in
            [(7, "L0ABCDEC1N00000007"), (COUNT_MAX, "L0ABCDEC1N99999999"), (1, "L0ABCDEC1N00000001")]
        {
            template.set_number(number);
            assert_eq!((template.id.as_str(), control_id(&template.bytes).as_str()), (id, id));
        }
    }

    #[test]
    fn a_run_has_a_short_name_of_capitals_and_digits() {
        let name = run_name();
        assert!(
            name.len() == 6 && name.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        );
    }
}
