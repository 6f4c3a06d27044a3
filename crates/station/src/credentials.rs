//! Who may come in: credentials.csv, for the MQTT listener and for the HTTP API.
//!
//! A secret is stored as `sha256:<salt hex>:<hex of sha256(salt || secret)>`. Secrets are random with at least 128 bits
//! (the import refuses nothing, it cannot see them), so a slow hash would buy nothing and cost a reconnect storm.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use model::RegionCode;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a credential speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One device, `vendor/device`.
    Device,
    /// All devices under one vendor name.
    Vendor,
    /// A person of the roster, by code.
    Person,
    /// A program of the command centre.
    Service,
    /// A bearer of the HTTP API.
    Token(Role),
}

impl Kind {
    /// A short name for metrics and logs.
    pub fn class(&self) -> &'static str {
        match self {
            Kind::Device => "device",
            Kind::Vendor => "vendor",
            Kind::Person => "person",
            Kind::Service => "service",
            Kind::Token(_) => "token",
        }
    }
}

/// What a token may do over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

/// One row.
#[derive(Debug, Clone)]
pub struct Credential {
    pub name: Arc<str>,
    pub kind: Kind,
    pub subject: Box<str>,
    /// Region that a person, service or token is confined to; `None` for the whole city.
    pub scope: Option<RegionCode>,
    salt: Box<[u8]>,
    hash: [u8; 32],
}

/// All rows, by name.
#[derive(Debug, Default)]
pub struct Credentials {
    by_name: HashMap<Arc<str>, Credential>,
}

/// What is wrong with credentials.csv, with the line.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("credentials.csv: {0}. It stands in the roster folder; deploy/README.md describes it")]
    File(String),
    #[error("credentials.csv:{line}: {what}")]
    Row { line: u64, what: String },
}

impl Credentials {
    /// Reads `credentials.csv` of the roster folder.
    ///
    /// # Errors
    /// The first fault, with its line.
    pub fn read(folder: &Path) -> Result<Credentials, CredentialError> {
        let path = folder.join("credentials.csv");
        let file = File::open(&path).map_err(|error| CredentialError::File(format!("{}: {error}", path.display())))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let expected = ["name", "kind", "subject", "scope", "role", "secret"];
        let header = reader.headers().map_err(|error| CredentialError::File(error.to_string()))?;
        if !header.iter().map(|name| name.trim_start_matches('\u{feff}')).eq(expected) {
            return Err(CredentialError::File(format!("the header must be {}", expected.join(","))));
        }
        let mut by_name = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| CredentialError::File(error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let credential = row(&record).map_err(|what| CredentialError::Row { line, what })?;
            if let Some(twice) = by_name.insert(Arc::clone(&credential.name), credential) {
                let what = format!("name {} stands here twice", twice.name);
                return Err(CredentialError::Row { line, what });
            }
        }
        Ok(Credentials { by_name })
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty)] // a station without credentials lets nobody in, and is none
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The credential with this name and secret. Compares in constant time, also for a name that is not there.
    pub fn check(&self, name: &str, secret: &[u8]) -> Option<&Credential> {
        const NOBODY: [u8; 32] = [0; 32];
        let found = self.by_name.get(name);
        let (salt, hash) = found.map_or((&[][..], &NOBODY), |credential| (&credential.salt, &credential.hash));
        let given: [u8; 32] = Sha256::new().chain_update(salt).chain_update(secret).finalize().into();
        let same: bool = given.ct_eq(hash).into();
        found.filter(|_| same)
    }

    /// The token credential that `<name>.<secret>` presents.
    pub fn check_token(&self, bearer: &str) -> Option<(&Credential, Role)> {
        let (name, secret) = bearer.split_once('.')?;
        let credential = self.check(name, secret.as_bytes())?;
        match credential.kind {
            Kind::Token(role) => Some((credential, role)),
            _ => None,
        }
    }
}

