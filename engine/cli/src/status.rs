//! `orderly status`: how the running engine stands, or that none runs.

use std::process::ExitCode;

use clap::Args;
use orderly_runtime::status::{DestinationStatus, Fates, SourceState, SourceStatus, Status, Unsure};
use orderly_runtime::{
    BrokerState, BrokerStatus, NodeStatus, Request, Response, destinations_without_engine,
};
use serde::Serialize;

use crate::destinations::listed;
use crate::engine::{Engine, other_version};
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, table};
use crate::site;

/// How the running engine stands: its sources and who sends to them, its destinations and what waits for them, and when what failed is
/// tried again.
///
/// Of each sender it tells by address what of its frames and messages deviated, by the codes that a source may `refuse`: how often
/// since the engine was started or the source added, and where last (of `mllp-` codes the byte of the connection, else the byte of the message).
/// Exit code 1 when no engine runs: then it tells what waits.
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
    let engine = Engine::of(&args.journal)?;
    match engine.ask(&Request::Status)? {
        Some(Response::Status(status)) => {
            tell(&status, args.json);
            Ok(ExitCode::SUCCESS)
        }
        Some(_) => Err(other_version()),
        None => {
            tell_stopped(&engine, &stopped(&args.journal)?, args.json);
            Ok(ANSWER_IS_NO)
        }
    }
}

/// The destinations as the journal has them, when no engine tells of them.
pub(crate) fn stopped(journal: &JournalArgs) -> Result<Vec<DestinationStatus>, Failure> {
    if !journal.folder()?.exists() {
        return Ok(Vec::new());
    }
    let plan = site::load(journal.config()).ok().and_then(|site| site.compiled.plan);
    let declared = plan.map(|plan| plan.destinations.iter().map(|one| one.name.clone()).collect::<Vec<_>>());
    destinations_without_engine(&declared.unwrap_or_default(), &journal.reader()?).map_err(Failure::new)
}

/// What programs get when no engine runs, and before the status of one that does.
#[derive(Serialize)]
struct Answer<'s> {
    running: bool,
    #[serde(flatten)]
    status: Option<&'s Status>,
    /// What the journal says of destinations, where no engine tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    destinations: Option<&'s [DestinationStatus]>,
}

fn tell_stopped(engine: &Engine<'_>, destinations: &[DestinationStatus], json: bool) {
    if json {
        return print_json(&Answer { running: false, status: None, destinations: Some(destinations) });
    }
    print(engine.runs_not().message());
    match engine.folder().exists() {
        true => print(listed(destinations)),
        false => print("there is no journal there yet; the engine makes it at its first start"),
    }
}

fn tell(status: &Status, json: bool) {
    if json {
        return print_json(&Answer { running: true, status: Some(status), destinations: None });
    }
    print(format_args!("running since {} with the configuration {}\n", status.since, status.plan));
    if let Some(broker) = &status.broker {
        print(format_args!("{}\n", told_of_broker(broker)));
    }
    print(sources(&status.sources));
    status
        .sources
        .iter()
        .filter(|source| source.unsure.messages > 0)
        .for_each(|source| print(unsure(source)));
    print("");
    print(listed(&status.destinations));
    if let Some(peers) = peers(&status.sources) {
        print(format_args!("\n{peers}"));
    }
    if let Some(nodes) = nodes(&status.nodes) {
        print(format_args!("\n{nodes}"));
    }
}

/// This node and its way to the broker, in a line.
fn told_of_broker(broker: &BrokerStatus) -> String {
    let BrokerStatus { node, address, state, since, reason } = broker;
    let address = address.as_deref().unwrap_or("never reached");
    let state = match state {
        BrokerState::Connected => "connected",
        BrokerState::Blocked => "blocked by an alarm",
        BrokerState::Lost => "not reached",
    };
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("node {node}, carrier amqp, broker {address}: {state} since {since}{reason}")
}

/// Who shares the broker; nothing where no broker carries deliveries.
fn nodes(nodes: &[NodeStatus]) -> Option<impl std::fmt::Display + use<>> {
    let mut rows = table(["node", "heard", "delivers to"]);
    for node in nodes {
        let heard = match node.is_silent {
            true => format!("not for {} s", node.heard_s),
            false => format!("{} s ago", node.heard_s),
        };
        rows.add_row([node.node.clone(), heard, node.delivers.join(", ")]);
    }
    (!rows.is_empty()).then_some(rows)
}

fn sources(sources: &[SourceStatus]) -> impl std::fmt::Display + use<> {
    let heading = [
        "source",
        "state",
        "connections",
        "routed",
        "filtered",
        "duplicate",
        "failed",
        "quarantined",
        "reused ids",
    ];
    let mut rows = table(heading);
    for source in sources {
        let state = match source.state {
            SourceState::Listening => format!("listening at {}", source.place),
            SourceState::Watching => format!("watching {}", source.place),
            SourceState::Consuming => format!("consuming {}", source.place),
            SourceState::Trying => format!("trying to consume {}", source.place),
        };
        let connections = match source.state {
            SourceState::Listening => source.connections.to_string(),
            SourceState::Watching | SourceState::Consuming | SourceState::Trying => String::new(),
        };
        let Fates { routed, filtered, duplicate, failed, quarantined } = source.messages;
        let fates = [routed, filtered, duplicate, failed, quarantined, source.reused_ids]
            .map(|count| count.to_string());
        rows.add_row([source.name.clone(), state, connections].into_iter().chain(fates));
    }
    rows
}

/// What may have come twice, and what keeps that from being known.
fn unsure(source: &SourceStatus) -> String {
    let Unsure { messages, files } = &source.unsure;
    format!(
        "{}: {messages} taken as new that may be repeats, because a file of the journal cannot be read: {}",
        source.name,
        files.join("; ")
    )
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
