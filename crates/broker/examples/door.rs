//! What the ports cost and what they withstand.
//!
//! `cargo run --release -p broker --example door -- idle [connections]`: memory of an idle connection, by transport.
//! `… -- storm [connections]`: TLS connections a second, with full handshakes and resumed, and CPU time of each here.
//! `… -- attacks [seconds]`: how long a bystander's publishes take to be acknowledged, alone and beside each attack.
//!
//! Clients run in processes of their own (this program again).
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Access, Broker, Grant, Lane, Login, Parts, Refusal, Route, Settings, TopicFilter};
use futures::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Open;

impl Access for Open {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        if login.client_id.starts_with("guess") {
            return Err(Refusal::BadCredentials);
        }
        let all = vec![TopicFilter::parse("#").map_err(|_| Refusal::Busy)?];
        Ok(Grant {
            identity: "dev".into(),
            class: "device",
            publish: all.clone().into(),
            subscribe: all.into(),
            retain: false,
        })
    }

    fn route(&self, topic: &str) -> Route {
        Route::Consumer(if topic.ends_with("urgent") { Lane::Urgent } else { Lane::Normal })
    }

    fn now_ms(&self) -> u64 {
        1
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: Option<&&str>, default: usize| text.and_then(|text| text.parse().ok()).unwrap_or(default);
    match words[..] {
        ["hold", transport, to, count, ca] => hold(transport, to.parse()?, count.parse()?, ca).await,
        ["connect", how, to, count, ca] => connect_all(how, to.parse()?, count.parse()?, ca).await,
        ["attack", row, to] => attack(row, to.parse()?).await,
        ["bystand", to, seconds] => bystand(to.parse()?, seconds.parse()?).await,
        ["idle-by", transport, count] => idle_by(transport, count.parse()?).await,
        ["idle", ..] => idle(number(words.get(1), 3_000)).await,
        ["storm", ..] => storm(number(words.get(1), 5_000)).await,
        ["attacks", ..] => attacks(number(words.get(1), 4)).await,
        _ => Err("say idle, storm or attacks".into()),
    }
}

struct House {
    broker: Broker,
    folder: tempfile::TempDir,
}

impl House {
    async fn open() -> Outcome<House> {
        let folder = tempfile::tempdir()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&own, &issuer)?;
        std::fs::write(folder.path().join("server.pem"), certificate.pem())?;
        std::fs::write(folder.path().join("server.key"), own.serialize_pem())?;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings {
            listen: free,
            tls_listen: Some(free),
            websocket_listen: Some(free),
            tls_certificate: Some(folder.path().join("server.pem")),
            tls_key: Some(folder.path().join("server.key")),
            ..Settings::default()
        };
        let (broker, mut inlets) = broker::start(settings, Parts::new(Arc::new(Open))).await?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(batch) = inlets.urgent.recv() => batch.ack.accept_all(),
                    Some(batch) = inlets.normal.recv() => batch.ack.accept_all(),
                    Some(_) = inlets.sessions.recv() => {}
                    else => return,
                }
            }
        });
        Ok(House { broker, folder })
    }

    fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }
}

fn run(arguments: &[&str], out: Stdio) -> Outcome<Child> {
    Ok(Command::new(std::env::current_exe()?).args(arguments).stdin(Stdio::null()).stdout(out).spawn()?)
}

