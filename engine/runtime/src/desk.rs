//! What is done at a command's request that changes the journal: by a running engine, or by the command itself when none runs.

use jiff::Timestamp;
use orderly_journal::{Act, Journal};
use tokio::sync::Mutex;
use tracing::{error, info};

use crate::control::{Request, Response};
use crate::hand;
use crate::inject::inject;
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
                info!(messages = request.ids.len(), dry_run = request.dry_run, "replaying");
                let messages = replay(self.journal, self.plans, &request).await;
                let done = messages.iter().filter(|one| one.problem.is_none() && !request.dry_run).count();
                self.note(&request.who, "replay", request.destination.as_deref(), done);
                Response::Replayed { plan: self.version().await, messages }
            }
            Request::Release(request) => {
                info!(messages = request.messages.len(), dry_run = request.dry_run, "releasing");
                let messages = release(self.journal, self.plans, &request).await;
                let done = messages.iter().filter(|one| one.released > 0 && !request.dry_run).count();
                self.note(&request.who, "codes release", None, done);
                Response::Released { plan: self.version().await, messages }
            }
            Request::Hand(request) => match hand::lay(self, &request).await {
                Ok(handed) => Response::Handed(handed),
                Err(why) => Response::Refused(why),
            },
            Request::Inject(request) => match inject(self, &request).await {
                Ok(injected) => Response::Injected(injected),
                Err(why) => Response::Refused(why),
            },
            Request::Status | Request::Reload | Request::Find(..) => {
                Response::Refused("no engine runs on this journal".to_owned())
            }
        }
    }

    /// Notes what was done to so many messages. That it could not be noted undoes nothing, and is told in the log.
    fn note(&self, who: &str, what: &str, destination: Option<&str>, count: usize) {
        if count == 0 {
            return;
        }
        let act = Act {
            at_us: Timestamp::now().as_microsecond(),
            who: who.to_owned(),
            what: what.to_owned(),
            whom: destination.unwrap_or_default().to_owned(),
            count: count as u64,
            reason: None,
        };
        if let Err(problem) = tokio::task::block_in_place(|| self.journal.note_act(&act)) {
            error!(who, count, "{what} could not be noted: {problem}");
        }
    }

    async fn version(&self) -> String {
        self.plans.hold().await.plan.version.clone()
    }
}
