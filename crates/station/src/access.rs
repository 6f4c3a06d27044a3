//! Who may come in at the MQTT listener, and what they may publish and subscribe to there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use broker::{Grant, Login, Refusal, Refused, Route};
use model::Clock;

use crate::certificate;
use crate::credentials::{Credential, Credentials, Kind, Proof, is_device_topic, is_reserved};
use crate::refusals::Refusals;

/// Ends the connections of an identity; how many there were.
pub type Kick = Box<dyn Fn(&str) -> usize + Send + Sync>;

/// The door's keeper: credentials that can be exchanged while the house is open.
pub struct Gate {
    credentials: RwLock<Arc<Credentials>>,
    anonymous: Option<Box<str>>,
    clock: Arc<dyn Clock>,
    kick: OnceLock<Kick>,
    /// How often credentials were exchanged.
    version: AtomicU64,
    pub refusals: Refusals,
}

/// What an exchange of credentials did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchanged {
    /// Credentials whose connections had to end.
    pub outdated: usize,
    /// Connections that were ended.
    pub kicked: usize,
}

impl Gate {
    /// # Errors
    /// When `anonymous` names no credential of kind client.
    pub fn new(
        credentials: Credentials,
        anonymous: Option<&str>,
        clock: Arc<dyn Clock>,
        refusals: Refusals,
    ) -> Result<Gate, String> {
        check_anonymous(&credentials, anonymous)?;
        Ok(Gate {
            credentials: RwLock::new(Arc::new(credentials)),
            anonymous: anonymous.map(Into::into),
            clock,
            kick: OnceLock::new(),
            version: AtomicU64::new(0),
            refusals,
        })
    }

    /// How connections are ended whose credential is withdrawn. The first call counts.
    pub fn kick_with(&self, kick: Kick) {
        let _ = self.kick.set(kick);
    }

    /// The credentials in force.
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// New credentials for those who come from now on. Connections whose credential was revoked or given other rights, or
    /// which came in with a secret that is no longer valid, are ended.
    ///
    /// # Errors
    /// When the credential for anonymous clients is not among them; then nothing changes.
    pub fn exchange(&self, mut credentials: Credentials) -> Result<Exchanged, String> {
        check_anonymous(&credentials, self.anonymous.as_deref())?;
        let outdated = {
            let mut current = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
            let outdated = credentials.succeed(&current);
            *current = Arc::new(credentials);
            // before connections are looked for: one that is not there yet will see it
            self.version.fetch_add(1, Ordering::SeqCst);
            outdated
        };
        let kicked = outdated.iter().map(|(name, why)| self.end_connections(name, why)).sum();
        Ok(Exchanged { outdated: outdated.len(), kicked })
    }

    fn end_connections(&self, name: &str, why: &str) -> usize {
        let connections = self.kick.get().map_or(0, |kick| kick(name));
        if connections > 0 {
            tracing::info!(credential = name, why, connections, "connections ended with their credential");
        }
        connections
    }

    /// The credential that a CONNECT proves, and how.
    fn prove<'a>(&self, credentials: &'a Credentials, login: &Login<'_>) -> Option<(&'a Credential, Proof)> {
        if let Some(certificate) = login.certificate {
            let proved = credentials.of_certificate(&certificate::names(certificate));
            return match (login.username, login.password) {
                // some clients send an empty user name and mean none
                (None | Some(""), None | Some(b"")) => match proved[..] {
                    [only] => Some((only, Proof::Certificate)),
                    _ => None,
                },
                (Some(name), None) => {
                    proved.into_iter().find(|credential| *credential.name == *name).map(|it| (it, Proof::Certificate))
                }
                (Some(name), Some(secret)) => {
                    let (credential, slot) = credentials.check(name, secret)?;
                    let both = proved.iter().any(|proved| proved.name == credential.name);
                    both.then(|| credential.note(Proof::Certificate));
                    both.then_some((credential, slot))
                }
                (None, Some(_)) => None,
            };
        }
        match (login.username, login.password, &self.anonymous) {
            // some clients send an empty user name and mean none
            (None | Some(""), None | Some(b""), Some(anonymous)) => {
                credentials.get(anonymous).map(|it| (it, Proof::Nothing))
            }
            (Some(name), Some(secret), _) => credentials.check(name, secret),
            _ => None,
        }
    }
}

/// Whether the credential for anonymous clients is one that may be given away.
///
/// # Errors
/// When there is none of that name, or it is no client's.
pub fn check_anonymous(credentials: &Credentials, anonymous: Option<&str>) -> Result<(), String> {
    match anonymous.map(|name| (name, credentials.get(name).map(|credential| credential.kind))) {
        None | Some((_, Some(Kind::Client))) => Ok(()),
        Some((name, _)) => Err(format!(
            "[mqtt_access] anonymous = {name:?} is no credential of kind client: add one with `fenghuo client add {name} …`"
        )),
    }
}

impl broker::Access for Gate {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        let credentials = self.credentials();
        let (credential, proof) = self.prove(&credentials, login).ok_or(Refusal::BadCredentials)?;
        let permissions = credential.permissions.as_ref().ok_or(Refusal::NotAuthorised)?;
        if credentials.client_id_fits(credential, login.client_id).is_err() {
            return Err(Refusal::ClientIdNotValid);
        }
        credential.note(proof);
        Ok(Grant {
            identity: Arc::clone(&credential.name),
            class: credential.kind.class(),
            publish: Arc::clone(&permissions.publish),
            subscribe: Arc::clone(&permissions.subscribe),
            retain: permissions.retain,
        })
    }

    fn route(&self, topic: &str) -> Route {
        if is_device_topic(topic) { Route::Consumer(ingest::lane(topic)) } else { Route::Relay }
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn may_retain(&self, identity: &str, topic: &str) -> bool {
        let credentials = self.credentials();
        let permissions = credentials.get(identity).and_then(|credential| credential.permissions.as_ref());
        permissions.is_some_and(|may| may.retain && may.publish.iter().any(|filter| filter.matches(topic)))
    }

    fn reserved(&self, topic: &str) -> bool {
        is_reserved(topic)
    }

    fn sessions_max(&self, grant: &Grant) -> Option<usize> {
        (grant.class == Kind::Device.class()).then_some(self.refusals.settings.sessions_per_device)
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn refused(&self, refused: &Refused<'_>) {
        self.refusals.note(refused, &self.credentials(), self.clock.now_ms());
    }
}

#[cfg(test)]
mod tests;