async fn wait_for(broker: &Broker, connections: usize) {
    while broker.connections() != connections || broker.sessions() != connections {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Each transport in a process of its own: freed memory would be used again.
async fn idle(count: usize) -> Outcome<()> {
    for transport in ["plain", "tls", "websocket"] {
        let mut child = run(&["idle-by", transport, &count.to_string()], Stdio::inherit())?;
        tokio::task::block_in_place(|| child.wait())?;
    }
    Ok(())
}

async fn idle_by(transport: &str, count: usize) -> Outcome<()> {
    let house = House::open().await?;
    let to = match transport {
        "plain" => Some(house.broker.local_addr()),
        "tls" => house.broker.tls_addr(),
        _ => house.broker.websocket_addr(),
    };
    let to = to.ok_or("no such port")?.to_string();
    let mut few = run(&["hold", transport, &to, "100", &house.ca()], Stdio::null())?;
    wait_for(&house.broker, 100).await;
    let before = memory_kib()?;
    let mut child = run(&["hold", transport, &to, &count.to_string(), &house.ca()], Stdio::null())?;
    wait_for(&house.broker, count + 100).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = memory_kib()?;
    let each = after.saturating_sub(before) as f64 / count as f64;
    println!("{transport}: {each:.2} KiB each ({before} KiB before, {after} KiB after {count} more)");
    for child in [&mut child, &mut few] {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

async fn storm(count: usize) -> Outcome<()> {
    let house = House::open().await?;
    let to = house.broker.tls_addr().ok_or("no TLS port")?.to_string();
    for how in ["full", "resumed"] {
        let (began, cpu) = (Instant::now(), cpu_s()?);
        let mut child = run(&["connect", how, &to, &count.to_string(), &house.ca()], Stdio::inherit())?;
        tokio::task::block_in_place(|| child.wait())?;
        let (elapsed, cpu) = (began.elapsed().as_secs_f64(), cpu_s()? - cpu);
        let (rate, each_us) = (count as f64 / elapsed, cpu / count as f64 * 1e6);
        println!("{how}: {rate:.0} TLS connects/s to CONNACK, {each_us:.0} us CPU of the listener each");
    }
    Ok(())
}

/// The rows of the list of incidents that can be kept up for seconds.
const ROWS: [&str; 12] = [
    "nothing",
    "silent connections",
    "dripping CONNECT",
    "CONNECT flood",
    "password guessing",
    "takeover storm",
    "PINGREQ flood",
    "tiny publishes",
    "unique topics",
    "SUBSCRIBE and UNSUBSCRIBE",
    "lengths that lie",
    "reader that stops",
];

async fn attacks(seconds: usize) -> Outcome<()> {
    for row in ROWS {
        let house = House::open().await?;
        let to = house.broker.local_addr().to_string();
        let mut attacker = run(&["attack", row, &to], Stdio::null())?;
        tokio::time::sleep(Duration::from_secs(1)).await; // the bursts are used up
        let cpu = cpu_s()?;
        let bystander = run(&["bystand", &to, &seconds.to_string()], Stdio::piped())?;
        let output = tokio::task::block_in_place(|| bystander.wait_with_output())?;
        let cores = (cpu_s()? - cpu) / seconds as f64;
        attacker.kill()?;
        attacker.wait()?;
        println!("{row:26} {} {cores:.2} cores here", String::from_utf8_lossy(&output.stdout).trim());
        house.broker.shutdown().await;
    }
    Ok(())
}

/// One publish at a time, 200 a second: microseconds from sending to PUBACK.
async fn bystand(to: SocketAddr, seconds: u64) -> Outcome<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    login(&mut stream, "bystander").await?;
    let mut times_us = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        let sent = Instant::now();
        stream.write_all(b"\x32\x0C\x00\x07a/b/urg\x00\x01x").await?;
        let mut ack = [0; 4];
        stream.read_exact(&mut ack).await?;
        times_us.push(sent.elapsed().as_micros());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times_us.sort_unstable();
    let at = |part: f64| times_us[((times_us.len() - 1) as f64 * part) as usize];
    println!("median {:5} us, p99 {:6} us, {} publishes,", at(0.5), at(0.99), times_us.len());
    Ok(())
}

fn connect_bytes(id: &str) -> Vec<u8> {
    let mut connect = vec![0x10, 12 + id.len() as u8];
    connect.extend_from_slice(b"\x00\x04MQTT\x04\x02\x00\x00\x00");
    connect.push(id.len() as u8);
    connect.extend_from_slice(id.as_bytes());
    connect
}

async fn login(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), id: &str) -> Outcome<()> {
    stream.write_all(&connect_bytes(id)).await?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await?;
    if connack[3] == 0 { Ok(()) } else { Err(format!("refused: {}", connack[3]).into()) }
}

async fn attack(row: &str, to: SocketAddr) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    let clients = if row == "nothing" { 0 } else { 8 };
    for number in 0..clients {
        let row = row.to_owned();
        tasks.spawn(async move {
            loop {
                let turn = match row.as_str() {
                    "silent connections" => hoard(to).await,
                    "dripping CONNECT" => drip(to).await,
                    "CONNECT flood" => once(to, &format!("c{number}")).await,
                    "password guessing" => once(to, "guess").await,
                    "takeover storm" => once(to, "same").await,
                    "lengths that lie" => lie(to).await,
                    "reader that stops" => flood(to, number, "PINGREQ flood", false).await,
                    other => flood(to, number, other, true).await,
                };
                if turn.is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        if clients > 0 && tasks.is_empty() {
            return Ok(());
        }
    }
}

async fn hoard(to: SocketAddr) -> Outcome<()> {
    let mut held = Vec::new();
    for _ in 0..1_000 {
        held.push(TcpStream::connect(to).await?);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(())
}

async fn drip(to: SocketAddr) -> Outcome<()> {
    let mut held = Vec::new();
    for _ in 0..500 {
        held.push(TcpStream::connect(to).await?);
    }
    for byte in connect_bytes("drip") {
        for stream in &mut held {
            stream.write_all(&[byte]).await?;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    Ok(())
}

async fn once(to: SocketAddr, id: &str) -> Outcome<()> {
    login(&mut TcpStream::connect(to).await?, id).await
}

async fn lie(to: SocketAddr) -> Outcome<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F]).await?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;
    Ok(())
}

async fn flood(to: SocketAddr, number: usize, row: &str, read: bool) -> Outcome<()> {
    let mut stream = TcpStream::connect(to).await?;
    login(&mut stream, &format!("flood{number}")).await?;
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut scrap = vec![0; 64 * 1024];
        while read && reader.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
        tokio::time::sleep(Duration::from_secs(if read { 0 } else { 60 })).await;
    });
    let mut round = 0u32;
    loop {
        let mut bytes = Vec::new();
        for _ in 0..1_000 {
            round += 1;
            match row {
                "PINGREQ flood" => bytes.extend_from_slice(&[0xC0, 0]),
                "tiny publishes" => bytes.extend_from_slice(b"\x30\x03\x00\x01a"),
                "unique topics" => {
                    bytes.extend_from_slice(b"\x30\x0C\x00\x0A");
                    bytes.extend_from_slice(format!("{number}/{round:08}").as_bytes());
                }
                _ if round.is_multiple_of(2) => bytes.extend_from_slice(b"\x82\x06\x00\x01\x00\x01a\x01"),
                _ => bytes.extend_from_slice(b"\xA2\x05\x00\x01\x00\x01a"),
            }
        }
        if let Err(error) = writer.write_all(&bytes).await {
            reading.abort();
            return Err(error.into());
        }
    }
}

fn client(ca: impl AsRef<Path>) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(ca)?)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

async fn tls(config: &Arc<ClientConfig>, to: SocketAddr) -> Outcome<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(TlsConnector::from(config.clone()).connect(ServerName::try_from("127.0.0.1")?, stream).await?)
}

