//! Senders and a receiver for the crash tests: they remember what they were told, so that afterwards the promise of the
//! engine can be checked from the outside.
//!
//! A control id is sent once only: a sender that got no positive answer goes on with a new one. So what is received and
//! what is stored can be compared message by message. A control id begins with its patient's number.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orderly_hl7v2::read_reply;
use orderly_journal::{Query, Reader};
use orderly_queue::line::Order;
use orderly_transport::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, MllpListener, MllpListenerSettings, Received,
};
use orderly_transport::mllp_client::MllpClient;
use orderly_transport::mllp_frame::{self, Tally};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::peers::{admission_of, control_id};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many patients the messages are about, in turn, on whichever connection: few, so that each has several messages waiting.
const PATIENTS: usize = 4;

/// The most deliveries whose result may be unknown when an engine ends, and which may come again.
const UNKNOWN_MAX: usize = 64;

/// Sends over several connections, stop-and-wait each, until `stop`; gives the control ids that were answered
/// positively.
pub async fn feed(
    address: SocketAddr,
    name: &str,
    connections: usize,
    stop: watch::Receiver<bool>,
) -> Vec<String> {
    let mut senders = JoinSet::new();
    for connection in 0..connections {
        senders.spawn(send_on(address, name.to_owned(), connection, stop.clone()));
    }
    senders.join_all().await.into_iter().flatten().collect()
}

async fn send_on(
    address: SocketAddr,
    name: String,
    connection: usize,
    mut stop: watch::Receiver<bool>,
) -> Vec<String> {
    let mut accepted = Vec::new();
    let mut client = None;
    let mut number = 0;
    while !*stop.borrow() {
        number += 1;
        let id = format!("{name}P{}C{connection}N{number}", number % PATIENTS);
        let stopped = async {
            // An error means that whoever would say stop is gone.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let positive = tokio::select! {
            // What is on its way when it stops stays unknown.
            () = stopped => break,
            positive = exchange(&mut client, address, &id) => positive,
        };
        if positive {
            accepted.push(id);
        } else {
            // The engine may be gone: that must not take the processor from the rest of the test.
            tokio::task::yield_now().await;
        }
    }
    accepted
}

/// Whether the message was answered positively.
async fn exchange(client: &mut Option<MllpClient>, address: SocketAddr, id: &str) -> bool {
    let mut connection = match client.take() {
        Some(connection) => connection,
        None => match MllpClient::connect(&address.to_string(), PATIENCE).await {
            Ok(connection) => connection,
            Err(_) => return false,
        },
    };
    let mut frame = Vec::new();
    mllp_frame::encode(&admission_of(patient(id), id), &mut frame);
    let deadline = Instant::now() + PATIENCE;
    if connection.send(&frame, deadline).await.is_err() {
        return false;
    }
    let Ok(answer) = connection.receive(deadline).await else { return false };
    *client = Some(connection);
    let Ok(reply) = read_reply(&answer) else { return false };
    reply.code.is_some_and(|code| code.as_str() == "AA") && reply.control_id == id
}

/// The patient of a message that was sent here, who stands before the connection; any other id is its own.
fn patient(id: &str) -> &str {
    id.rsplit_once('C').map_or(id, |(patient, _)| patient)
}

/// A receiving system that outlives the engines it receives from.
pub struct Hospital {
    /// Where it listens.
    pub address: SocketAddr,
    ward: Arc<Ward>,
    task: JoinHandle<()>,
}

struct Ward {
    received: Mutex<Log>,
    distinct: watch::Sender<usize>,
    whims: Mutex<fastrand::Rng>,
    faults_percent: u8,
}

#[derive(Default)]
struct Log {
    first: Vec<String>,
    seen: HashSet<String>,
    /// Taken and not answered: they have to come again.
    unanswered: HashSet<String>,
    /// How many others came again.
    repeats: usize,
}

impl Hospital {
    /// Opens on a free port. So many of a hundred messages meet a whim: the connection is closed without an answer,
    /// before or after the message was taken, or a foreign answer comes first.
    pub async fn open(seed: u64, faults_percent: u8) -> Hospital {
        let settings = MllpListenerSettings::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = MllpListener::bind(settings).await.expect("a free port");
        let ward = Arc::new(Ward {
            received: Mutex::default(),
            distinct: watch::Sender::new(0),
            whims: Mutex::new(fastrand::Rng::with_seed(seed)),
            faults_percent,
        });
        let address = listener.local_addr();
        let task = tokio::spawn(listener.run(ward.clone(), std::future::pending()));
        Hospital { address, ward, task }
    }

