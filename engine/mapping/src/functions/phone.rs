//! Phone numbers in one form, whatever form they were written in: `phone('US')` gives `+15550100199`.
//!
//! The country says what its numbers look like when nothing is said: how they are dialled within it, and how long they are. What is no
//! number of any country stays as it is, and the message gets a note.

use orderly_hl7v2::{Level, View};

use super::{Function, Gives, Pipe, Takes, note};
use crate::member::Member;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::Value;
use crate::yaml::Span;

pub(super) const PHONE: Function = Function {
    name: "phone",
    usage: "phone('US', 'text')",
    takes: Takes::Whole("value"),
    gives: Gives::Same,
    arguments: (1, 2),
    build: |arguments| {
        let code = arguments.text(0)?;
        let form = match arguments.has(1).then(|| arguments.text(1)) {
            None | Some(Some("e164")) => Form::E164,
            Some(Some("text")) => Form::Text,
            Some(Some("country")) => Form::Country,
            Some(Some("area")) => Form::Area,
            Some(Some("local")) => Form::Local,
            Some(Some("extension")) => Form::Extension,
            Some(_) => {
                arguments.wrong(1, "'e164', 'text', 'country', 'area', 'local' or 'extension'");
                return None;
            }
        };
        let Some(home) = COUNTRIES.iter().find(|country| country.code == code) else {
            let message = format!("the numbers of `{code}` are not known here");
            let codes: Vec<&str> = COUNTRIES.iter().map(|country| country.code).collect();
            let help = format!("there are {}", codes.join(", "));
            arguments.problems.error("mapping-country", &arguments.span(0), message).help(help);
            return None;
        };
        Some(Box::new(Phone { home, form, place: arguments.node.span.clone() }))
    },
};

/// How a country's numbers look.
#[derive(Debug)]
struct Country {
    /// ISO 3166-1.
    code: &'static str,
    calling: &'static str,
    /// What is dialled before a number within the country, and is no part of it.
    trunk: &'static str,
    /// What is dialled before another country's calling code.
    abroad: &'static str,
    /// The fewest and the most digits without calling code and trunk prefix.
    digits: (usize, usize),
    /// The fewest digits of a number without its trunk prefix that is none dialled within one area: those are shorter, and nobody knows of
    /// which area they are. Where nothing is dialled without its area, the fewest of all.
    bare: usize,
}

const fn country(
    code: &'static str,
    calling: &'static str,
    trunk: &'static str,
    abroad: &'static str,
    digits: (usize, usize),
) -> Country {
    Country { code, calling, trunk, abroad, digits, bare: digits.0 }
}

const fn with_areas(country: Country, bare: usize) -> Country {
    Country { bare, ..country }
}

/// Facts of the ITU's national numbering plans.
static COUNTRIES: [Country; 34] = [
    country("US", "1", "1", "011", (10, 10)),
    country("CA", "1", "1", "011", (10, 10)),
    country("PR", "1", "1", "011", (10, 10)),
    country("AE", "971", "0", "00", (8, 9)),
    country("AR", "54", "0", "00", (10, 11)),
    with_areas(country("AT", "43", "0", "00", (4, 13)), 10),
    country("AU", "61", "0", "0011", (9, 9)),
    country("BE", "32", "0", "00", (8, 9)),
    country("BR", "55", "0", "00", (10, 11)),
    country("CH", "41", "0", "00", (9, 9)),
    country("CN", "86", "0", "00", (9, 11)),
    country("CZ", "420", "", "00", (9, 9)),
    with_areas(country("DE", "49", "0", "00", (5, 12)), 10),
    country("DK", "45", "", "00", (8, 8)),
    country("ES", "34", "", "00", (9, 9)),
    with_areas(country("FI", "358", "0", "00", (5, 11)), 9),
    country("FR", "33", "0", "00", (9, 9)),
    country("GB", "44", "0", "00", (9, 10)),
    with_areas(country("IE", "353", "0", "00", (7, 9)), 8),
    country("IL", "972", "0", "00", (8, 9)),
    country("IN", "91", "0", "00", (10, 10)),
    country("IT", "39", "", "00", (6, 11)),
    country("JP", "81", "0", "010", (9, 10)),
    with_areas(country("KR", "82", "0", "00", (8, 10)), 9),
    country("LU", "352", "", "00", (4, 9)),
    country("MX", "52", "", "00", (10, 10)),
    country("NL", "31", "0", "00", (9, 9)),
    country("NO", "47", "", "00", (8, 8)),
    country("NZ", "64", "0", "00", (8, 10)),
    country("PL", "48", "", "00", (9, 9)),
    country("PT", "351", "", "00", (9, 9)),
    with_areas(country("SE", "46", "0", "00", (7, 10)), 9),
    country("SG", "65", "", "00", (8, 8)),
    country("ZA", "27", "0", "00", (9, 9)),
];

