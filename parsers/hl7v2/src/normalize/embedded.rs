//! Documents inside observations: what kind they are, how encoded and how long. Their bytes stay in the message.
//!
//! Some senders cut a document into pieces, each in an OBX or in a repetition of its own. Pieces are one document only where that is certain:
//! its first bytes are those of the kind of file that it is declared to be, no earlier piece has its end, and no later one has a beginning.

use orderly_record::{Content, Location, Observation, ObservationValue, Text};

use super::values::text;
use crate::view::{Presence, View};

/// Shorter texts are words, however they begin.
const UNDECLARED_LENGTH_MIN: usize = 64;

/// Within so many bytes the data of an ED begins whose parts were sent in a text.
const UNDECLARED_START_MAX: usize = 60;

/// How the Base64 of usual documents and images begins: their first bytes are always the same.
const SIGNATURES: [(&str, &str); 8] = [
    ("JVBERi0", "application/pdf"),
    ("e1xydGY", "application/rtf"),
    ("/9j/", "image/jpeg"),
    ("iVBOR", "image/png"),
    ("SUkq", "image/tiff"),
    ("TU0AK", "image/tiff"),
    ("PD94bWw", XML),
    ("UEsDB", "application/zip"),
];

/// Also begins without a declaration, so that the beginning of another one would not be seen.
const XML: &str = "application/xml";

/// What files of several kinds are.
const AMBIGUOUS: [&str; 2] = [XML, "application/zip"];

/// `%%EOF`, the end of a PDF, in Base64: its letters depend on where among three bytes it begins.
const PDF_ENDS: [&[u8]; 3] = [b"JSVFT0", b"UlRU9G", b"lJUVPR"];

/// Within so many characters of its end stands the end of a PDF.
const PDF_END_MAX: usize = 64;

/// So many characters at either end tell whether something is Base64 or words.
const LOOKED_AT: usize = 64;

/// A document whose end has not come.
pub(super) struct Unfinished {
    /// By its first bytes.
    media_type: &'static str,
    /// As its first piece says it.
    declared: Option<Text>,
    /// Where its first piece stands.
    begins: Text,
    /// The sub-id of the last observation with a piece of it.
    sub_id: Option<Text>,
}

/// A document or a piece of one, with its data and where that stands.
struct Piece<'m> {
    content: Content,
    data: &'m [u8],
    path: Text,
}

/// A document of one observation.
struct Document {
    /// As its first piece says it.
    content: Content,
    /// By its first bytes.
    media_type: Option<&'static str>,
    /// Where its first piece stands.
    begins: Text,
    /// What kind of file it is, as long as its end has not come.
    open: Option<&'static str>,
}

impl Document {
    /// What it is by its first bytes is truer than what is declared: many put `AP` or `Image` before `PDF`. Packed files and XML are of many
    /// kinds, which only the declaration tells.
    fn value(self) -> ObservationValue {
        let seen =
            self.media_type.filter(|seen| !AMBIGUOUS.contains(seen) || self.content.media_type.is_none());
        let media_type = seen.map(Text::new_static).or(self.content.media_type);
        ObservationValue::Content(Content { media_type, ..self.content })
    }
}

/// OBX-5 of type ED: the documents in it.
pub(super) fn documents(field: View<'_>, source: &Location) -> Vec<ObservationValue> {
    join(&pieces(field, source)).into_iter().map(Document::value).collect()
}

/// Whether there is a document in a field of type ED, and not only words: some send these under any type.
pub(super) fn has_documents(field: View<'_>) -> bool {
    field.children().any(|view| view.count() > 1 || is_letters(view.raw()))
}

/// The last document of an observation of type ED, if its end has not come.
pub(super) fn unfinished(observation: &Observation, field: View<'_>) -> Option<Unfinished> {
    let source = observation.source.as_ref().filter(|_| observation.value_type.as_deref() == Some("ED"))?;
    let Document { begins, open, content, .. } = join(&pieces(field, source)).pop()?;
    let (media_type, declared, sub_id) = (open?, content.media_type, observation.sub_id.clone());
    Some(Unfinished { media_type, declared, begins, sub_id })
}

