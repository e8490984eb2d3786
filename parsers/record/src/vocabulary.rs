//! What both formats must call the same: code systems by one name, identifiers by their kind.

use crate::Text;

/// The name of HL7 table 0396 for a code system that is given by its OID, or the usual one where the table has none; `None` for others.
///
/// An HL7 v2 message may name a system by OID, and a document always does; a mapping asks for `LN` either way.
pub fn code_system_name(oid: &str) -> Option<Text> {
    let found = CODE_SYSTEMS.iter().find(|(known, ..)| *known == oid);
    found.map(|(_, name, _)| Text::new_static(name)).or_else(|| v2_table(oid))
}

/// The name of HL7 table 0396 for a code system that is given by a usual name: `LOINC`, `SNOMED CT`, `CPT-4`.
pub fn code_system_by_usual_name(name: &str) -> Option<Text> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let wanted = Some(plain(name)).filter(|wanted| !wanted.is_empty())?;
    let is_it = |names: &&str| names.split(' ').any(|usual| usual == wanted);
    let found = CODE_SYSTEMS.iter().find(|(_, name, usual)| plain(name) == wanted || is_it(usual));
    found.map(|(_, name, _)| Text::new_static(name))
}

/// What an identifier is when its authority is known to give out only one kind (HL7 table 0203).
pub fn identifier_kind(oid: &str) -> Option<&'static str> {
    match oid {
        "2.16.840.1.113883.4.1" => Some("SS"),
        "2.16.840.1.113883.4.6" => Some("NPI"),
        _ => None,
    }
}

/// OID, name by table 0396, usual names in small letters and digits. Three systems the table lacks up to release 2.8.2 have the names that
/// messages use: `I10C` as against `I10` of the WHO, `NCIT` as in the CDC's guide for immunizations, `NUCC` after its keeper. A usual name
/// stands with the one system that is called so: ICD-10 is the WHO's, and ICD-9-CM is both its parts, diagnoses and procedures.
const CODE_SYSTEMS: [(&str, &str, &str); 24] = [
    ("2.16.840.1.113883.6.1", "LN", "loinc"),
    ("2.16.840.1.113883.6.96", "SCT", "snomedct snomed snomedctus"),
    ("2.16.840.1.113883.6.88", "RXNORM", "rxnorm"),
    ("2.16.840.1.113883.6.90", "I10C", "icd10cm"),
    ("2.16.840.1.113883.6.3", "I10", "icd10"),
    ("2.16.840.1.113883.6.4", "I10P", "icd10pcs"),
    ("2.16.840.1.113883.6.103", "I9CDX", ""),
    ("2.16.840.1.113883.6.104", "I9CP", ""),
    ("2.16.840.1.113883.6.2", "I9C", "icd9cm"),
    ("2.16.840.1.113883.12.292", "CVX", "cvx"),
    ("2.16.840.1.113883.6.59", "CVX", ""),
    ("2.16.840.1.113883.12.227", "MVX", "mvx"),
    ("2.16.840.1.113883.6.12", "C4", "cpt cpt4"),
    ("2.16.840.1.113883.6.285", "HCPCS", "hcpcs"),
    ("2.16.840.1.113883.6.69", "NDC", "ndc"),
    ("2.16.840.1.113883.6.8", "UCUM", "ucum"),
    ("2.16.840.1.113883.3.26.1.1", "NCIT", "nci ncithesaurus nciconceptcode ncit"),
    ("2.16.840.1.113883.4.9", "FDAUNII", "unii fdaunii"),
    ("2.16.840.1.113883.6.238", "CDCREC", "cdcrec cdcraceandethnicity raceethnicitycdc"),
    ("2.16.840.1.113883.6.101", "NUCC", "nucc nuccproviderspecialty healthcareprovidertaxonomy"),
    ("2.16.840.1.113883.6.301.5", "NUBC", "nubc"),
    ("2.16.840.1.113883.3.26.1.5", "NDFRT", "ndfrt"),
    ("2.16.840.1.113883.6.209", "NDFRT", ""),
    ("1.2.840.10008.2.16.4", "DCM", "dcm dicom"),
];

/// The tables of HL7 v2 have their numbers at the end of their OIDs.
fn v2_table(oid: &str) -> Option<Text> {
    let number = oid.strip_prefix("2.16.840.1.113883.12.").filter(|number| number.len() <= 4)?;
    let number: u16 = number.parse().ok()?;
    Some(format!("HL7{number:04}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_system_has_one_name() {
        assert_eq!(code_system_name("2.16.840.1.113883.6.1").as_deref(), Some("LN"));
        assert_eq!(code_system_name("2.16.840.1.113883.12.112").as_deref(), Some("HL70112"));
        assert_eq!(code_system_name("2.16.840.1.113883.12.99999"), None);
        assert_eq!(code_system_name("1.2.3"), None);
        for usual in ["SNOMED CT", "SNOMED-CT", "snomedct", "SCT"] {
            assert_eq!(code_system_by_usual_name(usual).as_deref(), Some("SCT"), "{usual}");
        }
        assert_eq!(code_system_by_usual_name("CPT-4").as_deref(), Some("C4"));
        assert_eq!(code_system_by_usual_name("ICD-9-CM").as_deref(), Some("I9C"));
        assert_eq!(code_system_by_usual_name("ICD-10").as_deref(), Some("I10"));
        assert_eq!(code_system_by_usual_name("ICD9"), None);
        assert_eq!(code_system_by_usual_name(""), None);
        assert_eq!(code_system_by_usual_name("our own list"), None);
    }

    #[test]
    fn two_authorities_give_only_one_kind() {
        assert_eq!(identifier_kind("2.16.840.1.113883.4.6"), Some("NPI"));
        assert_eq!(identifier_kind("2.16.840.1.113883.19.5"), None);
    }
}
