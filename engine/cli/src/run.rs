//! `orderly run`: the engine, until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use orderly_pipeline::Plan;
use orderly_pipeline::plan::Carrier;
use orderly_runtime::{Duty, Engine, Node, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{CommandResult, Failure};
use crate::site_files::SiteFiles;
use crate::{site, telemetry};

/// Run the engine: listen, watch folders, store, map, deliver, until SIGTERM or Ctrl-C.
///
/// Logs go to standard error: readable on a terminal, one JSON object a line otherwise; ORDERLY_LOG sets the level
/// (info, debug, ...). Changed files come into force while it runs, when nothing is wrong with them: see `orderly reload`.
/// On SIGTERM or Ctrl-C it takes in no more, finishes what is in flight, flushes, and exits with 0.
///
/// Several engines share the work when the site says `queue: { carrier: amqp, ... }`: each is a node with a name and a journal of its own, and
/// all have the same configuration. docs/site.md tells more.
#[derive(Args)]
#[command(after_help = "Examples:
  orderly run                                               one engine, with the journal where orderly.yaml says
  orderly run --node north                                  a node that takes in and delivers
  orderly run --node feeds --only sources                   one that takes in, and others deliver
  orderly run --node south --journal /var/lib/orderly/south a second node on the same machine")]
pub(crate) struct RunArgs {
    /// The site's file; its routes and mappings lie in the folders beside it.
    #[arg(long, default_value = "orderly.yaml")]
    config: PathBuf,
    /// The journal's folder, whatever the site's file says. Commands that look into it take the same option.
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    /// This node's name, unlike any other's at the same broker; `main` when nothing is said. A node keeps its name as long as it keeps its
    /// journal: what became of its deliveries is told to that name.
    #[arg(long, value_name = "NAME", value_parser = node_name)]
    node: Option<String>,
    /// What this node does, of taking in and delivering; both when nothing is said.
    #[arg(long, value_name = "WHAT")]
    only: Option<Only>,
}

/// What a node may do alone.
#[derive(Clone, Copy, ValueEnum)]
enum Only {
    /// Take in, store, answer, and leave delivering to other nodes.
    Sources,
    /// Deliver, and take nothing in.
    Destinations,
}

/// The longest name of a node: it is a part of names at the broker.
const NODE_LETTERS_MAX: usize = 60;

fn node_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text.len() <= NODE_LETTERS_MAX && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "a node's name is made of at most {NODE_LETTERS_MAX} letters, digits, `-`, `_` and `.`"
        )),
    }
}

/// Runs until a signal comes.
pub(crate) fn run(args: RunArgs) -> CommandResult {
    let mut site = site::load(&args.config)?;
    site.check_outside();
    args.journal.iter().for_each(|folder| site.keep_journal_in(folder));
    let (base, plan) = site.into_plan()?;
    let node = node(&args, &plan)?;
    telemetry::start("info");
    runtime()?.block_on(async {
        // From here on a signal is heard, also one that comes while the engine starts.
        let stop = StopSignal::hear()?;
        let mut settings = Settings::new(&base, Arc::new(plan));
        settings.configuration = Some(Arc::new(SiteFiles::of(&args.config, args.journal.as_deref())));
        settings.node = node;
        if let Some(folder) = args.journal {
            settings.journal.folder = folder;
        }
        let engine = Engine::start(settings).await.map_err(Failure::new)?;
        stop.wait().await;
        engine.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// How this engine takes part among others; a failure when there can be no others.
fn node(args: &RunArgs, plan: &Plan) -> Result<Node, Failure> {
    let mut node = Node::default();
    if let (Carrier::Journal, true) = (&plan.queue.carrier, args.node.is_some() || args.only.is_some()) {
        let option = if args.node.is_some() { "--node" } else { "--only" };
        return Err(Failure::new(format!(
            "{option} is for engines that share a broker, and here the journal carries deliveries"
        ))
        .help("add `queue:` with `carrier: amqp` to orderly.yaml, or leave the option out"));
    }
    if let Some(name) = &args.node {
        node.name = name.as_str().into();
    }
    node.duty = match args.only {
        None => Duty::Both,
        Some(Only::Sources) => Duty::Sources,
        Some(Only::Destinations) => Duty::Destinations,
    };
    Ok(node)
}

/// The threads that feeds run on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no threads could be started: {error}")))
}

/// SIGTERM and Ctrl-C.
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// Hears the signals from now on; until then they kill.
    pub(crate) fn hear() -> Result<StopSignal, Failure> {
        let unavailable = |error| Failure::new(format!("signals cannot be received: {error}"));
        Ok(StopSignal {
            terminate: signal(SignalKind::terminate()).map_err(unavailable)?,
            interrupt: signal(SignalKind::interrupt()).map_err(unavailable)?,
        })
    }

    /// Returns when the process was asked to stop.
    pub(crate) async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
