//! What is known of the files that are not out of the way, from one look at the folder to the next.
//!
//! What always holds: a file counts as gone only on evidence: it is not in a whole listing of the very folder it was in. A share that is
//! away, or a folder that could not be listed whole, shows nothing.

use super::scan::{Found, Listing, is_same_file};
use super::{Identify, Standing, Taken};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Files that are not out of the way.
#[derive(Debug)]
pub(super) struct Standings {
    identify: Identify,
    /// By identity; nothing before it was asked what is stored.
    known: Option<HashMap<Arc<str>, Known>>,
    /// Identities that are made from content, by what the file system says, so that a file that stays is read once.
    hashed: HashMap<Arc<str>, Arc<str>>,
    /// The folder, as device and inode, in which a known file was seen since the start.
    seen_in: Option<(u64, u64)>,
}

#[derive(Debug, Clone)]
struct Known {
    name: Arc<str>,
    stored: u64,
    taken: Option<Taken>,
}

impl Known {
    /// Whether its first messages are stored and the others never will be, as it is.
    fn is_half_taken(&self) -> bool {
        match self.taken {
            None => self.stored > 0,
            Some(Taken::Torn(_)) => true,
            Some(Taken::Stored | Taken::PutAside(_)) => false,
        }
    }
}

impl Standings {
    pub(super) fn new(identify: Identify) -> Standings {
        Standings { identify, known: None, hashed: HashMap::new(), seen_in: None }
    }

    /// Whether it is known what is stored.
    pub(super) fn are_known(&self) -> bool {
        self.known.is_some()
    }

    /// What is stored, as its keeper says.
    pub(super) fn learn(&mut self, standings: Vec<Standing>) {
        let known = |Standing { identity, name, stored, taken }| (identity, Known { name, stored, taken });
        self.known = Some(standings.into_iter().map(known).collect());
    }

    /// What is stored must be asked again.
    pub(super) fn doubt(&mut self) {
        self.known = None;
    }

    /// What tells the file from others, if its content need not be read for it (again).
    pub(super) fn identity<'f>(&'f self, found: &'f Found) -> Option<&'f Arc<str>> {
        match self.identify {
            Identify::Inode => Some(&found.key),
            Identify::Content => self.hashed.get(&found.key),
        }
    }

    /// Remembers what a file's content makes its identity.
    pub(super) fn remember(&mut self, found: &Found, identity: &Arc<str>) {
        if self.identify == Identify::Content {
            self.hashed.insert(found.key.clone(), identity.clone());
        }
    }

