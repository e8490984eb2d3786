//! Reload: the configuration's files read anew and, when nothing is wrong with them, in force in one step.
//!
//! What always holds: whatever is wrong, the old plan stays and nothing has changed; a message is processed by one of both plans as a whole;
//! sources and destinations that are as they were keep their connections; a destination that something waits for stays.

use std::sync::Arc;
use std::time::Duration;

use orderly_journal::{DeliveryCount, DeliveryState, Reader};
use orderly_pipeline::{Diagnostic, Fault, Plan};
use orderly_transport::listeners::BindError;
use serde::{Deserialize, Serialize};
use tracing::{debug, error, info};

use crate::arrive;
use crate::configuration::{Configuration, Finding, Loaded};
use crate::house::{House, note};
use crate::lanes;
use crate::lines::{Bound, Lines};
use crate::plans::InForce;

/// How long a destination that is removed has to get what has just come in for it, while nothing else comes in: results on their way to the
/// journal are there in a fraction of it, and senders do not notice it.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether it has.
const REMOVAL_LOOK: Duration = Duration::from_millis(5);

/// A reload that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The version of the plan in force.
    pub plan: String,
    /// The version before; the same when the files say what they said.
    pub before: String,
    /// Sources that are new.
    pub sources_started: Vec<String>,
    /// Sources that listen anew, because it changed how they do.
    pub sources_restarted: Vec<String>,
    /// Sources that are gone.
    pub sources_stopped: Vec<String>,
    /// Destinations that are new.
    pub destinations_started: Vec<String>,
    /// Destinations that are reached another way.
    pub destinations_changed: Vec<String>,
    /// Destinations that are gone.
    pub destinations_stopped: Vec<String>,
    /// What may be wrong, for people.
    pub warnings: Vec<String>,
}

/// Why a reload was refused; the plan before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReloaded {
    /// The version of the plan in force.
    pub plan: String,
    /// What is wrong, each in one line.
    pub problems: Vec<String>,
    /// The same with the texts that it is about, for people.
    pub shown: Vec<String>,
}

/// Reads the files again. It goes on to its end whatever becomes of whoever asked.
pub(crate) async fn reload(house: Arc<House>) -> Result<Reloaded, NotReloaded> {
    let task = tokio::spawn(async move {
        let result = reload_now(&house).await;
        tell(&result);
        result
    });
    task.await.unwrap_or_else(|_| Err(refused("", "reloading failed inside the engine; this is our fault")))
}

fn tell(result: &Result<Reloaded, NotReloaded>) {
    match result {
        Ok(done) if done.plan == done.before => debug!(plan = %done.plan, "the files say what is in force"),
        Ok(done) => info!(plan = %done.plan, before = %done.before, "reloaded"),
        Err(refusal) => {
            for problem in &refusal.problems {
                error!("the configuration: {problem}");
            }
            let errors = refusal.problems.len();
            error!(plan = %refusal.plan, errors, "not reloaded, the plan before stays in force");
        }
    }
}

async fn reload_now(house: &House) -> Result<Reloaded, NotReloaded> {
    let mut lines = house.lines.lock().await;
    let old = house.plans.hold().await.plan.clone();
    let Some(lines) = lines.as_mut() else { return Err(refused(&old.version, "the engine is stopping")) };
    let Some(configuration) = house.configuration.clone() else {
        return Err(refused(&old.version, "this engine was started without files that could be read again"));
    };
    let (new, warnings) = read(configuration, &old).await?;
    let change = Change::between(&old, &new, lines);
    let refusal = |problem: String| refused(&old.version, problem);
    if change.is_nothing {
        return Ok(change.told(&old, &new, warnings));
    }
    if old.journal != new.journal {
        let problem = "`journal:` cannot change while the engine runs; restart it, or take that back";
        return Err(refusal(problem.to_owned()));
    }
    if old.queue != new.queue {
        return Err(not_reloaded_queue(&old, &new));
    }
    let bound = bind(lines, &new, &change).await.map_err(&refusal)?;
    let switched = switch(house, lines, &new, &change, bound).await;
    let restarted = switched.inspect_err(|_| house.standing.follow(&old)).map_err(&refusal)?;
    settle(lines, &new, &change, restarted).await;
    house.standing.follow(&new);
    Ok(change.told(&old, &new, warnings))
}

/// What is with a broker, and who delivers it, hangs on it.
fn not_reloaded_queue(old: &Plan, new: &Plan) -> NotReloaded {
    let message = "`queue:` cannot change while the engine runs: it takes a restart";
    let found = Diagnostic::error("config-queue", Fault::Configuration, message).at(new.queue.at.0.clone());
    refused(&old.version, format!("{found}; restart it, or take that back"))
}

