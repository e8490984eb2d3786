//! Expressions resolved: paths to places, names to slots, functions to pipes, and every list accounted for.

use std::sync::Arc;

use orderly_hl7v2::path::Path;
use orderly_hl7v2::{Level, Select};

use super::record::{self, Shape};
use super::{Compiler, Here, NameKind, Tested, Typed};
use crate::Format;
use crate::expression::{
    self, Expression, Kind, Member, Operator, Part as Piece, Reference, Step, SyntaxError,
};
use crate::functions::{self, Arguments, Gives, Takes};
use crate::plan::{
    Accepts, Choice, Content, Fact, Part, Place, RecordPath, RecordStart, RecordStep, SegmentPath, Start,
    Term, Test,
};
use crate::problems::Reported;
use crate::yaml::{Node, Span};

/// The highest number of a field or component in a path: more than any version has, so beyond it is a slip of the hand.
const NUMBER_MAX: usize = 999;

/// The facts by name: `message.type`, `source.name`.
const FACTS: [(&str, &str, Fact); 13] = [
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
    ("message", "accepted_at", Fact::AcceptedAt),
    ("message", "id", Fact::Id),
    ("source", "name", Fact::SourceName),
];

/// Reads the expressions of one scalar.
#[derive(Clone, Copy)]
pub(super) struct Reader<'c, 'p> {
    compiler: &'c Compiler<'p>,
    node: &'c Node,
    here: Here,
}

impl<'c, 'p> Reader<'c, 'p> {
    pub(super) fn new(compiler: &'c Compiler<'p>, node: &'c Node, here: Here) -> Reader<'c, 'p> {
        Reader { compiler, node, here }
    }

    /// The scalar as a condition.
    pub(super) fn condition(&self) -> Tested {
        let parsed = expression::condition(self.scalar("a condition")?);
        self.test(&self.parsed(parsed)?)
    }

    /// The scalar as one text with `${...}` in it.
    pub(super) fn text(&self) -> Option<Term> {
        let pieces = self.template("a text")?;
        let typed = self.pieces(&pieces)?;
        self.single(typed, self.node.span.clone())
    }

    /// The scalar as a value that goes into a message, where a literal must not look like structure.
    pub(super) fn output(&self) -> Option<Typed> {
        let pieces = self.template("a value")?;
        let into_message = self.compiler.output == Format::Hl7v2;
        for piece in pieces.iter().filter(|_| into_message) {
            match piece {
                Piece::Literal(word) => self.check_literal(&word.text, word.range.clone()),
                Piece::Expression(expression) => self.check_literals(expression),
            }
        }
        self.pieces(&pieces)
    }

    /// The scalar as a value of JSON: a lone path keeps what it leads to whole, and a number or a truth value without quotes is one.
    pub(super) fn built(&self) -> Option<Content> {
        let pieces = self.template("a value")?;
        let typed = match pieces.as_slice() {
            [Piece::Literal(word)] if self.is_literal(&word.text) => {
                return Some(Content::Literal(word.text.as_str().into()));
            }
            [Piece::Expression(only)] => match &only.kind {
                Kind::Reference(reference) => self.reference(reference, only, true)?,
                _ => self.value(only)?,
            },
            pieces => self.pieces(pieces)?,
        };
        match typed.lone {
            Some(None) => self.single(typed, self.node.span.clone()).map(Content::Value),
            _ => Some(Content::Value(typed.term)),
        }
    }

    /// Whether a text is a number or a truth value of JSON, written without quotes.
    fn is_literal(&self, text: &str) -> bool {
        let is_plain = self.node.span.text() == text;
        let read = || serde_json::from_str::<serde_json::Value>(text);
        is_plain && read().is_ok_and(|value| value.is_number() || value.is_boolean())
    }

