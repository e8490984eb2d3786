//! A clinical statement and its parts, each taken by whoever reads it; what nobody took is counted as unread.
//!
//! A part is an element directly below the statement. What lies inside one that was taken is its reader's business.

use std::cell::Cell;
use std::collections::HashMap;

use orderly_record::{Identifier, Note, Text, Unread};

use super::values::{flag, identifiers, is_null};
use super::{NESTING_MAX, Source};
use crate::document::Element;

/// What a statement is told apart by, not what it says; and its code and words, which the section's text holds too. Not counted as unread.
const BOOKKEEPING: [&str; 8] =
    ["templateId", "typeId", "realmCode", "id", "code", "text", "statusCode", "sequenceNumber"];

/// What of a section the record does not hold, by element and template, in the order met.
#[derive(Default)]
pub(super) struct Leftovers<'d> {
    unread: Vec<Unread>,
    places: HashMap<(&'d str, Option<&'d str>), usize>,
}

impl<'d> Leftovers<'d> {
    fn add(&mut self, element: Element<'d>) {
        let template = element.child("templateId").and_then(|template| template.attribute("root"));
        let place = *self.places.entry((element.name(), template)).or_insert_with(|| {
            self.unread.push(Unread {
                element: element.name().into(),
                template: template.map(Text::new),
                count: 0,
            });
            self.unread.len() - 1
        });
        if let Some(unread) = self.unread.get_mut(place) {
            unread.count += 1;
        }
    }
}

impl<'d> Source<'d> {
    /// Reads a statement. When it states nothing, or `how` says that it is none of its business, the whole of it is unread, else what it
    /// did not take.
    pub(super) fn read(
        &self,
        element: Element<'d>,
        mood: Mood,
        how: impl FnOnce(&Statement<'_, 'd>) -> bool,
    ) -> bool {
        let statement = Statement::new(self, element, mood, 1);
        let is_read = mood.fits(element) && !says_nothing(element) && how(&statement);
        if is_read {
            statement.leave();
        } else {
            self.unread(element);
        }
        is_read
    }

    /// Counts what the record does not hold.
    pub(super) fn unread(&self, element: Element<'d>) {
        self.leftovers.borrow_mut().add(element);
    }

    /// What was counted since the last call.
    pub(super) fn take_unread(&self) -> Vec<Unread> {
        self.leftovers.take().unread
    }
}

/// Which moods of a statement its reader knows to tell apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Only what happened: what is ordered, planned or wished for must not look as if it had.
    Event,
    /// What is intended too.
    EventOrIntent,
    /// At the entry goals too; what lies in it happened or is intended.
    OrGoal,
    /// Definitions too, as the plan of an insurance is one.
    OrDefinition,
}

impl Mood {
    fn fits(self, element: Element<'_>) -> bool {
        match element.attribute("moodCode").map(str::trim) {
            None | Some("EVN") => true,
            Some("INT" | "RQO" | "PRMS" | "ARQ" | "PRP" | "APT") => self != Self::Event,
            Some("GOL") => self == Self::OrGoal,
            Some("DEF") => self == Self::OrDefinition,
            Some(_) => false,
        }
    }

    /// That of the statements in it.
    fn inside(self) -> Self {
        if self == Self::OrGoal { Self::EventOrIntent } else { self }
    }
}

/// Whether a statement is a null one: there is no such thing, or nobody knows. A null one that is negated does say something: none at all.
fn says_nothing(element: Element<'_>) -> bool {
    is_null(element) && !is_negated(element)
}

/// Whether a statement is denied (negationInd).
pub(super) fn is_negated(element: Element<'_>) -> bool {
    flag(element, "negationInd") == Some(true)
}

