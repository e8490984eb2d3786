//! `http:` of a source and of a destination, and `fhir:` of a destination.

use orderly_mapping::problems::{Problems, Reported};
use orderly_mapping::yaml::{Entry, Fields, Kind, Node, Scalar, Span};

use super::{listen, oauth, secret, template, tls};
use crate::plan::{
    Conditional, Credentials, FhirEndpoint, HeaderContent, HttpEndpoint, HttpMethod, HttpSource, Prefer, Url,
    UrlPart,
};

/// Of a source, if it has it.
pub(super) fn source(of: &Fields<'_, '_>, problems: &Problems) -> Option<HttpSource> {
    let (node, section) = (of.optional("http")?, of.key_span("http")?);
    let fields = Fields::of(node, "an HTTP listener", problems)?;
    let listen = listen(&fields, problems);
    let path = fields.text("path").map(|text| (text.to_string(), text.node));
    let (body, connections) = (fields.size("body_size_max"), fields.number("connections_max"));
    let credentials = credentials(&fields, section, problems);
    let tls = tls::listener(&fields, problems);
    if let Some((path, node)) = &path
        && !(path.starts_with('/')
            && path.chars().all(|c| c.is_ascii_graphic() && !"\"#<>?\\^`{|}".contains(c)))
    {
        problems
            .error("config-url", &node.span, "`path` begins with / and has no ? and no blanks")
            .help("write /hl7");
    }
    if let (Some(listen), None, Some(_)) = (listen, &tls, &credentials)
        && !listen.ip().is_loopback()
    {
        warn_of_plain_secret(section, problems).help("add `tls:`");
    }
    fields.finish();
    let usize = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Some(HttpSource {
        listen: listen?,
        path: path.map_or_else(|| "/".to_owned(), |(path, _)| path),
        body_bytes_max: body.map(usize),
        connections_max: connections.map(usize),
        credentials,
        tls,
    })
}

pub(super) fn warn_of_plain_secret<'p>(span: &Span, problems: &'p Problems) -> Reported<'p> {
    let message = "the credentials go over the network for everybody to read";
    problems.warning("config-plain-secret", span, message)
}

/// Of a destination, if it has it.
pub(super) fn endpoint(of: &Fields<'_, '_>, problems: &Problems) -> Option<HttpEndpoint> {
    let (node, section) = (of.optional("http")?, of.key_span("http")?);
    let fields = Fields::of(node, "an HTTP destination", problems)?;
    let url = fields.required_text("url").and_then(|written| url(written, problems));
    let methods = [("POST", HttpMethod::Post), ("PUT", HttpMethod::Put), ("PATCH", HttpMethod::Patch)];
    let method = fields.choice("method", &methods).unwrap_or_default();
    let content_type = fields.text("content_type").and_then(|written| header_text(written, problems));
    let headers = fields.optional("headers").map(|node| headers(node, problems)).unwrap_or_default();
    let credentials = credentials(&fields, section, problems);
    let oauth = oauth::read(&fields, section, problems);
    let connect_timeout = fields.duration("connect_timeout");
    let answer_timeout = fields.duration("answer_timeout");
    let tls = tls::endpoint(&fields, problems);
    if let (Some(Url { is_secure: false, address, .. }), Some(span)) = (&url, fields.key_span("url")) {
        warn_of_plain(address, credentials.is_some() || oauth.is_some(), tls.is_some(), span, problems);
    }
    fields.finish();
    Some(HttpEndpoint {
        url: url?,
        method,
        content_type,
        headers,
        credentials,
        oauth,
        connect_timeout,
        answer_timeout,
        tls,
    })
}

