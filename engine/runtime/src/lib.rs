//! The running engine: the only place that spawns. Ingest, delivery workers, replay, shutdown.
//!
//! [`Engine::start`] opens the journal, takes the addresses and begins to deliver what waits; [`Engine::shutdown`] takes
//! in no more, finishes what is in flight and closes the journal. Three rules hold in between:
//!
//! - A positive answer leaves only after the commit that holds the message and all that follows from it ([`ingest`]).
//! - A destination is a thread of its own: a slow one holds up nobody else ([`worker`]).
//! - Whoever wants to change something in the journal of a running engine asks that engine ([`control`]).
//!   It also says how it stands ([`status`]).

mod arrive;
mod control;
mod convert;
mod deliver;
mod engine;
mod file_ingest;
mod inbox;
mod ingest;
mod replay;
mod standing;
pub mod status;
mod worker;

pub use control::{ControlError, Request, Response, ask};
pub use engine::{Engine, Settings, StartError};
pub use replay::{ReplayError, ReplayRequest, Replayed, replay_without_engine};