fn refused(plan: &str, problem: impl Into<String>) -> NotReloaded {
    let problems = vec![problem.into()];
    NotReloaded { plan: plan.to_owned(), shown: problems.clone(), problems }
}

/// The plan that the files make, and the warnings.
async fn read(
    configuration: Arc<dyn Configuration>,
    old: &Plan,
) -> Result<(Arc<Plan>, Vec<String>), NotReloaded> {
    let loaded = tokio::task::spawn_blocking(move || configuration.load()).await;
    let Ok(Loaded { plan, findings }) = loaded else {
        return Err(refused(
            &old.version,
            "reading the configuration failed inside the engine; this is our fault",
        ));
    };
    let of = |errors: bool| findings.iter().filter(move |finding| finding.is_error == errors);
    let shown = |finding: &Finding| finding.text.clone();
    match plan {
        Some(plan) => Ok((Arc::new(plan), of(false).map(shown).collect())),
        None => Err(NotReloaded {
            plan: old.version.clone(),
            problems: of(true).map(|finding| finding.line.clone()).collect(),
            shown: of(true).map(shown).collect(),
        }),
    }
}

type Names = Vec<Arc<str>>;

/// What is to be begun and ended.
struct Change {
    is_nothing: bool,
    sources_started: Names,
    sources_restarted: Names,
    sources_stopped: Names,
    destinations_started: Names,
    destinations_changed: Names,
    destinations_stopped: Names,
    /// Destinations whose deliveries are tied to one another by something else.
    lanes_changed: Names,
}

impl Change {
    fn between(old: &Plan, new: &Plan, lines: &Lines) -> Change {
        let source = |plan: &Plan| {
            let here = plan.sources.iter().filter(|_| lines.takes_in());
            here.map(|source| source.name.clone()).collect::<Names>()
        };
        let destination = |plan: &Plan| {
            plan.destinations.iter().map(|destination| destination.name.clone()).collect::<Names>()
        };
        let both_differ = |name: &Arc<str>| match (old.source(name), new.source(name)) {
            (Some(old), Some(new)) => arrive::is_other_source(old, new),
            _ => false,
        };
        let other_way = |name: &Arc<str>| match (old.destination(name), new.destination(name)) {
            (Some(old), Some(new)) => lines.is_other_destination(old, new),
            _ => false,
        };
        let other_lane = |name: &Arc<str>| match (old.destination(name), new.destination(name)) {
            (Some(old), Some(new)) => old.lane != new.lane,
            _ => false,
        };
        Change {
            lanes_changed: destination(new).into_iter().filter(other_lane).collect(),
            is_nothing: old.version == new.version,
            sources_started: without(source(new), &source(old)),
            sources_restarted: source(new).into_iter().filter(both_differ).collect(),
            sources_stopped: without(source(old), &source(new)),
            destinations_started: without(destination(new), &destination(old)),
            destinations_changed: destination(new).into_iter().filter(other_way).collect(),
            destinations_stopped: without(destination(old), &destination(new)),
        }
    }

    fn told(self, old: &Plan, new: &Plan, warnings: Vec<String>) -> Reloaded {
        let text = |names: Names| names.iter().map(ToString::to_string).collect();
        Reloaded {
            plan: new.version.clone(),
            before: old.version.clone(),
            sources_started: text(self.sources_started),
            sources_restarted: text(self.sources_restarted),
            sources_stopped: text(self.sources_stopped),
            destinations_started: text(self.destinations_started),
            destinations_changed: text(self.destinations_changed),
            destinations_stopped: text(self.destinations_stopped),
            warnings,
        }
    }
}

fn without(mut names: Names, others: &[Arc<str>]) -> Names {
    names.retain(|name| !others.contains(name));
    names
}

/// Takes the addresses that are needed, so that it is known that they can be had.
async fn bind(lines: &Lines, new: &Plan, change: &Change) -> Result<Vec<Bound>, String> {
    let ending = [change.sources_stopped.as_slice(), &change.sources_restarted].concat();
    let mut bound = Vec::new();
    for name in change.sources_started.iter().chain(&change.sources_restarted) {
        let Some(source) = new.source(name) else { continue };
        let taken = lines.bind(source, &ending).await;
        bound.push(taken.map_err(|error| not_bound(lines, name, &error))?);
    }
    Ok(bound)
}

