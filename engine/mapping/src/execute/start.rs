//! How a message begins and ends: as a copy of the input, or as a header made of nothing but the input's facts, so that the same input always
//! gives the same; and the charset that it is written in.

use orderly_hl7v2::{Charset, Message, Position, Presence, Unencodable};
use orderly_record::Fault;

use super::{Ended, Run};
use crate::Input;
use crate::plan::Written;
use crate::refusal::Refusal;
use crate::yaml::Span;

/// A copy of the input. What is written in a charset that the mapping chooses is UTF-8 until then, so that rules can write any character and
/// take away those that the charset lacks.
pub(super) fn copy<'m>(received: &Message<'m>, written: Option<&Written>) -> Result<Message<'m>, Refusal> {
    let Some(written) = written else { return Ok(received.working_copy()) };
    received.in_charset(Charset::utf_8()).map_err(|(at, why)| lacking(received, &at, &why, &written.place))
}

impl Run<'_, '_> {
    /// What the mapping's head says of the header.
    pub(super) fn begin(
        &mut self,
        version: Option<&str>,
        written: Option<&Written>,
        output: &Span,
    ) -> Result<(), Ended> {
        if let Some(version) = version {
            self.write_text(&Position::field(0, 12), version, output)?;
        }
        if let Some(written) = written {
            self.write_text(&Position::field(0, 18), &written.name, &written.place)?;
        }
        Ok(())
    }
}

/// The bytes of a message in the charset that the mapping chooses.
pub(super) fn encode(message: &Message<'_>, written: &Written) -> Result<Vec<u8>, Refusal> {
    let refused = |(at, why): (Position, Unencodable)| lacking(message, &at, &why, &written.place);
    let sent = message.in_charset(written.charset).map_err(refused)?;
    if written.only_ascii {
        let beyond = |(index, segment): (usize, &orderly_hl7v2::Segment<'_>)| {
            let mut fields = (1..=segment.last_field()).map(|field| Position::field(index, field));
            fields.find(|at| !sent.view(at).raw().is_ascii())
        };
        if let Some(at) = sent.segments().iter().enumerate().find_map(beyond) {
            let refusal = Refusal::failed(
                "mapping-unwritable",
                Fault::Configuration,
                format!("{} can't be written: it has a character beyond ASCII", message.path(&at)),
            );
            return Err(helped(refusal, &written.place));
        }
    }
    Ok(sent.encode())
}

fn lacking(message: &Message<'_>, at: &Position, why: &Unencodable, place: &Span) -> Refusal {
    let told = format!("{} can't be written: {why}", message.path(at));
    helped(Refusal::failed("mapping-unwritable", Fault::Configuration, told), place)
}

fn helped(mut refusal: Refusal, place: &Span) -> Refusal {
    refusal.diagnostic.place = place.place();
    refusal.diagnostic.help =
        Some("let a rule write it with `| ascii`, or choose another `charset`".to_owned());
    refusal
}

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
