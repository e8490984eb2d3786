//! `orderly coverage`: which fields of a feed the mappings use, which they leave aside on purpose, and which they forgot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use orderly_journal::{Query, Reader};
use orderly_pipeline::ledger::{Feeds, Ledger, PlaceCounts, RouteLedger, Status};
use orderly_pipeline::{Diagnostic, Facts, Plan, members};
use serde_json::{Value, json};

use crate::diagnostics::JsonDiagnostic;
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, table};
use crate::site::{self, plural};

/// Show which populated fields of the messages are mapped, which are declared ignored (`ignore:` of a mapping), and which nobody wanted.
///
/// It looks at the messages of the journal, or at files, as today's mappings would treat them; nothing is sent or stored. A message that
/// gave no destination an output is not counted. Exit code 1 when a field is unmapped, or something is new.
#[derive(Args)]
pub(crate) struct CoverageArgs {
    /// Messages in files instead of the journal's.
    files: Vec<PathBuf>,
    /// Only this route.
    #[arg(long)]
    route: Option<String>,
    /// The source that the files came in by. When nothing is said: that of the route, or the only one.
    #[arg(long)]
    source: Option<String>,
    /// Messages accepted at this time or later (2026-03-05, 2h), and what of them no earlier message had: new segments, fields and codes.
    #[arg(long, value_parser = crate::moment::parse, conflicts_with = "files")]
    since: Option<i64>,
    /// At most so many messages, the latest.
    #[arg(long, default_value_t = 10_000)]
    limit: usize,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a route and one for each thing that is new, for programs.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default)]
struct Found {
    ledger: Ledger,
    new: Vec<Diagnostic>,
    unread: usize,
}

/// Counts, prints, and answers no when something is unmapped or new.
pub(crate) fn run(args: &CoverageArgs) -> CommandResult {
    let plan = site::load(args.journal.config())?.take_plan()?;
    if let Some(name) = args.route.as_ref().filter(|name| plan.route(name).is_none()) {
        let names: Vec<&str> = plan.routes.iter().map(|route| &*route.name).collect();
        return Err(Failure::new(format!("there is no route `{name}`"))
            .help(format!("there are {}", names.join(", "))));
    }
    let mut found = match args.files.is_empty() {
        true => of_journal(args, &plan)?,
        false => of_files(args, &plan)?,
    };
    if let Some(route) = &args.route {
        found.ledger.routes.retain(|name, _| **name == **route);
    }
    match args.json {
        true => print_objects(&found),
        false => print_text(&found),
    }
    let unmapped = found.ledger.routes.values().any(|route| route.places_with(Status::Unmapped) > 0);
    Ok(if unmapped || !found.new.is_empty() { ANSWER_IS_NO } else { ExitCode::SUCCESS })
}

fn of_files(args: &CoverageArgs, plan: &Plan) -> Result<Found, Failure> {
    let of_route = args.route.as_deref().and_then(|name| plan.route(name));
    let of_route = of_route.and_then(|route| plan.sources.get(route.source));
    let source = site::source_of_file(plan, args.source.as_deref(), of_route)?;
    let mut found = Found::default();
    for file in &args.files {
        let bytes = fs::read(file)
            .map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))?;
        let all = members(&bytes);
        for (number, member) in (1..).zip(&all) {
            let name = named(file, number, all.len());
            let facts = Facts { id: 1, source: &source.name, accepted_at: Timestamp::now() };
            let message = bytes.get(member.clone()).unwrap_or_default();
            found.unread += usize::from(!found.ledger.add(plan, &facts, message, &name));
        }
    }
    Ok(found)
}

/// A message of a file; its number only where there are several.
fn named(file: &Path, number: usize, of: usize) -> String {
    match of {
        0 | 1 => file.display().to_string(),
        _ => format!("{} message {number}", file.display()),
    }
}

fn of_journal(args: &CoverageArgs, plan: &Plan) -> Result<Found, Failure> {
    let reader = args.journal.reader()?;
    let source = args.route.as_deref().and_then(|name| plan.route(name));
    let source =
        source.and_then(|route| plan.sources.get(route.source)).map(|source| source.name.to_string());
    let query = Query { source: args.source.clone().or(source), ..Query::default() };
    let counted = ids(&reader, Query { since_us: args.since, ..query.clone() }, args.limit)?;
    let (mut found, mut feeds) = (Found::default(), Feeds::default());
    if args.since.is_some() {
        let earlier = ids(&reader, Query { until_us: args.since, ..query }, usize::MAX)?;
        each(&reader, &earlier, |facts, bytes, name| _ = feeds.add(plan, facts, bytes, name))?;
    }
    each(&reader, &counted, |facts, bytes, name| {
        found.unread += usize::from(!found.ledger.add(plan, facts, bytes, name));
        if args.since.is_some() {
            found.new.append(&mut feeds.add(plan, facts, bytes, name));
        }
    })?;
    Ok(found)
}

