//! FHIR R4 over HTTP: where a resource goes, and what a server's answer says (<https://hl7.org/fhir/R4/http.html>).

mod issues;

use serde_json::Value as Json;

pub use issues::{FhirIssue, fhir_issues};

use crate::judge::Verdict;
use crate::plan::Conditional;

/// The media type of FHIR as JSON.
pub const FHIR_MEDIA_TYPE: &str = "application/fhir+json";

/// The media types of answers that are FHIR.
pub const FHIR_ANSWER_MEDIA_TYPES: [&str; 2] = [FHIR_MEDIA_TYPE, "application/json"];

/// How many issues or entries of an answer are told: the first ones say what is wrong.
const TOLD_MAX: usize = 3;

/// What to do with a resource: `POST` to the base for a transaction or a batch, `POST Patient` for a resource that the server is to give an
/// id, `PUT Patient/70014` for one that has it. What is conditional has the search for its identifier after a question mark.
///
/// # Errors
/// Why it cannot be sent.
pub(crate) fn interaction(payload: &[u8], conditional: Option<Conditional>) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("a FHIR server takes resources as JSON; {what}"));
    let Ok(resource) = serde_json::from_slice::<Json>(payload) else { return wrong("this is none") };
    let Some(kind) = resource.get("resourceType").and_then(Json::as_str) else {
        return wrong("this has no resourceType");
    };
    if kind == "Bundle" && matches!(text(&resource, "type"), Some("transaction" | "batch")) {
        return Ok("POST".to_owned());
    }
    if kind.is_empty() || !kind.chars().all(|c| c.is_ascii_alphabetic()) {
        return wrong("this resourceType is none");
    }
    match (text(&resource, "id"), conditional) {
        (Some(id), _) if is_id(id) => Ok(format!("PUT {kind}/{id}")),
        (Some(_), _) => wrong("ids are made of up to 64 letters, digits, `-` and `.`"),
        (None, None) => Ok(format!("POST {kind}")),
        (None, Some(conditional)) => {
            let Some(search) = search(&resource) else {
                return wrong("`conditional` wants an identifier with a system and a value in it");
            };
            let method = match conditional {
                Conditional::Create => "POST",
                Conditional::Update => "PUT",
            };
            Ok(format!("{method} {kind}?{search}"))
        }
    }
}

/// The search for the resource's first identifier that has a system and a value.
fn search(resource: &Json) -> Option<String> {
    let identifiers = resource.get("identifier")?;
    // Of some kinds of resources it is one, of most a list.
    let identifiers = identifiers.as_array().map_or(std::slice::from_ref(identifiers), Vec::as_slice);
    let both = |identifier| {
        let (system, value) = (text(identifier, "system")?, text(identifier, "value")?);
        let is_both = !system.is_empty() && !value.is_empty();
        is_both.then(|| format!("identifier={}%7C{}", searched(system), searched(value)))
    };
    identifiers.iter().find_map(both)
}

/// A part of a value to search for: what separates values is escaped as a search wants it (R4, "Search", escaping search parameters), and
/// what is special in a URL as that wants it.
fn searched(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                out.push(char::from(byte));
            }
            b'\\' | b',' | b'$' | b'|' => out.push_str(&format!("%5C%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Whether this is an id (R4, "Data Types", id). One of dots alone would lead to another place.
fn is_id(id: &str) -> bool {
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (1..=64).contains(&id.len()) && id.chars().all(is_of_id) && id.chars().any(|c| c != '.')
}

fn text<'j>(json: &'j Json, key: &str) -> Option<&'j str> {
    json.get(key).and_then(Json::as_str)
}

/// The types of Bundles that are kept as they are, and come back so when a server shows what it has.
const RESOURCE_BUNDLES: [&str; 3] = ["document", "message", "collection"];

/// Judges the body of an answer: a bundle by each of its entries, an OperationOutcome by its issues; any other resource is what was
/// asked for. Of either only codes and places are told, because the words may tell of a patient. `sent` is what was answered.
#[must_use]
pub fn judge_fhir_answer(answer: &[u8], sent: &[u8]) -> Verdict {
    let Ok(answer) = serde_json::from_slice::<Json>(answer) else {
        let text = "the server's answer is no JSON".to_owned();
        return Verdict::Retryable { code: "unreadable-answer".to_owned(), text };
    };
    match text(&answer, "resourceType") {
        Some("OperationOutcome") => judge_outcome(&answer),
        Some("Bundle") => match batch_entries(sent) {
            0 if text(&answer, "type").is_some_and(|kind| RESOURCE_BUNDLES.contains(&kind)) => {
                Verdict::Delivered
            }
            sent => judge_bundle(&answer, sent),
        },
        _ => Verdict::Delivered,
    }
}

fn judge_outcome(outcome: &Json) -> Verdict {
    match issues(outcome) {
        told if told.is_empty() => Verdict::Delivered,
        told => Verdict::Refused {
            code: "OperationOutcome".to_owned(),
            text: format!("the server reports {told}"),
        },
    }
}

