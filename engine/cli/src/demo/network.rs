//! The sample network's files, which the binary carries with it, and what is written down about each sample.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use include_dir::{Dir, include_dir};
use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{self, Fields, Node};
use serde::Serialize;

use crate::failure::Failure;

static SITE: &str = include_str!("../../../../orderly.yaml");
static ROUTES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../routes");
static MAPPINGS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../mappings");
static SAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../samples");

/// What is written down about the samples.
pub(crate) struct Network {
    /// In the order of sending.
    pub(crate) samples: Vec<Sample>,
    /// The control ids that each simulated receiver refuses.
    pub(crate) refusals: BTreeMap<String, Vec<String>>,
}

/// A sample, a message or a file, and what must become of it.
pub(crate) struct Sample {
    /// Its file below `samples`.
    pub(crate) file: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Who sends it.
    pub(crate) source: String,
    /// What it is an example of.
    pub(crate) shows: String,
    /// What its sender must see of it.
    pub(crate) outcome: Outcome,
    /// What must come of it: one message, or of a file none or several, in the order they stand in it.
    pub(crate) messages: Vec<Expected>,
}

/// What a sender sees of its sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Outcome {
    /// The code of the answer, of a source that listens.
    #[serde(rename = "answer")]
    Answer(String),
    /// Where the file ended, `archived` or `failed`, of a source that watches a folder.
    #[serde(rename = "file_fate")]
    File(String),
}

impl Outcome {
    /// In one word, for people.
    pub(crate) fn name(&self) -> &str {
        match self {
            Outcome::Answer(name) | Outcome::File(name) => name,
        }
    }
}

/// What must become of a message.
pub(crate) struct Expected {
    /// Its control id, where a file holds several; empty when it can't be read.
    pub(crate) control_id: Option<String>,
    /// The fate.
    pub(crate) fate: String,
    /// The state at each destination that a route names.
    pub(crate) deliveries: BTreeMap<String, String>,
}

impl Network {
    /// Writes the network's files into a folder, where they are a site like any other, and reads its samples.
    pub(crate) fn unpack(folder: &Path) -> Result<Network, Failure> {
        write_files(folder)
            .map_err(|error| Failure::new(format!("{} cannot be written: {error}", folder.display())))?;
        let text = SAMPLES.get_file("network.yaml").and_then(|file| file.contents_utf8()).unwrap_or_default();
        let problems = Problems::new();
        let network = match yaml::parse("samples/network.yaml", text) {
            Ok(document) => read(&document.root, &problems),
            Err(found) => return Err(unusable(&found)),
        };
        let found = problems.into_vec();
        if found.is_empty() { Ok(network) } else { Err(unusable(&found)) }
    }
}

fn write_files(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("orderly.yaml"), SITE)?;
    for (name, files) in [("routes", &ROUTES), ("mappings", &MAPPINGS), ("samples", &SAMPLES)] {
        let below = folder.join(name);
        fs::create_dir_all(&below)?;
        files.extract(&below)?;
    }
    Ok(())
}

fn unusable(found: &[orderly_record::Diagnostic]) -> Failure {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    Failure::new(format!("this program's own samples are unusable: {}", lines.join("; ")))
}

fn read(root: &Node, problems: &Problems) -> Network {
    let mut network = Network { samples: Vec::new(), refusals: BTreeMap::new() };
    let Some(fields) = Fields::of(root, "the sample network", problems) else { return network };
    let receivers = fields.optional("receivers").and_then(Node::entries).unwrap_or_default();
    for receiver in receivers {
        let Some(fields) = Fields::of(&receiver.value, "a receiver", problems) else { continue };
        let refused = fields.texts("refuse").iter().map(|text| text.to_string()).collect();
        network.refusals.insert(receiver.key.clone(), refused);
        fields.finish();
    }
    let samples = fields.required("samples").map(Node::items).unwrap_or_default();
    network.samples = samples.iter().filter_map(|node| sample(node, problems)).collect();
    fields.finish();
    network
}

