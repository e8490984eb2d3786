//! `orderly replay`: stored messages once more through today's configuration.

use std::process::ExitCode;

use clap::Args;
use orderly_journal::{DeliveryState, Fate, Query, Reader};
use orderly_runtime::{ReplayRequest, Replayed, Request, Response};

use crate::engine::{Engine, other_version};
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::{JournalArgs, in_state, search_any};
use crate::moment;
use crate::output::{print, print_json, progress};
use crate::site::plural;

/// How many messages are asked for at a time: the running engine serves one request after the other, and the progress
/// bar moves.
const CHUNK: usize = 200;

/// No limit on how many are found: a number that no journal reaches and that fits SQL's integers.
const ALL: usize = 1 << 40;

/// Process stored messages again, with today's configuration and their original time of acceptance.
///
/// What was not delivered yet is replaced at its place in the order; what was delivered is left alone unless asked for.
/// A running engine does it itself, with the configuration that is in force: when files were changed a moment ago, or orderly.yaml says
/// `reload: manual`, run `orderly reload` first. Without a running engine, the deliveries wait for its next start. Exit code 1 when a message could not be
/// replayed, could not be read, or its mapping failed again.
#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// Ids of messages, as `orderly messages` shows them.
    #[arg(required_unless_present = "state", conflicts_with = "state", value_name = "ID")]
    ids: Vec<u64>,
    /// All messages with a delivery in this state, or with this fate of their own; their other deliveries are left alone.
    #[arg(long, value_parser = ["failed", "parked", "waiting", "quarantined", "filtered"])]
    state: Option<String>,
    /// With --state: accepted at this time or later: 2026-03-05, 2026-03-05T14:00, or how long ago: 30m, 2h, 3d.
    #[arg(long, requires = "state", value_parser = moment::parse)]
    since: Option<i64>,
    /// Also send again what was delivered already.
    #[arg(long)]
    also_delivered: bool,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a message, for programs.
    #[arg(long)]
    json: bool,
}

/// Replays and says what became of each.
pub(crate) fn run(args: &ReplayArgs) -> CommandResult {
    let engine = Engine::of(&args.journal)?;
    let ids = match &args.state {
        None => args.ids.clone(),
        Some(state) => find(&args.journal.reader()?, state, args.since)?,
    };
    let progress = progress(ids.len());
    let (mut failed, mut waiting, mut refused) = (0, 0, 0);
    for chunk in ids.chunks(CHUNK) {
        let (ids, only) = (chunk.to_vec(), args.only_state());
        let request = ReplayRequest { ids, also_delivered: args.also_delivered, only };
        let Response::Replayed { plan, messages: replayed } = engine.ask_or_do(Request::Replay(request))?
        else {
            return Err(other_version());
        };
        engine.warn_of_another_plan(&plan);
        progress.inc(chunk.len() as u64);
        for line in &replayed {
            failed += usize::from(line.problem.is_some() || line.failed > 0 || is_unreadable(line));
            waiting += line.waiting;
            refused += usize::from(line.problem.is_some());
            tell(line, args.json);
        }
    }
    progress.finish_and_clear();
    if !args.json {
        let count = ids.len() - refused;
        print(format_args!(
            "{count} message{} replayed, {waiting} deliver{} waiting, {failed} not mended",
            plural(count),
            if waiting == 1 { "y" } else { "ies" }
        ));
    }
    if waiting == 0 && failed == 0 && args.state.is_none() && !args.also_delivered && !args.json {
        eprintln!("help: what was delivered is left alone; --also-delivered sends it again");
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

impl ReplayArgs {
    /// The state that a delivery must have to be touched, where one was named.
    fn only_state(&self) -> Option<String> {
        self.state.clone().filter(|name| DeliveryState::named(name).is_some())
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

/// All messages in a state, the oldest first, so that they go out in their order.
fn find(reader: &Reader, state: &str, since_us: Option<i64>) -> Result<Vec<u64>, Failure> {
    let query = Query { since_us, limit: ALL, ..Query::default() };
    let found = search_any(reader, &in_state(&query, state), ALL)?;
    Ok(found.iter().rev().map(|summary| summary.id).collect())
}
