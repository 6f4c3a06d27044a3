//! Who calls, and what they may do. Credentials live with whoever implements [`Access`]; the means to check them
//! without telling anything by the time it takes are here.

use std::fmt;
use std::str::FromStr;

use model::RegionCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Knows the tokens.
pub trait Access: Send + Sync + 'static {
    /// Whose token this is; `None` for a token that is not (or no longer) valid. Called for every request and again
    /// at every heartbeat of a feed, so it must be quick and must not block.
    fn caller(&self, token: &str) -> Option<Caller>;
}

/// Whoever a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Code of the person, or name of the service.
    pub subject: Box<str>,
    /// For people to read.
    pub name: Box<str>,
    pub role: Role,
    /// Sees this region and what lies in it; `None`: everything.
    pub scope: Option<RegionCode>,
}

/// What a token allows; each role may do what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Acts on alerts and devices.
    Operator,
    /// Loads the roster anew and reads the quarantine.
    Admin,
}

impl Role {
    const WORDS: [(&'static str, Role); 3] =
        [("viewer", Role::Viewer), ("operator", Role::Operator), ("admin", Role::Admin)];

    pub fn word(self) -> &'static str {
        Role::WORDS.iter().find(|(_, role)| *role == self).map_or("", |(word, _)| word)
    }

    pub fn from_word(word: &str) -> Option<Role> {
        Role::WORDS.iter().find(|(known, _)| *known == word).map(|(_, role)| *role)
    }
}

impl Caller {
    /// Whether something in `place` may be shown.
    pub fn sees(&self, place: RegionCode) -> bool {
        self.scope.is_none_or(|scope| scope.contains(place))
    }

    /// The part of `region` that the caller sees: the region itself, the caller's scope where the region is larger,
    /// nothing where they lie apart.
    pub fn visible_part(&self, region: RegionCode) -> Option<RegionCode> {
        match self.scope {
            Some(scope) if scope.contains(region) => Some(region),
            Some(scope) if region.contains(scope) => Some(scope),
            Some(_) => None,
            None => Some(region),
        }
    }
}

/// Splits a bearer token `<name>.<secret>` at its last point; `None` when it has none.
pub fn split_token(token: &str) -> Option<(&str, &str)> {
    token.rsplit_once('.')
}

/// A secret as the roster stores it: `sha256:<salt hex>:<hex of sha256(salt bytes, then the secret in UTF-8)>`.
/// Secrets are random and of 128 bits at least, so a slow hash would buy nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash {
    salt: Vec<u8>,
    digest: [u8; 32],
}

/// A stored secret that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret must look like sha256:<salt in hex>:<64 hex digits>; write the credential anew")]
pub struct SecretHashError;

impl SecretHash {
    /// Whether this is the secret; takes the same time whether or not it is.
    pub fn matches(&self, secret: &str) -> bool {
        let digest = Sha256::new().chain_update(&self.salt).chain_update(secret.as_bytes()).finalize();
        digest.as_slice().ct_eq(&self.digest).into()
    }
}

impl FromStr for SecretHash {
    type Err = SecretHashError;

    fn from_str(text: &str) -> Result<Self, SecretHashError> {
        let (salt, digest) =
            text.strip_prefix("sha256:").and_then(|rest| rest.split_once(':')).ok_or(SecretHashError)?;
        let salt = bytes_of_hex(salt).ok_or(SecretHashError)?;
        let digest = bytes_of_hex(digest).and_then(|bytes| bytes.try_into().ok()).ok_or(SecretHashError)?;
        Ok(SecretHash { salt, digest })
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_secret_matches_its_secret_only() {
        // sha256 of the bytes 0a 0b and "tiger"
        let digest = Sha256::new().chain_update([10, 11]).chain_update("tiger").finalize();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let stored: SecretHash = format!("sha256:0a0b:{hex}").parse().expect("well formed");
        assert!(stored.matches("tiger"));
        for wrong in ["", "tige", "tigers", "Tiger"] {
            assert!(!stored.matches(wrong));
        }
        assert_eq!(format!("{stored:?}"), "SecretHash(..)");
    }

    #[test]
    fn damaged_secrets_are_refused() {
        for bad in ["", "sha256:00", "md5:00:00", "sha256:0:00", "sha256:00:zz", "sha256:00:00", "sha256:é:00"] {
            assert_eq!(bad.parse::<SecretHash>(), Err(SecretHashError), "{bad}");
        }
    }

    #[test]
    fn a_name_may_hold_points() {
        assert_eq!(split_token("ops.shift.abc"), Some(("ops.shift", "abc")));
        assert_eq!(split_token("nothing"), None);
    }

    #[test]
    fn a_larger_region_is_seen_as_far_as_the_scope_goes() {
        let code = |text: &str| text.parse::<RegionCode>().expect("valid");
        let caller =
            Caller { subject: "p".into(), name: "p".into(), role: Role::Viewer, scope: Some(code("331083001")) };
        assert_eq!(caller.visible_part(code("331083")), Some(code("331083001")));
        assert_eq!(caller.visible_part(code("331083001002")), Some(code("331083001002")));
        assert_eq!(caller.visible_part(code("331083002")), None);
        assert!(caller.sees(code("331083001002001")) && !caller.sees(code("331083")));
    }
}
