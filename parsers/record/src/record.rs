//! The record as a whole.

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::{
    Accident, Acknowledgement, AdvanceDirective, Allergy, Appointment, CareTeamMember, Charge, Condition,
    Device, Document, FamilyMember, Goal, Guarantor, Header, HealthConcern, Immunization, Insurance,
    MasterEntry, Medication, Observation, Participant, Patient, Plan, Procedure, Query, Referral, Report,
    Section, Visit,
};

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
    /// The visit that the message is about: of HL7 v2 the first of `visits`, of a document the encounter it documents.
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
    /// Documents: those that a message announces or carries; a document's record has itself here, and after it the notes in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    /// Allergies and intolerances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allergies: Vec<Allergy>,
    /// Problems and diagnoses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Medications.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub medications: Vec<Medication>,
    /// Immunizations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub immunizations: Vec<Immunization>,
    /// Procedures and surgeries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub procedures: Vec<Procedure>,
    /// Vital signs: those that the source declares to be vital signs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vital_signs: Vec<Observation>,
    /// How the patient lives: smoking, occupation, birth sex, pregnancy; `category` tells which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub social_history: Vec<Observation>,
    /// Relatives, and what they have or had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub family_history: Vec<FamilyMember>,
    /// How the patient is and manages: functional, mental and nutritional status, outcomes of care; `category` tells which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functional_status: Vec<Observation>,
    /// What is to be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Goal>,
    /// What patient or providers are concerned about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health_concerns: Vec<HealthConcern>,
    /// What is to be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<Plan>,
    /// Devices and supplies that the patient has or had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// What the patient wants done, or not done, when no longer able to say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advance_directives: Vec<AdvanceDirective>,
    /// Those who care for the patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub care_team: Vec<CareTeamMember>,
    /// Insurances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub insurances: Vec<Insurance>,
    /// Charges, credits and payments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// Who answers for the bill.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guarantors: Vec<Guarantor>,
    /// Accidents that led to what is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accidents: Vec<Accident>,
    /// Referrals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referrals: Vec<Referral>,
    /// Who else has to do with it, and in which role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
    /// Entries of master files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub master_entries: Vec<MasterEntry>,
    /// What is asked for, and how it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Box<Query>>,
    /// That another message was taken, or was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Box<Acknowledgement>>,
    /// The sections of a document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
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
        let members = schema.pointer("/properties").and_then(|members| members.as_object()).unwrap();
        assert_eq!(members.len(), 33);
        for (member, property) in members {
            assert!(property.get("description").is_some(), "{member} has no description");
        }
        let birth_date = schema.pointer("/$defs/Patient/properties/birth_date").unwrap();
        assert!(!birth_date.is_null());
    }
}
