//! Values converted from one unit into another: `convert('mg/dL', 'mmol/L', 180.156)`.
//!
//! Units are those of UCUM, case-sensitive, with a few words that laboratories write instead. A conversion is exact in decimals up to 28
//! digits. A value that can't be converted ends the mapping: in a chart, a number in another unit than the one beside it can kill.

mod measure;

use orderly_record::{Diagnostic, Fault};

use self::measure::Measure;
use super::{Arguments, Function, Gives, Pipe, Takes};
use crate::decimal;
use crate::evaluate::scalar;
use crate::expression::Kind;
use crate::plan::{End, Term};
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::value::Value;
use crate::yaml::Span;

pub(super) const CONVERT: Function = Function {
    name: "convert",
    usage: "convert('mg/dL', 'mmol/L', 180.156)",
    takes: Takes::Text,
    gives: Gives::Same,
    arguments: (2, 3),
    build,
};

fn build(arguments: &Arguments<'_>) -> Option<Box<dyn Pipe>> {
    let (from, to) = (unit(arguments, 0), unit(arguments, 1));
    let molar_mass = arguments.has(2).then(|| arguments.term(2));
    let molar_mass = match molar_mass {
        Some(term) => Some(term?),
        None => None,
    };
    let (from, to) = (from?, to?);
    if let (Unit::Known(from), Unit::Known(to)) = (&from, &to)
        && !from.fits(to, molar_mass.is_some())
    {
        let help = match from.fits(to, true) {
            true => {
                "give the grams of one mole as the third argument, as in convert('mg/dL', 'mmol/L', 180.156)"
            }
            false => "a value can only be converted into a unit of the same kind",
        };
        let message = "these units measure different things";
        arguments.problems.error("mapping-unit", &arguments.span(1), message).help(help);
        return None;
    }
    Some(Box::new(Convert { from, to, molar_mass, place: arguments.node.span.clone() }))
}

/// A unit that stands in the mapping, or that the message says.
#[derive(Debug)]
enum Unit {
    Known(Measure),
    Said(Term),
}

fn unit(arguments: &Arguments<'_>, index: usize) -> Option<Unit> {
    let Kind::Text(text) = &arguments.written.get(index)?.kind else {
        return arguments.term(index).map(Unit::Said);
    };
    let measure = measure::read(text);
    if measure.is_none() {
        let message = format!("`{text}` is no unit that can be converted");
        let help = "units are written as UCUM has them: mg/dL, mmol/L, 10*3/uL, [lb_av], Cel";
        arguments.problems.error("mapping-unit", &arguments.span(index), message).help(help);
    }
    measure.map(Unit::Known)
}

#[derive(Debug)]
struct Convert {
    from: Unit,
    to: Unit,
    /// Grams of one mole.
    molar_mass: Option<Term>,
    place: Span,
}

impl Pipe for Convert {
    fn apply<'s>(&'s self, value: Value<'s>, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        value.each_text(&|text| {
            let (from, to) = (self.said(&self.from, scope)?, self.said(&self.to, scope)?);
            let molar_mass = match &self.molar_mass {
                Some(term) => scalar(term, scope)?.present().and_then(|mass| decimal::read(&mass)),
                None => None,
            };
            let (comparator, number) = decimal::compared(&text);
            let number = decimal::read(number).ok_or_else(|| self.refused("the value is no number"))?;
            let converted = from.convert(&to, number, molar_mass);
            let converted = converted.ok_or_else(|| self.refused("the units do not fit together"))?;
            Ok(Value::text(format!("{comparator}{}", converted.normalize())))
        })
    }
}

impl Convert {
    fn said(&self, unit: &Unit, scope: &Scope<'_, '_>) -> Result<Measure, Refusal> {
        match unit {
            Unit::Known(measure) => Ok(measure.clone()),
            Unit::Said(term) => {
                let text = scalar_text(term, scope)?;
                measure::read(&text).ok_or_else(|| self.refused("its unit is none that can be converted"))
            }
        }
    }

    /// The value is about a patient and is not told.
    fn refused(&self, why: &str) -> Refusal {
        let message = format!("a value can't be converted: {why}");
        let diagnostic = Diagnostic::error("mapping-convert", Fault::Sender, message)
            .at(self.place.place())
            .with_help("ask before, as in `when: OBX-6.1 = 'mg/dL'`");
        Refusal::new(End::Fail, diagnostic)
    }
}

fn scalar_text(term: &Term, scope: &Scope<'_, '_>) -> Result<String, Refusal> {
    Ok(scalar(term, scope)?.present().unwrap_or_default().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(number: &str, from: &str, to: &str, molar_mass: Option<&str>) -> Option<String> {
        let (from, to) = (measure::read(from).unwrap(), measure::read(to).unwrap());
        let number = decimal::read(number).unwrap();
        let converted = from.convert(&to, number, molar_mass.and_then(decimal::read))?;
        Some(converted.round_dp(4).normalize().to_string())
    }

    #[test]
    fn values_move_between_units_of_a_kind() {
        let cases = [
            ("1", "g/dL", "g/L", "10"),
            ("13.2", "g/dL", "g/L", "132"),
            ("70", "kg", "[lb_av]", "154.3236"),
            ("154.3", "lb", "kg", "69.9893"),
            ("70", "[in_i]", "cm", "177.8"),
            ("120", "mm[Hg]", "kPa", "15.9987"),
            ("98.6", "[degF]", "Cel", "37"),
            ("37", "Cel", "[degF]", "98.6"),
            ("37", "Cel", "K", "310.15"),
            ("250", "10*3/uL", "10*9/L", "250"),
            ("250", "K/uL", "10*9/L", "250"),
            ("4.5", "M/uL", "10*12/L", "4.5"),
            ("40", "U/L", "ukat/L", "0.6667"),
            ("5", "m[iU]/L", "u[iU]/mL", "5"),
            ("140", "meq/L", "eq/L", "0.14"),
            ("0.45", "1", "%", "45"),
            ("2", "h", "min", "120"),
            ("1", "kcal", "kJ", "4.184"),
            ("90", "mL/min/{1.73_m2}", "L/h/{1.73_m2}", "5.4"),
            ("24", "kg/m2", "g/cm2", "2.4"),
        ];
        for (number, from, to, expected) in cases {
            assert_eq!(converted(number, from, to, None).as_deref(), Some(expected), "{number} {from} {to}");
        }
    }

    #[test]
    fn mass_becomes_amount_by_the_mass_of_a_mole() {
        let cases = [
            ("182", "mg/dL", "mmol/L", "180.156", "10.1024"),
            ("10.1", "mmol/L", "mg/dL", "180.156", "181.9576"),
            ("1.2", "mg/dL", "umol/L", "113.12", "106.0820"),
        ];
        for (number, from, to, mass, expected) in cases {
            let expected = expected.trim_end_matches('0');
            assert_eq!(converted(number, from, to, Some(mass)).as_deref(), Some(expected), "{from} {to}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(converted("1", "mg/dL", "mmol/L", None), None);
        assert_eq!(converted("1", "mg/dL", "mmol/L", Some("0")), None);
        assert_eq!(converted("1", "mg", "mL", Some("18")), None);
        assert_eq!(converted("1", "m[iU]/L", "mmol/L", None), None);
        assert_eq!(converted("9999999999999999999999999999", "kg", "ng", None), None);
        for text in ["", "blobs", "mg//", "/", "mg/dL extra", "g0", "m2m", "Cel/L", "{", "10*99", "kg999"] {
            assert!(measure::read(text).is_none(), "{text}");
        }
    }
}
