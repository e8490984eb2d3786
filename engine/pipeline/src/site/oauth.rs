//! `oauth:` of a destination: tokens that a server gives.

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Fields, Span};

use super::{http, secret, tls};
use crate::plan::{At, ClientProof, OAuth, Url};

/// What it says, if the destination has it. `section` is the key above.
pub(super) fn read(of: &Fields<'_, '_>, section: &Span, problems: &Problems) -> Option<OAuth> {
    let (node, at) = (of.optional("oauth")?, At(of.key_span("oauth")?.place()));
    if of.has("bearer") || of.has("basic") {
        let message = "`oauth` stands in place of `bearer` and `basic`";
        problems.error("config-credentials", section, message).help("remove one of them");
    }
    let fields = Fields::of(node, "OAuth", problems)?;
    let token_url = fields.required_text("token_url").and_then(|written| http::fixed_url(written, problems));
    let client_id = fields.required_text("client_id").map(|text| text.to_string());
    let scope = fields.text("scope").map(|text| text.to_string());
    let proof = proof(&fields, section, problems);
    let tls = tls::endpoint(&fields, problems);
    if let (Some(Url { is_secure: false, address, .. }), Some(span)) =
        (&token_url, fields.key_span("token_url"))
    {
        http::warn_of_plain(address, true, tls.is_some(), span, problems);
    }
    fields.finish();
    Some(OAuth { token_url: token_url?, client_id: client_id?, proof: proof?, scope, tls, at })
}

/// What shows who asks: a secret, or a key.
fn proof(fields: &Fields<'_, '_>, section: &Span, problems: &Problems) -> Option<ClientProof> {
    let secret = fields
        .text("client_secret")
        .map(|written| secret::required("client_secret", written, section, problems));
    let file = fields.text("key").map(|text| text.to_string());
    let key_id = fields.text("key_id").map(|text| text.to_string());
    match (secret, file) {
        (Some(secret), None) => secret.map(ClientProof::Secret),
        (None, Some(file)) => Some(ClientProof::Key { file, key_id }),
        _ => {
            let message = "OAuth needs one of `client_secret` and `key`";
            problems
                .error("config-credentials", fields.span(), message)
                .help("write the one that the server wants");
            None
        }
    }
}
