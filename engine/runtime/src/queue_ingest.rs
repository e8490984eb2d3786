//! From a message out of a broker's queue to its commit: split, process, commit, and only then say that it is stored.
//!
//! What always holds: a message is said to be stored only after the commits of all in it told us so; one that cannot be read is stored too,
//! as quarantined.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use orderly_pipeline::plan::Listener;
use orderly_pipeline::{Fate, members, tolerated};
use orderly_queue::planted::{self, Fault};
use orderly_transport::amqp::Incoming;
use orderly_transport::listeners::amqp::{QueueEvent, QueueHandler, Taken, Taking};
use tracing::{debug, error, info, warn};

use crate::ingest::{Ingest, MEMBERS_MAX, PROCESS_ASIDE_BYTES};

/// The largest message taken in when nothing is said: as for a frame, because embedded documents of tens of megabytes are common.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What counts how often a broker handed a message out that it had handed out before.
const REDELIVERED: &str = "amqp-redelivered";

impl QueueHandler for Ingest {
    async fn incoming(&self, message: Incoming, broker: SocketAddr) -> Taking {
        let Incoming { body, redelivered, delivery_count, .. } = message;
        let mut committed = Vec::new();
        let mut is_readable = true;
        let mut first_id = None;
        for (bytes, not_whole) in self.parts(&body) {
            let not_stored = || -> Taking { Box::pin(async { Taken::NotStored }) };
            let Ok(room) = self.room.take(bytes.len()).await else { return not_stored() };
            // A source that is no more is about to be told so.
            let Some(held) = self.hold().await else { return not_stored() };
            let facts = self.facts();
            let mut processed = match &not_whole {
                Some(why) => self.not_whole(&held.plan, &facts, bytes, why),
                None if bytes.len() > PROCESS_ASIDE_BYTES => {
                    tokio::task::block_in_place(|| self.process(&held.plan, &facts, bytes))
                }
                None => self.process(&held.plan, &facts, bytes),
            };
            for (code, offset) in tolerated(&processed.diagnostics) {
                self.standing.deviated(broker.ip(), code, 1, offset);
            }
            self.note(facts.id, &processed);
            is_readable &= processed.fate != Fate::Quarantined;
            first_id.get_or_insert(facts.id);
            let message = self.new_message(&held, &facts, &mut processed, Arc::from(bytes), Vec::new());
            committed.push(self.commit_holding(message, (room, held)));
        }
        if redelivered {
            self.note_redelivered(broker, first_id.unwrap_or_default(), delivery_count);
        }
        let source = self.source.clone();
        if planted::is_planted(Fault::TakenOffBeforeCommit) {
            return Box::pin(async { Taken::Stored });
        }
        Box::pin(async move {
            for committed in committed {
                match committed.await {
                    Ok(Ok(_)) => {}
                    Ok(Err(problem)) => {
                        error!(%source, "not stored, the broker keeps it: {problem}");
                        return Taken::NotStored;
                    }
                    // The journal has closed without taking it in.
                    Err(_) => return Taken::NotStored,
                }
            }
            if is_readable { Taken::Stored } else { Taken::Unreadable }
        })
    }

    fn queue_event(&self, event: QueueEvent) {
        let source = &self.source;
        match event {
            QueueEvent::Consuming { broker } => {
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).end();
                self.standing.connected(broker.ip());
                info!(%source, %broker, "consuming the queue");
            }
            QueueEvent::Ended { broker, problem } => {
                self.standing.disconnected(broker.ip());
                match problem {
                    Some(problem) => {
                        warn!(%source, %broker, "the queue is consumed no more, trying again: {problem}")
                    }
                    None => debug!(%source, %broker, "the queue is consumed no more"),
                }
            }
            QueueEvent::Unreachable(problem) => {
                let (code, text) = (problem.code(), problem.to_string());
                match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).met(&text) {
                    (1, _) => warn!(%source, code, "the queue cannot be consumed, trying again: {text}"),
                    (times, true) => {
                        warn!(%source, code, times, "the queue still cannot be consumed, trying again: {text}");
                    }
                    (times, false) => debug!(%source, code, times, "the queue cannot be consumed: {text}"),
                }
            }
        }
    }
}

/// What keeps a queue from being consumed: told when it is new, and then more and more seldom, because a queue that nobody has made would
/// fill the log of a night.
#[derive(Default)]
pub(crate) struct Trouble {
    /// How often each was met since the queue was consumed last. There are a few brokers, and a few ways to fail.
    times: BTreeMap<String, u64>,
}

/// So many different ones are counted; what tells something new each time is told each time.
const TROUBLES_MAX: usize = 32;

impl Trouble {
    /// Takes one in. Says how often it was met, and whether that is to be told: the first time, the second, the fourth and so on.
    fn met(&mut self, problem: &str) -> (u64, bool) {
        if self.times.len() >= TROUBLES_MAX && !self.times.contains_key(problem) {
            self.times.clear();
        }
        let times = self.times.entry(problem.to_owned()).or_default();
        *times += 1;
        (*times, times.is_power_of_two())
    }

    fn end(&mut self) {
        self.times.clear();
    }
}

impl Ingest {
    /// The messages in a body, and why one is kept without being processed.
    fn parts<'b>(&self, body: &'b [u8]) -> Vec<(&'b [u8], Option<String>)> {
        let bytes_max = match &self.listener {
            Listener::Amqp(amqp) => amqp.message_bytes_max.unwrap_or(MESSAGE_BYTES_MAX),
            Listener::Mllp(_) | Listener::Http(_) | Listener::Files(_) => MESSAGE_BYTES_MAX,
        };
        if let Some(beginning) = body.get(..bytes_max).filter(|_| body.len() > bytes_max) {
            let why = format!(
                "the message has {} bytes, and {bytes_max} are allowed; its beginning is kept",
                body.len()
            );
            return vec![(beginning, Some(why))];
        }
        let members = members(body);
        // A body without anything is no message, and is kept as what it is.
        if members.is_empty() {
            return vec![(body, None)];
        }
        if members.len() > MEMBERS_MAX {
            return vec![(body, Some(format!("it holds more than {MEMBERS_MAX} messages")))];
        }
        members.into_iter().map(|member| (body.get(member).unwrap_or_default(), None)).collect()
    }

    /// The broker has handed a message out before. It may be stored already: the acknowledgement may have been lost.
    fn note_redelivered(&self, broker: SocketAddr, id: u64, delivery_count: Option<u64>) {
        let source = &self.source;
        if self.standing.deviated(broker.ip(), REDELIVERED, 1, 0) {
            info!(%source, %broker, id, ?delivery_count, "the broker had handed this message out before; it may be here twice");
        } else {
            debug!(%source, %broker, id, ?delivery_count, "the broker had handed this message out before");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_more_and_more_seldom_and_another_one_at_once() {
        let mut trouble = Trouble::default();
        let told: Vec<u64> = (0..20)
            .map(|_| trouble.met("missing"))
            .filter(|(_, told)| *told)
            .map(|(times, _)| times)
            .collect();
        assert_eq!(told, [1, 2, 4, 8, 16]);
        assert_eq!(trouble.met("login"), (1, true));
        trouble.end();
        assert_eq!(trouble.met("missing"), (1, true), "after it was consumed it is new");
    }
}
