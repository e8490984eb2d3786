//! The journal alone on a disk that forgets and fails: what it answered positively is there after every power cut.
//!
//! Faster and with more detail than an engine on the same disk: contents beside the file, replays, results and rotation, a seed a round.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use orderly_journal::{
    AttemptOutcome, AttemptRecord, CommitError, DeliveryState, Fate, Journal, Key, KeyKind, KeyMatch, Match,
    NewDelivery, NewMessage, Options, Place, Query, Reprocessed,
};
use orderly_tests::faulty_disk::{Fault, FaultyDisk};

const LIVES: usize = 3;
const MESSAGES_IN_A_LIFE: usize = 60;

#[test]
fn everything_answered_positively_survives_power_cuts() {
    for seed in 0..150 {
        round(seed, false, &[]).unwrap_or_else(|lost| panic!("seed {seed}: {lost}"));
    }
}

#[test]
fn everything_answered_positively_survives_failing_writes_and_flushes() {
    let faults = [Fault::WriteError, Fault::ShortWrite, Fault::Full, Fault::FlushError];
    for seed in 0..150 {
        round(seed, false, &faults).unwrap_or_else(|lost| panic!("seed {seed}: {lost}"));
    }
}

#[test]
fn a_disk_that_lies_about_flushes_is_seen_to_lose() {
    let lost = (0..20).filter(|seed| round(*seed, true, &[]).is_err()).count();
    assert!(lost >= 15, "only {lost} of 20 rounds lost something: the harness does not see");
}

/// What the journal has said.
#[derive(Default)]
struct Promised {
    /// Message id to the first byte of its body; all its bytes are equal.
    messages: BTreeMap<u64, (u8, usize)>,
    /// Deliveries whose result was recorded.
    delivered: Vec<(u64, u64)>,
    /// Messages whose replay was recorded, with the payload it made.
    replayed: BTreeMap<u64, (u8, usize)>,
}

fn round(seed: u64, lies: bool, faults: &[Fault]) -> Result<(), String> {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).map_err(text)?;
    let disk = FaultyDisk::new(seed);
    if lies {
        disk.lie_about_flushes();
    }
    let mut random = Random(seed);
    let mut promised = Promised::default();
    for _ in 0..LIVES {
        for fault in faults {
            disk.fail_sometimes(*fault, random.below(20));
        }
        disk.cut_power_after(50 + random.below(1500));
        live(folder.path(), &disk, &mut random, &mut promised);
        disk.cut_power();
        disk.heal();
        disk.reboot().map_err(text)?;
        check(folder.path(), &disk, &promised)?;
    }
    Ok(())
}

fn options(folder: &Path, disk: &FaultyDisk) -> Options {
    Options {
        vfs: Some(disk.vfs().to_owned()),
        file_store: Arc::new(disk.clone()),
        inline_bytes_max: 2000,
        segment_bytes_max: 200 << 10,
        index_interval: Duration::from_millis(1),
        retention_interval: Duration::from_millis(5),
        results_linger: Duration::ZERO,
        ..Options::new(folder)
    }
}

/// A journal with its threads.
struct Open {
    journal: Journal,
    threads: Vec<JoinHandle<()>>,
}

impl Open {
    fn new(folder: &Path, disk: &FaultyDisk) -> Result<Open, String> {
        let (journal, writer, indexer) = orderly_journal::open(options(folder, disk)).map_err(text)?;
        let threads = vec![std::thread::spawn(|| writer.run()), std::thread::spawn(|| indexer.run())];
        Ok(Open { journal, threads })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.journal.close();
        for thread in self.threads.drain(..) {
            thread.join().expect("no fault of a disk ends a thread");
        }
    }
}

/// Uses a journal until the power goes, or for a while.
fn live(folder: &Path, disk: &FaultyDisk, random: &mut Random, promised: &mut Promised) {
    // The power may go before it is open.
    let Ok(open) = Open::new(folder, disk) else { return };
    for _ in 0..MESSAGES_IN_A_LIFE {
        if !disk.is_powered() {
            return;
        }
        let id = open.journal.next_id();
        let (byte, size) = (random.below(250) as u8, 100 + random.below(4000) as usize);
        let accepted = answer(|done| open.journal.accept(message(id, byte, size), done));
        let Ok(accepted) = accepted else { continue };
        promised.messages.insert(id, (byte, size));
        let replays = random.below(4) == 0;
        if replays && answer(|done| open.journal.reprocess(replay(id, byte ^ 1, size), done)).is_ok() {
            promised.replayed.insert(id, (byte ^ 1, size));
        }
        let revision = u32::from(promised.replayed.contains_key(&id));
        let seq = accepted.deliveries.start;
        if random.below(3) > 0 && answer(|done| open.journal.record(attempt(seq, revision), done)).is_ok() {
            promised.delivered.push((id, seq));
        }
    }
}

