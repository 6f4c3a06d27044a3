//! Alarms through a broker that is there already: Mosquitto as a process of its own, and the embedded rumqttd.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

use crate::feed::Feed;
use crate::rig::{DEADLINE, Rig, free_port};

const UNITS: usize = 40;

/// Mosquitto with persistence, on a port that stays the same.
struct Mosquitto {
    address: SocketAddr,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    async fn start() -> Mosquitto {
        let mut mosquitto = Mosquitto { address: free_port(), folder: tempfile::tempdir().unwrap(), child: None };
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location {}/\n\
             autosave_interval 1800\nmax_queued_messages 0\n",
            mosquitto.address.port(),
            mosquitto.folder.path().display()
        );
        fs::write(mosquitto.folder.path().join("mosquitto.conf"), text).unwrap();
        mosquitto.restart().await;
        mosquitto
    }

    async fn restart(&mut self) {
        let path = Path::new("/usr/sbin/mosquitto");
        assert!(path.exists(), "these tests need Mosquitto: apt-get install mosquitto");
        let mut command = Command::new(path);
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let address = self.address;
        until("Mosquitto listens", || TcpStream::connect(address).is_ok()).await;
    }

    /// Its state is on its disk (SIGUSR1).
    async fn save(&self) {
        let path = self.folder.path().join("mosquitto.db");
        let written = || fs::metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let before = written();
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-USR1", &pid]).status().unwrap().success());
        until("Mosquitto saves its state", || written() > before).await;
    }

    /// kill -9, with what it had saved.
    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(std::time::Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Publishes an alarm of each unit, named `{name}-{unit}`, and returns when the broker has acknowledged them.
async fn publish(address: SocketAddr, name: &str) {
    let mut options = MqttOptions::new(format!("gateway-{name}"), address.ip().to_string(), address.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, UNITS);
    for unit in 1..=UNITS {
        let payload = format!(r#"{{"id":"{name}-{unit}","kind":"smoke"}}"#);
        client.publish(format!("fire/v1/acme/s{unit}a/alarm"), QoS::AtLeastOnce, false, payload).await.unwrap();
    }
    let all = async {
        let mut acknowledged = 0;
        while acknowledged < UNITS {
            acknowledged += usize::from(matches!(events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))));
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("the broker acknowledges");
}

/// Reads the feed from its beginning until every alarm of these names is on it, and then to its end: each is there once.
async fn check_feed(rig: &Rig, names: &[&str]) {
    let wanted: Vec<String> =
        names.iter().flat_map(|name| (1..=UNITS).map(move |unit| format!("{name}-{unit}"))).collect();
    let mut feed = Feed::open(rig, Some(0)).await;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut newest = None;
    while newest.is_none_or(|newest| feed.cursor.unwrap_or(0) < newest) {
        let event = tokio::time::timeout(DEADLINE, feed.next()).await;
        let lost = || wanted.iter().filter(|id| !seen.contains_key(*id)).collect::<Vec<_>>();
        let Ok(Some(event)) = event else { panic!("not on the feed: {:?}", lost()) };
        let alert = event["type"].as_str().unwrap().starts_with("alert.");
        if let (true, Some(id)) = (alert, event["detail"].as_str().filter(|id| wanted.iter().any(|one| one == id))) {
            *seen.entry(id.to_owned()).or_default() += 1;
        }
        if newest.is_none() && seen.len() == wanted.len() {
            newest = rig.get("/api/v1/bootstrap").await["cursor"].as_u64();
        }
    }
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "more than once: {doubled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_of_an_existing_broker_arrive_once_across_kills_of_either_side() {
    let mut mosquitto = Mosquitto::start().await;
    let configuration = format!(
        "[[source.mqtt]]\nname = \"plant\"\nport = {}\nconnections = 2\nback_off_max_ms = 300\n",
        mosquitto.address.port()
    );
    let mut rig = Rig::start_with(UNITS, &configuration).await;
    let address = mosquitto.address;
    rig.until("the source is subscribed", async |rig| {
        rig.log().matches("subscribed to device traffic").nth(1).map(|_| ())
    })
    .await;

    // the station dies in the middle, and everything that follows waits at the broker, which dies as well
    let publishing = tokio::spawn(async move { publish(address, "cut").await });
    tokio::time::sleep(Duration::from_millis(7)).await;
    rig.kill();
    publishing.await.unwrap();
    publish(address, "away").await;
    mosquitto.save().await;
    mosquitto.kill();
    mosquitto.restart().await;
    publish(address, "back").await;
    rig.spawn().await;
    check_feed(&rig, &["cut", "away", "back"]).await;

    // the broker dies under a running station
    publish(address, "last").await;
    mosquitto.save().await;
    mosquitto.kill();
    mosquitto.restart().await;
    rig.until("the source is ready again", async |rig| {
        let connects = rig.client.get(rig.url("/metrics")).bearer_auth(crate::rig::ADMIN).send().await.ok()?;
        connects.text().await.ok()?.contains("fenghuo_source_connected{source=\"plant\"} 2").then_some(())
    })
    .await;
    publish(address, "end").await;
    check_feed(&rig, &["cut", "away", "back", "last", "end"]).await;
    assert!(rig.stop().await.success());
    let complaints = rig.complaints(&["no device traffic from this broker"]);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tells_of_a_broker_that_is_gone() {
    let mut mosquitto = Mosquitto::start().await;
    let configuration = format!(
        "[[source.mqtt]]\nname = \"plant\"\nport = {}\nprotocol = \"3.1.1\"\nback_off_max_ms = 300\nunready_after_ms = 1000\n",
        mosquitto.address.port()
    );
    let mut rig = Rig::start_with(2, &configuration).await;
    mosquitto.kill();
    let told = rig
        .until("the station is not ready", async |rig| {
            let answer = rig.client.get(rig.url("/readyz")).send().await.unwrap();
            if answer.status().is_success() { None } else { answer.text().await.ok() }
        })
        .await;
    assert!(told.contains("source plant, connection 1"), "{told}");
    mosquitto.restart().await;
    rig.until("the station is ready again", async |rig| {
        rig.client.get(rig.url("/readyz")).send().await.unwrap().status().is_success().then_some(())
    })
    .await;
    assert!(rig.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_broker_is_started_and_heard_and_says_what_it_does_not_promise() {
    let address = free_port();
    let mut rig = Rig::start_with(UNITS, &format!("[source.embedded]\nlisten = \"{address}\"\n")).await;
    rig.until("the source is subscribed", async |rig| rig.log().contains("subscribed to device traffic").then_some(()))
        .await;
    publish(address, "one").await;
    check_feed(&rig, &["one"]).await;
    rig.kill();
    rig.spawn().await;
    rig.until("the source is subscribed again", async |rig| {
        rig.log().matches("subscribed to device traffic").nth(1).map(|_| ())
    })
    .await;
    publish(address, "two").await;
    check_feed(&rig, &["one", "two"]).await;
    assert!(rig.stop().await.success());
    let complaints = rig.complaints(&["rumqttd runs inside this process"]);
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(rig.log().contains("checks no topic permissions"));
}
