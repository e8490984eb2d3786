//! Message structures: the lines of `structures.txt`, each a name, the events that have it and the tree of its segments and groups.
//!
//! One structure holds for all versions: it has what any of them has, since senders name versions that are not theirs. In the tree `PID`
//! is a segment, `PATIENT(...)` a group, `{...}` repeats, `[...]` may be missing, `...?` may be missing in some versions, `<...>` is one
//! of these, and a digit after a bracket is the version, later than 2.5.1, that brought it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, OnceLock};

use super::Version;

/// The tree of a structure.
#[derive(Debug)]
pub(crate) struct Structure {
    /// The message itself first, then its groups.
    nodes: Vec<Node>,
}

/// A group, or the message as the group of all.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// The group's name; empty for the message.
    pub(crate) name: &'static str,
    /// What is in it, in order.
    pub(crate) children: Vec<Child>,
}

/// A segment or a group in its place.
#[derive(Debug)]
pub(crate) struct Child {
    /// The segment's name; empty for a group.
    pub(crate) segment: &'static str,
    /// The group's node.
    pub(crate) group: Option<usize>,
    /// Its place in the group; what may stand there instead has the same.
    pub(crate) place: u8,
    pub(crate) repeats: bool,
    /// Whether all versions require it.
    pub(crate) required: bool,
    /// Whether 2.5.1 requires it, or the version nearest to that.
    pub(crate) expected: bool,
    /// The version that brought it, if later than 2.5.1.
    pub(crate) since: Option<Version>,
}

impl Structure {
    pub(crate) fn node(&self, index: usize) -> &Node {
        static NONE: Node = Node { name: "", children: Vec::new() };
        self.nodes.get(index).unwrap_or(&NONE)
    }

    /// Whether this version requires it, as far as that is known: what all versions require, and of 2.5.1 what it requires itself. A group
    /// of nothing that is required can be there and empty, and DSC only says that a message goes on.
    pub(crate) fn requires(&self, child: &Child, version: Version) -> bool {
        let is_required = child.required || (child.expected && version == Version::DEFAULT);
        let has_content = |group| self.node(group).children.iter().any(|inner| self.requires(inner, version));
        is_required && child.segment != "DSC" && child.group.is_none_or(has_content)
    }

    /// A child's name, of a segment or of a group.
    pub(crate) fn name(&self, child: &Child) -> &'static str {
        child.group.map_or(child.segment, |group| self.node(group).name)
    }

    /// What may stand at this place of a group, in words: `PID`, `OBR or RQD or RXO`, `ORDER (a group with ORC)`.
    pub(crate) fn words(&self, children: &[Child], place: u8) -> String {
        let word = |child: &Child| {
            let name = self.name(child);
            let inner =
                child.group.and_then(|group| self.node(group).children.iter().find(|inner| inner.expected));
            inner.map_or_else(
                || name.to_owned(),
                |inner| format!("{name} (a group with {})", self.name(inner)),
            )
        };
        let here = children.iter().filter(|child| child.place == place);
        here.map(word).collect::<Vec<_>>().join(" or ")
    }

    /// Whether a segment of this name has a place anywhere in it, in this version.
    pub(crate) fn has(&self, name: &str, version: Version) -> bool {
        let mut children = self.nodes.iter().flat_map(|node| &node.children);
        children.any(|child| child.segment == name && child.is_known(version))
    }
}

impl Child {
    /// Whether this version knows it, or an earlier one.
    pub(crate) fn is_known(&self, version: Version) -> bool {
        self.since.is_none_or(|since| since <= version)
    }
}

/// The structure of a message of this type and event. `declared` (MSH-9.3) is believed only where type and event are of no structure: many
/// senders write there what they like. A message of an unknown event has the structure of its type's first.
pub(crate) fn structure(kind: &str, event: &str, declared: &str) -> &'static Structure {
    static NONE: LazyLock<Structure> = LazyLock::new(|| Structure { nodes: vec![Node::default()] });
    let all = &*STRUCTURES;
    let line = all.of_event(kind, event).or_else(|| all.named(declared)).or_else(|| all.of_kind(kind));
    line.map_or(&NONE, |line| line.tree.get_or_init(|| Reader::read(line.text)))
}

