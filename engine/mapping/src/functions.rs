//! The functions of the language: one list, one file for each family.
//!
//! A function is named once, here. When a mapping is loaded it is given its arguments and becomes a [`Pipe`] with everything checked;
//! when a message is mapped, the pipe is applied. No function reads a clock, a file or anything random.

mod aggregate;
mod calendar;
mod date;
mod identity;
mod list;
mod lookup;
mod number;
mod person;
mod phone;
mod structure;
mod text;
mod unit;
mod words;

use std::fmt;
use std::sync::Arc;

use orderly_record::{Diagnostic, Fault};
use regex::Regex;

use crate::expression::{Expression, Kind, Reference};
use crate::pattern::can_match;
use crate::plan::Term;
use crate::problems::Problems;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::structure::Structure;
use crate::table::Table;
use crate::value::Value;
use crate::yaml::{Node, Span};

/// All functions. A new one is a line here and its code in its family's file.
pub(crate) const FUNCTIONS: &[Function] = &[
    text::UPPER,
    text::LOWER,
    text::TRIM,
    text::TRUNCATE,
    text::PAD,
    text::REPLACE,
    text::SUBSTRING,
    text::CONCAT,
    text::DIGITS,
    text::DEFAULT,
    words::CAPITALIZE,
    words::INITIALS,
    words::SINGLE_SPACES,
    words::ASCII,
    list::SPLIT,
    list::JOIN,
    list::FIRST,
    list::LAST,
    list::COUNT,
    aggregate::NTH,
    aggregate::SORT,
    aggregate::UNIQUE,
    aggregate::SUM,
    aggregate::MIN,
    aggregate::MAX,
    lookup::LOOKUP,
    date::DATE,
    calendar::AGE,
    calendar::PLUS,
    number::NUMBER,
    number::ROUND,
    number::ADD,
    number::SUBTRACT,
    number::MULTIPLY,
    number::DIVIDE,
    unit::CONVERT,
    person::NAME,
    person::ADDRESS,
    phone::PHONE,
    identity::UUID,
    identity::CHECK_DIGIT,
    identity::SHA256,
    identity::BASE64,
    identity::UNBASE64,
    structure::HL7,
];

/// A function as the language knows it.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// How it is written, for help and documentation.
    pub(crate) usage: &'static str,
    /// What it is applied to.
    pub(crate) takes: Takes,
    /// What it gives.
    pub(crate) gives: Gives,
    /// How many arguments it needs at least and takes at most.
    pub(crate) arguments: (usize, usize),
    /// Checks the arguments; `None` when something was wrong with them, which has then been reported.
    pub(crate) build: fn(&Arguments<'_>) -> Option<Box<dyn Pipe>>,
}

/// What a function is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing: it stands alone.
    Nothing,
    /// A text; each member of a list in turn.
    Text,
    /// A part with all that is below it, each member of a list in turn; of the record an object that has this member.
    Whole(&'static str),
    /// All of a list.
    List,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// A text for a text, a list for a list.
    Same,
    One,
    List,
}

/// A function with its arguments, ready to be applied.
pub(crate) trait Pipe: fmt::Debug + Send + Sync {
    /// The value it makes of `value`.
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal>;

    /// Which of a list of so many members it gives, counted from 0, if it gives one as it is.
    fn picks(&self, _members: usize) -> Option<usize> {
        None
    }

    /// The structure it always gives, known when the mapping is loaded.
    fn structure(&self) -> Option<Arc<Structure>> {
        None
    }
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The arguments of one call, for a function to take what it needs.
pub(crate) struct Arguments<'c> {
    pub(crate) function: &'static Function,
    pub(crate) written: &'c [Expression],
    /// The scalar the call stands in.
    pub(crate) node: &'c Node,
    pub(crate) problems: &'c Problems,
    /// HL7's data type of what it is applied to, where that is a path whose type the dictionary knows.
    pub(crate) data_type: Option<&'static str>,
    /// Compiles an argument that is an expression of its own.
    pub(crate) compile: &'c dyn Fn(&Expression) -> Option<Term>,
    pub(crate) tables: &'c dyn Fn(&str) -> TableFound,
}

/// What a table's name leads to.
pub(crate) enum TableFound {
    Table(Arc<Table>),
    /// Declared, but its declaration has errors, which were reported there.
    Broken,
    /// Not declared: the names that are.
    Unknown(Vec<String>),
}

