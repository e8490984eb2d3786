//! A message's fields, one a line with its path; and the fields that a path names.

use std::convert::Infallible;

use orderly_hl7v2::{Message, Path, Places, Position, Presence, Select, View, dictionary};
use orderly_journal::{Fate, StoredMessage};
use orderly_pipeline::{FhirIssue, fhir_issues};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output::{print, print_json, time, visible};

/// The whole message: a line for each leaf that holds something, with what it is called and what its code means.
pub(crate) fn text(message: &Message<'_>) -> String {
    let mut lines = Vec::new();
    let places = Places::of(message);
    for index in 0..message.segments().len() {
        let Some((name, occurrence)) = places.occurrence(index) else { continue };
        let name = visible(name);
        let place = if occurrence > 1 { format!("{name}[{occurrence}]") } else { name.to_string() };
        lines.push(
            format!("{place:<20} {}", dictionary::segment(&name).unwrap_or_default()).trim_end().to_owned(),
        );
        for_each_leaf(message, index, &mut |at, text| {
            let (title, meant) = titled(message, at, &text);
            let path = places.path(at);
            let path = visible(&path);
            lines.push(format!("  {path:<18} {title:<TITLE_WIDTH$} {}{meant}", visible(&text)));
        });
    }
    lines.join("\n")
}

/// Room for most titles.
const TITLE_WIDTH: usize = 36;

/// What a place is called, cut where there is no room, and what its code means.
fn titled(message: &Message<'_>, at: &Position, text: &str) -> (String, String) {
    let Some(meaning) = message.meaning(at) else { return Default::default() };
    let title = meaning.titles.last().copied().unwrap_or_default();
    let fits = title.chars().count() <= TITLE_WIDTH;
    let cut = || title.chars().take(TITLE_WIDTH - 1).chain(['…']).collect();
    let meant = meaning.of_code(text).filter(|name| *name != text);
    (if fits { title.to_owned() } else { cut() }, meant.map(|name| format!(" ({name})")).unwrap_or_default())
}

/// The whole message for programs: segments with their leaves by path, and what these are called.
pub(crate) fn to_json(message: &Message<'_>) -> Value {
    let places = Places::of(message);
    let segment = |index: usize| {
        let (mut leaves, mut names) = (Map::new(), Map::new());
        for_each_leaf(message, index, &mut |at, text| {
            let path = places.path(at);
            if let Some(meaning) = message.meaning(at) {
                names.insert(path.clone(), Value::from(meaning.titles.join(" / ")));
            }
            leaves.insert(path, Value::String(text));
        });
        let name = places.occurrence(index).map_or("", |(name, _)| name);
        json!({ "segment": name, "name": dictionary::segment(name), "fields": leaves, "names": names })
    };
    (0..message.segments().len()).map(segment).collect()
}

fn for_each_leaf(message: &Message<'_>, segment: usize, found: &mut dyn FnMut(&Position, String)) {
    let last = message.segments().get(segment).map_or(0, orderly_hl7v2::Segment::last_field);
    for field in 1..=last {
        let position = Position::field(segment, field);
        leaves(&position, &message.view(&position), found);
    }
}

/// A part that has parts is shown by them, any other by its text.
fn leaves(at: &Position, view: &View<'_>, found: &mut dyn FnMut(&Position, String)) {
    if view.count() > 1 {
        for (number, child) in (1..).zip(view.children()) {
            leaves(&below(at, number), &child, found);
        }
        return;
    }
    let inner = view.child(1);
    if inner.count() > 1 {
        return leaves(&below(at, 1), &inner, found);
    }
    match view.presence() {
        Presence::Empty => {}
        Presence::Null => found(at, "\"\"".to_owned()),
        Presence::Present => found(at, view.text().into_owned()),
    }
}

fn below(at: &Position, number: usize) -> Position {
    match (at.repetition, at.component) {
        (None, _) => Position { repetition: Some(number), ..*at },
        (_, None) => Position { component: Some(number), ..*at },
        _ => Position { subcomponent: Some(number), ..*at },
    }
}