async fn hold(transport: &str, to: SocketAddr, count: usize, ca: &str) -> Outcome<()> {
    let config = client(ca)?;
    let prefix = std::process::id();
    let (mut streams, mut sockets) = (Vec::<Box<dyn Send>>::new(), Vec::new());
    for number in 0..count {
        let id = format!("{prefix}-{number}");
        match transport {
            "plain" => {
                let mut stream = TcpStream::connect(to).await?;
                login(&mut stream, &id).await?;
                streams.push(Box::new(stream));
            }
            "tls" => {
                let mut stream = tls(&config, to).await?;
                login(&mut stream, &id).await?;
                streams.push(Box::new(stream));
            }
            _ => {
                let mut request = "ws://localhost/mqtt".into_client_request()?;
                request.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse()?);
                let stream = TcpStream::connect(to).await?;
                let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
                socket.send(Message::binary(connect_bytes(&id))).await?;
                socket.next().await.ok_or("closed")??;
                sockets.push(socket);
            }
        }
    }
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    Ok(())
}

async fn connect_all(how: &str, to: SocketAddr, count: usize, ca: &str) -> Outcome<()> {
    const AT_A_TIME: usize = 64;
    let mut tasks = JoinSet::new();
    for worker in 0..AT_A_TIME {
        let (shared, ca, resumed) = (client(ca)?, ca.to_owned(), how == "resumed");
        tasks.spawn(async move {
            for number in 0..count.div_ceil(AT_A_TIME) {
                let config = if resumed { shared.clone() } else { client(&ca)? };
                login(&mut tls(&config, to).await?, &format!("{worker}-{number}")).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
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
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}
