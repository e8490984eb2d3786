//! Writes down what expressions look at, while a trace is made. Without one, a look costs one question and nothing else.
//!
//! A part of a message is known by where its bytes lie: a field that no rule has touched still is the very bytes that were received.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;

use orderly_hl7v2::{Level, Message, Position, Presence, View};

use crate::member::Member;
use crate::plan::Fact;
use crate::scope::{Scope, Tree};
use crate::trace::{From, Read};
use crate::value::Value;

/// The list of what was looked at since it was last taken.
#[derive(Default)]
pub(crate) struct Recorder {
    reads: RefCell<Vec<Read>>,
    /// Where the fields of the message as received lie in memory, in ascending order.
    fields: OnceCell<Vec<(usize, usize, Position)>>,
    /// The paths of the record's members by where they lie in memory.
    members: RefCell<HashMap<usize, String>>,
    /// The parts of the record whose members are known, as bits.
    known: Cell<u128>,
    /// How many conditions are being asked, one inside another.
    asking: Cell<usize>,
    names: RefCell<HashMap<usize, Box<str>>>,
}

impl Recorder {
    /// What was looked at, the same once.
    pub(crate) fn take(&self) -> Vec<Read> {
        self.reads.take()
    }

    /// How many looks were written down.
    pub(crate) fn count(&self) -> usize {
        self.reads.borrow().len()
    }

    /// Of a list that was looked at since there were so many, one member makes the value: the looks at the others are forgotten, where it
    /// can be told which they were. What decided whether a member is in the list stays.
    pub(crate) fn pick(&self, before: usize, members: &[Value<'_>], picked: usize, scope: &Scope<'_, '_>) {
        let mut reads = self.reads.borrow_mut();
        let before = before.min(reads.len());
        let since = reads.split_off(before);
        let count = since.iter().filter(|read| !read.decides).count();
        let view = match members.get(picked) {
            Some(Value::View(view)) => Some(view),
            _ => None,
        };
        // Members that are no parts of a message any more stand in the order in which they were looked at.
        let is_told = view.is_some() || count == members.len();
        let mut number = 0;
        reads.extend(since.into_iter().filter(|read| {
            let is_picked = view.is_none() && number == picked;
            number += usize::from(!read.decides);
            read.decides || is_picked || !is_told
        }));
        drop(reads);
        if let Some(view) = view {
            self.view(view, scope);
        }
    }

    /// Asks a condition: what it looks at decides, and no value is made of it.
    pub(crate) fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.asking.set(self.asking.get() + 1);
        let answer = ask();
        self.asking.set(self.asking.get() - 1);
        answer
    }

    fn add(&self, path: String, text: String, from: From) {
        let read = Read { path, text, decides: self.asking.get() > 0, from };
        let mut reads = self.reads.borrow_mut();
        if !reads.contains(&read) {
            reads.push(read);
        }
    }

    /// A place of a message, which may be empty.
    pub(crate) fn place(&self, tree: Tree<'_>, at: &Position, scope: &Scope<'_, '_>) {
        let view = tree.message.view(at);
        match view.raw().is_empty() {
            false => self.view(&view, scope),
            true => {
                let from = From::Working(tree.id(at.segment), *at);
                self.add(tree.message.path(at), String::new(), from);
            }
        }
    }

    /// A part of a message; of one that is not there nothing is known.
    pub(crate) fn view(&self, view: &View<'_>, scope: &Scope<'_, '_>) {
        let received = scope.received.message;
        let text = shown(view);
        if let Some(at) = self.received(received, view) {
            let path = received.path(&plain(received, &at));
            return self.add(path, text, From::Received(at));
        }
        let working = scope.working;
        let start = view.raw().as_ptr().addr();
        let touched = fields(working.message);
        let found = touched.iter().find(|(from, end, _)| (*from..*end).contains(&start));
        if let Some(at) = found.and_then(|(.., field)| within(working.message, field, view)) {
            let path = working.message.path(&plain(working.message, &at));
            self.add(path, text, From::Working(working.id(at.segment), at));
        }
    }

    /// Where a part stands in the message as received, when it still is its bytes.
    pub(crate) fn received(&self, received: &Message<'_>, view: &View<'_>) -> Option<Position> {
        let fields = self.fields.get_or_init(|| fields(received));
        let start = view.raw().as_ptr().addr();
        let before = fields.partition_point(|(from, ..)| *from <= start).checked_sub(1)?;
        let (_, end, field) = fields.get(before)?;
        if start < *end { within(received, field, view) } else { None }
    }

    /// Members of the record, of parts that were learned.
    pub(crate) fn members(&self, found: &[&Member]) {
        for member in found {
            let path = address(member).and_then(|address| self.members.borrow().get(&address).cloned());
            if let Some(path) = path {
                self.add(path, member.shown(), From::Record);
            }
        }
    }

