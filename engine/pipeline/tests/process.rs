//! `process` over a small site: the fates by hand, and what must hold for all bytes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use orderly_pipeline::plan::Priority;
use orderly_pipeline::{
    FRAME_TOLERANCES, Facts, Fate, Identity, NotTaken, PairFate, Plan, Processed, Text, Texts, compile,
    frame_refused, is_part, process, tolerances,
};
use proptest::prelude::*;

const SITE: &str = "\
site: test
sources:
  emr:
    processing: production
    mllp:
      listen: 127.0.0.1:0
  strict:
    on_mapping_failure: AE
    acknowledgements: enhanced
    repeats: { within: 24h }
    mllp:
      listen: 127.0.0.1:0
destinations:
  ehr:
    mllp:
      address: localhost:2575
  files:
    files:
      folder: out
      name: ${message.type}_${message.control_id}.hl7
";
const TO_EHR: &str = "\
route: to-ehr
from: emr
when: message.type = 'ADT'
to:
  - destination: ehr
    mapping: ours
  - destination: files
    when: message.event = 'A01'
";
const STRICT: &str = "route: strict\nfrom: strict\nto:\n  - destination: ehr\n    mapping: ours\n";
const OURS: &str = "\
mapping: ours
input: hl7v2 2.5
output: hl7v2
rules:
  - when: PID-3 is empty
    fail: no patient identifier
  - when: PID-8 = 'X'
    stop: not for the EHR
  - set:
      MSH-3: ORDERLY
";

fn plan() -> Plan {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/to-ehr.yaml", TO_EHR), text("routes/strict.yaml", STRICT)],
        mappings: vec![text("mappings/ours.yaml", OURS)],
        ..Texts::default()
    };
    let compiled = compile(&texts);
    compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

fn facts(source: &str) -> Facts<'_> {
    Facts { id: 7, source, accepted_at: "2026-03-05T14:15:02.5Z".parse().unwrap() }
}

fn adt(event: &str, processing: &str, pid: &str) -> Vec<u8> {
    format!("MSH|^~\\&|A|B|C|D|20260305||ADT^{event}|M1|{processing}|2.5\r{pid}\r").into_bytes()
}

/// By what a message is known that comes in by `strict`, which declares repeats.
fn known(message: &str) -> Option<Identity> {
    taken("strict", message.as_bytes()).identity
}

#[test]
fn a_message_is_known_by_who_sent_it_its_control_id_and_its_bytes() {
    let message = |header: &str| format!("MSH|^~\\&|{header}|P|2.5\rPID|1\r");
    let one = known(&message("A|B|C|D|20260305||ADT^A01|M1")).unwrap();
    assert_eq!(known(&message("A|B|C|D|20260305||ADT^A01|M1")), Some(one));
    for other in ["A|B|C|D|20260306||ADT^A01|M1", "A|B|X|D|20260305||ADT^A01|M1"] {
        let other = known(&message(other)).unwrap();
        assert!(other.name == one.name && other.content != one.content);
    }
    for other in
        ["A|B|C|D|20260305||ADT^A01|M2", "AB||C|D|20260305||ADT^A01|M1", "|AB|C|D|20260305||ADT^A01|M1"]
    {
        assert_ne!(known(&message(other)).unwrap().name, one.name, "{other}");
    }
    for unnamed in ["A|B|C|D|20260305||ADT^A01|", "A|B|C|D|20260305||ADT^A01| "] {
        assert_eq!(known(&message(unnamed)), None, "nothing says which message it is");
    }
    assert_eq!(
        taken("emr", message("A|B|C|D|20260305||ADT^A01|M1").as_bytes()).identity,
        None,
        "not declared"
    );
    assert_eq!(known("PID|1\r"), None);
    let part =
        orderly_pipeline::not_whole(&plan(), &facts("strict"), message("A|B|C|D|||ADT|M1").as_bytes(), "cut");
    assert_eq!(part.identity, None, "what is cut off may go on in another way");
}

fn taken(source: &str, message: &[u8]) -> Processed {
    process(&plan(), &facts(source), message)
}

