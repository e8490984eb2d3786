//! `orderly status`: how the running engine stands, or that none runs.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use orderly_journal::{DeliveryState, Reader};
use orderly_runtime::status::{
    DestinationState, DestinationStatus, Fates, SourceState, SourceStatus, Status,
};
use orderly_runtime::{ControlError, Request, Response, ask};
use serde::Serialize;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, table};
use crate::run::runtime;

/// How the running engine stands: its sources and who sends to them, its destinations and what waits for them.
///
/// Of each sender it tells by address what of its frames and messages deviated, by the codes that a source may `refuse`: how often
/// since the engine was started or the source added, and where last (of `mllp-` codes the byte of the connection, else the byte of the message).
/// It waits its turn behind a replay or a reload. Exit code 1 when no engine runs: then it tells what waits.
#[derive(Args)]
#[command(
    after_help = "Example: orderly status --json | jq '.destinations[] | select(.state == \"trying\")'"
)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// Asks the engine and prints what it says.
pub(crate) fn run(args: &StatusArgs) -> CommandResult {
    let folder = args.journal.folder()?;
    match runtime()?.block_on(ask(&folder, &Request::Status)) {
        Ok(Response::Status(status)) => {
            tell(&status, args.json);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Response::Refused(why)) => Err(Failure::new(why)),
        Ok(_) => Err(Failure::new("the running engine answers something else: it is of another version")),
        Err(error @ ControlError::NoEngine(_)) => {
            let waiting = if folder.exists() { waiting(&args.journal.reader()?)? } else { Vec::new() };
            tell_stopped(&folder, &error, waiting, args.json);
            Ok(ANSWER_IS_NO)
        }
        Err(error) => Err(Failure::new(error)),
    }
}

/// What programs get when no engine runs, and before the status of one that does.
#[derive(Serialize)]
struct Answer<'s> {
    running: bool,
    #[serde(flatten)]
    status: Option<&'s Status>,
    /// What the journal has waiting, where no engine tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    destinations: Option<Vec<Waiting>>,
}

/// Deliveries that wait.
#[derive(Serialize)]
struct Waiting {
    name: String,
    waiting: u64,
}

fn waiting(reader: &Reader) -> Result<Vec<Waiting>, Failure> {
    let counts = reader.counts().map_err(Failure::new)?;
    let waiting = counts.deliveries.into_iter().filter(|count| count.state == DeliveryState::Waiting);
    let waiting = waiting.map(|count| Waiting { name: count.destination, waiting: count.count });
    Ok(waiting.filter(|waiting| waiting.waiting > 0).collect())
}

fn tell_stopped(folder: &Path, error: &ControlError, waiting: Vec<Waiting>, json: bool) {
    if json {
        return print_json(&Answer { running: false, status: None, destinations: Some(waiting) });
    }
    print(error);
    if !folder.exists() {
        return print("there is no journal there yet; the engine makes it at its first start");
    }
    match waiting.is_empty() {
        true => print("no delivery waits"),
        false => {
            let mut rows = table(["destination", "waiting"]);
            for Waiting { name, waiting } in waiting {
                rows.add_row([name, waiting.to_string()]);
            }
            print(rows);
        }
    }
}

fn tell(status: &Status, json: bool) {
    if json {
        return print_json(&Answer { running: true, status: Some(status), destinations: None });
    }
    print(format_args!("running since {} with the configuration {}\n", status.since, status.plan));
    print(sources(&status.sources));
    print("");
    print(destinations(&status.destinations));
    if let Some(peers) = peers(&status.sources) {
        print(format_args!("\n{peers}"));
    }
}

fn sources(sources: &[SourceStatus]) -> impl std::fmt::Display + use<> {
    let heading =
        ["source", "state", "connections", "routed", "filtered", "duplicate", "failed", "quarantined"];
    let mut rows = table(heading);
    for source in sources {
        let state = match source.state {
            SourceState::Listening => format!("listening at {}", source.place),
            SourceState::Watching => format!("watching {}", source.place),
        };
        let connections = match source.state {
            SourceState::Listening => source.connections.to_string(),
            SourceState::Watching => String::new(),
        };
        let Fates { routed, filtered, duplicate, failed, quarantined } = source.messages;
        let fates = [routed, filtered, duplicate, failed, quarantined].map(|count| count.to_string());
        rows.add_row([source.name.clone(), state, connections].into_iter().chain(fates));
    }
    rows
}

fn destinations(destinations: &[DestinationStatus]) -> impl std::fmt::Display + use<> {
    let mut rows = table(["destination", "state", "waiting", "last error"]);
    for destination in destinations {
        let state = match destination.state {
            DestinationState::Idle => "nothing sent yet".to_owned(),
            DestinationState::Reachable => format!("reachable since {}", destination.since),
            DestinationState::Trying => format!("trying since {}", destination.since),
            DestinationState::Blocked => format!("blocked by a refusal since {}", destination.since),
            DestinationState::Undeclared => "the configuration no longer has it".to_owned(),
        };
        let error = destination.last_error.as_ref();
        let error = error.map(|error| format!("{} {}: {}", error.at, error.code, error.text));
        let waiting = destination.waiting.to_string();
        rows.add_row([destination.name.clone(), state, waiting, error.unwrap_or_default()]);
    }
    rows
}

/// Who deviated in which way; nothing when nobody did.
fn peers(sources: &[SourceStatus]) -> Option<impl std::fmt::Display + use<>> {
    let mut rows = table(["source", "sender", "deviation", "times", "last at byte"]);
    for source in sources {
        for peer in &source.peers {
            for met in &peer.tolerances {
                let numbers = [met.count, met.last_offset].map(|number| number.to_string());
                let words = [source.name.clone(), peer.address.clone(), met.code.clone()];
                rows.add_row(words.into_iter().chain(numbers));
            }
        }
    }
    (!rows.is_empty()).then_some(rows)
}
