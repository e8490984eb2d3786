//! `orderly explain`: what every rule did to one message, where each place of the output came from, and where each of the input went.

mod object;
mod text;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use orderly_mapping::{Lineage, Mapping, Question, Traced};
use orderly_pipeline::{
    Depth, Ended, Facts, Fate, Journey, Met, PairFate, Plan, Processed, Stop, map_alone, members,
    process_traced,
};

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::show;
use crate::site;

/// Explain what becomes of a message: every rule in order, what it looked at and what it wrote; for each place of the output the rule and
/// the place of the input that it came from; for each populated place of the input where it went, or that it went nowhere.
///
/// Nothing is sent or stored. It shows patient data, as `orderly show` does. Exit code 1 when the message cannot be read.
#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// A file, or the id of a message as `orderly messages` shows it.
    #[arg(value_name = "FILE|ID")]
    what: String,
    /// Only this route.
    #[arg(long, conflicts_with = "mapping")]
    route: Option<String>,
    /// This mapping alone, whatever the routes say.
    #[arg(long)]
    mapping: Option<String>,
    /// The source a file came in by. When nothing is said: that of the route or mapping, or the only one.
    #[arg(long)]
    source: Option<String>,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a message, for programs.
    #[arg(long)]
    json: bool,
}

/// One message's way, as it is shown.
struct Explained {
    source: String,
    /// Its type, trigger event and control id.
    kind: String,
    control_id: String,
    /// What became of it, and why.
    fate: Option<(&'static str, Option<String>)>,
    routes: Vec<ExplainedRoute>,
}

/// A route on that way, or none when a mapping is looked at alone.
struct ExplainedRoute {
    name: Option<Arc<str>>,
    when: Option<Question>,
    takes: bool,
    passages: Vec<Passage>,
}

/// What one destination would get.
struct Passage {
    destination: Option<Arc<str>>,
    when: Option<Question>,
    mapping: Option<String>,
    /// What became of it: `ready`, `filtered`, `failed` or `parked`, and why.
    fate: (&'static str, Option<String>),
    steps: Vec<Traced>,
    lineage: Option<Lineage>,
}

/// Explains each message of a file, or one of the journal.
pub(crate) fn run(args: &ExplainArgs) -> CommandResult {
    let (bytes, stored) = show::find(&args.what, &args.journal)?;
    let mut site = site::load(args.journal.config())?;
    let plan = site.take_plan()?;
    let source = match &stored {
        Some(stored) => stored.source.to_string(),
        None => source(args, &plan)?,
    };
    let accepted_at = match &stored {
        Some(stored) => Timestamp::from_microsecond(stored.accepted_at_us).map_err(Failure::new)?,
        None => Timestamp::now(),
    };
    let id = stored.as_ref().map_or(1, |stored| stored.id);
    let facts = Facts { id, source: &source, accepted_at };
    let mut all_read = true;
    for member in members(&bytes) {
        let bytes = bytes.get(member).unwrap_or_default();
        let explained = match &args.mapping {
            Some(name) => alone(name, &plan, &facts, bytes)?,
            None => journey(args.route.as_deref(), &plan, &facts, bytes)?,
        };
        all_read &= explained.fate.as_ref().is_none_or(|(fate, _)| *fate != "quarantined");
        match args.json {
            true => object::print(&explained),
            false => text::print(&explained, &site),
        }
    }
    Ok(if all_read { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

/// The source that a file is taken to have come in by.
fn source(args: &ExplainArgs, plan: &Plan) -> Result<String, Failure> {
    let of_route = args.route.as_deref().and_then(|name| plan.route(name));
    let of_route = of_route.and_then(|route| plan.sources.get(route.source));
    let of_mapping = args.mapping.as_deref().and_then(|name| plan.mappings.get(name));
    let of_mapping = of_mapping.and_then(|mapping| plan.source_of(mapping));
    // A mapping alone has no need of one, but for what the source says of charsets.
    let any = plan.sources.first().filter(|_| args.mapping.is_some());
    let source = site::source_of_file(plan, args.source.as_deref(), of_route.or(of_mapping).or(any))?;
    Ok(source.name.to_string())
}

/// The way through all routes, or through one.
fn journey(only: Option<&str>, plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Result<Explained, Failure> {
    if let Some(name) = only.filter(|name| plan.route(name).is_none()) {
        let names: Vec<&str> = plan.routes.iter().map(|route| &*route.name).collect();
        return Err(Failure::new(format!("there is no route `{name}`"))
            .help(format!("there are {}", names.join(", "))));
    }
    let (processed, journey) = process_traced(plan, facts, bytes, Depth::Lineage);
    let Journey { routes, .. } = journey;
    let wanted = routes.into_iter().filter(|met| only.is_none_or(|only| *met.route == *only));
    let routes = wanted.map(|met| route(met, &processed)).collect();
    let fate = match processed.fate {
        Fate::Routed => "routed",
        Fate::Filtered => "filtered",
        Fate::Failed => "failed",
        Fate::Quarantined => "quarantined",
    };
    let summary = &processed.summary;
    Ok(Explained {
        source: facts.source.to_owned(),
        kind: [summary.kind.as_str(), &summary.event].join("^").trim_end_matches('^').to_owned(),
        control_id: summary.control_id.clone(),
        fate: Some((fate, processed.reason.clone())),
        routes,
    })
}

fn route(met: Met, processed: &Processed) -> ExplainedRoute {
    let passages = met.stops.into_iter().map(|stop| passage(&met.route, stop, processed)).collect();
    ExplainedRoute { name: Some(met.route), when: met.when, takes: met.takes, passages }
}

fn passage(route: &Arc<str>, stop: Stop, processed: &Processed) -> Passage {
    let is_it = |pair: &&orderly_pipeline::Pair| pair.route == *route && pair.destination == stop.destination;
    let pairs: Vec<_> = processed.pairs.iter().filter(is_it).map(|pair| &pair.fate).collect();
    let ready = pairs.iter().find(|fate| matches!(fate, PairFate::Ready(_)));
    let fate = match ready.or(pairs.first()) {
        Some(PairFate::Ready(_)) | None => ("ready", several(pairs.len())),
        Some(PairFate::Filtered(reason)) => ("filtered", Some(reason.clone())),
        Some(PairFate::Failed(reason)) => ("failed", Some(reason.clone())),
        Some(PairFate::Parked(reason)) => ("parked", Some(reason.clone())),
    };
    Passage {
        destination: Some(stop.destination),
        when: stop.when,
        mapping: stop.mapping.map(|mapping| mapping.name().to_owned()),
        fate,
        steps: stop.trace.steps,
        lineage: stop.lineage,
    }
}

/// One mapping alone.
fn alone(name: &str, plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Result<Explained, Failure> {
    let mapping: &Arc<Mapping> = plan.mappings.get(name).ok_or_else(|| {
        let names: Vec<&str> = plan.mappings.keys().map(String::as_str).collect();
        Failure::new(format!("there is no mapping `{name}`")).help(format!("there are {}", names.join(", ")))
    })?;
    let reading = plan.source(facts.source).map(|source| source.reading.clone()).unwrap_or_default();
    let mut explained = Explained {
        source: facts.source.to_owned(),
        kind: String::new(),
        control_id: String::new(),
        fate: None,
        routes: Vec::new(),
    };
    match map_alone(mapping, facts, bytes, &reading, Depth::Lineage) {
        Err(diagnostic) => explained.fate = Some(("quarantined", Some(diagnostic.message))),
        Ok(mapped) => {
            let fate = match Ended::of_all(&mapped.outcomes) {
                None => ("ready", several(mapped.outcomes.len())),
                Some(ended) => (ended.fate, Some(ended.reason)),
            };
            let passage = Passage {
                destination: None,
                when: None,
                mapping: Some(name.to_owned()),
                fate,
                steps: mapped.trace.steps,
                lineage: mapped.lineage,
            };
            let route = ExplainedRoute { name: None, when: None, takes: true, passages: vec![passage] };
            explained.routes.push(route);
        }
    }
    Ok(explained)
}

/// What is said of a message that became several.
fn several(outputs: usize) -> Option<String> {
    (outputs > 1).then(|| format!("{outputs} outputs"))
}
