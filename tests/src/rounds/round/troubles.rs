//! What goes wrong in a round, and how it is mended.

use tokio::sync::watch;
use tokio::time::sleep;

use super::Round;
use crate::proxy::Proxy;
use crate::rounds::plan::{DESTINATIONS, Harm, Trouble};

impl Round {
    /// Lets something go wrong, and mends it; `calm` says when the broker has all its nodes again.
    pub(super) async fn suffer(&self, trouble: Trouble, mut calm: watch::Receiver<bool>) {
        sleep(trouble.at).await;
        if trouble.harm.deletes() && self.plan.weather.iter().any(|weather| weather.harm.ends_broker_nodes())
        {
            // Its sender lives until all rounds have ended.
            calm.wait_for(|calm| *calm).await.ok();
        }
        match trouble.harm {
            Harm::NodeKilled(node) | Harm::NodeStopped(node) => self.end_node(trouble, node).await,
            Harm::NodeFrozen(node) => {
                let node = &self.nodes[node];
                let (harm, mend) = (async { node.freeze() }, async { node.thaw() });
                self.during(trouble, format!("{} is frozen", node.name), harm, mend).await;
            }
            Harm::ConnectionsCut(node) => {
                let what = format!("the connections of {} are cut", self.nodes[node].name);
                self.during(trouble, what, async { self.ways(node, Proxy::cut) }, async {}).await;
            }
            Harm::ConnectionsHeld(node) => {
                let what = format!("the connections of {} are held", self.nodes[node].name);
                let (harm, mend) =
                    (async { self.ways(node, Proxy::pause) }, async { self.ways(node, Proxy::resume) });
                self.during(trouble, what, harm, mend).await;
            }
            Harm::BrokerUnreachable(node) => {
                let close = |way: &Proxy| {
                    way.close(true);
                    way.cut();
                };
                let what = format!("{} cannot reach the broker", self.nodes[node].name);
                let (harm, mend) =
                    (async { self.ways(node, close) }, async { self.ways(node, |way| way.close(false)) });
                self.during(trouble, what, harm, mend).await;
            }
            Harm::ReceiverKilled(ward) => {
                let _alone = self.openings[ward].lock().await;
                let (what, ward) = (format!("{} is killed", DESTINATIONS[ward].0), &self.wards[ward]);
                self.during(trouble, what, ward.kill(), ward.come_back()).await;
            }
            Harm::ReceiverFrozen(ward) => {
                let (what, ward) = (format!("{} is frozen", DESTINATIONS[ward].0), &self.wards[ward]);
                self.during(trouble, what, async { ward.freeze() }, async { ward.thaw() }).await;
            }
            Harm::QueueDeleted(destination) | Harm::LeaderMoved(destination) => {
                self.at_the_broker(trouble.harm, format!("to.{}", DESTINATIONS[destination].0)).await;
            }
            Harm::ResultsDeleted(node) => {
                self.at_the_broker(trouble.harm, format!("results.{}", self.nodes[node].name)).await;
            }
            Harm::BrokerNodeKilled(_)
            | Harm::BrokerNodeStopped(_)
            | Harm::BrokerNodeFrozen(_)
            | Harm::BrokerRestarted
            | Harm::MemoryAlarm
            | Harm::BrokerAbsentAtStart => unreachable!("that is the group's weather"),
        }
    }

    async fn during(
        &self,
        trouble: Trouble,
        what: String,
        harm: impl Future<Output = ()>,
        mend: impl Future<Output = ()>,
    ) {
        let going = self.history.fails(trouble.harm.name(), what);
        harm.await;
        sleep(trouble.lasts).await;
        mend.await;
        self.history.mended(going);
    }

    fn ways(&self, node: usize, harm: impl Fn(&Proxy)) {
        self.nodes[node].ways.iter().for_each(harm);
    }

    /// A node ends, and is started again on its journal.
    async fn end_node(&self, trouble: Trouble, node: usize) {
        let _alone = self.lives[node].lock().await;
        let node = &self.nodes[node];
        let is_killed = matches!(trouble.harm, Harm::NodeKilled(_));
        let what = format!("{} is {}", node.name, if is_killed { "killed" } else { "stopped" });
        let harm = async {
            let problem = if is_killed { None } else { node.stop().await };
            node.kill().await;
            self.history.note(problem.unwrap_or_else(|| format!("{} has ended", node.name)));
        };
        self.during(trouble, what, harm, node.start()).await;
    }

    /// What `rabbitmqctl` does, which may fail while the broker suffers.
    async fn at_the_broker(&self, harm: Harm, queue: String) {
        let going = self.history.fails(harm.name(), format!("{} of {queue}", harm.name()));
        let (broker, queue) = (self.broker.clone(), format!("{}.{queue}", self.prefix));
        let doing = tokio::task::spawn_blocking(move || match harm {
            Harm::QueueDeleted(_) | Harm::ResultsDeleted(_) => {
                broker.node(0).try_control(&["delete_queue", &queue]).map(drop)
            }
            // Of so many nodes, one leads it; moving it there changes nothing and is said to fail.
            _ => (0..broker.nodes().len())
                .map(|to| broker.try_move_leader(&queue, to))
                .find(Result::is_ok)
                .unwrap_or_else(|| Err("nobody else can lead it".to_owned())),
        });
        match doing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.history.note(format!("it failed: {}", error.trim())),
            Err(error) => self.history.note(format!("it failed: {error}")),
        }
        self.history.mended(going);
    }
}