fn row(record: &csv::StringRecord) -> Result<Credential, String> {
    let field = |at: usize| record.get(at).unwrap_or_default();
    let role = match field(4) {
        "" => None,
        "viewer" => Some(Role::Viewer),
        "operator" => Some(Role::Operator),
        "admin" => Some(Role::Admin),
        other => return Err(format!("role {other:?} must be viewer, operator or admin")),
    };
    let kind = match (field(1), role) {
        ("device", _) => Kind::Device,
        ("vendor", _) => Kind::Vendor,
        ("person", _) => Kind::Person,
        ("service", _) => Kind::Service,
        ("token", Some(role)) => Kind::Token(role),
        ("token", None) => return Err("a token needs a role: viewer, operator or admin".to_owned()),
        (other, _) => return Err(format!("kind {other:?} must be device, vendor, person, service or token")),
    };
    let (name, subject) = (field(0), field(2));
    if name.is_empty() || subject.is_empty() {
        return Err("name and subject must not be empty".to_owned());
    }
    let subject_fits = match kind {
        Kind::Device => subject.split('/').filter(|level| !level.is_empty()).count() == 2,
        _ => !subject.contains(['/', '+', '#', '\0']),
    };
    if !subject_fits {
        return Err(format!("subject {subject:?}: a device's is vendor/device, all others have none of / + #"));
    }
    if matches!(kind, Kind::Token(_)) && name.contains('.') {
        return Err(format!("token name {name:?} must not contain a dot: the bearer is <name>.<secret>"));
    }
    let scope = match field(3) {
        "" => None,
        code => Some(code.parse::<RegionCode>().map_err(|error| error.to_string())?),
    };
    let (salt, hash) = secret(field(5))?;
    Ok(Credential { name: name.into(), kind, subject: subject.into(), scope, salt, hash })
}

fn secret(text: &str) -> Result<(Box<[u8]>, [u8; 32]), String> {
    let parse = || {
        let (salt, hash) = text.strip_prefix("sha256:")?.split_once(':')?;
        let hash: [u8; 32] = unhex(hash)?.try_into().ok()?;
        Some((unhex(salt)?.into_boxed_slice(), hash))
    };
    parse().ok_or_else(|| {
        "secret must be sha256:<salt hex>:<64 hex digits>; `fenghuo hash-secret` makes one from standard input"
            .to_owned()
    })
}

/// The stored form of a secret.
pub fn hash_secret(salt: &[u8], secret: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::new().chain_update(salt).chain_update(secret).finalize().into();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{}:{}", hex(salt), hex(&hash))
}

/// Sixteen random bytes from the system.
///
/// # Errors
/// When the system has no source of them.
pub fn fresh_salt() -> std::io::Result<[u8; 16]> {
    let mut salt = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut salt)?;
    Ok(salt)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &str) -> Result<Credentials, CredentialError> {
        let folder = tempfile::tempdir().expect("temp folder");
        let text = format!("name,kind,subject,scope,role,secret\n{rows}");
        std::fs::write(folder.path().join("credentials.csv"), text).expect("written");
        Credentials::read(folder.path())
    }

    #[test]
    fn only_the_right_secret_opens() {
        let stored = hash_secret(b"salt", b"s3cret");
        let credentials =
            read(&format!("acme,vendor,acme,,,{stored}\nroom,token,centre,331083001,operator,{stored}\n"));
        let credentials = credentials.expect("valid");
        assert_eq!(credentials.check("acme", b"s3cret").expect("right").kind, Kind::Vendor);
        assert!(credentials.check("acme", b"s3cres").is_none());
        assert!(credentials.check("nobody", b"s3cret").is_none());
        let (token, role) = credentials.check_token("room.s3cret").expect("right");
        assert_eq!((&*token.subject, role), ("centre", Role::Operator));
        assert!(credentials.check_token("acme.s3cret").is_none(), "a vendor's password is no token");
    }

    #[test]
    fn faults_name_the_line() {
        let stored = hash_secret(b"salt", b"s3cret");
        for (row, expected) in [
            ("a,vendor,a,,,plain", "sha256:"),
            (&*format!("a,vender,a,,,{stored}"), "kind \"vender\""),
            (&*format!("a,device,a,,,{stored}"), "vendor/device"),
            (&*format!("a,token,a,,,{stored}"), "needs a role"),
            (&*format!("a,service,a,12,,{stored}"), "6, 9, 12 or 15"),
        ] {
            let error = read(row).expect_err(row).to_string();
            assert!(error.starts_with("credentials.csv:2:") && error.contains(expected), "{error}");
        }
    }
}
