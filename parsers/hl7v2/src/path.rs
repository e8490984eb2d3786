//! Paths: the names of places in a message. `PID-3[2].1`, `OBX[3]-5[2].1`, `ORDER_OBSERVATION[2].OBR-4`, `PID-3[where .5 = 'MR'].1`.
//!
//! This is the one grammar of paths: the mapping language reads its paths with [`path`], giving its own parser for what follows `where`.
//! Numbers count from 1. A path is one token: no blanks around its dash and dots.

use std::convert::Infallible;
use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, multispace0, multispace1};
use nom::combinator::{all_consuming, fail, not, opt, peek, recognize, verify};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

/// Which of several things of one kind, with the filter's own form `F`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select<F> {
    /// Nothing said: the first, or what the context makes of it.
    First,
    /// `[2]`.
    Nth(usize),
    /// `[last]`.
    Last,
    /// `[*]`.
    All,
    /// `[+]`: a new one at the end.
    Append,
    /// `[where ...]`: the first that matches.
    Where(F),
    /// `[* where ...]`: all that match.
    AllWhere(F),
}

/// The name of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<F> {
    /// The group the segment is in, and which one.
    pub group: Option<(String, Select<F>)>,
    /// The segment's name.
    pub segment: String,
    /// Which of that name.
    pub occurrence: Select<F>,
    /// The field; `None` is the segment itself.
    pub field: Option<usize>,
    /// The repetition; `None` is the whole field, or with a component the first.
    pub repetition: Option<Select<F>>,
    /// The component.
    pub component: Option<usize>,
    /// The subcomponent.
    pub subcomponent: Option<usize>,
}

/// A path without filters, as an operator types it.
impl FromStr for Path<Infallible> {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let filter = |input| fail().parse(input);
        let (_, path) = all_consuming(path(filter)).parse(text).map_err(|_| InvalidPath)?;
        Ok(path)
    }
}

/// The text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPath;

impl std::fmt::Display for InvalidPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("not a path: write it like PID-3, PID-3[2].1 or OBX[3]-5")
    }
}

impl std::error::Error for InvalidPath {}

/// A parser of paths, given the parser of what follows `where` (up to the closing bracket).
pub fn path<'i, F>(
    mut filter: impl FnMut(&'i str) -> IResult<&'i str, F>,
) -> impl FnMut(&'i str) -> IResult<&'i str, Path<F>> {
    move |input| {
        let (input, group) = opt(|input| group(&mut filter, input)).parse(input)?;
        let (input, segment) = segment_name(input)?;
        let (input, occurrence) = select(&mut filter)(input)?;
        let (input, field) = opt(preceded(char('-'), number)).parse(input)?;
        let mut path = Path {
            group,
            segment: segment.to_owned(),
            occurrence,
            field,
            repetition: None,
            component: None,
            subcomponent: None,
        };
        if field.is_none() {
            return Ok((input, path));
        }
        let (input, repetition) = select(&mut filter)(input)?;
        path.repetition = match repetition {
            Select::First => None,
            given => Some(given),
        };
        let (input, below) =
            opt((preceded(char('.'), number), opt(preceded(char('.'), number)))).parse(input)?;
        if let Some((component, subcomponent)) = below {
            path.component = Some(component);
            path.subcomponent = subcomponent;
        }
        Ok((input, path))
    }
}

/// A parser of what stands in brackets after a name, or of nothing, which is [`Select::First`].
pub fn select<'i, F>(
    mut filter: impl FnMut(&'i str) -> IResult<&'i str, F>,
) -> impl FnMut(&'i str) -> IResult<&'i str, Select<F>> {
    move |input| {
        let (input, open) = opt((char('['), multispace0)).parse(input)?;
        if open.is_none() {
            return Ok((input, Select::First));
        }
        let (input, selected) = selected(&mut filter, input)?;
        let (input, _) = (multispace0, char(']')).parse(input)?;
        Ok((input, selected))
    }
}

fn selected<'i, F>(
    filter: &mut impl FnMut(&'i str) -> IResult<&'i str, F>,
    input: &'i str,
) -> IResult<&'i str, Select<F>> {
    let (rest, all) = opt(terminated(char('*'), multispace0)).parse(input)?;
    let (rest, condition) = opt((tag("where"), multispace1)).parse(rest)?;
    match (all.is_some(), condition.is_some()) {
        (true, true) => filter(rest).map(|(rest, condition)| (rest, Select::AllWhere(condition))),
        (false, true) => filter(rest).map(|(rest, condition)| (rest, Select::Where(condition))),
        (true, false) => Ok((rest, Select::All)),
        (false, false) => alt((
            tag("last").map(|_| Select::Last),
            char('+').map(|_| Select::Append),
            number.map(Select::Nth),
        ))
        .parse(rest),
    }
}

/// `ORDER_OBSERVATION[2].`, when a segment follows.
fn group<'i, F>(
    filter: &mut impl FnMut(&'i str) -> IResult<&'i str, F>,
    input: &'i str,
) -> IResult<&'i str, (String, Select<F>)> {
    let (input, name) = verify(
        recognize((
            take_while_m_n(1, 1, |letter: char| letter.is_ascii_uppercase()),
            take_while1(is_name_character),
        )),
        |name: &str| name.len() > 3,
    )
    .parse(input)?;
    let (input, selected) = select(filter)(input)?;
    let (input, _) = terminated(char('.'), peek(segment_name)).parse(input)?;
    Ok((input, (name.to_owned(), selected)))
}

