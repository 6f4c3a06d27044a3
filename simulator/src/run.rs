//! Lives the city: joins the world, the links and the people, and keeps them going until told to stop.

use crate::{
    clock::{Steady, Timebase},
    link::Target,
    people::{self, Access, Duty},
    plan::{Atlas, Plan, Rates},
    responders::Responders,
    roster::Roster,
    shard::{self, Children},
    stats::Counters,
    wires::Wires,
    world::{Shard, World},
};
use anyhow::{Context, Result, ensure};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

/// How often the world is driven.
const TICK: Duration = Duration::from_millis(20);
/// The statistics line.
const STATISTICS: Duration = Duration::from_secs(10);

/// How devices share connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// So many connections for each vendor's account.
    Vendor(usize),
    /// The first so many devices that have a credential connect themselves, the others as `Vendor(2)`.
    Device(usize),
}

impl std::str::FromStr for Connections {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').map_or((text, None), |(k, n)| (k, Some(n)));
        let number = number
            .map(|n| n.parse::<usize>().map_err(|_| format!("{n:?} is not a number of connections")))
            .transpose()?;
        match (kind, number) {
            ("vendor", None) => Ok(Self::Vendor(2)),
            ("vendor", Some(n @ 1..=64)) => Ok(Self::Vendor(n)),
            ("device", Some(n @ 1..)) => Ok(Self::Device(n)),
            _ => Err(format!("{text:?} is not `vendor`, `vendor:N` (N from 1 to 64 for each vendor) or `device:N`")),
        }
    }
}

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Roster folder, as `simulator city` writes it.
    #[arg(long)]
    pub roster: PathBuf,
    /// The station's MQTT listener, HOST:PORT.
    #[arg(long, default_value = "127.0.0.1:1883")]
    pub mqtt: Target,
    /// The station's HTTP interface; only plain http.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub http: String,
    /// `vendor`, `vendor:N` (N connections for each vendor's account) or `device:N` (N devices have a connection of their own).
    #[arg(long, default_value = "vendor")]
    pub connections: Connections,
    /// Processes that share the city.
    #[arg(long, default_value_t = 1)]
    pub processes: usize,
    /// City seconds per second. Other than 1, rates of rise look as many times as steep to the station.
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
    /// Same seed, same incidents.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stop after so many seconds; without it, on Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS")]
    pub for_s: Option<u64>,
    /// Highest number of readings a second and process from devices to which nothing happens; 0: no limit.
    #[arg(long, default_value_t = 0)]
    pub rate: u32,
    /// Every device is heard once within so many seconds after the start, also those that sleep for a day.
    #[arg(long, default_value_t = 60)]
    pub wake_over_s: u32,
    #[command(flatten)]
    pub rates: Rates,
    /// Nobody answers the alerts.
    #[arg(long)]
    pub no_responders: bool,
    /// Internal: which part of the city this process plays.
    #[arg(long, hide = true)]
    pub shard: Option<Shard>,
    /// Internal: when the run began, ms since epoch.
    #[arg(long, hide = true)]
    pub start_ms: Option<i64>,
}

/// Runs until the time is over or `stop` turns true.
pub async fn run(settings: Settings, mut stop: watch::Receiver<bool>) -> Result<Arc<Counters>> {
    check(&settings)?;
    let roster = Roster::read(&settings.roster)?;
    let atlas = Arc::new(Atlas::new(&roster)?);
    let counters = Arc::new(Counters::default());
    if !wait_for(&settings.mqtt, &mut stop).await {
        return Ok(counters);
    }
    let clock = Steady::start();
    let time = Timebase { start_ms: settings.start_ms.unwrap_or_else(|| clock.now_ms()), speed: settings.speed };
    let plan = Plan::new(&atlas, &settings.rates, settings.seed, time.start_ms);
    let first = settings.shard.is_none();
    let mut children = match settings.processes {
        n @ 2.. if first => Some(Children::start(n, time.start_ms)?),
        _ => None,
    };
    let (end, ended) = watch::channel(false);
    let people = (first && !settings.no_responders).then(|| {
        let duty = Duty {
            responders: Responders::new(&roster, settings.seed),
            plan: plan.clone(),
            atlas: atlas.clone(),
            time,
            clock,
        };
        access(&settings, &roster).map(|a| tokio::spawn(people::serve(a, duty, counters.clone(), ended.clone())))
    });
    let people = people.transpose()?;
    let outcome = if let Some(children) = &mut children {
        supervise(&settings, children, &mut stop).await
    } else {
        let shard = settings.shard.unwrap_or(Shard::ALL);
        let world = World::new(atlas, plan, time, settings.seed, shard, settings.wake_over_s);
        let wires = Wires::open(&settings, &roster, &world, &counters)?;
        drop(roster); // half of the memory, and no longer needed
        drive(&settings, world, wires, clock, time, &counters, &mut stop).await
    };
    let _ = end.send(true);
    if let Some(people) = people {
        people.await.context("the responders ended badly")??;
    }
    if let Some(children) = children {
        children.stop().await;
    }
    outcome.map(|()| counters)
}