/// `fhir:` of a destination, if it has it.
pub(super) fn fhir(of: &Fields<'_, '_>, problems: &Problems) -> Option<FhirEndpoint> {
    let (node, section) = (of.optional("fhir")?, of.key_span("fhir")?);
    let fields = Fields::of(node, "a FHIR destination", problems)?;
    let written = fields.required_text("base");
    let base = written.and_then(|written| fixed_url(written, problems));
    let conditions = [("create", Conditional::Create), ("update", Conditional::Update)];
    let conditional = fields.choice("conditional", &conditions);
    let answers = [
        ("minimal", Prefer::Minimal),
        ("representation", Prefer::Representation),
        ("OperationOutcome", Prefer::OperationOutcome),
    ];
    let prefer = fields.choice("prefer", &answers);
    let credentials = credentials(&fields, section, problems);
    let oauth = oauth::read(&fields, section, problems);
    let connect_timeout = fields.duration("connect_timeout");
    let answer_timeout = fields.duration("answer_timeout");
    let tls = tls::endpoint(&fields, problems);
    if let (Some(Url { is_secure: false, address, .. }), Some(span)) = (&base, fields.key_span("base")) {
        warn_of_plain(address, credentials.is_some() || oauth.is_some(), tls.is_some(), span, problems);
    }
    fields.finish();
    Some(FhirEndpoint {
        base: base?,
        conditional,
        prefer,
        credentials,
        oauth,
        connect_timeout,
        answer_timeout,
        tls,
    })
}

/// A URL that is the same for all messages.
pub(super) fn fixed_url(written: Scalar<'_>, problems: &Problems) -> Option<Url> {
    let found = url(written, problems)?;
    if found.has_values() || written.contains('?') {
        problems
            .error("config-url", &written.node.span, "this URL has no `${...}` and no `?`")
            .help("write https://fhir.example.org/r4");
        return None;
    }
    Some(found)
}

/// What `http:` without an s cannot do.
pub(super) fn warn_of_plain(
    address: &str,
    has_credentials: bool,
    has_tls: bool,
    span: &Span,
    problems: &Problems,
) {
    if has_tls {
        problems.error("config-url", span, "`tls` is for URLs that begin with https").help("write https://");
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    if has_credentials && !is_here {
        warn_of_plain_secret(span, problems).help("write https://, if the receiver speaks it");
    }
}

/// Who sends; at most one of both ways.
fn credentials(fields: &Fields<'_, '_>, section: &Span, problems: &Problems) -> Option<Credentials> {
    let bearer = fields.text("bearer").map(|written| secret::required("bearer", written, section, problems));
    let basic = fields.optional("basic").map(|node| basic(node, section, problems));
    if bearer.is_some() && basic.is_some() {
        let message = "there are two kinds of credentials, `bearer` and `basic`";
        problems.error("config-credentials", section, message).help("remove one of them");
    }
    bearer.flatten().map(Credentials::Bearer).or(basic.flatten())
}

fn basic(node: &Node, section: &Span, problems: &Problems) -> Option<Credentials> {
    let fields = Fields::of(node, "a user with a password", problems)?;
    let user = fields.required_text("user").map(|text| text.to_string());
    let password = fields
        .required_text("password")
        .and_then(|written| secret::required("password", written, section, problems));
    fields.finish();
    Some(Credentials::Basic { user: user?, password: password? })
}

/// The entries of `headers`, of requests and of messages at a broker.
pub(super) fn named_headers<'n>(node: &'n Node, problems: &Problems) -> &'n [Entry] {
    node.entries().unwrap_or_else(|| {
        let message = format!("`headers` is a map from names to texts, not {}", node.what());
        problems.error("config-not-a-map", &node.span, message);
        &[]
    })
}

fn headers(node: &Node, problems: &Problems) -> Vec<(String, HeaderContent)> {
    let mut read = Vec::new();
    for entry in named_headers(node, problems) {
        let Some(text) = entry.value.text() else {
            problems.error("config-header", &entry.key_span, format!("`{}` takes a text", entry.key));
            continue;
        };
        let written = Scalar { text, node: &entry.value };
        if let Some(help) = not_ours(&entry.key) {
            problems
                .error("config-header", &entry.key_span, format!("no header can be given as `{}`", entry.key))
                .help(help);
        } else if let Some(secret) = secret::reference(&entry.key, written) {
            read.push((entry.key.clone(), HeaderContent::Secret(secret)));
        } else if text.contains("${") {
            let message = format!("`{}` holds a reference that is not found so", entry.key);
            problems
                .error("config-header", &entry.key_span, message)
                .help("the whole value is `${env:NAME}` or `${file:path}`, and what it names holds all of the header");
        } else if secret::names_secret(&entry.key) {
            let message = format!("`{}` takes no secret as it is, only where it is found", entry.key);
            problems.error("config-secret", &entry.key_span, message).help(format!(
                "write `{0}: ${{env:NAME}}` for a variable of the environment, or `{0}: ${{file:secrets/name}}`",
                entry.key
            ));
        } else if let Some(text) = header_text(written, problems) {
            read.push((entry.key.clone(), HeaderContent::Text(text)));
        }
    }
    read
}

