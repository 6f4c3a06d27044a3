//! What vendors may ask for themselves: why their clients were refused, and credentials for new devices.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use command_centre::{Refusal, RegisterError, Registered};
use model::Clock;

use crate::access::Gate;
use crate::config::Station;
use crate::credentials::check_level;
use crate::provision::{self, NewRow, ProvisionError};
use crate::refusals::{self, Entry};
use crate::serve::RosterNow;

const DAY_MS: u64 = 86_400_000;

/// The way from the API to refusals and credentials.
pub struct Vendors {
    gate: Arc<Gate>,
    folder: PathBuf,
    roster: RosterNow,
    clock: Arc<dyn Clock>,
    is_allowed: bool,
    per_day: u32,
    /// Devices registered on a day (since 1970), by vendor.
    today: Mutex<(u64, HashMap<Box<str>, u32>)>,
    /// One change of the file at a time; the file's own lock would hold up a thread for each.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Vendors {
    pub fn new(gate: Arc<Gate>, station: &Station, roster: RosterNow, clock: Arc<dyn Clock>) -> Vendors {
        Vendors {
            gate,
            folder: station.roster.clone(),
            roster,
            clock,
            is_allowed: station.self_registration,
            per_day: station.self_registrations_per_day,
            today: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    fn check(&self, vendor: &str, device: &str, account: Option<&str>) -> Result<(), RegisterError> {
        if let Some(account) = account {
            if !self.is_allowed {
                let detail =
                    "this station lets nobody register devices; ask its operator ([station] self_registration)";
                return Err(RegisterError::NotAllowed(detail.to_owned()));
            }
            if !self.gate.credentials().get(account).is_some_and(|credential| credential.register) {
                let detail = format!("{account} may not register devices; ask the station's operator (register=yes)");
                return Err(RegisterError::NotAllowed(detail));
            }
        }
        check_level("the device", device).map_err(RegisterError::Invalid)?;
        check_level("the vendor", vendor).map_err(RegisterError::Invalid)
    }

    /// Counts a registration of today, unless there were too many.
    fn take_one(&self, vendor: &str) -> Result<(), RegisterError> {
        let now_ms = self.clock.now_ms();
        let day = now_ms / DAY_MS;
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.0 != day {
            *today = (day, HashMap::new());
        }
        let count = today.1.entry(vendor.into()).or_default();
        if *count >= self.per_day {
            let detail =
                format!("{vendor} has registered {count} devices today, the limit of this station: go on tomorrow");
            let retry_after_s = (DAY_MS - now_ms % DAY_MS).div_ceil(1000);
            return Err(RegisterError::TooMany { detail, retry_after_s });
        }
        *count += 1;
        Ok(())
    }
}

#[async_trait]
impl command_centre::Vendors for Vendors {
    fn refusals(&self, vendor: &str, before: Option<u64>, limit: usize) -> Vec<Refusal> {
        self.gate.refusals.page(vendor, before, limit).into_iter().map(shown).collect()
    }

    fn refusal_counts(&self, vendor: &str) -> Vec<(&'static str, u64)> {
        let counts = self.gate.refusals.counts(vendor);
        counts.into_iter().map(|(code, count)| (refusals::name_of(code), count)).collect()
    }

    async fn register(&self, vendor: &str, device: &str, account: Option<&str>) -> Result<Registered, RegisterError> {
        self.check(vendor, device, account)?;
        let _turn = self.one_at_a_time.lock().await;
        let subject = format!("{vendor}/{device}");
        let is_known =
            self.gate.credentials().iter().any(|known| *known.subject == *subject || *known.name == *subject);
        if is_known {
            let detail = format!("{subject} has a credential already; the station's operator can rotate its secret");
            return Err(RegisterError::Exists(detail));
        }
        if account.is_some() {
            self.take_one(vendor)?;
        }
        let folder = self.folder.clone();
        let new = NewRow { kind: "device", name: subject.clone(), subject, fields: Vec::new(), with_secret: true };
        let edited = tokio::task::spawn_blocking(move || {
            let (secret, credentials) = provision::edit(&folder, |table| provision::add(table, &new))?;
            Ok::<_, ProvisionError>((new.name, secret.unwrap_or_default(), credentials))
        });
        let edited = edited.await.map_err(|error| RegisterError::Unavailable(error.to_string()))?;
        let (name, secret, credentials) = edited.map_err(|error| match error {
            ProvisionError::Exists { .. } => RegisterError::Exists(error.to_string()),
            error => {
                tracing::error!(%error, vendor, device, "a device could not be registered: see the roster folder");
                RegisterError::Unavailable(
                    "credentials.csv could not be changed; the station's log tells why".to_owned(),
                )
            }
        })?;
        self.gate.exchange(credentials).map_err(RegisterError::Unavailable)?;
        let on_roster = (self.roster)().device_by_key(&name).is_some();
        tracing::info!(vendor, device, by = account.unwrap_or("an administrator"), on_roster, "device registered");
        Ok(Registered { name, secret, on_roster })
    }
}

fn shown(entry: Entry) -> Refusal {
    Refusal {
        seq: entry.seq,
        first_ms: entry.first_ms,
        last_ms: entry.last_ms,
        count: entry.count,
        who: entry.who,
        proved: entry.proved,
        client_id: entry.client_id,
        peer: entry.peer.map(|peer| peer.to_string()),
        attempt: entry.attempt,
        topic: entry.topic,
        code: entry.code,
        reason: refusals::name_of(entry.code),
        detail: entry.detail,
    }
}
