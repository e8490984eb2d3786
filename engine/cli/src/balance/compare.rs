//! A sender's list of control ids against what its source took in.
//!
//! The list is read as a stream, however long it is; what is kept in memory is one entry for each of our messages of the period.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use csv::{ReaderBuilder, StringRecord, Trim};
use orderly_journal::{Balance, Fate, Reader};
use serde::Serialize;

use super::period::Period;
use crate::failure::Failure;
use crate::output::visible;

/// So many ids of a kind are named; the counts are always whole. More than this is no list to work through but a feed that was not taken in.
const NAMED_MAX: usize = 1000;

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// A sender's list of the control ids that it sent: one a line, or CSV with --column.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// The source that the list is of, where there are several.
    #[arg(long, requires = "compare")]
    source: Option<String>,
    /// The list is CSV with a heading; the control ids stand in this column, by its name or number.
    #[arg(long, requires = "compare")]
    column: Option<String>,
    /// What separates the columns.
    #[arg(long, requires = "column", default_value = ",", value_parser = separator)]
    separator: u8,
}

fn separator(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("\\t" | "tab", _) => Ok(b'\t'),
        (_, [byte]) if byte.is_ascii() => Ok(*byte),
        _ => Err("one character, or tab".to_owned()),
    }
}

/// How the list and the journal differ.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Compared {
    source: String,
    /// Ids in the list.
    listed: u64,
    /// Messages of the source, without those recorded as duplicates.
    here: u64,
    /// In the list, and not here.
    missing: Ids,
    /// Here more often than in the list.
    repeated: Ids,
    /// Here, and not in the list.
    unknown: Ids,
}

/// So many ids, and the first of them by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Ids {
    count: u64,
    control_ids: Vec<String>,
}

impl Ids {
    fn add(&mut self, id: &str, count: u64) {
        self.count += count;
        if count > 0 && self.control_ids.len() < NAMED_MAX {
            self.control_ids.push(id.to_owned());
        }
    }
}

/// How often an id is here and in the list.
#[derive(Default)]
struct Times {
    here: u64,
    listed: u64,
}

impl CompareArgs {
    /// Nothing when no list is given.
    pub(crate) fn compare(
        &self,
        reader: &Reader,
        balance: &Balance,
        period: &Period,
    ) -> Result<Option<Compared>, Failure> {
        let Some(path) = &self.compare else { return Ok(None) };
        let list = self.open(path)?;
        let source = self.source(reader, balance)?;
        let mut ids: HashMap<String, Times> = HashMap::new();
        let count = |id: &str, fate| {
            if fate != Fate::Duplicate {
                match ids.get_mut(id.trim()) {
                    Some(times) => times.here += 1,
                    None => drop(ids.insert(id.trim().to_owned(), Times { here: 1, listed: 0 })),
                }
            }
        };
        reader.control_ids(&source, period.accepted.clone(), count).map_err(Failure::new)?;
        let mut compared = Compared { source, ..Compared::default() };
        compared.read(list, &mut ids).map_err(|error| self.unreadable(error))?;
        compared.judge(ids);
        Ok(Some(compared))
    }

    fn source(&self, reader: &Reader, balance: &Balance) -> Result<String, Failure> {
        let counts = reader.counts().map_err(Failure::new)?;
        let mut names: Vec<&str> = counts.messages.iter().map(|count| count.source.as_str()).collect();
        names.dedup();
        match (&self.source, names.as_slice()) {
            (Some(source), names) if names.contains(&source.as_str()) => Ok(source.clone()),
            (Some(source), _) => Err(Failure::new(format!("no message came from a source `{source}`"))
                .help(format!("messages came from {}", names.join(", ")))),
            (None, [only]) => Ok((*only).to_owned()),
            (None, _) if balance.sources.is_empty() => {
                Err(Failure::new("no message was accepted then").help("name the source with --source"))
            }
            (None, _) => Err(Failure::new("this does not say which source's messages the list has")
                .help(format!("name it with --source: {}", names.join(", ")))),
        }
    }

    fn open(&self, path: &PathBuf) -> Result<List, Failure> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::new(format!("{} cannot be read: {error}", path.display()))
        };
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let mut builder = ReaderBuilder::new();
        builder.flexible(true).trim(Trim::All).has_headers(self.column.is_some());
        let Some(column) = &self.column else {
            // A line is an id, whatever is in it: no id has NUL.
            let lines = builder.delimiter(0).quoting(false).from_reader(file);
            return Ok(List { lines, column: 0 });
        };
        let mut lines = builder.delimiter(self.separator).from_reader(file);
        let heading = lines.headers().map_err(|error| unreadable(&error))?;
        let heading: Vec<&str> = heading.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        let named = heading.iter().position(|name| name == column);
        let number = column.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let column = named.or(number.filter(|number| *number < heading.len())).ok_or_else(|| {
            Failure::new(format!("{} has no column `{column}`", path.display()))
                .help(format!("it has {}", heading.join(", ")))
        })?;
        Ok(List { lines, column })
    }

    fn unreadable(&self, error: csv::Error) -> Failure {
        let path = self.compare.as_deref().unwrap_or(std::path::Path::new("")).display();
        // The text of the error may hold a value.
        let line = error.position().map(|position| format!(" at line {}", position.line()));
        Failure::new(format!("{path} cannot be read{}", line.unwrap_or_default()))
            .help("save it as UTF-8 text, one control id a line, or as CSV and name its --column")
    }
}

/// A sender's list, at its next line.
struct List {
    lines: csv::Reader<File>,
    column: usize,
}

impl Compared {
    fn read(&mut self, mut list: List, ids: &mut HashMap<String, Times>) -> Result<(), csv::Error> {
        let mut record = StringRecord::new();
        while list.lines.read_record(&mut record)? {
            let id = record.get(list.column).unwrap_or_default().trim_start_matches('\u{feff}');
            if id.is_empty() {
                continue;
            }
            self.listed += 1;
            match ids.get_mut(id) {
                Some(times) if times.listed < times.here => times.listed += 1,
                _ => self.missing.add(id, 1),
            }
        }
        Ok(())
    }

    fn judge(&mut self, ids: HashMap<String, Times>) {
        let mut ids: Vec<(String, Times)> = ids.into_iter().collect();
        ids.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (id, times) in ids {
            self.here += times.here;
            let more = times.here - times.listed;
            match times.listed {
                0 => self.unknown.add(if id.is_empty() { "(no control id)" } else { &id }, more),
                _ => self.repeated.add(&id, more),
            }
        }
    }

    /// Whether both say the same.
    pub(crate) fn is_same(&self) -> bool {
        self.missing.count + self.repeated.count + self.unknown.count == 0
    }

    pub(crate) fn text(&self) -> String {
        let Compared { source, listed, here, missing, repeated, unknown } = self;
        let mut text = format!("{source}: {listed} in the list, {here} here");
        for (ids, what) in [
            (missing, "in the list and not here"),
            (repeated, "here more often than in the list"),
            (unknown, "here and not in the list"),
        ] {
            if ids.count == 0 {
                continue;
            }
            text.push_str(&format!("\n{} {what}:", ids.count));
            for id in &ids.control_ids {
                text.push_str(&format!("\n  {}", visible(id)));
            }
            if ids.control_ids.len() == NAMED_MAX {
                text.push_str("\n  ...");
            }
        }
        text + if self.is_same() { ", the same" } else { "" }
    }
}
