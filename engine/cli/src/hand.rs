//! `orderly pause`, `resume`, `skip` and `cancel`: what an operator does to destinations and to what waits for them.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use orderly_journal::{DeliveryState, Reader};
use orderly_runtime::{Deed, Delivery, HandRequest, Handed, Request, Response};

use crate::engine::{Engine, other_version, who};
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::moment;
use crate::output::{print, print_json, progress};
use crate::pace::Pace;

/// How many deliveries are changed at a time: they share few commits, and the progress bar moves.
const CHUNK: usize = 1000;

/// Send nothing more to a destination until `orderly resume`; what comes in for it waits.
///
/// What is with the destination at this moment still ends. A pause is kept when the engine is started anew. Works without a running engine
/// too: then it holds from the next start on. Who paused it and when stands in `orderly destinations` and `orderly audit`.
#[derive(Args)]
pub(crate) struct PauseArgs {
    /// The destination.
    #[arg(value_name = "DESTINATION")]
    name: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// Send to a paused destination again, from where it was paused; to one that a refusal has blocked, what was refused.
#[derive(Args)]
pub(crate) struct ResumeArgs {
    /// The destination.
    #[arg(value_name = "DESTINATION")]
    name: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// Set a delivery that blocks its line aside, so that what waits behind it goes on.
///
/// It is parked and keeps its place: `orderly resend ID` sends it as it is, `orderly replay ID` as today's configuration makes it. With
/// --cancel it is taken back for good. Exit code 1 when there was nothing to skip.
#[derive(Args)]
pub(crate) struct SkipArgs {
    /// A destination: the first of its deliveries that was tried and waits to be tried again. Or the id of a message: all of its
    /// deliveries that wait.
    #[arg(value_name = "DESTINATION|ID")]
    what: String,
    /// Of a message, only what goes to this destination.
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Take it back for good instead.
    #[arg(long, requires = "reason")]
    cancel: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Take back deliveries that wait, are parked or failed: they are never sent, unless a person sends them again.
///
/// They count as cancelled, by whom and why. What is with the destination at this moment may still be delivered, and counts as that then.
/// Exit code 1 when something named was not cancelled.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  orderly cancel 4711 --reason 'sent by telephone'\n  orderly cancel --destination billing --state failed \
                  --older-than 30d --reason 'closed period'"
)]
pub(crate) struct CancelArgs {
    /// Ids of messages, as `orderly messages` shows them.
    #[arg(value_name = "ID", required_unless_present = "destination")]
    ids: Vec<u64>,
    /// Only what goes to this destination; without ids everything that does.
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Only deliveries in this state; may be given several times.
    #[arg(long = "state", value_name = "STATE", value_parser = ["waiting", "parked", "failed"])]
    states: Vec<String>,
    /// Without ids, only what came in longer ago: 30m, 2h, 3d; or before a time: 2026-03-05.
    #[arg(long, conflicts_with = "ids", value_name = "TIME", value_parser = moment::parse)]
    older_than: Option<i64>,
    /// Only say how many there are; nothing is changed.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// What these commands share.
#[derive(Args)]
pub(crate) struct CommonArgs {
    /// Why, for those who look later. No patient's data: it is shown to everybody.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    pub(crate) journal: JournalArgs,
    /// One JSON object, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

impl CommonArgs {
    fn lay(&self, engine: &Engine<'_>, deed: Deed) -> Result<Handed, Failure> {
        let request = HandRequest { who: who(), reason: self.reason.clone(), deed };
        match engine.ask_or_do(Request::Hand(request))? {
            Response::Handed(handed) => Ok(handed),
            _ => Err(other_version()),
        }
    }

    /// Changes deliveries, chunk by chunk.
    pub(crate) fn lay_on(
        &self,
        deliveries: &[Delivery],
        mut pace: Pace,
        deed: fn(Vec<Delivery>) -> Deed,
    ) -> Result<Handed, Failure> {
        let engine = Engine::of(&self.journal)?;
        let progress = progress(deliveries.len());
        let mut handed = Handed::default();
        for chunk in deliveries.chunks(pace.chunk(CHUNK)) {
            let done = self.lay(&engine, deed(chunk.to_vec()))?;
            handed.changed += done.changed;
            handed.unchanged.extend(done.unchanged);
            progress.inc(chunk.len() as u64);
            pace.wait(chunk.len());
        }
        progress.finish_and_clear();
        Ok(handed)
    }

