//! Orders, as the walk meets them: a report's (OBR), a drug's (RX*) or a vaccination's (RXA), each after its ORC.
//!
//! An order for drugs is one medication, whatever segments tell of it: the last of them leads, the earlier ones fill in what it does not
//! say. What is given several times is several medications, each with what their order says.

use orderly_record::{Coded, Identifier, Immunization, Location, Medication, Note, Report, Text};

use super::{Fields, Subject, Walk, appointment, embedded, immunization, medication, result, timing};
use crate::segment::Segment;

/// Requested, encoded, dispensed, to be given, given.
const DRUG_SEGMENTS: [&str; 5] = ["RXO", "RXE", "RXD", "RXG", "RXA"];

/// Of more timings of one order than this the first count. A dose reduced week by week has some ten; each is put to the words of those
/// before it, which for any number would take forever.
const TIMINGS_MAX: usize = 50;

/// An order for drugs that is open.
#[derive(Default)]
pub(super) struct DrugOrder {
    /// What the medications of the order share: its ORC, and what was requested and encoded before anything was given.
    order: Medication,
    told: Told,
    /// Of what may stand after a segment, what has come: the first counts, and for more than what an earlier segment had.
    has_route: bool,
    timings: usize,
    has_ingredient: bool,
}

/// An order's numbers stand in each thing it is for. Longer ones are none, and a message of some megabytes could with one of them make a
/// record of any size.
const REPEATED_MAX: usize = 1_000;

fn repeated(number: &Option<Identifier>) -> Option<Identifier> {
    let length = |text: &Option<Text>| text.as_ref().map_or(0, Text::len);
    let is_short = |number: &&Identifier| {
        let authority = number.authority.as_ref();
        number.value.len() + length(&number.system) <= REPEATED_MAX
            && authority.is_none_or(|from| length(&from.name) + length(&from.universal_id) <= REPEATED_MAX)
    };
    number.as_ref().filter(is_short).cloned()
}

/// Whether an order's numbers are these; `None` where there are none to compare.
fn agreement(order: &Report, numbers: [&Option<Identifier>; 2]) -> Option<bool> {
    let own = [&order.placer_number, &order.filler_number];
    let pairs = own.into_iter().zip(numbers);
    let both = pairs.filter_map(|(one, other)| one.as_ref().zip(other.as_ref()));
    both.map(|(one, other)| one.value == other.value).reduce(|before, next| before && next)
}

/// Whether the next segment, notes aside, is an observation.
fn observations_follow(following: &[Segment<'_>]) -> bool {
    following.iter().map(Segment::name).find(|name| *name != "NTE") == Some("OBX")
}

/// What the last segment of a drug order told.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Only the ORC, so far.
    #[default]
    Nothing,
    Request,
    Encoding,
    /// Handed out or given.
    Supply,
    Vaccination,
}

impl DrugOrder {
    pub(super) fn new(order: Medication) -> Self {
        Self { order, ..Self::default() }
    }

    pub(super) fn notes(&mut self) -> &mut Vec<Note> {
        &mut self.order.notes
    }
}

