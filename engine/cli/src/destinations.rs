//! `orderly destinations`: how each stands, what waits for it, what is held.

use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use orderly_runtime::status::{DestinationState, DestinationStatus, NextAttempt};
use orderly_runtime::{Request, Response};

use crate::engine::{Engine, other_version};
use crate::failure::{CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, table};
use crate::status::stopped;

/// How each destination stands: what it does, what waits for it and since when, what it took last, what is parked or failed.
///
/// WAITING with AGE is how many deliveries wait, and how long ago the first of them came in. Below the table stands when each is tried
/// again that failed, and why. Works beside a running engine and without one.
/// `orderly pause`, `resume`, `drain`, `skip` and `cancel` change how it stands.
#[derive(Args)]
pub(crate) struct DestinationsArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a destination, for programs.
    #[arg(long)]
    json: bool,
}

/// Asks the engine, or the journal when none runs, and prints.
pub(crate) fn run(args: &DestinationsArgs) -> CommandResult {
    let destinations = all(&Engine::of(&args.journal)?, &args.journal)?;
    if args.json {
        destinations.iter().for_each(print_json);
    } else {
        print(listed(&destinations));
    }
    Ok(ExitCode::SUCCESS)
}

/// The destinations, by the running engine or by the journal when none runs.
pub(crate) fn all(engine: &Engine<'_>, journal: &JournalArgs) -> Result<Vec<DestinationStatus>, Failure> {
    match engine.ask(&Request::Status)? {
        Some(Response::Status(status)) => Ok(status.destinations),
        Some(_) => Err(other_version()),
        None => stopped(journal),
    }
}

/// The destinations as a table.
pub(crate) fn listed(destinations: &[DestinationStatus]) -> String {
    let heading =
        ["destination", "state", "waiting", "age", "parked", "failed", "last delivered", "last error"];
    let mut rows = table(heading);
    let now = Timestamp::now();
    for destination in destinations {
        let error = destination.last_error.as_ref();
        let error = error.map(|error| format!("{} {}: {}", error.at, error.code, error.text));
        let oldest = destination.oldest_waiting.as_ref().and_then(|time| time.parse::<Timestamp>().ok());
        rows.add_row([
            destination.name.clone(),
            state(destination),
            waiting(destination),
            oldest.map(|oldest| age(now.duration_since(oldest))).unwrap_or_default(),
            destination.parked.to_string(),
            destination.failed.to_string(),
            destination.last_delivered.clone().unwrap_or_default(),
            error.unwrap_or_default(),
        ]);
    }
    let mut text = rows.trim_fmt();
    for destination in destinations {
        let next = destination.next_attempt.as_ref();
        text.extend(next.map(|next| format!("\n{}: {}", destination.name, said(next))));
    }
    text
}

/// When the next attempt is and why not sooner, in a sentence.
fn said(next: &NextAttempt) -> String {
    let at = next.at.parse::<Timestamp>().map_or_else(|_| next.at.clone(), |at| format!("{at:.0}"));
    let wait = SignedDuration::from_secs(i64::try_from(next.in_seconds).unwrap_or(i64::MAX));
    let why = match (&next.code, &next.text) {
        (Some(code), Some(text)) => format!("{code}: {text}"),
        (Some(word), None) | (None, Some(word)) => word.clone(),
        (None, None) => "nothing more is known of it".to_owned(),
    };
    format!("next attempt {at}, in {wait:#}, because the last one failed ({why})")
}

fn waiting(destination: &DestinationStatus) -> String {
    match destination.with_broker {
        0 => destination.waiting.to_string(),
        count => format!("{} ({count} with the broker)", destination.waiting),
    }
}

fn state(destination: &DestinationStatus) -> String {
    if let Some(paused) = &destination.paused {
        let why = paused.reason.as_ref().map(|reason| format!(": {reason}"));
        return format!("paused since {} by {}{}", paused.since, paused.who, why.unwrap_or_default());
    }
    match destination.state {
        DestinationState::Idle => match &destination.delivered_by {
            Some(node) => format!("delivered by {node}"),
            None => "nothing sent yet".to_owned(),
        },
        DestinationState::Reachable => format!("reachable since {}", destination.since),
        DestinationState::Trying => format!("trying since {}", destination.since),
        DestinationState::Blocked => format!("blocked by a refusal since {}", destination.since),
        DestinationState::Undeclared => "the configuration no longer has it".to_owned(),
        DestinationState::Stopped => "no engine runs".to_owned(),
    }
}

/// In the largest unit that is not a fraction, as people say it: 3d, 2h, 5m, 40s.
fn age(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    match seconds {
        86_400.. => format!("{}d", seconds / 86_400),
        3600.. => format!("{}h", seconds / 3600),
        60.. => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_in_its_largest_unit() {
        for (seconds, said) in [(0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86_400, "1d"), (-5, "0s")]
        {
            assert_eq!(age(SignedDuration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn a_next_attempt_is_said_by_the_clock_and_from_now() {
        let next = NextAttempt {
            at: "2026-03-05T03:12:40.000Z".to_owned(),
            in_seconds: 245,
            code: Some("connect-refused".to_owned()),
            text: Some("nobody listens there".to_owned()),
        };
        assert_eq!(
            said(&next),
            "next attempt 2026-03-05T03:12:40Z, in 4m 5s, because the last one failed (connect-refused: nobody listens there)"
        );
    }
}
