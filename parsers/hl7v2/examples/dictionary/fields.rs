//! Segments with their fields and data types with their components, each as lines that hold for a range of versions.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::facts::{Definition, Definitions, Facts, Part, VERSIONS};

const HEAD: &str = "# Made by examples/dictionary; README.md says from what, and how to read it.\n";

/// Names of the first set that are no segments.
const NO_SEGMENTS: [&str; 1] = ["ANYHL7SEGMENT"];

pub(crate) fn segments(facts: &Facts, disagreements: &mut String) -> String {
    let first: Vec<&Definitions> = facts.first.iter().map(|version| &version.segments).collect();
    let second: Vec<Option<&Definitions>> =
        facts.second.iter().map(|version| version.as_ref().map(|version| &version.segments)).collect();
    listing(&first, &second, disagreements)
}

pub(crate) fn types(facts: &Facts, disagreements: &mut String) -> String {
    let first: Vec<&Definitions> = facts.first.iter().map(|version| &version.types).collect();
    let second: Vec<Option<&Definitions>> =
        facts.second.iter().map(|version| version.as_ref().map(|version| &version.types)).collect();
    listing(&first, &second, disagreements)
}

fn listing(first: &[&Definitions], second: &[Option<&Definitions>], disagreements: &mut String) -> String {
    let mut text = HEAD.to_owned();
    let all = first.iter().copied().chain(second.iter().copied().flatten());
    let names: BTreeSet<&String> = all.flat_map(Definitions::keys).collect();
    for name in names.into_iter().filter(|name| !NO_SEGMENTS.contains(&name.as_str())) {
        let versions: Vec<Option<Definition>> = first
            .iter()
            .zip(second)
            .zip(VERSIONS)
            .map(|((first, second), version)| {
                let second = second.and_then(|second| second.get(name));
                agreed(name, version, first.get(name), second, disagreements)
            })
            .collect();
        definition(name, &versions, &mut text);
    }
    text
}

/// One version's definition out of what the two sets say.
fn agreed(
    name: &str,
    version: &str,
    first: Option<&Definition>,
    second: Option<&Definition>,
    disagreements: &mut String,
) -> Option<Definition> {
    let (Some(first), Some(second)) = (first, second) else {
        let one = first.or(second)?;
        return Some(Definition { title: one.title.clone(), parts: one.parts.clone() });
    };
    let count = first.parts.len().max(second.parts.len());
    let parts = (0..count).map(|index| {
        let (first, second) = match (first.parts.get(index), second.parts.get(index)) {
            (Some(first), Some(second)) => (first, second),
            (one, other) => return one.or(other).cloned().unwrap_or_default(),
        };
        let place = format!("{name}.{}", index + 1);
        disagree(&place, version, first, second, disagreements);
        Part {
            title: second.title.clone(),
            data_type: first.data_type.clone().or_else(|| second.data_type.clone()),
            length: first.length.or(second.length),
            table: first.table.or(second.table),
            ..first.clone()
        }
    });
    Some(Definition { title: second.title.clone(), parts: parts.collect() })
}

/// Writes down where the sets say different things. What only one of them says is no disagreement.
fn disagree(place: &str, version: &str, first: &Part, second: &Part, out: &mut String) {
    let mut differ = |what: &str, taken: String, other: String| {
        let same = taken.eq_ignore_ascii_case(&other);
        if !same {
            let _ = writeln!(out, "{version} {place} {what}: {taken}, not {other}");
        }
    };
    if let (Some(first), Some(second)) = (&first.data_type, &second.data_type) {
        differ("type", first.clone(), second.clone());
    }
    if let (Some(first), Some(second)) = (first.table, second.table) {
        differ("table", first.to_string(), second.to_string());
    }
    if !first.withdrawn {
        differ("required", first.required.to_string(), second.required.to_string());
        differ("repeats", first.repeats.to_string(), second.repeats.to_string());
    }
}

fn definition(name: &str, versions: &[Option<Definition>], text: &mut String) {
    let known = || versions.iter().enumerate().filter(|(_, version)| version.is_some());
    let (Some((from, _)), Some((to, _))) = (known().next(), known().next_back()) else { return };
    let title = known().rev().filter_map(|(_, of)| of.as_ref()).map(|of| of.title.as_str());
    let title = title.into_iter().find(|title| !title.is_empty()).unwrap_or_default();
    let _ = writeln!(text, "{name} {} {title}", range(from, to));
    let count = versions.iter().flatten().map(|version| version.parts.len()).max().unwrap_or_default();
    for index in 0..count {
        let of = |version: &Option<Definition>| {
            version.as_ref().and_then(|version| version.parts.get(index).cloned())
        };
        let parts: Vec<Option<Part>> = versions.iter().map(of).collect();
        part(index + 1, &with_titles(parts), text);
    }
}

/// Differences of spelling between versions are not worth a line: of titles with the same letters the latest with capitals where titles
/// have them is taken. The first set has none, and some early versions of the second have nothing else.
fn with_titles(mut parts: Vec<Option<Part>>) -> Vec<Option<Part>> {
    let spelt: Vec<String> = parts.iter().flatten().rev().map(|part| part.title.clone()).collect();
    for part in parts.iter_mut().flatten() {
        let same = || spelt.iter().filter(|title| letters(title) == letters(&part.title));
        let best = same().find(|title| has_capitals(title)).or_else(|| same().next());
        part.title = best.cloned().unwrap_or_default();
    }
    parts
}

fn has_capitals(title: &str) -> bool {
    let capitals = title.chars().filter(char::is_ascii_uppercase).count();
    capitals > 1 && title.chars().any(|letter| letter.is_ascii_lowercase())
}

fn letters(title: &str) -> String {
    title.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The lines of one field or component: one for each run of versions in which nothing changes.
fn part(number: usize, versions: &[Option<Part>], text: &mut String) {
    let mut from = 0;
    let mut title = "";
    while let Some(part) = versions.get(from) {
        let same = versions.iter().skip(from).take_while(|other| *other == part).count();
        let to = from + same - 1;
        if let Some(part) = part {
            let shown = if part.title == title { "=" } else { &part.title };
            let _ = writeln!(
                text,
                " {number} {} {} {} {} {} {shown}",
                range(from, to),
                part.data_type.as_deref().unwrap_or("-"),
                usage(part),
                part.length.map_or("-".to_owned(), |length| length.to_string()),
                part.table.map_or("-".to_owned(), |table| table.to_string()),
            );
            title = &part.title;
        }
        from = to + 1;
    }
}

/// `R` required, `O` optional, `W` withdrawn; `*` repeats.
fn usage(part: &Part) -> String {
    let letter = match part {
        Part { withdrawn: true, .. } => "W",
        Part { required: true, .. } => "R",
        _ => "O",
    };
    format!("{letter}{}", if part.repeats { "*" } else { "" })
}

/// A range of versions, by their numbers in hexadecimal: `0b` is 2.1 to 2.8.2.
pub(crate) fn range(from: usize, to: usize) -> String {
    format!("{from:x}{to:x}")
}
