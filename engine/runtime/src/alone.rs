//! The journal of an engine that does not run, opened by one command to change it; what is to be delivered waits for the next start.

use std::thread::JoinHandle;

use orderly_journal::{Journal, JournalError};

use crate::control::{Request, Response};
use crate::desk::Desk;
use crate::engine::Settings;
use crate::part;
use crate::plans::Plans;

/// Why a journal cannot be changed at all.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// The journal cannot be opened.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The system gives no thread.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}

/// Does what a running engine would do at this request. It takes the journal's lock, so it is refused while one runs.
pub async fn perform_without_engine(settings: Settings, request: Request) -> Result<Response, AloneError> {
    let (journal, writer, indexer) = orderly_journal::open(settings.journal)?;
    let writer = part::spawn("journal-writer", move || writer.run()).map_err(AloneError::Thread)?;
    let indexer = part::spawn("journal-indexer", move || indexer.run()).map_err(AloneError::Thread)?;
    let plans = Plans::new(settings.plan);
    let response = Desk { journal: &journal, plans: &plans, lines: None }.perform(request).await;
    close(&journal, [writer, indexer]);
    Ok(response)
}

fn close(journal: &Journal, threads: [JoinHandle<()>; 2]) {
    journal.close();
    for thread in threads {
        // One that panicked has said so.
        let _ = thread.join();
    }
}
