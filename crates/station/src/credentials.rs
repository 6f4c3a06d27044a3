//! Who may come in: credentials.csv, for the MQTT listener and for the HTTP API.
//!
//! Columns are found by name; `name`, `kind`, `subject` and `secret` must be there, the others (`scope`, `role`,
//! `client_id`, `certificate`, `publish`, `subscribe`, `retain`, `register`) may. What a credential may do is compiled
//! here, once, and shared by all its connections.

mod index;
mod permissions;
mod row;
mod secret;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use model::RegionCode;
use model::roster::RosterFault;

pub use index::ClientIdRule;
use index::Index;
pub use permissions::{Permissions, is_device_topic, is_reserved};
pub use row::{CertificateName, check_level};
use secret::Secrets;
pub use secret::{SECRETS_MAX, fresh_salt, fresh_secret, hash_secret, is_stored};

use crate::roster_files::FAULTS_TOLD_MAX;

/// The file, in the roster folder.
pub const FILE: &str = "credentials.csv";
/// Stands for "no vendor's" where refusals are looked up; no vendor may be called so.
pub const NOBODY: &str = "unknown";

/// What a credential speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One device, `vendor/device`.
    Device,
    /// All devices under one vendor name.
    Vendor,
    /// A person of the roster, by code.
    Person,
    /// A program of the command centre.
    Service,
    /// An ordinary MQTT client: what it publishes goes to other clients and never to the station.
    Client,
    /// A bearer of the HTTP API.
    Token(Role),
}

impl Kind {
    /// A short name for metrics and logs, as the file has it.
    pub fn class(&self) -> &'static str {
        match self {
            Kind::Device => "device",
            Kind::Vendor => "vendor",
            Kind::Person => "person",
            Kind::Service => "service",
            Kind::Client => "client",
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
#[derive(Debug)]
pub struct Credential {
    pub name: Arc<str>,
    pub kind: Kind,
    pub subject: Box<str>,
    /// Region that a person, service or token is confined to; `None` for the whole city.
    pub scope: Option<RegionCode>,
    /// The client ids it may use; `None`: any that is nobody else's.
    pub client_id: Option<ClientIdRule>,
    /// The certificate that proves it, where the row names one.
    pub certificate: Option<CertificateName>,
    /// Whether this vendor may register devices.
    pub register: bool,
    /// What it may do at the listener; `None` for a token.
    pub permissions: Option<Permissions>,
    secrets: Secrets,
    /// Which proofs were used at the listener: a bit for each secret, and one for the certificate.
    used: AtomicU8,
}

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The stored secret with this number.
    Secret(usize),
    Certificate,
    /// No proof was asked for.
    Nothing,
}

impl Proof {
    fn bit(self) -> u8 {
        match self {
            Proof::Secret(slot) => 1 << slot,
            Proof::Certificate => 1 << SECRETS_MAX,
            Proof::Nothing => 0,
        }
    }
}

impl Credential {
    /// Vendor that this credential belongs to: the vendor itself, or the device's.
    pub fn vendor(&self) -> Option<&str> {
        match self.kind {
            Kind::Device => self.subject.split('/').next(),
            Kind::Vendor => Some(&self.subject),
            _ => None,
        }
    }

    /// How many secrets are valid now.
    pub fn secrets(&self) -> usize {
        self.secrets.len()
    }

    /// Remembers that a connection was let in by `proof`.
    pub fn note(&self, proof: Proof) {
        let bit = proof.bit();
        if self.used.load(Ordering::Relaxed) & bit != bit {
            self.used.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Why connections of this credential must end now that `next` stands in its place; `None`: they may stay.
    fn outdated_by(&self, next: &Credential) -> Option<&'static str> {
        let used = self.used.load(Ordering::Relaxed);
        if self.kind != next.kind || self.subject != next.subject || self.permissions != next.permissions {
            return Some("its rights were changed");
        }
        if self.client_id != next.client_id {
            return Some("its client id was changed");
        }
        if used & Proof::Certificate.bit() != 0 && self.certificate != next.certificate {
            return Some("its certificate was changed");
        }
        let lost = |slot: usize| !self.secrets.get(slot).is_some_and(|secret| next.secrets.contains(secret));
        if (0..SECRETS_MAX).any(|slot| used & Proof::Secret(slot).bit() != 0 && lost(slot)) {
            return Some("the secret it used was taken away");
        }
        None
    }

    /// Takes over what is still true of `old`: which proofs were used, and the compiled permissions that live connections
    /// share.
    fn succeed(&mut self, old: &Credential) {
        let used = old.used.load(Ordering::Relaxed);
        let mut bits = used & Proof::Certificate.bit();
        for slot in (0..SECRETS_MAX).filter(|slot| used & Proof::Secret(*slot).bit() != 0) {
            let kept = old.secrets.get(slot).and_then(|secret| self.secrets.position(secret));
            bits |= kept.map_or(0, |slot| Proof::Secret(slot).bit());
        }
        *self.used.get_mut() |= bits;
        if self.permissions == old.permissions {
            self.permissions.clone_from(&old.permissions);
            self.name = Arc::clone(&old.name);
        }
    }
}

/// All rows, by name.
#[derive(Debug, Default)]
pub struct Credentials {
    by_name: HashMap<Arc<str>, Credential>,
    index: Index,
}

/// Everything that is wrong with credentials.csv, each with its line.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.0.iter().take(FAULTS_TOLD_MAX).map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct CredentialFaults(pub Vec<RosterFault>);

fn fault(line: usize, what: impl Into<String>) -> RosterFault {
    RosterFault { file: FILE, line, what: what.into() }
}

impl Credentials {
    /// Reads `credentials.csv` of the roster folder.
    ///
    /// # Errors
    /// Every fault, with its line.
    pub fn read(folder: &Path) -> Result<Credentials, CredentialFaults> {
        let path = folder.join(FILE);
        let text = std::fs::read(&path).map_err(|error| {
            let what = format!(
                "{}: {error}. It stands in the roster folder; `fenghuo vendor add` and `fenghuo device add` write it",
                path.display()
            );
            CredentialFaults(vec![fault(0, what)])
        })?;
        Credentials::parse(&text)
    }

