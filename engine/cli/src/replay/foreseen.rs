//! What a replay would do, told: message by message for programs and where differences are asked for, by destination for people.

use std::collections::BTreeMap;

use orderly_journal::{DeliveryState, Reader};
use orderly_runtime::{Difference, Effect, Foreseen, Replayed};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::newer::{Newer, Since};
use crate::output::{cell, print, print_json, table};
use crate::site::plural;

/// What would be done, by destination.
pub(super) struct Outlook {
    newer: Option<Newer>,
    destinations: BTreeMap<String, Counts>,
}

/// What would be done to a destination's deliveries.
#[derive(Default)]
struct Counts {
    sent: usize,
    delivered_before: usize,
    changed: usize,
    newer_of_patient: usize,
    newer_of_others: usize,
    not_sent: usize,
    left: usize,
    cancelled: usize,
    /// Taken back by a person, and left alone, or sent all the same.
    taken_back: usize,
    revived: usize,
}

impl Outlook {
    /// The reader is for what destinations have received since.
    pub(super) fn new(reader: Option<Reader>) -> Outlook {
        Outlook { newer: reader.map(Newer::of), destinations: BTreeMap::new() }
    }

    /// Counts what would become of a message, and prints what is to be told of it.
    pub(super) fn take_in(&mut self, message: &Replayed, json: bool) -> Result<(), Failure> {
        let Some(newer) = &mut self.newer else { return Ok(()) };
        let mut since = Vec::new();
        for one in message.foreseen.iter().flatten() {
            let received = match one.is_sent() {
                true => newer.since(message.id, &one.destination)?,
                false => Since::Nothing,
            };
            self.destinations.entry(one.destination.clone()).or_default().add(one, received);
            since.push(received);
            if !json && !one.differences.is_empty() {
                print(differences(message.id, one));
            }
        }
        match &message.problem {
            _ if json => print_json(&to_json(message, &since)),
            Some(problem) => print(format_args!("{}: cannot be replayed: {problem}", message.id)),
            None => {}
        }
        Ok(())
    }

    /// A table for people.
    pub(super) fn text(&self) -> String {
        let heading = [
            "destination",
            "sent",
            "delivered before",
            "changed",
            "newer of patient",
            "newer of others",
            "not sent",
            "left alone",
            "cancelled",
        ];
        let mut rows = table(heading);
        for (name, counts) in &self.destinations {
            let counts = [
                counts.sent,
                counts.delivered_before,
                counts.changed,
                counts.newer_of_patient,
                counts.newer_of_others,
                counts.not_sent,
                counts.left,
                counts.cancelled,
            ];
            rows.add_row([name.clone()].into_iter().chain(counts.map(|count| count.to_string())));
        }
        let total = |of: fn(&Counts) -> usize| self.destinations.values().map(of).sum::<usize>();
        let (taken_back, revived) = (total(|counts| counts.taken_back), total(|counts| counts.revived));
        let mut text = rows.trim_fmt();
        if taken_back > 0 {
            text.push_str(&format!(
                "\n{taken_back} left alone that a person took back; --also-cancelled sends what was taken back"
            ));
        }
        text.push_str(&although_taken_back(revived));
        text
    }
}

/// The line about so many deliveries that a person took back and that would be sent; nothing when there are none.
pub(crate) fn although_taken_back(count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    format!("\n{count} to be sent ALTHOUGH A PERSON TOOK IT BACK")
}

impl Counts {
    fn add(&mut self, one: &Foreseen, since: Since) {
        self.taken_back += usize::from(one.taken_back && one.effect == Effect::Left);
        self.revived += usize::from(one.taken_back && one.is_sent());
        match one.effect {
            Effect::Left => self.left += 1,
            Effect::Cancelled => self.cancelled += 1,
            Effect::Replaced | Effect::Added if !one.is_sent() => self.not_sent += 1,
            Effect::Replaced | Effect::Added => {
                self.sent += 1;
                self.delivered_before +=
                    usize::from(one.before.as_deref() == Some(DeliveryState::Delivered.name()));
                self.changed += usize::from(one.differing > 0);
                self.newer_of_patient += usize::from(since == Since::SamePatient);
                self.newer_of_others += usize::from(since == Since::Others);
            }
        }
    }
}

fn to_json(message: &Replayed, since: &[Since]) -> Value {
    let mut value = json!(message);
    if let Some(foreseen) = value.get_mut("foreseen").and_then(Value::as_array_mut) {
        for (one, since) in foreseen.iter_mut().zip(since) {
            if let Some(one) = one.as_object_mut() {
                one.insert("received_since".to_owned(), json!(since));
            }
        }
    }
    value
}

fn differences(id: u64, one: &Foreseen) -> String {
    let Foreseen { destination, differing, .. } = one;
    let mut text = format!("message {id} to {destination}: {differing} difference{}", plural(*differing));
    for Difference { place, before, after } in &one.differences {
        let shown = |text: &Option<String>| {
            text.as_deref().map_or("nothing".to_owned(), |text| format!("\"{}\"", cell(text)))
        };
        text.push_str(&format!("\n  {}: {} is now {}", cell(place), shown(before), shown(after)));
    }
    if one.differences.len() < *differing {
        text.push_str("\n  ...");
    }
    text
}
