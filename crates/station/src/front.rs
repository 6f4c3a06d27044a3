//! What the listener keeps and what it serves from a log: the store's records for its sessions, the ledger's feed for
//! `feed/v1/{township}/{village}/{grid}/{alert}`.

use std::sync::Arc;

use broker::{Broker, Change, LogEntry, Page, Subscribed, TopicFilter, VaultError};
use command_centre::{ClientConnection, ClientSession, View};
use model::{Cursor, Ledger, Level, RegionCode};
use store::{FrontChange, Store};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// The listener's records, beside the journal in one store.
pub struct Kept(pub Arc<Store>);

impl broker::Vault for Kept {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), VaultError> {
        self.0.front_load(each).map_err(|error| VaultError(error.to_string()))
    }

    fn write(&self, changes: &[Change]) -> Result<(), VaultError> {
        let changes: Vec<FrontChange<'_>> =
            changes.iter().map(|change| (&*change.key, change.value.as_deref())).collect();
        self.0.front_write(&changes).map_err(|error| VaultError(error.to_string()))
    }
}

/// Root of the feed's topics.
const FEED: &str = "feed/v1";

/// The filter of a region's part of the feed: `feed/v1/{township}/{village}/{grid}/#` as far down as the region goes, all of it
/// for none.
pub fn feed_filter(scope: Option<RegionCode>) -> String {
    let levels = [Level::Township, Level::Village, Level::Grid];
    let known = levels.iter().map_while(|level| scope.and_then(|scope| scope.at(*level)));
    let path: String = known.map(|code| format!("{code}/")).collect();
    format!("{FEED}/{path}#")
}

/// The feed's alert events.
pub struct AlertLog {
    filter: TopicFilter,
    view: Arc<View>,
    ledger: Arc<dyn Ledger>,
}

impl AlertLog {
    pub fn new(view: Arc<View>, ledger: Arc<dyn Ledger>) -> AlertLog {
        let filter = TopicFilter::parse(&feed_filter(None)).expect("a filter that a test parses");
        AlertLog { filter, view, ledger }
    }
}

impl broker::Log for AlertLog {
    fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    fn newest(&self) -> watch::Receiver<Cursor> {
        self.view.follow()
    }

    fn read(&self, after: Cursor, limit: usize) -> Result<Page, String> {
        let page = self.view.page(&*self.ledger, after, limit).map_err(|error| error.to_string())?;
        let entry = |event: command_centre::AlertEvent| {
            let (township, village) = (event.grid.at(Level::Township)?, event.grid.at(Level::Village)?);
            let topic = format!("{FEED}/{township}/{village}/{}/{}", event.grid, event.alert).into();
            Some(LogEntry { number: event.cursor, topic, payload: event.json, content_type: Some("application/json") })
        };
        Ok(Page {
            entries: page.alerts.into_iter().filter_map(entry).collect(),
            read_to: page.read_to,
            lost: page.lost,
        })
    }
}

/// Who is at the listener, for the API.
pub struct Clients(pub Broker);

impl command_centre::Clients for Clients {
    fn page(&self, after: Option<&str>, limit: usize) -> Vec<ClientSession> {
        let session = |client: broker::ClientInfo| ClientSession {
            client_id: client.client_id,
            identity: client.identity,
            connection: client.connection.map(|connection| ClientConnection {
                class: connection.class,
                peer: connection.peer,
                since_ms: connection.since_ms,
            }),
            v5: client.v5,
            session_expiry_s: client.session_expiry_s,
            waiting: client.waiting,
            in_flight: client.in_flight,
            subscriptions: client.subscriptions,
        };
        self.0.clients(after, limit).into_iter().map(session).collect()
    }

    fn disconnect(&self, client_id: &str) -> bool {
        self.0.disconnect(client_id)
    }
}

