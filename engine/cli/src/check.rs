//! `orderly check`: all errors of the configuration and of its tests at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use orderly_pipeline::Severity;

use crate::diagnostics::JsonDiagnostic;
use crate::failure::{ANSWER_IS_NO, CommandResult};
use crate::output::{print, print_json};
use crate::site::{self, plural};

/// Check orderly.yaml, the routes, the mappings and their tests, and the files of certificates and keys that they name: all errors at
/// once, each with its place and what to do.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The site's file; its routes and mappings lie in the folders beside it.
    #[arg(long, default_value = "orderly.yaml")]
    config: PathBuf,
    /// One JSON object a diagnostic, for programs.
    #[arg(long)]
    json: bool,
}

/// Checks, prints, and answers no when there are errors.
pub(crate) fn run(args: &CheckArgs) -> CommandResult {
    let mut site = site::load(&args.config)?;
    site.read_tests();
    site.check_outside();
    if args.json {
        for diagnostic in site.diagnostics() {
            print_json(&JsonDiagnostic::from(diagnostic));
        }
    } else {
        for text in site.rendered() {
            print(format_args!("{text}\n"));
        }
        print(summary(&site));
    }
    Ok(if site.compiled.plan.is_some() && site.count(Severity::Error) == 0 {
        ExitCode::SUCCESS
    } else {
        ANSWER_IS_NO
    })
}

fn summary(site: &site::Site) -> String {
    let (errors, warnings) = (site.count(Severity::Error), site.count(Severity::Warning));
    let (routes, mappings) = site.sizes();
    let mut read = format!("{routes} route{}, {mappings} mapping{}", plural(routes), plural(mappings));
    let tests = site.tests().len();
    if tests > 0 {
        read.push_str(&format!(", {tests} test file{}", plural(tests)));
    }
    match (&site.compiled.plan, errors, warnings) {
        (Some(plan), 0, 0) => format!("fine: {read}, plan {}", plan.version),
        (Some(plan), 0, _) => {
            format!("fine, {warnings} warning{}: {read}, plan {}", plural(warnings), plan.version)
        }
        _ => {
            format!("{errors} error{}, {warnings} warning{}: {read}", plural(errors), plural(warnings))
        }
    }
}
