//! The tree of a document: owned, compact, in document order, with namespaces resolved.
//!
//! An element is 44 bytes whatever it holds. Texts and values are places in the document's text, or in a second text for those that had
//! to be unescaped; nothing is copied but that. The text of an element lies in two places: what stands before its first child (`text` of
//! the node), and what stands after each child (`tail` of that child), so that no node is spent on blanks between tags.

use std::borrow::Cow;
use std::fmt;
use std::iter;

use orderly_record::{Diagnostic, Location};

use crate::encoding::Width;
use crate::normalize::NESTING_MAX;

/// A document, read.
#[derive(Debug, Clone)]
pub struct Document {
    pub(crate) text: String,
    /// What had to be unescaped.
    pub(crate) unescaped: String,
    pub(crate) width: Width,
    /// In document order; the first is the root.
    pub(crate) nodes: Vec<Node>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) names: Vec<Name>,
    /// The elements that have an attribute `ID`, ordered by it.
    pub(crate) identified: Vec<u32>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The namespace of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// None, as of most attributes.
    None,
    /// `urn:hl7-org:v3`: CDA itself.
    Hl7,
    /// `urn:hl7-org:sdtc`: HL7's extensions.
    Sdtc,
    /// XML Schema instance: `xsi:type`.
    Xsi,
    /// Any other.
    Other,
}

/// A name as it is asked for, with its namespace.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: Box<str>,
    pub(crate) namespace: Namespace,
}

/// A part of the document's text, or behind its end, of the unescaped text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: u32,
    pub(crate) parent: u32,
    /// The next element with the same parent; 0 when there is none, since the root is nobody's sibling.
    pub(crate) next: u32,
    /// Where its tag begins.
    pub(crate) offset: u32,
    /// Which of its name among its siblings, counted from 1; 0 when it is the only one.
    pub(crate) ordinal: u32,
    pub(crate) text: Span,
    pub(crate) tail: Span,
    pub(crate) first_attribute: u32,
    pub(crate) attributes: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: u32,
    pub(crate) value: Span,
}

impl Document {
    /// The root: `ClinicalDocument`.
    pub fn root(&self) -> Element<'_> {
        Element { document: self, index: 0 }
    }

    /// What is odd about the document, but could be read.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// All elements, in document order.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len()).filter_map(|index| self.element(u32::try_from(index).ok()?))
    }

    /// The sections of its bodies in document order, those in a section after it: the order of the record's `sections`, which leaves out
    /// only what is nested deeper than any real document.
    pub fn sections(&self) -> Vec<Element<'_>> {
        let bodies =
            self.root().children_named("component").flat_map(|one| one.children_named("structuredBody"));
        let mut found = Vec::new();
        bodies.for_each(|body| collect_sections(body, 1, &mut found));
        found
    }

    /// The element whose attribute `ID` has this value; of several the first.
    pub fn by_id(&self, id: &str) -> Option<Element<'_>> {
        let id_of = |index: &u32| self.element(*index).and_then(|element| element.attribute("ID"));
        let first = self.identified.partition_point(|index| id_of(index) < Some(id));
        let found = self.identified.get(first).filter(|index| id_of(index) == Some(id))?;
        self.element(*found)
    }

    /// How many bytes of text there are, escaped or not.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn element(&self, index: u32) -> Option<Element<'_>> {
        self.nodes.get(usize_of(index)).map(|_| Element { document: self, index })
    }

    fn slice(&self, span: Span) -> &str {
        let (start, length) = (usize_of(span.start), usize_of(span.length));
        let found = match start.checked_sub(self.text.len()) {
            None => self.text.get(start..start + length),
            Some(start) => self.unescaped.get(start..start + length),
        };
        found.unwrap_or_default()
    }

    fn name(&self, index: u32) -> &str {
        self.names.get(usize_of(index)).map_or("", |name| &name.text)
    }
}

fn collect_sections<'d>(holder: Element<'d>, depth: usize, found: &mut Vec<Element<'d>>) {
    for section in sections_in(holder) {
        found.push(section);
        if depth < NESTING_MAX {
            collect_sections(section, depth + 1, found);
        }
    }
}

