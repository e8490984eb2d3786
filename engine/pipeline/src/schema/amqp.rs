//! `amqp:` of a source and of a destination, and the site's `queue:`.

use serde_json::{Value as Json, json};

use super::http::secret;
use super::{choice, duration, flag, list, number, object, size, text, tls, with};

/// A queue that is consumed.
pub(super) fn source() -> Json {
    object(
        "Messages out of a queue of a broker that speaks AMQP 0-9-1 (RabbitMQ)",
        &["brokers", "user", "password", "queue"],
        with_access(json!({
            "queue": text("The queue; it is there already"),
            "prefetch": number("How many messages are handed out before the first is acknowledged (default 64)"),
            "message_size_max": size("The largest message (default 64MiB)"),
            "on_unreadable": choice("What becomes of what cannot be read as a message", &[
                ("quarantine", "it is kept in quarantine and taken off the queue (default)"),
                ("reject", "the same, and the broker passes it to the queue's dead letters"),
            ]),
        })),
    )
}

/// An exchange that is published to.
pub(super) fn destination() -> Json {
    object(
        "An exchange of a broker that speaks AMQP 0-9-1 (RabbitMQ)",
        &["brokers", "user", "password", "routing_key"],
        with_access(json!({
            "exchange": text("The exchange; when nothing is said, the routing key is the name of a queue"),
            "routing_key": text("The routing key: adt.${message.event}; a dot in a value becomes _"),
            "headers": {
                "description": "What stands in the head of each message, by name: x-type: ${message.type}",
                "type": "object",
                "additionalProperties": { "type": ["string", "number", "boolean"] },
            },
            "content_type": text("What messages are (default: x-application/hl7-v2+er7, application/xml, application/json or text/plain, by how they begin)"),
            "persistent": flag("Whether messages outlive the broker's restart (default true)"),
            "confirm_timeout": duration("How long the broker's confirm may take (default 30s)"),
        })),
    )
}

/// What carries deliveries.
pub(super) fn queue() -> Json {
    let name = json!({ "pattern": super::NAME, "maxLength": 60 });
    let heartbeat = duration("The longest silence of the broker, whole seconds (default 3s)");
    let keys = object(
        "What carries deliveries from the journal to whoever delivers them",
        &[],
        with(
            with_access(json!({
                "carrier": choice("By which way", &[
                    ("journal", "none: the engine that accepted them delivers them (default)"),
                    ("amqp", "queues of RabbitMQ, from which several nodes deliver: docs/clustering.md"),
                ]),
                "prefix": with(text("What all names at the broker begin with (default orderly)"), name),
                "ahead": number("So many deliveries a destination may be with the broker, of each node (default 10000)"),
            })),
            json!({ "heartbeat": heartbeat }),
        ),
    );
    let by_broker = json!({ "properties": { "carrier": { "const": "amqp" } }, "required": ["carrier"] });
    let needed = json!({ "required": ["brokers", "user", "password"] });
    let nothing_else = json!({ "maxProperties": 1, "required": ["carrier"] });
    with(keys, json!({ "if": by_broker, "then": needed, "else": nothing_else }))
}

/// The keys that all have, before these.
fn with_access(own: Json) -> Json {
    let host = text("A host, and its port where that is not 5672, with TLS 5671: mq1.example.org");
    let brokers = json!({
        "description": "The broker's addresses, tried in turn",
        "anyOf": [with(list("", &host), json!({ "minItems": 1 })), host],
    });
    let access = json!({
        "brokers": brokers,
        "virtual_host": text("The virtual host (default /)"),
        "user": text("Who we are there"),
        "password": secret("The password"),
        "heartbeat": duration("The longest silence of the broker, whole seconds (default 10s)"),
        "connect_timeout": duration("How long connecting may take, and logging in after it (default 10s)"),
        "tls": tls::endpoint(),
    });
    with(access, own)
}
