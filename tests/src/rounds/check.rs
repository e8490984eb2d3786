//! Whether what senders, receivers and journals have seen of a round keeps the promise: pure, so that it can be shown on histories
//! written by hand that it sees.
//!
//! What always holds: each broken promise is said once, with the messages that show it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use orderly_journal::DeliveryState;

#[cfg(test)]
mod tests;

/// The most deliveries whose result may not be recorded when something fails, and which may come again.
pub const UNRECORDED_MAX: usize = 64;

/// How long a failure goes on having effects after it has ended: connections are made anew, and deliveries move to another node within
/// ten seconds.
pub const AFTERMATH: Duration = Duration::from_secs(15);

/// All that was seen. Times are since the round began.
#[derive(Debug, Default)]
pub struct Seen {
    /// What was answered positively: by which node, which control id. Each control id is sent once only.
    pub answered: Vec<(String, String)>,
    /// The nodes' journals.
    pub journals: BTreeMap<String, Journal>,
    /// What each destination has received, in order.
    pub arrivals: BTreeMap<String, Arrivals>,
    /// What failed.
    pub failures: Vec<Failure>,
    /// What a person did to deliveries.
    pub deeds: Vec<Deed>,
}

/// What a node has stored, in the order of its commits.
#[derive(Debug, Default)]
pub struct Journal {
    /// Its messages.
    pub messages: Vec<Stored>,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its control id.
    pub id: String,
    /// Where it goes, and what became of that.
    pub deliveries: Vec<(String, DeliveryState)>,
}

/// What came to a destination.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// Whether the order is kept of each patient only.
    pub per_patient: bool,
    /// What came.
    pub arrivals: Vec<Arrival>,
}

/// A message that came.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When.
    pub at: Duration,
    /// Its control id.
    pub id: String,
    /// What was said to it.
    pub said: Said,
}

/// What a receiver says to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Said {
    /// It takes it.
    Yes,
    /// It does not take it, also when it comes again.
    No,
    /// Nothing: the connection is closed.
    Nothing,
}

/// Something that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its kind.
    pub name: &'static str,
    /// What, in words.
    pub what: String,
    /// From when.
    pub from: Duration,
    /// Until it was mended.
    pub until: Duration,
}

/// What a person did to a delivery.
#[derive(Debug, Clone)]
pub struct Deed {
    /// When the person began.
    pub at: Duration,
    /// Where it goes.
    pub destination: String,
    /// The message's control id.
    pub id: String,
    /// What was done.
    pub kind: DeedKind,
}

/// What can be done to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeedKind {
    /// Sent again at its place.
    Resent,
    /// Taken back.
    Cancelled,
    /// Set aside.
    Skipped,
}

/// How many deliveries came again.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Repeats {
    /// After each failure, by its place.
    pub after: BTreeMap<usize, usize>,
}

impl Repeats {
    /// After all failures.
    #[must_use]
    pub fn count(&self) -> usize {
        self.after.values().sum()
    }
}

/// The patient of a message, whose control id begins with it: `P1...`. Whatever follows begins with another letter.
#[must_use]
pub fn patient(id: &str) -> &str {
    let end = id.char_indices().skip(1).find(|(_, letter)| !letter.is_ascii_digit());
    end.map_or(id, |(end, _)| id.split_at(end).0)
}

/// Checks everything.
///
/// # Errors
/// Each promise that was broken, in words.
pub fn check(seen: &Seen) -> Result<Repeats, Vec<String>> {
    let mut broken = Vec::new();
    check_stored(seen, &mut broken);
    for destination in seen.arrivals.keys() {
        check_fates(seen, destination, &mut broken);
        check_order(seen, destination, &mut broken);
    }
    let repeats = check_repeats(seen, &mut broken);
    if broken.is_empty() { Ok(repeats) } else { Err(broken) }
}

