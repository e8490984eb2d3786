//! What commands share when they print: tables for people, one JSON object a line for programs, times.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::ProgressBar;
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

/// Text that others sent, so that it does nothing to the terminal: control characters are written as `\\x1b`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let written = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    Cow::Owned(text.chars().map(written).collect())
}

/// The same for a cell of a table, cut where it would fill the screen.
pub(crate) fn cell(text: &str) -> String {
    let text = visible(text);
    if text.chars().count() <= CELL_CHARACTERS_MAX {
        return text.into_owned();
    }
    text.chars().take(CELL_CHARACTERS_MAX - 1).chain(['…']).collect()
}

/// Control ids have 20 characters, since 2.7 up to 199.
const CELL_CHARACTERS_MAX: usize = 60;

/// A progress bar on long work; on a terminal only.
pub(crate) fn progress(steps: usize) -> ProgressBar {
    if io::stderr().is_terminal() { ProgressBar::new(steps as u64) } else { ProgressBar::hidden() }
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
