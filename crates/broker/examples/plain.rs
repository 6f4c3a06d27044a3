//! A plain MQTT broker in memory: everybody may come in and say everything to everybody. For conformance suites.
//!
//! `cargo run --release -p broker --example plain -- 127.0.0.1:1883`

use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use broker::{Access, Grant, Login, Parts, Refusal, Route, Settings, TopicFilter};

struct Open;

impl Access for Open {
    fn authenticate(&self, _: &Login<'_>) -> Result<Grant, Refusal> {
        let filters = |texts: &[&str]| -> Result<Arc<[TopicFilter]>, Refusal> {
            texts.iter().map(|text| TopicFilter::parse(text).map_err(|_| Refusal::Busy)).collect()
        };
        let (publish, subscribe) = (filters(&["#"])?, filters(&["#", "$SYS/#"])?);
        Ok(Grant { identity: "all".into(), class: "client", publish, subscribe, retain: true })
    }

    fn route(&self, _: &str) -> Route {
        Route::Relay
    }

    #[allow(clippy::disallowed_methods)] // this program is its own clock
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1883".to_owned()).parse()?;
    let settings = Settings { listen, ..Settings::default() };
    let (broker, mut inlets) = broker::start(settings, Parts::new(Arc::new(Open))).await?;
    let events = tokio::spawn(async move { while inlets.sessions.recv().await.is_some() {} });
    tokio::signal::ctrl_c().await?;
    broker.shutdown().await;
    events.await?;
    Ok(())
}
