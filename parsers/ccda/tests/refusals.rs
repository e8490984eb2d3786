//! What is refused: each kind once, with its code and the byte where it is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use orderly_ccda::{Limits, parse};
use orderly_record::{Fault, Place};

const START: &str = "<ClinicalDocument xmlns='urn:hl7-org:v3'>";

fn refused(text: &str, limits: &Limits) -> (&'static str, usize) {
    let diagnostic = parse(text.as_bytes(), limits).map(|_| ()).unwrap_err();
    assert_eq!(diagnostic.fault, Fault::Sender);
    assert!(diagnostic.help.is_some());
    let Place::Input { offset, .. } = diagnostic.place else { panic!("no place") };
    (diagnostic.code, offset)
}

#[test]
fn what_is_no_clinical_document_is_refused() {
    let after = START.len();
    let table = [
        (String::new(), "ccda-no-clinical-document", 0),
        ("<a/>".to_owned(), "ccda-no-clinical-document", 0),
        ("<ClinicalDocument/>".to_owned(), "ccda-no-clinical-document", 0),
        (format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{START}&b;</ClinicalDocument>"), "ccda-doctype", 0),
        (format!("{START}&nbsp;</ClinicalDocument>"), "ccda-entity", after),
        (format!("{START}&#0;</ClinicalDocument>"), "ccda-entity", after),
        (format!("{START}<a b='&c;'/></ClinicalDocument>"), "ccda-entity", after),
        (format!("{START}<x:a/></ClinicalDocument>"), "ccda-undeclared-prefix", after),
        (format!("{START}<a x:b=''/></ClinicalDocument>"), "ccda-undeclared-prefix", after),
        (format!("{START}<a></b></ClinicalDocument>"), "ccda-malformed", after + 3),
        (format!("{START}<a b='1' b='2'/></ClinicalDocument>"), "ccda-malformed", after),
        (format!("{START}<a b=1/></ClinicalDocument>"), "ccda-malformed", after),
        (format!("{START}<a b='<'/></ClinicalDocument>"), "ccda-malformed", after),
        (format!("{START}\u{1}</ClinicalDocument>"), "ccda-malformed", after),
        (format!("{START}</ClinicalDocument>x"), "ccda-malformed", after + 19),
        (format!("{START}</ClinicalDocument><a/>"), "ccda-malformed", after + 19),
        (START.to_owned(), "ccda-truncated", after),
        (format!("{START}<a"), "ccda-truncated", after),
        (format!("{START}<!-- "), "ccda-truncated", after),
    ];
    for (text, code, offset) in table {
        assert_eq!(refused(&text, &Limits::default()), (code, offset), "{text}");
    }
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let document = |body: &str| format!("{START}{body}</ClinicalDocument>");
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let table = [
        (document(&" ".repeat(100)), limits(|limits| limits.bytes_max = 100), "ccda-too-large"),
        (document("<a><a><a/></a></a>"), limits(|limits| limits.depth_max = 3), "ccda-too-deep"),
        (document("<a/><a/><a/>"), limits(|limits| limits.elements_max = 3), "ccda-too-many-elements"),
        (
            document("<a b='' c='' d=''/>"),
            limits(|limits| limits.attributes_max = 2),
            "ccda-too-many-attributes",
        ),
        (
            document("<a b=''/><a b=''/><a b=''/>"),
            limits(|limits| limits.all_attributes_max = 2),
            "ccda-too-many-attributes",
        ),
        (document("<a b=''/><c d=''/>"), limits(|limits| limits.names_max = 4), "ccda-too-many-names"),
        (document("<a>0123456789</a>"), limits(|limits| limits.text_bytes_max = 9), "ccda-text-too-long"),
        (document("<a b='0123456789'/>"), limits(|limits| limits.text_bytes_max = 9), "ccda-text-too-long"),
        (
            document(&format!("<{}/>", "a".repeat(17))),
            limits(|limits| limits.name_bytes_max = 16),
            "ccda-name-too-long",
        ),
        (
            document("<a xmlns:b='c' xmlns:d='e'/>"),
            limits(|limits| limits.namespaces_max = 2),
            "ccda-too-many-namespaces",
        ),
    ];
    for (text, limits, code) in table {
        assert_eq!(refused(&text, &limits).0, code, "{text}");
    }
}

#[test]
fn base64_may_be_as_long_as_the_document() {
    let limits = Limits { text_bytes_max: 20, ..Limits::default() };
    let text = format!("{START}<a representation='B64'>{}</a></ClinicalDocument>", "A".repeat(50));
    assert!(parse(text.as_bytes(), &limits).is_ok());
    assert_eq!(refused(&text.replace("B64", "TXT"), &limits).0, "ccda-text-too-long");
}

#[test]
fn a_refusal_holds_nothing_of_the_document() {
    let secret = "Tester";
    for text in [
        format!("{START}<{secret}"),
        format!("{START}&{secret};"),
        format!("{START}<{secret}:a/>"),
        format!("{START}<a></{secret}>"),
    ] {
        let diagnostic = parse(text.as_bytes(), &Limits::default()).map(|_| ()).unwrap_err();
        assert!(!format!("{diagnostic:?}").contains(secret), "{diagnostic:?}");
    }
}
