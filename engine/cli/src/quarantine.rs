//! `orderly quarantine`: bytes that could not be read, why, and their repaired form.

mod bytes;
mod repair;

use std::collections::HashMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use orderly_hl7v2::parse;
use orderly_journal::{Fate, Query, Reader, StoredMessage};
use orderly_pipeline::{Format, is_part};
use orderly_record::{Diagnostic, Place};
use serde::Serialize;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::moment;
use crate::output::{cell, print, print_json, table, time, visible};

/// Look at messages that could not be read, repair them, and take the repaired bytes in.
///
/// A quarantined message stays as it was received. What a person repairs comes in as a new message of the same source, which names it; both
/// count in `orderly balance`: one that could not be read, and one with a fate of its own. When only a setting is wrong (a charset, a
/// tolerance), change the setting instead, and `orderly replay ID`.
#[derive(Args)]
pub(crate) struct QuarantineArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    List(ListArgs),
    Show(ShowArgs),
    Repair(repair::RepairArgs),
    Inject(repair::InjectArgs),
}

/// List what could not be read and is not repaired yet, the newest first. Exit code 1 when there is nothing.
#[derive(Args)]
struct ListArgs {
    /// Also what is repaired.
    #[arg(long)]
    all: bool,
    /// The source it came in by.
    #[arg(long)]
    source: Option<String>,
    /// Accepted at this time or later: 2026-03-05, 2026-03-05T14:00, or how long ago: 30m, 2h, 3d.
    #[arg(long, value_parser = moment::parse)]
    since: Option<i64>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a message, for programs.
    #[arg(long)]
    json: bool,
}

/// Show the bytes around the place that could not be read, as numbers and as text; patients' data with them.
#[derive(Args)]
struct ShowArgs {
    /// The id of the message.
    id: u64,
    /// So many bytes before and after the place; from the beginning when there is no place.
    #[arg(long, default_value_t = 128)]
    around: usize,
    #[command(flatten)]
    journal: JournalArgs,
}

/// Does what is asked.
pub(crate) fn run(args: &QuarantineArgs) -> CommandResult {
    match &args.what {
        What::List(args) => list(args),
        What::Show(args) => show(args),
        What::Repair(args) => repair::repair(args),
        What::Inject(args) => repair::inject(args),
    }
}

#[derive(Serialize)]
struct Line {
    id: u64,
    accepted_at: String,
    source: String,
    file: Option<String>,
    control_id: String,
    bytes: usize,
    /// Where it could not be read, in bytes from the start.
    offset: Option<usize>,
    cause: String,
    /// The message that it was repaired to.
    repaired: Option<u64>,
}

fn list(args: &ListArgs) -> CommandResult {
    let reader = args.journal.reader()?;
    let repairs = reader.repairs().map_err(Failure::new)?;
    let repaired: HashMap<u64, u64> =
        repairs.iter().map(|repair| (repair.quarantined, repair.repaired)).collect();
    let query = Query {
        fate: Some(Fate::Quarantined),
        source: args.source.clone(),
        since_us: args.since,
        // What is repaired is left out of what is found.
        limit: args.limit.saturating_add(if args.all { 0 } else { repaired.len() }),
        ..Query::default()
    };
    let mut lines = Vec::new();
    for summary in reader.search(&query).map_err(Failure::new)? {
        if (args.all || !repaired.contains_key(&summary.id)) && lines.len() < args.limit {
            let stored = quarantined(&reader, summary.id)?;
            lines.push(line(&args.journal, stored, repaired.get(&summary.id).copied()));
        }
    }
    if args.json {
        lines.iter().for_each(print_json);
    } else if lines.is_empty() {
        print("nothing is in quarantine");
    } else {
        print(listed(&lines));
    }
    Ok(if lines.is_empty() { ANSWER_IS_NO } else { ExitCode::SUCCESS })
}

fn line(journal: &JournalArgs, stored: StoredMessage, repaired: Option<u64>) -> Line {
    Line {
        id: stored.id,
        accepted_at: time(stored.accepted_at_us),
        bytes: stored.body.len(),
        offset: offset(journal, &stored),
        cause: stored.reason.unwrap_or_default(),
        source: stored.source,
        file: stored.origin.map(|origin| origin.name),
        control_id: stored.control_id,
        repaired,
    }
}

fn listed(lines: &[Line]) -> String {
    let mut rows = table(["id", "accepted", "source", "control id", "bytes", "offset", "cause", "repaired"]);
    for line in lines {
        rows.add_row([
            line.id.to_string(),
            line.accepted_at.clone(),
            line.source.clone(),
            cell(&line.control_id),
            line.bytes.to_string(),
            line.offset.map(|offset| offset.to_string()).unwrap_or_default(),
            visible(&line.cause).into_owned(),
            line.repaired.map(|id| id.to_string()).unwrap_or_default(),
        ]);
    }
    rows.trim_fmt()
}

fn show(args: &ShowArgs) -> CommandResult {
    let reader = args.journal.reader()?;
    let stored = quarantined(&reader, args.id)?;
    let offset = offset(&args.journal, &stored);
    let reason = stored.reason.as_deref().unwrap_or_default();
    print(format_args!(
        "message {} from {}, {} bytes: {}",
        stored.id,
        stored.source,
        stored.body.len(),
        visible(reason)
    ));
    for repair in reader.repairs().map_err(Failure::new)?.iter().filter(|one| one.quarantined == args.id) {
        print(format_args!("repaired as message {}", repair.repaired));
    }
    print(format_args!("\n{}", bytes::around(&stored.body, offset, args.around)));
    Ok(ExitCode::SUCCESS)
}

/// A message that could not be read.
fn quarantined(reader: &Reader, id: u64) -> Result<StoredMessage, Failure> {
    let stored = reader.message(id).map_err(Failure::new)?;
    let stored = stored.ok_or_else(|| Failure::new(format!("there is no message {id} in the journal")))?;
    match stored.fate {
        Fate::Quarantined => Ok(stored),
        fate => Err(Failure::new(format!("message {id} is {}, and not quarantined", fate.name()))
            .help(format!("`orderly show {id}` shows it"))),
    }
}

/// Where reading fails, when it fails for what is in the bytes and not for how they came.
fn offset(journal: &JournalArgs, stored: &StoredMessage) -> Option<usize> {
    if is_part(&stored.format) {
        return None;
    }
    let found: Option<Diagnostic> = match Format::of(&stored.body) {
        Format::Hl7v2 => {
            parse(&stored.body, &journal.reading(&stored.source)).err().map(|error| error.diagnostic)
        }
        Format::Ccda => orderly_ccda::parse(&stored.body, &orderly_ccda::Limits::default()).err(),
    };
    match found?.place {
        Place::Input { offset, .. } => Some(offset),
        _ => None,
    }
}
