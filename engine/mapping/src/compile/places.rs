//! HL7 paths resolved: where in a message something is, from the whole path or from the each, filter or target it is relative to.

use orderly_hl7v2::dictionary::{self, Version};
use orderly_hl7v2::path::Path;
use orderly_hl7v2::{Level, Select};

use super::expression::Reader;
use super::{Compiler, Here, NameKind, known};
use crate::Format;
use crate::expression::{self, Expression, Kind, Reference, Step};
use crate::plan::{Accepts, Choice, Part, Place, SegmentPath, Start};
use crate::yaml::Span;

/// The highest number of a field or component in a path: more than any version has, so beyond it is a slip of the hand.
const NUMBER_MAX: usize = 999;

impl Compiler<'_> {
    fn check_number(&self, number: usize, span: &Span) -> Option<()> {
        if (1..=NUMBER_MAX).contains(&number) {
            return Some(());
        }
        let message = format!("fields and components are counted from 1 to {NUMBER_MAX}");
        self.problems.error("mapping-path-number", span, message);
        None
    }

    /// The numbers of a field of an inserted segment, all of which is yet to be written, up to the repetition that is named.
    pub(super) fn check_inserted(&self, path: &Path<Expression>, span: &Span) -> Option<()> {
        for number in [path.field, path.component, path.subcomponent].into_iter().flatten() {
            self.check_number(number, span)?;
        }
        let Some(Select::Nth(n)) = path.repetition else { return Some(()) };
        if n <= NUMBER_MAX {
            return Some(());
        }
        let message = format!("a field of a new segment has at most {NUMBER_MAX} repetitions");
        self.problems.error("mapping-path-number", span, message);
        None
    }
}

impl Reader<'_, '_> {
    /// The scalar as a place in a message, as it stands and not as it was received.
    pub(super) fn message_place(&self) -> Option<Place> {
        let parsed = self.parsed(expression::path(self.scalar("a path")?))?;
        let place = match &parsed.kind {
            Kind::Reference(reference @ Reference::Hl7 { received: false, .. }) => {
                self.place(reference, &parsed)?
            }
            _ => {
                self.error(
                    "path-not-in-message",
                    parsed.range.clone(),
                    "a path into a message is needed here",
                )
                .help("write it like PID-8, PID-3[2].1 or OBX[3]-5");
                return None;
            }
        };
        if matches!(place.part.repetition, Some(Select::Append)) {
            self.error("path-not-in-message", parsed.range.clone(), "`[+]` names what is not there yet")
                .help("name a repetition with [1], [last], [*] or [where ...]");
            return None;
        }
        Some(place)
    }

    /// An HL7 path, a relative one or a named `each` as a place.
    pub(super) fn place(&self, reference: &Reference, whole: &Expression) -> Option<Place> {
        match reference {
            Reference::Hl7 { received, path } => self.path(*received, path, whole),
            Reference::Below(steps) => {
                let below_segment = match self.here {
                    Here::Segment => true,
                    Here::Repetition => false,
                    Here::Member(_) => {
                        let message = "here `.` is a part of the record, whose members have names";
                        self.error("mapping-relative", whole.range.clone(), message)
                            .help("name one, as in .code");
                        return None;
                    }
                    Here::Element => {
                        let message = "here `.` is an element of the document";
                        self.error("mapping-relative", whole.range.clone(), message)
                            .help("name a part of it, as in ./@root or ./code/@code");
                        return None;
                    }
                    Here::Nothing => {
                        let message = "there is no each, filter or target that this could belong to";
                        self.error("mapping-relative", whole.range.clone(), message)
                            .help("write the whole path, as in PID-3.1");
                        return None;
                    }
                };
                Some(Place { start: Start::Here, part: self.steps(steps, below_segment, whole)? })
            }
            Reference::NamedBelow { name, steps } => {
                let Some(named) = self.compiler.named(name) else { return self.unknown_name(name, whole) };
                let below_segment = match named.kind {
                    NameKind::Segment => true,
                    NameKind::Repetition => false,
                    NameKind::Member(_) => {
                        let message = format!("`${name}` is a part of the record, whose members have names");
                        let help = format!("name one, as in ${name}.code");
                        self.error("mapping-name", whole.range.clone(), message).help(help);
                        return None;
                    }
                    NameKind::Value { .. } => {
                        self.error(
                            "mapping-name",
                            whole.range.clone(),
                            format!("`${name}` is a value and has no parts"),
                        );
                        return None;
                    }
                };
                Some(Place { start: Start::Each(named.slot), part: self.steps(steps, below_segment, whole)? })
            }
            Reference::Named(name)
                if self.compiler.named(name).is_some_and(|named| named.is_in_message()) =>
            {
                let slot = self.compiler.named(name)?.slot;
                Some(Place { start: Start::Each(slot), part: Part::default() })
            }
            _ => {
                self.error("mapping-path", whole.range.clone(), "a path into the message is needed here")
                    .help("write it like PID-5.1");
                None
            }
        }
    }

