//! Which messages a command is about: by patient, control id, order, visit, type, state, destination, source, file, time.

use clap::Args;
use orderly_journal::{DeliveryState, Fate, KeyKind, KeyMatch, Match, Query, Reader, Summary};

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
        let mut queries = vec![self.query(limit)];
        if let Some(word) = &self.patient {
            let (id, name) =
                (key(KeyKind::PatientId, word, Match::Exact), key(KeyKind::PatientName, word, Match::Prefix));
            queries = either(&queries, |query| with_key(query, &id), |query| with_key(query, &name));
        }
        if let Some(word) = &self.order {
            let (order, accession) =
                (key(KeyKind::OrderNumber, word, Match::Exact), key(KeyKind::Accession, word, Match::Exact));
            queries = either(&queries, |query| with_key(query, &order), |query| with_key(query, &accession));
        }
        if let Some(name) = &self.state {
            queries = queries.iter().flat_map(|query| in_state(query, name)).collect();
        }
        search_any(reader, &queries, limit)
    }

    fn query(&self, limit: usize) -> Query {
        let words = [(KeyKind::ControlId, &self.control_id), (KeyKind::Visit, &self.visit)];
        let keys = words.into_iter().filter_map(|(kind, word)| Some(key(kind, word.as_ref()?, Match::Exact)));
        let (message_type, event) = match self.kind.as_deref().map(|kind| kind.split_once(['^', '_'])) {
            Some(Some((kind, event))) => (Some(kind.to_owned()), Some(event.to_owned())),
            Some(None) => (self.kind.clone(), None),
            None => (None, None),
        };
        Query {
            keys: keys.collect(),
            source: self.source.clone(),
            destination: self.destination.clone(),
            file: self.file.clone(),
            message_type,
            event,
            since_us: self.since,
            until_us: self.until,
            limit,
            ..Query::default()
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

fn key(kind: KeyKind, word: &str, match_: Match) -> KeyMatch {
    KeyMatch { kind, value: word.to_owned(), match_ }
}

fn with_key(query: &Query, key: &KeyMatch) -> Query {
    let mut query = query.clone();
    query.keys.push(key.clone());
    query
}

/// Each query in two forms, of which either may match.
fn either(queries: &[Query], one: impl Fn(&Query) -> Query, other: impl Fn(&Query) -> Query) -> Vec<Query> {
    queries.iter().flat_map(|query| [one(query), other(query)]).collect()
}

/// The query for messages with a delivery in this state, and for those with a fate of this name: `failed` and
/// `filtered` are both.
fn in_state(query: &Query, name: &str) -> Vec<Query> {
    let state = DeliveryState::named(name).map(|state| Query { state: Some(state), ..query.clone() });
    let fate = Fate::named(name).map(|fate| Query { fate: Some(fate), ..query.clone() });
    state.into_iter().chain(fate).collect()
}

/// What any of the queries describes, the newest first.
fn search_any(reader: &Reader, queries: &[Query], limit: usize) -> Result<Vec<Summary>, Failure> {
    let mut found = Vec::new();
    for query in queries {
        found.extend(reader.search(query).map_err(Failure::new)?);
    }
    found.sort_by_key(|summary| std::cmp::Reverse(summary.seq));
    found.dedup_by_key(|summary| summary.seq);
    found.truncate(limit);
    Ok(found)
}
