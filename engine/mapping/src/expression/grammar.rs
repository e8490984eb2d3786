//! The grammar of expressions, by nom.
//!
//! From loose to tight: `or`, `and`, `not`, comparison, pipe, value. Paths are parsed by the HL7 crate's own grammar, which is given
//! this one for its filters. Where a parser has committed itself (after an operator, an opening bracket) failure is final, so that the
//! error points where the text stopped making sense.

use std::cell::Cell;
use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, digit1, multispace0, one_of, satisfy};
use nom::combinator::{all_consuming, cut, map, not, opt, peek, recognize, value, verify};
use nom::error::{Error, ErrorKind};
use nom::multi::{many0, many0_count, separated_list0};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};
use orderly_hl7v2::path::{self as hl7, Select};

use super::{
    Each, Expression, Kind, Member, Operator, Over, Part, Presence, Reference, Step, SyntaxError, Word,
};

/// How deep brackets, filters and `not` may nest: more than any rule needs, and far less than the stack holds.
const DEPTH_MAX: u32 = 24;

/// A condition: `PID-8 is present and PID-8 not in ['M', 'F']`.
pub(crate) fn condition(text: &str) -> Result<Expression, SyntaxError> {
    let grammar = Grammar::of(text);
    grammar.whole(text, |i| grammar.expression(i))
}

/// A lone path, as the target of a `set` or what a `delete` names.
pub(crate) fn path(text: &str) -> Result<Expression, SyntaxError> {
    let grammar = Grammar::of(text);
    grammar.whole(text, |i| grammar.reference(i))
}

/// The name of a group, when it is nothing else.
pub(crate) fn group_name(text: &str) -> Option<&str> {
    all_consuming(group).parse(text.trim()).ok().map(|(_, name)| name)
}

/// What an `each` walks over: `OBX as result where OBX-2 = 'NM'`.
pub(crate) fn each(text: &str) -> Result<Each, SyntaxError> {
    let grammar = Grammar::of(text);
    grammar.whole(text, |i| {
        let name = preceded(|i| grammar.word(i, "as"), cut(|i| grammar.name(i)));
        let filter = preceded(|i| grammar.word(i, "where"), cut(|i| grammar.expression(i)));
        let over =
            alt((map(group, |name| Over::Group(name.to_owned())), map(|i| grammar.reference(i), Over::Path)));
        let parts = (over, opt(name), opt(filter));
        map(parts, |(over, name, filter)| Each { over, name, filter }).parse(i)
    })
}

/// A text with `${...}` in it; `$${` is a literal `${`.
pub(crate) fn template(text: &str) -> Result<Vec<Part>, SyntaxError> {
    let grammar = Grammar::of(text);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, opening) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let start = grammar.offset(rest);
        if let Some(escaped) = before.strip_suffix('$') {
            grammar.literal(&mut parts, start, &format!("{escaped}${{"));
            rest = opening.get(2..).unwrap_or_default();
            continue;
        }
        grammar.literal(&mut parts, start, before);
        let (after, expression) = grammar.braces(opening)?;
        parts.push(Part::Expression(expression));
        rest = after;
    }
    grammar.literal(&mut parts, grammar.offset(rest), rest);
    Ok(parts)
}

/// The parser's state: the length of the whole text gives offsets, the depth its limit.
struct Grammar {
    length: usize,
    depth: Cell<u32>,
}

type Parsed<'i, T> = IResult<&'i str, T>;

impl Grammar {
    fn of(text: &str) -> Grammar {
        Grammar { length: text.len(), depth: Cell::new(0) }
    }

    fn offset(&self, rest: &str) -> usize {
        self.length.saturating_sub(rest.len())
    }

    fn range(&self, from: &str, rest: &str) -> Range<usize> {
        // Blanks before the next token belong to nobody.
        let taken = from.len().saturating_sub(rest.len());
        let trimmed = from.get(..taken).map_or(taken, |taken| taken.trim_end().len());
        self.offset(from)..self.offset(from) + trimmed
    }