    /// Control ids in the order of their first arrival.
    #[must_use]
    pub fn first_arrivals(&self) -> Vec<String> {
        self.ward.log(|log| log.first.clone())
    }

    /// How many messages came again although they had been answered.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.ward.log(|log| log.repeats)
    }

    /// Waits until so many different messages arrived.
    pub async fn wait_for(&self, count: usize) -> Result<(), String> {
        let mut distinct = self.ward.distinct.subscribe();
        let arrived = tokio::time::timeout(PATIENCE, distinct.wait_for(|distinct| *distinct >= count)).await;
        match arrived {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("only {} of {count} messages arrived", *self.ward.distinct.borrow())),
        }
    }
}

impl Drop for Hospital {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ward {
    fn log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, id: &str, is_answered: bool) {
        let distinct = self.log(|log| {
            if log.seen.insert(id.to_owned()) {
                log.first.push(id.to_owned());
            } else if !log.unanswered.remove(id) {
                log.repeats += 1;
            }
            if !is_answered {
                log.unanswered.insert(id.to_owned());
            }
            log.first.len()
        });
        self.distinct.send_replace(distinct);
    }

    fn whim(&self) -> Option<u8> {
        let mut whims = self.whims.lock().unwrap_or_else(PoisonError::into_inner);
        (whims.u8(0..100) < self.faults_percent).then(|| whims.u8(0..3))
    }
}

impl Handler for Ward {
    async fn message(&self, received: Received) -> Answer {
        let id = control_id(&received.bytes);
        let positive = acknowledgement(&id);
        match self.whim() {
            Some(0) => Answer { frames: Vec::new(), close: true },
            Some(1) => {
                self.take(&id, false);
                Answer { frames: Vec::new(), close: true }
            }
            Some(_) => {
                self.take(&id, true);
                Answer { frames: vec![acknowledgement("ANOTHER"), positive], close: false }
            }
            None => {
                self.take(&id, true);
                Answer::one(positive)
            }
        }
    }

    async fn problem(&self, _: FrameProblem) -> Option<Vec<u8>> {
        None
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, _: ConnectionEvent) {}
}

fn acknowledgement(control_id: &str) -> Vec<u8> {
    format!("MSH|^~\\&|HUB|HUB|REGI|NORTH|20260305141501-0500||ACK^A04^ACK|A{control_id}|P|2.5.1\rMSA|AA|{control_id}\r")
        .into_bytes()
}

/// Checks the promise from the outside: every positively answered message was stored and arrived, first arrivals follow
/// the journal, of each patient or of all, and after so many crashes no more came again than may. Waits until everything stored has arrived.
///
/// # Errors
/// What of it was broken.
pub async fn check_promise(
    reader: &Reader,
    hospital: &Hospital,
    accepted: &[String],
    order: Order,
    crashes: usize,
) -> Result<(), String> {
    let stored = stored_in_order(reader)?;
    let known: HashSet<&String> = stored.iter().collect();
    if let Some(lost) = accepted.iter().find(|id| !known.contains(id)) {
        return Err(format!("{lost} was answered positively and is not in the journal"));
    }
    hospital.wait_for(stored.len()).await?;
    let arrived = hospital.first_arrivals();
    if arrived.len() != stored.len() {
        return Err(format!("{} messages arrived, {} are stored", arrived.len(), stored.len()));
    }
    let stored = by_lane(order, &stored);
    for (lane, arrived) in by_lane(order, &arrived) {
        let stored = stored.get(lane).map(Vec::as_slice).unwrap_or_default();
        for (place, (arrived, stored)) in arrived.iter().zip(stored).enumerate() {
            if arrived != stored {
                return Err(format!("place {place}: {arrived} arrived where {stored} comes in the journal"));
            }
        }
    }
    match hospital.repeats() {
        repeats if repeats > crashes * UNKNOWN_MAX => {
            Err(format!("{repeats} messages came again after {crashes} crashes"))
        }
        _ => Ok(()),
    }
}

/// Control ids by what their order is kept within.
fn by_lane(order: Order, ids: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut lanes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in ids {
        let lane = if order == Order::Fifo { "" } else { patient(id) };
        lanes.entry(lane).or_default().push(id);
    }
    lanes
}

/// Control ids in the order of the journal.
fn stored_in_order(reader: &Reader) -> Result<Vec<String>, String> {
    let all = Query { limit: 1 << 40, ..Query::default() };
    let mut found = reader.search(&all).map_err(|error| error.to_string())?;
    found.sort_by_key(|summary| summary.seq);
    Ok(found.into_iter().map(|summary| summary.control_id).collect())
}
