//! The JSON Schemas of `orderly.yaml`, of routes and of tests, for editors: what may stand where, and what it means.
//!
//! That their keys and words are those of the loader, a test holds (`tests/schemas.rs`).

mod amqp;
mod files;
mod handling;
mod http;
mod tls;

use orderly_mapping::schema::{choice, condition, flag, list, map_of, object, text, with};
use serde_json::{Value as Json, json};

use crate::suite::FATES;

/// What names of sources and destinations are made of.
const NAME: &str = "^[A-Za-z0-9._-]+$";

/// The schema of `orderly.yaml`.
#[must_use]
pub fn site() -> Json {
    let keys = object(
        "A site: where messages come in and where they go. What each key means: docs/site.md",
        &["sources", "destinations"],
        json!({
            "site": text("What the site calls itself"),
            "journal": object("Where everything accepted is kept", &[], json!({
                "folder": text("The folder, relative to this file (default: journal)"),
                "keep": duration("How long files stay whose deliveries are all settled; for ever when nothing is said"),
                "segment_size_max": size("At this size a file of the journal is followed by a new one (default 1GiB)"),
            })),
            "queue": amqp::queue(),
            "reload": choice("When changed files come into force in a running engine", &[
                ("watch", "soon after they changed (default)"),
                ("manual", "by `orderly reload` only"),
            ]),
            "sources": map_of("Where messages come in, by name", NAME, &source()),
            "destinations": map_of("Where messages go, by name", NAME, &destination()),
        }),
    );
    titled("An Orderly site", keys)
}

/// The schema of a route's file.
#[must_use]
pub fn route() -> Json {
    let target = object(
        "A destination, and what rewrites the messages for it",
        &["destination"],
        json!({
            "destination": text("A destination of orderly.yaml, by its name"),
            "when": condition("Which of the route's messages go there; all, when nothing is said"),
            "mapping": text("The mapping, by its name; without one a message goes as it came"),
        }),
    );
    let to = with(
        list("Where its messages go, each place with its own mapping and its own fate", &target),
        json!({ "minItems": 1 }),
    );
    let keys = object(
        "A route: which messages of a source go where, rewritten by which mapping. docs/site.md tells more",
        &["route", "from", "to"],
        json!({
            "route": text("Its name; the file is called like it"),
            "about": text("What it is for, in a sentence for people"),
            "from": text("The source of orderly.yaml whose messages it takes, by its name"),
            "when": condition("Which of them it takes; all, when nothing is said"),
            "priority": handling::priority(),
            "to": to,
        }),
    );
    titled("An Orderly route", keys)
}

/// The schema of a test's file, beside a mapping or a route.
#[must_use]
pub fn test() -> Json {
    let count = |about: &str| json!({ "description": about, "type": "integer", "minimum": 1 });
    let case = object(
        "A case: a message, and what must become of it",
        &["name", "input", "expect"],
        json!({
            "name": text("What the case shows, in a sentence; each case has its own"),
            "input": text("A file with a message, its path from the folder of orderly.yaml; or the message itself as a block below |"),
            "message": count("Which message of the file, counted from 1; a file with several needs it"),
            "source": text("Of a mapping's case: the source it comes in by; that of the first route with the mapping when nothing is said"),
            "id": count("The message's number in the journal, of which control ids are made (default 1)"),
            "accepted_at": {
                "description": "When it was accepted, with the offset: 2026-03-05T07:40:00-05:00",
                "type": "string",
                "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}.*(Z|[+-][0-9]{2}(:?[0-9]{2})?)",
            },
            "expect": expected(),
        }),
    );
    let cases = with(list("The cases", &case), json!({ "minItems": 1 }));
    let keys = object(
        "The tests of a mapping or a route; the file lies beside it and is called like it: adt-to-hospital.test.yaml",
        &["test", "cases"],
        json!({ "test": text("The mapping, or the route, by its name"), "cases": cases }),
    );
    let definitions = json!({ "fate": fate(), "members": members(), "output": of_output() });
    with(titled("Orderly tests", keys), json!({ "definitions": definitions }))
}