    fn whole<'i, T>(
        &self,
        text: &'i str,
        mut parser: impl FnMut(&'i str) -> Parsed<'i, T>,
    ) -> Result<T, SyntaxError> {
        let start = text.trim_start();
        match parser(start) {
            Ok((rest, parsed)) if rest.trim_start().is_empty() => Ok(parsed),
            Ok((rest, _)) => Err(self.error(rest, ErrorKind::Eof)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The expression of `${ ... }`, and what follows it.
    fn braces<'i>(&self, opening: &'i str) -> Result<(&'i str, Expression), SyntaxError> {
        let start = opening.get(2..).unwrap_or_default();
        let unclosed = |rest: &str| {
            let range = self.offset(opening)..self.offset(rest.trim_end());
            let message = "this `${` is not closed".to_owned();
            let help = Some("end the expression with `}`".to_owned());
            SyntaxError { range, message, help, unclosed: true }
        };
        match self.expression(start.trim_start()) {
            Ok((rest, expression)) => match rest.strip_prefix('}') {
                Some(after) => Ok((after, expression)),
                None if rest.is_empty() => Err(unclosed(rest)),
                None => Err(self.error(rest, ErrorKind::Eof)),
            },
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) if error.input.trim().is_empty() => {
                Err(unclosed(error.input))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn literal(&self, parts: &mut Vec<Part>, start: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Part::Literal(word)) = parts.last_mut() {
            word.text.push_str(text);
            word.range.end = start + text.len();
            return;
        }
        parts.push(Part::Literal(Word { range: start..start + text.len(), text: text.to_owned() }));
    }

    fn expression<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        self.deeper(i, |i| {
            self.chain(i, "or", Kind::Or, |i| self.chain(i, "and", Kind::And, |i| self.negation(i)))
        })
    }

    fn chain<'i>(
        &self,
        i: &'i str,
        word: &'static str,
        kind: fn(Vec<Expression>) -> Kind,
        part: impl Fn(&'i str) -> Parsed<'i, Expression>,
    ) -> Parsed<'i, Expression> {
        let (rest, first) = part(i)?;
        let (rest, others) = many0(preceded(|i| self.word(i, word), cut(&part))).parse(rest)?;
        if others.is_empty() {
            return Ok((rest, first));
        }
        let parts = std::iter::once(first).chain(others).collect();
        Ok((rest, Expression { range: self.range(i, rest), kind: kind(parts) }))
    }

    fn negation<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        let (rest, nots) = many0_count(|i| self.word(i, "not")).parse(i)?;
        if nots == 0 {
            return self.comparison(i);
        }
        let (rest, negated) = cut(|i| self.comparison(i)).parse(rest)?;
        let kind = if nots % 2 == 0 { negated.kind } else { Kind::Not(Box::new(negated)) };
        Ok((rest, Expression { range: self.range(i, rest), kind }))
    }

