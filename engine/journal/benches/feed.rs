//! How fast a journal takes in a feed: acceptances, deliveries read back, results recorded, keys indexed, all at once.
//!
//! `cargo bench -p orderly-journal [-- MESSAGES]`. Prints the latency of a lone commit beside that of a plain append and
//! fdatasync of the same bytes, then a closed loop of 32 senders that wait for each answer, with one worker that reads what waits
//! and records a result for each. Rates are given for each tenth of the run, so that slowing down shows.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use orderly_journal::*;

const SENDERS: u64 = 32;
const BODY_BYTES: usize = 1024;
const LONE_COMMITS: usize = 2000;
const MESSAGES: u64 = 300_000;
const DESTINATION: &str = "ehr";

fn main() {
    let messages = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(MESSAGES);
    let folder = match std::env::var_os("BENCH_FOLDER") {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir_in(".").unwrap(),
    };
    plain_append(folder.path());
    lone_commits(&folder.path().join("lone"));
    feed(&folder.path().join("feed"), messages);
}

fn plain_append(folder: &Path) {
    let mut file = File::create(folder.join("append")).unwrap();
    let bytes = body(0);
    report_latencies("append + fdatasync", || {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    });
}

fn lone_commits(folder: &Path) {
    let journal = Running::open(folder);
    let (send, receive) = mpsc::channel();
    report_latencies("commit of one message", || {
        let send = send.clone();
        let message = message(journal.journal.next_id());
        journal.journal.accept(message, move |result| send.send(result.map(drop)).unwrap());
        receive.recv().unwrap().unwrap();
    });
}

