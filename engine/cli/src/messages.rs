//! `orderly messages`: find messages and see what became of them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orderly_journal::{DeliveryState, Fate, KeyKind, KeyMatch, Match, Query, Reader, Summary};
use serde::Serialize;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::output::{cell, print, print_json, table, time, visible};
use crate::{moment, site};

/// Find messages: by patient, control id, order, visit, type, state, time. The newest come first.
///
/// Works beside a running engine. Exit code 1 when nothing was found.
#[derive(Args)]
pub(crate) struct MessagesArgs {
    /// An identifier of the patient, or the beginning of the name: 70014, "TESTER ALMA", tester.
    #[arg(long)]
    patient: Option<String>,
    /// The sender's control id: MSH-10, or the id of a document.
    #[arg(long)]
    control_id: Option<String>,
    /// An accession or order number.
    #[arg(long)]
    order: Option<String>,
    /// A visit or account number.
    #[arg(long)]
    visit: Option<String>,
    /// Message type, with or without the trigger event: ADT, ADT^A01; of documents CDA, CDA^CCD.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Messages with a delivery in this state, or with this fate of their own.
    #[arg(long, value_parser = states())]
    state: Option<String>,
    /// The source they came in by.
    #[arg(long)]
    source: Option<String>,
    /// The file they came in, by its path below the watched folder
    #[arg(long, value_name = "NAME")]
    file: Option<String>,
    /// Accepted at this time or later: 2026-03-05, 2026-03-05T14:00, or how long ago: 30m, 2h, 3d.
    #[arg(long, value_parser = moment::parse)]
    since: Option<i64>,
    /// Accepted before this time.
    #[arg(long, value_parser = moment::parse)]
    until: Option<i64>,
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

fn states() -> Vec<&'static str> {
    let mut names: Vec<&str> = DeliveryState::ALL.iter().map(|state| state.name()).collect();
    for fate in Fate::ALL {
        if !names.contains(&fate.name()) {
            names.push(fate.name());
        }
    }
    names
}

/// Searches and prints.
pub(crate) fn run(args: &MessagesArgs) -> CommandResult {
    let found = search(&args.journal.reader()?, args)?;
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

fn search(reader: &Reader, args: &MessagesArgs) -> Result<Vec<Summary>, Failure> {
    let mut queries = vec![query(args)];
    if let Some(word) = &args.patient {
        let (id, name) =
            (key(KeyKind::PatientId, word, Match::Exact), key(KeyKind::PatientName, word, Match::Prefix));
        queries = either(&queries, |query| with_key(query, &id), |query| with_key(query, &name));
    }
    if let Some(word) = &args.order {
        let (order, accession) =
            (key(KeyKind::OrderNumber, word, Match::Exact), key(KeyKind::Accession, word, Match::Exact));
        queries = either(&queries, |query| with_key(query, &order), |query| with_key(query, &accession));
    }
    if let Some(name) = &args.state {
        queries = queries.iter().flat_map(|query| in_state(query, name)).collect();
    }
    search_any(reader, &queries, args.limit)
}

fn query(args: &MessagesArgs) -> Query {
    let words = [(KeyKind::ControlId, &args.control_id), (KeyKind::Visit, &args.visit)];
    let keys = words.into_iter().filter_map(|(kind, word)| Some(key(kind, word.as_ref()?, Match::Exact)));
    let (message_type, event) = match args.kind.as_deref().map(|kind| kind.split_once(['^', '_'])) {
        Some(Some((kind, event))) => (Some(kind.to_owned()), Some(event.to_owned())),
        Some(None) => (args.kind.clone(), None),
        None => (None, None),
    };
    Query {
        keys: keys.collect(),
        source: args.source.clone(),
        file: args.file.clone(),
        message_type,
        event,
        since_us: args.since,
        until_us: args.until,
        limit: args.limit,
        ..Query::default()
    }
}

fn key(kind: KeyKind, word: &str, match_: Match) -> KeyMatch {
    KeyMatch { kind, value: word.to_owned(), match_ }
}

fn with_key(query: &Query, key: &KeyMatch) -> Query {
    let mut query = query.clone();
    query.keys.push(key.clone());
    query
}

/// Each query in two forms, of which either may match.
fn either(queries: &[Query], one: impl Fn(&Query) -> Query, other: impl Fn(&Query) -> Query) -> Vec<Query> {
    queries.iter().flat_map(|query| [one(query), other(query)]).collect()
}

/// The query for messages with a delivery in this state, and for those with a fate of this name: `failed` and
/// `filtered` are both.
pub(crate) fn in_state(query: &Query, name: &str) -> Vec<Query> {
    let state = DeliveryState::named(name).map(|state| Query { state: Some(state), ..query.clone() });
    let fate = Fate::named(name).map(|fate| Query { fate: Some(fate), ..query.clone() });
    state.into_iter().chain(fate).collect()
}

/// What any of the queries describes, the newest first.
pub(crate) fn search_any(reader: &Reader, queries: &[Query], limit: usize) -> Result<Vec<Summary>, Failure> {
    let mut found = Vec::new();
    for query in queries {
        found.extend(reader.search(query).map_err(Failure::new)?);
    }
    found.sort_by_key(|summary| std::cmp::Reverse(summary.seq));
    found.dedup_by_key(|summary| summary.seq);
    found.truncate(limit);
    Ok(found)
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
