//! Who calls, and what they may do. Credentials live with whoever implements [`Access`].

use model::RegionCode;
use serde::{Deserialize, Serialize};

/// Knows the tokens.
pub trait Access: Send + Sync + 'static {
    /// Whose token this is; `None` for a token that is not (or no longer) valid. Called for every request and again
    /// at every heartbeat of a feed, so it must be quick and must not block.
    fn caller(&self, token: &str) -> Option<Caller>;

    /// The vendor whose account has this name and secret, which is how its devices' gateways come in at the listener.
    /// As quick as [`Access::caller`].
    fn vendor(&self, name: &str, secret: &[u8]) -> Option<Box<str>>;
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

#[cfg(test)]
mod tests {
    use super::*;

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
