//! What an operator does during a round, by the program's commands.

use orderly_journal::DeliveryState;
use tokio::time::{Instant, sleep_until};

use super::{Round, lock};
use crate::rounds::check::{Deed, DeedKind};
use crate::rounds::plan::{Act, ActKind, DESTINATIONS};
use crate::running::orderly;

impl Round {
    /// What an operator does.
    pub(super) async fn operate(&self) {
        let begun = Instant::now();
        for act in self.plan.acts.clone() {
            sleep_until(begun + act.at).await;
            self.act(act).await;
        }
    }

    pub(super) async fn act(&self, act: Act) {
        let (destination, _) = DESTINATIONS[act.destination];
        match act.kind {
            ActKind::Pause => self.command(act.node, &["pause", destination]).await,
            ActKind::Resume => self.command(act.node, &["resume", destination]).await,
            ActKind::Cancel => {
                self.change(act.node, destination, DeliveryState::Waiting, DeedKind::Cancelled, 1).await
            }
            ActKind::Resend => {
                self.change(act.node, destination, DeliveryState::Parked, DeedKind::Resent, usize::MAX).await;
            }
        }
    }

    /// Runs a command beside a node.
    async fn command(&self, node: usize, arguments: &[&str]) {
        let _alone = self.lives[node].lock().await;
        self.run(node, arguments).await;
    }

    async fn run(&self, node: usize, arguments: &[&str]) -> bool {
        let node = &self.nodes[node];
        let ran = orderly(&node.site, arguments).await;
        let said = format!("{}{}", ran.out, ran.err).replace('\n', "; ");
        self.history.note(format!(
            "an operator at {}: {} ({}): {said}",
            node.name,
            arguments.join(" "),
            ran.code
        ));
        ran.code == 0
    }

    /// Changes some of the deliveries of a node that are in a state, the last of them.
    pub(super) async fn change(
        &self,
        number: usize,
        destination: &str,
        state: DeliveryState,
        kind: DeedKind,
        most: usize,
    ) {
        let _alone = self.lives[number].lock().await;
        let node = &self.nodes[number];
        let held = node.journal().held(destination, &[state]).unwrap_or_default();
        for held in held.iter().rev().take(most) {
            let Ok(Some(message)) = node.journal().message(held.message_id) else { continue };
            let (at, id) = (self.history.now(), held.message_id.to_string());
            let deed = match kind {
                DeedKind::Resent => &["resend", &id, "--destination", destination][..],
                _ => &["cancel", &id, "--destination", destination, "--reason", "of a round"],
            };
            self.history.note(format!("{}: {kind:?} {} to {destination}", node.name, message.control_id));
            if self.run(number, deed).await {
                let destination = destination.to_owned();
                lock(&self.deeds).push(Deed { at, destination, id: message.control_id, kind });
            }
        }
    }
}
