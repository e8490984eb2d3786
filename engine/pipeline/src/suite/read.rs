//! Reads test files: heads, cases, inputs. What is expected is read by `expectation`.

use jiff::Timestamp;
use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{self, Document, Fields, Kind, Node, Scalar};
use orderly_record::Diagnostic;

use super::expectation::{self, Output};
use super::{Expects, Subject, Suite, TestCase, TestText, Tested};
use crate::plan::{Plan, Target};
use crate::process::members;

/// When a message was accepted whose case does not say it.
const ACCEPTED_AT: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// How a case says that its route does not take the message.
pub(super) const NOT_TAKEN: &str = "not taken";

/// Reads test files against a plan. `files` gives the bytes of a file by its path from the site's folder, or a sentence why it can't.
///
/// Suites are there as far as they are right; what is wrong is reported beside them.
#[must_use]
pub fn compile_suites(
    tests: &[TestText],
    plan: &Plan,
    files: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> (Vec<Suite>, Vec<Diagnostic>) {
    let problems = Problems::new();
    let read = |test: &TestText| match yaml::parse(&test.text.file, &test.text.text) {
        Ok(document) => suite(test, &document, &Reading { plan, files, problems: &problems }),
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                problems.add(diagnostic);
            }
            None
        }
    };
    let suites = tests.iter().filter_map(read).collect();
    (suites, problems.into_vec())
}

/// What test files are read with.
pub(super) struct Reading<'r> {
    pub(super) plan: &'r Plan,
    files: &'r dyn Fn(&str) -> Result<Vec<u8>, String>,
    pub(super) problems: &'r Problems,
}

fn suite(test: &TestText, document: &Document, reading: &Reading<'_>) -> Option<Suite> {
    let fields = Fields::of(&document.root, "a test file", reading.problems)?;
    let name = fields.required_text("test");
    let cases = fields.required("cases");
    fields.finish();
    let name = name?;
    let subject = subject(test.of, name, reading)?;
    let cases = cases?;
    if cases.items().is_empty() {
        reading
            .problems
            .error("test-no-cases", &cases.span, "there is no case")
            .help("list at least one `- name:`");
    }
    let cases: Vec<TestCase> =
        cases.items().iter().filter_map(|node| case(node, &subject, reading)).collect();
    for (index, case) in cases.iter().enumerate() {
        if cases.iter().take(index).any(|earlier| earlier.name == case.name) {
            let message = format!("another case of this file is already called `{}`", case.name);
            let diagnostic =
                Diagnostic::error("test-name-twice", orderly_record::Fault::Configuration, message);
            reading.problems.add(diagnostic.at(case.place.clone())).help("give each case a name of its own");
        }
    }
    Some(Suite { file: test.text.file.clone(), name: name.to_string(), cases, subject })
}

fn subject(of: Tested, name: Scalar<'_>, reading: &Reading<'_>) -> Option<Subject> {
    let plan = reading.plan;
    let unknown = |what: &str, folder: &str, names: Vec<&str>| {
        let message = format!("there is no {what} `{}` in the {folder} folder", name.text);
        reading.problems.error("test-unknown-subject", &name.node.span, message).suggest(name.text, names);
        None
    };
    match of {
        Tested::Mapping => match plan.mappings.get(name.text) {
            Some(mapping) => Some(Subject::Mapping(mapping.clone())),
            None => unknown("mapping", "mappings", plan.mappings.keys().map(String::as_str).collect()),
        },
        Tested::Route => match plan.route(name.text) {
            Some(route) => Some(Subject::Route(route.name.clone())),
            None => unknown("route", "routes", plan.routes.iter().map(|route| &*route.name).collect()),
        },
    }
}

fn case(node: &Node, subject: &Subject, reading: &Reading<'_>) -> Option<TestCase> {
    let fields = Fields::of(node, "a case", reading.problems)?;
    let name = fields.required_text("name");
    let input = fields.required_text("input");
    let number = fields.number("message");
    let source = source(&fields, subject, reading);
    let id = fields.number("id").unwrap_or(1);
    let accepted_at = accepted_at(&fields, reading.problems);
    let expects = fields.required("expect").zip(fields.key_span("expect"));
    fields.finish();
    let input_file = input.filter(|input| !is_inline(input.node)).map(|input| input.to_string());
    let input = input.and_then(|input| message(input, number, reading));
    let expects = expects.and_then(|(value, key)| match subject {
        Subject::Mapping(mapping) => {
            expectation::read_all(value, key, Output::of(mapping.output()), reading).map(Expects::Outputs)
        }
        Subject::Route(route) => deliveries(value, key, route, reading),
    });
    let name = name?;
    let place = name.node.span.place();
    let name = name.to_string();
    Some(TestCase {
        name,
        place,
        input_file,
        input: input?,
        source: source?,
        id,
        accepted_at: accepted_at?,
        expects: expects?,
    })
}

