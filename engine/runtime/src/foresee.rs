//! What a replay would do to a message's deliveries, told without doing it.
//!
//! What always holds: it is what the journal does when the replay is stored; nothing is changed by asking.

use std::collections::{HashMap, HashSet};

use orderly_journal::{DeliveryState, NewDelivery, Only, StoredDelivery};
use orderly_pipeline::differences;
use serde::{Deserialize, Serialize};

use crate::replay::Also;

/// So many differences of a delivery are shown; their count is always whole. More is another message, which is better looked at whole.
const DIFFERENCES_MAX: usize = 100;

/// So much of a value is shown, in characters: a document inside a field fills no screen.
const VALUE_CHARACTERS_MAX: usize = 200;

/// What would become of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Its destination.
    pub destination: String,
    /// The route that makes it.
    pub route: String,
    /// What would be done.
    pub effect: Effect,
    /// The state of the delivery that there is, if there is one.
    pub before: Option<String>,
    /// Whether a person took that back.
    #[serde(default)]
    pub taken_back: bool,
    /// The state afterwards.
    pub becomes: String,
    /// In how many places what would be sent differs from what is stored.
    pub differing: usize,
    /// The first of them, when they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

impl Foreseen {
    /// Whether it would be sent because of the replay.
    pub fn is_sent(&self) -> bool {
        matches!(self.effect, Effect::Replaced | Effect::Added)
            && self.becomes == DeliveryState::Waiting.name()
    }
}

/// What would be done with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// What is not delivered is replaced, at its place in the order.
    Replaced,
    /// A new one is added at the end.
    Added,
    /// It stays as it is.
    Left,
    /// It is not made any more.
    Cancelled,
}

/// A place where two payloads differ. The values come out of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The place, by its path.
    pub place: String,
    /// What is stored there.
    pub before: Option<String>,
    /// What would be sent.
    pub after: Option<String>,
}

/// What a replay would do: `stored` are the message's deliveries, `made` what the plan makes now.
pub(crate) fn foresee(
    stored: &[StoredDelivery],
    made: &[NewDelivery],
    also: Also,
    only: Option<&Only>,
    with_differences: bool,
) -> Vec<Foreseen> {
    let mut latest: HashMap<Pair<'_>, &StoredDelivery> = HashMap::new();
    for delivery in stored {
        latest.insert((&delivery.route, &delivery.destination, delivery.part), delivery);
    }
    let mut foreseen = Vec::with_capacity(made.len());
    let mut seen = HashSet::new();
    let mut parts: HashMap<(&str, &str), u32> = HashMap::new();
    for delivery in made {
        let part = parts.entry((&delivery.route, &delivery.destination)).or_default();
        let pair = (&*delivery.route, &*delivery.destination, *part);
        *part += 1;
        seen.insert(pair);
        let here = latest.get(&pair).copied();
        foreseen.extend(one(here, delivery, also, only, with_differences));
    }
    let gone = stored.iter().filter(|delivery| {
        let pair = (&*delivery.route, &*delivery.destination, delivery.part);
        !seen.contains(&pair)
            && latest.get(&pair).is_some_and(|latest| latest.seq == delivery.seq)
            && !delivery.state.is_settled()
            && takes(only, delivery)
    });
    foreseen.extend(gone.map(|delivery| Foreseen {
        effect: Effect::Cancelled,
        becomes: DeliveryState::Cancelled.name().to_owned(),
        ..left(delivery)
    }));
    foreseen
}

/// Route, destination, part.
type Pair<'d> = (&'d str, &'d str, u32);

fn takes(only: Option<&Only>, delivery: &StoredDelivery) -> bool {
    only.is_none_or(|only| only.takes(Some(delivery.seq), delivery.state, &delivery.destination))
}

fn left(delivery: &StoredDelivery) -> Foreseen {
    let state = delivery.state.name().to_owned();
    Foreseen {
        destination: delivery.destination.clone(),
        route: delivery.route.clone(),
        effect: Effect::Left,
        before: Some(state.clone()),
        taken_back: delivery.is_taken_back(),
        becomes: state,
        differing: 0,
        differences: Vec::new(),
    }
}

/// Nothing when it is not made, because the replay is about others.
fn one(
    here: Option<&StoredDelivery>,
    made: &NewDelivery,
    also: Also,
    only: Option<&Only>,
    with_differences: bool,
) -> Option<Foreseen> {
    let effect = match here {
        None if only.is_some_and(|only| !only.takes_new(&made.destination)) => return None,
        None => Effect::Added,
        Some(here) if !takes(only, here) => return Some(left(here)),
        Some(here) if here.is_taken_back() && !also.cancelled => return Some(left(here)),
        Some(here) if here.state != DeliveryState::Delivered => Effect::Replaced,
        Some(_) if also.delivered => Effect::Added,
        Some(here) => return Some(left(here)),
    };
    let (before, after) = (here.and_then(|here| here.payload.as_deref()), made.payload.as_deref());
    let found = match (before, after) {
        (Some(before), Some(after)) => differences(before, after),
        _ => Vec::new(),
    };
    let differing = found.len();
    let shown = if with_differences { DIFFERENCES_MAX } else { 0 };
    Some(Foreseen {
        destination: made.destination.to_string(),
        route: made.route.to_string(),
        effect,
        before: here.map(|here| here.state.name().to_owned()),
        taken_back: here.is_some_and(StoredDelivery::is_taken_back),
        becomes: made.state.name().to_owned(),
        differing,
        differences: found.into_iter().take(shown).map(difference).collect(),
    })
}

fn difference(found: orderly_pipeline::Difference) -> Difference {
    let cut = |text: String| match text.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    };
    let orderly_pipeline::Difference { place, before, after } = found;
    Difference { place, before: before.map(cut), after: after.map(cut) }
}
