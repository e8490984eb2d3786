//! Whether the standard knows the place that a path names. A place that no version has is most often a slip of the hand, but sites do use
//! segments and fields of their own: so it is a warning.

use orderly_hl7v2::dictionary::{self, Version};
use orderly_hl7v2::path::Path;

use crate::expression::Expression;
use crate::problems::{Problems, did_you_mean};
use crate::yaml::Span;

/// What a path is judged by.
struct Known<'p> {
    /// The version that the mapping says the message has.
    version: Option<Version>,
    span: &'p Span,
    problems: &'p Problems,
}

/// Warns of what the version, or where none is said no version of HL7 v2 has: a group, a segment, a field, a component, a subcomponent.
pub(super) fn check(path: &Path<Expression>, version: Option<Version>, span: &Span, problems: &Problems) {
    let known = Known { version, span, problems };
    if let Some((group, _)) = &path.group {
        check_group(group, span, problems);
    }
    let segment = path.segment.as_str();
    // Segments that begin with Z are the site's own.
    if segment.starts_with('Z') {
        return;
    }
    if dictionary::segment(segment).is_none() {
        return known.warn(format!("no version of HL7 v2 has a segment {segment}"), near(segment));
    }
    if let Some(field) = path.field {
        check_field(segment, field, path, &known);
    }
}

/// Warns of a group that no message structure of any version has.
pub(super) fn check_group(group: &str, span: &Span, problems: &Problems) {
    if !dictionary::groups().any(|known| known == group) {
        let help = did_you_mean(group, dictionary::groups());
        let known = Known { version: None, span, problems };
        known.warn(format!("no message structure has a group {group}"), help);
    }
}

impl Known<'_> {
    fn warn(&self, message: String, help: Option<String>) {
        let warning = self.problems.warning("mapping-path-unknown", self.span, message);
        warning.help(
            help.unwrap_or_else(|| "what the site has agreed on is fine; anything else is a slip".to_owned()),
        );
    }
}

/// The segment with the same letters, else the one that reads most alike.
fn near(segment: &str) -> Option<String> {
    let sorted = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    };
    let swapped = dictionary::segments().find(|known| sorted(known) == sorted(segment));
    match swapped {
        Some(known) => did_you_mean(known, [known]),
        None => did_you_mean(segment, dictionary::segments()),
    }
}

fn check_field(segment: &str, field: usize, path: &Path<Expression>, known: &Known<'_>) {
    let place = format!("{segment}-{field}");
    let Some(since) = dictionary::field_since(segment, field) else {
        let count = dictionary::field_count(segment);
        let message =
            format!("{segment} has {count} fields in the version that has the most, and no {place}");
        return known.warn(message, slipped_dot(segment, field, path));
    };
    if let Some(version) = known.version
        && !dictionary::has_field(segment, field, version)
    {
        let came = (since > version).then(|| format!("it came with {since}"));
        let help = slipped_dot(segment, field, path).or(came);
        return known.warn(format!("{place} does not exist in {version}"), help);
    }
    let Some(component) = path.component else { return };
    let types: Vec<&str> = match known.version {
        Some(version) => {
            dictionary::field(segment, field, version).map(|part| part.data_type).into_iter().collect()
        }
        None => dictionary::data_types(segment, field).collect(),
    };
    if !has_part(&types, component, &place, "components", known) {
        return;
    }
    let Some(subcomponent) = path.subcomponent else { return };
    let inner = types.into_iter().flat_map(|data_type| dictionary::component_types(data_type, component));
    has_part(
        &inner.collect::<Vec<_>>(),
        subcomponent,
        &format!("{place}.{component}"),
        "subcomponents",
        known,
    );
}

/// Whether what has one of these types has a part of this number; else it is warned of.
fn has_part(types: &[&str], number: usize, place: &str, what: &str, known: &Known<'_>) -> bool {
    // What another field says the type of may have anything; and text is its own first part.
    let is_open = types.last().is_none_or(|data_type| is_open(data_type));
    let count =
        types.iter().map(|data_type| dictionary::component_count(data_type)).max().unwrap_or(0).max(1);
    if is_open || number <= count {
        return true;
    }
    let message = format!("{place} has at most {count} {what}, and no {place}.{number}");
    let message = if count == 1 { format!("{place} has no {what}") } else { message };
    known.warn(message, None);
    false
}

/// Types of which the sources do not say what is in them.
fn is_open(data_type: &str) -> bool {
    matches!(data_type, "" | "-" | "WD")
        || data_type.eq_ignore_ascii_case("varies")
        || data_type.starts_with("CM")
}

/// PID-33 for PID-3.3: the path with the dot that may have been left out.
fn slipped_dot(segment: &str, field: usize, path: &Path<Expression>) -> Option<String> {
    let digits = field.to_string();
    let (front, back) = digits.split_at_checked(1)?;
    let (meant, component): (usize, usize) = (front.parse().ok()?, back.parse().ok()?);
    let types = dictionary::data_types(segment, meant);
    let has_part = types.map(dictionary::component_count).any(|count| (1..=count).contains(&component));
    (has_part && path.component.is_none() && path.repetition.is_none())
        .then(|| format!("did you mean {segment}-{meant}.{component}?"))
}