    fn comparison<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        let (rest, left) = self.pipe(i)?;
        let (rest, kind) = alt((
            map(|i| self.compare(i), |(operator, right)| Tail::Compare(operator, right)),
            map(preceded(|i| self.word(i, "in"), cut(|i| self.pipe(i))), |list| Tail::In(list, false)),
            map(preceded((|i| self.word(i, "not"), |i| self.word(i, "in")), cut(|i| self.pipe(i))), |list| {
                Tail::In(list, true)
            }),
            map(preceded(|i| self.word(i, "matches"), cut(|i| self.pattern(i))), Tail::Matches),
            map(preceded(|i| self.word(i, "is"), cut(|i| self.presence(i))), |(negated, presence)| {
                Tail::Is(presence, negated)
            }),
            |i| Ok((i, Tail::Nothing)),
        ))
        .parse(rest)?;
        let expression = match kind {
            Tail::Nothing => left,
            tail => Expression { range: self.range(i, rest), kind: tail.with(left) },
        };
        Ok((rest, expression))
    }

    fn compare<'i>(&self, i: &'i str) -> Parsed<'i, (Operator, Expression)> {
        let operator = alt((
            value(Operator::NotEqual, tag("!=")),
            value(Operator::LessOrEqual, tag("<=")),
            value(Operator::GreaterOrEqual, tag(">=")),
            value(Operator::Equal, terminated(tag("="), not(char('=')))),
            value(Operator::Less, terminated(tag("<"), not(char('>')))),
            value(Operator::Greater, tag(">")),
        ));
        pair(terminated(operator, multispace0), cut(|i| self.pipe(i))).parse(i)
    }

    fn presence<'i>(&self, i: &'i str) -> Parsed<'i, (bool, Presence)> {
        let negated = map(opt(|i| self.word(i, "not")), |not| not.is_some());
        let presence = alt((
            value(Presence::Present, |i| self.word(i, "present")),
            value(Presence::Empty, |i| self.word(i, "empty")),
            value(Presence::Null, |i| self.word(i, "null")),
            // The kind tells `explain` what was expected here.
            |i| Err(nom::Err::Error(Error::new(i, ErrorKind::IsNot))),
        ));
        pair(negated, presence).parse(i)
    }

    fn pattern<'i>(&self, i: &'i str) -> Parsed<'i, Word> {
        let escaped = recognize(preceded(char('\\'), satisfy(|_| true)));
        let plain = take_while1(|c| c != '/' && c != '\\');
        let body = recognize(many0_count(alt((escaped, plain))));
        let kind =
            |error: nom::Err<Error<&'i str>>| error.map(|e| Error::new(e.input, ErrorKind::RegexpMatch));
        let (rest, text) = delimited(char('/'), body, char('/')).parse(i).map_err(kind)?;
        let range = self.range(i, rest);
        // Only the delimiter is ours; every other escape is the pattern's.
        let text = text.replace("\\/", "/");
        Ok((rest.trim_start(), Word { range, text }))
    }

    fn pipe<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        let (mut rest, mut left) = self.primary(i)?;
        loop {
            let (after, piped) = opt(terminated(char('|'), (not(char('|')), multispace0))).parse(rest)?;
            if piped.is_none() {
                return Ok((rest, left));
            }
            let (after, function) = cut(|i| self.name(i)).parse(after)?;
            let (after, arguments) = opt(|i| self.arguments(i)).parse(after)?;
            let arguments = arguments.unwrap_or_default();
            let kind = Kind::Call { value: Some(Box::new(left)), function, arguments };
            left = Expression { range: self.range(i, after), kind };
            rest = after;
        }
    }

    fn primary<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        let located = |parsed: Parsed<'i, Kind>| {
            let (rest, kind) = parsed?;
            let rest = rest.trim_start();
            Ok((rest, Expression { range: self.range(i, rest), kind }))
        };
        match i.chars().next() {
            Some('\'') => located(map(|i| self.text(i), Kind::Text).parse(i)),
            Some('0'..='9' | '-') => located(map(number, |text| Kind::Number(text.to_owned())).parse(i)),
            Some('[') => located(map(|i| self.list(i, '[', ']'), Kind::List).parse(i)),
            Some('(') => {
                let inner = preceded((char('('), multispace0), cut(|i| self.expression(i)));
                let (rest, inner) = terminated(inner, cut((char(')'), multispace0))).parse(i)?;
                Ok((rest, Expression { range: self.range(i, rest), kind: inner.kind }))
            }
            Some('a'..='z') => alt((|i| self.null(i), |i| self.call(i), |i| self.reference(i))).parse(i),
            _ => self.reference(i),
        }
    }

    fn null<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        let (rest, ()) = self.word(i, "null")?;
        Ok((rest, Expression { range: self.range(i, rest), kind: Kind::Null }))
    }

    fn call<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        let (rest, function) = self.name(i)?;
        let (rest, arguments) = self.arguments(rest)?;
        let kind = Kind::Call { value: None, function, arguments };
        Ok((rest, Expression { range: self.range(i, rest), kind }))
    }

    fn arguments<'i>(&self, i: &'i str) -> Parsed<'i, Vec<Expression>> {
        terminated(|i| self.list(i, '(', ')'), multispace0).parse(i)
    }

    fn list<'i>(&self, i: &'i str, open: char, close: char) -> Parsed<'i, Vec<Expression>> {
        let comma = (char(','), multispace0);
        let item = |i| {
            peek(not(char(close))).parse(i)?;
            self.argument(i)
        };
        preceded((char(open), multispace0), cut(terminated(separated_list0(comma, item), char(close))))
            .parse(i)
    }

    /// An argument is an expression, or a pattern where a function takes one.
    fn argument<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        if !i.starts_with('/') || starts_document(i) {
            return self.expression(i);
        }
        let (rest, pattern) = self.pattern(i)?;
        let range = pattern.range.clone();
        Ok((rest, Expression { range, kind: Kind::Pattern(pattern) }))
    }

    fn text<'i>(&self, i: &'i str) -> Parsed<'i, String> {
        let quoted = many0(alt((value("'", tag("''")), take_while1(|c| c != '\''))));
        let kind = |error: nom::Err<Error<&'i str>>| error.map(|_| Error::new(i, ErrorKind::Escaped));
        let body = preceded(char('\''), cut(terminated(quoted, char('\''))));
        map(body, |parts: Vec<&str>| parts.concat()).parse(i).map_err(kind)
    }

    /// A path or a name.
    fn reference<'i>(&self, i: &'i str) -> Parsed<'i, Expression> {
        let parsed = match i.chars().next() {
            Some('/') if starts_document(i) => self.document(i, false),
            Some('.') if i.starts_with("./") => self.document(i.trim_start_matches('.'), true),
            Some('.') => alt((
                map(|i| self.steps(i, '.'), Reference::Below),
                map(|i| self.members_below(i), Reference::Member),
            ))
            .parse(i),
            Some('$') => self.named(i),
            Some('A'..='Z') => {
                map(|i| self.hl7(i), |path| Reference::Hl7 { received: false, path: Box::new(path) }).parse(i)
            }
            Some('a'..='z') => alt((
                map(preceded(tag("input."), |i| self.hl7(i)), |path| Reference::Hl7 {
                    received: true,
                    path: Box::new(path),
                }),
                map(|i| self.members(i), Reference::Record),
            ))
            .parse(i),
            _ => Err(nom::Err::Error(Error::new(i, ErrorKind::Alt))),
        };
        let (rest, reference) = parsed?;
        let rest = rest.trim_start();
        Ok((rest, Expression { range: self.range(i, rest), kind: Kind::Reference(reference) }))
    }

    /// `/name[select]/name/@attribute`
    fn document<'i>(&self, i: &'i str, below: bool) -> Parsed<'i, Reference> {
        let step = |i| {
            let (rest, name) = element_name(i)?;
            let range = self.range(i, rest);
            let (rest, select) = self.select(rest)?;
            Ok((rest, Member { name: name.to_owned(), range, select }))
        };
        let (mut rest, mut steps) = (i, Vec::new());
        while let Some(after) = rest.strip_prefix('/').filter(|after| !after.starts_with('@')) {
            let (after, member) = cut(step).parse(after)?;
            steps.push(member);
            rest = after;
        }
        let (rest, attribute) = opt(preceded(tag("/@"), cut(element_name))).parse(rest)?;
        let attribute = attribute.map(str::to_owned);
        Ok((rest, Reference::Document { below, steps, attribute }))
    }

    fn hl7<'i>(&self, i: &'i str) -> Parsed<'i, hl7::Path<Expression>> {
        // What fails within the name was no path at all; what fails later is told where it fails.
        let whole = |error: nom::Err<Error<&'i str>>| {
            error.map(|error| {
                let is_name = i.len().saturating_sub(error.input.len()) <= 3;
                Error::new(if is_name { i } else { error.input }, error.code)
            })
        };
        hl7::path(|i| self.expression(i)).parse(i).map_err(whole)
    }

    fn named<'i>(&self, i: &'i str) -> Parsed<'i, Reference> {
        let at_sign = |error: nom::Err<Error<&'i str>>| error.map(|error| Error::new(i, error.code));
        let (rest, name) = preceded(char('$'), identifier).parse(i).map_err(at_sign)?;
        let steps = alt((|i| self.steps(i, '-'), |i| self.steps(i, '.'))).parse(rest);
        if let Ok((after, steps)) = steps {
            return Ok((after, Reference::NamedBelow { name: name.to_owned(), steps }));
        }
        if let Ok((after, members)) = self.members_below(rest) {
            return Ok((after, Reference::NamedMember { name: name.to_owned(), members }));
        }
        Ok((rest, Reference::Named(name.to_owned())))
    }

    /// `-5[2].1`, `.5.1`: the first number after `lead`, the others after a dot.
    fn steps<'i>(&self, i: &'i str, lead: char) -> Parsed<'i, Vec<Step>> {
        let step = |i| {
            let (rest, number) = verify(digit1, |digits: &str| digits.len() <= 4).parse(i)?;
            let (rest, select) = self.select(rest)?;
            Ok((rest, Step { number: number.parse().unwrap_or(0), select }))
        };
        let (rest, first) = preceded(char(lead), step).parse(i)?;
        let (rest, others) = many0(preceded((char('.'), peek(digit1)), step).map(|step| step)).parse(rest)?;
        Ok((rest, std::iter::once(first).chain(others).collect()))
    }

    fn members_below<'i>(&self, i: &'i str) -> Parsed<'i, Vec<Member>> {
        preceded(char('.'), |i| self.members(i)).parse(i)
    }

    fn members<'i>(&self, i: &'i str) -> Parsed<'i, Vec<Member>> {
        let (mut rest, first) = self.member(i)?;
        let mut members = vec![first];
        while let Some(after) = rest.strip_prefix('.') {
            let (after, member) = cut(|i| self.member(i)).parse(after)?;
            members.push(member);
            rest = after;
        }
        Ok((rest, members))
    }

    fn member<'i>(&self, i: &'i str) -> Parsed<'i, Member> {
        let (rest, name) = identifier(i)?;
        let range = self.range(i, rest);
        let (rest, select) = self.select(rest)?;
        Ok((rest, Member { name: name.to_owned(), range, select }))
    }

    /// What stands in brackets, if there are any.
    fn select<'i>(&self, i: &'i str) -> Parsed<'i, Option<Box<Select<Expression>>>> {
        let some = |select| match select {
            Select::First => None,
            select => Some(Box::new(select)),
        };
        map(hl7::select(|i| self.expression(i)), some).parse(i)
    }

    /// A keyword and the blanks after it; `order` is not `or`.
    fn word<'i>(&self, i: &'i str, word: &'static str) -> Parsed<'i, ()> {
        let boundary = not(satisfy(|c| c.is_ascii_alphanumeric() || c == '_'));
        value((), (tag(word), boundary, multispace0)).parse(i)
    }

    fn name<'i>(&self, i: &'i str) -> Parsed<'i, Word> {
        let (rest, name) = identifier(i)?;
        let range = self.range(i, rest);
        Ok((rest.trim_start(), Word { range, text: name.to_owned() }))
    }

    fn deeper<'i, T>(&self, i: &'i str, parser: impl Fn(&'i str) -> Parsed<'i, T>) -> Parsed<'i, T> {
        if self.depth.get() >= DEPTH_MAX {
            return Err(nom::Err::Failure(Error::new(i, ErrorKind::TooLarge)));
        }
        self.depth.set(self.depth.get() + 1);
        let parsed = parser(i);
        self.depth.set(self.depth.get() - 1);
        parsed
    }

    fn failed(&self, error: nom::Err<Error<&str>>) -> SyntaxError {
        match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => self.error(error.input, error.code),
            nom::Err::Incomplete(_) => self.error("", ErrorKind::Eof),
        }
    }

    fn error(&self, rest: &str, kind: ErrorKind) -> SyntaxError {
        let start = self.offset(rest);
        let token = rest.split([' ', '\n', '}', ')', ']', ',']).next().unwrap_or_default();
        let length =
            if token.is_empty() { rest.chars().next().map_or(0, char::len_utf8) } else { token.len() };
        let found = rest.get(..length).unwrap_or_default();
        let (message, help) = explain(rest, found, kind);
        SyntaxError {
            range: start..start + length,
            message,
            help: help.map(str::to_owned),
            unclosed: kind == ErrorKind::Escaped,
        }
    }
}

