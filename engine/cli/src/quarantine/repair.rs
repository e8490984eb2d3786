//! Repairing bytes in an editor or in a file, and taking them in.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;
use orderly_hl7v2::Charset;
use orderly_runtime::{INJECTED_BYTES_MAX, InjectRequest, Injected, Request, Response};

use super::quarantined;
use crate::engine::{Engine, other_version, who};
use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::messages::JournalArgs;
use crate::output::{print, print_json, visible};

/// Repair the bytes of a message in your editor ($VISUAL or $EDITOR), and take them in when they can be read then.
///
/// Segments stand on lines of their own in the editor. It shows the bytes as they are; where they are of a charset that it does not know, name
/// that with --charset: it shows UTF-8 then, and what you wrote is taken in as the message had it. With --to, the bytes are written to a file as they are instead: repair them there, and
/// `orderly quarantine inject ID FILE`. Exit code 1 when nothing was changed, or it still cannot be read.
#[derive(Args)]
pub(super) struct RepairArgs {
    /// The id of the message.
    id: u64,
    /// Only write the bytes to this file, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The charset that the bytes are in: a name of table 0211, or of the web.
    #[arg(long, value_name = "NAME", value_parser = charset, conflicts_with = "to")]
    charset: Option<Charset>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Take in the bytes that you repaired: a new message of the same source, which names the quarantined one.
///
/// It is processed with the configuration in force, and accepted now. Exit code 1 when it still cannot be read; nothing is stored then.
#[derive(Args)]
pub(super) struct InjectArgs {
    /// The id of the message that could not be read.
    id: u64,
    /// The repaired bytes; - for standard input.
    file: PathBuf,
    /// Only say what would become of it; nothing is stored.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args)]
struct CommonArgs {
    /// Why, for those who look later. No patient's data: it is shown to everybody.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    journal: JournalArgs,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// Has a person repair bytes.
pub(super) fn repair(args: &RepairArgs) -> CommandResult {
    let stored = quarantined(&args.common.journal.reader()?, args.id)?;
    if let Some(file) = &args.to {
        let failed = |error| Failure::new(format!("{} cannot be written: {error}", file.display()));
        let mut made = private(file).map_err(failed)?;
        made.write_all(&stored.body).map_err(failed)?;
        print(format_args!(
            "written; repair it, then `orderly quarantine inject {} {}`",
            args.id,
            file.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let edited = match args.charset {
        Some(charset) => edit_in(charset, &stored.body)?,
        None => edit(&stored.body)?,
    };
    if edited == stored.body {
        print("nothing was changed");
        return Ok(ANSWER_IS_NO);
    }
    args.common.take_in(args.id, &edited, false)
}

/// Takes repaired bytes in.
pub(super) fn inject(args: &InjectArgs) -> CommandResult {
    let failed = |error| Failure::new(format!("{} cannot be read: {error}", args.file.display()));
    let bytes = match args.file == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map_err(failed)?;
            bytes
        }
        false => fs::read(&args.file).map_err(failed)?,
    };
    args.common.take_in(args.id, &bytes, args.dry_run)
}

impl CommonArgs {
    fn take_in(&self, id: u64, bytes: &[u8], dry_run: bool) -> CommandResult {
        if bytes.len() > INJECTED_BYTES_MAX {
            let problem = format!(
                "{} bytes are more than the {INJECTED_BYTES_MAX} that can be taken in so",
                bytes.len()
            );
            return Err(Failure::new(problem).help("have them sent again, or drop them as a file"));
        }
        let engine = Engine::of(&self.journal)?;
        let request = InjectRequest::new(id, bytes, who(), self.reason.clone(), dry_run);
        let Response::Injected(injected) = engine.ask_or_do(Request::Inject(request))? else {
            return Err(other_version());
        };
        let is_unread = injected.fate == orderly_journal::Fate::Quarantined.name();
        if self.json {
            print_json(&injected);
        } else {
            print(told(&injected, is_unread));
        }
        Ok(if is_unread { ANSWER_IS_NO } else { ExitCode::SUCCESS })
    }
}

fn told(injected: &Injected, is_unread: bool) -> String {
    let why = injected.reason.as_ref().map(|reason| format!(": {}", visible(reason))).unwrap_or_default();
    if is_unread {
        return format!("not taken in, it still cannot be read{why}");
    }
    let deliveries: Vec<_> =
        injected.deliveries.iter().map(|(destination, state)| format!(", {destination} {state}")).collect();
    let outcome = format!("{}{why}{}", injected.fate, deliveries.concat());
    match injected.id {
        Some(id) => format!("taken in as message {id}: {outcome}"),
        None => format!("it would be {outcome}"),
    }
}

/// For its owner only: it holds a message.
fn private(file: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

fn charset(name: &str) -> Result<Charset, String> {
    Charset::named(name)
        .ok_or_else(|| "no charset of this name is known; write UTF-8, ISO-8859-1, BIG-5".to_owned())
}

/// The same with the text of the bytes in the editor, and what was written there in their charset. Bytes that are not of it would be lost.
fn edit_in(charset: Charset, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let name = charset.name();
    if !charset.accepts(bytes) {
        return Err(Failure::new(format!(
            "not all of these bytes are {name}; in the editor they would be lost"
        ))
        .help(
            "name another charset, or repair the bytes as they are: without --charset, or with --to FILE",
        ));
    }
    let text = charset.read(bytes);
    let edited = edit(text.as_bytes())?;
    if edited == text.as_bytes() {
        return Ok(bytes.to_vec());
    }
    let edited = String::from_utf8(edited)
        .map_err(|_| Failure::new("the editor did not write UTF-8; nothing is taken in"))?;
    // Which letter that is, only its place says: it may be of a patient's name.
    charset.write(&edited).map_err(|lacking| {
        let line = edited.split(lacking).next().unwrap_or_default().matches(['\r', '\n']).count() + 1;
        Failure::new(format!("line {line} has a letter that {name} has not; nothing is taken in"))
    })
}

/// The bytes as a person leaves them in the editor. Segments that end with a return alone, as they should, get lines for it.
fn edit(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let editor = std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR"));
    let editor = editor.map_err(|_| {
        Failure::new("no editor is known").help("set EDITOR, or write the bytes to a file: --to FILE")
    })?;
    let swap = |from: u8, to: u8, bytes: &[u8]| -> Vec<u8> {
        bytes.iter().map(|byte| if *byte == from { to } else { *byte }).collect()
    };
    let has_lines = bytes.contains(&b'\n');
    let failed = |error: io::Error| Failure::new(format!("the bytes cannot be edited: {error}"));
    let mut file = tempfile::Builder::new().suffix(".hl7").tempfile().map_err(failed)?;
    file.write_all(&if has_lines { bytes.to_vec() } else { swap(b'\r', b'\n', bytes) }).map_err(failed)?;
    // An editor may be given with its options: `code --wait`.
    let status = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(file.path()).status();
    if !status.map_err(failed)?.success() {
        return Err(Failure::new(format!("the editor `{editor}` ended with an error; nothing is taken in")));
    }
    let edited = fs::read(file.path()).map_err(failed)?;
    Ok(if has_lines { edited } else { swap(b'\n', b'\r', &edited) })
}
