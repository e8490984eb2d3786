//! What holds for all documents: no bytes cause a panic, what is read is whole, every entry of a section is in the record or counted as
//! unread, the record is a few times the document at most, and nothing in the narrative's HTML can act.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use orderly_ccda::{Document, Limits, looks_like_xml, narrative_html, normalize, parse};
use orderly_record::Record;
use proptest::prelude::*;
use serde_json::Value;

const SAMPLE: &str = include_str!("samples/ccd_r21_full.xml");

/// How many times the bytes of a document its record may have as JSON: each element that is read tells its path.
const RECORD_MAX: usize = 64;

/// Small, so that most cases stay small and the limits are met now and then.
fn limits() -> Limits {
    Limits {
        bytes_max: 40_000,
        depth_max: 24,
        elements_max: 700,
        attributes_max: 8,
        text_bytes_max: 4_000,
        ..Limits::default()
    }
}

/// Everything that can be asked of a document.
fn use_all(document: &Document, bytes: usize) {
    let mut seen = 0;
    for element in document.elements() {
        seen += 1;
        assert!(element.path().starts_with("/ClinicalDocument"));
        let parent = element.parent();
        assert!(parent.is_none_or(|parent| parent.children().any(|child| child == element)));
        let _ = (element.text().len(), element.offset(), element.namespace());
        if let Some(id) = element.attribute("ID") {
            assert_eq!(document.by_id(id).and_then(|found| found.attribute("ID")), Some(id));
        }
    }
    let mut walked = 0;
    let mut waiting = vec![document.root()];
    while let Some(element) = waiting.pop() {
        walked += 1;
        waiting.extend(element.children());
    }
    assert_eq!(walked, seen, "every element is reached from the root");
    let record = normalize(document);
    assert!(serde_json::to_vec(&record).unwrap().len() <= bytes * RECORD_MAX);
    no_entry_vanishes(document, &record);
    let sections = document.sections();
    assert!(
        sections
            .iter()
            .map(|section| Some(section.location()))
            .eq(record.sections.iter().map(|one| one.source.clone()))
    );
    sections.into_iter().for_each(|section| nothing_acts(&narrative_html(section).text));
}

/// Every tag that a narrative may have, and of each attribute how its value begins.
const TAGS: [&str; 23] = [
    "a", "br", "caption", "col", "colgroup", "del", "div", "img", "ins", "li", "ol", "p", "span", "sub",
    "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
];
const ATTRIBUTES: [(&str, &[&str]); 8] = [
    ("class", &[""]),
    ("id", &["ccda-"]),
    ("href", &["http://", "https://", "mailto:", "#ccda-"]),
    ("rel", &["noopener noreferrer nofollow"]),
    ("src", &["data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,"]),
    ("alt", &[""]),
    ("rowspan", &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
    ("colspan", &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
];

/// Reads HTML as strictly as it is written: known tags and attributes, each tag closed, nothing that is not escaped.
fn nothing_acts(html: &str) {
    assert!(!html.to_ascii_lowercase().contains("<script"), "{html}");
    let mut open = Vec::new();
    let mut rest = html;
    while let Some((words, after)) = rest.split_once('<') {
        assert!(!words.contains(['>', '"', '\'']), "{words}");
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{html}");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(TAGS.contains(&name), "{tag}");
        attributes_are_known(attributes);
        if !matches!(name, "br" | "col" | "img") {
            open.push(name);
        }
    }
    assert!(open.is_empty() && !rest.contains(['>', '"', '\'']), "{html}");
}

fn attributes_are_known(attributes: &str) {
    let mut rest = attributes;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap();
        let (value, after) = after.split_once('"').unwrap();
        let (_, beginnings) =
            ATTRIBUTES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{attributes}"));
        let value = value.to_ascii_lowercase();
        assert!(beginnings.iter().any(|beginning| value.starts_with(beginning)), "{attributes}");
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
}

/// Each entry of a section is where something in the record was read from, or counted in the section.
fn no_entry_vanishes(document: &Document, record: &Record) {
    let mut value = serde_json::to_value(record).unwrap();
    value.as_object_mut().unwrap().remove("sections");
    let mut sources = Vec::new();
    collect_sources(&value, &mut sources);
    for section in &record.sections {
        let element = document.elements().find(|element| Some(element.location()) == section.source).unwrap();
        let entries: Vec<_> =
            element.children_named("entry").map(|entry| format!("{}/", entry.path())).collect();
        assert_eq!(section.entries, entries.len());
        let is_held = |entry: &&String| sources.iter().any(|source| source.starts_with(entry.as_str()));
        let missing = entries.len() - entries.iter().filter(is_held).count();
        let unread: usize = section.unread.iter().map(|unread| unread.count).sum();
        assert!(unread >= missing, "{missing} entries are missing, {unread} parts are counted");
    }
}

fn collect_sources(value: &Value, sources: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            sources.extend(members.get("source").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect_sources(member, sources));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect_sources(element, sources)),
        _ => {}
    }
}