/// The fates of the pairs in a word each.
fn pairs(processed: &Processed) -> Vec<String> {
    let fate = |fate: &PairFate| match fate {
        PairFate::Ready(payload) => format!("ready {}", payload.target.as_deref().unwrap_or("-")),
        PairFate::Filtered(_) => "filtered".to_owned(),
        PairFate::Failed(_) => "failed".to_owned(),
        PairFate::Parked(_) => "parked".to_owned(),
    };
    processed.pairs.iter().map(|pair| format!("{} {}", pair.destination, fate(&pair.fate))).collect()
}

fn answer(processed: &Processed, source: &str) -> String {
    String::from_utf8(processed.reply.stored(&facts(source)).unwrap()).unwrap()
}

#[test]
fn each_destination_has_its_own_fate() {
    let both = taken("emr", &adt("A01", "P", "PID|||1||N"));
    assert_eq!(
        (both.fate, pairs(&both)),
        (Fate::Routed, vec!["ehr ready -".into(), "files ready ADT_M1.hl7".into()])
    );
    let one = taken("emr", &adt("A08", "P", "PID|||1||N"));
    assert_eq!((one.fate, pairs(&one)), (Fate::Routed, vec!["ehr ready -".into(), "files filtered".into()]));
    let stopped = taken("emr", &adt("A08", "P", "PID|||1||N|||X"));
    assert_eq!(
        (stopped.fate, pairs(&stopped)),
        (Fate::Filtered, vec!["ehr filtered".into(), "files filtered".into()])
    );
    let failed = taken("emr", &adt("A01", "P", "PID|||"));
    assert_eq!(
        (failed.fate, pairs(&failed)),
        (Fate::Routed, vec!["ehr failed".into(), "files ready ADT_M1.hl7".into()])
    );
}

#[test]
fn a_split_gives_each_output_its_own_fate_and_fragments_are_found_by_name() {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let fragment = |name: &str| {
        text(
            &format!("mappings/{name}.yaml"),
            &format!("fragment: {name}\nrules:\n  - set:\n      MSH-3: ORDERLY\n"),
        )
    };
    let mapping = "mapping: ours\ninput: hl7v2 2.5\noutput: hl7v2\nrules:\n  - use: header\n  - split: ORDER_OBSERVATION\n  - when: OBR-4 = 'BAD'\n    fail: bad\n";
    let route =
        "route: results\nfrom: emr\nto:\n  - destination: files\n    mapping: ours\n  - destination: ehr\n";
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/results.yaml", route), text("routes/strict.yaml", STRICT)],
        mappings: vec![text("mappings/ours.yaml", mapping), fragment("header"), fragment("forgotten")],
        ..Texts::default()
    };
    let compiled = compile(&texts);
    let warned: Vec<_> = compiled.diagnostics.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(warned, ["no mapping uses the fragment `forgotten`"]);
    let message =
        b"MSH|^~\\&|A|B|C|D|20260305||ORU^R01|M1|P|2.5\rPID|1\rOBR|1|||K\rOBR|2|||BAD\rOBR|3|||NA\r";
    let processed = process(&compiled.plan.unwrap(), &facts("emr"), message);
    assert_eq!(processed.fate, Fate::Routed);
    let fates = ["files ready ORU_M1.hl7", "files failed", "files ready ORU_M1.hl7", "ehr ready -"];
    assert_eq!(pairs(&processed), fates);
    let sent: Vec<_> = processed
        .pairs
        .iter()
        .filter_map(|pair| match &pair.fate {
            PairFate::Ready(payload) => Some((payload.control_id.as_str(), payload.bytes.as_deref())),
            _ => None,
        })
        .collect();
    let third: &[u8] = b"MSH|^~\\&|ORDERLY|B|C|D|20260305||ORU^R01|M1-3|P|2.5\rPID|1\rOBR|3|||NA\r";
    assert_eq!(sent[1], ("M1-3", Some(third)));
    assert_eq!((sent[0].0, sent[2]), ("M1-1", ("M1", None)));
}

