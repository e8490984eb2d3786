//! Delivery through the real binary: how fast a slow receiver is served, in order and by patient; and how an outage is made good.
//!
//! `cargo build --release && cargo bench -p orderly-tests --bench delivery -- slow [MESSAGES]` (4,000 unless told otherwise): a receiver that
//! takes 5 ms for each message, `fifo` and `per_patient` with 8 lanes, one destination and four, each of which gets all messages.
//! `... -- outage [MESSAGES]` (500,000): nobody listens while they arrive; then the receiver comes, and new messages go on arriving. For both
//! orders: the rates, the engine's memory, sampled, and whether anything came out of order, twice or not at all.
//!
//! Sender, engine and receiver share the machine, flushes are on, the journal lies in the system's temporary folder (set TMPDIR to measure
//! another disk). One source, an ADT of 1 KB about one of 256 patients, a mapping of five rules.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orderly_tests::measured::{self, root};
use orderly_transport::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, MllpListener, MllpListenerSettings, Received,
};
use orderly_transport::mllp_client::MllpClient;
use orderly_transport::mllp_frame::{self, Tally};
use serde_json::Value;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 32;
const PATIENTS_EACH: usize = 8;
/// How long a slow receiver takes for a message.
const SLOW: Duration = Duration::from_millis(5);
/// How many messages a second arrive while an outage is made good.
const MEANWHILE_A_SECOND: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() {
    // `cargo test --benches` and `cargo bench` pass flags of their own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let count = words.iter().find_map(|word| word.parse::<u64>().ok());
    let binary = root().join("target/release/orderly");
    assert!(binary.exists(), "{} is missing: run `cargo build --release` first", binary.display());
    if !words.iter().any(|word| word == "outage") {
        slow_receivers(&binary, count.unwrap_or(4_000)).await;
    }
    if !words.iter().any(|word| word == "slow") {
        for order in [Order::Fifo, Order::PerPatient] {
            outage(&binary, order, count.unwrap_or(500_000)).await;
        }
    }
}

#[derive(Clone, Copy)]
enum Order {
    Fifo,
    PerPatient,
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Order::Fifo => "fifo",
            Order::PerPatient => "per_patient",
        }
    }

    fn lanes(self) -> usize {
        match self {
            Order::Fifo => 1,
            Order::PerPatient => 8,
        }
    }
}

/// What is in order: what came in by one connection, and with lanes what is about one of its patients.
#[derive(Clone, Copy)]
struct Id {
    connection: usize,
    patient: usize,
    number: u64,
}

impl Id {
    fn text(self) -> String {
        format!("C{:02}P{:02}N{:08}", self.connection, self.patient, self.number)
    }

    /// The control id of a message that the sender below made.
    fn of(message: &[u8]) -> Id {
        let field = message.split(|byte| *byte == b'|').nth(9).expect("a control id");
        let digits = |range| std::str::from_utf8(&field[range]).expect("digits");
        let number = |range| digits(range).parse().expect("a number");
        Id { connection: number(1..3) as usize, patient: number(4..6) as usize, number: number(7..15) }
    }
}

/// A receiver, or several at one address.
struct Ward {
    order: Order,
    takes: Duration,
    seen: Mutex<Seen>,
    arrived: AtomicU64,
}

struct Seen {
    last: Vec<u64>,
    repeats: u64,
    order_breaks: u64,
    times: Option<(Instant, Instant)>,
    /// How long the receiver took in all.
    taken: Duration,
}

impl Ward {
    /// Opens it at an address that is free.
    async fn open(address: SocketAddr, order: Order, takes: Duration) -> (Arc<Ward>, SocketAddr) {
        let seen = Seen {
            last: vec![0; CONNECTIONS * PATIENTS_EACH],
            repeats: 0,
            order_breaks: 0,
            times: None,
            taken: Duration::ZERO,
        };
        let ward = Arc::new(Ward { order, takes, seen: Mutex::new(seen), arrived: AtomicU64::new(0) });
        let listener = MllpListener::bind(MllpListenerSettings::new(address)).await.expect("a free port");
        let address = listener.local_addr();
        tokio::spawn(listener.run(ward.clone(), std::future::pending()));
        (ward, address)
    }

    fn note(&self, id: Id) {
        let mut seen = self.seen.lock().expect("nobody panics with it");
        let now = Instant::now();
        seen.times = Some((seen.times.map_or(now, |(first, _)| first), now));
        let lane = match self.order {
            Order::Fifo => id.connection * PATIENTS_EACH,
            Order::PerPatient => id.connection * PATIENTS_EACH + id.patient,
        };
        let last = seen.last[lane];
        match id.number.cmp(&last) {
            std::cmp::Ordering::Greater => {
                seen.last[lane] = id.number;
                self.arrived.fetch_add(1, Relaxed);
            }
            std::cmp::Ordering::Equal => seen.repeats += 1,
            std::cmp::Ordering::Less => seen.order_breaks += 1,
        }
    }