/// Whether what comes later has nothing of its own to say here, which would be lost.
fn says_no_other<T: PartialEq>(before: &Option<T>, next: &Option<T>) -> bool {
    next.is_none() || next == before
}

/// Puts the next observation to the one before it when all that is in it goes on with the document there; what is then unfinished. Else
/// gives the observation back.
pub(super) fn continued(
    before: &mut Observation,
    open: Unfinished,
    next: Observation,
    field: View<'_>,
) -> Result<Option<Unfinished>, Box<Observation>> {
    let is_same = before.value_type == next.value_type
        && before.code == next.code
        && before.status == next.status
        && says_no_other(&before.observed_at, &next.observed_at)
        && says_no_other(&before.performer, &next.performer)
        && (next.observed_by.is_empty() || next.observed_by == before.observed_by)
        && follows(open.sub_id.as_deref(), next.sub_id.as_deref());
    let pieces = next.source.as_ref().map(|source| pieces(field, source)).unwrap_or_default();
    let Some(ObservationValue::Content(document)) = before.values.last_mut().filter(|_| is_same) else {
        return Err(Box::new(next));
    };
    let ends = pieces.iter().position(|piece| has_end(open.media_type, piece.data));
    let ends_early = ends.is_some_and(|end| end + 1 < pieces.len());
    if pieces.is_empty() || ends_early || !pieces.iter().all(|piece| goes_on(open.declared.as_ref(), piece)) {
        return Err(Box::new(next));
    }
    for piece in &pieces {
        append(document, &open.begins, piece);
    }
    Ok(ends.is_none().then_some(Unfinished { sub_id: next.sub_id, ..open }))
}

/// The documents that these pieces are.
fn join(pieces: &[Piece<'_>]) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    for piece in pieces {
        let open = documents.last_mut().filter(|document| document.open.is_some());
        match open.filter(|document| goes_on(document.content.media_type.as_ref(), piece)) {
            Some(document) => {
                append(&mut document.content, &document.begins, piece);
                document.open = document.open.filter(|media_type| !has_end(media_type, piece.data));
            }
            None => {
                let open = kind(piece).filter(|media_type| !has_end(media_type, piece.data));
                let (content, begins) = (piece.content.clone(), piece.path.clone());
                let media_type = signature(piece.data).filter(|_| is_base64(&piece.content));
                documents.push(Document { content, media_type, begins, open });
            }
        }
    }
    documents
}

fn append(document: &mut Content, begins: &Text, piece: &Piece<'_>) {
    if document.parts.is_empty() {
        document.parts.push(begins.clone());
    }
    document.parts.push(piece.path.clone());
    document.length = document.length.map(|length| length + piece.data.len());
}

/// The repetitions of OBX-5; one without components is data alone.
fn pieces<'m>(field: View<'m>, source: &Location) -> Vec<Piece<'m>> {
    let Location::Segment { name, occurrence } = source else { return Vec::new() };
    let segment = if *occurrence > 1 { format!("{name}[{occurrence}]") } else { (*name).to_owned() };
    let piece = |(number, view): (usize, View<'m>)| {
        let (data, content) = match (view.count(), view.child(5).raw()) {
            (1, _) => (view.raw(), undeclared(view.raw())),
            // A part is missing, and the data one place too far to the left.
            (_, b"") => (b"".as_slice(), undeclared(view.raw())),
            (_, data) => (data, Some(embedded(view))),
        };
        let component = if view.count() == 1 { "" } else { ".5" };
        let content = content.unwrap_or_else(|| match view.count() {
            1 => Content { length: Some(data.len()), ..Content::default() },
            _ => embedded(view),
        });
        Piece { content, data, path: format!("{segment}-5[{number}]{component}").into() }
    };
    (1..).zip(field.children()).filter(|(_, view)| view.presence() == Presence::Present).map(piece).collect()
}

