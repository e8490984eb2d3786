//! What the samples say, written down by hand from the documents before their records were looked at: the facts that a mapping asks for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use orderly_ccda::{Limits, normalize, parse};
use serde_json::{Value, json};

fn record(sample: &str) -> Value {
    let path = format!("{}/tests/samples/{sample}.xml", env!("CARGO_MANIFEST_DIR"));
    let document = parse(&std::fs::read(path).unwrap(), &Limits::default()).unwrap();
    serde_json::to_value(normalize(&document)).unwrap()
}

/// Each fact by its JSON pointer; `null` where there must be nothing.
fn holds(sample: &str, facts: &[(&str, Value)]) {
    let record = record(sample);
    for (pointer, expected) in facts {
        let found = record.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found, expected, "{sample}: {pointer}");
    }
}

/// How many members a list has, and what is left unread of all sections by element.
fn counts(sample: &str, lists: &[(&str, usize)], unread: &[(&str, usize)]) {
    let record = record(sample);
    for (list, expected) in lists {
        let found = record.get(list).and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(found, *expected, "{sample}: {list}");
    }
    let sections = record.get("sections").and_then(Value::as_array).cloned().unwrap_or_default();
    let all = sections.iter().filter_map(|section| section.get("unread")?.as_array()).flatten();
    let found: Vec<_> = all
        .map(|one| {
            (one.get("element").unwrap().as_str().unwrap(), one.get("count").unwrap().as_u64().unwrap())
        })
        .collect();
    let expected: Vec<_> = unread.iter().map(|(element, count)| (*element, *count as u64)).collect();
    assert_eq!(found, expected, "{sample}: unread");
}

#[test]
fn social_and_family_history() {
    let sample = "social_and_family_history";
    counts(
        sample,
        &[
            ("social_history", 10),
            ("family_history", 2),
            ("functional_status", 4),
            ("devices", 1),
            ("results", 0),
        ],
        &[],
    );
    holds(
        sample,
        &[
            ("/social_history/0/category", json!("smoking-status")),
            ("/social_history/0/value", json!("8517006")),
            ("/social_history/0/recorded_at", json!("2026-03-20")),
            ("/social_history/1/observed_at", json!("2001")),
            ("/social_history/1/observed_to", json!("2012")),
            ("/social_history/2/category", json!("alcohol-use")),
            ("/social_history/2/values/0/quantity/value", json!("2")),
            ("/social_history/3/category", json!("birth-sex")),
            ("/social_history/3/value", json!("F")),
            ("/social_history/4/category", json!("gender-identity")),
            ("/social_history/5/category", json!("sexual-orientation")),
            ("/social_history/5/value", Value::Null),
            ("/social_history/6/category", json!("occupation")),
            ("/social_history/6/value", json!("teacher")),
            ("/social_history/6/members/0/value", json!("Primary schools")),
            ("/social_history/7/category", Value::Null),
            ("/social_history/7/code/text", json!("Pets")),
            ("/social_history/7/value", json!("Walks two dogs")),
            ("/social_history/8/category", json!("travel")),
            ("/social_history/8/value", json!("Two weeks at the coast")),
            ("/social_history/8/location/description", json!("HARBORTOWN, ME, US")),
            ("/social_history/9/category", json!("pregnancy")),
            ("/social_history/9/members/0/value", json!("2026-10-01")),
            ("/family_history/0/relationship/code", json!("FTH")),
            ("/family_history/0/name/given", json!("OLAF")),
            ("/family_history/0/sex", json!("M")),
            ("/family_history/0/birth_date", json!("1950")),
            ("/family_history/0/deceased", json!(true)),
            ("/family_history/0/deceased_at", json!("2009")),
            ("/family_history/0/conditions/0/code/code", json!("22298006")),
            ("/family_history/0/conditions/0/onset_at", json!("2007")),
            ("/family_history/0/conditions/0/onset_age/value", json!("57")),
            ("/family_history/0/conditions/0/caused_death", json!(true)),
            ("/family_history/0/conditions/1/caused_death", Value::Null),
            ("/family_history/1/conditions/0/negated", json!(true)),
            ("/functional_status/0/category", json!("functional")),
            ("/functional_status/0/members/0/value", json!("371153006")),
            ("/functional_status/1/value", json!("18")),
            ("/functional_status/1/members/0/value", json!("2")),
            ("/functional_status/2/category", json!("mental")),
            ("/functional_status/3/category", json!("nutrition")),
            ("/functional_status/3/members/0/value", json!("386619000")),
            ("/devices/0/code/code", json!("87405001")),
        ],
    );
}

