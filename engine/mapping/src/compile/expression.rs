//! Expressions resolved: paths to places, names to slots, functions to pipes, and every list accounted for.

use orderly_hl7v2::Select;

use super::members::Origin;
use super::{Compiler, Here, NameKind, Tested, Typed, codes, never};
use crate::Format;
use crate::expression::{self, Expression, Kind, Operator, Part as Piece, Reference, SyntaxError};
use crate::functions;
use crate::plan::{Content, Place, Start, Term, Test};
use crate::problems::Reported;
use crate::yaml::{Node, Span};

/// What a scalar that is written to somewhere is called.
const VALUE: &str = "a value";

/// Reads the expressions of one scalar.
#[derive(Clone, Copy)]
pub(super) struct Reader<'c, 'p> {
    pub(super) compiler: &'c Compiler<'p>,
    pub(super) node: &'c Node,
    pub(super) here: Here,
    /// Whether this is the filter of an `each`, whose list is not there yet.
    pub(super) filters: bool,
}

impl<'c, 'p> Reader<'c, 'p> {
    pub(super) fn new(compiler: &'c Compiler<'p>, node: &'c Node, here: Here) -> Reader<'c, 'p> {
        Reader { compiler, node, here, filters: false }
    }

    /// The scalar as a condition.
    pub(super) fn condition(&self) -> Tested {
        let parsed = expression::condition(self.scalar("a condition")?);
        self.question(&self.parsed(parsed)?)
    }

    /// A whole condition.
    pub(super) fn question(&self, condition: &Expression) -> Tested {
        never::check(self, condition);
        self.test(condition)
    }

    /// The scalar as one text with `${...}` in it.
    pub(super) fn text(&self) -> Option<Term> {
        let pieces = self.template(VALUE)?;
        let typed = self.pieces(&pieces)?;
        self.single(typed, self.node.span.clone())
    }

    /// The scalar as a value that goes into a message, where a literal must not look like structure.
    pub(super) fn output(&self) -> Option<Typed> {
        let pieces = self.template(VALUE)?;
        let into_message = self.compiler.output == Format::Hl7v2;
        for piece in pieces.iter().filter(|_| into_message) {
            match piece {
                Piece::Literal(word) => self.check_literal(&word.text, word.range.clone()),
                Piece::Expression(expression) => self.check_literals(expression),
            }
        }
        self.pieces(&pieces)
    }

    /// The scalar as a value of JSON, or as the text of an element.
    pub(super) fn built(&self) -> Option<Content> {
        let typed = match self.compiler.output {
            Format::Xml => self.output()?,
            Format::Hl7v2 | Format::Json | Format::Csv => self.whole()?,
        };
        match typed.lone {
            Some(None) => self.single(typed, self.node.span.clone()).map(Content::Value),
            _ => Some(Content::Value(typed.term)),
        }
    }

    /// The scalar as a value, of which a lone path keeps what it leads to whole, and a number or a truth value is one.
    pub(super) fn whole(&self) -> Option<Typed> {
        if let Some(text) = self.node.text().filter(|text| self.is_literal(text)) {
            return Some(Typed::one(Term::Literal(text.into())));
        }
        let pieces = self.template(VALUE)?;
        match pieces.as_slice() {
            [Piece::Expression(only @ Expression { kind: Kind::Reference(reference), .. })] => {
                self.reference(reference, only, true)
            }
            pieces => self.pieces(pieces),
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
                reported.help(match what {
                    VALUE => "to empty it write '', to write HL7's null write ${null}",
                    _ => "write it, or remove the key",
                });
            }
        }
        self.node.warn_of_comment(self.compiler.problems);
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

    pub(super) fn span(&self, range: std::ops::Range<usize>) -> Span {
        self.node.part(range)
    }

    /// The same scalar as the filter of an `each`, about one of what it walks over.
    pub(super) fn filter(&self, here: Here) -> Reader<'c, 'p> {
        Reader { here, filters: true, ..*self }
    }

