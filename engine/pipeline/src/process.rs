//! One message's journey through the plan, told once: read, find its routes, apply their mappings, say what to answer.
//!
//! Pure: the same plan, facts and bytes give the same result, whenever and wherever. It neither fails nor panics:
//! whatever the bytes are, they get a fate.

mod set_aside;

use std::cell::RefCell;
use std::sync::Arc;

use orderly_ccda::Document;
use orderly_hl7v2::{Header, Message, Unreadable};
use orderly_mapping::{Condition, Input, Outcome, Question, UnmappedCode};
use orderly_record::{Diagnostic, Fault, Place, Record};

pub use orderly_mapping::Facts;
pub use set_aside::{failed_inside, frame_refused, not_whole};

use crate::acknowledge::Reply;
use crate::fhir;
use crate::format::Format;
use crate::identity::Identity;
use crate::journey::{Depth, Journey};
use crate::keys::{self, Key};
use crate::lanes;
use crate::plan::{Destination, Endpoint, Plan, Priority, Route, Source, Target};
use set_aside::no_such_source;

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
    /// One for each route and destination that it met, in the order of the plan; where the mapping splits the message, one for each output,
    /// one behind the other in their order.
    pub pairs: Vec<Pair>,
    /// What was noticed on the way.
    pub diagnostics: Vec<Diagnostic>,
    /// What the sender is told.
    pub reply: Reply,
    /// What it is known by when it comes once more, where its source declares repeats.
    pub identity: Option<Identity>,
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

/// A route and a destination, and what the message, or one output of its mapping, became for them.
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
    /// Which deliveries it goes before.
    pub priority: Priority,
    /// What ties it to others of the destination, where its order is `per_patient`; none when it is tied to nothing that has a lane.
    pub lanes: Arc<[u64]>,
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
    /// Where at its destination, as that one's template says: a file's name, a URL's path.
    pub target: Option<String>,
}

/// Takes one message through the plan.
#[must_use]
pub fn process(plan: &Plan, facts: &Facts<'_>, bytes: &[u8]) -> Processed {
    processed(plan, facts, bytes, None)
}

/// The same, telling which routes it met and what each rule of their mappings did; how much of it says `depth`.
#[must_use]
pub fn process_traced(plan: &Plan, facts: &Facts<'_>, bytes: &[u8], depth: Depth) -> (Processed, Journey) {
    let journey = RefCell::new(Journey::new(depth));
    let processed = processed(plan, facts, bytes, Some(&journey));
    (processed, journey.into_inner())
}

fn processed(plan: &Plan, facts: &Facts<'_>, bytes: &[u8], journey: Option<&RefCell<Journey>>) -> Processed {
    let Some((index, source)) =
        plan.sources.iter().enumerate().find(|(_, source)| *source.name == *facts.source)
    else {
        return no_such_source(Format::of(bytes), facts);
    };
    let chosen = Chosen { plan, index, source, facts, journey };
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
    if source.repeats.is_some() {
        let Processed { reply, summary, .. } = &processed;
        processed.identity = Identity::of(&source.name, reply.header(), &summary.control_id, bytes);
    }
    processed
}

/// Why this source does not take what others do.
fn refused(source: &Source, found: &[Diagnostic]) -> Option<Diagnostic> {
    let first = found.iter().find(|found| source.refuse.contains(&found.code))?;
    let message = format!("{}, which the source's `refuse` does not take: {}", first.code, first.message);
    Some(Diagnostic::error(REFUSED, Fault::Sender, message).at(first.place.clone()))
}

/// The code of what is set aside because the source refuses a deviation in it.
const REFUSED: &str = "tolerance-refused";

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
    /// Where the way is written down, when somebody asks.
    journey: Option<&'p RefCell<Journey>>,
}

impl Chosen<'_> {
    fn write_down(&self, note: impl FnOnce(&mut Journey)) {
        if let Some(journey) = self.journey {
            note(&mut journey.borrow_mut());
        }
    }

    /// Whether a condition holds, and what was asked, where the way is written down.
    fn ask(&self, when: Option<&Condition>, input: &Input<'_>) -> (bool, Option<Question>) {
        match (when, self.journey) {
            (None, _) => (true, None),
            (Some(when), None) => (when.holds(input), None),
            (Some(when), Some(_)) => {
                let question = when.ask(input);
                (question.holds, Some(question))
            }
        }
    }
}

fn message_routed(chosen: &Chosen<'_>, message: &Message<'_>) -> Processed {
    let header = message.header();
    let input = Input::of_message(chosen.facts, message);
    // Old senders leave MSH-11 empty; what is not said is what the source carries.
    let reason = wrong_processing(chosen.source, &header.processing_id());
    let processed = Processed {
        format: Format::Hl7v2.name(),
        summary: Summary::of(&header),
        fate: Fate::Filtered,
        reason,
        keys: Vec::new(),
        pairs: Vec::new(),
        diagnostics: message.diagnostics().to_vec(),
        reply: Reply::accept(Some(header)),
        identity: None,
    };
    let mut processed = routed(chosen, &input, processed);
    // The whole record is made only when a route or a mapping asked for it; search needs far less of it.
    let control_id = &processed.summary.control_id;
    let identified;
    let record = match input.known_record() {
        Some(record) => record,
        None => {
            identified = orderly_hl7v2::identify(message);
            &identified
        }
    };
    processed.keys = keys::of(record, control_id);
    processed.tie(chosen.plan, record);
    processed
}

