//! What the configuration names and does not hold: secrets, files of certificates and keys. Read here to be checked, and by the transport
//! to be used.

use std::path::Path;
use std::time::Duration;

use orderly_pipeline::plan::{
    self, At, Carrier, Endpoint, HeaderContent, Listener, TlsEndpoint, TlsIdentity, TlsListener,
};
use orderly_pipeline::{Diagnostic, Fault, Plan};
use orderly_transport::amqp::{BrokerCredentials, BrokerSettings, HEARTBEAT_DEFAULT};
use orderly_transport::destinations::{ClientProof, Credentials, OAuthSettings, Origin};
use orderly_transport::secret::SecretSource;
use orderly_transport::tls::{ClientIdentity, FilesError, TlsClientSettings, TlsServerSettings, Validity};

/// What is wrong with all of it now. `base` is the folder of `orderly.yaml`.
#[must_use]
pub fn check_outside(plan: &Plan, base: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Carrier::Amqp(amqp) = &plan.queue.carrier {
        found.extend(broker_findings("the queue", &amqp.broker, base));
    }
    for source in &plan.sources {
        let whose = format!("source {}", source.name);
        match &source.listener {
            Listener::Mllp(mllp) => {
                found.extend(mllp.tls.as_ref().and_then(|tls| tls_server_finding(&whose, tls, base)));
            }
            Listener::Http(http) => {
                found.extend(http.tls.as_ref().and_then(|tls| tls_server_finding(&whose, tls, base)));
                let secret = http.credentials.as_ref().map(secret_of);
                found.extend(secret.and_then(|secret| secret_finding(&whose, secret, base)));
            }
            Listener::Amqp(amqp) => found.extend(broker_findings(&whose, &amqp.broker, base)),
            Listener::Files(_) => {}
        }
    }
    for destination in &plan.destinations {
        let whose = format!("destination {}", destination.name);
        match &destination.endpoint {
            Endpoint::Mllp(mllp) => {
                found.extend(mllp.tls.as_ref().and_then(|tls| tls_client_finding(&whose, tls, base)));
            }
            Endpoint::Http(http) => {
                found.extend(http.tls.as_ref().and_then(|tls| tls_client_finding(&whose, tls, base)));
                let headers = http.headers.iter().filter_map(|(_, content)| match content {
                    HeaderContent::Secret(secret) => Some(secret),
                    HeaderContent::Text(_) => None,
                });
                let secrets = headers.chain(http.credentials.as_ref().map(secret_of));
                found.extend(secrets.filter_map(|secret| secret_finding(&whose, secret, base)));
                found.extend(http.oauth.iter().flat_map(|oauth| oauth_findings(&whose, oauth, base)));
            }
            Endpoint::Fhir(fhir) => {
                found.extend(fhir.tls.as_ref().and_then(|tls| tls_client_finding(&whose, tls, base)));
                let secret = fhir.credentials.as_ref().map(secret_of);
                found.extend(secret.and_then(|secret| secret_finding(&whose, secret, base)));
                found.extend(fhir.oauth.iter().flat_map(|oauth| oauth_findings(&whose, oauth, base)));
            }
            Endpoint::Amqp(amqp) => found.extend(broker_findings(&whose, &amqp.broker, base)),
            Endpoint::Files(_) => {}
        }
    }
    found
}

fn broker_findings(whose: &str, broker: &plan::BrokerAccess, base: &Path) -> Vec<Diagnostic> {
    let tls = broker.tls.as_ref().and_then(|tls| tls_client_finding(whose, tls, base));
    tls.into_iter().chain(secret_finding(whose, &broker.password, base)).collect()
}

fn secret_of(credentials: &plan::Credentials) -> &plan::Secret {
    match credentials {
        plan::Credentials::Bearer(secret) | plan::Credentials::Basic { password: secret, .. } => secret,
    }
}

fn secret_finding(whose: &str, named: &plan::Secret, base: &Path) -> Option<Diagnostic> {
    let error = secret(named, base).read().err()?;
    let message = format!("{whose}: `{}` has no value: {error}", named.key);
    Some(Diagnostic::error("secret-missing", Fault::Configuration, message).at(named.at.0.clone()))
}

