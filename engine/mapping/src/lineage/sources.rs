//! The populated places of an input: where they stand, and which of them make which members of the record.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orderly_hl7v2::dictionary::{self, Version};
use orderly_hl7v2::{Message, Places, Position, View, normalize};

use super::{InputField, InputPlace, Key, key, overlaps};
use crate::Input;
use crate::execute::tell::leaves;
use crate::member::Member;
use crate::recorder::{plain, shown};

/// The most places of a message that are changed one by one, each of which costs a record. Of a message with more, all of the same kind
/// (each OBX-5) are changed together, and told apart by the segment that the record says a member is from, and by what stands there.
const CHANGED_MAX: usize = 500;

/// Something that a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Received(Key),
    Record(String),
    Other(String),
}

/// The populated places of the input.
pub(super) struct Sources<'i> {
    message: Option<&'i Message<'i>>,
    /// Of a message: where they stand.
    pub(super) leaves: Vec<(Key, InputPlace, String)>,
    /// Their paths whatever the occurrence.
    general: Vec<String>,
    pub(super) by_field: HashMap<(usize, usize), Vec<usize>>,
    /// Of a document: the leaves of its record.
    members: Vec<(InputPlace, String)>,
    /// Of a message: which of its leaves make a member of its record; found when first asked for.
    makers: Option<BTreeMap<String, Vec<usize>>>,
}

impl<'i> Sources<'i> {
    pub(super) fn of(input: &Input<'i>) -> Sources<'i> {
        let mut sources = Sources {
            message: input.message(),
            leaves: Vec::new(),
            general: Vec::new(),
            by_field: HashMap::new(),
            members: Vec::new(),
            makers: None,
        };
        match input.message() {
            Some(message) => {
                let version = Version::nearest(&message.header().version());
                let places = Places::of(message);
                for (at, view) in leaves(message) {
                    let words = plain(message, &at);
                    let name = message.meaning(&words).and_then(|meaning| meaning.titles.last().copied());
                    let (path, offset) = (places.path(&words), places.offset(&at));
                    let place = InputPlace { path, name, offset, element: None };
                    sources.by_field.entry((at.segment, at.field)).or_default().push(sources.leaves.len());
                    sources.leaves.push((key(&at), place, shown(&view)));
                    sources.general.push(general_path(message, &at, version));
                }
            }
            None => sources.members = members(input),
        }
        sources
    }

    pub(super) fn fields(&self) -> Vec<InputField> {
        let field = |place: &InputPlace, general: String, text: &String| InputField {
            place: place.clone(),
            general,
            text: text.clone(),
            to: Vec::new(),
            rules: Vec::new(),
            copied: false,
            removed: false,
        };
        let leaves = self.leaves.iter().zip(&self.general);
        let leaves = leaves.map(|((_, place, text), general)| field(place, general.clone(), text));
        let member = |(place, text): &(InputPlace, String)| field(place, unnumbered(&place.path), text);
        leaves.chain(self.members.iter().map(member)).collect()
    }

    /// The indexes of the places that a value came from.
    pub(super) fn indexes(&mut self, from: &BTreeSet<Source>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for source in from {
            match source {
                Source::Received(at) => {
                    let of_field = self.by_field.get(&(at.0, at.1)).into_iter().flatten().copied();
                    let there = |index: &usize| {
                        self.leaves.get(*index).is_some_and(|(leaf, ..)| overlaps(*leaf, *at))
                    };
                    found.extend(of_field.filter(there));
                }
                Source::Record(path) if self.message.is_none() => {
                    let inside =
                        |(_, (place, _)): &(usize, &(InputPlace, String))| is_within(&place.path, path);
                    found.extend(self.members.iter().enumerate().filter(inside).map(|(index, _)| index));
                }
                Source::Record(path) => {
                    let makers = self.makers();
                    let from =
                        makers.range(path.clone()..).take_while(|(member, _)| member.starts_with(path));
                    found.extend(from.filter(|(member, _)| is_within(member, path)).flat_map(|(_, all)| all));
                }
                Source::Other(_) => {}
            }
        }
        found
    }

    /// Which leaves make which members of the record.
    fn makers(&mut self) -> &BTreeMap<String, Vec<usize>> {
        let (message, leaves, general) = (self.message, &self.leaves, &self.general);
        self.makers.get_or_insert_with(|| {
            message.map(|message| makers(message, leaves, general)).unwrap_or_default()
        })
    }
}

/// A place's path whatever the occurrence. A field whose data type has components is named by them, also where a sender has one alone.
fn general_path(message: &Message<'_>, at: &Position, version: Version) -> String {
    let name = message.segments().get(at.segment).map_or("", orderly_hl7v2::Segment::name);
    let mut path = format!("{name}-{}", at.field);
    let component = at.component.unwrap_or(1);
    let has_components = || {
        let part = dictionary::field(name, at.field, version);
        part.is_some_and(|part| dictionary::component_count(part.data_type) > 0)
    };
    if component > 1 || at.subcomponent.is_some() || has_components() {
        path.push_str(&format!(".{component}"));
    }
    if let Some(subcomponent) = at.subcomponent {
        path.push_str(&format!(".{subcomponent}"));
    }
    path
}

/// The path of a member without the numbers of lists.
fn unnumbered(path: &str) -> String {
    let mut depth = 0_usize;
    let outside = |letter: &char| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    path.chars().filter(outside).collect()
}

/// Whether a member is another or stands below it.
fn is_within(member: &str, of: &str) -> bool {
    member.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The leaves of a record, by path.
fn record_leaves(record: &orderly_record::Record) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    Member::whole(record).walk(String::new(), &mut |path, member| {
        if let Some(text) = member.text() {
            leaves.insert(path.to_owned(), text.to_owned());
        }
    });
    leaves
}

fn makers(
    message: &Message<'_>,
    leaves: &[(Key, InputPlace, String)],
    general: &[String],
) -> BTreeMap<String, Vec<usize>> {
    let mut together: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, general) in general.iter().enumerate() {
        together.entry(general).or_default().push(index);
    }
    let changes: Vec<Vec<usize>> = match leaves.len() > CHANGED_MAX {
        true => together.into_values().collect(),
        false => (0..leaves.len()).map(|index| vec![index]).collect(),
    };
    let whole = record_leaves(&normalize(message));
    let mut makers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for indexes in changes {
        let changed = record_leaves(&normalize(&changed(message, leaves, &indexes)));
        let mut by_segment: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, leaf) in indexes.iter().filter_map(|index| Some((*index, leaves.get(*index)?))) {
            by_segment.entry(leaf.1.path.split('-').next().unwrap_or_default()).or_default().push(index);
        }
        let is_header = indexes.iter().any(|index| leaves.get(*index).is_some_and(|(at, ..)| at.0 == 0));
        for (path, text) in &whole {
            // The header says how all else is read, and is itself only where it says what it is.
            let is_own = !is_header || path.starts_with("header.");
            if is_own && changed.get(path) != Some(text) {
                let of_member = makers.entry(path.clone()).or_default();
                // `OBX[1]` in the record is `OBX` in a path.
                let segment =
                    source_of(path, &whole).map(|source| source.strip_suffix("[1]").unwrap_or(source));
                let of_segment = segment.and_then(|segment| by_segment.get(segment));
                of_member.extend(likeliest(of_segment.unwrap_or(&indexes), leaves, text));
            }
        }
    }
    makers
}