impl Walk {
    /// An ORC opens an order for drugs when it has a pharmacy's segment; else it opens a report, unless its OBR came before it: some send
    /// them in that order.
    pub(super) fn order(&mut self, fields: &Fields<'_>, following: &[Segment<'_>]) {
        let follows_obr = matches!(self.before, Some(("OBR", _)));
        let source = self.location("ORC");
        let names = following.iter().map(Segment::name);
        let next =
            names.into_iter().find(|name| matches!(*name, "ORC" | "OBR") || DRUG_SEGMENTS.contains(name));
        if next.is_some_and(|name| DRUG_SEGMENTS.contains(&name)) {
            self.close_order();
            self.drug_order = Some(DrugOrder::new(medication::common_order(fields)));
            self.subject = Subject::DrugOrder;
            return;
        }
        let order = result::order(fields, source);
        let (of_report, of_next) = self.agreements(fields, &order, following);
        let comes_late = match (of_report, of_next) {
            // Its numbers say that it is another order than the one before it, or the one behind it.
            (Some(false), _) | (None, Some(true)) => false,
            _ if next != Some("OBR") || self.requests_lead() => true,
            (Some(true), of_next) => follows_obr && (of_next != Some(true) || observations_follow(following)),
            (None, _) => follows_obr && observations_follow(following),
        };
        let comes_late = comes_late && self.report_is_open && self.drug_order.is_none();
        match self.open_report().filter(|report| comes_late && report.order_control.is_none()) {
            Some(report) => result::complete(report, order),
            None => {
                self.close_order();
                self.record.results.push(order);
                self.report_is_open = true;
                self.order_waits = true;
            }
        }
        self.subject = Subject::Report;
    }

    /// Whether the numbers of an order are those of the open report, and of the next request.
    fn agreements(
        &self,
        fields: &Fields<'_>,
        order: &Report,
        following: &[Segment<'_>],
    ) -> (Option<bool>, Option<bool>) {
        let report = self.record.results.last().filter(|_| self.report_is_open);
        let of_report =
            report.and_then(|report| agreement(order, [&report.placer_number, &report.filler_number]));
        let next = following.iter().find(|segment| segment.is("OBR"));
        let of_next = next.and_then(|segment| {
            let number = |field| super::values::entity(segment.field(field, fields.encoding).child(1));
            agreement(order, [&number(2), &number(3)])
        });
        (of_report, of_next)
    }

    pub(super) fn request(&mut self, fields: &Fields<'_>) {
        let mut report = result::request(fields, self.location("OBR"));
        self.specimens.give(&mut report);
        if self.order_waits
            && let Some(order) = self.record.results.pop()
        {
            result::complete(&mut report, order);
        }
        self.close_order();
        self.record.results.push(report);
        self.report_is_open = true;
        self.subject = Subject::Report;
    }

    /// An observation is of the open vaccination or report; any other begins a report.
    pub(super) fn observation(&mut self, fields: &Fields<'_>) {
        let source = self.location("OBX");
        if let Some(immunization) = self.open_immunization() {
            immunization::observe(immunization, result::observation(fields, source));
            self.subject = Subject::ImmunizationObservation;
            return;
        }
        if !self.report_is_open {
            self.record.results.push(Report { source: Some(source.clone()), ..Report::default() });
            self.report_is_open = true;
            self.order_waits = false;
        }
        let open = self.unfinished.take();
        if let Some(report) = self.record.results.last_mut() {
            let observation = result::observation(fields, source);
            let (before, field) = (report.observations.last_mut(), fields.field(5));
            let added = match before.zip(open) {
                Some((before, open)) => embedded::continued(before, open, observation, field),
                None => Err(Box::new(observation)),
            };
            self.unfinished = added.unwrap_or_else(|observation| {
                let unfinished = embedded::unfinished(&observation, field);
                report.observations.push(*observation);
                unfinished
            });
        }
        self.subject = Subject::Observation;
    }

    /// The structures in which an ORC follows its OBR (chapter 7).
    fn requests_lead(&self) -> bool {
        let header = &self.record.header;
        header.kind.as_deref() == Some("OUL")
            && matches!(header.event.as_deref(), Some("R22" | "R23" | "R24"))
    }

    /// ODS, RQD and BPO: what an order without OBR is for; when it is for several things, the others are reports with its numbers.
    pub(super) fn ordered(&mut self, fields: &Fields<'_>, name: &'static str) {
        let source = self.location(name);
        let Some(code) = result::ordered(fields) else { return };
        let Some(report) = self.open_report() else { return };
        if report.code.is_none() {
            report.code = Some(code);
        } else {
            let other = Report {
                code: Some(code),
                order_control: report.order_control.clone().filter(|control| control.len() <= REPEATED_MAX),
                placer_number: repeated(&report.placer_number),
                filler_number: repeated(&report.filler_number),
                source: Some(source),
                ..Report::default()
            };
            self.record.results.push(other);
        }
        self.order_waits = false;
    }

    /// IPC-1 (imaging) and CTI-1 (clinical trials): numbers of an order that stand in segments of their own.
    pub(super) fn number(&mut self, fields: &Fields<'_>) {
        let Some(number) = super::values::entity(fields.first(1)) else { return };
        let is_study = fields.segment.is("CTI");
        let Some(report) = self.open_report() else { return };
        if is_study {
            report.studies.push(number);
        } else {
            report.accession_number = Some(number);
        }
    }

    /// RXO, RXE, RXD, RXG or RXA.
    pub(super) fn drug(&mut self, fields: &Fields<'_>, name: &'static str) {
        let source = self.location(name);
        let mut open = self.drug_order.take().unwrap_or_default();
        self.close_order();
        let is_vaccination = || immunization::is_vaccination(fields, self.record.header.kind.as_deref());
        if name == "RXA" && is_vaccination() {
            self.record.immunizations.push(immunization::immunization(fields, source, &mut open.order));
            self.subject = Subject::Immunization;
            open.told = Told::Vaccination;
        } else {
            let (mut medication, told) = match name {
                "RXO" => (medication::requested(fields), Told::Request),
                "RXE" => (medication::encoded(fields), Told::Encoding),
                "RXD" => (medication::dispensed(fields, &source), Told::Supply),
                "RXG" => (medication::to_be_given(fields, &source), Told::Supply),
                _ => (medication::given(fields, &source), Told::Supply),
            };
            let goes_on = matches!(
                (open.told, told),
                (Told::Request, Told::Encoding | Told::Supply) | (Told::Encoding, Told::Supply)
            );
            if goes_on && let Some(order) = self.record.medications.pop() {
                open.order = order;
            }
            medication::complete(&mut medication, &mut open.order);
            medication.source = Some(source);
            self.record.medications.push(medication);
            self.subject = Subject::Medication;
            open.told = told;
        }
        self.drug_order = Some(DrugOrder { has_route: false, timings: 0, has_ingredient: false, ..open });
    }

    /// RXR.
    pub(super) fn route(&mut self, fields: &Fields<'_>) {
        let Some(open) = self.drug_order.as_mut().filter(|open| !open.has_route) else { return };
        open.has_route = true;
        let (route, site) = (super::values::coded(fields.first(1)), super::values::coded(fields.first(2)));
        if let Some(immunization) = self.open_immunization() {
            (immunization.route, immunization.site) = (route, site);
        } else if let Some(medication) = self.open_medication() {
            (medication.route, medication.site) = (route, site);
        }
    }

    /// RXC.
    pub(super) fn ingredient(&mut self, fields: &Fields<'_>) {
        let Some(open) = self.drug_order.as_mut() else { return };
        let is_first = !std::mem::replace(&mut open.has_ingredient, true);
        if let Some(medication) = self.open_medication() {
            if is_first {
                medication.ingredients.clear();
            }
            medication.ingredients.push(medication::ingredient(fields));
        }
    }

    /// TQ1, one or several, of the order or of what the last segment told; of an appointment when no order came.
    pub(super) fn timing(&mut self, fields: &Fields<'_>) {
        let Some(open) = self.drug_order.as_mut() else {
            if let Some(report) = self.open_report() {
                result::timing(fields, report);
            } else if let Some(appointment) = self.record.appointments.last_mut() {
                appointment::timing(fields, appointment);
            }
            return;
        };
        open.timings += 1;
        let read = match open.timings {
            1 => timing::timing,
            2..=TIMINGS_MAX => timing::further,
            _ => return,
        };
        if open.told == Told::Nothing {
            read(fields, &mut open.order);
        } else if let Some(medication) = self.open_medication() {
            read(fields, medication);
        }
    }

    /// Where the diagnoses of the open order go. Messages of charges have none: there they are the charge's or the visit's, even where
    /// nothing but orders stands before them (DFT_P03).
    pub(super) fn reasons_of_order(&mut self) -> Option<&mut Vec<Coded>> {
        if self.record.header.kind.as_deref() == Some("DFT") {
            return None;
        }
        if self.drug_order.is_some() {
            return self.open_medication().map(|medication| &mut medication.reasons);
        }
        // Observations that no order stands before are no order.
        let is_order =
            |report: &&mut Report| !matches!(report.source, Some(Location::Segment { name: "OBX", .. }));
        self.open_report().filter(is_order).map(|report| &mut report.reasons)
    }

    /// What follows belongs to no order that came before.
    pub(super) fn close_order(&mut self) {
        self.report_is_open = false;
        self.order_waits = false;
        self.drug_order = None;
    }

    fn open_medication(&mut self) -> Option<&mut Medication> {
        let told = self.drug_order.as_ref()?.told;
        let is_medication = matches!(told, Told::Request | Told::Encoding | Told::Supply);
        self.record.medications.last_mut().filter(|_| is_medication)
    }

    fn open_immunization(&mut self) -> Option<&mut Immunization> {
        let told = self.drug_order.as_ref()?.told;
        self.record.immunizations.last_mut().filter(|_| told == Told::Vaccination)
    }

    pub(super) fn open_report(&mut self) -> Option<&mut Report> {
        self.record.results.last_mut().filter(|_| self.report_is_open)
    }
}

