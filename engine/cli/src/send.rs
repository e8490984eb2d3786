//! `orderly send`: an MLLP client; with `--count` a load generator.

mod exchange;
mod figures;
mod load;
mod outgoing;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use orderly_transport::destinations::{MllpDestination, MllpSettings};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::output::{print, print_json, table};
use crate::secure::SenderTls;
use exchange::{Exchange, code_text, exchange, is_positive, sender};
use outgoing::{Outgoing, read_files};

/// Send the messages of files over MLLP and print each answer. With --count: send so many, taken from the files in turn,
/// each with a control id of its own, and print throughput and latency.
///
/// A file may hold several messages, with or without batch segments, ended by CR, LF or CR LF. Each connection waits for
/// its answer before it sends on. Exit codes: 0 all accepted, 1 some refused or unanswered, 2 could not run.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  orderly send 127.0.0.1:2575 samples/hl7v2/*.hl7\n  orderly send 127.0.0.1:2575 adt.hl7 --connections 32 --count 100000\n  orderly send ehr.example.org:2576 adt.hl7 --tls --ca hospital.pem --certificate me.pem --key me.key"
)]
pub(crate) struct SendArgs {
    /// The receiver, host:port.
    address: String,
    /// Files of HL7 v2 messages.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Send so many messages in all, as fast as the answers come.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=load::COUNT_MAX))]
    count: Option<u64>,
    /// Over so many connections at once.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "count",
          value_parser = clap::value_parser!(u64).range(1..=load::CONNECTIONS_MAX))]
    connections: u64,
    /// Send at most so many messages a second in all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Wait so many seconds for a connection or an answer.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Print JSON, one object a line: each message's answer, or the load's figures.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tls: SenderTls,
}

/// Sends and prints.
pub(crate) fn run(args: SendArgs) -> CommandResult {
    // One thread: the work a message is small, and waking another one costs more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format_args!("cannot start: {error}")))?.block_on(send(args))
}

async fn send(args: SendArgs) -> CommandResult {
    let messages = read_files(&args.files)?;
    let timeout = Duration::from_secs(args.timeout);
    let settings = sender(&args.address, timeout, args.tls.settings());
    // A receiver that is not there is a reason not to begin, one that goes away later is a result.
    MllpDestination::new(settings.clone()).reach().await.map_err(|error| {
        Failure::new(error).help("start the receiver (for a test: `orderly listen`), or correct the address")
    })?;
    match args.count {
        Some(count) => {
            let load =
                load::Load { settings, messages, count, connections: args.connections, rate: args.rate };
            let bar = progress_bar(count, args.json);
            load.run(&bar, args.json).await
        }
        None => Ok(send_each(&args, &messages, settings).await),
    }
}

/// One message and its answer, as printed.
#[derive(Serialize)]
struct Line {
    file: String,
    message: usize,
    #[serde(rename = "type")]
    kind: String,
    control_id: Option<String>,
    /// MSA-1; nothing when no answer came.
    answer: Option<&'static str>,
    /// MSA-2.
    acknowledges: Option<String>,
    /// The error's code (ERR-3, or ERR-1 before 2.5), or why no answer came.
    error: Option<String>,
    milliseconds: f64,
}

/// Sends each message once with its own control id.
async fn send_each(args: &SendArgs, messages: &[Outgoing], settings: MllpSettings) -> ExitCode {
    let mut sender = MllpDestination::new(settings);
    let started = Instant::now();
    let bar = progress_bar(messages.len() as u64, args.json);
    let mut lines = Vec::new();
    let mut all_positive = true;
    for (index, message) in messages.iter().enumerate() {
        if let Some(rate) = args.rate {
            sleep_until(started + Duration::from_secs_f64(index as f64 / rate as f64)).await;
        }
        let control_id = message.control_id.as_deref().filter(|control_id| !control_id.is_empty());
        let exchange = exchange(&mut sender, &message.bytes, control_id).await;
        all_positive &= exchange.reply.as_ref().is_ok_and(|reply| is_positive(reply.code));
        let line = line(message, exchange);
        if args.json {
            print_json(&line);
        } else {
            lines.push(line);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !args.json {
        print(lines_as_table(lines));
    }
    if all_positive { ExitCode::SUCCESS } else { ANSWER_IS_NO }
}

/// Hidden where nobody would see it, or it would stand between the objects.
fn progress_bar(length: u64, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} {per_sec} {eta}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn line(message: &Outgoing, exchange: Exchange) -> Line {
    let (answer, acknowledges, error) = match exchange.reply {
        Ok(reply) => (Some(code_text(reply.code)), Some(reply.control_id), reply.error_code),
        Err(unanswered) => (None, None, Some(unanswered.text)),
    };
    Line {
        file: message.file.display().to_string(),
        message: message.number,
        kind: message.kind.clone(),
        control_id: message.control_id.clone(),
        answer,
        acknowledges,
        error,
        milliseconds: exchange.latency.as_secs_f64() * 1000.0,
    }
}

fn lines_as_table(lines: Vec<Line>) -> impl std::fmt::Display {
    let mut table = table(["file", "message", "type", "control id", "answer", "to", "ms", "error"]);
    for line in lines {
        table.add_row([
            line.file,
            line.message.to_string(),
            line.kind,
            line.control_id.unwrap_or_default(),
            line.answer.unwrap_or("none").to_owned(),
            line.acknowledges.unwrap_or_default(),
            format!("{:.1}", line.milliseconds),
            line.error.unwrap_or_default(),
        ]);
    }
    table
}
