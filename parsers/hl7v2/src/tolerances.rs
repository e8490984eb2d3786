//! The deviations that are taken and reported, each with its stable code: a source may refuse any of them.

/// Code and meaning of each. The codes stand in the diagnostics of [`parse`](crate::parse).
pub const TOLERANCES: [(&str, &str); 12] = [
    ("hl7-bad-segment-name", "a line that does not begin with a segment's name"),
    ("hl7-charset-doubtful", "bytes that look like UTF-8, where MSH-18 says something else"),
    ("hl7-charset-mismatch", "bytes that are not what MSH-18, or the source's setting, says"),
    ("hl7-charset-unknown", "a charset in MSH-18 that nobody knows"),
    ("hl7-continuation", "a message that goes on with an earlier one (MSH-14)"),
    ("hl7-delimiters-repaired", "a damaged MSH-2, read as ^~\\&"),
    ("hl7-leading-bytes", "bytes before the header"),
    ("hl7-message-continued", "a message that another goes on with (DSC)"),
    ("hl7-no-control-id", "no MSH-10"),
    ("hl7-segment-continued", "a segment that another goes on with (ADD)"),
    ("hl7-several-messages", "a second header in one message"),
    ("hl7-trailing-bytes", "padding after the last segment"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Settings, parse};

    #[test]
    fn each_is_reported_where_it_is_met() {
        let header = "MSH|^~\\&|A|B|C|D|||ADT^A01|7|P|2.5";
        let with = |end: &str| format!("{header}{end}").into_bytes();
        let table: [(&str, Vec<u8>); 12] = [
            ("hl7-bad-segment-name", with("\rnot a segment\r")),
            ("hl7-charset-doubtful", with("||||||8859/1\rPID|1||7||M\u{fc}ller\r")),
            ("hl7-charset-mismatch", [with("||||||ASCII\rPID|1||7||M"), b"\xFCller\r".to_vec()].concat()),
            ("hl7-charset-unknown", [with("||||||KLINGON\rPID|1||7||M"), b"\xFCller\r".to_vec()].concat()),
            ("hl7-continuation", with("||P1\rPID|1\r")),
            ("hl7-delimiters-repaired", b"MSH|^~&|A|B|C|D|||ADT^A01|7|P|2.5\r".to_vec()),
            ("hl7-leading-bytes", [b"\n\n".to_vec(), with("\r")].concat()),
            ("hl7-message-continued", with("\rPID|1\rDSC|P1|F\r")),
            ("hl7-no-control-id", b"MSH|^~\\&|A|B|C|D|||ADT^A01||P|2.5\r".to_vec()),
            ("hl7-segment-continued", with("\rNTE|1||a\rADD|b\r")),
            ("hl7-several-messages", with("\rMSH|^~\\&|B\r")),
            ("hl7-trailing-bytes", with("\r\0\0")),
        ];
        for ((code, _), (met, bytes)) in TOLERANCES.iter().zip(table) {
            assert_eq!(*code, met);
            let message = parse(&bytes, &Settings::default()).unwrap();
            let found: Vec<_> = message.diagnostics().iter().map(|found| found.code).collect();
            assert!(found.contains(&met), "{met}: {found:?}");
        }
    }
}
