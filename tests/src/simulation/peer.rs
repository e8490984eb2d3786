//! The peer of a simulation with its connections, down to the bytes of its answers.
//!
//! The rules of a connection are those of an MLLP destination: one message at a time; an answer counts when the judge says that it is about
//! the message (the product's, or for speed one of short answers); whatever else happens closes the connection; one that holds bytes nobody asked for is not used again.

use std::collections::{BTreeMap, BTreeSet};

use orderly_pipeline::{Verdict, judge_answer};
use orderly_queue::item::Micros;
use orderly_queue::line::Ending;
use orderly_transport::mllp_frame::{
    self, Decoder, DecoderSettings, Event, START_BLOCK, Tolerances, Waiting,
};

use super::ANSWER_TIMEOUT;

/// Something on a connection.
#[derive(Debug)]
pub(super) enum Happening {
    Bytes(u64, Vec<u8>),
    Closed(u64),
    /// The answer to this attempt was waited for long enough.
    TimedOut(u64, u64),
}

/// How an attempt ended.
pub(super) struct Told {
    pub(super) ticket: u64,
    pub(super) ending: Ending,
}

/// What no message is called.
const NOBODYS: u64 = 4711;

struct Connection {
    decoder: Decoder,
    /// The attempt that waits for its answer here.
    waiting: Option<(u64, u64)>,
}

pub(super) struct Peer {
    random: fastrand::Rng,
    connections: BTreeMap<u64, Connection>,
    opened: u64,
    took: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    last: u64,
    /// Whether it answers in HL7; else with the code and the number alone.
    speaks_hl7: bool,
}

impl Peer {
    pub(super) fn new(random: fastrand::Rng, speaks_hl7: bool) -> Peer {
        let (took, refused) = Default::default();
        Peer { random, connections: BTreeMap::new(), opened: 0, took, refused, last: 0, speaks_hl7 }
    }

    pub(super) fn took(&self, seq: u64) -> bool {
        self.took.contains(&seq)
    }

    pub(super) fn refused(&self, seq: u64) -> bool {
        self.refused.contains(&seq)
    }

    pub(super) fn all_connections_break(&mut self) {
        self.connections.clear();
    }

    /// A message comes: what will happen on its connection, and after how long.
    pub(super) fn receive(&mut self, ticket: u64, seq: u64, behaves: bool) -> Vec<(Micros, Happening)> {
        let connection = self.connection(ticket, seq);
        let timeout = ANSWER_TIMEOUT.as_micros() as Micros;
        let mut happens = vec![(timeout, Happening::TimedOut(connection, ticket))];
        let after = self.random.i64(1..50_000);
        // Another message than this one, also when this one comes again.
        let other =
            Some(std::mem::replace(&mut self.last, seq)).filter(|last| *last != seq).unwrap_or(NOBODYS);
        let whim = if behaves { 0 } else { self.random.u8(..16) };
        let hl7 = self.speaks_hl7;
        let answer = |code, seq| answer(hl7, code, seq);
        let mut say = |after, bytes| happens.push((after, Happening::Bytes(connection, bytes)));
        match whim {
            // Dropped, taken or not.
            8 => drop(self.random.bool() && self.took.insert(seq)),
            9 => happens.push((after, Happening::Closed(connection))),
            // Late: mostly after it was given up.
            10 => {
                self.took.insert(seq);
                say(self.random.i64(1..3 * timeout), answer("AA", seq));
            }
            // Repeated.
            11 => {
                self.took.insert(seq);
                let again = after + self.random.i64(..100_000);
                [after, after + 10, again].into_iter().for_each(|at| say(at, answer("AA", seq)));
            }
            // It answers another message, and this one never.
            12 => say(after, answer("AA", if self.random.bool() { other } else { NOBODYS })),
            // Swapped: first another's, then its own.
            13 => {
                self.took.insert(seq);
                say(after, answer("AA", other));
                say(after + 1, answer("AA", seq));
            }
            // Cut at any byte.
            14 => {
                self.took.insert(seq);
                let mut bytes = answer("AA", seq);
                bytes.truncate(self.random.usize(..bytes.len()));
                say(after, bytes);
                happens.push((after + 1, Happening::Closed(connection)));
            }
            15 => {
                self.refused.insert(seq);
                say(after, answer(if self.random.bool() { "AE" } else { "AR" }, seq));
            }
            _ => {
                self.took.insert(seq);
                let mut bytes = answer("AA", seq);
                let rest = bytes.split_off(self.random.usize(..bytes.len()));
                say(after, bytes);
                say(after + 1, rest);
            }
        }
        happens
    }

