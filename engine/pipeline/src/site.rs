//! What `orderly.yaml` says: the site, its journal and queue, its sources and destinations.
//!
//! Reading collects all problems; a part that could not be read is left out, which the problems then forbid to use.

mod amqp;
mod files_source;
mod folders;
pub(crate) mod handling;
mod http;
mod oauth;
mod queue;
mod queued;
pub(crate) mod relay;
pub(crate) mod secret;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use orderly_hl7v2::{Charset, Settings};
use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Document, Entry, Fields, Node, Scalar, Span};
use orderly_mapping::{Template, compile_template};

use crate::plan::{
    Acknowledgements, At, Destination, Endpoint, FilesEndpoint, JournalSettings, Lane, Listener,
    MappingFailureAnswer, MllpConnection, MllpEndpoint, MllpListener, Processing, Queue, Reload, Source,
};
use crate::tolerances::{is_of_framing, tolerances};

/// What `orderly.yaml` declares.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) journal: JournalSettings,
    pub(crate) queue: Queue,
    /// Whether a broker is to carry, also where what is said of it has errors of its own.
    pub(crate) says_broker: bool,
    pub(crate) reload: Reload,
    pub(crate) sources: Vec<Source>,
    pub(crate) destinations: Vec<Destination>,
    /// All names under `sources:`, also of those that have errors of their own, which are reported there.
    pub(crate) declared_sources: Vec<String>,
    /// The same under `destinations:`.
    pub(crate) declared_destinations: Vec<String>,
    /// Where sources say whose answer their senders get, by the source's index.
    pub(crate) answers: Vec<(usize, Span)>,
}

/// Reads `orderly.yaml`; nothing when it is no map, so that nothing can be looked up in it.
pub(crate) fn read(document: &Document, problems: &Problems) -> Option<Site> {
    let fields = Fields::of(&document.root, "orderly.yaml", problems)?;
    let name = fields.text("site").map(|text| text.to_string()).unwrap_or_default();
    let journal = fields.optional("journal").map(|node| journal(node, problems));
    let (queue, says_broker) = queue::read(&fields, problems);
    let reload = fields.choice("reload", &[("watch", Reload::Watch), ("manual", Reload::Manual)]);
    let sources = entries(fields.required("sources"), "sources", problems);
    let destinations = entries(fields.required("destinations"), "destinations", problems);
    fields.finish();
    let read: Vec<Source> = sources.iter().filter_map(|entry| source(entry, problems)).collect();
    let site = Site {
        name,
        journal: journal.unwrap_or_else(journal_defaults),
        queue,
        says_broker,
        reload: reload.unwrap_or_default(),
        answers: relay::places(&read, sources),
        sources: read,
        destinations: destinations.iter().filter_map(|entry| destination(entry, problems)).collect(),
        declared_sources: sources.iter().map(|entry| entry.key.clone()).collect(),
        declared_destinations: destinations.iter().map(|entry| entry.key.clone()).collect(),
    };
    refuse_shared_addresses(&site.sources, sources, problems);
    refuse_longer_than_kept(&site, sources, problems);
    relay::check(&site, problems);
    queue::check(&site.queue, destinations, problems);
    queued::check(&site, sources, problems);
    refuse_folder_clashes(&site, sources, destinations, problems);
    Some(site)
}

fn entries<'n>(node: Option<&'n Node>, what: &str, problems: &Problems) -> &'n [Entry] {
    let Some(node) = node else { return &[] };
    node.entries().unwrap_or_else(|| {
        let message = format!("`{what}` is a map from names to settings, not {}", node.what());
        problems.error("config-not-a-map", &node.span, message);
        &[]
    })
}

fn journal_defaults() -> JournalSettings {
    JournalSettings { folder: "journal".to_owned(), keep: None, segment_bytes_max: None }
}

fn journal(node: &Node, problems: &Problems) -> JournalSettings {
    let Some(fields) = Fields::of(node, "the journal", problems) else { return journal_defaults() };
    let folder = fields.text("folder").map_or_else(|| journal_defaults().folder, |text| text.to_string());
    let settings = JournalSettings {
        folder,
        keep: fields.duration("keep"),
        segment_bytes_max: fields.size("segment_size_max"),
    };
    fields.finish();
    settings
}

