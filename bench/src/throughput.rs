//! As many QoS 1 publishes as the station acknowledges, each connection with a fixed number in flight.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::mqtt::{self, Login, put_publish, take_pubacks};
use crate::report::{Section, histogram, latencies, thousands};
use crate::rig::Rig;

/// Runs it and checks acknowledged = journalled = evaluated.
pub async fn run(rig: &Rig, connections: usize, in_flight: usize, duration: Duration) -> Result<Section> {
    let before = rig.metrics().await?;
    let count =
        |metrics: &std::collections::HashMap<String, f64>, name: &str| metrics.get(name).copied().unwrap_or(0.0) as u64;
    let (cpu_before, begun) = (rig.cpu_seconds(), Instant::now());
    let threads_before = rig.cpu_by_thread();
    let target = Target { address: rig.mqtt, turn: 0 };
    let publishers = (0..connections).map(|number| publisher(rig, &target, number, connections, in_flight, duration));
    let done = try_join_all(publishers).await?;
    let elapsed = begun.elapsed();
    let cpu = rig.cpu_seconds() - cpu_before;

    let mut times = histogram();
    let mut acknowledged = 0;
    for (count, of_one) in done {
        acknowledged += count;
        times.add(of_one)?;
    }
    // three values in each message
    let readings = acknowledged * 3;
    let journalled_before = count(&before, "fenghuo_ingest_readings_total");
    let evaluated_before = count(&before, "fenghuo_evaluator_readings_total");
    let limit = Duration::from_secs(30);
    let journalled =
        rig.wait_for("fenghuo_ingest_readings_total", journalled_before + readings, limit).await? - journalled_before;
    let evaluated =
        rig.wait_for("fenghuo_evaluator_readings_total", evaluated_before + readings, limit).await? - evaluated_before;
    let complete = begun.elapsed();
    if journalled != readings || evaluated != readings {
        bail!(
            "acknowledged {acknowledged} messages = {readings} readings, journalled {journalled}, evaluated {evaluated}"
        );
    }
    let rate = acknowledged as f64 / elapsed.as_secs_f64();
    let mut section = Section::new("Throughput: QoS 1, acknowledged after fsync, evaluated");
    section
        .line(format!("{connections} connections, {in_flight} in flight each, telemetry of 3 values, about 100 bytes"));
    section.line(format!(
        "**{} publishes/s** acknowledged ({} in {:.1} s)",
        thousands(rate),
        thousands(acknowledged as f64),
        elapsed.as_secs_f64()
    ));
    section.line(format!(
        "all {} readings journalled and evaluated {:.0} ms after the last acknowledgement",
        thousands(readings as f64),
        (complete - elapsed).as_secs_f64() * 1e3
    ));
    section.line(format!("publish → PUBACK: {}", latencies(&times)));
    section.line(format!(
        "station: {:.2} cores, {} MiB resident",
        cpu / elapsed.as_secs_f64(),
        rig.resident_bytes() >> 20
    ));
    section
        .line(format!("CPU a publish by thread, µs: {}", shares(&threads_before, &rig.cpu_by_thread(), acknowledged)));
    Ok(section)
}

/// What each thread used for a publish, µs; those that used less than a fiftieth of one are left out.
fn shares(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>, publishes: u64) -> String {
    let used = after.iter().map(|(name, seconds)| (name, seconds - before.get(name).copied().unwrap_or(0.0)));
    let each = used.map(|(name, seconds)| (name, seconds * 1e6 / publishes.max(1) as f64));
    let mut each: Vec<_> = each.filter(|(_, us)| *us >= 0.02).collect();
    each.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    each.iter().map(|(name, us)| format!("{name} {us:.2}")).collect::<Vec<_>>().join(", ")
}

/// Where publishes go.
pub struct Target {
    pub address: SocketAddr,
    /// Later turns count on from earlier ones.
    pub turn: usize,
}

/// Publishes acknowledged a second by `target`, nothing else checked.
pub async fn rate(rig: &Rig, target: &Target, connections: usize, in_flight: usize, duration: Duration) -> Result<f64> {
    let begun = Instant::now();
    let publishers = (0..connections).map(|number| publisher(rig, target, number, connections, in_flight, duration));
    let done = try_join_all(publishers).await?;
    Ok(done.iter().map(|(count, _)| *count as f64).sum::<f64>() / begun.elapsed().as_secs_f64())
}

