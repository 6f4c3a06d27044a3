//! The way to one receiver, and patience.

use std::sync::Arc;
use std::time::Duration;

use command_centre::Outgoing;
use dispatcher::{Posted, SignedPost};
use model::Clock;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Settings;

/// A try under way may go on for so long when the station stops.
const GRACE: Duration = Duration::from_secs(1);
/// Pause where the settings have none.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a receiver is sent no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The station stops.
    Stop,
    /// The receiver answered 410.
    Gone,
}

pub struct Line {
    pub name: String,
    pub settings: Settings,
    pub post: SignedPost,
    pub clock: Arc<dyn Clock>,
}

impl Line {
    /// Tries until the receiver takes it.
    pub async fn deliver(&self, message: &Outgoing, stop: &CancellationToken) -> Result<(), End> {
        let limit = Duration::from_millis(self.settings.try_limit_ms);
        let mut failures = 0usize;
        loop {
            if stop.is_cancelled() {
                return Err(End::Stop);
            }
            let now_ms = self.clock.now_ms();
            let posting = self.post.post(&message.id, message.content_type, message.body.clone(), now_ms);
            let broken_off = async {
                stop.cancelled().await;
                sleep(GRACE).await;
            };
            let posted = tokio::select! {
                biased;
                posted = timeout(limit, posting) => posted,
                // it is sent again under the same id
                () = broken_off => return Err(End::Stop),
            };
            let (reason, pause) = match posted {
                Ok(Posted::Taken) => {
                    self.count("taken");
                    if failures > 0 {
                        tracing::info!(webhook = self.name, failures, "a webhook takes the feed again");
                    }
                    return Ok(());
                }
                Ok(Posted::Gone) => {
                    self.count("gone");
                    return Err(End::Gone);
                }
                Ok(Posted::Retry { reason, pause }) => (reason, pause),
                Err(_) => (format!("no answer within {} ms", limit.as_millis()), None),
            };
            self.count("retry");
            failures += 1;
            let pause = self.pause(failures, pause);
            let (webhook, pause_ms) = (&self.name, pause.as_millis());
            if failures == 1 {
                tracing::warn!(webhook, reason, cursor = message.cursor, pause_ms, "a webhook did not take the feed");
            } else {
                tracing::debug!(webhook, reason, failures, pause_ms, "a webhook still does not take the feed");
            }
            tokio::select! {
                () = stop.cancelled() => return Err(End::Stop),
                () = sleep(pause) => {}
            }
        }
    }

    /// What the receiver asked for, else what the settings have for so many failures.
    fn pause(&self, failures: usize, asked: Option<Duration>) -> Duration {
        let retry = &self.settings.retry_ms;
        let own = retry.get(failures - 1).or(retry.last()).map_or(PAUSE, |ms| Duration::from_millis(*ms));
        let most = Duration::from_secs(self.settings.retry_after_max_s);
        asked.map_or(own, |asked| asked.min(most).max(own))
    }

    fn count(&self, outcome: &'static str) {
        let webhook = self.name.clone();
        metrics::counter!("fenghuo_feed_webhook_tries_total", "webhook" => webhook, "outcome" => outcome).increment(1);
    }
}
