//! One connection to a broker, made again whenever it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use broker::{Lane, Outlets};
use futures::{FutureExt as _, StreamExt as _};
use metrics::{Counter, Gauge, Histogram};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::BackOff;
use crate::brake::Brake;
use crate::connection::life::Life;
use crate::health::Line;
use crate::lock;
use crate::settings::Mqtt;
use crate::wire::{self, Heard};

mod life;

/// Which lane a topic takes.
pub(crate) type Routing = Arc<dyn Fn(&str) -> Lane + Send + Sync>;
/// Milliseconds since the epoch.
pub(crate) type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a connection works with.
pub(crate) struct Connection {
    pub(crate) settings: Arc<Mqtt>,
    pub(crate) number: usize,
    pub(crate) identity: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) outlets: Outlets,
    pub(crate) route: Routing,
    pub(crate) now_ms: Now,
    pub(crate) line: Arc<Line>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) stop: CancellationToken,
    pub(crate) bad_topics: std::sync::Mutex<Brake>,
}

/// Handles on a broker's metrics, taken once.
pub(crate) struct Meters {
    connected: Gauge,
    unacknowledged: Gauge,
    connects: Counter,
    failures: Counter,
    urgent: Counter,
    normal: Counter,
    dropped_full: Counter,
    dropped_topic: Counter,
    lag: Histogram,
}

impl Meters {
    pub(crate) fn new(name: &str) -> Meters {
        let source = name.to_owned();
        let counter = |metric, key: &'static str, value: &'static str| metrics::counter!(metric, "source" => source.clone(), key => value);
        let meters = Meters {
            connected: metrics::gauge!("fenghuo_source_connected", "source" => source.clone()),
            unacknowledged: metrics::gauge!("fenghuo_source_unacknowledged", "source" => source.clone()),
            connects: metrics::counter!("fenghuo_source_connects_total", "source" => source.clone()),
            failures: metrics::counter!("fenghuo_source_connections_failed_total", "source" => source.clone()),
            urgent: counter("fenghuo_source_messages_total", "lane", "urgent"),
            normal: counter("fenghuo_source_messages_total", "lane", "normal"),
            dropped_full: counter("fenghuo_source_messages_dropped_total", "reason", "lane_full"),
            dropped_topic: counter("fenghuo_source_messages_dropped_total", "reason", "topic_invalid"),
            lag: metrics::histogram!("fenghuo_source_commit_seconds", "source" => source.clone()),
        };
        meters.connected.set(0.0);
        meters
    }
}

/// Why a connection's life ended.
enum Ended {
    /// As told, with nothing left behind.
    Stopped,
    /// By this, which says what to do.
    Failed(String),
}

