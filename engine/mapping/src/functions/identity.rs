//! Texts made of a text by rule: stable identifiers, check digits, fingerprints, base64. The same value always gives the same.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Function, Gives, Pipe, Takes, note};
use crate::evaluate::limited;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::Value;
use crate::yaml::Span;

pub(super) const UUID: Function = Function {
    name: "uuid",
    usage: "uuid('patients of Riverside')",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 1),
    build: |arguments| {
        let text = arguments.text(0)?;
        if text.is_empty() {
            arguments.wrong(0, "what the identifiers are for, in words, or the UUID of a namespace");
            return None;
        }
        let namespace = Uuid::parse_str(text);
        let namespace = namespace.unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()));
        Some(Box::new(Stable(namespace)))
    },
};

pub(super) const CHECK_DIGIT: Function = Function {
    name: "check_digit",
    usage: "check_digit('M10')",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (1, 1),
    build: |arguments| {
        let before = match arguments.text(0)? {
            "M10" => "",
            // A provider identifier is checked as a card number of the United States' health industry.
            "NPI" => "80840",
            _ => {
                arguments.wrong(0, "'M10' or 'NPI' (HL7 table 0061)");
                return None;
            }
        };
        Some(Box::new(CheckDigit { before, place: arguments.node.span.clone() }))
    },
};

pub(super) const SHA256: Function = Function {
    name: "sha256",
    usage: "sha256",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |_| Some(Box::new(Fingerprint)),
};

pub(super) const BASE64: Function = Function {
    name: "base64",
    usage: "base64",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |_| Some(Box::new(Encode)),
};

pub(super) const UNBASE64: Function = Function {
    name: "unbase64",
    usage: "unbase64",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (0, 0),
    build: |arguments| Some(Box::new(Decode(arguments.node.span.clone()))),
};

/// A UUID of version 5 (RFC 9562, section 5.5).
#[derive(Debug)]
struct Stable(Uuid);

impl Pipe for Stable {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| Ok(Value::text(Uuid::new_v5(&self.0, text.as_bytes()).to_string())))
    }
}

#[derive(Debug)]
struct CheckDigit {
    before: &'static str,
    place: Span,
}

impl Pipe for CheckDigit {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| {
            let digit = mod_10(self.before, text.trim());
            if digit.is_none() {
                let why = "a check digit could not be calculated: a value is not all digits";
                note(scope, "mapping-check-digit", why, &self.place);
            }
            Ok(digit.map_or(Value::Empty, |digit| Value::text(digit.to_string())))
        })
    }
}

/// The digit that makes the sum of all, every second one from the right doubled and its digits added, a multiple of ten (HL7 2.5.1,
/// chapter 2A, CX.3; ISO/IEC 7812-1, annex B).
fn mod_10(before: &str, text: &str) -> Option<u32> {
    let mut sum = 0;
    for (index, letter) in before.chars().chain(text.chars()).rev().enumerate() {
        let digit = letter.to_digit(10)?;
        let weighed = if index % 2 == 0 { digit * 2 } else { digit };
        sum = (sum + weighed / 10 + weighed % 10) % 10;
    }
    (!text.is_empty()).then_some((10 - sum) % 10)
}

/// SHA-256 (FIPS 180-4) of the text in UTF-8, in small hexadecimal letters.
#[derive(Debug)]
struct Fingerprint;

impl Pipe for Fingerprint {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| {
            let mut hex = String::with_capacity(64);
            for byte in Sha256::digest(text.as_bytes()) {
                // A string takes what is written to it.
                let _ = write!(hex, "{byte:02x}");
            }
            Ok(Value::text(hex))
        })
    }
}

/// Base64 (RFC 4648, section 4) of the text in UTF-8.
#[derive(Debug)]
struct Encode;

impl Pipe for Encode {
    fn apply<'s>(&'s self, value: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| Ok(Value::text(limited(STANDARD.encode(text.as_bytes()))?)))
    }
}

#[derive(Debug)]
struct Decode(Span);

impl Pipe for Decode {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| {
            // Long contents are broken into lines.
            let one_line: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
            let decoded = STANDARD.decode(one_line).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            if decoded.is_none() {
                note(scope, "mapping-base64", "a value is not the base64 of a text, and left out", &self.0);
            }
            Ok(decoded.map_or(Value::Empty, Value::text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_the_standards() {
        // The number of RFC-like card examples, and the NPI's own example.
        assert_eq!(mod_10("", "7992739871"), Some(3));
        assert_eq!(mod_10("80840", "123456789"), Some(3));
        assert_eq!(mod_10("", "12a"), None);
        assert_eq!(mod_10("", ""), None);
    }
}
