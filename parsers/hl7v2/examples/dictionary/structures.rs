//! The message structures: for each one structure that has what any version has, so that a message is read in the same groups whatever
//! version it claims, and the events that have it.
//!
//! The base is 2.5.1's, or the nearest version's that has the structure; the others add what they have more, at its place. Groups that
//! versions name differently are one, under the base's name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::Failure;
use crate::facts::{Facts, First, VERSIONS};

/// The versions from which structures are taken, the base first: 2.5.1, 2.5, 2.6, 2.4, 2.7, 2.3.1, 2.8, 2.8.1, 2.8.2, 2.3, 2.2, 2.1.
const ORDER: [usize; VERSIONS.len()] = [6, 5, 7, 4, 8, 3, 9, 10, 11, 2, 1, 0];

/// 2.5.1.
const BASE: usize = 6;

/// Events that have the structure of others, beside what table 0354 says: those that came after it, and those of the versions before
/// structures had names (2.1 to 2.3), when all orders were O01 and all answers O02.
const MORE_EVENTS: &[(&str, &str)] = &[
    ("ORU_R01", "R40 W01"),
    ("ORU_R30", "R31 R32"),
    ("SIU_S12", "S27"),
    ("ADT_A39", "A49"),
    ("RDE_O11", "O01 O49"),
    ("RDS_O13", "O01"),
    ("RGV_O15", "O01"),
    ("RAS_O17", "O01"),
    ("OMD_O03", "O01"),
    ("OMN_O07", "O01"),
    ("OMS_O05", "O01"),
    ("ORD_O04", "O02"),
    ("ORN_O08", "O02"),
    ("ORS_O06", "O02"),
    ("RRE_O12", "O02"),
    ("RRD_O14", "O02"),
    ("RRG_O16", "O02"),
    ("RRA_O18", "O02"),
    ("RSP_K21", "K22"),
    ("MFN_M01", "M14"),
];

/// A segment, or a group of them, and how often it comes.
#[derive(Debug, Clone)]
struct Node {
    kind: Kind,
    /// In the base.
    expected: bool,
    /// In every version.
    required: bool,
    repeats: bool,
    /// The version, later than the base, that brought it.
    since: Option<usize>,
}

#[derive(Debug, Clone)]
enum Kind {
    Segment(String),
    Group(String, Vec<Node>),
    /// One of these.
    Choice(Vec<Node>),
}

pub(crate) fn structures(facts: &Facts) -> Result<String, Failure> {
    let events = events(facts);
    let mut text =
        "# Made by examples/dictionary; README.md says from what, and how to read it.\n".to_owned();
    for name in names(facts, &events) {
        let old_names: Vec<String> =
            events.get(&name).into_iter().flatten().map(|event| of_event(&name, event)).collect();
        let mut merged: Option<Vec<Node>> = None;
        for (version, own) in ORDER.into_iter().flat_map(|version| [(version, true), (version, false)]) {
            let first = facts.first.get(version).ok_or("no such version")?;
            let of_own = own.then_some(&name);
            for name in of_own.into_iter().chain(old_names.iter().filter(|old| !own && **old != name)) {
                let Some(message) = first.messages.get(name) else { continue };
                let nodes = nodes(message, name, first);
                match &mut merged {
                    None => merged = Some(nodes),
                    Some(merged) => merge(merged, nodes, Some(version).filter(|version| *version > BASE)),
                }
            }
        }
        let mut nodes = merged.ok_or("a structure of no version")?;
        loosen(&name, &mut nodes);
        let events = events.get(&name).map(|events| events.iter().cloned().collect::<Vec<_>>().join(" "));
        let _ = writeln!(text, "{name}|{}|{}", events.unwrap_or_default(), sequence(&nodes, " "));
    }
    Ok(text)
}

/// The events of each structure: table 0354 and what is beside it.
fn events(facts: &Facts) -> BTreeMap<String, BTreeSet<String>> {
    let listed = facts.tables.get("354").and_then(|table| table["values"].as_object());
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let listed = listed
        .into_iter()
        .flatten()
        .map(|(name, events)| (name.as_str(), events.as_str().unwrap_or_default()));
    for (name, listed) in listed.chain(MORE_EVENTS.iter().copied()) {
        let is_event =
            |event: &&str| event.len() == 3 && event.starts_with(|letter: char| letter.is_ascii_uppercase());
        let listed = listed.split([',', '.', ' ']).filter(is_event).map(str::to_owned);
        events.entry(name.to_owned()).or_default().extend(listed);
    }
    events
}

/// The structures, without those that are another's under the name of one of its events (ADT_A08 is an ADT_A01).
fn names(facts: &Facts, events: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut of_events = BTreeSet::new();
    for (name, events) in events {
        of_events.extend(events.iter().map(|event| of_event(name, event)).filter(|other| other != name));
    }
    let all: BTreeSet<String> =
        facts.first.iter().flat_map(|version| version.messages.keys().cloned()).collect();
    all.into_iter().filter(|name| !of_events.contains(name)).collect()
}

fn of_event(structure: &str, event: &str) -> String {
    let code = structure.split_once('_').map_or(structure, |(code, _)| code);
    format!("{code}_{event}")
}

fn nodes(of: &Value, message: &str, version: &First) -> Vec<Node> {
    of["children"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|child| node(child, message, version))
        .collect()
}

