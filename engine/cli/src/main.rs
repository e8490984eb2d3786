//! The `orderly` binary: one subcommand a file; this one only reads the command line and turns the end into an
//! exit code: 0 fine, 1 the answer is no, 2 could not run.

mod check;
mod codes;
mod corpus;
mod coverage;
mod demo;
mod diagnostics;
mod explain;
mod failure;
mod listen;
mod messages;
mod moment;
mod output;
mod plans;
mod reload;
mod replay;
mod run;
mod schema;
mod secure;
mod send;
mod show;
mod site;
mod site_files;
mod status;
mod telemetry;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An integration engine for HL7 v2 and C-CDA: takes feeds in over MLLP, and files, batches and documents from folders;
/// stores each message before it answers, rewrites it by rules written in YAML, and delivers it in order, losing nothing.
#[derive(Parser)]
#[command(
    name = "orderly",
    version,
    after_help = "Start with `orderly demo`. Exit codes: 0 fine, 1 the answer is no, 2 could not run."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Test(test::TestArgs),
    Explain(explain::ExplainArgs),
    Coverage(coverage::CoverageArgs),
    Corpus(corpus::CorpusArgs),
    Messages(messages::MessagesArgs),
    Show(show::ShowArgs),
    Codes(codes::CodesArgs),
    Replay(replay::ReplayArgs),
    Status(status::StatusArgs),
    Reload(reload::ReloadArgs),
    Plans(plans::PlansArgs),
    Schema(schema::SchemaArgs),
    Send(send::SendArgs),
    Listen(listen::ListenArgs),
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Demo(args) => demo::run(args),
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Coverage(args) => coverage::run(&args),
        Command::Corpus(args) => corpus::run(&args),
        Command::Messages(args) => messages::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Codes(args) => codes::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Plans(args) => plans::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Send(args) => send::run(args),
        Command::Listen(args) => listen::run(args),
    };
    result.unwrap_or_else(|failure| failure.report())
}
