//! What each kind of request does inside the open transaction, and who has to hear of it once that is committed.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Answer, Written};
use crate::amend::{self, Amendment, Copied, Resend};
use crate::error::{CommitError, JournalError};
use crate::inbox::Request;
use crate::intake::Step;
use crate::journal::{Fresh, Shared};
use crate::message::{Accepted, DeliveryState, NewMessage, Reprocessed};
use crate::repeats::{self, Earlier, Found, Names};
use crate::reprocess::{self, PairPart, Was};
use crate::segment::{Numbers, SegmentFile};
use crate::waiting::Place;

/// Applies one request inside the open transaction.
pub(super) fn apply(
    shared: &Shared,
    names: &mut Names,
    file: &mut SegmentFile,
    next: &mut Numbers,
    request: &Request,
    written: &mut Written,
) -> Result<Answer, JournalError> {
    match request {
        Request::Accept(message, _) => apply_acceptance(shared, names, file, next, message, written),
        Request::Record(attempt, _) => Ok(if file.record_attempt(attempt)? {
            Answer::Recorded
        } else {
            Answer::Refused(CommitError::NoSuchDelivery { delivery: attempt.delivery })
        }),
        Request::Reprocess(replay, _) => {
            Ok(Answer::Reprocessed(apply_replay(shared, file, next, replay, written)?))
        }
        Request::Amend(amendment, _) => apply_amendment(file, amendment, written),
        Request::Resend(resend, _) => apply_resend(shared, file, next, resend, written),
        Request::Carry(carry, _) => Ok(Answer::Carried(file.note_carried(carry)?)),
        Request::Release(intake, _) => {
            file.release(intake)?;
            Ok(Answer::Recorded)
        }
    }
}

fn apply_acceptance(
    shared: &Shared,
    names: &mut Names,
    file: &mut SegmentFile,
    next: &mut Numbers,
    message: &NewMessage,
    written: &mut Written,
) -> Result<Answer, JournalError> {
    let intake = match &message.origin {
        None => None,
        Some(origin) => match file.count_member(origin, message.fate)? {
            Step::Next(intake) => Some(intake),
            Step::Known => {
                return Ok(Answer::Refused(CommitError::AlreadyStored { member: origin.member }));
            }
            Step::Early => return Ok(Answer::Refused(CommitError::OutOfTurn { member: origin.member })),
        },
    };
    let Found { earlier, unseen } = repeats::look(shared, names, file, message)?;
    let repeating;
    let message = match &earlier {
        Some(Earlier::Same { id, .. }) => {
            repeating = message.repeating(*id);
            &repeating
        }
        _ => {
            file.note_seen(message)?;
            message
        }
    };
    let seq = next.seq;
    let first = next.delivery;
    let count = message.deliveries.len() as u64;
    next.seq += 1;
    next.delivery += count;
    file.insert_message(message, intake, earlier.as_ref().map(Earlier::id), seq, first)?;
    for delivery in &message.deliveries {
        if delivery.state == DeliveryState::Waiting {
            note(&mut written.waiting, &delivery.destination, delivery.place.class, false);
        }
    }
    Ok(Answer::Accepted(Accepted { seq, deliveries: first..first + count, earlier, unseen }))
}

fn apply_replay(
    shared: &Shared,
    file: &mut SegmentFile,
    next: &mut Numbers,
    replay: &Reprocessed,
    written: &mut Written,
) -> Result<usize, JournalError> {
    let reader = shared.reader();
    let places = reader.files_of(replay.message_id)?;
    let home = places.first().copied().unwrap_or(file.number);
    let mut elsewhere: HashMap<PairPart, Was> = HashMap::new();
    for number in places.into_iter().filter(|number| *number != file.number) {
        elsewhere.extend(reader.states_in(number, replay.message_id)?);
    }
    let first = next.delivery;
    let changes = reprocess::reprocess(file, home, replay, &elsewhere, first)?;
    next.delivery += changes.appended;
    for destination in changes.waiting.iter().chain(&changes.withdrawn) {
        note(&mut written.waiting, destination, Place::USUAL, true);
    }
    written.strays.extend(first..next.delivery);
    written.orphans.extend(changes.orphans);
    Ok(changes.waiting.len())
}

fn apply_amendment(
    file: &mut SegmentFile,
    amendment: &Amendment,
    written: &mut Written,
) -> Result<Answer, JournalError> {
    let Some(amended) = file.amend(amendment)? else {
        return Ok(Answer::Refused(CommitError::NoSuchDelivery { delivery: amendment.delivery }));
    };
    if amended.changed {
        // Its worker may hold it, or may have passed its place.
        note(&mut written.waiting, &amendment.destination, Place::USUAL, true);
    }
    Ok(Answer::Amended(amended))
}

fn apply_resend(
    shared: &Shared,
    file: &mut SegmentFile,
    next: &mut Numbers,
    resend: &Resend,
    written: &mut Written,
) -> Result<Answer, JournalError> {
    let places = shared.reader().files_of(resend.message_id)?;
    let home = places.first().copied().unwrap_or(file.number);
    let seq = next.delivery;
    match amend::resend(shared, file, home, &places, resend, seq)? {
        Copied::Nothing => Ok(Answer::Refused(CommitError::NoSuchDelivery { delivery: resend.delivery })),
        Copied::Unreadable(error) => Ok(Answer::Refused(error)),
        Copied::Done => {
            next.delivery += 1;
            written.strays.push(seq);
            // It may stand in an older file than what its worker has read meanwhile, and is found only from the start.
            note(&mut written.waiting, &resend.destination, Place::USUAL, true);
            Ok(Answer::Resent(seq))
        }
    }
}

/// Keeps each destination once a class; a worker that must read from the start reads all classes anew.
pub(super) fn note(waiting: &mut Vec<Fresh>, destination: &Arc<str>, class: u8, rewound: bool) {
    match waiting.iter_mut().find(|fresh| fresh.destination == *destination && fresh.class == class) {
        Some(fresh) => fresh.rewound |= rewound,
        None => waiting.push(Fresh { destination: Arc::clone(destination), class, rewound }),
    }
}
