//! One receiver's way along the feed.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use command_centre::{Outgoing, Pages, Stretch};
use model::{Cursor, UnitId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::line::{End, Line};
use super::mark::Mark;

/// Pause after the feed could not be read.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// Messages that are looked through for one that may go ahead.
const LOOK_AHEAD: usize = 64;

pub struct Pusher {
    pub line: Arc<Line>,
    /// Messages under way at one time, each about another unit.
    pub in_flight: usize,
    pub pages: Arc<Pages>,
    pub newest: watch::Receiver<Cursor>,
    pub mark: Mark,
}

impl Pusher {
    /// Until the station stops.
    pub async fn run(mut self, stop: CancellationToken) {
        let end = self.push(&stop).await;
        self.mark.save().await;
        if end == End::Gone {
            metrics::gauge!("fenghuo_feed_webhook_gone", "webhook" => self.line.name.clone()).set(1.0);
            tracing::warn!(
                webhook = self.line.name,
                "the receiver answered 410 Gone: the feed is pushed to it no more until the station is started anew; correct \
                 or remove it in [[feed.webhooks]]"
            );
            stop.cancelled().await;
        }
    }

    async fn push(&mut self, stop: &CancellationToken) -> End {
        // once in any case: only so is a feed noticed that was set back behind the mark
        let mut is_first = true;
        loop {
            let newest = *self.newest.borrow_and_update();
            if self.mark.position() >= newest && !is_first {
                if let Err(end) = self.wait(stop).await {
                    return end;
                }
                continue;
            }
            is_first = false;
            let Some(Stretch { messages, read_to }) = self.read(stop).await else { return End::Stop };
            if let Err(end) = self.send(messages, stop).await {
                return end;
            }
            self.mark.set(read_to);
            self.save_when_due().await;
            self.measure();
        }
    }

    /// For something new, or for the time to write down how far it is.
    async fn wait(&mut self, stop: &CancellationToken) -> Result<(), End> {
        let due = self.mark.due(self.mark_every());
        tokio::select! {
            () = stop.cancelled() => Err(End::Stop),
            changed = self.newest.changed() => changed.map_err(|_| End::Stop),
            () = until(due) => {
                self.mark.save().await;
                Ok(())
            }
        }
    }

    /// `None` when the station stops before the feed can be read.
    async fn read(&self, stop: &CancellationToken) -> Option<Stretch> {
        loop {
            let (pages, after, limit) =
                (Arc::clone(&self.pages), self.mark.position(), self.line.settings.chunk_events);
            let read = tokio::task::spawn_blocking(move || pages.read(after, limit).map_err(|error| error.to_string()));
            let error = match read.await {
                Ok(Ok(stretch)) => return Some(stretch),
                Ok(Err(error)) => error,
                Err(error) => error.to_string(),
            };
            tracing::error!(
                webhook = self.line.name,
                error,
                "the feed cannot be read for a webhook; it is tried again"
            );
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(READ_PAUSE) => {}
            }
        }
    }

    /// Sends a stretch: what is about one unit in its order, several units side by side where that is set. The mark follows
    /// the first message that is not taken yet.
    async fn send(&mut self, messages: Vec<Outgoing>, stop: &CancellationToken) -> Result<(), End> {
        let mut cursors: VecDeque<(Cursor, bool)> = messages.iter().map(|message| (message.cursor, false)).collect();
        let mut waiting: VecDeque<(usize, Outgoing)> = messages.into_iter().enumerate().collect();
        let (mut passed, mut busy, mut under_way) = (0, Vec::new(), JoinSet::new());
        loop {
            while under_way.len() < self.in_flight
                && let Some((at, message)) = next(&mut waiting, &busy)
            {
                busy.push(message.unit);
                let (line, stop) = (Arc::clone(&self.line), stop.clone());
                under_way.spawn(async move { (at, message.unit, line.deliver(&message, &stop).await) });
            }
            let due = self.mark.due(self.mark_every());
            tokio::select! {
                done = under_way.join_next() => match done {
                    None => return Ok(()),
                    Some(Ok((at, unit, taken))) => {
                        // with one that is given up the others are broken off: they are sent again, the same
                        taken?;
                        busy.iter().position(|one| *one == unit).map(|place| busy.swap_remove(place));
                        cursors[at - passed].1 = true;
                        while let Some((cursor, true)) = cursors.front() {
                            self.mark.set(*cursor);
                            cursors.pop_front();
                            passed += 1;
                        }
                    }
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                },
                () = until(due) => self.mark.save().await,
            }
            self.measure();
        }
    }

    fn mark_every(&self) -> Duration {
        Duration::from_millis(self.line.settings.mark_every_ms)
    }

    async fn save_when_due(&mut self) {
        if self.mark.due(self.mark_every()).is_some_and(|due| due <= Instant::now()) {
            self.mark.save().await;
        }
    }

    fn measure(&self) {
        let behind = self.newest.borrow().saturating_sub(self.mark.position());
        metrics::gauge!("fenghuo_feed_webhook_behind_events", "webhook" => self.line.name.clone()).set(behind as f64);
    }
}

/// The first message that overtakes nothing about its unit; what is about no unit overtakes nothing and is not overtaken.
fn next(waiting: &mut VecDeque<(usize, Outgoing)>, busy: &[Option<UnitId>]) -> Option<(usize, Outgoing)> {
    let mut before = busy.to_vec();
    for place in 0..waiting.len().min(LOOK_AHEAD) {
        let unit = waiting[place].1.unit;
        let is_free =
            if unit.is_none() { before.is_empty() } else { !before.contains(&unit) && !before.contains(&None) };
        if is_free {
            return waiting.remove(place);
        }
        before.push(unit);
    }
    None
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
