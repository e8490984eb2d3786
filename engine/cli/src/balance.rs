//! `orderly balance`: whether every message has a fate and every delivery a state, and whether a sender's own list says the same.

mod compare;
mod period;

use std::process::ExitCode;

use clap::Args;
use orderly_journal::{Balance, DeliveryState, Fate, Ledger};
use serde_json::{Map, Value, json};

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{cell, print, print_json, table};
use compare::{CompareArgs, Compared};
use period::PeriodArgs;

/// Show the two ledgers: messages by source and fate, deliveries by destination and state. Each line must balance to zero.
///
/// ACCEPTED is how many messages there must be by the counters that each commit keeps (of a day or a period, the messages themselves),
/// SUM how many have a fate that something else confirms: a routed message has a delivery, a delivered one an attempt that
/// succeeded. With --day or --from and --to it is the messages accepted then, with all their deliveries, also those made later by a
/// replay. With --compare, a sender's list of control ids is held against what its source took in. Works beside a running engine and
/// without one. Exit code 1 when a line does not balance or the list differs.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  orderly balance\n  orderly balance --day 2026-03-05 --zone Europe/Paris\n  orderly balance --day 2026-03-05 \
                  --source riverside-emr --compare sent.csv --column MSH-10"
)]
pub(crate) struct BalanceArgs {
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    compare: CompareArgs,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// Counts, compares and prints.
pub(crate) fn run(args: &BalanceArgs) -> CommandResult {
    let period = args.period.read()?;
    let reader = args.journal.reader()?;
    let balance = reader.balance(period.accepted.clone()).map_err(Failure::new)?;
    let compared = args.compare.compare(&reader, &balance, &period)?;
    if args.json {
        print_json(&to_json(&balance, &period.told, compared.as_ref()));
    } else {
        print(format_args!("messages accepted {}\n", period.told));
        print(text(&balance));
        if let Some(compared) = &compared {
            print(format_args!("\n{}", compared.text()));
        }
    }
    let same = compared.is_none_or(|compared| compared.is_same());
    Ok(if balance.is_balanced() && same { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

fn text(balance: &Balance) -> String {
    let fates = Fate::ALL.map(|fate| (fate, fate.name()));
    let states = STATES.map(|state| (state, state.name()));
    let mut text = format!("{}\n\n", ledger("source", "accepted", &balance.sources, &fates));
    text.push_str(&ledger("destination", "made", &balance.destinations, &states));
    let mut rules = table(["filtered", "rule", "count"]);
    let of = |ledger: &str, rules: &std::collections::BTreeMap<String, u64>| -> Vec<[String; 3]> {
        rules.iter().map(|(rule, count)| [ledger.to_owned(), cell(rule), count.to_string()]).collect()
    };
    for ledger in &balance.sources {
        rules.add_rows(of(&format!("from {}", ledger.name), &ledger.filtered_by));
    }
    for ledger in &balance.destinations {
        rules.add_rows(of(&format!("to {}", ledger.name), &ledger.filtered_by));
    }
    if !rules.is_empty() {
        text.push_str(&format!("\n\n{}", rules.trim_fmt()));
    }
    for contradiction in &balance.contradictions {
        let name = if contradiction.name.is_empty() { "" } else { &format!("{}: ", contradiction.name) };
        text.push_str(&format!("\n{name}{} {}", contradiction.count, contradiction.what));
    }
    let end = match balance.is_balanced() {
        true => "\n\nbalanced",
        false => "\n\nnot balanced: the journal contradicts itself; keep a copy of its folder, and report it",
    };
    text + end
}

/// The states in the order in which an operator reads them.
const STATES: [DeliveryState; 7] = [
    DeliveryState::Delivered,
    DeliveryState::Filtered,
    DeliveryState::Parked,
    DeliveryState::Failed,
    DeliveryState::Cancelled,
    DeliveryState::Expired,
    DeliveryState::Waiting,
];

fn ledger<F: Ord + Copy>(name: &str, total: &str, ledgers: &[Ledger<F>], what: &[(F, &str)]) -> String {
    let names = what.iter().map(|(_, name)| *name);
    let mut rows = table([name, total].into_iter().chain(names).chain(["sum", "difference"]));
    for ledger in ledgers {
        let counts = what.iter().map(|(what, _)| ledger.count(*what).to_string());
        let ends = [ledger.sum().to_string(), ledger.difference().to_string()];
        rows.add_row([ledger.name.clone(), ledger.total.to_string()].into_iter().chain(counts).chain(ends));
    }
    rows.trim_fmt()
}

fn to_json(balance: &Balance, period: &str, compared: Option<&Compared>) -> Value {
    let fates = Fate::ALL.map(|fate| (fate, fate.name()));
    let states = STATES.map(|state| (state, state.name()));
    let contradiction = |one: &orderly_journal::Contradiction| json!({ "name": one.name, "what": one.what, "count": one.count });
    json!({
        "period": period,
        "balanced": balance.is_balanced(),
        "sources": lines(&balance.sources, "accepted", &fates),
        "destinations": lines(&balance.destinations, "made", &states),
        "contradictions": balance.contradictions.iter().map(contradiction).collect::<Vec<_>>(),
        "compared": compared,
    })
}

fn lines<F: Ord + Copy>(ledgers: &[Ledger<F>], total: &str, what: &[(F, &str)]) -> Vec<Value> {
    let line = |ledger: &Ledger<F>| {
        let mut line = Map::new();
        line.insert("name".to_owned(), json!(ledger.name));
        line.insert(total.to_owned(), json!(ledger.total));
        for (what, name) in what {
            line.insert((*name).to_owned(), json!(ledger.count(*what)));
        }
        line.insert("sum".to_owned(), json!(ledger.sum()));
        line.insert("difference".to_owned(), json!(ledger.difference()));
        line.insert("filtered_by".to_owned(), json!(ledger.filtered_by));
        Value::Object(line)
    };
    ledgers.iter().map(line).collect()
}
