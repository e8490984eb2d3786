//! What is done at a command's request that changes the journal: by a running engine, or by the command itself when none runs.

use orderly_journal::Journal;
use tokio::sync::Mutex;
use tracing::info;

use crate::control::{Request, Response};
use crate::hand;
use crate::lines::Lines;
use crate::plans::Plans;
use crate::release::release;
use crate::replay::replay;

/// Where such a request is served.
pub(crate) struct Desk<'e> {
    pub(crate) journal: &'e Journal,
    pub(crate) plans: &'e Plans,
    /// The running lines; none when no engine runs.
    pub(crate) lines: Option<&'e Mutex<Option<Lines>>>,
}

impl Desk<'_> {
    /// Serves one request.
    pub(crate) async fn perform(&self, request: Request) -> Response {
        match request {
            Request::Replay(request) => {
                info!(messages = request.ids.len(), "replaying");
                let messages = replay(self.journal, self.plans, &request).await;
                Response::Replayed { plan: self.version().await, messages }
            }
            Request::Release(request) => {
                info!(messages = request.messages.len(), dry_run = request.dry_run, "releasing");
                let messages = release(self.journal, self.plans, &request).await;
                Response::Released { plan: self.version().await, messages }
            }
            Request::Hand(request) => match hand::lay(self, &request).await {
                Ok(handed) => Response::Handed(handed),
                Err(why) => Response::Refused(why),
            },
            Request::Status | Request::Reload => {
                Response::Refused("no engine runs on this journal".to_owned())
            }
        }
    }

    async fn version(&self) -> String {
        self.plans.hold().await.plan.version.clone()
    }
}