/// Tells the dispatcher of each person who begins to listen, until the listener is gone or nobody asks for it any more.
pub async fn tell_listening(mut subscribed: Receiver<Subscribed>, dispatcher: dispatcher::Handle) {
    loop {
        match subscribed.recv().await {
            Ok(Subscribed { filter, .. }) => {
                let person = filter.strip_prefix("people/v1/").and_then(|rest| rest.split('/').next());
                if let Some(person) = person {
                    dispatcher.listens(person);
                }
            }
            // whoever was missed is reached by the next try
            Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "subscriptions went by unseen"),
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use broker::{Log as _, Vault as _};
    use model::{
        Alert, AlertId, Colour, Commit, Family, FeedEvent, FeedKind, Journal as _, LedgerBatch, Roster, UnitId,
    };

    use super::*;

    fn store(folder: &tempfile::TempDir) -> Arc<Store> {
        Arc::new(Store::open(folder.path(), store::Settings::default()).expect("opens"))
    }

    #[test]
    fn the_vault_gives_back_what_it_took() {
        let folder = tempfile::tempdir().expect("temp folder");
        let change = |key: &str, value: Option<&str>| Change {
            key: key.as_bytes().into(),
            value: value.map(|value| value.as_bytes().into()),
        };
        let vault = Kept(store(&folder));
        vault.write(&[change("b", Some("1")), change("a", Some("2")), change("c", Some("3"))]).expect("written");
        vault.write(&[change("c", None), change("b", Some("4"))]).expect("written");
        drop(vault);
        let mut kept = BTreeMap::new();
        Kept(store(&folder)).load(&mut |key, value| drop(kept.insert(key.to_vec(), value.to_vec()))).expect("read");
        let expected =
            [("a", "2"), ("b", "4")].map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()));
        assert_eq!(kept, expected.into());
    }

    /// A commit with two events, one of them of an alert.
    fn tell(store: &Store, view: &View, epoch: u64) {
        store.append(&Commit { epoch, ..Commit::default() }, &[], &[]).expect("appended");
        let id = AlertId { epoch, unit: UnitId(0), family: Family::Fire };
        let grid = "331083001001001".parse().expect("valid");
        let alert = Alert::new(id, Colour::Red, grid, epoch);
        let event = |cursor, alert: Option<&Alert>| {
            let kind = if alert.is_some() { FeedKind::AlertRaised } else { FeedKind::UnitColour };
            let alert = alert.map(|alert| Box::new(alert.summary()));
            Arc::new(FeedEvent {
                cursor,
                epoch,
                at_ms: epoch,
                kind,
                grid,
                alert,
                unit: None,
                detail: None,
                order: None,
            })
        };
        let feed = vec![event(2 * epoch - 1, Some(&alert)), event(2 * epoch, None)];
        let batch = LedgerBatch { epoch, at_ms: epoch, feed, ..LedgerBatch::default() };
        store.commit(&batch).expect("committed");
        view.apply(&batch, &Arc::new(Roster::default()), &[]);
    }

    /// Reads the log to its end; what was lost is counted in `lost`.
    fn read_all(log: &AlertLog, mut after: u64, limit: usize, lost: &AtomicUsize) -> Vec<LogEntry> {
        let mut entries = Vec::new();
        loop {
            let page = log.read(after, limit).expect("read");
            lost.fetch_add(page.lost as usize, Ordering::Relaxed);
            if page.read_to == after {
                return entries;
            }
            assert!(page.entries.iter().all(|entry| (after + 1..=page.read_to).contains(&entry.number)));
            entries.extend(page.entries);
            after = page.read_to;
        }
    }

    #[test]
    fn the_log_has_every_alert_event_from_memory_and_from_the_disk() {
        let folder = tempfile::tempdir().expect("temp folder");
        let settings = store::Settings { feed_events_max: 30, ..store::Settings::default() };
        let store = Arc::new(Store::open(folder.path(), settings).expect("opens"));
        let http = command_centre::Settings { feed_ring_events: 10, ..command_centre::Settings::default() };
        let view = Arc::new(View::load(&*store, Arc::default(), &http).expect("loads"));
        let log = AlertLog::new(Arc::clone(&view), Arc::clone(&store) as _);
        let newest = log.newest();
        assert_eq!(*newest.borrow(), 0);
        for epoch in 1..=20 {
            tell(&store, &view, epoch);
        }
        assert_eq!(*newest.borrow(), 40);
        let lost = AtomicUsize::new(0);
        for limit in [1, 3, 7, 1_000] {
            let entries = read_all(&log, 0, limit, &lost);
            let expected: Vec<u64> = (1..=20).map(|epoch| 2 * epoch - 1).collect();
            assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), expected);
            let last = entries.last().expect("there are some");
            assert_eq!(&*last.topic, "feed/v1/331083001/331083001001/331083001001001/fire-0-20");
            assert!(log.filter().matches(&last.topic));
            let json: serde_json::Value = serde_json::from_slice(&last.payload).expect("JSON");
            assert_eq!((&json["cursor"], &json["type"]), (&39.into(), &"alert.raised".into()));
            assert_eq!(json["alert"]["id"], "fire-0-20");
        }
        assert_eq!(lost.load(Ordering::Relaxed), 0);
        assert!(log.read(40, 10).expect("read").entries.is_empty());
        // what retention took is told
        assert_eq!(store.retain(0, 1).expect("trimmed").events, 10);
        assert_eq!(read_all(&log, 0, 5, &lost).len(), 15);
        assert_eq!(lost.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_region_has_its_part_of_the_feed() {
        let filter = |code: &str| feed_filter(code.parse().ok());
        assert_eq!(filter("331083"), "feed/v1/#");
        assert_eq!(filter("331083001001"), "feed/v1/331083001/331083001001/#");
        assert_eq!(filter("331083001001001"), "feed/v1/331083001/331083001001/331083001001001/#");
        assert_eq!(feed_filter(None), "feed/v1/#");
    }
}
