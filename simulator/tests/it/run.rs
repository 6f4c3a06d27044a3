//! The whole city over sockets, and the command line's own words.

use crate::fake_station::{FakeStation, Seen};
use clap::Parser;
use simulator::{
    alarm,
    city::{self, Settings as City},
    roster::Roster,
    run::{self, Connections, Settings},
    wire::AlarmKind,
    world::Shard,
};
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering::Relaxed,
};
use tokio::sync::watch;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
}

fn settings(dir: &tempfile::TempDir, station: &FakeStation, more: &[&str]) -> Settings {
    let address = format!("127.0.0.1:{}", station.port);
    let fixed = ["run", "--roster", dir.path().to_str().unwrap(), "--mqtt", &address, "--no-responders"];
    Cli::parse_from(fixed.iter().chain(more)).settings
}

#[tokio::test]
async fn every_device_of_the_city_speaks_and_all_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    city::run(&City { out: dir.path().into(), ..City::small(200) }).unwrap();
    let roster = Roster::read(dir.path()).unwrap();
    let mut station = FakeStation::start(vec![]).await;
    let settings = settings(&dir, &station, &["--speed", "60", "--wake-over-s", "60", "--connections", "device:10"]);
    let (stop, stopped) = watch::channel(false);
    let city = tokio::spawn(run::run(settings, stopped));
    let want: HashSet<String> = roster.devices.iter().map(|d| format!("{}/{}", d.vendor, d.device)).collect();
    let mut heard: HashSet<String> = HashSet::new();
    let mut clients: HashMap<String, Option<String>> = HashMap::new();
    while heard.len() < want.len() {
        match station.next().await {
            Seen::Publish { topic, .. } => {
                let parts: Vec<&str> = topic.split('/').collect();
                heard.insert(format!("{}/{}", parts[2], parts[3]));
            }
            Seen::Connect { client, will, .. } => {
                clients.insert(client, will);
            }
            _ => {}
        }
    }
    assert_eq!(heard, want);
    assert_eq!(
        clients.values().filter(|w| w.is_some()).count(),
        10,
        "ten devices have a connection and a will: {clients:?}"
    );
    stop.send(true).unwrap();
    let counters = city.await.unwrap().unwrap();
    assert_eq!(counters.owed.load(Relaxed), counters.acknowledged.load(Relaxed));
    assert_eq!((counters.lost.load(Relaxed), counters.dropped.load(Relaxed)), (0, 0));
}

#[tokio::test]
async fn too_many_own_connections_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    city::run(&City { out: dir.path().into(), ..City::small(100) }).unwrap();
    let station = FakeStation::start(vec![]).await;
    let (_keep, stop) = watch::channel(false);
    let error = run::run(settings(&dir, &station, &["--connections", "device:51"]), stop).await.unwrap_err();
    assert!(error.to_string().contains("--device-credentials"), "{error}");
}

#[test]
fn connections_and_shards() {
    assert_eq!("vendor:3".parse(), Ok(Connections::Vendor(3)));
    assert_eq!("device:2000".parse(), Ok(Connections::Device(2_000)));
    for wrong in ["device", "vendor:0", "gateway:1", "device:x"] {
        assert!(wrong.parse::<Connections>().is_err(), "{wrong}");
    }
    assert_eq!("1/3".parse(), Ok(Shard { index: 1, count: 3 }));
    assert!("3/3".parse::<Shard>().is_err());
}

#[test]
fn the_alarm_by_hand_comes_from_a_device_of_the_unit() {
    let roster = city::build(&City::small(500)).unwrap();
    let any = alarm::choose(&roster.devices, None, AlarmKind::Gas).unwrap();
    assert_eq!(format!("{:?}", any.class), "Gas");
    let unit = &roster.devices[0].unit;
    assert_eq!(&alarm::choose(&roster.devices, Some(unit), AlarmKind::Smoke).unwrap().unit, unit);
    let error = alarm::choose(&roster.devices, Some("U999999"), AlarmKind::Smoke).unwrap_err();
    assert!(error.to_string().contains("U999999"));
}
