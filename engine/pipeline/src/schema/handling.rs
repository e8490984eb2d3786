//! What may stand in a destination about its deliveries.

use orderly_mapping::schema::{choice, condition, list, object, text, with};
use serde_json::{Value as Json, json};

use super::duration;
use crate::site::handling::{ON_THE_WAY, REFUSALS};

pub(super) fn order() -> Json {
    choice(
        "In which order messages are sent",
        &[
            ("fifo", "that of acceptance, one in flight (default)"),
            ("per_patient", "that of acceptance for each patient, several patients beside each other"),
        ],
    )
}

pub(super) fn lanes() -> Json {
    json!({
        "description": "With order: per_patient, how many messages may be in flight, each of another patient (default 8)",
        "type": "integer",
        "minimum": 1,
        "maximum": 64,
    })
}

pub(super) fn lane() -> Json {
    let one = text("What is the same in messages that must stay in order: ${PID-18.1}");
    let about = "With order: per_patient, what is taken for the patient, one or several texts; PID-3, and MRG of a merge, when nothing is said";
    json!({ "description": about, "anyOf": [list("", &one), one] })
}

pub(super) fn priority() -> Json {
    let word = choice(
        "For all its messages",
        &[
            ("stat", "before all others"),
            ("normal", "neither hurried nor put off (default)"),
            ("backfill", "only while nothing else is to be sent: history, a large initial load"),
        ],
    );
    let keys = object(
        "For those that meet a condition; the others are normal",
        &[],
        json!({
            "stat": condition("Which of its messages go before all others"),
            "backfill": condition("Which of its messages are sent only while nothing else is"),
        }),
    );
    let keys = with(keys, json!({ "minProperties": 1 }));
    json!({
        "description": "Which of its deliveries go first. Order holds within a priority, not between them",
        "anyOf": [word, keys],
    })
}

pub(super) fn retry() -> Json {
    let waits = json!({
        "description": "The waits after the first, second, ... failure: [1s, 5s, 30s]",
        "anyOf": [list("", &duration("")), duration("")],
    });
    let jitter = with(
        text(
            "By how much a wait may be shorter or longer, so that what failed together does not come back together: 10%",
        ),
        json!({ "pattern": "^[0-9]+ *%$" }),
    );
    let keys = object(
        "When a failed delivery is tried again (default: after 1s, 5s, 30s, 2m, then every 10m, for ever)",
        &[],
        json!({
            "schedule": waits,
            "then": duration("The wait after every later failure; the last of the schedule when nothing is said"),
            "for": duration("How long a delivery is tried from its first failure on; then it is parked, and the next one goes on"),
            "jitter": jitter,
        }),
    );
    with(keys, json!({ "minProperties": 1 }))
}

const PARK: (&str, &str) = ("park", "it is set aside for a person");
const BLOCK: (&str, &str) = ("block", "nothing more is sent there until a person has looked");
const RETRY: (&str, &str) = ("retry", "it is tried again by `retry:`");
const ACCEPT: (&str, &str) = ("accept", "it counts as delivered");

pub(super) fn on_refusal() -> Json {
    choice(
        "What a refusal (AE, AR, CE, CR, a status of 400 and more) does, where on_answer does not say (default park)",
        &[PARK, BLOCK, RETRY],
    )
}

pub(super) fn on_answer() -> Json {
    let answered = choice("What this code does", &[PARK, BLOCK, RETRY, ACCEPT]);
    let unanswered = choice("What this code does", &[PARK, BLOCK, RETRY]);
    json!({
        "description": "What single codes do: { AR: retry, '503': park }. Codes are those of acknowledgements, HTTP statuses, and those that \
            `orderly show` has of failed attempts",
        "type": "object",
        "patternProperties": {
            (format!("^({}|[345][0-9][0-9])$", REFUSALS.join("|"))): answered,
            (format!("^({})$", ON_THE_WAY.join("|"))): unanswered,
        },
        "additionalProperties": false,
    })
}

pub(super) fn rate() -> Json {
    let about = "At most so many attempts in a second, minute or hour: 50/s, 600/m, 10000/h";
    with(text(about), json!({ "pattern": "^[1-9][0-9]*/[smh]$" }))
}
