//! The feed, pushed: each of `[[feed.webhooks]]` is sent the events of its scope in order, and has a cursor of its own that
//! outlives the process.
//!
//! A receiver that is slow, down or rude holds up nobody: it is a reader of the feed as any other, at its own pace, with one
//! stretch of it in memory. Nothing is passed over: what is not taken is tried again for as long as the feed keeps it, and what
//! the feed no longer keeps is told by one message `feed.gap`.

mod line;
mod mark;
mod pusher;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use command_centre::{Filter, Kinds, Pages, View, Wording, min_colour};
use dispatcher::{Secret, SignedPost};
use model::{Clock, Colour, Ledger, RegionCode};
use serde::{Deserialize, Serialize};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use line::Line;
use mark::Mark;
use pusher::Pusher;

/// Folder of the marks in that of the store.
const FOLDER: &str = "webhooks";

/// Who is pushed the feed, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Events read at a time for one webhook.
    pub chunk_events: usize,
    /// Time limit of one try, ms.
    pub try_limit_ms: u64,
    /// Pauses after the first, second… failed try of a message, ms; the last one repeats for as long as it takes.
    pub retry_ms: Vec<u64>,
    /// Longest pause that a receiver may ask for (`Retry-After`), s.
    pub retry_after_max_s: u64,
    /// How far a webhook is, is written down at most so often, ms: after a crash so much may be sent again.
    pub mark_every_ms: u64,
    pub webhooks: Vec<Webhook>,
}

/// Where the feed is pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Names it, and its cursor: with another name it begins anew. Letters, digits, `-` and `_`, 64 at most.
    pub name: String,
    /// Where to post to, `https://…` or `http://…`, without user name and password.
    pub url: String,
    /// Signing secrets, `whsec_` and base64 of 24 to 64 bytes. Each message carries a signature by each, so that a secret can be
    /// replaced while both are known.
    #[serde(skip_serializing)]
    pub secrets: Vec<Secret>,
    /// Whether the address may be private or this machine's own. Default false.
    #[serde(default)]
    pub allow_private: bool,
    /// PEM file with certificate authorities that are trusted beside those of this machine; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Only this region and what lies in it; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionCode>,
    /// Only alerts and orders of this colour or a more urgent one, and units that turn it; absent: all.
    #[serde(default, deserialize_with = "min_colour", skip_serializing_if = "Option::is_none")]
    pub min: Option<Colour>,
    /// Only events of these types; `alert` stands for all that begin with it. Default: all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Default native.
    #[serde(default)]
    pub format: Wording,
    /// Where it begins when it is new. Default now.
    #[serde(default)]
    pub from: Begin,
    /// Messages under way at one time. Above 1 only what is about one unit stays in order: for receivers that are far and
    /// storms that are long. Default 1.
    #[serde(default = "one")]
    pub in_flight: usize,
}

fn one() -> usize {
    1
}

/// Where a new webhook begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    #[default]
    Now,
    /// With the oldest event that is kept.
    Oldest,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            chunk_events: 128,
            try_limit_ms: 15_000,
            retry_ms: vec![500, 1000, 2000, 4000, 8000, 16_000, 30_000],
            retry_after_max_s: 600,
            mark_every_ms: 1000,
            webhooks: Vec::new(),
        }
    }
}

impl Settings {
    /// What cannot work, with the setting's name.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), String> {
        if self.chunk_events == 0 || self.try_limit_ms == 0 {
            return Err("chunk_events and try_limit_ms must be at least 1".into());
        }
        if self.retry_ms.is_empty() || self.retry_ms.contains(&0) {
            return Err("retry_ms must have a pause, and none of 0".into());
        }
        let mut names = BTreeSet::new();
        for webhook in &self.webhooks {
            let name = &webhook.name;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
                return Err(format!("the webhook name {name:?} must be 1 to 64 letters, digits, - and _"));
            }
            // names of files, which some systems do not tell apart by case
            if !names.insert(name.to_lowercase()) {
                return Err(format!("there are two webhooks {name:?}: give each a name of its own"));
            }
            if webhook.in_flight == 0 {
                return Err(format!("webhook {name:?}: in_flight must be at least 1"));
            }
            webhook.chosen().map_err(|fault| format!("webhook {name:?}: {fault}"))?;
        }
        Ok(())
    }
}

impl Webhook {
    fn chosen(&self) -> Result<Kinds, String> {
        let kinds: Kinds = self.kinds.join(",").parse()?;
        if self.format == Wording::Cap && !kinds.is_all() {
            return Err("CAP tells what became of an alert as a whole: leave kinds out".into());
        }
        Ok(kinds)
    }
}

/// What the pushers stand on.
pub struct Parts<'a> {
    pub settings: &'a Settings,
    pub http: &'a command_centre::Settings,
    /// Folder of the store.
    pub data: &'a Path,
    pub view: &'a Arc<View>,
    pub ledger: Arc<dyn Ledger>,
    pub clock: &'a Arc<dyn Clock>,
}

/// As [`start`], with what the configuration says.
///
/// # Errors
/// As [`start`].
pub fn as_set(
    config: &Config,
    view: &Arc<View>,
    ledger: Arc<dyn Ledger>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) -> Result<JoinHandle<()>> {
    let (settings, http, data) = (&config.feed, &config.http, &*config.station.data);
    start(&Parts { settings, http, data, view, ledger, clock }, stop)
}

/// Starts a pusher for each webhook; the task ends when all have, soon after `stop` is cancelled.
///
/// # Errors
/// A webhook that cannot be used, a cursor that cannot be read or written.
pub fn start(parts: &Parts<'_>, stop: &CancellationToken) -> Result<JoinHandle<()>> {
    parts.settings.check().map_err(|fault| anyhow!("[feed] {fault}"))?;
    let mut pushers = JoinSet::new();
    for webhook in &parts.settings.webhooks {
        let pusher = open(parts, webhook).map_err(|fault| anyhow!("[[feed.webhooks]] {:?}: {fault}", webhook.name))?;
        pushers.spawn(pusher.run(stop.clone()));
    }
    Ok(tokio::spawn(async move {
        while let Some(ended) = pushers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "pushing the feed to a webhook ended in a panic: start the station anew");
            }
        }
    }))
}

fn open(parts: &Parts<'_>, webhook: &Webhook) -> Result<Pusher, String> {
    let filter = Filter { region: webhook.region, min: webhook.min, kinds: webhook.chosen()? };
    let (view, ledger) = (Arc::clone(parts.view), Arc::clone(&parts.ledger));
    let begin = match webhook.from {
        Begin::Now => view.cursor(),
        Begin::Oldest => ledger.oldest_cursor().saturating_sub(1),
    };
    let mark = Mark::open(&parts.data.join(FOLDER), &webhook.name, begin).map_err(|error| error.to_string())?;
    let post = SignedPost::open(&webhook.url, &webhook.secrets, webhook.allow_private, webhook.ca_file.as_deref())?;
    let (name, settings, clock) = (webhook.name.clone(), parts.settings.clone(), Arc::clone(parts.clock));
    Ok(Pusher {
        line: Arc::new(Line { name, settings, post, clock }),
        in_flight: webhook.in_flight,
        newest: view.follow(),
        pages: Arc::new(Pages::new(view, ledger, filter, webhook.format, parts.http)),
        mark,
    })
}
