//! The two-way view of a trace: for each place of the output the rule and the places of the input that it came from, for each populated
//! place of the input where it went, who looked at it, or that it went nowhere.
//!
//! What a rule takes from the record came from somewhere in the message: which places make a member of it is found by changing them one at
//! a time. A member that stays equal does not come from there.

mod sources;

use std::collections::{BTreeSet, HashMap};

use orderly_hl7v2::Position;
use orderly_record::Place;

use self::sources::{Source, Sources};
use crate::plan::Form;
use crate::scope::Id;
use crate::trace::{From, Leaf, Read, Target, Trace, Traced};
use crate::{Input, Mapping};

pub use self::sources::populated;

/// Where everything came from and went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// What was made.
    pub outputs: Vec<OutputField>,
    /// What was received.
    pub inputs: Vec<InputField>,
}

/// A place of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPlace {
    /// Its path: `PID-5.1`; of a document that of the record, `patient.name.family`.
    pub path: String,
    /// What the standard calls it.
    pub name: Option<&'static str>,
    /// Its first byte, counted from 0; not known of documents, and of messages in a charset that is read as another.
    pub offset: Option<usize>,
    /// Of a document the element that the record has it from.
    pub element: Option<String>,
}

/// A populated place of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputField {
    /// Its path.
    pub path: String,
    /// What stands there.
    pub text: String,
    /// The rule that wrote it; none for what was copied, or what the engine begins a new message with.
    pub rule: Option<Place>,
    /// Where in the input it came from.
    pub from: Vec<InputPlace>,
    /// What else the rule took that is no place of the input: `source.name`.
    pub also: Vec<String>,
}

/// A populated place of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputField {
    /// The place.
    pub place: InputPlace,
    /// Its path whatever the occurrence and the repetition: `PID-3.4`, `results.observations.value`.
    pub general: String,
    /// What stands there.
    pub text: String,
    /// The places of the output that came from it.
    pub to: Vec<String>,
    /// The rules that looked at it.
    pub rules: Vec<Place>,
    /// Whether it stands in the output because the output began as a copy.
    pub copied: bool,
    /// Whether rules took it out of the copy, or wrote over it.
    pub removed: bool,
}

impl InputField {
    /// Whether no rule wanted it, and the output does not have it.
    #[must_use]
    pub fn went_nowhere(&self) -> bool {
        self.to.is_empty() && self.rules.is_empty() && !self.copied && !self.removed
    }
}

impl Mapping {
    /// Where everything came from and went, by a trace of this mapping over this input.
    pub fn lineage(&self, input: &Input<'_>, trace: &Trace) -> Lineage {
        let edits = matches!(self.form, Form::Edit { .. });
        let mut work = Work { sources: Sources::of(input), inputs: Vec::new(), edits };
        work.inputs = work.sources.fields();
        let mut outputs = Vec::new();
        if trace.made.is_empty() {
            outputs = work.made(&trace.steps, &[], edits, None);
        }
        for (number, made) in (1..).zip(&trace.made) {
            let common = trace.steps.iter().take(trace.common);
            let own = trace.steps.get(made.steps.clone()).unwrap_or_default();
            let steps = common.chain(own);
            let number = (trace.made.len() > 1).then_some(number);
            outputs.append(&mut work.made(steps, &made.leaves, edits, number));
        }
        if edits && !trace.made.is_empty() {
            for input in &mut work.inputs {
                input.removed = !input.copied;
            }
        }
        Lineage { outputs, inputs: work.inputs }
    }
}

/// A place, in an order: segment, field, repetition, component, subcomponent; 0 is all of them.
type Key = (usize, usize, usize, usize, usize);

fn key(at: &Position) -> Key {
    let repetition = at.repetition.unwrap_or(usize::from(at.component.is_some()));
    (at.segment, at.field, repetition, at.component.unwrap_or(0), at.subcomponent.unwrap_or(0))
}