#[test]
fn a_source_may_refuse_what_others_take() {
    let site = SITE.replace("  emr:\n", "  emr:\n    refuse: [hl7-no-control-id, hl7-leading-bytes]\n");
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = |site: &str| Texts {
        site: text("orderly.yaml", site),
        routes: vec![text("routes/to-ehr.yaml", TO_EHR)],
        mappings: vec![text("mappings/ours.yaml", OURS)],
        ..Texts::default()
    };
    let plan = compile(&texts(&site)).plan.unwrap();
    let without_id = b"MSH|^~\\&|A|B|C|D|20260305||ADT^A01||P|2.5\rPID|1||7\r";
    let refused = process(&plan, &facts("emr"), without_id);
    assert_eq!(refused.fate, Fate::Quarantined);
    let reason = refused.reason.as_deref().unwrap();
    assert!(
        reason.starts_with("MSH-10: hl7-no-control-id, which the source's `refuse` does not take"),
        "{reason}"
    );
    assert!(answer(&refused, "emr").contains("MSA|AE|"), "{}", answer(&refused, "emr"));
    assert_eq!(process(&plan, &facts("strict"), without_id).fate, Fate::Filtered);
    assert_eq!(taken("emr", without_id).fate, Fate::Routed);

    let misspelt = SITE.replace("  emr:\n", "  emr:\n    refuse: [hl7-no-control]\n");
    let told: Vec<String> = compile(&texts(&misspelt)).diagnostics.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("4:14: error[config-refuse]"), "{told:?}");
}

#[test]
fn the_codes_of_framing_are_for_sources_that_have_frames() {
    let with = |kind: &str, code: &str| {
        let site = format!("sources:\n  one:\n    refuse: [{code}]\n    {kind}\ndestinations: {{}}\n");
        let text = Text { file: "orderly.yaml".to_owned(), text: site };
        compile(&Texts { site: text, ..Texts::default() })
    };
    let (mllp, files) = ("mllp: { listen: 127.0.0.1:0 }", "files: { folder: inbox }");
    for (code, _) in FRAME_TOLERANCES {
        let plan =
            with(mllp, code).plan.unwrap_or_else(|| panic!("{code} is no code of a source with frames"));
        assert_eq!(plan.sources[0].refuse, [code]);
    }
    let told = &with(files, "mllp-noise").diagnostics[0];
    assert_eq!(
        told.to_string().lines().next(),
        Some(
            "orderly.yaml:3:14: error[config-refuse]: mllp-noise is about MLLP's frames, and this source has none"
        )
    );
    let told = &with(mllp, "mllp-nois").diagnostics[0];
    assert!(told.help.as_deref().is_some_and(|help| help.contains("mllp-noise")), "{told:?}");
}

#[test]
fn a_refused_frame_is_kept_and_its_sender_is_told() {
    let plan = plan();
    let facts = facts("emr");
    let why = "mllp-empty-frame at byte 7 of the connection: a frame without a message";
    let bytes = b"MSH|^~\\&|A|B|C|D|||ADT^A01|M7|P|2.5\r";
    let refused = frame_refused(&plan, &facts, bytes, why);
    assert_eq!((refused.fate, is_part(refused.format)), (Fate::Quarantined, true));
    assert_eq!(refused.reason, Some(format!("{why}; the source's `refuse` does not take that")));
    assert!(answer(&refused, "emr").contains("MSA|AE|M7"), "{}", answer(&refused, "emr"));
    let nameless = frame_refused(&plan, &facts, b"", why);
    assert!(answer(&nameless, "emr").contains("MSA|AR|"), "{}", answer(&nameless, "emr"));
}

#[test]
fn the_page_names_every_tolerance() {
    let page = include_str!("../../../docs/site.md");
    for (code, meaning) in tolerances() {
        assert!(page.contains(&format!("| `{code}` | {meaning} |")), "{code}");
    }
}

