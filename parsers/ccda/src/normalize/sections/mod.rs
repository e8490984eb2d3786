//! The sections: which one it is, its words, and its entries read by the file that knows them.
//!
//! A new kind of section is a file here and its line in `KINDS`. In a section that has no reader an entry is read by its own template
//! (`entries`). An entry that nobody reads is counted as unread in its section.

mod advance_directives;
mod allergies;
mod care_teams;
mod devices;
mod encounters;
mod entries;
mod family_history;
mod functional_status;
mod goals;
mod health_concerns;
mod immunizations;
mod medications;
mod notes;
mod payers;
mod plans;
mod problems;
mod procedures;
mod results;
mod social_history;
mod vital_signs;

use orderly_record::{Record, Section, Text};

use super::narrative;
use super::statement::{Mood, Statement, statement_in};
use super::values::{attribute, coded, text_of};
use super::{NESTING_MAX, Source};
use crate::document::{Element, sections_in};

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
        self.in_mood(Mood::EventOrIntent)
    }

    /// Its reader tells these moods apart.
    const fn in_mood(self, mood: Mood) -> Self {
        Self { mood, ..self }
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

/// A section that is known by name, and usually has no entries.
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
    read("problems", &["5", "5.1"], &["11450-4"], "problem", |statement, record| {
        problems::conditions(statement, "problem", record)
    }),
    read(
        "admission_diagnosis",
        &["43"],
        &["46241-6", "42347-5"],
        "admission diagnos",
        |statement, record| problems::conditions(statement, "admission-diagnosis", record),
    ),
    read(
        "discharge_diagnosis",
        &["24"],
        &["11535-2", "78375-3"],
        "discharge diagnos",
        |statement, record| problems::conditions(statement, "discharge-diagnosis", record),
    ),
    read("preoperative_diagnosis", &["34"], &["10219-4"], "preoperative diagnos", |statement, record| {
        problems::conditions(statement, "preoperative-diagnosis", record)
    }),
    read("postoperative_diagnosis", &["35"], &["10218-6"], "postoperative diagnos", |statement, record| {
        problems::conditions(statement, "postoperative-diagnosis", record)
    }),
    read("postprocedure_diagnosis", &["36"], &["59769-0"], "postprocedure diagnos", |statement, record| {
        problems::conditions(statement, "postprocedure-diagnosis", record)
    }),
    read("past_medical_history", &["20"], &["11348-0"], "past medical history", |statement, record| {
        problems::conditions(statement, "history", record)
    }),
    read("medical_history", &["39"], &["11329-0"], "medical history", |statement, record| {
        problems::conditions(statement, "history", record)
    }),
    read("complications", &["37"], &["55109-3"], "complications", |statement, record| {
        problems::conditions(statement, "complication", record)
    }),
    read("procedure_indications", &["29"], &["59768-2"], "procedure indications", |statement, record| {
        problems::conditions(statement, "indication", record)
    }),
    read("procedure_findings", &["28"], &["59776-5"], "procedure findings", |statement, record| {
        problems::conditions(statement, "procedure-finding", record)
    }),
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
    read("anesthesia", &["25"], &["59774-0"], "anesthesia", entries::administered_or_done),
    read("immunizations", &["2", "2.1"], &["11369-6"], "immuni", immunizations::read).with_intents(),
    read("procedures", &["7", "7.1"], &["47519-4"], "procedures", procedures::read).with_intents(),
    read("results", &["3", "3.1"], &["30954-2"], "results", results::read),
    read("vital_signs", &["4", "4.1"], &["8716-3"], "vital signs", vital_signs::read),
    read("encounters", &["22", "22.1"], &["46240-8"], "encounters", encounters::read),
    read("social_history", &["17"], &["29762-2"], "social history", social_history::read),
    read(
        "pregnancy",
        &["2.16.840.1.113883.10.20.22.2.80"],
        &["90767-5", "10162-6"],
        "pregnancy",
        social_history::read,
    ),
    read("family_history", &["15"], &["10157-6"], "family history", family_history::read),
    read("functional_status", &["14"], &["47420-5"], "functional status", |statement, record| {
        functional_status::read(statement, "functional", record)
    }),
    read("mental_status", &["56"], &["10190-7"], "mental status", |statement, record| {
        functional_status::read(statement, "mental", record)
    }),
    read("nutrition", &["57"], &["61144-2"], "nutrition", |statement, record| {
        functional_status::read(statement, "nutrition", record)
    }),
    read("outcomes", &["61"], &["11383-7"], "health status evaluations", |statement, record| {
        functional_status::read(statement, "outcome", record)
    }),
    read("goals", &["60"], &["61146-7"], "goals", goals::read).in_mood(Mood::OrGoal),
    read("health_concerns", &["58"], &["75310-3"], "health concerns", health_concerns::read),
    read("plan_of_treatment", &["10"], &["18776-5"], "plan of", plans::read).in_mood(Mood::OrGoal),
    read("assessment_and_plan", &["9"], &["51847-2"], "assessment and plan", plans::read)
        .in_mood(Mood::OrGoal),
    read("interventions", &["2.16.840.1.113883.10.20.21.2.3"], &["62387-6"], "interventions", plans::read)
        .in_mood(Mood::OrGoal),
    read("instructions", &["45"], &["69730-0"], "instructions", plans::read).in_mood(Mood::OrGoal),
    read("planned_procedure", &["30"], &["59772-4"], "planned procedure", plans::read).in_mood(Mood::OrGoal),
    read(
        "reason_for_referral",
        &["1.3.6.1.4.1.19376.1.5.3.1.3.1"],
        &["42349-1"],
        "reason for referral",
        plans::read,
    )
    .in_mood(Mood::OrGoal),
    read("medical_equipment", &["23"], &["46264-8"], "medical equipment", devices::read).with_intents(),
    read("procedure_implants", &["40"], &["59771-6"], "procedure implants", devices::read).with_intents(),
    read("advance_directives", &["21", "21.1"], &["42348-3"], "advance directive", advance_directives::read),
    read("care_teams", &["500"], &["85847-2"], "care team", care_teams::read),
    read("payers", &["18"], &["48768-6"], "payers", payers::read).in_mood(Mood::OrDefinition),
    read("notes", &["65"], &["34109-9"], "notes", notes::read),
    words("assessment", &["8"], &["51848-0"], "assessment"),
    words("chief_complaint", &["1.3.6.1.4.1.19376.1.5.3.1.1.13.2.1"], &["10154-3"], "chief complaint"),
    words("chief_complaint_and_reason", &["13"], &["46239-0"], "chief complaint and reason"),
    words("course_of_care", &["64"], &[], "course of care"),
    words("discharge_diet", &["1.3.6.1.4.1.19376.1.5.3.1.3.33"], &["42344-2"], "discharge diet"),
    words("discharge_instructions", &["41"], &["8653-8"], "discharge instructions"),
    words("discharge_physical", &["1.3.6.1.4.1.19376.1.5.3.1.3.26"], &["10184-0"], "discharge physical"),
    words("discharge_studies", &["16"], &["11493-4"], "discharge studies"),
    words("estimated_blood_loss", &["2.16.840.1.113883.10.20.18.2.9"], &["59770-8"], "estimated blood loss"),
    words("general_status", &["2.16.840.1.113883.10.20.2.5"], &["10210-3"], "general status"),
    words(
        "history_of_present_illness",
        &["1.3.6.1.4.1.19376.1.5.3.1.3.4"],
        &["10164-2"],
        "history of present illness",
    ),
    words("hospital_consultations", &["42"], &["18841-7"], "hospital consultations"),
    words("hospital_course", &["1.3.6.1.4.1.19376.1.5.3.1.3.5"], &["8648-8"], "hospital course"),
    words("objective", &["2.16.840.1.113883.10.20.21.2.1"], &["61149-1"], "objective"),
    words("operative_fluids", &["2.16.840.1.113883.10.20.7.12"], &["10216-0"], "operative note fluids"),
    words("physical_exam", &["2.16.840.1.113883.10.20.2.10"], &["29545-1"], "physical exam"),
    words("procedure_description", &["27"], &["29554-3"], "procedure description"),
    words(
        "procedure_disposition",
        &["2.16.840.1.113883.10.20.18.2.12"],
        &["59775-7"],
        "procedure disposition",
    ),
    words("procedure_specimens", &["31"], &["59773-2"], "procedure specimens"),
    words("reason_for_visit", &["12"], &["29299-5"], "reason for visit"),
    words("review_of_systems", &["1.3.6.1.4.1.19376.1.5.3.1.3.18"], &["10187-3"], "review of systems"),
    words("subjective", &["2.16.840.1.113883.10.20.21.2.2"], &["61150-9"], "subjective"),
    words("surgical_drains", &["2.16.840.1.113883.10.20.7.13"], &["11537-8"], "surgical drains"),
    words("surgical_procedure", &["2.16.840.1.113883.10.20.7.14"], &["10223-6"], "surgical procedure"),
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
    let Some(statement) = statement_in(entry) else { return source.unread(entry) };
    let of_section = kind.and_then(|kind| Some((kind.read?, kind.mood)));
    match of_section.or_else(|| entries::reader(statement)) {
        Some((read, mood)) => {
            source.read(statement, mood, |statement| read(statement, record));
        }
        None => source.unread(statement),
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