/// The message with other texts at these places.
fn changed<'m>(
    message: &Message<'m>,
    leaves: &[(Key, InputPlace, String)],
    indexes: &[usize],
) -> Message<'m> {
    let mut changed = message.clone();
    let some = |number: usize| (number > 0).then_some(number);
    for (at, _, text) in indexes.iter().filter_map(|index| leaves.get(*index)) {
        let position = Position {
            segment: at.0,
            field: at.1,
            repetition: some(at.2),
            component: some(at.3),
            subcomponent: some(at.4),
        };
        // What its charset can't hold stays, and is then told to make nothing.
        let _ = changed.set_text(&position, &other(text));
    }
    changed
}

/// Those of places changed together that a member comes from: where some have its text, these.
fn likeliest(indexes: &[usize], leaves: &[(Key, InputPlace, String)], text: &str) -> Vec<usize> {
    if let [only] = indexes {
        return vec![*only];
    }
    let has_text = |index: &usize| leaves.get(*index).is_some_and(|(.., there)| there == text);
    let kept: Vec<usize> = indexes.iter().copied().filter(has_text).collect();
    if kept.is_empty() { indexes.to_vec() } else { kept }
}

/// Another text of the same form, so that a date stays a date.
fn other(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let last = letters.iter_mut().rev().find(|letter| letter.is_ascii_alphanumeric());
    match last {
        Some(letter) => {
            *letter = match *letter {
                '9' => '8',
                'z' => 'y',
                'Z' => 'Y',
                letter => char::from_u32(u32::from(letter) + 1).unwrap_or('x'),
            }
        }
        None => letters.push('x'),
    }
    letters.into_iter().collect()
}

/// Where the record says that the nearest element around a member is from.
fn source_of<'r>(path: &str, all: &'r BTreeMap<String, String>) -> Option<&'r String> {
    let mut above = path;
    while let Some((rest, _)) = above.rsplit_once(['.', '[']) {
        if let Some(source) = all.get(&format!("{rest}.source")) {
            return Some(source);
        }
        above = rest;
    }
    None
}

/// The leaves of a document's record, each with the element it was read from; where they stand is no content.
fn members(input: &Input<'_>) -> Vec<(InputPlace, String)> {
    let all = record_leaves(input.record());
    let element = |path: &str| source_of(path, &all).cloned();
    // Of a section its text; what it is made of stands in the other lists.
    let is_content = |path: &&String| match path.starts_with("sections[") {
        true => path.ends_with("].text"),
        false => !path.ends_with(".source") && *path != "header.format",
    };
    let place =
        |path: &String| InputPlace { path: path.clone(), name: None, offset: None, element: element(path) };
    all.keys()
        .filter(is_content)
        .map(|path| (place(path), all.get(path).cloned().unwrap_or_default()))
        .collect()
}

/// The populated places of an input as a list, for those who ask what a feed has and not what becomes of it: the path whatever the
/// occurrence, and the text where it is a code of a table.
pub fn populated(input: &Input<'_>) -> Vec<(String, Option<String>)> {
    let Some(message) = input.message() else {
        return members(input).into_iter().map(|(place, _)| (unnumbered(&place.path), None)).collect();
    };
    let version = Version::nearest(&message.header().version());
    let told = |(at, view): (Position, View<'_>)| {
        let table = message.meaning(&at).and_then(|meaning| meaning.table);
        let code = table.map(|_| shown(&view));
        (general_path(message, &at, version), code)
    };
    leaves(message).into_iter().map(told).collect()
}
