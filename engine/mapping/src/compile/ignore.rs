//! `ignore:` of a mapping: places of the input that it leaves aside on purpose, each with the reason.
//!
//! It changes no output; what is declared here is not told as forgotten when the places of a feed are counted.

use orderly_hl7v2::Select;

use super::expression::Reader;
use super::{Compiler, Here};
use crate::expression::{self, Kind, Reference};
use crate::yaml::{Entry, Kind as NodeKind, Node};
use crate::{Ignored, yaml};

impl Compiler<'_> {
    /// Reads the map of places and reasons.
    pub(super) fn ignored(&self, node: &Node) -> Vec<Ignored> {
        let NodeKind::Map(entries) = &node.kind else {
            let message = format!("`ignore` is a map of places and reasons, not {}", node.what());
            self.problems
                .error("mapping-ignore", &node.span, message)
                .help("write it like PV1-7: the hospital has its own physicians");
            return Vec::new();
        };
        entries.iter().filter_map(|entry| self.ignored_place(entry)).collect()
    }

    fn ignored_place(&self, entry: &Entry) -> Option<Ignored> {
        let key = Node { span: entry.key_span.clone(), kind: NodeKind::Text(entry.key.clone()) };
        let path = Reader::new(self, &key, Here::Nothing).ignored(&key.span);
        let reason = entry.value.text().filter(|reason| !reason.trim().is_empty());
        if reason.is_none() {
            self.problems
                .error("mapping-ignore", &entry.key_span, "this does not say why the place is ignored")
                .help("write the reason behind the colon");
        }
        Some(Ignored { path: path?, reason: reason?.to_owned() })
    }
}

impl Reader<'_, '_> {
    /// A segment, a field or a part of one in all its occurrences, or members of the record.
    fn ignored(&self, key: &yaml::Span) -> Option<String> {
        let text = self.scalar("a place")?;
        let parsed = self.parsed(expression::path(text))?;
        match &parsed.kind {
            Kind::Reference(Reference::Hl7 { received: false, path })
                if path.group.is_none()
                    && path.repetition.is_none()
                    && matches!(path.occurrence, Select::First) =>
            {
                self.check_received(path, &parsed)?;
            }
            Kind::Reference(Reference::Record(_)) if !text.contains('[') => _ = self.value(&parsed)?,
            _ => {
                self.compiler
                    .problems
                    .error("mapping-ignore", key, "only a place in all its occurrences can be ignored")
                    .help("write it like ZRV, PV1-7, PID-5.7 or social_history");
                return None;
            }
        }
        Some(text.to_owned())
    }
}