/// What was answered positively is stored, and routed to every destination.
fn check_stored(seen: &Seen, broken: &mut Vec<String>) {
    for (node, id) in &seen.answered {
        let stored = seen
            .journals
            .get(node)
            .and_then(|journal| journal.messages.iter().find(|stored| stored.id == *id));
        let Some(stored) = stored else {
            broken.push(format!("{id} was answered positively and is not in the journal of {node}"));
            continue;
        };
        let routed: BTreeSet<&String> =
            stored.deliveries.iter().map(|(destination, _)| destination).collect();
        let missing: Vec<_> = seen.arrivals.keys().filter(|name| !routed.contains(name)).collect();
        if !missing.is_empty() {
            broken.push(format!("{id} was answered positively and does not go to {missing:?}"));
        }
    }
}

/// What the journals say became of each delivery is what its destination or a person has to show for it.
fn check_fates(seen: &Seen, destination: &str, broken: &mut Vec<String>) {
    let mut said: HashMap<&str, HashSet<Said>> = HashMap::new();
    for arrival in &seen.arrivals[destination].arrivals {
        said.entry(&arrival.id).or_default().insert(arrival.said);
    }
    let was_said = |id: &str, what| said.get(id).is_some_and(|said| said.contains(&what));
    let deed = |id: &str, kind| {
        seen.deeds.iter().any(|deed| deed.id == id && deed.destination == destination && deed.kind == kind)
    };
    for (node, journal) in &seen.journals {
        for (id, state) in of(journal, destination) {
            let is_shown = match state {
                DeliveryState::Delivered => was_said(id, Said::Yes),
                DeliveryState::Parked => was_said(id, Said::No) || deed(id, DeedKind::Skipped),
                DeliveryState::Cancelled => deed(id, DeedKind::Cancelled),
                _ => false,
            };
            if !is_shown {
                let came: Vec<_> = said.get(id).into_iter().flatten().collect();
                broken.push(format!(
                    "{id} to {destination} is {} by the journal of {node}, and nobody can show it: {destination} said {came:?}",
                    state.name()
                ));
            }
        }
    }
    let known: HashSet<&str> =
        seen.journals.values().flat_map(|journal| of(journal, destination)).map(|(id, _)| id).collect();
    let unknown: BTreeSet<&str> = said.keys().filter(|id| !known.contains(*id)).copied().collect();
    if !unknown.is_empty() {
        broken.push(format!("{destination} has received what no journal holds: {unknown:?}"));
    }
}

fn of<'j>(journal: &'j Journal, destination: &str) -> impl Iterator<Item = (&'j str, DeliveryState)> {
    journal.messages.iter().flat_map(move |stored| {
        let states = stored.deliveries.iter().filter(move |(name, _)| name == destination);
        states.map(|(_, state)| (stored.id.as_str(), *state))
    })
}

/// What order is kept within: all of a node's, or those of one patient.
#[derive(Debug, Default)]
struct Lane<'s> {
    /// In journal order.
    ids: Vec<&'s str>,
    /// Places of those that came.
    came: BTreeSet<usize>,
    /// Places of those that were answered, or changed by a person.
    settled: BTreeSet<usize>,
    /// Places of those that were refused or set aside, and not sent again or taken back.
    held: BTreeSet<usize>,
}

/// When a delivery comes first, everything before it in its lane was answered or changed by a person; and of a patient, nothing before it is
/// set aside.
fn check_order(seen: &Seen, destination: &str, broken: &mut Vec<String>) {
    let Arrivals { per_patient, arrivals } = &seen.arrivals[destination];
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    let mut places: HashMap<&str, (usize, usize)> = HashMap::new();
    for journal in seen.journals.values() {
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (id, _) in of(journal, destination) {
            let name = if *per_patient { patient(id) } else { "" };
            let number = *by_name.entry(name).or_insert_with(|| {
                lanes.push(Lane::default());
                lanes.len() - 1
            });
            places.insert(id, (number, lanes[number].ids.len()));
            lanes[number].ids.push(id);
        }
    }
    let mut deeds: Vec<&Deed> = seen.deeds.iter().filter(|deed| deed.destination == destination).collect();
    deeds.sort_by_key(|deed| deed.at);
    let mut deeds = deeds.into_iter().peekable();
    for arrival in arrivals {
        while let Some(deed) = deeds.next_if(|deed| deed.at <= arrival.at) {
            if let Some((lane, place)) = places.get(deed.id.as_str()) {
                lanes[*lane].changed(*place, deed.kind, *per_patient);
            }
        }
        let Some((lane, place)) = places.get(arrival.id.as_str()) else { continue };
        let why = lanes[*lane].arrived(*place, arrival.said, *per_patient);
        broken.extend(
            why.map(|why| format!("{} came to {destination} at {:.3?}, and {why}", arrival.id, arrival.at)),
        );
    }
}

