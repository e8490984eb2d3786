//! The plan in force, and changing it between two messages.
//!
//! What always holds: a message is processed and stored under one plan; when another comes into force, everything that began under the one
//! before is stored, so that whatever follows from it is known.

use std::sync::Arc;

use orderly_pipeline::Plan;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The plan in force; clones share it.
#[derive(Clone)]
pub(crate) struct Plans(Arc<RwLock<InForce>>);

/// A plan, and its version as messages name it.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) plan: Arc<Plan>,
    pub(crate) version: Arc<str>,
}

impl InForce {
    pub(crate) fn new(plan: Arc<Plan>) -> InForce {
        InForce { version: Arc::from(plan.version.as_str()), plan }
    }
}

/// The plan in force, which stays so until this is dropped.
pub(crate) type Held = OwnedRwLockReadGuard<InForce>;

impl Plans {
    pub(crate) fn new(plan: Arc<Plan>) -> Plans {
        Plans(Arc::new(RwLock::new(InForce::new(plan))))
    }

    /// The plan for one message, to be held until it is stored. Whoever holds one does not ask for another, or both may wait for ever.
    pub(crate) async fn hold(&self) -> Held {
        self.0.clone().read_owned().await
    }

    /// Waits until everything that began is stored; nothing begins until what this gives is dropped. What it holds then is in force.
    pub(crate) async fn change(&self) -> OwnedRwLockWriteGuard<InForce> {
        self.0.clone().write_owned().await
    }
}