/// Whether one of two places of the same field is inside of the other, or the same.
fn overlaps(one: Key, other: Key) -> bool {
    let parts = [(one.2, other.2), (one.3, other.3), (one.4, other.4)];
    let differing = parts.iter().find(|(one, other)| one != other);
    (one.1 == other.1) && differing.is_none_or(|(one, other)| *one == 0 || *other == 0)
}

/// A trace with all that was read followed to where it came from.
#[derive(Default)]
struct Followed<'t> {
    /// What each rule looked at.
    looks: Vec<(BTreeSet<Source>, &'t Place)>,
    writes: Vec<Written<'t>>,
    /// The indexes of the writes to a field, by the identity of its segment.
    by_field: HashMap<(Id, usize), Vec<usize>>,
    built: Vec<(&'t str, &'t str, BTreeSet<Source>, &'t Place)>,
}

struct Written<'t> {
    at: Key,
    from: BTreeSet<Source>,
    rule: &'t Place,
}

impl<'t> Followed<'t> {
    /// `edits`: whether the working message began as a copy of the input.
    fn of(steps: impl IntoIterator<Item = &'t Traced>, edits: bool) -> Followed<'t> {
        let mut followed = Followed::default();
        let mut names: HashMap<usize, BTreeSet<Source>> = HashMap::new();
        for step in steps {
            let (mut from, mut looks) = (BTreeSet::new(), BTreeSet::new());
            for read in &step.reads {
                followed.trace_back(read, &names, edits, &mut looks);
                if !read.decides {
                    followed.trace_back(read, &names, edits, &mut from);
                }
            }
            match &step.target {
                Some(Target::Message(id, at)) => {
                    let written = Written { at: key(at), from, rule: &step.place };
                    let of_field = followed.by_field.entry((*id, at.field)).or_default();
                    of_field.push(followed.writes.len());
                    followed.writes.push(written);
                }
                Some(Target::Name(slot)) => _ = names.insert(*slot, from),
                Some(Target::Built(path)) => {
                    let text = step.after.as_deref().unwrap_or_default();
                    followed.built.push((path, text, from, &step.place));
                }
                None => {}
            }
            followed.looks.push((looks, &step.place));
        }
        followed
    }

    fn trace_back(
        &self,
        read: &Read,
        names: &HashMap<usize, BTreeSet<Source>>,
        edits: bool,
        from: &mut BTreeSet<Source>,
    ) {
        match &read.from {
            From::Received(at) => _ = from.insert(Source::Received(key(at))),
            From::Working(id, at) => {
                let at = key(at);
                let before: Vec<_> = self.writes_to(*id, at).collect();
                from.extend(before.iter().flat_map(|written| written.from.iter().cloned()));
                if before.is_empty() && edits {
                    let (_, field, repetition, component, subcomponent) = at;
                    let segment = usize::try_from(*id).unwrap_or(usize::MAX);
                    from.insert(Source::Received((segment, field, repetition, component, subcomponent)));
                }
            }
            From::Record => _ = from.insert(Source::Record(read.path.clone())),
            From::Fact(Some((field, component))) => {
                from.insert(Source::Received((0, *field, 1, *component, 0)));
                from.insert(Source::Record(header_member(&read.path)));
            }
            From::Fact(None) => _ = from.insert(Source::Other(read.path.clone())),
            From::Name(slot) => from.extend(names.get(slot).into_iter().flatten().cloned()),
        }
    }

    fn writer(&self, leaf: &Leaf) -> Option<&Written<'t>> {
        self.writes_to(leaf.id, key(&leaf.at)).next()
    }

    /// The writes to a place of a segment, the last first.
    fn writes_to(&self, id: Id, at: Key) -> impl Iterator<Item = &Written<'t>> {
        let of_field = self.by_field.get(&(id, at.1)).into_iter().flatten().rev();
        let written = of_field.filter_map(|index| self.writes.get(*index));
        written.filter(move |written| overlaps(written.at, at))
    }
}

/// The member of the record's header that says a fact.
fn header_member(fact: &str) -> String {
    fact.replace("message.", "header.")
}

struct Work<'i> {
    sources: Sources<'i>,
    inputs: Vec<InputField>,
    edits: bool,
}

