//! Rules resolved: targets, anchors, what an `each` walks over, and the names that rules give.

use orderly_hl7v2::{Level, Select};

use super::expression::Reader;
use super::header::{HEADER, is_header};
use super::{Compiler, Here, NameKind, Typed, known, twice};
use crate::expression::{self, Expression, Kind, Reference};
use crate::plan::{Action, Anchor, Assignment, End, Insert, Let, Over, Part, Place, Rule, Start, Term, Walk};
use crate::yaml::{Entry, Node};
use crate::{Format, rule};

impl<'p> Compiler<'p> {
    pub(super) fn rule(&self, node: &Node, here: Here) -> Option<Rule> {
        let said = rule::read(node, self.problems)?;
        self.check_allowed(node, &said.action)?;
        let test = said.when.map(|when| Reader::new(self, when, here).condition());
        let action = self.action(&said.action, here);
        let otherwise = said.otherwise.map(|rules| self.rules(rules, here)).unwrap_or_default();
        let place = said.span.clone();
        let (test, action) = match test {
            Some(test) => (Some(test?), action?),
            None => (None, action?),
        };
        let action = match (test, action) {
            (Some(test), Action::When { then, .. })
                if matches!(said.action, rule::Action::Do(_) | rule::Action::Use(_)) =>
            {
                Action::When { test, then, otherwise }
            }
            (Some(test), action) => {
                let then = vec![Rule { place: place.clone(), action }];
                Action::When { test, then, otherwise }
            }
            (None, action) => action,
        };
        Some(Rule { place, action })
    }

    /// Where an output is built there is no message that a rule could change.
    pub(super) fn check_allowed(&self, node: &Node, action: &rule::Action<'_>) -> Option<()> {
        let changing = action.changing().filter(|_| self.output != Format::Hl7v2);
        let Some(changing) = changing else { return Some(()) };
        let mut entries = node.entries().into_iter().flatten();
        let span = entries.find(|entry| entry.key == changing).map_or(&node.span, |entry| &entry.key_span);
        let (message, instead) = match action {
            rule::Action::Each { .. } => ("there is no `each` above `build:`".to_owned(), "`$each`"),
            _ => (format!("`{changing}` changes a message, and this mapping builds its output"), "values"),
        };
        let help =
            format!("write {instead} under `build:`; rules above it are let, when, use, stop, fail and park");
        self.problems.error("mapping-build-rule", span, message).help(help);
        None
    }

    fn action(&self, said: &rule::Action<'_>, here: Here) -> Option<Action> {
        Some(match said {
            rule::Action::Set(node) => Action::Set(self.assignments(node, here)?),
            rule::Action::Delete(node) => {
                let places: Vec<Option<Place>> =
                    node.items().iter().map(|item| self.deleted(item, here)).collect();
                Action::Delete(places.into_iter().collect::<Option<_>>()?)
            }
            rule::Action::Keep(node) => {
                let names: Vec<Option<&str>> =
                    node.items().iter().map(|item| self.segment_name(item)).collect();
                let names: Option<Vec<&str>> = names.into_iter().collect();
                Action::Keep(names?.into_iter().map(Into::into).collect())
            }
            rule::Action::Insert { segment, anchor, fields } => {
                self.check_one_header(segment.text() == Some(HEADER), &segment.span)?;
                let (name, anchor) = (self.segment_name(segment), self.anchor(anchor, here));
                let entries = fields.map(|fields| (fields, fields.entries()));
                let fields = match entries {
                    None => Some(Vec::new()),
                    Some((_, Some(entries))) => self.fields(name, entries, here),
                    Some((node, None)) => {
                        let message = format!("`fields` is a map of numbers and values, not {}", node.what());
                        self.problems.error("mapping-fields", &node.span, message);
                        None
                    }
                };
                Action::Insert(Insert { segment: name?.into(), anchor: anchor?, fields: fields? })
            }
            rule::Action::Move { segment, anchor } => {
                let moved = self.segment(segment, here);
                if moved.as_ref().is_some_and(is_header) {
                    let message = "the header of a message stays first";
                    self.problems.error("mapping-header", &segment.span, message).help("remove this rule");
                }
                let anchor = self.anchor(anchor, here);
                Action::Move { segment: moved?, anchor: anchor? }
            }
            rule::Action::Each { over, rules } => self.each(over, rules, here)?,
            rule::Action::Let(node) => Action::Let(self.names_of(node, here)?),
            rule::Action::Split(group) => self.misplaced_split(group)?,
            rule::Action::Use(name) => self.used_rules(name, here)?,
            rule::Action::End { end, reason } => {
                Action::End { end: *end, reason: self.reason(*end, reason)? }
            }
            rule::Action::Do(rules) => {
                let then = self.rules(rules, here);
                Action::When { test: crate::plan::Test::All(Vec::new()), then, otherwise: Vec::new() }
            }
        })
    }

