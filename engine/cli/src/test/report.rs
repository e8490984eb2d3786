//! What the tests gave, as text for people and as JSON for programs.

use orderly_mapping::Idle;
use orderly_pipeline::suite::Mismatch;
use orderly_record::Place;
use serde::Serialize;
use serde_json::json;

use super::{Ran, RanCase};
use crate::output::{print, print_json, visible};
use crate::site::{Site, plural};

/// Files with their cases, then the lines that no case used.
pub(super) fn print_text(ran: &Ran, site: &Site) {
    let mut file = "";
    for case in &ran.cases {
        if case.file != file {
            file = &case.file;
            print(file);
        }
        let word = if case.mismatches.is_empty() { "ok    " } else { "FAILED" };
        print(format_args!("  {word}  {}", case.name));
        for mismatch in &case.mismatches {
            print(format_args!("          {}: {}", placed(&mismatch.place), visible(&mismatch.to_string())));
        }
    }
    print("");
    for (_, idle) in &ran.idle {
        for place in &idle.places {
            let line = match place {
                Place::File { file, line, .. } => site.line(file, *line),
                Place::Input { .. } | Place::None => "",
            };
            print(format_args!("no test ever fired {}  {}", placed(place), visible(line)));
        }
    }
    if !ran.untested.is_empty() {
        print(format_args!("no test at all for {}", ran.untested.join(", ")));
    }
    print(summary(ran));
}

fn summary(ran: &Ran) -> String {
    let (cases, failed) = (ran.cases.len(), ran.failed());
    let lines: usize = ran.idle.iter().map(|(_, idle)| idle.lines).sum();
    let never: usize = ran.idle.iter().map(|(_, idle)| idle.never).sum();
    let mappings = ran.idle.len();
    let coverage = match mappings {
        0 => String::new(),
        _ => format!("; {} of {lines} lines of {mappings} mapping{} fired", lines - never, plural(mappings)),
    };
    match failed {
        0 => format!("{cases} case{} passed{coverage}", plural(cases)),
        _ => format!("{failed} of {cases} case{} failed{coverage}", plural(cases)),
    }
}

/// A place as `file:line:column`.
pub(super) fn placed(place: &Place) -> String {
    match place {
        Place::File { file, line, column, .. } => format!("{file}:{line}:{column}"),
        Place::Input { path, .. } => path.clone(),
        Place::None => String::new(),
    }
}

/// An object a case, and one for the lines that no case used.
pub(super) fn print_objects(ran: &Ran) {
    for case in &ran.cases {
        print_json(&JsonCase::from(case));
    }
    let of = |(name, idle): &(String, Idle)| {
        let never: Vec<String> = idle.places.iter().map(placed).collect();
        json!({ "mapping": name, "lines": idle.lines, "fired": idle.lines - idle.never, "never_fired": never })
    };
    let coverage: Vec<_> = ran.idle.iter().map(of).collect();
    print_json(&json!({ "coverage": coverage, "untested": ran.untested }));
}

#[derive(Serialize)]
struct JsonCase<'c> {
    file: &'c str,
    test: &'c str,
    case: &'c str,
    passed: bool,
    mismatches: Vec<JsonMismatch<'c>>,
}

#[derive(Serialize)]
struct JsonMismatch<'c> {
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'c str>,
    what: &'c str,
    expected: &'c str,
    got: &'c str,
}

impl<'c> From<&'c RanCase> for JsonCase<'c> {
    fn from(case: &'c RanCase) -> Self {
        let mismatch = |found: &'c Mismatch| JsonMismatch {
            place: placed(&found.place),
            destination: found.destination.as_deref(),
            what: &found.what,
            expected: &found.expected,
            got: &found.got,
        };
        JsonCase {
            file: &case.file,
            test: &case.subject,
            case: &case.name,
            passed: case.mismatches.is_empty(),
            mismatches: case.mismatches.iter().map(mismatch).collect(),
        }
    }
}
