//! The counters behind [`Status`]: written by listeners and workers as things happen, read when somebody asks.
//!
//! What always holds: nothing here grows with what peers do. Peers are kept by address up to a limit, and each has one count
//! a code, of which there are few. A source or destination that the plan keeps keeps its counts, whatever else changes.

mod destination;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use orderly_journal::{Fate, JournalError, Reader, Unseen};
use orderly_pipeline::Plan;
use orderly_transport::listeners::Place;

use crate::kept::Kept;
use crate::moment::now;
use crate::status::{
    DestinationState, DestinationStatus, Fates, PeerStatus, SourceState, SourceStatus, Status,
    ToleranceStatus, Unsure,
};
pub(crate) use destination::DestinationStanding;

/// How many peers of a source are kept: a source has one sender or a few, and whoever scans the network fills no memory. The
/// one that is idle for longest makes room.
pub(crate) const PEERS_MAX: usize = 256;

/// Everything that is counted, by name. Sources and destinations come and go with the plan.
#[derive(Debug)]
pub(crate) struct Standing {
    since_us: i64,
    sources: Mutex<Named<SourceStanding>>,
    destinations: Mutex<Named<DestinationStanding>>,
}

type Named<T> = HashMap<Arc<str>, Arc<T>>;

impl Standing {
    /// That of an engine which is about to start, with nothing begun.
    pub(crate) fn new() -> Standing {
        Standing { since_us: now(), sources: Mutex::default(), destinations: Mutex::default() }
    }

    /// That of a source which begins, with its messages coming in here; one that begins anew keeps its counts.
    pub(crate) fn source(&self, name: &Arc<str>, place: Place) -> Arc<SourceStanding> {
        let mut sources = locked(&self.sources);
        let fresh = || Arc::new(SourceStanding::new(name.clone(), place.clone()));
        let source = sources.entry(name.clone()).or_insert_with(fresh).clone();
        *locked(&source.place) = place;
        source
    }

    /// That of a destination which begins.
    pub(crate) fn destination(&self, name: &Arc<str>) -> Arc<DestinationStanding> {
        let fresh = || Arc::new(DestinationStanding::new(name.clone(), now()));
        locked(&self.destinations).entry(name.clone()).or_insert_with(fresh).clone()
    }

    /// What keeps a destination from being sent to: for whoever waits for its answer, so without its address.
    pub(crate) fn hindrance(&self, destination: &str) -> Option<String> {
        let destination = locked(&self.destinations).get(destination).cloned()?;
        destination.hindrance(now())
    }

    /// Forgets those that the plan does not have: if they come again, they count from nothing.
    pub(crate) fn follow(&self, plan: &Plan) {
        locked(&self.sources).retain(|name, _| plan.source(name).is_some());
        locked(&self.destinations).retain(|name, _| plan.destination(name).is_some());
    }

    /// All that the plan in force has, with what the journal has waiting.
    pub(crate) fn status(&self, plan: &Plan, reader: &Reader) -> Result<Status, JournalError> {
        let mut kept = Kept::read(reader)?;
        let sources = locked(&self.sources).clone();
        let sources = plan.sources.iter().filter_map(|declared| sources.get(&declared.name));
        let destinations = locked(&self.destinations).clone();
        let declared = plan.destinations.iter().filter_map(|declared| destinations.get(&declared.name));
        let one = |one: &Arc<DestinationStanding>| {
            let next_attempt = one.waits_for(reader, now())?;
            Ok(kept.with(DestinationStatus { next_attempt, ..one.status() }))
        };
        let mut destinations = declared.map(one).collect::<Result<Vec<_>, JournalError>>()?;
        destinations.extend(kept.others(DestinationState::Undeclared, self.since_us));
        let (nodes, broker) = Default::default();
        Ok(Status {
            nodes,
            broker,
            plan: plan.version.clone(),
            since: time(self.since_us),
            sources: sources.map(|source| source.status()).collect(),
            destinations,
        })
    }
}

/// What is locked here is whole after each step, also after one that panicked.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is counted of a source.
#[derive(Debug)]
pub(crate) struct SourceStanding {
    name: Arc<str>,
    place: Mutex<Place>,
    counts: Mutex<SourceCounts>,
}

#[derive(Debug, Default)]
struct SourceCounts {
    connections: u64,
    messages: Fates,
    reused_ids: u64,
    /// Messages that may be repeats, and what is wrong with the files that leave it open, by number.
    unsure: u64,
    unseen: BTreeMap<u32, String>,
    peers: HashMap<IpAddr, Peer>,
}

