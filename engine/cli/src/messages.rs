//! `orderly messages`: find messages and see what became of them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orderly_journal::Reader;
use orderly_pipeline::plan::Carrier;
use orderly_runtime::{AllFound, Found, FoundDelivery, Request, Response};
use serde::Serialize;

use crate::engine::{Engine, other_version};
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure, could_not_run};
use crate::filters::Filters;
use crate::output::{cell, print, print_json, table, time, visible};
use crate::site;

/// Find messages: by patient, control id, order, visit, type, state, time. The newest come first.
///
/// Works beside a running engine. Where a broker carries deliveries, the running engine has all nodes search their journals; a message's id is that
/// of its node. Exit code 1 when nothing was found, 2 when a node that was asked by name did not answer.
#[derive(Args)]
pub(crate) struct MessagesArgs {
    #[command(flatten)]
    filters: Filters,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only messages that this node took in; may be given several times. Without it all nodes are asked.
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a message, for programs.
    #[arg(long)]
    json: bool,
}

/// Which journal a command looks into.
#[derive(Args)]
pub(crate) struct JournalArgs {
    /// The site's file, which says where the journal lies.
    #[arg(long, default_value = "orderly.yaml")]
    config: PathBuf,
    /// The journal's folder itself, whatever the site's file says.
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
}

impl JournalArgs {
    /// The journal's folder.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        match &self.journal {
            Some(folder) => Ok(folder.clone()),
            None => site::journal_folder(&self.config),
        }
    }

    /// A view into the journal, beside the engine that may be running.
    pub(crate) fn reader(&self) -> Result<Reader, Failure> {
        let folder = self.folder()?;
        if !folder.exists() {
            return Err(Failure::new(format!("there is no journal in {}", folder.display()))
                .help("the engine makes it at its first start; --config or --journal name another"));
        }
        Reader::open(&folder).map_err(Failure::new)
    }

    /// How the site reads a source's bytes; the defaults where it no longer says.
    pub(crate) fn reading(&self, source: &str) -> orderly_hl7v2::Settings {
        let plan = site::load(&self.config).ok().and_then(|site| site.compiled.plan);
        let reading = plan.as_ref().and_then(|plan| plan.source(source)).map(|source| source.reading.clone());
        reading.unwrap_or_default()
    }

    /// Whether a broker carries deliveries here, so that there may be other nodes.
    pub(crate) fn shares_a_broker(&self) -> bool {
        let plan = site::load(&self.config).ok().and_then(|site| site.compiled.plan);
        plan.is_some_and(|plan| matches!(plan.queue.carrier, Carrier::Amqp(_)))
    }

    /// The site's file.
    pub(crate) fn config(&self) -> &std::path::Path {
        &self.config
    }
}

/// Searches and prints.
pub(crate) fn run(args: &MessagesArgs) -> CommandResult {
    let Some(AllFound { answers, silent, alone }) = of_all_nodes(args)? else {
        let found = args.filters.search(&args.journal.reader()?, args.limit)?;
        let found = found.into_iter().map(|summary| (None, Found::of(summary))).collect();
        return Ok(tell(found, args));
    };
    let mut found = Vec::new();
    let mut failed = !args.node.is_empty() && !silent.is_empty();
    if let Some(why) = alone {
        eprintln!("{why}: other nodes cannot be asked");
    }
    for node in silent {
        eprintln!("the node {node} does not answer: what it took in is not searched");
    }
    for answer in answers {
        if let Some(problem) = answer.problem {
            failed = true;
            eprintln!("the node {} could not search its journal: {problem}", answer.node);
        }
        found.extend(answer.found.into_iter().map(|found| (Some(answer.node.clone()), found)));
    }
    found.sort_by_key(|(_, found)| std::cmp::Reverse(found.accepted_at_us));
    found.truncate(args.limit);
    let code = tell(found, args);
    Ok(if failed { could_not_run() } else { code })
}

/// What all nodes found, where a broker carries deliveries and an engine runs that can ask.
fn of_all_nodes(args: &MessagesArgs) -> Result<Option<AllFound>, Failure> {
    if !args.journal.shares_a_broker() {
        let nobody = "no broker carries deliveries here, so there are no nodes";
        let help = "leave out --node, or name the site's file with --config";
        return if args.node.is_empty() { Ok(None) } else { Err(Failure::new(nobody).help(help)) };
    }
    let request = Request::Find(args.node.clone(), args.filters.find(args.limit));
    match Engine::of(&args.journal)?.ask(&request)? {
        Some(Response::Found(found)) => Ok(Some(found)),
        Some(_) => Err(other_version()),
        None if args.node.is_empty() => {
            eprintln!("no engine runs here that could ask other nodes: only this node's journal is searched");
            Ok(None)
        }
        None => Err(Failure::new("no engine runs here that could ask other nodes")
            .help("start it, or ask at a node where one runs")),
    }
}

fn tell(found: Vec<(Option<String>, Found)>, args: &MessagesArgs) -> ExitCode {
    let (count, is_cut) = (found.len(), found.len() == args.limit);
    if args.json {
        for (node, found) in found {
            print_json(&Line::of(node, found));
        }
        if is_cut {
            eprintln!("{}", more(args.limit));
        }
    } else {
        print(listing(found, args.limit));
    }
    if count == 0 { ANSWER_IS_NO } else { ExitCode::SUCCESS }
}

fn listing(found: Vec<(Option<String>, Found)>, limit: usize) -> String {
    if found.is_empty() {
        return "no message found".to_owned();
    }
    let is_cut = found.len() == limit;
    let has_nodes = found.iter().any(|(node, _)| node.is_some());
    let columns = ["id", "accepted", "source", "type", "control id", "fate", "deliveries"];
    let mut table = table(has_nodes.then_some("node").into_iter().chain(columns));
    for (node, found) in found {
        let line = Line::of(node, found);
        let deliveries: Vec<String> = line
            .deliveries
            .iter()
            .map(|delivery| format!("{} {}", delivery.destination, delivery.state))
            .collect();
        let fate =
            line.reason.map_or(line.fate.clone(), |reason| format!("{}: {}", line.fate, visible(&reason)));
        table.add_row(line.node.into_iter().chain([
            line.id.to_string(),
            line.accepted_at,
            line.source,
            cell(&line.kind),
            cell(&line.control_id),
            fate,
            deliveries.join(", "),
        ]));
    }
    let more = if is_cut { format!("\n{}", more(limit)) } else { String::new() };
    format!("{}{more}", table.trim_fmt())
}

fn more(limit: usize) -> String {
    format!("(the newest {limit}; --limit shows more)")
}

/// A message in a list.
#[derive(Serialize)]
struct Line {
    /// The node that took it in, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    id: u64,
    accepted_at: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    control_id: String,
    fate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The file it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    deliveries: Vec<FoundDelivery>,
}

impl Line {
    fn of(node: Option<String>, found: Found) -> Line {
        let Found { id, accepted_at_us, source, kind, control_id, fate, reason, file, deliveries } = found;
        let accepted_at = time(accepted_at_us);
        Line { node, id, accepted_at, source, kind, control_id, fate, reason, file, deliveries }
    }
}
