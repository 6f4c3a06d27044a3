//! Mosquitto beside the station: the same publishes, taken in turns, so that what the machine does otherwise falls on both.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mqtt::{self, Login};
use crate::report::{Section, thousands};
use crate::rig::Rig;
use crate::throughput::{self, Target};

/// Turns of each.
const ROUNDS: usize = 3;

pub async fn run(rig: &Rig, connections: usize, in_flight: usize, duration: Duration) -> Result<Section> {
    let peer = Mosquitto::start().await?;
    let each = duration / ROUNDS as u32;
    let (mut ours, mut theirs, mut cpu) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..ROUNDS {
        let subscriber = tokio::spawn(drain(subscribe(peer.address).await?));
        let target = Target { address: peer.address, turn: round };
        theirs.push(throughput::rate(rig, &target, connections, in_flight, each).await?);
        subscriber.abort();
        let before = rig.cpu_seconds();
        let target = Target { address: rig.mqtt, turn: round + 1_000 };
        ours.push(throughput::rate(rig, &target, connections, in_flight, each).await?);
        cpu += rig.cpu_seconds() - before;
    }
    let published: f64 = ours.iter().sum::<f64>() * each.as_secs_f64();
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let mut section = Section::new("Beside Mosquitto, in turns");
    section.line(format!(
        "{connections} connections, {in_flight} in flight each, medians of {ROUNDS} turns of {:.0} s",
        each.as_secs_f64()
    ));
    section.line(format!(
        "{}: {} publishes/s acknowledged from memory, one subscriber (QoS 0) to all of them",
        peer.version,
        thousands(theirs)
    ));
    section.line(format!(
        "station: {} publishes/s acknowledged after fsync, journalled, evaluated; {:.1} µs of CPU each",
        thousands(ours),
        cpu * 1e6 / published
    ));
    section.line(format!("**ratio {:.1}**", ours / theirs));
    Ok(section)
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

struct Mosquitto {
    child: Child,
    address: SocketAddr,
    version: String,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    async fn start() -> Result<Mosquitto> {
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].map(PathBuf::from);
        let program = program.into_iter().find(|path| path.exists()).context(
            "mosquitto is not installed (Debian: apt-get install mosquitto); leave the phase `mosquitto` out without it",
        )?;
        let told = Command::new(&program).arg("-h").output()?;
        let version = String::from_utf8_lossy(&told.stdout).lines().next().unwrap_or("mosquitto").to_owned();
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let config = folder.path().join("mosquitto.conf");
        std::fs::write(&config, format!("listener {} 127.0.0.1\nallow_anonymous true\n", address.port()))?;
        let child = Command::new(program).arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let peer = Mosquitto { child, address, version, _folder: folder };
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                bail!("mosquitto does not listen");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(peer)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A subscriber to all telemetry.
async fn subscribe(to: SocketAddr) -> Result<TcpStream> {
    let login = Login { name: "subscriber".into(), secret: "none".into() };
    let mut stream = mqtt::connect(to, 1, "subscriber", &login, 600).await?;
    let filter = b"fire/v1/#";
    let mut packet = vec![0x82, 5 + filter.len() as u8, 0, 1, 0, filter.len() as u8];
    packet.extend_from_slice(filter);
    packet.push(0);
    stream.write_all(&packet).await?;
    let mut suback = [0; 5];
    stream.read_exact(&mut suback).await?;
    if suback[4] != 0 {
        bail!("mosquitto refused the subscription: {suback:02x?}");
    }
    Ok(stream)
}

async fn drain(mut from: TcpStream) {
    let mut scrap = vec![0; 64 * 1024];
    while from.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
}
