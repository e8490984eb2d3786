//! `orderly replay`: stored messages once more through today's configuration.

mod foreseen;

use std::process::ExitCode;

use clap::Args;
use orderly_journal::Fate;
use orderly_runtime::{ReplayRequest, Replayed, Request, Response};

use crate::engine::{Engine, other_version, who};
use crate::failure::{ANSWER_IS_NO, CommandResult};
use crate::filters::Filters;
use crate::messages::JournalArgs;
use crate::output::{print, print_json, progress};
use crate::pace::{self, Pace, Rate};
use crate::site::plural;
pub(crate) use foreseen::although_taken_back;

/// How many messages are asked for at a time: the running engine serves one request after the other, and the progress
/// bar moves.
const CHUNK: usize = 200;

/// Process stored messages again, with today's configuration and their original time of acceptance.
///
/// What was not delivered yet is replaced at its place in the order; what was delivered, or was taken back by a person, is left alone unless asked for.
/// A running engine does it itself, with the configuration that is in force: when files were changed a moment ago, or orderly.yaml says
/// `reload: manual`, run `orderly reload` first. Without a running engine, the deliveries wait for its next start. Exit code 1 when a message could not be
/// replayed, could not be read, or its mapping failed again.
///
/// With --state or --destination, only those deliveries of the messages are touched. Run it with --dry-run first, when it is about many: it
/// says how many would go to whom, which were delivered before, how many differ from what is stored (--diff shows where), and for
/// which the destination has since received something newer, most of all of the same patient.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  orderly replay 4711\n  orderly replay --state failed --since 2h\n  orderly replay --source riverside-emr --since \
                  2026-03-05 --until 2026-03-06 --also-delivered --dry-run --diff"
)]
pub(crate) struct ReplayArgs {
    /// Ids of messages, as `orderly messages` shows them.
    #[arg(value_name = "ID")]
    ids: Vec<u64>,
    #[command(flatten)]
    filters: Filters,
    /// Also send again what was delivered already.
    #[arg(long)]
    also_delivered: bool,
    /// Also send what a person took back (`orderly cancel`), and not only what a replay no longer made.
    #[arg(long)]
    also_cancelled: bool,
    /// Only say what would become of each delivery; nothing is changed.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run, show where what would be sent differs from what is stored.
    #[arg(long, requires = "dry_run")]
    diff: bool,
    /// Not faster than this: 10/s, 600/m, 5000/h.
    #[arg(long, value_parser = pace::parse)]
    rate: Option<Rate>,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a message, for programs.
    #[arg(long)]
    json: bool,
}

/// Replays and says what became of each.
pub(crate) fn run(args: &ReplayArgs) -> CommandResult {
    let engine = Engine::of(&args.journal)?;
    let ids = args.filters.chosen(&args.ids, || args.journal.reader())?;
    let mut outlook = foreseen::Outlook::new(args.dry_run.then(|| args.journal.reader()).transpose()?);
    let (progress, mut pace) = (progress(ids.len()), Pace::new(args.rate.filter(|_| !args.dry_run)));
    let mut total = Total::default();
    for chunk in ids.chunks(pace.chunk(CHUNK)) {
        let Response::Replayed { plan, messages } = engine.ask_or_do(Request::Replay(args.request(chunk)))?
        else {
            return Err(other_version());
        };
        engine.warn_of_another_plan(&plan);
        progress.inc(chunk.len() as u64);
        for line in &messages {
            total.add(line);
            match args.dry_run {
                true => outlook.take_in(line, args.json)?,
                false => tell(line, args.json),
            }
        }
        pace.wait(chunk.len());
    }
    progress.finish_and_clear();
    if !args.json {
        if args.dry_run {
            print(outlook.text());
        }
        print(total.text(args.dry_run));
    }
    let is_bare = args.filters.delivery_state().is_none() && !args.also_delivered;
    if total.waiting == 0 && total.failed == 0 && is_bare && !args.json {
        eprintln!(
            "help: what was delivered is left alone, and what a person took back; --also-delivered and --also-cancelled send it"
        );
    }
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

impl ReplayArgs {
    fn request(&self, ids: &[u64]) -> ReplayRequest {
        ReplayRequest {
            ids: ids.to_vec(),
            also_delivered: self.also_delivered,
            also_cancelled: self.also_cancelled,
            only: self.filters.delivery_state().map(|state| state.name().to_owned()),
            destination: self.filters.destination.clone(),
            dry_run: self.dry_run,
            differences: self.diff,
            who: who(),
        }
    }
}

/// What became of all of them.
#[derive(Default)]
struct Total {
    replayed: usize,
    waiting: usize,
    failed: usize,
}

impl Total {
    fn add(&mut self, line: &Replayed) {
        self.replayed += usize::from(line.problem.is_none());
        self.waiting += line.waiting;
        self.failed += usize::from(line.problem.is_some() || line.failed > 0 || is_unreadable(line));
    }

    fn text(&self, dry_run: bool) -> String {
        let Total { replayed, waiting, failed } = self;
        let would = if dry_run { " would be" } else { "" };
        let (s, ies) = (plural(*replayed), if *waiting == 1 { "y" } else { "ies" });
        format!("{replayed} message{s}{would} replayed, {waiting} deliver{ies} waiting, {failed} not mended")
    }
}

/// Quarantined before and after: nothing came of it.
fn is_unreadable(line: &Replayed) -> bool {
    line.fate.as_deref() == Some(Fate::Quarantined.name())
}

fn tell(line: &Replayed, json: bool) {
    match (json, &line.problem, &line.fate) {
        (true, ..) => print_json(line),
        (false, Some(problem), _) => print(format_args!("{}: not replayed: {problem}", line.id)),
        (false, None, fate) => {
            let fate = fate.as_deref().unwrap_or_default();
            let again =
                if line.failed > 0 { format!(", {} failed again", line.failed) } else { String::new() };
            print(format_args!("{}: {fate}, {} waiting{again}", line.id, line.waiting));
        }
    }
}
