//! What many rounds have shown together, as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Duration;

use super::check::UNRECORDED_MAX;
use super::round::{Done, Red};

/// What rounds have shown.
#[derive(Debug, Default)]
pub struct Report {
    rounds: Vec<u64>,
    red: Vec<Red>,
    answered: usize,
    stored: usize,
    arrived: usize,
    deeds: usize,
    elections: usize,
    deliveries: BTreeMap<&'static str, usize>,
    failures: BTreeMap<&'static str, OfFailure>,
    repeats_max: usize,
    slowest: Duration,
}

#[derive(Debug, Default)]
struct OfFailure {
    count: usize,
    repeats: usize,
}

impl Report {
    /// Takes in how a round ended.
    pub fn add(&mut self, round: &Result<Done, Red>) {
        let done = match round {
            Ok(done) => done,
            Err(red) => {
                self.rounds.push(red.seed);
                self.red.push(red.clone());
                return;
            }
        };
        self.rounds.push(done.seed);
        self.answered += done.answered;
        self.stored += done.stored;
        self.arrived += done.arrived;
        self.deeds += done.deeds;
        self.elections += done.elections;
        for (state, count) in &done.deliveries {
            *self.deliveries.entry(state).or_default() += count;
        }
        for (place, failure) in done.failures.iter().enumerate() {
            let repeats = done.repeats.after.get(&place).copied().unwrap_or_default();
            let of = self.failures.entry(failure.name).or_default();
            of.count += 1;
            of.repeats += repeats;
            self.repeats_max = self.repeats_max.max(repeats);
        }
        self.slowest = self.slowest.max(done.took);
    }

    /// The rounds that broke a promise.
    #[must_use]
    pub fn red(&self) -> &[Red] {
        &self.red
    }

    /// As JSON. `made_by` is the command, `versions` what was tested with what.
    #[must_use]
    pub fn to_json(&self, made_by: &str, versions: &Value, took: Duration) -> Value {
        let failures: BTreeMap<_, _> = self
            .failures
            .iter()
            .map(|(name, of)| (name, json!({ "count": of.count, "repeats_after": of.repeats })))
            .collect();
        let red: Vec<Value> =
            self.red.iter().map(|red| json!({ "seed": red.seed, "why": red.why })).collect();
        json!({
            "made_by": made_by,
            "versions": versions,
            "rounds": self.rounds.len(),
            "seeds": { "first": self.rounds.iter().min(), "last": self.rounds.iter().max() },
            "red": red,
            "failures": failures,
            "messages": { "answered_positively": self.answered, "stored": self.stored },
            "deliveries": self.deliveries,
            "received": self.arrived,
            "changed_by_a_person": self.deeds,
            "leaders_of_queues_elected_by_a_person": self.elections,
            "repeats": {
                "count": self.failures.values().map(|of| of.repeats).sum::<usize>(),
                "most_after_one_failure": self.repeats_max,
                "allowed_after_one_failure": UNRECORDED_MAX,
            },
            "took_seconds": took.as_secs(),
            "slowest_round_seconds": self.slowest.as_secs(),
        })
    }
}
