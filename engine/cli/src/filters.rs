//! Which messages a command is about: by patient, control id, order, visit, type, state, destination, source, file, time.

use clap::Args;
use orderly_journal::{DeliveryState, Fate, Reader, Summary};
use orderly_runtime::Find;

use crate::failure::Failure;
use crate::moment;

/// What the messages must have, all of it.
#[derive(Args)]
pub(crate) struct Filters {
    /// An identifier of the patient, or the beginning of the name: 70014, "TESTER ALMA", tester.
    #[arg(long)]
    pub(crate) patient: Option<String>,
    /// The sender's control id: MSH-10, or the id of a document.
    #[arg(long)]
    pub(crate) control_id: Option<String>,
    /// An accession or order number.
    #[arg(long)]
    pub(crate) order: Option<String>,
    /// A visit or account number.
    #[arg(long)]
    pub(crate) visit: Option<String>,
    /// Message type, with or without the trigger event: ADT, ADT^A01; of documents CDA, CDA^CCD.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Messages with a delivery in this state, or with this fate of their own.
    #[arg(long, value_parser = states())]
    pub(crate) state: Option<String>,
    /// Messages with a delivery to this destination; with --state, in this state.
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<String>,
    /// The source they came in by.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// The file they came in, by its path below the watched folder.
    #[arg(long, value_name = "NAME")]
    pub(crate) file: Option<String>,
    /// Accepted at this time or later: 2026-03-05, 2026-03-05T14:00, or how long ago: 30m, 2h, 3d.
    #[arg(long, value_parser = moment::parse)]
    pub(crate) since: Option<i64>,
    /// Accepted before this time.
    #[arg(long, value_parser = moment::parse)]
    pub(crate) until: Option<i64>,
}

/// No limit on how many are found: a number that no journal reaches and that fits SQL's integers.
const ALL: usize = 1 << 40;

impl Filters {
    /// The messages that a command is to change, the oldest first, so that they go out in their order: those named, or those found.
    pub(crate) fn chosen(
        &self,
        ids: &[u64],
        reader: impl FnOnce() -> Result<Reader, Failure>,
    ) -> Result<Vec<u64>, Failure> {
        let of_deliveries = self.state.is_some() || self.destination.is_some();
        match (ids, self.searches()) {
            ([], false) if !of_deliveries => Err(Failure::new("this does not say which messages")
                .help("name their ids, or find them: --state failed --since 2h; --help shows all ways")),
            ([], _) => {
                let found = self.search(&reader()?, ALL)?;
                // What only repeats another has no deliveries, and is there only where somebody asks for it.
                let asked_for = self.state.as_deref() == Some(Fate::Duplicate.name());
                let meant = found.iter().rev().filter(|summary| asked_for || summary.fate != Fate::Duplicate);
                Ok(meant.map(|summary| summary.id).collect())
            }
            (_, true) => Err(Failure::new("messages are either named by id or searched for")
                .help("with ids, only --state and --destination choose among their deliveries")),
            (ids, false) => Ok(ids.to_vec()),
        }
    }

    /// The state that deliveries must have to be touched, where one was named.
    pub(crate) fn delivery_state(&self) -> Option<DeliveryState> {
        self.state.as_deref().and_then(DeliveryState::named)
    }

    /// Whether anything is said that is not about deliveries.
    fn searches(&self) -> bool {
        let words =
            [&self.patient, &self.control_id, &self.order, &self.visit, &self.kind, &self.source, &self.file];
        words.into_iter().any(Option::is_some) || self.since.is_some() || self.until.is_some()
    }

    /// What they describe, the newest first.
    pub(crate) fn search(&self, reader: &Reader, limit: usize) -> Result<Vec<Summary>, Failure> {
        self.find(limit).search(reader).map_err(Failure::new)
    }

    /// As it is asked.
    pub(crate) fn find(&self, limit: usize) -> Find {
        Find {
            patient: self.patient.clone(),
            control_id: self.control_id.clone(),
            order: self.order.clone(),
            visit: self.visit.clone(),
            kind: self.kind.clone(),
            state: self.state.clone(),
            destination: self.destination.clone(),
            source: self.source.clone(),
            file: self.file.clone(),
            since_us: self.since,
            until_us: self.until,
            limit,
        }
    }
}

fn states() -> Vec<&'static str> {
    let mut names: Vec<&str> = DeliveryState::ALL.iter().map(|state| state.name()).collect();
    for fate in Fate::ALL {
        if !names.contains(&fate.name()) {
            names.push(fate.name());
        }
    }
    names
}