    /// One that is free, or a new one.
    fn connection(&mut self, ticket: u64, seq: u64) -> u64 {
        let free = self.connections.iter().find(|(_, connection)| connection.waiting.is_none());
        let number = free.map(|(number, _)| *number).unwrap_or_else(|| {
            self.opened += 1;
            self.opened
        });
        let settings = DecoderSettings { frame_bytes_max: 1 << 20, refused: Tolerances::NONE };
        let fresh = || Connection { decoder: Decoder::new(settings), waiting: None };
        self.connections.entry(number).or_insert_with(fresh).waiting = Some((ticket, seq));
        number
    }

    /// What an attempt came to by this, if it ended.
    pub(super) fn happened(&mut self, happening: Happening) -> Option<Told> {
        let lost = Ending::Retryable { asked: None, answered: false };
        match happening {
            Happening::Bytes(number, bytes) => self.read(number, &bytes),
            Happening::Closed(number) => {
                let (ticket, _) = self.connections.remove(&number)?.waiting?;
                Some(Told { ticket, ending: lost })
            }
            Happening::TimedOut(number, ticket) => {
                let is_its =
                    |connection: &Connection| connection.waiting.is_some_and(|(own, _)| own == ticket);
                if !self.connections.get(&number).is_some_and(is_its) {
                    return None;
                }
                self.connections.remove(&number);
                Some(Told { ticket, ending: lost })
            }
        }
    }

    fn read(&mut self, number: u64, mut bytes: &[u8]) -> Option<Told> {
        let connection = self.connections.get_mut(&number)?;
        let Some((ticket, seq)) = connection.waiting else {
            // Nobody asked for it.
            self.connections.remove(&number);
            return None;
        };
        while let Some(event) = connection.decoder.next(&mut bytes) {
            let Event::Frame(frame) = event else { continue };
            let judged = if self.speaks_hl7 { judge(&frame, seq) } else { judge_short(&frame, seq) };
            let Some(ending) = judged else { continue };
            connection.waiting = None;
            if bytes.contains(&START_BLOCK) || connection.decoder.waiting() == Waiting::RestOfFrame {
                self.connections.remove(&number);
            }
            return Some(Told { ticket, ending });
        }
        None
    }
}

/// The product's judge; nothing when the answer is another message's.
fn judge(frame: &[u8], seq: u64) -> Option<Ending> {
    match judge_answer(frame, &seq.to_string()) {
        Verdict::Foreign => None,
        Verdict::Delivered => Some(Ending::Delivered),
        Verdict::Refused { .. } => Some(Ending::Parked),
        Verdict::Retryable { .. } => Some(Ending::Retryable { asked: None, answered: true }),
    }
}

/// The same for short answers.
fn judge_short(frame: &[u8], seq: u64) -> Option<Ending> {
    let (code, about) = frame.split_at_checked(2)?;
    let ending = if code == b"AA" { Ending::Delivered } else { Ending::Parked };
    (about == seq.to_string().as_bytes()).then_some(ending)
}

fn answer(speaks_hl7: bool, code: &str, seq: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let message = match speaks_hl7 {
        true => format!("MSH|^~\\&|||||||ACK|1|P|2.5\rMSA|{code}|{seq}\r"),
        false => format!("{code}{seq}"),
    };
    mllp_frame::encode(message.as_bytes(), &mut bytes);
    bytes
}
