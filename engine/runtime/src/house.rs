//! What the parts of a running engine have in common: the journal, the plan in force, the lines; and who may change them.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use orderly_journal::{Journal, JournalError, PlanInForce};
use orderly_pipeline::Plan;
use tokio::sync::Mutex;

use crate::carrier::nodes::Nodes;
use crate::configuration::Configuration;
use crate::lines::Lines;
use crate::plans::Plans;
use crate::standing::Standing;

/// A running engine's inside.
pub(crate) struct House {
    pub(crate) journal: Journal,
    pub(crate) journal_folder: PathBuf,
    pub(crate) plans: Plans,
    /// What is counted, for those who ask how the engine stands.
    pub(crate) standing: Arc<Standing>,
    /// Whoever reads the files again; nobody where the plan was handed in by itself.
    pub(crate) configuration: Option<Arc<dyn Configuration>>,
    /// The nodes with which it shares a broker, if it does.
    pub(crate) nodes: Option<Arc<Nodes>>,
    /// Held while the plan and the lines change, one change at a time; nothing once the engine stops.
    pub(crate) lines: Mutex<Option<Lines>>,
}

impl House {
    /// Ends the lines after what is in flight; a change that is under way comes before that, and none after.
    pub(crate) async fn end(&self) {
        if let Some(mut lines) = self.lines.lock().await.take() {
            lines.end().await;
        }
    }

    /// The same at once, finishing nothing.
    pub(crate) async fn abandon(&self) {
        if let Some(mut lines) = self.lines.lock().await.take() {
            lines.abandon().await;
        }
    }
}

/// Notes in the journal that a plan comes into force, so that its version can be told later.
pub(crate) fn note(house: &House, plan: &Plan) -> Result<(), JournalError> {
    let in_force = PlanInForce { version: plan.version.clone(), since_us: Timestamp::now().as_microsecond() };
    let files = plan.files.iter().map(|file| (file.file.as_str(), file.text.as_str()));
    tokio::task::block_in_place(|| house.journal.note_plan(&in_force, files))
}
