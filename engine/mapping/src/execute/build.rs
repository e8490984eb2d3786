//! Outputs built from the input: JSON and delimited text (XML is in `xml`).
//!
//! What is missing leaves no trace: its key goes, and so does an object or a list that is left empty. A column that is missing is an empty
//! cell. Every part costs a step, and all that is written, names and punctuation too, counts as output.

use csv::{Terminator, Writer, WriterBuilder};
use orderly_record::Fault;

use super::tell::counted;
use super::{Ended, Item, Run};
use crate::evaluate::{holds, scalar, value};
use crate::member::Member;
use crate::plan::{Build, Content, Layout, Walk, Writing};
use crate::refusal::Refusal;
use crate::scope::Frame;
use crate::value::{Scalar, Value};

impl Run<'_, '_> {
    /// The output; a mapping that has nothing to write leaves the message out.
    pub(super) fn built(&mut self, build: &Build, writing: &Writing) -> Result<Vec<u8>, Ended> {
        let (bytes, nothing) = match writing {
            Writing::Json => (self.document(build)?, "there is nothing to write"),
            Writing::Xml => (self.xml(build)?, "there is nothing to write"),
            Writing::Csv(layout) => (self.rows(build, layout)?, "no rows"),
        };
        if bytes.is_empty() {
            self.tell("build", &build.place, false, || nothing.to_owned());
            let rule = format!("{}:{}", build.place.source.file, build.place.line);
            return Err(Ended::Stopped { rule, reason: nothing.to_owned() });
        }
        Ok(bytes)
    }

    fn document(&mut self, build: &Build) -> Result<Vec<u8>, Ended> {
        let mut json = Vec::new();
        if self.json(build, None, &mut json)? {
            json.push(b'\n');
        }
        self.fits(json.len())?;
        Ok(json)
    }

    /// Writes a part, or a list of them where there is an `$each`. Whether there was anything to write.
    fn json(
        &mut self,
        build: &Build,
        frame: Option<&Frame<'_, '_>>,
        json: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        match build.walk {
            Some(_) => self.list(std::slice::from_ref(build), frame, json),
            None => self.json_part(build, frame, json),
        }
    }

    /// Writes a list. An `$each` in it adds as many as it walks over.
    fn list(
        &mut self,
        parts: &[Build],
        frame: Option<&Frame<'_, '_>>,
        json: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        let mut number = 1;
        bracketed(json, [b'[', b']'], parts, |part, json| {
            let Some(walk) = &part.walk else { return self.numbered(&mut number, part, frame, json) };
            let list = self.parts(part, walk, frame)?;
            separated(json, frames(&list, walk, frame), |frame, json| {
                self.numbered(&mut number, part, Some(&frame), json)
            })
        })
    }

    /// Writes one of a list, which is counted when there was anything to write.
    fn numbered(
        &mut self,
        number: &mut usize,
        part: &Build,
        frame: Option<&Frame<'_, '_>>,
        json: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        let written = self.below(|| format!("[{number}]"), |run| run.json_part(part, frame, json))?;
        *number += usize::from(written);
        Ok(written)
    }

    /// What a part is repeated for.
    pub(super) fn parts(
        &mut self,
        build: &Build,
        walk: &Walk,
        frame: Option<&Frame<'_, '_>>,
    ) -> Result<Vec<Item>, Refusal> {
        let list = self.walked(walk, frame)?;
        self.tell("each", &build.place, !list.is_empty(), || counted(list.len(), "time"));
        Ok(list)
    }

    fn json_part(
        &mut self,
        build: &Build,
        frame: Option<&Frame<'_, '_>>,
        json: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        if !self.is_wanted(build, frame)? {
            return Ok(false);
        }
        let written = match &build.content {
            Content::Members(members) => bracketed(json, [b'{', b'}'], members, |(name, member), json| {
                string(json, name);
                json.push(b':');
                self.below(|| name.to_string(), |run| run.json(member, frame, json))
            })?,
            Content::List(parts) => self.list(parts, frame, json)?,
            Content::Part(part) => self.json(part, frame, json)?,
            Content::Value(term) => {
                let before = json.len();
                let written = json_value(&value(term, &self.scope(frame))?, json);
                self.tell_built(&build.place, json.get(before..).unwrap_or_default());
                written
            }
        };
        self.fits(json.len())?;
        Ok(written)
    }

    /// Asks whether a part is to be there, and names what it names: for one that is left out, only what its condition asks for.
    pub(super) fn is_wanted(&mut self, build: &Build, frame: Option<&Frame<'_, '_>>) -> Result<bool, Ended> {
        self.case.spend(1)?;
        for named in &build.before {
            self.name(named, &build.place, frame)?;
        }
        if let Some(test) = &build.test {
            let wanted = holds(test, &self.scope(frame))?;
            self.tell("when", &build.place, wanted, || {
                if wanted { "the condition holds" } else { "the condition does not hold" }.to_owned()
            });
            if !wanted {
                return Ok(false);
            }
        }
        for named in &build.names {
            self.name(named, &build.place, frame)?;
        }
        Ok(true)
    }

