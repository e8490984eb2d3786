//! Secrets in `orderly.yaml`: where they are found, never what they are.

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Scalar, Span};

use crate::plan::{At, Secret, SecretSource};

/// The secret that the text of `key` refers to; nothing when it is an ordinary text.
pub(super) fn reference(key: &str, written: Scalar<'_>) -> Option<Secret> {
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
    Some(Secret { key: key.to_owned(), source, at: At(written.node.span.place()) })
}

/// The secret of `key`. One that stands there as it is is refused, and not shown: what is told is placed at `section`, the key above.
pub(super) fn required(
    key: &str,
    written: Scalar<'_>,
    section: &Span,
    problems: &Problems,
) -> Option<Secret> {
    let found = reference(key, written);
    if found.is_none() {
        let message = format!("`{key}` takes no secret as it is, only where it is found");
        problems
            .error("config-secret", section, message)
            .help(format!("write `{key}: ${{env:NAME}}` for a variable of the environment, or `{key}: ${{file:secrets/name}}`"));
    }
    found
}

/// Words that names of secrets are made of.
const WORDS: [&str; 12] = [
    "accesskey",
    "apikey",
    "authkey",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "passphrase",
    "password",
    "passwd",
    "secret",
    "token",
];

/// Whether what stands under this name is a secret, as far as a name can tell; also where it is misspelt.
#[must_use]
pub fn names_secret(name: &str) -> bool {
    let plain: String = name.to_ascii_lowercase().chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
    if plain.ends_with("url") {
        return false;
    }
    let is_like = |word: &str| strsim::osa_distance(&plain, word) <= word.len() / 4;
    WORDS.iter().any(|word| plain.contains(word)) || WORDS.iter().any(|word| is_like(word))
}

#[cfg(test)]
mod tests {
    use super::names_secret;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "password",
            "Pasword",
            "passwort",
            "client_secret",
            "X-Api-Key",
            "bearer",
            "tokn",
            "X-Auth-Token",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in
            ["user", "token_url", "client_id", "key", "headers", "X-Site", "basic", "url", "scope", "key_id"]
        {
            assert!(!names_secret(name), "{name}");
        }
    }
}
