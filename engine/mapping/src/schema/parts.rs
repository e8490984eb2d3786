//! What the schemas of mappings, routes and `orderly.yaml` are made of.

use serde_json::{Map, Value as Json, json};

use crate::functions::FUNCTIONS;

/// Keys of a built map other than those with a meaning of their own: no value can be part of one.
pub(super) const BUILT_KEY: &str = r"^(?!\$)(?!.*\$\{)";

/// Every `${` is closed, or written `$${`; braces in texts within count as text.
const CLOSED: &str = r"^(?:[^$]|\$(?!\{)|\$\$\{|\$\{(?:[^}']|'[^']*')*\})*$";

/// What every condition has somewhere.
const ASKS: &str = r"[=<>]|\bin\b|\bmatches\b|\bis\b";

/// A map with these keys and no others.
#[must_use]
pub fn object(about: &str, required: &[&str], properties: Json) -> Json {
    let mut schema = described(about);
    schema["type"] = json!("object");
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["properties"] = properties;
    schema["additionalProperties"] = json!(false);
    schema
}

/// A map whose keys are names that fit a pattern.
#[must_use]
pub fn map_of(about: &str, key: &str, value: &Json) -> Json {
    let mut schema = described(about);
    schema["type"] = json!("object");
    schema["patternProperties"] = json!({ key: value });
    schema["additionalProperties"] = json!(false);
    schema
}

/// A list.
#[must_use]
pub fn list(about: &str, items: &Json) -> Json {
    let mut schema = described(about);
    schema["type"] = json!("array");
    schema["items"] = items.clone();
    schema
}

/// A text, which YAML may take for a number or a truth value: it is read as written.
#[must_use]
pub fn scalar(about: &str) -> Json {
    let mut schema = described(about);
    schema["type"] = json!(["string", "number", "boolean"]);
    schema
}

/// Words: a name, a sentence, a path.
#[must_use]
pub fn text(about: &str) -> Json {
    scalar(about)
}

/// One of some words, each with what it means.
#[must_use]
pub fn choice(about: &str, choices: &[(&str, &str)]) -> Json {
    let told: Vec<String> = choices.iter().map(|(word, meaning)| format!("{word}: {meaning}")).collect();
    let mut schema = described(&format!("{about}. {}", told.join("; ")));
    schema["enum"] = choices.iter().map(|(word, _)| json!(word)).collect();
    schema["enumDescriptions"] = choices.iter().map(|(_, meaning)| json!(meaning)).collect();
    schema
}

/// `true` or `false`.
#[must_use]
pub fn flag(about: &str) -> Json {
    let mut schema = described(about);
    schema["type"] = json!("boolean");
    schema
}

/// A condition of the mapping language.
#[must_use]
pub fn condition(about: &str) -> Json {
    let mut schema = described(&format!(
        "{about}. A condition: PID-8 = 'M', message.event in ['A01', 'A04'], PID-3.1 matches /^7[0-9]+$/, PID-5 is present; \
         joined by and, or, not"
    ));
    schema["type"] = json!("string");
    schema["pattern"] = json!(ASKS);
    schema["patternErrorMessage"] =
        json!("A condition compares, or asks whether something is present, is empty or is null");
    schema
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
    let mut schema = scalar(&about);
    schema["pattern"] = json!(CLOSED);
    schema["patternErrorMessage"] = json!(
        "A ${ is not closed: end the expression with }, or put the value in quotes, because YAML cut it"
    );
    schema
}

/// Names and their values, as `let` and `$let` have them.
pub(super) fn names(about: &str) -> Json {
    map_of(about, "^[a-z_][a-z0-9_]*$", &value("What the name stands for"))
}

/// What an `each` walks over.
pub(super) fn walked(about: &str) -> Json {
    let mut schema = described(&format!(
        "{about}: segments (OBX), a group (ORDER_OBSERVATION), the repetitions of a field (PID-3) or a list of the record (results). \
         `as name` gives it a name, `where` and a condition choose: OBX as result where OBX-2 = 'NM'"
    ));
    schema["type"] = json!("string");
    schema["minLength"] = json!(1);
    schema
}

/// The keys of a built map with a meaning of their own; `instead` is what `$value` may be besides a value.
pub(super) fn directives(instead: &Json) -> Json {
    let values = "What stands here instead of a map";
    let mut directives = Map::new();
    for name in crate::compile::DIRECTIVES {
        let schema = match name {
            "$each" => walked("Makes a list of this map: once for each of what it walks over"),
            "$let" => names("Names values, for this map and below; they are used as ${$name}"),
            "$when" => condition("Without this the map, or this one of the list, is left out"),
            _ => match instead {
                Json::Bool(_) => Json::Bool(false),
                part => json!({ "anyOf": [value(values), list(values, part)] }),
            },
        };
        directives.insert(name.to_owned(), schema);
    }
    Json::Object(directives)
}

/// A schema that says only what something is; nothing where that is said elsewhere.
fn described(about: &str) -> Json {
    match about {
        "" => json!({}),
        about => json!({ "description": about }),
    }
}