    /// Says what came of deliveries.
    pub(crate) fn tell(&self, handed: &Handed, what: &str) -> ExitCode {
        if self.json {
            print_json(handed);
        } else {
            for unchanged in &handed.unchanged {
                let Delivery { message_id, destination, .. } = &unchanged.delivery;
                print(format_args!("{message_id} to {destination}: not {what}: {}", unchanged.why));
            }
            print(format_args!("{} {what}", deliveries(handed.changed)));
        }
        if handed.unchanged.is_empty() { ExitCode::SUCCESS } else { ANSWER_IS_NO }
    }
}

fn deliveries(count: usize) -> String {
    format!("{count} deliver{}", if count == 1 { "y" } else { "ies" })
}

/// Pauses a destination.
pub(crate) fn pause(args: &PauseArgs) -> CommandResult {
    let engine = Engine::of(&args.common.journal)?;
    let handed = args.common.lay(&engine, Deed::Pause(args.name.clone()))?;
    engine.warn_of_other_nodes()?;
    tell_pause(args.common.json, &args.name, &handed, "paused", "paused already");
    Ok(ExitCode::SUCCESS)
}

/// Resumes a destination.
pub(crate) fn resume(args: &ResumeArgs) -> CommandResult {
    let engine = Engine::of(&args.common.journal)?;
    let handed = args.common.lay(&engine, Deed::Resume(args.name.clone()))?;
    engine.warn_of_other_nodes()?;
    tell_pause(
        args.common.json,
        &args.name,
        &handed,
        "resumed",
        "not paused; what blocks it, or waits after a failure, is tried now",
    );
    Ok(ExitCode::SUCCESS)
}

fn tell_pause(json: bool, name: &str, handed: &Handed, became: &str, was: &str) {
    match (json, handed.changed) {
        (true, _) => print_json(handed),
        (false, 0) => print(format_args!("{name} was {was}")),
        (false, _) => print(format_args!("{name} is {became}")),
    }
}

/// Sets aside what blocks a line.
pub(crate) fn skip(args: &SkipArgs) -> CommandResult {
    let reader = args.common.journal.reader()?;
    let found = match args.what.parse::<u64>() {
        Ok(id) => of_message(&reader, id, args.destination.as_deref(), &[DeliveryState::Waiting])?,
        Err(_) => blocking(&reader, &args.what)?.into_iter().collect(),
    };
    if found.is_empty() {
        match args.common.json {
            true => print_json(&Handed::default()),
            false => print(format_args!("nothing of {} waits to be tried again", args.what)),
        }
        return Ok(ANSWER_IS_NO);
    }
    let deed = if args.cancel { Deed::Cancel } else { Deed::Skip };
    let handed = args.common.lay_on(&found, Pace::new(None), deed)?;
    if !args.common.json {
        for delivery in &found {
            print(format_args!("message {} to {}", delivery.message_id, delivery.destination));
        }
    }
    Ok(args.common.tell(&handed, if args.cancel { "cancelled" } else { "set aside" }))
}

/// Takes deliveries back.
pub(crate) fn cancel(args: &CancelArgs) -> CommandResult {
    let found = args.find(&args.common.journal.reader()?)?;
    if args.dry_run {
        print(format_args!("{} would be cancelled", deliveries(found.len())));
        return Ok(if found.is_empty() { ANSWER_IS_NO } else { ExitCode::SUCCESS });
    }
    if args.common.reason.is_none() {
        return Err(Failure::new("this does not say why").help("add --reason, for those who look later"));
    }
    let handed = args.common.lay_on(&found, Pace::new(None), Deed::Cancel)?;
    let code = args.common.tell(&handed, "cancelled");
    let is_left = |id: &u64| !found.iter().any(|delivery| delivery.message_id == *id);
    let left: Vec<&u64> = args.ids.iter().filter(|id| is_left(id)).collect();
    for id in &left {
        eprintln!("message {id} has nothing that could be cancelled");
    }
    Ok(if left.is_empty() { code } else { ANSWER_IS_NO })
}

impl CancelArgs {
    fn find(&self, reader: &Reader) -> Result<Vec<Delivery>, Failure> {
        let states: Vec<_> = self.states.iter().filter_map(|name| DeliveryState::named(name)).collect();
        let states = if states.is_empty() { &HELD } else { states.as_slice() };
        let mut found = Vec::new();
        for id in &self.ids {
            found.extend(of_message(reader, *id, self.destination.as_deref(), states)?);
        }
        if let (true, Some(destination)) = (self.ids.is_empty(), &self.destination) {
            let held = reader.held(destination, states).map_err(Failure::new)?;
            let before = self.older_than.unwrap_or(Timestamp::now().as_microsecond());
            let held = held.into_iter().filter(|held| held.since_us < before);
            found.extend(held.map(|held| Delivery {
                message_id: held.message_id,
                number: held.delivery,
                destination: destination.clone(),
            }));
        }
        Ok(found)
    }
}

/// The states in which a delivery can be taken back.
const HELD: [DeliveryState; 3] = [DeliveryState::Waiting, DeliveryState::Parked, DeliveryState::Failed];

/// A message's deliveries in these states.
fn of_message(
    reader: &Reader,
    id: u64,
    destination: Option<&str>,
    states: &[DeliveryState],
) -> Result<Vec<Delivery>, Failure> {
    let stored = reader.message(id).map_err(Failure::new)?;
    let stored = stored.ok_or_else(|| Failure::new(format!("there is no message {id} in the journal")))?;
    let deliveries = stored.deliveries.into_iter().filter(|delivery| {
        states.contains(&delivery.state) && destination.is_none_or(|name| name == delivery.destination)
    });
    let named = |delivery: orderly_journal::StoredDelivery| Delivery {
        message_id: id,
        number: delivery.seq,
        destination: delivery.destination,
    };
    Ok(deliveries.map(named).collect())
}

/// The first delivery of a destination that was tried and waits to be tried again.
fn blocking(reader: &Reader, destination: &str) -> Result<Option<Delivery>, Failure> {
    let held = reader.held(destination, &[DeliveryState::Waiting]).map_err(Failure::new)?;
    let first = held.into_iter().find(|held| held.attempts > 0);
    Ok(first.map(|held| Delivery {
        message_id: held.message_id,
        number: held.delivery,
        destination: destination.to_owned(),
    }))
}
