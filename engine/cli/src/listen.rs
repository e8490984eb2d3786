//! `orderly listen`: a receiver that answers, and counts messages, repeats and order breaks.

mod ledger;

use std::future::Future;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use jiff::Zoned;
use ledger::{Arrival, Ledger};
use orderly_hl7v2::{AckCode, Header, Settings, acknowledge, parse};
use orderly_transport::listeners::{
    Answer, ConnectionEvent, FrameProblem, Handler, MllpListener, MllpListenerSettings, Received,
};
use orderly_transport::mllp_frame::Tally;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::output::{print, print_json};
use crate::secure::ReceiverTls;
use crate::site::plural;

/// Receive messages over MLLP, answer each one, and count messages, repeats (a control id seen before) and order
/// breaks (a number lower than one that came before it, by the control ids' common prefix).
///
/// Ends with totals on Ctrl-C, SIGTERM or after --count messages. Exit code 1 if the order was broken.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  orderly listen 127.0.0.1:2581 --answer AE --delay 200\n  orderly listen 127.0.0.1:2582 --tls --certificate server.pem --key server.key --client-ca partners.pem"
)]
pub(crate) struct ListenArgs {
    /// Where to listen, an IP address and a port: 127.0.0.1:2581; port 0 takes a free one and prints it.
    address: SocketAddr,
    /// What to answer.
    #[arg(long, default_value = "AA", ignore_case = true)]
    answer: AnswerCode,
    /// How long to wait before each answer.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay: u64,
    /// Stop after so many messages, repeats included.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print one JSON object when ready (`listening`) and one with the totals at the end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tls: ReceiverTls,
}

/// What a receiver answers in original mode.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "UPPER")]
enum AnswerCode {
    /// Accepted.
    Aa,
    /// Refused: an error in the message.
    Ae,
    /// Rejected: not now, or not this kind.
    Ar,
}

impl From<AnswerCode> for AckCode {
    fn from(code: AnswerCode) -> Self {
        match code {
            AnswerCode::Aa => AckCode::AA,
            AnswerCode::Ae => AckCode::AE,
            AnswerCode::Ar => AckCode::AR,
        }
    }
}

/// Receives until told to stop, and prints the totals.
pub(crate) fn run(args: ListenArgs) -> CommandResult {
    // One thread: the work a message is small, and waking another one costs more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format_args!("cannot start: {error}")))?.block_on(listen(args))
}