/// What kind of file a first piece begins, if it is in Base64 and declared to be of that kind.
fn kind(piece: &Piece<'_>) -> Option<&'static str> {
    let media_type = signature(piece.data).filter(|media_type| *media_type != XML)?;
    let (_, name) = media_type.split_once('/')?;
    let declared = piece.content.media_type.as_deref()?;
    (is_base64(&piece.content) && declared.contains(name)).then_some(media_type)
}

fn is_base64(content: &Content) -> bool {
    content.encoding.as_deref().is_some_and(|encoding| encoding.eq_ignore_ascii_case("Base64"))
}

/// Whether a piece says nothing else than the document before it, and is no beginning.
fn goes_on(declared: Option<&Text>, piece: &Piece<'_>) -> bool {
    let Content { media_type, encoding, pointer, .. } = &piece.content;
    (media_type.is_none() || media_type.as_ref() == declared)
        && (encoding.is_none() || is_base64(&piece.content))
        && pointer.is_none()
        && signature(piece.data).is_none()
        && is_letters(piece.data)
}

/// Whether something is in the letters of Base64.
fn is_letters(data: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut looked_at = data.iter().take(LOOKED_AT).chain(data.iter().rev().take(LOOKED_AT));
    !data.is_empty() && looked_at.all(is_letter)
}

/// Whether a document of this kind may end with this data: by the padding of Base64, or as a PDF ends.
fn has_end(media_type: &str, data: &[u8]) -> bool {
    let end = data.get(data.len().saturating_sub(PDF_END_MAX)..).unwrap_or_default();
    let has = |ending: &&[u8]| end.windows(ending.len()).any(|window| window == *ending);
    data.is_empty() || data.ends_with(b"=") || (media_type.ends_with("pdf") && PDF_ENDS.iter().any(has))
}

/// Whether an observation may go on with what the one before it began: under the same sub-id, or the next in number (`1.1`, `1.2`).
fn follows(before: Option<&str>, next: Option<&str>) -> bool {
    let split = |text: &'_ str| {
        let head = text.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        let (head, number) = text.split_at_checked(head)?;
        Some((head.to_owned(), number.parse::<u32>().ok()?))
    };
    match (before, next) {
        (Some(before), Some(next)) if before != next => match (split(before), split(next)) {
            (Some((head, number)), Some((other, following))) => {
                head == other && number.checked_add(1) == Some(following)
            }
            _ => false,
        },
        (before, next) => before == next,
    }
}

fn signature(data: &[u8]) -> Option<&'static str> {
    let known = SIGNATURES.iter().find(|(begin, _)| data.starts_with(begin.as_bytes()));
    known.map(|(_, media_type)| *media_type)
}

/// A document that its sender put into a text, known by how its Base64 begins; with it may stand, shifted by one, what ED says before it.
pub(super) fn undeclared(raw: &[u8]) -> Option<Content> {
    if raw.len() < UNDECLARED_LENGTH_MIN {
        return None;
    }
    let start = raw.iter().take(UNDECLARED_START_MAX).rposition(|byte| *byte == b'^').map_or(0, |at| at + 1);
    let data = raw.get(start..)?;
    let media_type = signature(data)?;
    Some(Content {
        media_type: Some(Text::new_static(media_type)),
        encoding: Some(Text::new_static("Base64")),
        length: Some(data.len()),
        ..Content::default()
    })
}

/// ED: application ^ type ^ subtype ^ encoding ^ data.
fn embedded(view: View<'_>) -> Content {
    let media_type = match (text(view.child(2)), text(view.child(3))) {
        (_, Some(subtype)) if subtype.contains('/') => Some(subtype),
        (Some(kind), Some(subtype)) => Some(format!("{kind}/{subtype}").into()),
        (kind, subtype) => kind.or(subtype),
    };
    Content {
        media_type: media_type.map(|media_type| media_type.to_ascii_lowercase().into()),
        encoding: text(view.child(4)),
        length: Some(view.child(5).raw().len()),
        ..Content::default()
    }
}

