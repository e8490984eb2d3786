//! `orderly reload`: the files as they are now, in force in the running engine.

use std::process::ExitCode;

use clap::Args;
use orderly_runtime::{NotReloaded, Reloaded, Request, Response};

use crate::engine::{Engine, other_version};
use crate::failure::{ANSWER_IS_NO, CommandResult};
use crate::messages::JournalArgs;
use crate::output::{print, print_json};
use crate::site::plural;

/// Bring the configuration's files as they are now into force in the running engine, dropping no connection.
///
/// A running engine does so by itself soon after the files have changed, unless orderly.yaml says `reload: manual`; this command does it at
/// once and shows what came of it. All files are checked first; when anything is wrong with them, nothing changes. Sources and destinations
/// that are as they were keep their connections, and messages that are under way end with the configuration that they began with. A
/// destination that deliveries wait for cannot be removed. Exit code 1 when it was refused.
#[derive(Args)]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// Asks the running engine, and shows its answer.
pub(crate) fn run(args: &ReloadArgs) -> CommandResult {
    let engine = Engine::of(&args.journal)?;
    match engine.ask(&Request::Reload)? {
        Some(Response::Reloaded(reloaded)) => {
            tell(&reloaded, args.json);
            Ok(ExitCode::SUCCESS)
        }
        Some(Response::NotReloaded(refusal)) => {
            tell_refusal(&refusal, args.json);
            Ok(ANSWER_IS_NO)
        }
        Some(_) => Err(other_version()),
        None => Err(engine
            .runs_not()
            .help("nothing is to be reloaded: `orderly run` reads the files when it starts")),
    }
}

fn tell(reloaded: &Reloaded, json: bool) {
    if json {
        return print_json(reloaded);
    }
    for warning in &reloaded.warnings {
        print(format_args!("{warning}\n"));
    }
    if reloaded.plan == reloaded.before {
        return print(format_args!("nothing has changed: plan {} is in force", reloaded.plan));
    }
    let changes = [
        ("source", "started", &reloaded.sources_started),
        ("source", "restarted", &reloaded.sources_restarted),
        ("source", "stopped", &reloaded.sources_stopped),
        ("destination", "started", &reloaded.destinations_started),
        ("destination", "changed", &reloaded.destinations_changed),
        ("destination", "stopped", &reloaded.destinations_stopped),
    ];
    for (what, became, names) in changes.iter().filter(|(_, _, names)| !names.is_empty()) {
        print(format_args!("{what}{} {became}: {}", plural(names.len()), names.join(", ")));
    }
    print(format_args!("plan {} is in force, after {}", reloaded.plan, reloaded.before));
}

fn tell_refusal(refusal: &NotReloaded, json: bool) {
    if json {
        return print_json(refusal);
    }
    for problem in &refusal.shown {
        print(format_args!("{problem}\n"));
    }
    let count = refusal.problems.len();
    print(format_args!("not reloaded, {count} error{}: plan {} stays in force", plural(count), refusal.plan));
}
