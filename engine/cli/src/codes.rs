//! `orderly codes`: codes that a table has no row for, and what waits for them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use orderly_journal::{CodeFilter, CodeStanding};
use orderly_runtime::{Parked, ReleaseRequest, Released, Request, Response};
use serde::Serialize;

use crate::engine::{Engine, other_version, who};
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{cell, print, print_json, progress, table, time};
use crate::site::plural;

/// How many messages are asked for at a time: the running engine serves one request after the other, and the progress bar moves.
const CHUNK: usize = 200;

/// List the codes that a table has no row for, and release what is parked for them.
///
/// A table with `unmapped: park` sets a message aside, for one destination, when it meets a code without a row. To mend it: add a row to the
/// table and save it, which a running engine takes up by itself (`orderly reload` shows whether it did), then `orderly codes release`. Works
/// beside a running engine.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CodesArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a code, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    Release(ReleaseArgs),
}

/// Process again what is parked for want of a row, with the table as it is now.
///
/// Each delivery takes its old place in the order of its destination: it goes before everything that came after it and still waits. What
/// meets a code without a row again stays parked. Exit code 1 when something did not go.
#[derive(Args)]
struct ReleaseArgs {
    /// Only what is parked for want of a row in this table.
    #[arg(long)]
    table: Option<String>,
    /// Only what is parked for this code, as `orderly codes --json` shows it.
    #[arg(long)]
    code: Option<String>,
    /// Only say what would become of each; nothing is changed.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a message, for programs.
    #[arg(long)]
    json: bool,
}

/// Lists or releases.
pub(crate) fn run(args: &CodesArgs) -> CommandResult {
    match &args.what {
        None => list(args),
        Some(What::Release(args)) => release(args),
    }
}

#[derive(Serialize)]
struct JsonCode<'c> {
    table: &'c str,
    code: &'c str,
    mapping: &'c str,
    destination: &'c str,
    count: u64,
    waiting: u64,
    first: String,
    last: String,
}

fn list(args: &CodesArgs) -> CommandResult {
    let codes = args.journal.reader()?.codes().map_err(Failure::new)?;
    if args.json {
        for code in &codes {
            print_json(&json(code));
        }
    } else if codes.is_empty() {
        print("no code was without a row");
    } else {
        let mut rows =
            table(["table", "code", "mapping", "destination", "count", "waiting", "first", "last"]);
        for code in &codes {
            rows.add_row([
                code.table.clone(),
                cell(&code.code),
                code.mapping.clone(),
                code.destination.clone(),
                code.count.to_string(),
                code.waiting.to_string(),
                time(code.first_us),
                time(code.last_us),
            ]);
        }
        print(rows.trim_fmt());
    }
    Ok(ExitCode::SUCCESS)
}

fn json(code: &CodeStanding) -> JsonCode<'_> {
    let CodeStanding { table, code, mapping, destination, count, waiting, first_us, last_us } = code;
    let (first, last) = (time(*first_us), time(*last_us));
    JsonCode { table, code, mapping, destination, count: *count, waiting: *waiting, first, last }
}

fn release(args: &ReleaseArgs) -> CommandResult {
    let engine = Engine::of(&args.journal)?;
    let filter = CodeFilter { table: args.table.clone(), code: args.code.clone() };
    let parked = args.journal.reader()?.parked_for_codes(&filter).map_err(Failure::new)?;
    let messages = parked.into_iter().map(|one| Parked { id: one.message_id, deliveries: one.deliveries });
    let messages: Vec<Parked> = messages.collect();
    let progress = progress(messages.len());
    let mut total = Total::default();
    for chunk in messages.chunks(CHUNK) {
        let request = ReleaseRequest { messages: chunk.to_vec(), dry_run: args.dry_run, who: who() };
        let Response::Released { plan, messages: released } = engine.ask_or_do(Request::Release(request))?
        else {
            return Err(other_version());
        };
        engine.warn_of_another_plan(&plan);
        progress.inc(chunk.len() as u64);
        for line in &released {
            total.add(line);
            match (&line.problem, args.json) {
                (_, true) => print_json(line),
                (Some(problem), false) => print(format_args!("{}: not released: {problem}", line.id)),
                (None, false) => {}
            }
        }
    }
    progress.finish_and_clear();
    if !args.json {
        print(total.told(args.dry_run));
    }
    Ok(if total.is_all_gone() { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

/// What became of all of them.
#[derive(Default)]
struct Total {
    released: usize,
    unmapped: usize,
    failed: usize,
    dropped: usize,
    problems: usize,
}

impl Total {
    fn add(&mut self, line: &Released) {
        self.released += line.released;
        self.unmapped += line.unmapped;
        self.failed += line.failed;
        self.dropped += line.dropped;
        self.problems += usize::from(line.problem.is_some());
    }

    fn is_all_gone(&self) -> bool {
        self.unmapped + self.failed + self.problems == 0
    }

    fn told(&self, dry_run: bool) -> String {
        let Total { released, unmapped, failed, dropped, problems } = self;
        let (ies, would) = (if *released == 1 { "y" } else { "ies" }, if dry_run { " would be" } else { "" });
        let mut text = format!("{released} deliver{ies}{would} released, {unmapped} still unmapped");
        for (count, what) in [(failed, "failed or parked otherwise"), (dropped, "not wanted any more")] {
            if *count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        if *problems > 0 {
            text.push_str(&format!(", {problems} message{} not processed", plural(*problems)));
        }
        text
    }
}
