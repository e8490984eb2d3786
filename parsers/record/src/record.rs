//! The record as a whole.

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::{Appointment, Document, Header, Patient, Report, Visit};

/// What a message says, equal for every input format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Record {
    /// The message's own facts.
    pub header: Header,
    /// The patient; when a message tells of several, the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<Patient>,
    /// All patients of a message that tells of more than one, `patient` included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patients: Vec<Patient>,
    /// The first visit of `visits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<Visit>,
    /// Visits and stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub visits: Vec<Visit>,
    /// Reports, one for each order, with their observations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Report>,
    /// Appointments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub appointments: Vec<Appointment>,
    /// Documents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
}

impl Record {
    /// The published JSON Schema of the record.
    pub fn schema() -> Schema {
        schemars::schema_for!(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{HumanName, Identifier, Location};

    #[test]
    fn what_was_not_sent_has_no_member() {
        let mut record = Record::default();
        record.header.format = "hl7v2".into();
        assert_eq!(serde_json::to_value(&record).unwrap(), json!({ "header": { "format": "hl7v2" } }));
    }

    #[test]
    fn members_have_the_names_that_mappings_use() {
        let name =
            HumanName { family: Some("TESTER".into()), usage: Some("L".into()), ..HumanName::default() };
        let identifier =
            Identifier { value: "70014".into(), kind: Some("MR".into()), ..Identifier::default() };
        let patient = Patient {
            identifiers: vec![identifier],
            name: Some(name),
            source: Some(Location::Segment { name: "PID", occurrence: 1 }),
            ..Patient::default()
        };
        let expected = json!({
            "identifiers": [{ "value": "70014", "type": "MR" }],
            "name": { "family": "TESTER", "use": "L" },
            "source": "PID[1]",
        });
        assert_eq!(serde_json::to_value(&patient).unwrap(), expected);
    }

    #[test]
    fn the_schema_describes_every_member() {
        let schema = Record::schema().to_value();
        for member in
            ["header", "patient", "patients", "visit", "visits", "results", "appointments", "documents"]
        {
            let property = schema.pointer(&format!("/properties/{member}")).unwrap();
            assert!(property.get("description").is_some(), "{member} has no description");
        }
        let birth_date = schema.pointer("/$defs/Patient/properties/birth_date").unwrap();
        assert!(!birth_date.is_null());
    }
}
