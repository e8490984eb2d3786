//! Why a handshake failed: each way has its own words, which say whose it is to mend.

use super::files::FilesError;
use super::validity::timestamp;
use jiff::Timestamp;
use std::io;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer went without a word, as whoever only looks whether the port is open does.
    #[error("the peer closed the connection before the handshake")]
    Silent,
    /// The peer sent a message as it is.
    #[error("the peer sends plain MLLP, and TLS is wanted here; switch TLS on at the peer")]
    PlainMllp,
    /// The peer sent a request as it is.
    #[error("the peer sends plain HTTP, and TLS is wanted here; let it use https")]
    PlainHttp,
    /// What the peer sends is no TLS.
    #[error("the peer speaks no TLS; use the port where it does, or switch TLS off on both sides")]
    NotTls,
    /// The peer did not go on.
    #[error("the handshake took longer than {} s; does the peer speak TLS at this port?", super::HANDSHAKE_TIME_MAX.as_secs())]
    TimedOut,
    /// The peer closed in the middle.
    #[error(
        "the peer closed the connection during the handshake; perhaps it speaks no TLS at this port, or does not trust this side"
    )]
    Closed,
    /// The peer showed no certificate.
    #[error(
        "the peer showed no certificate, and one is wanted here; give it one, from an authority in `client_ca`"
    )]
    NoClientCertificate,
    /// It has expired.
    #[error("the peer's certificate has expired on {0}; the peer is to renew it")]
    Expired(String),
    /// It is for later.
    #[error("the peer's certificate is valid only from {0} on; is one of both clocks wrong?")]
    NotValidYet(String),
    /// Nobody who is trusted made it.
    #[error(
        "the peer's certificate comes from an authority that is not known here; add that authority to the file that `ca` names (for senders: `client_ca`), or let the peer send the certificates between both"
    )]
    UnknownIssuer,
    /// Somebody made it who only has the name of one who is trusted.
    #[error(
        "the peer's certificate was not signed by the authority of that name which is known here; was that authority's own certificate made anew?"
    )]
    OtherAuthority,
    /// It is somebody else's.
    #[error(
        "the peer's certificate is for {presented}, and not for {expected}; correct the address, or say with `name` which name is expected"
    )]
    WrongName {
        /// The names in it.
        presented: String,
        /// The name wanted.
        expected: String,
    },
    /// It is known and not wanted.
    #[error("the peer's certificate is for {0}, which is none of `clients`")]
    NotAllowed(String),
    /// Anything else that is wrong with it.
    #[error("the peer's certificate cannot be used: {0}")]
    BadCertificate(String),
    /// The peer does not want to go on with us.
    #[error("{0}")]
    Refused(&'static str),
    /// Nothing that both speak.
    #[error("the peer and this side have no version or cipher of TLS in common; 1.2 and 1.3 are spoken here")]
    Incompatible,
    /// Our own files.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The connection broke.
    #[error("the connection broke during the handshake: {0}")]
    Broken(io::Error),
    /// The peer breaks the rules of TLS.
    #[error("the handshake failed: {0}")]
    Other(Error),
}