    pub(super) fn start_level(&self, reference: &Reference) -> Option<Level> {
        match reference {
            Reference::NamedBelow { name, .. } => match self.compiler.named(name)?.kind {
                NameKind::Repetition => Some(Level::Repetition),
                NameKind::Segment | NameKind::Member(_) | NameKind::Value { .. } => None,
            },
            _ => self.here.level(),
        }
    }

    /// A document has no segments: what is read from them would always be empty.
    pub(super) fn check_has_message(&self, received: bool, range: std::ops::Range<usize>) -> Option<()> {
        let compiler = self.compiler;
        let is_new = compiler.begins_empty && !received;
        // One that edits needs HL7 v2, which was told where its input is declared.
        let edits = compiler.output == Format::Hl7v2 && !compiler.begins_empty;
        if compiler.accepts != Accepts::Ccda || is_new || edits {
            return Some(());
        }
        self.error("mapping-no-message", range, "this mapping takes C-CDA documents, which have no segments")
            .help("read the record, as in patient.name.family");
        None
    }

    /// Checks a path into the message as received.
    pub(super) fn check_received(&self, path: &Path<Expression>, whole: &Expression) -> Option<()> {
        self.path(true, path, whole).map(|_| ())
    }

    fn path(&self, received: bool, path: &Path<Expression>, whole: &Expression) -> Option<Place> {
        self.check_has_message(received, whole.range.clone())?;
        let group = match &path.group {
            Some((name, select)) => Some((name.as_str().into(), self.at(Here::Nothing).select(select)?)),
            None => None,
        };
        let occurrence = self.at(Here::Segment).select(&path.occurrence);
        let repetition = match &path.repetition {
            Some(select) => Some(self.at(Here::Repetition).select(select)?),
            None => None,
        };
        for number in [path.field, path.component, path.subcomponent].into_iter().flatten() {
            self.check_number(number, whole)?;
        }
        let version = self.compiler.version_of(received);
        // A copy of the input that becomes another version has at first what the input's version has.
        let is_of_input = |version: &Version| {
            let has = |version: Version| {
                path.field.is_some_and(|field| dictionary::has_field(&path.segment, field, version))
            };
            !self.compiler.begins_empty && has(*version) && !self.compiler.output_version.is_some_and(has)
        };
        let version = self.compiler.input_version.get().filter(is_of_input).or(version);
        known::check(path, version, &self.span(whole.range.clone()), self.compiler.problems);
        let segment = SegmentPath { group, name: path.segment.as_str().into(), occurrence: occurrence? };
        let part = Part {
            field: path.field,
            repetition,
            component: path.component,
            subcomponent: path.subcomponent,
        };
        Some(Place { start: Start::Segment { received, segment }, part })
    }

    /// The numbers of a relative path: from the field on below a segment, from the component on below a repetition.
    fn steps(&self, steps: &[Step], below_segment: bool, whole: &Expression) -> Option<Part> {
        let mut part = Part::default();
        let mut steps = steps.iter();
        if below_segment && let Some(field) = steps.next() {
            part.field = Some(field.number);
            if let Some(select) = &field.select {
                part.repetition = Some(self.at(Here::Repetition).select(select)?);
            }
        }
        for place in [&mut part.component, &mut part.subcomponent] {
            let Some(step) = steps.next() else { break };
            if step.select.is_some() {
                self.error("mapping-path", whole.range.clone(), "only segments and fields repeat");
                return None;
            }
            *place = Some(step.number);
        }
        if steps.next().is_some() {
            self.error("mapping-path", whole.range.clone(), "nothing lies below a subcomponent");
            return None;
        }
        for number in [part.field, part.component, part.subcomponent].into_iter().flatten() {
            self.check_number(number, whole)?;
        }
        Some(part)
    }

    fn check_number(&self, number: usize, whole: &Expression) -> Option<()> {
        self.compiler.check_number(number, &self.span(whole.range.clone()))
    }

    pub(super) fn select(&self, select: &Select<Expression>) -> Option<Choice> {
        Some(match select {
            Select::First => Select::First,
            Select::Nth(n) => Select::Nth(*n),
            Select::Last => Select::Last,
            Select::All => Select::All,
            Select::Append => Select::Append,
            Select::Where(filter) => Select::Where(Box::new(self.question(filter)?)),
            Select::AllWhere(filter) => Select::AllWhere(Box::new(self.question(filter)?)),
        })
    }
}