fn items<'j>(json: &'j Json, key: &str) -> &'j [Json] {
    json.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The errors of an OperationOutcome in a line: `invalid at Patient.birthDate, required`.
fn issues(outcome: &Json) -> String {
    let errors =
        issues::issues_of(outcome, None).filter(|issue| matches!(issue.severity.as_str(), "error" | "fatal"));
    let told = errors.map(|issue| {
        let is_code = |code: &&str| {
            (1..=32).contains(&code.len()) && code.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        };
        let code = Some(issue.code.as_str()).filter(is_code).unwrap_or("an error");
        let place = issue.place.as_deref().filter(|place| is_place(place));
        place.map_or_else(|| code.to_owned(), |place| format!("{code} at {place}"))
    });
    told.take(TOLD_MAX).collect::<Vec<_>>().join(", ")
}

/// Whether this is a plain path into a resource: whatever else FHIRPath allows might hold a value.
fn is_place(place: &str) -> bool {
    place.len() <= 100 && place.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '[' | ']'))
}

/// An entry that failed.
struct Failed {
    /// Counted from 1.
    number: usize,
    status: u16,
    issues: String,
}

/// How many entries a batch has; none of anything else.
fn batch_entries(sent: &[u8]) -> usize {
    let sent = serde_json::from_slice::<Json>(sent).unwrap_or_default();
    if text(&sent, "type") == Some("batch") { items(&sent, "entry").len() } else { 0 }
}

/// A transaction has succeeded whole or not at all; of a batch any entry may have failed, and it is sent again whole, or not at all. What
/// became of an entry that is not answered, nobody knows.
fn judge_bundle(bundle: &Json, sent: usize) -> Verdict {
    let entries = items(bundle, "entry");
    if entries.len() < sent {
        let text = format!("the server's answer has {} entries for a batch of {sent}", entries.len());
        return Verdict::Retryable { code: "unreadable-answer".to_owned(), text };
    }
    let mut failed = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let response = entry.get("response").unwrap_or(&Json::Null);
        let status =
            text(response, "status").and_then(|status| status.get(..3)).and_then(|code| code.parse().ok());
        match status {
            Some(200..=299 | 304) => {}
            Some(status) => {
                let issues = response.get("outcome").map(issues).unwrap_or_default();
                failed.push(Failed { number: index + 1, status, issues });
            }
            None => {
                let text = format!("entry {} of the server's answer has no status", index + 1);
                return Verdict::Retryable { code: "unreadable-answer".to_owned(), text };
            }
        }
    }
    let Some(first) = failed.first() else { return Verdict::Delivered };
    let told = failed.iter().take(TOLD_MAX).map(Failed::told).collect::<Vec<_>>().join("; ");
    // What is declared for one status must not decide about an entry that failed with another.
    let is_one = failed.iter().all(|entry| entry.status == first.status);
    let code = if is_one { first.status.to_string() } else { "entries-failed".to_owned() };
    let text = format!("{} of {} entries failed: {told}", failed.len(), entries.len());
    match failed.iter().all(|entry| is_retryable(entry.status)) {
        true => Verdict::Retryable { code, text },
        false => Verdict::Refused { code, text },
    }
}

impl Failed {
    fn told(&self) -> String {
        let issues = if self.issues.is_empty() { String::new() } else { format!(" ({})", self.issues) };
        format!("entry {} with {}{issues}", self.number, self.status)
    }
}