    fn assignments(&self, node: &Node, here: Here) -> Option<Vec<Assignment>> {
        let Some(entries) = node.entries() else {
            let message = format!("`set` is a map of targets and values, not {}", node.what());
            self.problems
                .error("mapping-set", &node.span, message)
                .help("write it like set: with PID-8: U below");
            return None;
        };
        let assignment = |entry: &Entry| {
            let key = key_node(entry);
            let reader = Reader::new(self, &key, here);
            let target = self.target(&reader, &entry.key);
            self.assignment(entry, target?, here)
        };
        let assignments: Vec<Option<Assignment>> = entries.iter().map(assignment).collect();
        twice::check(assignments.iter().flatten(), self.problems);
        assignments.into_iter().collect()
    }

    /// The fields of an inserted segment: `3`, `3.1`, `3[2].1`.
    fn fields(&self, segment: Option<&str>, entries: &[Entry], here: Here) -> Option<Vec<Assignment>> {
        let segment = segment?;
        let field = |entry: &Entry| {
            let parsed = expression::path(&format!("{segment}-{}", entry.key)).ok();
            let place = match parsed.map(|parsed| parsed.kind) {
                Some(Kind::Reference(Reference::Hl7 { path, .. })) => Some(path),
                _ => None,
            };
            let fixed = |select: &Option<Select<Expression>>| matches!(select, None | Some(Select::Nth(_)));
            let Some(path) = place.filter(|path| path.field.is_some() && fixed(&path.repetition)) else {
                let message = format!("`{}` is not a field of the new segment", entry.key);
                self.problems
                    .error("mapping-field", &entry.key_span, message)
                    .help("write its number: 3, 3.1 or 3[2].1");
                return None;
            };
            self.check_inserted(&path, &entry.key_span)?;
            let repetition = path.repetition.and_then(|select| match select {
                Select::Nth(n) => Some(Select::Nth(n)),
                _ => None,
            });
            let part = Part {
                field: path.field,
                repetition,
                component: path.component,
                subcomponent: path.subcomponent,
            };
            self.assignment(entry, Place { start: Start::Here, part }, here)
        };
        let fields: Vec<Option<Assignment>> = entries.iter().map(field).collect();
        twice::check(fields.iter().flatten(), self.problems);
        fields.into_iter().collect()
    }

    fn assignment(&self, entry: &Entry, target: Place, here: Here) -> Option<Assignment> {
        // A repetition that is yet to be added has nothing that a relative path could mean.
        let appends = matches!(target.part.repetition, Some(Select::Append));
        let (value_here, here_is_target) = match &target.start {
            _ if appends => (here, false),
            Start::Segment { .. } if target.part.repetition.is_some() => (Here::Repetition, true),
            Start::Segment { segment, .. } if !segment.is_bare() => (Here::Segment, true),
            _ => (here, false),
        };
        let reader = Reader::new(self, &entry.value, value_here);
        let typed = reader.output()?;
        let level = crate::evaluate::level(&target, here.level())?;
        let copies = typed.lone == Some(Some(level)) && !typed.several;
        let value = self.assigned(&reader, typed, level, entry)?;
        Some(Assignment { target, here_is_target, value, copies, place: entry.key_span.clone() })
    }

    fn assigned(&self, reader: &Reader<'_, 'p>, typed: Typed, level: Level, entry: &Entry) -> Option<Term> {
        if let Term::Structure(structure) = &typed.term
            && structure.level() < level
        {
            let message = format!("this structure does not fit into a {}", level_name(level));
            self.problems
                .error("mapping-structure", &entry.value.span, message)
                .help(format!("write it to a {}", level_name(structure.level())));
            return None;
        }
        reader.single(typed, entry.value.span.clone())
    }

    /// What a `set` writes to: a field or a part of one, in the working message.
    fn target(&self, reader: &Reader<'_, 'p>, text: &str) -> Option<Place> {
        let parsed = reader.parsed(expression::path(text))?;
        let Kind::Reference(reference) = &parsed.kind else { return None };
        let wrong = |message: &str, help: &str| {
            reader.error("mapping-target", parsed.range.clone(), message).help(help);
            None
        };
        match reference {
            Reference::Hl7 { received: true, .. } => {
                return wrong("the message as received never changes", "leave out `input.`");
            }
            Reference::Record(_)
            | Reference::Document { .. }
            | Reference::Member(_)
            | Reference::NamedMember { .. }
            | Reference::Named(_) => {
                return wrong("this can't be written to", "write to a path of the message, as in PID-8");
            }
            _ => {}
        }
        let place = reader.place(reference, &parsed)?;
        self.check_writable(&place, &wrong)?;
        Some(place)
    }

