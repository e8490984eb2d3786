//! A document as people want to see one: what it is, its sections and how much of each the record holds; and its elements by path.

use std::collections::HashMap;
use std::fmt::Write as _;

use orderly_ccda::{Document, Element, narrative_html, normalize};
use orderly_record::Record;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output::{cell, print, print_json, table, visible};

/// What it is, and a line for each section.
pub(crate) fn text(document: &Document) -> String {
    let record = normalize(document);
    let mut text = about(&record);
    let mut sections = table(["section", "title", "code", "entries", "not in the record"]);
    for section in &record.sections {
        let unread: Vec<String> = section
            .unread
            .iter()
            .map(|unread| {
                let template = unread.template.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
                format!("{} {}{template}", unread.count, unread.element)
            })
            .collect();
        sections.add_row([
            section.kind.as_deref().unwrap_or("-").to_owned(),
            cell(section.title.as_deref().unwrap_or_default()),
            cell(section.code.as_ref().and_then(|code| code.code.as_deref()).unwrap_or_default()),
            section.entries.to_string(),
            unread.join(", "),
        ]);
    }
    // Writing to a String does not fail.
    let _ = write!(text, "\n{}", sections.trim_fmt());
    text
}

/// All its sections as one page.
pub(crate) fn html(document: &Document) -> String {
    let record = normalize(document);
    let mut page = String::from(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:\">\
         <title>document</title></head><body>\n",
    );
    for (section, known) in document.sections().into_iter().zip(&record.sections) {
        let title = known.title.as_deref().unwrap_or_default();
        let html = narrative_html(section);
        let rest = if html.is_whole { "" } else { "<p>(the rest is too long to be shown)</p>" };
        // Writing to a String does not fail.
        let _ = writeln!(page, "<h2>{}</h2>\n{}{rest}", escaped(title), html.text);
    }
    page + "</body></html>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn about(record: &Record) -> String {
    let header = &record.header;
    let text = |text: &Option<orderly_record::Text>| text.as_deref().unwrap_or("-").to_owned();
    let parts = [
        ("document", format!("{} {}", text(&header.event), text(&header.version))),
        ("id", text(&header.control_id)),
        ("title", record.documents.first().map(|document| text(&document.title)).unwrap_or_default()),
        ("from", header.sending_facility.as_ref().map(|from| text(&from.name)).unwrap_or_default()),
        ("created", header.sent_at.as_ref().map(ToString::to_string).unwrap_or_default()),
    ];
    let elements = [
        ("allergies", record.allergies.len()),
        ("conditions", record.conditions.len()),
        ("medications", record.medications.len()),
        ("immunizations", record.immunizations.len()),
        ("procedures", record.procedures.len()),
        ("results", record.results.len()),
        ("vital signs", record.vital_signs.len()),
        ("visits", record.visits.len()),
        ("of the social history", record.social_history.len()),
        ("relatives", record.family_history.len()),
        ("of the functional status", record.functional_status.len()),
        ("goals", record.goals.len()),
        ("concerns", record.health_concerns.len()),
        ("plans", record.plans.len()),
        ("devices", record.devices.len()),
        ("advance directives", record.advance_directives.len()),
        ("insurances", record.insurances.len()),
    ];
    let mut lines: Vec<String> =
        parts.iter().map(|(name, value)| format!("{name:<10} {}", visible(value))).collect();
    let held = elements.iter().filter(|(_, count)| *count > 0);
    let held: Vec<String> = held.map(|(name, count)| format!("{count} {}", counted(name, *count))).collect();
    lines.push(format!("{:<10} {}", "record", held.join(", ")));
    lines.join("\n") + "\n"
}