impl HandshakeError {
    /// A stable code, for counting and for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silent => "tls-silent",
            Self::PlainMllp => "tls-plain-mllp",
            Self::PlainHttp => "tls-plain-http",
            Self::NotTls => "tls-not-spoken",
            Self::TimedOut => "tls-timeout",
            Self::Closed => "tls-closed",
            Self::NoClientCertificate => "tls-no-client-certificate",
            Self::Expired(_) => "tls-expired",
            Self::NotValidYet(_) => "tls-not-valid-yet",
            Self::UnknownIssuer | Self::OtherAuthority => "tls-unknown-issuer",
            Self::WrongName { .. } => "tls-wrong-name",
            Self::NotAllowed(_) => "tls-not-allowed",
            Self::BadCertificate(_) => "tls-bad-certificate",
            Self::Refused(_) => "tls-refused",
            Self::Incompatible => "tls-incompatible",
            Self::Files(_) => "tls-files",
            Self::Broken(_) => "tls-broken",
            Self::Other(_) => "tls-failed",
        }
    }

    /// What TLS says in an error of a connection, if that is where it comes from. A peer may refuse us after the handshake, in TLS 1.3.
    pub(crate) fn within(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(|error| Self::of(error.clone()))
    }

    /// Why a handshake ended with this error.
    pub(super) fn from_io(error: io::Error) -> Self {
        match Self::within(&error) {
            Some(known) => known,
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None if error.kind() == io::ErrorKind::ConnectionReset => Self::Closed,
            None => Self::Broken(error),
        }
    }

    fn of(error: Error) -> Self {
        match error {
            Error::InvalidMessage(_) => Self::NotTls,
            Error::NoCertificatesPresented => Self::NoClientCertificate,
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::AlertReceived(alert) => Self::Refused(refusal(alert)),
            Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
                Self::Refused("the peer takes no certificate with a key like ours")
            }
            Error::PeerIncompatible(_) => Self::Incompatible,
            error => Self::Other(error),
        }
    }

    fn of_certificate(error: CertificateError) -> Self {
        match error {
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(day(timestamp(not_after))),
            CertificateError::Expired => Self::Expired("an earlier day".to_owned()),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotValidYet(day(timestamp(not_before)))
            }
            CertificateError::NotValidYet => Self::NotValidYet("a later day".to_owned()),
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::BadSignature => Self::OtherAuthority,
            CertificateError::NotValidForNameContext { expected, presented } => {
                let presented: Vec<String> = presented.iter().map(|name| plain(name).to_owned()).collect();
                Self::WrongName { presented: listed(&presented), expected: expected.to_str().into_owned() }
            }
            CertificateError::NotValidForName => {
                Self::WrongName { presented: listed(&[]), expected: "the one expected".to_owned() }
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<OtherNames>() {
                Some(OtherNames(names)) => Self::NotAllowed(listed(names)),
                None => Self::BadCertificate(match other.0.downcast_ref::<webpki::Error>() {
                    Some(webpki::Error::CaUsedAsEndEntity) => AUTHORITY_SHOWN.to_owned(),
                    _ => CertificateError::Other(other).to_string(),
                }),
            },
            error => Self::BadCertificate(error.to_string()),
        }
    }
}

/// What people make who sign a certificate themselves without saying what it is for.
const AUTHORITY_SHOWN: &str = "it is an authority's (basic constraints: CA:TRUE); make one with CA:FALSE, also when it is signed by itself";

/// A certificate is for other names than those that may connect.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is for other names")]
pub(super) struct OtherNames(pub(super) Vec<String>);

fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// How many names of a certificate are told: some are for hundreds.
const NAMES_TOLD_MAX: usize = 5;

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no name at all (it has no subject alternative names)".to_owned();
    }
    let mut told = names.iter().take(NAMES_TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_TOLD_MAX {
        told.push_str(", ...");
    }
    told
}

/// The name in `DnsName("elsewhere.example")` and `IpAddress(10.0.0.7)`, as the library gives them.
fn plain(name: &str) -> &str {
    let inside = name.split_once('(').map_or(name, |(_, inside)| inside);
    inside.trim_end_matches(')').trim_matches('"')
}

/// What a peer says when it ends a handshake (RFC 8446, section 6.2).
fn refusal(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA => {
            "the peer does not know the authority that our certificate comes from; it is to be added there"
        }
        AlertDescription::CertificateExpired => "the peer says that our certificate has expired; renew it",
        AlertDescription::CertificateRevoked => "the peer says that our certificate was revoked",
        AlertDescription::CertificateRequired => {
            "the peer wants a certificate from us; name one with `certificate` and `key`"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            "the peer does not take our certificate, or does not let us in with it"
        }
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "the peer refuses the handshake: it wants a certificate from us, or other ciphers"
        }
        AlertDescription::ProtocolVersion => {
            "the peer does not speak TLS 1.2 or 1.3, the versions spoken here"
        }
        AlertDescription::UnrecognisedName => {
            "the peer does not know the name that it is called by; say with `name` which one it has"
        }
        AlertDescription::DecryptError => "the peer says that our certificate or its signature is wrong",
        AlertDescription::UserCanceled | AlertDescription::CloseNotify => "the peer gave the handshake up",
        _ => "the peer ended the handshake with an error",
    }
}
