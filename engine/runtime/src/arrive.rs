//! A source of the plan, ready to be listened to: settings for the transport.

use std::path::Path;
use std::time::Duration;

use orderly_pipeline::TAKEN_MEDIA_TYPES;
use orderly_pipeline::plan::{self, AmqpSource, FilesSource, HttpSource, MllpListener};
use orderly_transport::listeners::files::{After, Complete, Identify, Order};
use orderly_transport::listeners::{
    AmqpListenerSettings, FilesListenerSettings, HttpListenerSettings, ListenerSettings, MllpListenerSettings,
};
use orderly_transport::mllp_frame::{Tolerance, Tolerances};

use crate::outside;

/// How often a folder is looked at when nothing is said: hints make it sooner where the system gives them, and on shares that give none,
/// nobody notices two seconds.
const POLL: Duration = Duration::from_secs(2);

/// The transport's settings for a source; relative folders count from `base`.
pub(crate) fn settings(source: &plan::Source, base: &Path) -> ListenerSettings {
    match &source.listener {
        plan::Listener::Mllp(mllp) => ListenerSettings::Mllp(mllp_settings(mllp, &source.refuse, base)),
        plan::Listener::Files(files) => ListenerSettings::Files(files_settings(files, base)),
        plan::Listener::Http(http) => ListenerSettings::Http(http_settings(http, base)),
        plan::Listener::Amqp(amqp) => ListenerSettings::Amqp(amqp_settings(amqp, &source.name, base)),
    }
}

/// Whether two plans have a source listen differently, so that it has to begin anew.
pub(crate) fn is_other_source(one: &plan::Source, other: &plan::Source) -> bool {
    one.listener != other.listener || frames_refused(&one.refuse) != frames_refused(&other.refuse)
}

/// The deviations of framing among those that a source refuses; the other codes are about what is inside the frames.
fn frames_refused(refuse: &[&str]) -> Tolerances {
    refuse.iter().filter_map(|code| Tolerance::named(code)).collect()
}

fn mllp_settings(mllp: &MllpListener, refuse: &[&str], base: &Path) -> MllpListenerSettings {
    let defaults = MllpListenerSettings::new(mllp.listen);
    MllpListenerSettings {
        frame_bytes_max: mllp.frame_bytes_max.unwrap_or(defaults.frame_bytes_max),
        connections_max: mllp.connections_max.unwrap_or(defaults.connections_max),
        idle_timeout: mllp.idle_timeout.unwrap_or(defaults.idle_timeout),
        refused: frames_refused(refuse),
        tls: mllp.tls.as_ref().map(|tls| outside::tls_server(tls, base)),
        ..defaults
    }
}

fn http_settings(http: &HttpSource, base: &Path) -> HttpListenerSettings {
    let defaults = HttpListenerSettings::new(http.listen);
    HttpListenerSettings {
        path: http.path.clone(),
        body_bytes_max: http.body_bytes_max.unwrap_or(defaults.body_bytes_max),
        connections_max: http.connections_max.unwrap_or(defaults.connections_max),
        credentials: http.credentials.as_ref().map(|credentials| outside::credentials(credentials, base)),
        media_types: TAKEN_MEDIA_TYPES.to_vec(),
        tls: http.tls.as_ref().map(|tls| outside::tls_server(tls, base)),
        ..defaults
    }
}

/// How many messages are on their way to the journal when nothing is said: as many as connections over MLLP, enough for groups of commits.
const PREFETCH: u16 = 64;

fn amqp_settings(amqp: &AmqpSource, name: &str, base: &Path) -> AmqpListenerSettings {
    AmqpListenerSettings {
        broker: outside::broker(&amqp.broker, &format!("orderly source {name}"), base),
        queue: amqp.queue.clone(),
        prefetch: amqp.prefetch.unwrap_or(PREFETCH),
        rejects_unreadable: amqp.rejects_unreadable,
    }
}

fn files_settings(files: &FilesSource, base: &Path) -> FilesListenerSettings {
    FilesListenerSettings {
        folder: base.join(&files.folder),
        pattern: files.pattern.set.clone(),
        subfolders: files.subfolders,
        complete: match &files.complete {
            plan::Complete::Renamed => Complete::Renamed,
            plan::Complete::Stable(time) => Complete::Stable(*time),
            plan::Complete::Marker(ending) => Complete::Marker(ending.clone()),
        },
        order: match files.order {
            plan::FileOrder::Name => Order::Name,
            plan::FileOrder::Time => Order::Time,
        },
        after: match &files.after {
            plan::After::Archive(folder) => After::Archive(base.join(folder)),
            plan::After::Delete => After::Delete,
            plan::After::Leave => After::Leave,
        },
        failed: base.join(&files.failed),
        identify: match files.identify {
            plan::Identify::Inode => Identify::Inode,
            plan::Identify::Content => Identify::Content,
        },
        poll: files.poll.unwrap_or(POLL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orderly_pipeline::FRAME_TOLERANCES;

    #[test]
    fn what_a_site_can_refuse_of_frames_is_what_the_transport_tolerates() {
        let declared: Vec<_> = FRAME_TOLERANCES.iter().map(|(code, _)| *code).collect();
        assert_eq!(declared, Tolerance::ALL.map(Tolerance::code));
    }
}
