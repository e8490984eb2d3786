//! The head of a mapping: what it takes, what it writes, and the keys that belong to what it writes.

use orderly_hl7v2::dictionary::Version;

use crate::Format;
use crate::plan::Accepts;
use crate::problems::Problems;
use crate::yaml::{Fields, Node, Scalar, Span};

/// The versions of HL7 v2 that a mapping can name.
pub(crate) const VERSIONS: [&str; 13] =
    ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"];

/// Keys that only some outputs have, and with which they go.
pub(crate) const OF_OUTPUT: [(&str, &[Format]); 5] = [
    ("start", &[Format::Hl7v2]),
    ("build", &[Format::Json, Format::Csv]),
    ("header", &[Format::Csv]),
    ("separator", &[Format::Csv]),
    ("line_end", &[Format::Csv]),
];

/// What the head says, as far as it is right; what is wrong was reported.
pub(super) struct Head<'n> {
    pub(super) accepts: Option<Accepts>,
    /// The version of the messages it takes.
    pub(super) version: Option<Version>,
    /// Where `input` stands.
    pub(super) input: Option<Span>,
    pub(super) output: Option<Output<'n>>,
}

/// How the output is made, as written.
pub(super) enum Output<'n> {
    /// From a copy of the input.
    Edit,
    /// From a header of this version; `None` when the version is wrong.
    Start(Option<&'static str>),
    Build {
        build: Option<&'n Node>,
        /// Of delimited text; JSON has none.
        layout: Option<Layout>,
    },
}

/// How delimited text is written, as said.
pub(super) struct Layout {
    pub(super) header: bool,
    pub(super) separator: u8,
    pub(super) crlf: bool,
}

impl Output<'_> {
    pub(super) fn format(&self) -> Format {
        match self {
            Output::Edit | Output::Start(_) => Format::Hl7v2,
            Output::Build { layout: None, .. } => Format::Json,
            Output::Build { layout: Some(_), .. } => Format::Csv,
        }
    }
}

/// Reads `input`, `output` and what goes with them.
pub(super) fn read<'n>(fields: &Fields<'n, '_>, problems: &Problems) -> Head<'n> {
    let written = fields.required_text("input");
    let (accepts, version) = written.and_then(|input| accepts(input, problems)).unzip();
    let output = match fields.required_text("output") {
        Some(format) => output(format, fields, problems),
        None => {
            OF_OUTPUT.iter().for_each(|(key, _)| _ = fields.optional(key));
            None
        }
    };
    if let (Some(Accepts::Ccda | Accepts::Any), Some(Output::Edit), Some(input)) = (accepts, &output, written)
    {
        let message = "a mapping that edits a message takes HL7 v2";
        problems
            .error("mapping-input", &input.node.span, message)
            .help("write `input: hl7v2 2.5.1`, or build a new message with `start: empty`");
    }
    Head { accepts, version: version.flatten(), input: written.map(|input| input.node.span.clone()), output }
}

fn accepts(input: Scalar<'_>, problems: &Problems) -> Option<(Accepts, Option<Version>)> {
    match input.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["hl7v2", written] => {
            version(written, input, problems).map(|version| (Accepts::Hl7v2, Some(Version::nearest(version))))
        }
        ["ccda"] => Some((Accepts::Ccda, None)),
        ["any"] => Some((Accepts::Any, None)),
        _ => {
            problems
                .error(
                    "mapping-input",
                    &input.node.span,
                    "a mapping takes HL7 v2, C-CDA documents, or any of them",
                )
                .help("write `input: hl7v2 2.5.1` with the version, `input: ccda` or `input: any`");
            None
        }
    }
}

