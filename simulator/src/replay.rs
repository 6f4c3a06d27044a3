//! Publishes a recording: `simulator replay`. Columns of a CSV file become the readings of devices.
//!
//! Every row becomes one telemetry message for each device that the mapping names. A message is sent when its time has come,
//! `(t − t₀) / speed` after the start, and carries the recording's time shifted so that the first row is now (`--stamp now`: the
//! moment of sending).
//!
//! The station's own time of receipt is authoritative. At a speed other than 1 it therefore sees temperatures rise `speed`
//! times as fast: what is tried at another speed shows that messages flow, not how the rules judge the fire.

pub mod mapping;
pub mod recording;

use crate::{
    clock::Steady,
    link::{Account, Command, Link, Target},
    roster::{self, Secret},
    stats::Counters,
    vendor::Encoding,
    wire::{self, Kind, Publish, Report},
};
use anyhow::{Context, Result, bail};
use mapping::Mapping;
use recording::{Recording, Row};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::watch;

/// Which recording, and how.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "At a speed other than 1 the station sees rates of rise multiplied by it: its time of receipt is \
    authoritative. Only speed 1 tells how the rules judge a fire."
)]
pub struct Settings {
    /// The recording: CSV with a header row.
    pub file: PathBuf,
    /// Marked moments of it (columns Time,Event): told when they pass.
    #[arg(long)]
    pub events: Option<PathBuf>,
    /// COLUMN=VENDOR/DEVICE:QUANTITY[*FACTOR][+OFFSET], several times; for example
    /// 'SMA_1=yunyan/YY0000001:smoke_db_m*10'.
    #[arg(long = "map")]
    pub maps: Vec<String>,
    /// The same in a TOML file: [columns] "COLUMN" = "VENDOR/DEVICE:QUANTITY[*FACTOR][+OFFSET]".
    #[arg(long)]
    pub map_file: Option<PathBuf>,
    /// Column of time: seconds (also 1.20E+02), or YYYY-MM-DD HH:MM:SS.
    #[arg(long, default_value = "Time")]
    pub time_column: String,
    /// Recorded seconds per second, or `max`.
    #[arg(long, default_value = "1")]
    pub speed: Speed,
    /// The station's MQTT listener, HOST:PORT.
    #[arg(long, default_value = "127.0.0.1:1883")]
    pub mqtt: Target,
    /// NAME:SECRET, allowed to speak for all devices of the mapping. Without it, the vendor's account from --roster.
    #[arg(long)]
    pub credential: Option<String>,
    /// Roster folder with secrets.csv.
    #[arg(long)]
    pub roster: Option<PathBuf>,
    /// Time in the messages: that of the recording, shifted to now, or that of sending.
    #[arg(long, value_enum, default_value_t = Stamp::Recording)]
    pub stamp: Stamp,
    /// Skip rows before this time of the recording, s.
    #[arg(long, allow_hyphen_values = true)]
    pub from: Option<f64>,
    /// Skip rows after this time of the recording, s.
    #[arg(long, allow_hyphen_values = true)]
    pub to: Option<f64>,
}

/// Whose time messages carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stamp {
    Recording,
    Now,
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    Times(f64),
    Max,
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if times > 0.0 && times.is_finite() => Ok(Self::Times(times)),
            _ => Err(format!("{text:?} is not a speed: a number above 0, or `max`")),
        }
    }
}

/// A message and when it is due, seconds after the first row (recorded time).
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    pub after_s: f64,
    pub vendor: String,
    pub device: String,
    pub seq: u32,
    pub values: Vec<(wire::Quantity, f64)>,
}

impl Timed {
    /// As it goes out. `ts`: ms since epoch.
    pub fn publish(&self, ts: i64) -> Publish {
        let report = Report::Telemetry { ts: Some(ts), seq: Some(self.seq), values: self.values.clone() };
        Publish {
            topic: wire::topic(&self.vendor, &self.device, Kind::Telemetry),
            payload: report.encode(Encoding::Json),
            qos1: true,
            kind: Kind::Telemetry,
        }
    }
}

/// The messages of a recording in order, without any socket. `first_seq`: number of each device's first message.
pub fn messages(
    rows: impl Iterator<Item = Result<Row>>,
    mapping: &Mapping,
    first_seq: u32,
) -> impl Iterator<Item = Result<Timed>> {
    let mut start = None;
    let mut seq = first_seq;
    let devices = mapping.devices();
    rows.flat_map(move |row| {
        let row = match row {
            Ok(row) => row,
            Err(error) => return vec![Err(error)],
        };
        let start = *start.get_or_insert(row.time_s);
        let mut out = Vec::with_capacity(devices.len());
        for device in &devices {
            let value = |l: &mapping::Line| row.values[l.column].map(|v| (l.quantity, v * l.factor + l.offset));
            let values: Vec<_> = device.lines.iter().filter_map(value).collect();
            if !values.is_empty() {
                let (vendor, device) = (device.vendor.clone(), device.device.clone());
                out.push(Ok(Timed { after_s: row.time_s - start, vendor, device, seq, values }));
            }
        }
        seq = seq.wrapping_add(1);
        out
    })
}

