//! Alarms on a steady background: planned times, publish to PUBACK, publish to feed, each alarm exactly once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::Options;
use crate::feed::Feed;
use crate::mqtt::{self, put_publish, take_pubacks};
use crate::report::{Section, histogram, latencies, thousands};
use crate::rig::{Device, Rig};
use crate::throughput::telemetry;

/// Alarms come over connections of their own, as those of wireless detectors do; the background over 100 others.
const BACKGROUND_CONNECTIONS: usize = 100;

pub async fn run(rig: &Rig, options: &Options, duration: Duration) -> Result<Section> {
    let alarms = usize::try_from(options.alarms * duration.as_secs())?;
    let chosen = units_apart(rig, alarms, "load")?;
    let feed = Feed::open(rig, "load-").await?;
    let begin = Instant::now() + Duration::from_millis(200);
    let background = (0..BACKGROUND_CONNECTIONS)
        .map(|number| steady(rig, number, begin, options.background as f64 / BACKGROUND_CONNECTIONS as f64, duration));
    let gap = Duration::from_secs_f64(1.0 / options.alarms as f64);
    let (acknowledged, behind, feed) = tokio::try_join!(
        raise(rig, &chosen, begin, gap, "load"),
        try_join_all(background),
        feed.collect(alarms, begin + duration + Duration::from_secs(30)),
    )?;

    let mut to_feed = histogram();
    let mut seen = HashMap::new();
    for (id, at) in &feed {
        *seen.entry(id.as_str()).or_insert(0) += 1;
        let planned = begin + gap * u32::try_from(number_of(id).context("a foreign alarm id on the feed")?)?;
        to_feed.saturating_record((*at - planned).as_micros() as u64);
    }
    let missing = (0..alarms).filter(|n| !seen.contains_key(name(*n).as_str())).count();
    let doubled = seen.values().filter(|times| **times > 1).count();
    if missing + doubled > 0 {
        bail!("of {alarms} acknowledged alarms {missing} never came on the feed and {doubled} came more than once");
    }
    let mut readings = histogram();
    for of_one in behind {
        readings.add(of_one)?;
    }
    let mut section = Section::new("Alarm latency behind a steady background, open loop");
    section.line(format!(
        "{} readings' messages/s behind {} alarms/s, {} s",
        thousands(options.background as f64),
        options.alarms,
        duration.as_secs()
    ));
    section.line(format!("alarm planned → PUBACK: {}", latencies(&acknowledged)));
    section.line(format!("**alarm planned → feed event received**: {}", latencies(&to_feed)));
    section.line(format!("telemetry planned → PUBACK: {}", latencies(&readings)));
    section.line(format!(
        "{alarms} alarms sent = acknowledged = on the feed, each once; {} telemetry messages acknowledged",
        thousands(readings.len() as f64)
    ));
    Ok(section)
}

fn name(number: usize) -> String {
    format!("load-{number}")
}

fn number_of(id: &str) -> Option<usize> {
    id.strip_prefix("load-")?.parse().ok()
}

/// One smoke or heat detector each of as many different units.
pub fn units_apart<'a>(rig: &'a Rig, alarms: usize, phase: &str) -> Result<Vec<&'a Device>> {
    let mut units = HashSet::new();
    // phases take turns in the city's units, so that none finds an alert of another
    let (turn, of) = (usize::from(phase == "storm"), 2);
    let detectors = rig.devices.iter().filter(|device| device.class == "smoke" || device.class == "heat");
    let apart = detectors.filter(|device| units.insert(&device.unit));
    let chosen: Vec<&Device> = apart.skip(turn).step_by(of).take(alarms).collect();
    if chosen.len() < alarms {
        bail!("the city has detectors in {} units only: fewer seconds or alarms, or a larger scale", chosen.len());
    }
    Ok(chosen)
}

