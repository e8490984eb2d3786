//! What a case expects of an output: the whole of it, some of its places, or that there is none.

use orderly_hl7v2::Settings;
use orderly_mapping::yaml::{Entry, Fields, Kind, Node, Span};
use orderly_mapping::{Format, PlacePath, compile_path};

use super::json::MemberPath;
use super::read::{Reading, is_inline};

/// The keys of an expected fate; no output has places of these names.
pub(crate) const FATES: [&str; 3] = ["filtered", "failed", "parked"];

/// What an output is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Message,
    Json,
    /// Delimited text and XML.
    Lines,
    /// Without a mapping: a message or a document.
    AsReceived,
}

impl Output {
    pub(super) fn of(format: Format) -> Output {
        match format {
            Format::Hl7v2 => Output::Message,
            Format::Json => Output::Json,
            Format::Csv | Format::Xml => Output::Lines,
        }
    }
}

/// What is expected of one output, and where that is written.
#[derive(Debug)]
pub(super) struct Expectation {
    /// The key of which it is the value.
    pub(super) key: Span,
    /// As written.
    pub(super) value: Node,
    pub(super) output: Output,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// All of it: of the file, or as written here.
    Whole { bytes: Vec<u8>, file: Option<String> },
    /// Some places.
    Places(Vec<Expected>),
    /// That there is none: the fate, its reason, and the line of the mapping that gives it.
    Fate { fate: &'static str, reason: String, line: Option<usize> },
}

/// What is expected at one place.
#[derive(Debug)]
pub(super) struct Expected {
    /// The path as written.
    pub(super) path: String,
    pub(super) target: Target,
    pub(super) wanted: Wanted,
    /// The value as written.
    pub(super) value: Node,
}

#[derive(Debug)]
pub(super) enum Target {
    Place(PlacePath),
    Member(MemberPath),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Empty,
    Null,
    Present,
    Text(String),
}

impl Wanted {
    fn of(text: &str) -> Wanted {
        match text {
            "is empty" => Wanted::Empty,
            "is null" => Wanted::Null,
            "is present" => Wanted::Present,
            text => Wanted::Text(text.to_owned()),
        }
    }
}

/// Reads what is expected of a mapping: of one output, or as a list of each. `key` is the key of which `value` is the value.
pub(super) fn read_all(
    value: &Node,
    key: &Span,
    output: Output,
    reading: &Reading<'_>,
) -> Option<Vec<Expectation>> {
    match &value.kind {
        Kind::List(items) if !items.is_empty() => {
            // All that is wrong is told, also behind the first.
            let read: Vec<_> = items.iter().map(|item| read(item, &item.span, output, reading)).collect();
            read.into_iter().collect()
        }
        _ => read(value, key, output, reading).map(|one| vec![one]),
    }
}

/// Reads what is expected of one output.
fn read(value: &Node, key: &Span, output: Output, reading: &Reading<'_>) -> Option<Expectation> {
    let what = match &value.kind {
        Kind::Text(text) => whole(value, text, output, reading)?,
        Kind::Map(entries) if entries.iter().any(|entry| FATES.contains(&entry.key.as_str())) => {
            fate(value, reading)?
        }
        Kind::Map(entries) => {
            let mut places = Vec::with_capacity(entries.len());
            let read = entries.iter().map(|entry| self::places(entry, "", output, reading, &mut places));
            // All that is wrong is told, also behind the first.
            let read: Vec<Option<()>> = read.collect();
            read.into_iter().collect::<Option<()>>()?;
            What::Places(places)
        }
        Kind::List(_) | Kind::Null => {
            let message = format!(
                "what is expected of an output is a file, a block of text or a map, not {}",
                value.what()
            );
            reading
                .problems
                .error("test-expect", &value.span, message)
                .help("write it like PV1-2: INPATIENT, or filtered: with the reason");
            return None;
        }
    };
    Some(Expectation { key: key.clone(), value: value.clone(), output, what })
}

fn whole(value: &Node, text: &str, output: Output, reading: &Reading<'_>) -> Option<What> {
    let bytes = reading.bytes(orderly_mapping::yaml::Scalar { text, node: value })?;
    let wrong = match output {
        Output::Json => serde_json::from_slice::<serde_json::Value>(&bytes)
            .err()
            .map(|error| format!("what is expected is not JSON: {error}")),
        Output::Message => orderly_hl7v2::parse(&bytes, &settings(is_inline(value)))
            .err()
            .map(|unreadable| format!("what is expected is no message: {}", unreadable.diagnostic.message)),
        Output::Lines | Output::AsReceived => None,
    };
    if let Some(wrong) = wrong {
        reading.problems.error("test-expect", &value.span, wrong);
        return None;
    }
    let file = (!is_inline(value)).then(|| text.to_owned());
    Some(What::Whole { bytes, file })
}

/// How a message of a test is read: one that is written in the test file has that file's charset.
pub(super) fn settings(is_inline: bool) -> Settings {
    let charset = is_inline.then(orderly_hl7v2::Charset::utf_8);
    Settings { charset, ..Settings::default() }
}

fn fate(value: &Node, reading: &Reading<'_>) -> Option<What> {
    let fields = Fields::of(value, "an expected fate", reading.problems)?;
    let said = FATES.map(|fate| fields.text(fate).map(|reason| (fate, reason.to_string())));
    let line = fields.number("line").and_then(|line| usize::try_from(line).ok());
    fields.finish();
    let mut said = said.into_iter().flatten();
    let (fate, reason) = said.next()?;
    if said.next().is_some() {
        reading
            .problems
            .error("test-expect", &value.span, "an output has one fate")
            .help("keep one of `filtered`, `failed` and `parked`");
        return None;
    }
    Some(What::Fate { fate, reason, line })
}

/// One expected place, or those of a map of members.
fn places(
    entry: &Entry,
    above: &str,
    output: Output,
    reading: &Reading<'_>,
    found: &mut Vec<Expected>,
) -> Option<()> {
    let path = if above.is_empty() { entry.key.clone() } else { format!("{above}.{}", entry.key) };
    match &entry.value.kind {
        Kind::Text(text) => {
            let target = target(entry, &path, output, reading)?;
            found.push(Expected { path, target, wanted: Wanted::of(text), value: entry.value.clone() });
        }
        Kind::Map(entries) if output == Output::Json => {
            let read = entries.iter().map(|entry| places(entry, &path, output, reading, found));
            let read: Vec<Option<()>> = read.collect();
            read.into_iter().collect::<Option<()>>()?;
        }
        Kind::Null => {
            reading
                .problems
                .error("config-no-value", &entry.key_span, format!("`{}` has no value", entry.key))
                .help("write a text, `is empty`, `is null` or `is present`");
            return None;
        }
        Kind::List(_) | Kind::Map(_) => {
            let message = format!("what is expected of one place is a text, not {}", entry.value.what());
            reading
                .problems
                .error("test-expect", &entry.value.span, message)
                .help("name members of a list by their number, as in results[1].code");
            return None;
        }
    }
    Some(())
}

fn target(entry: &Entry, path: &str, output: Output, reading: &Reading<'_>) -> Option<Target> {
    match output {
        Output::Json => match path.parse() {
            Ok(path) => Some(Target::Member(path)),
            Err(()) => {
                let message = format!("`{path}` is no path into JSON");
                reading
                    .problems
                    .error("test-path", &entry.key_span, message)
                    .help("write it like patient.name.family or results[1].code");
                None
            }
        },
        Output::Message | Output::AsReceived => {
            let key = Node { span: entry.key_span.clone(), kind: Kind::Text(entry.key.clone()) };
            match compile_path(&key) {
                Ok(path) => Some(Target::Place(path)),
                Err(diagnostics) => {
                    for diagnostic in diagnostics {
                        reading.problems.add(diagnostic);
                    }
                    None
                }
            }
        }
        Output::Lines => {
            reading
                .problems
                .error("test-expect", &entry.key_span, "delimited text and XML are compared as a whole")
                .help("name a file with it, or write it as a block, below `|`");
            None
        }
    }
}
