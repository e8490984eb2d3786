//! MSA, ERR, QPD, QRD, QAK and DSP: what a message says about another one, that it answers or asks for.

use orderly_record::{Acknowledgement, Parameter, Query, Record, Reported, Text};

use super::values::{coded, lines, providers, text, time};
use super::{Fields, Walk};
use crate::view::View;

/// QPD-1 and QPD-2 name the query; what it asks for begins here.
const PARAMETERS_FROM: usize = 3;

/// MSA (chapter 2, "Message acknowledgment segment"). MSA-6 is the error of versions between ERR-1 and ERR-3.
pub(super) fn acknowledgement(msa: &Fields<'_>, walk: &mut Walk) {
    let source = walk.location("MSA");
    let error = coded(msa.first(6)).map(|code| Reported { code: Some(code), ..Reported::default() });
    // Some put ERR before MSA.
    let before = walk.record.acknowledgement.take().map(|before| before.errors).unwrap_or_default();
    walk.record.acknowledgement = Some(Box::new(Acknowledgement {
        code: text(msa.first(1)),
        control_id: text(msa.first(2)),
        text: text(msa.first(3)),
        errors: before.into_iter().chain(error).collect(),
        source: Some(source),
    }));
}

/// ERR: one error (since 2.5), or in ERR-1 all of them.
pub(super) fn error(err: &Fields<'_>, walk: &mut Walk) {
    let source = walk.location("ERR");
    let errors = &mut walk.record.acknowledgement.get_or_insert_default().errors;
    let code = coded(err.first(3));
    if code.is_none() {
        errors.extend(
            err.field(1)
                .children()
                .filter_map(old_error)
                .map(|error| Reported { source: Some(source.clone()), ..error }),
        );
        return;
    }
    errors.push(Reported {
        code,
        severity: text(err.first(4)),
        location: place(err.first(2)),
        text: lines(err.field(8)).or_else(|| lines(err.field(7))),
        source: Some(source),
    });
}

/// ELD: segment ^ occurrence ^ field ^ code & text & system.
fn old_error(view: View<'_>) -> Option<Reported> {
    let code = coded(view.child(4));
    let location = [view.child(1), view.child(2), view.child(3)].map(text);
    let is_nothing = code.is_none() && location.iter().all(Option::is_none);
    (!is_nothing).then(|| Reported { code, location: joined(location), ..Reported::default() })
}

/// ERL as text, its parts with `^` between them.
fn place(view: View<'_>) -> Option<Text> {
    if view.raw().is_empty() {
        return None;
    }
    joined(view.parts::<6>().map(text))
}

fn joined<const N: usize>(parts: [Option<Text>; N]) -> Option<Text> {
    let used = parts.iter().rposition(Option::is_some)? + 1;
    let parts: Vec<Text> = parts.into_iter().take(used).map(Option::unwrap_or_default).collect();
    Some(parts.join("^").into())
}

/// QPD: name ^ tag ^ what the query's own definition says.
pub(super) fn query(qpd: &Fields<'_>, walk: &mut Walk) {
    let source = walk.location("QPD");
    let query = query_of(&mut walk.record);
    query.name = coded(qpd.first(1));
    query.tag = text(qpd.first(2));
    let parameter = |field| lines(qpd.field(field)).map(|value| Parameter { value, field });
    query.parameters = (PARAMETERS_FROM..=qpd.segment.last_field()).filter_map(parameter).collect();
    query.source = Some(source);
}

/// QRD: the query of versions before 2.4. Whom it is about is a person's id, what it asks for a code.
pub(super) fn old_query(qrd: &Fields<'_>, walk: &mut Walk) {
    let source = walk.location("QRD");
    let query = query_of(&mut walk.record);
    query.asked_at = time(qrd.first(1));
    query.tag = text(qrd.first(4));
    // A person as XCN, of which the id counts.
    query.subjects = providers(qrd.field(8)).into_iter().filter_map(|person| person.identifier).collect();
    query.name = coded(qrd.first(9));
    query.source = Some(source);
}

/// QAK: how the query was answered.
pub(super) fn answer(qak: &Fields<'_>, walk: &mut Walk) {
    let source = walk.location("QAK");
    let query = query_of(&mut walk.record);
    query.tag = query.tag.take().or_else(|| text(qak.first(1)));
    query.status = text(qak.first(2));
    query.name = query.name.take().or_else(|| coded(qak.first(3)));
    query.hits = text(qak.first(4));
    query.source.get_or_insert(source);
}

/// DSP: a line of an answer that is only to be shown.
pub(super) fn line(dsp: &Fields<'_>, walk: &mut Walk) {
    if let Some(line) = lines(dsp.field(3)) {
        query_of(&mut walk.record).lines.push(line);
    }
}

fn query_of(record: &mut Record) -> &mut Query {
    record.query.get_or_insert_default()
}

#[cfg(test)]
mod tests {
    use orderly_record::Record;

    use crate::parse::{Settings, parse};

    fn read(segments: &str) -> Record {
        let message = format!("MSH|^~\\&|||||||ACK|1\r{segments}");
        crate::normalize(&parse(message.as_bytes(), &Settings::default()).unwrap())
    }

    /// Code, place, severity and words of each error.
    fn errors(segments: &str) -> Vec<String> {
        let shown = |text: &Option<orderly_record::Text>| text.clone().unwrap_or_default();
        let answer = read(segments).acknowledgement.unwrap();
        let one = |error: &orderly_record::Reported| {
            let code = error.code.as_ref().map(|code| shown(&code.code)).unwrap_or_default();
            format!("{code}|{}|{}|{}", shown(&error.location), shown(&error.severity), shown(&error.text))
        };
        answer.errors.iter().map(one).collect()
    }

    #[test]
    fn an_error_is_read_in_the_form_of_every_version() {
        let table = [
            ("MSA|AE|7\rERR||PID^1^3^^2|101^x^HL70357|E||||No id\r", vec!["101|PID^1^3^^2|E|No id"]),
            ("MSA|AE|7|No\rERR|PID^1^3^101&x&HL70357~^^^199\r", vec!["101|PID^1^3||", "199|||"]),
            ("MSA|AR|7|No|||207^Locked\r", vec!["207|||"]),
            ("MSA|AE|7\rERR\r", vec![]),
            ("ERR||PID^1|100|W\r", vec!["100|PID^1|W|"]),
        ];
        for (segments, expected) in table {
            assert_eq!(errors(segments), expected, "{segments}");
        }
    }

    #[test]
    fn a_query_says_what_it_asks_for_in_both_forms() {
        let query = read("QPD|Z34^History^CDC|T9|70014^^^A^MR~80^^^B||PROBE^ALMA\r").query.unwrap();
        assert_eq!(query.tag.as_deref(), Some("T9"));
        let parameters: Vec<_> = query.parameters.iter().map(|one| (one.field, one.value.as_str())).collect();
        assert_eq!(parameters, [(3, "70014^^^A^MR\n80^^^B"), (5, "PROBE^ALMA")]);
        let query = read("QRD|20260305|R|I|T1|||25^RD|70014^PROBE|VXI^History|\r").query.unwrap();
        assert_eq!((query.subjects[0].value.as_str(), query.tag.as_deref()), ("70014", Some("T1")));
        assert_eq!(query.name.unwrap().code.as_deref(), Some("VXI"));
        let query = read("MSA|AA|1\rQAK|T9|NF||0\rDSP|1||none found\r").query.unwrap();
        assert_eq!((query.status.as_deref(), query.hits.as_deref()), (Some("NF"), Some("0")));
        assert_eq!(query.lines, ["none found"]);
    }
}
