//! All clients cut at once come back, while alarms go on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream;
use tokio::net::TcpStream;

use crate::feed::Feed;
use crate::latency::{raise, units_apart};
use crate::mqtt;
use crate::report::{Section, latencies, thousands};
use crate::rig::Rig;

/// Handshakes under way at once.
const AT_ONCE: usize = 500;
/// Alarms a second while the storm lasts, over connections that were not cut and over some that were.
const ALARMS_PER_S: u64 = 50;
/// How long alarms are raised: before the cut, during the storm and after it.
const ALARMS_FOR: Duration = Duration::from_secs(10);

pub async fn run(rig: &Rig, connections: usize) -> Result<Section> {
    let held = open(rig, connections).await?;
    let alarms = usize::try_from(ALARMS_PER_S * ALARMS_FOR.as_secs())?;
    let chosen = units_apart(rig, alarms, "storm")?;
    let feed = Feed::open(rig, "storm-").await?;
    let begin = tokio::time::Instant::now() + Duration::from_millis(200);
    let gap = Duration::from_secs_f64(1.0 / ALARMS_PER_S as f64);
    let storm = async {
        tokio::time::sleep_until(begin + Duration::from_secs(1)).await;
        let begun = Instant::now();
        drop(held);
        let back = open(rig, connections).await?;
        Ok((back, begun.elapsed()))
    };
    let (acknowledged, (back, took), seen) = tokio::try_join!(
        raise(rig, &chosen, begin, gap, "storm"),
        storm,
        feed.collect(alarms, begin + ALARMS_FOR + Duration::from_secs(30)),
    )?;
    anyhow::ensure!(seen.len() == alarms, "of {alarms} acknowledged alarms {} came on the feed", seen.len());
    let mut section = Section::new("Reconnect storm");
    section.line(format!(
        "**{} connections cut at once were back within {:.1} s** ({} CONNECTs/s, passwords checked)",
        thousands(back.len() as f64),
        took.as_secs_f64(),
        thousands(back.len() as f64 / took.as_secs_f64())
    ));
    section.line(format!(
        "{alarms} alarms before, during and after it: planned → PUBACK {}; each once on the feed",
        latencies(&acknowledged)
    ));
    Ok(section)
}

async fn open(rig: &Rig, connections: usize) -> Result<Vec<TcpStream>> {
    let mut vendors: Vec<_> = rig.logins.keys().collect();
    vendors.sort();
    let vendors = &vendors;
    let opening = stream::iter(0..connections).map(|number| async move {
        let login = &rig.logins[vendors[number % vendors.len()]];
        let host = 1 + u8::try_from(number / 3_000).unwrap_or(u8::MAX);
        let opened = mqtt::connect(rig.mqtt, host, &format!("storm-{number}"), login, 600).await;
        opened.with_context(|| format!("connection {number}"))
    });
    opening.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}
