//! Which fields name what a message is about: patients, visits, orders, specimens, documents and appointments, by numbers and names.
//!
//! A record read from these fields alone has the same numbers and names in the same members as the whole record, and much less besides.

/// Fields as a set of bits, bit n for field n.
pub(super) type Fields = u64;

/// Every field.
pub(super) const ALL: Fields = Fields::MAX;

/// The naming fields of a segment, and those that decide which order a number belongs to; `None` for a segment that has no part in either.
pub(super) fn of(segment: &str) -> Option<Fields> {
    Some(match segment {
        "EVN" | "PD1" | "NK1" | "PV2" | "NTE" | "AL1" | "IAM" | "DG1" | "PR1" | "PRB" | "IN2" | "IN3" => {
            return None;
        }
        "MSH" => ALL,
        "PID" => set(&[2, 3, 4, 5, 9, 18, 19, 20]),
        "MRG" => set(&[1, 2, 3, 4, 5, 7]),
        "PV1" => set(&[19]),
        "ORC" => set(&[1, 2, 3]),
        // An order that has a code takes no diet in its place, one that has a specimen no container.
        "OBR" => set(&[2, 3, 4, 15, 18, 20]),
        "SPM" => set(&[30]),
        "SAC" => set(&[2]),
        "ODS" => set(&[1, 3]),
        "RQD" => set(&[2, 3, 4]),
        "BPO" => set(&[2]),
        "IPC" => set(&[1]),
        "RXE" => set(&[15]),
        "RXD" => set(&[7]),
        // What is given tells a vaccination from another drug.
        "RXA" => set(&[5]),
        "TXA" => set(&[12, 14, 15]),
        "SCH" | "ARQ" => set(&[1, 2]),
        // Where one begins, an order may end.
        _ => 0,
    })
}

/// Whether a field is in the set.
pub(super) fn has(fields: Fields, field: usize) -> bool {
    let bit = u32::try_from(field).ok().and_then(|field| 1_u64.checked_shl(field));
    // What lies beyond the last bit is in no set but that of all.
    bit.map_or(fields == ALL, |bit| fields & bit != 0)
}

const fn set(fields: &[u32]) -> Fields {
    let mut bits = 0;
    let mut rest = fields;
    while let [field, after @ ..] = rest {
        bits |= 1 << *field;
        rest = after;
    }
    bits
}
