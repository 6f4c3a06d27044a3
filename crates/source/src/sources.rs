//! All sources together.

use std::sync::Arc;
use std::time::Duration;

use broker::Outlets;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Meters, Now, Routing};
use crate::embedded::{self, EmbeddedError, Running};
use crate::health::{Health, Line};
use crate::settings::{Mqtt, Settings, SettingsError};

/// What the sources work with.
pub struct Parts {
    /// Which brokers.
    pub settings: Settings,
    /// Where batches go.
    pub outlets: Outlets,
    /// Which lane a topic takes.
    pub route: Arc<dyn Fn(&str) -> broker::Lane + Send + Sync>,
    /// Milliseconds since the epoch, stamped on each message when it is read.
    pub now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// Why the sources did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The embedded broker did not start.
    #[error("{0}")]
    Embedded(#[from] EmbeddedError),
}

/// Running sources. Dropped without [`Sources::shutdown`], they end at once, and what was not acknowledged is sent again.
pub struct Sources {
    connections: JoinSet<()>,
    stop: CancellationToken,
    health: Health,
    embedded: Option<Running>,
}

/// Connects in the background, for as long as it takes. Install the metrics recorder before.
///
/// # Errors
/// See [`StartError`]. A broker that cannot be reached is none: see [`Sources::health`].
pub fn start(parts: Parts) -> Result<Sources, StartError> {
    let Parts { settings, outlets, route, now_ms } = parts;
    settings.check()?;
    let (stop, mut connections, mut lines) = (CancellationToken::new(), JoinSet::new(), Vec::new());
    for settings in settings.mqtt {
        for connection in connect(settings, &outlets, &route, &now_ms, &stop) {
            lines.push(Arc::clone(&connection.line));
            connections.spawn(connection.run());
        }
    }
    let mut embedded = None;
    if let Some(settings) = settings.embedded {
        let listen = settings.listen;
        for connection in connect(settings.client(), &outlets, &route, &now_ms, &stop) {
            lines.push(Arc::clone(&connection.line));
            let stop = stop.clone();
            connections.spawn(async move {
                embedded::listens(listen, &stop).await;
                connection.run().await;
            });
        }
        embedded = Some(embedded::start(settings)?);
    }
    Ok(Sources { connections, stop, health: Health::new(lines), embedded })
}

fn connect(
    settings: Mqtt,
    outlets: &Outlets,
    route: &Routing,
    now_ms: &Now,
    stop: &CancellationToken,
) -> Vec<Connection> {
    let meters = Arc::new(Meters::new(&settings.name));
    let identity: Arc<str> = format!("source:{}", settings.name).into();
    let settings = Arc::new(settings);
    let one = |number: usize| {
        let what = format!("source {}, connection {number} to {}:{}", settings.name, settings.host, settings.port);
        Connection {
            number,
            identity: Arc::clone(&identity),
            client_id: format!("{}-{}-{number}", settings.client_id, settings.name).into(),
            outlets: outlets.clone(),
            route: Arc::clone(route),
            now_ms: Arc::clone(now_ms),
            line: Arc::new(Line::new(what, Duration::from_millis(settings.unready_after_ms))),
            meters: Arc::clone(&meters),
            stop: stop.clone(),
            bad_topics: std::sync::Mutex::default(),
            settings: Arc::clone(&settings),
        }
    };
    (1..=settings.connections).map(one).collect()
}

impl Sources {
    /// How they are.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Takes nothing more, waits until everything taken in is committed and acknowledged, and disconnects without ending
    /// the sessions; each connection at the latest after its `drain_deadline_ms`.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.connections.join_next().await.is_some() {}
        if let Some(embedded) = self.embedded {
            embedded.shutdown().await;
        }
    }
}
