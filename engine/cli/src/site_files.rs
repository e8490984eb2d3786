//! A site's files for a running engine, which reads them again when they change or when it is asked to.

use std::path::{Path, PathBuf};

use orderly_pipeline::Severity;
use orderly_runtime::{Configuration, Finding, Loaded};

use crate::failure::Failure;
use crate::site::{self, FOLDERS, Site};

/// The files that `orderly.yaml` stands for.
pub(crate) struct SiteFiles {
    config: PathBuf,
    /// Where the journal lies, if not where they say.
    journal: Option<PathBuf>,
}

impl SiteFiles {
    /// Those of the site whose own file this is, with the journal in this folder if not where they say.
    pub(crate) fn of(config: &Path, journal: Option<&Path>) -> SiteFiles {
        SiteFiles { config: config.to_owned(), journal: journal.map(Path::to_owned) }
    }
}

impl Configuration for SiteFiles {
    fn folders(&self) -> Vec<(PathBuf, bool)> {
        let base = self.config.parent().filter(|folder| !folder.as_os_str().is_empty());
        let base = base.unwrap_or(Path::new("."));
        // The journal lies below the site's folder, and would never be still.
        let own = std::iter::once((base.to_owned(), false));
        own.chain(FOLDERS.map(|folder| (base.join(folder), true))).collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        site::files(&self.config)
    }

    fn load(&self) -> Loaded {
        match site::load(&self.config) {
            Ok(mut site) => {
                self.journal.iter().for_each(|folder| site.keep_journal_in(folder));
                site.check_outside();
                loaded(site)
            }
            Err(failure) => unreadable(&failure),
        }
    }
}

fn loaded(site: Site) -> Loaded {
    let found = site.diagnostics().into_iter().map(|diagnostic| Finding {
        is_error: diagnostic.severity == Severity::Error,
        line: diagnostic.to_string(),
        text: site.shown(diagnostic),
    });
    Loaded { findings: found.collect(), plan: site.compiled.plan }
}

fn unreadable(failure: &Failure) -> Loaded {
    let line = failure.message().to_owned();
    Loaded { plan: None, findings: vec![Finding { is_error: true, text: format!("error: {line}"), line }] }
}
