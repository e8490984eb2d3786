//! A load's figures: collected by each connection, added up, printed.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What came of the messages of one or more connections.
pub(super) struct Results {
    latencies: Histogram<u64>,
    answers: BTreeMap<&'static str, u64>,
    errors: BTreeMap<String, u64>,
    negative: u64,
}

impl Results {
    pub(super) fn new() -> Self {
        Self { latencies: latencies(), answers: BTreeMap::new(), errors: BTreeMap::new(), negative: 0 }
    }

    /// Notes an answer by its code and how long the message waited for it.
    pub(super) fn note_answer(&mut self, code: &'static str, positive: bool, latency: Duration) {
        *self.answers.entry(code).or_default() += 1;
        self.negative += u64::from(!positive);
        self.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// Notes why no answer came.
    pub(super) fn note_error(&mut self, code: String) {
        *self.errors.entry(code).or_default() += 1;
    }

    /// Adds another connection's results.
    pub(super) fn add(&mut self, other: Results) {
        // Both have the same bounds.
        self.latencies.add(&other.latencies).ok();
        for (code, count) in other.answers {
            *self.answers.entry(code).or_default() += count;
        }
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        self.negative += other.negative;
    }

    /// The figures of a run over so many messages.
    pub(super) fn figures(self, messages: u64, run: &RunTimes) -> Figures {
        let answered = self.answers.values().sum();
        let milliseconds = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1000.0;
        let seconds = run.elapsed.as_secs_f64();
        Figures {
            messages,
            answered,
            unanswered: messages.saturating_sub(answered),
            negative: self.negative,
            seconds,
            messages_per_second: answered as f64 / seconds,
            messages_per_second_first_tenth: run.rates_at_the_ends.map(|(first, _)| first),
            messages_per_second_last_tenth: run.rates_at_the_ends.map(|(_, last)| last),
            latency_ms: Latency {
                p50: milliseconds(0.5),
                p90: milliseconds(0.9),
                p99: milliseconds(0.99),
                max: self.latencies.max() as f64 / 1000.0,
            },
            answers: self.answers,
            errors: self.errors,
        }
    }
}

/// How long a run took.
pub(super) struct RunTimes {
    /// From the first message sent to the last answer.
    pub(super) elapsed: Duration,
    /// Messages a second in the first and in the last tenth; nothing when not all were answered.
    pub(super) rates_at_the_ends: Option<(f64, f64)>,
}

/// Latencies in microseconds, up to an hour, to three digits.
#[expect(clippy::expect_used, reason = "the bounds are constants within the histogram's own")]
fn latencies() -> Histogram<u64> {
    const MICROSECONDS_MAX: u64 = 3_600_000_000;
    Histogram::new_with_max(MICROSECONDS_MAX, 3).expect("constant bounds")
}

/// What is printed at the end.
#[derive(Serialize)]
pub(super) struct Figures {
    /// How many were to be sent.
    messages: u64,
    pub(super) answered: u64,
    pub(super) unanswered: u64,
    /// Answered, and refused.
    pub(super) negative: u64,
    seconds: f64,
    messages_per_second: f64,
    messages_per_second_first_tenth: Option<f64>,
    pub(super) messages_per_second_last_tenth: Option<f64>,
    latency_ms: Latency,
    /// How often each answer code came.
    pub(super) answers: BTreeMap<&'static str, u64>,
    /// How often a message got no answer and was sent again, by reason.
    pub(super) errors: BTreeMap<String, u64>,
}

/// From the first byte sent to the whole answer received.
#[derive(Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Figures {
    /// Whether every message was taken by the receiver.
    pub(super) fn is_fine(&self) -> bool {
        self.unanswered == 0 && self.negative == 0
    }

    /// The figures for a person.
    pub(super) fn text(&self) -> String {
        let Latency { p50, p90, p99, max } = &self.latency_ms;
        let mut text = format!(
            "{} of {} messages answered in {:.1} s: {:.0} a second",
            self.answered, self.messages, self.seconds, self.messages_per_second
        );
        if let (Some(first), Some(last)) =
            (self.messages_per_second_first_tenth, self.messages_per_second_last_tenth)
        {
            text += &format!(" ({first:.0} in the first tenth, {last:.0} in the last)");
        }
        text += &format!("\nlatency in ms: p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, max {max:.2}");
        text += &format!("\nanswers: {}", counts(&self.answers));
        if !self.errors.is_empty() {
            text += &format!("\nsent again: {}", counts(&self.errors));
        }
        text
    }
}

fn counts<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}