    /// As [`Credentials::read`], from the file's content.
    ///
    /// # Errors
    /// As [`Credentials::read`].
    pub fn parse(text: &[u8]) -> Result<Credentials, CredentialFaults> {
        let (rows, mut faults) = row::read(text);
        let mut credentials = Credentials::default();
        for (line, credential) in rows {
            if let Err(what) = credentials.index.add(&credential) {
                faults.push(fault(line, what));
            }
            if let Some(twice) = credentials.by_name.insert(Arc::clone(&credential.name), credential) {
                faults.push(fault(line, format!("name {} stands here twice", twice.name)));
            }
        }
        if faults.is_empty() && credentials.by_name.is_empty() {
            faults.push(fault(1, "there is no row: nobody could come in. `fenghuo vendor add` writes the first"));
        }
        if faults.is_empty() { Ok(credentials) } else { Err(CredentialFaults(faults)) }
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty)] // a file without rows is refused
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Credential> {
        self.by_name.values()
    }

    pub fn get(&self, name: &str) -> Option<&Credential> {
        self.by_name.get(name)
    }

    /// Whether a vendor has a credential, or one of its devices.
    pub fn knows_vendor(&self, vendor: &str) -> bool {
        self.index.vendors.contains(vendor)
    }

    /// The credential with this name and secret, and which of its secrets it was. Compares in constant time, also for a
    /// name that is not there.
    pub fn check(&self, name: &str, secret: &[u8]) -> Option<(&Credential, Proof)> {
        static NONE: Secrets = Secrets::none();
        let found = self.by_name.get(name);
        let slot = found.map_or(&NONE, |credential| &credential.secrets).check(secret);
        found.zip(slot.map(Proof::Secret))
    }

    /// The token credential that `<name>.<secret>` presents.
    pub fn check_token(&self, bearer: &str) -> Option<(&Credential, Role)> {
        let (name, secret) = bearer.split_once('.')?;
        let (credential, _) = self.check(name, secret.as_bytes())?;
        match credential.kind {
            Kind::Token(role) => Some((credential, role)),
            _ => None,
        }
    }

    /// The vendor credential with this name and secret.
    pub fn check_vendor(&self, name: &str, secret: &[u8]) -> Option<&Credential> {
        let (credential, _) = self.check(name, secret)?;
        (credential.kind == Kind::Vendor).then_some(credential)
    }

    /// The credentials that a verified certificate with these names proves.
    pub fn of_certificate(&self, names: &[CertificateName]) -> Vec<&Credential> {
        let mut found: Vec<&str> = Vec::new();
        for name in names.iter().flat_map(|name| self.index.of_certificate(name)) {
            if !found.contains(&&**name) {
                found.push(name);
            }
        }
        found.into_iter().filter_map(|name| self.get(name)).collect()
    }

    /// Whether `credential` may come in under a client id.
    ///
    /// # Errors
    /// Whose it is, or what the credential's own rule says.
    pub fn client_id_fits(&self, credential: &Credential, client_id: &str) -> Result<(), String> {
        if let Some(rule) = &credential.client_id
            && !rule.fits(client_id)
        {
            return Err(format!("credential {} may use only the client id {rule}", credential.name));
        }
        let foreign = self.get(client_id).is_some_and(|owner| !std::ptr::eq(owner, credential))
            && credential.subject.as_ref() != client_id;
        if foreign || self.index.is_foreign(client_id, credential) {
            return Err(format!("client id {client_id:?} belongs to another credential: choose another"));
        }
        Ok(())
    }

    /// Puts `self` in the place of `old`: what stayed the same is shared. The names whose connections must end, with the
    /// reason.
    pub fn succeed(&mut self, old: &Credentials) -> Vec<(Arc<str>, &'static str)> {
        let mut outdated = Vec::new();
        for before in old.by_name.values() {
            match self.by_name.get_mut(&before.name) {
                None if before.permissions.is_some() => outdated.push((Arc::clone(&before.name), "it was revoked")),
                None => {}
                Some(after) => match before.outdated_by(after) {
                    Some(why) => outdated.push((Arc::clone(&before.name), why)),
                    None => after.succeed(before),
                },
            }
        }
        outdated
    }
}

#[cfg(test)]
mod tests;
