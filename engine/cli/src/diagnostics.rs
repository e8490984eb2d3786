//! Shows diagnostics: the place, the text underlined, what is wrong and what to do; or JSON for programs.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
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
                let span = span.start.min(text.len())..span.end.min(text.len());
                let annotation = AnnotationKind::Primary.span(span);
                title.element(Snippet::source(text.as_str()).path(file.as_ref()).annotation(annotation))
            }
            None => title.element(annotate_snippets::Origin::path(file.as_ref())),
        },
        Place::Input { .. } | Place::None => Group::with_title(title),
    }
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