    /// The text of the scalar; reported when it is none.
    pub(super) fn scalar(&self, what: &str) -> Option<&'c str> {
        let text = self.node.text();
        if text.is_none() {
            let message = format!("{what} is a text, not {}", self.node.what());
            let reported = self.compiler.problems.error("mapping-not-a-text", &self.node.span, message);
            if matches!(self.node.kind, crate::yaml::Kind::Null) {
                reported.help("to empty it write '', to write HL7's null write ${null}");
            }
        }
        text
    }

    /// The tree, or what the grammar says is wrong.
    pub(super) fn parsed<T>(&self, parsed: Result<T, SyntaxError>) -> Option<T> {
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let is_cut = error.unclosed && self.node.is_cut();
                let help = match is_cut {
                    true => Some("YAML cut this value; put it in quotes".to_owned()),
                    false => error.help,
                };
                let reported = self.error("mapping-syntax", error.range, error.message);
                if let Some(help) = help {
                    reported.help(help);
                }
                None
            }
        }
    }

    pub(super) fn error(
        &self,
        code: &'static str,
        range: std::ops::Range<usize>,
        message: impl Into<String>,
    ) -> Reported<'p> {
        self.compiler.problems.error(code, &self.span(range), message)
    }

    fn span(&self, range: std::ops::Range<usize>) -> Span {
        self.node.part(range)
    }

    pub(super) fn node(&self) -> &'c Node {
        self.node
    }

    fn at(&self, here: Here) -> Reader<'c, 'p> {
        Reader { here, ..*self }
    }

    fn template(&self, what: &str) -> Option<Vec<Piece>> {
        let text = self.scalar(what)?;
        self.parsed(expression::template(text))
    }

    fn pieces(&self, pieces: &[Piece]) -> Option<Typed> {
        if let [Piece::Expression(only)] = pieces {
            return self.value(only);
        }
        let mut terms = Vec::new();
        let mut complete = true;
        for piece in pieces {
            match piece {
                Piece::Literal(word) => terms.push(Term::Text(word.text.as_str().into())),
                Piece::Expression(expression) => match self.one(expression) {
                    Some(Term::Structure(_)) => {
                        complete = false;
                        let message = "structure can't be part of a longer text";
                        self.error("mapping-structure", expression.range.clone(), message)
                            .help("write the whole value as one ${hl7('...')}");
                    }
                    Some(term) => terms.push(term),
                    None => complete = false,
                },
            }
        }
        match terms.pop() {
            Some(Term::Text(only)) if terms.is_empty() && complete => Some(Typed::one(Term::Text(only))),
            last => {
                terms.extend(last);
                complete.then(|| Typed::one(Term::Joined(terms)))
            }
        }
    }

    /// An expression that must be one value.
    fn one(&self, expression: &Expression) -> Option<Term> {
        let typed = self.value(expression)?;
        self.single(typed, self.span(expression.range.clone()))
    }

    pub(super) fn single(&self, typed: Typed, span: Span) -> Option<Term> {
        if typed.lone == Some(None) {
            self.compiler
                .problems
                .error("mapping-segment-as-text", &span, "a segment has no text of its own")
                .help("name a field of it, as in PID-3");
            return None;
        }
        if typed.several {
            self.compiler
                .problems
                .error("mapping-list", &span, "this is a list, where one value is needed")
                .help("make it one with join(', '), first, last or count");
            return None;
        }
        Some(typed.term)
    }

    /// An expression as a value.
    fn value(&self, expression: &Expression) -> Option<Typed> {
        Some(match &expression.kind {
            Kind::Text(text) | Kind::Number(text) => Typed::one(Term::Text(text.as_str().into())),
            Kind::Null => Typed::one(Term::Null),
            Kind::List(members) => {
                let terms: Vec<Option<Term>> = members.iter().map(|member| self.one(member)).collect();
                let term = Term::List(terms.into_iter().collect::<Option<_>>()?);
                Typed { term, several: true, lone: None }
            }
            Kind::Reference(reference) => self.reference(reference, expression, false)?,
            Kind::Call { value, function, arguments } => {
                return self.call(expression, value.as_deref(), function, arguments);
            }
            Kind::Pattern(_) => {
                self.error("mapping-pattern", expression.range.clone(), "a pattern can't stand here")
                    .help("patterns are for matches and replace");
                return None;
            }
            _ => {
                self.error(
                    "mapping-condition-as-value",
                    expression.range.clone(),
                    "a condition is not a value",
                )
                .help("put it in a `when`");
                return None;
            }
        })
    }

    /// An expression as a question.
    pub(super) fn test(&self, expression: &Expression) -> Tested {
        Some(match &expression.kind {
            Kind::And(parts) => Test::All(self.tests(parts)?),
            Kind::Or(parts) => Test::Any(self.tests(parts)?),
            Kind::Not(negated) => Test::Not(Box::new(self.test(negated)?)),
            Kind::Is { value, presence, negated } => {
                let typed = match &value.kind {
                    Kind::Reference(reference) => self.reference(reference, value, true)?,
                    _ => self.value(value)?,
                };
                Test::Is { value: typed.term, presence: *presence, negated: *negated }
            }
            Kind::Compare { operator, left, right } => {
                let (left, right) = (self.one(left), self.one(right));
                let (left, right) = (left?, right?);
                match operator {
                    Operator::Equal => Test::Equal { left, right, negated: false },
                    Operator::NotEqual => Test::Equal { left, right, negated: true },
                    operator => {
                        let place = self.span(expression.range.clone());
                        Test::Order { operator: *operator, left, right, place }
                    }
                }
            }
            Kind::In { value, list, negated } => {
                let (value, typed) = (self.one(value), self.value(list));
                let (value, typed) = (value?, typed?);
                if !typed.several {
                    self.error("mapping-in", list.range.clone(), "after `in` stands a list")
                        .help("write it like in ['M', 'F']");
                    return None;
                }
                Test::In { value, list: typed.term, negated: *negated }
            }
            Kind::Matches { value, pattern } => {
                let value = self.one(value);
                let span = self.span(pattern.range.clone());
                let pattern = functions::pattern(&pattern.text, &span, self.compiler.problems);
                Test::Matches { value: value?, pattern: pattern? }
            }
            _ => {
                self.error(
                    "mapping-value-as-condition",
                    expression.range.clone(),
                    "this is a value, not a condition",
                )
                .help("compare it, or ask whether it is present, is empty or is null");
                return None;
            }
        })
    }

    fn tests(&self, parts: &[Expression]) -> Option<Vec<Test>> {
        let tests: Vec<Tested> = parts.iter().map(|part| self.test(part)).collect();
        tests.into_iter().collect()
    }

    fn call(
        &self,
        expression: &Expression,
        value: Option<&Expression>,
        function: &expression::Word,
        written: &[Expression],
    ) -> Option<Typed> {
        let Some(found) = functions::find(&function.text) else {
            let message = format!("there is no function `{}`", function.text);
            self.error("mapping-unknown-function", function.range.clone(), message)
                .suggest(&function.text, functions::FUNCTIONS.iter().map(|function| function.name));
            return None;
        };
        let input = match (found.takes, value) {
            (Takes::Nothing, Some(_)) => {
                let message = format!("`{}` stands alone and takes no value", found.name);
                self.error("mapping-call", function.range.clone(), message)
                    .help(format!("write {}", found.usage));
                return None;
            }
            (Takes::Text | Takes::List, None) => {
                let message = format!("`{}` is applied to a value", found.name);
                let help = format!("write it as a pipe, as in PID-5.1 | {}", found.usage);
                self.error("mapping-call", function.range.clone(), message).help(help);
                return None;
            }
            (_, value) => value.map(|value| self.input(value, found)),
        };
        let (least, most) = found.arguments;
        if written.len() < least || written.len() > most {
            let message = format!("`{}` does not take {} arguments", found.name, written.len());
            self.error("mapping-arguments", expression.range.clone(), message)
                .help(format!("write {}", found.usage));
            return None;
        }
        let pipe = (found.build)(&Arguments {
            function: found,
            written,
            node: self.node,
            problems: self.compiler.problems,
            compile: &|argument| self.one(argument),
            tables: &|name| self.compiler.table(name),
        });
        let (input, pipe) = match input {
            Some(input) => (Some(input?), pipe?),
            None => (None, pipe?),
        };
        if let Some(structure) = pipe.structure() {
            if self.compiler.output != Format::Hl7v2 {
                let message = format!("structure of HL7 v2 has no meaning in {}", self.compiler.output);
                self.error("mapping-structure", expression.range.clone(), message)
                    .help("write the text itself, in quotes");
                return None;
            }
            return Some(Typed::one(Term::Structure(structure)));
        }
        let several = match found.gives {
            Gives::Same => input.as_ref().is_some_and(|input| input.several),
            Gives::List => true,
            Gives::One => false,
        };
        let value = input.map(|input| Box::new(input.term));
        Some(Typed { term: Term::Piped { value, pipe }, several, lone: None })
    }

    /// What a function is applied to. One that takes a list sees a whole field as all its repetitions.
    fn input(&self, value: &Expression, function: &functions::Function) -> Option<Typed> {
        let mut typed = self.value(value)?;
        match function.takes {
            Takes::List => {
                if let (Term::Hl7(place), Some(Some(Level::Field))) = (&mut typed.term, typed.lone) {
                    place.part.repetition = Some(Select::All);
                }
                Some(typed)
            }
            _ if function.gives == Gives::One => {
                let term = self.single(typed, self.span(value.range.clone()))?;
                Some(Typed::one(term))
            }
            _ if typed.lone == Some(None) => {
                self.single(typed, self.span(value.range.clone())).map(Typed::one)
            }
            _ => Some(typed),
        }
    }

    /// What a path or a name leads to. Where only presence is asked for, an object stands for itself and not for its first member.
    fn reference(&self, reference: &Reference, whole: &Expression, presence: bool) -> Option<Typed> {
        match reference {
            Reference::Hl7 { .. } | Reference::Below(_) | Reference::NamedBelow { .. } => {
                let place = self.place(reference, whole)?;
                if uses_append(&place) {
                    self.error("mapping-append", whole.range.clone(), "`[+]` is for what is written to");
                    return None;
                }
                let several = crate::evaluate::is_list(&place);
                let level = crate::evaluate::level(&place, self.start_level(reference));
                Some(Typed { term: Term::Hl7(Box::new(place)), several, lone: Some(level) })
            }
            Reference::Named(name) => match self.compiler.named(name) {
                Some(named) => match named.kind {
                    NameKind::Value { several } => {
                        Some(Typed { several, ..Typed::one(Term::Name(named.slot)) })
                    }
                    NameKind::Member(schema) => {
                        self.record(&[], schema, Origin::Each(named.slot), presence, whole)
                    }
                    NameKind::Segment | NameKind::Repetition => {
                        let message = format!("`${name}` names an `each`, not a value");
                        self.error("mapping-name", whole.range.clone(), message)
                            .help(format!("name a part of it, as in ${name}-1"));
                        None
                    }
                },
                None => self.unknown_name(name, whole),
            },
            Reference::Record(members) => self.fact_or_record(members, whole, presence),
            Reference::Member(members) => match self.here {
                Here::Member(schema) => self.record(members, schema, Origin::Here, presence, whole),
                _ => self.nothing_of_the_record(whole),
            },
            Reference::NamedMember { name, members } => {
                let (slot, schema) = self.named_member(name, whole)?;
                self.record(members, schema, Origin::Each(slot), presence, whole)
            }
        }
    }

    fn nothing_of_the_record<T>(&self, whole: &Expression) -> Option<T> {
        let message = "there is no each or filter of a record path that this could belong to";
        self.error("mapping-relative", whole.range.clone(), message)
            .help("write the whole path, as in patient.name.family, or name the each: $report.code");
        None
    }

    /// The slot and the schema of a named `each` over a list of the record.
    fn named_member(&self, name: &str, whole: &Expression) -> Option<(usize, &'static serde_json::Value)> {
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

    fn unknown_name<T>(&self, name: &str, whole: &Expression) -> Option<T> {
        let known: Vec<String> =
            self.compiler.names.borrow().iter().map(|named| format!("${}", named.name)).collect();
        self.error("mapping-unknown-name", whole.range.clone(), format!("nothing is called `${name}` here"))
            .suggest(&format!("${name}"), known.iter().map(String::as_str));
        None
    }

    fn start_level(&self, reference: &Reference) -> Option<Level> {
        match reference {
            Reference::NamedBelow { name, .. } => match self.compiler.named(name)?.kind {
                NameKind::Repetition => Some(Level::Repetition),
                NameKind::Segment | NameKind::Member(_) | NameKind::Value { .. } => None,
            },
            _ => self.here.level(),
        }
    }

    /// An HL7 path, a relative one or a named `each` as a place.
    pub(super) fn place(&self, reference: &Reference, whole: &Expression) -> Option<Place> {
        match reference {
            Reference::Hl7 { received, path } => self.path(*received, path, whole),
            Reference::Below(steps) => {
                let below_segment = match self.here {
                    Here::Segment => true,
                    Here::Repetition => false,
                    Here::Nothing | Here::Member(_) => {
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
        if (1..=NUMBER_MAX).contains(&number) {
            return Some(());
        }
        let message = format!("fields and components are counted from 1 to {NUMBER_MAX}");
        self.error("mapping-path-number", whole.range.clone(), message);
        None
    }

    fn select(&self, select: &Select<Expression>) -> Option<Choice> {
        Some(match select {
            Select::First => Select::First,
            Select::Nth(n) => Select::Nth(*n),
            Select::Last => Select::Last,
            Select::All => Select::All,
            Select::Append => Select::Append,
            Select::Where(filter) => Select::Where(Box::new(self.test(filter)?)),
            Select::AllWhere(filter) => Select::AllWhere(Box::new(self.test(filter)?)),
        })
    }

    fn fact_or_record(&self, members: &[Member], whole: &Expression, presence: bool) -> Option<Typed> {
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

    /// Which of its list the innermost `each` stands at.
    fn position(&self, whole: &Expression) -> Option<Typed> {
        let innermost = self.compiler.names.borrow().iter().rev().find(|named| named.is_each()).cloned();
        if innermost.is_none() {
            let message = "`position` counts the list of an `each`, and there is none here";
            self.error("mapping-position", whole.range.clone(), message).help("write it inside an `each`");
        }
        Some(Typed::one(Term::Position(innermost?.slot)))
    }

    fn record(
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
        Some(Typed { term: Term::Record(path.resolved(self.compiler)), several, lone: None })
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
        range: std::ops::Range<usize>,
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

    /// Literals that go into the message, wherever they stand in an expression.
    fn check_literals(&self, expression: &Expression) {
        match &expression.kind {
            Kind::Text(text) => self.check_literal(text, expression.range.clone()),
            Kind::Call { value, function, arguments } => {
                if let Some(value) = value {
                    self.check_literals(value);
                }
                if matches!(function.text.as_str(), "concat" | "default" | "join") {
                    arguments.iter().for_each(|argument| self.check_literals(argument));
                }
            }
            _ => {}
        }
    }

    fn check_literal(&self, text: &str, range: std::ops::Range<usize>) {
        if text.contains(['|', '^', '~', '\\', '&']) {
            let message = "this text contains delimiters of HL7";
            let help = match text.contains('|') {
                true => "write the field separator as \\F\\ within ${hl7('...')}".to_owned(),
                false => format!(
                    "for structure write ${{hl7('{text}')}}; there \\S\\ \\R\\ \\E\\ \\T\\ are ^ ~ \\ & as text"
                ),
            };
            self.error("mapping-delimiters", range, message).help(help);
        }
    }
}

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

fn uses_append(place: &Place) -> bool {
    let of_segment = match &place.start {
        Start::Segment { segment, .. } => {
            matches!(segment.occurrence, Select::Append) || matches!(segment.group, Some((_, Select::Append)))
        }
        Start::Here | Start::Each(_) => false,
    };
    of_segment || matches!(place.part.repetition, Some(Select::Append))
}
