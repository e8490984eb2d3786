//! A message's way as text for people.

use orderly_mapping::{InputField, Lineage, OutputField, Question, Read, Traced};
use orderly_record::Place;

use super::{Explained, ExplainedRoute, Passage};
use crate::output::{cell, print as out};
use crate::site::{Site, plural};

/// Prints it.
pub(super) fn print(explained: &Explained, site: &Site) {
    let mut words = vec![explained.kind.clone(), explained.control_id.clone()];
    words.retain(|word| !word.is_empty());
    let named = if words.is_empty() { "a message".to_owned() } else { words.join(" ") };
    let fate = explained.fate.as_ref().map(|(fate, reason)| match reason {
        Some(reason) => format!(": {fate}, {reason}"),
        None => format!(": {fate}"),
    });
    out(format_args!("{} from {}{}", cell(&named), explained.source, fate.unwrap_or_default()));
    for route in &explained.routes {
        print_route(route, site);
    }
}

fn print_route(route: &ExplainedRoute, site: &Site) {
    if let Some(name) = &route.name {
        let word = if route.takes { "takes it" } else { "does not take it" };
        out(format_args!("\nroute {name} {word}"));
    }
    print_question(route.when.as_ref());
    for passage in &route.passages {
        print_passage(passage, site);
    }
}

fn print_question(question: Option<&Question>) {
    if let Some(question) = question {
        let word = if question.holds { "holds" } else { "does not hold" };
        out(format_args!("  when {}: {word} ({})", question.text, placed(&question.place)));
        print_reads(&question.reads, "      ");
    }
}

fn print_passage(passage: &Passage, site: &Site) {
    let to = passage.destination.as_ref().map(|name| format!("to {name}")).unwrap_or_default();
    let through = passage.mapping.as_ref().map(|name| format!("through {name}"));
    let through = through.unwrap_or("as it came".to_owned());
    let (fate, reason) = (passage.fate.0, passage.fate.1.as_deref());
    let why = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
    out(format_args!("\n{}: {fate}{why}", [to, through].join(" ").trim_start()));
    print_question(passage.when.as_ref());
    if !passage.steps.is_empty() {
        out("\n  RULES (+ did something, - did not)");
    }
    let mut before = None;
    for step in &passage.steps {
        // A `when` and its action are one rule, and stand in one line.
        print_step(step, before == Some(&step.place), site);
        before = Some(&step.place);
    }
    if let Some(lineage) = &passage.lineage {
        print_lineage(lineage);
    }
}

fn print_step(step: &Traced, is_same_line: bool, site: &Site) {
    let (place, line) = match &step.place {
        Place::File { file, line, .. } => (format!("{file}:{line}"), site.line(file, *line).to_owned()),
        Place::Input { .. } | Place::None => (String::new(), String::new()),
    };
    let sign = if step.fired { '+' } else { '-' };
    let change = match (&step.before, &step.after) {
        (Some(before), Some(after)) => format!(": {} → {}", value(before), value(after)),
        (None, Some(after)) => format!(": {}", value(after)),
        _ => String::new(),
    };
    if !is_same_line {
        out(format_args!("  {sign} {place}  {}", cell(&line)));
    }
    let end = if matches!(step.action, "stop" | "fail" | "park") { step.action } else { "" };
    let colon = if end.is_empty() { "" } else { ": " };
    out(format_args!("      {end}{colon}{}{change}", step.why));
    print_reads(&step.reads, "      ");
}

fn print_reads(reads: &[Read], indent: &str) {
    for read in reads {
        out(format_args!("{indent}read {} = {}", read.path, value(&read.text)));
    }
}

/// A value in quotes, so that nothing is seen to be nothing.
fn value(text: &str) -> String {
    format!("`{}`", cell(text))
}

fn print_lineage(lineage: &Lineage) {
    let written = || lineage.outputs.iter().filter(|output| output.rule.is_some());
    if written().next().is_some() {
        out("\n  OUTPUT");
    }
    for output in written() {
        out(format_args!("  {:<18} {}", output.path, value(&output.text)));
        out(format_args!(
            "      by {}{}",
            output.rule.as_ref().map(placed).unwrap_or_default(),
            origins(output)
        ));
    }
    let copied = lineage.outputs.len() - written().count();
    if copied > 0 {
        out(format_args!("  and {copied} place{} as the message had them", plural(copied)));
    }
    if !lineage.inputs.is_empty() {
        out("\n  INPUT");
    }
    for input in lineage.inputs.iter().filter(|input| !is_copied_only(input)) {
        let offset = input.place.offset.map(|offset| format!(" (byte {offset})"));
        let element = input.place.element.as_ref().map(|element| format!(" ({element})"));
        let where_ = offset.or(element).unwrap_or_default();
        let name = input.place.name.unwrap_or_default();
        out(format_args!("  {:<18} {name}{where_}: {}", input.place.path, went(input)));
    }
    let copied = lineage.inputs.iter().filter(|input| is_copied_only(input)).count();
    if copied > 0 {
        out(format_args!("  and {copied} place{} copied, which no rule looked at", plural(copied)));
    }
}

fn is_copied_only(input: &InputField) -> bool {
    input.copied && input.to.is_empty() && input.rules.is_empty()
}

/// Where a place of the output came from.
fn origins(output: &OutputField) -> String {
    let place = |place: &orderly_mapping::InputPlace| match place.offset {
        Some(offset) => format!("{} (byte {offset})", place.path),
        None => place.path.clone(),
    };
    let mut from: Vec<String> = output.from.iter().map(place).collect();
    from.extend(output.also.iter().cloned());
    if from.is_empty() { String::new() } else { format!(", from {}", from.join(", ")) }
}

/// Where a place of the input went.
fn went(input: &InputField) -> String {
    let mut words = Vec::new();
    if !input.to.is_empty() {
        words.push(format!("to {}", input.to.join(", ")));
    }
    if input.copied {
        words.push("copied".to_owned());
    }
    if input.removed && input.to.is_empty() {
        words.push("taken out".to_owned());
    }
    if input.to.is_empty() && !input.rules.is_empty() {
        let rules: Vec<String> = input.rules.iter().map(placed).collect();
        words.push(format!("looked at in {}", rules.join(", ")));
    }
    if words.is_empty() { "nowhere".to_owned() } else { words.join(", ") }
}

fn placed(place: &Place) -> String {
    match place {
        Place::File { file, line, .. } => format!("{file}:{line}"),
        Place::Input { path, .. } => path.clone(),
        Place::None => String::new(),
    }
}
