//! `orderly resend`: what was made of messages once more, as it is.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

use clap::Args;
use orderly_journal::{DeliveryState, Reader, StoredDelivery};
use orderly_runtime::{Deed, Delivery};
use serde::Serialize;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::filters::Filters;
use crate::hand::CommonArgs;
use crate::newer::{Newer, Since};
use crate::output::{print, print_json, table};
use crate::pace::{self, Pace, Rate};
use crate::replay::although_taken_back;

/// Send again what was made of messages, exactly as it is stored; `orderly replay` makes it anew.
///
/// What is not delivered yet (waiting, parked, failed) is tried at once, at its place in the order. What is settled (delivered, cancelled,
/// expired) is sent once more, as a new delivery at the end of the order. Run it with --dry-run first: it says how many go to
/// whom, which of them were delivered already or taken back by a person, and for which the destination has since received something
/// newer, most of all of the same patient. Exit code 1 when something could not be sent again.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  orderly resend 4711 --destination hospital-ehr\n  orderly resend --state parked --destination billing --since 1d --dry-run\n  \
                  orderly resend --state delivered --destination registry --since 2026-03-05 --until 2026-03-06 --rate 5/s"
)]
pub(crate) struct ResendArgs {
    /// Ids of messages, as `orderly messages` shows them; with --state and --destination, only those of their deliveries.
    #[arg(value_name = "ID")]
    ids: Vec<u64>,
    #[command(flatten)]
    filters: Filters,
    /// Only say what would go to whom; nothing is changed.
    #[arg(long)]
    dry_run: bool,
    /// Not faster than this: 10/s, 600/m, 5000/h.
    #[arg(long, value_parser = pace::parse)]
    rate: Option<Rate>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Finds and sends again.
pub(crate) fn run(args: &ResendArgs) -> CommandResult {
    let reader = args.common.journal.reader()?;
    let ids = args.filters.chosen(&args.ids, || args.common.journal.reader())?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(targets(&reader, id, &args.filters)?);
    }
    if found.is_empty() {
        if !args.common.json {
            print("nothing to send again");
        }
        return Ok(ANSWER_IS_NO);
    }
    if args.dry_run {
        return foresee(reader, &found, args.common.json);
    }
    let deliveries: Vec<Delivery> = found.into_iter().map(|target| target.delivery).collect();
    let handed = args.common.lay_on(&deliveries, Pace::new(args.rate), Deed::Resend)?;
    Ok(args.common.tell(&handed, "sent again"))
}

/// A delivery to be sent again.
struct Target {
    delivery: Delivery,
    state: DeliveryState,
    taken_back: bool,
    has_payload: bool,
}

/// The latest delivery of each output of a message, of those that are asked for.
fn targets(reader: &Reader, id: u64, filters: &Filters) -> Result<Vec<Target>, Failure> {
    let stored = reader.message(id).map_err(Failure::new)?;
    let stored = stored.ok_or_else(|| Failure::new(format!("there is no message {id} in the journal")))?;
    let mut latest: HashMap<(&str, &str, u32), &StoredDelivery> = HashMap::new();
    for delivery in &stored.deliveries {
        latest.insert((&delivery.route, &delivery.destination, delivery.part), delivery);
    }
    let is_wanted = |delivery: &&StoredDelivery| {
        let wanted = filters.delivery_state();
        let by_state = match wanted {
            Some(state) => delivery.state == state,
            None => delivery.state != DeliveryState::Filtered,
        };
        by_state && filters.destination.as_ref().is_none_or(|name| *name == delivery.destination)
    };
    let mut wanted: Vec<&StoredDelivery> = latest.into_values().filter(is_wanted).collect();
    wanted.sort_by_key(|delivery| delivery.seq);
    let target = |delivery: &StoredDelivery| Target {
        delivery: Delivery {
            message_id: id,
            number: delivery.seq,
            destination: delivery.destination.clone(),
        },
        state: delivery.state,
        taken_back: delivery.is_taken_back(),
        has_payload: delivery.payload.is_some(),
    };
    Ok(wanted.into_iter().map(target).collect())
}

/// What would go to a destination.
#[derive(Default, Serialize)]
struct Foreseen {
    /// In place of an attempt that is to come anyway, or that nobody waited for.
    in_place: usize,
    /// Once more.
    again: usize,
    /// Of both, so many were delivered before.
    delivered_before: usize,
    /// Of both, so many that a person took back.
    taken_back: usize,
    /// Of both, so many of patients of whom the destination has received something newer since.
    newer_of_patient: usize,
    /// Of both, so many after which the destination has received others.
    newer_of_others: usize,
    /// So many have nothing that could be sent.
    nothing_to_send: usize,
}

fn foresee(reader: Reader, targets: &[Target], json: bool) -> CommandResult {
    let mut newer = Newer::of(reader);
    let mut destinations: BTreeMap<&str, Foreseen> = BTreeMap::new();
    for target in targets {
        let Delivery { message_id, destination, .. } = &target.delivery;
        let foreseen = destinations.entry(destination).or_default();
        if !target.has_payload {
            foreseen.nothing_to_send += 1;
            continue;
        }
        match target.state.is_settled() {
            true => foreseen.again += 1,
            false => foreseen.in_place += 1,
        }
        foreseen.delivered_before += usize::from(target.state == DeliveryState::Delivered);
        foreseen.taken_back += usize::from(target.taken_back);
        match newer.since(*message_id, destination)? {
            Since::Nothing => {}
            Since::Others => foreseen.newer_of_others += 1,
            Since::SamePatient => foreseen.newer_of_patient += 1,
        }
    }
    if json {
        print_json(&destinations);
    } else {
        print(table_of(&destinations));
    }
    let impossible = destinations.values().any(|foreseen| foreseen.nothing_to_send > 0);
    Ok(if impossible { ANSWER_IS_NO } else { ExitCode::SUCCESS })
}

fn table_of(destinations: &BTreeMap<&str, Foreseen>) -> String {
    let heading = [
        "destination",
        "in place",
        "again",
        "delivered before",
        "newer of patient",
        "newer of others",
        "nothing to send",
    ];
    let mut rows = table(heading);
    for (name, foreseen) in destinations {
        let Foreseen {
            in_place,
            again,
            delivered_before,
            taken_back: _,
            newer_of_patient,
            newer_of_others,
            nothing_to_send,
        } = foreseen;
        let counts = [in_place, again, delivered_before, newer_of_patient, newer_of_others, nothing_to_send];
        rows.add_row([(*name).to_owned()].into_iter().chain(counts.map(ToString::to_string)));
    }
    let taken_back = destinations.values().map(|foreseen| foreseen.taken_back).sum();
    rows.trim_fmt() + &although_taken_back(taken_back)
}