fn check(bytes: &[u8]) {
    match parse(bytes, &limits()) {
        Ok(document) => use_all(&document, bytes.len()),
        Err(refused) => {
            assert!(refused.code.starts_with("ccda-"));
            assert!(refused.help.is_some(), "{refused}");
            let orderly_record::Place::Input { offset, .. } = refused.place else {
                panic!("no place: {refused}")
            };
            assert!(offset <= bytes.len(), "{refused}");
        }
    }
    let _ = looks_like_xml(bytes);
}

/// Elements as CDA has them, put together at random.
fn element() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "section",
        "entry",
        "act",
        "observation",
        "organizer",
        "substanceAdministration",
        "supply",
        "encounter",
        "procedure",
        "entryRelationship",
        "component",
        "code",
        "value",
        "text",
        "reference",
        "effectiveTime",
        "low",
        "high",
        "participant",
        "participantRole",
        "playingDevice",
        "performer",
        "assignedEntity",
        "subject",
        "playingEntity",
        "author",
        "td",
        "tr",
        "table",
        "id",
        "templateId",
        "translation",
        "originalText",
    ]);
    let attributes = prop::sample::select(vec![
        "",
        " code='48765-2'",
        " code='11450-4'",
        " code='30954-2'",
        " moodCode='GOL'",
        " moodCode='INT'",
        " root='2.16.840.1.113883.10.20.22.4.44'",
        " typeCode='DEV'",
        " nullFlavor='UNK'",
        " value='#a'",
        " ID='a'",
        " typeCode='SUBJ'",
        " typeCode='MFST'",
        " xsi:type='PQ' value='5'",
        " xsi:type='IVL_PQ'",
        " root='2.16.840.1.113883.10.20.22.2.1'",
        " value='2026'",
        " codeSystem='2.16.840.1.113883.6.1'",
        " moodCode='EVN'",
    ]);
    let leaf = (names.clone(), attributes.clone(), "[ a-z&&[^&<]]{0,6}")
        .prop_map(|(name, attributes, text)| format!("<{name}{attributes}>{text}</{name}>"));
    leaf.prop_recursive(8, 120, 6, move |inner| {
        (names.clone(), attributes.clone(), prop::collection::vec(inner, 0..6))
            .prop_map(|(name, attributes, inner)| format!("<{name}{attributes}>{}</{name}>", inner.concat()))
    })
}

/// The code of a section of each kind that has a reader of its own.
fn kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "48765-2", "11450-4", "10160-0", "11369-6", "47519-4", "30954-2", "8716-3", "46240-8", "29762-2",
        "10157-6", "47420-5", "61146-7", "75310-3", "18776-5", "46264-8", "42348-3", "85847-2", "48768-6",
        "34109-9", "99999-9",
    ])
}

/// A narrative put together at random of what the schema has and what it has not, with what an attacker would write.
fn narrative() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "content",
        "paragraph",
        "list",
        "item",
        "table",
        "thead",
        "tbody",
        "tr",
        "td",
        "th",
        "colgroup",
        "col",
        "caption",
        "br",
        "sub",
        "sup",
        "linkHtml",
        "footnote",
        "footnoteRef",
        "renderMultiMedia",
        "script",
        "iframe",
        "svg",
        "style",
    ]);
    let attributes = prop::sample::select(vec![
        "",
        " ID='a'",
        " ID='&quot; onload=&quot;x'",
        " styleCode='Bold Italics xNo'",
        " styleCode='&quot;&gt;&lt;script&gt;'",
        " onclick='alert(1)'",
        " style='x:expression(1)'",
        " href='javascript:alert(1)'",
        " href='JaVa&#10;ScRiPt:alert(1)'",
        " href='https://x.example/&quot;onmouseover=&quot;x'",
        " href='#a'",
        " href='data:text/html,&lt;script&gt;'",
        " src='https://x.example'",
        " IDREF='a'",
        " referencedObject='m a'",
        " rowspan='2' colspan='-1'",
        " align='right' listType='ordered'",
        " revised='delete'",
    ]);
    let words = prop::sample::select(vec![
        "",
        "words",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "\"'&gt;&amp;",
        " onload=x ",
    ]);
    let leaf = (names.clone(), attributes.clone(), words.clone())
        .prop_map(|(name, attributes, words)| format!("<{name}{attributes}>{words}</{name}>{words}"));
    leaf.prop_recursive(8, 80, 5, move |inner| {
        (names.clone(), attributes.clone(), prop::collection::vec(inner, 0..5), words.clone()).prop_map(
            |(name, attributes, inner, words)| {
                format!("<{name}{attributes}>{words}{}</{name}>", inner.concat())
            },
        )
    })
}