fn source(entry: &Entry, problems: &Problems) -> Option<Source> {
    check_name(entry, "a source", problems);
    let fields = Fields::of(&entry.value, "a source", problems)?;
    let about = fields.text("about").map(|text| text.to_string()).unwrap_or_default();
    let processing = fields.choice(
        "processing",
        &[
            ("production", Processing::Production),
            ("training", Processing::Training),
            ("debugging", Processing::Debugging),
        ],
    );
    let defaults = Settings::default();
    let reading = Settings {
        charset: charset(&fields, "charset", problems),
        fallback: charset(&fields, "charset_fallback", problems).unwrap_or(defaults.fallback),
    };
    let answers = [("AA", MappingFailureAnswer::Accept), ("AE", MappingFailureAnswer::Error)];
    let on_mapping_failure = fields.choice("on_mapping_failure", &answers).unwrap_or_default();
    let modes = [("original", Acknowledgements::Original), ("enhanced", Acknowledgements::Enhanced)];
    let acknowledgements = fields.choice("acknowledgements", &modes).unwrap_or_default();
    let answer = relay::read(&fields, problems);
    let queued_within = queued::read(&fields, problems);
    let repeats = fields.optional("repeats").and_then(|node| repeats(node, problems));
    let mllp = fields.optional("mllp").map(|node| mllp_listener(node, problems).map(Listener::Mllp));
    let files = fields.optional("files").map(|node| files_source::read(node, problems).map(Listener::Files));
    let http = fields.optional("http").map(|_| http::source(&fields, problems).map(Listener::Http));
    let amqp = fields.optional("amqp").map(|_| amqp::source(&fields, problems).map(Listener::Amqp));
    let refuse = refuse(&fields, files.is_none() && http.is_none() && amqp.is_none(), problems);
    fields.finish();
    let kinds = [("mllp", mllp), ("files", files), ("http", http), ("amqp", amqp)];
    let listener = one_of(kinds, entry, &SOURCE_KINDS, problems)?;
    Some(Source {
        name: Arc::from(entry.key.as_str()),
        about,
        processing,
        reading,
        on_mapping_failure,
        refuse,
        acknowledgements,
        repeats,
        answer,
        queued_within,
        listener,
    })
}

/// For how long a message is known.
fn repeats(node: &Node, problems: &Problems) -> Option<Duration> {
    if node.entries().is_none() {
        let message = format!("`repeats` is a map with the key `within`, not {}", node.what());
        problems.error("config-not-a-map", &node.span, message).help("write repeats: { within: 24h }");
        return None;
    }
    let fields = Fields::of(node, "repeats", problems)?;
    fields.required("within");
    let within = handling::lasting(&fields, "within", "know a message by", problems);
    fields.finish();
    within
}

/// The tolerances that a source is not to have. Only MLLP has frames.
fn refuse(fields: &Fields<'_, '_>, has_frames: bool, problems: &Problems) -> Vec<&'static str> {
    let known = || tolerances().map(|(code, _)| code).filter(|code| has_frames || !is_of_framing(code));
    let code = |written: Scalar<'_>| {
        let found = known().find(|code| *code == written.text);
        let span = &written.node.span;
        match found {
            Some(_) => {}
            None if is_of_framing(written.text) => {
                let message = format!("{} is about MLLP's frames, and this source has none", written.text);
                problems.error("config-refuse", span, message).help("remove it");
            }
            None => {
                let message = format!("nothing that is tolerated has the code {}", written.text);
                problems.error("config-refuse", span, message).suggest(written.text, known());
            }
        }
        found
    };
    fields.texts("refuse").into_iter().filter_map(code).collect()
}

/// What to say when a source or a destination is of two kinds or of none.
struct Kinds {
    code_two: &'static str,
    two: &'static str,
    two_help: &'static str,
    code_none: &'static str,
    none: &'static str,
    none_help: &'static str,
}

const SOURCE_KINDS: Kinds = Kinds {
    code_two: "config-two-listeners",
    two: "a source is one of `mllp`, `files`, `http` and `amqp`, not several",
    two_help: "make a source of each",
    code_none: "config-no-listener",
    none: "nothing says where this source's messages come in",
    none_help: "add `mllp:` or `http:` with an address to listen at, `files:` with a folder to watch, or `amqp:` with a queue",
};

const DESTINATION_KINDS: Kinds = Kinds {
    code_two: "config-two-endpoints",
    two: "a destination is one of `mllp`, `files`, `http`, `fhir` and `amqp`, not several",
    two_help: "make a destination of each",
    code_none: "config-no-endpoint",
    none: "nothing says where this destination is",
    none_help: "add `mllp:` with an address, `files:` with a folder, `http:` with a URL, `fhir:` with a server's base, or `amqp:` with an exchange",
};

