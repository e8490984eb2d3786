//! What a path into a C-CDA document finds: the text of elements, or their attributes.

use std::borrow::Cow;

use orderly_ccda::Element;
use orderly_hl7v2::Select;

use crate::evaluate::holds;
use crate::plan::{Choice, ElementPath};
use crate::refusal::Refusal;
use crate::scope::{Here, Scope};
use crate::value::Value;

/// The value of a path; empty when the input is no document, and where nothing is found.
pub(crate) fn value<'s>(path: &'s ElementPath, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
    let start = match (path.below, scope.here) {
        (true, Here::Element(element)) => Some(element),
        (true, _) => None,
        (false, _) => scope.case.input.document().map(orderly_ccda::Document::root),
    };
    let mut found = Vec::from_iter(start);
    for (name, select) in &path.steps {
        let mut next = Vec::new();
        for element in found {
            chosen(element, name, select, scope, &mut next)?;
        }
        found = next;
    }
    let attribute = path.attribute.as_deref();
    let mut values = found.into_iter().map(|element| of_element(element, attribute));
    match path.several {
        true => Ok(Value::List(values.collect())),
        false => Ok(values.next().unwrap_or(Value::Empty)),
    }
}

/// Those of the elements below one that a step names.
fn chosen<'s>(
    element: Element<'s>,
    name: &str,
    select: &'s Choice,
    scope: &Scope<'_, 's>,
    next: &mut Vec<Element<'s>>,
) -> Result<(), Refusal> {
    let below: Vec<Element<'s>> = element.children().collect();
    scope.case.spend(below.len().saturating_add(1))?;
    let mut named = below.into_iter().filter(|child| child.name() == name);
    match select {
        Select::First => next.extend(named.next()),
        Select::Nth(n) => next.extend(named.nth(n.wrapping_sub(1))),
        Select::Last => next.extend(named.next_back()),
        Select::All => next.extend(named),
        Select::Append => {}
        Select::Where(test) | Select::AllWhere(test) => {
            for child in named {
                if holds(test, &scope.at(Here::Element(child)))? {
                    next.push(child);
                    if matches!(select, Select::Where(_)) {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

fn of_element<'s>(element: Element<'s>, attribute: Option<&str>) -> Value<'s> {
    if let Some(attribute) = attribute {
        return Value::text(element.attribute(attribute).unwrap_or_default());
    }
    let text = match element.text() {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    if text.is_empty() { Value::Segment } else { Value::Text(text) }
}
