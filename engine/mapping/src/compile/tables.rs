//! Tables as a mapping declares them: rows written out, or a CSV file with headers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::problems::Problems;
use crate::table::{Table, Unmapped, read_csv};
use crate::yaml::{Entry, Fields, Node, Scalar};

type Files<'f> = &'f dyn Fn(&str) -> Result<String, String>;

/// All tables of a mapping by name; those with errors, which were reported, as `None`.
pub(super) fn read(
    node: &Node,
    files: Files<'_>,
    problems: &Problems,
) -> HashMap<String, Option<Arc<Table>>> {
    let Some(entries) = node.entries() else {
        problems.error(
            "mapping-tables",
            &node.span,
            format!("`tables` is a map of names and tables, not {}", node.what()),
        );
        return HashMap::new();
    };
    let named = |entry: &Entry| (entry.key.clone(), table(entry, files, problems).map(Arc::new));
    entries.iter().map(named).collect()
}

fn table(entry: &Entry, files: Files<'_>, problems: &Problems) -> Option<Table> {
    let fields = Fields::of(&entry.value, "a table", problems)?;
    let unmapped = fields.required("unmapped").and_then(|node| unmapped(node, problems));
    let (rows, file) = (fields.optional("rows"), fields.text("file"));
    let (key, value) = (fields.texts("key"), fields.texts("value"));
    let table = match (rows, file) {
        (Some(rows), None) => {
            if let Some(column) = key.first().or(value.first()) {
                let message = "a table with `rows` has one key and one value, which need no names";
                problems.error("mapping-table", &column.node.span, message).help("remove `key` and `value`");
            }
            unmapped.and_then(|unmapped| inline(rows, unmapped, problems))
        }
        (None, Some(file)) => {
            for (name, columns) in [("key", &key), ("value", &value)] {
                if columns.is_empty() && !fields.has(name) {
                    problems
                        .error(
                            "mapping-table",
                            &entry.key_span,
                            format!("a table with a `file` needs `{name}`"),
                        )
                        .help(format!("name the column, or the columns, of the file's {name}"));
                }
            }
            let columns = unmapped.filter(|_| !key.is_empty() && !value.is_empty());
            columns.and_then(|unmapped| from_file(file, files, &key, &value, unmapped, problems))
        }
        (Some(_), Some(file)) => {
            problems.error(
                "mapping-table",
                &file.node.span,
                "a table has either `rows` or a `file`, not both",
            );
            None
        }
        (None, None) => {
            if !fields.has("rows") && !fields.has("file") {
                problems.error("mapping-table", &entry.key_span, "a table needs `rows` or a `file`");
            }
            None
        }
    };
    fields.finish();
    table
}

fn unmapped(node: &Node, problems: &Problems) -> Option<Unmapped> {
    let Some(text) = node.text() else {
        problems.error(
            "mapping-unmapped-value",
            &node.span,
            format!("`unmapped` takes a word or a text, not {}", node.what()),
        );
        return None;
    };
    if node.span.text().starts_with(['\'', '"']) {
        return Some(Unmapped::Text(text.to_owned()));
    }
    Some(match text {
        "keep" => Unmapped::Keep,
        "empty" => Unmapped::Empty,
        "fail" => Unmapped::Fail,
        "park" => Unmapped::Park,
        other => {
            let message = "`unmapped` is keep, empty, fail, park, or a text in quotes";
            let help = crate::problems::did_you_mean(other, ["keep", "empty", "fail", "park"]);
            let help = help.unwrap_or_else(|| format!("for the text, write '{other}' in quotes"));
            problems.error("mapping-unmapped-value", &node.span, message).help(help);
            return None;
        }
    })
}

fn inline(rows: &Node, unmapped: Unmapped, problems: &Problems) -> Option<Table> {
    let Some(entries) = rows.entries() else {
        problems.error(
            "mapping-table",
            &rows.span,
            format!("`rows` is a map from key to value, not {}", rows.what()),
        );
        return None;
    };
    let mut table = Table::new(1, vec!["value".to_owned()], unmapped);
    let mut complete = true;
    for row in entries {
        match row.value.text() {
            // YAML has refused repeated keys.
            Some(value) => {
                row.value.warn_of_comment(problems);
                _ = table.add(&[&row.key], vec![value.to_owned()]);
            }
            None => {
                complete = false;
                let message = format!("the value of `{}` is a text, not {}", row.key, row.value.what());
                problems.error("mapping-table", &row.key_span, message).help("for no text at all, write ''");
            }
        }
    }
    complete.then_some(table)
}

fn from_file(
    file: Scalar<'_>,
    files: Files<'_>,
    key: &[Scalar<'_>],
    value: &[Scalar<'_>],
    unmapped: Unmapped,
    problems: &Problems,
) -> Option<Table> {
    let wanted: Vec<&str> = key.iter().chain(value).map(|column| column.text).collect();
    let rows = files(file.text)
        .and_then(|text| read_csv(&text, &wanted).map_err(|why| format!("{}: {why}", file.text)));
    let rows = match rows {
        Ok(rows) => rows,
        Err(why) => {
            problems.error("mapping-table-file", &file.node.span, why);
            return None;
        }
    };
    let columns = value.iter().map(|column| column.text.to_owned()).collect();
    let mut table = Table::new(key.len(), columns, unmapped);
    for (row, cells) in rows.iter().enumerate() {
        let (keys, values) = cells.split_at_checked(key.len()).unwrap_or((cells, &[]));
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        if !table.add(&keys, values.to_vec()) {
            // Codes of a table are no patient data.
            let message =
                format!("{}: row {} has the key {} a second time", file.text, row + 2, keys.join(", "));
            problems.error("mapping-table-row", &file.node.span, message).help("keep one of the rows");
        }
    }
    Some(table)
}