    /// One row, or one for each of what an `$each` walks over; the line of names only above rows.
    fn rows(&mut self, build: &Build, layout: &Layout) -> Result<Vec<u8>, Ended> {
        let terminator = if layout.crlf { Terminator::CRLF } else { Terminator::Any(b'\n') };
        let mut table =
            WriterBuilder::new().delimiter(layout.separator).terminator(terminator).from_writer(Vec::new());
        let mut names = layout.header.then_some(&layout.columns);
        match &build.walk {
            None => self.row(build, None, &mut names, &mut table)?,
            Some(walk) => {
                let list = self.parts(build, walk, None)?;
                for frame in frames(&list, walk, None) {
                    let row = frame.number;
                    self.below(
                        || format!("[{row}]"),
                        |run| run.row(build, Some(&frame), &mut names, &mut table),
                    )?;
                }
            }
        }
        Ok(table.into_inner().map_err(|error| unwritten(error.into_error()))?)
    }

    /// Writes a row, above the first of them the names of the columns.
    fn row(
        &mut self,
        build: &Build,
        frame: Option<&Frame<'_, '_>>,
        names: &mut Option<&Vec<Box<str>>>,
        table: &mut Writer<Vec<u8>>,
    ) -> Result<(), Ended> {
        if !self.is_wanted(build, frame)? {
            return Ok(());
        }
        let Content::Members(columns) = &build.content else { return Ok(()) };
        let mut row = Vec::with_capacity(columns.len());
        let mut bytes = 0;
        for (name, column) in columns {
            let Content::Value(term) = &column.content else { continue };
            let cell = scalar(term, &self.scope(frame))?.present().unwrap_or_default().into_owned();
            bytes += cell.len();
            self.fits(bytes)?;
            self.below(|| name.to_string(), |run| run.tell_built(&column.place, cell.as_bytes()));
            row.push(cell);
        }
        if let Some(names) = names.take() {
            table.write_record(names.iter().map(|name| name.as_bytes())).map_err(unwritten)?;
        }
        table.write_record(row).map_err(unwritten)?;
        table.flush().map_err(unwritten)?;
        Ok(self.fits(table.get_ref().len())?)
    }
}

/// Where each of a list stands.
pub(super) fn frames<'f, 's>(
    list: &'s [Item],
    walk: &Walk,
    outer: Option<&'f Frame<'f, 's>>,
) -> impl Iterator<Item = Frame<'f, 's>> {
    let slot = Some(walk.slot);
    (1..).zip(list).map(move |(number, item)| Frame { outer, at: item.at(), slot, number })
}

/// A vector takes what is written to it; should it ever refuse, the message fails and nothing half written leaves.
fn unwritten(error: impl std::fmt::Display) -> Refusal {
    Refusal::failed("mapping-unwritable", Fault::Configuration, format!("a row can't be written: {error}"))
}

/// Writes parts between brackets. A part that writes nothing leaves no trace, and neither does the whole when none is left.
fn bracketed<T, E>(
    json: &mut Vec<u8>,
    [open, close]: [u8; 2],
    parts: impl IntoIterator<Item = T>,
    write: impl FnMut(T, &mut Vec<u8>) -> Result<bool, E>,
) -> Result<bool, E> {
    let start = json.len();
    json.push(open);
    let some = separated(json, parts, write)?;
    match some {
        true => json.push(close),
        false => json.truncate(start),
    }
    Ok(some)
}

/// Writes parts with commas between those that write anything.
fn separated<T, E>(
    json: &mut Vec<u8>,
    parts: impl IntoIterator<Item = T>,
    mut write: impl FnMut(T, &mut Vec<u8>) -> Result<bool, E>,
) -> Result<bool, E> {
    let mut some = false;
    for part in parts {
        let before = json.len();
        if some {
            json.push(b',');
        }
        match write(part, json)? {
            true => some = true,
            false => json.truncate(before),
        }
    }
    Ok(some)
}

fn json_value(value: &Value<'_>, json: &mut Vec<u8>) -> bool {
    match value {
        Value::Member(member) => json_member(member, json),
        Value::List(values) => {
            infallible(bracketed(json, [b'[', b']'], values, |value, json| Ok(json_value(value, json))))
        }
        value => match value.clone().scalar() {
            Scalar::Text(text) => quoted(json, &text),
            Scalar::Empty | Scalar::Null => false,
        },
    }
}

/// A part of the record, as the record itself is written.
fn json_member(member: &Member, json: &mut Vec<u8>) -> bool {
    match member {
        Member::Nothing => false,
        Member::Text(text) => quoted(json, text),
        Member::Literal(literal) => {
            json.extend_from_slice(literal.as_bytes());
            true
        }
        Member::List(members) => infallible(bracketed(json, [b'[', b']'], members.iter(), |member, json| {
            Ok(json_member(member, json))
        })),
        Member::Members(members) => {
            infallible(bracketed(json, [b'{', b'}'], members.iter(), |(name, member), json| {
                string(json, name);
                json.push(b':');
                Ok(json_member(member, json))
            }))
        }
    }
}

fn infallible(written: Result<bool, std::convert::Infallible>) -> bool {
    match written {
        Ok(written) => written,
    }
}

/// A text as a value; an empty one is none.
fn quoted(json: &mut Vec<u8>, text: &str) -> bool {
    if !text.is_empty() {
        string(json, text);
    }
    !text.is_empty()
}

fn string(json: &mut Vec<u8>, text: &str) {
    // Nearly all texts are written as they are. Not `any`: without an early end the compiler looks at many bytes at once.
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |found, byte| found | special(byte)) {
        // A vector takes all that is written to it.
        let _ = serde_json::to_writer(json, text);
        return;
    }
    json.reserve(text.len() + 2);
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}