#[cfg(test)]
mod tests {
    use orderly_record::{Coded, Medication, Record};

    use crate::parse::{Settings, parse};

    fn read(kind: &str, segments: &str) -> Record {
        let message = format!("MSH|^~\\&|||||||{kind}|1\r{segments}");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        crate::normalize(&message)
    }

    /// What segments of these names become: reports, then medications, by the segments they come from.
    fn outline(segments: &str) -> String {
        let record = read("XXX", &segments.split(' ').map(|name| format!("{name}|\r")).collect::<String>());
        let reports = record.results.iter().map(|report| ("report", &report.source));
        let medication = record
            .medications
            .iter()
            .map(|medication| (medication.category.as_deref().unwrap_or_default(), &medication.source));
        let all = reports.chain(medication);
        let all = all.map(|(what, source)| format!("{what} {}", source.as_ref().unwrap()));
        all.collect::<Vec<_>>().join(", ")
    }

    /// The specimens of each report, by the segments they come from.
    fn specimens(record: &Record) -> Vec<Vec<String>> {
        let of = |specimen: &orderly_record::Specimen| specimen.source.as_ref().unwrap().to_string();
        record.results.iter().map(|report| report.specimens.iter().map(of).collect()).collect()
    }

    #[test]
    fn a_visit_before_its_patient_is_that_patient_s() {
        let record = read("ADT^A01", "PV1|1|I\rPID|1\rDG1|1||I10\rPID|2\rDG1|1||I11\r");
        assert_eq!(record.visits[0].diagnoses.len(), 1);
    }

