//! Certificates and keys out of PEM files, read again when they change.

use super::validity::Validity;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore};
use tracing::{info, warn};

/// The largest file that is read: a machine's own collection of authorities has a quarter of a megabyte.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why files cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It is not there, or may not be read.
    #[error("the {what} {} cannot be read: {source}", path.display())]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is no such file.
    #[error("the {what} {}: {why}", path.display())]
    Unusable {
        /// What it should hold.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// Both are fine, but not together.
    #[error(
        "the key {} does not belong to the certificate {}; after a renewal both are to be replaced",
        key.display(),
        certificate.display()
    )]
    KeyOfAnother {
        /// The certificate's path.
        certificate: PathBuf,
        /// The key's path.
        key: PathBuf,
    },
    /// No authority is named, and the machine trusts none.
    #[error(
        "this machine trusts no certificate authority; install its collection (ca-certificates) or name a file with `ca`"
    )]
    NoAuthorities,
    /// The name to expect is none.
    #[error("`{0}` is no name that a certificate could be for; set `name` to a host name or an IP address")]
    NoName(String),
}

const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";
const AUTHORITIES: &str = "file of certificate authorities";

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, FilesError> {
    let unreadable = |source| FilesError::Unreadable { what, path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unusable(what, path, "is larger than 4 MiB, so it is something else"));
    }
    Ok(bytes)
}

fn unusable(what: &'static str, path: &Path, why: &'static str) -> FilesError {
    FilesError::Unusable { what, path: path.to_owned(), why }
}

/// What a file without what is looked for holds instead, as far as one sees it.
fn not_pem(bytes: &[u8], what: &'static str) -> &'static str {
    let holds = |words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
    match what {
        _ if bytes.first() == Some(&0x30) => "is DER or PKCS#12; convert it to PEM with `openssl`",
        KEY if holds(b"BEGIN ENCRYPTED") || holds(b"Proc-Type: 4,ENCRYPTED") => {
            "is encrypted; write it without a passphrase (`openssl pkey`), readable for the engine's user only"
        }
        KEY if holds(b"BEGIN CERTIFICATE") => "holds a certificate, and no key",
        CERTIFICATE | AUTHORITIES if holds(b"PRIVATE KEY-----") => "holds a key, and no certificate",
        _ => "is not PEM: it has no block that begins with -----BEGIN and ends with -----END",
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, FilesError> {
    let bytes = read(what, path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(what, path, not_pem(&bytes, what))),
    }
}

/// A certificate and its key, which belong together.
pub(super) fn identity(certificate: &Path, key: &Path) -> Result<CertifiedKey, FilesError> {
    let chain = certificates(CERTIFICATE, certificate)?;
    let bytes = read(KEY, key)?;
    let private =
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| unusable(KEY, key, not_pem(&bytes, KEY)))?;
    CertifiedKey::from_der(chain, private, &super::provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            FilesError::KeyOfAnother { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        Error::InvalidCertificate(_) => unusable(CERTIFICATE, certificate, "is damaged"),
        _ => {
            unusable(KEY, key, "is of no kind that is known here; RSA, ECDSA (P-256, P-384) and Ed25519 are")
        }
    })
}

/// The authorities of a file.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, FilesError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(AUTHORITIES, path)? {
        store.add(certificate).map_err(|_| unusable(AUTHORITIES, path, "holds a damaged certificate"))?;
    }
    Ok(store)
}

/// The authorities that this machine trusts.
pub(super) fn machines_authorities() -> Result<RootCertStore, FilesError> {
    let mut store = RootCertStore::empty();
    // Single ones that cannot be used are passed over, as every program does: the collections hold odd ones.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(FilesError::NoAuthorities) } else { Ok(store) }
}

/// From when until when a certificate can be used.
pub(super) fn validity(path: &Path) -> Result<Validity, FilesError> {
    let chain = certificates(CERTIFICATE, path)?;
    chain.first().and_then(Validity::of).ok_or_else(|| unusable(CERTIFICATE, path, "is damaged"))
}

/// What was read from files, and is read again when one of them has changed.
pub(super) struct Reloading<T> {
    files: Vec<PathBuf>,
    read: Box<ReadFiles<T>>,
    state: Mutex<State<T>>,
}

type ReadFiles<T> = dyn Fn() -> Result<T, FilesError> + Send + Sync;

struct State<T> {
    /// How the files looked when they were last read, whatever came of it.
    seen: Vec<Option<Look>>,
    current: Option<Arc<T>>,
}

/// What changes when a file is written or replaced: size, time, place on the disk.
type Look = (u64, i64, i64, u64);

impl<T> Reloading<T> {
    /// Nothing is read yet.
    pub(super) fn new(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, FilesError> + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State { seen: Vec::new(), current: None });
        Self { files, read: Box::new(read), state }
    }

    /// What the files hold now, or held before something was wrong with them.
    pub(super) fn current(&self) -> Result<Arc<T>, FilesError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen: Vec<Option<Look>> = self.files.iter().map(|path| look(path)).collect();
        if let Some(current) = state.current.as_ref().filter(|_| state.seen == seen) {
            return Ok(current.clone());
        }
        let is_first = state.current.is_none();
        state.seen = seen;
        match ((self.read)(), &state.current) {
            (Ok(read), _) => {
                if !is_first {
                    info!(files = ?self.files, "the renewed files of TLS are in force");
                }
                let read = Arc::new(read);
                state.current = Some(read.clone());
                Ok(read)
            }
            (Err(error), Some(before)) => {
                warn!(
                    "the changed files of TLS cannot be used, what they held before stays in force: {error}"
                );
                Ok(before.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn look(path: &Path) -> Option<Look> {
    let found = fs::metadata(path).ok()?;
    Some((found.len(), found.ctime(), found.ctime_nsec(), found.ino()))
}
