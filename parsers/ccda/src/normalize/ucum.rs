//! Whether a unit is one of UCUM, by which PQ is defined and which many senders do not know: `tab(s)`, `mcg`, `lbs`.
//!
//! It tells by the form and by the usual atoms, not by all of UCUM: a rare unit is shown without its system, never the other way round.

/// Longer units are no units.
const BYTES_MAX: usize = 64;

const PREFIXES: [&str; 20] =
    ["Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f", "a", "z", "y"];

/// Atoms that may have a prefix.
const METRIC: [&str; 41] = [
    "m", "s", "g", "rad", "K", "C", "cd", "mol", "sr", "Hz", "N", "Pa", "J", "W", "A", "V", "F", "Ohm", "S",
    "Wb", "Cel", "T", "H", "lm", "lx", "Bq", "Gy", "Sv", "l", "L", "t", "bar", "u", "eV", "kat", "osm", "eq",
    "U", "cal", "Ci", "B",
];

/// Atoms that may have none.
const OTHER: [&str; 14] =
    ["%", "10*", "10^", "min", "h", "d", "wk", "mo", "a", "deg", "gon", "'", "''", "circ"];

/// Whether the unit is written as UCUM has it.
pub(super) fn is_ucum(unit: &str) -> bool {
    let is_possible = unit.len() <= BYTES_MAX && unit.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(plain) = Some(unit).filter(|_| is_possible).and_then(without_annotations) else { return false };
    let terms = plain.strip_prefix('/').unwrap_or(&plain);
    is_balanced(terms) && terms.split(['.', '/']).all(is_component)
}

/// What stands in braces says nothing about the unit; alone it is the unit 1.
fn without_annotations(unit: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = unit;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, behind) = after.split_once('}')?;
        plain.push_str(before);
        if plain.is_empty() || plain.ends_with(['.', '/', '(']) {
            plain.push('1');
        }
        rest = behind;
    }
    plain.push_str(rest);
    Some(plain)
}

fn is_balanced(terms: &str) -> bool {
    let depth = terms.bytes().try_fold(0_usize, |depth, byte| match byte {
        b'(' => Some(depth + 1),
        b')' => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}

/// A number, or an atom with its exponent.
fn is_component(component: &str) -> bool {
    let component = component.trim_start_matches('(').trim_end_matches(')');
    let symbol = component.trim_end_matches(|character: char| character.is_ascii_digit());
    if symbol.is_empty() {
        return !component.is_empty();
    }
    is_symbol(symbol) || (symbol != component && symbol.strip_suffix(['-', '+']).is_some_and(is_symbol))
}

fn is_symbol(symbol: &str) -> bool {
    // Units of other systems stand in brackets: [in_i], m[IU], mm[Hg], B[SPL].
    if let Some((before, bracketed)) = symbol.split_once('[') {
        let is_length = before.strip_suffix('m').is_some_and(is_prefix_or_none);
        let inside = bracketed.strip_suffix(']').is_some_and(|inside| !inside.is_empty());
        return inside && (is_prefix_or_none(before) || is_length || before == "B");
    }
    let is_metric = |symbol: &str| METRIC.contains(&symbol);
    let has_prefix = |prefix: &&str| symbol.strip_prefix(*prefix).is_some_and(|atom| METRIC.contains(&atom));
    OTHER.contains(&symbol) || is_metric(symbol) || PREFIXES.iter().any(has_prefix)
}

fn is_prefix_or_none(text: &str) -> bool {
    text.is_empty() || PREFIXES.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_ucum_and_others() {
        for unit in [
            "mg/dL",
            "mm[Hg]",
            "%",
            "10*3/uL",
            "10^3/ul",
            "/min",
            "kg/m2",
            "[degF]",
            "[in_i]",
            "m[IU]/L",
            "Cel",
            "{score}",
            "mL/min/{1.73_m2}",
            "mg/(kg.d)",
            "s-1",
            "a",
            "mmol/L",
        ] {
            assert!(is_ucum(unit), "{unit}");
        }
        for other in [
            "mcg{x}/mL",
            "tab(s)",
            "cap(s)",
            "mcg",
            "lbs",
            "in",
            "kg/m\u{b2}",
            "x10E3/uL",
            "mMol/L ",
            "Tablet",
            "units",
            "",
            "/",
            "mg/",
            "(mg",
            "mg)",
            "{x",
            "[",
            "-",
        ] {
            assert!(!is_ucum(other), "{other}");
        }
    }
}
