//! The values that records are made of: codes, identifiers, names, addresses, telecoms, quantities.
//!
//! Each says what was sent, with absent parts absent. The first member stands for the whole.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Text, Timestamp};

/// A code with its meaning, as the sender gave it, and the same meaning in other code systems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Coded {
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text>,
    /// What the code system calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Text>,
    /// The code system, by the name the sender uses (for HL7 v2 table 0396: `LN`, `SCT`, `I10`, `L`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Text>,
    /// The words of the person who recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// The same meaning in other code systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub translations: Vec<Coding>,
}

/// One code of one code system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Coding {
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text>,
    /// What the code system calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Text>,
    /// The code system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Text>,
}

/// Who gives out identifiers or owns an address: a name, a universal id, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Authority {
    /// The local name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The universal id, for example an OID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub universal_id: Option<Text>,
    /// What kind of universal id it is (HL7 table 0301: `ISO`, `UUID`, `DNS`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub universal_id_type: Option<Text>,
}

/// An identifier and who gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Identifier {
    /// The identifier itself.
    pub value: Text,
    /// Who gave it, in one text: the authority's universal id when sent, else its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Text>,
    /// What it identifies (HL7 table 0203: `MR`, `SS`, `VN`, `AN`).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// Who gave it, in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// The facility where it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<Text>,
    /// Valid from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Valid to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// A person's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HumanName {
    /// Family name, with its own prefixes (`van`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Text>,
    /// First given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Text>,
    /// Further given names or initials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle: Option<Text>,
    /// `Jr`, `III`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<Text>,
    /// `Dr`, `Mrs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Text>,
    /// `MD`, `PhD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degree: Option<Text>,
    /// What the name is used for (HL7 table 0200: `L` legal, `M` maiden, `N` nickname).
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Text>,
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Address {
    /// Street lines, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Text>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<Text>,
    /// State or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Text>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Text>,
    /// Country, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Text>,
    /// County or parish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub county: Option<Text>,
    /// What the address is used for (HL7 table 0190: `H` home, `O` office, `BA` bad).
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Text>,
}

/// A phone number, an e-mail address or the like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Telecom {
    /// The number or address, put together from its parts when it was sent in parts (`+1 555 5550100 x12`).
    pub value: Text,
    /// What it reaches (HL7 table 0202: `PH` phone, `FX` fax, `CP` mobile, `Internet` e-mail).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Text>,
    /// What it is used for (HL7 table 0201: `PRN` home, `WPN` work).
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Text>,
}

/// A number with its unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Quantity {
    /// The number as sent: decimal text, so that `2.50` keeps its digits.
    pub value: Text,
    /// `<`, `>`, `<=`, `>=`, `=`, `<>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparator: Option<Text>,
    /// The unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Coded>,
}

impl Quantity {
    /// The number with its comparator before it, without the unit.
    pub fn amount(&self) -> Text {
        match &self.comparator {
            None => self.value.clone(),
            Some(comparator) => format!("{comparator}{}", self.value).into(),
        }
    }
}

/// A house: a hospital, a laboratory, an insurer, a maker of drugs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Organization {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Phone numbers and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub telecoms: Vec<Telecom>,
}

/// A person who gives care, or a device that speaks for one: who, by id and by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Provider {
    /// The identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HumanName>,
    /// Profession or specialty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specialty: Option<Coded>,
    /// The device, when it was no person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Text>,
    /// The house the person works for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Phone numbers and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub telecoms: Vec<Telecom>,
}
