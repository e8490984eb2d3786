//! `orderly show`: a message as a tree of its fields, a document by its sections, either as a record or as bytes.

mod document;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use orderly_ccda::{Document, Limits};
use orderly_hl7v2::{Message, Unreadable, normalize, parse, validate};
use orderly_journal::{Fate, StoredDelivery, StoredMessage};
use orderly_pipeline::{FhirIssue, Format, fhir_issues, members};
use orderly_record::{Diagnostic, Record};
use serde_json::{Value, json};

use crate::diagnostics::JsonDiagnostic;
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, table, time, visible};

/// Show a message or a document, of a file or of the journal: its fields or sections, its record, and what became of it.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// A file, or the id of a message as `orderly messages` shows it.
    #[arg(value_name = "FILE|ID")]
    what: String,
    /// Only these places: PID-5, PID-3[2].1, OBX[3]-5, OBX[*]-5; of a document /ClinicalDocument/recordTarget or
    /// /ClinicalDocument/id/@extension.
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// The normalized record as JSON instead.
    #[arg(long, conflicts_with = "encode")]
    record: bool,
    /// The bytes as received instead, also of what could not be read.
    #[arg(long, conflicts_with_all = ["record", "encode"])]
    raw: bool,
    /// The message's bytes, put together again from its fields, instead.
    #[arg(long)]
    encode: bool,
    /// A document's words as HTML for people to read, without scripts and without anything that is fetched.
    #[arg(long, conflicts_with_all = ["record", "encode", "raw", "paths", "json", "validate"])]
    html: bool,
    /// Where a message is not as its version of HL7 v2 says: segments in their places, what must be there, lengths, repetitions, codes and
    /// data types. Exit code 1 when there is anything.
    #[arg(long, conflicts_with_all = ["record", "encode", "raw", "paths"])]
    validate: bool,
    /// What was, or is to be, sent by this delivery of the message instead: its number as the list of deliveries has it.
    #[arg(long, value_name = "NUMBER", conflicts_with = "validate")]
    delivery: Option<u64>,
    /// The same of the latest delivery to this destination.
    #[arg(long, value_name = "DESTINATION", conflicts_with_all = ["validate", "delivery"])]
    sent: Option<String>,
    #[command(flatten)]
    journal: JournalArgs,
    /// JSON, for programs.
    #[arg(long)]
    json: bool,
}

impl ShowArgs {
    /// Whether the message is to be shown with all that is known of it, and not one view or part alone.
    fn wants_all(&self) -> bool {
        self.paths.is_empty() && !self.encode && !self.record && !self.validate && !self.html
    }
}

