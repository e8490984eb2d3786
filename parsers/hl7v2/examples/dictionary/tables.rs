//! The code tables: each code with the versions that have it, and its name where that is short.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::facts::{Facts, VERSIONS, tidy};
use crate::fields::range;

/// A longer text is an explanation, not a name.
const NAME_CHARACTERS_MAX: usize = 48;

/// The first version the first set has tables of.
const TABLES_SINCE: usize = 3;

pub(crate) fn tables(facts: &Facts) -> String {
    let mut text =
        "# Made by examples/dictionary; README.md says from what, and how to read it.\n".to_owned();
    for number in numbers(facts) {
        let codes = codes(facts, number);
        if codes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{number:04} {}", title(facts, number));
        for (code, (versions, name)) in codes {
            let _ = writeln!(text, " {code}|{versions}|{name}");
        }
    }
    text
}

fn numbers(facts: &Facts) -> BTreeSet<u64> {
    let first = facts.first.iter().flat_map(|version| version.tables.keys());
    let first = first.filter_map(|name| name.strip_prefix("HL7")?.parse().ok());
    let second = facts.tables.keys().filter_map(|number| number.parse().ok());
    first.chain(second).filter(|number| (1..9999).contains(number)).collect()
}

fn title(facts: &Facts, number: u64) -> String {
    let second = facts.tables.get(&number.to_string()).and_then(|table| table["desc"].as_str());
    let first =
        facts.first.iter().rev().find_map(|version| version.tables.get(&name(number))?["desc"].as_str());
    tidy(second.or(first).unwrap_or_default())
}

/// Each code with its versions and name. A code that only the second set has, which knows no versions, holds in all; and the first set
/// begins with 2.3.1, so that what is there then is taken to have been there before.
fn codes(facts: &Facts, number: u64) -> BTreeMap<String, (String, String)> {
    let mut codes = BTreeMap::new();
    for (version, first) in facts.first.iter().enumerate() {
        let listed = first.tables.get(&name(number)).and_then(|table| table["codes"].as_array());
        for code in listed.into_iter().flatten().filter_map(Value::as_str) {
            let (from, to) = codes.entry(usable(code)).or_insert((version, version));
            (*from, *to) = ((*from).min(version), version);
        }
    }
    let names = facts.tables.get(&number.to_string()).and_then(|table| table["values"].as_object());
    let names: BTreeMap<String, String> = names
        .into_iter()
        .flatten()
        .map(|(code, name)| (usable(code), tidy(name.as_str().unwrap_or_default())))
        .collect();
    for code in names.keys() {
        codes.entry(code.clone()).or_insert((0, VERSIONS.len() - 1));
    }
    let line = |(code, (from, to)): (String, (usize, usize))| {
        let name = names.get(&code).filter(|name| name.chars().count() <= NAME_CHARACTERS_MAX);
        let from = if from <= TABLES_SINCE { 0 } else { from };
        (code, (range(from, to), name.cloned().unwrap_or_default()))
    };
    codes.into_iter().filter(|(code, _)| !code.is_empty() && code.len() <= 20).map(line).collect()
}

/// A code as it stands on the wire; what only describes codes (`...`, `1-9`) is of no use and comes out empty.
fn usable(code: &str) -> String {
    let code = tidy(code);
    let describes = code.contains("...") || code.contains('/') && code.contains(' ');
    if describes || code.starts_with('<') { String::new() } else { code }
}

fn name(number: u64) -> String {
    format!("HL7{number:04}")
}