/// The name and the structure of a message by which it may be judged: its own, the one it declares, or the one that all of its type have
/// (ACK). Of other messages none is known.
pub(crate) fn own_structure(
    kind: &str,
    event: &str,
    declared: &str,
) -> Option<(&'static str, &'static Structure)> {
    let all = &*STRUCTURES;
    let line =
        all.of_event(kind, event).or_else(|| all.named(declared)).or_else(|| all.of_event(kind, ""))?;
    Some((line.name, line.tree.get_or_init(|| Reader::read(line.text))))
}

/// The names of all groups.
pub(super) fn groups() -> impl Iterator<Item = &'static str> {
    static GROUPS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let before = |text: &'static str| text.rsplit(['[', '{', '(', ' ', '<']).next();
        let in_line = |line: &Line| {
            line.text
                .split_inclusive('(')
                .filter_map(|part| part.strip_suffix('('))
                .filter_map(before)
                .collect::<Vec<_>>()
        };
        STRUCTURES.lines.iter().flat_map(in_line).collect()
    });
    GROUPS.iter().copied()
}

static STRUCTURES: LazyLock<Structures> =
    LazyLock::new(|| Structures::read(include_str!("../../dictionary/structures.txt")));

struct Structures {
    lines: Vec<Line>,
    /// By `TYPE^EVENT`.
    events: HashMap<(&'static str, &'static str), usize>,
    names: HashMap<&'static str, usize>,
}

struct Line {
    name: &'static str,
    text: &'static str,
    tree: OnceLock<Structure>,
}

impl Structures {
    fn read(text: &'static str) -> Self {
        let mut all = Self { lines: Vec::new(), events: HashMap::new(), names: HashMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.splitn(3, '|');
            let (name, events, text) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            let (kind, own) = name.split_once('_').unwrap_or((name, ""));
            for event in events.split(' ').filter(|event| !event.is_empty()).chain([own]) {
                all.events.insert((kind, event), all.lines.len());
            }
            all.names.insert(name, all.lines.len());
            all.lines.push(Line { name, text, tree: OnceLock::new() });
        }
        all
    }

    fn of_event(&self, kind: &str, event: &str) -> Option<&Line> {
        self.lines.get(*self.events.get(&(kind, event))?)
    }

    fn named(&self, name: &str) -> Option<&Line> {
        self.lines.get(*self.names.get(name)?)
    }

    fn of_kind(&self, kind: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name.split('_').next() == Some(kind) && !kind.is_empty())
    }
}

/// Reads the text of a tree.
struct Reader {
    rest: &'static str,
    nodes: Vec<Node>,
}

impl Reader {
    fn read(text: &'static str) -> Structure {
        let mut reader = Self { rest: text, nodes: vec![Node::default()] };
        reader.children(0, None);
        Structure { nodes: reader.nodes }
    }

    /// Reads up to the bracket that ends a group, or of a choice up to its end, all at the same place.
    fn children(&mut self, node: usize, choice: Option<u8>) {
        let mut place = 0;
        while !self.rest.is_empty() && !self.takes(")") && !self.takes(">") {
            if self.takes(" ") {
                continue;
            }
            self.child(node, choice.unwrap_or(place));
            place += 1;
        }
    }

