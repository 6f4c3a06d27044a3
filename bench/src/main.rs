//! The whole system under load, as a black box: starts a station on a fresh data folder with the simulator's city, drives
//! it over MQTT and HTTP, checks that every count matches, and writes a Markdown report.
//!
//! Latencies are measured from the planned start of each message (open loop), so that a stalled station shows as late
//! answers and not as fewer questions. Generator and station share the machine; the report says so.
//!
//! Two are apart: `load fires` judges recordings of real fires, without a station; `load chain` takes a township's storm through
//! alerts and deliveries to a webhook, beside Alertmanager and with a kill -9.
//!
//! Never here: production code, a number that was not measured in this run.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod chain;
mod connections;
mod feed;
mod fires;
mod latency;
mod mqtt;
mod peer;
mod report;
mod restart;
mod rig;
mod storm;
mod throughput;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Whole-system load test. Exits with an error when a count does not match.
#[derive(Debug, Clone, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// The station's binary; by default beside this one.
    #[arg(long)]
    fenghuo: Option<PathBuf>,
    /// The simulator's binary; by default beside this one.
    #[arg(long)]
    simulator: Option<PathBuf>,
    /// Where the Markdown report goes.
    #[arg(long, default_value = "bench/report.md")]
    out: PathBuf,
    /// Size of the city, 1 = 76,000 units.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Seconds of each measured phase.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Connections that publish.
    #[arg(long, default_value_t = 100)]
    publishers: usize,
    /// Unacknowledged publishes a connection, in the throughput phase.
    #[arg(long, default_value_t = 10)]
    in_flight: usize,
    /// Readings a second behind the alarms, in the latency phase.
    #[arg(long, default_value_t = 10_000)]
    background: u64,
    /// Alarms a second, in the latency phase.
    #[arg(long, default_value_t = 50)]
    alarms: u64,
    /// Connections held in the connections phase.
    #[arg(long, default_value_t = 18_000)]
    connections: usize,
    /// Phases to run.
    #[arg(long, value_delimiter = ',', default_value = "throughput,latency,connections,storm,mosquitto,restart")]
    phases: Vec<String>,
    /// Data folder of the station under test; by default a fresh temporary one, removed at the end.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// What is apart.
#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Judges recordings of real fires, without a station.
    Fires(fires::FireOptions),
    /// Takes a township's storm through alerts and deliveries to a webhook.
    Chain(chain::ChainOptions),
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(Command::Fires(options)) = &options.command {
        return fires::run(options);
    }
    rlimit::increase_nofile_limit(u64::MAX).context("raising the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &options.command {
        Some(Command::Chain(chain)) => runtime.block_on(chain::run(chain)),
        _ => runtime.block_on(run(options)),
    }
}

async fn run(options: Options) -> Result<()> {
    let mut rig = rig::Rig::start(&options).await.context("starting the station under test")?;
    let mut report = report::Report::new(&options);
    let duration = Duration::from_secs(options.seconds);
    for phase in &options.phases {
        println!("== {phase}");
        let section = match phase.as_str() {
            "throughput" => throughput::run(&rig, options.publishers, options.in_flight, duration).await,
            "latency" => latency::run(&rig, &options, duration).await,
            "connections" => connections::run(&rig, options.connections).await,
            "storm" => storm::run(&rig, options.connections).await,
            "mosquitto" => peer::run(&rig, options.publishers, options.in_flight, duration).await,
            "restart" => restart::run(&mut rig).await,
            other => {
                anyhow::bail!("unknown phase {other:?}: throughput, latency, connections, storm, mosquitto, restart")
            }
        };
        let section = section.with_context(|| format!("phase {phase}"))?;
        println!("{section}");
        report.add(section);
    }
    rig.stop().await?;
    report.write(&options.out)?;
    println!("report: {}", options.out.display());
    Ok(())
}
