//! GOL: what is to be reached.

use orderly_record::{Coded, Goal, Location};

use super::Fields;
use super::action::retraction;
use super::values::{coded, entity, text, time};

/// GOL (chapter 12, "Goal detail segment"). How it stands is its life cycle status, where that is not sent its review status.
pub(super) fn goal(gol: &Fields<'_>, source: Location) -> Goal {
    let priority = text(gol.first(6)).map(|code| Coded { code: Some(code), ..Coded::default() });
    let status = || [18, 11].into_iter().find_map(|field| text(gol.first(field)));
    Goal {
        code: coded(gol.first(3)),
        status: retraction(text(gol.first(1)).as_ref()).or_else(status),
        starts_at: time(gol.first(7)),
        target_at: time(gol.first(8)),
        priorities: priority.into_iter().collect(),
        recorded_at: time(gol.first(2)),
        identifiers: entity(gol.first(4)).into_iter().collect(),
        source: Some(source),
        ..Goal::default()
    }
}