    /// Learns the paths of a part's members, once.
    pub(crate) fn learn(&self, slot: usize, root: &[Box<str>], member: &Member) {
        let bit = u32::try_from(slot).ok().and_then(|slot| 1_u128.checked_shl(slot)).unwrap_or(0);
        if bit != 0 && self.known.get() & bit != 0 {
            return;
        }
        self.known.set(self.known.get() | bit);
        let members = &mut *self.members.borrow_mut();
        member.walk(root.join("."), &mut |path, member| {
            if let Some(address) = address(member) {
                members.entry(address).or_insert_with(|| path.to_owned());
            }
        });
    }

    pub(crate) fn fact(&self, fact: Fact, text: &str) {
        let (name, place) = named(fact);
        self.add(name.to_owned(), text.to_owned(), From::Fact(place));
    }

    pub(crate) fn name(&self, slot: usize, text: String) {
        let name = self.names.borrow().get(&slot).map_or("$".to_owned(), |name| format!("${name}"));
        self.add(name, text, From::Name(slot));
    }

    /// Remembers what a slot is called.
    pub(crate) fn call(&self, slot: usize, name: &str) {
        self.names.borrow_mut().insert(slot, name.into());
    }
}

/// Where a member's content lies; members are copied, and what they hold is not.
fn address(member: &Member) -> Option<usize> {
    match member {
        Member::Nothing => None,
        Member::Text(text) | Member::Literal(text) => Some(text.as_ptr().addr()),
        Member::List(list) => (!list.is_empty()).then(|| list.as_ptr().addr()),
        Member::Members(members) => (!members.is_empty()).then(|| members.as_ptr().addr()),
    }
}

/// Where the fields of a message lie in memory, in ascending order.
fn fields(message: &Message<'_>) -> Vec<(usize, usize, Position)> {
    let mut fields = Vec::new();
    for (index, segment) in message.segments().iter().enumerate() {
        for field in 1..=segment.last_field() {
            let raw = message.field(index, field).raw();
            if !raw.is_empty() {
                let start = raw.as_ptr().addr();
                fields.push((start, start + raw.len(), Position::field(index, field)));
            }
        }
    }
    fields.sort_unstable_by_key(|(start, ..)| *start);
    fields
}

/// The place of a view whose bytes lie in a field.
fn within(message: &Message<'_>, field: &Position, view: &View<'_>) -> Option<Position> {
    let start = view.raw().as_ptr().addr();
    let (mut at, mut outer) = (*field, message.view(field));
    while outer.level() < view.level() {
        let holds = |part: &View<'_>| {
            (part.raw().as_ptr().addr()..part.raw().as_ptr().addr() + part.raw().len()).contains(&start)
        };
        let (number, part) = (1..).zip(outer.children()).find(|(_, part)| holds(part))?;
        match part.level() {
            Level::Field => {}
            Level::Repetition => at.repetition = Some(number),
            Level::Component => at.component = Some(number),
            Level::Subcomponent => at.subcomponent = Some(number),
        }
        outer = part;
    }
    Some(at)
}

/// A place as people write it: without the number of a repetition or a component that is the only one.
pub(crate) fn plain(message: &Message<'_>, at: &Position) -> Position {
    let field = message.field(at.segment, at.field);
    let repetition = at.repetition.filter(|number| *number > 1 || field.count() > 1);
    let is_whole = at.subcomponent.is_none() && field.child(at.repetition.unwrap_or(1)).count() <= 1;
    Position { repetition, component: at.component.filter(|number| *number > 1 || !is_whole), ..*at }
}

/// The text of a part, with the delimiters below it as they stand.
pub(crate) fn shown(view: &View<'_>) -> String {
    match view.presence() {
        Presence::Empty => String::new(),
        Presence::Null | Presence::Present => view.encoding().charset.decode(view.raw()).into_owned(),
    }
}

/// What a fact is called, and where in the header a message says it.
fn named(fact: Fact) -> (&'static str, Option<(usize, usize)>) {
    match fact {
        Fact::Type => ("message.type", Some((9, 1))),
        Fact::Event => ("message.event", Some((9, 2))),
        Fact::Structure => ("message.structure", Some((9, 3))),
        Fact::ControlId => ("message.control_id", Some((10, 1))),
        Fact::Version => ("message.version", Some((12, 1))),
        Fact::Processing => ("message.processing", Some((11, 1))),
        Fact::SendingApplication => ("message.sending_application", Some((3, 1))),
        Fact::SendingFacility => ("message.sending_facility", Some((4, 1))),
        Fact::ReceivingApplication => ("message.receiving_application", Some((5, 1))),
        Fact::ReceivingFacility => ("message.receiving_facility", Some((6, 1))),
        Fact::Conforms => ("message.conforms", None),
        Fact::AcceptedAt => ("message.accepted_at", None),
        Fact::Id => ("message.id", None),
        Fact::SourceName => ("source.name", None),
    }
}
