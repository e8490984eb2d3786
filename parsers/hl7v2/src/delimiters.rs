//! The characters that split a message, as it declares them itself in MSH-1 and MSH-2 (chapter 2, "Message delimiters").
//!
//! All are ASCII punctuation, and no two are equal: a declaration that says otherwise is repaired where the field knows how, else refused.

use nom::bytes::complete::{tag, take_till, take_while_m_n};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::charset::Charset;
use crate::view::Level;

/// How the bytes of a message are to be read: delimiters and charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// What splits it.
    pub delimiters: Delimiters,
    /// How its bytes become text.
    pub charset: Charset,
}

/// The delimiters. A level whose delimiter was not declared does not exist in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields, `|`.
    pub field: u8,
    /// Between components, `^`.
    pub component: Option<u8>,
    /// Between repetitions, `~`.
    pub repetition: Option<u8>,
    /// Around escape sequences, `\`.
    pub escape: Option<u8>,
    /// Between subcomponents, `&`.
    pub subcomponent: Option<u8>,
    /// At the end of a truncated value, `#`, since 2.7.
    pub truncation: Option<u8>,
}

impl Default for Delimiters {
    /// The recommended ones.
    fn default() -> Self {
        Self {
            field: b'|',
            component: Some(b'^'),
            repetition: Some(b'~'),
            escape: Some(b'\\'),
            subcomponent: Some(b'&'),
            truncation: None,
        }
    }
}

impl Delimiters {
    /// What splits a part of this level into the parts of the next.
    pub fn below(&self, level: Level) -> Option<u8> {
        match level {
            Level::Field => self.repetition,
            Level::Repetition => self.component,
            Level::Component => self.subcomponent,
            Level::Subcomponent => None,
        }
    }

    /// MSH-2 as it declares these.
    pub fn declaration(&self) -> Vec<u8> {
        let all = [self.component, self.repetition, self.escape, self.subcomponent, self.truncation];
        all.into_iter().map_while(|delimiter| delimiter).collect()
    }

    /// Whether this byte is one of them.
    pub(crate) fn contain(&self, byte: u8) -> bool {
        let others = [self.component, self.repetition, self.escape, self.subcomponent, self.truncation];
        byte == self.field || others.contains(&Some(byte))
    }

    /// Whether this byte splits a part of this level, or any part inside it.
    pub(crate) fn splits(&self, level: Level, byte: u8) -> bool {
        let byte = Some(byte);
        let subcomponent = byte == self.subcomponent;
        match level {
            Level::Field => byte == self.repetition || byte == self.component || subcomponent,
            Level::Repetition => byte == self.component || subcomponent,
            Level::Component => subcomponent,
            Level::Subcomponent => false,
        }
    }
}

/// A declaration as read, and whether it had to be repaired.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub(crate) delimiters: Delimiters,
    pub(crate) repaired: bool,
}

/// Reads the declaration at the start of a header segment (MSH, FHS or BHS); `None` when no message could be split by it.
pub(crate) fn declaration(header: &[u8]) -> Option<Declaration> {
    let (_, (field, characters)) = characters(header).ok()?;
    // An escape character lost on the way, or doubled by a program that took it for its own.
    let (characters, repaired): (&[u8], bool) = match characters {
        b"^~&" | b"^~\\\\&" => (b"^~\\&", true),
        _ => (characters, false),
    };
    let mut all = characters.iter().copied();
    let delimiters = Delimiters {
        field,
        component: all.next(),
        repetition: all.next(),
        escape: all.next(),
        subcomponent: all.next(),
        truncation: all.next(),
    };
    let usable =
        usable(field) && characters.len() <= 5 && characters.iter().all(|&character| usable(character));
    (usable && differ(characters)).then_some(Declaration { delimiters, repaired })
}

/// The delimiters to answer a header in whose declaration is of no use: its field separator if that is one, else the usual one.
pub(crate) fn presumed(header: &[u8]) -> Delimiters {
    let field =
        header.get(3).copied().filter(|&separator| usable(separator) && !b"^~\\&".contains(&separator));
    Delimiters { field: field.unwrap_or(b'|'), ..Delimiters::default() }
}

/// The three letters of the segment, then MSH-1 and MSH-2.
fn characters(header: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    let name = |input| take_while_m_n(3, 3, |byte: u8| byte.is_ascii_uppercase()).parse(input);
    let (rest, separator) = preceded(name, nom::bytes::complete::take(1_usize)).parse(header)?;
    let (_, characters) =
        take_till(|byte| separator.contains(&byte) || byte == b'\r' || byte == b'\n').parse(rest)?;
    let (_, separator) = nom::number::complete::u8.parse(separator)?;
    Ok((rest, (separator, characters)))
}

fn usable(character: u8) -> bool {
    character.is_ascii_punctuation()
}

fn differ(characters: &[u8]) -> bool {
    characters
        .iter()
        .enumerate()
        .all(|(index, character)| !characters.iter().skip(index + 1).any(|later| later == character))
}

/// Whether these bytes begin with a header segment of this name: the name, then something that can be a field separator.
pub(crate) fn begins(bytes: &[u8], name: &str) -> bool {
    let header: IResult<&[u8], &[u8]> = tag(name.as_bytes()).parse(bytes);
    header.is_ok_and(|(rest, _)| rest.first().is_some_and(|&separator| !separator.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(Delimiters, bool)> {
        declaration(header.as_bytes()).map(|declaration| (declaration.delimiters, declaration.repaired))
    }

    #[test]
    fn the_usual_ones() {
        assert_eq!(read("MSH|^~\\&|A"), Some((Delimiters::default(), false)));
        assert_eq!(read("MSH|^~\\&"), Some((Delimiters::default(), false)));
    }

    #[test]
    fn any_punctuation_will_do() {
        let expected = Delimiters {
            field: b'#',
            component: Some(b'*'),
            repetition: Some(b'!'),
            escape: Some(b'?'),
            subcomponent: Some(b':'),
            truncation: None,
        };
        assert_eq!(read("MSH#*!?:#APP#FAC"), Some((expected, false)));
    }

    #[test]
    fn what_is_not_declared_does_not_exist() {
        let short =
            Delimiters { repetition: None, escape: None, subcomponent: None, ..Delimiters::default() };
        assert_eq!(read("MSH|^|A"), Some((short, false)));
        let long = Delimiters { truncation: Some(b'#'), ..Delimiters::default() };
        assert_eq!(read("MSH|^~\\&#|A"), Some((long, false)));
        assert_eq!(read("MSH||A").map(|(delimiters, _)| delimiters.component), Some(None));
        for (delimiters, declared) in [(short, "^"), (long, "^~\\&#"), (Delimiters::default(), "^~\\&")] {
            assert_eq!(delimiters.declaration(), declared.as_bytes());
        }
    }

    #[test]
    fn known_damage_is_repaired() {
        assert_eq!(read("MSH|^~&|A"), Some((Delimiters::default(), true)));
        assert_eq!(read("MSH|^~\\\\&|A"), Some((Delimiters::default(), true)));
    }

    #[test]
    fn what_can_not_split_is_refused() {
        for header in [
            "",
            "MS",
            "MSH",
            "MSHX^~\\&|",
            "MSH ^~",
            "MSH|^^\\&|",
            "MSH|^~\\A|",
            "MSH|^~\\&#!|",
            "MSH\r|",
            "MSH|\u{e9}|",
        ] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
