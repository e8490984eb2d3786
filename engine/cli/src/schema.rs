//! `orderly schema`: the published JSON Schemas.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use orderly_record::Record;

use crate::failure::{CommandResult, Failure};
use crate::output::print;

/// Print a JSON Schema: of the record that every message and document becomes, or of one of the files that you write, for your editor.
///
/// An editor that knows YAML completes and checks while you type when the first line of a file names the schema:
/// `# yaml-language-server: $schema=../schemas/mapping.json`. The schemas of this version are in the folder `schemas`.
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
    /// `orderly.yaml`.
    Site,
    /// A file of the folder `routes`.
    Route,
    /// A file of the folder `mappings`.
    Mapping,
    /// A `*.test.yaml` beside a mapping or a route.
    Test,
}

/// Prints it.
pub(crate) fn run(args: &SchemaArgs) -> CommandResult {
    let schema = match args.what {
        What::Record => Record::schema().to_value(),
        What::Site => orderly_pipeline::schema::site(),
        What::Route => orderly_pipeline::schema::route(),
        What::Mapping => orderly_mapping::schema::mapping(),
        What::Test => orderly_pipeline::schema::test(),
    };
    print(serde_json::to_string_pretty(&schema).map_err(Failure::new)?);
    Ok(ExitCode::SUCCESS)
}
