//! How many QoS 1 publishes a second the listener takes, what they cost in CPU time, and what an
//! idle connection costs in memory. The consumer accepts each batch at once, so that what is
//! measured is this crate and the kernel.
//!
//! `cargo run --release -p broker --example throughput -- [connections] [in flight] [seconds] [idle]`
//!
//! The load comes from a second process (this program again).
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Access, Broker, Grant, Inlets, Lane, Login, Parts, Refusal, Route, Settings, TopicFilter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Open;

impl Access for Open {
    fn authenticate(&self, _: &Login<'_>) -> Result<Grant, Refusal> {
        let filter = |text| TopicFilter::parse(text).map_err(|_| Refusal::Busy);
        let publish = ["v1/acme/+/urgent", "v1/acme/+/state", "v1/acme/+/telemetry"];
        Ok(Grant {
            identity: "acme".into(),
            class: "vendor",
            retain: false,
            publish: publish.into_iter().map(filter).collect::<Result<_, _>>()?,
            subscribe: [].into(),
        })
    }

    fn route(&self, topic: &str) -> Route {
        Route::Consumer(if topic.ends_with("/urgent") { Lane::Urgent } else { Lane::Normal })
    }

    fn now_ms(&self) -> u64 {
        1
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |index: usize, default: usize| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    if arguments.first().is_some_and(|first| first == "load") {
        return load(arguments[1].parse()?, number(2, 0), number(3, 0)).await;
    }
    let (connections, in_flight) = (number(0, 100), number(1, 10));
    let (seconds, idle) = (number(2, 5), number(3, 5_000));
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = Settings { listen, ..Settings::default() };
    let (broker, inlets) = broker::start(settings, Parts::new(Arc::new(Open))).await?;
    let consumer = std::thread::spawn(move || consume(inlets));

    let before = memory_kib()?;
    let mut child = spawn_load(&broker, idle, 0)?;
    wait_for(&broker, idle).await;
    let after = memory_kib()?;
    println!(
        "{idle} idle connections: {:.2} KiB each ({before} KiB before, {after} KiB after)",
        after.saturating_sub(before) as f64 / idle.max(1) as f64
    );
    child.kill()?;
    child.wait()?;
    wait_for(&broker, 0).await;

    let mut child = spawn_load(&broker, connections, in_flight)?;
    wait_for(&broker, connections).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (began, cpu, published) = (Instant::now(), cpu_s()?, broker.counts().publishes_normal);
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    let count = (broker.counts().publishes_normal - published) as f64;
    let (elapsed, cpu) = (began.elapsed().as_secs_f64(), cpu_s()? - cpu);
    println!(
        "{connections} connections, {in_flight} in flight: {:.0} publishes/s, {:.2} cores, {:.2} us CPU each",
        count / elapsed,
        cpu / elapsed,
        cpu / count * 1e6
    );
    child.kill()?;
    child.wait()?;
    broker.shutdown().await;
    let (batches, messages) = consumer.join().map_err(|_| "the consumer panicked")?;
    println!("{:.1} publishes a batch", messages as f64 / batches.max(1) as f64);
    Ok(())
}

fn consume(mut inlets: Inlets) -> (usize, usize) {
    let mut sessions = inlets.sessions;
    let events = std::thread::spawn(move || while sessions.blocking_recv().is_some() {});
    let (mut batches, mut messages) = (0, 0);
    let mut waiting = Vec::new();
    while let Some(first) = inlets.normal.blocking_recv() {
        waiting.push(first);
        while waiting.len() < 256 {
            let Ok(next) = inlets.normal.try_recv() else { break };
            waiting.push(next);
        }
        for batch in waiting.drain(..) {
            batches += 1;
            messages += batch.messages.len();
            batch.ack.accept_all();
        }
    }
    drop(events.join());
    (batches, messages)
}

fn spawn_load(broker: &Broker, connections: usize, in_flight: usize) -> Outcome<Child> {
    Ok(Command::new(std::env::current_exe()?)
        .arg("load")
        .arg(broker.local_addr().to_string())
        .arg(connections.to_string())
        .arg(in_flight.to_string())
        .stdin(Stdio::null())
        .spawn()?)
}

async fn wait_for(broker: &Broker, connections: usize) {
    while broker.sessions() != connections || broker.connections() != connections {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn load(to: SocketAddr, connections: usize, in_flight: usize) -> Outcome<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..connections {
        tasks.spawn(client(to, number, in_flight));
        if number % 200 == 199 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn client(to: SocketAddr, number: usize, in_flight: usize) -> Outcome<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let id = format!("client-{number:06}");
    let mut connect = vec![0x10, 12 + id.len() as u8];
    connect.extend_from_slice(b"\x00\x04MQTT\x04\x02\x00\x00\x00");
    connect.push(id.len() as u8);
    connect.extend_from_slice(id.as_bytes());
    stream.write_all(&connect).await?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await?;
    let topic = format!("v1/acme/device-{number:06}/telemetry");
    let payload = [b'x'; 100];
    let mut one = vec![0x32, (4 + topic.len() + payload.len()) as u8 | 0x80, 1, 0];
    let length = 4 + topic.len() + payload.len();
    one[1] = (length & 0x7F) as u8 | 0x80;
    one[2] = (length >> 7) as u8;
    one.push(topic.len() as u8);
    one.extend_from_slice(topic.as_bytes());
    one.extend_from_slice(&[0, 1]);
    one.extend_from_slice(&payload);
    let mut buffer = vec![0; 4 * 1024];
    let (mut free, mut odd) = (in_flight, 0);
    loop {
        if free > 0 {
            stream.write_all(&one.repeat(free)).await?;
        }
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        odd += count;
        free = odd / 4;
        odd %= 4;
    }
}

fn memory_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// CPU time of this process, user and system, in seconds; the kernel counts in 1/100 s.
fn cpu_s() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().ok_or("no fields")?.split(' ').collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}
