//! From a frame to its answer: process, commit, answer, in this order. Files take the same way in `file_ingest`, queues in `queue_ingest`.
//!
//! What always holds: the answer of a stored message is written by [`Reply::stored`](orderly_pipeline::Reply::stored)
//! after the commit told us so, and by nothing else; bytes that cannot be read are stored too, as quarantined.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use orderly_journal::{Accepted, CommitError, Earlier, Journal, NewMessage, Unseen};
use orderly_pipeline::plan::Listener;
use orderly_pipeline::{
    Facts, NotTaken, PairFate, Plan, Processed, failed_inside, frame_refused, is_answerable, members,
    not_whole, process, tolerated,
};
use orderly_queue::planted::{self, Fault};
use orderly_transport::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, Place, Received, Verdict,
};
use orderly_transport::mllp_frame::{ProblemKind, Seen, Tally};
use tokio::sync::oneshot;
use tracing::{debug, error, info, warn};

use crate::convert;
use crate::file_ingest::Room;
use crate::plans::{Held, Plans};
use crate::queue_ingest::Trouble;
use crate::queued::{Queued, Queueing};
use crate::relay::{Relay, Relays};
use crate::standing::SourceStanding;
use crate::told;

/// Above this size, processing is long enough to hold up the other connections of its thread.
pub(crate) const PROCESS_ASIDE_BYTES: usize = 256 * 1024;

/// How many messages one frame may hold: each has an answer, and all answers wait for the last.
pub(crate) const MEMBERS_MAX: usize = 10_000;

/// A message that was processed, and stored unless its verdict says otherwise.
pub(crate) struct Taken {
    pub(crate) id: u64,
    /// Its acknowledgement, if it gets one.
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) verdict: Verdict,
    /// What its sender waits for first, if not only for this.
    pub(crate) awaited: Option<Awaited>,
}

/// What a sender waits for, besides its message being stored.
pub(crate) enum Awaited {
    /// A destination's answer, which it gets in place of ours.
    Answer(Relay),
    /// That the broker has the message's deliveries.
    Queued(Queueing),
}

/// Who sends a message.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'r> {
    peer: SocketAddr,
    /// The name in its certificate.
    name: Option<&'r Arc<str>>,
}

impl Sender<'_> {
    pub(crate) fn of(received: &Received) -> Sender<'_> {
        Sender { peer: received.peer, name: received.name.as_ref() }
    }
}

impl Awaited {
    /// The message is stored.
    fn stored(self, accepted: &Accepted) -> Awaited {
        match self {
            Awaited::Queued(queueing) => Awaited::Queued(queueing.of(accepted.deliveries.clone())),
            answer @ Awaited::Answer(_) => answer,
        }
    }
}

impl Taken {
    /// A repeat is answered as the first was, unless something else has become of that since.
    fn or_as(self, earlier: Option<Earlier>, relays: &Arc<Relays>) -> Taken {
        let Some(Earlier::Same { id, told }) = earlier else { return self };
        let as_told = told.as_deref().and_then(told::read);
        let (verdict, answer) = match (self.awaited, as_told) {
            (Some(Awaited::Answer(relay)), _) => {
                return Taken { awaited: Some(Awaited::Answer(relay.of_first(relays, id))), ..self };
            }
            (Some(Awaited::Queued(queueing)), Some((Verdict::Taken, answer))) => {
                let awaited = Some(Awaited::Queued(queueing.of_first(id)));
                return Taken { id, answer, verdict: Verdict::Taken, awaited };
            }
            (_, Some(told)) => told,
            (awaited, None) => return Taken { id, awaited, ..self },
        };
        Taken { id, answer, verdict, awaited: None }
    }
}

