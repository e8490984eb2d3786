//! The log of a running engine: readable on a terminal, one JSON object a line otherwise. Goes to standard error, so
//! that standard output stays the command's own.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Libraries whose log is never shown, whatever is asked for: `notify` logs the names of files, which may be those of patients, and
/// `lapin` whole messages that a broker returned. What they know, the engine says in its own words.
const SILENCED: [&str; 2] = ["notify=off", "lapin=off"];

/// Starts the log. `ORDERLY_LOG` sets what is logged (`info` unless told otherwise), in the form of `RUST_LOG`.
pub(crate) fn start(default_level: &str) {
    let filter = EnvFilter::try_from_env("ORDERLY_LOG").unwrap_or_else(|_| EnvFilter::new(default_level));
    let silenced = SILENCED.iter().filter_map(|directive| directive.parse().ok());
    let filter = silenced.fold(filter, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // What a panic says may quote a message; where it happened never does.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic inside the engine; this is our fault");
    }));
    if std::io::stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    }
}
