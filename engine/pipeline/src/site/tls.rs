//! `tls:` of a source and of a destination.

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::Fields;

use crate::plan::{At, TlsEndpoint, TlsIdentity, TlsListener};

/// Of a source, if it has it.
pub(super) fn listener(of: &Fields<'_, '_>, problems: &Problems) -> Option<TlsListener> {
    let fields = Fields::of(of.optional("tls")?, "TLS of a source", problems)?;
    let certificate = fields.required_text("certificate").map(|text| text.to_string());
    let key = fields.required_text("key").map(|text| text.to_string());
    let client_ca = fields.text("client_ca").map(|text| text.to_string());
    let clients: Vec<String> = fields.texts("clients").iter().map(|text| text.text.to_owned()).collect();
    if let (Some(span), None) = (fields.key_span("clients"), fields.key_span("client_ca")) {
        let message = "`clients` are known by their certificates, and without `client_ca` they show none";
        problems
            .error("config-tls", span, message)
            .help("add `client_ca:`, the authorities of their certificates");
    }
    if let (Some(span), true) = (fields.key_span("clients"), clients.is_empty()) {
        let message = "`clients` names nobody, and without it everybody is let in whom `client_ca` knows";
        problems
            .error("config-tls", span, message)
            .help("name at least one, or remove the source if nobody is to send");
    }
    fields.finish();
    let identity = TlsIdentity { certificate: certificate?, key: key? };
    Some(TlsListener { identity, client_ca, clients, at: At(of.key_span("tls")?.place()) })
}

/// Of a destination, if it has it.
pub(super) fn endpoint(of: &Fields<'_, '_>, problems: &Problems) -> Option<TlsEndpoint> {
    let fields = Fields::of(of.optional("tls")?, "TLS of a destination", problems)?;
    let text = |key| fields.text(key).map(|text| text.to_string());
    let (ca, certificate, key, name) = (text("ca"), text("certificate"), text("key"), text("name"));
    if fields.has("certificate") != fields.has("key") {
        let message = "`certificate` and `key` belong together";
        problems.error("config-tls", fields.span(), message).help("name both, or none");
    }
    fields.finish();
    let identity = certificate.zip(key).map(|(certificate, key)| TlsIdentity { certificate, key });
    Some(TlsEndpoint { ca, identity, name, at: At(of.key_span("tls")?.place()) })
}