/// What may follow a value in a comparison.
enum Tail {
    Nothing,
    Compare(Operator, Expression),
    In(Expression, bool),
    Matches(Word),
    Is(Presence, bool),
}

impl Tail {
    fn with(self, left: Expression) -> Kind {
        let value = Box::new(left);
        match self {
            Tail::Nothing => value.kind,
            Tail::Compare(operator, right) => Kind::Compare { operator, left: value, right: Box::new(right) },
            Tail::In(list, negated) => Kind::In { value, list: Box::new(list), negated },
            Tail::Matches(pattern) => Kind::Matches { value, pattern },
            Tail::Is(presence, negated) => Kind::Is { value, presence, negated },
        }
    }
}

/// One sentence about what is wrong at `rest`, and what to do where that can be told.
fn explain(rest: &str, found: &str, kind: ErrorKind) -> (String, Option<&'static str>) {
    if found.is_empty() {
        return ("the expression ends too early".to_owned(), None);
    }
    let message = match kind {
        _ if found == "}" => "something is missing before this".to_owned(),
        ErrorKind::TooLarge => format!("brackets and filters nest deeper than {DEPTH_MAX} levels"),
        ErrorKind::Escaped => "this text is not closed".to_owned(),
        ErrorKind::RegexpMatch => "a pattern stands between slashes".to_owned(),
        ErrorKind::IsNot => format!("`{found}` is neither present, empty nor null"),
        _ => format!("`{found}` is not understood here"),
    };
    let help = match kind {
        ErrorKind::Escaped => Some("end it with a single quote; a quote within is written ''"),
        ErrorKind::RegexpMatch => Some("write it like matches /^[0-9]+$/"),
        ErrorKind::IsNot => Some("write is present, is empty or is null"),
        _ => habit(rest),
    };
    (message, help)
}