fn oauth_findings(whose: &str, named: &plan::OAuth, base: &Path) -> Vec<Diagnostic> {
    let settings = oauth(named, base);
    let error = |message| Diagnostic::error("secret-missing", Fault::Configuration, message);
    let proof =
        settings.proof.check().map(|problem| error(format!("{whose}: {problem}")).at(named.at.0.clone()));
    let tls = named.tls.as_ref().and_then(|tls| tls_client_finding(whose, tls, base));
    proof.into_iter().chain(tls).collect()
}

fn tls_server_finding(whose: &str, tls: &TlsListener, base: &Path) -> Option<Diagnostic> {
    tls_finding(whose, tls_server(tls, base).check().map(Some), &tls.at)
}

fn tls_client_finding(whose: &str, tls: &TlsEndpoint, base: &Path) -> Option<Diagnostic> {
    tls_finding(whose, tls_client(tls, base).check(), &tls.at)
}

/// A certificate whose time is over is a warning: it concerns one peer, and keeps nobody else from being served.
fn tls_finding(whose: &str, checked: Result<Option<Validity>, FilesError>, at: &At) -> Option<Diagnostic> {
    let warning = |message: String| Diagnostic::warning("tls-certificate", Fault::Configuration, message);
    let renew = "renew it; the new file is taken up without a restart";
    let finding = match checked {
        Ok(None | Some(Validity::Valid)) => return None,
        Ok(Some(Validity::Ends(time))) => {
            warning(format!("{whose}: its certificate expires on {}", time.strftime("%Y-%m-%d")))
                .with_help(renew)
        }
        Ok(Some(Validity::Ended(time))) => {
            warning(format!("{whose}: its certificate has expired on {}", time.strftime("%Y-%m-%d")))
                .with_help(renew)
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

/// Where the transport finds a secret; relative paths count from `base`, as below.
pub(crate) fn secret(secret: &plan::Secret, base: &Path) -> SecretSource {
    match &secret.source {
        plan::SecretSource::Environment(name) => SecretSource::Environment(name.clone()),
        plan::SecretSource::File(path) => SecretSource::File(base.join(path)),
    }
}

/// The transport's form of credentials.
pub(crate) fn credentials(credentials: &plan::Credentials, base: &Path) -> Credentials {
    match credentials {
        plan::Credentials::Bearer(token) => Credentials::Bearer(secret(token, base)),
        plan::Credentials::Basic { user, password } => {
            Credentials::Basic { user: user.clone(), password: secret(password, base) }
        }
    }
}

/// The transport's way to a broker; `name` is what its operator sees.
pub(crate) fn broker(access: &plan::BrokerAccess, name: &str, base: &Path) -> BrokerSettings {
    BrokerSettings {
        addresses: access.addresses.clone(),
        virtual_host: access.virtual_host.clone(),
        credentials: BrokerCredentials {
            user: access.user.clone(),
            password: secret(&access.password, base),
        },
        tls: access.tls.as_ref().map(|tls| tls_client(tls, base)),
        heartbeat: access.heartbeat.unwrap_or(HEARTBEAT_DEFAULT),
        connect_timeout: access.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        name: name.to_owned(),
    }
}

/// How long a broker may take to be connected to: as other receivers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The transport's settings for tokens.
pub(crate) fn oauth(oauth: &plan::OAuth, base: &Path) -> OAuthSettings {
    OAuthSettings {
        origin: Origin { is_secure: oauth.token_url.is_secure, address: oauth.token_url.address.clone() },
        path: oauth.token_url.fixed_path(),
        client_id: oauth.client_id.clone(),
        proof: match &oauth.proof {
            plan::ClientProof::Secret(named) => ClientProof::Secret(secret(named, base)),
            plan::ClientProof::Key { file, key_id } => {
                ClientProof::Key { file: base.join(file), key_id: key_id.clone() }
            }
        },
        scope: oauth.scope.clone(),
        tls: oauth.tls.as_ref().map(|tls| tls_client(tls, base)).unwrap_or_default(),
    }
}

/// The transport's settings for TLS of a source.
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