fn check(folder: &Path, disk: &FaultyDisk, promised: &Promised) -> Result<(), String> {
    let open = Open::new(folder, disk)?;
    let reader = open.journal.reader();
    for (id, (byte, size)) in &promised.messages {
        let stored = reader.message(*id).map_err(text)?.ok_or_else(|| format!("message {id} is gone"))?;
        if stored.body != vec![*byte; *size] {
            return Err(format!("message {id} has another body"));
        }
        let payload = stored.deliveries.first().and_then(|delivery| delivery.payload.clone());
        let (byte, size) = promised.replayed.get(id).copied().unwrap_or((*byte, *size));
        // A replay answered negatively may have happened all the same.
        let replayed = payload == Some(vec![byte ^ 1; size]) && !promised.replayed.contains_key(id);
        if payload != Some(vec![byte; size]) && !replayed {
            return Err(format!("message {id} has another payload"));
        }
        let keys = vec![KeyMatch { kind: KeyKind::ControlId, value: format!("c{id}"), match_: Match::Exact }];
        let found = reader.search(&Query { keys, limit: 2, ..Query::default() }).map_err(text)?;
        if found.iter().map(|summary| summary.id).ne([*id]) {
            return Err(format!("message {id} is not found"));
        }
    }
    for (id, seq) in &promised.delivered {
        let stored = reader.message(*id).map_err(text)?.ok_or_else(|| format!("message {id} is gone"))?;
        let attempts =
            stored.deliveries.iter().find(|delivery| delivery.seq == *seq).map(|one| one.attempts.len());
        if attempts.unwrap_or(0) == 0 {
            return Err(format!("the result of delivery {seq} is gone"));
        }
    }
    let counted: u64 = reader.counts().map_err(text)?.messages.iter().map(|count| count.count).sum();
    let all = reader.search(&Query { limit: 100_000, ..Query::default() }).map_err(text)?.len();
    if counted != all as u64 || all < promised.messages.len() {
        return Err(format!("the ledger has {counted} messages, the journal {all}"));
    }
    Ok(())
}

fn answer<T: Send + 'static>(
    ask: impl FnOnce(Box<dyn FnOnce(Result<T, CommitError>) + Send>),
) -> Result<T, CommitError> {
    let (send, receive) = mpsc::channel();
    ask(Box::new(move |result| send.send(result).unwrap_or_default()));
    receive.recv_timeout(Duration::from_secs(60)).expect("every request is answered")
}

fn message(id: u64, byte: u8, size: usize) -> NewMessage {
    let body: Arc<[u8]> = vec![byte; size].into();
    NewMessage {
        id,
        source: "emr".into(),
        accepted_at_us: id as i64,
        format: "hl7v2".into(),
        message_type: "ADT".into(),
        event: "A01".into(),
        control_id: format!("C{id}"),
        fate: Fate::Routed,
        reason: None,
        plan: "p1".into(),
        origin: None,
        identity: None,
        keys: vec![Key { kind: KeyKind::ControlId, value: format!("C{id}") }],
        deliveries: vec![delivery(&body)],
        body,
    }
}

fn delivery(payload: &Arc<[u8]>) -> NewDelivery {
    NewDelivery {
        route: "r".into(),
        destination: "ehr".into(),
        state: DeliveryState::Waiting,
        reason: None,
        unmapped: None,
        payload: Some(Arc::clone(payload)),
        control_id: None,
        target: None,
        place: Place::default(),
    }
}

fn replay(message_id: u64, byte: u8, size: usize) -> Reprocessed {
    Reprocessed {
        message_id,
        at_us: 1,
        plan: "p2".into(),
        fate: Fate::Routed,
        reason: None,
        deliveries: vec![delivery(&vec![byte; size].into())],
        also_delivered: false,
        only: None,
    }
}

fn attempt(delivery: u64, revision: u32) -> AttemptRecord {
    AttemptRecord {
        delivery,
        revision,
        since_us: None,
        at_us: 1,
        duration_us: 1,
        outcome: Some(AttemptOutcome::Delivered),
        code: Some("AA".into()),
        text: None,
        answer: b"AA".to_vec(),
        state: DeliveryState::Delivered,
        reason: None,
        next_attempt_at_us: None,
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Chance from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