/// The blocks under this heading that begin with this line, without their indentation.
fn of_the_page(heading: &str, first: &str) -> String {
    let page = include_str!("../../../docs/site.md");
    let section = page.split_once(heading).unwrap().1;
    let block = section.lines().skip_while(|line| line.strip_prefix("    ") != Some(first));
    block.map_while(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_pages_relay_is_one_as_it_stands_there() {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let heading = "\n### The answer of a destination\n";
    let site = of_the_page(heading, "sources:") + &of_the_page(heading, "destinations:");
    let route = "route: queries\nfrom: portal\nto:\n  - destination: lab-system\n";
    let texts = Texts {
        site: text("orderly.yaml", &site),
        routes: vec![text("routes/queries.yaml", route)],
        ..Texts::default()
    };
    let compiled = compile(&texts);
    let told: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0]);
    let plan = compiled.plan.unwrap();
    let (portal, lab) = (plan.source("portal").unwrap(), plan.destination("lab-system").unwrap());
    let within = portal.answer.as_ref().unwrap().within;
    assert_eq!(lab.handling.expires_after, Some(within), "no longer than somebody waits");
    assert!(
        lab.handling.retry.then.is_some_and(|then| then * 2 <= within),
        "asked again while somebody waits: {:?}",
        lab.handling.retry
    );
}

#[test]
fn mllp_carries_nothing_but_hl7() {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let json = "mapping: ours\ninput: any\noutput: json\nbuild:\n  id: ${message.control_id}\n";
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/to-ehr.yaml", TO_EHR)],
        mappings: vec![text("mappings/ours.yaml", json)],
        ..Texts::default()
    };
    let told: Vec<String> = compile(&texts).diagnostics.iter().map(ToString::to_string).collect();
    let expected =
        "routes/to-ehr.yaml:6:14: error[route-mllp-format]: MLLP carries HL7 v2; this mapping writes JSON";
    assert_eq!(told, [expected]);
    let files = TO_EHR.replace("destination: ehr", "destination: archive");
    let site = SITE
        .replace("  files:\n    files:", "  archive:\n    files:\n      folder: json\n  files:\n    files:");
    let texts = Texts { site: text("orderly.yaml", &site), routes: vec![text("r.yaml", &files)], ..texts };
    let told: Vec<String> = compile(&texts).diagnostics.iter().map(ToString::to_string).collect();
    // The only route no longer takes from the other source.
    let expected = "warning[config-source-unrouted]: no route takes what comes from `strict`: it is stored and goes nowhere";
    assert_eq!(told, [expected]);
}

#[test]
fn all_that_is_wrong_with_a_target_is_told_at_once() {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text(
            "routes/to-ehr.yaml",
            &TO_EHR.replace("mapping: ours", "mapping: our\n    maping: ours"),
        )],
        mappings: vec![text("mappings/ours.yaml", OURS)],
        ..Texts::default()
    };
    let told: Vec<String> = compile(&texts).diagnostics.iter().map(ToString::to_string).collect();
    let expected = [
        "routes/to-ehr.yaml:6:14: error[route-unknown-mapping]: there is no mapping `our` in the mappings folder",
        "routes/to-ehr.yaml:7:5: error[config-unknown-key]: a target has no key `maping`",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_mapping_that_no_route_uses_is_warned_of() {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/strict.yaml", STRICT), text("routes/to-ehr.yaml", TO_EHR)],
        mappings: vec![
            text("mappings/ours.yaml", OURS),
            text("mappings/theirs.yaml", &OURS.replace("mapping: ours", "mapping: theirs")),
        ],
        ..Texts::default()
    };
    let told: Vec<String> = compile(&texts).diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["mappings/theirs.yaml:1:10: warning[mapping-unused]: no route uses the mapping `theirs`"]
    );
}

#[test]
fn a_condition_of_a_route_is_warned_of_too() {
    let text = |file: &str, text: &str| Text { file: file.to_owned(), text: text.to_owned() };
    let twice = TO_EHR.replace("message.type = 'ADT'", "message.type = 'ADT' and message.type = 'ORU'");
    let texts = Texts {
        site: text("orderly.yaml", SITE),
        routes: vec![text("routes/strict.yaml", STRICT), text("routes/to-ehr.yaml", &twice)],
        mappings: vec![text("mappings/ours.yaml", OURS)],
        ..Texts::default()
    };
    let compiled = compile(&texts);
    let told: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    let expected = "routes/to-ehr.yaml:3:32: warning[mapping-never]: this can never hold together with what else is asked of message.type";
    assert_eq!(told, [expected]);
    assert!(compiled.plan.is_some());
}

