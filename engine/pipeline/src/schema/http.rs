//! `http:` of a destination.

use serde_json::{Value as Json, json};

use super::{choice, duration, object, text, tls, with};

/// One request a message.
pub(super) fn destination() -> Json {
    let keys = object(
        "A server that takes messages by HTTP, one request a message",
        &["url"],
        json!({
            "url": {
                "description": "Where to: https://hub.example.org/hl7/${message.type}; values of the message in the path only",
                "type": "string",
                "pattern": "^https?://[^/?#@$]+([/?].*)?$",
                "patternErrorMessage": "A URL: https://hub.example.org/hl7",
            },
            "method": choice("How", &[("POST", "(default)"), ("PUT", ""), ("PATCH", "")]),
            "content_type": text("What messages are (default: x-application/hl7-v2+er7, application/xml, application/json or text/plain, by how they begin)"),
            "headers": {
                "description": "What stands in the head of each request, by name; secrets as ${env:NAME} or ${file:path}",
                "type": "object",
                "additionalProperties": { "type": ["string", "number", "boolean"] },
            },
            "bearer": secret("The token that shows who sends"),
            "basic": basic(),
            "connect_timeout": duration("How long connecting may take (default 10s)"),
            "answer_timeout": duration("How long sending and the answer may take (default 30s)"),
            "tls": tls::endpoint(),
        }),
    );
    with(keys, json!({ "not": { "required": ["bearer", "basic"] } }))
}

fn basic() -> Json {
    object(
        "The user and the password that show who sends",
        &["user", "password"],
        json!({ "user": text("The user's name"), "password": secret("The password") }),
    )
}

/// Where a secret is found.
fn secret(about: &str) -> Json {
    json!({
        "description": format!("{about}, by where it is found: ${{env:NAME}} or ${{file:secrets/name}}"),
        "type": "string",
        "pattern": r"^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)\}$",
        "patternErrorMessage": "Never the secret itself, but where it is found: ${env:NAME} or ${file:secrets/name}",
    })
}
