//! What the command centre asks for: operators' acts, commands to devices, a new roster. All go through the journal.

use std::collections::HashSet;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker::{Broker, Outcome};
use bytes::Bytes;
use command_centre::{ActionError, Actions, Caller, DeviceOrder, DeviceSent, RosterReloaded};
use ingest::{IngestHandle, Submission, SubmitError};
use model::{Command, CommandOutcome, Epoch, Order, OrderOutcome, RosterChange, Sighting};

use crate::access::Gate;
use crate::credentials::{Credentials, Role};
use crate::desk::Waiting;
use crate::serve::RosterNow;

/// How long a device has to acknowledge a command that is sent to it.
const DEVICE_DEADLINE: Duration = Duration::from_secs(5);

/// The way from the API into the journal.
pub struct Acts {
    pub ingest: IngestHandle,
    pub broker: Broker,
    pub waiting: Arc<Waiting<CommandOutcome>>,
    pub orders: Arc<Waiting<OrderOutcome>>,
    pub roster: RosterNow,
    pub gate: Arc<Gate>,
    pub folder: PathBuf,
}

fn unavailable(error: impl ToString) -> ActionError {
    ActionError::Unavailable(error.to_string())
}

#[async_trait]
impl Actions for Acts {
    async fn submit(&self, command: Command) -> Result<CommandOutcome, ActionError> {
        let outcome = self.waiting.expect(command.id.clone());
        self.ingest.submit(Submission::Command(command)).await.map_err(unavailable)?;
        outcome.await.map_err(|_| unavailable("the station shuts down; the act is in the journal and takes effect"))
    }

    async fn order(&self, order: Order) -> Result<OrderOutcome, ActionError> {
        let outcome = self.orders.expect(order.id.clone());
        self.ingest.submit(Submission::Order(Box::new(order))).await.map_err(unavailable)?;
        outcome.await.map_err(|_| unavailable("the station shuts down; the order is in the journal and takes effect"))
    }

    async fn device_command(&self, order: DeviceOrder) -> Result<DeviceSent, ActionError> {
        let roster = (self.roster)();
        let Some(device) = roster.device(order.device) else {
            return Err(unavailable("the device has just been taken off the roster"));
        };
        let topic = format!("fire/v1/{}/{}/command", device.vendor, device.name);
        let submission = Submission::DeviceCommand {
            device: order.device,
            by: order.by,
            command: order.command.clone(),
            args_json: order.args_json.clone(),
        };
        let epoch = self.ingest.submit(submission).await.map_err(unavailable)?;
        let args: serde_json::Value = serde_json::from_str(&order.args_json).unwrap_or_default();
        let payload = serde_json::json!({"id": format!("c-{epoch}"), "command": order.command, "args": args});
        let payload = Bytes::from(payload.to_string());
        let outcome = self.broker.publish(&topic, payload, 1, Some("application/json"), DEVICE_DEADLINE).await;
        let (sent, reason) = match outcome {
            Outcome::Acked { .. } | Outcome::Sent => (true, None),
            Outcome::Queued => (false, Some("the device is away; it gets the command when it comes back")),
            Outcome::TimedOut => (false, Some("the device is connected and did not acknowledge in time")),
            Outcome::NoSubscriber => {
                (false, Some("the device is not connected or not subscribed to its command topic"))
            }
        };
        Ok(DeviceSent { sent, reason: reason.map(str::to_owned) })
    }

    async fn sighting(&self, sighting: Sighting) -> Result<Epoch, ActionError> {
        self.ingest.submit(Submission::Sighting(sighting)).await.map_err(unavailable)
    }