    #[test]
    fn an_order_with_other_numbers_than_the_request_before_it_is_another_one() {
        let numbers = |record: &Record| -> Vec<(String, Option<String>, usize)> {
            let told = |report: &orderly_record::Report| {
                let number = report.placer_number.as_ref().map(|number| number.value.to_string());
                let control = report.order_control.as_ref().map(ToString::to_string);
                (number.unwrap_or_default(), control, report.observations.len())
            };
            record.results.iter().map(told).collect()
        };
        let own = |number: &str, control: Option<&str>, count| {
            (number.to_owned(), control.map(str::to_owned), count)
        };
        let record = read("ORU^R01", "PID|1\rOBR|1|P1|F1|A\rOBX|1|ST|x|a|1\rORC|RE|P2|F2\rOBX|1|ST|x|b|1\r");
        assert_eq!(numbers(&record), [own("P1", None, 1), own("P2", Some("RE"), 1)]);
        let record = read("ORU^R01", "PID|1\rOBR|1|P1|F1|A\rOBX|1|ST|x|a|1\rORC|RE|P2|F2\r");
        assert_eq!(numbers(&record), [own("P1", None, 1), own("P2", Some("RE"), 0)]);
        let record = read(
            "OUL^R22",
            "PID|1\rSPM|1|S1\rOBR|1|P1|F1|A\rOBX|1|ST|x|a|1\rORC|CA|P2|F2\rOBR|2|P2|F2|B\rOBX|1|ST|x|b|1\r",
        );
        assert_eq!(numbers(&record), [own("P1", None, 1), own("P2", Some("CA"), 1)]);
        let record = read("OUL^R22", "PID|1\rSPM|1|S1\rOBR|1|P1|F1|A\rORC|RE|P1|F1\rOBX|1|ST|x|a|1\r");
        assert_eq!(numbers(&record), [own("P1", Some("RE"), 1)]);
    }

    #[test]
    fn what_is_one_patient_s_is_not_the_next_one_s() {
        let record = read("ORU^R01", "PID|1\rSPM|1\rPID|2\rOBR|1\rOBX|1|ST|a||b\r");
        assert_eq!(specimens(&record), [vec!["SPM[1]".to_owned()], vec![]]);
        let record = read("ADT^A17", "PID|1\rPV1|1|I\rPID|2\rDG1|1||I10^Hypertension^I10\rPV2||x\r");
        assert!(record.visits[0].diagnoses.is_empty());
        assert_eq!(record.conditions.len(), 1);
    }