/// Plays it; returns how many messages the station acknowledged, and how many there were.
pub async fn run(settings: &Settings, mut stop: watch::Receiver<bool>) -> Result<String> {
    let mut mapping = Mapping::default();
    if let Some(file) = &settings.map_file {
        mapping
            .read_toml(&std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)?;
    }
    for map in &settings.maps {
        mapping.add(map)?;
    }
    mapping.check()?;
    let recording = Recording::open(&settings.file, &settings.time_column, &mapping.columns())?;
    let mut events = match &settings.events {
        Some(file) => recording::events(file, recording.time_origin()?)?,
        None => Vec::new(),
    };
    let (from, to) = (settings.from.unwrap_or(f64::MIN), settings.to.unwrap_or(f64::MAX));
    let within = |row: &Result<Row>| row.as_ref().map_or(true, |r| r.time_s >= from && r.time_s <= to);
    let mut rows = recording.filter(within).peekable();
    let first_s = match rows.peek() {
        None => bail!("{} has no row in the wanted range", settings.file.display()),
        Some(Ok(row)) => row.time_s,
        Some(Err(_)) => 0.0, // told by the loop below
    };
    events.retain(|e| e.time_s >= first_s);
    let counters = Arc::new(Counters::default());
    let links = open_links(settings, &mapping, &counters)?;
    let clock = Steady::start();
    let start_ms = clock.now_ms();
    let mut events = events.into_iter().peekable();
    for timed in messages(rows, &mapping, (start_ms / 1_000) as u32) {
        let timed = timed?;
        if let Speed::Times(times) = settings.speed {
            let due_ms = start_ms + (timed.after_s / times * 1_000.0) as i64;
            let wait = Duration::from_millis((due_ms - clock.now_ms()).max(0) as u64);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.wait_for(|s| *s) => break,
            }
        } else if *stop.borrow() {
            break;
        }
        while let Some(event) = events.next_if(|e| e.time_s - first_s <= timed.after_s) {
            tracing::info!(at_s = event.time_s, "recording: {}", event.name);
        }
        let ts = match settings.stamp {
            Stamp::Recording => start_ms + (timed.after_s * 1_000.0) as i64,
            Stamp::Now => clock.now_ms(),
        };
        let publish = timed.publish(ts);
        counters.count(publish.kind, publish.qos1);
        let link = links.get(&timed.vendor).context("a link for every vendor of the mapping was opened")?;
        // waits while the link's queue is full: a recording has no message to spare
        if link.tx.send(Command::Send(publish)).await.is_err() {
            bail!("the connection for vendor {} has ended", timed.vendor);
        }
    }
    for (_, link) in links {
        drop(link.tx);
        let _ = link.task.await;
    }
    let (sent, acknowledged) = (counters.sent(), counters.acknowledged.load(Relaxed));
    if acknowledged < sent {
        bail!("{} of {sent} messages were not acknowledged", sent - acknowledged);
    }
    Ok(format!("{sent} messages published and acknowledged"))
}

/// One link for each vendor of the mapping.
fn open_links(settings: &Settings, mapping: &Mapping, counters: &Arc<Counters>) -> Result<HashMap<String, Link>> {
    let secrets: Vec<Secret> = match (&settings.credential, &settings.roster) {
        (None, Some(dir)) => roster::read(dir, "secrets.csv")?,
        (None, None) => bail!("whose account? give --credential NAME:SECRET or --roster DIR"),
        _ => Vec::new(),
    };
    let mut links = HashMap::new();
    for device in mapping.devices() {
        if links.contains_key(&device.vendor) {
            continue;
        }
        let (name, secret) = match &settings.credential {
            Some(pair) => pair
                .split_once(':')
                .map(|(n, s)| (n.to_owned(), s.to_owned()))
                .context("--credential is not NAME:SECRET")?,
            None => {
                let name = format!("vendor-{}", device.vendor);
                let secret = secrets.iter().find(|s| s.name == name);
                (name.clone(), secret.with_context(|| format!("secrets.csv has no secret for {name}"))?.secret.clone())
            }
        };
        let client_id = format!("sim-replay-{}-{}", device.vendor, crate::clock::wall_ms());
        let account = Account { client_id, name, secret, will: None, commands: None, loud: true };
        links.insert(device.vendor.clone(), Link::open(account, &settings.mqtt, counters.clone()));
    }
    Ok(links)
}
