//! The running engine: the only place that spawns. Ingest, delivery workers, reload, replay, shutdown.
//!
//! [`Engine::start`] opens the journal, takes the addresses and begins to deliver what waits; [`Engine::shutdown`] takes
//! in no more, finishes what is in flight and closes the journal. Four rules hold in between:
//!
//! - A positive answer leaves only after the commit that holds the message and all that follows from it ([`ingest`]).
//! - A destination is a thread of its own: a slow one holds up nobody else ([`worker`]).
//! - A message is processed and stored under one plan; another one comes into force between two messages ([`reload`]).
//! - Whoever wants to change something in the journal of a running engine asks that engine ([`control`]).
//!   It also says how it stands ([`status`]).

mod alone;
mod arrive;
mod carrier;
mod configuration;
mod control;
mod convert;
mod deliver;
mod desk;
mod engine;
mod file_ingest;
mod find;
mod foresee;
mod hand;
mod house;
mod inbox;
mod ingest;
mod inject;
mod kept;
mod lanes;
mod lines;
mod moment;
mod node;
mod outside;
mod part;
mod plans;
mod post_ingest;
mod queue_ingest;
mod queued;
mod relay;
mod release;
mod reload;
mod replay;
mod standing;
pub mod status;
mod told;
mod treatment;
mod watch;
mod worker;

pub use alone::{AloneError, perform_without_engine};
pub use carrier::control::{Control, Pausing};
pub use carrier::envelope::{Envelope, Unreadable};
pub use carrier::nodes::{AllFound, NodeFound, NodeStatus};
pub use carrier::report::{News, Report};
pub use carrier::standing::{BrokerState, BrokerStatus};
pub use carrier::{clear_broker, reach_broker};
pub use configuration::{Configuration, Finding, Loaded};
pub use control::{ControlError, Request, Response, ask};
pub use engine::{Engine, Settings, StartError};
pub use find::{Find, Found, FoundDelivery};
pub use foresee::{Difference, Effect, Foreseen};
pub use hand::{Deed, Delivery, HandRequest, Handed, Unchanged};
pub use inject::{INJECTED_BYTES_MAX, InjectRequest, Injected};
pub use kept::destinations_without_engine;
pub use node::{Duty, Node, OtherNode};
pub use outside::check_outside;
pub use release::{Parked, ReleaseRequest, Released};
pub use reload::{NotReloaded, Reloaded};
pub use replay::{ReplayRequest, Replayed};
