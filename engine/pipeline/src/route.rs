//! What a route's file says, and its names resolved against the site and the mappings.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Document, Fields, Kind, Node, Scalar};
use orderly_mapping::{Condition, Format, Mapping, compile_condition};

use crate::plan::{Destination, Endpoint, Priority, Route, Target};
use crate::site::Site;

/// What a route may name.
pub(crate) struct Known<'k> {
    pub(crate) site: &'k Site,
    /// By name; `None` where the mapping has errors of its own, which are reported there.
    pub(crate) mappings: &'k BTreeMap<String, Option<Arc<Mapping>>>,
}

/// Reads a route.
pub(crate) fn read(document: &Document, known: &Known<'_>, problems: &Problems) -> Option<Route> {
    let fields = Fields::of(&document.root, "a route", problems)?;
    let name = fields.required_text("route").map(|text| Arc::from(text.text));
    fields.text("about");
    let several = "write a route for each source; they may name the same mappings";
    let source =
        alone(&fields, "from", several, problems).and_then(|text| find_source(text, known, problems));
    let when = fields.optional("when").and_then(|node| condition(node, problems));
    let priority = fields.optional("priority").map(|node| priority(node, problems)).unwrap_or_default();
    let to = fields.required("to").map(|node| targets(node, known, problems)).unwrap_or_default();
    refuse_same_destination_twice(&to, known, fields.optional("to"), problems);
    fields.finish();
    Some(Route { name: name?, source: source?, when, priority, to })
}

/// The priorities that a route may give. What has none is normal.
pub(crate) const PRIORITIES: [(&str, Priority); 2] =
    [("stat", Priority::Stat), ("backfill", Priority::Backfill)];

/// A word for all messages of the route, or a condition for each word.
fn priority(node: &Node, problems: &Problems) -> Vec<(Priority, Option<Condition>)> {
    let named = |name: &str| PRIORITIES.into_iter().find(|(word, _)| *word == name);
    if let Some(written) = node.text() {
        return match named(written) {
            Some((_, priority)) => vec![(priority, None)],
            None if written == "normal" => Vec::new(),
            None => {
                let words = ["stat", "normal", "backfill"];
                let message = format!("`priority` is one of {}", words.join(", "));
                problems.error("config-choice", &node.span, message).suggest(written, words);
                Vec::new()
            }
        };
    }
    let Some(fields) = Fields::of(node, "a priority", problems) else { return Vec::new() };
    let mut found = Vec::new();
    for (word, priority) in PRIORITIES {
        let when = fields.optional(word).and_then(|node| condition(node, problems));
        found.extend(when.map(|when| (priority, Some(when))));
    }
    fields.finish();
    found
}

/// Each pair of route and destination has one fate: two of them could not be told apart.
fn refuse_same_destination_twice(to: &[Target], known: &Known<'_>, node: Option<&Node>, problems: &Problems) {
    let twice = to.iter().enumerate().find(|(index, target)| {
        to.iter().take(*index).any(|earlier| earlier.destination == target.destination)
    });
    let destination = twice.and_then(|(_, target)| known.site.destinations.get(target.destination));
    if let (Some(destination), Some(node)) = (destination, node) {
        let message = format!("this route goes to `{}` twice", destination.name);
        problems
            .error("route-destination-twice", &node.span, message)
            .help("join the two with one condition, or make two routes of them");
    }
}

fn targets(node: &Node, known: &Known<'_>, problems: &Problems) -> Vec<Target> {
    if node.items().is_empty() {
        problems
            .error("route-nowhere", &node.span, "this route goes nowhere")
            .help("list at least one `destination:`");
    }
    node.items().iter().filter_map(|item| target(item, known, problems)).collect()
}

