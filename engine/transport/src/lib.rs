//! Listeners and destinations: bytes in, bytes out.
//!
//! - [`listeners`]: every way in. A listener hands what it received to a [`listeners::Handler`] and writes back the answer it gets.
//! - [`destinations`]: every way out. A destination makes one attempt with one delivery and says what came of it.
//! - [`amqp`]: a connection to a RabbitMQ broker: publishing with confirms, consuming, declaring.
//! - [`mllp_frame`]: MLLP framing without a socket; [`mllp_client`]: one MLLP connection seen from the sender.
//! - [`tls`]: whose certificates are shown and taken, on both ends; [`secret`]: passwords and tokens, by where they are found.
//! - [`receiver`]: a simulated receiving system, for the demonstration and for tests.
//!
//! What always holds: nothing here knows HL7 beyond the framing (answers are judged by a function that the caller hands in),
//! nothing is spawned that outlives the call that spawned it, every wait and every buffer has a limit, and no received byte
//! is ever put into an error text.

pub mod amqp;
pub mod destinations;
mod http_client;
pub mod listeners;
pub mod mllp_client;
pub mod mllp_frame;
pub mod receiver;
pub mod secret;
mod stream;
pub mod tls;