/// RP: pointer ^ application ^ type ^ subtype.
pub(super) fn pointer(view: View<'_>) -> ObservationValue {
    let media_type = match (text(view.child(3)), text(view.child(4))) {
        (Some(kind), Some(subtype)) => Some(format!("{kind}/{subtype}").to_ascii_lowercase().into()),
        (kind, subtype) => kind.or(subtype).map(|media_type| media_type.to_ascii_lowercase().into()),
    };
    ObservationValue::Content(Content { media_type, pointer: text(view.child(1)), ..Content::default() })
}

#[cfg(test)]
mod tests {
    use orderly_record::{Content, ObservationValue};

    use crate::parse::{Settings, parse};

    /// Length and parts of each document, by observation, of OBX with these sub-ids and values.
    fn documents(observations: &[(&str, &str)]) -> Vec<Vec<(usize, String)>> {
        let obx = |(sub_id, value): &(&str, &str)| format!("OBX|1|ED|PDF^Report^L|{sub_id}|{value}||||||F\r");
        let observations: String = observations.iter().map(obx).collect();
        read(&format!("OBR|1\r{observations}"))
    }

    fn read(segments: &str) -> Vec<Vec<(usize, String)>> {
        let message = format!("MSH|^~\\&|||||||ORU^R01|1\r{segments}");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        let record = crate::normalize(&message);
        let document = |value: &ObservationValue| match value {
            ObservationValue::Content(Content { length, parts, .. }) => {
                (length.unwrap_or(0), parts.join(" "))
            }
            other => panic!("{other:?}"),
        };
        let all = record.results.iter().flat_map(|report| &report.observations);
        all.map(|observation| observation.values.iter().map(document).collect()).collect()
    }

    const BEGIN: &str = "^application^pdf^Base64^JVBERi0xLjQK";
    const MIDDLE: &str = "^application^pdf^Base64^c3ludGhldGlj";
    const END: &str = "^application^pdf^Base64^JSVFT0Y=";

    #[test]
    fn pieces_in_several_observations_are_one_document() {
        let all = vec![vec![(32, "OBX-5[1].5 OBX[2]-5[1].5 OBX[3]-5[1].5".to_owned())]];
        for sub_ids in [["", "", ""], ["1", "1", "1"], ["1", "2", "3"], ["1.1", "1.2", "1.3"]] {
            let [first, second, third] = sub_ids;
            assert_eq!(documents(&[(first, BEGIN), (second, MIDDLE), (third, END)]), all, "{sub_ids:?}");
        }
        assert_eq!(documents(&[("", BEGIN), ("", "^^^^c3ludGhldGlj"), ("", "JSVFT0Y=")])[0][0].0, 32);
    }

    #[test]
    fn pieces_in_repetitions_are_one_document() {
        let field = format!("{BEGIN}~{MIDDLE}~JSVFT0Y=");
        let parts = "OBX-5[1].5 OBX-5[2].5 OBX-5[3]".to_owned();
        assert_eq!(documents(&[("", &field)]), [[(32, parts)]]);
        let (first, second) = (format!("{BEGIN}~{MIDDLE}"), format!("{MIDDLE}~{END}"));
        assert_eq!(documents(&[("", &first), ("", &second)])[0][0].0, 44);
    }

