//! From bytes to the tree, with a limit on everything, or a refusal that says where and why.
//!
//! Nothing is ever fetched, no entity is ever defined by the document, and no stylesheet is followed. A document is read whole or not at
//! all: half of a patient's allergies would be worse than none.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use orderly_record::Diagnostic;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceError, QName, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

use crate::document::{Attribute, Document, Name, Namespace, Node, Span};
use crate::encoding::{Width, decode};
use crate::limits::Limits;
use crate::{oddities, refusal};

const HL7: &str = "urn:hl7-org:v3";
const SDTC: &str = "urn:hl7-org:sdtc";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Reads a document; refuses what is no well-formed clinical document, or is larger than the limits allow.
///
/// # Errors
/// A diagnostic with a stable code, the byte where it is, and what to do; it holds nothing of the document's content.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Diagnostic> {
    let bytes_max = limits.bytes_max.min(Limits::BYTES_MAX);
    if bytes.len() > bytes_max {
        return Err(refusal::over("ccda-too-large", "bytes", bytes_max).in_input(bytes_max, ""));
    }
    let decoded = decode(bytes)?;
    let place = |(place, refused): (usize, Diagnostic)| {
        refused.in_input(decoded.width.offset(&decoded.text, place), "")
    };
    let mut builder = Builder::new(&decoded.text, limits);
    builder.read().map_err(place)?;
    let Builder { unescaped, nodes, attributes, names, identified, .. } = builder;
    let parts = Parts { unescaped, nodes, attributes, names, identified };
    Ok(finish(decoded.text, decoded.width, parts))
}

struct Parts {
    unescaped: String,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    names: Vec<Name>,
    identified: Vec<u32>,
}

fn finish(text: String, width: Width, parts: Parts) -> Document {
    let Parts { unescaped, nodes, attributes, names, mut identified } = parts;
    let diagnostics = Vec::new();
    let mut document =
        Document { text, unescaped, width, nodes, attributes, names, identified: Vec::new(), diagnostics };
    // Stable: of equal ids the first in the document comes first.
    identified.sort_by(|one, other| {
        let id = |index: u32| document.element(index).and_then(|element| element.attribute("ID"));
        id(*one).cmp(&id(*other))
    });
    document.identified = identified;
    document.diagnostics = oddities::find(&document);
    document
}

/// A refusal and its place in the text.
type Refused = (usize, Diagnostic);

/// An element that is not closed yet.
struct Open {
    node: u32,
    /// Its last child so far; 0 when it has none.
    last_child: u32,
    is_base64: bool,
}

/// The siblings of one name that were seen last.
struct Siblings {
    parent: u32,
    first: u32,
    count: u32,
}

struct Builder<'i> {
    text: &'i str,
    limits: &'i Limits,
    unescaped: String,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    names: Vec<Name>,
    /// Elements that have an `ID`, in the order of the document.
    identified: Vec<u32>,
    known_names: HashMap<(Namespace, &'i str), u32, RandomState>,
    open: Vec<Open>,
    /// For each name's number its siblings under each open element, the innermost last.
    siblings: Vec<Vec<Siblings>>,
    /// Where the text goes: into which node, and whether after it.
    slot: Option<(u32, bool)>,
    is_done: bool,
}

impl<'i> Builder<'i> {
    fn new(text: &'i str, limits: &'i Limits) -> Self {
        Self {
            text,
            limits,
            unescaped: String::new(),
            nodes: Vec::new(),
            attributes: Vec::new(),
            names: Vec::new(),
            identified: Vec::new(),
            known_names: HashMap::default(),
            open: Vec::new(),
            siblings: Vec::new(),
            slot: None,
            is_done: false,
        }
    }

    fn read(&mut self) -> Result<(), Refused> {
        if let Some(place) = forbidden(self.text.as_bytes()) {
            return Err((place, refusal::malformed("a character that XML does not allow")));
        }
        let mut reader = NsReader::from_str(self.text);
        reader.config_mut().check_comments = true;
        reader.resolver_mut().set_max_namespace_bindings(self.limits.namespaces_max);
        loop {
            let place = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = reader.read_event().map_err(|error| {
                let place = usize::try_from(reader.error_position()).unwrap_or(place);
                (place, self.of_reader(&error))
            })?;
            if matches!(event, Event::Eof) {
                break;
            }
            self.take(event, &reader, place).map_err(|refused| (place, refused))?;
        }
        match (self.open.is_empty(), self.is_done) {
            (true, true) => Ok(()),
            (false, _) => Err((self.text.len(), refusal::truncated())),
            (true, false) => Err((self.text.len(), refusal::no_document(None))),
        }
    }