    fn check_writable(&self, place: &Place, wrong: &dyn Fn(&str, &str) -> Option<Place>) -> Option<()> {
        if let Start::Segment { segment, .. } = &place.start {
            if place.part.field.is_none() {
                wrong("this names a segment, where a field is needed", "write it like PID-8");
                return None;
            }
            if matches!(segment.occurrence, Select::Append) {
                wrong("`[+]` appends repetitions of fields only", "add a segment with `insert`");
                return None;
            }
        }
        if let Some((message, help)) = self.kept_of_header(place) {
            wrong(message, help);
            return None;
        }
        Some(())
    }

    /// What a `delete` takes away: segments, fields, repetitions or components.
    fn deleted(&self, node: &Node, here: Here) -> Option<Place> {
        let reader = Reader::new(self, node, here);
        let text = reader.scalar("what is deleted")?;
        let parsed = reader.parsed(expression::path(text))?;
        let Kind::Reference(reference) = &parsed.kind else { return None };
        let place = reader.place(reference, &parsed)?;
        let wrong = |message: &str, help: &str| {
            reader.error("mapping-delete", parsed.range.clone(), message).help(help);
            None
        };
        match &place.start {
            Start::Segment { received: true, .. } => {
                wrong("the message as received never changes", "leave out `input.`")
            }
            _ if is_header(&place) && matches!(place.part.field, None | Some(1 | 2)) => {
                wrong("a message can't be without its header and its delimiters", "remove this line")
            }
            _ if matches!(place.part.repetition, Some(Select::Append)) => wrong(
                "`[+]` names what is not there yet",
                "name a repetition with [1], [last], [*] or [where ...]",
            ),
            _ => match self.kept_of_header(&place) {
                Some((message, help)) => wrong(message, help),
                None => Some(place),
            },
        }
    }

    fn anchor(&self, said: &rule::Anchor<'_>, here: Here) -> Option<Anchor> {
        let rule::Anchor::Beside { segment: said, after } = said else { return Some(Anchor::End) };
        if let Some(group) = said.text().and_then(expression::group_name) {
            return Some(Anchor::BesideGroup { group: group.into(), after: *after });
        }
        let segment = self.segment(said, here)?;
        if !after && is_header(&segment) {
            let message = "nothing stands before the header of a message";
            self.problems.error("mapping-header", &said.span, message).help("write `after: MSH`");
        }
        Some(Anchor::Beside { segment, after: *after })
    }

    /// A path that names a segment.
    fn segment(&self, node: &Node, here: Here) -> Option<Place> {
        let reader = Reader::new(self, node, here);
        let text = reader.scalar("a segment")?;
        let parsed = reader.parsed(expression::path(text))?;
        let Kind::Reference(reference) = &parsed.kind else { return None };
        let place = match reference {
            Reference::Hl7 { received: false, path } if path.field.is_none() => {
                reader.place(reference, &parsed)?
            }
            _ => {
                let message = "a segment is needed here";
                reader
                    .error("mapping-not-a-segment", parsed.range.clone(), message)
                    .help("write it like PID or OBX[last]");
                return None;
            }
        };
        Some(place)
    }