    #[test]
    fn what_stands_between_an_order_and_its_request_is_the_order_s() {
        let record = read("ORU^R01", "PID|1\rORC|RE\rSPM|1\rOBX|1|NM|GLU||5\rOBR|1||F1\rOBX|2|NM|NA||140\r");
        assert_eq!(specimens(&record), [["SPM[1]"]]);
        assert_eq!(record.results[0].observations.len(), 2);
    }

    #[test]
    fn an_order_behind_its_request_is_that_request_s() {
        let observations = |record: &Record| {
            let codes = |report: &orderly_record::Report| {
                report
                    .observations
                    .iter()
                    .map(|one| one.sub_id.clone().unwrap().to_string())
                    .collect::<Vec<_>>()
            };
            record
                .results
                .iter()
                .map(|report| (report.order_control.is_some(), codes(report).concat()))
                .collect::<Vec<_>>()
        };
        let both = [(true, "a".to_owned()), (true, "b".to_owned())];
        for (first, second) in [("|P1|F1", "|P2|F2"), ("", ""), ("|P1", "||F2")] {
            let record = read(
                "ORU^R01",
                &format!(
                    "OBR|1|P1|F1\rORC|RE{first}\rOBX|1|ST|x|a|1\rOBR|2|P2|F2\rNTE|1||n\rORC|RE{second}\rOBX|1|ST|x|b|1\r"
                ),
            );
            assert_eq!(observations(&record), both, "{first} {second}");
        }
        let record = read("ORM^O01", "OBR|1|P1\rORC|NW|P1\rOBR|2|P2\rNTE|1||n\rORC|NW|P2\r");
        assert_eq!(observations(&record), [(true, String::new()), (true, String::new())]);
        // Two orders under one number, each before its request; the first says nothing more.
        let record = read("ORM^O01", "ORC||P1\rOBR|1|P1\rORC|NW|P1\rOBR|2|P1\r");
        assert_eq!(observations(&record), [(false, String::new()), (true, String::new())]);
        // By its number it is the next request's.
        let record = read("ORU^R01", "OBR|1|P1\rORC|RE|P2\rOBX|1|ST|x|a|1\rOBR|2|P2\rOBX|1|ST|x|b|1\r");
        assert_eq!(observations(&record), [(false, String::new()), (true, "ab".to_owned())]);
    }

    #[test]
    fn an_error_before_its_acknowledgement_stays() {
        let record = read("ACK", "ERR||PID^1^3|101^Required field missing^HL70357|E\rMSA|AE|7\r");
        let answer = record.acknowledgement.unwrap();
        assert_eq!((answer.code.as_deref(), answer.errors.len()), (Some("AE"), 1));
    }

    #[test]
    fn a_long_number_is_not_repeated() {
        let record = read("OMS^O05", &format!("ORC|NW|{}\r{}", "7".repeat(2_000), "RQD||A^B\r".repeat(5)));
        let numbers = record.results.iter().filter(|report| report.placer_number.is_some()).count();
        assert_eq!((record.results.len(), numbers), (5, 1));
    }

    #[test]
    fn an_order_for_a_drug_is_one_medication_and_no_report() {
        let table = [
            ("ORC RXO", "order RXO[1]"),
            ("ORC TQ1 NTE RXO RXR RXC RXE TQ1 RXR", "order RXE[1]"),
            ("ORC RXO RXE RXD", "dispense RXD[1]"),
            ("ORC RXO ORC RXE", "order RXO[1], order RXE[1]"),
            ("ORC RXE RXG RXG", "administration RXG[1], administration RXG[2]"),
            ("RXO RXO RXE RXE", "order RXO[1], order RXE[1], order RXE[2]"),
            ("ORC OBR OBX ORC RXE ORC OBR", "report OBR[1], report OBR[2], order RXE[1]"),
            ("ORC RXE OBX OBX RXR ORC", "report OBX[1], report ORC[2], order RXE[1]"),
            ("OBR ORC", "report OBR[1]"),
            ("ORC", "report ORC[1]"),
            ("RXR RXC TQ1", ""),
        ];
        for (segments, expected) in table {
            assert_eq!(outline(segments), expected, "{segments}");
        }
    }