/// What one source's listener does with what comes in.
pub(crate) struct Ingest {
    pub(crate) source: Arc<str>,
    /// How the source listens; when that changes, it listens anew.
    pub(crate) listener: Listener,
    plans: Plans,
    pub(crate) journal: Journal,
    /// What is counted of the source.
    pub(crate) standing: Arc<SourceStanding>,
    /// Senders who wait for a destination's answer.
    relays: Arc<Relays>,
    /// Senders who wait for the broker.
    queued: Arc<Queued>,
    /// Room for messages out of files and queues.
    pub(crate) room: Room,
    /// Files that are out of the way, which could not be stored yet.
    pub(crate) unreleased: Arc<Mutex<Vec<Arc<str>>>>,
    /// Whether the last file could not be stored.
    pub(crate) is_failing: Arc<AtomicBool>,
    /// What keeps its queue from being consumed.
    pub(crate) trouble: Mutex<Trouble>,
}

impl Ingest {
    pub(crate) fn new(
        source: Arc<str>,
        listener: Listener,
        plans: Plans,
        journal: Journal,
        standing: Arc<SourceStanding>,
        (relays, queued): (Arc<Relays>, Arc<Queued>),
    ) -> Self {
        Ingest {
            source,
            listener,
            plans,
            journal,
            standing,
            relays,
            queued,
            room: Room::default(),
            unreleased: Arc::default(),
            is_failing: Arc::default(),
            trouble: Mutex::default(),
        }
    }

    /// The plan for the next message; none when it does not have this source any more.
    pub(crate) async fn hold(&self) -> Option<Held> {
        let held = self.plans.hold().await;
        held.plan.source(&self.source).is_some().then_some(held)
    }

    /// Stores one message and gives its answer; none for an acknowledgement.
    pub(crate) async fn take(&self, held: &Held, bytes: &[u8], from: Sender<'_>) -> Taken {
        let facts = self.facts();
        let processed = if bytes.len() > PROCESS_ASIDE_BYTES {
            tokio::task::block_in_place(|| self.process(&held.plan, &facts, bytes))
        } else {
            self.process(&held.plan, &facts, bytes)
        };
        for (code, offset) in tolerated(&processed.diagnostics) {
            self.standing.deviated(from.peer.ip(), code, 1, offset);
        }
        self.store(held, &facts, processed, bytes, from.name).await
    }