fn sample(node: &Node, problems: &Problems) -> Option<Sample> {
    let fields = Fields::of(node, "a sample", problems)?;
    let text = |key: &'static str| fields.required_text(key).map(|text| text.to_string());
    let file = text("file")?;
    let bytes = SAMPLES.get_file(&file).map(|found| found.contents().to_vec());
    if bytes.is_none() {
        problems.error("sample-missing", &node.span, format!("there is no samples/{file}"));
    }
    let sample = Sample {
        bytes: bytes.unwrap_or_default(),
        source: text("source")?,
        shows: text("shows")?,
        outcome: outcome(&fields, node, problems)?,
        messages: match fields.optional("messages") {
            Some(list) => list.items().iter().filter_map(|node| member(node, problems)).collect(),
            None => vec![expected(&fields, None)?],
        },
        file,
    };
    fields.finish();
    Some(sample)
}

fn outcome(fields: &Fields<'_, '_>, node: &Node, problems: &Problems) -> Option<Outcome> {
    let text = |key: &'static str| fields.text(key).map(|text| text.to_string());
    match (text("answer"), text("file_fate")) {
        (Some(answer), None) => Some(Outcome::Answer(answer)),
        (None, Some(fate)) => Some(Outcome::File(fate)),
        _ => {
            problems.error("sample-outcome", &node.span, "a sample has either an answer or a file_fate");
            None
        }
    }
}

/// A message of a file that holds several.
fn member(node: &Node, problems: &Problems) -> Option<Expected> {
    let fields = Fields::of(node, "a message of a sample", problems)?;
    let control_id = fields.required_text("control_id").map(|text| text.to_string())?;
    let expected = expected(&fields, Some(control_id));
    fields.finish();
    expected
}

fn expected(fields: &Fields<'_, '_>, control_id: Option<String>) -> Option<Expected> {
    let deliveries = fields.optional("deliveries").and_then(Node::entries).unwrap_or_default();
    let deliveries =
        deliveries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())));
    let fate = fields.required_text("fate").map(|text| text.to_string())?;
    Some(Expected { control_id, fate, deliveries: deliveries.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Network, Vec<String>) {
        let problems = Problems::new();
        let network = read(&yaml::parse("network.yaml", text).unwrap().root, &problems);
        (network, problems.into_vec().iter().map(|problem| problem.code.to_string()).collect())
    }

    #[test]
    fn the_samples_that_the_binary_carries_can_be_read() {
        let text = SAMPLES.get_file("network.yaml").and_then(|file| file.contents_utf8()).unwrap();
        let (network, problems) = read_text(text);
        assert!(problems.is_empty(), "{problems:?}");
        let named = |name: &str| network.samples.iter().find(|sample| sample.file.ends_with(name)).unwrap();
        let batch = named("batch_one_bad_member.hl7");
        assert_eq!(batch.outcome, Outcome::File("archived".to_owned()));
        let members: Vec<_> = batch
            .messages
            .iter()
            .map(|one| (one.control_id.as_deref().unwrap(), one.fate.as_str()))
            .collect();
        assert_eq!(members, [("NL-500746", "routed"), ("NL-500747", "quarantined"), ("NL-500748", "routed")]);
        assert!(named("empty_file.hl7").messages.is_empty());
        let merge = named("adt_a40_merge.hl7");
        assert_eq!(merge.outcome, Outcome::Answer("AA".to_owned()));
        assert_eq!(merge.messages.first().unwrap().control_id, None);
    }

    #[test]
    fn a_sample_is_answered_or_filed() {
        let sample =
            "samples:\n  - file: hl7v2/adt_a40_merge.hl7\n    source: a\n    shows: b\n    fate: routed\n";
        assert_eq!(read_text(sample).1, ["sample-outcome"]);
        let both = format!("{sample}    answer: AA\n    file_fate: archived\n");
        assert_eq!(read_text(&both).1, ["sample-outcome"]);
    }
}