/// The sections directly in a body or a section.
pub(crate) fn sections_in(holder: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    holder.children_named("component").flat_map(|component| component.children_named("section"))
}

fn usize_of(index: u32) -> usize {
    // Every platform this runs on has at least 32 bits.
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// An element of a document.
///
/// Names are those of CDA without a prefix, whatever prefix the document uses; those of other namespaces begin with `sdtc:`, `xsi:` or,
/// for all the rest, `*:`.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document,
    index: u32,
}

impl<'d> Element<'d> {
    fn node(self) -> Option<&'d Node> {
        self.document.nodes.get(usize_of(self.index))
    }

    /// Its name: `section`, `sdtc:raceCode`.
    pub fn name(self) -> &'d str {
        self.node().map_or("", |node| self.document.name(node.name))
    }

    /// Its namespace.
    pub fn namespace(self) -> Namespace {
        let name = self.node().and_then(|node| self.document.names.get(usize_of(node.name)));
        name.map_or(Namespace::None, |name| name.namespace)
    }

    /// The value of an attribute: `code`, `xsi:type`.
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        self.attributes().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The type that `xsi:type` declares, without the prefix it may have.
    pub fn declared_type(self) -> Option<&'d str> {
        let declared = self.attribute("xsi:type")?;
        Some(declared.rsplit(':').next().unwrap_or(declared).trim())
    }

    /// All attributes by name, in the order written; namespace declarations are none.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        let document = self.document;
        let range = self.node().map(|node| {
            let first = usize_of(node.first_attribute);
            first..first + usize_of(node.attributes)
        });
        let attributes = range.and_then(|range| document.attributes.get(range)).unwrap_or_default();
        attributes.iter().map(|attribute| (document.name(attribute.name), document.slice(attribute.value)))
    }

    /// The elements directly below, in order.
    pub fn children(self) -> impl Iterator<Item = Element<'d>> {
        let document = self.document;
        // In document order the first child, if there is one, comes next.
        let first = self.index.checked_add(1).and_then(|next| document.element(next));
        let first = first.filter(|next| next.node().is_some_and(|node| node.parent == self.index));
        iter::successors(first, |element| {
            let next = element.node().map(|node| node.next).filter(|next| *next != 0)?;
            document.element(next)
        })
    }

    /// The first element of this name directly below.
    pub fn child(self, name: &str) -> Option<Element<'d>> {
        self.children().find(|child| child.name() == name)
    }

    /// The elements of this name directly below.
    pub fn children_named(self, name: &str) -> impl Iterator<Item = Element<'d>> {
        self.children().filter(move |child| child.name() == name)
    }

    /// The element above; `None` for the root.
    pub fn parent(self) -> Option<Element<'d>> {
        let parent = self.node().filter(|_| self.index != 0).map(|node| node.parent)?;
        self.document.element(parent)
    }

    /// All characters in it, those in the elements below included, blanks as written.
    pub fn text(self) -> Cow<'d, str> {
        if self.children().next().is_none() {
            return Cow::Borrowed(self.leading_text());
        }
        let mut text = String::new();
        self.collect_text(&mut text);
        Cow::Owned(text)
    }

    fn collect_text(self, text: &mut String) {
        text.push_str(self.leading_text());
        for child in self.children() {
            child.collect_text(text);
            text.push_str(child.tail());
        }
    }

    /// The characters before its first child.
    pub fn leading_text(self) -> &'d str {
        self.node().map_or("", |node| self.document.slice(node.text))
    }

    /// The characters between it and the next tag.
    pub fn tail(self) -> &'d str {
        self.node().map_or("", |node| self.document.slice(node.tail))
    }

    /// Its path from the root: names, with a number where there are several of a name, for example
    /// `/ClinicalDocument/component/structuredBody/component[3]/section`.
    pub fn path(self) -> String {
        let mut above: Vec<Element<'d>> = iter::successors(Some(self), |element| element.parent()).collect();
        above.reverse();
        let mut path = String::new();
        for element in above {
            path.push('/');
            path.push_str(element.name());
            match element.node().map_or(0, |node| node.ordinal) {
                0 => {}
                ordinal => path.push_str(&format!("[{ordinal}]")),
            }
        }
        path
    }

    /// Its path as the place of an element of the record.
    pub fn location(self) -> Location {
        Location::Element(self.path().into())
    }

    /// Where its tag begins: bytes from the start of the input.
    pub fn offset(self) -> usize {
        let place = self.node().map_or(0, |node| usize_of(node.offset));
        self.document.width.offset(&self.document.text, place)
    }

    /// About how many bytes it takes, all that is in it included: from its tag to the next one after it.
    pub(crate) fn bytes(self) -> usize {
        let above = iter::successors(Some(self), |element| element.parent());
        let mut following = above.filter_map(|element| element.node().map(|node| node.next));
        let next = following.find(|next| *next != 0).and_then(|next| self.document.element(next));
        let end = next.and_then(Element::node).map_or(self.document.text.len(), |node| usize_of(node.offset));
        end.saturating_sub(self.node().map_or(0, |node| usize_of(node.offset)))
    }

    /// The document it is in.
    pub fn document(self) -> &'d Document {
        self.document
    }
}