    async fn wait_for(&self, count: u64) {
        let began = Instant::now();
        while self.arrived.load(Relaxed) < count {
            assert!(began.elapsed() < PATIENCE, "only {} of {count} came", self.arrived.load(Relaxed));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Messages a second, from the first to the last.
    fn rate(&self) -> f64 {
        let (first, last) = self.seen.lock().expect("nobody panics").times.expect("messages");
        (self.arrived.load(Relaxed) - 1) as f64 / (last - first).as_secs_f64()
    }
}

impl Handler for Ward {
    async fn message(&self, received: Received) -> Answer {
        let began = Instant::now();
        let id = Id::of(&received.bytes);
        self.note(id);
        if !self.takes.is_zero() {
            // The runtime's own clock counts whole milliseconds.
            let takes = self.takes;
            tokio::task::spawn_blocking(move || std::thread::sleep(takes)).await.expect("it sleeps");
        }
        let id = id.text();
        let answer =
            format!("MSH|^~\\&|EHR|EHR|ORDERLY|HUB|20260305141501||ACK|A{id}|P|2.5.1\rMSA|AA|{id}\r");
        self.seen.lock().expect("nobody panics with it").taken += began.elapsed();
        Answer::one(answer.into_bytes())
    }

    async fn problem(&self, _: FrameProblem) -> Option<Vec<u8>> {
        None
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, _: ConnectionEvent) {}
}

async fn slow_receivers(binary: &Path, count: u64) {
    println!(
        "order        lanes  destinations  messages  a second each  of 1 lane's  of the possible  repeats, out of order"
    );
    let mut alone = f64::NAN;
    for (order, destinations) in
        [(Order::Fifo, 1), (Order::Fifo, 4), (Order::PerPatient, 1), (Order::PerPatient, 4)]
    {
        let mut wards = Vec::new();
        for _ in 0..destinations {
            wards.push(Ward::open((Ipv4Addr::LOCALHOST, 0).into(), order, SLOW).await);
        }
        let addresses: Vec<_> = wards.iter().map(|(_, address)| *address).collect();
        let engine = Engine::start(binary, order, &addresses);
        // As long for each: what is faster gets more.
        let count = count * order.lanes() as u64 / 8;
        Feed::new(engine.address, 0, Some(count)).send().await;
        for (ward, _) in &wards {
            ward.wait_for(count).await;
        }
        let rates = wards.iter().map(|(ward, _)| ward.rate());
        let rate = rates.sum::<f64>() / destinations as f64;
        if order.lanes() == 1 && destinations == 1 {
            alone = rate;
        }
        let taken: Duration = wards.iter().map(|(ward, _)| ward.seen.lock().expect("no panic").taken).sum();
        let possible = order.lanes() as f64 / (taken.as_secs_f64() / (count * destinations) as f64);
        println!(
            "{:<11} {:>6} {destinations:>13} {count:>9} {rate:>14.0} {:>12.2} {:>15.0}% {:>22}",
            order.name(),
            order.lanes(),
            rate / alone,
            100.0 * rate / possible,
            faults(wards.iter().map(|(ward, _)| &**ward))
        );
    }
}

async fn outage(binary: &Path, order: Order, count: u64) {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr();
    let address = address.expect("its address");
    let mut engine = Engine::start(binary, order, &[address]);
    println!("{}, {count} messages while nobody listens", order.name());
    let began = Instant::now();
    Feed::new(engine.address, 0, Some(count)).send().await;
    println!("  in, messages a second   {:>10.0}", count as f64 / began.elapsed().as_secs_f64());
    println!("  engine, peak memory     {:>10.1} MB", engine.take_peak());

    let (ward, _) = Ward::open(address, order, Duration::ZERO).await;
    ward.wait_for(1).await;
    let began = Instant::now();
    // New messages come until the backlog is gone.
    let feed = Feed::new(engine.address, count, None);
    let is_over = feed.is_over.clone();
    let meanwhile = tokio::spawn(feed.send());
    ward.wait_for(count).await;
    let seconds = began.elapsed().as_secs_f64();
    is_over.store(true, Relaxed);
    let all = meanwhile.await.expect("the sender ends");
    ward.wait_for(all).await;
    println!("  new ones meanwhile      {:>10}   ({MEANWHILE_A_SECOND} a second)", all - count);
    println!("  out, messages a second  {:>10.0}   ({count} in {seconds:.1} s)", count as f64 / seconds);
    println!("  all delivered after     {:>10.1} s", began.elapsed().as_secs_f64());
    println!("  engine, peak memory     {:>10.1} MB", engine.take_peak());
    println!("  repeats, out of order   {:>10}", faults([&*ward]));
}

/// What came twice, and what came too late. That nothing is missing was waited for.
fn faults<'w>(wards: impl IntoIterator<Item = &'w Ward>) -> String {
    let (mut repeats, mut order_breaks) = (0, 0);
    for ward in wards {
        let seen = ward.seen.lock().expect("nobody panics with it");
        repeats += seen.repeats;
        order_breaks += seen.order_breaks;
    }
    format!("{repeats} {order_breaks}")
}

/// What is to be sent.
#[derive(Clone)]
struct Feed {
    to: SocketAddr,
    /// So many were sent before; their numbers are taken.
    first: u64,
    /// Which one is the next.
    next: Arc<AtomicU64>,
    /// Where it ends; without it messages come at a rate until it is stopped.
    end: Option<u64>,
    is_over: Arc<AtomicBool>,
}

impl Feed {
    fn new(to: SocketAddr, first: u64, end: Option<u64>) -> Feed {
        Feed { to, first, next: Arc::new(first.into()), end, is_over: Arc::default() }
    }

