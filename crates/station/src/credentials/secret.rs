//! Secrets as they are stored: `sha256:<salt hex>:<hex of sha256(salt || secret)>`, two of them while one replaces the other.
//!
//! Secrets are random with at least 128 bits, so a slow hash would buy nothing and cost a reconnect storm.

use std::fmt;
use std::fs::File;
use std::io::Read as _;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Secrets of one credential that are valid at a time.
pub const SECRETS_MAX: usize = 2;
/// Bytes of a secret that is made here.
const SECRET_BYTES: usize = 16;

/// One stored secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    salt: Box<[u8]>,
    hash: [u8; 32],
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret") // neither hash nor salt belongs in a log
    }
}

/// None, one or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets([Option<Secret>; SECRETS_MAX]);

impl Secrets {
    pub const fn none() -> Secrets {
        Secrets([const { None }; SECRETS_MAX])
    }

    /// Reads the column: stored secrets separated by `;`.
    pub fn parse(text: &str) -> Result<Secrets, String> {
        let mut secrets = Secrets::none();
        for (slot, stored) in text.split(';').map(str::trim).filter(|stored| !stored.is_empty()).enumerate() {
            let place = secrets.0.get_mut(slot).ok_or_else(|| {
                format!("at most {SECRETS_MAX} secrets are valid at a time: remove the oldest, which stands first")
            })?;
            *place = Some(Secret::parse(stored)?);
        }
        Ok(secrets)
    }

    /// Which of them is `given`. Takes the same time whether there is one, two or none.
    pub fn check(&self, given: &[u8]) -> Option<usize> {
        const ABSENT: [u8; 32] = [0; 32];
        let mut found = None;
        for (slot, secret) in self.0.iter().enumerate() {
            let (salt, hash) = secret.as_ref().map_or((&[][..], &ABSENT), |secret| (&secret.salt, &secret.hash));
            let digest: [u8; 32] = Sha256::new().chain_update(salt).chain_update(given).finalize().into();
            let same: Choice = digest.ct_eq(hash) & Choice::from(u8::from(secret.is_some()));
            if bool::from(same) {
                found = Some(slot);
            }
        }
        found
    }

    pub fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }

    pub fn get(&self, slot: usize) -> Option<&Secret> {
        self.0.get(slot)?.as_ref()
    }

    pub fn contains(&self, secret: &Secret) -> bool {
        self.position(secret).is_some()
    }

    pub fn position(&self, secret: &Secret) -> Option<usize> {
        self.0.iter().position(|mine| mine.as_ref() == Some(secret))
    }
}

impl Secret {
    fn parse(text: &str) -> Result<Secret, String> {
        let parse = || {
            let (salt, hash) = text.strip_prefix("sha256:")?.split_once(':')?;
            let hash: [u8; 32] = unhex(hash)?.try_into().ok()?;
            Some(Secret { salt: unhex(salt)?.into_boxed_slice(), hash })
        };
        parse().ok_or_else(|| {
            "secret must be sha256:<salt hex>:<64 hex digits>; `fenghuo hash-secret` makes one from standard input"
                .to_owned()
        })
    }
}

/// Whether `text` is one stored secret.
pub fn is_stored(text: &str) -> bool {
    Secret::parse(text).is_ok()
}

/// The stored form of a secret.
pub fn hash_secret(salt: &[u8], secret: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::new().chain_update(salt).chain_update(secret).finalize().into();
    format!("sha256:{}:{}", hex(salt), hex(&hash))
}

/// A new secret: 32 hex digits, 128 bits from the system.
///
/// # Errors
/// When the system has no source of them.
pub fn fresh_secret() -> std::io::Result<String> {
    Ok(hex(&random::<SECRET_BYTES>()?))
}

/// Sixteen random bytes from the system.
///
/// # Errors
/// When the system has no source of them.
pub fn fresh_salt() -> std::io::Result<[u8; 16]> {
    random()
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
