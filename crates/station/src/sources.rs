//! Device traffic from brokers that are there already: the way from them into ingest.

use std::sync::Arc;

use anyhow::{Context, Result};
use broker::Broker;
use model::Clock;

use crate::config::Config;

/// Connects to the brokers of `[source]`, in the background.
///
/// # Errors
/// Settings that cannot be used, or an embedded broker that gets no port.
pub fn start(config: &Config, broker: &Broker, clock: &Arc<dyn Clock>) -> Result<source::Sources> {
    let clock = Arc::clone(clock);
    source::start(source::Parts {
        settings: config.source.clone(),
        outlets: broker.outlets().context("the listener has ended")?,
        route: Arc::new(ingest::lane),
        now_ms: Arc::new(move || clock.now_ms()),
    })
    .context("starting the sources of device traffic")
}
