//! One consumer's place on the feed, whatever way it is told.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use model::Cursor;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError, watch};
use tokio::time::Instant;

use crate::access::Caller;
use crate::api::session::Token;
use crate::outward::Filter;
use crate::problem::{Kind, Problem};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::view::Told;

/// A place among the feed's consumers.
struct Consumer {
    _permit: OwnedSemaphorePermit,
}

impl Consumer {
    fn new(permit: OwnedSemaphorePermit) -> Consumer {
        metrics::gauge!("fenghuo_command_centre_feed_consumers").increment(1.0);
        Consumer { _permit: permit }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        metrics::gauge!("fenghuo_command_centre_feed_consumers").decrement(1.0);
    }
}

/// What a consumer is told next.
pub(super) enum Next {
    /// At least one event, and no more than were asked for.
    Events(Vec<Arc<Told>>),
    /// Nothing for it in a while: its cursor.
    Beat,
}

/// Why a consumer is told nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Shutdown,
    /// Its token is no longer what it was.
    Token,
    /// It fell behind what is kept.
    Behind,
}

/// Reads the feed at one consumer's pace. It is asked for more only when what it gave was taken.
pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    caller: Caller,
    token: Token,
    filter: Filter,
    /// Everything up to here was given, or is none of this consumer's business.
    position: Cursor,
    /// The next event is this consumer's business, and it was not asked for.
    holds: bool,
    newest: watch::Receiver<Cursor>,
    beat_every: Duration,
    beat_at: Instant,
    _consumer: Consumer,
}

impl Follower {
    /// A follower from `after` on, or from now.
    pub(super) fn new(
        shared: Arc<Shared>,
        caller: Caller,
        token: Token,
        filter: Filter,
        after: Option<Cursor>,
    ) -> Result<Follower, Problem> {
        if let Some(after) = after {
            shared.check_cursor(after)?;
        }
        let permit = Arc::clone(&shared.consumers).try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits | TryAcquireError::Closed => {
                tracing::warn!("a feed consumer was refused: feed_consumers_max follow already");
                let detail = "this station has as many feed consumers as it is set to take; try again, or raise \
                              http.feed_consumers_max";
                Problem::new(Kind::Unavailable, detail).header(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
        })?;
        let newest = shared.parts.view.follow();
        let position = after.unwrap_or_else(|| shared.parts.view.cursor());
        let beat_every = Settings::ms(shared.parts.settings.feed_heartbeat_ms);
        Ok(Follower {
            caller,
            token,
            filter,
            position,
            holds: false,
            newest,
            beat_every,
            beat_at: Instant::now() + beat_every,
            _consumer: Consumer::new(permit),
            shared,
        })
    }

    pub(super) fn position(&self) -> Cursor {
        self.position
    }

    /// Whether an event waits for which there was no room.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// Up to `limit` events; waits for them or for the next heartbeat. May be dropped at any moment: nothing is lost then.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Next, End> {
        self.holds &= limit == 0;
        loop {
            if self.shared.shutdown.is_cancelled() {
                return Err(End::Shutdown);
            }
            let newest = *self.newest.borrow_and_update();
            if self.position < newest && !self.holds {
                let events = self.read(limit).await?;
                if !events.is_empty() {
                    self.beat_at = Instant::now() + self.beat_every;
                    return Ok(Next::Events(events));
                }
                if Instant::now() < self.beat_at {
                    continue;
                }
            } else {
                tokio::select! {
                    () = self.shared.shutdown.cancelled() => return Err(End::Shutdown),
                    changed = self.newest.changed(), if !self.holds => {
                        changed.map_err(|_| End::Shutdown)?;
                        continue;
                    }
                    () = tokio::time::sleep_until(self.beat_at) => {}
                }
            }
            if self.shared.parts.access.caller(&self.token.0).as_ref() != Some(&self.caller) {
                tracing::info!(subject = %self.caller.subject, "a feed ended: its token is no longer what it was");
                return Err(End::Token);
            }
            return Ok(Next::Beat);
        }
    }

    /// What of the next events is this consumer's business; none of it leaves the position behind what is not.
    async fn read(&mut self, limit: usize) -> Result<Vec<Arc<Told>>, End> {
        let chunk = self.shared.parts.settings.feed_chunk_events;
        let Ok(Some(events)) = self.shared.events_after(self.position, chunk).await else {
            tracing::warn!(position = self.position, "a feed consumer fell behind what is kept");
            return Err(End::Behind);
        };
        let mut taken = Vec::new();
        for told in events {
            if self.filter.takes(&told.event) {
                if taken.len() == limit {
                    self.holds = limit == 0;
                    break;
                }
                self.position = told.event.cursor;
                taken.push(told);
            } else {
                self.position = told.event.cursor;
            }
        }
        metrics::counter!("fenghuo_command_centre_feed_events_total").increment(taken.len() as u64);
        Ok(taken)
    }

    /// The heartbeat's members: where the consumer stands, and the time.
    pub(super) fn beat(&mut self) -> String {
        self.beat_at = Instant::now() + self.beat_every;
        format!("\"cursor\":{},\"at_ms\":{}", self.position, self.shared.parts.view.at_ms())
    }
}
