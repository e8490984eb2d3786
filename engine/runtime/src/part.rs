//! A part of the engine that runs by itself, a listener or a worker, and how it ends: asked first, abandoned when it takes too long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use tracing::error;

/// A running part. Dropped, it is abandoned.
pub(crate) struct Part {
    stop: Box<dyn Fn() + Send + Sync>,
    abandon: watch::Sender<bool>,
    running: watch::Receiver<()>,
}

impl Part {
    /// Runs on the feeds' threads. `stop` asks it to finish what is in flight and end.
    pub(crate) fn task(
        stop: impl Fn() + Send + Sync + 'static,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Part {
        let (part, work) = Part::of(stop, work);
        tokio::spawn(work);
        part
    }

    /// Runs on a thread of its own, where it may block.
    pub(crate) fn thread(
        name: &str,
        stop: impl Fn() + Send + Sync + 'static,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<Part> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (part, work) = Part::of(stop, work);
        spawn(name, move || runtime.block_on(work))?;
        Ok(part)
    }

    fn of(
        stop: impl Fn() + Send + Sync + 'static,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> (Part, impl Future<Output = ()> + Send + 'static) {
        let (abandon, abandoned) = watch::channel(false);
        let (run, running) = watch::channel(());
        let work = async move {
            // Dropped last, and also when the work panics.
            let _running = run;
            tokio::select! {
                () = work => {}
                () = is_said(abandoned) => {}
            }
        };
        (Part { stop: Box::new(stop), abandon, running }, work)
    }

    /// Asks it to finish what is in flight and end.
    pub(crate) fn stop(&self) {
        (self.stop)();
    }

    /// Has it end at once, finishing nothing.
    pub(crate) fn abandon(&self) {
        self.abandon.send_replace(true);
    }

    async fn ended(&self) {
        let mut running = self.running.clone();
        while running.changed().await.is_ok() {}
    }
}

/// Ends parts: asks them all, gives them time together, and abandons those that take longer.
pub(crate) async fn end(parts: &[&Part], grace: Duration) {
    for part in parts {
        part.stop();
    }
    if tokio::time::timeout(grace, all_ended(parts)).await.is_err() {
        abandon(parts).await;
    }
}

/// Ends parts at once.
pub(crate) async fn abandon(parts: &[&Part]) {
    for part in parts {
        part.abandon();
    }
    all_ended(parts).await;
}

async fn all_ended(parts: &[&Part]) {
    for part in parts {
        part.ended().await;
    }
}

/// Ready when it is said, or when whoever could say it is gone.
pub(crate) async fn is_said(mut word: watch::Receiver<bool>) {
    let _ = word.wait_for(|said| *said).await;
}

/// A thread that ends because of a panic says so: what it did is not done any more.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    let thread = name.to_owned();
    let run = move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            error!(
                thread,
                "a part of the engine has failed and stands still; this is our fault: restart the engine"
            );
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)
}
