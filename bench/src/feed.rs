//! The command feed as a consumer sees it: server-sent events over HTTP, each with the time it came.

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use tokio::time::Instant;

use crate::rig::Rig;

/// An open feed.
pub struct Feed {
    prefix: &'static str,
    response: reqwest::Response,
}

impl Feed {
    /// Follows the whole city from now on; `prefix` begins the alarm ids of interest.
    pub async fn open(rig: &Rig, prefix: &'static str) -> Result<Feed> {
        let response = rig
            .http_client
            .get(format!("http://{}/api/v1/feed", rig.http))
            .bearer_auth(&rig.admin)
            .send()
            .await?
            .error_for_status()?;
        Ok(Feed { prefix, response })
    }

    /// Ids of the devices' own alarms as their evidence comes, until there are `expected` or the time is over.
    pub async fn collect(self, expected: usize, until: Instant) -> Result<Vec<(String, Instant)>> {
        let mut seen = Vec::with_capacity(expected);
        let mut chunks = self.response.bytes_stream();
        let mut text = Vec::new();
        while seen.len() < expected {
            let chunk = match tokio::time::timeout_at(until, chunks.next()).await {
                Err(_) => break,
                Ok(None) => bail!("the station ended the feed"),
                Ok(Some(chunk)) => chunk.context("reading the feed")?,
            };
            let now = Instant::now();
            text.extend_from_slice(&chunk);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data:") else { continue };
                let event: serde_json::Value = serde_json::from_slice(data).context("an event that is no JSON")?;
                let is_alert = event["type"].as_str().is_some_and(|kind| kind.starts_with("alert."));
                if let (true, Some(id)) = (is_alert, event["detail"].as_str())
                    && id.starts_with(self.prefix)
                {
                    seen.push((id.to_owned(), now));
                }
            }
        }
        Ok(seen)
    }
}
