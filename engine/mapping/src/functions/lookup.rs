//! Codes looked up in a table of the mapping.

use std::borrow::Cow;
use std::sync::Arc;

use orderly_record::{Diagnostic, Fault};

use super::{Arguments, Function, Gives, Pipe, TableFound, Takes};
use crate::UnmappedCode;
use crate::evaluate::scalar;
use crate::plan::{End, Term};
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::table::{Table, Unmapped};
use crate::value::Value;
use crate::yaml::Span;

/// As much of a code is kept for whoever mends the table.
const CODE_CHARACTERS_MAX: usize = 64;

pub(super) const LOOKUP: Function = Function {
    name: "lookup",
    usage: "lookup(table)",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, usize::MAX),
    build,
};

fn build(arguments: &Arguments<'_>) -> Option<Box<dyn Pipe>> {
    let (name, column) = arguments.table_name(0)?;
    let others = arguments.terms(1);
    let table = match (arguments.tables)(name) {
        TableFound::Table(table) => table,
        TableFound::Broken => return None,
        TableFound::Unknown(known) => {
            arguments
                .problems
                .error("mapping-unknown-table", &arguments.span(0), format!("there is no table `{name}`"))
                .suggest(name, known.iter().map(String::as_str));
            return None;
        }
    };
    let others = others?;
    if table.keys() != others.len() + 1 {
        let message =
            format!("table `{name}` is looked up by {} values, not {}", table.keys(), others.len() + 1);
        let help = "the piped value is the first key, the others follow the table's name";
        arguments.problems.error("mapping-table-keys", &arguments.span(0), message).help(help);
        return None;
    }
    let Some(column) = table.column(column) else {
        let columns = table.columns();
        let message = match column {
            Some(column) => format!("table `{name}` has no value column `{column}`"),
            None => format!("table `{name}` has several value columns: {}", columns.join(", ")),
        };
        let help = format!("write lookup({name}.{})", columns.first().map_or("", String::as_str));
        arguments.problems.error("mapping-table-column", &arguments.span(0), message).help(help);
        return None;
    };
    let place = arguments.span(0);
    Some(Box::new(Lookup { table, name: name.to_owned(), column, others, place }))
}

#[derive(Debug)]
struct Lookup {
    table: Arc<Table>,
    name: String,
    column: usize,
    others: Vec<Term>,
    place: Span,
}

impl Pipe for Lookup {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|first| {
            if self.others.is_empty()
                && let Some(cell) = self.table.find(&[&first], self.column)
            {
                return Ok(Value::text(cell));
            }
            let mut keys = vec![first];
            for other in &self.others {
                keys.push(scalar(other, scope)?.present().unwrap_or_default());
            }
            if let Some(cell) = self.table.find(&keys, self.column) {
                return Ok(Value::text(cell));
            }
            match self.table.unmapped() {
                Unmapped::Keep => Ok(keys.into_iter().next().map_or(Value::Empty, Value::Text)),
                Unmapped::Empty => Ok(Value::Empty),
                Unmapped::Text(text) => Ok(Value::text(text.as_str())),
                Unmapped::Fail => Err(self.refused(End::Fail)),
                Unmapped::Park => {
                    let mut refusal = self.refused(End::Park);
                    refusal.unmapped = Some(self.code(&keys));
                    Err(refusal)
                }
            }
        })
    }
}

impl Lookup {
    /// The values, for whoever mends the table.
    fn code(&self, keys: &[Cow<'_, str>]) -> UnmappedCode {
        let code: String = keys.join(", ").chars().take(CODE_CHARACTERS_MAX).collect();
        UnmappedCode { table: self.name.clone(), code }
    }

    /// The value itself may be about a patient and is not told.
    fn refused(&self, end: End) -> Refusal {
        let message = format!("table `{}` has no row for this value", self.name);
        let diagnostic = Diagnostic::error("mapping-unmapped", Fault::Configuration, message)
            .at(self.place.place())
            .with_help("add a row, or let `unmapped:` say what else to do");
        Refusal::new(end, diagnostic)
    }
}
