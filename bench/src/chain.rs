//! A township's storm through the whole chain: alarms over MQTT, alerts, and what they owe to people, over one webhook to a
//! receiver in this process. Then the same alerts through Alertmanager to the same receiver, and the storm once more with a
//! kill -9 in the middle.
//!
//! Some alerts begin orange and become red by a second detector half a second later: they ring twice, so that the order in
//! which a person hears of one alert can be checked.

mod alertmanager;
mod receiver;
mod township;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::feed::Feed;
use crate::latency::scheduled;
use crate::mqtt;
use crate::report::{Section, histogram, latencies, thousands};
use crate::rig::Rig;
use receiver::{Got, Receiver};
use township::{TOLD, Township};
use verdict::Verdict;

/// What the storm is.
#[derive(Debug, Clone, Args)]
pub struct ChainOptions {
    /// The station's binary; by default beside this one.
    #[arg(long)]
    pub fenghuo: Option<PathBuf>,
    /// The simulator's binary; by default beside this one.
    #[arg(long)]
    pub simulator: Option<PathBuf>,
    /// Alerts raised within one second.
    #[arg(long, default_value_t = 10_000)]
    alerts: usize,
    /// Of them, those that become red half a second later.
    #[arg(long, default_value_t = 1_000)]
    red: usize,
    /// Alertmanager's binary; by default Debian's package, fetched into target/tools.
    #[arg(long)]
    alertmanager: Option<PathBuf>,
    /// Longest wait for the last delivery, s.
    #[arg(long, default_value_t = 120)]
    limit_s: u64,
    /// Leaves the storm with the kill -9 out.
    #[arg(long)]
    no_kill: bool,
}

/// Connections that publish the alarms.
const CONNECTIONS: usize = 20;
/// The alarms come within this time.
const WITHIN: Duration = Duration::from_secs(1);
/// The second detector follows after this.
const SECOND_AFTER: Duration = Duration::from_millis(500);
/// Beginning of the alarms' ids.
const PREFIX: &str = "chain-";

/// What one storm came to.
struct Storm {
    /// Planned begin → PUBACK of each alarm.
    acknowledged: Histogram<u64>,
    /// From the begin to the last alarm seen on the feed.
    committed: Duration,
    begin: Instant,
    got: Vec<Got>,
    /// CPU time that the station used, s.
    cpu_s: f64,
}

/// Runs all of it and prints what came of it.
///
/// # Errors
/// When something was lost, doubled or out of order, or did not come in time.
pub async fn run(options: &ChainOptions) -> Result<()> {
    if options.red > options.alerts / 2 {
        bail!("--red must be half of --alerts at most");
    }
    let mut section = Section::new("A township's storm through the chain");
    section.line(format!(
        "{} alerts raised within {} s over MQTT, {} of them red by a second detector {} ms later; {} people told of each ring, \
         over one webhook; {} deliveries owed",
        thousands(options.alerts as f64),
        WITHIN.as_secs(),
        thousands(options.red as f64),
        SECOND_AFTER.as_millis(),
        TOLD,
        thousands(owed(options) as f64)
    ));
    println!("== storm");
    let ours = plain(options, &mut section).await?;
    println!("== alertmanager");
    match alertmanager::find(options.alertmanager.as_deref()) {
        Ok(program) => {
            let theirs = alertmanager::run(&program, options.alerts, Duration::from_secs(options.limit_s)).await?;
            section.line(format!(
                "{}, one group for each of the same {} alerts, to the same receiver: {} completed deliveries/s ({} in {:.1} s)",
                theirs.version,
                thousands(options.alerts as f64),
                thousands(theirs.per_s()),
                thousands(theirs.delivered as f64),
                theirs.took.as_secs_f64()
            ));
            section.line(format!("**ratio {:.1}** (asked: 5)", ours / theirs.per_s()));
        }
        Err(why) => section.line(format!("Alertmanager: SKIPPED, {why:#}")),
    }
    if !options.no_kill {
        println!("== kill");
        killed(options, &mut section).await?;
    }
    println!("{section}");
    Ok(())
}

/// Deliveries that the storm owes.
fn owed(options: &ChainOptions) -> usize {
    (options.alerts + options.red) * TOLD
}