    fn child(&mut self, node: usize, place: u8) {
        let optional = self.takes("[");
        let repeats = self.takes("{");
        let before = self.nodes.get(node).map_or(0, |node| node.children.len());
        if self.takes("<") {
            self.children(node, Some(place));
        } else {
            let child = self.segment_or_group(place, repeats);
            self.add(node, child);
        }
        let _ = repeats && self.takes("}");
        let _ = optional && self.takes("]");
        let some_require = self.takes("?");
        let since = optional.then(|| self.rest.chars().next().and_then(Version::at)).flatten();
        if since.is_some() {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        let added = self.nodes.get_mut(node).and_then(|node| node.children.get_mut(before..));
        for child in added.into_iter().flatten() {
            child.repeats = repeats;
            child.required = !optional && !some_require;
            child.expected = !optional;
            child.since = since;
        }
    }

    fn segment_or_group(&mut self, place: u8, repeats: bool) -> Child {
        let ends = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_');
        let (name, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        let mut child = Child {
            segment: name,
            group: None,
            place,
            repeats,
            required: false,
            expected: false,
            since: None,
        };
        if self.takes("(") {
            let group = self.nodes.len();
            self.nodes.push(Node { name, children: Vec::new() });
            self.children(group, None);
            (child.segment, child.group) = ("", Some(group));
        } else if name.is_empty() {
            // Nothing that belongs here: it is left out, so that reading goes on.
            let mut letters = self.rest.chars();
            letters.next();
            self.rest = letters.as_str();
        }
        child
    }

    fn add(&mut self, node: usize, child: Child) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.children.push(child);
        }
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as text again, without what each version requires.
    fn written(structure: &Structure, node: usize) -> String {
        let mut text = String::new();
        for child in &structure.node(node).children {
            let inner = match child.group {
                Some(group) => format!("{}({})", structure.node(group).name, written(structure, group)),
                None => child.segment.to_owned(),
            };
            let inner = if child.repeats { format!("{{{inner}}}") } else { inner };
            let separator = if text.is_empty() { "" } else { " " };
            text = format!("{text}{separator}{}", if child.expected { inner } else { format!("[{inner}]") });
        }
        text
    }

    fn tree(kind: &str, event: &str, declared: &str) -> String {
        written(structure(kind, event, declared), 0)
    }

    #[test]
    fn a_structure_has_groups_in_groups() {
        let merge = tree("ADT", "A40", "");
        assert_eq!(merge, "MSH [{SFT}] [UAC] EVN {PATIENT(PID [PD1] MRG [PV1])}");
        let order = structure("ORM", "O01", "");
        let details = order.nodes.iter().find(|node| node.name == "ORDER_DETAIL").unwrap();
        let places: Vec<_> =
            details.children.iter().take(7).map(|child| (child.segment, child.place)).collect();
        assert_eq!(
            places,
            [("OBR", 0), ("RQD", 0), ("RQ1", 0), ("RXO", 0), ("ODS", 0), ("ODT", 0), ("ORO", 1)]
        );
    }

    #[test]
    fn what_some_versions_lack_is_known() {
        let results = structure("ORU", "R01", "");
        let patient = results.nodes.iter().find(|node| node.name == "PATIENT").unwrap();
        let child = |name: &str| patient.children.iter().find(|child| child.segment == name).unwrap();
        assert_eq!((child("PD1").since, child("OBX").since), (None, Version::named("2.6")));
        assert!(child("PID").required && !child("PD1").expected);
    }

    #[test]
    fn events_decide_before_what_is_declared() {
        assert_eq!(tree("ADT", "A08", "ADT_A08"), tree("ADT", "A01", ""));
        assert_eq!(tree("ADT", "A08", "ADT_A03"), tree("ADT", "A01", ""));
        assert_eq!(tree("ORU", "R99", "ORU_R30"), tree("ORU", "R30", ""));
        assert_eq!(tree("ORU", "R99", "nonsense"), tree("ORU", "R01", ""));
        assert_eq!(tree("ACK", "A01", ""), tree("ACK", "", ""));
        assert_eq!((tree("XYZ", "A01", ""), tree("", "", "")), (String::new(), String::new()));
    }

    #[test]
    fn groups_have_names() {
        let names: Vec<_> = groups().collect();
        assert!(
            names.len() > 150
                && names.iter().all(|name| name.starts_with(|first: char| first.is_ascii_uppercase()))
        );
        assert!(names.contains(&"ORDER_OBSERVATION") && !names.contains(&"PID"));
    }

    /// The facts were made by a program: each line is read back as it was written.
    #[test]
    fn every_structure_is_read() {
        assert!(STRUCTURES.lines.len() > 250);
        for line in &STRUCTURES.lines {
            let read = Reader::read(line.text);
            let plain = |text: &str| {
                text.chars()
                    .filter(|letter| letter.is_ascii_uppercase() || "_()".contains(*letter))
                    .collect::<String>()
            };
            assert_eq!(plain(&written(&read, 0)), plain(line.text), "{}", line.name);
        }
    }
}