    /// The reasons of the first report and the diagnoses of the visit.
    fn reasons_and_diagnoses(kind: &str, segments: &str) -> [String; 2] {
        let record = read(kind, &format!("PV1|1|O\rORC|RE|P1\rOBR|1\r{segments}"));
        let codes = |coded: &[Coded]| {
            let codes = coded.iter().filter_map(|coded| coded.code.as_deref());
            codes.collect::<Vec<_>>().join(" ")
        };
        let visit = record.visit.unwrap();
        [codes(&record.results[0].reasons), codes(&visit.diagnoses)]
    }

    #[test]
    fn a_diagnosis_is_the_open_order_s_but_never_in_charges() {
        let table = [
            ("ORM^O01", "DG1|1||J18.9", ["J18.9", ""]),
            ("ORM^O01", "DG1|1||J18.9\rFT1|1\rDG1|2||I10", ["J18.9", "I10"]),
            ("ORM^O01", "GT1|1\rDG1|1||I10", ["", "I10"]),
            ("ORM^O01", "IN1|1\rDG1|1||I10", ["", "I10"]),
            ("DFT^P03", "DG1|1||I10", ["", "I10"]),
            ("DFT^P11", "FT1|1\rDG1|1||I10", ["", "I10"]),
        ];
        for (kind, segments, expected) in table {
            assert_eq!(reasons_and_diagnoses(kind, segments), expected, "{kind} {segments}");
        }
    }

    #[test]
    fn a_vaccination_is_told_by_the_message_or_by_the_code() {
        let counts = |kind, rxa: &str| {
            let record = read(kind, &format!("ORC|RE|P1\r{rxa}\rOBX|1|ST|x||y\rPID|1\rOBX|1|ST|x||y\r"));
            (record.immunizations.len(), record.medications.len(), record.results.len())
        };
        assert_eq!(counts("VXU^V04", "RXA|0|1|20260307||90707^MMR^C4"), (1, 0, 1));
        assert_eq!(counts("RSP^K11", "RXA|0|1|20260307||03^MMR^CVX"), (1, 0, 1));
        assert_eq!(counts("RAS^O17", "RXA|0|1|20260307||90707^MMR^C4^03^MMR^CVX"), (1, 0, 1));
        assert_eq!(counts("RAS^O17", "RXA|0|1|20260307||CFT^CEFTRIAXONE^L"), (0, 1, 2));
    }

    #[test]
    fn an_order_s_notes_are_not_multiplied() {
        let given = "RXA|0|1\r".repeat(50);
        for kind in ["RAS^O17", "VXU^V04"] {
            let record = read(kind, &format!("ORC|RE\r{}{given}", "NTE|1||x\r".repeat(100)));
            let medications = record.medications.iter().map(|medication| medication.notes.len());
            let immunizations = record.immunizations.iter().map(|immunization| immunization.notes.len());
            let notes: Vec<usize> = medications.chain(immunizations).collect();
            assert_eq!((notes.len(), notes[0]), (50, 100), "{kind}");
            assert!(notes[1..].iter().all(|count| (1..10).contains(count)), "{kind}: {notes:?}");
        }
    }

    #[test]
    fn what_is_given_takes_from_its_order_what_is_still_true() {
        let record = read(
            "RAS^O17",
            "ORC|RE|P1||||IP|1^Q6H^^20260301^20260305\rRXO|A^Aspirin^L|500||MG||||||30|TAB|2\rNTE|1||Whole\rRXR|PO\rRXA|0|1|20260303||||\rRXA|0|2|20260304||B^Other^L|250|MG\rRXR|IV\r",
        );
        let [first, second] = record.medications.as_slice() else { panic!("two were given") };
        let code = |medication: &Medication| medication.code.clone().and_then(|code| code.code);
        let route = |medication: &Medication| medication.route.clone().and_then(|code| code.code);
        assert_eq!((code(first).as_deref(), code(second).as_deref()), (Some("A"), Some("B")));
        assert_eq!((route(first).as_deref(), route(second).as_deref()), (Some("PO"), Some("IV")));
        assert_eq!(
            (&first.dose, &first.quantity, &first.refills, &first.ends_at),
            (&None, &None, &None, &None)
        );
        assert_eq!(first.starts_at.as_ref().unwrap().to_string(), "2026-03-03");
        assert_eq!(second.dose.as_ref().unwrap().value, "250");
        assert_eq!((first.notes.len(), second.notes.len()), (1, 1));
        assert_eq!(first.timing.as_ref().unwrap().text.as_deref(), Some("Q6H"));
    }
}
