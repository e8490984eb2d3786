//! Secrets in `orderly.yaml`: where they are found, never what they are.

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Scalar, Span};

use crate::plan::{At, Secret, SecretSource};

/// The secret that a text refers to; nothing when it is an ordinary text.
pub(super) fn reference(written: Scalar<'_>) -> Option<Secret> {
    let inside = written.text.strip_prefix("${")?.strip_suffix('}')?;
    let (kind, name) = inside.split_once(':')?;
    let is_name = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let source = match kind {
        _ if name.is_empty() => return None,
        "env" if is_name(name) => SecretSource::Environment(name.to_owned()),
        "file" => SecretSource::File(name.to_owned()),
        _ => return None,
    };
    Some(Secret { source, at: At(written.node.span.place()) })
}

/// The secret of `key`. One that stands there as it is is refused, and not shown: what is told is placed at `section`, the key above.
pub(super) fn required(
    key: &str,
    written: Scalar<'_>,
    section: &Span,
    problems: &Problems,
) -> Option<Secret> {
    let found = reference(written);
    if found.is_none() {
        let message = format!("`{key}` takes no secret as it is, only where it is found");
        problems
            .error("config-secret", section, message)
            .help(format!("write `{key}: ${{env:NAME}}` for a variable of the environment, or `{key}: ${{file:secrets/name}}`"));
    }
    found
}