    fn take(
        &mut self,
        event: Event<'i>,
        reader: &NsReader<&'i [u8]>,
        place: usize,
    ) -> Result<(), Diagnostic> {
        match event {
            Event::Start(start) => self.open(&start, reader, place),
            Event::Empty(start) => {
                self.open(&start, reader, place)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::Text(text) => self.add_text(&text.xml10_content()),
            Event::CData(text) => self.add_text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.add_text(resolve(&reference)?.as_str()),
            Event::DocType(_) => Err(refusal::doctype()),
            Event::Decl(_) if place > 0 => {
                Err(refusal::malformed("an XML declaration that is not the first thing"))
            }
            // Stylesheets and other instructions are for browsers; none is followed.
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => Ok(()),
        }
    }

    fn open(
        &mut self,
        start: &BytesStart<'i>,
        reader: &NsReader<&'i [u8]>,
        place: usize,
    ) -> Result<(), Diagnostic> {
        if self.is_done {
            return Err(refusal::malformed("an element after the end of the document"));
        }
        if self.nodes.len() >= self.limits.elements_max {
            return Err(refusal::over("ccda-too-many-elements", "elements", self.limits.elements_max));
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(refusal::over("ccda-too-deep", "levels of elements", self.limits.depth_max));
        }
        let name = self.name(start.name(), reader, true, place)?;
        let index = small(self.nodes.len());
        let root = self.names.first().map(|name| &*name.text).filter(|_| index == 0);
        if let Some(root) = root.filter(|root| *root != "ClinicalDocument") {
            return Err(refusal::no_document(Some(root)));
        }
        let parent = self.open.last().map_or(0, |open| open.node);
        let first_attribute = small(self.attributes.len());
        let is_base64 = self.read_attributes(start, reader, place)?;
        let node = Node {
            name,
            parent,
            next: 0,
            offset: small(place),
            ordinal: self.ordinal(name, parent, index),
            text: Span::default(),
            tail: Span::default(),
            first_attribute,
            attributes: small(self.attributes.len()).saturating_sub(first_attribute),
        };
        self.nodes.push(node);
        self.link(index);
        self.open.push(Open { node: index, last_child: 0, is_base64 });
        self.slot = Some((index, false));
        Ok(())
    }

    /// Makes the element the next sibling of the one before it.
    fn link(&mut self, index: u32) {
        let Some(open) = self.open.last_mut() else { return };
        let before = std::mem::replace(&mut open.last_child, index);
        if let Some(node) = self.nodes.get_mut(before as usize).filter(|_| before != 0) {
            node.next = index;
        }
    }

    /// Which of its name the element is among its siblings. Where there is only one it has no number, so the first gets its own when the
    /// second comes.
    fn ordinal(&mut self, name: u32, parent: u32, index: u32) -> u32 {
        if self.siblings.len() <= name as usize {
            self.siblings.resize_with(name as usize + 1, Vec::new);
        }
        let Some(known) = self.siblings.get_mut(name as usize) else { return 0 };
        // Elements are numbered in document order: whatever is above the parent's number lies in an element that is closed.
        while known.last().is_some_and(|siblings| siblings.parent > parent) {
            known.pop();
        }
        match known.last_mut().filter(|siblings| siblings.parent == parent) {
            None => {
                known.push(Siblings { parent, first: index, count: 1 });
                0
            }
            Some(siblings) => {
                siblings.count += 1;
                if let Some(first) = self.nodes.get_mut(siblings.first as usize) {
                    first.ordinal = 1;
                }
                siblings.count
            }
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.slot = Some((open.node, true)).filter(|_| !self.open.is_empty());
        }
        self.is_done = self.open.is_empty();
    }

    /// The attributes that are no namespace declarations; gives whether the content is declared to be base64.
    fn read_attributes(
        &mut self,
        start: &BytesStart<'i>,
        reader: &NsReader<&'i [u8]>,
        place: usize,
    ) -> Result<bool, Diagnostic> {
        let mut is_base64 = false;
        for (count, attribute) in start.attributes().enumerate() {
            if count >= self.limits.attributes_max {
                let max = self.limits.attributes_max;
                return Err(refusal::over("ccda-too-many-attributes", "attributes of one element", max));
            }
            let attribute = attribute.map_err(|error| of_attribute(&error))?;
            if attribute.value.contains('<') {
                return Err(refusal::malformed("a value with an unescaped <"));
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            if self.attributes.len() >= self.limits.all_attributes_max {
                let max = self.limits.all_attributes_max;
                return Err(refusal::over("ccda-too-many-attributes", "attributes in all", max));
            }
            let name = self.name(attribute.key, reader, false, place)?;
            // Most values have nothing in them that XML would read as something else.
            let value = match memchr::memchr3(b'&', b'\n', b'\r', attribute.value.as_bytes()) {
                None if !attribute.value.contains('\t') => attribute.value,
                _ => attribute
                    .normalized_value(XmlVersion::Implicit1_0)
                    .map_err(|error| self.of_reader(&error))?,
            };
            if value.len() > self.limits.text_bytes_max {
                return Err(self.too_long());
            }
            is_base64 |= attribute.key.0 == "representation" && value == "B64";
            if attribute.key.0 == "ID" {
                self.identified.push(small(self.nodes.len()));
            }
            let value = self.span(&value);
            self.attributes.push(Attribute { name, value });
        }
        Ok(is_base64)
    }

    /// The number of a name; names of the same text and namespace share it.
    fn name(
        &mut self,
        name: QName<'_>,
        reader: &NsReader<&'i [u8]>,
        is_element: bool,
        place: usize,
    ) -> Result<u32, Diagnostic> {
        if name.0.len() > self.limits.name_bytes_max {
            return Err(refusal::over("ccda-name-too-long", "bytes of one name", self.limits.name_bytes_max));
        }
        let (resolved, local) = reader.resolver().resolve(name, is_element);
        let namespace = match resolved {
            ResolveResult::Unknown(_) => return Err(refusal::undeclared_prefix()),
            ResolveResult::Unbound if is_element => Namespace::Other,
            ResolveResult::Unbound => Namespace::None,
            ResolveResult::Bound(namespace) => match namespace.0 {
                HL7 => Namespace::Hl7,
                SDTC => Namespace::Sdtc,
                XSI => Namespace::Xsi,
                _ => Namespace::Other,
            },
        };
        let local = local.into_inner();
        // The name as it stands in the text lives as long as the text; every name is found behind the place where its tag begins.
        let local = self.in_text(local).unwrap_or_else(|| self.text.get(place..place).unwrap_or_default());
        if let Some(known) = self.known_names.get(&(namespace, local)) {
            return Ok(*known);
        }
        if !is_name(local) {
            return Err(refusal::malformed("a name with characters that names do not have"));
        }
        if self.names.len() >= self.limits.names_max {
            return Err(refusal::over("ccda-too-many-names", "names", self.limits.names_max));
        }
        let prefix = match namespace {
            Namespace::None | Namespace::Hl7 => "",
            Namespace::Sdtc => "sdtc:",
            Namespace::Xsi => "xsi:",
            Namespace::Other => "*:",
        };
        let number = small(self.names.len());
        self.names.push(Name { text: format!("{prefix}{local}").into(), namespace });
        self.known_names.insert((namespace, local), number);
        Ok(number)
    }

    /// Adds characters where the last tag left off.
    fn add_text(&mut self, text: &str) -> Result<(), Diagnostic> {
        let Some((node, is_tail)) = self.slot else {
            let is_blank = text.bytes().all(|byte| byte.is_ascii_whitespace());
            // A byte order mark in the text itself is one too many, and does no harm.
            let is_blank = is_blank || (self.nodes.is_empty() && text.trim() == "\u{feff}");
            return if is_blank {
                Ok(())
            } else {
                Err(refusal::malformed("characters outside the document"))
            };
        };
        let before = self.nodes.get(node as usize).map(|node| if is_tail { node.tail } else { node.text });
        let before = before.unwrap_or_default();
        let span = if before.length == 0 { self.span(text) } else { self.append(before, text) };
        let is_base64 = self.open.last().is_some_and(|open| open.is_base64);
        if span.length as usize > self.limits.text_bytes_max && !is_base64 {
            return Err(self.too_long());
        }
        if let Some(node) = self.nodes.get_mut(node as usize) {
            *(if is_tail { &mut node.tail } else { &mut node.text }) = span;
        }
        Ok(())
    }

    /// Where these characters lie in the text; what does not lie there is kept apart.
    fn span(&mut self, text: &str) -> Span {
        let start = match self.in_text(text) {
            Some(found) => found.as_ptr().addr() - self.text.as_ptr().addr(),
            None => {
                let start = self.text.len() + self.unescaped.len();
                self.unescaped.push_str(text);
                start
            }
        };
        Span { start: small(start), length: small(text.len()) }
    }

    /// Both pieces as one; the first is copied unless it is what was kept apart last.
    fn append(&mut self, before: Span, text: &str) -> Span {
        let (start, length) = (before.start as usize, before.length as usize);
        let start = match start.checked_sub(self.text.len()) {
            Some(start) if start + length == self.unescaped.len() => start,
            _ => {
                let start = self.unescaped.len();
                self.unescaped.push_str(
                    self.text
                        .get(before.start as usize..)
                        .and_then(|text| text.get(..length))
                        .unwrap_or_default(),
                );
                start
            }
        };
        self.unescaped.push_str(text);
        Span { start: small(self.text.len() + start), length: small(length + text.len()) }
    }

    /// The same characters as a part of the text, when they are one.
    fn in_text(&self, part: &str) -> Option<&'i str> {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        let found = self.text.get(start..start.checked_add(part.len())?)?;
        // The address alone could be another text's; the same address and length are the same characters.
        (found.as_ptr() == part.as_ptr() && start < self.text.len()).then_some(found)
    }

    fn too_long(&self) -> Diagnostic {
        refusal::over("ccda-text-too-long", "bytes of one text", self.limits.text_bytes_max)
    }

    fn of_reader(&self, error: &Error) -> Diagnostic {
        match error {
            Error::Syntax(SyntaxError::InvalidBangMarkup) => {
                refusal::malformed("markup that XML does not have")
            }
            Error::Syntax(SyntaxError::UnclosedDoctype) => refusal::doctype(),
            Error::Syntax(_) => refusal::truncated(),
            Error::IllFormed(_) => refusal::malformed("tags that do not match"),
            Error::InvalidAttr(error) => of_attribute(error),
            Error::Escape(_) => refusal::entity(),
            Error::Namespace(NamespaceError::TooManyBindings(_)) => {
                refusal::over("ccda-too-many-namespaces", "namespaces in scope", self.limits.namespaces_max)
            }
            Error::Namespace(NamespaceError::UnknownPrefix(_)) => refusal::undeclared_prefix(),
            Error::Namespace(_) => refusal::malformed("a namespace declaration that XML does not allow"),
            Error::Io(_) | Error::Encoding(_) => refusal::malformed("characters that can't be read"),
        }
    }
}

/// What a reference stands for: a character by its number, or one of the five entities of XML itself.
fn resolve(reference: &BytesRef<'_>) -> Result<String, Diagnostic> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| refusal::entity())? {
        let is_allowed = character >= ' ' || "\t\n\r".contains(character);
        let is_allowed = is_allowed && !matches!(character, '\u{fffe}' | '\u{ffff}');
        return if is_allowed { Ok(character.to_string()) } else { Err(refusal::entity()) };
    }
    let text = quick_xml::escape::resolve_xml_entity(reference).ok_or_else(refusal::entity)?;
    Ok(text.to_owned())
}

fn of_attribute(error: &AttrError) -> Diagnostic {
    match error {
        AttrError::Duplicated(..) => refusal::malformed("an attribute that stands there twice"),
        _ => refusal::malformed("an attribute that is not name=\"value\""),
    }
}

/// Where the first control character stands that XML does not allow.
fn forbidden(text: &[u8]) -> Option<usize> {
    let is_forbidden = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    // Block by block, which the compiler makes a few instructions of; hardly ever is there one.
    let block = text
        .chunks(256)
        .position(|block| block.iter().fold(false, |found, byte| found | is_forbidden(byte)))?;
    text.iter().skip(block * 256).position(is_forbidden).map(|place| block * 256 + place)
}

/// Letters, digits, and what XML allows between them; the prefix is split off.
fn is_name(name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || "_-.\u{b7}".contains(character);
    name.chars().all(is_part) && name.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Places and counts fit in 32 bits, since the whole document does.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
