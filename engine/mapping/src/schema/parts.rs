//! What the schemas of mappings, routes and `orderly.yaml` are made of.

use serde_json::{Map, Value as Json, json};

use crate::functions::FUNCTIONS;

/// Keys that may be any text.
pub(super) const ANY_KEY: &str = ".*";

/// Keys of a built map other than those with a meaning of their own: no value can be part of one.
pub(super) const BUILT_KEY: &str = r"^(?!\$)(?!.*\$\{)";

/// Every `${` is closed, or written `$${`; braces in texts within count as text.
const CLOSED: &str = r"^(?:[^$]|\$(?!\{)|\$\$\{|\$\{(?:[^}']|'[^']*')*\})*$";

/// What every condition has somewhere.
const ASKS: &str = r"[=<>]|\bin\b|\bmatches\b|\bis\b";

/// A schema with more said in it; what is said again replaces what was.
#[must_use]
pub fn with(mut schema: Json, more: Json) -> Json {
    if let (Json::Object(said), Json::Object(more)) = (&mut schema, more) {
        said.extend(more);
    }
    schema
}

/// A map with these keys and no others.
#[must_use]
pub fn object(about: &str, required: &[&str], properties: Json) -> Json {
    let needs = if required.is_empty() { json!({}) } else { json!({ "required": required }) };
    let keys = json!({ "properties": properties, "additionalProperties": false });
    with(with(with(titled(about), json!({ "type": "object" })), needs), keys)
}

/// A description, and its beginning as the title by which editors offer to insert all of it.
fn titled(about: &str) -> Json {
    let title = about.split([':', ';', ',', '(']).next().map(str::trim_end).filter(|title| !title.is_empty());
    with(described(about), title.map_or(json!({}), |title| json!({ "title": title })))
}

/// A map whose keys are names that fit a pattern.
#[must_use]
pub fn map_of(about: &str, key: &str, value: &Json) -> Json {
    let keys =
        json!({ "type": "object", "patternProperties": { key: value }, "additionalProperties": false });
    with(described(about), keys)
}

/// A list.
#[must_use]
pub fn list(about: &str, items: &Json) -> Json {
    with(described(about), json!({ "type": "array", "items": items }))
}

/// A text, which YAML may take for a number or a truth value: it is read as written.
#[must_use]
pub fn text(about: &str) -> Json {
    with(described(about), json!({ "type": ["string", "number", "boolean"] }))
}

/// One of some words, each with what it means.
#[must_use]
pub fn choice(about: &str, choices: &[(&str, &str)]) -> Json {
    let told: Vec<String> = choices.iter().map(|(word, meaning)| format!("{word}: {meaning}")).collect();
    let (words, meanings): (Vec<&str>, Vec<&str>) = choices.iter().copied().unzip();
    let about = described(&format!("{about}. {}", told.join("; ")));
    with(about, json!({ "enum": words, "enumDescriptions": meanings }))
}

/// `true` or `false`.
#[must_use]
pub fn flag(about: &str) -> Json {
    with(described(about), json!({ "type": "boolean" }))
}

/// A condition of the mapping language.
#[must_use]
pub fn condition(about: &str) -> Json {
    json!({
        "description": format!(
            "{about}. A condition: PID-8 = 'M', message.event in ['A01', 'A04'], PID-3.1 matches /^7[0-9]+$/, PID-5 is present; \
             joined by and, or, not"
        ),
        "type": "string",
        "pattern": ASKS,
        "patternErrorMessage": "A condition compares, or asks whether something is present, is empty or is null",
    })
}

/// A value with `${...}` in it.
pub(super) fn value(about: &str) -> Json {
    let usages: Vec<&str> = FUNCTIONS.iter().map(|function| function.usage).collect();
    let language = format!(
        "A text; ${{...}} in it is an expression, as in ${{PID-5.1 | upper}}. Functions: {}. '' empties, ${{null}} writes HL7's null. \
         With ` #`, `: ` or quotes in it, put the whole value in quotes",
        usages.join(", ")
    );
    let about = if about.is_empty() { language } else { format!("{about}. {language}") };
    let closed = json!({
        "pattern": CLOSED,
        "patternErrorMessage":
            "A ${ is not closed: end the expression with }, or put the value in quotes, because YAML cut it",
    });
    with(text(&about), closed)
}

/// Names and their values, as `let` and `$let` have them.
pub(super) fn names(about: &str) -> Json {
    map_of(about, "^[a-z_][a-z0-9_]*$", &value("What the name stands for"))
}

/// What an `each` walks over.
pub(super) fn walked(about: &str) -> Json {
    let about = format!(
        "{about}: segments (OBX), a group (ORDER_OBSERVATION), the repetitions of a field (PID-3) or a list of the record (results). \
         `as name` gives it a name, `where` and a condition choose: OBX as result where OBX-2 = 'NM'"
    );
    with(described(&about), json!({ "type": "string", "minLength": 1 }))
}

/// The keys of a built map with a meaning of their own; `instead` is what `$value` may be a list of, or `false` where it has no meaning.
pub(super) fn directives(instead: &Json) -> Map<String, Json> {
    let values = "What stands here instead of a map";
    let mut directives = Map::new();
    for name in crate::compile::DIRECTIVES {
        let schema = match name {
            "$each" => walked("Makes a list of this map: once for each of what it walks over"),
            "$let" => names("Names values, for this map and below; they are used as ${$name}"),
            "$use" => text(
                "The name of a mapping or a fragment: what it has under `build:` stands here instead of a map",
            ),
            "$when" => condition("Without this the map, or this one of the list, is left out"),
            _ => match instead {
                Json::Bool(_) => Json::Bool(false),
                part => json!({ "anyOf": [value(values), list(values, part)] }),
            },
        };
        directives.insert(name.to_owned(), schema);
    }
    directives
}

/// Beside what stands instead of a map there is only what says how often and whether.
pub(super) fn alone() -> Json {
    let beside = |key: &str| json!({ "propertyNames": { "enum": ["$each", "$let", "$when", key] } });
    json!({ "$value": beside("$value"), "$use": beside("$use") })
}

/// A schema that says only what something is; nothing where that is said elsewhere.
fn described(about: &str) -> Json {
    match about {
        "" => json!({}),
        about => json!({ "description": about }),
    }
}
