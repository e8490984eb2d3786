//! What benchmarks of delivery share: a sender with many connections, and a receiver that knows what came twice and what out of order.
//!
//! What always holds: each connection sends its next message when the last one is answered, with a number larger than all before; so within a
//! connection, or with lanes for each of its patients, numbers that do not grow are repeats or breaks of the order.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orderly_transport::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, MllpListener, MllpListenerSettings, Received,
};
use orderly_transport::mllp_client::MllpClient;
use orderly_transport::mllp_frame::{self, Tally};
use tokio::task::JoinSet;

use crate::measured::root;

/// How many connections send.
pub const CONNECTIONS: usize = 32;

const PATIENTS_EACH: usize = 8;

/// How many messages a second arrive while an outage is made good.
pub const MEANWHILE_A_SECOND: u64 = 1_000;

/// How long nothing may arrive.
const PATIENCE: Duration = Duration::from_secs(600);

/// A destination's order.
#[derive(Clone, Copy)]
pub enum Order {
    /// One after the other.
    Fifo,
    /// Each patient's one after the other.
    PerPatient,
}

impl Order {
    /// As the configuration has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Order::Fifo => "fifo",
            Order::PerPatient => "per_patient",
        }
    }

    /// How many it sends at a time, unless the configuration says otherwise.
    #[must_use]
    pub fn lanes(self) -> usize {
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
pub struct Ward {
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
    /// Opens it at an address that is free; each message takes it so long.
    pub async fn open(address: SocketAddr, order: Order, takes: Duration) -> (Arc<Ward>, SocketAddr) {
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

    /// How many have arrived, each counted once.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Relaxed)
    }

    /// Waits until so many have arrived.
    pub async fn wait_for(&self, count: u64) {
        let (mut arrived, mut since) = (0, Instant::now());
        while arrived < count {
            assert!(since.elapsed() < PATIENCE, "only {arrived} of {count} came");
            if self.arrived() > arrived {
                (arrived, since) = (self.arrived(), Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Messages a second, from the first to the last.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let (first, last) = self.seen.lock().expect("nobody panics").times.expect("messages");
        (self.arrived() - 1) as f64 / (last - first).as_secs_f64()
    }

    /// How long it took for all messages together.
    #[must_use]
    pub fn taken(&self) -> Duration {
        self.seen.lock().expect("nobody panics with it").taken
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

/// What came twice, and what came too late. That nothing is missing was waited for.
pub fn faults<'w>(wards: impl IntoIterator<Item = &'w Ward>) -> String {
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
pub struct Feed {
    to: SocketAddr,
    /// So many were sent before; their numbers are taken.
    first: u64,
    /// Which one is the next.
    next: Arc<AtomicU64>,
    /// Where it ends; without it messages come at a rate until it is stopped.
    end: Option<u64>,
    /// Set to end it.
    pub is_over: Arc<AtomicBool>,
}

impl Feed {
    /// To this address, after so many that were sent before, up to a number or until it is ended.
    #[must_use]
    pub fn new(to: SocketAddr, first: u64, end: Option<u64>) -> Feed {
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
    pub async fn send(self) -> u64 {
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
