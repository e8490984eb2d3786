//! One message's journey through the plan, told once: read, find its routes, apply their mappings, say what to answer.
//!
//! Pure: the same plan, facts and bytes give the same result, whenever and wherever. It neither fails nor panics:
//! whatever the bytes are, they get a fate.

use std::sync::Arc;

use orderly_ccda::Document;
use orderly_hl7v2::{Header, Message, Unreadable};
use orderly_mapping::{Input, Outcome, UnmappedCode};
use orderly_record::{Diagnostic, Fault, Place, Record};

pub use orderly_mapping::Facts;

use crate::acknowledge::Reply;
use crate::format::{Format, PART};
use crate::keys::{self, Key};
use crate::plan::{Destination, Endpoint, Plan, Route, Source, Target};

/// What became of a message, and what follows from it.
#[derive(Debug)]
pub struct Processed {
    /// The name of its format, for the journal.
    pub format: &'static str,
    /// The message's own facts.
    pub summary: Summary,
    /// What became of it.
    pub fate: Fate,
    /// Why, where the fate needs a reason. Never patient data.
    pub reason: Option<String>,
    /// Under which words it can be found.
    pub keys: Vec<Key>,
    /// One for each route and destination that it met, in the order of the plan.
    pub pairs: Vec<Pair>,
    /// What was noticed on the way.
    pub diagnostics: Vec<Diagnostic>,
    /// What the sender is told.
    pub reply: Reply,
}

/// A message's own facts, for lists; of a document those of its record's header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// MSH-9.1
    pub kind: String,
    /// MSH-9.2
    pub event: String,
    /// MSH-10 as received.
    pub control_id: String,
}

impl Summary {
    fn of(header: &Header) -> Summary {
        Summary {
            kind: header.message_type().into_owned(),
            event: header.event().into_owned(),
            control_id: header.control_id().into_owned(),
        }
    }
}

/// What became of a message: the first of the two ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// At least one route took it, and something of it lives on.
    Routed,
    /// No route wanted it.
    Filtered,
    /// Routes took it, and the mapping of every pair failed.
    Failed,
    /// It could not be read.
    Quarantined,
}

/// A route and a destination, and what the message became for them.
#[derive(Debug)]
pub struct Pair {
    /// The route's name.
    pub route: Arc<str>,
    /// The destination's name.
    pub destination: Arc<str>,
    /// What became of it.
    pub fate: PairFate,
    /// Of a parked one, the code that a row of a table would release.
    pub unmapped: Option<Unmapped>,
}

/// A code without a row, and the mapping whose table lacks it. For people who mend the table, and not for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// The mapping's name.
    pub mapping: Arc<str>,
    /// The table's name in it.
    pub table: String,
    /// The code, see [`UnmappedCode`].
    pub code: String,
}

/// What a message became for one route and destination.
#[derive(Debug)]
pub enum PairFate {
    /// To be delivered.
    Ready(Payload),
    /// Not wanted: the reason.
    Filtered(String),
    /// Its mapping could not be applied: the reason.
    Failed(String),
    /// Set aside by its mapping, waiting for a person: the reason.
    Parked(String),
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The bytes; none when they are the message's own.
    pub bytes: Option<Vec<u8>>,
    /// MSH-10 of what is sent, which the answer's MSA-2 must name.
    pub control_id: String,
    /// The name a file destination gives it, from its template.
    pub file_name: Option<String>,
}

/// Takes one message through the plan.
#[must_use]
pub fn process(plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Processed {
    let Some((index, source)) =
        plan.sources.iter().enumerate().find(|(_, source)| *source.name == *facts.source)
    else {
        return no_such_source(Format::of(bytes), facts);
    };
    let chosen = Chosen { plan, index, source, facts };
    let mut processed = match Format::of(bytes) {
        Format::Hl7v2 => match orderly_hl7v2::parse(bytes, &source.reading) {
            Ok(message) => match refused(source, message.diagnostics()) {
                Some(diagnostic) => {
                    let header = Some(message.header());
                    quarantined(Format::Hl7v2, Unreadable::opaque(diagnostic, header))
                }
                None => message_routed(&chosen, &message),
            },
            Err(unreadable) => quarantined(Format::Hl7v2, unreadable),
        },
        Format::Ccda => match orderly_ccda::parse(bytes, &orderly_ccda::Limits::default()) {
            Ok(document) => match refused(source, document.diagnostics()) {
                Some(diagnostic) => quarantined(Format::Ccda, Unreadable::opaque(diagnostic, None)),
                None => document_routed(&chosen, &document),
            },
            Err(diagnostic) => quarantined(Format::Ccda, Unreadable::opaque(diagnostic, None)),
        },
    };
    processed.reply.as_wanted_by(source);
    processed
}

/// Why this source does not take what others do.
fn refused(source: &Source, found: &[Diagnostic]) -> Option<Diagnostic> {
    let first = found.iter().find(|found| source.refuse.contains(&found.code))?;
    let message = format!("{}, which the source's `refuse` does not take: {}", first.code, first.message);
    Some(Diagnostic::error("tolerance-refused", Fault::Sender, message).at(first.place.clone()))
}

/// The messages in one frame, as byte ranges: usually one; a batch gives its members.
#[must_use]
pub fn members(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    match Format::of(bytes) {
        Format::Hl7v2 => orderly_hl7v2::split(bytes).members,
        Format::Ccda => std::iter::once(0..bytes.len()).collect(),
    }
}

/// The way that a message takes.
struct Chosen<'p> {
    plan: &'p Plan,
    /// The source's index in the plan.
    index: usize,
    source: &'p Source,
    facts: &'p Facts<'p>,
}

