//! `orderly schema`: the published JSON Schemas.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use orderly_record::Record;

use crate::failure::{CommandResult, Failure};
use crate::output::print;

/// Print a JSON Schema: of the record that every message and document becomes.
#[derive(Args)]
pub(crate) struct SchemaArgs {
    /// Of what.
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// The normalized record: what `orderly show --record` prints and mappings read.
    Record,
}

/// Prints it.
pub(crate) fn run(args: &SchemaArgs) -> CommandResult {
    let schema = match args.what {
        What::Record => Record::schema(),
    };
    print(serde_json::to_string_pretty(&schema).map_err(Failure::new)?);
    Ok(ExitCode::SUCCESS)
}
