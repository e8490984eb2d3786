//! The sample network's files, which the binary carries with it, and what is written down about each sample.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use include_dir::{Dir, include_dir};
use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{self, Fields, Node};

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

/// A sample message and its fate.
#[derive(Default)]
pub(crate) struct Sample {
    /// Its file below `samples`.
    pub(crate) file: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Who sends it.
    pub(crate) source: String,
    /// What it is an example of.
    pub(crate) shows: String,
    /// The expected answer.
    pub(crate) answer: String,
    /// The expected fate.
    pub(crate) fate: String,
    /// The expected state at each destination that a route names.
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
    let deliveries = fields.optional("deliveries").and_then(Node::entries).unwrap_or_default();
    let deliveries =
        deliveries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())));
    let file = text("file")?;
    let bytes = SAMPLES.get_file(&file).map(|found| found.contents().to_vec());
    if bytes.is_none() {
        problems.error("sample-missing", &node.span, format!("there is no samples/{file}"));
    }
    let sample = Sample {
        bytes: bytes.unwrap_or_default(),
        source: text("source")?,
        shows: text("shows")?,
        answer: text("answer")?,
        fate: text("fate")?,
        deliveries: deliveries.collect(),
        file,
    };
    fields.finish();
    Some(sample)
}
