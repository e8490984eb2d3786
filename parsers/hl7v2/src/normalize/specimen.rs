//! Specimens and their containers (SPM, SAC): of the order that is open, or before the orders that they are for.

use orderly_record::{Report, Specimen};

use super::{Fields, Subject, Walk, medication, result};

/// Specimens that stand before their orders.
#[derive(Default)]
pub(super) struct Specimens {
    waiting: Vec<Specimen>,
    /// Whether an order has them already: the next specimen then begins anew.
    given: bool,
}

impl Specimens {
    fn await_orders(&mut self, specimen: Specimen) {
        if std::mem::take(&mut self.given) {
            self.waiting.clear();
        }
        self.waiting.push(specimen);
    }

    /// Specimens that no order came for, as where an instrument tells which containers it has: a report of nothing else.
    pub(super) fn finish(self) -> Option<Report> {
        let first = self.waiting.first().filter(|_| !self.given)?;
        let source = first.source.clone();
        Some(Report { specimens: self.waiting, source, ..Report::default() })
    }

    /// Each order has those before it; the first has all, later ones the first few.
    pub(super) fn give(&mut self, report: &mut Report) {
        if self.waiting.is_empty() {
            return;
        }
        self.given = true;
        report.specimens.splice(..0, medication::share(&mut self.waiting));
        let accession = report.specimens.iter().find_map(|specimen| specimen.accession_number.clone());
        report.accession_number = accession.or(report.accession_number.take());
    }
}

impl Walk {
    /// A specimen is the open report's, but for the messages in which it stands before its orders.
    pub(super) fn specimen(&mut self, fields: &Fields<'_>) {
        let specimen = result::specimen(fields, self.location("SPM"));
        self.subject = Subject::Specimen;
        if self.specimens_lead() {
            self.close_order();
        }
        match self.open_report() {
            Some(report) => {
                report.accession_number =
                    specimen.accession_number.clone().or(report.accession_number.take());
                report.specimens.push(specimen);
            }
            None => self.specimens.await_orders(specimen),
        }
    }

    /// SAC: a container of the last specimen; without an SPM before it a specimen of which nothing else is known.
    pub(super) fn container(&mut self, fields: &Fields<'_>) {
        let source = self.location("SAC");
        if self.containers_lead() && self.subject != Subject::Specimen {
            self.close_order();
            let mut specimen = Specimen { source: Some(source), ..Specimen::default() };
            result::container(fields, &mut specimen);
            return self.specimens.await_orders(specimen);
        }
        match self.last_specimen() {
            Some(specimen) => result::container(fields, specimen),
            None => {
                let mut specimen = Specimen { source: Some(source), ..Specimen::default() };
                result::container(fields, &mut specimen);
                self.specimens.await_orders(specimen);
            }
        }
    }

    pub(super) fn last_specimen(&mut self) -> Option<&mut Specimen> {
        if self.report_is_open {
            self.record.results.last_mut()?.specimens.last_mut()
        } else {
            self.specimens.waiting.last_mut()
        }
    }

    /// The structure in which each order begins with its container (chapter 7, OUL^R21).
    fn containers_lead(&self) -> bool {
        let header = &self.record.header;
        header.kind.as_deref() == Some("OUL") && header.event.as_deref() == Some("R21")
    }

    /// The structures whose orders are members of their specimen's group (chapters 4 and 7).
    fn specimens_lead(&self) -> bool {
        let header = &self.record.header;
        matches!(
            (header.kind.as_deref(), header.event.as_deref()),
            (Some("OUL"), Some("R22" | "R23"))
                | (Some("OML"), Some("O33" | "O35"))
                | (Some("ORL"), Some("O34" | "O36"))
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::{Settings, parse};

    #[test]
    fn a_container_before_its_order_is_that_order_s() {
        let message = b"MSH|^~\\&|||||||OUL^R21|1\rPID|1\rSAC|||T1\rOBR|1\rOBX|1|ST|a||b\rSAC|||T2\rOBR|2\rOBX|1|ST|a||b\r";
        let record = crate::normalize(&parse(message, &Settings::default()).unwrap());
        let containers = record.results.iter().map(|report| report.specimens[0].containers[0].value.as_str());
        assert_eq!(containers.collect::<Vec<_>>(), ["T1", "T2"]);
        assert!(record.results.iter().all(|report| report.specimens.len() == 1));
    }
}
