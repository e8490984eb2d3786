//! Record paths and facts resolved: which part of the record is taken, what lies below it, and whether it is a list.

use std::ops::Range;
use std::sync::Arc;

use orderly_hl7v2::Select;

use super::expression::Reader;
use super::record::{self, Shape};
use super::{Compiler, Here, NameKind, Typed};
use crate::expression::{Expression, Member, Reference};
use crate::plan::{Fact, RecordPath, RecordStart, RecordStep, Term};

/// The facts by name: `message.type`, `source.name`.
const FACTS: [(&str, &str, Fact); 14] = [
    ("message", "type", Fact::Type),
    ("message", "event", Fact::Event),
    ("message", "structure", Fact::Structure),
    ("message", "control_id", Fact::ControlId),
    ("message", "version", Fact::Version),
    ("message", "processing", Fact::Processing),
    ("message", "sending_application", Fact::SendingApplication),
    ("message", "sending_facility", Fact::SendingFacility),
    ("message", "receiving_application", Fact::ReceivingApplication),
    ("message", "receiving_facility", Fact::ReceivingFacility),
    ("message", "conforms", Fact::Conforms),
    ("message", "accepted_at", Fact::AcceptedAt),
    ("message", "id", Fact::Id),
    ("source", "name", Fact::SourceName),
];

/// Where a record path starts, as written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    Record,
    Here,
    Each(usize),
}

/// A record path being read.
struct Written {
    origin: Origin,
    root: Vec<Box<str>>,
    steps: Vec<RecordStep>,
    several: bool,
}

impl Written {
    /// Goes on to a member: what lies before the first selection of a path from the top is taken out of the record at once.
    fn member(&mut self, name: &str) {
        match (self.origin, self.steps.is_empty()) {
            (Origin::Record, true) => self.root.push(name.into()),
            _ => self.steps.push(RecordStep::Member(name.into())),
        }
    }

    fn resolved(self, compiler: &Compiler<'_>) -> RecordPath {
        let start = match self.origin {
            Origin::Here => RecordStart::Here,
            Origin::Each(slot) => RecordStart::Each(slot),
            Origin::Record => {
                let root: Arc<[Box<str>]> = self.root.into();
                RecordStart::Part { slot: compiler.part(root.clone()), root }
            }
        };
        RecordPath { start, steps: self.steps, several: self.several }
    }
}

impl Reader<'_, '_> {
    pub(super) fn fact_or_record(
        &self,
        members: &[Member],
        whole: &Expression,
        presence: bool,
    ) -> Option<Typed> {
        let first = members.first()?;
        if let [Member { name, select: None, .. }] = members
            && name == "position"
        {
            return self.position(whole);
        }
        if !FACTS.iter().any(|(group, ..)| *group == first.name) {
            return self.record(members, record::root(), Origin::Record, presence, whole);
        }
        let written: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let found = FACTS.iter().find(|(group, name, _)| written == [*group, *name]);
        if let Some((.., fact)) = found.filter(|_| members.iter().all(|member| member.select.is_none())) {
            return Some(Typed::one(Term::Fact(*fact)));
        }
        let known = FACTS.iter().filter(|(group, ..)| *group == first.name).map(|(_, name, _)| *name);
        let message = format!("`{}` has no such fact", first.name);
        let reported = self.error("mapping-unknown-fact", whole.range.clone(), message);
        let names: Vec<&str> = known.collect();
        let help = written.get(1).and_then(|name| crate::problems::did_you_mean(name, names.iter().copied()));
        reported.help(help.unwrap_or_else(|| format!("it has {}", names.join(", "))));
        None
    }