/// Two views of the same element are equal; of different documents none are.
impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && std::ptr::eq(self.document, other.document)
    }
}

impl Eq for Element<'_> {}

/// The path alone: what is in it is the patient's.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Document, Limits, Namespace, parse};

    fn document(body: &str) -> Document {
        let text = format!(
            "<x:ClinicalDocument xmlns:x='urn:hl7-org:v3' xmlns='urn:hl7-org:v3' xmlns:e='urn:hl7-org:sdtc' \
             xmlns:v='urn:vendor'>{body}</x:ClinicalDocument>"
        );
        parse(text.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn names_are_those_of_their_namespace_whatever_the_prefix() {
        let document = document("<a e:b='1' c='2' v:d='3'/><e:a/><x:a/><v:a/><b xmlns=''/>");
        let names: Vec<_> = document.root().children().map(|child| child.name()).collect();
        assert_eq!(names, ["a", "sdtc:a", "a", "*:a", "*:b"]);
        let first = document.root().child("a").unwrap();
        assert_eq!(first.attributes().collect::<Vec<_>>(), [("sdtc:b", "1"), ("c", "2"), ("*:d", "3")]);
        assert_eq!(first.namespace(), Namespace::Hl7);
        assert_eq!(document.root().child("sdtc:a").unwrap().namespace(), Namespace::Sdtc);
        assert_eq!(document.root().name(), "ClinicalDocument");
    }

    #[test]
    fn text_is_whole_whatever_interrupts_it() {
        let document =
            document("<a>x &lt;<!-- c -->&#65;<![CDATA[<b>]]><b>y</b> z<c/>&amp;</a> <d t='&quot;&#10;'/>");
        let a = document.root().child("a").unwrap();
        assert_eq!(a.text(), "x <A<b>y z&");
        assert_eq!((a.leading_text(), a.tail()), ("x <A<b>", " "));
        assert_eq!(a.child("b").map(|b| (b.text(), b.tail())), Some(("y".into(), " z")));
        assert_eq!(document.root().child("d").unwrap().attribute("t"), Some("\"\n"));
    }

    #[test]
    fn paths_number_only_what_there_is_several_of() {
        let document = document("<a><b/><c/><b><d/></b></a><e><b/></e><a/>");
        let paths: Vec<_> = document.elements().map(|element| element.path()).collect();
        let expected =
            ["", "/a[1]", "/a[1]/b[1]", "/a[1]/c", "/a[1]/b[2]", "/a[1]/b[2]/d", "/e", "/e/b", "/a[2]"];
        assert_eq!(paths, expected.map(|path| format!("/ClinicalDocument{path}")));
        let d = document.elements().find(|element| element.name() == "d").unwrap();
        assert_eq!(d.parent().map(|parent| parent.name()), Some("b"));
        assert!(document.text.get(d.offset()..).unwrap().starts_with("<d/>"));
    }

    #[test]
    fn elements_are_found_by_id() {
        let document = document("<a ID='two'/><b ID='one'/><c ID='two'/>");
        assert_eq!(document.by_id("two").unwrap().name(), "a");
        assert_eq!(document.by_id("one").unwrap().name(), "b");
        assert_eq!(document.by_id("three"), None);
    }
}
