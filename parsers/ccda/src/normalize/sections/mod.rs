//! The sections: which one it is, its words, and its entries read by the file that knows them.
//!
//! A new kind of section is a file here and its line in `KINDS`. An entry that nobody reads is counted as unread in its section.

mod allergies;
mod encounters;
mod immunizations;
mod medications;
mod problems;
mod procedures;
mod results;
mod vital_signs;

use orderly_record::{Record, Section, Text};

use super::narrative;
use super::statement::{Mood, Statement, statement_in};
use super::values::{attribute, coded, text_of};
use super::{NESTING_MAX, Source};
use crate::document::Element;

/// Reads one entry's statement into the record; false when it is of no kind that it knows.
type Read = fn(&Statement<'_, '_>, &mut Record) -> bool;

/// A kind of section.
struct Kind {
    name: &'static str,
    /// Its template ids without the prefix of C-CDA's sections, or whole when they begin otherwise.
    templates: &'static [&'static str],
    /// Its LOINC codes.
    codes: &'static [&'static str],
    /// What its title begins with, in small letters, when it has neither.
    title: &'static str,
    read: Option<Read>,
    /// What its reader knows to tell apart.
    mood: Mood,
}

impl Kind {
    /// Its reader tells what is intended from what was done.
    const fn with_intents(self) -> Self {
        Self { mood: Mood::EventOrIntent, ..self }
    }
}

const CCDA_SECTION: &str = "2.16.840.1.113883.10.20.22.2.";

const fn read(
    name: &'static str,
    templates: &'static [&'static str],
    codes: &'static [&'static str],
    title: &'static str,
    read: Read,
) -> Kind {
    Kind { name, templates, codes, title, read: Some(read), mood: Mood::Event }
}

/// A section that is known by name; the record holds its words only.
const fn words(
    name: &'static str,
    templates: &'static [&'static str],
    codes: &'static [&'static str],
    title: &'static str,
) -> Kind {
    Kind { name, templates, codes, title, read: None, mood: Mood::Event }
}

const KINDS: &[Kind] = &[
    read("allergies", &["6", "6.1"], &["48765-2"], "allerg", allergies::read),
    read("problems", &["5", "5.1"], &["11450-4"], "problem", problems::problem),
    read("admission_diagnosis", &["43"], &["46241-6", "42347-5"], "admission diagnos", problems::admission),
    read("discharge_diagnosis", &["24"], &["11535-2", "78375-3"], "discharge diagnos", problems::discharge),
    read("medications", &["1", "1.1"], &["10160-0"], "medications", medications::taken).with_intents(),
    read("admission_medications", &["44"], &["42346-7"], "admission medications", medications::taken)
        .with_intents(),
    read(
        "discharge_medications",
        &["11", "11.1"],
        &["10183-2", "75311-1"],
        "discharge medications",
        medications::taken,
    )
    .with_intents(),
    read(
        "medications_administered",
        &["38"],
        &["29549-3"],
        "medications administered",
        medications::administered,
    )
    .with_intents(),
    read("immunizations", &["2", "2.1"], &["11369-6"], "immuni", immunizations::read),
    read("procedures", &["7", "7.1"], &["47519-4"], "procedures", procedures::read).with_intents(),
    read("results", &["3", "3.1"], &["30954-2"], "results", results::read),
    read("vital_signs", &["4", "4.1"], &["8716-3"], "vital signs", vital_signs::read),
    read("encounters", &["22", "22.1"], &["46240-8"], "encounters", encounters::read),
    words("advance_directives", &["21", "21.1"], &["42348-3"], "advance directive"),
    words("assessment", &["8"], &["51848-0"], "assessment"),
    words("assessment_and_plan", &["9"], &["51847-2"], "assessment and plan"),
    words("care_teams", &["500"], &["85847-2"], "care team"),
    words("chief_complaint", &["1.3.6.1.4.1.19376.1.5.3.1.1.13.2.1"], &["10154-3"], "chief complaint"),
    words("chief_complaint_and_reason", &["13"], &["46239-0"], "chief complaint and reason"),
    words("course_of_care", &["64"], &[], "course of care"),
    words("discharge_instructions", &["41"], &["8653-8"], "discharge instructions"),
    words("family_history", &["15"], &["10157-6"], "family history"),
    words("functional_status", &["14"], &["47420-5"], "functional status"),
    words("goals", &["60"], &["61146-7"], "goals"),
    words("health_concerns", &["58"], &["75310-3"], "health concerns"),
    words(
        "history_of_present_illness",
        &["1.3.6.1.4.1.19376.1.5.3.1.3.4"],
        &["10164-2"],
        "history of present illness",
    ),
    words("hospital_course", &["1.3.6.1.4.1.19376.1.5.3.1.3.5"], &["8648-8"], "hospital course"),
    words("instructions", &["45"], &["69730-0"], "instructions"),
    words("interventions", &["2.16.840.1.113883.10.20.21.2.3"], &["62387-6"], "interventions"),
    words("medical_equipment", &["23"], &["46264-8"], "medical equipment"),
    words("medical_history", &["39"], &["11329-0"], "medical history"),
    words("mental_status", &["56"], &["10190-7"], "mental status"),
    words("notes", &["65"], &[], "notes"),
    words("nutrition", &["57"], &["61144-2"], "nutrition"),
    words("objective", &["2.16.840.1.113883.10.20.21.2.1"], &["61149-1"], "objective"),
    words("outcomes", &["61"], &["11383-7"], "health status evaluations"),
    words("past_medical_history", &["20"], &["11348-0"], "past medical history"),
    words("payers", &["18"], &["48768-6"], "payers"),
    words("physical_exam", &["2.16.840.1.113883.10.20.2.10"], &["29545-1"], "physical exam"),
    words("plan_of_treatment", &["10"], &["18776-5"], "plan of"),
    words("reason_for_referral", &["1.3.6.1.4.1.19376.1.5.3.1.3.1"], &["42349-1"], "reason for referral"),
    words("reason_for_visit", &["12"], &["29299-5"], "reason for visit"),
    words("review_of_systems", &["1.3.6.1.4.1.19376.1.5.3.1.3.18"], &["10187-3"], "review of systems"),
    words("social_history", &["17"], &["29762-2"], "social history"),
    words("subjective", &["2.16.840.1.113883.10.20.21.2.2"], &["61150-9"], "subjective"),
];