#[test]
fn what_no_route_takes_is_filtered_with_a_reason() {
    let message = b"MSH|^~\\&|A|B|C|D|20260305||ORU^R01|M1|P|2.5\r";
    let processed = taken("emr", message);
    assert_eq!((processed.fate, processed.reason.as_deref()), (Fate::Filtered, Some("no route takes it")));
}

#[test]
fn a_test_does_not_reach_a_live_system() {
    let processed = taken("emr", &adt("A01", "T", "PID|||1"));
    assert_eq!((processed.fate, pairs(&processed).len()), (Fate::Filtered, 0));
    let unsaid = taken("emr", &adt("A01", "", "PID|||1"));
    assert_eq!(unsaid.fate, Fate::Routed);
}

#[test]
fn the_sender_is_told_what_its_source_declares_when_every_mapping_failed() {
    let processed = taken("strict", &adt("A01", "P", "PID|||"));
    assert_eq!(processed.fate, Fate::Failed);
    assert!(answer(&processed, "strict").contains("\rMSA|AE|M1|"));
}

/// MSA-1 of the answers of two sources to a message with these wishes, stored and not stored; `-` for no answer.
fn answers(accept: &str, application: &str, pid: &str) -> Vec<String> {
    let message = format!("MSH|^~\\&|A|B|C|D|20260305||ADT^A01|M1|P|2.5|||{accept}|{application}\r{pid}\r");
    let mut codes = Vec::new();
    for source in ["emr", "strict"] {
        let reply = taken(source, message.as_bytes()).reply;
        for answer in [reply.stored(&facts(source)), reply.not_taken(NotTaken::NotStored, &facts(source))] {
            let text = answer.map(|bytes| String::from_utf8(bytes).unwrap());
            let code = text.as_deref().and_then(|text| text.split("\rMSA|").nth(1)?.get(..2));
            codes.push(code.unwrap_or("-").to_owned());
        }
    }
    codes
}

#[test]
fn a_source_may_be_answered_in_enhanced_mode() {
    let table = [
        ("", "", "PID|||1", ["AA", "AR", "AA", "AR"]),
        ("AL", "NE", "PID|||1", ["AA", "AR", "CA", "CE"]),
        ("ER", "AL", "PID|||1", ["AA", "AR", "-", "CE"]),
        ("SU", "", "PID|||1", ["AA", "AR", "CA", "-"]),
        ("NE", "AL", "PID|||1", ["AA", "AR", "-", "-"]),
        // Whether a mapping could be applied is nothing that a store says.
        ("", "", "PID|||", ["AA", "AR", "AE", "AR"]),
        ("AL", "", "PID|||", ["AA", "AR", "CA", "CE"]),
    ];
    for (accept, application, pid, expected) in table {
        assert_eq!(answers(accept, application, pid), expected, "{accept} {application} {pid}");
    }
}

#[test]
fn the_acknowledgement_derives_from_the_facts() {
    let processed = taken("emr", &adt("A01", "P", "PID|||1"));
    assert_eq!(
        answer(&processed, "emr"),
        "MSH|^~\\&|C|D|A|B|20260305141502.500+0000||ACK^A01^ACK|ORD7|P|2.5\rMSA|AA|M1\r"
    );
    let refused = processed.reply.not_taken(NotTaken::NotStored, &facts("emr")).unwrap();
    assert!(String::from_utf8(refused).unwrap().contains("\rMSA|AR|M1|"));
}

#[test]
fn an_acknowledgement_is_never_answered() {
    let processed = taken("emr", b"MSH|^~\\&|A|B|C|D|20260305||ACK|M1|P|2.5\rMSA|AA|X\r");
    assert_eq!(processed.reply.stored(&facts("emr")), None);
}

#[test]
fn what_cannot_be_read_is_quarantined_and_answered() {
    let processed = taken("emr", b"PID|||1\r");
    assert_eq!(processed.fate, Fate::Quarantined);
    assert!(answer(&processed, "emr").contains("\rMSA|AR|"));
}

