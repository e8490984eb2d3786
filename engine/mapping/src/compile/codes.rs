//! Codes that a condition compares with, where the field has a table of HL7's own (data type ID): a code that the table lacks is most often
//! a slip, or the code's name. Senders do add codes, so it is a warning.

use orderly_hl7v2::dictionary::{self, Table, Version};
use orderly_hl7v2::path::Path;

use super::expression::Reader;
use crate::expression::{Expression, Kind, Member, Reference};
use crate::problems::nearest;

/// The table of code systems, which no list ends: sites have theirs (99zzz), and each table of HL7 is one (HL7nnnn).
const CODE_SYSTEMS: u16 = 396;

/// The tables of `message.type` and `message.processing`; events are also those of documents, which have no table.
const MESSAGE_TYPES: u16 = 76;
const PROCESSING: u16 = 103;

/// How many codes of a table are listed where none is near.
const LISTED_MAX: usize = 12;

/// Warns of literals among `texts` that are no code of the table of `value`.
pub(super) fn check<'e>(
    reader: &Reader<'_, '_>,
    value: &Expression,
    texts: impl IntoIterator<Item = &'e Expression>,
) {
    let table = match &value.kind {
        Kind::Reference(Reference::Hl7 { received, path }) => {
            table_of(path, reader.compiler.version_of(*received))
        }
        Kind::Reference(Reference::Record(members)) => table_of_fact(members),
        _ => None,
    };
    let Some(table) = table else { return };
    for text in texts {
        let Kind::Text(code) = &text.kind else { continue };
        // An empty text is told of as such, and codes that begin with Z are the site's own. What is not a message has a type too.
        let is_document = table.number == MESSAGE_TYPES && code == "CDA";
        if is_document || code.is_empty() || code.starts_with('Z') || table.name_of(code).is_some() {
            continue;
        }
        let message = format!("`{code}` is not in HL7 table {:04}, {}", table.number, table.title);
        let span = reader.span(text.range.clone());
        reader.compiler.problems.warning("mapping-code-unknown", &span, message).help(near(code, table));
    }
}

/// The table of what a path names, where HL7 itself defines its codes.
fn table_of(path: &Path<Expression>, version: Option<Version>) -> Option<&'static Table> {
    let version = version.unwrap_or_else(|| Version::nearest("2.8.2"));
    let field = dictionary::field(&path.segment, path.field?, version)?;
    let mut part = field;
    // As text a whole is its first part.
    for number in [path.component, path.subcomponent].map(|number| number.unwrap_or(1)) {
        match dictionary::component(part.data_type, number, version) {
            Some(inner) => part = inner,
            None if number == 1 => {}
            None => return None,
        }
    }
    let number = part.table.filter(|number| part.data_type == "ID" && *number != CODE_SYSTEMS)?;
    dictionary::table(number)
}

/// The table of a fact about the message.
fn table_of_fact(members: &[Member]) -> Option<&'static Table> {
    let [group, fact] = members else { return None };
    match (group.name.as_str(), fact.name.as_str()) {
        ("message", "type") => dictionary::table(MESSAGE_TYPES),
        ("message", "processing") => dictionary::table(PROCESSING),
        _ => None,
    }
}

fn near(code: &str, table: &Table) -> String {
    let mut codes: Vec<(&str, &str)> = table.codes().collect();
    codes.sort_unstable();
    let is = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let by_case = codes.iter().find(|(known, _)| is(known, code));
    let meant = by_case.or_else(|| codes.iter().find(|(_, name)| is(name, code))).or_else(|| {
        // A single letter is near to everything.
        let words = codes.iter().flat_map(|(code, name)| [*code, *name]).filter(|word| word.len() > 1);
        let word = nearest(code, words)?;
        codes.iter().find(|(code, name)| *code == word || *name == word)
    });
    let named = |name: &str| if name.is_empty() { String::new() } else { format!(" ({name})") };
    if let Some((code, name)) = meant {
        return format!("did you mean `{code}`{}?", named(name));
    }
    let listed: Vec<String> =
        codes.iter().take(LISTED_MAX).map(|(code, name)| format!("{code}{}", named(name))).collect();
    let more = if codes.len() > LISTED_MAX { ", ..." } else { "" };
    format!("it has {}{more}", listed.join(", "))
}