    #[test]
    fn what_may_be_a_document_of_its_own_stays_one() {
        let alone = |first: &str, second: &str| {
            let found = documents(&[("", first), ("", second)]);
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "{first} {second}");
            assert!(found.iter().flatten().all(|(_, parts)| parts.is_empty()));
            let found = documents(&[("", &format!("{first}~{second}"))]);
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [2], "{first} {second}");
        };
        // The second begins a file; the first has its end, by the padding or by what a PDF ends with.
        alone(BEGIN, BEGIN);
        alone("^application^pdf^Base64^JVBERi0xLjQKPg==", MIDDLE);
        alone("^application^pdf^Base64^JVBERi0xLjQKJSVFT0YK", MIDDLE);
        // Nothing says what the first is, or it says something else than it is.
        alone("^application^pdf^Base64^c3ludGhldGlj", MIDDLE);
        alone("^text^plain^Base64^JVBERi0xLjQK", "^text^plain^Base64^c3ludGhldGlj");
        alone("^application^xml^Base64^PD94bWwgdmVy", "^application^xml^Base64^c3ludGhldGlj");
        // The second is of another kind, or no Base64.
        alone(BEGIN, "^image^png^Base64^c3ludGhldGlj");
        alone(BEGIN, "^application^pdf^Hex^c3ludGhldGlj");
        alone(BEGIN, "^application^pdf^A^Words of a report.");
    }

    #[test]
    fn only_neighbours_of_the_same_name_are_joined() {
        assert_eq!(documents(&[("1", BEGIN), ("3", MIDDLE)]).len(), 2);
        assert_eq!(documents(&[("1", BEGIN), ("", MIDDLE)]).len(), 2);
        assert_eq!(documents(&[("A", BEGIN), ("B", MIDDLE)]).len(), 2);
        let obx = |code: &str, value: &str| format!("OBX|1|ED|{code}||{value}||||||F\r");
        let (begin, rest) = (obx("A", BEGIN), obx("A", END));
        assert_eq!(read(&format!("OBR|1\r{begin}{rest}")).len(), 1);
        assert_eq!(read(&format!("OBR|1\r{begin}NTE|1||x\r{rest}")).len(), 2);
        assert_eq!(read(&format!("OBR|1\r{begin}OBR|2\r{rest}")).len(), 2);
        assert_eq!(read(&format!("OBR|1\r{begin}{}", obx("B", END))).len(), 2);
    }

    #[test]
    fn data_without_what_it_is_is_still_a_document() {
        let data = format!("JVBERi0{}", "A".repeat(80));
        assert_eq!(documents(&[("", &data)]), [[(87, String::new())]]);
    }

    /// The media type of a document that these values are.
    fn media_type(value: &str) -> String {
        let message = format!("MSH|^~\\&|||||||ORU^R01|1\rOBX|1|ED|A||{value}\r");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        let values = &crate::normalize(&message).results[0].observations[0].values;
        let [ObservationValue::Content(content)] = values.as_slice() else { panic!("{values:?}") };
        assert_eq!(content.encoding.as_deref(), Some("Base64"), "{value}");
        content.media_type.as_deref().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_document_is_what_its_first_bytes_say() {
        let shifted = format!("LAB^PDF^Base64^JVBERi0{}", "A".repeat(80));
        let table = [
            ("^AP^^Base64^JVBERi0xLjQK", "application/pdf"),
            ("Quest^Image^PDF^Base64^JVBERi0xLjQK", "application/pdf"),
            (shifted.as_str(), "application/pdf"),
            ("^text^xml^Base64^PD94bWwgdmVy", "text/xml"),
            ("^application^vnd.ms-excel^Base64^UEsDBBQA", "application/vnd.ms-excel"),
            ("^^^Base64^UEsDBBQA", "application/zip"),
            ("^application^octet-stream^Base64^AAECAwQF", "application/octet-stream"),
        ];
        for (value, expected) in table {
            assert_eq!(media_type(value), expected, "{value}");
        }
        let [image, rest] = [BEGIN, MIDDLE].map(|value| value.replace("application", "Image"));
        assert_eq!(documents(&[("", &image), ("", &rest)]).len(), 1);
    }

    #[test]
    fn words_under_the_type_of_documents_are_words() {
        let message = b"MSH|^~\\&|||||||ORU^R01|1\rOBX|1|ED|A||See the scan.~Page 2 of 3\r";
        let message = parse(message, &Settings::default()).unwrap();
        let observation = &crate::normalize(&message).results[0].observations[0];
        assert_eq!(observation.value.as_deref(), Some("See the scan.\nPage 2 of 3"));
    }
}
