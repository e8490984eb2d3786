//! The configuration's files as the engine sees them: somebody who can read them, and what reading gave.

use std::path::PathBuf;

use orderly_pipeline::Plan;

/// Whoever can read the configuration's files.
pub trait Configuration: Send + Sync + 'static {
    /// The folders whose changes may be changes of the configuration, and whether what lies below them counts too.
    fn folders(&self) -> Vec<(PathBuf, bool)>;

    /// The files that it is made of now; one that cannot be found is left out.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads and compiles it.
    fn load(&self) -> Loaded;
}

/// What reading gave.
pub struct Loaded {
    /// The plan; none when there are errors.
    pub plan: Option<Plan>,
    /// Errors and warnings.
    pub findings: Vec<Finding>,
}

/// Something that is wrong, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it keeps the files from coming into force.
    pub is_error: bool,
    /// In one line, for the log.
    pub line: String,
    /// With the text that it is about, for people.
    pub text: String,
}
