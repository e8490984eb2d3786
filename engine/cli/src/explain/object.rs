//! A message's way as JSON for programs.

use orderly_mapping::{InputField, InputPlace, Lineage, OutputField, Question, Read, Traced};
use orderly_record::Place;
use serde_json::{Value, json};

use super::{Explained, ExplainedRoute, Passage};
use crate::output::print_json;

/// Prints it.
pub(super) fn print(explained: &Explained) {
    let (fate, reason) = match &explained.fate {
        Some((fate, reason)) => (Some(*fate), reason.as_deref()),
        None => (None, None),
    };
    print_json(&json!({
        "source": explained.source,
        "type": explained.kind,
        "control_id": explained.control_id,
        "fate": fate,
        "reason": reason,
        "routes": explained.routes.iter().map(route).collect::<Vec<_>>(),
    }));
}

fn route(route: &ExplainedRoute) -> Value {
    json!({
        "route": route.name,
        "when": route.when.as_ref().map(question),
        "takes": route.takes,
        "destinations": route.passages.iter().map(passage).collect::<Vec<_>>(),
    })
}

fn question(question: &Question) -> Value {
    let (file, line, column) = placed(&question.place);
    json!({
        "condition": question.text,
        "file": file,
        "line": line,
        "column": column,
        "holds": question.holds,
        "reads": question.reads.iter().map(read).collect::<Vec<_>>(),
    })
}

fn passage(passage: &Passage) -> Value {
    let lineage = passage.lineage.as_ref();
    let outputs = |lineage: &Lineage| lineage.outputs.iter().map(output).collect::<Vec<_>>();
    let inputs = |lineage: &Lineage| lineage.inputs.iter().map(input).collect::<Vec<_>>();
    json!({
        "destination": passage.destination,
        "when": passage.when.as_ref().map(question),
        "mapping": passage.mapping,
        "fate": passage.fate.0,
        "reason": passage.fate.1,
        "rules": passage.steps.iter().map(step).collect::<Vec<_>>(),
        "outputs": lineage.map(outputs),
        "inputs": lineage.map(inputs),
    })
}

fn step(step: &Traced) -> Value {
    let (file, line, column) = placed(&step.place);
    json!({
        "action": step.action,
        "file": file,
        "line": line,
        "column": column,
        "fired": step.fired,
        "why": step.why,
        "before": step.before,
        "after": step.after,
        "reads": step.reads.iter().map(read).collect::<Vec<_>>(),
    })
}

fn read(read: &Read) -> Value {
    json!({ "path": read.path, "text": read.text, "decides": read.decides })
}

fn output(output: &OutputField) -> Value {
    let rule = output.rule.as_ref().map(|rule| {
        let (file, line, column) = placed(rule);
        json!({ "file": file, "line": line, "column": column })
    });
    json!({
        "path": output.path,
        "text": output.text,
        "rule": rule,
        "from": output.from.iter().map(place).collect::<Vec<_>>(),
        "also": output.also,
    })
}

fn input(input: &InputField) -> Value {
    let rules = input.rules.iter().map(|rule| {
        let (file, line, column) = placed(rule);
        json!({ "file": file, "line": line, "column": column })
    });
    let mut value = place(&input.place);
    let more = json!({
        "text": input.text,
        "to": input.to,
        "rules": rules.collect::<Vec<_>>(),
        "copied": input.copied,
        "removed": input.removed,
        "nowhere": input.went_nowhere(),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn place(place: &InputPlace) -> Value {
    json!({ "path": place.path, "name": place.name, "offset": place.offset, "element": place.element })
}

fn placed(place: &Place) -> (Option<&str>, Option<usize>, Option<usize>) {
    match place {
        Place::File { file, line, column, .. } => (Some(file), Some(*line), Some(*column)),
        Place::Input { .. } | Place::None => (None, None, None),
    }
}