/// Bytes that are nearly a message: a good one with some replaced.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12).prop_map(|changes| {
        let mut message =
            adt("A01", "P", "PID|1||1^^^X^MR~2||N^G||19840211|F\rOBX|1|ED|X||A^B^C^Base64^AAAA");
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        message
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Whatever the bytes: a fate, an answer or none, and the same again.
    #[test]
    fn the_same_input_gives_the_same_output(message in prop_oneof![nearly_a_message(), prop::collection::vec(any::<u8>(), 0..200)]) {
        let plan = plan();
        let facts = facts("emr");
        let (one, other) = (process(&plan, &facts, &message), process(&plan, &facts, &message));
        prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
        prop_assert_eq!(one.reply.stored(&facts), other.reply.stored(&facts));
        let filtered_alike = one.pairs.iter().all(|pair| matches!(pair.fate, PairFate::Filtered(_)));
        prop_assert_eq!(one.fate == Fate::Filtered, filtered_alike && one.fate != Fate::Quarantined);
    }

    /// Whatever the texts of a configuration are, they are refused or accepted, never a panic.
    #[test]
    fn any_text_is_refused_in_words(site in any::<String>(), route in any::<String>(), mapping in any::<String>()) {
        let text = |text: String| Text { file: "any.yaml".to_owned(), text };
        let texts = Texts { site: text(site), routes: vec![text(route)], mappings: vec![text(mapping)], ..Texts::default() };
        let compiled = compile(&texts);
        prop_assert!(compiled.plan.is_some() || !compiled.diagnostics.is_empty());
    }
}

/// Priority and number of lanes of each delivery.
fn places(segments: &str, site: &str, priority: &str) -> Vec<(Priority, usize)> {
    let text = |file: &str, text: String| Text { file: file.to_owned(), text };
    let site = format!(
        "sources:\n  emr:\n    mllp:\n      listen: 127.0.0.1:0\ndestinations:\n  ehr:\n    mllp:\n      address: h:1\n    {site}\n"
    );
    let route = format!("route: r\nfrom: emr\npriority: {priority}\nto:\n  - destination: ehr\n");
    let (site, routes) = (text("orderly.yaml", site), vec![text("routes/r.yaml", route)]);
    let compiled = compile(&Texts { site, routes, ..Texts::default() });
    let plan = compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    let bytes = format!("MSH|^~\\&|A||||20260305||ADT^A40|M1|P|2.5.1\r{segments}\r");
    let facts = Facts { id: 7, source: "emr", accepted_at: "2026-03-05T12:00:00Z".parse().unwrap() };
    let pairs = process(&plan, &facts, bytes.as_bytes()).pairs;
    pairs.iter().map(|pair| (pair.priority, pair.lanes.len())).collect()
}

#[test]
fn deliveries_have_the_lanes_of_the_patients_or_those_of_the_destination() {
    let merge = "PID|1||70014^^^NORTH^MR||||||||||||||V1\rMRG|70988^^^NORTH^MR";
    assert_eq!(places(merge, "order: per_patient", "normal"), [(Priority::Normal, 2)]);
    let account = "order: per_patient\n    lane: ${PID-18.1}";
    assert_eq!(places(merge, account, "normal"), [(Priority::Normal, 0)]);
    let both = "order: per_patient\n    lane: ['${PID-3.1}', '${MRG-1.1}']";
    assert_eq!(places(merge, both, "normal"), [(Priority::Normal, 2)]);
    // Also where the order is another today: it may be changed while they wait.
    assert_eq!(places(merge, "order: fifo", "normal"), [(Priority::Normal, 2)]);
}

#[test]
fn a_route_gives_a_priority_to_all_its_messages_or_to_some() {
    let emergency = "{ stat: PV1-2 = 'E', backfill: PV1-2 = 'H' }";
    for (class, priority) in [("E", Priority::Stat), ("H", Priority::Backfill), ("I", Priority::Normal)] {
        assert_eq!(places(&format!("PV1|1|{class}"), "order: fifo", emergency), [(priority, 0)]);
    }
    assert_eq!(places("PV1|1|I", "order: fifo", "backfill"), [(Priority::Backfill, 0)]);
}
