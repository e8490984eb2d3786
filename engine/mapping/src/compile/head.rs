//! The head of a mapping: what it takes, what it writes, and the keys that belong to what it writes.

use orderly_hl7v2::Charset;
use orderly_hl7v2::dictionary::Version;

use crate::Format;
use crate::plan::{Accepts, Written};
use crate::problems::Problems;
use crate::yaml::{Fields, Node, Scalar, Span};

/// The versions of HL7 v2 that a mapping can name.
pub(crate) const VERSIONS: [&str; 13] =
    ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"];

/// Keys that only some outputs have, and with which they go.
pub(crate) const OF_OUTPUT: [(&str, &[Format]); 6] = [
    ("start", &[Format::Hl7v2]),
    ("charset", &[Format::Hl7v2]),
    ("build", &[Format::Json, Format::Xml, Format::Csv]),
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
    /// In which charset a message is written; without it an edited one in its own, a new one in UTF-8.
    pub(super) charset: Option<Written>,
}

/// How the output is made, as written.
pub(super) enum Output<'n> {
    /// From a copy of the input, of another version where one is said.
    Edit(Option<&'static str>),
    /// From a header of this version; `None` when the version is wrong.
    Start(Option<&'static str>),
    Build {
        build: Option<&'n Node>,
        form: Built,
    },
}

/// In which form a built output is written, as said.
pub(super) enum Built {
    Json,
    Xml,
    Csv(Layout),
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
            Output::Edit(_) | Output::Start(_) => Format::Hl7v2,
            Output::Build { form: Built::Json, .. } => Format::Json,
            Output::Build { form: Built::Xml, .. } => Format::Xml,
            Output::Build { form: Built::Csv(_), .. } => Format::Csv,
        }
    }
}

/// Reads `input`, `output` and what goes with them.
pub(super) fn read<'n>(fields: &Fields<'n, '_>, problems: &Problems) -> Head<'n> {
    let written = fields.required_text("input");
    let charset = fields.text("charset").and_then(|name| charset(name, problems));
    let (accepts, version) = written.and_then(|input| accepts(input, problems)).unzip();
    let output = match fields.required_text("output") {
        Some(format) => output(format, fields, problems),
        None => {
            OF_OUTPUT.iter().for_each(|(key, _)| _ = fields.optional(key));
            None
        }
    };
    if let (Some(Accepts::Ccda | Accepts::Any), Some(Output::Edit(_)), Some(input)) =
        (accepts, &output, written)
    {
        let message = "a mapping that edits a message takes HL7 v2";
        problems
            .error("mapping-input", &input.node.span, message)
            .help("write `input: hl7v2 2.5.1`, or build a new message with `start: empty`");
    }
    let input = written.map(|input| input.node.span.clone());
    Head { accepts, version: version.flatten(), input, output, charset }
}

/// A charset to write in. UTF-16 is none: its bytes are no HL7 v2 on any wire.
fn charset(name: Scalar<'_>, problems: &Problems) -> Option<Written> {
    let found = Charset::named(name.text).filter(|charset| !charset.is_wide());
    let Some(charset) = found else {
        problems
            .error("mapping-charset", &name.node.span, format!("`{}` is no charset to write in", name.text))
            .help("write a name of HL7 table 0211: UNICODE UTF-8, ASCII, 8859/1, 8859/15, GB 18030-2000");
        return None;
    };
    let only_ascii = name.text.eq_ignore_ascii_case("ASCII");
    Some(Written { name: name.text.into(), charset, only_ascii, place: name.node.span.clone() })
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
        ["json"] => Some(Output::Build { build: fields.required("build"), form: Built::Json }),
        ["xml"] => Some(Output::Build { build: fields.required("build"), form: Built::Xml }),
        ["csv"] => {
            let form = Built::Csv(layout(fields, problems));
            Some(Output::Build { build: fields.required("build"), form })
        }
        _ => {
            problems
                .error(
                    "mapping-output",
                    &format.node.span,
                    "a mapping writes HL7 v2, JSON, XML or delimited text",
                )
                .help("write `output: hl7v2`, `output: json`, `output: xml` or `output: csv`");
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
                .help(format!("it goes with `output: {}`", names.join("`, `output: ")));
        }
    }
    output
}

/// An output's name in a mapping.
fn written(format: Format) -> &'static str {
    match format {
        Format::Hl7v2 => "hl7v2",
        Format::Json => "json",
        Format::Xml => "xml",
        Format::Csv => "csv",
    }
}

/// An HL7 v2 message: of the version that is written; a copy without one keeps its own.
fn message<'n>(
    written: Option<&str>,
    format: Scalar<'n>,
    fields: &Fields<'n, '_>,
    problems: &Problems,
) -> Option<Output<'n>> {
    let Some(start) = fields.text("start") else {
        if fields.has("start") {
            return None;
        }
        return Some(Output::Edit(match written {
            Some(written) => Some(version(written, format, problems)?),
            None => None,
        }));
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