/// What is expected of a mapping: of its output, or of each of those that a `split` makes; of a route that below each destination.
fn expected() -> Json {
    let output = json!({ "$ref": "#/definitions/output" });
    let outputs =
        with(list("Of a mapping that splits: one entry an output", &output), json!({ "minItems": 1 }));
    let deliveries = json!({
        "description": "Of a route: each destination with what is expected there",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "anyOf": [output, outputs] },
        "allOf": [{ "properties": no_fate() }],
    });
    let about = "What must become of it; of a route also `not taken`";
    json!({ "description": about, "anyOf": [output, outputs, deliveries] })
}

/// What is expected of one output: whole, by its places, or that there is none.
fn of_output() -> Json {
    let whole = text("All of it: a file, or the output itself as a block below |");
    let members = json!({ "$ref": "#/definitions/members" });
    let places = json!({ "allOf": [members, { "minProperties": 1, "properties": no_fate() }] });
    json!({ "anyOf": [whole, { "$ref": "#/definitions/fate" }, places] })
}

/// Places of an output, those of JSON also inside of one another.
fn members() -> Json {
    json!({
        "description": "Of a message: PV1-2: INPATIENT, PID-8: is empty, is null or is present. Of JSON: its members, also as \
            results[1].code",
        "type": "object",
        "additionalProperties": { "anyOf": [text(""), { "$ref": "#/definitions/members" }] },
    })
}

/// That there is no output: one fate.
fn fate() -> Json {
    let keys = object(
        "No output: why",
        &[],
        json!({
            "filtered": text("It is not for this destination, for this reason"),
            "failed": text("It failed, for this reason"),
            "parked": text("It waits for a person, for this reason"),
            "line": { "description": "The line of the mapping that says so", "type": "integer", "minimum": 1 },
        }),
    );
    let one = FATES.map(|fate| json!({ "required": [fate] }));
    with(keys, json!({ "oneOf": one }))
}

/// A map with a fate is one, and nothing else.
fn no_fate() -> Json {
    FATES.iter().map(|fate| ((*fate).to_owned(), json!(false))).collect()
}

fn titled(title: &str, schema: Json) -> Json {
    with(schema, json!({ "$schema": "http://json-schema.org/draft-07/schema#", "title": title }))
}

fn source() -> Json {
    let codes = orderly_hl7v2::TOLERANCES.iter().chain(&orderly_ccda::TOLERANCES);
    let refused = choice("What is not taken from it", &codes.copied().collect::<Vec<_>>());
    let keys = object(
        "A source: one way in, over MLLP, as files, by HTTP or out of a queue",
        &[],
        json!({
            "about": text("What it is, for people"),
            "processing": choice("What it carries (MSH-11); a message with another goes to nobody", &[
                ("production", "P"),
                ("training", "T"),
                ("debugging", "D"),
            ]),
            "charset": text("How its bytes become text, whatever MSH-18 says: UTF-8, ISO-8859-1, BIG-5, any name of table 0211 or of the web"),
            "charset_fallback": text("The same where MSH-18 says nothing and the bytes are not UTF-8 (default ISO-8859-1)"),
            "on_mapping_failure": choice("The answer to a message that is stored but whose mappings all failed", &[
                ("AA", "it is stored, and the fault is ours to mend (default)"),
                ("AE", "the sender wants to know"),
            ]),
            "acknowledgements": choice("In which mode it is answered", &[
                ("original", "AA, AE or AR, whatever MSH-15 and MSH-16 say (default)"),
                ("enhanced", "CA, CE or CR where MSH-15 or MSH-16 is filled, and only when MSH-15 wants it"),
            ]),
            "answer": {
                "description": "Whose answer its senders get, and how long that may take; they get that the message is stored when nothing is said",
                "type": "string",
                "pattern": r"^from [A-Za-z0-9._-]+ within [0-9].*[a-zµ]$",
                "patternErrorMessage": "A destination and a time: from lab-system within 10s",
            },
            "acknowledge": {
                "description": "When its senders are answered: stored (default), or queued within 10s: when the broker has all deliveries of their message, and negatively after that time",
                "type": "string",
                "pattern": r"^(stored|queued( within [0-9].*[a-zµ])?)$",
                "patternErrorMessage": "stored, queued, or queued within 10s",
            },
            "repeats": object(
                "The same message once more, by MSH-3, MSH-4, MSH-10 and all its bytes, is answered as it was and not delivered again; \
                 every message is one of its own when nothing is said",
                &["within"],
                json!({ "within": duration("For how long a message is known, since it was accepted") }),
            ),
            "refuse": { "description": "Deviations that are not tolerated: a message with one is quarantined and answered AE", "anyOf": [list("", &refused), refused] },
            "mllp": mllp_listener(),
            "files": files::source(),
            "http": http::source(),
            "amqp": amqp::source(),
        }),
    );
    one_kind(keys, &["mllp", "files", "http", "amqp"])
}

