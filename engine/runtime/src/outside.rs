//! What the configuration names and does not hold: files of certificates and keys. Read here to be checked, and by the transport to be used.

use std::path::Path;

use orderly_pipeline::plan::{At, Endpoint, Listener, TlsEndpoint, TlsIdentity, TlsListener};
use orderly_pipeline::{Diagnostic, Fault, Plan};
use orderly_transport::tls::{ClientIdentity, FilesError, TlsClientSettings, TlsServerSettings, Validity};

/// What is wrong with all of it now. `base` is the folder of `orderly.yaml`.
#[must_use]
pub fn check_outside(plan: &Plan, base: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for source in &plan.sources {
        let tls = match &source.listener {
            Listener::Mllp(mllp) => mllp.tls.as_ref(),
            Listener::Files(_) => None,
        };
        if let Some(tls) = tls {
            let checked = tls_server(tls, base).check().map(Some);
            found.extend(tls_finding(&format!("source {}", source.name), checked, &tls.at));
        }
    }
    for destination in &plan.destinations {
        let tls = match &destination.endpoint {
            Endpoint::Mllp(mllp) => mllp.tls.as_ref(),
            Endpoint::Files(_) => None,
        };
        if let Some(tls) = tls {
            let checked = tls_client(tls, base).check();
            found.extend(tls_finding(&format!("destination {}", destination.name), checked, &tls.at));
        }
    }
    found
}

/// A certificate whose time is over is a warning: it concerns one peer, and keeps nobody else from being served.
fn tls_finding(whose: &str, checked: Result<Option<Validity>, FilesError>, at: &At) -> Option<Diagnostic> {
    let warning = |message: String| Diagnostic::warning("tls-certificate", Fault::Configuration, message);
    let finding = match checked {
        Ok(None | Some(Validity::Valid)) => return None,
        Ok(Some(Validity::Ends(time))) => {
            warning(format!("{whose}: its certificate expires on {}", time.strftime("%Y-%m-%d")))
                .with_help("renew it; the new file is taken up without a restart")
        }
        Ok(Some(Validity::Ended(time))) => {
            warning(format!("{whose}: its certificate has expired on {}", time.strftime("%Y-%m-%d")))
                .with_help("renew it; the new file is taken up without a restart")
        }
        Ok(Some(Validity::Begins(time))) => {
            warning(format!("{whose}: its certificate is valid only from {} on", time.strftime("%Y-%m-%d")))
                .with_help("is the clock of this machine right?")
        }
        Err(error) => Diagnostic::error("tls-files", Fault::Configuration, format!("{whose}: {error}"))
            .with_help("paths are relative to the folder of orderly.yaml"),
    };
    Some(finding.at(at.0.clone()))
}

/// The transport's settings for TLS of a source; relative paths count from `base`.
pub(crate) fn tls_server(tls: &TlsListener, base: &Path) -> TlsServerSettings {
    let TlsIdentity { certificate, key } = &tls.identity;
    TlsServerSettings {
        certificate: base.join(certificate),
        key: base.join(key),
        client_ca: tls.client_ca.as_ref().map(|path| base.join(path)),
        clients: tls.clients.clone(),
    }
}

/// The same of a destination.
pub(crate) fn tls_client(tls: &TlsEndpoint, base: &Path) -> TlsClientSettings {
    let identity = |TlsIdentity { certificate, key }: &TlsIdentity| ClientIdentity {
        certificate: base.join(certificate),
        key: base.join(key),
    };
    TlsClientSettings {
        ca: tls.ca.as_ref().map(|path| base.join(path)),
        identity: tls.identity.as_ref().map(identity),
        name: tls.name.clone(),
    }
}
