//! Bytes that are kept and never processed: parts of messages, what came in a frame that is refused, what our code cannot bear, and what has no
//! source any more. All of them are quarantined, and none of them is known when it comes once more.

use orderly_hl7v2::{Header, Unreadable};
use orderly_record::{Diagnostic, Fault};

use super::{Facts, Processed, REFUSED, quarantined};
use crate::acknowledge::Reply;
use crate::format::{Format, PART};
use crate::plan::Plan;

/// The fate of bytes that came without a whole frame around them or were too many, of which only the beginning was kept: quarantined,
/// whatever they hold, and rejected: the sender is told `why` if it can be named.
#[must_use]
pub fn not_whole(plan: &Plan, facts: &Facts<'_>, bytes: &[u8], why: &str) -> Processed {
    let diagnostic = Diagnostic::error("message-not-whole", Fault::Sender, why);
    set_aside(plan, facts, bytes, &diagnostic, Reply::rejected)
}

/// The fate of what came in a frame with a deviation that the source refuses: quarantined, whatever it holds, and answered as other
/// refused deviations are. It is never processed: without its frame nobody sees that it deviated. `why` names code and place.
#[must_use]
pub fn frame_refused(plan: &Plan, facts: &Facts<'_>, bytes: &[u8], why: &str) -> Processed {
    let message = format!("{why}; the source's `refuse` does not take that");
    let diagnostic = Diagnostic::error(REFUSED, Fault::Sender, message);
    set_aside(plan, facts, bytes, &diagnostic, Reply::unreadable)
}

fn set_aside(
    plan: &Plan,
    facts: &Facts<'_>,
    bytes: &[u8],
    diagnostic: &Diagnostic,
    reply: fn(Option<Header>, &Diagnostic) -> Reply,
) -> Processed {
    let header = header_of(plan, facts, bytes);
    let mut reply = reply(header.clone(), diagnostic);
    if let Some(source) = plan.source(facts.source) {
        reply.as_wanted_by(source);
    }
    let unreadable = Unreadable::opaque(diagnostic.clone(), header);
    Processed { reply, format: PART, ..quarantined(Format::of(bytes), unreadable) }
}

/// The fate of a message that this program could not process to its end: quarantined whole, so that a better program can replay it.
#[must_use]
pub fn failed_inside(plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Processed {
    let why = "processing it failed inside the engine; this is our fault: the log has the place of the panic";
    let diagnostic = Diagnostic::error("engine-panic", Fault::Engine, why);
    let mut processed =
        quarantined(Format::of(bytes), Unreadable::opaque(diagnostic, header_of(plan, facts, bytes)));
    if let Some(source) = plan.source(facts.source) {
        processed.reply.as_wanted_by(source);
    }
    processed
}

fn header_of(plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Option<Header> {
    let reading = plan.source(facts.source).map(|source| source.reading.clone()).unwrap_or_default();
    match Format::of(bytes) {
        Format::Ccda => None,
        Format::Hl7v2 => match orderly_hl7v2::parse(bytes, &reading) {
            Ok(message) => Some(message.header()),
            Err(unreadable) => unreadable.header,
        },
    }
}

/// Only a replay can meet this: a message stored for a source that today's plan no longer has.
pub(super) fn no_such_source(format: Format, facts: &Facts<'_>) -> Processed {
    let message = format!("there is no source `{}` in the configuration any more", facts.source);
    let diagnostic = Diagnostic::error("no-such-source", Fault::Configuration, message)
        .with_help("declare the source again to process its messages");
    quarantined(format, Unreadable::opaque(diagnostic, None))
}
