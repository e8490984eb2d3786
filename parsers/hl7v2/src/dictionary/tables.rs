//! Code tables: the lines of `tables.txt`. A line without a blank before it is a table, number and title; the lines after it are its
//! codes, each with its versions and its name.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::Version;

/// A table of codes, as far as the sources know it. Sites add codes of their own to most tables.
#[derive(Debug)]
pub struct Table {
    /// Its number.
    pub number: u16,
    /// Its title.
    pub title: &'static str,
    codes: HashMap<&'static str, Code>,
}

#[derive(Debug)]
struct Code {
    from: Version,
    to: Version,
    name: &'static str,
}

static TABLES: LazyLock<BTreeMap<u16, Table>> =
    LazyLock::new(|| read(include_str!("../../dictionary/tables.txt")));

pub(super) fn table(number: u16) -> Option<&'static Table> {
    TABLES.get(&number)
}

impl Table {
    /// Its codes and their names, of all versions, in no order; a name is empty where the sources only know that there is such a code.
    pub fn codes(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.codes.iter().map(|(code, of)| (*code, of.name))
    }

    /// What a code means, whatever the version: its name, empty where the sources only know that there is such a code.
    pub fn name_of(&self, code: &str) -> Option<&'static str> {
        self.codes.get(code).map(|code| code.name)
    }

    /// Whether this version has the code.
    pub fn has(&self, code: &str, version: Version) -> bool {
        self.codes.get(code).is_some_and(|code| (code.from..=code.to).contains(&version))
    }
}

fn read(text: &'static str) -> BTreeMap<u16, Table> {
    let mut tables: BTreeMap<u16, Table> = BTreeMap::new();
    let mut current = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(line) = line.strip_prefix(' ') {
            if let (Some(table), Some((code, of))) = (tables.get_mut(&current), code(line)) {
                table.codes.insert(code, of);
            }
        } else if let Some((number, title)) =
            line.split_once(' ').and_then(|(number, title)| Some((number.parse().ok()?, title)))
        {
            current = number;
            tables.insert(number, Table { number, title, codes: HashMap::new() });
        }
    }
    tables
}

fn code(line: &'static str) -> Option<(&'static str, Code)> {
    let mut words = line.splitn(3, '|');
    let code = words.next()?;
    let mut versions = words.next()?.chars();
    let (from, to) = (Version::at(versions.next()?)?, Version::at(versions.next()?)?);
    Some((code, Code { from, to, name: words.next().unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_versions() {
        let sex = table(1).unwrap();
        assert_eq!(
            (sex.title, sex.name_of("F"), sex.name_of("Q")),
            ("Administrative Sex", Some("Female"), None)
        );
        let status = table(123).unwrap();
        assert!(status.has("F", Version::DEFAULT) && status.has("F", Version::nearest("2.1")));
        assert!(table(9999).is_none());
    }

    #[test]
    fn every_line_is_read() {
        let lines =
            include_str!("../../dictionary/tables.txt").lines().filter(|line| line.starts_with(' ')).count();
        assert_eq!(TABLES.values().map(|table| table.codes.len()).sum::<usize>(), lines);
    }
}
