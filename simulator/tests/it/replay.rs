//! Recordings: mappings, times, messages, and the way over a socket.

use crate::fake_station::{FakeStation, Seen};
use clap::Parser;
use simulator::{
    replay::{
        self, Settings, Speed,
        mapping::Mapping,
        messages,
        recording::{Recording, date_s, events, moment_s},
    },
    wire::Quantity,
};
use std::{fs, path::PathBuf};
use tokio::sync::watch;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
}

fn mapping(maps: &[&str]) -> Mapping {
    let mut mapping = Mapping::default();
    maps.iter().for_each(|m| mapping.add(m).unwrap());
    mapping
}

fn error(map: &str) -> String {
    Mapping::default().add(map).unwrap_err().to_string()
}

fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn read(text: &str, time: &str, maps: &[&str]) -> Result<Vec<replay::Timed>, String> {
    let dir = tempfile::tempdir().unwrap();
    let mapping = mapping(maps);
    let recording =
        Recording::open(&file(&dir, "r.csv", text), time, &mapping.columns()).map_err(|e| format!("{e:#}"))?;
    messages(recording, &mapping, 0).collect::<Result<Vec<_>, _>>().map_err(|e| format!("{e:#}"))
}

#[test]
fn mappings_with_factor_and_offset() {
    let map = mapping(&[
        "SMA_1=yunyan/YY0000001:smoke_db_m*10",
        "Quadrant A Temperature 25 mm Below Ceiling = yunyan/YY0000001:temperature_c",
        "T=v/d:temperature_c*0.5556-17.78",
        "CO=v/d:co_ppm*1e+4+2.5",
        "K=v/e:temperature_c-273.15",
        "a=b=v/f:co_ppm",
    ]);
    let devices = map.devices();
    assert_eq!(devices.len(), 4);
    let line =
        |d: usize, l: usize| (devices[d].lines[l].quantity, devices[d].lines[l].factor, devices[d].lines[l].offset);
    assert_eq!(line(0, 0), (Quantity::SmokeDbM, 10.0, 0.0));
    assert_eq!(line(0, 1), (Quantity::TemperatureC, 1.0, 0.0));
    assert_eq!(line(1, 0), (Quantity::TemperatureC, 0.5556, -17.78));
    assert_eq!(line(1, 1), (Quantity::CoPpm, 1e4, 2.5));
    assert_eq!(line(2, 0), (Quantity::TemperatureC, 1.0, -273.15));
    assert_eq!(map.columns()[5], "a=b", "a column may have an equals sign in its name");
}

#[test]
fn wrong_mappings_are_refused_in_words_that_help() {
    assert!(error("SMA_1").contains("there is no `=`"));
    assert!(error("=v/d:co_ppm").contains("column's name is empty"));
    assert!(error("A=device:co_ppm").contains("expected VENDOR/DEVICE:QUANTITY"));
    assert!(error("A=v/d").contains("expected VENDOR/DEVICE:QUANTITY"));
    assert!(error("A=v/d/e:co_ppm").contains("none of them"));
    assert!(error("A=v/d:smoke").contains("smoke_db_m, co_ppm"), "the quantities that exist are named");
    assert!(error("A=v/d:co_ppm*ten").contains("\"ten\" is not a number"));
    assert!(error("A=v/d:co_ppm*10+").contains("is not a number"));
    let mut twice = mapping(&["A=v/d:co_ppm"]);
    assert!(twice.add("B=v/d:co_ppm").unwrap_err().to_string().contains("already has co_ppm"));
    assert!(Mapping::default().check().unwrap_err().to_string().contains("--map"));
}

#[test]
fn a_mapping_file() {
    let mut map = Mapping::default();
    map.read_toml("[columns]\n\"T A\" = \"v/d:temperature_c\"\nSM = [\"v/d:smoke_db_m*10\", \"v/e:smoke_db_m*10\"]\n")
        .unwrap();
    assert_eq!(map.devices().len(), 2);
    assert!(Mapping::default().read_toml("[colums]\n").unwrap_err().to_string().contains("[columns]"));
}

#[test]
fn times_of_all_recordings() {
    assert_eq!(moment_s("1.20E+02"), Some(120.0));
    assert_eq!(moment_s("-119"), Some(-119.0));
    assert_eq!(date_s("1970-01-02 00:00:01"), Some(86_401.0));
    assert_eq!(date_s("2018-11-30-19:13:01"), date_s("2018-11-30T19:13:01Z"));
    assert_eq!(date_s("2000-03-01 00:00:00").unwrap() - date_s("2000-02-28 00:00:00").unwrap(), 2.0 * 86_400.0);
    assert_eq!(date_s("2025-11-22 08:00:00.250"), Some(1_763_798_400.25));
    for wrong in [
        "",
        "soon",
        "2018-13-01 00:00:00",
        "2018-11-30 24:00:00",
        "2018/11/30 10:00:00",
        "NaN",
        "二〇一八年十一月三十日",
    ] {
        assert_eq!(moment_s(wrong), None, "{wrong}");
    }
}