/// The one kind that was declared; a kind with errors of its own, which are reported there, is `Some(None)`.
fn one_of<T, const N: usize>(
    declared: [(&str, Option<Option<T>>); N],
    entry: &Entry,
    kinds: &Kinds,
    problems: &Problems,
) -> Option<T> {
    // A key without a value is reported already.
    let is_said = declared.iter().any(|(key, _)| entry.value.get(key).is_some());
    let mut found = declared.into_iter().filter_map(|(_, kind)| kind);
    match (found.next(), found.next()) {
        (Some(one), None) => one,
        (Some(_), Some(_)) => {
            problems.error(kinds.code_two, &entry.key_span, kinds.two).help(kinds.two_help);
            None
        }
        (None, _) => {
            if !is_said {
                problems.error(kinds.code_none, &entry.key_span, kinds.none).help(kinds.none_help);
            }
            None
        }
    }
}

fn charset(fields: &Fields<'_, '_>, key: &'static str, problems: &Problems) -> Option<Charset> {
    let text = fields.text(key)?;
    let charset = Charset::named(&text);
    if charset.is_none() {
        let message = format!("`{key}` names no charset that is known here");
        problems
            .error("config-charset", &text.node.span, message)
            .help("write UTF-8, ISO-8859-1 or another name of table 0211");
    }
    charset
}

fn listen(fields: &Fields<'_, '_>, problems: &Problems) -> Option<SocketAddr> {
    let text = fields.required_text("listen")?;
    let address = text.parse::<SocketAddr>().ok();
    if address.is_none() {
        problems
            .error("config-address", &text.node.span, "`listen` takes an IP address and a port")
            .help("write 127.0.0.1:2575, or 0.0.0.0:2575 for all interfaces");
    }
    address
}

fn mllp_listener(node: &Node, problems: &Problems) -> Option<MllpListener> {
    let fields = Fields::of(node, "an MLLP listener", problems)?;
    let listen = listen(&fields, problems);
    let frame = fields.size("frame_size_max");
    let connections = fields.number("connections_max");
    let idle_timeout = fields.duration("idle_timeout");
    let tls = tls::listener(&fields, problems);
    fields.finish();
    Some(MllpListener {
        listen: listen?,
        frame_bytes_max: frame.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        connections_max: connections.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        idle_timeout,
        tls,
    })
}

fn destination(entry: &Entry, problems: &Problems) -> Option<Destination> {
    check_name(entry, "a destination", problems);
    let fields = Fields::of(&entry.value, "a destination", problems)?;
    let about = fields.text("about").map(|text| text.to_string()).unwrap_or_default();
    let handling = handling::read(&fields, problems);
    let lane = fields.optional("lane");
    let lane = Lane {
        written: lane.map(lane_written).unwrap_or_default(),
        texts: lane
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|node| template(node, problems))
            .collect(),
        at: At(fields.key_span("lane").unwrap_or(&entry.key_span).place()),
    };
    let mllp = fields.optional("mllp").map(|node| mllp_endpoint(node, problems).map(Endpoint::Mllp));
    let files = fields.optional("files").map(|node| files_endpoint(node, problems).map(Endpoint::Files));
    let http = fields.optional("http").map(|_| http::endpoint(&fields, problems).map(Endpoint::Http));
    let fhir = fields.optional("fhir").map(|_| http::fhir(&fields, problems).map(Endpoint::Fhir));
    let amqp = fields.optional("amqp").map(|_| amqp::endpoint(&fields, problems).map(Endpoint::Amqp));
    fields.finish();
    let kinds = [("mllp", mllp), ("files", files), ("http", http), ("fhir", fhir), ("amqp", amqp)];
    let endpoint = one_of(kinds, entry, &DESTINATION_KINDS, problems)?;
    Some(Destination { name: Arc::from(entry.key.as_str()), about, handling, lane, endpoint })
}

fn mllp_endpoint(node: &Node, problems: &Problems) -> Option<MllpEndpoint> {
    let fields = Fields::of(node, "an MLLP destination", problems)?;
    let address = fields.required_text("address").and_then(|text| {
        let port =
            text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            problems
                .error("config-address", &text.node.span, "`address` takes a host and a port")
                .help("write ehr.example.org:2575");
            return None;
        }
        Some(text.to_string())
    });
    let connect_timeout = fields.duration("connect_timeout");
    let answer_timeout = fields.duration("answer_timeout");
    let lasting = [("persistent", MllpConnection::Persistent), ("per_message", MllpConnection::PerMessage)];
    let connection = fields.choice("connection", &lasting).unwrap_or_default();
    let tls = tls::endpoint(&fields, problems);
    fields.finish();
    Some(MllpEndpoint { address: address?, connect_timeout, answer_timeout, connection, tls })
}