#[derive(Debug, Clone, Copy)]
enum Form {
    /// ITU-T E.164: `+15550100199`.
    E164,
    /// As people write it, with the extension.
    Text,
    Country,
    /// Only North America tells it from the local number by its length.
    Area,
    Local,
    Extension,
}

#[derive(Debug)]
struct Phone {
    home: &'static Country,
    form: Form,
    place: Span,
}

impl Pipe for Phone {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        let value = match value {
            Value::List(values) => {
                let each = values.into_iter().map(|value| self.apply(value, scope));
                return Ok(Value::List(each.collect::<Result<_, _>>()?));
            }
            Value::View(view) => of_view(view, self.home),
            Value::Member(member) => match member.get("value") {
                Some(Member::Text(text)) => Value::text(text.to_string()),
                _ => Value::Empty,
            },
            value => value,
        };
        value.each_text(&|text| match Number::read(&text, self.home) {
            Some(number) => Ok(Value::text(number.write(self.form))),
            None => {
                let why = "a value is not a phone number and stays as it is";
                note(scope, "mapping-not-a-phone-number", why, &self.place);
                Ok(Value::Text(text))
            }
        })
    }
}

/// The number in a whole XTN: as it is to be dialled (.12), from its parts (.5 to .8), or in the old form (.1).
fn of_view<'s>(view: View<'s>, home: &Country) -> Value<'s> {
    let view = match view.level() {
        Level::Field => view.child(1),
        Level::Repetition => view,
        Level::Component | Level::Subcomponent => return Value::View(view),
    };
    let text = |number: usize| Value::View(view.child(number)).scalar().present().unwrap_or_default();
    if !text(12).is_empty() {
        return Value::text(text(12));
    }
    if text(7).is_empty() {
        return Value::View(view.child(1));
    }
    let area = text(6);
    let digits = area.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let country = match text(5) {
        // With its area it is no local number, whether the trunk prefix stands before the area or not.
        country if country.is_empty() && !digits.is_empty() && !digits.starts_with(home.trunk) => {
            home.trunk.to_owned()
        }
        country if country.is_empty() => String::new(),
        country => format!("+{} ", country.trim_start_matches(['+', '0'])),
    };
    let extension = match text(8) {
        extension if extension.is_empty() => String::new(),
        extension => format!(" x{extension}"),
    };
    Value::text(format!("{country}{area} {}{extension}", text(7)))
}

/// A number of a country.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    calling: &'static str,
    national: String,
    extension: String,
}

/// The most characters of a number, with its extension and blanks: more than any has, so that a note is not taken for one.
const CHARACTERS_MAX: usize = 48;

impl Number {
    fn read(text: &str, home: &'static Country) -> Option<Number> {
        let text = text.trim();
        if text.chars().count() > CHARACTERS_MAX {
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let lower = lower.strip_prefix("tel:").unwrap_or(&lower);
        let (number, extension) = extended(lower);
        let extension: String = extension.chars().filter(char::is_ascii_digit).collect();
        let is_written =
            |letter: char| letter.is_ascii_digit() || " ()+-./\u{a0}\u{2011}\u{2013}".contains(letter);
        if !number.chars().all(is_written) {
            return None;
        }
        // `+44 (0)20`: the prefix that is not dialled from abroad.
        let number = if number.contains('+') { number.replace("(0)", "") } else { number.to_owned() };
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let abroad = match number.trim_start_matches(['(', ' ']).starts_with('+') {
            true => Some(digits.as_str()),
            false => digits.strip_prefix(home.abroad),
        };
        let (calling, national) = match abroad {
            Some(abroad) => of_any_country(abroad)?,
            None => (home.calling, home.dialled(&digits)?),
        };
        Some(Number { calling, national: national.to_owned(), extension })
    }

    fn write(&self, form: Form) -> String {
        let Number { calling, national, extension } = self;
        // The North American plan: three digits of area, seven of the number.
        let (area, local) = match *calling {
            "1" => national.split_at_checked(3).unwrap_or(("", national)),
            _ => ("", national.as_str()),
        };
        match form {
            Form::E164 => format!("+{calling}{national}"),
            Form::Country => (*calling).to_owned(),
            Form::Area => area.to_owned(),
            Form::Local => local.to_owned(),
            Form::Extension => extension.clone(),
            Form::Text => {
                let extension = if extension.is_empty() { String::new() } else { format!(" x{extension}") };
                match (area, local.split_at_checked(3)) {
                    ("", _) | (_, None) => format!("+{calling} {local}{extension}"),
                    (area, Some((exchange, line))) => format!("({area}) {exchange}-{line}{extension}"),
                }
            }
        }
    }
}

/// The number and its extension: `x12`, `ext. 12`, `;ext=12`, `#12`.
fn extended(text: &str) -> (&str, &str) {
    let start = text.find(['x', 'e', ';', '#']);
    let (number, rest) = start.and_then(|start| text.split_at_checked(start)).unwrap_or((text, ""));
    let marks = [";ext=", "extension", "ext.", "ext", "x.", "x", "#"];
    let extension = marks.iter().find_map(|mark| rest.strip_prefix(mark)).map(str::trim);
    let is_number =
        |text: &str| !text.is_empty() && text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit());
    match extension.filter(|extension| is_number(extension)) {
        Some(extension) => (number, extension),
        None => (text, ""),
    }
}

