//! The `orderly` binary.
fn main() {}