#[derive(Debug)]
struct Peer {
    connections: u64,
    last_seen_us: i64,
    deviations: BTreeMap<&'static str, Deviations>,
}

#[derive(Debug, Default)]
struct Deviations {
    count: u64,
    last_offset: u64,
}

impl SourceStanding {
    fn new(name: Arc<str>, place: Place) -> SourceStanding {
        SourceStanding { name, place: Mutex::new(place), counts: Mutex::default() }
    }

    /// A peer connected.
    pub(crate) fn connected(&self, peer: IpAddr) {
        self.connected_at(peer, now());
    }

    fn connected_at(&self, peer: IpAddr, at_us: i64) {
        let mut counts = self.counts();
        counts.connections += 1;
        if let Some(peer) = counts.peer(peer, at_us) {
            peer.connections += 1;
        }
    }

    /// A peer's connection ended.
    pub(crate) fn disconnected(&self, peer: IpAddr) {
        self.disconnected_at(peer, now());
    }

    fn disconnected_at(&self, peer: IpAddr, at_us: i64) {
        let mut counts = self.counts();
        counts.connections = counts.connections.saturating_sub(1);
        if let Some(peer) = counts.peer(peer, at_us) {
            peer.connections = peer.connections.saturating_sub(1);
        }
    }

    /// Its listener has ended: nobody is connected any more, also whoever went without a word.
    pub(crate) fn ended(&self) {
        let mut counts = self.counts();
        counts.connections = 0;
        counts.peers.values_mut().for_each(|peer| peer.connections = 0);
    }

    /// A peer deviated so many times, the last time here. Says whether it never did so before, as far as is known.
    pub(crate) fn deviated(&self, peer: IpAddr, code: &'static str, count: u64, offset: u64) -> bool {
        let mut counts = self.counts();
        let Some(peer) = counts.peer(peer, now()) else { return false };
        let deviations = peer.deviations.entry(code).or_default();
        let is_new = deviations.count == 0;
        deviations.count = deviations.count.saturating_add(count);
        deviations.last_offset = offset;
        is_new
    }

    /// A message is stored.
    pub(crate) fn stored(&self, fate: Fate) {
        let messages = &mut self.counts().messages;
        let count = match fate {
            Fate::Routed => &mut messages.routed,
            Fate::Filtered => &mut messages.filtered,
            Fate::Duplicate => &mut messages.duplicate,
            Fate::Failed => &mut messages.failed,
            Fate::Quarantined => &mut messages.quarantined,
        };
        *count += 1;
    }

    /// A message has the control id of another one. Says whether it is the first that is known of.
    pub(crate) fn reused_id(&self) -> bool {
        let mut counts = self.counts();
        counts.reused_ids += 1;
        counts.reused_ids == 1
    }

