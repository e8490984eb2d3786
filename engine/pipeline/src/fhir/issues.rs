//! What a FHIR server remarks about what it was sent: the issues of the OperationOutcomes in its answer
//! (<https://hl7.org/fhir/R4/operationoutcome.html>).
//!
//! They are as the server wrote them and may tell of a patient: for whoever may see the message itself.

use serde_json::Value as Json;

use super::{items, text};

/// One issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirIssue {
    /// Of a Bundle the entry that it is about, counted from 1.
    pub entry: Option<usize>,
    /// `fatal`, `error`, `warning` or `information`.
    pub severity: String,
    /// Its code, of the value set IssueType.
    pub code: String,
    /// Where in the resource.
    pub place: Option<String>,
    /// The server's own words.
    pub text: Option<String>,
}

/// All issues of an answer, in its order; none when it is no resource with any, or not whole.
#[must_use]
pub fn fhir_issues(answer: &[u8]) -> Vec<FhirIssue> {
    if !answer.trim_ascii_start().starts_with(b"{") {
        return Vec::new();
    }
    let answer = serde_json::from_slice::<Json>(answer).unwrap_or_default();
    match text(&answer, "resourceType") {
        Some("OperationOutcome") => issues_of(&answer, None).collect(),
        Some("Bundle") => {
            let entries = items(&answer, "entry").iter().enumerate();
            let outcome = |entry: &'_ Json| entry.pointer("/response/outcome").cloned().unwrap_or_default();
            entries
                .flat_map(|(index, entry)| issues_of(&outcome(entry), Some(index + 1)).collect::<Vec<_>>())
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The issues of an OperationOutcome.
pub(super) fn issues_of(outcome: &Json, entry: Option<usize>) -> impl Iterator<Item = FhirIssue> {
    items(outcome, "issue").iter().map(move |issue| {
        let owned = |text: &str| text.to_owned();
        let details = issue.get("details").unwrap_or(&Json::Null);
        FhirIssue {
            entry,
            severity: text(issue, "severity").unwrap_or_default().to_owned(),
            code: text(issue, "code").unwrap_or_default().to_owned(),
            place: items(issue, "expression").first().and_then(Json::as_str).map(owned),
            text: text(issue, "diagnostics").or_else(|| text(details, "text")).map(owned),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUES: &str = r#"{"resourceType":"OperationOutcome","issue":[
        {"severity":"warning","code":"business-rule","expression":["Patient.name[0]"],"diagnostics":"no family name"},
        {"severity":"information","code":"informational","details":{"text":"stored as 17"}}]}"#;

    fn issue(entry: Option<usize>, words: [&str; 2], place: Option<&str>, text: &str) -> FhirIssue {
        let [severity, code] = words.map(str::to_owned);
        FhirIssue { entry, severity, code, place: place.map(str::to_owned), text: Some(text.to_owned()) }
    }

    #[test]
    fn the_issues_of_an_outcome_and_of_a_bundles_entries_are_found() {
        let both = |entry| {
            [
                issue(entry, ["warning", "business-rule"], Some("Patient.name[0]"), "no family name"),
                issue(entry, ["information", "informational"], None, "stored as 17"),
            ]
        };
        assert_eq!(fhir_issues(ISSUES.as_bytes()), both(None));
        let bundle = format!(
            r#"{{"resourceType":"Bundle","entry":[{{"response":{{"status":"201"}}}},{{"response":{{"outcome":{ISSUES}}}}}]}}"#
        );
        assert_eq!(fhir_issues(bundle.as_bytes()), both(Some(2)));
    }

    #[test]
    fn what_has_no_issues_has_none() {
        let cut = &ISSUES.as_bytes()[..100];
        for answer in [&b""[..], b"MSH|^~\\&|", b"{\"resourceType\":\"Patient\",\"issue\":[{}]}", cut, b"{}"]
        {
            assert_eq!(fhir_issues(answer), []);
        }
    }
}
