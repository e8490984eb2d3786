//! A message that begins anew: a header made of nothing but the input's facts, so that the same input always gives the same.

use orderly_hl7v2::{Message, Presence};
use orderly_record::Fault;

use crate::Input;
use crate::refusal::Refusal;

/// A message of a header alone: the recommended delimiters, UTF-8, when the input was accepted, a control id of our own, the processing of
/// the input (production when it says nothing), the version. What it is and who sends it to whom is the mapping's to say.
pub(super) fn message(version: &str, input: &Input<'_>) -> Result<Message<'static>, Refusal> {
    let facts = input.facts();
    let made_at = facts.accepted_at.strftime("%Y%m%d%H%M%S+0000");
    // MSH-10 holds 20 characters in the older versions; this is shorter for any number that a journal can reach.
    let control_id = format!("ORD{}", facts.id);
    let processing = input.record().header.processing.as_deref();
    let is_code = |code: &&str| !code.is_empty() && code.chars().all(|letter| letter.is_ascii_alphanumeric());
    let processing = processing.filter(is_code).unwrap_or("P");
    let header = format!("MSH|^~\\&|||||{made_at}|||{control_id}|{processing}|{version}||||||UNICODE UTF-8");
    let mut message = Message::default();
    let begun = message.insert_segment(0, header.as_bytes());
    begun.map_err(|why| {
        Refusal::failed("mapping-unwritable", Fault::Configuration, format!("MSH can't be written: {why}"))
    })?;
    Ok(message)
}

/// What every version requires of a header and rules can take away; the rest of it is not theirs to change.
const REQUIRED: [(usize, &str, &str); 3] = [
    (9, "type", "set MSH-9, as in MSH-9: ${hl7('ORU^R01^ORU_R01')}"),
    (10, "control id", "leave MSH-10 as it is, or set it to what is never empty"),
    (11, "processing id", "leave MSH-11 as it is, or set it to what is never empty"),
];

/// No receiver can read a message that does not say what it is, or answer one that it can't name.
pub(super) fn check(message: &Message<'_>) -> Result<(), Refusal> {
    let is_missing = |field: usize| message.field(0, field).leaf().presence() != Presence::Present;
    let Some((field, what, help)) = REQUIRED.into_iter().find(|(field, ..)| is_missing(*field)) else {
        return Ok(());
    };
    let told = format!("the new message has no {what} in MSH-{field}");
    let mut refusal = Refusal::failed("mapping-header", Fault::Configuration, told);
    refusal.diagnostic.help = Some(help.to_owned());
    Err(refusal)
}