/// How many messages are asked for at a time.
const PAGE: usize = 1_000;

/// The ids of the messages that a query describes, the oldest first; of more than `most` the latest.
fn ids(reader: &Reader, mut query: Query, most: usize) -> Result<Vec<u64>, Failure> {
    let mut ids = Vec::new();
    while ids.len() < most {
        query.limit = PAGE.min(most - ids.len());
        let page = reader.search(&query).map_err(Failure::new)?;
        let Some(last) = page.last() else { break };
        query.before_seq = Some(last.seq);
        ids.extend(page.iter().map(|summary| summary.id));
    }
    ids.reverse();
    Ok(ids)
}

fn each(reader: &Reader, ids: &[u64], mut look: impl FnMut(&Facts<'_>, &[u8], &str)) -> Result<(), Failure> {
    let bar = ProgressBar::new(ids.len() as u64).with_style(style());
    for id in ids {
        if let Some(stored) = reader.message(*id).map_err(Failure::new)? {
            let accepted_at = Timestamp::from_microsecond(stored.accepted_at_us).map_err(Failure::new)?;
            let facts = Facts { id: *id, source: &stored.source, accepted_at };
            look(&facts, &stored.body, &id.to_string());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn style() -> ProgressStyle {
    let template = ProgressStyle::with_template("{wide_bar} {pos}/{len} messages, {eta} left");
    template.unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn print_text(found: &Found) {
    if found.ledger.routes.is_empty() {
        print("no message gave an output");
    }
    for (name, route) in &found.ledger.routes {
        let (messages, places) = (route.messages, route.places.len());
        let counts: Vec<String> = Status::ALL
            .iter()
            .map(|status| format!("{} {}", route.places_with(*status), status.name()))
            .collect();
        print(format_args!(
            "route {name}: {messages} message{}, {places} field{} ({})",
            plural(messages),
            plural(places),
            counts.join(", ")
        ));
        print_places(route);
    }
    for new in &found.new {
        print(new);
    }
    if found.unread > 0 {
        print(format_args!("{} message{} could not be read", found.unread, plural(found.unread)));
    }
}

/// The places that somebody should look at: those that nobody wanted, and why others are left aside.
fn print_places(route: &RouteLedger) {
    let mut lines = table(["", "field", "name", "times", "first", "reason"]);
    let mut is_empty = true;
    for status in [Status::Unmapped, Status::Ignored] {
        let mut places: Vec<_> = route.places.iter().filter(|(_, place)| place.count(status) > 0).collect();
        places.sort_by_key(|(path, _)| in_order(path));
        for (path, place) in places {
            is_empty = false;
            lines.add_row([
                status.name().to_owned(),
                path.clone(),
                place.name.unwrap_or_default().to_owned(),
                place.count(status).to_string(),
                place.first.get(&status).cloned().unwrap_or_default(),
                place.reason.clone().unwrap_or_default(),
            ]);
        }
    }
    if !is_empty {
        print(format_args!("{}\n", lines.trim_fmt()));
    }
}

/// The names and numbers of a path, so that PID-3 comes before PID-19.
fn in_order(path: &str) -> Vec<(usize, &str)> {
    path.split(['-', '.']).map(|part| (part.parse().unwrap_or(0), part)).collect()
}

fn print_objects(found: &Found) {
    for (name, route) in &found.ledger.routes {
        let fields: Vec<Value> = route.places.iter().map(|(path, place)| object(path, place)).collect();
        print_json(&json!({ "route": name, "messages": route.messages, "fields": fields }));
    }
    for new in &found.new {
        print_json(&JsonDiagnostic::from(new));
    }
}

fn object(path: &str, place: &PlaceCounts) -> Value {
    let of = |status: &Status| {
        let count = place.count(*status);
        let first = place.first.get(status);
        (count > 0).then(|| (status.name().to_owned(), json!({ "times": count, "first": first })))
    };
    let counts: serde_json::Map<String, Value> = Status::ALL.iter().filter_map(of).collect();
    json!({ "field": path, "name": place.name, "counts": counts, "reason": place.reason })
}
