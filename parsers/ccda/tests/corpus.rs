//! Public sample documents, when they are at hand beside the workspace (`../shared/corpus`): all are read or refused for a stated reason,
//! and every entry of every section is in the record or counted as unread.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use orderly_ccda::{Document, Element, Limits, narrative_html, normalize, parse};
use orderly_record::Record;
use serde_json::Value;

/// Folders of pieces of documents, and of documents broken on purpose.
const MAY_BE_UNREADABLE: [&str; 2] = ["fragments", "malformed"];
/// Pieces of documents lie elsewhere too; they are told by their root.
const PIECE: &str = "ccda-no-clinical-document";

#[test]
fn every_document_is_read_and_no_entry_vanishes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/ccda");
    if !corpus.is_dir() {
        println!("the corpus is not here ({}): nothing was checked", corpus.display());
        return;
    }
    let mut files = Vec::new();
    collect(&corpus, &mut files);
    assert!(files.len() > 150, "the corpus has only {} files", files.len());
    let (mut read, mut refused, mut sections) = (0, BTreeMap::<&str, usize>::new(), BTreeMap::new());
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        match parse(&bytes, &Limits::default()) {
            Ok(document) => {
                read += 1;
                check(&document, file, &mut sections);
            }
            Err(diagnostic) => {
                println!("{}: {diagnostic}", file.display());
                let may_be = |part: &str| file.components().any(|found| found.as_os_str() == part);
                let is_allowed =
                    diagnostic.code == PIECE || MAY_BE_UNREADABLE.iter().any(|part| may_be(part));
                assert!(is_allowed, "{}: {diagnostic}", file.display());
                *refused.entry(diagnostic.code).or_default() += 1;
            }
        }
    }
    println!("{read} documents read, refused: {refused:?}");
    assert!(read > 100, "only {read} documents are read");
    for (kind, [all, held, unread]) in &sections {
        println!("{kind}: {all} entries, {held} in the record, {unread} unread");
        assert_eq!(*all, held + unread, "{kind}");
    }
    for kind in [
        "allergies",
        "medications",
        "problems",
        "immunizations",
        "procedures",
        "results",
        "vital_signs",
        "encounters",
        "social_history",
        "family_history",
        "functional_status",
        "mental_status",
        "goals",
        "health_concerns",
        "plan_of_treatment",
        "instructions",
        "medical_equipment",
        "advance_directives",
        "care_teams",
        "notes",
    ] {
        let [all, held, _] = sections[kind];
        assert!(held * 10 >= all * 9, "{kind}: only {held} of {all} entries are in the record");
    }
}

/// Documents that say little or deny much: how many allergies, conditions, medications and visits there are, counted by hand.
#[test]
fn what_is_null_or_says_more_about_another_is_not_in_the_record() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/ccda");
    if !corpus.is_dir() {
        println!("the corpus is not here ({}): nothing was checked", corpus.display());
        return;
    }
    let table = [
        ("hl7-c-cda-examples/Documents__Progress_Note__Progress_Note.xml", [2, 3, 2, 1]),
        ("hl7-c-cda-examples/Documents__Transfer_Summary__Transfer_Summary.xml", [2, 5, 2, 1]),
        ("sample-ccdas/Kareo_Samples__Kareo_SummaryOfCare_export_Joey_Miller.xml", [0, 2, 2, 0]),
        ("sample-ccdas/EMERGE__Patient-124.xml", [3, 0, 0, 4]),
    ];
    for (file, expected) in table {
        let bytes = std::fs::read(corpus.join(file)).unwrap();
        let record = normalize(&parse(&bytes, &Limits::default()).unwrap());
        let found =
            [record.allergies.len(), record.conditions.len(), record.medications.len(), record.visits.len()];
        assert_eq!(found, expected, "{file}");
    }
}

/// Adds, for each kind of section, how many entries there are, how many the record holds, and how many are counted as unread.
fn check(document: &Document, file: &Path, totals: &mut BTreeMap<String, [usize; 3]>) {
    let record = normalize(document);
    let held = entries_held(&record);
    let mut sections = Vec::new();
    for component in document.root().children_named("component") {
        component.children_named("structuredBody").for_each(|body| collect_sections(body, &mut sections));
    }
    assert_eq!(sections.len(), record.sections.len(), "{}", file.display());
    for (element, section) in sections.iter().zip(&record.sections) {
        assert_eq!(section.source, Some(element.location()), "{}", file.display());
        assert_eq!(section.entries, element.children_named("entry").count());
        no_words_are_lost(*element, file);
        let mut missing = HashMap::<(&str, Option<&str>), usize>::new();
        let mut held_here = 0;
        for entry in element.children_named("entry") {
            if held.contains(&entry.path()) {
                held_here += 1;
            } else {
                *missing.entry(key(entry)).or_default() += 1;
            }
        }
        let total = totals.entry(section.kind.as_deref().unwrap_or("unknown").to_owned()).or_default();
        total[0] += section.entries;
        total[1] += held_here;
        for ((name, template), count) in missing {
            let listed =
                section.unread.iter().find(|one| one.element == name && one.template.as_deref() == template);
            let listed = listed.map_or(0, |unread| unread.count);
            assert!(
                listed >= count,
                "{}: {} of {count} {name} {template:?} are listed as unread",
                file.display(),
                listed
            );
            total[2] += count;
        }
    }
}

/// The narrative as HTML has all letters of the narrative.
fn no_words_are_lost(section: Element<'_>, file: &Path) {
    let html = narrative_html(section);
    assert!(html.is_whole, "{}", file.display());
    let tags_removed: String =
        html.text.split('<').map(|part| part.split_once('>').map_or("", |(_, words)| words)).collect();
    let unescaped = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(tags_removed, |text, (escaped, plain)| text.replace(escaped, plain));
    let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
    let sent = section.child("text").map(|text| text.text().into_owned()).unwrap_or_default();
    assert!(letters(&unescaped) >= letters(&sent), "{}: {}", file.display(), section.path());
}

/// The statement in an entry as it is listed when nobody reads it.
fn key(entry: Element<'_>) -> (&str, Option<&str>) {
    let statement = entry
        .children()
        .find(|child| !matches!(child.name(), "templateId" | "typeId" | "realmCode" | "sequenceNumber"));
    let shown = statement.unwrap_or(entry);
    (shown.name(), shown.child("templateId").and_then(|template| template.attribute("root")))
}

/// The paths of all entries that something in the record was read from.
fn entries_held(record: &Record) -> HashSet<String> {
    let mut value = serde_json::to_value(record).unwrap();
    value.as_object_mut().unwrap().remove("sections");
    let mut sources = Vec::new();
    collect_sources(&value, &mut sources);
    // An entryRelationship begins with the same letters: the path is cut before the first one.
    let entry_of = |source: &String| {
        let outside = source.split("/entryRelationship").next()?;
        let (section, entry) = outside.rsplit_once("/entry")?;
        let (entry, _) = entry.split_once('/')?;
        Some(format!("{section}/entry{entry}"))
    };
    sources.iter().filter_map(entry_of).collect()
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

fn collect_sections<'d>(holder: Element<'d>, sections: &mut Vec<Element<'d>>) {
    for section in
        holder.children_named("component").flat_map(|component| component.children_named("section"))
    {
        sections.push(section);
        collect_sections(section, sections);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            files.push(path);
        }
    }
}
