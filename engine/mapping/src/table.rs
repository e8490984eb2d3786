//! Code tables: rows written in the mapping or in a CSV file, found by one or several keys.
//!
//! Cells are text as written. A key cell `*` fits anything; the row with the fewest of them wins, then the first in the table. What
//! happens to a value without a row must be stated.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A table ready for look-ups.
#[derive(Debug)]
pub(crate) struct Table {
    keys: usize,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Rows without wildcards, by their joined keys.
    exact: HashMap<String, usize, RandomState>,
    /// The keys of rows with wildcards, the most special first.
    wild: Vec<(Vec<Option<String>>, usize)>,
    unmapped: Unmapped,
}

/// What becomes of a value that no row fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unmapped {
    Keep,
    Empty,
    Fail,
    Park,
    Text(String),
}

/// Between the parts of a joined key: a character that no code contains.
const JOINT: char = '\u{1f}';

impl Table {
    /// A table with the given number of key columns and the names of its value columns.
    pub(crate) fn new(keys: usize, columns: Vec<String>, unmapped: Unmapped) -> Table {
        Table { keys, columns, rows: Vec::new(), exact: HashMap::default(), wild: Vec::new(), unmapped }
    }

    /// Adds a row; `false` when an earlier row has the same keys.
    pub(crate) fn add(&mut self, keys: &[&str], values: Vec<String>) -> bool {
        let row = self.rows.len();
        if keys.contains(&"*") {
            let cell = |key: &&str| (*key != "*").then(|| (*key).to_owned());
            let cells: Vec<Option<String>> = keys.iter().map(cell).collect();
            if self.wild.iter().any(|(other, _)| *other == cells) {
                return false;
            }
            self.wild.push((cells, row));
            self.wild.sort_by_key(|(cells, _)| cells.iter().filter(|cell| cell.is_none()).count());
        } else if self.exact.contains_key(&*joined(keys)) {
            return false;
        } else {
            self.exact.insert(joined(keys).into_owned(), row);
        }
        self.rows.push(values);
        true
    }

    /// The cell of the row that fits the keys.
    pub(crate) fn find<T: AsRef<str>>(&self, keys: &[T], column: usize) -> Option<&str> {
        let row = self.exact.get(&*joined(keys)).copied().or_else(|| self.find_wild(keys))?;
        self.rows.get(row)?.get(column).map(String::as_str)
    }

    fn find_wild<T: AsRef<str>>(&self, keys: &[T]) -> Option<usize> {
        let fits = |cells: &[Option<String>]| {
            cells.len() == keys.len()
                && cells
                    .iter()
                    .zip(keys)
                    .all(|(cell, key)| cell.as_ref().is_none_or(|cell| cell == key.as_ref()))
        };
        self.wild.iter().find(|(cells, _)| fits(cells)).map(|(_, row)| *row)
    }

    /// How many keys a look-up gives.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// The names of the value columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The index of a value column; without a name, of the only one.
    pub(crate) fn column(&self, name: Option<&str>) -> Option<usize> {
        match name {
            Some(name) => self.columns.iter().position(|column| column == name),
            None => (self.columns.len() == 1).then_some(0),
        }
    }

    /// What becomes of a value that no row fits.
    pub(crate) fn unmapped(&self) -> &Unmapped {
        &self.unmapped
    }
}

fn joined<T: AsRef<str>>(keys: &[T]) -> Cow<'_, str> {
    match keys {
        [only] => Cow::Borrowed(only.as_ref()),
        several => {
            let mut joined = String::new();
            for key in several {
                joined.push_str(key.as_ref());
                joined.push(JOINT);
            }
            Cow::Owned(joined)
        }
    }
}

/// The rows of a CSV file, with the wanted columns in the wanted order.
///
/// # Errors
/// A sentence: not CSV, no headers, a column that is not there, a row that is too short.
pub(crate) fn read_csv(text: &str, wanted: &[&str]) -> Result<Vec<Vec<String>>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let headers: Vec<String> =
        reader.headers().map_err(told)?.iter().map(|name| name.trim().to_owned()).collect();
    let mut columns = Vec::new();
    for name in wanted {
        let found = headers.iter().position(|header| header == name);
        columns
            .push(found.ok_or_else(|| format!("it has no column `{name}`; it has {}", headers.join(", ")))?);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(told)?;
        rows.push(columns.iter().map(|column| record.get(*column).unwrap_or_default().to_owned()).collect());
    }
    Ok(rows)
}

fn told(error: csv::Error) -> String {
    let line = error.position().map_or_else(String::new, |position| format!(" in line {}", position.line()));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has a row of {len} cells{line}, where the headers have {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => format!("it is not UTF-8{line}"),
        _ => format!("it is not CSV{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_special_row_wins() {
        let mut table = Table::new(2, vec!["name".to_owned()], Unmapped::Empty);
        for (facility, code, name) in [
            ("*", "*", "any"),
            ("*", "ICU", "intensive"),
            ("A", "*", "ward of A"),
            ("A", "ICU", "intensive A"),
        ] {
            assert!(table.add(&[facility, code], vec![name.to_owned()]));
        }
        assert!(!table.add(&["A", "ICU"], vec![]));
        assert!(!table.add(&["*", "ICU"], vec![]));
        let cases = [
            ("A", "ICU", "intensive A"),
            ("A", "ER", "ward of A"),
            ("B", "ICU", "intensive"),
            ("B", "ER", "any"),
        ];
        for (facility, code, name) in cases {
            assert_eq!(table.find(&[facility, code], 0), Some(name), "{facility} {code}");
        }
    }

    #[test]
    fn csv_gives_the_wanted_columns() {
        let text = "\u{feff}code, name,facility\r\n01,\"Ward, east\",A\r\n02,\"say \"\"x\"\"\",B\n";
        let rows = read_csv(text, &["facility", "code", "name"]).unwrap();
        assert_eq!(rows, [["A", "01", "Ward, east"], ["B", "02", "say \"x\""]]);
        let cases = [
            ("a,b\n1,2\n", "it has no column `c`; it has a, b"),
            ("c,b\n1\n", "it has a row of 1 cells in line 2, where the headers have 2"),
        ];
        for (text, expected) in cases {
            assert_eq!(read_csv(text, &["c"]), Err(expected.to_owned()));
        }
    }
}
