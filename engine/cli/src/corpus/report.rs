//! The corpus report: counts by type and in all, and what was refused.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::output::table;

/// What came of one message or document.
pub(super) struct Judged {
    /// Its type, `ADT^A01`.
    pub(super) kind: String,
    pub(super) verdict: Verdict,
    /// Segments or sections that nobody knows.
    pub(super) unknown: Vec<String>,
    /// The codes of what was odd and was read all the same.
    pub(super) tolerances: Vec<&'static str>,
}

pub(super) enum Verdict {
    Parsed {
        /// Whether the leaves of its tree make its bytes; a document's tree holds no blanks, and it is not asked.
        byte_exact: Option<bool>,
        has_record: bool,
    },
    Refused(String),
    Crashed,
}

impl Judged {
    pub(super) fn refused(kind: &str, reason: String) -> Self {
        Self::unread(kind, Verdict::Refused(reason))
    }

    pub(super) fn crashed() -> Self {
        Self::unread("crashed", Verdict::Crashed)
    }

    fn unread(kind: &str, verdict: Verdict) -> Self {
        Self { kind: kind.to_owned(), verdict, unknown: Vec::new(), tolerances: Vec::new() }
    }
}

/// Counts of files.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Counts {
    files: usize,
    parsed: usize,
    byte_exact: usize,
    records: usize,
    refused: usize,
    crashed: usize,
    /// Messages and documents in those files.
    messages: usize,
}

/// The report so far.
#[derive(Default)]
pub(super) struct Report {
    total: Counts,
    types: BTreeMap<String, Counts>,
    refusals: Vec<(String, String)>,
    not_exact: Vec<String>,
    unknown: BTreeMap<String, usize>,
    tolerances: BTreeMap<&'static str, usize>,
}

impl Report {
    /// Adds a file by what came of all that is in it. It is of the type of its first message.
    pub(super) fn add(&mut self, name: &str, judged: Vec<Judged>) {
        let kind = judged.first().map(|judged| judged.kind.clone()).unwrap_or_default();
        let mut counts = Counts { files: 1, messages: judged.len(), ..Counts::default() };
        let all = |is: fn(&Judged) -> bool| usize::from(judged.iter().all(is));
        counts.parsed = all(|judged| matches!(judged.verdict, Verdict::Parsed { .. }));
        counts.byte_exact =
            all(|judged| matches!(judged.verdict, Verdict::Parsed { byte_exact: Some(true), .. }));
        counts.records = all(|judged| matches!(judged.verdict, Verdict::Parsed { has_record: true, .. }));
        counts.crashed = usize::from(judged.iter().any(|judged| matches!(judged.verdict, Verdict::Crashed)));
        counts.refused = 1 - counts.parsed.max(counts.crashed);
        if judged
            .iter()
            .any(|judged| matches!(judged.verdict, Verdict::Parsed { byte_exact: Some(false), .. }))
        {
            self.not_exact.push(name.to_owned());
        }
        self.total.add(counts);
        self.types.entry(kind).or_default().add(counts);
        for judged in judged {
            judged.unknown.into_iter().for_each(|name| *self.unknown.entry(name).or_default() += 1);
            judged.tolerances.into_iter().for_each(|code| *self.tolerances.entry(code).or_default() += 1);
            match judged.verdict {
                Verdict::Refused(reason) => self.refusals.push((name.to_owned(), reason)),
                Verdict::Crashed => self.refusals.push((name.to_owned(), "a parser crashed".to_owned())),
                Verdict::Parsed { .. } => {}
            }
        }
    }

    pub(super) fn has_crashes(&self) -> bool {
        self.total.crashed > 0
    }

    pub(super) fn to_json(&self) -> Value {
        let refusals = self.refusals.iter().map(|(file, reason)| json!({ "file": file, "reason": reason }));
        json!({
            "total": self.total,
            "types": self.types,
            "refusals": refusals.collect::<Vec<_>>(),
            "not_byte_exact": self.not_exact,
            "unknown": self.unknown,
            "tolerances": self.tolerances,
        })
    }

    /// For people: the counts as a table, then what is worth a look.
    pub(super) fn text(&self) -> String {
        let mut counts =
            table(["type", "files", "messages", "parsed", "byte-exact", "record", "refused", "crashed"]);
        for (name, of) in
            self.types.iter().map(|(name, of)| (name.as_str(), of)).chain([("all", &self.total)])
        {
            let numbers =
                [of.files, of.messages, of.parsed, of.byte_exact, of.records, of.refused, of.crashed]
                    .map(|number| number.to_string());
            counts.add_row([name.to_owned()].into_iter().chain(numbers));
        }
        let mut text = counts.trim_fmt();
        let mut list = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                text = format!("{text}\n\n{title}\n  {}", lines.join("\n  "));
            }
        };
        let counted = |(name, count): (&str, usize)| format!("{count:>7}  {name}");
        list("tolerated:", self.tolerances.iter().map(|(code, count)| counted((code, *count))).collect());
        list(
            "unknown segments and sections:",
            self.unknown.iter().map(|(name, count)| counted((name, *count))).collect(),
        );
        list("not byte-exact:", self.not_exact.clone());
        list("refused:", self.refusals.iter().map(|(file, reason)| format!("{file}: {reason}")).collect());
        text
    }
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.files += other.files;
        self.parsed += other.parsed;
        self.byte_exact += other.byte_exact;
        self.records += other.records;
        self.refused += other.refused;
        self.crashed += other.crashed;
        self.messages += other.messages;
    }
}