fn version(written: &str, place: Scalar<'_>, problems: &Problems) -> Option<&'static str> {
    let found = VERSIONS.into_iter().find(|version| *version == written);
    if found.is_none() {
        problems
            .error("mapping-version", &place.node.span, format!("HL7 v2 has no version {written}"))
            .suggest(written, VERSIONS);
    }
    found
}

fn output<'n>(format: Scalar<'n>, fields: &Fields<'n, '_>, problems: &Problems) -> Option<Output<'n>> {
    let words: Vec<&str> = format.split_whitespace().collect();
    let output = match words.as_slice() {
        ["hl7v2", version @ ..] if version.len() < 2 => {
            let message = message(version.first().copied(), format, fields, problems);
            // One that builds means another output, whatever else it lacks.
            let builds = fields.has("build") && !fields.has("rules");
            message.filter(|_| !builds)
        }
        ["json"] => Some(Output::Build { build: fields.required("build"), layout: None }),
        ["csv"] => {
            Some(Output::Build { build: fields.required("build"), layout: Some(layout(fields, problems)) })
        }
        _ => {
            problems
                .error("mapping-output", &format.node.span, "a mapping writes HL7 v2, JSON or delimited text")
                .help("write `output: hl7v2`, `output: json` or `output: csv`");
            None
        }
    };
    let is_message = words.first() == Some(&"hl7v2");
    let format = output.as_ref().map(Output::format).or(is_message.then_some(Format::Hl7v2));
    for (key, formats) in OF_OUTPUT {
        let span = fields.key_span(key);
        _ = fields.optional(key);
        if let (Some(span), Some(format)) = (span, format)
            && !formats.contains(&format)
        {
            let names: Vec<&str> = formats.iter().copied().map(written).collect();
            problems
                .error(
                    "mapping-key",
                    span,
                    format!("`{key}` has no meaning with `output: {}`", written(format)),
                )
                .help(format!("it goes with `output: {}`", names.join("` and `output: ")));
        }
    }
    output
}

/// An output's name in a mapping.
fn written(format: Format) -> &'static str {
    match format {
        Format::Hl7v2 => "hl7v2",
        Format::Json => "json",
        Format::Csv => "csv",
    }
}

/// An HL7 v2 message: a copy keeps its version, a new one is of the version that is written.
fn message<'n>(
    written: Option<&str>,
    format: Scalar<'n>,
    fields: &Fields<'n, '_>,
    problems: &Problems,
) -> Option<Output<'n>> {
    let Some(start) = fields.text("start") else {
        // What is not known to be an edit is not blamed for what only an edit can't do.
        if written.is_none() {
            return (!fields.has("start")).then_some(Output::Edit);
        }
        if !fields.has("start") {
            let message = "a copy of the input keeps its version";
            problems
                .error("mapping-output", &format.node.span, message)
                .help("write `output: hl7v2`, or build a new message with `start: empty`");
        }
        return None;
    };
    if start.text != "empty" {
        problems
            .error("mapping-start", &start.node.span, "`start` takes `empty`")
            .help("a mapping without it starts with a copy of the input");
        return None;
    }
    let Some(written) = written else {
        let message = "a new message needs its version";
        problems
            .error("mapping-output", &format.node.span, message)
            .help("write it too, as in `output: hl7v2 2.5.1`");
        return Some(Output::Start(None));
    };
    Some(Output::Start(version(written, format, problems)))
}

fn layout(fields: &Fields<'_, '_>, problems: &Problems) -> Layout {
    Layout {
        header: fields.flag("header").unwrap_or(true),
        separator: fields.text("separator").and_then(|text| separator(text, problems)).unwrap_or(b','),
        crlf: fields.choice("line_end", &[("lf", false), ("crlf", true)]).unwrap_or(false),
    }
}

fn separator(written: Scalar<'_>, problems: &Problems) -> Option<u8> {
    match written.as_bytes() {
        [b'"' | b'\r' | b'\n'] => {}
        [separator] => return Some(*separator),
        _ => {}
    }
    let message = "a separator is one ASCII character other than a quote or a line end";
    problems
        .error("mapping-separator", &written.node.span, message)
        .help("write it in quotes, as in separator: ';', a tab as \"\\t\"");
    None
}
