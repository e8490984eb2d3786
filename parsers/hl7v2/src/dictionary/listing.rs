//! Segments with their fields, or data types with their components: the lines of `segments.txt` and `types.txt`.
//!
//! A line without a blank before it is a segment: name, versions, title. The lines after it are its fields: number, versions, data type,
//! usage (`R` required, `O` optional, `W` withdrawn, `*` repeats), length, table, title; `-` where there is none, `=` for the title before.

use std::collections::HashMap;
use std::collections::btree_map::BTreeMap;

use super::{Part, Version};

/// All definitions of one kind.
#[derive(Debug)]
pub(super) struct Listing {
    definitions: BTreeMap<&'static str, Definition>,
}

#[derive(Debug)]
struct Definition {
    title: &'static str,
    /// By number, from 1.
    parts: HashMap<usize, Vec<Versioned>>,
    count: usize,
}

#[derive(Debug)]
struct Versioned {
    from: Version,
    to: Version,
    part: Part,
}

impl Listing {
    pub(super) fn read(text: &'static str) -> Self {
        let mut definitions: BTreeMap<&'static str, Definition> = BTreeMap::new();
        let mut current = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(line) = line.strip_prefix(' ') {
                if let (Some(definition), Some((number, versioned))) =
                    (definitions.get_mut(current), part(line))
                {
                    definition.add(number, versioned);
                }
            } else {
                let mut words = line.splitn(3, ' ');
                current = words.next().unwrap_or_default();
                let title = words.nth(1).unwrap_or_default();
                definitions.insert(current, Definition { title, parts: HashMap::new(), count: 0 });
            }
        }
        Self { definitions }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.definitions.keys().copied()
    }

    pub(super) fn title(&self, name: &str) -> Option<&'static str> {
        self.definitions.get(name).map(|definition| definition.title)
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.definitions.get(name).map_or(0, |definition| definition.count)
    }

    pub(super) fn has_part(&self, name: &str, number: usize, version: Version) -> bool {
        self.versions(name, number).iter().any(|versioned| versioned.distance(version) == 0)
    }

    /// The first version that has it.
    pub(super) fn since(&self, name: &str, number: usize) -> Option<Version> {
        self.versions(name, number).iter().map(|versioned| versioned.from).min()
    }

    pub(super) fn part(&self, name: &str, number: usize, version: Version) -> Option<&Part> {
        let nearest = self.versions(name, number).iter().min_by_key(|versioned| versioned.distance(version));
        nearest.map(|versioned| &versioned.part)
    }

    pub(super) fn data_types(&self, name: &str, number: usize) -> impl Iterator<Item = &'static str> {
        self.versions(name, number).iter().map(|versioned| versioned.part.data_type)
    }

    fn versions(&self, name: &str, number: usize) -> &[Versioned] {
        let parts = self.definitions.get(name).and_then(|definition| definition.parts.get(&number));
        parts.map(Vec::as_slice).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.definitions.values().flat_map(|definition| definition.parts.values()).map(Vec::len).sum()
    }
}

impl Definition {
    fn add(&mut self, number: usize, mut versioned: Versioned) {
        let versions = self.parts.entry(number).or_default();
        if versioned.part.title == "=" {
            versioned.part.title = versions.last().map(|before| before.part.title).unwrap_or_default();
        }
        versions.push(versioned);
        self.count = self.count.max(number);
    }
}

impl Versioned {
    /// How many versions it is away from this one.
    fn distance(&self, version: Version) -> u8 {
        let (from, to, place) = (self.from.place(), self.to.place(), version.place());
        from.saturating_sub(place).max(place.saturating_sub(to))
    }
}

fn part(line: &'static str) -> Option<(usize, Versioned)> {
    let mut words = line.splitn(7, ' ');
    let number = words.next()?.parse().ok()?;
    let mut versions = words.next()?.chars();
    let (from, to) = (Version::at(versions.next()?)?, Version::at(versions.next()?)?);
    let data_type = words.next().filter(|data_type| *data_type != "-").unwrap_or_default();
    let usage = words.next()?;
    let part = Part {
        data_type,
        required: usage.starts_with('R'),
        withdrawn: usage.starts_with('W'),
        repeats: usage.ends_with('*'),
        length: words.next()?.parse().ok(),
        table: words.next()?.parse().ok(),
        title: words.next().unwrap_or_default(),
    };
    Some((number, Versioned { from, to, part }))
}
