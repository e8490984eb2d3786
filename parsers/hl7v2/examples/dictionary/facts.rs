//! The facts as the two sets have them, version by version.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::Failure;

/// The versions of the standard, oldest first. A version's place here is its number in the dictionary's ranges.
pub(crate) const VERSIONS: [&str; 12] =
    ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2"];

/// What both sets say.
pub(crate) struct Facts {
    /// By version, as `VERSIONS` counts.
    pub(crate) first: Vec<First>,
    /// By version; none since 2.8.
    pub(crate) second: Vec<Option<Second>>,
    /// The second set's tables, by number; they have no versions.
    pub(crate) tables: Map<String, Value>,
}

/// One version of the first set.
pub(crate) struct First {
    pub(crate) segments: Definitions,
    pub(crate) types: Definitions,
    pub(crate) messages: Map<String, Value>,
    pub(crate) groups: Map<String, Value>,
    pub(crate) tables: Map<String, Value>,
}

/// One version of the second set.
pub(crate) struct Second {
    pub(crate) segments: Definitions,
    pub(crate) types: Definitions,
}

/// The definitions of segments or data types, by name.
pub(crate) type Definitions = BTreeMap<String, Definition>;

/// A segment with its fields, or a data type with its components.
#[derive(Default)]
pub(crate) struct Definition {
    /// What it is called; the first set does not say.
    pub(crate) title: String,
    pub(crate) parts: Vec<Part>,
}

/// A field or a component, as far as a set knows it.
#[derive(Default, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) title: String,
    pub(crate) data_type: Option<String>,
    pub(crate) required: bool,
    pub(crate) repeats: bool,
    pub(crate) withdrawn: bool,
    pub(crate) length: Option<u64>,
    pub(crate) table: Option<u64>,
}

impl Facts {
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let first = folder.join("hl7v2-definitions");
        let second = folder.join("hl7-dictionary");
        Ok(Self {
            first: VERSIONS
                .iter()
                .map(|version| First::read(&first.join(version)))
                .collect::<Result<_, _>>()?,
            second: VERSIONS
                .iter()
                .map(|version| Second::read(&second.join(version)))
                .collect::<Result<_, _>>()?,
            tables: read(&second.join("tables.json"))?,
        })
    }
}

impl First {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let tables = folder.join("tables.json");
        Ok(Self {
            segments: definitions(&read(&folder.join("segments.json"))?, first_definition),
            types: definitions(&read(&folder.join("datatypes.json"))?, first_definition),
            messages: read(&folder.join("messages.json"))?,
            groups: read(&folder.join("groups.json"))?,
            tables: if tables.exists() { read(&tables)? } else { Map::new() },
        })
    }
}

impl Second {
    fn read(folder: &Path) -> Result<Option<Self>, Failure> {
        if !folder.exists() {
            return Ok(None);
        }
        let segments =
            definitions(&read(&folder.join("segments.json"))?, |of| second_definition(of, "fields"));
        let types = definitions(&read(&folder.join("fields.json"))?, |of| second_definition(of, "subfields"));
        Ok(Some(Self { segments, types }))
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn definitions(all: &Map<String, Value>, read: impl Fn(&Value) -> Definition) -> Definitions {
    all.iter().map(|(name, of)| (name.clone(), read(of))).collect()
}

fn first_definition(of: &Value) -> Definition {
    let part = |part: &Value| Part {
        title: spoken(part["name"].as_str().unwrap_or_default()),
        data_type: part["datatype"].as_str().map(str::to_owned),
        required: part["min"].as_i64().is_some_and(|min| min > 0),
        repeats: part["max"].as_i64().is_some_and(|max| !(0..=1).contains(&max)),
        withdrawn: part["max"].as_i64() == Some(0),
        length: None,
        table: part["table"]
            .as_str()
            .and_then(|table| table.strip_prefix("HL7")?.parse().ok())
            .filter(is_table),
    };
    Definition { title: String::new(), parts: of.as_array().into_iter().flatten().map(part).collect() }
}

fn second_definition(of: &Value, parts: &str) -> Definition {
    let part = |part: &Value| Part {
        title: tidy(part["desc"].as_str().unwrap_or_default()),
        data_type: part["datatype"].as_str().map(str::to_owned),
        required: part["opt"].as_u64() == Some(2),
        repeats: part["rep"].as_u64() != Some(1),
        withdrawn: false,
        length: part["len"].as_u64().filter(|length| (1..65_536).contains(length)),
        table: part["table"].as_u64().filter(is_table),
    };
    let title = tidy(of["desc"].as_str().unwrap_or_default());
    Definition { title, parts: of[parts].as_array().into_iter().flatten().map(part).collect() }
}

/// 9999 stands for "a table to come".
fn is_table(number: &u64) -> bool {
    (1..9999).contains(number)
}

/// A name of the first set, `PATIENT_IDENTIFIER_LIST`, as words.
fn spoken(name: &str) -> String {
    let lower = name.replace('_', " ").to_lowercase();
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// One line without doubled blanks.
pub(crate) fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/")
}
