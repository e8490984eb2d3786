//! Shows diagnostics: the place, the text underlined, what is wrong and what to do; or JSON for programs.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use orderly_pipeline::names_secret;
use orderly_record::diagnostic::{Diagnostic, Place, Severity};
use serde::Serialize;

/// Renders one diagnostic with the line it speaks of, from the texts by file name.
pub(crate) fn render(diagnostic: &Diagnostic, texts: &BTreeMap<String, String>) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut report = vec![located(title, diagnostic, texts)];
    if let Some(help) = &diagnostic.help {
        report.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    renderer().render(&report)
}

fn located<'a>(
    title: annotate_snippets::Title<'a>,
    diagnostic: &'a Diagnostic,
    texts: &'a BTreeMap<String, String>,
) -> Group<'a> {
    match &diagnostic.place {
        Place::File { file, span, .. } => match texts.get(file.as_ref()) {
            Some(text) => {
                let text = masked(text);
                let span = span.start.min(text.len())..span.end.min(text.len());
                let annotation = AnnotationKind::Primary.span(span);
                title.element(Snippet::source(text).path(file.as_ref()).annotation(annotation))
            }
            None => title.element(annotate_snippets::Origin::path(file.as_ref())),
        },
        Place::Input { .. } | Place::None => Group::with_title(title),
    }
}

/// The text with stars in place of secrets that stand there as they are: an error beside one shows its line. Every byte keeps its place.
fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(colon) = rest.find(':') {
        let (before, after) =
            (rest.get(..=colon).unwrap_or_default(), rest.get(colon + 1..).unwrap_or_default());
        shown.push_str(before);
        rest = after;
        let is_key = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let key =
            before.trim_end_matches([':', '"', '\'', ' ']).rsplit(|c| !is_key(c)).next().unwrap_or_default();
        if names_secret(key) {
            let value = literal(after);
            // Blanks before it stay, so that it is seen where it begins.
            shown.extend(value.bytes().enumerate().map(|(at, byte)| match byte {
                b' ' if value.bytes().take(at).all(|before| before == b' ') => ' ',
                _ => '*',
            }));
            rest = after.get(value.len()..).unwrap_or_default();
        }
    }
    shown.push_str(rest);
    shown
}

/// The value at the beginning, when it is a text and does not only say where the secret is found.
fn literal(after: &str) -> &str {
    let line = after.split(['\n', '\r']).next().unwrap_or_default();
    let value = line.trim_start();
    let start = line.len() - value.len();
    let length = match value.chars().next() {
        None | Some('{' | '[' | '|' | '>' | '&' | '#') => 0,
        Some(quote @ ('"' | '\'')) => {
            let end = value.get(1..).and_then(|inside| inside.find(quote)).map(|end| end + 2);
            end.unwrap_or(value.len())
        }
        Some(_) if start == 0 => 0,
        Some(_) if value.starts_with("${") => 0,
        Some(_) => value.split([',', '}', ']']).next().unwrap_or_default().trim_end().len(),
    };
    let only_says_where =
        value.get(..length).is_some_and(|value| value.trim_matches(['"', '\'']).starts_with("${"));
    if length == 0 || only_says_where { "" } else { line.get(..start + length).unwrap_or_default() }
}

fn renderer() -> Renderer {
    if std::io::stdout().is_terminal() { Renderer::styled() } else { Renderer::plain() }
}

/// The same for programs.
#[derive(Serialize)]
pub(crate) struct JsonDiagnostic<'d> {
    code: &'d str,
    severity: Severity,
    message: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'d str>,
}

impl<'d> From<&'d Diagnostic> for JsonDiagnostic<'d> {
    fn from(diagnostic: &'d Diagnostic) -> Self {
        let (file, line, column) = match &diagnostic.place {
            Place::File { file, line, column, .. } => (Some(file.as_ref()), Some(*line), Some(*column)),
            Place::Input { .. } | Place::None => (None, None, None),
        };
        let (path, offset) = match &diagnostic.place {
            Place::Input { path, offset } => (Some(path.as_str()), Some(*offset)),
            Place::File { .. } | Place::None => (None, None),
        };
        let Diagnostic { code, severity, message, help, .. } = diagnostic;
        let help = help.as_deref();
        JsonDiagnostic { code, severity: *severity, message, path, offset, file, line, column, help }
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn secrets_that_stand_there_are_not_shown() {
        for (text, shown) in [
            ("basic: { user: u, pasword: hunter2 }", "basic: { user: u, pasword: ******* }"),
            ("password: 'it is, mine' # x", "password: ************* # x"),
            ("\"password\": \"a\"\nuser: b", "\"password\": ***\nuser: b"),
            ("bearer: \u{fc}x y\nurl: https://h/", "bearer: *****\nurl: https://h/"),
            ("bearer: ${env:TOKEN}", "bearer: ${env:TOKEN}"),
            ("bearer: '${file:a}'", "bearer: '${file:a}'"),
            ("bearer:\n  x: y", "bearer:\n  x: y"),
            ("token_url: https://h/token:8", "token_url: https://h/token:8"),
            ("X-Api-Key: 4711", "X-Api-Key: ****"),
        ] {
            let found = masked(text);
            assert_eq!(found, shown);
            assert_eq!(found.len(), text.len(), "every byte keeps its place");
        }
    }
}
