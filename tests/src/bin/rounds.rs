//! Many fault rounds in a row, and what they have shown as JSON. `cargo test -p orderly-tests --test rounds` runs a few.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use orderly_tests::broker::Broker;
use orderly_tests::rounds::group::{self, PATIENCE};
use orderly_tests::rounds::plan::GROUP;
use orderly_tests::rounds::planted;
use orderly_tests::rounds::report::Report;
use orderly_tests::running::binary;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// Run fault rounds: nodes that share a RabbitMQ, real processes, and everything around them killed, frozen and cut by seed.
///
/// Rounds of one group (eight seeds in a row) go on together. Every promise of the engine is checked from what senders and receivers saw and from the
/// journals. A round that breaks one is told with who did what when, and its seed repeats it. Build the engine first: cargo build
/// --workspace --bins. Exit code 1 when a promise was broken.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  rounds --rounds 240 --json tests/rounds.json\n  rounds --seed 17 --rounds 1"
)]
struct Arguments {
    /// How many rounds.
    #[arg(long, default_value_t = GROUP)]
    rounds: u64,
    /// The first one's seed; the others follow it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many nodes the broker has.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
    broker_nodes: u8,
    /// Write what they have shown to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Instead of that, plant four faults in the engine one after the other, and see rounds turn red: exit code 1 when one was not seen.
    #[arg(long)]
    planted: bool,
    /// Go on after a group with a round that broke a promise.
    #[arg(long)]
    keep_going: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut terminated = signal(SignalKind::terminate()).expect("signals can be heard");
    // Who gives the rounds up ends their nodes.
    tokio::select! {
        code = run(&arguments) => code,
        _ = tokio::signal::ctrl_c() => ExitCode::from(2),
        _ = terminated.recv() => ExitCode::from(2),
    }
}

async fn run(arguments: &Arguments) -> ExitCode {
    let nodes = usize::from(arguments.broker_nodes);
    let broker = tokio::task::spawn_blocking(move || Arc::new(Broker::cluster(nodes))).await;
    let broker = broker.expect("the broker starts");
    eprintln!("a RabbitMQ of {nodes} nodes has started in {:.0?}", broker.started_in);
    if arguments.planted {
        return planted_faults(&broker).await;
    }
    let versions = json!({ "orderly": version(), "rabbitmq": rabbitmq(&broker), "broker_nodes": nodes });
    let begun = Instant::now();
    let text = |report: &Report| report.to_json(&made_by(arguments), &versions, begun.elapsed());
    let tell = |report: &Report| match &arguments.json {
        Some(file) => std::fs::write(file, format!("{:#}\n", text(report)))
            .map_err(|error| eprintln!("error: {} cannot be written: {error}", file.display())),
        None => Ok(()),
    };
    let Ok(report) = all(arguments, &broker, &tell).await else { return ExitCode::from(2) };
    if arguments.json.is_none() {
        println!("{:#}", text(&report));
    }
    if report.red().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says of each planted fault by which seed it was seen.
async fn planted_faults(broker: &Arc<Broker>) -> ExitCode {
    let all = planted::all(broker).await;
    for (fault, seen) in &all {
        match seen {
            Some((seed, why)) => println!("{fault:?}: seen at seed {seed}: {why}"),
            None => println!(
                "{fault:?}: not seen; a binary built alone cannot plant it: cargo build --workspace --bins"
            ),
        }
    }
    if all.iter().all(|(_, seen)| seen.is_some()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all rounds, group by group, and says how each group ended. What they have shown so far is told after each, so that a run that is given up has
/// shown something too.
async fn all(
    arguments: &Arguments,
    broker: &Arc<Broker>,
    tell: &impl Fn(&Report) -> Result<(), ()>,
) -> Result<Report, ()> {
    let mut report = Report::default();
    let end = arguments.seed.saturating_add(arguments.rounds);
    let mut next = arguments.seed;
    while next < end && (report.red().is_empty() || arguments.keep_going) {
        let seeds = next..end.min((next / GROUP + 1) * GROUP);
        next = seeds.end;
        let (told, began) = (format!("{} to {}", seeds.start, seeds.end - 1), Instant::now());
        let ended = group::run(seeds, broker, None, PATIENCE).await;
        let fine = ended.iter().filter(|round| round.is_ok()).count();
        eprintln!("rounds {told}: {fine} of {} are fine, in {:.0?}", ended.len(), began.elapsed());
        for round in &ended {
            report.add(round);
            if let Err(red) = round {
                eprintln!("{red}");
            }
        }
        tell(&report)?;
    }
    Ok(report)
}

fn made_by(arguments: &Arguments) -> String {
    let Arguments { rounds, seed, broker_nodes, .. } = arguments;
    format!(
        "cargo run -p orderly-tests --bin rounds -- --rounds {rounds} --seed {seed} --broker-nodes {broker_nodes}"
    )
}

fn version() -> Value {
    let output = Command::new(binary()).arg("--version").output().expect("the engine runs");
    json!(String::from_utf8_lossy(&output.stdout).trim())
}

fn rabbitmq(broker: &Broker) -> Value {
    json!(broker.node(0).evaluate("rabbit_misc:version().").trim().trim_matches('"'))
}
