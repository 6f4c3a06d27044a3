//! Reads the log for the sessions that are subscribed to it, each at its own pace.
//!
//! A session that has read all is on the list of those at the end; one that is behind is read for while it has room,
//! then let go until its client has taken what it has. Sessions at the same place share one read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::error;

use crate::access::Access;
use crate::hub::Hub;
use crate::lock;
use crate::log::{Log, Page};
use crate::outbound::Parcel;
use crate::relay::Round;
use crate::session::{Next, Session};
use crate::topic::TopicFilter;
use crate::wire::publish::Forward;

/// The log, and the sessions that want to be read for.
pub(crate) struct Follower {
    log: Arc<dyn Log>,
    /// Its topics are reached only by filters that name the first level.
    by_name: bool,
    newest: watch::Receiver<u64>,
    callers: Mutex<Vec<Arc<Session>>>,
    called: Notify,
}

/// So many places are read for before those who see what happens now get their turn again.
const PLACES_AT_A_TIME: usize = 16;
/// So many sessions may stand at the log's end before those that have gone are looked for.
const AT_END_KEPT: usize = 1_024;
/// Pause after a read that failed.
const RETRY: Duration = Duration::from_millis(500);

impl Follower {
    pub(crate) fn new(log: Arc<dyn Log>, access: &dyn Access) -> Follower {
        let newest = log.newest();
        let by_name = access.reserved(log.filter().as_str());
        Follower { log, by_name, newest, callers: Mutex::default(), called: Notify::new() }
    }

    /// Where a new subscription begins.
    pub(crate) fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Whether topics of this filter come from the log only.
    pub(crate) fn covers(&self, filter: &TopicFilter) -> bool {
        self.log.filter().covers(filter)
    }

    /// Whether topics of this filter may come from the log.
    pub(crate) fn touches(&self, filter: &TopicFilter) -> bool {
        overlap(self.log.filter().as_str(), filter.as_str()) && !(self.by_name && filter.begins_with_wildcard())
    }

    /// Whether a topic belongs to the log.
    pub(crate) fn owns(&self, topic: &str) -> bool {
        self.log.filter().matches(topic)
    }

    /// Reads for this session from now on.
    pub(crate) fn call(&self, session: Arc<Session>) {
        lock(&self.callers).push(session);
        self.called.notify_one();
    }

    /// Runs until the listener drains.
    pub(crate) async fn run(self: Arc<Self>, hub: Arc<Hub>) {
        tokio::select! {
            () = hub.draining.cancelled() => {}
            () = self.serve(&hub) => {}
        }
    }

    async fn serve(&self, hub: &Hub) {
        let mut newest = self.newest.clone();
        let mut at_end: Vec<Arc<Session>> = Vec::new();
        let (mut seen, mut sort_out_at) = (0, AT_END_KEPT);
        loop {
            let end = *newest.borrow_and_update();
            let mut callers = std::mem::take(&mut *lock(&self.callers));
            let sort_out = at_end.len() >= sort_out_at;
            if sort_out || end != seen {
                callers.append(&mut at_end); // there is more for them, or many have gone meanwhile
            }
            seen = end;
            let mut places: BTreeMap<u64, Vec<Arc<Session>>> = BTreeMap::new();
            for session in callers {
                if let Next::Read(after) = session.next_read() {
                    places.entry(after).or_default().push(session);
                }
            }
            at_end.extend(places.split_off(&end).into_values().flatten());
            if sort_out {
                sort_out_at = 2 * at_end.len() + AT_END_KEPT;
            }
            self.read_places(hub, places).await;
            tokio::select! {
                () = self.called.notified() => {}
                changed = newest.changed() => if changed.is_err() {
                    return; // whoever writes the log is gone
                },
            }
        }
    }

    /// Reads a page for some places: for those who see what happens now, then for those who are furthest behind.
    async fn read_places(&self, hub: &Hub, mut places: BTreeMap<u64, Vec<Arc<Session>>>) {
        let mut turns = PLACES_AT_A_TIME;
        let mut next = places.pop_last();
        while let Some((after, sessions)) = next {
            if turns > 0 {
                self.read(hub, after, &sessions).await;
                turns -= 1;
            }
            lock(&self.callers).extend(sessions);
            self.called.notify_one();
            next = places.pop_first();
        }
    }

    async fn read(&self, hub: &Hub, after: u64, sessions: &[Arc<Session>]) {
        let (log, limit) = (self.log.clone(), hub.settings.log_page_entries);
        let page = match tokio::task::spawn_blocking(move || log.read(after, limit)).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => return self.failed(hub, &error).await,
            Err(_) => return self.failed(hub, "the read panicked").await,
        };
        if page.lost > 0 {
            hub.log_lost(page.lost);
        }
        let Page { entries, read_to, .. } = page;
        if read_to <= after {
            return sleep(RETRY).await; // told of before it can be read
        }
        let parcels: Vec<Arc<Parcel>> = entries
            .into_iter()
            .map(|entry| {
                Arc::new(Parcel {
                    topic: entry.topic.into(),
                    payload: entry.payload,
                    forward: entry.content_type.and_then(Forward::of_content_type),
                    retain: false,
                    expires_at_ms: None,
                })
            })
            .collect();
        // One round for each session, so that its messages and its new place are one write.
        for session in sessions {
            let mut round = Round::new(hub, true);
            (round.exempt, round.ours) = (true, true);
            round.limits.exempt = usize::MAX; // it is read for while few wait
            session.read((after, read_to), &parcels, self.by_name, &mut round);
            round.finish(hub, || {});
        }
    }

    async fn failed(&self, hub: &Hub, error: &str) {
        if let Some(muted) = hub.gates.log.pass() {
            error!(error, muted, "the log cannot be read for subscribers; their messages are late, it is tried again");
        }
        sleep(RETRY).await;
    }
}

/// Whether some topic matches both filters.
fn overlap(a: &str, b: &str) -> bool {
    if (a.starts_with('$') && b.starts_with(['#', '+'])) || (b.starts_with('$') && a.starts_with(['#', '+'])) {
        return false;
    }
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(one), Some(other)) if one == other || one == "+" || other == "+" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_overlap_where_a_topic_matches_both() {
        for (a, b, expected) in [
            ("feed/v1/#", "#", true),
            ("feed/v1/#", "feed/+/x/#", true),
            ("feed/v1/#", "feed", false),
            ("feed/v1/#", "feed/v1", true),
            ("feed/v1/#", "feed/v2/#", false),
            ("feed/v1/#", "+/v1/a", true),
            ("feed/v1/#", "down/#", false),
            ("$feed/#", "#", false),
        ] {
            assert_eq!(overlap(a, b), expected, "{a} and {b}");
            assert_eq!(overlap(b, a), expected, "{b} and {a}");
        }
    }
}
