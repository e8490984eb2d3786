//! From a message to the record: what the standard fixes about the meaning of fields.
//!
//! One walk over the segments from first to last. Fields are read by position, whatever version is declared: what an old version calls by
//! another name stands at the same place, and what a version lacks is absent. Nothing fails: odd values stay as sent. A null (`""`) is
//! read as absent, since the record tells what is, not what to delete.

mod action;
mod allergy;
mod appointment;
mod billing;
mod condition;
mod document;
mod embedded;
mod exchange;
mod goal;
mod header;
mod immunization;
mod master;
mod medication;
mod naming;
mod orders;
mod participant;
mod patient;
mod procedure;
mod referral;
mod result;
mod specimen;
mod timing;
mod values;
mod visit;

use orderly_record::{Location, Note, Record};

use crate::delimiters::Encoding;
use crate::message::Message;
use crate::segment::Segment;
use crate::view::View;
use orders::DrugOrder;
use specimen::Specimens;

/// The record of a message.
pub fn normalize(message: &Message<'_>) -> Record {
    read(message, |_| Some(naming::ALL))
}

/// Of the record of a message what names the things it is about: the numbers and names of patients, visits, orders, documents and
/// appointments are where [`normalize`] puts them, and little else is there. For search, at a fraction of the whole record's cost.
pub fn identify(message: &Message<'_>) -> Record {
    read(message, naming::of)
}

/// The record that the fields make which `sees` names of each segment; a segment of which it names none is passed over.
fn read(message: &Message<'_>, sees: impl Fn(&str) -> Option<naming::Fields>) -> Record {
    let mut walk = Walk::default();
    for (index, segment) in message.segments().iter().enumerate() {
        let Some(seen) = sees(segment.name()) else { continue };
        let fields = Fields { segment, encoding: message.encoding(), seen };
        walk.take(&fields, message.segments().get(index + 1..).unwrap_or_default());
    }
    walk.finish()
}

/// A segment's fields by number.
struct Fields<'m> {
    segment: &'m Segment<'m>,
    encoding: &'m Encoding,
    /// Which of them are looked at; the others are as if they were empty.
    seen: naming::Fields,
}