/// What to do instead of giving a header of this name.
fn not_ours(name: &str) -> Option<&'static str> {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match name.to_ascii_lowercase().as_str() {
        "authorization" => Some("say who sends with `bearer` or `basic`"),
        "content-type" => Some("say it with `content_type`"),
        "host" => Some("it is the host of `url`"),
        "content-length" | "transfer-encoding" | "connection" | "expect" | "te" | "trailer" | "upgrade" => {
            Some("remove it: the engine sets it")
        }
        "" => Some("give it a name"),
        name if !name.chars().all(is_of_token) => Some("names are made of letters, digits and `-`"),
        _ => None,
    }
}

/// A header's text.
fn header_text(written: Scalar<'_>, problems: &Problems) -> Option<String> {
    let is_printable = written.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if !is_printable {
        problems
            .error("config-header", &written.node.span, "a header's text is made of printable ASCII")
            .help("escape other letters as the receiver wants them");
    }
    is_printable.then(|| written.text.to_owned())
}

/// A URL, with `${...}` in its path.
fn url(written: Scalar<'_>, problems: &Problems) -> Option<Url> {
    let wrong = |message: &str, help: &str| {
        problems.error("config-url", &written.node.span, message).help(help);
    };
    let help = "write https://hub.example.org/hl7";
    let (is_secure, rest) = match (written.strip_prefix("https://"), written.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => {
            wrong("a URL begins with https:// or http://", help);
            return None;
        }
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains("${") {
        wrong("the host is the same for all messages: `${...}` stands in the path", help);
        return None;
    }
    if authority.contains('@') {
        wrong("user and password do not stand in a URL", "say who sends with `bearer` or `basic`");
        return None;
    }
    let Some(address) = address(authority, is_secure) else {
        wrong("this URL has no host, or its port is none", help);
        return None;
    };
    let path_at = written.len() - rest.len() + authority.len();
    Some(Url { is_secure, address, path: path(written, path_at, problems)? })
}

/// `host:port`, with the scheme's own port where none is said.
fn address(authority: &str, is_secure: bool) -> Option<String> {
    let port_at =
        authority.rfind(':').filter(|at| !authority.get(*at..).is_some_and(|end| end.contains(']')));
    let (host, port) = match port_at {
        Some(at) => (authority.get(..at)?, authority.get(at + 1..)?.parse::<u16>().ok()?),
        None => (authority, if is_secure { 443 } else { 80 }),
    };
    let is_of_host =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '%');
    (!host.is_empty() && host.chars().all(is_of_host)).then(|| format!("{host}:{port}"))
}

/// The path's parts, from a byte of the text on.
fn path(written: Scalar<'_>, from: usize, problems: &Problems) -> Option<Vec<UrlPart>> {
    let mut parts = Vec::new();
    let mut at = from;
    if !written.text.get(at..)?.starts_with('/') {
        parts.push(UrlPart::Text("/".to_owned()));
    }
    while let Some(rest) = written.text.get(at..).filter(|rest| !rest.is_empty()) {
        let length =
            if rest.starts_with("${") { value_length(rest) } else { rest.find("${").unwrap_or(rest.len()) };
        let text = rest.get(..length)?;
        if text.starts_with("${") {
            let span = written.node.part(at..at + length);
            let node = Node { span, kind: Kind::Text(text.to_owned()) };
            parts.push(UrlPart::Value(template(&node, problems)?));
        } else if text.chars().all(|c| c.is_ascii_graphic() && !"\"#<>\\^`{|}".contains(c)) {
            parts.push(UrlPart::Text(text.to_owned()));
        } else {
            problems
                .error("config-url", &written.node.part(at..at + length), "this cannot stand in a URL")
                .help("escape it as %20 and the like, and leave out what begins with #");
            return None;
        }
        at += length;
    }
    Some(parts)
}

/// The length of the `${...}` at the beginning: to the first `}` outside quotes, or all, and what is wrong is told when it is compiled.
pub(super) fn value_length(text: &str) -> usize {
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '\'' => is_quoted = !is_quoted,
            '}' if !is_quoted => return at + 1,
            _ => {}
        }
    }
    text.len()
}