/// A document has no processing of its own: it is what its source carries.
fn document_routed(chosen: &Chosen<'_>, document: &Document) -> Processed {
    let record = orderly_ccda::normalize(document);
    let input = Input::of_document(chosen.facts, document, &record);
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
        identity: None,
    };
    let mut processed = routed(chosen, &input, processed);
    processed.tie(chosen.plan, &record);
    processed
}

/// Finds the routes of what could be read and applies their mappings, unless there is a reason against it already.
fn routed(chosen: &Chosen<'_>, input: &Input<'_>, mut processed: Processed) -> Processed {
    if processed.reason.is_some() {
        return processed;
    }
    for route in chosen.plan.routes.iter().filter(|route| route.source == chosen.index) {
        processed.pairs.extend(pairs(chosen, route, input));
    }
    processed.judge();
    processed
}

impl Processed {
    /// Gives its patients' lanes to all pairs whose destination declares no others.
    fn tie(&mut self, plan: &Plan, record: &Record) {
        let lanes = lanes::of(record);
        for pair in &mut self.pairs {
            if plan
                .destination(&pair.destination)
                .is_some_and(|destination| destination.lane.texts.is_empty())
            {
                pair.lanes = lanes.clone();
            }
        }
    }

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

fn pairs(chosen: &Chosen<'_>, route: &Route, input: &Input<'_>) -> Vec<Pair> {
    let (takes, question) = chosen.ask(route.when.as_ref(), input);
    chosen.write_down(|journey| journey.meet(route, takes, question));
    if !takes {
        return Vec::new();
    }
    let priority = route.priority_of(input);
    let of_target = |target: &Target| {
        let destination = chosen.plan.destinations.get(target.destination)?;
        let lanes = lanes::declared(destination, input);
        let (wanted, question) = chosen.ask(target.when.as_ref(), input);
        chosen.write_down(|journey| journey.turn(destination, target, wanted, question));
        let fates = match wanted {
            false => vec![(PairFate::Filtered("the route's condition for it".to_owned()), None)],
            true => mapped(chosen, target, destination, input),
        };
        let pair = move |(fate, unmapped)| {
            let fate = match fate {
                PairFate::Ready(payload) => named(payload, destination, input),
                other => other,
            };
            let (route, destination) = (route.name.clone(), destination.name.clone());
            Pair { route, destination, fate, unmapped, priority, lanes: lanes.clone() }
        };
        Some(fates.into_iter().map(pair))
    };
    route.to.iter().filter_map(of_target).flatten().collect()
}

/// Gives the payload the name that the destination's template makes of the message, of a file or of a place at a server.
fn named(mut payload: Payload, destination: &Destination, input: &Input<'_>) -> PairFate {
    payload.target = match &destination.endpoint {
        Endpoint::Files(files) => files.name.as_ref().and_then(|name| name.text(input).ok()),
        Endpoint::Http(http) => match http.url.path(input) {
            Ok(path) => path,
            Err(diagnostic) => return PairFate::Failed(told(&diagnostic)),
        },
        Endpoint::Fhir(to) => {
            match payload.bytes.as_deref().map(|bytes| fhir::interaction(bytes, to.conditional)) {
                Some(Ok(interaction)) => Some(interaction),
                Some(Err(reason)) => return PairFate::Failed(reason),
                None => return PairFate::Failed("a FHIR server takes what a mapping makes".to_owned()),
            }
        }
        Endpoint::Amqp(amqp) => match amqp.target(input) {
            Ok(target) => target,
            Err(diagnostic) => return PairFate::Failed(told(&diagnostic)),
        },
        Endpoint::Mllp(_) => None,
    };
    PairFate::Ready(payload)
}

/// One fate, or one for each output of a mapping that splits the message; with it the code that a table had no row for.
fn mapped(
    chosen: &Chosen<'_>,
    target: &Target,
    destination: &Destination,
    input: &Input<'_>,
) -> Vec<(PairFate, Option<Unmapped>)> {
    let Some(mapping) = &target.mapping else { return vec![(unmapped(destination, input), None)] };
    let outcomes = match chosen.journey {
        None => mapping.execute(input),
        Some(journey) => journey.borrow_mut().mapped(mapping, input),
    };
    outcomes.into_iter().map(|outcome| fate(outcome, mapping.name())).collect()
}

fn unmapped(destination: &Destination, input: &Input<'_>) -> PairFate {
    if input.message().is_none() && matches!(destination.endpoint, Endpoint::Mllp(_)) {
        return PairFate::Failed("MLLP carries HL7 v2; a document needs a mapping that makes it".to_owned());
    }
    PairFate::Ready(Payload { bytes: None, control_id: control_id(input), target: None })
}

fn fate(outcome: Outcome, mapping: &str) -> (PairFate, Option<Unmapped>) {
    let fate = match outcome {
        Outcome::Output(output) => PairFate::Ready(Payload {
            bytes: Some(output.bytes),
            control_id: output.control_id,
            target: None,
        }),
        Outcome::Filtered { reason, .. } => PairFate::Filtered(reason),
        Outcome::Failed(diagnostic) => PairFate::Failed(told(&diagnostic)),
        Outcome::Parked { diagnostic, unmapped } => {
            let unmapped = unmapped.map(|UnmappedCode { table, code }| Unmapped {
                mapping: Arc::from(mapping),
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
    match input.message() {
        Some(message) => message.header().control_id().into_owned(),
        None => input.record().header.control_id.as_deref().unwrap_or_default().to_owned(),
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
        identity: None,
    }
}
