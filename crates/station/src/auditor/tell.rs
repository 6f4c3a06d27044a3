//! The auditor's own ways to tell.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use dispatcher::{Posted, SignedPost, Webhook};
use serde_json::json;

use super::Verdict;

/// Things that are late, named in one message.
const NAMED_MAX: usize = 20;
/// Time limit of one message.
const LIMIT: Duration = Duration::from_secs(5);

/// Tells when what is wrong changes, and again while it stays so.
pub(super) struct Teller {
    console: bool,
    posts: Vec<(String, SignedPost)>,
    repeat_ms: u64,
    /// Kinds of what was wrong when it was told last, and when.
    told: BTreeSet<&'static str>,
    told_ms: u64,
}

impl Teller {
    pub(super) fn open(ways: &[String], webhooks: &[Webhook], repeat_s: u64) -> Result<Teller, String> {
        let mut teller =
            Teller { console: false, posts: Vec::new(), repeat_ms: repeat_s * 1000, told: BTreeSet::new(), told_ms: 0 };
        for way in ways {
            if way == "console" {
                teller.console = true;
                continue;
            }
            let name =
                way.strip_prefix("webhook:").ok_or_else(|| format!("{way:?} is neither console nor webhook:<name>"))?;
            let hook = webhooks.iter().find(|hook| hook.name == name);
            let hook = hook.ok_or_else(|| format!("there is no [[dispatcher.webhook]] with the name {name:?}"))?;
            let post = SignedPost::open(&hook.url, &hook.secrets, hook.allow_private, hook.ca_file.as_deref())?;
            teller.posts.push((name.to_owned(), post));
        }
        Ok(teller)
    }

    pub(super) async fn tell(&mut self, verdict: &Verdict) {
        let faults = verdict.faults.iter().map(|(name, _)| *name);
        let wrong: BTreeSet<&'static str> = faults.chain(verdict.late.iter().map(|late| late.kind.word())).collect();
        let repeats = !wrong.is_empty() && self.told_ms + self.repeat_ms <= verdict.at_ms;
        if wrong == self.told && !repeats {
            return;
        }
        if self.console {
            log(verdict);
        }
        let body = Bytes::from(body(verdict).to_string());
        let id = format!("auditor-{}", verdict.at_ms);
        for (name, post) in &self.posts {
            let posted = post.post(&id, "application/json", body.clone(), verdict.at_ms);
            match tokio::time::timeout(LIMIT, posted).await {
                Ok(Posted::Taken) => {}
                Ok(Posted::Gone) => tracing::error!(webhook = name, "the auditor's receiver wants no more (HTTP 410)"),
                Ok(Posted::Retry { reason, .. }) => {
                    tracing::error!(webhook = name, reason, "the auditor was not heard")
                }
                Err(_) => tracing::error!(webhook = name, "the auditor was not heard within {} s", LIMIT.as_secs()),
            }
        }
        (self.told, self.told_ms) = (wrong, verdict.at_ms);
    }
}

fn log(verdict: &Verdict) {
    if verdict.is_well() {
        tracing::info!(target: "fenghuo::auditor", "nothing is late any more");
    }
    for (name, what) in &verdict.faults {
        tracing::error!(target: "fenghuo::auditor", check = name, "{what}");
    }
    let count = verdict.late.len();
    for late in verdict.late.iter().take(NAMED_MAX) {
        tracing::error!(target: "fenghuo::auditor", late = late.kind.word(), count, "{}", late.detail);
    }
}

/// What the auditor says, as JSON.
pub(super) fn body(verdict: &Verdict) -> serde_json::Value {
    let late = verdict.late.iter().take(NAMED_MAX);
    json!({
        "type": if verdict.is_well() { "auditor.well" } else { "auditor.late" },
        "at_ms": verdict.at_ms,
        "epoch": verdict.committed,
        "judged": verdict.applied,
        "faults": verdict.faults.iter().map(|(name, what)| json!({"check": name, "detail": what})).collect::<Vec<_>>(),
        "late_count": verdict.late.len(),
        "late": late.map(|late| json!({
            "kind": late.kind.word(),
            "about": late.about.to_string(),
            "due_ms": late.due_ms,
            "detail": late.detail,
        })).collect::<Vec<_>>(),
    })
}