fn check(settings: &Settings) -> Result<()> {
    ensure!(settings.speed > 0.0 && settings.speed <= 10_000.0, "--speed must be above 0 and at most 10000");
    ensure!((1..=64).contains(&settings.processes), "--processes must be from 1 to 64");
    ensure!(settings.http.starts_with("http://"), "--http must begin with http:// (the simulator speaks no TLS)");
    Ok(())
}

/// Waits until the station listens; false when told to stop meanwhile.
async fn wait_for(target: &Target, stop: &mut watch::Receiver<bool>) -> bool {
    let mut told = false;
    loop {
        let attempt = timeout(Duration::from_secs(2), TcpStream::connect((target.host.as_str(), target.port)));
        if matches!(attempt.await, Ok(Ok(_))) {
            return true;
        }
        if !told {
            tracing::info!("waiting for MQTT on {}:{}", target.host, target.port);
            told = true;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
            _ = stop.wait_for(|s| *s) => return false,
        }
    }
}

fn access(settings: &Settings, roster: &Roster) -> Result<Access> {
    let secrets = roster.secret_by_name();
    let secret = secrets
        .get("responders")
        .context("secrets.csv has no token `responders`; run with --no-responders, or write the roster anew")?;
    Ok(Access { base: settings.http.trim_end_matches('/').into(), token: format!("responders.{secret}") })
}

async fn supervise(settings: &Settings, children: &mut Children, stop: &mut watch::Receiver<bool>) -> Result<()> {
    tokio::select! {
        ended = children.wait() => ended,
        () = over(settings.for_s) => Ok(()),
        _ = stop.wait_for(|s| *s) => Ok(()),
    }
}

async fn over(for_s: Option<u64>) {
    match for_s {
        Some(s) => tokio::time::sleep(Duration::from_secs(s)).await,
        None => std::future::pending().await,
    }
}

/// Gives the world its time, until it is over.
async fn drive(
    settings: &Settings,
    mut world: World,
    mut wires: Wires,
    clock: Steady,
    time: Timebase,
    counters: &Arc<Counters>,
    stop: &mut watch::Receiver<bool>,
) -> Result<()> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut statistics = interval(STATISTICS);
    statistics.reset();
    let mut said = Vec::new();
    let mut budget = 0.0f64;
    let mut last_ms = clock.now_ms();
    let mut before = 0;
    let end = over(settings.for_s);
    tokio::pin!(end);
    let child = settings.shard.is_some();
    let orphaned = async move { if child { shard::parent_gone().await } else { std::future::pending().await } };
    tokio::pin!(orphaned);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let now_ms = clock.now_ms();
                let limit = if settings.rate == 0 {
                    usize::MAX
                } else {
                    let rate = f64::from(settings.rate);
                    // unused allowance lasts a tenth of a second
                    budget = (budget + rate * (now_ms - last_ms) as f64 / 1_000.0).min((rate / 10.0).max(1.0));
                    budget as usize
                };
                last_ms = now_ms;
                while let Some((topic, payload)) = wires.command() {
                    world.command(&topic, &payload, time.city_ms(now_ms), &mut said);
                }
                world.step(time.city_ms(now_ms), limit, &mut said);
                budget -= said.len().min(limit) as f64;
                wires.flush();
                for one in said.drain(..) {
                    wires.put(&world, one, counters);
                }
            }
            _ = statistics.tick() => {
                let sent = counters.sent();
                counters.line(&title(settings), (sent - before) as f64 / STATISTICS.as_secs_f64(), world.active());
                before = sent;
            }
            () = &mut end => break,
            _ = stop.wait_for(|s| *s) => break,
            () = &mut orphaned => break,
        }
    }
    wires.close(counters).await;
    counters.line("the city has stopped", 0.0, 0);
    Ok(())
}

fn title(settings: &Settings) -> String {
    match settings.shard {
        Some(shard) => format!("city {}/{}", shard.index + 1, shard.count),
        None => "city".into(),
    }
}