/// Reads all sections of a body, nested ones after the one they are in.
pub(super) fn read_all<'d>(source: &Source<'d>, body: Element<'d>, record: &mut Record) {
    read_inside(source, body, 1, record);
}

fn read_inside<'d>(source: &Source<'d>, holder: Element<'d>, depth: usize, record: &mut Record) {
    for section in sections_in(holder) {
        let mut read = section_of(source, section, record);
        if depth < NESTING_MAX {
            record.sections.push(read);
            read_inside(source, section, depth + 1, record);
        } else {
            sections_in(section).for_each(|deeper| source.unread(deeper));
            read.unread.extend(source.take_unread());
            record.sections.push(read);
        }
    }
}

fn sections_in(holder: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    holder.children_named("component").flat_map(|component| component.children_named("section"))
}

fn section_of<'d>(source: &Source<'d>, section: Element<'d>, record: &mut Record) -> Section {
    let kind = kind(section);
    let mut entries = 0;
    for child in section.children() {
        match child.name() {
            "entry" => {
                entries += 1;
                entry(source, child, kind, record);
            }
            // The section itself, and what is read as a section of its own.
            "templateId" | "typeId" | "realmCode" | "id" | "code" | "title" | "text" | "component" => {}
            _ => source.unread(child),
        }
    }
    let title = text_of(section, "title");
    Section {
        code: section.child("code").and_then(|code| coded(source, code)),
        title,
        kind: kind.map(|kind| Text::new_static(kind.name)),
        templates: section.children_named("templateId").filter_map(template).collect(),
        absent_because: section.attribute("nullFlavor").map(Text::new),
        text: section.child("text").and_then(|text| narrative::render(text, usize::MAX).0),
        entries,
        unread: source.take_unread(),
        source: Some(section.location()),
    }
}

fn entry<'d>(source: &Source<'d>, entry: Element<'d>, kind: Option<&'static Kind>, record: &mut Record) {
    match (statement_in(entry), kind.and_then(|kind| Some((kind.read?, kind.mood)))) {
        (Some(statement), Some((read, mood))) => {
            source.read(statement, mood, |statement| read(statement, record));
        }
        (Some(statement), None) => source.unread(statement),
        (None, _) => source.unread(entry),
    }
}

fn template(template: Element<'_>) -> Option<Text> {
    let root = attribute(template, "root")?;
    Some(match attribute(template, "extension") {
        None => root,
        Some(extension) => format!("{root}:{extension}").into(),
    })
}

