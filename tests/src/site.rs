//! A site of a test's own: orderly.yaml, routes and mappings in a temporary folder that goes with it.
//!
//! What always holds: sources listen on port 0, so that tests run side by side; the real ones are in the engine's log.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use orderly_journal::{DeliveryState, Reader};
use tempfile::TempDir;

use crate::broker::{PASSWORD, USER};

/// A site's folder.
pub struct Site {
    folder: TempDir,
}

impl Site {
    /// A site made of these files, by path below its folder.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Site {
        let site = Site { folder: TempDir::new().expect("a temporary folder") };
        for (path, text) in files {
            site.write(path, text);
        }
        site
    }

    /// One source, `clinic`; one MLLP destination, `hospital`, at `address`; one route between them, `relay`, without a
    /// mapping. Patience is short.
    #[must_use]
    pub fn relay(address: SocketAddr) -> Site {
        let main = RELAY.replace("ADDRESS", &address.to_string());
        Site::of(&[("orderly.yaml", &main), ("routes/relay.yaml", ROUTE)])
    }

    /// The same to a folder, `filed`, below the site's.
    #[must_use]
    pub fn filing() -> Site {
        Site::of(&[("orderly.yaml", FILING), ("routes/relay.yaml", ROUTE)])
    }

    /// Writes a file, over what was there.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file below the site")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Replaces a part of a file, which must be there.
    pub fn amend(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).expect("a file");
        assert!(text.contains(from), "{path} does not hold {from:?}");
        self.write(path, text.replace(from, to));
    }

    /// Has a broker at this address carry its deliveries, with names that begin so.
    pub fn carry(&self, address: &str, prefix: &str) {
        let text = fs::read_to_string(self.path("orderly.yaml")).expect("a file");
        self.write("orderly.yaml", queue(address, prefix) + &text);
        self.write("password", PASSWORD);
    }

    /// A path below the site's folder.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder().join(below)
    }

    /// The site's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A view into its journal, which must be there.
    #[must_use]
    pub fn journal(&self) -> Reader {
        self.journal_in("journal")
    }

    /// The same of a node whose journal lies in this folder of the site.
    #[must_use]
    pub fn journal_in(&self, folder: &str) -> Reader {
        Reader::open(&self.path(folder)).expect("a journal")
    }

    /// The states of a message's deliveries.
    #[must_use]
    pub fn state_of(&self, id: u64) -> Vec<DeliveryState> {
        let message = self.journal().message(id).expect("a journal").expect("a message with this id");
        message.deliveries.iter().map(|delivery| delivery.state).collect()
    }

    /// The names of the files that [`Site::filing`] delivered, in the order of their names.
    #[must_use]
    pub fn filed(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.path("filed")) else { return Vec::new() };
        let names = folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }
}

/// `queue:` for a broker at this address, with names that begin so. The password is in a file `password` beside `orderly.yaml`.
#[must_use]
pub fn queue(address: &str, prefix: &str) -> String {
    format!(
        "queue:\n  carrier: amqp\n  brokers: '{address}'\n  user: {USER}\n  password: ${{file:password}}\n  prefix: {prefix}\n"
    )
}

const RELAY: &str = "\
sources:
  clinic:
    mllp:
      listen: 127.0.0.1:0
destinations:
  hospital:
    retry:
      then: 50ms
    mllp:
      address: ADDRESS
      answer_timeout: 300ms
";

const FILING: &str = "\
sources:
  clinic:
    mllp:
      listen: 127.0.0.1:0
destinations:
  hospital:
    retry:
      then: 50ms
    files:
      folder: filed
      name: ${message.control_id}.hl7
";

const ROUTE: &str = "\
route: relay
from: clinic
to:
  - destination: hospital
";
