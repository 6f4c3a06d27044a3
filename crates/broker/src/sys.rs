//! What the listener tells about itself: `$SYS/broker/…`, under the names that users of other brokers know, and the gauges
//! that take a look at every session.
//!
//! Values are text. Those that changed are published to who is subscribed and connected, at QoS 0, and are retained in
//! memory. "Messages" are publishes: other packets are not counted. The maximum is that of the moments looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::hub::Hub;
use crate::lock;
use crate::outbound::Parcel;
use crate::relay::Round;

/// Gauges are set so often where nothing is published.
const GAUGES_EVERY: Duration = Duration::from_secs(10);
/// Sessions looked at between two pauses for others.
const SESSIONS_AT_A_TIME: usize = 1_000;
const VERSION: &str = concat!("fenghuo version ", env!("CARGO_PKG_VERSION"));

/// Looks and tells until the listener drains.
pub(crate) async fn run(hub: Arc<Hub>) {
    let every_s = u64::from(hub.settings.sys_every_s);
    let mut due = interval(if every_s == 0 { GAUGES_EVERY } else { Duration::from_secs(every_s) });
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut teller =
        Teller { begun: Instant::now(), connected_max: 0, told: BTreeMap::new(), itself: Arc::from("$SYS") };
    loop {
        tokio::select! {
            () = hub.draining.cancelled() => return,
            _ = due.tick() => {}
        }
        let seen = look(&hub).await;
        gauges(&seen);
        if every_s > 0 {
            teller.tell(&hub, &seen);
        }
    }
}

/// What a look at every session saw.
#[derive(Debug, Default)]
struct Seen {
    sessions: usize,
    connected: BTreeMap<&'static str, usize>,
    subscriptions: usize,
    waiting: usize,
}

async fn look(hub: &Hub) -> Seen {
    let mut seen = Seen::default();
    let mut after: Option<Arc<str>> = None;
    loop {
        let page = hub.registry.page(after.as_deref(), SESSIONS_AT_A_TIME);
        for session in &page {
            let state = lock(&session.state);
            seen.sessions += 1;
            seen.subscriptions += state.subscriptions.len();
            seen.waiting += state.outgoing.waiting() + state.outgoing.in_flight();
            if let Some(card) = &state.card {
                *seen.connected.entry(card.class).or_default() += 1;
            }
        }
        match page.last() {
            Some(last) if page.len() == SESSIONS_AT_A_TIME => after = Some(last.client_id.clone()),
            _ => return seen,
        }
        tokio::task::yield_now().await;
    }
}

fn gauges(seen: &Seen) {
    for (class, connected) in &seen.connected {
        metrics::gauge!("fenghuo_broker_class_connections", "class" => *class).set(*connected as f64);
    }
    metrics::gauge!("fenghuo_broker_subscriptions").set(seen.subscriptions as f64);
    metrics::gauge!("fenghuo_broker_messages_waiting").set(seen.waiting as f64);
}

struct Teller {
    begun: Instant,
    connected_max: usize,
    /// What was told last, by topic.
    told: BTreeMap<&'static str, String>,
    itself: Arc<str>,
}

impl Teller {
    fn tell(&mut self, hub: &Hub, seen: &Seen) {
        let mut round = Round::new(hub, false);
        for (topic, value) in self.values(hub, seen) {
            if self.told.get(topic) == Some(&value) {
                continue;
            }
            let parcel = Arc::new(Parcel {
                topic: Arc::from(topic),
                payload: Bytes::from(value.clone()),
                forward: None,
                retain: true,
                expires_at_ms: None,
            });
            // Full of what clients have retained, it is told to those who listen now alone.
            drop(lock(&hub.retained).set(&parcel, 0, &self.itself));
            hub.spread(&parcel, 0, None, None, &mut round);
            self.told.insert(topic, value);
        }
        round.finish(hub, || ());
    }

    fn values(&mut self, hub: &Hub, seen: &Seen) -> Vec<(&'static str, String)> {
        let counts = hub.meters.counts();
        let connected: usize = seen.connected.values().sum();
        self.connected_max = self.connected_max.max(connected);
        let retained = lock(&hub.retained).len();
        let received = counts.publishes_urgent + counts.publishes_normal + counts.publishes_relayed;
        let dropped = counts.shed + counts.forbidden + counts.topic_invalid + counts.undelivered;
        let mut values: Vec<(&'static str, String)> = vec![
            ("$SYS/broker/version", VERSION.to_owned()),
            ("$SYS/broker/uptime", format!("{} seconds", self.begun.elapsed().as_secs())),
        ];
        let numbers = [
            ("$SYS/broker/clients/total", seen.sessions as u64),
            ("$SYS/broker/clients/connected", connected as u64),
            ("$SYS/broker/clients/disconnected", seen.sessions.saturating_sub(connected) as u64),
            ("$SYS/broker/clients/maximum", self.connected_max as u64),
            ("$SYS/broker/clients/expired", counts.expired),
            ("$SYS/broker/messages/received", received),
            ("$SYS/broker/messages/sent", counts.delivered),
            ("$SYS/broker/messages/stored", (seen.waiting + retained) as u64),
            ("$SYS/broker/publish/messages/received", received),
            ("$SYS/broker/publish/messages/sent", counts.delivered),
            ("$SYS/broker/publish/messages/dropped", dropped),
            ("$SYS/broker/bytes/received", counts.bytes_received),
            ("$SYS/broker/bytes/sent", counts.bytes_sent),
            ("$SYS/broker/retained messages/count", retained as u64),
            ("$SYS/broker/subscriptions/count", seen.subscriptions as u64),
        ];
        values.extend(numbers.map(|(topic, number)| (topic, number.to_string())));
        values
    }
}
