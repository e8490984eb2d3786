//! Any bytes are a document or refused; a document can be walked whole, and normalized.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_ccda::{Limits, looks_like_xml, normalize, parse};

fuzz_target!(|bytes: &[u8]| {
    let _ = looks_like_xml(bytes);
    let limits = Limits { depth_max: 64, elements_max: 10_000, ..Limits::default() };
    let Ok(document) = parse(bytes, &limits) else { return };
    for element in document.elements() {
        let _ = (element.text().len(), element.path().len(), element.offset(), element.tail());
        assert!(element.children().all(|child| child.parent() == Some(element)));
    }
    let record = normalize(&document);
    let entries = document.elements().filter(|element| element.name() == "entry").count();
    assert!(record.sections.iter().map(|section| section.entries).sum::<usize>() <= entries);
});