#[test]
fn care_plan() {
    let sample = "care_plan";
    counts(
        sample,
        &[
            ("health_concerns", 3),
            ("goals", 2),
            ("plans", 2),
            ("procedures", 1),
            ("care_team", 2),
            ("functional_status", 1),
        ],
        &[],
    );
    holds(
        sample,
        &[
            ("/header/event", json!("CARE_PLAN")),
            ("/health_concerns/0/category", json!("concern")),
            ("/health_concerns/0/status", json!("active")),
            ("/health_concerns/0/starts_at", json!("2026-03-01")),
            ("/health_concerns/0/observations/0/value", json!("409623005")),
            ("/health_concerns/0/references/0/value", json!("PROB-9")),
            ("/health_concerns/0/priorities/0/code", json!("394849002")),
            ("/health_concerns/1/category", json!("risk")),
            ("/health_concerns/2/category", json!("observation")),
            ("/goals/0/code/code", json!("59408-5")),
            ("/goals/0/value", json!(">=92")),
            ("/goals/0/units/code", json!("%")),
            ("/goals/0/target_at", json!("2026-06-01")),
            ("/goals/0/recorded_by/0/name/given", json!("ALMA")),
            ("/goals/0/references/0/value", json!("CONCERN-1")),
            ("/goals/1/code/text", json!("No fall until summer")),
            ("/plans/0/code/code", json!("362956003")),
            ("/plans/1/category", json!("procedure")),
            ("/plans/1/starts_at", json!("2026-04-01")),
            ("/procedures/0/status", json!("completed")),
            ("/functional_status/0/category", json!("outcome")),
            ("/functional_status/0/references/0/value", json!("GOAL-1")),
            ("/functional_status/0/members/0/value", json!("390802008")),
            ("/care_team/0/team", json!("Lung team")),
            ("/care_team/0/leads", json!(true)),
            ("/care_team/0/role/code", json!("PCP")),
            ("/care_team/1/leads", Value::Null),
            ("/care_team/1/status", json!("completed")),
            ("/care_team/1/ends_at", json!("2026-03-10")),
        ],
    );
}

#[test]
fn payers_and_directives() {
    let sample = "payers_and_directives";
    counts(sample, &[("insurances", 2), ("advance_directives", 2), ("care_team", 1), ("documents", 1)], &[]);
    holds(
        sample,
        &[
            ("/insurances/0/priority", json!("1")),
            ("/insurances/0/type/code", json!("512")),
            ("/insurances/0/payer/name", json!("Harbor Mutual")),
            ("/insurances/0/payer/identifiers/0/value", json!("HM-1")),
            ("/insurances/0/payer/telecoms/0/value", json!("+1-555-555-0170")),
            ("/insurances/0/plan/code", json!("GOLD")),
            ("/insurances/0/plan/text", json!("Harbor Gold")),
            ("/insurances/0/group_number", json!("GRP-500")),
            ("/insurances/0/member_number/value", json!("MEM-77")),
            ("/insurances/0/subscriber/given", json!("NOEL")),
            ("/insurances/0/subscriber_number/value", json!("SUB-76")),
            ("/insurances/0/relationship/code", json!("FAMDEP")),
            ("/guarantors/0/name/given", json!("NOEL")),
            ("/guarantors/0/relationship", Value::Null),
            ("/guarantors/0/addresses/0/city", json!("SPRINGTOWN")),
            ("/insurances/0/authorizations/0/value", json!("AUTH-9")),
            ("/insurances/0/ends_at", json!("2026-12-31")),
            ("/insurances/1/priority", json!("2")),
            ("/insurances/1/group_number", Value::Null),
            ("/insurances/1/subscriber/given", json!("ALMA")),
            ("/advance_directives/0/code/code", json!("304251008")),
            ("/advance_directives/0/value", json!("304253006")),
            ("/advance_directives/0/group/code", json!("45473-6")),
            ("/advance_directives/0/starts_at", json!("2024-06-01")),
            ("/advance_directives/0/verified_at", json!("2025-01-10")),
            ("/advance_directives/0/custodians/0/name/given", json!("NOEL")),
            ("/advance_directives/0/recorded_at", json!("2026-03-20")),
            ("/advance_directives/0/document_pointer", json!("https://documents.example/will.pdf")),
            ("/advance_directives/1/negated", json!(true)),
            ("/advance_directives/1/value", Value::Null),
        ],
    );
}