fn node(child: &Value, message: &str, version: &First) -> Option<Node> {
    let name = child["name"].as_str()?;
    let kind = if child["type"].as_str() == Some("segment") {
        if name.len() != 3 {
            return None;
        }
        Kind::Segment(name.to_owned())
    } else {
        let group = version.groups.get(name)?;
        let nodes = nodes(group, message, version);
        if group["kind"].as_str() == Some("choice") {
            Kind::Choice(nodes)
        } else {
            let name = name.strip_prefix(message).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name);
            Kind::Group(name.to_owned(), nodes)
        }
    };
    let max = child["max"].as_i64().unwrap_or(1);
    let required = child["min"].as_i64().is_some_and(|min| min > 0);
    Some(Node { kind, expected: required, required, repeats: !(0..=1).contains(&max), since: None })
}

/// Adds what `other` has more, at its place; what only some versions have, or only some require, is not required.
fn merge(base: &mut Vec<Node>, other: Vec<Node>, since: Option<usize>) {
    let mut place = 0;
    let mut met = BTreeSet::new();
    for node in other.into_iter().flat_map(|node| unwrapped(node, base)).collect::<Vec<_>>() {
        let found = (place..base.len()).find(|&index| base.get(index).is_some_and(|own| is_same(own, &node)));
        match found {
            Some(index) => {
                if let Some(own) = base.get_mut(index) {
                    unite(own, node, since);
                }
                met.insert(index);
                place = index;
            }
            // In another order than the base's: it is there already.
            None if base.iter().any(|own| is_same(own, &node)) => {}
            None => {
                let at = if met.contains(&place) { place + 1 } else { place };
                base.insert(at, Node { expected: false, required: false, since, ..node });
                met = met.into_iter().map(|index| if index >= at { index + 1 } else { index }).collect();
                met.insert(at);
                place = at;
            }
        }
    }
    for (index, node) in base.iter_mut().enumerate() {
        node.required &= met.contains(&index);
    }
}

/// A group that some versions have around groups that the base has here is no group of ours.
fn unwrapped(node: Node, base: &[Node]) -> Vec<Node> {
    let has = |node: &Node| matches!(&node.kind, Kind::Group(name, _) if base.iter().any(|own| is_named(own, name)));
    match node.kind {
        Kind::Group(ref name, ref inner)
            if !base.iter().any(|own| is_named(own, name)) && inner.iter().any(has) =>
        {
            let Kind::Group(_, inner) = node.kind else { return Vec::new() };
            inner
        }
        _ => vec![node],
    }
}

fn is_named(node: &Node, name: &str) -> bool {
    matches!(&node.kind, Kind::Group(own, _) if own == name)
}

/// Whether two nodes are about the same: of one name, or beginning with the same segment.
fn is_same(own: &Node, other: &Node) -> bool {
    match (&own.kind, &other.kind) {
        (Kind::Group(own, _), Kind::Group(other, _)) if own == other => true,
        _ => begins(own).intersection(&begins(other)).next().is_some(),
    }
}

/// The segment a node begins with; of a choice, those.
fn begins(node: &Node) -> BTreeSet<&str> {
    match &node.kind {
        Kind::Segment(name) => BTreeSet::from([name.as_str()]),
        Kind::Group(_, nodes) => nodes.first().map(begins).unwrap_or_default(),
        Kind::Choice(nodes) => nodes.iter().flat_map(begins).collect(),
    }
}

fn unite(own: &mut Node, other: Node, since: Option<usize>) {
    own.required &= other.required;
    own.repeats |= other.repeats;
    match (&mut own.kind, other.kind) {
        (Kind::Group(name, own), Kind::Group(others, other)) => {
            // The first set has no better name for some groups than their segments.
            if name.contains("SUPPGRP") {
                *name = others;
            }
            merge(own, other, since);
        }
        (Kind::Choice(own), Kind::Choice(other)) => {
            for node in other {
                if !own.iter().any(|own| is_same(own, &node)) {
                    own.push(node);
                }
            }
        }
        // A version that has the segment alone, or alone what others have in a group or choice, says nothing more.
        _ => {}
    }
}

/// What senders do beside the standard: the observations of a specimen are observations as any.
fn loosen(message: &str, nodes: &mut [Node]) {
    for node in nodes {
        let Kind::Group(name, inner) = &mut node.kind else { continue };
        if message == "ORU_R01" && name == "SPECIMEN" {
            for node in
                inner.iter_mut().filter(|node| matches!(&node.kind, Kind::Segment(name) if name == "OBX"))
            {
                let segment = |name: &str, required| Node {
                    kind: Kind::Segment(name.to_owned()),
                    expected: required,
                    required,
                    repeats: !required,
                    since: None,
                };
                let nodes = vec![segment("OBX", true), segment("PRT", false), segment("NTE", false)];
                node.kind = Kind::Group("OBSERVATION".to_owned(), nodes);
            }
        }
        loosen(message, inner);
    }
}

fn sequence(nodes: &[Node], between: &str) -> String {
    nodes.iter().map(written).collect::<Vec<_>>().join(between)
}

/// `PID`, `PID?` not required by every version, `[PD1]` not required, `[ARV]7` nor known before the version with
/// this number, `{NK1}` repeats, `PATIENT(...)` a group, `<OBR RXO>` one of these.
fn written(node: &Node) -> String {
    let mut text = match &node.kind {
        Kind::Segment(name) => name.clone(),
        Kind::Group(name, nodes) => format!("{name}({})", sequence(nodes, " ")),
        Kind::Choice(nodes) => format!("<{}>", sequence(nodes, " ")),
    };
    if node.repeats {
        text = format!("{{{text}}}");
    }
    match node {
        Node { required: true, .. } => text,
        Node { expected: true, .. } => format!("{text}?"),
        Node { since: Some(version), .. } => format!("[{text}]{version:x}"),
        _ => format!("[{text}]"),
    }
}