/// What is said once and holds for many must not be in the record as often as the two multiplied.
#[test]
fn the_record_is_a_few_times_the_document() {
    let many = |one: &str| one.repeat(1_000);
    let performers =
        many("<performer><assignedEntity><id root='1.2' extension='7'/></assignedEntity></performer>");
    let authors = many("<author><assignedAuthor><id root='1.2' extension='7'/></assignedAuthor></author>");
    let vital_signs = many("<component><observation><code code='1'/></observation></component>");
    let problems =
        many("<entryRelationship><observation><value code='1'/></observation></entryRelationship>");
    let dispenses = many("<entryRelationship><supply moodCode='EVN'/></entryRelationship>");
    let devices = many(
        "<participant typeCode='DEV'><participantRole><playingDevice><code code='1'/></playingDevice></participantRole></participant>",
    );
    let members = many(
        "<component><act><performer><assignedEntity><id root='1'/></assignedEntity></performer></act></component>",
    );
    let names = many("<translation code='1'/>");
    let long = "9".repeat(100_000);
    let deep = "<component><organizer>".repeat(100) + &vital_signs + &"</organizer></component>".repeat(100);
    let sections = "<component><section>".repeat(100)
        + &many("<component><section/></component>")
        + &"</section></component>".repeat(100);
    let table = [
        sections,
        format!("<code code='8716-3'/><entry><organizer>{deep}</organizer></entry>"),
        format!("<code code='8716-3'/><entry><organizer>{performers}{vital_signs}</organizer></entry>"),
        format!(
            "<code code='30954-2'/><entry><organizer>{performers}<component><organizer>{vital_signs}</organizer></component></organizer></entry>"
        ),
        format!(
            "<code code='30954-2'/><entry><organizer><effectiveTime value='{long}'/>{vital_signs}</organizer></entry>"
        ),
        format!("<code code='11450-4'/><entry><act>{authors}{problems}</act></entry>"),
        format!("<code code='48765-2'/><entry><act>{authors}{problems}</act></entry>"),
        format!("<code code='47519-4'/><entry><procedure>{performers}{devices}</procedure></entry>"),
        format!(
            "<code code='46264-8'/><entry><procedure><code code='1'>{names}</code>{devices}</procedure></entry>"
        ),
        format!(
            "<code code='85847-2'/><entry><act><effectiveTime value='{long}'/>{performers}</act></entry>"
        ),
        format!(
            "<code code='85847-2'/><entry><organizer><code><originalText>{long}</originalText></code>{members}</organizer></entry>"
        ),
        format!(
            "<code code='42348-3'/><entry><organizer><code code='1'>{names}</code>{vital_signs}</organizer></entry>"
        ),
        format!("<code code='47420-5'/><entry><organizer>{performers}{deep}</organizer></entry>"),
        format!(
            "<code code='10160-0'/><entry><substanceAdministration><consumable><manufacturedProduct><manufacturedMaterial><code code='1'>\
                 {names}</code></manufacturedMaterial></manufacturedProduct></consumable>{dispenses}</substanceAdministration></entry>"
        ),
    ];
    for section in table {
        let text = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section>{section}</section></component></structuredBody>\
             </component></ClinicalDocument>"
        );
        let record = normalize(&parse(text.as_bytes(), &Limits::default()).unwrap());
        let size = serde_json::to_vec(&record).unwrap().len();
        assert!(size <= text.len() * 16, "{size} bytes of {}", text.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn any_mutation_of_a_document(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, "\\PC{0,8}"), 1..4),
    ) {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        for (place, length, text) in changes {
            let start = place.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, text.into_bytes());
        }
        check(&bytes);
    }

    #[test]
    fn any_end_of_a_document(end in any::<prop::sample::Index>()) {
        let end = end.index(SAMPLE.trim_end().len());
        prop_assert!(parse(&SAMPLE.as_bytes()[..end], &Limits::default()).is_err());
    }

    #[test]
    fn any_narrative(body in narrative(), data in "(iVBORw0KGgo|/9j/|R0lGOD|)[A-Za-z\"&&[^<&]]{0,8}", inner in prop::collection::vec(0_usize..3, 0..4)) {
        let nested = inner.iter().fold(body, |body, kind| match kind {
            0 => format!("<table><tr><td>{body}</td></tr></table>"),
            1 => format!("<list>{body}</list>"),
            _ => format!("<linkHtml href='#a'>{body}</linkHtml>"),
        });
        let text = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section><text>{nested}</text><entry><observationMedia ID='m'>\
             <value mediaType='image/png' representation='B64'>{data}</value></observationMedia></entry></section></component></structuredBody></component></ClinicalDocument>"
        );
        let document = parse(text.as_bytes(), &Limits::default()).unwrap();
        let html = narrative_html(document.sections()[0]);
        prop_assert!(html.is_whole);
        nothing_acts(&html.text);
    }

    #[test]
    fn any_tree(body in element(), in_header in element(), kind in kind()) {
        let text = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>{in_header}\
             <component><structuredBody><component><section><code code='{kind}'/>{body}</section></component></structuredBody></component></ClinicalDocument>"
        );
        check(text.as_bytes());
    }
}