    /// What became of the file, when it is stored.
    pub(super) fn taken<'f>(&'f self, found: &'f Found) -> Option<(&'f Arc<str>, &'f Taken)> {
        let identity = self.identity(found)?;
        Some((identity, self.known.as_ref()?.get(identity)?.taken.as_ref()?))
    }

    /// How many of its messages are stored, and whether that is all of them.
    pub(super) fn stored(&self, identity: &Arc<str>) -> (u64, bool) {
        let known = self.known.as_ref().and_then(|known| known.get(identity));
        known.map_or((0, false), |known| (known.stored, known.taken.is_some()))
    }

    /// So many of a file's messages are stored, and it is gone on with later.
    pub(super) fn store_some(&mut self, identity: Arc<str>, name: Arc<str>, stored: u64) {
        if let Some(known) = &mut self.known
            && stored > 0
        {
            known.insert(identity, Known { name, stored, taken: None });
        }
    }

    /// Why a file is not to be taken as a new one: it changed after its first messages were stored.
    pub(super) fn torn(&self, found: &Found, identity: &Arc<str>) -> Option<String> {
        let known = self.known.as_ref()?;
        if known.contains_key(identity) {
            return None;
        }
        let is_it =
            |(other, known): &(&Arc<str>, &Known)| known.is_half_taken() && self.is_of(other, known, found);
        let (_, known) = known.iter().find(is_it)?;
        Some(match &known.taken {
            Some(Taken::Torn(reason)) => reason.clone(),
            _ => format!(
                "it changed after its first {} messages were stored\nDrop again what follows them in the file, without what is \
                 stored (orderly messages --file).",
                known.stored
            ),
        })
    }

    /// Whether a known identity is that of this file, as it is or was.
    fn is_of(&self, identity: &str, known: &Known, found: &Found) -> bool {
        match self.identify {
            Identify::Inode => is_same_file(&found.key, identity),
            Identify::Content => *known.name == *found.below.to_string_lossy(),
        }
    }

    /// A file is stored to its end.
    pub(super) fn store(&mut self, identity: Arc<str>, name: Arc<str>, taken: Taken) {
        if let Some(known) = &mut self.known {
            known.insert(identity, Known { name, stored: 0, taken: Some(taken) });
        }
    }

    /// A file is out of the way; of one that was not taken in to its end, how many of its messages are stored.
    pub(super) fn forget(&mut self, identity: &Arc<str>) -> Option<u64> {
        let forgotten = self.known.as_mut()?.remove(identity)?;
        (forgotten.taken.is_none() && forgotten.stored > 0).then_some(forgotten.stored)
    }

    /// The files that were put out of the way, by us before a crash or by a person: those that are not in a listing, which shows it.
    pub(super) fn gone(&mut self, listing: &Listing) -> Vec<Arc<str>> {
        let Some(known) = &self.known else { return Vec::new() };
        let in_view =
            |found: &&Found| self.identity(found).is_some_and(|identity| known.contains_key(identity));
        if listing.files.iter().any(|found| in_view(&found)) {
            self.seen_in = Some(listing.place);
        }
        let gone = match self.identify {
            _ if !listing.is_whole => Vec::new(),
            Identify::Inode => self.gone_by_inode(known, listing),
            Identify::Content => self.gone_by_content(known, listing),
        };
        if self.identify == Identify::Content {
            let there: HashSet<&Arc<str>> = listing.files.iter().map(|found| &found.key).collect();
            self.hashed.retain(|key, _| there.contains(key));
        }
        gone
    }

    /// The volume is a part of the identity: what is on another one may just not be mounted.
    fn gone_by_inode(&self, known: &HashMap<Arc<str>, Known>, listing: &Listing) -> Vec<Arc<str>> {
        let there: HashSet<&Arc<str>> = listing.files.iter().map(|found| &found.key).collect();
        // What was taken in part and has changed since is there all the same.
        let is_there = |identity: &Arc<str>, known: &Known| {
            there.contains(identity)
                || (known.is_half_taken()
                    && listing.files.iter().any(|found| is_same_file(&found.key, identity)))
        };
        let is_gone = |(identity, known): &(&Arc<str>, &Known)| {
            identity.starts_with(&listing.volume) && !is_there(identity, known)
        };
        known.iter().filter(is_gone).map(|(identity, _)| identity.clone()).collect()
    }

    /// A file that is known by its name and its content is gone when there is none of its name, or one of other content. Nothing else
    /// tells a share from an empty folder in its place, so one of its files must have been seen there before.
    fn gone_by_content(&self, known: &HashMap<Arc<str>, Known>, listing: &Listing) -> Vec<Arc<str>> {
        if self.seen_in != Some(listing.place) {
            return Vec::new();
        }
        let by_name: HashMap<String, &Found> =
            listing.files.iter().map(|found| (found.below.to_string_lossy().into_owned(), found)).collect();
        let is_gone = |(identity, known): &(&Arc<str>, &Known)| match by_name.get(&*known.name) {
            None => true,
            // Not read yet: it may be it.
            Some(found) => {
                !known.is_half_taken() && self.hashed.get(&found.key).is_some_and(|other| other != *identity)
            }
        };
        known.iter().filter(is_gone).map(|(identity, _)| identity.clone()).collect()
    }
}
