//! `orderly run`: the engine, until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use orderly_runtime::{Engine, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{CommandResult, Failure};
use crate::site_files::SiteFiles;
use crate::{site, telemetry};

/// Run the engine: listen, watch folders, store, map, deliver, until SIGTERM or Ctrl-C.
///
/// Logs go to standard error: readable on a terminal, one JSON object a line otherwise; ORDERLY_LOG sets the level
/// (info, debug, ...). Changed files come into force while it runs, when nothing is wrong with them: see `orderly reload`.
/// On SIGTERM or Ctrl-C it takes in no more, finishes what is in flight, flushes, and exits with 0.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// The site's file; its routes and mappings lie in the folders beside it.
    #[arg(long, default_value = "orderly.yaml")]
    config: PathBuf,
}

/// Runs until a signal comes.
pub(crate) fn run(args: RunArgs) -> CommandResult {
    let mut site = site::load(&args.config)?;
    site.check_outside();
    let (base, plan) = site.into_plan()?;
    telemetry::start("info");
    runtime()?.block_on(async {
        // From here on a signal is heard, also one that comes while the engine starts.
        let stop = StopSignal::hear()?;
        let mut settings = Settings::new(&base, Arc::new(plan));
        settings.configuration = Some(Arc::new(SiteFiles::of(&args.config)));
        let engine = Engine::start(settings).await.map_err(Failure::new)?;
        stop.wait().await;
        engine.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
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