fn listen() -> Json {
    json!({
        "description": "IP address and port to listen at: 127.0.0.1:2575; 0.0.0.0:2575 for all interfaces",
        "type": "string",
        "pattern": r"^([0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}$",
    })
}

fn mllp_listener() -> Json {
    object(
        "HL7 v2 over MLLP",
        &["listen"],
        json!({
            "listen": listen(),
            "frame_size_max": size("The largest message (default 64MiB)"),
            "connections_max": number("How many connections at a time (default 64)"),
            "idle_timeout": duration("A connection that sends nothing for so long is closed (default 10m)"),
            "tls": tls::listener(),
        }),
    )
}

fn destination() -> Json {
    let keys = object(
        "A destination: one receiver, over MLLP, as files, by HTTP, a FHIR server or an exchange",
        &[],
        json!({
            "about": text("What it is, for people"),
            "order": handling::order(),
            "lanes": handling::lanes(),
            "lane": handling::lane(),
            "retry": handling::retry(),
            "on_refusal": handling::on_refusal(),
            "on_answer": handling::on_answer(),
            "expires_after": duration("What is older than this, since it was accepted, is not sent any more; nothing expires when nothing is said"),
            "rate": handling::rate(),
            "mllp": object("HL7 v2 over MLLP", &["address"], json!({
                "address": {
                    "description": "Host and port: ehr.example.org:2575",
                    "type": "string",
                    "pattern": "^.+:[0-9]{1,5}$",
                },
                "connect_timeout": duration("How long connecting may take (default 10s)"),
                "answer_timeout": duration("How long an answer may take (default 30s)"),
                "connection": choice("How long a connection lasts", &[
                    ("persistent", "From message to message (when nothing is said)"),
                    ("per_message", "For one message, as some receivers want it"),
                ]),
                "tls": tls::endpoint(),
            })),
            "files": files::destination(),
            "http": http::destination(),
            "fhir": http::fhir(),
            "amqp": amqp::destination(),
        }),
    );
    one_kind(keys, &["mllp", "files", "http", "fhir", "amqp"])
}

/// Of the ways in, or out, exactly one.
fn one_kind(keys: Json, kinds: &[&str]) -> Json {
    let one: Vec<Json> = kinds.iter().map(|kind| json!({ "required": [kind] })).collect();
    with(keys, json!({ "oneOf": one }))
}

fn duration(about: &str) -> Json {
    let about = if about.is_empty() { "A duration" } else { about };
    json!({
        "description": format!("{about}. With its unit: 500ms, 10s, 5m, 2h, 30d"),
        "type": "string",
        "pattern": "^[0-9].*[a-zµ]",
        "patternErrorMessage": "A duration with its unit, such as 500ms, 10s, 5m, 2h or 30d",
    })
}

fn size(about: &str) -> Json {
    json!({
        "description": format!("{about}. With its unit: 512B, 256KiB, 64MiB, 1GiB"),
        "type": "string",
        "pattern": r"^[0-9]+\s*(B|KiB|MiB|GiB)$",
        "patternErrorMessage": "A size with its unit, such as 512B, 256KiB, 64MiB or 1GiB",
    })
}

fn number(about: &str) -> Json {
    json!({ "description": about, "type": "integer", "minimum": 0 })
}
