//! Brokers as processes, a publisher that knows what was acknowledged, and a consumer that answers or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use broker::{Access, Broker, Grant, Inbound, Inlets, Lane, Login, Refusal, Route};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use source::{Health, Mqtt, Protocol, Settings, Sources};

/// Every wait in these tests ends here at the latest.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Asks again until it holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A broker in a process of its own.
pub struct Process {
    pub port: u16,
    pub folder: tempfile::TempDir,
    command: Box<dyn Fn() -> Command + Send>,
    child: Option<Child>,
}

impl Process {
    pub async fn start(port: u16, folder: tempfile::TempDir, command: Box<dyn Fn() -> Command + Send>) -> Process {
        let mut process = Process { port, folder, command, child: None };
        process.restart().await;
        process
    }

    /// Starts it (again) on its port and waits until it listens.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "runs already");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = (self.command)();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        until("the broker listens", || TcpStream::connect(address).is_ok()).await;
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!(
                "--- the broker's log\n{}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
        }
    }
}

/// Mosquitto with persistence, and further lines of its configuration.
pub async fn mosquitto(lines: &str) -> Process {
    let path = PathBuf::from("/usr/sbin/mosquitto");
    assert!(path.exists(), "these tests need Mosquitto: apt-get install mosquitto");
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let at = folder.path().display();
    let listener = if lines.contains("listener ") { String::new() } else { format!("listener {port} 127.0.0.1\n") };
    let anonymous = if lines.contains("allow_anonymous") { "" } else { "allow_anonymous true\n" };
    let lines = lines.replace("FOLDER", &at.to_string()).replace("PORT", &port.to_string());
    let text = format!(
        "{listener}{anonymous}user root\npersistence true\npersistence_location {at}/\nautosave_interval 1800\n\
         max_queued_messages 0\nlog_dest stderr\n{lines}\n"
    );
    let configuration = folder.path().join("mosquitto.conf");
    fs::write(&configuration, text).unwrap();
    let command = move || {
        let mut command = Command::new(&path);
        command.arg("-c").arg(&configuration);
        command
    };
    Process::start(port, folder, Box::new(command)).await
}

impl Process {
    /// Mosquitto writes its state to disk now (SIGUSR1).
    pub async fn save(&self) {
        let path = self.folder.path().join("mosquitto.db");
        let written = || fs::metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let before = written();
        let sent = Command::new("kill").args(["-USR1", &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
        until("mosquitto saved its state", || written() > before).await;
    }
}

/// Publishes at QoS 1 and returns once all are acknowledged.
pub async fn publish(port: u16, login: Option<(&str, &str)>, topics_and_payloads: Vec<(String, Vec<u8>)>) {
    let mut options = MqttOptions::new(format!("device-{}", topics_and_payloads[0].0.len()), "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30));
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    let (client, mut events) = AsyncClient::new(options, 64);
    let count = topics_and_payloads.len();
    let feed = tokio::spawn(async move {
        for (topic, payload) in topics_and_payloads {
            client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        }
        client
    });
    let all = async {
        let mut acknowledged = 0;
        while acknowledged < count {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => acknowledged += 1,
                Ok(_) => {}
                Err(error) => panic!("publishing: {error}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("all are acknowledged");
    drop(feed.await.unwrap());
}

/// Alarms `{prefix}-0` … of as many devices.
pub fn alarms(prefix: &str, count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|i| (format!("fire/v1/acme/d{i}/alarm"), format!("{prefix}-{i}").into_bytes())).collect()
}

/// Telemetry, likewise.
pub fn telemetry(prefix: &str, count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|i| (format!("fire/v1/acme/d{i}/telemetry"), format!("{prefix}-{i}").into_bytes())).collect()
}

pub fn names(prefix: &str, count: usize) -> BTreeSet<String> {
    (0..count).map(|i| format!("{prefix}-{i}")).collect()
}

struct Nobody;

impl Access for Nobody {
    fn authenticate(&self, _: &Login<'_>) -> Result<Grant, Refusal> {
        Err(Refusal::NotAuthorised)
    }

    fn route(&self, _: &str) -> Route {
        Route::Relay
    }

    fn now_ms(&self) -> u64 {
        0
    }
}

/// The process around the sources: where their batches come out.
pub struct Station {
    pub inlets: Inlets,
    broker: Broker,
}

impl Station {
    pub async fn new() -> Station {
        let settings = broker::Settings { listen: ([127, 0, 0, 1], 0).into(), ..broker::Settings::default() };
        let (broker, inlets) = broker::start(settings, broker::Parts::new(Arc::new(Nobody))).await.unwrap();
        Station { inlets, broker }
    }

    /// Starts the sources and waits until they are subscribed.
    pub async fn sources(&self, settings: Settings) -> Sources {
        let sources = self.try_sources(settings);
        connected(&sources.health()).await;
        sources
    }

    pub fn try_sources(&self, settings: Settings) -> Sources {
        self.start(settings).unwrap()
    }

    pub fn start(&self, settings: Settings) -> Result<Sources, source::StartError> {
        let lane = |topic: &str| if topic.ends_with("/alarm") { Lane::Urgent } else { Lane::Normal };
        source::start(source::Parts {
            settings,
            outlets: self.broker.outlets().unwrap(),
            route: Arc::new(lane),
            now_ms: Arc::new(|| 7),
        })
    }

    /// The next batch of any lane.
    pub async fn batch(&mut self) -> Inbound {
        let next = async {
            tokio::select! {
                biased;
                batch = self.inlets.urgent.recv() => batch,
                batch = self.inlets.normal.recv() => batch,
            }
        };
        tokio::time::timeout(DEADLINE, next).await.expect("a batch comes").expect("the lanes are open")
    }

    /// Takes and accepts until every payload of `wanted` has come; how often each did.
    pub async fn accept(&mut self, wanted: &BTreeSet<String>) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        while !wanted.iter().all(|payload| seen.contains_key(payload)) {
            let batch = self.batch().await;
            for payload in payloads(&batch) {
                *seen.entry(payload).or_default() += 1;
            }
            batch.ack.accept_all();
        }
        seen
    }
}

pub fn payloads(batch: &Inbound) -> Vec<String> {
    batch.messages.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}

pub async fn connected(health: &Health) {
    let end = Instant::now() + DEADLINE;
    while health.connected().0 < health.connected().1 {
        assert!(Instant::now() < end, "not all connections are subscribed: {:?}", health.check());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A source that tries again quickly.
pub fn plant(port: u16, protocol: Protocol) -> Mqtt {
    Mqtt {
        name: "plant".into(),
        port,
        protocol,
        back_off_min_ms: 20,
        back_off_max_ms: 200,
        unready_after_ms: 0,
        ..Mqtt::default()
    }
}

/// One that does not wait for answers when it is told to stop.
pub fn hasty(mqtt: Mqtt) -> Settings {
    only(Mqtt { drain_deadline_ms: 100, ..mqtt })
}

pub fn only(mqtt: Mqtt) -> Settings {
    Settings { mqtt: vec![mqtt], embedded: None }
}
