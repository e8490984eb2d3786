//! From a message to the record: what the standard fixes about the meaning of fields.
//!
//! One walk over the segments from first to last. Fields are read by position, whatever version is declared: what an old version calls by
//! another name stands at the same place, and what a version lacks is absent. Nothing fails: odd values stay as sent. A null (`""`) is
//! read as absent, since the record tells what is, not what to delete.

mod appointment;
mod document;
mod header;
mod patient;
mod result;
mod values;
mod visit;

use orderly_record::{Location, Note, Record, Report};

use crate::delimiters::Encoding;
use crate::message::Message;
use crate::segment::Segment;
use crate::view::View;

/// The record of a message.
pub fn normalize(message: &Message<'_>) -> Record {
    let mut walk = Walk::default();
    for (index, segment) in message.segments().iter().enumerate() {
        let fields = Fields { segment, encoding: message.encoding() };
        walk.take(&fields, message.segments().get(index + 1..).unwrap_or_default());
    }
    walk.finish()
}

/// A segment's fields by number.
struct Fields<'m> {
    segment: &'m Segment<'m>,
    encoding: &'m Encoding,
}

impl<'m> Fields<'m> {
    fn field(&self, n: usize) -> View<'m> {
        self.segment.field(n, self.encoding)
    }

    /// The first repetition, which is all there is of a field that does not repeat.
    fn first(&self, n: usize) -> View<'m> {
        self.field(n).child(1)
    }
}

/// What was read so far.
#[derive(Default)]
struct Walk {
    record: Record,
    /// What the next note is about.
    subject: Subject,
    /// Whether an observation belongs to the last report; if not, it begins one.
    report_is_open: bool,
    /// Whether the last report is an ORC that waits for its OBR.
    order_waits: bool,
    /// How many segments of each name there were.
    occurrences: Vec<(&'static str, usize)>,
}

#[derive(Default, Clone, Copy)]
enum Subject {
    #[default]
    Other,
    Patient,
    Report,
    Observation,
}

impl Walk {
    fn take(&mut self, fields: &Fields<'_>, following: &[Segment<'_>]) {
        match fields.segment.name() {
            "MSH" => self.record.header = header::header(fields),
            "EVN" => header::event(fields, &mut self.record.header),
            "PID" => self.patient(fields),
            "PD1" => self.last_patient(|patient| patient::additional(fields, patient)),
            "MRG" => self.last_patient(|patient| patient::merge(fields, patient)),
            "NK1" => {
                let source = self.location("NK1");
                self.last_patient(|patient| patient.related.push(patient::related(fields, source)));
            }
            "PV1" => {
                let source = self.location("PV1");
                self.record.visits.push(visit::visit(fields, source));
            }
            "PV2" => {
                if let Some(visit) = self.record.visits.last_mut() {
                    visit::additional(fields, visit);
                }
            }
            "ORC" => self.order(fields, following),
            "OBR" => self.request(fields),
            "OBX" => self.observation(fields),
            "SPM" => self.specimen(fields),
            "NTE" => self.note(fields),
            "TXA" => self.document(fields),
            "SCH" => self.appointment(fields),
            "AIS" => self.resource(fields, "AIS"),
            "AIG" => self.resource(fields, "AIG"),
            "AIL" => self.resource(fields, "AIL"),
            "AIP" => self.resource(fields, "AIP"),
            _ => {}
        }
    }

    fn patient(&mut self, fields: &Fields<'_>) {
        let source = self.location("PID");
        self.record.patients.push(patient::patient(fields, source));
        self.report_is_open = false;
        self.subject = Subject::Patient;
    }

    fn last_patient(&mut self, change: impl FnOnce(&mut orderly_record::Patient)) {
        self.record.patients.last_mut().map(change);
    }

    /// An ORC opens a report, unless its OBR came before it: some send them in that order.
    fn order(&mut self, fields: &Fields<'_>, following: &[Segment<'_>]) {
        let order = result::order(fields, self.location("ORC"));
        let next = following.iter().find(|segment| segment.is("ORC") || segment.is("OBR"));
        let comes_late = !next.is_some_and(|segment| segment.is("OBR"));
        match self.open_report().filter(|report| comes_late && report.order_control.is_none()) {
            Some(report) => result::complete(report, order),
            None => {
                self.record.results.push(order);
                self.report_is_open = true;
                self.order_waits = true;
            }
        }
        self.subject = Subject::Report;
    }

    fn request(&mut self, fields: &Fields<'_>) {
        let mut report = result::request(fields, self.location("OBR"));
        if self.order_waits
            && let Some(order) = self.record.results.pop()
        {
            result::complete(&mut report, order);
        }
        self.record.results.push(report);
        self.report_is_open = true;
        self.order_waits = false;
        self.subject = Subject::Report;
    }

    fn observation(&mut self, fields: &Fields<'_>) {
        let source = self.location("OBX");
        if !self.report_is_open {
            self.record.results.push(Report { source: Some(source.clone()), ..Report::default() });
            self.report_is_open = true;
            self.order_waits = false;
        }
        if let Some(report) = self.record.results.last_mut() {
            report.observations.push(result::observation(fields, source));
        }
        self.subject = Subject::Observation;
    }

    fn specimen(&mut self, fields: &Fields<'_>) {
        let source = self.location("SPM");
        if let Some(report) = self.open_report() {
            result::specimen(fields, source, report);
        }
    }

    /// The observations after a TXA are the document's text, not the results of the order before it.
    fn document(&mut self, fields: &Fields<'_>) {
        let source = self.location("TXA");
        self.record.documents.push(document::document(fields, source));
        self.report_is_open = false;
        self.subject = Subject::Other;
    }

    fn appointment(&mut self, fields: &Fields<'_>) {
        let source = self.location("SCH");
        self.record.appointments.push(appointment::appointment(fields, source));
        self.subject = Subject::Other;
    }

    /// A note is about the nearest PID, ORC, OBR or OBX before it, whatever stands between.
    fn note(&mut self, fields: &Fields<'_>) {
        let source = self.location("NTE");
        let Some(text) = values::lines(fields.field(3)) else { return };
        let note = Note { text, author: values::text(fields.first(2)), source: Some(source) };
        let notes = match self.subject {
            Subject::Other => None,
            Subject::Patient => self.record.patients.last_mut().map(|patient| &mut patient.notes),
            Subject::Report => self.record.results.last_mut().map(|report| &mut report.notes),
            Subject::Observation => {
                let report = self.record.results.last_mut();
                report
                    .and_then(|report| report.observations.last_mut())
                    .map(|observation| &mut observation.notes)
            }
        };
        if let Some(notes) = notes {
            notes.push(note);
        }
    }

    fn resource(&mut self, fields: &Fields<'_>, name: &'static str) {
        let source = self.location(name);
        if let Some(appointment) = self.record.appointments.last_mut() {
            appointment.resources.push(appointment::resource(fields, name, source));
        }
        self.subject = Subject::Other;
    }

    fn open_report(&mut self) -> Option<&mut Report> {
        self.record.results.last_mut().filter(|_| self.report_is_open)
    }

    /// The next segment of this name.
    fn location(&mut self, name: &'static str) -> Location {
        let occurrence = match self.occurrences.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.occurrences.push((name, 1));
                1
            }
        };
        Location::Segment { name, occurrence }
    }

    fn finish(self) -> Record {
        let mut record = self.record;
        record.visit = record.visits.first().cloned();
        if record.patients.len() > 1 {
            record.patient = record.patients.first().cloned();
        } else {
            record.patient = record.patients.pop();
        }
        record
    }
}