/// Publishes each alarm at its planned time; times from then to PUBACK.
pub async fn raise(
    rig: &Rig,
    devices: &[&Device],
    begin: Instant,
    gap: Duration,
    phase: &str,
) -> Result<Histogram<u64>> {
    let mut by_vendor: HashMap<&str, Vec<(usize, &Device)>> = HashMap::new();
    for (number, device) in devices.iter().enumerate() {
        by_vendor.entry(&device.vendor).or_default().push((number, device));
    }
    let each = by_vendor.into_iter().map(|(vendor, alarms)| async move {
        let login = rig.logins.get(vendor).with_context(|| format!("no login for vendor {vendor}"))?;
        let stream = mqtt::connect(rig.mqtt, 1, &format!("{phase}-alarms-{vendor}"), login, 60).await?;
        let plan = alarms.into_iter().map(|(number, device)| {
            let topic = format!("fire/v1/{}/{}/alarm", device.vendor, device.name);
            let payload = format!(
                "{{\"id\":\"{}\",\"kind\":\"smoke\",\"active\":true,\"value\":0.18,\"unit\":\"dB/m\"}}",
                format_args!("{phase}-{number}")
            );
            (begin + gap * number as u32, topic, payload.into_bytes())
        });
        scheduled(stream, plan).await
    });
    let mut all = histogram();
    for of_one in try_join_all(each).await? {
        all.add(of_one)?;
    }
    Ok(all)
}

/// Telemetry at a steady rate over one connection.
async fn steady(rig: &Rig, number: usize, begin: Instant, rate: f64, duration: Duration) -> Result<Histogram<u64>> {
    let mut vendors: Vec<_> = rig.logins.keys().collect();
    vendors.sort();
    let vendor = vendors[number % vendors.len()];
    let topics: Vec<String> = rig
        .devices
        .iter()
        .filter(|device| device.vendor == *vendor)
        .skip(number / vendors.len())
        .step_by(BACKGROUND_CONNECTIONS.div_ceil(vendors.len()))
        .map(|device| format!("fire/v1/{}/{}/telemetry", device.vendor, device.name))
        .collect();
    let stream = mqtt::connect(rig.mqtt, 1, &format!("behind-{number}"), &rig.logins[vendor], 60).await?;
    let gap = Duration::from_secs_f64(1.0 / rate);
    let messages = (duration.as_secs_f64() * rate) as u64;
    // connections start within one gap of each other, not all at once
    let offset = gap.mul_f64(number as f64 / BACKGROUND_CONNECTIONS as f64);
    let plan = (0..messages).map(|message| {
        let mut payload = Vec::with_capacity(128);
        // continues far above the counts of an earlier phase
        telemetry(&mut payload, 1_000_000 + message / topics.len() as u64, message);
        (begin + offset + gap.mul_f64(message as f64), topics[message as usize % topics.len()].clone(), payload)
    });
    scheduled(stream, plan).await
}

/// Publishes each message at its planned time, whatever is still unanswered; times from plan to PUBACK.
pub async fn scheduled(
    stream: tokio::net::TcpStream,
    plan: impl Iterator<Item = (Instant, String, Vec<u8>)>,
) -> Result<Histogram<u64>> {
    let (mut from, mut to) = stream.into_split();
    let mut times = histogram();
    let mut waiting: HashMap<u16, Instant> = HashMap::new();
    let mut plan = plan.peekable();
    let (mut out, mut taken) = (Vec::new(), Vec::new());
    let mut packet_id = 0u16;
    loop {
        let now = Instant::now();
        while let Some((at, topic, payload)) = plan.next_if(|(at, ..)| *at <= now) {
            packet_id = packet_id % 60_000 + 1;
            if waiting.insert(packet_id, at).is_some() {
                bail!("60,000 publishes unanswered on one connection");
            }
            put_publish(&mut out, &topic, packet_id, &payload);
        }
        if !out.is_empty() {
            to.write_all(&out).await?;
            out.clear();
        }
        let next = match plan.peek() {
            Some((at, ..)) => *at,
            None if waiting.is_empty() => break,
            None => now + Duration::from_secs(30),
        };
        tokio::select! {
            read = from.read_buf(&mut taken) => {
                if read? == 0 { bail!("the station closed the connection"); }
                let now = Instant::now();
                take_pubacks(&mut taken, |id| if let Some(planned) = waiting.remove(&id) {
                    times.saturating_record((now - planned).as_micros() as u64);
                })?;
            }
            () = tokio::time::sleep_until(next) => {
                if plan.peek().is_none() { bail!("{} publishes were never acknowledged", waiting.len()); }
            }
        }
    }
    to.write_all(&[0xE0, 0]).await?;
    Ok(times)
}
