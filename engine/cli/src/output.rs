//! What commands share when they print: tables for people, one JSON object a line for programs, times.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

/// A plain table: a heading and rows, without lines; as wide as the terminal at most.
pub(crate) fn table<'h>(heading: impl IntoIterator<Item = &'h str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heading.into_iter().map(str::to_uppercase));
    table
}

/// Prints text; a reader that has gone away (`| head`) is not an error.
pub(crate) fn print(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints one JSON object on a line of its own.
pub(crate) fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print(text),
        Err(error) => eprintln!("error: could not write JSON: {error}"),
    }
}

/// Microseconds since the epoch as an RFC 3339 time to the millisecond, in UTC.
pub(crate) fn time(micros: i64) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => micros.to_string(),
    }
}