fn target(node: &Node, known: &Known<'_>, problems: &Problems) -> Option<Target> {
    let fields = Fields::of(node, "a target", problems)?;
    let several = "write `- destination:` for each, with its own `when` and `mapping`";
    let destination = alone(&fields, "destination", several, problems)
        .and_then(|text| find_destination(text, known, problems));
    let when = fields.optional("when").and_then(|node| condition(node, problems));
    let mapping = fields.text("mapping").map(|text| {
        let mapping = find_mapping(text, known, problems)?;
        let endpoint = destination.and_then(|index| known.site.destinations.get(index));
        if let Some(destination) = endpoint {
            refuse_wrong_format(&mapping, destination, text, problems);
        }
        Some(mapping)
    });
    fields.finish();
    let mapping = match mapping {
        Some(found) => Some(found?),
        None => None,
    };
    Some(Target { destination: destination?, when, mapping })
}

/// A receiver over MLLP waits for HL7 v2 and would refuse, or worse misread, anything else; a FHIR server takes resources only.
fn refuse_wrong_format(mapping: &Mapping, destination: &Destination, text: Scalar<'_>, problems: &Problems) {
    if matches!(destination.endpoint, Endpoint::Mllp(_)) && mapping.output() != Format::Hl7v2 {
        let message = format!("MLLP carries HL7 v2; this mapping writes {}", mapping.output());
        problems
            .error("route-mllp-format", &text.node.span, message)
            .help("send it to a destination with `files:`, or take a mapping with `output: hl7v2`");
    }
    if matches!(destination.endpoint, Endpoint::Fhir(_)) && mapping.output() != Format::Json {
        let message =
            format!("a FHIR server takes resources as JSON; this mapping writes {}", mapping.output());
        problems
            .error("route-fhir-format", &text.node.span, message)
            .help("take a mapping with `output: json` that makes a resource or a Bundle");
    }
}

/// A name that has to stand alone; `several` says what to write for more than one.
fn alone<'n>(
    fields: &Fields<'n, '_>,
    key: &'static str,
    several: &str,
    problems: &Problems,
) -> Option<Scalar<'n>> {
    match fields.optional(key) {
        Some(Node { kind: Kind::List(items), span }) if items.len() > 1 => {
            problems
                .error("config-not-a-text", span, format!("`{key}` takes one name, not a list"))
                .help(several);
            None
        }
        _ => fields.required_text(key),
    }
}

fn find_source(text: Scalar<'_>, known: &Known<'_>, problems: &Problems) -> Option<usize> {
    let found = known.site.sources.iter().position(|source| *source.name == *text.text);
    let declared = &known.site.declared_sources;
    if found.is_none() && !declared.iter().any(|name| name == text.text) {
        let names = declared.iter().map(String::as_str);
        unknown("route-unknown-source", "source", text, names, "`sources:` of orderly.yaml", problems);
    }
    found
}

fn find_destination(text: Scalar<'_>, known: &Known<'_>, problems: &Problems) -> Option<usize> {
    let found = known.site.destinations.iter().position(|destination| *destination.name == *text.text);
    let declared = &known.site.declared_destinations;
    if found.is_none() && !declared.iter().any(|name| name == text.text) {
        let names = declared.iter().map(String::as_str);
        unknown(
            "route-unknown-destination",
            "destination",
            text,
            names,
            "`destinations:` of orderly.yaml",
            problems,
        );
    }
    found
}

fn find_mapping(text: Scalar<'_>, known: &Known<'_>, problems: &Problems) -> Option<Arc<Mapping>> {
    match known.mappings.get(text.text) {
        Some(mapping) => mapping.clone(),
        None => {
            let names = known.mappings.keys().map(String::as_str);
            unknown("route-unknown-mapping", "mapping", text, names, "the mappings folder", problems);
            None
        }
    }
}

fn unknown<'k>(
    code: &'static str,
    what: &str,
    text: Scalar<'_>,
    names: impl Iterator<Item = &'k str>,
    where_declared: &str,
    problems: &Problems,
) {
    let message = format!("there is no {what} `{}` in {where_declared}", text.text);
    problems.error(code, &text.node.span, message).suggest(text.text, names);
}

fn condition(node: &Node, problems: &Problems) -> Option<Condition> {
    match compile_condition(node) {
        Ok(condition) => {
            condition.warnings().iter().for_each(|warning| _ = problems.add(warning.clone()));
            Some(condition)
        }
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                problems.add(diagnostic);
            }
            None
        }
    }
}
