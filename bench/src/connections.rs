//! Many connections held by one process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::mqtt::{self, put_publish, take_pubacks};
use crate::report::{Section, thousands};
use crate::rig::Rig;

/// Handshakes under way at once.
const AT_ONCE: usize = 200;

pub async fn run(rig: &Rig, connections: usize) -> Result<Section> {
    let memory_before = rig.resident_bytes();
    let mut vendors: Vec<_> = rig.logins.keys().cloned().collect();
    vendors.sort();
    let begun = Instant::now();
    let opening = stream::iter(0..connections).map(|number| {
        let login = rig.logins[&vendors[number % vendors.len()]].clone();
        async move {
            let host = 1 + u8::try_from(number / 3_000).unwrap_or(u8::MAX);
            mqtt::connect(rig.mqtt, host, &format!("held-{number}"), &login, 600)
                .await
                .with_context(|| format!("connection {number}"))
        }
    });
    let held: Vec<_> = opening.buffered(AT_ONCE).collect().await;
    let mut held = held.into_iter().collect::<Result<Vec<_>>>()?;
    let opened = begun.elapsed();
    let counted = rig.counter("fenghuo_broker_connections").await?;
    if counted < connections as u64 {
        bail!("{connections} opened, the station counts {counted}");
    }
    let memory = rig.resident_bytes().saturating_sub(memory_before);

    // every hundredth says something and is answered: they are alive, not only open
    let vendor = &vendors[0];
    let device = rig.devices.iter().find(|device| device.vendor == *vendor).context("the vendor has a device")?;
    let topic = format!("fire/v1/{vendor}/{}/state", device.name);
    let mut answered = 0;
    for stream in held.iter_mut().step_by(vendors.len() * 100) {
        let (mut out, mut taken) = (Vec::new(), Vec::new());
        put_publish(&mut out, &topic, 1, b"{\"state\":\"online\"}");
        stream.write_all(&out).await?;
        let mut got = false;
        while !got {
            let read = tokio::time::timeout(Duration::from_secs(10), stream.read_buf(&mut taken)).await;
            if read.context("no acknowledgement within 10 s")?? == 0 {
                bail!("the station closed a held connection");
            }
            take_pubacks(&mut taken, |_| got = true)?;
        }
        answered += 1;
    }
    drop(held);
    let mut section = Section::new("Connections held by one process");
    section.line(format!(
        "**{} connections**, opened and logged in within {:.1} s ({}/s)",
        thousands(connections as f64),
        opened.as_secs_f64(),
        thousands(connections as f64 / opened.as_secs_f64())
    ));
    section.line(format!(
        "{:.1} KiB of resident memory each; {answered} of them published and were acknowledged",
        memory as f64 / 1024.0 / connections as f64
    ));
    Ok(section)
}