    /// An expression as it stands in the scalar.
    pub(super) fn written(&self, expression: &Expression) -> &'c str {
        self.node.text().and_then(|text| text.get(expression.range.clone())).unwrap_or_default()
    }

    pub(super) fn at(&self, here: Here) -> Reader<'c, 'p> {
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
    pub(super) fn one(&self, expression: &Expression) -> Option<Term> {
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
    pub(super) fn value(&self, expression: &Expression) -> Option<Typed> {
        Some(match &expression.kind {
            Kind::Text(text) | Kind::Number(text) => Typed::one(Term::Text(text.as_str().into())),
            Kind::Null => Typed::one(Term::Null),
            Kind::List(members) => {
                let terms: Vec<Option<Term>> = members.iter().map(|member| self.one(member)).collect();
                let term = Term::List(terms.into_iter().collect::<Option<_>>()?);
                Typed { several: true, ..Typed::one(term) }
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
    fn test(&self, expression: &Expression) -> Tested {
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
                if matches!(operator, Operator::Equal | Operator::NotEqual) {
                    codes::check(self, left, [&**right]);
                    codes::check(self, right, [&**left]);
                }
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
                if let Kind::List(members) = &list.kind {
                    codes::check(self, value, members);
                }
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

    /// What a path or a name leads to. Where only presence is asked for, an object stands for itself and not for its first member.
    pub(super) fn reference(
        &self,
        reference: &Reference,
        whole: &Expression,
        presence: bool,
    ) -> Option<Typed> {
        match reference {
            Reference::Hl7 { .. } | Reference::Below(_) | Reference::NamedBelow { .. } => {
                let place = self.place(reference, whole)?;
                if uses_append(&place) {
                    self.error("mapping-append", whole.range.clone(), "`[+]` is for what is written to");
                    return None;
                }
                let several = crate::evaluate::is_list(&place);
                let level = crate::evaluate::level(&place, self.start_level(reference));
                Some(Typed { several, lone: Some(level), ..Typed::one(Term::Hl7(Box::new(place))) })
            }
            Reference::Named(name) => match self.compiler.named(name) {
                Some(named) => match named.kind {
                    NameKind::Value { several, object } => {
                        self.compiler.asked.borrow_mut().push(named.slot);
                        self.named_value(named.slot, several, object, presence, whole)
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
            Reference::Document { below, steps, attribute } => {
                self.element(*below, steps, attribute.as_deref(), whole)
            }
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

    pub(super) fn unknown_name<T>(&self, name: &str, whole: &Expression) -> Option<T> {
        let names: Vec<String> =
            self.compiler.names.borrow().iter().map(|named| named.name.clone()).collect();
        // An `each` without `as` has no name.
        let known: Vec<String> =
            names.iter().filter(|name| !name.is_empty()).map(|name| format!("${name}")).collect();
        self.error("mapping-unknown-name", whole.range.clone(), format!("nothing is called `${name}` here"))
            .suggest(&format!("${name}"), known.iter().map(String::as_str));
        None
    }

    /// Literals that go into the message, wherever they stand in an expression.
    fn check_literals(&self, expression: &Expression) {
        match &expression.kind {
            Kind::Text(text) => self.check_literal(text, expression.range.clone()),
            Kind::Call { value, function, arguments } => {
                if let Some(value) = value {
                    self.check_literals(value);
                }
                if matches!(function.text.as_str(), "concat" | "default" | "join" | "name" | "address") {
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

fn uses_append(place: &Place) -> bool {
    let of_segment = match &place.start {
        Start::Segment { segment, .. } => {
            matches!(segment.occurrence, Select::Append) || matches!(segment.group, Some((_, Select::Append)))
        }
        Start::Here | Start::Each(_) => false,
    };
    of_segment || matches!(place.part.repetition, Some(Select::Append))
}
