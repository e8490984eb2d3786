//! Functions on the words of a text: their first letters, the blanks between them, and their letters without accents.

use super::{Function, Gives, Pipe, Takes};
use crate::evaluate::limited;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::Value;

pub(super) const CAPITALIZE: Function = Function {
    name: "capitalize",
    usage: "capitalize",
    build: |_| Some(Box::new(Words(capitalized))),
    ..PLAIN
};
pub(super) const INITIALS: Function =
    Function { name: "initials", usage: "initials", build: |_| Some(Box::new(Words(initials))), ..PLAIN };
pub(super) const SINGLE_SPACES: Function = Function {
    name: "single_spaces",
    usage: "single_spaces",
    build: |_| Some(Box::new(Words(single_spaced))),
    ..PLAIN
};
pub(super) const ASCII: Function = Function {
    name: "ascii",
    usage: "ascii",
    build: |_| Some(Box::new(Words(deunicode::deunicode))),
    ..PLAIN
};

/// What these functions have in common.
const PLAIN: Function = Function {
    name: "",
    usage: "",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |_| None,
};

#[derive(Debug)]
struct Words(fn(&str) -> String);

impl Pipe for Words {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        // A letter of another script becomes several.
        value.each_text(&|text| Ok(Value::text(limited((self.0)(&text))?)))
    }
}

/// Words that stay small within a name: *Ludwig van der Berg*, *Maria de la Cruz*.
const PARTICLES: [&str; 26] = [
    "af", "al", "av", "bin", "da", "das", "de", "del", "della", "den", "der", "des", "di", "do", "dos", "du",
    "e", "ibn", "la", "le", "ten", "ter", "van", "von", "y", "zu",
];

/// Small letters with a capital at the start of each word, also after a hyphen and an apostrophe; particles within stay small.
fn capitalized(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for (index, word) in text.split_inclusive(char::is_whitespace).enumerate() {
        let small = word.to_lowercase();
        if index > 0 && PARTICLES.contains(&small.trim_end()) {
            made.push_str(&small);
        } else {
            small.split_inclusive(['-', '\'', '’', '.', '/']).for_each(|part| capital(part, &mut made));
        }
    }
    made
}

/// A word with a capital; *McDonald* has two.
fn capital(word: &str, made: &mut String) {
    match word
        .strip_prefix("mc")
        .filter(|rest| rest.chars().filter(|letter| letter.is_alphabetic()).count() > 1)
    {
        Some(rest) => {
            made.push_str("Mc");
            first_capital(rest, made);
        }
        None => first_capital(word, made),
    }
}

fn first_capital(word: &str, made: &mut String) {
    let mut letters = word.chars();
    made.extend(letters.next().into_iter().flat_map(char::to_uppercase));
    made.push_str(letters.as_str());
}

/// The first letter of each word, as a capital; a hyphen joins two words.
fn initials(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == '-');
    let first = |word: &str| word.chars().find(|letter| letter.is_alphanumeric());
    words.filter_map(first).flat_map(char::to_uppercase).collect()
}

/// One space in the place of all blanks and line ends in a row, none at the ends.
fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_capitals() {
        let cases = [
            ("SMITH", "Smith"),
            ("jean-luc o'brien", "Jean-Luc O'Brien"),
            ("LUDWIG VAN DER BERG", "Ludwig van der Berg"),
            ("VAN DER BERG", "Van der Berg"),
            ("MCDONALD", "McDonald"),
            ("mcmcmc", "McMcmc"),
            ("ÉLODIE MÜLLER", "Élodie Müller"),
            ("st.john", "St.John"),
            ("ßx", "SSx"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(capitalized(text), expected, "{text}");
        }
    }
}
