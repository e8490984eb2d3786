//! What benchmarks of the real binary share: the workspace, and a site whose feed goes through five rules.

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Writes a site with one route, whose destinations take the mapping `five-rules`.
pub fn write_site(folder: &Path, orderly_yaml: &str, route: &str) {
    for name in ["routes", "mappings"] {
        fs::create_dir(folder.join(name)).expect("a folder");
    }
    fs::write(folder.join("orderly.yaml"), orderly_yaml).expect("orderly.yaml");
    fs::write(folder.join("routes/feed.yaml"), route).expect("the route");
    let mapping = root().join("samples/load/five-rules.yaml");
    fs::copy(mapping, folder.join("mappings/five-rules.yaml")).expect("the mapping");
}