fn message_routed(chosen: &Chosen<'_>, message: &Message<'_>) -> Processed {
    let record = orderly_hl7v2::normalize(message);
    let header = message.header();
    let input = Input { facts: chosen.facts, message: Some(message), record: &record };
    // Old senders leave MSH-11 empty; what is not said is what the source carries.
    let reason = wrong_processing(chosen.source, &header.processing_id());
    let processed = Processed {
        format: Format::Hl7v2.name(),
        summary: Summary::of(&header),
        fate: Fate::Filtered,
        reason,
        keys: keys::of(&record, &header.control_id()),
        pairs: Vec::new(),
        diagnostics: message.diagnostics().to_vec(),
        reply: Reply::accept(Some(header)),
    };
    routed(chosen, &input, processed)
}

/// A document has no processing of its own: it is what its source carries.
fn document_routed(chosen: &Chosen<'_>, document: &Document) -> Processed {
    let record = orderly_ccda::normalize(document);
    let input = Input { facts: chosen.facts, message: None, record: &record };
    let text = |text: &Option<orderly_record::Text>| text.as_deref().unwrap_or_default().to_owned();
    let header = &record.header;
    let summary = Summary {
        kind: text(&header.kind),
        event: text(&header.event),
        control_id: text(&header.control_id),
    };
    let processed = Processed {
        format: Format::Ccda.name(),
        fate: Fate::Filtered,
        reason: None,
        keys: keys::of(&record, &summary.control_id),
        summary,
        pairs: Vec::new(),
        diagnostics: document.diagnostics().to_vec(),
        reply: Reply::accept(None),
    };
    routed(chosen, &input, processed)
}

/// Finds the routes of what could be read and applies their mappings, unless there is a reason against it already.
fn routed(chosen: &Chosen<'_>, input: &Input<'_>, mut processed: Processed) -> Processed {
    if processed.reason.is_some() {
        return processed;
    }
    for route in chosen.plan.routes.iter().filter(|route| route.source == chosen.index) {
        processed.pairs.extend(pairs(chosen.plan, route, input));
    }
    processed.judge();
    processed
}

impl Processed {
    /// The message's fate from those of its pairs.
    fn judge(&mut self) {
        let all_failed = self.pairs.iter().all(|pair| matches!(pair.fate, PairFate::Failed(_)));
        let all_filtered = self.pairs.iter().all(|pair| matches!(pair.fate, PairFate::Filtered(_)));
        (self.fate, self.reason) = match () {
            () if self.pairs.is_empty() => (Fate::Filtered, Some("no route takes it".to_owned())),
            () if all_failed => (Fate::Failed, Some("every mapping failed".to_owned())),
            () if all_filtered => (Fate::Filtered, Some("no destination wants it".to_owned())),
            () => (Fate::Routed, None),
        };
        if self.fate == Fate::Failed {
            self.reply.mapping_failed();
        }
    }
}

/// A message of another processing than its source carries goes to nobody: a test must not reach a live system.
fn wrong_processing(source: &Source, found: &str) -> Option<String> {
    let expected = source.processing?;
    (!found.is_empty() && found != expected.code())
        .then(|| format!("its processing is not {}, which this source carries", expected.code()))
}