#[test]
fn those_in_the_header() {
    holds(
        "payers_and_directives",
        &[
            ("/documents/0/entered_by/0/name/family", json!("Keys")),
            ("/documents/0/informants/0/name/family", json!("Mendes")),
            ("/documents/0/informing_relatives/0/relationship/code", json!("SPS")),
            ("/documents/0/recipients/0/name/family", json!("Brandt")),
            ("/documents/0/recipients/0/organization/name", json!("Harbor Hospital")),
            ("/documents/0/authenticators/0/identifier/value", json!("1245319599")),
            ("/documents/0/authenticators/1/identifier/value", json!("N-3")),
            ("/participants/0/type", json!("CALLBCK")),
            ("/participants/0/providers/0/name/family", json!("Vale")),
            ("/participants/0/starts_at", json!("2026-03-21")),
            ("/participants/1", Value::Null),
            ("/documents/0/placer_number/value", json!("ORD-5")),
            ("/documents/0/parent_relationship", json!("RPLC")),
            ("/documents/0/parent_number/value", json!("TS-4000")),
            ("/documents/0/consents/0/number/value", json!("CONSENT-1")),
            ("/documents/0/consents/0/status", json!("completed")),
            ("/patient/related/0/role/code", json!("NOK")),
            ("/patient/related/1/organization/name", json!("Home Help")),
            ("/patient/primary_providers/0/name/family", json!("Mendes")),
            ("/care_team/0/role/code", json!("PCP")),
            ("/care_team/0/starts_at", json!("2020")),
        ],
    );
}

#[test]
fn implants_and_equipment() {
    let sample = "implants_and_equipment";
    counts(sample, &[("devices", 3), ("procedures", 1), ("plans", 1), ("medications", 0)], &[]);
    holds(
        sample,
        &[
            ("/devices/0/code/code", json!("14106009")),
            ("/devices/0/udi", json!("(01)00811111000017(17)301231(10)L5(21)S9")),
            ("/devices/0/device_identifier", json!("00811111000017")),
            ("/devices/0/lot_number", json!("L5")),
            ("/devices/0/serial_number", json!("S9")),
            ("/devices/0/expires_at", json!("2030-12-31")),
            ("/devices/0/model", json!("Steady 3")),
            ("/devices/0/manufacturer/name", json!("Harbor Devices")),
            ("/devices/0/mri_safety/code", json!("C106047")),
            ("/devices/0/procedure/code", json!("307280005")),
            ("/devices/0/sites/0/code", json!("80891009")),
            ("/devices/0/starts_at", json!("2024-01-02")),
            ("/devices/0/performed_by/0/identifier/value", json!("1245319599")),
            ("/devices/1/category", json!("supply")),
            ("/devices/1/quantity/value", json!("2")),
            ("/devices/1/manufacturer/name", json!("Harbor Supply")),
            ("/devices/2/code/code", json!("304120007")),
            ("/devices/2/udi", Value::Null),
            ("/devices/2/procedure/code", json!("52734007")),
            ("/devices/2/starts_at", json!("2023-05-04")),
            ("/procedures/0/location/point_of_care", json!("Theatre 2")),
            ("/procedures/0/recorded_by/0/identifier/value", json!("1245319599")),
            ("/plans/0/category", json!("supply")),
            ("/plans/0/intent", json!("ordered")),
            ("/plans/0/code/code", json!("58938008")),
            ("/plans/0/ends_at", json!("2026-04-30")),
        ],
    );
}

#[test]
fn operative_note() {
    let sample = "operative_note";
    counts(sample, &[("conditions", 5), ("medications", 1), ("procedures", 1), ("plans", 1)], &[]);
    holds(
        sample,
        &[
            ("/conditions/0/category", json!("preoperative-diagnosis")),
            ("/conditions/0/code/code", json!("74400008")),
            ("/conditions/1/category", json!("indication")),
            ("/conditions/2/category", json!("procedure-finding")),
            ("/conditions/3/category", json!("complication")),
            ("/conditions/3/negated", json!(true)),
            ("/conditions/4/category", json!("history")),
            ("/conditions/4/ended_at", json!("1999")),
            ("/conditions/4/onset_age/value", json!("6")),
            ("/medications/0/category", json!("administration")),
            ("/procedures/0/code/code", json!("50697003")),
            ("/plans/0/code/code", json!("8722008")),
            ("/sections/1/kind", json!("postoperative_diagnosis")),
            ("/sections/1/text", json!("Perforated appendicitis")),
            ("/sections/7/kind", json!("operative_fluids")),
            ("/sections/8/kind", json!("estimated_blood_loss")),
        ],
    );
}

