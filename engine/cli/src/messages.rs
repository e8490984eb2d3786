//! `orderly messages`: find messages and see what became of them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orderly_journal::{Reader, Summary};
use serde::Serialize;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::filters::Filters;
use crate::output::{cell, print, print_json, table, time, visible};
use crate::site;

/// Find messages: by patient, control id, order, visit, type, state, time. The newest come first.
///
/// Works beside a running engine. Exit code 1 when nothing was found.
#[derive(Args)]
pub(crate) struct MessagesArgs {
    #[command(flatten)]
    filters: Filters,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
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

    /// The site's file.
    pub(crate) fn config(&self) -> &std::path::Path {
        &self.config
    }
}

/// Searches and prints.
pub(crate) fn run(args: &MessagesArgs) -> CommandResult {
    let found = args.filters.search(&args.journal.reader()?, args.limit)?;
    if args.json {
        for summary in &found {
            print_json(&Line::of(summary));
        }
        if found.len() == args.limit {
            eprintln!("{}", more(args.limit));
        }
    } else {
        print(listing(&found, args.limit));
    }
    Ok(if found.is_empty() { ANSWER_IS_NO } else { ExitCode::SUCCESS })
}

fn listing(found: &[Summary], limit: usize) -> String {
    if found.is_empty() {
        return "no message found".to_owned();
    }
    let mut table = table(["id", "accepted", "source", "type", "control id", "fate", "deliveries"]);
    for summary in found {
        let line = Line::of(summary);
        let deliveries: Vec<String> = line
            .deliveries
            .iter()
            .map(|delivery| format!("{} {}", delivery.destination, delivery.state))
            .collect();
        let fate =
            line.reason.map_or(line.fate.to_owned(), |reason| format!("{}: {}", line.fate, visible(&reason)));
        table.add_row([
            line.id.to_string(),
            line.accepted_at,
            line.source,
            cell(&line.kind),
            cell(&line.control_id),
            fate,
            deliveries.join(", "),
        ]);
    }
    let more = if found.len() == limit { format!("\n{}", more(limit)) } else { String::new() };
    format!("{}{more}", table.trim_fmt())
}

fn more(limit: usize) -> String {
    format!("(the newest {limit}; --limit shows more)")
}

/// A message in a list.
#[derive(Serialize)]
struct Line {
    id: u64,
    accepted_at: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    control_id: String,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The file it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    deliveries: Vec<DeliveryLine>,
}

/// A delivery in a list.
#[derive(Serialize)]
struct DeliveryLine {
    destination: String,
    route: String,
    state: &'static str,
}

impl Line {
    fn of(summary: &Summary) -> Line {
        let kind = match summary.event.as_str() {
            "" => summary.message_type.clone(),
            event => format!("{}^{event}", summary.message_type),
        };
        Line {
            id: summary.id,
            accepted_at: time(summary.accepted_at_us),
            source: summary.source.to_string(),
            kind,
            control_id: summary.control_id.clone(),
            fate: summary.fate.name(),
            reason: summary.reason.clone(),
            file: summary.origin.as_ref().map(|origin| origin.name.clone()),
            deliveries: summary
                .deliveries
                .iter()
                .map(|delivery| DeliveryLine {
                    destination: delivery.destination.to_string(),
                    route: delivery.route.to_string(),
                    state: delivery.state.name(),
                })
                .collect(),
        }
    }
}
