//! `orderly plans`: which configuration was in force when, and what it said.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, table, time};

/// Show which plans (versions of the configuration) were in force since when, and what their files said.
///
/// Each message names the version of the plan that processed it: `orderly show ID`. Works beside a running engine. Exit code 1 when there was
/// no such plan or file.
#[derive(Args)]
pub(crate) struct PlansArgs {
    /// The files of this version.
    version: Option<String>,
    /// The text of one of these files.
    #[arg(requires = "version")]
    file: Option<String>,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object a plan or a file, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonPlan<'p> {
    version: &'p str,
    since: String,
}

#[derive(Serialize)]
struct JsonFile<'p> {
    name: &'p str,
    text: &'p str,
}

/// Shows what was asked for.
pub(crate) fn run(args: &PlansArgs) -> CommandResult {
    let reader = args.journal.reader()?;
    match &args.version {
        None => {
            let plans = reader.plans().map_err(Failure::new)?;
            if args.json {
                for plan in &plans {
                    print_json(&JsonPlan { version: &plan.version, since: time(plan.since_us) });
                }
            } else {
                let mut rows = table(["plan", "in force since"]);
                rows.add_rows(plans.iter().map(|plan| [plan.version.clone(), time(plan.since_us)]));
                print(rows.trim_fmt());
            }
            Ok(if plans.is_empty() { ANSWER_IS_NO } else { ExitCode::SUCCESS })
        }
        Some(version) => files(args, &reader.plan_files(version).map_err(Failure::new)?),
    }
}

fn files(args: &PlansArgs, files: &[orderly_journal::PlanFile]) -> CommandResult {
    let mut found = false;
    for file in files.iter().filter(|file| args.file.as_ref().is_none_or(|name| *name == file.name)) {
        found = true;
        match (args.json, &args.file) {
            (true, _) => print_json(&JsonFile { name: &file.name, text: &file.text }),
            (false, Some(_)) => print(file.text.trim_end_matches('\n')),
            (false, None) => print(&file.name),
        }
    }
    Ok(if found { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}
