//! `tls:` of a source and of a destination.

use serde_json::{Value as Json, json};

use super::{list, object, text, with};

/// Of a source.
pub(super) fn listener() -> Json {
    let client = text("A DNS name, an IP address or a URI");
    let keys = object(
        "TLS; without it everybody on the way can read along",
        &["certificate", "key"],
        json!({
            "certificate": text("A PEM file: the certificate that is shown, with those between it and its authority"),
            "key": text("A PEM file: its private key, without a passphrase"),
            "client_ca": text("A PEM file: the authorities of senders' certificates; with it, senders have to show one"),
            "clients": {
                "description": "Who of them may send, by the subject alternative names of their certificates (default: all)",
                "anyOf": [list("", &client), client],
            },
        }),
    );
    with(keys, json!({ "dependencies": { "clients": ["client_ca"] } }))
}

/// Of a destination.
pub(super) fn endpoint() -> Json {
    let keys = object(
        "TLS; an empty map, {}, takes what this machine trusts",
        &[],
        json!({
            "ca": text("A PEM file: the authorities of the receiver's certificate (default: those that this machine trusts)"),
            "certificate": text("A PEM file: the certificate that is shown to a receiver which wants one"),
            "key": text("A PEM file: its private key, without a passphrase"),
            "name": text("The name that the receiver's certificate is for (default: the host of its address)"),
        }),
    );
    with(keys, json!({ "dependencies": { "certificate": ["key"], "key": ["certificate"] } }))
}