/// One connection: as many publishes as it got acknowledgements for, `in_flight` at the start.
async fn publisher(
    rig: &Rig,
    target: &Target,
    number: usize,
    of: usize,
    in_flight: usize,
    duration: Duration,
) -> Result<(u64, Histogram<u64>)> {
    let vendors: Vec<_> = {
        let mut names: Vec<_> = rig.logins.keys().collect();
        names.sort();
        names
    };
    let vendor = vendors[number % vendors.len()];
    // this connection's share of the vendor's devices
    let (turn, sharing) = (number / vendors.len(), of.div_ceil(vendors.len()));
    let topics: Vec<String> = rig
        .devices
        .iter()
        .filter(|device| device.vendor == *vendor)
        .skip(turn)
        .step_by(sharing)
        .map(|device| format!("fire/v1/{}/{}/telemetry", device.vendor, device.name))
        .collect();
    if topics.is_empty() {
        bail!("vendor {vendor} has too few devices for {of} connections");
    }
    let login = &rig.logins[vendor];
    pump(target, number, login, &topics, in_flight, duration).await.with_context(|| format!("connection {number}"))
}

async fn pump(
    target: &Target,
    number: usize,
    login: &Login,
    topics: &[String],
    in_flight: usize,
    duration: Duration,
) -> Result<(u64, Histogram<u64>)> {
    let mut stream = mqtt::connect(target.address, 1, &format!("load-{number}"), login, 60).await?;
    let mut times = histogram();
    let (mut out, mut taken) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    let mut sent_at = vec![Instant::now(); in_flight + 1];
    let mut free: Vec<u16> = (1..=u16::try_from(in_flight)?).collect();
    // device sequence numbers go on where an earlier turn can not have been
    let mut sequence = (target.turn * topics.len()) as u64 * 100_000;
    let mut acknowledged = 0u64;
    let end = Instant::now() + duration;
    let mut payload = Vec::with_capacity(128);
    loop {
        let now = Instant::now();
        if now < end {
            for id in free.drain(..) {
                sent_at[usize::from(id)] = now;
                let topic = &topics[sequence as usize % topics.len()];
                telemetry(&mut payload, sequence / topics.len() as u64, sequence);
                put_publish(&mut out, topic, id, &payload);
                sequence += 1;
            }
            stream.write_all(&out).await?;
            out.clear();
        } else if free.len() == in_flight {
            break;
        }
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_buf(&mut taken)).await;
        if read.context("no acknowledgement within 30 s")?? == 0 {
            bail!("the station closed the connection");
        }
        let now = Instant::now();
        take_pubacks(&mut taken, |id| {
            acknowledged += 1;
            times.saturating_record((now - sent_at[usize::from(id)]).as_micros() as u64);
            free.push(id);
        })?;
    }
    stream.write_all(&[0xE0, 0]).await?;
    Ok((acknowledged, times))
}

/// A quiet room: no rule finds anything in it. Device sequence numbers go up, values wander. Written digit by digit: what
/// the generator costs, the station does not get.
pub fn telemetry(payload: &mut Vec<u8>, device_sequence: u64, message: u64) {
    let wander = b'0' + (message % 10) as u8;
    payload.clear();
    payload.extend_from_slice(b"{\"ts\":1763798400123,\"seq\":");
    put_number(payload, device_sequence);
    payload.extend_from_slice(b",\"values\":{\"temperature_c\":2?.1,\"smoke_db_m\":0.0?,\"co_ppm\":?}}");
    let end = payload.len();
    for back in WANDERS {
        payload[end - back] = wander;
    }
}

/// Where the digits that wander stand, counted from the end.
const WANDERS: [usize; 3] = [34, 14, 3];

fn put_number(payload: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        put_number(payload, number / 10);
    }
    payload.push(b'0' + (number % 10) as u8);
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_wander() {
        let mut payload = Vec::new();
        super::telemetry(&mut payload, 1205, 17);
        let expected =
            r#"{"ts":1763798400123,"seq":1205,"values":{"temperature_c":27.1,"smoke_db_m":0.07,"co_ppm":7}}"#;
        assert_eq!(String::from_utf8(payload).as_deref(), Ok(expected));
    }
}