/// The source a message comes in by: a route's own; a mapping's that of the first route that uses it, unless the case names another.
fn source(fields: &Fields<'_, '_>, subject: &Subject, reading: &Reading<'_>) -> Option<String> {
    let plan = reading.plan;
    let said = fields.text("source");
    let usual = match subject {
        Subject::Mapping(mapping) => plan.source_of(mapping),
        Subject::Route(route) => plan.route(route).and_then(|route| plan.sources.get(route.source)),
    };
    let usual = || usual.map_or("test", |source| &source.name).to_owned();
    let Some(said) = said else { return Some(usual()) };
    if matches!(subject, Subject::Route(_)) {
        let message = "a route has its own source";
        reading.problems.error("test-source", &said.node.span, message).help("remove this line");
        return None;
    }
    if plan.source(said.text).is_none() {
        let message = format!("there is no source `{}` in `sources:` of orderly.yaml", said.text);
        let names = plan.sources.iter().map(|source| &*source.name);
        reading.problems.error("test-source", &said.node.span, message).suggest(said.text, names);
        return None;
    }
    Some(said.to_string())
}

fn accepted_at(fields: &Fields<'_, '_>, problems: &Problems) -> Option<Timestamp> {
    let Some(said) = fields.text("accepted_at") else { return Some(ACCEPTED_AT) };
    let moment = said.parse();
    if moment.is_err() {
        let message = "`accepted_at` takes a time with its offset, such as 2026-03-05T07:40:00-05:00";
        problems.error("config-value", &said.node.span, message);
    }
    moment.ok()
}

/// The one message of a case.
fn message(input: Scalar<'_>, number: Option<u64>, reading: &Reading<'_>) -> Option<Vec<u8>> {
    let bytes = reading.bytes(input)?;
    let found = members(&bytes);
    let wrong = |message: String, help: &str| {
        reading.problems.error("test-input", &input.node.span, message).help(help);
        None
    };
    let number = match number {
        Some(number) => usize::try_from(number).unwrap_or(usize::MAX),
        None if found.len() <= 1 => 1,
        None => {
            let message = format!("this holds {} messages, and a case takes one", found.len());
            return wrong(message, "say which: `message: 1` is the first");
        }
    };
    let member = number.checked_sub(1).and_then(|index| found.get(index));
    match member.and_then(|range| bytes.get(range.clone())) {
        Some(member) if !member.is_empty() => Some(member.to_vec()),
        _ if found.is_empty() || bytes.is_empty() => {
            wrong("this holds no message".to_owned(), "name a file with a message")
        }
        _ => wrong(format!("this holds {} messages", found.len()), "`message: 1` is the first"),
    }
}

impl Reading<'_> {
    /// The bytes that a scalar means: a text of several lines is what it says, with the line ends of HL7 v2; one line is the path of a file.
    pub(super) fn bytes(&self, said: Scalar<'_>) -> Option<Vec<u8>> {
        if !is_inline(said.node) {
            return match (self.files)(said.text) {
                Ok(bytes) => Some(bytes),
                Err(why) => {
                    let help = "a path counts from the folder of orderly.yaml; a message itself is written as a block, below `|`";
                    self.problems.error("test-file", &said.node.span, why).help(help);
                    None
                }
            };
        }
        let is_message =
            said.text.starts_with("MSH") || said.text.starts_with("FHS") || said.text.starts_with("BHS");
        Some(match is_message {
            true => said.text.trim_end().replace('\n', "\r").into_bytes(),
            false => said.text.as_bytes().to_vec(),
        })
    }
}

/// Whether a scalar is the text itself, written as a block, and not the path of a file.
pub(super) fn is_inline(node: &Node) -> bool {
    node.text().is_some_and(|text| text.contains('\n'))
}

/// What is expected of a route: by destination, or that it does not take the message.
fn deliveries(value: &Node, key: &yaml::Span, route: &str, reading: &Reading<'_>) -> Option<Expects> {
    if value.text() == Some(NOT_TAKEN) {
        return Some(Expects::NotTaken(value.span.clone()));
    }
    let Kind::Map(entries) = &value.kind else {
        let message = format!("what is expected of a route is a map of destinations, not {}", value.what());
        reading
            .problems
            .error("test-expect", &value.span, message)
            .help("write each destination with what is expected of it, or `expect: not taken`");
        return None;
    };
    let route = reading.plan.route(route)?;
    let destination = |target: &Target| reading.plan.destinations.get(target.destination);
    let name = |target: &Target| destination(target).map_or("", |destination| &*destination.name).to_owned();
    let mut of = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(target) = route.to.iter().find(|target| name(target) == entry.key) else {
            let message = format!("this route does not go to `{}`", entry.key);
            let names: Vec<String> = route.to.iter().map(name).collect();
            reading
                .problems
                .error("test-destination", &entry.key_span, message)
                .suggest(&entry.key, names.iter().map(String::as_str));
            continue;
        };
        let output =
            target.mapping.as_ref().map_or(Output::AsReceived, |mapping| Output::of(mapping.output()));
        let read = expectation::read_all(&entry.value, &entry.key_span, output, reading);
        of.extend(read.map(|read| (entry.key.clone(), read)));
    }
    Some(Expects::Deliveries { all: key.clone(), of })
}