#[test]
fn rows_become_one_message_a_device_and_gaps_stay_gaps() {
    let text = "TIME,SM,T,CO\n0.00E+00,0.01,27.3,\n2.00E+00,0.05,27.4,NaN\n4.00E+00,,27.5,1.0E-04\n";
    let out = read(text, "TIME", &["SM=v/a:smoke_db_m*10", "T=v/a:temperature_c", "CO=v/b:co_ppm*1e6"]).unwrap();
    let brief: Vec<(f64, &str, u32, usize)> =
        out.iter().map(|t| (t.after_s, t.device.as_str(), t.seq, t.values.len())).collect();
    assert_eq!(brief, [(0.0, "a", 0, 2), (2.0, "a", 1, 2), (4.0, "a", 2, 1), (4.0, "b", 2, 1)]);
    assert_eq!(out[1].values, [(Quantity::SmokeDbM, 0.5), (Quantity::TemperatureC, 27.4)]);
    let publish = out[3].publish(1_000);
    assert_eq!(publish.topic, "fire/v1/v/b/telemetry");
    let value: serde_json::Value = serde_json::from_slice(&publish.payload).unwrap();
    assert_eq!(value, serde_json::json!({"ts": 1000, "seq": 2, "values": {"co_ppm": 100}}));
}

#[test]
fn broken_recordings_are_refused_with_their_line() {
    let maps = ["T=v/a:temperature_c"];
    assert!(read("Time,X\n0,1\n", "Time", &maps).unwrap_err().contains("has no column \"T\"; it has: Time, X"));
    assert!(read("Time,T\n0,1\n1,hot\n", "Time", &maps).unwrap_err().contains("line 3: \"hot\" in column \"T\""));
    assert!(read("Time,T\nnoon,1\n", "Time", &maps).unwrap_err().contains("line 2: \"noon\" is neither"));
    assert!(read("Time,T\n1,1\n0,1\n", "Time", &maps).unwrap_err().contains("time goes back"));
}

#[test]
fn marked_moments_are_found_on_the_recordings_own_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "r.csv", "Time,Timestamp,T\n-120,2018-11-30 19:11:01,20\n-119,2018-11-30 19:11:02,20\n");
    let marks = file(&dir, "e.csv", "Time,Event\n2018-11-30-19:23:05,Burner Off\n2018-11-30-19:13:01,Ignition\n");
    let recording = Recording::open(&path, "Time", &["T".into()]).unwrap();
    let found = events(&marks, recording.time_origin().unwrap()).unwrap();
    let brief: Vec<(f64, &str)> = found.iter().map(|m| (m.time_s, m.name.as_str())).collect();
    assert_eq!(brief, [(0.0, "Ignition"), (604.0, "Burner Off")]);
    let by_date = Recording::open(&path, "Timestamp", &["T".into()]).unwrap();
    assert_eq!(by_date.time_origin().unwrap(), Some(0.0));
    let bare = file(&dir, "b.csv", "Time,T\n0,20\n");
    let recording = Recording::open(&bare, "Time", &["T".into()]).unwrap();
    assert!(events(&marks, recording.time_origin().unwrap()).unwrap_err().to_string().contains("no column of dates"));
}

#[test]
fn speeds() {
    assert_eq!("10".parse(), Ok(Speed::Times(10.0)));
    assert_eq!("max".parse(), Ok(Speed::Max));
    assert!("0".parse::<Speed>().unwrap_err().contains("above 0"));
    assert!("fast".parse::<Speed>().is_err());
}

#[tokio::test]
async fn a_recording_arrives_whole_with_shifted_stamps() {
    let mut station = FakeStation::start(vec![]).await;
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..200).map(|s| format!("{},{}\n", s * 5, 20 + s)).collect();
    let path = file(&dir, "r.csv", &format!("Time,T\n{rows}"));
    let address = format!("127.0.0.1:{}", station.port);
    let cli = Cli::parse_from([
        "replay",
        path.to_str().unwrap(),
        "--map",
        "T=yunyan/YY0000001:temperature_c",
        "--speed",
        "max",
        "--mqtt",
        &address,
        "--credential",
        "vendor-yunyan:word",
        "--from",
        "10",
    ]);
    let (_keep, stop) = watch::channel(false);
    let text = replay::run(&cli.settings, stop).await.unwrap();
    assert_eq!(text, "198 messages published and acknowledged");
    assert!(matches!(station.next().await, Seen::Connect { user, .. } if user == "vendor-yunyan"));
    let mut stamps = Vec::new();
    for row in 2..202 - 2 {
        let (topic, payload) = station.next_publish().await;
        assert_eq!(topic, "fire/v1/yunyan/YY0000001/telemetry");
        let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(value["values"]["temperature_c"], 20 + row);
        stamps.push(value["ts"].as_i64().unwrap());
    }
    assert!(stamps.windows(2).all(|w| w[1] - w[0] == 5_000), "the recording's own intervals");
}

#[tokio::test]
async fn whose_account_must_be_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "r.csv", "Time,T\n0,20\n");
    let cli = Cli::parse_from(["replay", path.to_str().unwrap(), "--map", "T=v/d:temperature_c"]);
    let (_keep, stop) = watch::channel(false);
    assert!(replay::run(&cli.settings, stop).await.unwrap_err().to_string().contains("--credential"));
}
