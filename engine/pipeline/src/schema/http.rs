//! `http:` of a source and of a destination, and `fhir:` of a destination.

use serde_json::{Value as Json, json};

use super::{choice, duration, listen, number, object, size, text, tls, with};

/// Messages that are posted.
pub(super) fn source() -> Json {
    let keys = object(
        "Messages posted by HTTP, one a request; the acknowledgement is the answer",
        &["listen"],
        json!({
            "listen": listen(),
            "path": with(text("The path that messages are posted to (default /)"), json!({ "pattern": "^/[^?# ]*$" })),
            "body_size_max": size("The largest message (default 64MiB)"),
            "connections_max": number("How many connections at a time (default 64)"),
            "bearer": secret("The token that senders have to show"),
            "basic": basic("The user and the password that senders have to show"),
            "tls": tls::listener(),
        }),
    );
    with(keys, json!({ "not": { "required": ["bearer", "basic"] } }))
}

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
            "basic": basic("The user and the password that show who sends"),
            "oauth": oauth(),
            "connect_timeout": duration("How long connecting may take (default 10s)"),
            "answer_timeout": duration("How long sending and the answer may take (default 30s)"),
            "tls": tls::endpoint(),
        }),
    );
    with(keys, json!({ "not": { "required": ["bearer", "basic"] } }))
}

/// Resources to a FHIR server.
pub(super) fn fhir() -> Json {
    let keys = object(
        "A FHIR R4 server, which takes the resources and Bundles that mappings make",
        &["base"],
        json!({
            "base": {
                "description": "Its base: https://fhir.example.org/r4",
                "type": "string",
                "pattern": "^https?://[^/?#@$]+(/[^?#$]*)?$",
                "patternErrorMessage": "A URL: https://fhir.example.org/r4",
            },
            "conditional": choice("What becomes of a resource that has no id, by its first identifier with a system and a value", &[
                ("create", "It is made where no other has the identifier (If-None-Exist)"),
                ("update", "It replaces the one that has the identifier, or is made (PUT with a search)"),
            ]),
            "prefer": choice("What the server is asked to answer; as it likes, when nothing is said", &[
                ("minimal", "Nothing but the status"),
                ("representation", "The resource as it is now"),
                ("OperationOutcome", "An OperationOutcome, with its warnings"),
            ]),
            "bearer": secret("The token that shows who sends"),
            "basic": basic("The user and the password that show who sends"),
            "oauth": oauth(),
            "connect_timeout": duration("How long connecting may take (default 10s)"),
            "answer_timeout": duration("How long sending and the answer may take (default 30s)"),
            "tls": tls::endpoint(),
        }),
    );
    with(keys, json!({ "not": { "required": ["bearer", "basic"] } }))
}

fn basic(about: &str) -> Json {
    object(
        about,
        &["user", "password"],
        json!({ "user": text("The user's name"), "password": secret("The password") }),
    )
}

/// Tokens that a server gives.
fn oauth() -> Json {
    let keys = object(
        "OAuth 2, client credentials: tokens that a server gives, fetched anew before they expire",
        &["token_url", "client_id"],
        json!({
            "token_url": text("Where tokens come from: https://auth.example.org/token"),
            "client_id": text("Who asks"),
            "client_secret": secret("What shows that"),
            "key": text("A PEM file, PKCS#8: the private key that shows that by a signature (RSA, or P-384)"),
            "key_id": text("By what the server knows the key (kid)"),
            "scope": text("What tokens are to be good for: system/*.cud"),
            "tls": tls::endpoint(),
        }),
    );
    with(keys, json!({ "oneOf": [{ "required": ["client_secret"] }, { "required": ["key"] }] }))
}

/// Where a secret is found.
pub(super) fn secret(about: &str) -> Json {
    json!({
        "description": format!("{about}, by where it is found: ${{env:NAME}} or ${{file:secrets/name}}"),
        "type": "string",
        "pattern": r"^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)\}$",
        "patternErrorMessage": "Never the secret itself, but where it is found: ${env:NAME} or ${file:secrets/name}",
    })
}
