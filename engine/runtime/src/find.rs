//! Messages that are searched for, at this node or another: what they must have, and how those that are found are told.

use orderly_journal::{DeliveryState, Fate, JournalError, KeyKind, KeyMatch, Match, Query, Reader, Summary};
use serde::{Deserialize, Serialize};

/// What messages must have, all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// An identifier of the patient, or the beginning of the name.
    pub patient: Option<String>,
    /// The sender's control id.
    pub control_id: Option<String>,
    /// An accession or order number.
    pub order: Option<String>,
    /// A visit or account number.
    pub visit: Option<String>,
    /// Message type, with or without the trigger event: `ADT`, `ADT^A01`.
    pub kind: Option<String>,
    /// The state of one of its deliveries, or its own fate, by name.
    pub state: Option<String>,
    /// The destination of one of its deliveries; together with `state`, of the same one.
    pub destination: Option<String>,
    /// The source it came in by.
    pub source: Option<String>,
    /// The file it came in.
    pub file: Option<String>,
    /// Accepted at or after, in microseconds since 1970-01-01T00:00:00Z.
    pub since_us: Option<i64>,
    /// Accepted before.
    pub until_us: Option<i64>,
    /// At most so many: the newest.
    pub limit: usize,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its id in the journal of its node.
    pub id: u64,
    /// When it came in.
    pub accepted_at_us: i64,
    /// The source it came in by.
    pub source: String,
    /// Message type and trigger event as the sender gave them: `ADT^A01`.
    pub kind: String,
    /// The sender's id of the message.
    pub control_id: String,
    /// What became of it, by name.
    pub fate: String,
    /// Why.
    pub reason: Option<String>,
    /// The file it came in.
    pub file: Option<String>,
    /// Its deliveries, in order.
    pub deliveries: Vec<FoundDelivery>,
}

/// A delivery of a message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundDelivery {
    /// The destination.
    pub destination: String,
    /// The route that made it.
    pub route: String,
    /// Where it stands, by name.
    pub state: String,
}

impl Find {
    /// What it describes in a journal, the newest first.
    pub fn search(&self, reader: &Reader) -> Result<Vec<Summary>, JournalError> {
        let mut queries = vec![self.query()];
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
        let mut found = Vec::new();
        for query in &queries {
            found.extend(reader.search(query)?);
        }
        found.sort_by_key(|summary| std::cmp::Reverse(summary.seq));
        found.dedup_by_key(|summary| summary.seq);
        found.truncate(self.limit);
        Ok(found)
    }

    fn query(&self) -> Query {
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
            since_us: self.since_us,
            until_us: self.until_us,
            limit: self.limit,
            ..Query::default()
        }
    }
}

impl Found {
    /// As it is told.
    #[must_use]
    pub fn of(summary: Summary) -> Found {
        let kind = match summary.event.as_str() {
            "" => summary.message_type,
            event => format!("{}^{event}", summary.message_type),
        };
        let deliveries = summary.deliveries.into_iter().map(|delivery| FoundDelivery {
            destination: delivery.destination,
            route: delivery.route,
            state: delivery.state.name().to_owned(),
        });
        Found {
            id: summary.id,
            accepted_at_us: summary.accepted_at_us,
            source: summary.source,
            kind,
            control_id: summary.control_id,
            fate: summary.fate.name().to_owned(),
            reason: summary.reason,
            file: summary.origin.map(|origin| origin.name),
            deliveries: deliveries.collect(),
        }
    }
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