impl Lane<'_> {
    /// A person sent it again, took it back or set it aside. What is sent again in `per_patient` order has its patient wait for it.
    fn changed(&mut self, place: usize, kind: DeedKind, per_patient: bool) {
        match kind == DeedKind::Resent && per_patient {
            true => _ = self.settled.remove(&place),
            false => _ = self.settled.insert(place),
        }
        self.held.remove(&place);
    }

    /// Takes in that one came; says what is wrong with that.
    fn arrived(&mut self, place: usize, said: Said, per_patient: bool) -> Option<String> {
        let why = if self.came.insert(place) { self.overtaken(place, per_patient) } else { None };
        if said != Said::Nothing {
            let is_new = self.settled.insert(place);
            // What was refused, and comes again because nobody noted that, may be taken now.
            match said {
                Said::No if is_new => _ = self.held.insert(place),
                Said::Yes => _ = self.held.remove(&place),
                _ => {}
            }
        }
        why
    }

    fn overtaken(&self, place: usize, per_patient: bool) -> Option<String> {
        if let Some(before) = (0..place).find(|before| !self.settled.contains(before)) {
            return Some(format!("{}, which is before it, was not answered yet", self.ids[before]));
        }
        let held = self.held.range(..place).next().filter(|_| per_patient)?;
        Some(format!("{}, of the same patient, was refused and set aside", self.ids[*held]))
    }
}

/// What came again after it was answered, and not because a person sent it again, came so because of a failure, and each failure has not
/// more such than may be without a recorded result.
fn check_repeats(seen: &Seen, broken: &mut Vec<String>) -> Repeats {
    let mut repeats = Repeats::default();
    for (destination, arrivals) in &seen.arrivals {
        let mut answered: HashMap<&str, Duration> = HashMap::new();
        for arrival in &arrivals.arrivals {
            let before = answered.get(arrival.id.as_str()).copied();
            if arrival.said != Said::Nothing {
                answered.insert(&arrival.id, arrival.at);
            }
            let Some(before) = before else { continue };
            let was_resent = seen.deeds.iter().any(|deed| {
                deed.kind == DeedKind::Resent
                    && deed.destination == *destination
                    && deed.id == arrival.id
                    && deed.at <= arrival.at
            });
            if was_resent {
                continue;
            }
            match cause(&seen.failures, before, arrival.at) {
                Some(failure) => *repeats.after.entry(failure).or_default() += 1,
                None => broken.push(format!(
                    "{} came to {destination} again at {:.3?}, was answered at {before:.3?}, and nothing failed in between",
                    arrival.id, arrival.at
                )),
            }
        }
    }
    for (failure, count) in repeats.after.iter().filter(|(_, count)| **count > UNRECORDED_MAX) {
        broken.push(format!("{count} deliveries came again after {}", seen.failures[*failure].what));
    }
    repeats
}

/// The latest failure that had effects between these moments.
fn cause(failures: &[Failure], from: Duration, until: Duration) -> Option<usize> {
    let explains = |failure: &Failure| failure.from <= until && failure.until + AFTERMATH >= from;
    let found = failures.iter().enumerate().filter(|(_, failure)| explains(failure));
    found.max_by_key(|(_, failure)| failure.from).map(|(place, _)| place)
}
