//! Whatever a section says, its HTML has only tags that were opened and closed, and nothing that acts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_ccda::{Limits, narrative_html, parse};

/// Tags that hold nothing.
const VOID: [&str; 3] = ["br", "col", "img"];

fuzz_target!(|bytes: &[u8]| {
    // The bytes are a document, or the narrative of one.
    let limits = Limits { depth_max: 96, elements_max: 10_000, ..Limits::default() };
    let wrapped = [
        b"<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section><text>".as_slice(),
        bytes,
        b"</text></section></component></structuredBody></component></ClinicalDocument>".as_slice(),
    ];
    for document in [bytes.to_vec(), wrapped.concat()] {
        let Ok(document) = parse(&document, &limits) else { continue };
        document.sections().into_iter().for_each(|section| check(&narrative_html(section).text));
    }
});

fn check(html: &str) {
    let mut open = Vec::new();
    let mut parts = html.split('<');
    assert!(parts.next().is_none_or(str::is_empty), "words before the first tag");
    for part in parts {
        let (tag, words) = part.split_once('>').expect("a tag is closed");
        assert!(!words.contains(['>', '"', '\'']), "words are escaped");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "tags are balanced");
            continue;
        }
        let name = tag.split(' ').next().unwrap_or_default();
        assert!(!matches!(name, "script" | "style" | "iframe" | "object" | "svg"), "{name}");
        // Odd parts between quotes are values, even ones names.
        let (mut is_value, mut names_a_link) = (false, false);
        for piece in tag.split('"') {
            if is_value {
                let value = piece.to_ascii_lowercase();
                assert!(!names_a_link || !value.trim_start().starts_with("javascript"), "{name}");
            } else {
                assert!(!piece.trim_start().starts_with("on"), "{name} has an event");
                names_a_link = piece.ends_with("href=") || piece.ends_with("src=");
            }
            is_value = !is_value;
        }
        if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "tags are balanced");
}