impl Arguments<'_> {
    /// Whether there is an argument at `index`.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.written.get(index).is_some()
    }

    /// A text that stands in the mapping.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        match &self.written.get(index)?.kind {
            Kind::Text(text) => Some(text),
            _ => {
                self.wrong(index, "a text in single quotes");
                None
            }
        }
    }

    /// A whole number that stands in the mapping, between two bounds.
    pub(crate) fn number(&self, index: usize, least: usize, most: usize) -> Option<usize> {
        let number = match &self.written.get(index)?.kind {
            Kind::Number(text) => text.parse().ok().filter(|number| (least..=most).contains(number)),
            _ => None,
        };
        if number.is_none() {
            self.wrong(index, &format!("a whole number from {least} to {most}"));
        }
        number
    }

    /// A text or a pattern that stands in the mapping, as a pattern.
    pub(crate) fn pattern(&self, index: usize) -> Option<Regex> {
        match &self.written.get(index)?.kind {
            Kind::Text(text) => Regex::new(&regex::escape(text)).ok(),
            Kind::Pattern(word) => {
                let span = self.node.part(word.range.clone());
                pattern(&word.text, &span, self.problems)
            }
            _ => {
                self.wrong(index, "a text in single quotes or a /pattern/");
                None
            }
        }
    }

    /// Any expression.
    pub(crate) fn term(&self, index: usize) -> Option<Term> {
        (self.compile)(self.written.get(index)?)
    }

    /// All arguments from `first` on as expressions.
    pub(crate) fn terms(&self, first: usize) -> Option<Vec<Term>> {
        // Every one is compiled, so that all that is wrong is told.
        let terms: Vec<Option<Term>> = (first..self.written.len()).map(|index| self.term(index)).collect();
        terms.into_iter().collect()
    }

    /// A bare name, with a member name after a dot where one is given: `ward`, `ward.name`.
    pub(crate) fn table_name(&self, index: usize) -> Option<(&str, Option<&str>)> {
        let Kind::Reference(Reference::Record(members)) = &self.written.get(index)?.kind else {
            self.wrong(index, "the name of a table");
            return None;
        };
        match members.as_slice() {
            [table] if table.select.is_none() => Some((&table.name, None)),
            [table, column] if table.select.is_none() && column.select.is_none() => {
                Some((&table.name, Some(&column.name)))
            }
            _ => {
                self.wrong(index, "the name of a table");
                None
            }
        }
    }

    /// The place of an argument.
    pub(crate) fn span(&self, index: usize) -> Span {
        match self.written.get(index) {
            Some(argument) => self.node.part(argument.range.clone()),
            None => self.node.span.clone(),
        }
    }

    /// Reports that an argument is not what it should be.
    pub(crate) fn wrong(&self, index: usize, expected: &str) {
        let message = format!("this argument of `{}` is {expected}", self.function.name);
        self.problems
            .error("mapping-argument", &self.span(index), message)
            .help(format!("write {}", self.function.usage));
    }
}

/// Tells what was odd about a value, which is not told itself, and does not stop the mapping.
fn note(scope: &Scope<'_, '_>, code: &'static str, why: &str, place: &Span) {
    scope.case.note(Diagnostic::warning(code, Fault::Sender, why).at(place.place()));
}

/// A regular expression, reported where it is not one.
pub(crate) fn pattern(text: &str, span: &Span, problems: &Problems) -> Option<Regex> {
    match Regex::new(text) {
        Ok(regex) => {
            if !can_match(text) {
                problems
                    .warning("mapping-pattern-never", span, "no text can match this pattern")
                    .help("^ is the beginning of the value and $ its end: nothing comes before or behind");
            }
            Some(regex)
        }
        Err(error) => {
            let told = error.to_string();
            let reason = told.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            problems.error("mapping-pattern", span, format!("this pattern can't be used: {reason}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_shown_in_their_usage() {
        for (index, function) in FUNCTIONS.iter().enumerate() {
            assert!(
                FUNCTIONS.iter().skip(index + 1).all(|other| other.name != function.name),
                "{}",
                function.name
            );
            assert!(function.usage.starts_with(function.name), "{}", function.name);
            assert!(function.arguments.0 <= function.arguments.1, "{}", function.name);
        }
    }
}
