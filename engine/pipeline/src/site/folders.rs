//! Folders that must not be the same, or in one another: what is put into a watched folder comes in as a message.
//!
//! Paths are compared as they are written, and by whoever may look at the disk as they really are: a link makes two names one folder.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use orderly_record::{Diagnostic, Fault};

use crate::plan::{After, Destination, Endpoint, FilesSource, Listener, Plan, Source};

/// The folders of the configuration itself, as they lie beside `orderly.yaml`.
const OWN_FOLDERS: [&str; 3] = [".", "routes", "mappings"];

/// Two uses of one folder.
pub(super) struct Clash {
    /// The source or destination that is to have another folder.
    pub(super) name: Arc<str>,
    pub(super) is_destination: bool,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// What to do about any of them.
pub(super) const HELP: &str = "give it a folder of its own";

impl Plan {
    /// Folders that are one when links are followed, with the journal in this one. `resolve` gives a folder's real path, from its path as
    /// configured.
    pub fn folder_clashes(&self, journal: &str, resolve: &dyn Fn(&str) -> PathBuf) -> Vec<Diagnostic> {
        let clashes = clashes(&self.sources, &self.destinations, journal, resolve);
        let diagnostic = |clash: Clash| {
            let message = format!("{} (by their real paths)", clash.message);
            Diagnostic::error(clash.code, Fault::Configuration, message).with_help(HELP)
        };
        clashes.into_iter().map(diagnostic).collect()
    }
}

/// The parts of a folder's path as written: `in`, `in/` and `./in` are the same.
pub(super) fn as_written(folder: &str) -> PathBuf {
    Path::new(folder).components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// All of them, one at most for each place.
pub(super) fn clashes(
    sources: &[Source],
    destinations: &[Destination],
    journal: &str,
    resolve: &dyn Fn(&str) -> PathBuf,
) -> Vec<Clash> {
    let watched: Vec<Watched<'_>> =
        sources.iter().filter_map(|source| Watched::of(source, resolve)).collect();
    let at = |name: &Arc<str>, is_destination, code, message| Clash {
        name: name.clone(),
        is_destination,
        code,
        message,
    };
    let mut found = Vec::new();
    for (index, source) in watched.iter().enumerate() {
        let name = &source.name;
        let mut add = |code, message: String| found.push(at(name, false, code, message));
        let earlier = watched.iter().take(index);
        if let Some(first) =
            earlier.into_iter().find(|other| source.holds(&other.folder) || other.holds(&source.folder))
        {
            add(
                "config-folder-twice",
                format!("`{name}` watches the folder that `{}` already watches", first.name),
            );
        }
        if source.holds(&resolve(journal)) {
            add("config-folder-loop", format!("`{name}` watches the folder in which the journal lies"));
        }
        if OWN_FOLDERS.iter().any(|own| source.holds(&resolve(own))) {
            add("config-folder-loop", format!("`{name}` watches the folder of the configuration"));
        }
        let mut others = watched.iter().filter(|other| !other.holds(&source.folder));
        if let Some(other) = others.find(|other| source.away.iter().any(|folder| other.holds(folder))) {
            add(
                "config-folder-loop",
                format!("`{name}` puts files away in the folder that `{}` watches", other.name),
            );
        }
    }
    for destination in destinations {
        let Endpoint::Files(files) = &destination.endpoint else { continue };
        let folder = resolve(&files.folder);
        if let Some(source) = watched.iter().find(|source| source.holds(&folder)) {
            let message =
                format!("`{}` writes into the folder that `{}` watches", destination.name, source.name);
            found.push(at(&destination.name, true, "config-folder-loop", message));
        }
    }
    found
}

/// A source that watches a folder.
struct Watched<'s> {
    name: Arc<str>,
    files: &'s FilesSource,
    folder: PathBuf,
    /// Where it puts files away.
    away: Vec<PathBuf>,
}

impl<'s> Watched<'s> {
    fn of(source: &'s Source, resolve: &dyn Fn(&str) -> PathBuf) -> Option<Self> {
        let Listener::Files(files) = &source.listener else { return None };
        let archive = match &files.after {
            After::Archive(archive) => Some(archive),
            After::Delete | After::Leave => None,
        };
        let away =
            [Some(&files.failed), archive].into_iter().flatten().map(|folder| resolve(folder)).collect();
        Some(Watched { name: source.name.clone(), files, folder: resolve(&files.folder), away })
    }

    /// Whether files in that folder are seen by this source.
    fn holds(&self, folder: &Path) -> bool {
        folder == self.folder || (self.files.subfolders && folder.starts_with(&self.folder))
    }
}
