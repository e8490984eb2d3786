//! From when until when a certificate can be used.

use jiff::Timestamp;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

/// How a certificate stands today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It can be used, and for longer than a month.
    Valid,
    /// It can be used, until then.
    Ends(Timestamp),
    /// It could be used until then.
    Ended(Timestamp),
    /// It can be used from then on.
    Begins(Timestamp),
}

/// How long before its end somebody should renew it: authorities need days, and people are on holiday.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

impl Validity {
    /// Nothing when it cannot be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        let now = UnixTime::now();
        let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + RENEW_BEFORE);
        Some(match (at(&certificate, now), at(&certificate, soon)) {
            (Some(Error::CertExpired { not_after, .. }), _) => Self::Ended(timestamp(not_after)),
            (Some(Error::CertNotValidYet { not_before, .. }), _) => Self::Begins(timestamp(not_before)),
            (_, Some(Error::CertExpired { not_after, .. })) => Self::Ends(timestamp(not_after)),
            _ => Self::Valid,
        })
    }
}

/// What would be said of it at a time. Without authorities something always is, but what is wrong with its time comes first.
fn at(certificate: &EndEntityCert<'_>, time: UnixTime) -> Option<Error> {
    certificate.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None).err()
}

/// A time that a certificate names.
pub(super) fn timestamp(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|secs| Timestamp::from_second(secs).ok())
        .unwrap_or(Timestamp::MAX)
}
