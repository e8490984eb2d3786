//! Everything accepted and what became of it, on disk.
//!
//! # What always holds
//! - A message, its deliveries and their attempts stand in one *segment file* (a SQLite database); no transaction spans two.
//! - `done` of an acceptance is called after the flush that made it durable, never before. A failed commit answers its whole
//!   group negatively; a negative answer does not promise absence.
//! - Sequence numbers are global over all segment files, in commit order, and never reused; a gap means nothing.
//! - One process writes: it holds the folder's lock. Readers stand beside it with short transactions.
//! - Nothing here knows HL7: bodies and payloads are bytes, search keys and codes are handed in.
//!
//! # The folder
//! ```text
//! lock                       held while a journal is open; contains the holder's process id
//! catalog.db                 which segment files exist, and whether they are sealed
//! plans.db                   which plans were in force since when, and their texts; pauses; who did what
//! segments/00000001.db       messages, contents, deliveries, attempts, files that messages came in
//! segments/00000001.keys.db  search keys of that file; derived, rebuilt when missing or damaged
//! segments/00000001.bodies/  contents too large to stand in the database
//! ```
//!
//! # Life of a segment file
//! *current* (takes what is accepted) → *open* (rotated away, still has deliveries to come) → *sealed* (all deliveries
//! settled, nothing is written any more, but for an attempt that ends later than its delivery: it takes the seal off for a
//! while) → removed whole by retention.
//!
//! [`open`] gives the handle, the writer and the indexer; whoever opened it runs the latter two on threads of its own.

mod amend;
mod balance;
mod book;
mod carried;
mod catalog;
mod codes;
mod content;
mod destinations;
mod error;
mod file_store;
mod files;
mod hand;
mod inbox;
mod indexer;
mod intake;
mod journal;
mod key_block;
mod key_index;
mod keys;
mod layout;
mod lock;
mod message;
mod node;
mod options;
mod plans;
mod pool;
mod reader;
mod repairs;
mod repeats;
mod reprocess;
mod retention;
#[cfg(test)]
mod samples;
mod search;
mod segment;
mod sender;
mod sqlite;
mod waiting;
mod writer;

pub use amend::{Amended, Amendment, Change, Resend};
pub use balance::{Balance, Contradiction, Ledger};
pub use carried::{CarriedDelivery, Carry, Envelope, ToCarry};
pub use codes::{CodeFilter, CodeStanding, ParkedForCode, UnmappedCode};
pub use destinations::{DestinationFigures, Held};
pub use error::{CommitError, JournalError};
pub use file_store::{FileStore, RealFiles};
pub use hand::{Act, Pause};
pub use indexer::Indexer;
pub use intake::{Intake, IntakeStanding, Origin};
pub use journal::{Commit, Fresh, Journal, open};
pub use keys::{Key, KeyKind};
pub use message::{
    Accepted, AttemptOutcome, AttemptRecord, DeliveryState, Fate, NewDelivery, NewMessage, Only, Reprocessed,
};
pub use node::NodeNote;
pub use options::Options;
pub use plans::{PlanFile, PlanInForce};
pub use reader::{
    Counts, DeliveryCount, MessageCount, Reader, StoredAttempt, StoredDelivery, StoredMessage, StoredOrigin,
};
pub use repairs::Repair;
pub use repeats::{Earlier, Identity, Unseen};
pub use search::{KeyMatch, Match, Query, Summary, SummaryDelivery};
pub use waiting::{Outgoing, Place, WaitingBatch, WaitingDelivery, WaitingQuery};
pub use writer::Writer;
