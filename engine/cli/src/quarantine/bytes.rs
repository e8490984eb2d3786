//! Bytes as numbers and as text, around a place.

use std::ops::Range;

const ROW: usize = 16;

/// The rows around a place, which is marked; from the beginning when there is none.
pub(super) fn around(bytes: &[u8], offset: Option<usize>, around: usize) -> String {
    // What is missing at the end is missed there.
    let offset = offset.map(|offset| offset.min(bytes.len()));
    let middle = offset.unwrap_or(0);
    let start = middle.saturating_sub(around) / ROW * ROW;
    let end = middle.saturating_add(around).saturating_add(1).min(bytes.len());
    let mut rows = Vec::new();
    for from in (start..end).step_by(ROW) {
        let row = bytes.get(from..(from + ROW).min(bytes.len())).unwrap_or_default();
        rows.push(format!("{from:08x}  {:<48} |{}|", numbers(row), text(row)));
        let marked: Range<usize> = from..from + ROW;
        if let Some(offset) = offset.filter(|offset| marked.contains(offset)) {
            rows.push(format!("{:>width$} byte {offset}", "^^", width = 12 + 3 * (offset - from)));
        }
    }
    rows.join("\n")
}

fn numbers(row: &[u8]) -> String {
    row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn text(row: &[u8]) -> String {
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    row.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_marked_below_its_number() {
        let bytes: Vec<u8> = (0x30..0x70).collect();
        assert_eq!(
            around(&bytes, Some(0x22), 2),
            "00000020  50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  |PQRSTUVWXYZ[\\]^_|\n                ^^ byte 34"
        );
        assert_eq!(
            around(b"PID\r\x0b", None, 9),
            "00000000  50 49 44 0d 0b                                   |PID..|"
        );
        assert_eq!(around(b"", Some(0), 9), "");
        let behind = around(b"ab", Some(7), 1);
        assert!(behind.ends_with("|ab|\n                ^^ byte 2"), "{behind}");
    }
}