    /// Processes a message. One that our code cannot bear is quarantined, so that it neither ends its source nor comes again and again.
    pub(crate) fn process(&self, plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Processed {
        // A plan is only read; what was half made is dropped.
        let processed = catch_unwind(AssertUnwindSafe(|| {
            if planted::is_planted(Fault::ProcessingPanics) && facts.id.is_multiple_of(2) {
                #[expect(clippy::panic, reason = "that is what is planted")]
                std::panic::panic_any("a planted panic");
            }
            process(plan, facts, bytes)
        }));
        processed.unwrap_or_else(|_| not_processed(plan, facts, bytes))
    }

    /// Bytes that are kept and never processed.
    pub(crate) fn not_whole(&self, plan: &Plan, facts: &Facts<'_>, bytes: &[u8], why: &str) -> Processed {
        set_aside(not_whole, plan, facts, bytes, why)
    }

    async fn store(
        &self,
        held: &Held,
        facts: &Facts<'_>,
        mut processed: Processed,
        bytes: &[u8],
        name: Option<&Arc<str>>,
    ) -> Taken {
        let reply = processed.reply.clone();
        let verdict = match processed.fate {
            _ if reply.is_positive() => Verdict::Taken,
            orderly_pipeline::Fate::Quarantined => Verdict::Unreadable,
            _ => Verdict::NotProcessed,
        };
        let taken = |answer, verdict| Taken { id: facts.id, answer, verdict, awaited: None };
        let awaited = self.awaited(held, facts, &processed);
        self.note(facts.id, &processed);
        let answer = reply.stored(facts);
        let told = told::write(verdict, answer.as_deref());
        let message = self.new_message(held, facts, &mut processed, Arc::from(bytes), told);
        let message = NewMessage { sender: name.cloned(), ..message };
        let committed = self.commit_holding(message, ());
        if planted::is_planted(Fault::AnswerBeforeCommit) {
            return taken(answer, verdict);
        }
        match committed.await {
            Ok(Ok(accepted)) => {
                let awaited = awaited.map(|awaited| awaited.stored(&accepted));
                Taken { awaited, ..taken(answer, verdict) }.or_as(accepted.earlier, &self.relays)
            }
            Ok(Err(problem)) => {
                error!(source = %self.source, id = facts.id, "not stored, answered negatively: {problem}");
                taken(reply.not_taken(NotTaken::NotStored, facts), Verdict::NotNow)
            }
            // The journal has closed without taking it in.
            Err(_) => taken(reply.not_taken(NotTaken::ShuttingDown, facts), Verdict::NotNow),
        }
    }

    /// What the sender is to wait for, where that is not only that the message is stored.
    fn awaited(&self, held: &Held, facts: &Facts<'_>, processed: &Processed) -> Option<Awaited> {
        let (source, reply) = (held.plan.source(&self.source)?, &processed.reply);
        if let Some(from) = source.answer.as_ref().filter(|_| reply.can_be_relayed()) {
            let answerable = is_answerable(&processed.pairs, &from.destination);
            return Some(Awaited::Answer(Relay::new(&self.relays, from, reply.clone(), facts, answerable)));
        }
        let within = source.queued_within.filter(|_| reply.can_wait())?;
        Some(Awaited::Queued(Queueing::new(&self.queued, within, reply.clone(), facts)))
    }

    /// What a message that is stored is answered, once that is known. No plan is held meanwhile.
    pub(crate) async fn answered(&self, taken: Taken) -> Taken {
        let Taken { id, answer, verdict, awaited } = taken;
        let (answer, verdict) = match awaited {
            Some(Awaited::Answer(relay)) => return relay.answer(&self.journal, &self.source).await,
            Some(Awaited::Queued(queueing)) => match queueing.done(&self.journal, &self.source).await {
                Ok(()) => (answer, verdict),
                Err(instead) => instead,
            },
            None => (answer, verdict),
        };
        Taken { id, answer, verdict, awaited: None }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts { id: self.journal.next_id(), source: &self.source, accepted_at: Timestamp::now() }
    }

    pub(crate) fn new_message(
        &self,
        held: &Held,
        facts: &Facts<'_>,
        processed: &mut Processed,
        body: Arc<[u8]>,
        told: Vec<u8>,
    ) -> NewMessage {
        let within = held.plan.source(&self.source).and_then(|source| source.repeats);
        let identity = processed.identity.zip(within);
        let identity = identity.map(|(identity, within)| convert::identity(identity, within, told));
        let message = convert::new_message((&self.source, &held.version), facts, processed, body);
        NewMessage { identity, ..message }
    }

    /// Commits a message; `held` is dropped when the journal has answered.
    pub(crate) fn commit_holding(
        &self,
        message: NewMessage,
        held: impl Send + 'static,
    ) -> oneshot::Receiver<Result<Accepted, CommitError>> {
        let (done, committed) = oneshot::channel();
        let (source, standing) = (self.source.clone(), self.standing.clone());
        let (id, fate) = (message.id, message.fate);
        self.journal.accept(message, move |result| {
            drop(held);
            if let Ok(accepted) = &result {
                note_stored(&source, &standing, (id, fate), accepted.earlier.as_ref());
                note_unseen(&source, &standing, id, &accepted.unseen);
            }
            // A connection that has gone away waits for no answer; the message is stored all the same.
            let _ = done.send(result);
        });
        committed
    }

    pub(crate) fn note(&self, id: u64, processed: &Processed) {
        for diagnostic in &processed.diagnostics {
            debug!(source = %self.source, id, code = diagnostic.code, "{}", diagnostic.message);
        }
        for pair in &processed.pairs {
            let destination = &pair.destination;
            match &pair.fate {
                PairFate::Failed(reason) => {
                    warn!(source = %self.source, id, %destination, "the mapping failed: {reason}");
                }
                PairFate::Parked(reason) => {
                    warn!(source = %self.source, id, %destination, "parked by its mapping: {reason}");
                }
                PairFate::Ready(_) | PairFate::Filtered(_) => {}
            }
        }
        if processed.fate == orderly_pipeline::Fate::Quarantined {
            let reason = processed.reason.as_deref().unwrap_or_default();
            warn!(source = %self.source, id, "unreadable, quarantined: {reason}");
        }
    }
}

impl Handler for Ingest {
    async fn message(&self, received: Received) -> Answer {
        let mut answer = Answer::none();
        let members = members(&received.bytes);
        if members.len() > MEMBERS_MAX {
            let Some(held) = self.hold().await else { return gone(answer) };
            let facts = self.facts();
            let why = format!("the frame holds more than {MEMBERS_MAX} messages");
            let processed = self.not_whole(&held.plan, &facts, &received.bytes, &why);
            let name = received.name.as_ref();
            answer.frames.extend(self.store(&held, &facts, processed, &received.bytes, name).await.answer);
            return answer;
        }
        let mut stored = Vec::with_capacity(members.len());
        for member in members {
            let bytes = received.bytes.get(member).unwrap_or_default();
            let Some(held) = self.hold().await else {
                answer = gone(answer);
                break;
            };
            stored.push(self.take(&held, bytes, Sender::of(&received)).await);
        }
        for taken in stored {
            answer.frames.extend(self.answered(taken).await.answer);
        }
        answer
    }