/// What people write who come from other languages.
fn habit(rest: &str) -> Option<&'static str> {
    if rest.starts_with(|c: char| c.is_ascii_uppercase()) {
        return Some("a text stands in single quotes; a path is written like PID-3.1");
    }
    let habits = [
        ("/", "a path into a document begins with /ClinicalDocument/"),
        ("==", "equality is written ="),
        ("<>", "inequality is written !="),
        ("&&", "write and"),
        ("||", "write or"),
        ("!", "write not"),
        ("\"", "a text stands in single quotes"),
        ("-", "numbers count from 1, and segments have capital letters: PID-8"),
        ("${", "a condition is written without ${ }"),
    ];
    habits.iter().find(|(sign, _)| rest.starts_with(sign)).map(|(_, help)| *help)
}

fn number(i: &str) -> Parsed<'_, &str> {
    recognize((opt(char('-')), digit1, opt((char('.'), digit1)))).parse(i)
}

/// The name of a group, where no segment follows: a capital letter and more than two further characters.
fn group(i: &str) -> Parsed<'_, &str> {
    let name = take_while1(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    terminated(verify(name, |name: &str| name.len() > 3), (not(one_of(".[")), multispace0)).parse(i)
}

/// Whether a path into a document begins here, and not a pattern between slashes.
fn starts_document(i: &str) -> bool {
    i.strip_prefix("/ClinicalDocument").is_some_and(|rest| {
        let rest = rest.strip_prefix('/').map_or(rest, |below| below.trim_start_matches('@'));
        !rest.starts_with([',', ')', '/', '\\'])
    })
}

/// The name of an element or an attribute, with the prefix of HL7's extensions or of a type.
fn element_name(i: &str) -> Parsed<'_, &str> {
    let first = satisfy(|c| c.is_ascii_alphabetic() || c == '_');
    recognize(pair(first, take_while(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':')))).parse(i)
}

fn identifier(i: &str) -> Parsed<'_, &str> {
    let first = satisfy(|c| c.is_ascii_lowercase() || c == '_');
    recognize(pair(first, take_while(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')))
        .parse(i)
}
