//! The heartbeat: a signed message to an outside system, which notices our death by its absence.
//!
//! It is sent only while ticks are committed and judged. A heartbeat of a dead pipeline would be a lie.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use dispatcher::{Posted, Secret, SignedPost};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Verdict;

/// Where the heartbeat goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// `https://…`; absent: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Signs it, as Standard Webhooks do: `whsec_` and base64 of 24 to 64 bytes. Needed with a url.
    #[serde(skip_serializing)]
    pub secret: Option<Secret>,
    /// s; not more often than the auditor looks.
    pub every_s: u64,
    /// Time limit of one, ms.
    pub limit_ms: u64,
    /// Whether the address may be private or this machine's own.
    pub allow_private: bool,
    /// PEM file with certificate authorities that are trusted beside those of this machine; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat { url: None, secret: None, every_s: 60, limit_ms: 5000, allow_private: false, ca_file: None }
    }
}

/// Sends it.
pub(super) struct Heart {
    post: SignedPost,
    every_ms: u64,
    limit: Duration,
    sent_ms: u64,
    silent: bool,
}

impl Heart {
    /// `None` where no url is set.
    pub(super) fn open(settings: &Heartbeat) -> Result<Option<Heart>, String> {
        let Some(url) = &settings.url else { return Ok(None) };
        let secret =
            settings.secret.as_ref().ok_or("needs a secret beside its url: whsec_ and base64 of 24 to 64 bytes")?;
        let secrets = std::slice::from_ref(secret);
        let post = SignedPost::open(url, secrets, settings.allow_private, settings.ca_file.as_deref())?;
        let limit = Duration::from_millis(settings.limit_ms);
        Ok(Some(Heart { post, every_ms: settings.every_s * 1000, limit, sent_ms: 0, silent: false }))
    }

    /// Sends one when it is due and the pipeline lives.
    pub(super) async fn beat(&mut self, verdict: &Verdict) {
        if !verdict.is_alive() {
            if !std::mem::replace(&mut self.silent, true) {
                tracing::error!("no heartbeat is sent while the pipeline does not work");
            }
            return;
        }
        self.silent = false;
        // a clock that was set back must not stop it
        if verdict.at_ms.abs_diff(self.sent_ms) < self.every_ms {
            return;
        }
        self.sent_ms = verdict.at_ms;
        let body = json!({
            "type": "heartbeat",
            "at_ms": verdict.at_ms,
            "epoch": verdict.committed,
            "judged": verdict.applied,
            "cursor": verdict.cursor,
            "open_alerts": verdict.open_alerts,
            "late": verdict.late.len(),
            "well": verdict.is_well(),
        });
        let id = format!("heartbeat-{}", verdict.at_ms);
        let posted = self.post.post(&id, "application/json", Bytes::from(body.to_string()), verdict.at_ms);
        let taken = match tokio::time::timeout(self.limit, posted).await {
            Ok(Posted::Taken) => true,
            Ok(Posted::Gone) => {
                tracing::warn!("the heartbeat's receiver wants no more (HTTP 410)");
                false
            }
            Ok(Posted::Retry { reason, .. }) => {
                tracing::warn!(reason, "a heartbeat was not taken");
                false
            }
            Err(_) => {
                tracing::warn!(limit_ms = self.limit.as_millis(), "a heartbeat was not taken in time");
                false
            }
        };
        let result = if taken { "taken" } else { "failed" };
        metrics::counter!("fenghuo_heartbeats_total", "result" => result).increment(1);
    }
}