/// An act, an observation or the like, and which of its parts were taken.
pub(super) struct Statement<'s, 'd> {
    pub(super) source: &'s Source<'d>,
    pub(super) element: Element<'d>,
    mood: Mood,
    /// How many statements it is in, itself included.
    depth: usize,
    parts: Vec<(Element<'d>, Cell<bool>)>,
}

/// A statement in relation to another one.
#[derive(Clone, Copy)]
pub(super) struct Related<'d> {
    /// `SUBJ`, `MFST`, `RSON`, ...; empty when not said.
    pub(super) relation: &'d str,
    pub(super) element: Element<'d>,
}

impl<'d> Related<'d> {
    pub(super) fn is(self, name: &str) -> bool {
        self.element.name() == name
    }

    /// Whether its code is one of these.
    pub(super) fn has_code(self, codes: &[&str]) -> bool {
        let code = self.element.child("code").and_then(|code| code.attribute("code"));
        code.is_some_and(|code| codes.contains(&code))
    }

    pub(super) fn has_template(self, root: &str) -> bool {
        has_template(self.element, root)
    }

    /// An act that says nothing itself, but names another statement (entry reference).
    pub(super) fn is_reference(self) -> bool {
        let has_no_code = || {
            let code = self.element.child("code").and_then(|code| code.attribute("nullFlavor"));
            code == Some("NP")
        };
        self.is("act") && (self.has_template("2.16.840.1.113883.10.20.22.4.122") || has_no_code())
    }
}

impl<'s, 'd> Statement<'s, 'd> {
    fn new(source: &'s Source<'d>, element: Element<'d>, mood: Mood, depth: usize) -> Self {
        let is_part = |part: &Element<'d>| !BOOKKEEPING.contains(&part.name());
        let parts = element.children().filter(is_part).map(|part| (part, Cell::new(false))).collect();
        Self { source, element, mood, depth, parts }
    }