/// `1 condition`, `2 conditions`, `1 allergy`.
fn counted(name: &str, count: usize) -> String {
    match (count, name.strip_suffix("ies"), name.strip_suffix('s')) {
        (1, Some(stem), _) => format!("{stem}y"),
        (1, None, Some(stem)) if !name.starts_with("of ") => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// Every text and attribute by its path, for programs.
pub(crate) fn to_json(document: &Document) -> Value {
    let mut leaves = Map::new();
    for (path, value) in below(document.root()) {
        leaves.insert(path, Value::String(value));
    }
    Value::Object(leaves)
}

/// Prints what the paths name: an attribute, or all that is in an element; whether all of them name something that is there.
pub(crate) fn print_paths(document: &Document, paths: &[String], json: bool) -> Result<bool, Failure> {
    let mut all_there = true;
    for text in paths {
        let path = Path::read(text)?;
        let found = path.find(document);
        all_there &= !found.is_empty();
        for (path, value) in found {
            if json {
                print_json(&json!({ "path": path, "value": value }));
            } else {
                print(format_args!("{path}  {value}"));
            }
        }
    }
    Ok(all_there)
}

/// `/ClinicalDocument/recordTarget/patientRole/id[2]/@extension`.
struct Path<'t> {
    /// Names with the number of the occurrence, all of them when there is none.
    steps: Vec<(&'t str, Option<usize>)>,
    attribute: Option<&'t str>,
}

impl<'t> Path<'t> {
    fn read(text: &'t str) -> Result<Path<'t>, Failure> {
        let wrong = || {
            Failure::new(format!("{text} is no path into a document"))
                .help("write it like /ClinicalDocument/recordTarget/patientRole/id[1]/@extension")
        };
        let mut parts: Vec<&str> = text.strip_prefix('/').ok_or_else(wrong)?.split('/').collect();
        let attribute = parts.last().and_then(|last| last.strip_prefix('@'));
        if attribute.is_some() {
            parts.pop();
        }
        let step = |part: &'t str| match part.split_once('[') {
            None => Some((part, None)),
            Some((name, number)) => {
                let number = number.strip_suffix(']')?.parse().ok()?;
                (number > 0).then_some((name, Some(number)))
            }
        };
        let steps: Option<Vec<_>> = parts.into_iter().map(step).collect();
        let steps = steps.filter(|steps| steps.iter().all(|(name, _)| !name.is_empty())).ok_or_else(wrong)?;
        Ok(Path { steps, attribute })
    }

    fn find(&self, document: &Document) -> Vec<(String, String)> {
        let Some(((root, _), steps)) = self.steps.split_first() else { return Vec::new() };
        let mut found = vec![document.root()];
        found.retain(|element| element.name() == *root);
        for (name, number) in steps {
            let mut next = Vec::new();
            for element in found {
                let children = element.children_named(name);
                match number {
                    None => next.extend(children),
                    Some(number) => next.extend(children.skip(number.saturating_sub(1)).take(1)),
                }
            }
            found = next;
        }
        match self.attribute {
            None => found.into_iter().flat_map(below).collect(),
            Some(name) => found
                .into_iter()
                .filter_map(|element| {
                    Some((format!("{}/@{name}", element.path()), element.attribute(name)?.to_owned()))
                })
                .collect(),
        }
    }
}

/// Every attribute and text of an element and of all that is in it, in the order of the document. What is mixed with elements is the text
/// before the first of them; the whole text of a narrative is in the record.
fn below(element: Element<'_>) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    let mut waiting = vec![(element, element.path())];
    while let Some((element, path)) = waiting.pop() {
        leaves
            .extend(element.attributes().map(|(name, value)| (format!("{path}/@{name}"), value.to_owned())));
        let children = with_paths(element, &path);
        let text = if children.is_empty() { element.text() } else { element.leading_text().into() };
        if !text.trim().is_empty() {
            leaves.push((path, text.trim().to_owned()));
        }
        waiting.extend(children.into_iter().rev());
    }
    leaves
}

/// The children with their paths, made for all of them at once: asking each would count its brothers again and again.
fn with_paths<'d>(element: Element<'d>, path: &str) -> Vec<(Element<'d>, String)> {
    let mut totals: HashMap<&str, usize> = HashMap::new();
    for child in element.children() {
        *totals.entry(child.name()).or_default() += 1;
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let with_path = |child: Element<'d>| {
        let name = child.name();
        let number = seen.entry(name).or_default();
        *number += 1;
        let path = match totals.get(name) {
            Some(1) | None => format!("{path}/{name}"),
            Some(_) => format!("{path}/{name}[{number}]"),
        };
        (child, path)
    };
    element.children().map(with_path).collect()
}