fn not_bound(lines: &Lines, name: &str, error: &BindError) -> String {
    match error {
        // From one address to all, for example: both cannot be held at a time.
        BindError::InUse { address } if lines.has_port(address.port()) => {
            format!("source {name}: {address} is held by this engine as it runs; restart it for this change")
        }
        error => format!("source {name}: {error}"),
    }
}

/// Brings the plan into force between two messages, with its new destinations and sources. Gives what was bound for sources that have to end
/// first.
async fn switch(
    house: &House,
    lines: &mut Lines,
    new: &Arc<Plan>,
    change: &Change,
    bound: Vec<Bound>,
) -> Result<Vec<Bound>, String> {
    let mut in_force = house.plans.change().await;
    nothing_waits(&house.journal.reader(), new, change).await?;
    let begun = begin_destinations(lines, new, &change.destinations_started);
    let noted = begun.and_then(|()| note(house, new).map_err(|error| error.to_string()));
    if let Err(problem) = noted {
        lines.end_destinations(&change.destinations_started).await;
        return Err(problem);
    }
    let mut restarted = Vec::new();
    // Nothing they take in is processed before the plan is in force.
    for one in bound {
        if change.sources_restarted.contains(one.source()) {
            restarted.push(one);
        } else if let Err(error) = lines.begin_source(one) {
            lines.end_sources(&change.sources_started).await;
            lines.end_destinations(&change.destinations_started).await;
            return Err(no_thread(&error));
        }
    }
    *in_force = InForce::new(new.clone());
    Ok(restarted)
}

fn begin_destinations(lines: &mut Lines, new: &Plan, names: &[Arc<str>]) -> Result<(), String> {
    let mut destinations = names.iter().filter_map(|name| new.destination(name));
    destinations
        .try_for_each(|destination| lines.begin_destination(destination))
        .map_err(|error| error.to_string())
}

fn no_thread(error: &std::io::Error) -> String {
    format!("no thread could be started: {error}")
}

/// What waits for a destination that is removed would wait for ever, and what waits by lanes of the old kind would be overtaken by what comes
/// in by others. Nothing comes in meanwhile, so what is found holds.
async fn nothing_waits(reader: &Reader, new: &Plan, change: &Change) -> Result<(), String> {
    let until = tokio::time::Instant::now() + REMOVAL_PATIENCE;
    loop {
        match in_the_way(reader, new, change)? {
            None => return Ok(()),
            Some(problem) if tokio::time::Instant::now() >= until => return Err(problem),
            Some(_) => tokio::time::sleep(REMOVAL_LOOK).await,
        }
    }
}

fn in_the_way(reader: &Reader, new: &Plan, change: &Change) -> Result<Option<String>, String> {
    if change.destinations_stopped.is_empty() && change.lanes_changed.is_empty() {
        return Ok(None);
    }
    let counts = reader.counts().map_err(|error| error.to_string())?;
    let waiting = |names: &Names| {
        names.iter().find_map(|name| {
            let of_it = |count: &&DeliveryCount| {
                *count.destination == **name && count.state == DeliveryState::Waiting
            };
            let count: u64 = counts.deliveries.iter().filter(of_it).map(|count| count.count).sum();
            (count > 0).then_some((name.clone(), count))
        })
    };
    let ies = |count| if count == 1 { "y waits" } else { "ies wait" };
    if let Some((name, count)) = waiting(&change.destinations_stopped) {
        return Ok(Some(format!(
            "destination {name} cannot be removed: {count} deliver{} for it; keep it until they are delivered, or take it \
             out of the routes, reload, and `orderly replay --state waiting` sends them where the routes say",
            ies(count),
        )));
    }
    let held = lanes::change(reader, new, &change.lanes_changed).map_err(|error| error.to_string())?;
    Ok(held.map(|diagnostic| diagnostic.to_string()))
}

/// With the plan in force: ends what is gone, and begins anew what has changed. A source that cannot begin any more says so in the log.
async fn settle(lines: &mut Lines, new: &Plan, change: &Change, restarted: Vec<Bound>) {
    for name in &change.destinations_changed {
        new.destination(name).into_iter().for_each(|destination| lines.change_destination(destination));
    }
    let ending = [change.sources_stopped.as_slice(), &change.sources_restarted].concat();
    lines.end_sources(&ending).await;
    lines.end_destinations(&change.destinations_stopped).await;
    for bound in restarted {
        let source = bound.source().clone();
        if let Err(error) = lines.begin_source(bound) {
            error!(%source, "the source stands still: {}; restart the engine", no_thread(&error));
        }
    }
}