#[test]
fn plan_of_every_kind() {
    let sample = "plan_of_every_kind";
    let lists = [
        ("plans", 12),
        ("goals", 1),
        ("procedures", 1),
        ("medications", 0),
        ("visits", 0),
        ("appointments", 0),
    ];
    counts(sample, &lists, &[("observation", 1)]);
    let kinds = [
        ("encounter", Some("booked")),
        ("observation", Some("ordered")),
        ("procedure", Some("proposed")),
        ("medication", Some("intended")),
        ("immunization", Some("intended")),
        ("supply", Some("intended")),
        ("act", Some("appointment-requested")),
        ("act", Some("promised")),
        ("instruction", Some("intended")),
        ("procedure", Some("ordered")),
        ("instruction", Some("intended")),
        ("act", Some("intended")),
    ];
    for (index, (category, intent)) in kinds.into_iter().enumerate() {
        let [category_at, intent_at] =
            ["category", "intent"].map(|member| format!("/plans/{index}/{member}"));
        holds(sample, &[(&category_at, json!(category)), (&intent_at, json!(intent))]);
    }
    holds(
        sample,
        &[
            ("/plans/0/starts_at", json!("2026-04-02T10:30-05:00")),
            ("/plans/0/location/point_of_care", json!("North Clinic, room 4")),
            ("/plans/0/performed_by/0/name/family", json!("Mendes")),
            ("/plans/1/priorities/0/code", json!("R")),
            ("/plans/1/reasons/0/code", json!("44054006")),
            ("/plans/1/ordered_at", json!("2026-03-20")),
            ("/plans/2/ends_at", json!("2026-06")),
            ("/plans/2/sites/0/code", json!("71854001")),
            ("/plans/3/code/code", json!("6809")),
            ("/plans/3/medication/dose/value", json!("500")),
            ("/plans/3/medication/timing/period/value", json!("12")),
            ("/plans/4/starts_at", json!("2026-10-01")),
            ("/plans/5/medication/quantity/value", json!("100")),
            ("/plans/8/text", json!("Check the feet every day")),
            ("/plans/9/negated", json!(true)),
            ("/plans/10/text", json!("Drink enough")),
            ("/plans/11/priorities/0/code", json!("A")),
            ("/goals/0/value", json!("<=7")),
            ("/procedures/0/code/code", json!("432138007")),
        ],
    );
}

#[test]
fn notes() {
    let sample = "notes";
    let lists = [("documents", 4), ("procedures", 1), ("conditions", 1), ("social_history", 1)];
    counts(sample, &lists, &[("observation", 1)]);
    holds(
        sample,
        &[
            ("/documents/1/number/value", json!("NOTE-1")),
            ("/documents/1/text", json!("Walks without pain.\nSleeps well.")),
            ("/documents/1/type/translations/0/code", json!("11506-3")),
            ("/documents/1/activity_at", json!("2026-03-20")),
            ("/documents/1/authors/0/identifier/value", json!("1245319599")),
            ("/documents/2/text", Value::Null),
            ("/documents/2/content/media_type", json!("application/rtf")),
            ("/documents/2/content/encoding", json!("Base64")),
            ("/documents/2/authenticators/0/identifier/value", json!("1245319599")),
            ("/documents/3/text", json!("Tolerated well.")),
            ("/sections/2/kind", Value::Null),
            ("/sections/3/absent_because", json!("NI")),
            ("/sections/3/kind", json!("family_history")),
        ],
    );
}

#[test]
fn unstructured() {
    holds(
        "unstructured_reference",
        &[
            ("/header/event", json!("UNSTRUCTURED")),
            ("/documents/0/content/media_type", json!("application/pdf")),
            ("/documents/0/content/pointer", json!("https://documents.example/letter.pdf")),
            ("/documents/0/content/length", Value::Null),
            ("/sections", Value::Null),
        ],
    );
}