    /// A message was taken as new although these files could not be looked into. Gives those that are not known yet.
    pub(crate) fn unsure<'u>(&self, unseen: &'u [Arc<Unseen>]) -> Vec<&'u Unseen> {
        let mut counts = self.counts();
        counts.unsure += 1;
        let mut is_new = |file: &Unseen| counts.unseen.insert(file.number, file.problem.clone()).is_none();
        unseen.iter().map(Arc::as_ref).filter(|file| is_new(file)).collect()
    }

    fn status(&self) -> SourceStatus {
        let counts = self.counts();
        let (state, place) = match &*locked(&self.place) {
            Place::Address(address) => (SourceState::Listening, address.to_string()),
            Place::Folder(folder) => (SourceState::Watching, folder.display().to_string()),
            Place::Queue(queue) if counts.connections > 0 => (SourceState::Consuming, queue.clone()),
            Place::Queue(queue) => (SourceState::Trying, queue.clone()),
        };
        let mut peers: Vec<_> = counts.peers.iter().collect();
        peers.sort_by_key(|(address, _)| **address);
        SourceStatus {
            name: self.name.to_string(),
            state,
            place,
            connections: counts.connections,
            messages: counts.messages,
            reused_ids: counts.reused_ids,
            unsure: Unsure { messages: counts.unsure, files: counts.unseen.values().cloned().collect() },
            peers: peers.into_iter().map(|(address, peer)| peer.status(*address)).collect(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, SourceCounts> {
        locked(&self.counts)
    }
}

impl SourceCounts {
    /// A peer's counts; none when so many others are connected that there is no room for them.
    fn peer(&mut self, address: IpAddr, at_us: i64) -> Option<&mut Peer> {
        let address = address.to_canonical();
        if !self.peers.contains_key(&address) && self.peers.len() >= PEERS_MAX {
            let idle = self.peers.iter().filter(|(_, peer)| peer.connections == 0);
            let oldest = idle.min_by_key(|(_, peer)| peer.last_seen_us).map(|(address, _)| *address)?;
            self.peers.remove(&oldest);
        }
        let fresh = || Peer { connections: 0, last_seen_us: at_us, deviations: BTreeMap::new() };
        let peer = self.peers.entry(address).or_insert_with(fresh);
        peer.last_seen_us = at_us;
        Some(peer)
    }
}

impl Peer {
    fn status(&self, address: IpAddr) -> PeerStatus {
        let tolerance = |(code, met): (&&str, &Deviations)| ToleranceStatus {
            code: (*code).to_owned(),
            count: met.count,
            last_offset: met.last_offset,
        };
        PeerStatus {
            address: address.to_string(),
            connections: self.connections,
            last_seen: time(self.last_seen_us),
            tolerances: self.deviations.iter().map(tolerance).collect(),
        }
    }
}

/// As all times of a status.
pub(crate) fn time(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).map_or_else(|_| at_us.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn source() -> SourceStanding {
        SourceStanding::new(Arc::from("clinic"), Place::Folder("inbox".into()))
    }

    fn address(number: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap()))
    }

    #[test]
    fn the_peer_that_is_idle_for_longest_makes_room() {
        let source = source();
        for number in 0..PEERS_MAX {
            source.connected_at(address(number), i64::try_from(number).unwrap());
        }
        // Nobody is idle: there is no room, but the connection counts.
        source.connected_at(address(PEERS_MAX), 1000);
        assert_eq!(source.status().connections, 257);
        assert!(!source.deviated(address(PEERS_MAX), "mllp-noise", 1, 0));
        source.disconnected_at(address(7), 1001);
        source.disconnected_at(address(3), 1002);
        source.connected_at(address(PEERS_MAX + 1), 1003);
        let kept: Vec<String> = source.status().peers.into_iter().map(|peer| peer.address).collect();
        assert_eq!(kept.len(), PEERS_MAX);
        // The one that went first; the other is still known.
        assert!(!kept.contains(&address(7).to_string()));
        assert!(kept.contains(&address(3).to_string()) && kept.contains(&address(PEERS_MAX + 1).to_string()));
    }

    #[test]
    fn deviations_add_up_by_address_and_code() {
        let source = source();
        assert!(source.deviated(address(1), "mllp-filler", 2, 5));
        assert!(!source.deviated(address(1), "mllp-filler", 1, 9));
        let mapped = IpAddr::V6(Ipv4Addr::from(1_u32).to_ipv6_mapped());
        assert!(source.deviated(mapped, "hl7-no-control-id", 1, 0));
        let peers = source.status().peers;
        let [peer] = peers.as_slice() else { panic!("{peers:?}") };
        let tolerance =
            |code: &str, count, last_offset| ToleranceStatus { code: code.to_owned(), count, last_offset };
        assert_eq!(peer.tolerances, [tolerance("hl7-no-control-id", 1, 0), tolerance("mllp-filler", 3, 9)]);
    }

    fn plan(source: &str) -> Plan {
        let text = |file: &str, text: String| orderly_pipeline::Text { file: file.to_owned(), text };
        let site = format!(
            "site: test\nsources:\n  {source}:\n    mllp:\n      listen: 127.0.0.1:0\ndestinations:\n  archive:\n    files:\n      \
             folder: out\n"
        );
        let route = format!("route: all\nfrom: {source}\nto:\n  - destination: archive\n");
        let texts = orderly_pipeline::Texts {
            site: text("orderly.yaml", site),
            routes: vec![text("routes/all.yaml", route)],
            mappings: Vec::new(),
            tables: BTreeMap::new(),
        };
        let compiled = orderly_pipeline::compile(&texts);
        compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
    }

    #[test]
    fn a_source_that_begins_anew_keeps_its_counts_and_one_that_is_gone_loses_them() {
        let (standing, name) = (Standing::new(), Arc::from("clinic"));
        let begun = standing.source(&name, Place::Folder("one".into()));
        begun.connected(address(1));
        begun.stored(Fate::Routed);
        begun.ended();
        standing.follow(&plan("clinic"));
        let anew = standing.source(&name, Place::Folder("two".into())).status();
        assert_eq!((anew.place.as_str(), anew.messages.routed, anew.connections), ("two", 1, 0));
        assert_eq!(anew.peers.first().map(|peer| peer.connections), Some(0));
        standing.follow(&plan("laboratory"));
        let again = standing.source(&name, Place::Folder("two".into())).status();
        assert_eq!((again.messages.routed, again.peers.len()), (0, 0));
    }
}