impl Work<'_> {
    /// One output, by the steps that made it; `number` is which of several it is.
    fn made<'t>(
        &mut self,
        steps: impl IntoIterator<Item = &'t Traced>,
        leaves: &[Leaf],
        edits: bool,
        number: Option<usize>,
    ) -> Vec<OutputField> {
        let followed = Followed::of(steps, edits);
        self.look(&followed);
        self.outputs(&followed, leaves, number)
    }

    /// Notes with each place of the input which rules looked at it.
    fn look(&mut self, followed: &Followed<'_>) {
        for (from, rule) in &followed.looks {
            for index in self.sources.indexes(from) {
                if let Some(input) = self.inputs.get_mut(index)
                    && !input.rules.contains(rule)
                {
                    input.rules.push((*rule).clone());
                }
            }
        }
    }

    /// The places of the output; each is noted with the places of the input that it came from.
    fn outputs(
        &mut self,
        followed: &Followed<'_>,
        leaves: &[Leaf],
        number: Option<usize>,
    ) -> Vec<OutputField> {
        let mut outputs = Vec::new();
        for (path, text, from, rule) in &followed.built {
            outputs.push(self.output(path, text, Some(rule), from));
        }
        for leaf in leaves {
            let path = match number {
                Some(number) => format!("{number}: {}", leaf.path),
                None => leaf.path.clone(),
            };
            match followed.writer(leaf) {
                Some(written) => {
                    outputs.push(self.output(&path, &leaf.text, Some(written.rule), &written.from));
                }
                None => outputs.push(OutputField { path, ..self.copied(leaf) }),
            }
        }
        outputs
    }

    fn output(
        &mut self,
        path: &str,
        text: &str,
        rule: Option<&Place>,
        from: &BTreeSet<Source>,
    ) -> OutputField {
        let indexes = self.sources.indexes(from);
        let mut places = Vec::with_capacity(indexes.len());
        for index in indexes {
            if let Some(input) = self.inputs.get_mut(index) {
                input.to.push(path.to_owned());
                places.push(input.place.clone());
            }
        }
        let also = from.iter().filter_map(|source| match source {
            Source::Other(name) => Some(name.clone()),
            Source::Received(_) | Source::Record(_) => None,
        });
        let also = also.collect();
        OutputField { path: path.to_owned(), text: text.to_owned(), rule: rule.cloned(), from: places, also }
    }

    /// A leaf that no rule wrote: where it stood before. In a field that rules have touched, repetitions may have moved up.
    fn copied(&mut self, leaf: &Leaf) -> OutputField {
        let (_, field, repetition, component, subcomponent) = key(&leaf.at);
        let segment = usize::try_from(leaf.id).unwrap_or(usize::MAX);
        let same = leaf.received.map_or((segment, field, repetition, component, subcomponent), |at| key(&at));
        let of_field = self.sources.by_field.get(&(same.0, same.1)).cloned().unwrap_or_default();
        let is_text =
            |index: &usize| self.sources.leaves.get(*index).is_some_and(|(.., text)| *text == leaf.text);
        let is_same = |index: &usize| {
            let found = self.sources.leaves.get(*index);
            found.is_some_and(|(at, ..)| overlaps(*at, same)) && is_text(index)
        };
        let moved = |index: &usize| {
            let found = self.sources.leaves.get(*index);
            found.is_some_and(|(at, ..)| (at.3, at.4) == (component, subcomponent)) && is_text(index)
        };
        let found = of_field.iter().copied().find(is_same).or_else(|| of_field.iter().copied().find(moved));
        let found = found.filter(|_| self.edits);
        if let Some(input) = found.and_then(|index| self.inputs.get_mut(index)) {
            input.copied = true;
        }
        let from = found.and_then(|index| self.sources.leaves.get(index)).map(|(_, place, _)| place.clone());
        let (path, text) = (leaf.path.clone(), leaf.text.clone());
        OutputField { path, text, rule: None, from: from.into_iter().collect(), also: Vec::new() }
    }
}