    async fn problem(&self, problem: FrameProblem) -> Option<Vec<u8>> {
        let FrameProblem { problem, peer, name, connection } = problem;
        let (kind, offset, bytes_count) = (problem.kind, problem.offset, problem.bytes_count);
        let code = kind.code();
        warn!(source = %self.source, %peer, connection, code, offset, bytes_count, "not a frame: {kind}");
        let is_answered = is_answered(kind);
        if is_another_protocol(kind) || (problem.bytes.is_empty() && !is_answered) {
            return None;
        }
        let held = self.hold().await?;
        let facts = self.facts();
        let why = format!("{code} at byte {offset} of the connection: {kind}");
        let how = if matches!(kind, ProblemKind::Refused(_)) { frame_refused } else { not_whole };
        let processed = set_aside(how, &held.plan, &facts, &problem.bytes, &why);
        let taken = self.store(&held, &facts, processed, &problem.bytes, name.as_ref()).await;
        taken.answer.filter(|_| is_answered)
    }

    fn deviations(&self, peer: SocketAddr, connection: u64, met: &Tally) {
        for Seen { tolerance, count, last_offset } in met.seen() {
            let code = tolerance.code();
            if self.standing.deviated(peer.ip(), code, *count, *last_offset) {
                let source = &self.source;
                info!(%source, %peer, connection, code, offset = last_offset, "the peer's framing deviates: {tolerance}");
            }
        }
    }