fn files_endpoint(node: &Node, problems: &Problems) -> Option<FilesEndpoint> {
    let fields = Fields::of(node, "a folder destination", problems)?;
    let folder = fields.required_text("folder").map(|text| text.to_string());
    let name = fields.text("name").and_then(|text| template(text.node, problems));
    fields.finish();
    Some(FilesEndpoint { folder: folder?, name })
}

fn template(node: &Node, problems: &Problems) -> Option<Template> {
    match compile_template(node) {
        Ok(template) => Some(template),
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                problems.add(diagnostic);
            }
            None
        }
    }
}

/// Names stand in file names, logs and commands.
fn check_name(entry: &Entry, what: &str, problems: &Problems) {
    if !is_plain_name(&entry.key) {
        let message = format!("the name of {what} is made of letters, digits, `-`, `_` and `.`");
        problems.error("config-name", &entry.key_span, message).help("write it like riverside-emr");
    }
}

fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().all(plain)
}

/// Whether both cannot be listened at: the same port of the same address, or of all addresses. Port 0 is always a free one.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (all || one.ip() == other.ip())
}

/// Where the journal lies by `orderly.yaml`, also when something else in it is wrong; relative to its folder. Commands that
/// only look into the journal need nothing else.
#[must_use]
pub fn journal_folder(site: &str) -> String {
    let document = orderly_mapping::yaml::parse("orderly.yaml", site).ok();
    let folder = document.as_ref().and_then(|document| document.root.get("journal")?.get("folder")?.text());
    folder.map_or_else(|| journal_defaults().folder, str::to_owned)
}

/// What the text of an `orderly.yaml` says that ties a destination's deliveries to one another, as written; nothing when it does not have the
/// destination, or cannot be read.
#[must_use]
pub fn declared_lane(site: &str, destination: &str) -> Option<Vec<String>> {
    let document = orderly_mapping::yaml::parse("orderly.yaml", site).ok()?;
    let declared = document.root.get("destinations")?.get(destination)?;
    Some(declared.get("lane").map(lane_written).unwrap_or_default())
}

fn lane_written(lane: &Node) -> Vec<String> {
    lane.items().iter().filter_map(|node| node.text()).map(str::to_owned).collect()
}

/// Two sources cannot have the same address: each would get a part of what comes.
fn refuse_shared_addresses(sources: &[Source], entries: &[Entry], problems: &Problems) {
    let address = |source: &Source| source.listener.address();
    for (index, source) in sources.iter().enumerate() {
        let Some(own) = address(source) else { continue };
        let mut earlier = sources.iter().take(index);
        let first = earlier.find(|other| address(other).is_some_and(|other| overlap(own, other)));
        let (Some(first), Some(span)) = (first, span_of(entries, &source.name)) else { continue };
        let message = format!("`{}` listens where `{}` already does", source.name, first.name);
        problems.error("config-address-twice", span, message).help("give it a port of its own");
    }
}

/// What the journal does not have any more is not known any more.
fn refuse_longer_than_kept(site: &Site, sources: &[Entry], problems: &Problems) {
    let Some(keep) = site.journal.keep else { return };
    for source in site.sources.iter().filter(|source| source.repeats.is_some_and(|within| within > keep)) {
        let declared = sources.iter().find(|entry| entry.key == *source.name);
        if let Some(node) = declared.and_then(|entry| entry.value.get("repeats")) {
            problems
                .error(
                    "config-repeats",
                    &node.span,
                    "the journal forgets messages before `within` has passed",
                )
                .help("write a shorter time, or a longer `journal.keep`");
        }
    }
}

fn refuse_folder_clashes(site: &Site, sources: &[Entry], destinations: &[Entry], problems: &Problems) {
    for clash in
        folders::clashes(&site.sources, &site.destinations, &site.journal.folder, &folders::as_written)
    {
        let entries = if clash.is_destination { destinations } else { sources };
        if let Some(span) = span_of(entries, &clash.name) {
            problems.error(clash.code, span, clash.message).help(folders::HELP);
        }
    }
}

fn span_of<'n>(entries: &'n [Entry], name: &str) -> Option<&'n Span> {
    entries.iter().find(|entry| entry.key == name).map(|entry| &entry.key_span)
}