/// As for a whole answer over HTTP.
fn is_retryable(status: u16) -> bool {
    matches!(status, 401 | 408 | 425 | 429 | 500..=599)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_resource_goes() {
        for (payload, goes) in [
            (r#"{"resourceType":"Bundle","type":"transaction","entry":[]}"#, Some("POST")),
            (r#"{"resourceType":"Bundle","type":"batch","id":"b"}"#, Some("POST")),
            (r#"{"resourceType":"Bundle","type":"document"}"#, Some("POST Bundle")),
            (r#"{"resourceType":"Patient"}"#, Some("POST Patient")),
            (r#"{"resourceType":"Patient","id":"MR-70014.a"}"#, Some("PUT Patient/MR-70014.a")),
            (r#"{"resourceType":"Patient","id":"../x"}"#, None),
            (r#"{"resourceType":"Patient","id":".."}"#, None),
            (r#"{"resourceType":"Patient","id":""}"#, None),
            (r#"{"resourceType":"a/b"}"#, None),
            (r#"{"type":"transaction"}"#, None),
            ("MSH|^~\\&|", None),
        ] {
            assert_eq!(interaction(payload.as_bytes(), None).ok().as_deref(), goes, "{payload}");
        }
    }

    #[test]
    fn what_is_conditional_is_searched_by_its_identifier() {
        let patient = |rest: &str| format!(r#"{{"resourceType":"Patient",{rest}}}"#);
        let goes = |payload: &str, conditional| interaction(payload.as_bytes(), Some(conditional));
        let listed = patient(
            r#""identifier":[{"value":"9"},{"system":"urn:oid:2.16","value":"70|0,14 ü"},{"system":"x","value":"y"}]"#,
        );
        let search = "identifier=urn:oid:2.16%7C70%5C%7C0%5C%2C14%20%C3%BC";
        assert_eq!(goes(&listed, Conditional::Create), Ok(format!("POST Patient?{search}")));
        assert_eq!(goes(&listed, Conditional::Update), Ok(format!("PUT Patient?{search}")));
        let one = r#"{"resourceType":"Bundle","type":"document","identifier":{"system":"http://a.example/b","value":"1"}}"#;
        let search = "identifier=http://a.example/b%7C1";
        assert_eq!(goes(one, Conditional::Create), Ok(format!("POST Bundle?{search}")));
        let known = patient(r#""id":"7","identifier":[{"system":"x","value":"y"}]"#);
        assert_eq!(goes(&known, Conditional::Create), Ok("PUT Patient/7".to_owned()));
        let transaction = r#"{"resourceType":"Bundle","type":"transaction"}"#;
        assert_eq!(goes(transaction, Conditional::Update), Ok("POST".to_owned()));
        for unknown in
            ["\"active\":true", r#""identifier":[]"#, r#""identifier":[{"system":"","value":"y"}]"#]
        {
            let refused = goes(&patient(unknown), Conditional::Create).unwrap_err();
            assert!(refused.contains("`conditional` wants an identifier"), "{refused}");
        }
    }

    fn judged(answer: &str) -> (&'static str, String, String) {
        judged_for(answer, "{}")
    }

    fn judged_for(answer: &str, sent: &str) -> (&'static str, String, String) {
        match judge_fhir_answer(answer.as_bytes(), sent.as_bytes()) {
            Verdict::Delivered => ("delivered", String::new(), String::new()),
            Verdict::Retryable { code, text } => ("again", code, text),
            Verdict::Refused { code, text } => ("refused", code, text),
            Verdict::Foreign => ("foreign", String::new(), String::new()),
        }
    }

    fn of_entries(entries: &str) -> String {
        format!(r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{entries}]}}"#)
    }

    #[test]
    fn a_bundle_is_judged_by_each_entry() {
        let created = r#"{"response":{"status":"201 Created"}}"#;
        let same = r#"{"response":{"status":"304 Not Modified"}}"#;
        let busy = r#"{"response":{"status":"503"}}"#;
        let wrong = r#"{"response":{"status":"422 Unprocessable Entity","outcome":{"resourceType":"OperationOutcome","issue":[
            {"severity":"warning","code":"informational"},
            {"severity":"error","code":"invalid","expression":["Observation.value"],"diagnostics":"TESTER ALMA"}]}}}"#;
        let told = |entries: &[&str]| judged(&of_entries(&entries.join(",")));
        assert_eq!(told(&[created, same]).0, "delivered");
        assert_eq!(told(&[]).0, "delivered");
        let found = told(&[created, busy]);
        assert_eq!((found.0, found.1.as_str()), ("again", "503"));
        let found = told(&[busy, wrong]);
        assert_eq!((found.0, found.1.as_str()), ("refused", "entries-failed"));
        assert_eq!(
            found.2,
            "2 of 2 entries failed: entry 1 with 503; entry 2 with 422 (invalid at Observation.value)"
        );
        assert_eq!(told(&[created, "{}"]).1, "unreadable-answer");
    }

    #[test]
    fn a_batch_is_answered_entry_by_entry() {
        let sent = |kind: &str| format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{}},{{}}]}}"#);
        let created = r#"{"response":{"status":"201 Created"}}"#;
        assert_eq!(judged_for(&of_entries(""), &sent("transaction")).0, "delivered", "it succeeded whole");
        for (answer, count) in
            [(of_entries(""), 0), (r#"{"resourceType":"Bundle"}"#.to_owned(), 0), (of_entries(created), 1)]
        {
            let found = judged_for(&answer, &sent("batch"));
            let told = format!("the server's answer has {count} entries for a batch of 2");
            assert_eq!((found.0, found.1.as_str(), found.2), ("again", "unreadable-answer", told));
        }
        let both = of_entries(&[created, created].join(","));
        assert_eq!(judged_for(&both, &sent("batch")).0, "delivered");
    }

    #[test]
    fn an_outcome_is_told_by_codes_and_places_alone() {
        let outcome =
            |issue: &str| judged(&format!(r#"{{"resourceType":"OperationOutcome","issue":[{issue}]}}"#));
        assert_eq!(outcome(r#"{"severity":"information","code":"informational"}"#).0, "delivered");
        let found = outcome(
            r#"{"severity":"error","code":"required","diagnostics":"TESTER"},{"severity":"fatal","code":"TESTER ALMA","expression":["Patient.name.where(family='TESTER')"]}"#,
        );
        assert_eq!((found.0, found.2.as_str()), ("refused", "the server reports required, an error"));
    }

    #[test]
    fn what_was_asked_for_is_a_success_and_nonsense_is_none() {
        assert_eq!(judged(r#"{"resourceType":"Patient","id":"1"}"#).0, "delivered");
        let document = r#"{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition"}}]}"#;
        assert_eq!(judged(document).0, "delivered");
        assert_eq!(judged("<html>").1, "unreadable-answer");
    }
}
