//! Why a document is refused: each kind with its code, and what its sender should do. None holds anything of the document's content.

use orderly_record::{Diagnostic, Fault};

pub(crate) fn over(code: &'static str, what: &str, max: usize) -> Diagnostic {
    let message = format!("the document has more than {max} {what}");
    Diagnostic::error(code, Fault::Sender, message).with_help("Send the document in parts.")
}

pub(crate) fn malformed(what: &str) -> Diagnostic {
    Diagnostic::error("ccda-malformed", Fault::Sender, format!("not well-formed XML: {what}"))
        .with_help("Check the document with an XML parser before sending it.")
}

pub(crate) fn truncated() -> Diagnostic {
    Diagnostic::error("ccda-truncated", Fault::Sender, "the document ends before its last tag")
        .with_help("Send it again, whole; see that the file is complete before it is handed over.")
}

pub(crate) fn doctype() -> Diagnostic {
    Diagnostic::error(
        "ccda-doctype",
        Fault::Sender,
        "the document has a DOCTYPE, which could define entities",
    )
    .with_help("Send it without DOCTYPE; a clinical document needs none.")
}

pub(crate) fn entity() -> Diagnostic {
    let message = "the document has a reference to an entity or a character that XML does not define";
    Diagnostic::error("ccda-entity", Fault::Sender, message)
        .with_help("Write the character itself, or its number: &#160; for &nbsp;.")
}

pub(crate) fn undeclared_prefix() -> Diagnostic {
    Diagnostic::error("ccda-undeclared-prefix", Fault::Sender, "a name has a prefix that is not declared")
        .with_help("Declare the prefix on ClinicalDocument, for example xmlns:sdtc=\"urn:hl7-org:sdtc\".")
}

/// `root` is the name of the element that stands there instead.
pub(crate) fn no_document(root: Option<&str>) -> Diagnostic {
    let found: String =
        root.unwrap_or("nothing").chars().filter(|letter| letter.is_alphanumeric()).take(40).collect();
    let message = format!("the root is not ClinicalDocument of the namespace urn:hl7-org:v3, but {found}");
    Diagnostic::error("ccda-no-clinical-document", Fault::Sender, message)
        .with_help("Send a whole CDA document.")
}