/// Prints what the paths name; whether all of them name something that is there.
pub(crate) fn print_paths(message: &Message<'_>, paths: &[String], json: bool) -> Result<bool, Failure> {
    let mut all_there = true;
    let counted = Places::of(message);
    for text in paths {
        let path: Path<Infallible> =
            text.parse().map_err(|error| Failure::new(format!("{text}: {error}")))?;
        let places = places(message, &path);
        all_there &= places.iter().any(|place| message.view(place).presence() != Presence::Empty);
        for place in &places {
            let value = message.view(place).whole_text().into_owned();
            if json {
                print_json(&json!({ "path": counted.path(place), "value": value }));
            } else {
                print(format_args!("{:<18} {}", visible(&counted.path(place)), visible(&value)));
            }
        }
    }
    Ok(all_there)
}

/// The places a path names in this message.
fn places(message: &Message<'_>, path: &Path<Infallible>) -> Vec<Position> {
    let segments: Vec<usize> = message.indexes(&path.segment).collect();
    let mut places = Vec::new();
    for segment in selected(&path.occurrence, &segments) {
        let Some(field) = path.field else {
            let last = message.segments().get(segment).map_or(0, orderly_hl7v2::Segment::last_field);
            places.extend((1..=last).map(|field| Position::field(segment, field)));
            continue;
        };
        let whole = Position::field(segment, field);
        let count = message.view(&whole).count().max(1);
        let repetitions: Vec<usize> = (1..=count).collect();
        let below = |repetition| Position {
            repetition,
            component: path.component,
            subcomponent: path.subcomponent,
            ..Position::field(segment, field)
        };
        match &path.repetition {
            None => places.push(below(path.component.map(|_| 1))),
            Some(select) => {
                places.extend(selected(select, &repetitions).into_iter().map(|number| below(Some(number))));
            }
        }
    }
    places
}

/// Those of `all` that are selected. What is typed on a command line has no filters, and appends nothing.
fn selected(select: &Select<Infallible>, all: &[usize]) -> Vec<usize> {
    match select {
        Select::First => all.first().copied().into_iter().collect(),
        Select::Nth(number) => all.get(number.saturating_sub(1)).copied().into_iter().collect(),
        Select::Last => all.last().copied().into_iter().collect(),
        Select::All => all.to_vec(),
        Select::Append => Vec::new(),
        Select::Where(never) | Select::AllWhere(never) => match *never {},
    }
}

/// What became of a stored message, for programs.
pub(crate) fn stored_json(stored: &StoredMessage) -> Value {
    let issue = |issue: &FhirIssue| {
        let FhirIssue { entry, severity, code, place, text } = issue;
        json!({ "entry": entry, "severity": severity, "code": code, "place": place, "text": text })
    };
    let attempt = |attempt: &orderly_journal::StoredAttempt| {
        json!({
            "at": time(attempt.at_us),
            "duration_us": attempt.duration_us,
            "outcome": attempt.outcome.name(),
            "code": attempt.code,
            "text": attempt.text,
            "issues": fhir_issues(&attempt.answer).iter().map(issue).collect::<Vec<_>>(),
        })
    };
    let delivery = |delivery: &orderly_journal::StoredDelivery| {
        json!({
            "delivery": delivery.seq,
            "destination": delivery.destination,
            "route": delivery.route,
            "state": delivery.state.name(),
            "reason": delivery.reason,
            "attempts": delivery.attempts.iter().map(attempt).collect::<Vec<_>>(),
        })
    };
    let is_repeat = stored.fate == Fate::Duplicate;
    json!({
        "id": stored.id,
        "source": stored.source,
        "certificate": stored.sender,
        "file": stored.origin.as_ref().map(|origin| json!({ "name": origin.name, "message": origin.member + 1 })),
        "accepted_at": time(stored.accepted_at_us),
        "fate": stored.fate.name(),
        "reason": stored.reason,
        "repeats": stored.earlier.filter(|_| is_repeat),
        "control_id_of": stored.earlier.filter(|_| !is_repeat),
        "plan": stored.plan,
        "deliveries": stored.deliveries.iter().map(delivery).collect::<Vec<_>>(),
    })
}
