//! Messages and deliveries for the tests of this crate; only what a test is about differs from these.

use std::sync::Arc;

use crate::{DeliveryState, Fate, NewDelivery, NewMessage, Place};

/// One that waits for `ehr`.
pub(crate) fn delivery() -> NewDelivery {
    NewDelivery {
        route: "r".into(),
        destination: "ehr".into(),
        state: DeliveryState::Waiting,
        reason: None,
        unmapped: None,
        payload: Some(Arc::from(&b"MSH"[..])),
        control_id: None,
        target: None,
        place: Place::default(),
    }
}

/// One that no route took.
pub(crate) fn message(id: u64) -> NewMessage {
    NewMessage {
        id,
        source: "emr".into(),
        accepted_at_us: 1_000,
        format: "hl7v2".into(),
        message_type: String::new(),
        event: String::new(),
        control_id: String::new(),
        fate: Fate::Filtered,
        reason: Some("no route takes it".to_owned()),
        plan: "p1".into(),
        origin: None,
        identity: None,
        sender: None,
        body: Arc::from(&b"MSH"[..]),
        keys: Vec::new(),
        deliveries: Vec::new(),
    }
}