fn pairs<'r>(plan: &'r Plan, route: &'r Route, input: &'r Input<'r>) -> Vec<Pair> {
    if route.when.as_ref().is_some_and(|when| !when.holds(input)) {
        return Vec::new();
    }
    let pair = |target: &Target| {
        let destination = plan.destinations.get(target.destination)?;
        let (fate, unmapped) = match &target.when {
            Some(when) if !when.holds(input) => {
                (PairFate::Filtered("the route's condition for it".to_owned()), None)
            }
            _ => mapped(target, destination, input),
        };
        let fate = match fate {
            PairFate::Ready(payload) => PairFate::Ready(named(payload, destination, input)),
            other => other,
        };
        Some(Pair { route: route.name.clone(), destination: destination.name.clone(), fate, unmapped })
    };
    route.to.iter().filter_map(pair).collect()
}

/// Gives the payload the name that the destination's template makes of the message.
fn named(mut payload: Payload, destination: &Destination, input: &Input<'_>) -> Payload {
    if let Endpoint::Files(files) = &destination.endpoint {
        payload.file_name = files.name.as_ref().and_then(|name| name.text(input).ok());
    }
    payload
}

fn mapped(target: &Target, destination: &Destination, input: &Input<'_>) -> (PairFate, Option<Unmapped>) {
    let Some(mapping) = &target.mapping else {
        if input.message.is_none() && matches!(destination.endpoint, Endpoint::Mllp(_)) {
            let reason = "MLLP carries HL7 v2; a document needs a mapping that makes it";
            return (PairFate::Failed(reason.to_owned()), None);
        }
        let control_id = control_id(input);
        return (PairFate::Ready(Payload { bytes: None, control_id, file_name: None }), None);
    };
    let fate = match mapping.execute(input) {
        Outcome::Output(output) => PairFate::Ready(Payload {
            bytes: Some(output.bytes),
            control_id: output.control_id,
            file_name: None,
        }),
        Outcome::Filtered { reason, .. } => PairFate::Filtered(reason),
        Outcome::Failed(diagnostic) => PairFate::Failed(told(&diagnostic)),
        Outcome::Parked { diagnostic, unmapped } => {
            let unmapped = unmapped.map(|UnmappedCode { table, code }| Unmapped {
                mapping: Arc::from(mapping.name()),
                table,
                code,
            });
            return (PairFate::Parked(told(&diagnostic)), unmapped);
        }
    };
    (fate, None)
}

/// The control id of what came in, as it stands in its header.
fn control_id(input: &Input<'_>) -> String {
    match input.message {
        Some(message) => message.header().control_id().into_owned(),
        None => input.record.header.control_id.as_deref().unwrap_or_default().to_owned(),
    }
}

/// A diagnostic in a line: the reason that an operator reads in a list.
fn told(diagnostic: &Diagnostic) -> String {
    match &diagnostic.place {
        Place::File { file, line, .. } => format!("{file}:{line}: {}", diagnostic.message),
        Place::Input { path, .. } if !path.is_empty() => format!("{path}: {}", diagnostic.message),
        Place::Input { offset: offset @ 1.., .. } => format!("{} (byte {offset})", diagnostic.message),
        Place::Input { .. } | Place::None => diagnostic.message.clone(),
    }
}

fn quarantined(format: Format, unreadable: Unreadable<'_>) -> Processed {
    let Unreadable { diagnostic, header, .. } = unreadable;
    let summary = header.as_ref().map(Summary::of).unwrap_or_default();
    Processed {
        format: format.name(),
        fate: Fate::Quarantined,
        reason: Some(told(&diagnostic)),
        keys: keys::of(&Record::default(), &summary.control_id),
        summary,
        pairs: Vec::new(),
        diagnostics: vec![diagnostic.clone()],
        reply: Reply::unreadable(header, &diagnostic),
    }
}

/// The fate of bytes that came without a whole frame around them or were too many, of which only the beginning was kept: quarantined,
/// whatever they hold, and rejected: the sender is told `why` if it can be named.
#[must_use]
pub fn not_whole(plan: &Plan, facts: &Facts<'_>, bytes: &[u8], why: &str) -> Processed {
    let diagnostic = Diagnostic::error("message-not-whole", Fault::Sender, why);
    let header = header_of(plan, facts, bytes);
    let mut reply = Reply::rejected(header.clone(), &diagnostic);
    if let Some(source) = plan.source(facts.source) {
        reply.as_wanted_by(source);
    }
    Processed {
        reply,
        format: PART,
        ..quarantined(Format::of(bytes), Unreadable::opaque(diagnostic, header))
    }
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
fn no_such_source(format: Format, facts: &Facts<'_>) -> Processed {
    let message = format!("there is no source `{}` in the configuration any more", facts.source);
    let diagnostic = Diagnostic::error("no-such-source", Fault::Configuration, message)
        .with_help("declare the source again to process its messages");
    quarantined(format, Unreadable::opaque(diagnostic, None))
}
