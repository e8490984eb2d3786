//! From the tree to the record: header, patient, visit, and section by section what the entries say.
//!
//! Nothing fails: what is not there is absent, what is odd stays as sent, and what the record has no place for is counted in its section
//! (`statement`). A value with a nullFlavor is no value, whatever stands beside it.

mod about;
mod concern;
mod header;
mod narrative;
mod observation;
mod patient;
mod people;
mod sections;
mod shared;
mod statement;
mod ucum;
mod values;
mod visit;

use std::cell::{Cell, RefCell};

use orderly_record::{Record, Text};

use crate::document::{Document, Element};
use statement::Leftovers;

/// Words that a reference leads to are a cell or a paragraph; whole chapters stay in the section's text.
const WORDS_MAX: usize = 65_536;
/// How many sections, or statements, may be in one another and still be read; what lies deeper is unread. Real documents have three levels
/// of sections and five of statements, and each element of the record tells its path.
pub(crate) const NESTING_MAX: usize = 16;
/// How often the words of the whole document may be repeated by references to them. Two for each statement are usual.
const WORDS_REPEATED_MAX: usize = 4;

/// How often the bytes of the whole document may be copied from groups to their members. Once in a hundred is usual.
const BYTES_COPIED_MAX: usize = 4;

/// The record of a document.
pub fn normalize(document: &Document) -> Record {
    let source = Source::new(document);
    let root = document.root();
    let mut record = Record { header: header::header(root), ..Record::default() };
    let patients = patient::patients(&source, root);
    record.patient = patients.first().cloned();
    record.patients = if patients.len() > 1 { patients } else { Vec::new() };
    record.documents.push(about::document(&source, root));
    record.care_team = about::care_team(&source, root);
    record.participants = about::participants(&source, root);
    record.visit = visit::documented(&source, root);
    record.visits.extend(record.visit.clone());
    // What the record does not hold of the header is no section's.
    source.take_unread();
    for component in root.children_named("component") {
        for body in component.children_named("structuredBody") {
            sections::read_all(&source, body, &mut record);
        }
    }
    record
}

/// The document, and what reading it has used up and left over so far.
struct Source<'d> {
    document: &'d Document,
    /// How many more words may be repeated by references.
    words_left: Cell<usize>,
    /// How many more bytes may be copied from groups to their members.
    bytes_left: Cell<usize>,
    /// What of the present section the record does not hold.
    leftovers: RefCell<Leftovers<'d>>,
}

impl<'d> Source<'d> {
    fn new(document: &'d Document) -> Self {
        let words_left = document.text_bytes().saturating_mul(WORDS_REPEATED_MAX);
        let bytes_left = document.text_bytes().saturating_mul(BYTES_COPIED_MAX);
        let [words_left, bytes_left] = [words_left, bytes_left].map(Cell::new);
        Self { document, words_left, bytes_left, leftovers: RefCell::default() }
    }

    /// The words of an element that holds them itself, or refers to them: `text`, `originalText`.
    fn words(&self, element: Element<'d>) -> Option<Text> {
        let reference = element.child("reference").and_then(|reference| reference.attribute("value"));
        let referred = reference.and_then(|target| {
            let id = target.strip_prefix('#').unwrap_or(target);
            self.document.by_id(id.trim()).filter(|found| *found != element)
        });
        referred.and_then(|found| self.rendered(found)).or_else(|| self.rendered(element))
    }

    /// The words in an element; too many are counted as unread.
    fn rendered(&self, element: Element<'d>) -> Option<Text> {
        let left = self.words_left.get();
        let work_max = left.min(WORDS_MAX);
        let (words, used) = narrative::render(element, work_max);
        self.words_left.set(left.saturating_sub(used));
        if used == work_max {
            self.unread(element);
        }
        words
    }
}
