//! The results in the XML that JUnit introduced and build servers read: a suite a test file, a failure a case that does not hold.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::report::placed;
use super::{Ran, RanCase};

/// The document.
pub(super) fn document(ran: &Ran) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let (tests, failures) = (ran.cases.len().to_string(), ran.failed().to_string());
    writer
        .create_element("testsuites")
        .with_attributes([("tests", tests.as_str()), ("failures", failures.as_str())])
        .write_inner_content(|writer| {
            for cases in ran.cases.chunk_by(|one, other| one.file == other.file) {
                suite(writer, cases)?;
            }
            Ok(())
        })?;
    let mut bytes = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec();
    bytes.append(&mut writer.into_inner());
    bytes.push(b'\n');
    Ok(bytes)
}

fn suite(writer: &mut Writer<Vec<u8>>, cases: &[RanCase]) -> io::Result<()> {
    let file = cases.first().map_or("", |case| &case.file);
    let failures = cases.iter().filter(|case| !case.mismatches.is_empty()).count().to_string();
    let tests = cases.len().to_string();
    writer
        .create_element("testsuite")
        .with_attributes([("name", file), ("tests", tests.as_str()), ("failures", failures.as_str())])
        .write_inner_content(|writer| cases.iter().try_for_each(|case| one(writer, case)))?;
    Ok(())
}

fn one(writer: &mut Writer<Vec<u8>>, case: &RanCase) -> io::Result<()> {
    let element = writer
        .create_element("testcase")
        .with_attributes([("classname", case.subject.as_str()), ("name", case.name.as_str())]);
    let Some(first) = case.mismatches.first() else {
        element.write_empty()?;
        return Ok(());
    };
    let told = |found| placed_text(found);
    let all: Vec<String> = case.mismatches.iter().map(told).collect();
    let (message, all) = (xml_text(&first.to_string()), xml_text(&all.join("\n")));
    element.write_inner_content(|writer| {
        let failure = writer.create_element("failure").with_attribute(("message", message.as_str()));
        failure.write_text_content(BytesText::new(&all))?;
        Ok(())
    })?;
    Ok(())
}

fn placed_text(found: &orderly_pipeline::suite::Mismatch) -> String {
    format!("{}: {found}", placed(&found.place))
}

/// XML has no place for most control characters, not even escaped.
fn xml_text(text: &str) -> String {
    let allowed = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
    text.chars().map(|letter| if allowed(letter) { letter } else { '\u{fffd}' }).collect()
}