/// Shows one message, or each message of a file.
pub(crate) fn run(args: &ShowArgs) -> CommandResult {
    let (mut bytes, mut stored) = find(&args.what, &args.journal)?;
    if args.delivery.is_some() || args.sent.is_some() {
        bytes = payload(args, stored.take())?;
        if !args.raw && !is_readable(&bytes) {
            print(String::from_utf8_lossy(&bytes).lines().map(visible).collect::<Vec<_>>().join("\n"));
            return Ok(ExitCode::SUCCESS);
        }
    }
    if args.raw {
        write_bytes(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(stored) = &stored
        && args.wants_all()
        && !args.json
    {
        print(fate(stored));
    }
    let mut all_shown = true;
    for member in members(&bytes) {
        let bytes = bytes.get(member).unwrap_or_default();
        all_shown &= show(args, bytes, stored.as_ref())?;
    }
    Ok(if all_shown { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

/// What a delivery of a stored message sends.
fn payload(args: &ShowArgs, stored: Option<StoredMessage>) -> Result<Vec<u8>, Failure> {
    let Some(stored) = stored else {
        return Err(Failure::new(format!("{} is a file: only a stored message has deliveries", args.what)));
    };
    let id = stored.id;
    let is_meant = |delivery: &StoredDelivery| match (args.delivery, &args.sent) {
        (Some(number), _) => delivery.seq == number,
        (None, name) => name.as_ref() == Some(&delivery.destination),
    };
    let delivery = stored.deliveries.into_iter().rfind(is_meant).ok_or_else(|| {
        Failure::new(format!("message {id} has no such delivery"))
            .help(format!("`orderly show {id}` lists those that it has"))
    })?;
    delivery.payload.ok_or_else(|| {
        Failure::new(format!(
            "delivery {} is {}: nothing was made to be sent",
            delivery.seq,
            delivery.state.name()
        ))
    })
}

/// Whether these are bytes of a format whose inside can be shown; deliveries may have any.
fn is_readable(bytes: &[u8]) -> bool {
    match Format::of(bytes) {
        Format::Hl7v2 => parse(bytes, &orderly_hl7v2::Settings::default()).is_ok(),
        Format::Ccda => orderly_ccda::parse(bytes, &Limits::default()).is_ok(),
    }
}

/// The bytes of a file, or of a stored message with what became of it.
pub(crate) fn find(what: &str, journal: &JournalArgs) -> Result<(Vec<u8>, Option<StoredMessage>), Failure> {
    let file = Path::new(what);
    match what.parse::<u64>() {
        Ok(id) if !file.exists() => {
            let stored = journal.reader()?.message(id).map_err(Failure::new)?;
            let stored = stored.ok_or_else(|| {
                Failure::new(format!("there is no message {id} in the journal"))
                    .help("`orderly messages` lists those that are there")
            })?;
            Ok((stored.body.clone(), Some(stored)))
        }
        _ => Ok((read(file.to_owned())?, None)),
    }
}

fn read(file: PathBuf) -> Result<Vec<u8>, Failure> {
    fs::read(&file).map_err(|error| {
        Failure::new(format!("{} cannot be read: {error}", file.display()))
            .help("give the name of a file, or the id of a message in the journal")
    })
}

/// Whether it could be read and what was asked for is there.
fn show(args: &ShowArgs, bytes: &[u8], stored: Option<&StoredMessage>) -> Result<bool, Failure> {
    match Format::of(bytes) {
        Format::Hl7v2 => {
            let reading = stored.map(|stored| args.journal.reading(&stored.source)).unwrap_or_default();
            match parse(bytes, &reading) {
                Ok(message) => show_message(args, &message, stored),
                Err(Unreadable { tree: Some(message), diagnostic, .. }) => {
                    show_message(args, &message, stored)?;
                    eprintln!("{diagnostic}");
                    Ok(false)
                }
                Err(unreadable) => Ok(say_unreadable(args, &unreadable.diagnostic, stored)),
            }
        }
        Format::Ccda => match orderly_ccda::parse(bytes, &Limits::default()) {
            Ok(document) => show_document(args, &document, stored),
            Err(diagnostic) => {
                let whole = orderly_ccda::completed(bytes).unwrap_or_default();
                match orderly_ccda::parse(&whole, &Limits::default()) {
                    // A piece of a document: it is no message, and can be looked at.
                    Ok(document) => {
                        show_document(args, &document, stored)?;
                        eprintln!("{diagnostic}");
                        Ok(false)
                    }
                    Err(_) => Ok(say_unreadable(args, &diagnostic, stored)),
                }
            }
        },
    }
}

/// It has nothing inside to show, but still a fate.
fn say_unreadable(args: &ShowArgs, diagnostic: &Diagnostic, stored: Option<&StoredMessage>) -> bool {
    if let Some(stored) = stored
        && args.wants_all()
        && args.json
    {
        print_json(&json!({ "message": tree::stored_json(stored), "segments": [] }));
    }
    eprintln!("{diagnostic}");
    false
}

fn show_message(
    args: &ShowArgs,
    message: &Message<'_>,
    stored: Option<&StoredMessage>,
) -> Result<bool, Failure> {
    if args.encode {
        write_bytes(&message.encode())?;
        return Ok(true);
    }
    if args.record {
        return print_record(&normalize(message));
    }
    if args.validate {
        return Ok(print_findings(&validate(message), args.json));
    }
    if args.html {
        return Err(Failure::new("only a document has words to show as HTML"));
    }
    if !args.paths.is_empty() {
        return tree::print_paths(message, &args.paths, args.json);
    }
    if args.json {
        print_whole("segments", tree::to_json(message), stored);
    } else {
        print(tree::text(message));
        for diagnostic in message.diagnostics() {
            print(diagnostic);
        }
    }
    Ok(true)
}

fn show_document(
    args: &ShowArgs,
    document: &Document,
    stored: Option<&StoredMessage>,
) -> Result<bool, Failure> {
    if args.encode {
        return Err(Failure::new("a document is not put together again").help("`--raw` gives its bytes"));
    }
    if args.html {
        print(document::html(document));
        return Ok(true);
    }
    if args.validate {
        return Err(Failure::new("only HL7 v2 is validated")
            .help("`orderly show` lists what of a document is not as expected"));
    }
    if args.record {
        return print_record(&orderly_ccda::normalize(document));
    }
    if !args.paths.is_empty() {
        return document::print_paths(document, &args.paths, args.json);
    }
    if args.json {
        print_whole("elements", document::to_json(document), stored);
    } else {
        print(document::text(document));
        for diagnostic in document.diagnostics() {
            print(diagnostic);
        }
    }
    Ok(true)
}

/// Whether there is nothing to find.
fn print_findings(findings: &[Diagnostic], json: bool) -> bool {
    for finding in findings {
        if json {
            print_json(&JsonDiagnostic::from(finding));
        } else {
            print(visible(&finding.to_string()));
        }
    }
    if findings.is_empty() && !json {
        print("as its version says");
    }
    findings.is_empty()
}

fn print_record(record: &Record) -> Result<bool, Failure> {
    print(serde_json::to_string_pretty(record).map_err(Failure::new)?);
    Ok(true)
}

/// A reader that has gone away (`| head`) is not an error.
fn write_bytes(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(error)),
        _ => Ok(()),
    }
}

fn print_whole(name: &str, inside: Value, stored: Option<&StoredMessage>) {
    print_json(&match stored {
        Some(stored) => json!({ "message": tree::stored_json(stored), name: inside }),
        None => json!({ name: inside }),
    });
}

/// What became of a stored message, with every attempt.
fn fate(stored: &StoredMessage) -> String {
    let reason = stored.reason.as_ref().map(|reason| format!(": {}", visible(reason))).unwrap_or_default();
    let file = stored
        .origin
        .as_ref()
        .map(|origin| format!(", message {} of the file {}", origin.member + 1, origin.name));
    let mut text = format!(
        "message {} from {}{}{}, accepted {}, {}{reason} (plan {})\n",
        stored.id,
        stored.source,
        stored.sender.as_ref().map(|name| format!(" (certificate {})", visible(name))).unwrap_or_default(),
        file.unwrap_or_default(),
        time(stored.accepted_at_us),
        stored.fate.name(),
        stored.plan
    );
    if let Some(earlier) = stored.earlier.filter(|_| stored.fate != Fate::Duplicate) {
        text.push_str(&format!(
            "warning[control-id-reused]: message {earlier} came before it with the same control id and other bytes\n"
        ));
    }
    if !stored.deliveries.is_empty() {
        let mut deliveries =
            table(["delivery", "destination", "route", "state", "attempts", "last attempt", "reason"]);
        for delivery in &stored.deliveries {
            let last = delivery.attempts.last();
            deliveries.add_row([
                delivery.seq.to_string(),
                delivery.destination.to_string(),
                delivery.route.to_string(),
                delivery.state.name().to_owned(),
                delivery.attempts.len().to_string(),
                last.map(|attempt| time(attempt.at_us)).unwrap_or_default(),
                visible(delivery.reason.as_deref().unwrap_or_default()).into_owned(),
            ]);
        }
        text.push_str(&format!("{}\n", deliveries.trim_fmt()));
    }
    text.extend(stored.deliveries.iter().map(remarks));
    text
}

/// So many issues of an answer are shown; `--json` has all.
const ISSUES_SHOWN_MAX: usize = 20;

/// What a FHIR server remarked about what it was sent last: how many issues of each severity, and each of them. Nothing of other answers.
fn remarks(delivery: &StoredDelivery) -> String {
    let issues = delivery.attempts.last().map(|last| fhir_issues(&last.answer)).unwrap_or_default();
    if issues.is_empty() {
        return String::new();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    issues.iter().for_each(|issue| *counts.entry(&issue.severity).or_default() += 1);
    let counts: Vec<_> =
        counts.iter().map(|(severity, count)| format!("{count} {}", visible(severity))).collect();
    let mut text =
        format!("delivery {}: {} answered with {}\n", delivery.seq, delivery.destination, counts.join(", "));
    for FhirIssue { entry, severity, code, place, text: words } in issues.iter().take(ISSUES_SHOWN_MAX) {
        let entry = entry.map(|number| format!(" entry {number}")).unwrap_or_default();
        let place = place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        let words = words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        text.push_str(&format!("  {}\n", visible(&format!("{severity}[{code}]{entry}{place}{words}"))));
    }
    if issues.len() > ISSUES_SHOWN_MAX {
        text.push_str("  ...\n");
    }
    text
}