impl Connection {
    /// Stays connected until told to stop.
    pub(crate) async fn run(self) {
        let settings = &self.settings;
        let mut back_off = BackOff::new(settings.back_off_min_ms, settings.back_off_max_ms);
        let mut brake = Brake::default();
        loop {
            let mut subscribed_at = None;
            // rumqttc and this module may have a bug; it costs the connection and not the source
            let ended = AssertUnwindSafe(self.live(&mut subscribed_at)).catch_unwind().await;
            if subscribed_at.is_some() {
                self.meters.connected.decrement(1.0);
            }
            let why = match ended {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Failed(why)) => why,
                Err(_) => {
                    tracing::error!(
                        source = settings.name,
                        connection = self.number,
                        "a bug of ours ended the connection: it is made again and the broker sends again what was not \
                         acknowledged; report the panic in this log"
                    );
                    "a bug of ours ended the connection".to_owned()
                }
            };
            self.line.down(&why);
            self.meters.failures.increment(1);
            let steady = Duration::from_millis(settings.back_off_max_ms);
            if subscribed_at.is_some_and(|at: Instant| at.elapsed() >= steady) {
                back_off.reset();
                brake.release();
            }
            let wait = back_off.wait();
            if let Some(muted) = brake.pass(&why) {
                tracing::warn!(
                    source = settings.name,
                    connection = self.number,
                    broker = %format_args!("{}:{}", settings.host, settings.port),
                    muted,
                    again_in_ms = wait.as_millis() as u64,
                    "no device traffic from this broker: {why}"
                );
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn live(&self, subscribed_at: &mut Option<Instant>) -> Ended {
        let (settings, client_id) = (Arc::clone(&self.settings), Arc::clone(&self.client_id));
        // reads files
        let opened = tokio::task::spawn_blocking(move || wire::open(&settings, &client_id)).await;
        let (client, mut events) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(why)) => return Ended::Failed(why),
            Err(error) => return Ended::Failed(format!("a bug of ours: {error}")),
        };
        let mut life = Life::new(self, client);
        let deadline = tokio::time::sleep(Duration::from_millis(self.settings.connect_deadline_ms));
        tokio::pin!(deadline);
        loop {
            let (reading, handing, leaving) = (life.may_read(), life.may_hand_on(), life.is_leaving());
            let answers = Arc::clone(life.answers());
            let step = tokio::select! {
                biased;
                () = answers.changed() => life.settle(),
                sent = life.sent() => sent,
                heard = events.next(), if reading => match heard {
                    Some(Ok(heard)) => self.hear(heard, &mut life, subscribed_at),
                    Some(Err(why)) => Err(why),
                    None => Err("the connection ended".to_owned()),
                },
                () = std::future::ready(()), if handing => {
                    life.hand_on();
                    Ok(())
                }
                () = self.stop.cancelled(), if !leaving => {
                    if subscribed_at.is_none() {
                        return Ended::Stopped;
                    }
                    life.leave();
                    deadline.as_mut().reset(Instant::now() + Duration::from_millis(self.settings.drain_deadline_ms));
                    Ok(())
                }
                () = &mut deadline, if leaving || subscribed_at.is_none() => {
                    // what waits for us may be sent before the answer to our subscription
                    if leaving || !life.has_heard() {
                        Err(TOO_LATE.to_owned())
                    } else {
                        let more = Duration::from_millis(self.settings.connect_deadline_ms);
                        deadline.as_mut().reset(Instant::now() + more);
                        Ok(())
                    }
                }
            };
            let over = step.is_err() || life.step_out();
            if over && life.is_leaving() {
                life.tell_what_is_left();
                return Ended::Stopped;
            }
            if let Err(why) = step {
                return Ended::Failed(why);
            }
        }
    }

    fn hear(&self, heard: Heard, life: &mut Life<'_>, subscribed_at: &mut Option<Instant>) -> Result<(), String> {
        match heard {
            Heard::Publish(taken) => return life.take(taken),
            Heard::Acknowledged => return life.acknowledged(),
            Heard::Connected { session_present } => {
                tracing::debug!(source = self.settings.name, connection = self.number, session_present, "connected");
                return life.subscribe(session_present);
            }
            Heard::Subscribed(Ok(())) if subscribed_at.is_none() => {
                *subscribed_at = Some(Instant::now());
                self.line.up();
                self.meters.connected.increment(1.0);
                self.meters.connects.increment(1);
                tracing::info!(
                    source = self.settings.name,
                    connection = self.number,
                    filters = ?self.settings.subscriptions(self.number),
                    "subscribed to device traffic"
                );
            }
            Heard::Subscribed(Ok(())) | Heard::Other => {}
            Heard::Subscribed(Err(code)) => {
                let filters = self.settings.subscriptions(self.number).join(", ");
                return Err(format!(
                    "the broker refused the subscription to {filters}: {code}; let our user subscribe to it there \
                     (a broker without shared subscriptions needs connections = 1)"
                ));
            }
            Heard::Left => life.gone(),
        }
        Ok(())
    }

    /// A topic that is no topic: it says so at most once a minute.
    fn topic_invalid(&self, topic: &[u8], why: &str) {
        self.meters.dropped_topic.increment(1);
        if let Some(muted) = lock(&self.bad_topics).pass(why) {
            tracing::warn!(
                source = self.settings.name,
                topic = %topic.escape_ascii(),
                muted,
                "the broker passed on a message that cannot be read, it is left out: {why}; find who published it there"
            );
        }
    }
}

const TOO_LATE: &str = "the broker did not answer within connect_deadline_ms: is it an MQTT broker, is it overloaded?";