async fn listen(args: ListenArgs) -> CommandResult {
    let mut settings = MllpListenerSettings::new(args.address);
    settings.connections_max = CONNECTIONS_MAX;
    settings.tls = args.tls.settings();
    let listener = MllpListener::bind(settings).await.map_err(Failure::new)?;
    say_ready(listener.local_addr(), args.json);

    let receiver = Arc::new(CountingReceiver::new(args.answer, args.delay, args.count));
    let stop = stop_signal(receiver.clone())?;
    let serving = listener.run(receiver.clone(), stop);
    tokio::select! {
        () = serving => {}
        () = show_progress(&receiver, args.json) => {}
    }
    let totals = receiver.counts().totals();
    if args.json {
        print_json(&totals);
    } else {
        print(totals.text());
    }
    Ok(if totals.order_breaks == 0 { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

/// As many senders as a load test may want.
const CONNECTIONS_MAX: usize = 4096;

#[derive(Serialize)]
struct Ready {
    listening: SocketAddr,
}

fn say_ready(address: SocketAddr, json: bool) {
    if json {
        print_json(&Ready { listening: address });
    } else {
        print(format_args!("listening on {address}, Ctrl-C ends it"));
    }
}

/// Ready when the user, the system or the count wants an end.
fn stop_signal(receiver: Arc<CountingReceiver>) -> Result<impl Future<Output = ()> + Send, Failure> {
    let no_signal = |error| Failure::new(format_args!("cannot wait for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signal)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = receiver.complete.notified() => {}
        }
    })
}

/// Shows a line on a terminal, renewed each second; never ends.
async fn show_progress(receiver: &CountingReceiver, json: bool) {
    if json || !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let line = ProgressBar::new_spinner();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut messages_before = 0;
    loop {
        seconds.tick().await;
        let totals = receiver.counts().totals();
        let rate = totals.messages - messages_before;
        messages_before = totals.messages;
        line.set_message(format!(
            "{} messages, {rate} this second, {} repeats, {} order breaks",
            totals.messages, totals.repeats, totals.order_breaks
        ));
        line.tick();
    }
}

/// Answers, and counts what comes.
struct CountingReceiver {
    code: AckCode,
    delay: Duration,
    count: Option<u64>,
    counts: Mutex<Counts>,
    complete: Notify,
}

#[derive(Default)]
struct Counts {
    ledger: Ledger,
    messages: u64,
    repeats: u64,
    order_breaks: u64,
    unreadable: u64,
    broken_frames: u64,
    connections: u64,
    first_and_last: Option<(Instant, Instant)>,
}

/// What is printed at the end.
#[derive(Serialize)]
struct Totals {
    messages: u64,
    repeats: u64,
    order_breaks: u64,
    /// Frames in which no header was found; they get no answer.
    unreadable: u64,
    /// Byte sequences that were no whole frame.
    broken_frames: u64,
    connections: u64,
    /// From the first message to the last.
    seconds: f64,
    messages_per_second: f64,
}

impl CountingReceiver {
    /// `delay` is in milliseconds.
    fn new(answer: AnswerCode, delay: u64, count: Option<u64>) -> Self {
        Self {
            code: answer.into(),
            delay: Duration::from_millis(delay),
            count,
            counts: Mutex::default(),
            complete: Notify::new(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message and makes its answer.
    fn receive(&self, bytes: &[u8]) -> Answer {
        let mut counts = self.counts();
        counts.messages += 1;
        let now = Instant::now();
        counts.first_and_last = Some((counts.first_and_last.map_or(now, |(first, _)| first), now));
        if self.count.is_some_and(|count| counts.messages >= count) {
            self.complete.notify_one();
        }
        let Some(header) = header(bytes) else {
            counts.unreadable += 1;
            return Answer::none();
        };
        match counts.ledger.note(&header.control_id()) {
            Arrival::InOrder | Arrival::Unknown => {}
            Arrival::OrderBreak => counts.order_breaks += 1,
            Arrival::Repeat => counts.repeats += 1,
        }
        let answer = orderly_hl7v2::Answer {
            code: self.code,
            control_id: &format!("R{}", counts.messages),
            at: &Zoned::now().strftime("%Y%m%d%H%M%S%z").to_string(),
            errors: &[],
        };
        Answer::one(acknowledge(Some(&header), &answer))
    }
}

/// The header alone: reading the other segments is not a receiver's work that is to be cheap.
fn header(bytes: &[u8]) -> Option<Header> {
    let bytes = bytes.trim_ascii_start();
    let line_end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    match parse(bytes.get(..line_end)?, &Settings::default()) {
        Ok(message) => Some(message.header()),
        Err(unreadable) => unreadable.header,
    }
}

impl Handler for CountingReceiver {
    async fn message(&self, received: Received) -> Answer {
        let answer = self.receive(&received.bytes);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        answer
    }

    async fn problem(&self, _: FrameProblem) -> Option<Vec<u8>> {
        self.counts().broken_frames += 1;
        None
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Opened { .. } => self.counts().connections += 1,
            // Whoever tries a receiver out wants to know why nothing comes.
            ConnectionEvent::HandshakeFailed { peer, text: Some(text), .. } => {
                eprintln!("no TLS with {peer}: {text}")
            }
            _ => {}
        }
    }
}

impl Counts {
    fn totals(&self) -> Totals {
        let seconds = self.first_and_last.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        Totals {
            messages: self.messages,
            repeats: self.repeats,
            order_breaks: self.order_breaks,
            unreadable: self.unreadable,
            broken_frames: self.broken_frames,
            connections: self.connections,
            seconds,
            messages_per_second: if seconds > 0.0 { self.messages as f64 / seconds } else { 0.0 },
        }
    }
}

impl Totals {
    fn text(&self) -> String {
        format!(
            "{} message{} over {} connection{} in {:.1} s ({:.0} a second)\n{} repeat{}, {} order break{}, {} unreadable, {} broken frame{}",
            self.messages,
            plural(self.messages),
            self.connections,
            plural(self.connections),
            self.seconds,
            self.messages_per_second,
            self.repeats,
            plural(self.repeats),
            self.order_breaks,
            plural(self.order_breaks),
            self.unreadable,
            self.broken_frames,
            plural(self.broken_frames),
        )
    }
}

#[cfg(test)]
mod tests {
    use orderly_hl7v2::read_reply;

    use super::*;

    fn receiver(answer: AnswerCode, count: Option<u64>) -> CountingReceiver {
        CountingReceiver::new(answer, 0, count)
    }

    fn message(control_id: &str) -> Vec<u8> {
        format!("MSH|^~\\&|A|B|C|D|20260305||ADT^A01|{control_id}|P|2.3\rPID|1\r").into_bytes()
    }

    #[test]
    fn messages_are_answered_and_counted() {
        let receiver = receiver(AnswerCode::Ae, None);
        for control_id in ["N1", "N3", "N2", "N3", "N4"] {
            let answer = receiver.receive(&message(control_id));
            let [frame] = answer.frames.as_slice() else { panic!("one answer") };
            let reply = read_reply(frame).unwrap();
            assert_eq!((reply.code, reply.control_id.as_str()), (Some(AckCode::AE), control_id));
        }
        assert_eq!(receiver.receive(b"no header"), Answer::none());
        let totals = receiver.counts().totals();
        let counts = (totals.messages, totals.repeats, totals.order_breaks, totals.unreadable);
        assert_eq!(counts, (6, 1, 1, 1));
    }

    #[tokio::test]
    async fn the_count_ends_it() {
        let receiver = receiver(AnswerCode::Aa, Some(2));
        receiver.receive(&message("N1"));
        receiver.receive(&message("N2"));
        receiver.complete.notified().await;
    }
}
