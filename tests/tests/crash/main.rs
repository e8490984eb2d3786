//! The promise about loss, proven by crashing: processes killed under load, and a disk that forgets what was not
//! flushed. Each harness proves that it sees by faults planted in the engine or the disk, each of which must turn it red.
//!
//! A failing round prints its seed; `ORDERLY_SEED=n` runs that round alone, `ORDERLY_ROUNDS=n` sets how many.

mod files;
mod killed;
mod lines;
mod power;
mod rounds;
