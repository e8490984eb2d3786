//! `orderly corpus`: what the parsers make of a folder of messages and documents, and nothing else: no journal, no configuration.
//!
//! Every file counts as one, whatever is in it, and ends as parsed, refused or crashed. A file of several messages is parsed when each of
//! them is. Nothing of what a message says is printed, only its kind and what was odd about it.

mod report;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use orderly_ccda::{Document, Limits};
use orderly_hl7v2::{Message, Settings, Unreadable, dictionary, normalize, parse};
use orderly_pipeline::{Format, members};
use orderly_record::{Diagnostic, Record};

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::output::{print, print_json};
use report::{Judged, Report, Verdict};

/// Read every message and document of a folder, and report by type what was parsed, given back byte for byte, normalized, tolerated and
/// refused. Exit code 1 when a parser crashed.
#[derive(Args)]
pub(crate) struct CorpusArgs {
    /// The folder, with all that is below it; or one file.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Reads and reports.
pub(crate) fn run(args: &CorpusArgs) -> CommandResult {
    let mut files = Vec::new();
    collect(&args.folder, &mut files)?;
    files.sort();
    let bar = ProgressBar::new(files.len() as u64).with_style(style());
    let mut report = Report::default();
    for file in &files {
        let name = file.strip_prefix(&args.folder).unwrap_or(file).display().to_string();
        report.add(&name, judged_file(file));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.json {
        print_json(&report.to_json());
    } else {
        print(report.text());
    }
    Ok(if report.has_crashes() { ANSWER_IS_NO } else { ExitCode::SUCCESS })
}

fn style() -> ProgressStyle {
    let template = ProgressStyle::with_template("{wide_bar} {pos}/{len} files, {eta} left");
    template.unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// All files of a folder, in all its folders; links are not followed, so that there is an end.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error| {
        Failure::new(format!("{} cannot be read: {error}", path.display())).help("give the name of a folder")
    };
    if fs::metadata(path).map_err(unreadable)?.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn judged_file(file: &Path) -> Vec<Judged> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            return vec![Judged::refused("unreadable", format!("the file cannot be read: {error}"))];
        }
    };
    // A crash is a finding like any other here; the parsers hold no state that it could leave behind.
    let judged = || members(&bytes).into_iter().map(|member| judge(bytes.get(member).unwrap_or_default()));
    catch_unwind(AssertUnwindSafe(|| judged().collect())).unwrap_or_else(|_| vec![Judged::crashed()])
}

fn judge(bytes: &[u8]) -> Judged {
    match Format::of(bytes) {
        Format::Hl7v2 => match parse(bytes, &Settings::default()) {
            Ok(message) => judge_message(&message, bytes),
            Err(Unreadable { tree: Some(message), diagnostic, .. }) => {
                let mut judged = judge_message(&message, bytes);
                judged.tolerances.push(diagnostic.code);
                judged
            }
            Err(unreadable) => Judged::refused("HL7 v2", refusal(&unreadable.diagnostic)),
        },
        Format::Ccda => match orderly_ccda::parse(bytes, &Limits::default()) {
            Ok(document) => judge_document(&document),
            Err(diagnostic) => {
                judge_fragment(bytes).unwrap_or_else(|| Judged::refused("document", refusal(&diagnostic)))
            }
        },
    }
}

fn judge_document(document: &Document) -> Judged {
    let record = orderly_ccda::normalize(document);
    Judged {
        kind: kind(&record, "document"),
        verdict: Verdict::Parsed { byte_exact: None, has_record: has_content(&record) },
        unknown: unknown_sections(&record),
        tolerances: document.diagnostics().iter().map(|found| found.code).collect(),
    }
}

/// A piece of a document, as guides have them, is read as far as it goes.
fn judge_fragment(bytes: &[u8]) -> Option<Judged> {
    let whole = orderly_ccda::completed(bytes)?;
    let document = orderly_ccda::parse(&whole, &Limits::default()).ok()?;
    let mut judged = judge_document(&document);
    judged.kind = "fragment".to_owned();
    judged.tolerances.push("ccda-no-clinical-document");
    Some(judged)
}

fn judge_message(message: &Message<'_>, bytes: &[u8]) -> Judged {
    let record = normalize(message);
    let names = message.segments().iter().map(orderly_hl7v2::Segment::name);
    let is_unknown = |name: &&str| !name.starts_with('Z') && dictionary::segment(name).is_none();
    Judged {
        kind: kind(&record, "HL7 v2"),
        verdict: Verdict::Parsed {
            byte_exact: Some(message.rebuild() == bytes),
            has_record: has_content(&record),
        },
        unknown: names.filter(is_unknown).map(segment_name).collect(),
        tolerances: message.diagnostics().iter().map(|found| found.code).collect(),
    }
}

/// A line that begins with no segment name is some other text, which is not for printing.
fn segment_name(name: &str) -> String {
    let is_name =
        name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_name { name.to_owned() } else { "no segment name".to_owned() }
}

/// The reason, without the place in the file: its code and what is wrong.
fn refusal(diagnostic: &Diagnostic) -> String {
    format!("{}: {}", diagnostic.code, diagnostic.message)
}

/// The type of a message with its trigger event, `ADT^A01`; of a document what it is, `CDA^CCD`.
fn kind(record: &Record, other: &str) -> String {
    let words = [&record.header.kind, &record.header.event];
    let words: Vec<String> = words.into_iter().flatten().map(|word| code(word)).collect();
    if words.is_empty() { other.to_owned() } else { words.join("^") }
}

/// A code that a sender gave; what does not look like one may be anything, and is not for printing.
fn code(word: &str) -> String {
    let is_part =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let is_code = word.len() <= 40 && word.bytes().all(is_part);
    if is_code { word.to_owned() } else { "other".to_owned() }
}

/// Whether the record says more than that there was a message.
fn has_content(record: &Record) -> bool {
    let header_only = Record { header: record.header.clone(), ..Record::default() };
    *record != header_only
}

fn unknown_sections(record: &Record) -> Vec<String> {
    let unknown = record.sections.iter().filter(|section| section.kind.is_none());
    unknown
        .map(|section| {
            section
                .code
                .as_ref()
                .and_then(|code| code.code.as_deref())
                .map_or_else(|| "no code".to_owned(), code)
        })
        .collect()
}
