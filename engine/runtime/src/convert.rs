//! Between the words of the pipeline and those of the journal, and of the queue, which do not know each other.

use std::sync::Arc;
use std::time::Duration;

use orderly_journal as journal;
use orderly_pipeline::plan::Priority;
use orderly_pipeline::{Facts, Fate, Identity, Pair, PairFate, Processed, Unmapped, keys};
use orderly_queue::item::Class;
use orderly_queue::planted::{self, Fault};

/// The journal's deliveries of a processed message.
pub(crate) fn deliveries(pairs: Vec<Pair>, body: &Arc<[u8]>) -> Vec<journal::NewDelivery> {
    pairs.into_iter().map(|pair| delivery(pair, body)).collect()
}

fn delivery(pair: Pair, body: &Arc<[u8]>) -> journal::NewDelivery {
    let Pair { route, destination, fate, unmapped, priority, lanes } = pair;
    let place = journal::Place { class: class(priority).number(), lanes };
    let without = |state, reason| journal::NewDelivery {
        route: route.clone(),
        destination: destination.clone(),
        state,
        reason: Some(reason),
        unmapped: None,
        payload: None,
        control_id: None,
        target: None,
        place: place.clone(),
    };
    match fate {
        PairFate::Filtered(reason) => without(journal::DeliveryState::Filtered, reason),
        PairFate::Failed(reason) => without(journal::DeliveryState::Failed, reason),
        PairFate::Parked(reason) => journal::NewDelivery {
            unmapped: unmapped.map(unmapped_code),
            ..without(journal::DeliveryState::Parked, reason)
        },
        PairFate::Ready(payload) => journal::NewDelivery {
            route: route.clone(),
            destination: destination.clone(),
            state: journal::DeliveryState::Waiting,
            reason: None,
            unmapped: None,
            payload: Some(payload.bytes.map_or_else(|| body.clone(), Arc::from)),
            control_id: Some(payload.control_id),
            target: payload.target,
            place: place.clone(),
        },
    }
}

/// A processed message as the journal takes it in, by its source and the version of the plan; in no file, and known by nothing.
pub(crate) fn new_message(
    (source, version): (&Arc<str>, &Arc<str>),
    facts: &Facts<'_>,
    processed: &mut Processed,
    body: Arc<[u8]>,
) -> journal::NewMessage {
    let pairs = std::mem::take(&mut processed.pairs);
    let summary = std::mem::take(&mut processed.summary);
    journal::NewMessage {
        id: facts.id,
        source: source.clone(),
        accepted_at_us: facts.accepted_at.as_microsecond(),
        format: Arc::from(processed.format),
        message_type: summary.kind,
        event: summary.event,
        control_id: summary.control_id,
        fate: fate(processed.fate),
        reason: processed.reason.take(),
        plan: version.clone(),
        origin: None,
        identity: None,
        sender: None,
        keys: search_keys(processed),
        deliveries: deliveries(pairs, &body),
        body,
    }
}

/// By what the journal knows a message for so long, and what its sender is told.
pub(crate) fn identity(identity: Identity, within: Duration, told: Vec<u8>) -> journal::Identity {
    let Identity { name, mut content } = identity;
    if planted::is_planted(Fault::RepeatByNameAlone) {
        content.fill(0);
    }
    let within_us = i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
    journal::Identity { name, content, within_us, told }
}

/// The queue's word for a priority.
fn class(priority: Priority) -> Class {
    match priority {
        Priority::Stat => Class::Stat,
        Priority::Normal => Class::Normal,
        Priority::Backfill => Class::Backfill,
    }
}

fn unmapped_code(unmapped: Unmapped) -> journal::UnmappedCode {
    let Unmapped { mapping, table, code } = unmapped;
    journal::UnmappedCode { mapping, table: Arc::from(table), code }
}

/// The journal's word for a fate.
pub(crate) fn fate(fate: Fate) -> journal::Fate {
    match fate {
        Fate::Routed => journal::Fate::Routed,
        Fate::Filtered => journal::Fate::Filtered,
        Fate::Failed => journal::Fate::Failed,
        Fate::Quarantined => journal::Fate::Quarantined,
    }
}

/// The journal's form of the search keys.
pub(crate) fn search_keys(processed: &mut Processed) -> Vec<journal::Key> {
    let key = |key: keys::Key| journal::Key { kind: key_kind(key.kind), value: key.value };
    std::mem::take(&mut processed.keys).into_iter().map(key).collect()
}

fn key_kind(kind: keys::KeyKind) -> journal::KeyKind {
    match kind {
        keys::KeyKind::ControlId => journal::KeyKind::ControlId,
        keys::KeyKind::PatientId => journal::KeyKind::PatientId,
        keys::KeyKind::PatientName => journal::KeyKind::PatientName,
        keys::KeyKind::Accession => journal::KeyKind::Accession,
        keys::KeyKind::OrderNumber => journal::KeyKind::OrderNumber,
        keys::KeyKind::Visit => journal::KeyKind::Visit,
    }
}