impl<'m> Fields<'m> {
    fn field(&self, n: usize) -> View<'m> {
        // No segment has a field 0.
        let n = if naming::has(self.seen, n) { n } else { 0 };
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
    /// The visits from here on are of the patient who is told of.
    visits_from: usize,
    /// The document that the last segment did not end.
    unfinished: Option<embedded::Unfinished>,
    /// The order for drugs that is open.
    drug_order: Option<DrugOrder>,
    /// Specimens that stand before the orders they are for.
    specimens: Specimens,
    /// The master file whose entries follow.
    file: master::File,
    /// The last segment that others may be about.
    before: Option<(&'static str, usize)>,
    /// How many segments of each name there were.
    occurrences: Vec<(&'static str, usize)>,
}

/// Each stands for the last of its kind.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Subject {
    #[default]
    Other,
    Patient,
    Report,
    Specimen,
    Observation,
    /// An order for drugs, before it says for which.
    DrugOrder,
    Medication,
    Immunization,
    ImmunizationObservation,
    Allergy,
    Condition,
    Goal,
    Procedure,
    Charge,
    Appointment,
    Document,
    Referral,
}

/// What stands behind these is about what stood before them.
const ABOUT_OTHERS: [&str; 5] = ["ROL", "PRT", "CTD", "PRD", "NTE"];

impl Walk {
    fn take(&mut self, fields: &Fields<'_>, following: &[Segment<'_>]) {
        if !fields.segment.is("OBX") {
            self.unfinished = None;
        }
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
                if let Some(visit) = self.last_visit() {
                    visit::additional(fields, visit);
                }
            }
            "ORC" => self.order(fields, following),
            "OBR" => self.request(fields),
            "OBX" => self.observation(fields),
            "SPM" => self.specimen(fields),
            "NTE" => self.note(fields),
            "RXO" => self.drug(fields, "RXO"),
            "RXE" => self.drug(fields, "RXE"),
            "RXD" => self.drug(fields, "RXD"),
            "RXG" => self.drug(fields, "RXG"),
            "RXA" => self.drug(fields, "RXA"),
            "RXR" => self.route(fields),
            "RXC" => self.ingredient(fields),
            "TQ1" => self.timing(fields),
            "AL1" => {
                let source = self.location("AL1");
                self.allergy(allergy::allergy(fields, source));
            }
            "IAM" => {
                let source = self.location("IAM");
                self.allergy(allergy::identified(fields, source));
            }
            "DG1" => self.diagnosis(fields),
            "PRB" => {
                let source = self.location("PRB");
                self.record.conditions.push(condition::problem(fields, source));
                self.subject = Subject::Condition;
            }
            "PR1" => {
                let source = self.location("PR1");
                self.record.procedures.push(procedure::procedure(fields, source));
                self.subject = Subject::Procedure;
            }
            "TXA" => self.document(fields),
            "SCH" => self.appointment(fields, "SCH"),
            "ARQ" => self.appointment(fields, "ARQ"),
            "AIS" => self.resource(fields, "AIS"),
            "AIG" => self.resource(fields, "AIG"),
            "AIL" => self.resource(fields, "AIL"),
            "AIP" => self.resource(fields, "AIP"),
            "GT1" | "IN1" | "IN2" | "IN3" | "FT1" | "ACC" => self.bill(fields),
            _ => self.further(fields),
        }
    }

    /// What billing needs, which belongs to no order.
    fn bill(&mut self, fields: &Fields<'_>) {
        let name = fields.segment.name();
        match name {
            "GT1" => {
                let source = self.location("GT1");
                self.close_order();
                self.record.guarantors.push(billing::guarantor(fields, source));
            }
            "IN1" => {
                let source = self.location("IN1");
                self.close_order();
                self.record.insurances.push(billing::insurance(fields, source));
                self.subject = Subject::Other;
            }
            "FT1" => {
                let source = self.location("FT1");
                self.close_order();
                self.record.charges.push(billing::charge(fields, source));
                self.subject = Subject::Charge;
            }
            "ACC" => {
                let source = self.location("ACC");
                self.record.accidents.push(visit::accident(fields, source));
            }
            _ => {
                let Some(insurance) = self.record.insurances.last_mut() else { return };
                if name == "IN2" {
                    billing::additional(fields, insurance);
                } else {
                    insurance.certification_numbers.extend(billing::certification(fields));
                }
            }
        }
    }

    /// Segments of fewer messages: who takes part, referrals, further orders, master files, queries and answers.
    fn further(&mut self, fields: &Fields<'_>) {
        match fields.segment.name() {
            "SAC" => self.container(fields),
            "ODS" => self.ordered(fields, "ODS"),
            "RQD" => self.ordered(fields, "RQD"),
            "BPO" => self.ordered(fields, "BPO"),
            "IPC" | "CTI" => self.number(fields),
            "ROL" => self.role(fields, "ROL"),
            "PRT" => self.role(fields, "PRT"),
            "PRD" => self.contact(fields, "PRD"),
            "CTD" => self.contact(fields, "CTD"),
            "RF1" => {
                let source = self.location("RF1");
                self.record.referrals.push(referral::referral(fields, source));
                self.subject = Subject::Referral;
            }
            "AUT" => {
                if let Some(referral) = self.record.referrals.last_mut() {
                    referral::authorization(fields, referral);
                }
            }
            "PDA" => self.last_patient(|patient| patient::death(fields, patient)),
            "ARV" => self.last_patient(|patient| patient::restriction(fields, patient)),
            "GOL" => {
                let source = self.location("GOL");
                self.record.goals.push(goal::goal(fields, source));
                self.subject = Subject::Goal;
            }
            "PEO" => {
                let source = self.location("PEO");
                self.record.conditions.push(condition::adverse_event(fields, source));
                self.subject = Subject::Condition;
            }
            "MFI" => master::file(fields, self),
            "MFE" => master::entry(fields, self),
            "MFA" => master::result(fields, self),
            "STF" => master::content(fields, "STF", self),
            "PRA" => master::profession(fields, self),
            "ORG" => master::unit(fields, self),
            "LOC" => master::content(fields, "LOC", self),
            "NPU" => master::content(fields, "NPU", self),
            "CDM" => master::content(fields, "CDM", self),
            "PRC" => master::content(fields, "PRC", self),
            "OM1" => master::content(fields, "OM1", self),
            "OM2" => master::numbers(fields, self),
            "OM4" => master::specimen(fields, self),
            "OM5" => master::members(fields, self),
            "OM7" => master::content(fields, "OM7", self),
            "IIM" => master::content(fields, "IIM", self),
            "CM0" => master::content(fields, "CM0", self),
            "MSA" => exchange::acknowledgement(fields, self),
            "ERR" => exchange::error(fields, self),
            "QPD" => exchange::query(fields, self),
            "QRD" => exchange::old_query(fields, self),
            "QAK" => exchange::answer(fields, self),
            "DSP" => exchange::line(fields, self),
            _ => {}
        }
    }

    fn role(&mut self, fields: &Fields<'_>, name: &'static str) {
        let about = self.before();
        let source = self.location(name);
        self.record.participants.push(participant::role(fields, name, about, source));
    }

    fn contact(&mut self, fields: &Fields<'_>, name: &'static str) {
        let about = self.before();
        let source = self.location(name);
        self.record.participants.push(participant::contact(fields, about, source));
    }

    fn patient(&mut self, fields: &Fields<'_>) {
        let source = self.location("PID");
        // What waits for an order until here was never the next patient's.
        self.record.results.extend(std::mem::take(&mut self.specimens).finish());
        // Some put the visit before its patient.
        if !self.record.patients.is_empty() {
            self.visits_from = self.record.visits.len();
        }
        self.record.patients.push(patient::patient(fields, source));
        self.close_order();
        self.subject = Subject::Patient;
    }

    /// The last visit of the patient who is told of.
    fn last_visit(&mut self) -> Option<&mut orderly_record::Visit> {
        self.record.visits.get_mut(self.visits_from..)?.last_mut()
    }

    fn last_patient(&mut self, change: impl FnOnce(&mut orderly_record::Patient)) {
        self.record.patients.last_mut().map(change);
    }

    fn allergy(&mut self, allergy: orderly_record::Allergy) {
        self.record.allergies.push(allergy);
        self.subject = Subject::Allergy;
    }

    /// A diagnosis of an order is why it was ordered, any other one of the visit; one that is deleted is neither.
    fn diagnosis(&mut self, fields: &Fields<'_>) {
        let source = self.location("DG1");
        let condition = condition::diagnosis(fields, source);
        let is_deleted = action::is_deletion(condition.action.as_ref());
        if let Some(code) = condition.code.clone().filter(|_| !is_deleted) {
            if let Some(reasons) = self.reasons_of_order() {
                reasons.push(code);
            } else if let Some(visit) = self.last_visit() {
                visit.diagnoses.push(code);
            }
        }
        self.record.conditions.push(condition);
        self.subject = Subject::Condition;
    }

    /// The observations after a TXA are the document's text, not the results of the order before it.
    fn document(&mut self, fields: &Fields<'_>) {
        let source = self.location("TXA");
        self.record.documents.push(document::document(fields, source));
        self.close_order();
        self.subject = Subject::Document;
    }

    fn appointment(&mut self, fields: &Fields<'_>, name: &'static str) {
        let source = self.location(name);
        let read = if name == "SCH" { appointment::appointment } else { appointment::request };
        self.record.appointments.push(read(fields, source));
        self.subject = Subject::Appointment;
    }

    /// A note is about what the nearest segment before it tells of, of those that make something that can have notes.
    fn note(&mut self, fields: &Fields<'_>) {
        let source = self.location("NTE");
        let Some(text) = values::lines(fields.field(3)) else { return };
        let note = Note { text, author: values::text(fields.first(2)), source: Some(source) };
        if let Some(notes) = self.notes() {
            notes.push(note);
        }
    }

    fn notes(&mut self) -> Option<&mut Vec<Note>> {
        if matches!(self.subject, Subject::Specimen) {
            return self.last_specimen().map(|specimen| &mut specimen.notes);
        }
        let record = &mut self.record;
        Some(match self.subject {
            Subject::Other | Subject::Specimen => return None,
            Subject::Patient => &mut record.patients.last_mut()?.notes,
            Subject::Report => &mut record.results.last_mut()?.notes,
            Subject::Observation => &mut record.results.last_mut()?.observations.last_mut()?.notes,
            Subject::DrugOrder => self.drug_order.as_mut()?.notes(),
            Subject::Medication => &mut record.medications.last_mut()?.notes,
            Subject::Immunization => &mut record.immunizations.last_mut()?.notes,
            Subject::ImmunizationObservation => {
                &mut record.immunizations.last_mut()?.observations.last_mut()?.notes
            }
            Subject::Allergy => &mut record.allergies.last_mut()?.notes,
            Subject::Condition => &mut record.conditions.last_mut()?.notes,
            Subject::Goal => &mut record.goals.last_mut()?.notes,
            Subject::Procedure => &mut record.procedures.last_mut()?.notes,
            Subject::Charge => &mut record.charges.last_mut()?.notes,
            Subject::Appointment => &mut record.appointments.last_mut()?.notes,
            Subject::Document => &mut record.documents.last_mut()?.notes,
            Subject::Referral => &mut record.referrals.last_mut()?.notes,
        })
    }

    fn resource(&mut self, fields: &Fields<'_>, name: &'static str) {
        let source = self.location(name);
        if let Some(appointment) = self.record.appointments.last_mut() {
            appointment.resources.push(appointment::resource(fields, name, source));
        }
        self.subject = Subject::Appointment;
    }

    fn before(&self) -> Option<Location> {
        self.before.map(|(name, occurrence)| Location::Segment { name, occurrence })
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
        if !ABOUT_OTHERS.contains(&name) {
            self.before = Some((name, occurrence));
        }
        Location::Segment { name, occurrence }
    }

    fn finish(self) -> Record {
        let mut record = self.record;
        record.results.extend(self.specimens.finish());
        record.visit = record.visits.first().cloned();
        if record.patients.len() > 1 {
            record.patient = record.patients.first().cloned();
        } else {
            record.patient = record.patients.pop();
        }
        record
    }
}