    pub(super) fn name(&self) -> &'d str {
        self.element.name()
    }

    /// An element that is told apart by, or stands for, the statement: `id`, `code`, `text`, `statusCode`.
    pub(super) fn own(&self, name: &str) -> Option<Element<'d>> {
        self.element.child(name)
    }

    /// The first part of this name; it counts as read.
    pub(super) fn take(&self, name: &str) -> Option<Element<'d>> {
        let found = self.parts.iter().find(|(part, is_taken)| part.name() == name && !is_taken.get());
        found.map(|(part, is_taken)| {
            is_taken.set(true);
            *part
        })
    }

    /// What `how` makes of the first part of this name. It counts as read when that is something, or when there was nothing to read.
    pub(super) fn read<T>(&self, name: &str, how: impl FnOnce(Element<'d>) -> Option<T>) -> Option<T> {
        let found = self.parts.iter().find(|(part, is_taken)| part.name() == name && !is_taken.get());
        let (part, is_taken) = found?;
        let read = how(*part);
        let is_empty = part.children().next().is_none() && part.leading_text().trim().is_empty();
        let is_empty = is_empty && (is_null(*part) || part.attributes().next().is_none());
        is_taken.set(read.is_some() || is_empty);
        read
    }

    /// All parts of this name; they count as read.
    pub(super) fn take_all(&self, name: &str) -> Vec<Element<'d>> {
        self.take_where(|part| part.name() == name)
    }

    /// The parts that are wanted; they count as read.
    pub(super) fn take_where(&self, is_wanted: impl Fn(Element<'d>) -> bool) -> Vec<Element<'d>> {
        let found = self.parts.iter().filter(|(part, is_taken)| !is_taken.get() && is_wanted(*part));
        found
            .map(|(part, is_taken)| {
                is_taken.set(true);
                *part
            })
            .collect()
    }

    /// Reads the related statements that are wanted and state something. Those that are denied do not.
    pub(super) fn related(
        &self,
        is_wanted: impl Fn(Related<'d>) -> bool,
        how: impl FnMut(&Statement<'_, 'd>),
    ) {
        self.related_up_to(usize::MAX, |related| is_wanted(related) && !is_negated(related.element), how);
    }

    /// Reads the related statements that are wanted, those that are denied too: `how` keeps them apart.
    pub(super) fn related_or_negated(
        &self,
        is_wanted: impl Fn(Related<'d>) -> bool,
        how: impl FnMut(&Statement<'_, 'd>),
    ) {
        self.related_up_to(usize::MAX, is_wanted, how);
    }

    /// Reads the first related statement that is wanted; for more of it the record has no place.
    pub(super) fn first_related<T>(
        &self,
        is_wanted: impl Fn(Related<'d>) -> bool,
        mut how: impl FnMut(&Statement<'_, 'd>) -> Option<T>,
    ) -> Option<T> {
        let mut found = None;
        let is_wanted = |related: Related<'d>| is_wanted(related) && !is_negated(related.element);
        self.related_up_to(1, is_wanted, |inner| found = how(inner));
        found
    }

    fn related_up_to(
        &self,
        max: usize,
        is_wanted: impl Fn(Related<'d>) -> bool,
        mut how: impl FnMut(&Statement<'_, 'd>),
    ) {
        let is_near = self.depth < NESTING_MAX;
        let mood = self.mood.inside();
        let states = |element| is_near && mood.fits(element) && !says_nothing(element);
        let found = self.parts.iter().filter(|(_, is_taken)| !is_taken.get());
        let found = found.filter_map(|(part, is_taken)| Some((related(*part)?, is_taken)));
        let found = found.filter(|(related, _)| is_wanted(*related) && states(related.element));
        for (related, is_taken) in found.take(max) {
            is_taken.set(true);
            let inner = Statement::new(self.source, related.element, mood, self.depth + 1);
            how(&inner);
            inner.leave();
        }
    }

    /// The value of the first related statement that is wanted, as what `how` makes of it.
    pub(super) fn value_of<T>(
        &self,
        is_wanted: impl Fn(Related<'d>) -> bool,
        how: impl Fn(&Source<'d>, Element<'d>) -> Option<T>,
    ) -> Option<T> {
        self.first_related(is_wanted, |inner| inner.read("value", |value| how(self.source, value)))
    }

    /// The comments on it (LOINC 48767-8).
    pub(super) fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        self.related(
            |related| related.is("act") && related.has_code(&["48767-8"]),
            |comment| {
                let words = comment.own("text").and_then(|text| self.source.words(text));
                notes.extend(words.map(|text| Note {
                    text,
                    author: None,
                    source: Some(comment.element.location()),
                }));
            },
        );
        notes
    }

    /// The ids of the statements that it refers to.
    pub(super) fn references(&self) -> Vec<Identifier> {
        let mut references = Vec::new();
        self.related(Related::is_reference, |act| references.extend(identifiers(act.element)));
        references
    }

    /// Its words.
    pub(super) fn words(&self) -> Option<Text> {
        self.own("text").and_then(|text| self.source.words(text))
    }

    /// Counts the parts that nobody took.
    fn leave(&self) {
        for (part, _) in self.parts.iter().filter(|(_, is_taken)| !is_taken.get()) {
            self.source.unread(related(*part).map_or(*part, |related| related.element));
        }
    }
}

/// The statement in a relationship or a component.
fn related(part: Element<'_>) -> Option<Related<'_>> {
    if !matches!(part.name(), "entryRelationship" | "component") {
        return None;
    }
    Some(Related { relation: part.attribute("typeCode").unwrap_or_default(), element: statement_in(part)? })
}

/// Whether it follows this template.
pub(super) fn has_template(element: Element<'_>, root: &str) -> bool {
    element.children_named("templateId").any(|template| template.attribute("root") == Some(root))
}

/// The clinical statement that an entry or a relationship holds: what is not about the relation itself.
pub(super) fn statement_in(holder: Element<'_>) -> Option<Element<'_>> {
    let is_own =
        |name| matches!(name, "templateId" | "typeId" | "realmCode" | "sequenceNumber" | "seperatableInd");
    holder.children().find(|child| !is_own(child.name()))
}