    fn connection(&self, event: ConnectionEvent) {
        let source = &self.source;
        match event {
            ConnectionEvent::Opened { connection, peer } => {
                self.standing.connected(peer.ip());
                debug!(%source, %peer, connection, "connected");
            }
            ConnectionEvent::HandshakeFailed { connection, peer, code, text } => match text {
                Some(text) => warn!(%source, %peer, connection, code, "no TLS: {text}"),
                None => debug!(%source, %peer, connection, code, "no TLS: the peer went without a word"),
            },
            ConnectionEvent::RequestRefused { connection, peer, status, text } => {
                warn!(%source, %peer, connection, status, "turned away: {text}");
            }
            ConnectionEvent::Closed { connection, peer, reason, messages_count, tally } => {
                self.standing.disconnected(peer.ip());
                let deviations = tally.seen();
                debug!(%source, %peer, connection, messages_count, ?deviations, "disconnected: {reason:?}");
            }
            ConnectionEvent::Refused { peer, connections_max } => {
                warn!(%source, %peer, connections_max, "turned away: as many connections as allowed are open");
            }
            ConnectionEvent::AcceptFailed { text, .. } => {
                warn!(%source, "no connection could be accepted: {text}")
            }
            ConnectionEvent::HandlerFailed { peer } => {
                self.standing.disconnected(peer.ip());
                error!(%source, %peer, "a connection's task failed; this is our fault")
            }
        }
    }
}

/// Counts a stored message by its fate, and tells of an id that its sender used twice: the first time aloud, as some use one for all.
fn note_stored(
    source: &str,
    standing: &SourceStanding,
    (id, fate): (u64, orderly_journal::Fate),
    earlier: Option<&Earlier>,
) {
    match earlier {
        None => standing.stored(fate),
        Some(Earlier::Same { id: first, .. }) => {
            standing.stored(orderly_journal::Fate::Duplicate);
            debug!(source, id, first, "a repeat, not delivered again");
        }
        Some(Earlier::Namesake { id: earlier }) => {
            standing.stored(fate);
            let code = "control-id-reused";
            match standing.reused_id() {
                true => {
                    warn!(source, id, earlier, code, "its control id came before with other bytes: {REUSED}")
                }
                false => debug!(source, id, earlier, code, "its control id came before with other bytes"),
            }
        }
    }
}

/// Counts a message that may be a repeat, and tells of each file that leaves it open: the first time aloud.
fn note_unseen(source: &str, standing: &SourceStanding, id: u64, unseen: &[Arc<Unseen>]) {
    if unseen.is_empty() {
        return;
    }
    for file in standing.unsure(unseen) {
        let (code, problem) = ("repeat-unsure", &file.problem);
        warn!(
            source,
            id,
            code,
            "taken as new, it may repeat a message of a file that cannot be read: {problem}; {UNSURE}"
        );
    }
}

const UNSURE: &str = "further ones are counted (`orderly status`) and not told here";

const REUSED: &str = "both are delivered; further ones are counted (`orderly status`) and not told here";

/// The fate of bytes that are kept and never processed.
fn set_aside(
    how: fn(&Plan, &Facts<'_>, &[u8], &str) -> Processed,
    plan: &Plan,
    facts: &Facts<'_>,
    bytes: &[u8],
    why: &str,
) -> Processed {
    let told = catch_unwind(AssertUnwindSafe(|| how(plan, facts, bytes, why)));
    told.unwrap_or_else(|_| not_processed(plan, facts, bytes))
}

/// The fate of a message that our code cannot bear.
fn not_processed(plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Processed {
    let told = catch_unwind(AssertUnwindSafe(|| failed_inside(plan, facts, bytes)));
    // Not even its header can be looked at.
    told.unwrap_or_else(|_| failed_inside(plan, facts, &[]))
}

/// The source is no more: what is not answered, its sender sends again, wherever that is then.
fn gone(answer: Answer) -> Answer {
    Answer { close: true, ..answer }
}

/// Whether the bytes are not of a sender of messages at all, so that none of them is one.
fn is_another_protocol(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::SpeaksTls | ProblemKind::SpeaksHttp)
}

/// Whether the sender waits for an answer to just this. One that broke off is not listening, one that began anew waits for the
/// answer to its new frame, and what is no message has no sender that could be named.
fn is_answered(kind: ProblemKind) -> bool {
    match kind {
        ProblemKind::TooLarge | ProblemKind::Stalled => true,
        ProblemKind::Refused(tolerance) => !tolerance.is_between_frames(),
        ProblemKind::Noise
        | ProblemKind::Restarted
        | ProblemKind::CutOff
        | ProblemKind::SpeaksTls
        | ProblemKind::SpeaksHttp
        | ProblemKind::NotMllp => false,
    }
}

/// Says at start what a source is.
pub(crate) fn announce(source: &str, place: &Place) {
    match place {
        Place::Address(address) => info!(source, %address, "listening"),
        Place::Folder(folder) => info!(source, folder = %folder.display(), "watching"),
        // Whether it is reached is told when it is.
        Place::Queue(queue) => info!(source, queue, "a queue"),
    }
}