    /// The place of the next message; nothing when there is none.
    fn take(&self) -> Option<u64> {
        if self.is_over.load(Relaxed) {
            return None;
        }
        let more = |place| self.end.is_none_or(|end| place < end).then_some(place + 1);
        self.next.fetch_update(Relaxed, Relaxed, more).ok()
    }

    /// Sends over all connections, each of which waits for its answers; gives how many there are now.
    async fn send(self) -> u64 {
        let sample = fs::read_to_string(root().join("samples/load/adt_1kb.hl7")).expect("the sample");
        assert!(sample.contains("|LOAD000001|") && sample.contains("|304471^"));
        let connections = (0..CONNECTIONS).map(|connection| self.clone().send_on(connection, sample.clone()));
        connections.collect::<JoinSet<()>>().join_all().await;
        self.next.load(Relaxed)
    }

    async fn send_on(self, connection: usize, sample: String) {
        let mut client = MllpClient::connect(&self.to.to_string(), PATIENCE).await.expect("the engine");
        let began = tokio::time::Instant::now();
        let mut frame = Vec::new();
        while let Some(place) = self.take() {
            if self.end.is_none() {
                let due = (place - self.first) as f64 / MEANWHILE_A_SECOND as f64;
                tokio::time::sleep_until(began + Duration::from_secs_f64(due)).await;
            }
            // Places are taken in order, so that a connection's numbers increase.
            let id = Id { connection, patient: place as usize % PATIENTS_EACH, number: place + 1 };
            let patient = format!("|{connection:02}{:02}^", id.patient);
            let message = sample
                .replacen("|LOAD000001|", &format!("|{}|", id.text()), 1)
                .replacen("|304471^", &patient, 1);
            frame.clear();
            mllp_frame::encode(message.as_bytes(), &mut frame);
            let deadline = tokio::time::Instant::now() + PATIENCE;
            client.send(&frame, deadline).await.expect("it takes it");
            let answer = client.receive(deadline).await.expect("it answers");
            assert!(answer.windows(4).any(|bytes| bytes == b"|AA|"), "{}", answer.escape_ascii());
        }
    }
}

/// The engine, its site, and how much memory it has had.
struct Engine {
    child: Child,
    address: SocketAddr,
    peak: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl Engine {
    fn start(binary: &Path, order: Order, destinations: &[SocketAddr]) -> Engine {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_site(folder.path(), order, destinations);
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(folder.path().join("orderly.yaml")).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the engine starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        let listening = |line: String| {
            let event: Value = serde_json::from_str(&line).ok()?;
            (event["message"] == "listening").then(|| event["address"].as_str()?.parse().ok()).flatten()
        };
        let address = log.by_ref().map_while(Result::ok).find_map(listening).expect("the engine listens");
        // Whatever it logs from now on must not fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        let peak = Arc::new(AtomicU64::new(0));
        std::thread::spawn({
            let (peak, pid) = (peak.clone(), child.id());
            move || {
                while let Some(kilobytes) = memory_kb(pid) {
                    peak.fetch_max(kilobytes, Relaxed);
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        });
        Engine { child, address, peak, _folder: folder }
    }

    /// The most memory since it was asked last, in megabytes.
    fn take_peak(&mut self) -> f64 {
        self.peak.swap(0, Relaxed) as f64 * 1024.0 / 1e6
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The memory that a process has resident now; nothing when it has ended.
fn memory_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn write_site(folder: &Path, order: Order, destinations: &[SocketAddr]) {
    let mut site =
        "site: delivery\nsources:\n  feed:\n    mllp:\n      listen: 127.0.0.1:0\ndestinations:\n".to_owned();
    let mut route = "route: feed\nfrom: feed\nto:\n".to_owned();
    for (number, address) in destinations.iter().enumerate() {
        site += &format!(
            "  ehr{number}:\n    order: {}\n    retry: {{ then: 1s }}\n    mllp:\n      address: {address}\n",
            order.name()
        );
        route += &format!("  - destination: ehr{number}\n    mapping: five-rules\n");
    }
    measured::write_site(folder, &site, &route);
}
