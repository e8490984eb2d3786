//! What is built as XML: names that XML allows, one root, and prefixes that are declared around where they are used.
//!
//! With these checked when the mapping is loaded, what is written is always well-formed.

use super::build::TEXT;
use super::{Compiler, Here};
use crate::plan::{Build, Content};
use crate::yaml::{Entry, Node};

/// What the keys of attributes begin with.
const ATTRIBUTE: char = '@';

impl Compiler<'_> {
    /// The content of an element: its attributes, its text and the elements in it.
    pub(super) fn content<'e>(
        &self,
        entries: impl Iterator<Item = &'e Entry> + Clone,
        here: Here,
    ) -> Option<Content> {
        let outer = self.prefixes.borrow().len();
        let declared: Vec<String> =
            entries.clone().filter_map(|entry| declared_prefix(&entry.key)).map(str::to_owned).collect();
        self.prefixes.borrow_mut().extend(declared);
        let members: Vec<Option<(Box<str>, Build)>> = entries.map(|entry| self.member(entry, here)).collect();
        self.prefixes.borrow_mut().truncate(outer);
        members.into_iter().collect::<Option<_>>().map(Content::Members)
    }

    fn member(&self, entry: &Entry, here: Here) -> Option<(Box<str>, Build)> {
        let part = match entry.key.strip_prefix(ATTRIBUTE) {
            _ if entry.key == TEXT => self.cell(&entry.value, here)?,
            Some(name) => {
                self.check_name(name, &[], entry)?;
                self.check_namespace(entry)?;
                self.cell(&entry.value, here)?
            }
            None => {
                let part = self.build(&entry.value, here)?;
                self.check_name(&entry.key, &declared(&part), entry)?;
                part
            }
        };
        Some((entry.key.as_str().into(), part))
    }

    /// A name as XML has them, with a prefix that is declared (Namespaces in XML 1.0).
    fn check_name(&self, name: &str, own: &[&str], entry: &Entry) -> Option<()> {
        let (prefix, local) = match name.split_once(':') {
            Some((prefix, local)) => (Some(prefix), local),
            None => (None, name),
        };
        if !is_name(local) || !prefix.is_none_or(is_name) {
            let message = format!("`{name}` is no name that XML allows");
            self.problems
                .error("mapping-xml-name", &entry.key_span, message)
                .help("names are made of letters, digits, `-`, `_` and `.`, and begin with a letter or `_`");
            return None;
        }
        let is_declared = |prefix: &str| {
            matches!(prefix, "xml" | "xmlns")
                || own.contains(&prefix)
                || self.prefixes.borrow().iter().any(|declared| declared == prefix)
        };
        if let Some(prefix) = prefix.filter(|prefix| !is_declared(prefix)) {
            let message = format!("the prefix `{prefix}` is not declared here");
            self.problems
                .error("mapping-xml-prefix", &entry.key_span, message)
                .help(format!("write '@xmlns:{prefix}' with its namespace in this element or one around it"));
            return None;
        }
        Some(())
    }

    /// A namespace is the same for all messages: what it declares must not be missing.
    fn check_namespace(&self, entry: &Entry) -> Option<()> {
        let is_default = entry.key == "@xmlns";
        if !is_default && declared_prefix(&entry.key).is_none() {
            return Some(());
        }
        let text = entry.value.text().filter(|text| !text.contains("${") && !text.is_empty());
        if text.is_some() && !matches!(declared_prefix(&entry.key), Some("xml" | "xmlns")) {
            return Some(());
        }
        let message = "a namespace is a text without expressions";
        self.problems
            .error("mapping-xml-namespace", &entry.key_span, message)
            .help("write it like '@xmlns': urn:hl7-org:v3; `xml` and `xmlns` are declared always");
        None
    }

    /// A document has one root.
    pub(super) fn check_root(&self, node: &Node, build: &Build) -> Option<()> {
        let wrong = |message: &str, help: &str| {
            self.problems.error("mapping-xml-root", &node.span, message).help(help);
            None
        };
        if build.walk.is_some() {
            return wrong("an XML document has one root", "write `$each` inside of the root");
        }
        match &build.content {
            Content::Part(part) => self.check_root(node, part),
            Content::Members(members) => match members.as_slice() {
                [(name, root)] if !name.starts_with(['$', ATTRIBUTE]) => match is_one(root) {
                    true => Some(()),
                    false => {
                        wrong("an XML document has one root", "write the root as a map of what is in it")
                    }
                },
                _ => wrong("an XML document has one root", "write one key, the name of the root"),
            },
            Content::List(_) | Content::Value(_) => {
                wrong("an XML document has one root", "write one key, the name of the root")
            }
        }
    }
}

fn is_one(build: &Build) -> bool {
    build.walk.is_none()
        && match &build.content {
            Content::Members(_) => true,
            Content::Part(part) => is_one(part),
            Content::List(_) | Content::Value(_) => false,
        }
}

/// The prefix that an attribute declares.
fn declared_prefix(key: &str) -> Option<&str> {
    key.strip_prefix("@xmlns:")
}

/// The prefixes that an element declares itself.
fn declared(build: &Build) -> Vec<&str> {
    match &build.content {
        Content::Members(members) => members.iter().filter_map(|(key, _)| declared_prefix(key)).collect(),
        Content::Part(part) => declared(part),
        Content::List(_) | Content::Value(_) => Vec::new(),
    }
}

/// A name without a colon (XML 1.0, productions 4 and 4a), of the letters that names are made of in practice.
fn is_name(name: &str) -> bool {
    let is_first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let is_other = |letter: char| is_first(letter) || letter.is_ascii_digit() || matches!(letter, '-' | '.');
    name.starts_with(is_first) && name.chars().all(is_other)
}
