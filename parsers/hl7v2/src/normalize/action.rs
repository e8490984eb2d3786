//! Action codes: whether what a segment tells is to be added, changed or deleted.

use orderly_record::Text;

/// The status of what is taken back. A deletion says that an entry should not be there, not that the opposite is true, so it is no
/// denial; the v2-to-FHIR guide calls it by the same word.
pub(super) const RETRACTED: Text = Text::new_static("entered-in-error");

/// Delete, in HL7 tables 0206 (segments) and 0287 (problems).
const DELETIONS: [&str; 2] = ["D", "DE"];

/// Whether the action takes back what its segment tells.
pub(super) fn is_deletion(action: Option<&Text>) -> bool {
    action.is_some_and(|action| DELETIONS.contains(&action.as_str()))
}

/// The status of what the action takes back.
pub(super) fn retraction(action: Option<&Text>) -> Option<Text> {
    is_deletion(action).then_some(RETRACTED)
}
