//! `orderly audit`: what people did by hand.

use std::process::ExitCode;

use clap::Args;
use orderly_journal::Act;
use serde::Serialize;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::moment;
use crate::output::{cell, print, print_json, table, time};

/// Show who paused, resumed, skipped, cancelled and sent again what, when and why. The oldest comes first.
///
/// Works beside a running engine. Exit code 1 when there is nothing.
#[derive(Args)]
pub(crate) struct AuditArgs {
    /// At this time or later: 2026-03-05, 2026-03-05T14:00, or how long ago: 30m, 2h, 3d.
    #[arg(long, value_parser = moment::parse)]
    since: Option<i64>,
    /// At most so many, the latest.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object an act, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonAct<'a> {
    at: String,
    who: &'a str,
    what: &'a str,
    whom: &'a str,
    count: u64,
    reason: Option<&'a str>,
}

/// Lists.
pub(crate) fn run(args: &AuditArgs) -> CommandResult {
    let since = args.since.unwrap_or(i64::MIN);
    let acts = args.journal.reader()?.acts(since, args.limit).map_err(Failure::new)?;
    if args.json {
        acts.iter().for_each(|act| print_json(&json(act)));
    } else if acts.is_empty() {
        print("nobody did anything");
    } else {
        let mut rows = table(["at", "who", "what", "to", "count", "reason"]);
        for act in &acts {
            let reason = act.reason.as_deref().map(cell).unwrap_or_default();
            let count = act.count.to_string();
            rows.add_row([
                time(act.at_us),
                cell(&act.who),
                act.what.clone(),
                act.whom.clone(),
                count,
                reason,
            ]);
        }
        print(rows.trim_fmt());
    }
    Ok(if acts.is_empty() { ANSWER_IS_NO } else { ExitCode::SUCCESS })
}

fn json(act: &Act) -> JsonAct<'_> {
    let Act { at_us, who, what, whom, count, reason } = act;
    JsonAct { at: time(*at_us), who, what, whom, count: *count, reason: reason.as_deref() }
}
