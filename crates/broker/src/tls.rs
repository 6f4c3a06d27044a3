//! TLS 1.2 and 1.3: certificates and revocation lists from PEM files, read again when they change.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore, ServerConfig};

use crate::lock;
use crate::settings::{ClientCertificates, Settings};

/// Why the certificates cannot be used. What was in use before stays in use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No TLS port is configured.
    #[error("no TLS port is open; set tls_listen or websocket_tls_listen")]
    NoTls,
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; check that it exists and that this process may read it", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should, in PEM.
    #[error("{path} holds no usable {wanted}: {why}; it must be a PEM file", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key do not go together or are of a kind that is not supported.
    #[error("{certificate} and {key} cannot be used together: {why}", certificate = certificate.display(), key = key.display())]
    Pair {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Authorities or revocation lists of client certificates cannot be used.
    #[error("client certificates cannot be verified with {path}: {why}", path = path.display())]
    Clients {
        /// File of the authorities.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The certificates in use.
pub(crate) struct Tls {
    files: Files,
    current: RwLock<Current>,
    /// How often they were read again.
    version: AtomicU64,
    seen: Mutex<Vec<Option<Stamp>>>,
}

/// What handshakes go by.
#[derive(Clone)]
struct Current {
    config: Arc<ServerConfig>,
    /// Of client certificates, if they are asked for.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_certificates: ClientCertificates,
    revocations: Vec<PathBuf>,
}

/// What tells that a file was written or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Tls {
    /// Reads the files; `None` if no port wants TLS.
    pub(crate) fn open(settings: &Settings) -> Result<Option<Tls>, TlsError> {
        let wanted = settings.tls_listen.or(settings.websocket_tls_listen).is_some();
        let (true, Some(certificate), Some(key)) = (wanted, &settings.tls_certificate, &settings.tls_key) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: settings.client_ca.clone(),
            client_certificates: settings.client_certificates,
            revocations: settings.client_revocations.clone(),
        };
        let seen = Mutex::new(files.stamps());
        let current = RwLock::new(files.read()?);
        Ok(Some(Tls { files, current, version: AtomicU64::new(0), seen }))
    }

    /// What a handshake that begins now goes by.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.current().config
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Grows when certificates were read again. To be asked before the handshake.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether the certificate of a client that came in at `since_ms` (milliseconds since the epoch) would still be trusted:
    /// not revoked since, and its authority still among ours. That it has expired meanwhile does not matter.
    pub(crate) fn still_trusts(&self, chain: &[CertificateDer<'_>], since_ms: u64) -> bool {
        let (Some(verifier), [leaf, between @ ..]) = (self.current().verifier, chain) else { return true };
        let since = UnixTime::since_unix_epoch(Duration::from_millis(since_ms));
        match verifier.verify_client_cert(leaf, between, since) {
            Ok(_) => true,
            Err(rustls::Error::InvalidCertificate(why)) => is_about_time(&why),
            Err(_) => false,
        }
    }

    /// Reads the files again. Handshakes from now on go by them, and nothing is resumed from before: a certificate
    /// that is no longer trusted is looked at anew.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let stamps = self.files.stamps();
        let fresh = self.files.read();
        *lock(&self.seen) = stamps;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh?;
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Reads the files again if one of them has changed since they were last read, well or not.
    pub(crate) fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let changed = *lock(&self.seen) != self.files.stamps();
        changed.then(|| self.reload())
    }
}

impl Files {
    fn stamps(&self) -> Vec<Option<Stamp>> {
        let all = [&self.certificate, &self.key].into_iter().chain(&self.client_ca).chain(&self.revocations);
        all.map(|path| fs::metadata(path).ok().map(Stamp::from)).collect()
    }

    fn read(&self) -> Result<Current, TlsError> {
        let chain: Vec<CertificateDer<'static>> = all(&self.certificate, "certificate")?;
        let key = fs::read(&self.key).map_err(|source| TlsError::Read { path: self.key.clone(), source })?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| unusable(&self.key, "private key", &error))?;
        let pair = |error: rustls::Error| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            why: error.to_string(),
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(pair)?;
        let verifier = match (self.client_certificates, &self.client_ca) {
            (ClientCertificates::None, _) | (_, None) => None,
            (wanted, Some(path)) => Some(self.verifier(wanted, path)?),
        };
        let builder = match verifier.clone() {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        // Tickets hold what resumption needs, so that nothing is kept here for clients that are away.
        config.ticketer = ring::Ticketer::new().map_err(pair)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        Ok(Current { config: Arc::new(config), verifier })
    }

    fn verifier(&self, wanted: ClientCertificates, path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in all(path, "certificate")? {
            roots.add(authority).map_err(|error| unusable(path, "certificate of an authority", &error))?;
        }
        let mut lists: Vec<CertificateRevocationListDer<'static>> = Vec::new();
        for path in &self.revocations {
            lists.extend(all(path, "revocation list")?);
        }
        let clients = |error: VerifierBuilderError| TlsError::Clients { path: path.to_owned(), why: error.to_string() };
        let provider = Arc::new(ring::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .with_crls(lists)
            .allow_unknown_revocation_status();
        let builder = match wanted {
            ClientCertificates::Required => builder,
            _ => builder.allow_unauthenticated(),
        };
        builder.build().map_err(clients)
    }
}

fn is_about_time(why: &CertificateError) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(why, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

impl From<fs::Metadata> for Stamp {
    fn from(file: fs::Metadata) -> Stamp {
        Stamp { inode: file.ino(), bytes: file.len(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

/// Everything of one kind in a PEM file; at least one.
fn all<T: PemObject>(path: &Path, wanted: &'static str) -> Result<Vec<T>, TlsError> {
    let text = fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let found: Result<Vec<T>, pem::Error> = T::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| unusable(path, wanted, &error))?;
    if found.is_empty() {
        return Err(unusable(path, wanted, &"there is none in it"));
    }
    Ok(found)
}

fn unusable(path: &Path, wanted: &'static str, why: &dyn fmt::Display) -> TlsError {
    TlsError::Pem { path: path.to_owned(), wanted, why: why.to_string() }
}
