//! A clinical statement and its parts, each taken by whoever reads it; what nobody took is counted, so that nothing vanishes.

use std::cell::Cell;
use std::collections::HashMap;

use orderly_record::{Note, Text, Unread};

use super::Source;
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
    /// Reads a statement. When `how` says that it is none of its business, the whole of it is unread, else what it did not take.
    pub(super) fn read(&self, element: Element<'d>, how: impl FnOnce(&Statement<'_, 'd>) -> bool) -> bool {
        let statement = Statement::new(self, element);
        let is_read = how(&statement);
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

/// An act, an observation or the like, and which of its parts were taken.
pub(super) struct Statement<'s, 'd> {
    pub(super) source: &'s Source<'d>,
    pub(super) element: Element<'d>,
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
        self.element.children_named("templateId").any(|template| template.attribute("root") == Some(root))
    }
}

impl<'s, 'd> Statement<'s, 'd> {
    fn new(source: &'s Source<'d>, element: Element<'d>) -> Self {
        let is_part = |part: &Element<'d>| !BOOKKEEPING.contains(&part.name());
        let parts = element.children().filter(is_part).map(|part| (part, Cell::new(false))).collect();
        Self { source, element, parts }
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

    /// Reads the related statements that are wanted.
    pub(super) fn related(
        &self,
        is_wanted: impl Fn(Related<'d>) -> bool,
        mut how: impl FnMut(&Statement<'_, 'd>),
    ) {
        for part in self.take_where(|part| related(part).is_some_and(&is_wanted)) {
            let inner = related(part).map(|related| Statement::new(self.source, related.element));
            if let Some(inner) = inner {
                how(&inner);
                inner.leave();
            }
        }
    }

    /// The value of the first related statement that is wanted, as what `how` makes of it.
    pub(super) fn value_of<T>(
        &self,
        is_wanted: impl Fn(Related<'d>) -> bool,
        how: impl Fn(&Source<'d>, Element<'d>) -> Option<T>,
    ) -> Option<T> {
        let mut found = None;
        self.related(is_wanted, |inner| {
            let value = inner.take("value").and_then(|value| how(self.source, value));
            found = found.take().or(value);
        });
        found
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

/// The clinical statement that an entry or a relationship holds: what is not about the relation itself.
pub(super) fn statement_in(holder: Element<'_>) -> Option<Element<'_>> {
    let is_own =
        |name| matches!(name, "templateId" | "typeId" | "realmCode" | "sequenceNumber" | "seperatableInd");
    holder.children().find(|child| !is_own(child.name()))
}