    /// What an `each` walks over in the record, with the schema of its members; `None` when the path leads elsewhere.
    pub(super) fn record_list(
        &self,
        reference: &Reference,
        whole: &Expression,
    ) -> Option<Option<(RecordPath, &'static serde_json::Value)>> {
        let walked = |members: &[Member], schema, origin| {
            let (path, schema) = self.record_path(members, schema, origin)?;
            if path.several {
                return Some((path.resolved(self.compiler), schema));
            }
            self.error(
                "mapping-each",
                whole.range.clone(),
                "an `each` walks over a list, and this is one value",
            )
            .help("write it like results, patient.identifiers or .observations");
            None
        };
        match reference {
            Reference::Record(members) => Some(walked(members, record::root(), Origin::Record)),
            Reference::Member(members) => Some(match self.here {
                Here::Member(schema) => walked(members, schema, Origin::Here),
                _ => self.nothing_of_the_record(whole),
            }),
            Reference::NamedMember { name, members } => Some(
                self.named_member(name, whole)
                    .and_then(|(slot, schema)| walked(members, schema, Origin::Each(slot))),
            ),
            _ => None,
        }
    }

    pub(super) fn nothing_of_the_record<T>(&self, whole: &Expression) -> Option<T> {
        let around = self.compiler.names.borrow().iter().rev().find_map(|named| match named.kind {
            NameKind::Member(_) => Some(named.name.clone()),
            _ => None,
        });
        let (message, help) = match (self.here, around) {
            (Here::Element, _) => (
                "here `.` is an element of the document",
                "name a part of it, as in ./@root or ./code/@code".to_owned(),
            ),
            (Here::Segment | Here::Repetition, Some(name)) => {
                let path = self.written(whole);
                let help = match name.is_empty() {
                    true => format!("name that `each`: with `as name` this is $name{path}"),
                    false => format!("with its name this is ${name}{path}"),
                };
                ("here `.` is a part of the message, and not what the `each` around it is at", help)
            }
            _ => (
                "there is no each or filter of a record path that this could belong to",
                "write the whole path, as in patient.name.family, or name the each: $report.code".to_owned(),
            ),
        };
        self.error("mapping-relative", whole.range.clone(), message).help(help);
        None
    }

    /// The slot and the schema of a named `each` over a list of the record.
    pub(super) fn named_member(
        &self,
        name: &str,
        whole: &Expression,
    ) -> Option<(usize, &'static serde_json::Value)> {
        let Some(named) = self.compiler.named(name) else { return self.unknown_name(name, whole) };
        let (message, help) = match named.kind {
            NameKind::Member(schema) => return Some((named.slot, schema)),
            NameKind::Value { .. } => (format!("`${name}` is a value and has no parts"), None),
            NameKind::Segment => (
                format!("`${name}` is a segment and has no members"),
                Some(format!("name a field of it, as in ${name}-1")),
            ),
            NameKind::Repetition => (
                format!("`${name}` is a repetition and has no members"),
                Some(format!("name a component of it, as in ${name}.1")),
            ),
        };
        let reported = self.error("mapping-name", whole.range.clone(), message);
        if let Some(help) = help {
            reported.help(help);
        }
        None
    }

    /// Which of its list the innermost `each` stands at.
    fn position(&self, whole: &Expression) -> Option<Typed> {
        if self.filters {
            let message = "`position` counts what a filter lets through, and is not known in it";
            self.error("mapping-position", whole.range.clone(), message)
                .help("ask for it in a `when` inside the `each`");
            return None;
        }
        let innermost = self.compiler.names.borrow().iter().rev().find(|named| named.is_each()).cloned();
        if innermost.is_none() {
            let message = "`position` counts the list of an `each`, and there is none here";
            self.error("mapping-position", whole.range.clone(), message).help("write it inside an `each`");
        }
        Some(Typed::one(Term::Position(innermost?.slot)))
    }