impl Country {
    /// The national number in what is dialled within the country.
    fn dialled<'d>(&self, digits: &'d str) -> Option<&'d str> {
        self.national(digits).filter(|national| national.len() < digits.len() || digits.len() >= self.bare)
    }

    /// The digits without what is dialled before them, when they are as many as the country's numbers have.
    fn national<'d>(&self, digits: &'d str) -> Option<&'d str> {
        let fits = |digits: &str| (self.digits.0..=self.digits.1).contains(&digits.len());
        let without = digits.strip_prefix(self.trunk).filter(|_| !self.trunk.is_empty());
        without.filter(|digits| fits(digits)).or(Some(digits).filter(|digits| fits(digits)))
    }
}

/// The calling code and the rest: of a country known here by its rules, of any other refused.
fn of_any_country(digits: &str) -> Option<(&'static str, &str)> {
    COUNTRIES.iter().find_map(|country| {
        let national = digits.strip_prefix(country.calling)?;
        Some((country.calling, country.national(national)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(code: &str) -> &'static Country {
        COUNTRIES.iter().find(|country| country.code == code).unwrap()
    }

    #[test]
    fn every_notation_gives_the_same_number() {
        let cases = [
            ("US", "(555) 010-0199", "+15550100199"),
            ("US", "(555)010-0199X12", "+15550100199"),
            ("US", "1-555-010-0199", "+15550100199"),
            ("US", "+1 555.010.0199 ext. 7", "+15550100199"),
            ("US", "tel:+1-555-010-0199;ext=7", "+15550100199"),
            ("US", "011 44 20 7946 0018", "+442079460018"),
            ("GB", "020 7946 0018", "+442079460018"),
            ("GB", "+44 (0)20 7946 0018", "+442079460018"),
            ("GB", "00 1 555 010 0199", "+15550100199"),
            ("FR", "01 99 00 12 34", "+33199001234"),
            ("DE", "030/23125 000", "+493023125000"),
            ("IT", "06 1234 5678", "+390612345678"),
            ("IE", "01 612 3456", "+35316123456"),
            ("IE", "86 123 4567", "+353861234567"),
            ("KR", "10 1234 5678", "+821012345678"),
            ("NZ", "9 123 4567", "+6491234567"),
        ];
        for (code, text, expected) in cases {
            let number = Number::read(text, home(code)).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(number.write(Form::E164), expected, "{code} {text}");
        }
        let number = Number::read("(555)010-0199X12", home("US")).unwrap();
        assert_eq!(number.write(Form::Text), "(555) 010-0199 x12");
        assert_eq!((number.write(Form::Area), number.write(Form::Local)), ("555".into(), "0100199".into()));
        assert_eq!(Number::read("01 99 00 12 34", home("FR")).unwrap().write(Form::Text), "+33 199001234");
    }

    #[test]
    fn a_local_number_is_none_of_the_country() {
        for (code, text) in [("IE", "612 3456"), ("DE", "23125000"), ("KR", "1234 5678"), ("FR", "1234 5678")]
        {
            assert_eq!(Number::read(text, home(code)), None, "{code} {text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in
            ["", "none", "555-0199", "a@b.example", "x12", "+999 12345678", "555 010 0199 call after 6", "++"]
        {
            assert_eq!(Number::read(text, home("US")), None, "{text}");
        }
    }
}