    fn segment_name<'n>(&self, node: &'n Node) -> Option<&'n str> {
        Reader::new(self, node, Here::Nothing).scalar("a segment's name")?;
        let text = node.text()?;
        let well_formed = text.len() == 3
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        if !well_formed {
            let message = "a segment's name is three capital letters or digits, and begins with a letter";
            self.problems.error("mapping-segment-name", &node.span, message).help("write it like ZPI");
            return None;
        }
        Some(text)
    }

    fn each(&self, over: &Node, rules: &Node, here: Here) -> Option<Action> {
        let known = self.names.borrow().len();
        let (walk, inner) = self.walk(over, here)?;
        let rules = self.rules(rules, inner);
        self.names.borrow_mut().truncate(known);
        Some(Action::Each { walk, rules })
    }

    /// What an `each` walks over, and what stands at its places. Its name stays in scope for the caller to take away.
    pub(super) fn walk(&self, over: &Node, here: Here) -> Option<(Walk, Here)> {
        let reader = Reader::new(self, over, here);
        let text = reader.scalar("what an `each` walks over")?;
        let said = reader.parsed(expression::each(text))?;
        let (over, inner, kind) = match &said.over {
            expression::Over::Group(name) => {
                reader.check_has_message(false, 0..name.len())?;
                known::check_group(name, &reader.span(0..name.len()), self.problems);
                (Over::Group(name.as_str().into()), Here::Nothing, NameKind::Segment)
            }
            expression::Over::Path(path) => self.walked(&reader, path)?,
        };
        if let (Over::Group(_), Some(name)) = (&over, &said.name) {
            let message = "only an `each` over segments, repetitions or the record can have a name";
            reader
                .error("mapping-each", name.range.clone(), message)
                .help("inside it, segments are those of the group");
            return None;
        }
        // A filter with errors was reported, and a mapping with errors never runs.
        let filter = said.filter.as_ref();
        let filter = filter.and_then(|filter| reader.filter(inner).question(filter));
        let slot = self.name(said.name.as_ref().map_or("", |name| &name.text), kind);
        Some((Walk { over, slot, filter }, inner))
    }

    fn walked(&self, reader: &Reader<'_, 'p>, path: &Expression) -> Option<(Over, Here, NameKind)> {
        let Kind::Reference(reference) = &path.kind else { return None };
        if let Some(list) = reader.record_list(reference, path) {
            let (path, members) = list?;
            return Some((Over::Members(path), Here::Member(members), NameKind::Member(members)));
        }
        let mut place = reader.place(reference, path)?;
        if let Start::Segment { received: true, .. } = place.start {
            reader
                .error("mapping-each", path.range.clone(), "an `each` walks over the working message")
                .help("leave out `input.`");
            return None;
        }
        self.check_walked_header(&place, &reader.span(path.range.clone()))?;
        match place {
            Place { start: Start::Segment { segment, .. }, part: Part { field: None, .. } } => {
                Some((Over::Segments(segment), Here::Segment, NameKind::Segment))
            }
            Place { part: Part { field: Some(_), component: None, .. }, .. } => {
                if place.part.repetition.is_none() {
                    place.part.repetition = Some(Select::All);
                }
                Some((Over::Repetitions(place), Here::Repetition, NameKind::Repetition))
            }
            _ => {
                let message = "an `each` walks over segments, groups, the repetitions of a field or a list of the record";
                reader
                    .error("mapping-each", path.range.clone(), message)
                    .help("write it like OBX, ORDER_OBSERVATION, PID-3 or results");
                None
            }
        }
    }

    /// The values that a `let` names, with their slots.
    pub(super) fn names_of(&self, node: &Node, here: Here) -> Option<Vec<Let>> {
        let Some(entries) = node.entries() else {
            let message = format!("`let` is a map of names and values, not {}", node.what());
            self.problems.error("mapping-let", &node.span, message);
            return None;
        };
        let mut values = Vec::new();
        let mut complete = true;
        for entry in entries {
            let (named, asks) = self.asking(|| self.named_value(entry, here));
            complete &= named.is_some();
            // Also a value with errors has its name, so that those who use it are not blamed too.
            let several = named.as_ref().is_some_and(|typed| typed.several);
            let object = named.as_ref().and_then(|typed| typed.object);
            let slot = self.name(&entry.key, NameKind::Value { several, object });
            self.lets.borrow_mut().push((slot, entry.key_span.clone()));
            values.extend(named.map(|typed| Let {
                slot,
                name: entry.key.as_str().into(),
                value: typed.term,
                asks,
            }));
        }
        complete.then_some(values)
    }

    fn named_value(&self, entry: &Entry, here: Here) -> Option<Typed> {
        let is_name = entry.key.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && entry.key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name {
            let message = "a name is made of small letters, digits and `_`";
            self.problems.error("mapping-name", &entry.key_span, message);
        }
        let reader = Reader::new(self, &entry.value, here);
        let typed = match self.output {
            Format::Json => reader.whole()?,
            Format::Hl7v2 | Format::Xml | Format::Csv => reader.output()?,
        };
        if typed.lone == Some(None) {
            reader.single(typed, entry.value.span.clone())?;
            return None;
        }
        is_name.then_some(typed)
    }

    /// Reasons reach logs and lists, so they are words of the mapping and never of the message.
    fn reason(&self, end: End, node: &Node) -> Option<Box<str>> {
        let text = Reader::new(self, node, Here::Nothing).scalar("a reason")?;
        if text.contains("${") {
            let message = format!("the reason of a `{end}` can't contain values of the message");
            self.problems
                .error("mapping-reason", &node.span, message)
                .help("reasons stand in logs, where no patient data belongs");
            return None;
        }
        Some(text.into())
    }
}

/// A key as a scalar, so that what is wrong in it can be underlined.
fn key_node(entry: &Entry) -> Node {
    Node { span: entry.key_span.clone(), kind: crate::yaml::Kind::Text(entry.key.clone()) }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Field => "field",
        Level::Repetition => "repetition",
        Level::Component => "component",
        Level::Subcomponent => "subcomponent",
    }
}
