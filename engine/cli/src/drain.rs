//! `orderly drain`: waits until what waited for a destination is settled.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use orderly_journal::{DeliveryState, Reader};
use orderly_runtime::status::DestinationStatus;
use serde::Serialize;

use crate::destinations::all;
use crate::engine::Engine;
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, progress};

/// How often the journal is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often the engine is asked whether it still sends.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Wait until everything that waits for a destination now is settled: before maintenance there, or before it is taken out of the configuration.
///
/// What comes in meanwhile is not waited for. Exit code 1 when something is left: the time is over, or nobody sends (no engine runs, or the
/// destination is paused). Ctrl-C ends the waiting; nothing is changed by it.
#[derive(Args)]
pub(crate) struct DrainArgs {
    /// The destination.
    #[arg(value_name = "DESTINATION")]
    name: String,
    /// Wait so long at most, in seconds.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// What came of the waiting.
#[derive(Serialize)]
struct Drained {
    /// So many waited at the beginning.
    waited: u64,
    /// So many of them still wait.
    left: u64,
    /// Why they do.
    why: Option<String>,
}

/// Waits and says what is left.
pub(crate) fn run(args: &DrainArgs) -> CommandResult {
    let engine = Engine::of(&args.journal)?;
    let destinations = all(&engine, &args.journal)?;
    if !destinations.iter().any(|destination| destination.name == args.name) {
        let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
        return Err(Failure::new(format!("there is no destination {}", args.name))
            .help(format!("there are {}", names.join(", "))));
    }
    let drained = drain(args, &engine, &args.journal.reader()?)?;
    match (args.json, &drained.why) {
        (true, _) => print_json(&drained),
        (false, None) if drained.waited == 0 => print(format_args!("{}: nothing waits", args.name)),
        (false, None) => print(format_args!("{}: all {} are settled", args.name, drained.waited)),
        (false, Some(why)) => {
            print(format_args!("{}: {} of {} still wait: {why}", args.name, drained.left, drained.waited));
        }
    }
    Ok(if drained.left == 0 { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

fn drain(args: &DrainArgs, engine: &Engine<'_>, reader: &Reader) -> Result<Drained, Failure> {
    let held = reader.held(&args.name, &[DeliveryState::Waiting]).map_err(Failure::new)?;
    let last = held.last().map_or(0, |held| held.delivery);
    let waited = held.len() as u64;
    let progress = progress(held.len());
    let until = args.timeout.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    let mut ask_at = Instant::now();
    let (left, why) = loop {
        let left = reader.waiting_up_to(&args.name, last).map_err(Failure::new)?;
        progress.set_position(waited.saturating_sub(left));
        if left == 0 {
            break (0, None);
        }
        if Instant::now() >= ask_at {
            ask_at = Instant::now() + ASK_EVERY;
            if let Some(why) = obstacle(args, engine)? {
                break (left, Some(why));
            }
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            break (left, Some(last_error(args, engine)?));
        }
        std::thread::sleep(LOOK_EVERY);
    };
    progress.finish_and_clear();
    Ok(Drained { waited, left, why })
}

fn status(args: &DrainArgs, engine: &Engine<'_>) -> Result<Option<DestinationStatus>, Failure> {
    let destinations = all(engine, &args.journal)?;
    Ok(destinations.into_iter().find(|destination| destination.name == args.name))
}

/// Why nothing is sent, if nothing is.
fn obstacle(args: &DrainArgs, engine: &Engine<'_>) -> Result<Option<String>, Failure> {
    use orderly_runtime::status::DestinationState::{Blocked, Stopped, Undeclared};
    Ok(match status(args, engine)? {
        Some(DestinationStatus { state: Stopped, .. }) | None => Some("no engine runs".to_owned()),
        Some(DestinationStatus { state: Undeclared, .. }) => {
            Some("the configuration no longer has the destination".to_owned())
        }
        Some(DestinationStatus { state: Blocked, .. }) => Some(format!(
            "a refusal blocks it; `orderly skip {}` or `orderly resume {}` goes on",
            args.name, args.name
        )),
        Some(DestinationStatus { paused: Some(paused), .. }) => {
            Some(format!("it is paused by {}; `orderly resume {}` goes on", paused.who, args.name))
        }
        Some(_) => None,
    })
}

fn last_error(args: &DrainArgs, engine: &Engine<'_>) -> Result<String, Failure> {
    let error = status(args, engine)?.and_then(|status| status.last_error);
    Ok(match error {
        Some(error) => {
            format!("the time is over; the last error was {} {}: {}", error.at, error.code, error.text)
        }
        None => "the time is over".to_owned(),
    })
}
