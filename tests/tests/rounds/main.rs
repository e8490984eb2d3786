//! Fault rounds with real processes that share a RabbitMQ: a few in each test run. `cargo run -p orderly-tests --bin rounds` runs many.
//!
//! A failing round prints its seed and who did what when; `ORDERLY_SEED=n` runs that round alone.

mod some;
