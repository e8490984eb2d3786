//! What a unit measures and how large it is: a compact part of UCUM, of the units that vital signs and laboratories use.
//!
//! A unit is a factor to the base units g, m, s, mol, K, international unit, equivalent and osmole, and the power of each. Factors are
//! kept as numerator, denominator and power of ten, so that nothing is rounded before the last step.

use rust_decimal::Decimal;

use crate::decimal::power_of_ten;

/// How long a unit can be written: longer than any that is used, and short enough to be read in no time.
const UNIT_CHARACTERS_MAX: usize = 64;

/// The largest power of a unit or of ten that is understood.
const EXPONENT_MAX: i32 = 24;

/// The powers of g, m, s, mol, K, international unit, equivalent, osmole.
type Dimensions = [i32; 8];

const MASS: usize = 0;
const AMOUNT: usize = 3;

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measure {
    dimensions: Dimensions,
    over: Decimal,
    under: Decimal,
    /// The power of ten beside the fraction.
    ten: i32,
    /// What is added before a value is multiplied: temperatures count from their own zero.
    shift: Decimal,
}

const ONE: Measure =
    Measure { dimensions: [0; 8], over: Decimal::ONE, under: Decimal::ONE, ten: 0, shift: Decimal::ZERO };

/// A unit by its symbol: factor (as digits and a power of ten) and dimensions, and whether it takes prefixes.
struct Atom {
    symbol: &'static str,
    /// Digits and how many of them stand behind the point.
    factor: (i64, u32),
    /// What the factor is divided by.
    under: i64,
    ten: i32,
    dimensions: Dimensions,
    metric: bool,
}

const fn atom(
    symbol: &'static str,
    factor: (i64, u32),
    ten: i32,
    dimensions: Dimensions,
    metric: bool,
) -> Atom {
    Atom { symbol, factor, under: 1, ten, dimensions, metric }
}

/// Facts of UCUM (table 2 and following), in our base units.
const ATOMS: &[Atom] = &[
    atom("g", (1, 0), 0, [1, 0, 0, 0, 0, 0, 0, 0], true),
    atom("m", (1, 0), 0, [0, 1, 0, 0, 0, 0, 0, 0], true),
    atom("s", (1, 0), 0, [0, 0, 1, 0, 0, 0, 0, 0], true),
    atom("mol", (1, 0), 0, [0, 0, 0, 1, 0, 0, 0, 0], true),
    atom("K", (1, 0), 0, [0, 0, 0, 0, 1, 0, 0, 0], true),
    atom("[iU]", (1, 0), 0, [0, 0, 0, 0, 0, 1, 0, 0], true),
    atom("[IU]", (1, 0), 0, [0, 0, 0, 0, 0, 1, 0, 0], true),
    atom("eq", (1, 0), 0, [0, 0, 0, 0, 0, 0, 1, 0], true),
    atom("osm", (1, 0), 0, [0, 0, 0, 0, 0, 0, 0, 1], true),
    atom("L", (1, 0), -3, [0, 3, 0, 0, 0, 0, 0, 0], true),
    atom("l", (1, 0), -3, [0, 3, 0, 0, 0, 0, 0, 0], true),
    atom("min", (60, 0), 0, [0, 0, 1, 0, 0, 0, 0, 0], false),
    atom("h", (3600, 0), 0, [0, 0, 1, 0, 0, 0, 0, 0], false),
    atom("d", (86_400, 0), 0, [0, 0, 1, 0, 0, 0, 0, 0], false),
    atom("wk", (604_800, 0), 0, [0, 0, 1, 0, 0, 0, 0, 0], false),
    atom("Hz", (1, 0), 0, [0, 0, -1, 0, 0, 0, 0, 0], true),
    atom("Pa", (1, 0), 3, [1, -1, -2, 0, 0, 0, 0, 0], true),
    atom("bar", (1, 0), 8, [1, -1, -2, 0, 0, 0, 0, 0], true),
    atom("m[Hg]", (133_322_387, 3), 3, [1, -1, -2, 0, 0, 0, 0, 0], true),
    atom("m[H2O]", (980_665, 2), 3, [1, -1, -2, 0, 0, 0, 0, 0], true),
    atom("J", (1, 0), 3, [1, 2, -2, 0, 0, 0, 0, 0], true),
    atom("cal", (4184, 3), 3, [1, 2, -2, 0, 0, 0, 0, 0], true),
    atom("kat", (1, 0), 0, [0, 0, -1, 1, 0, 0, 0, 0], true),
    // An enzyme unit: a micromole a minute.
    Atom { under: 60, ..atom("U", (1, 0), -6, [0, 0, -1, 1, 0, 0, 0, 0], true) },
    atom("[lb_av]", (45_359_237, 5), 0, [1, 0, 0, 0, 0, 0, 0, 0], false),
    atom("[oz_av]", (28_349_523_125, 9), 0, [1, 0, 0, 0, 0, 0, 0, 0], false),
    atom("[in_i]", (254, 0), -4, [0, 1, 0, 0, 0, 0, 0, 0], false),
    atom("[ft_i]", (3048, 0), -4, [0, 1, 0, 0, 0, 0, 0, 0], false),
    atom("%", (1, 0), -2, [0; 8], false),
    atom("[ppm]", (1, 0), -6, [0; 8], false),
];