/// What a section is: by its template, else by its code or a translation of it, else by its title.
fn kind(section: Element<'_>) -> Option<&'static Kind> {
    let of_template = section.children_named("templateId").find_map(|template| {
        let root = template.attribute("root")?.trim();
        let root = root.strip_prefix(CCDA_SECTION).unwrap_or(root);
        KINDS.iter().find(|kind| kind.templates.contains(&root))
    });
    let of_code = || {
        let code = section.child("code")?;
        let mut all = std::iter::once(code).chain(code.children_named("translation"));
        all.find_map(|code| {
            let code = code.attribute("code")?;
            KINDS.iter().find(|kind| kind.codes.contains(&code))
        })
    };
    let of_title = || {
        let title = text_of(section, "title")?.to_lowercase();
        let fitting = KINDS.iter().filter(|kind| title.starts_with(kind.title));
        fitting.max_by_key(|kind| kind.title.len())
    };
    let has_code = section.child("code").is_some_and(|code| code.attribute("code").is_some());
    // A section that says what it is, in words that are not known here, is not what its title sounds like.
    of_template.or_else(of_code).or_else(|| if has_code { None } else { of_title() })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{Limits, normalize, parse};

    pub(in crate::normalize) fn record(section: &str) -> Record {
        let text = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3' xmlns:sdtc='urn:hl7-org:sdtc' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>\
             <component><structuredBody><component><section>{section}</section></component></structuredBody></component></ClinicalDocument>"
        );
        normalize(&parse(text.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn no_two_kinds_are_told_apart_by_the_same() {
        for (index, kind) in KINDS.iter().enumerate() {
            for other in KINDS.iter().skip(index + 1) {
                assert!(
                    !kind.templates.iter().any(|template| other.templates.contains(template)),
                    "{}",
                    kind.name
                );
                assert!(!kind.codes.iter().any(|code| other.codes.contains(code)), "{}", kind.name);
                assert_ne!((kind.name, kind.title), (other.name, other.title));
            }
        }
    }

    #[test]
    fn a_section_is_told_by_template_then_code_then_title() {
        let table = [
            (
                "<templateId root='2.16.840.1.113883.10.20.22.2.6.1' extension='9999'/><code code='10160-0'/>",
                Some("allergies"),
            ),
            ("<templateId root='1.2.3'/><code code='10160-0'/><title>Allergies</title>", Some("medications")),
            ("<code nullFlavor='UNK'><translation code='47519-4'/></code>", Some("procedures")),
            ("<title>Problem List</title>", Some("problems")),
            ("<title>Assessment and Plan</title>", Some("assessment_and_plan")),
            ("<code code='99999-9'/><title>Allergies</title>", None),
            ("<title>Our own section</title>", None),
        ];
        for (section, expected) in table {
            let kind = record(section).sections.remove(0).kind;
            assert_eq!(kind.as_deref(), expected, "{section}");
        }
    }

    #[test]
    fn what_is_not_read_is_counted() {
        let record = record(
            "<templateId root='1.2.3' extension='2020'/><author/><text>words</text><entry/>\
             <entry><act><templateId root='4.5'/></act></entry><entry><act><templateId root='4.5'/></act></entry>\
             <entry><observation/></entry><component><section nullFlavor='NI'><title>Inner</title></section></component>",
        );
        let [outer, inner] = record.sections.as_slice() else { panic!("two sections") };
        let unread: Vec<_> = outer
            .unread
            .iter()
            .map(|one| (one.element.as_str(), one.template.as_deref(), one.count))
            .collect();
        let expected =
            [("author", None, 1), ("entry", None, 1), ("act", Some("4.5"), 2), ("observation", None, 1)];
        assert_eq!((unread.as_slice(), outer.entries), (expected.as_slice(), 4));
        assert_eq!((outer.text.as_deref(), outer.templates[0].as_str()), (Some("words"), "1.2.3:2020"));
        assert_eq!((inner.absent_because.as_deref(), inner.title.as_deref()), (Some("NI"), Some("Inner")));
    }

    #[test]
    fn what_is_deeper_than_any_document_is_unread() {
        let sections = "<component><section>".repeat(20) + &"</section></component>".repeat(20);
        let found = record(&sections).sections;
        assert_eq!((found.len(), found[15].unread[0].element.as_str()), (16, "section"));
        let groups = |count: usize| {
            let inside = "<component><observation/></component>";
            "<component><organizer>".repeat(count) + inside + &"</organizer></component>".repeat(count)
        };
        for (count, expected) in [(14, (1, 0)), (15, (0, 1))] {
            let entry = format!("<entry><organizer>{}</organizer></entry>", groups(count));
            let record = record(&format!("<code code='30954-2'/>{entry}"));
            let observations: usize = record.results.iter().map(|report| report.observations.len()).sum();
            assert_eq!((observations, record.sections[0].unread.len()), expected);
        }
    }

    #[test]
    fn words_too_many_for_the_record_are_unread() {
        let long = "word ".repeat(20_000);
        let record = record(&format!(
            "<code code='30954-2'/><text><content ID='t'>{long}</content></text><entry><observation><value xsi:type='ST'>{long}</value></observation></entry>\
             <entry><observation><code><originalText><reference value='#t'/></originalText></code></observation></entry>"
        ));
        let unread: Vec<_> = record.sections[0].unread.iter().map(|one| one.element.as_str()).collect();
        assert_eq!(unread, ["value", "content"]);
        assert!(record.results.iter().all(|report| report.observations[0].value.is_none()));
    }

    #[test]
    fn the_header_leaves_nothing_to_the_first_section() {
        let text = "<ClinicalDocument xmlns='urn:hl7-org:v3'><code code='34133-9'><qualifier/></code><component><structuredBody><component><section/>\
                    </component></structuredBody></component></ClinicalDocument>";
        let record = normalize(&parse(text.as_bytes(), &Limits::default()).unwrap());
        assert!(record.sections[0].unread.is_empty());
    }
}