    async fn reload_roster(&self, by: &str) -> Result<RosterReloaded, ActionError> {
        let folder = self.folder.clone();
        let roster = (self.roster)();
        let before = Arc::clone(&roster);
        let read = tokio::task::spawn_blocking(move || {
            let _settled = crate::folder::settled(&folder);
            let rows = crate::roster_files::read(&folder)?;
            let change = before.change_to(&rows)?;
            Ok::<_, Vec<model::roster::RosterFault>>((change, Credentials::read(&folder)))
        });
        let (change, credentials) = read.await.map_err(unavailable)?.map_err(|faults| ActionError::Invalid {
            detail: "the roster folder has faults; nothing of it was taken".to_owned(),
            faults: faults.iter().take(crate::roster_files::FAULTS_TOLD_MAX).map(ToString::to_string).collect(),
        })?;
        let credentials = credentials.map_err(|error| ActionError::Invalid {
            detail: "credentials.csv has a fault; nothing was taken".to_owned(),
            faults: error.0.iter().take(crate::roster_files::FAULTS_TOLD_MAX).map(ToString::to_string).collect(),
        })?;
        let mut told = counts(&roster, &change);
        if !change.is_empty() {
            let submission = Submission::Roster { base: roster.version(), change: Box::new(change) };
            told.version = self.ingest.submit(submission).await.map_err(|error| match error {
                SubmitError::StaleRoster { .. } => unavailable("the roster was changed meanwhile: reload again"),
                SubmitError::Closed => unavailable(error),
            })?;
        }
        let refused = |detail| ActionError::Invalid { detail, faults: Vec::new() };
        self.gate.exchange(credentials).map_err(refused)?;
        tracing::info!(
            by,
            version = told.version,
            added = told.added,
            changed = told.changed,
            retired = told.retired,
            "roster reloaded"
        );
        Ok(told)
    }
}

fn counts(roster: &model::Roster, change: &RosterChange) -> RosterReloaded {
    let mut told = RosterReloaded { version: roster.version(), added: 0, changed: 0, retired: 0 };
    let units = change.units.iter().map(|(id, slot)| (slot.current, id.index() < roster.units().len()));
    let devices = change.devices.iter().map(|(id, slot)| (slot.current, id.index() < roster.devices().len()));
    let people = change.people.iter().map(|(id, slot)| (slot.current, id.index() < roster.people().len()));
    let regions = change.regions.iter().map(|(code, name)| (name.is_some(), roster.regions().contains_key(code)));
    for row in units.chain(devices).chain(people).chain(regions) {
        match row {
            (false, _) => told.retired += 1,
            (true, true) => told.changed += 1,
            (true, false) => told.added += 1,
        }
    }
    count_rows(&mut told, roster.shifts(), change.shifts.as_deref());
    count_rows(&mut told, roster.absences(), change.absences.as_deref());
    told
}

/// Rows of a table that is replaced as a whole: one that differs is a new one.
fn count_rows<T: Eq + Hash>(told: &mut RosterReloaded, old: &[T], new: Option<&[T]>) {
    let Some(new) = new else { return };
    let (before, after): (HashSet<&T>, HashSet<&T>) = (old.iter().collect(), new.iter().collect());
    told.added += after.difference(&before).count() as u64;
    told.retired += before.difference(&after).count() as u64;
}

/// Tokens of credentials.csv, for the API.
pub struct Tokens {
    pub gate: Arc<Gate>,
    pub roster: RosterNow,
}

impl command_centre::Access for Tokens {
    fn vendor(&self, name: &str, secret: &[u8]) -> Option<Box<str>> {
        self.gate.credentials().check_vendor(name, secret).map(|credential| credential.subject.clone())
    }

    fn caller(&self, token: &str) -> Option<Caller> {
        let credentials = self.gate.credentials();
        let (credential, role) = credentials.check_token(token)?;
        let roster = (self.roster)();
        let person = roster.person_by_code(&credential.subject).and_then(|id| roster.person(id));
        Some(Caller {
            subject: credential.subject.clone(),
            name: person.map_or_else(|| credential.subject.clone(), |person| person.name.clone()),
            role: match role {
                Role::Viewer => command_centre::Role::Viewer,
                Role::Operator => command_centre::Role::Operator,
                Role::Admin => command_centre::Role::Admin,
            },
            scope: credential.scope,
        })
    }
}
