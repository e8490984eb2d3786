//! Record paths checked against the record's own JSON Schema, so that a mistyped member is found when the mapping is loaded.

use std::sync::LazyLock;

use orderly_record::Record;
use serde_json::Value as Json;

/// The schema that the record's types give.
static SCHEMA: LazyLock<Json> = LazyLock::new(|| Record::schema().to_value());

/// The schema of the whole record.
pub(super) fn root() -> &'static Json {
    &SCHEMA
}

/// What a schema says that a value is.
pub(super) enum Shape {
    /// A text, a number, a truth value.
    Leaf,
    /// Members with names; the first stands for the whole, unless there are alternatives.
    Members { first: Option<&'static str> },
    /// A list of this.
    List(&'static Json),
}

/// The member of that name.
pub(super) fn member(schema: &'static Json, name: &str) -> Option<&'static Json> {
    alternatives(schema).find_map(|one| one.get("properties")?.get(name))
}

/// The names of all members.
pub(super) fn names(schema: &'static Json) -> Vec<&'static str> {
    let properties = alternatives(schema).filter_map(|one| one.get("properties")?.as_object());
    properties.flat_map(|properties| properties.keys().map(String::as_str)).collect()
}

/// What a value is.
pub(super) fn shape(schema: &'static Json) -> Shape {
    if let Some(items) = alternatives(schema).find_map(|one| one.get("items")) {
        return Shape::List(items);
    }
    let objects: Vec<&'static Json> =
        alternatives(schema).filter(|one| one.get("properties").is_some()).collect();
    match objects.as_slice() {
        [] => Shape::Leaf,
        [only] => {
            let properties = only.get("properties").and_then(Json::as_object);
            Shape::Members { first: properties.and_then(|members| members.keys().next()).map(String::as_str) }
        }
        _ => Shape::Members { first: None },
    }
}

/// The schema behind references, and each of several where it says `anyOf` or `oneOf`; nulls say nothing about members.
fn alternatives(schema: &'static Json) -> Box<dyn Iterator<Item = &'static Json>> {
    if let Some(name) = schema.get("$ref").and_then(Json::as_str) {
        let target = name.strip_prefix('#').and_then(|pointer| root().pointer(pointer));
        return Box::new(target.into_iter().flat_map(alternatives));
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(several) = schema.get(several).and_then(Json::as_array) {
            return Box::new(several.iter().flat_map(alternatives));
        }
    }
    Box::new(std::iter::once(schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_behind_references_and_options() {
        let patient = member(root(), "patient").unwrap();
        let identifiers = member(patient, "identifiers").unwrap();
        let Shape::List(identifier) = shape(identifiers) else { panic!("identifiers is no list") };
        assert!(matches!(shape(identifier), Shape::Members { first: Some("value") }));
        assert!(matches!(shape(member(identifier, "value").unwrap()), Shape::Leaf));
        assert!(matches!(shape(member(patient, "name").unwrap()), Shape::Members { first: Some("family") }));
        assert!(matches!(shape(member(patient, "birth_date").unwrap()), Shape::Leaf));
        assert!(member(patient, "surname").is_none());
        assert!(names(patient).contains(&"deceased"));
    }
}