/// A letter and two letters or digits, and the end of the word.
fn segment_name(input: &str) -> IResult<&str, &str> {
    let letter = take_while_m_n(1, 1, |letter: char| letter.is_ascii_uppercase());
    let rest = take_while_m_n(2, 2, |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit());
    terminated(
        recognize((letter, rest)),
        not(take_while_m_n(1, 1, |next: char| next.is_alphanumeric() || next == '_')),
    )
    .parse(input)
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_'
}

/// A number from 1 up.
fn number(input: &str) -> IResult<&str, usize> {
    digit1.map_opt(|digits: &str| digits.parse().ok().filter(|&number| number > 0)).parse(input)
}

#[cfg(test)]
mod tests {
    use nom::bytes::complete::take_while;
    use proptest::prelude::*;

    use super::*;

    fn empty(segment: &str) -> Path<String> {
        Path {
            group: None,
            segment: segment.into(),
            occurrence: Select::First,
            field: None,
            repetition: None,
            component: None,
            subcomponent: None,
        }
    }

    /// A filter that is any text up to the bracket.
    fn filter(input: &str) -> IResult<&str, String> {
        take_while(|character| character != ']').map(str::to_owned).parse(input)
    }

    fn read(text: &str) -> Option<(Path<String>, &str)> {
        path(filter)(text).ok().map(|(rest, path)| (path, rest))
    }

    #[test]
    fn all_forms_of_a_path() {
        let table = [
            ("PID", empty("PID")),
            ("PID-5", Path { field: Some(5), ..empty("PID") }),
            ("PID-5.1", Path { field: Some(5), component: Some(1), ..empty("PID") }),
            ("PID-5.1.2", Path { field: Some(5), component: Some(1), subcomponent: Some(2), ..empty("PID") }),
            (
                "PID-3[2].1",
                Path { field: Some(3), repetition: Some(Select::Nth(2)), component: Some(1), ..empty("PID") },
            ),
            ("PID-3[last]", Path { field: Some(3), repetition: Some(Select::Last), ..empty("PID") }),
            (
                "PID-3[*].4",
                Path { field: Some(3), repetition: Some(Select::All), component: Some(4), ..empty("PID") },
            ),
            ("PID-3[+]", Path { field: Some(3), repetition: Some(Select::Append), ..empty("PID") }),
            ("OBX[3]-5", Path { occurrence: Select::Nth(3), field: Some(5), ..empty("OBX") }),
            (
                "OBX[3]-5[2].1",
                Path {
                    occurrence: Select::Nth(3),
                    field: Some(5),
                    repetition: Some(Select::Nth(2)),
                    component: Some(1),
                    ..empty("OBX")
                },
            ),
            (
                "ORDER_OBSERVATION[2].OBR-4",
                Path {
                    group: Some(("ORDER_OBSERVATION".into(), Select::Nth(2))),
                    field: Some(4),
                    ..empty("OBR")
                },
            ),
            (
                "PATIENT.PID-3",
                Path { group: Some(("PATIENT".into(), Select::First)), field: Some(3), ..empty("PID") },
            ),
            (
                "PID-3[where .5 = 'MR'].1",
                Path {
                    field: Some(3),
                    repetition: Some(Select::Where(".5 = 'MR'".into())),
                    component: Some(1),
                    ..empty("PID")
                },
            ),
            (
                "OBX[* where OBX-2 = 'NM']",
                Path { occurrence: Select::AllWhere("OBX-2 = 'NM'".into()), ..empty("OBX") },
            ),
            ("ZA1-1", Path { field: Some(1), ..empty("ZA1") }),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), Some((expected, "")), "{text}");
        }
    }

    #[test]
    fn a_path_ends_where_it_ends() {
        for (text, rest) in
            [("PID-5 | upper", " | upper"), ("PID - 5", " - 5"), ("PID-5.family", ".family"), ("PID-0", "-0")]
        {
            assert_eq!(read(text).map(|(_, rest)| rest), Some(rest), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_path() {
        for text in [
            "",
            "pid-5",
            "PI-5",
            "PIDX",
            "PID_5",
            "1ID",
            "PID-5[",
            "PID-5[0]",
            "PID-5[1",
            "PID-5[x]",
            "message.type",
        ] {
            assert_eq!(read(text), None, "{text}");
            assert_eq!(text.parse::<Path<Infallible>>(), Err(InvalidPath));
        }
        assert!("PID-3[where x]".parse::<Path<Infallible>>().is_err());
        assert!("PID-99999999999999999999999".parse::<Path<Infallible>>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Z_0-9\\[\\].*+ \\-]{0,24}|\\PC{0,24}") {
            let _ = read(&text);
        }
    }
}