/// Letters before a metric unit and their powers of ten.
const PREFIXES: &[(&str, i32)] = &[
    ("da", 1),
    ("f", -15),
    ("p", -12),
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("c", -2),
    ("d", -1),
    ("h", 2),
    ("k", 3),
    ("M", 6),
    ("G", 9),
];

/// What laboratories write for a unit of UCUM.
const SAID: &[(&str, &str)] = &[
    ("mmHg", "mm[Hg]"),
    ("mcg", "ug"),
    ("µg", "ug"),
    ("µL", "uL"),
    ("µmol", "umol"),
    ("IU", "[iU]"),
    ("mIU", "m[iU]"),
    ("uIU", "u[iU]"),
    ("µIU", "u[iU]"),
    ("mEq", "meq"),
    ("mOsm", "mosm"),
    ("K", "10*3"),
    ("M", "10*6"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("oz", "[oz_av]"),
    ("in", "[in_i]"),
    ("ft", "[ft_i]"),
    ("hr", "h"),
    ("sec", "s"),
];

/// The unit that a text writes, `None` when it is none of those known here.
pub(super) fn read(text: &str) -> Option<Measure> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > UNIT_CHARACTERS_MAX {
        return None;
    }
    if let Some(temperature) = temperature(text) {
        return Some(temperature);
    }
    let mut unit = ONE;
    let mut rest = text;
    let mut divides = false;
    if let Some(after) = rest.strip_prefix('/') {
        (rest, divides) = (after, true);
    }
    loop {
        let end = part_end(rest)?;
        let (part, after) = rest.split_at_checked(end)?;
        // `K/uL` and `M/uL` count thousands and millions; `K` alone is kelvin.
        unit = unit.times(component(part, !after.is_empty())?, if divides { -1 } else { 1 })?;
        let mut letters = after.chars();
        match letters.next() {
            None => return Some(unit),
            Some('/') => divides = true,
            Some('.') => divides = false,
            Some(_) => return None,
        }
        rest = letters.as_str();
    }
}

/// Where a part ends: at the next `.` or `/` outside brackets and annotations. `None` when one of these is not closed.
fn part_end(text: &str) -> Option<usize> {
    let mut closing = None;
    for (index, letter) in text.char_indices() {
        match (closing, letter) {
            (None, '/' | '.') => return Some(index),
            (None, '[') => closing = Some(']'),
            (None, '{') => closing = Some('}'),
            (Some(closes), letter) if closes == letter => closing = None,
            _ => {}
        }
    }
    closing.is_none().then_some(text.len())
}

/// Temperatures that count from a zero of their own; they stand alone.
fn temperature(text: &str) -> Option<Measure> {
    let kelvin = Measure { dimensions: [0, 0, 0, 0, 1, 0, 0, 0], ..ONE };
    match text {
        "Cel" => Some(Measure { shift: Decimal::new(27_315, 2), ..kelvin }),
        "[degF]" => Some(Measure {
            shift: Decimal::new(45_967, 2),
            over: Decimal::from(5),
            under: Decimal::from(9),
            ..kelvin
        }),
        _ => None,
    }
}

