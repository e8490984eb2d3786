//! The `orderly` binary: one subcommand a file; this one only reads the command line and turns the end into an
//! exit code: 0 fine, 1 the answer is no, 2 could not run.

mod audit;
mod balance;
mod check;
mod codes;
mod corpus;
mod coverage;
mod demo;
mod destinations;
mod diagnostics;
mod drain;
mod engine;
mod explain;
mod failure;
mod filters;
mod hand;
mod listen;
mod messages;
mod moment;
mod newer;
mod output;
mod pace;
mod plans;
mod reload;
mod replay;
mod resend;
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
    Resend(resend::ResendArgs),
    Balance(balance::BalanceArgs),
    Status(status::StatusArgs),
    Destinations(destinations::DestinationsArgs),
    Pause(hand::PauseArgs),
    Resume(hand::ResumeArgs),
    Drain(drain::DrainArgs),
    Skip(hand::SkipArgs),
    Cancel(hand::CancelArgs),
    Audit(audit::AuditArgs),
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
        Command::Balance(args) => balance::run(&args),
        Command::Resend(args) => resend::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Destinations(args) => destinations::run(&args),
        Command::Pause(args) => hand::pause(&args),
        Command::Resume(args) => hand::resume(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Skip(args) => hand::skip(&args),
        Command::Cancel(args) => hand::cancel(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Plans(args) => plans::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Send(args) => send::run(args),
        Command::Listen(args) => listen::run(args),
    };
    result.unwrap_or_else(|failure| failure.report())
}
