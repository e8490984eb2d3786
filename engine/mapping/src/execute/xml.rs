//! Outputs built as XML: elements, their attributes and their text, in UTF-8.
//!
//! What is missing leaves no trace: neither its element nor its attribute, and an element that is left empty goes too. Names and prefixes
//! were checked when the mapping was loaded, and text is escaped, so that the document is well-formed. A character that XML lacks fails
//! the message, as one does that a charset lacks.

use std::borrow::Cow;

use orderly_record::{Diagnostic, Fault};
use quick_xml::escape::escape;

use super::build::frames;
use super::{Ended, Run};
use crate::evaluate::value;
use crate::plan::{Build, Content, End};
use crate::refusal::Refusal;
use crate::scope::Frame;
use crate::value::{Scalar, Value};
use crate::yaml::Span;

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

impl Run<'_, '_> {
    /// The document; empty when its root is.
    pub(super) fn xml(&mut self, build: &Build) -> Result<Vec<u8>, Ended> {
        let mut xml = DECLARATION.to_vec();
        if !self.root(build, &mut xml)? {
            return Ok(Vec::new());
        }
        xml.push(b'\n');
        self.fits(xml.len())?;
        Ok(xml)
    }

    /// The one member of what is built.
    fn root(&mut self, build: &Build, xml: &mut Vec<u8>) -> Result<bool, Ended> {
        if !self.is_wanted(build, None)? {
            return Ok(false);
        }
        match &build.content {
            Content::Part(part) => self.root(part, xml),
            Content::Members(members) => match members.first() {
                Some((name, root)) => {
                    self.below(|| name.to_string(), |run| run.elements(name, root, None, xml))
                }
                None => Ok(false),
            },
            Content::List(_) | Content::Value(_) => Ok(false),
        }
    }

    /// Writes an element, or one for each of a list. Whether there was anything to write.
    fn elements(
        &mut self,
        name: &str,
        build: &Build,
        frame: Option<&Frame<'_, '_>>,
        xml: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        let Some(walk) = &build.walk else { return self.element(name, build, frame, xml) };
        let list = self.parts(build, walk, frame)?;
        let mut written = 0;
        for frame in frames(&list, walk, frame) {
            let number = || format!("[{}]", written + 1);
            let some = self.below(number, |run| run.element(name, build, Some(&frame), xml))?;
            written += usize::from(some);
        }
        Ok(written > 0)
    }

    fn element(
        &mut self,
        name: &str,
        build: &Build,
        frame: Option<&Frame<'_, '_>>,
        xml: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        if !self.is_wanted(build, frame)? {
            return Ok(false);
        }
        let written = match &build.content {
            Content::Members(members) => self.whole(name, members, frame, xml)?,
            Content::List(parts) => {
                let mut written = 0;
                for part in parts {
                    let number = || format!("[{}]", written + 1);
                    let some = self.below(number, |run| run.elements(name, part, frame, xml))?;
                    written += usize::from(some);
                }
                written > 0
            }
            Content::Part(part) => self.elements(name, part, frame, xml)?,
            Content::Value(term) => {
                let before = xml.len();
                let found = value(term, &self.scope(frame))?;
                let some = texts(name, found, &build.place, xml)?;
                self.tell_built(&build.place, xml.get(before..).unwrap_or_default());
                some
            }
        };
        self.fits(xml.len())?;
        Ok(written)
    }

    /// An element with its attributes, which come first wherever they stand in the mapping, and its content.
    fn whole(
        &mut self,
        name: &str,
        members: &[(Box<str>, Build)],
        frame: Option<&Frame<'_, '_>>,
        xml: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        let start = xml.len();
        xml.push(b'<');
        xml.extend_from_slice(name.as_bytes());
        let mut some = false;
        for (key, member) in members {
            let Some(attribute) = key.strip_prefix('@') else { continue };
            let Some(text) = self.below(|| key.to_string(), |run| run.text(member, frame))? else { continue };
            xml.push(b' ');
            xml.extend_from_slice(attribute.as_bytes());
            xml.extend_from_slice(b"=\"");
            xml.extend_from_slice(attribute_text(&text).as_bytes());
            xml.push(b'"');
            // A namespace alone says nothing of the input.
            some |= attribute != "xmlns" && !attribute.starts_with("xmlns:");
        }
        xml.push(b'>');
        let content = xml.len();
        for (key, member) in members.iter().filter(|(key, _)| !key.starts_with('@')) {
            some |= match &**key {
                "$text" => match self.text(member, frame)? {
                    Some(text) => {
                        xml.extend_from_slice(element_text(&text).as_bytes());
                        true
                    }
                    None => false,
                },
                name => self.below(|| name.to_owned(), |run| run.elements(name, member, frame, xml))?,
            };
        }
        match () {
            () if !some => xml.truncate(start),
            () if xml.len() == content => {
                xml.truncate(content - 1);
                xml.extend_from_slice(b"/>");
            }
            () => close(name, xml),
        }
        Ok(some)
    }

    /// The one text of an attribute or an element; none when there is nothing to write.
    fn text(&mut self, build: &Build, frame: Option<&Frame<'_, '_>>) -> Result<Option<String>, Ended> {
        let Content::Value(term) = &build.content else { return Ok(None) };
        let found = value(term, &self.scope(frame))?.scalar().present().map(Cow::into_owned);
        if let Some(text) = &found {
            check(text, &build.place)?;
            self.fits(text.len())?;
        }
        self.tell_built(&build.place, found.as_deref().unwrap_or_default().as_bytes());
        Ok(found)
    }
}

/// An element for a text, or one for each text of a list.
fn texts(name: &str, value: Value<'_>, place: &Span, xml: &mut Vec<u8>) -> Result<bool, Refusal> {
    if let Value::List(values) = value {
        let mut some = false;
        for value in values {
            some |= texts(name, value, place, xml)?;
        }
        return Ok(some);
    }
    let Scalar::Text(text) = value.scalar() else { return Ok(false) };
    check(&text, place)?;
    xml.push(b'<');
    xml.extend_from_slice(name.as_bytes());
    xml.push(b'>');
    xml.extend_from_slice(element_text(&text).as_bytes());
    close(name, xml);
    Ok(true)
}

fn close(name: &str, xml: &mut Vec<u8>) {
    xml.extend_from_slice(b"</");
    xml.extend_from_slice(name.as_bytes());
    xml.push(b'>');
}

/// A reader takes a bare carriage return for a line end, and in an attribute any blank for a space.
fn element_text(text: &str) -> String {
    escape(text).replace('\r', "&#13;")
}

fn attribute_text(text: &str) -> String {
    element_text(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Whether XML 1.0 has all characters of a text (production 2).
fn check(text: &str, place: &Span) -> Result<(), Refusal> {
    let is_lacking = |letter: &char| match letter {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        letter => *letter < ' ',
    };
    let Some(lacking) = text.chars().find(is_lacking) else { return Ok(()) };
    let message = format!("a value has the character U+{:04X}, which XML lacks", u32::from(lacking));
    let diagnostic = Diagnostic::error("mapping-unwritable", Fault::Sender, message).at(place.place());
    let diagnostic = diagnostic.with_help("take it out, as in ${OBX-5 | replace(/[\\x00-\\x1F]/, ' ')}");
    Err(Refusal::new(End::Fail, diagnostic))
}
