//! What may stand in a destination about its deliveries.

use orderly_mapping::schema::{choice, list, object, text, with};
use serde_json::{Value as Json, json};

use super::duration;
use crate::site::handling::{ON_THE_WAY, REFUSALS};

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