    pub(super) fn record(
        &self,
        members: &[Member],
        start: &'static serde_json::Value,
        origin: Origin,
        presence: bool,
        whole: &Expression,
    ) -> Option<Typed> {
        let (mut path, schema) = self.record_path(members, start, origin)?;
        if !presence {
            let range = members.last().map_or(whole.range.clone(), |member| member.range.clone());
            self.first_members(schema, range, |name| path.member(name))?;
        }
        let several = path.several;
        let object =
            Some(schema).filter(|_| presence && matches!(record::shape(schema), Shape::Members { .. }));
        Some(Typed { term: Term::Record(path.resolved(self.compiler)), several, lone: None, object })
    }

    /// What a `let` named; as text, of each object its first member.
    pub(super) fn named_value(
        &self,
        slot: usize,
        several: bool,
        object: Option<&'static serde_json::Value>,
        presence: bool,
        whole: &Expression,
    ) -> Option<Typed> {
        let Some(schema) = object.filter(|_| !presence) else {
            return Some(Typed { several, object, ..Typed::one(Term::Name(slot)) });
        };
        let mut steps = Vec::new();
        self.first_members(schema, whole.range.clone(), |name| steps.push(RecordStep::Member(name.into())))?;
        let path = RecordPath { start: RecordStart::Name(slot), steps, several };
        Some(Typed { several, ..Typed::one(Term::Record(path)) })
    }

    fn record_path(
        &self,
        members: &[Member],
        start: &'static serde_json::Value,
        origin: Origin,
    ) -> Option<(Written, &'static serde_json::Value)> {
        let mut schema = start;
        let mut path = Written { origin, root: Vec::new(), steps: Vec::new(), several: false };
        for (index, member) in members.iter().enumerate() {
            let Some(found) = record::member(schema, &member.name) else {
                return self.unknown_member(member, schema);
            };
            path.member(&member.name);
            let select = match member.select.as_deref() {
                None | Some(Select::First) => None,
                Some(select) => Some(select),
            };
            schema = match (record::shape(found), select) {
                (Shape::List(items), Some(select)) => {
                    path.steps.push(RecordStep::Select(self.at(Here::Member(items)).select(select)?));
                    path.several |= matches!(select, Select::All | Select::AllWhere(_));
                    items
                }
                (Shape::List(items), None) if index + 1 == members.len() => {
                    path.steps.push(RecordStep::Select(Select::All));
                    path.several = true;
                    items
                }
                (Shape::List(_), None) => {
                    let name = &member.name;
                    self.error("mapping-which-member", member.range.clone(), format!("`{name}` is a list"))
                        .help(format!("say which: {name}[1], {name}[last], {name}[*] or {name}[where ...]"));
                    return None;
                }
                (_, Some(_)) => {
                    let message = format!("`{}` is not a list", member.name);
                    self.error("mapping-not-a-list", member.range.clone(), message)
                        .help("remove the brackets");
                    return None;
                }
                (_, None) => found,
            };
        }
        Some((path, schema))
    }

    fn unknown_member<T>(&self, member: &Member, schema: &'static serde_json::Value) -> Option<T> {
        let names = record::names(schema);
        let message = format!("the record has no `{}` here", member.name);
        let help = crate::problems::did_you_mean(&member.name, names.iter().copied());
        let help = help.unwrap_or_else(|| match names.is_empty() {
            true => "nothing lies below this".to_owned(),
            false => format!("there are {}", names.join(", ")),
        });
        self.error("mapping-unknown-member", member.range.clone(), message).help(help);
        None
    }

    /// In a text, an object is its first member.
    fn first_members(
        &self,
        mut schema: &'static serde_json::Value,
        range: Range<usize>,
        mut add: impl FnMut(&'static str),
    ) -> Option<()> {
        while let Shape::Members { first } = record::shape(schema) {
            let next = first.and_then(|name| Some((name, record::member(schema, name)?)));
            let Some((name, member)) = next else {
                let names = record::names(schema).join(", ");
                self.error("mapping-which-member", range, "this has several forms")
                    .help(format!("name one of its members: {names}"));
                return None;
            };
            add(name);
            schema = member;
        }
        Some(())
    }
}
