//! Regular expressions that can be used but never match, such as `/a^b/`: where something must stand before the beginning or behind the end.

use regex_syntax::hir::{Hir, HirKind, Look};

/// Whether some text matches, as far as the pattern's own form tells. A pattern that can't be read says nothing.
pub(crate) fn can_match(pattern: &str) -> bool {
    regex_syntax::parse(pattern).map_or(true, |read| !is_never(&read))
}

fn is_never(part: &Hir) -> bool {
    match part.kind() {
        HirKind::Class(_) => {
            part.properties().maximum_len().is_none() && part.properties().minimum_len().is_none()
        }
        HirKind::Concat(parts) => parts.iter().any(is_never) || meets_an_end_within(parts),
        HirKind::Alternation(parts) => parts.iter().all(is_never),
        HirKind::Repetition(repetition) => repetition.min > 0 && is_never(&repetition.sub),
        HirKind::Capture(capture) => is_never(&capture.sub),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => false,
    }
}

/// Whether the beginning is asked for behind what has a length, or the end before it.
fn meets_an_end_within(parts: &[Hir]) -> bool {
    let has_length = |part: &Hir| part.properties().minimum_len().is_some_and(|length| length > 0);
    let begins = |part: &Hir| part.properties().look_set_prefix().contains(Look::Start);
    let ends = |part: &Hir| part.properties().look_set_suffix().contains(Look::End);
    let behind = parts.iter().skip_while(|part| !has_length(part)).skip(1).any(begins);
    let before = parts.iter().rev().skip_while(|part| !has_length(part)).skip(1).any(ends);
    behind || before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_match_is_seen() {
        for never in ["a^b", "a$b", "(a)(^b)", "[^\\s\\S]", "x[^\\d\\D]+", "a^|b$c", "^a$\\d", "(?:a^)+"] {
            assert!(!can_match(never), "{never}");
        }
    }

    #[test]
    fn what_may_match_is_left_alone() {
        for may in [
            "",
            "^",
            "^$",
            "^7[0-9]+$",
            "a|b^c",
            "x*^a",
            "a$x*",
            "(?m)a\n^b",
            "(?:a^)*",
            "(?:^|a)b",
            "a\\b",
            "(",
        ] {
            assert!(can_match(may), "{may}");
        }
    }
}