async fn plain(options: &ChainOptions, section: &mut Section) -> Result<f64> {
    let receiver = Receiver::start()?;
    let town = Township { units: options.alerts, red: options.red };
    let mut rig = town.rig(options, receiver.address).await?;
    let storm = storm(options, &rig, &receiver, &town).await?;
    rig.stop().await?;
    let verdict = Verdict::of(&storm.got, &storm.begin, SECOND_AFTER, &town)?;
    verdict.check(owed(options))?;
    if verdict.repeated > 0 {
        bail!("{} deliveries came twice though nothing was killed", verdict.repeated);
    }
    let per_s = verdict.ids as f64 / verdict.last.as_secs_f64();
    section.line(format!("alarm planned → PUBACK: {}", latencies(&storm.acknowledged)));
    section.line(format!("**all committed {:.2} s after the begin** (asked: 2 s)", storm.committed.as_secs_f64()));
    section.line(format!("**red alert → first person told**: {} (asked: 3 s)", latencies(&verdict.red_first)));
    section.line(format!("red alert → everybody told: {}", latencies(&verdict.red_last)));
    section.line(format!(
        "**{} completed deliveries/s** ({} in {:.1} s from the begin of the storm), {:.0} µs of the station's CPU each; no id twice, \
         order per person and alert kept",
        thousands(per_s),
        thousands(verdict.ids as f64),
        verdict.last.as_secs_f64(),
        storm.cpu_s * 1e6 / verdict.ids as f64
    ));
    Ok(per_s)
}

async fn killed(options: &ChainOptions, section: &mut Section) -> Result<()> {
    let receiver = Receiver::start()?;
    let town = Township { units: options.alerts, red: options.red };
    let mut rig = town.rig(options, receiver.address).await?;
    let (acknowledged, begin) = alarms(&rig, &town).await?;
    let limit = Duration::from_secs(options.limit_s);
    receiver.wait_for(owed(options) / 5, limit).await?;
    let before = receiver.count();
    let down = rig.kill_and_restart().await?;
    let got = settled(&receiver, &rig, owed(options), limit).await?;
    rig.stop().await?;
    let verdict = Verdict::of(&got, &begin, SECOND_AFTER, &town)?;
    verdict.check(owed(options))?;
    section.line(format!(
        "kill -9 after {} deliveries, ready again after {:.2} s: all {} came, under one id each ({} of them twice, as they were under \
         way), order per person and alert kept; {} alarms acknowledged",
        thousands(before as f64),
        down.as_secs_f64(),
        thousands(verdict.ids as f64),
        verdict.repeated,
        thousands(acknowledged.len() as f64)
    ));
    Ok(())
}

async fn storm(options: &ChainOptions, rig: &Rig, receiver: &Receiver, town: &Township) -> Result<Storm> {
    let limit = Duration::from_secs(options.limit_s);
    let feed = Feed::open(rig, PREFIX).await?;
    let cpu_before = rig.cpu_seconds();
    let expected = town.units + town.red;
    let ((acknowledged, begin), seen) =
        tokio::try_join!(alarms(rig, town), feed.collect(expected, Instant::now() + limit))?;
    if seen.len() < expected {
        bail!("of {expected} alarms {} came on the feed", seen.len());
    }
    let committed = seen.iter().map(|(_, at)| *at).max().unwrap_or(begin) - begin;
    let got = settled(receiver, rig, owed(options), limit).await?;
    Ok(Storm { acknowledged, committed, begin, got, cpu_s: rig.cpu_seconds() - cpu_before })
}

/// Waits for the last delivery, and then that none is owed any more.
async fn settled(receiver: &Receiver, rig: &Rig, owed: usize, limit: Duration) -> Result<Vec<Got>> {
    receiver.wait_for(owed, limit).await?;
    let end = Instant::now() + limit;
    while rig.metrics().await?.get("fenghuo_alerts_deliveries_owed").is_none_or(|owed| *owed > 0.0) {
        if Instant::now() > end {
            bail!("deliveries are still owed after {} came", receiver.count());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(receiver.take())
}

/// Publishes every alarm at its planned time; the time from then to PUBACK, and the begin.
async fn alarms(rig: &Rig, town: &Township) -> Result<(Histogram<u64>, Instant)> {
    let (vendor, login) = town.vendor(rig)?;
    let mut streams = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        streams.push(mqtt::connect(rig.mqtt, 1, &format!("chain-{number}"), login, 60).await?);
    }
    let begin = Instant::now() + Duration::from_millis(200);
    let gap = WITHIN / u32::try_from(town.units)?;
    let each = streams.into_iter().zip(0..).map(|(stream, number)| {
        let first = (0..town.units).map(move |unit| (begin + gap * unit as u32, unit, 0));
        // units that become red come first, so that all is raised within the time
        let second = (0..town.red).map(move |unit| (begin + gap * unit as u32 + SECOND_AFTER, unit, 1));
        let mut plan: Vec<_> = first.chain(second).filter(|(_, unit, _)| unit % CONNECTIONS == number).collect();
        plan.sort_by_key(|(at, ..)| *at);
        let plan: Vec<_> = plan
            .into_iter()
            .map(|(at, unit, device)| {
                let payload = format!("{{\"id\":\"{PREFIX}{unit}-{device}\",\"kind\":\"smoke\",\"active\":true}}");
                (at, town.topic(vendor, unit, device), payload.into_bytes())
            })
            .collect();
        scheduled(stream, plan.into_iter())
    });
    let mut all = histogram();
    for of_one in try_join_all(each).await? {
        all.add(of_one)?;
    }
    Ok((all, begin))
}
