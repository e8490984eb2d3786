//! A journal must agree with a plain model of it over random histories, also after it was closed and opened again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod harness;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use harness::{Running, attempt, message};
use orderly_journal::*;
use proptest::prelude::*;

const DESTINATIONS: [&str; 3] = ["lab", "ehr", "archive"];
const STATES: [DeliveryState; 5] = [
    DeliveryState::Waiting,
    DeliveryState::Delivered,
    DeliveryState::Failed,
    DeliveryState::Parked,
    DeliveryState::Expired,
];

#[derive(Debug, Clone)]
enum Step {
    Accept(Vec<Output>),
    Record { delivery: usize, stale: bool, state: usize },
    Replay { message: usize, outputs: Vec<Output>, also_delivered: bool },
    Reopen,
}

/// A delivery as processing makes it.
#[derive(Debug, Clone)]
struct Output {
    destination: usize,
    state: DeliveryState,
    payload: Option<u8>,
}

fn outputs() -> impl Strategy<Value = Vec<Output>> {
    let states = prop::sample::select(vec![
        DeliveryState::Waiting,
        DeliveryState::Waiting,
        DeliveryState::Filtered,
        DeliveryState::Failed,
    ]);
    let output = (0..DESTINATIONS.len(), states, prop::option::of(0u8..4))
        .prop_map(|(destination, state, payload)| Output { destination, state, payload });
    prop::collection::vec(output, 0..4)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => outputs().prop_map(Step::Accept),
        8 => (0usize..60, prop::bool::weighted(0.2), 0..STATES.len())
            .prop_map(|(delivery, stale, state)| Step::Record { delivery, stale, state }),
        3 => (0usize..20, outputs(), any::<bool>())
            .prop_map(|(message, outputs, also_delivered)| Step::Replay { message, outputs, also_delivered }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a journal is, without disk, files or threads.
#[derive(Debug, Default)]
struct Model {
    messages: Vec<ModelMessage>,
    deliveries: BTreeMap<u64, ModelDelivery>,
    next_delivery: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct ModelMessage {
    id: u64,
    body: Vec<u8>,
    plan: String,
}

#[derive(Debug, Clone, PartialEq)]
struct ModelDelivery {
    message: u64,
    destination: usize,
    part: u32,
    state: DeliveryState,
    payload: Option<Vec<u8>>,
    attempts: usize,
    revision: u32,
}

impl Model {
    fn accept(&mut self, id: u64, body: Vec<u8>, outputs: &[Output]) {
        self.messages.push(ModelMessage { id, body, plan: "p1".into() });
        for (output, part) in with_parts(outputs) {
            self.append(id, output, part);
        }
    }

    fn append(&mut self, message: u64, output: &Output, part: u32) {
        self.next_delivery += 1;
        let delivery = ModelDelivery {
            message,
            destination: output.destination,
            part,
            state: output.state,
            payload: payload(output).map(|bytes| bytes.to_vec()),
            attempts: 0,
            revision: 0,
        };
        self.deliveries.insert(self.next_delivery, delivery);
    }

    fn record(&mut self, seq: u64, revision: u32, state: DeliveryState) {
        let delivery = self.deliveries.get_mut(&seq).unwrap();
        delivery.attempts += 1;
        let open = delivery.state == DeliveryState::Waiting || state == DeliveryState::Delivered;
        if delivery.revision == revision && open {
            delivery.state = state;
        }
    }

    fn replay(&mut self, message: usize, outputs: &[Output], also_delivered: bool) {
        self.messages[message].plan = "p2".into();
        let id = self.messages[message].id;
        // The latest of each destination and part counts.
        let standing: BTreeMap<(usize, u32), u64> = self
            .deliveries
            .iter()
            .filter(|(_, delivery)| delivery.message == id)
            .map(|(seq, delivery)| ((delivery.destination, delivery.part), *seq))
            .collect();
        let mut made = Vec::new();
        for (output, part) in with_parts(outputs) {
            made.push((output.destination, part));
            match standing.get(&(output.destination, part)).and_then(|seq| self.deliveries.get_mut(seq)) {
                Some(delivery) if delivery.state != DeliveryState::Delivered => {
                    delivery.state = output.state;
                    delivery.payload = payload(output).map(|bytes| bytes.to_vec());
                    delivery.revision += 1;
                }
                Some(_) if !also_delivered => {}
                _ => self.append(id, output, part),
            }
        }
        for (pair, seq) in standing {
            let delivery = self.deliveries.get_mut(&seq).unwrap();
            let held = [DeliveryState::Waiting, DeliveryState::Parked, DeliveryState::Failed];
            if !made.contains(&pair) && held.contains(&delivery.state) {
                delivery.state = DeliveryState::Cancelled;
                delivery.revision += 1;
            }
        }
    }
}

fn with_parts(outputs: &[Output]) -> Vec<(&Output, u32)> {
    let mut seen = [0; DESTINATIONS.len()];
    outputs
        .iter()
        .map(|output| {
            let part = seen[output.destination];
            seen[output.destination] += 1;
            (output, part)
        })
        .collect()
}

/// Payload 0 is a large one.
fn payload(output: &Output) -> Option<Arc<[u8]>> {
    output.payload.map(|kind| if kind == 0 { vec![7; 3000].into() } else { vec![kind; 20].into() })
}

fn new_deliveries(outputs: &[Output]) -> Vec<NewDelivery> {
    outputs
        .iter()
        .map(|output| NewDelivery {
            state: output.state,
            payload: payload(output),
            ..harness::delivery(DESTINATIONS[output.destination], None)
        })
        .collect()
}

fn options(folder: &Path, rotates: bool) -> Options {
    Options {
        inline_bytes_max: 1000,
        segment_bytes_max: if rotates { 1 } else { 1 << 30 },
        // The indexer's thread also seals, and a sealed file changes where a replay stands; that has tests of its own.
        index_interval: std::time::Duration::from_secs(3600),
        results_linger: std::time::Duration::ZERO,
        ..Options::new(folder)
    }
}

/// In memory where there is such a place: these histories ask for thousands of flushes, and test none.
fn folder_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn play(steps: Vec<Step>, rotates: bool) {
    let folder = folder_in_memory();
    let mut model = Model::default();
    let mut running = Running::open(options(folder.path(), rotates));
    for step in steps {
        match step {
            Step::Accept(outputs) => {
                let mut new = message(running.journal().next_id(), "MSH", &[]);
                if outputs.first().is_some_and(|output| output.payload == Some(0)) {
                    new.body = vec![7; 3000].into();
                }
                new.deliveries = new_deliveries(&outputs);
                model.accept(new.id, new.body.to_vec(), &outputs);
                let accepted = running.accept(new).unwrap();
                assert_eq!(accepted.seq, model.messages.len() as u64);
                assert_eq!(accepted.deliveries.end, model.next_delivery + 1);
            }
            Step::Record { delivery, stale, state } if !model.deliveries.is_empty() => {
                let seqs: Vec<u64> = model.deliveries.keys().copied().collect();
                let seq = seqs[delivery % seqs.len()];
                let current = model.deliveries[&seq].revision;
                let revision = if stale { current + 1 } else { current };
                model.record(seq, revision, STATES[state]);
                running.record(attempt(seq, revision, STATES[state])).unwrap();
            }
            Step::Replay { message, outputs, also_delivered } if !model.messages.is_empty() => {
                let message = message % model.messages.len();
                model.replay(message, &outputs, also_delivered);
                let replay = Reprocessed {
                    message_id: model.messages[message].id,
                    at_us: 3,
                    plan: "p2".into(),
                    fate: Fate::Routed,
                    reason: None,
                    deliveries: new_deliveries(&outputs),
                    also_delivered,
                    also_cancelled: false,
                    only: None,
                };
                running.reprocess(replay).unwrap();
            }
            Step::Reopen => {
                drop(running);
                agrees(&model, &Reader::open(folder.path()).unwrap());
                running = Running::open(options(folder.path(), rotates));
            }
            Step::Record { .. } | Step::Replay { .. } => {}
        }
    }
    agrees(&model, &running.journal().reader());
}

fn agrees(model: &Model, reader: &Reader) {
    for message in &model.messages {
        let stored = reader.message(message.id).unwrap().unwrap();
        assert_eq!((&stored.body, &stored.plan), (&message.body, &message.plan));
        let deliveries: BTreeMap<u64, ModelDelivery> =
            stored.deliveries.iter().map(|delivery| (delivery.seq, seen(message.id, delivery))).collect();
        let of_message = |(_, delivery): &(&u64, &ModelDelivery)| delivery.message == message.id;
        let expected: BTreeMap<u64, ModelDelivery> = model
            .deliveries
            .iter()
            .filter(of_message)
            .map(|(seq, delivery)| (*seq, delivery.clone()))
            .collect();
        assert_eq!(deliveries, expected);
    }
    let mut ledger: BTreeMap<(&str, DeliveryState), u64> = BTreeMap::new();
    for delivery in model.deliveries.values() {
        *ledger.entry((DESTINATIONS[delivery.destination], delivery.state)).or_default() += 1;
    }
    let counts = reader.counts().unwrap();
    let counted: BTreeMap<(&str, DeliveryState), u64> = counts
        .deliveries
        .iter()
        .map(|count| ((count.destination.as_str(), count.state), count.count))
        .collect();
    assert_eq!(counted, ledger);
    assert_eq!(counts.messages.iter().map(|count| count.count).sum::<u64>(), model.messages.len() as u64);
    // The model's messages are routed without deliveries too, and its deliveries delivered without an attempt.
    let is_the_models = |what: &str| what.contains("have no delivery") || what.contains("without an attempt");
    let balance = reader.balance(None).unwrap();
    assert!(balance.contradictions.iter().all(|one| is_the_models(one.what)), "{:?}", balance.contradictions);
    for (index, destination) in DESTINATIONS.iter().enumerate() {
        let waits = |delivery: &ModelDelivery| {
            delivery.destination == index && delivery.state == DeliveryState::Waiting
        };
        let expected: Vec<u64> =
            model.deliveries.iter().filter(|(_, delivery)| waits(delivery)).map(|(seq, _)| *seq).collect();
        assert_eq!(harness::waiting(reader, destination), expected);
    }
}

fn seen(message: u64, delivery: &StoredDelivery) -> ModelDelivery {
    ModelDelivery {
        message,
        destination: DESTINATIONS.iter().position(|name| *name == delivery.destination).unwrap(),
        part: delivery.part,
        state: delivery.state,
        payload: delivery.payload.clone(),
        attempts: delivery.attempts.len(),
        revision: delivery.revision,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_of_one_file_agrees(steps in steps()) {
        play(steps, false);
    }

    #[test]
    fn a_journal_that_rotates_at_every_commit_agrees(steps in steps()) {
        play(steps, true);
    }
}
