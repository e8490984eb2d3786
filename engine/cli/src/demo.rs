//! `orderly demo`: the sample network, all of it in one process on loopback, and whether every message met its fate.

mod broker;
mod network;
mod report;
mod stage;
mod tables;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use orderly_transport::amqp::BrokerUrl;

use self::network::Network;
use self::report::Report;
use self::stage::Stage;
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::output::print;
use crate::run::{StopSignal, runtime};
use crate::telemetry;

/// Run the sample network: clinics, an imaging centre, a laboratory, a pharmacy and devices at home send; a hospital and
/// its billing, two authorities, a regional network and a patient portal receive.
///
/// Everything is in this process, on loopback, with a journal in a temporary folder. All samples are sent over MLLP or
/// dropped as files, and what became of each is compared with what was written down for it. The network stays up until
/// Ctrl-C, so that more can be sent to it with `orderly send` or dropped into its folders. Exit code 0 only when every
/// message met its fate.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// End after the table.
    #[arg(long)]
    once: bool,
    /// A line for each message instead of one for each kind.
    #[arg(long)]
    each: bool,
    /// One JSON object for programs instead of the table; ends after it.
    #[arg(long)]
    json: bool,
    /// Have a RabbitMQ carry the deliveries from the node that takes in to another one, which delivers them:
    /// amqp://user:password@host:5672/virtual-host. Names there begin with orderly-demo, and are taken away at the end.
    #[arg(long, value_name = "URL", value_parser = BrokerUrl::from_str)]
    amqp: Option<BrokerUrl>,
    /// Keep the network's files and its journal in this folder, which must not exist yet, instead of a temporary one.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// Plays the samples and judges what became of them.
pub(crate) fn run(args: DemoArgs) -> CommandResult {
    telemetry::start("error");
    let home = Home::new(args.keep.clone())?;
    let network = Network::unpack(home.path())?;
    runtime()?.block_on(async {
        if let Some(url) = &args.amqp {
            broker::carry(home.path(), url)?;
        }
        let stage = Stage::set_up(home.path(), &network).await?;
        let report = play(&stage, &network).await?;
        if args.json {
            report.print_json();
        } else {
            print(if args.each { report.each() } else { report.summary() });
        }
        if !args.once && !args.json {
            print(stage.invitation(home.path()));
            StopSignal::hear()?.wait().await;
        }
        stage.strike().await?;
        Ok(if report.all_as_expected() { ExitCode::SUCCESS } else { ANSWER_IS_NO })
    })
}

async fn play(stage: &Stage, network: &Network) -> Result<Report, Failure> {
    let progress = progress(network.samples.len());
    let mut played = Vec::with_capacity(network.samples.len());
    for sample in &network.samples {
        progress.set_message(sample.file.clone());
        played.push(stage.play(sample).await?);
        progress.inc(1);
    }
    progress.set_message("delivering");
    stage.settled(&played).await?;
    progress.finish_and_clear();
    stage.report(network, &played)
}

fn progress(count: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Where the network's files lie: a temporary folder that goes with the demo, or one that stays.
enum Home {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Home {
    fn new(keep: Option<PathBuf>) -> Result<Home, Failure> {
        match keep {
            None => {
                let folder = tempfile::Builder::new().prefix("orderly-demo-").tempdir();
                folder
                    .map(Home::Temporary)
                    .map_err(|error| Failure::new(format!("no temporary folder could be made: {error}")))
            }
            Some(path) => {
                std::fs::create_dir(&path)
                    .map_err(|error| Failure::new(format!("{} cannot be made: {error}", path.display())))?;
                Ok(Home::Kept(path))
            }
        }
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Home::Temporary(folder) => folder.path(),
            Home::Kept(path) => path,
        }
    }
}