fn report_latencies(what: &str, mut once: impl FnMut()) {
    let mut took: Vec<Duration> = (0..LONE_COMMITS)
        .map(|_| {
            let began = Instant::now();
            once();
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    println!("{what:24} p50 {:>9.1?}  p90 {:>9.1?}  p99 {:>9.1?}", at(50), at(90), at(99));
}

fn feed(folder: &Path, messages: u64) {
    let running = Running::open(folder);
    let worker = Worker::start(&running.journal, messages);
    let cpu = cpu_time();
    let began = Instant::now();
    send_all(&running.journal, messages);
    let accepted = began.elapsed();
    worker.join().unwrap();
    let delivered = began.elapsed();
    let cpu = cpu_time() - cpu;
    for (thread, used) in cpu_by_thread() {
        println!("  thread {thread:12} {:>5.1} us CPU a message", used.as_secs_f64() * 1e6 / messages as f64);
    }
    println!(
        "feed of {messages}: accepted {:.0}/s, delivered {:.0}/s, {:.1} us CPU a message, {} MB resident, {} MB on disk",
        messages as f64 / accepted.as_secs_f64(),
        messages as f64 / delivered.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / messages as f64,
        resident_mb(),
        size_mb(folder),
    );
    search_while_there(&running.journal, messages);
}

/// Each sender has one message under way; the answer to it sends the next.
fn send_all(journal: &Journal, messages: u64) {
    let (send, receive) = mpsc::channel();
    for _ in 0..SENDERS {
        send.send(()).unwrap();
    }
    let mut tenth = Instant::now();
    for n in 0..messages {
        receive.recv().unwrap();
        let send = send.clone();
        journal.accept(message(journal.next_id()), move |result| {
            result.unwrap();
            send.send(()).unwrap();
        });
        if (n + 1) % (messages / 10) == 0 {
            println!(
                "  {:>8} accepted, {:.0}/s",
                n + 1,
                messages as f64 / 10.0 / tenth.elapsed().as_secs_f64()
            );
            tenth = Instant::now();
        }
    }
    for _ in 0..SENDERS {
        receive.recv().unwrap();
    }
}

/// Reads what waits and records it delivered, as a queue would, with at most 32 results not yet on disk.
struct Worker;

impl Worker {
    fn start(journal: &Journal, messages: u64) -> std::thread::JoinHandle<()> {
        let (wake, woken) = mpsc::channel();
        journal.subscribe(move |_| wake.send(()).unwrap_or_default());
        let journal = journal.clone();
        std::thread::spawn(move || {
            let reader = journal.reader();
            let recorded = Arc::new(AtomicU64::new(0));
            let (mut after, mut sent) = (0, 0);
            while sent < messages {
                let waiting = reader.waiting(&query(after)).unwrap().deliveries;
                if waiting.is_empty() {
                    let _ = woken.recv_timeout(Duration::from_millis(100));
                    continue;
                }
                for delivery in waiting {
                    after = delivery.seq;
                    sent += 1;
                    while sent - recorded.load(Ordering::Acquire) > 64 {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    let recorded = Arc::clone(&recorded);
                    let outgoing = reader.outgoing(delivery.seq).unwrap().unwrap();
                    journal.record(attempt(delivery.seq, &outgoing), move |result| {
                        result.unwrap();
                        recorded.fetch_add(1, Ordering::Release);
                    });
                }
            }
            while recorded.load(Ordering::Acquire) < messages {
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    }
}

fn search_while_there(journal: &Journal, messages: u64) {
    let reader = journal.reader();
    let key = |kind, value: String| KeyMatch { kind, value, match_: Match::Exact };
    for (what, key) in [
        ("first message", key(KeyKind::ControlId, "MSG1".into())),
        ("last message", key(KeyKind::ControlId, format!("MSG{messages}"))),
        ("a patient", key(KeyKind::PatientId, format!("{}", patient(7)))),
    ] {
        let began = Instant::now();
        let found = reader.search(&Query { keys: vec![key], limit: 50, ..Query::default() }).unwrap();
        println!("search for {what}: {} found in {:.1?}", found.len(), began.elapsed());
    }
}

struct Running {
    journal: Journal,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    fn open(folder: &Path) -> Running {
        let (journal, writer, indexer) = open(Options::new(folder)).unwrap();
        let named = |name: &str| std::thread::Builder::new().name(name.into());
        let threads = vec![
            named("writer").spawn(|| writer.run()).unwrap(),
            named("indexer").spawn(|| indexer.run()).unwrap(),
        ];
        Running { journal, threads }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.journal.close();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn message(id: u64) -> NewMessage {
    let key = |kind, value: String| Key { kind, value };
    let patient = patient(id);
    let payload: Arc<[u8]> = body(id + 1).into();
    NewMessage {
        id,
        source: "emr".into(),
        accepted_at_us: 1_700_000_000_000_000 + id as i64,
        format: "hl7v2".into(),
        message_type: "ADT".into(),
        event: "A08".into(),
        control_id: format!("MSG{id}"),
        fate: Fate::Routed,
        reason: None,
        plan: "0123456789abcdef".into(),
        origin: None,
        identity: None,
        body: body(id).into(),
        keys: vec![
            key(KeyKind::ControlId, format!("MSG{id}")),
            key(KeyKind::PatientId, patient.to_string()),
            key(KeyKind::PatientName, format!("family{} given{}", patient % 5003, patient % 307)),
            key(KeyKind::Accession, format!("ACC{}", scatter(id + 1))),
            key(KeyKind::OrderNumber, format!("ORD{}", scatter(id + 2))),
            key(KeyKind::Visit, format!("V{}", scatter(id + 3) % 200_000)),
        ],
        deliveries: vec![NewDelivery {
            route: "adt".into(),
            destination: DESTINATION.into(),
            state: DeliveryState::Waiting,
            reason: None,
            unmapped: None,
            payload: Some(payload),
            control_id: Some(format!("MSG{id}")),
            target: None,
            place: Place { lanes: Arc::new([patient]), ..Place::default() },
        }],
    }
}

fn query(after: u64) -> WaitingQuery<'static> {
    WaitingQuery { destination: DESTINATION, class: Place::USUAL, after, limit: 64, parked: false }
}

fn attempt(delivery: u64, outgoing: &Outgoing) -> AttemptRecord {
    AttemptRecord {
        delivery,
        revision: outgoing.revision,
        since_us: outgoing.since_us,
        at_us: 1_700_000_000_000_000,
        duration_us: 300,
        outcome: Some(AttemptOutcome::Delivered),
        code: Some("AA".into()),
        text: None,
        answer: vec![b'a'; 80],
        state: DeliveryState::Delivered,
        reason: None,
        next_attempt_at_us: None,
    }
}

/// A body of the usual size, cheap to make, that differs from message to message.
fn body(id: u64) -> Vec<u8> {
    let mut bytes = vec![b'|'; BODY_BYTES];
    for (place, n) in bytes.chunks_exact_mut(8).zip(id..) {
        place.copy_from_slice(&scatter(n).to_le_bytes());
    }
    bytes
}

fn patient(id: u64) -> u64 {
    scatter(id) % 100_000
}

/// Spreads numbers evenly (the finalizer of splitmix64).
fn scatter(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Processor time of this process so far. The kernel counts it in hundredths of a second.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|n| fields.get(*n)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Processor time of each living thread; the threads of the feed are as old as the feed.
fn cpu_by_thread() -> Vec<(String, Duration)> {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| {
            let task = task.unwrap().path();
            let name = std::fs::read_to_string(task.join("comm")).ok()?;
            let nanoseconds = std::fs::read_to_string(task.join("schedstat")).ok()?;
            let nanoseconds = nanoseconds.split_whitespace().next()?.parse().ok()?;
            Some((name.trim().to_owned(), Duration::from_nanos(nanoseconds)))
        })
        .collect()
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn size_mb(folder: &Path) -> u64 {
    let files: Vec<PathBuf> =
        std::fs::read_dir(folder.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.iter().map(|file| file.metadata().unwrap().len()).sum::<u64>() >> 20
}
