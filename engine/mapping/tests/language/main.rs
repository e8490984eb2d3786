//! The language as its users meet it: cases, wrong mappings, the documentation's examples, and what holds for any mapping.

#![expect(clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod cases;
mod documentation;
mod limits;
mod lineage;
mod properties;
mod records;
mod schema;
mod support;
mod trace;
mod wrong;