/// One part: a symbol with its power, a number, or an annotation, which counts things and changes nothing.
fn component(text: &str, in_ratio: bool) -> Option<Measure> {
    if text.is_empty() {
        return None;
    }
    let text = match text.split_once('{') {
        Some((before, after)) if after.ends_with('}') => before,
        Some(_) => return None,
        None => text,
    };
    if text.is_empty() || text == "1" {
        return Some(ONE);
    }
    for ten in ["10*", "10^"] {
        if let Some(exponent) = text.strip_prefix(ten) {
            let exponent: i32 = exponent.parse().ok()?;
            return (exponent.abs() <= EXPONENT_MAX).then_some(Measure { ten: exponent, ..ONE });
        }
    }
    let said = SAID.iter().find(|(said, _)| *said == text && (in_ratio || !matches!(text, "K" | "M")));
    if let Some((_, meant)) = said {
        return component(meant, false);
    }
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let symbol = digits.strip_suffix(['-', '+']).unwrap_or(digits);
    let power = match text.strip_prefix(symbol)? {
        "" => 1,
        power => power.parse().ok().filter(|power: &i32| *power != 0 && power.abs() <= EXPONENT_MAX)?,
    };
    ONE.times(symbol_of(symbol)?, power)
}

fn symbol_of(symbol: &str) -> Option<Measure> {
    let found = |symbol: &str| ATOMS.iter().find(|atom| atom.symbol == symbol);
    if let Some(atom) = found(symbol) {
        return Some(atom.measure(0));
    }
    PREFIXES.iter().find_map(|(prefix, ten)| {
        let atom = found(symbol.strip_prefix(prefix)?).filter(|atom| atom.metric)?;
        Some(atom.measure(*ten))
    })
}

impl Atom {
    fn measure(&self, prefix: i32) -> Measure {
        let over = Decimal::new(self.factor.0, self.factor.1);
        let under = Decimal::from(self.under);
        Measure { dimensions: self.dimensions, over, under, ten: self.ten + prefix, ..ONE }
    }
}

impl Measure {
    /// The product with another unit, taken to a power.
    fn times(mut self, other: Measure, power: i32) -> Option<Measure> {
        for (own, others) in self.dimensions.iter_mut().zip(other.dimensions) {
            *own = own.checked_add(others.checked_mul(power)?).filter(|sum| sum.abs() <= EXPONENT_MAX)?;
        }
        self.ten += other.ten.checked_mul(power)?;
        for _ in 0..power.unsigned_abs() {
            let (over, under) = if power > 0 { (other.over, other.under) } else { (other.under, other.over) };
            self.over = self.over.checked_mul(over)?;
            self.under = self.under.checked_mul(under)?;
        }
        Some(self)
    }

    /// Whether values can be moved into another unit; `molar` when it is known what a mole weighs.
    pub(super) fn fits(&self, other: &Measure, molar: bool) -> bool {
        self.dimensions == other.dimensions || (molar && self.moles_to(other).is_some())
    }

    /// How many powers of mass the other unit has as amount instead: 1 or -1, `None` when that is not the difference.
    fn moles_to(&self, other: &Measure) -> Option<i32> {
        [1, -1].into_iter().find(|moles| {
            let mut moved = self.dimensions;
            if let Some(mass) = moved.get_mut(MASS) {
                *mass -= moles;
            }
            if let Some(amount) = moved.get_mut(AMOUNT) {
                *amount += moles;
            }
            moved == other.dimensions
        })
    }

    /// A value of this unit in another; `None` when they do not fit, or the result is beyond 28 digits.
    pub(super) fn convert(
        &self,
        other: &Measure,
        value: Decimal,
        molar_mass: Option<Decimal>,
    ) -> Option<Decimal> {
        let molar_mass = molar_mass.filter(|mass| *mass > Decimal::ZERO);
        let (mut over, mut under) =
            (self.over.checked_mul(other.under)?, self.under.checked_mul(other.over)?);
        if self.dimensions != other.dimensions {
            match self.moles_to(other)? {
                1 => under = under.checked_mul(molar_mass?)?,
                _ => over = over.checked_mul(molar_mass?)?,
            }
        }
        let ten = power_of_ten((self.ten - other.ten).unsigned_abs())?;
        match self.ten >= other.ten {
            true => over = over.checked_mul(ten)?,
            false => under = under.checked_mul(ten)?,
        }
        let moved = value.checked_add(self.shift)?.checked_mul(over)?.checked_div(under)?;
        moved.checked_sub(other.shift)
    }
}
