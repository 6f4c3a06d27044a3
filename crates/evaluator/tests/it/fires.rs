//! Recordings of real fires at their own pace. The folder of recordings is told by `FENGHUO_DATA`; without it these tests
//! say that they were skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Quantity;

use crate::kit::{Dice, Fire, Sample, play, roster};

/// A recording: columns by name, rows at ms after ignition.
struct Recording {
    name: String,
    columns: BTreeMap<String, Vec<(i64, f32)>>,
}

fn folder(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FENGHUO_DATA").map(|data| PathBuf::from(data).join("fires").join(name));
    let found = folder.filter(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED: FENGHUO_DATA names no folder with fires/{name}");
    }
    found
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy()))).collect();
    files.sort();
    files
}

/// Seconds since 1970 of `2018-12-14 15:51:00` and `2018-12-14-15:53:00`, in the recording's own zone.
fn seconds(stamp: &str) -> i64 {
    let numbers: Vec<i64> =
        stamp.trim().split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap()).collect();
    let [year, month, day, hour, minute, second] = numbers[..] else { panic!("{stamp}") };
    // days from civil, March first
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719_469;
    ((days * 24 + hour) * 60 + minute) * 60 + second
}

/// Rows of a CSV file without quotes: the header, then each row's time and cells.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = text.lines().map(|row| row.split(',').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    (rows.next().unwrap(), rows.collect())
}

fn record(path: &Path, time_of: impl Fn(&BTreeMap<&str, &str>) -> i64) -> Recording {
    let (header, rows) = table(path);
    let mut columns: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
    for row in &rows {
        let cells: BTreeMap<&str, &str> =
            header.iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect();
        let at_ms = time_of(&cells);
        for (name, cell) in cells {
            if let Some(value) = cell.parse().ok().filter(|value: &f32| value.is_finite()) {
                columns.entry(name.to_owned()).or_default().push((at_ms, value));
            }
        }
    }
    Recording { name: path.file_stem().unwrap().to_string_lossy().into_owned(), columns }
}

fn compartments() -> Vec<Recording> {
    let Some(folder) = folder("fsri-compartments-2018") else { return Vec::new() };
    let events = files(&folder, |name| name.ends_with("_Events.csv"));
    assert_eq!(events.len(), 36);
    let record = |path: &PathBuf| {
        let (_, rows) = table(path);
        let ignition = rows.iter().find(|row| row[1].starts_with("Ignition")).expect("every fire has its ignition");
        let ignition_s = seconds(&ignition[0]);
        let name = path.file_name().unwrap().to_string_lossy().replace("_Events", "");
        record(&folder.join(name), |cells| (seconds(cells["Timestamp"]) - ignition_s) * 1000)
    };
    events.iter().map(record).collect()
}

fn homes() -> Vec<Recording> {
    let Some(folder) = folder("nist-smoke-alarms") else { return Vec::new() };
    let files = files(&folder, |name| name.starts_with("SDC"));
    assert_eq!(files.len(), 4);
    files.iter().map(|path| record(path, |cells| (cells["TIME"].parse::<f64>().unwrap() * 1000.0) as i64)).collect()
}

/// How a recording is changed before it is played.
#[derive(Debug, Clone, Copy)]
struct Change {
    every_s: i64,
    noise_k: f32,
    /// Of a thousand samples, so many are wrong by up to 60 K, none next to another.
    wrong: u32,
    drift_k_h: f32,
}

const AS_IT_IS: Change = Change { every_s: 1, noise_k: 0.0, wrong: 0, drift_k_h: 0.0 };

/// Columns as devices 0, 1, 2…, in order of time.
fn samples(recording: &Recording, columns: &[String], change: Change) -> Vec<Sample> {
    let mut all = Vec::new();
    for (column, device) in columns.iter().zip(0_u32..) {
        let mut dice = Dice(u64::from(device) * 7919 + recording.name.len() as u64);
        let mut due_ms = i64::MIN;
        let mut since_wrong = 0;
        for (at_ms, value) in &recording.columns[column] {
            if *at_ms < due_ms {
                continue;
            }
            due_ms = at_ms + change.every_s * 1000;
            since_wrong += 1;
            let is_wrong = since_wrong > 3 && (dice.roll() + 1.0) * 500.0 < change.wrong as f32;
            let off = if is_wrong { 60.0 * dice.roll() } else { 0.0 };
            since_wrong = if is_wrong { 0 } else { since_wrong };
            let drift = change.drift_k_h * *at_ms as f32 / 3_600_000.0;
            all.push((*at_ms, device, Quantity::TemperatureC, value + off + drift + change.noise_k * dice.roll()));
        }
    }
    all.sort_by_key(|sample| (sample.0, sample.1));
    all
}

fn ceiling(recording: &Recording, height: &str) -> Vec<String> {
    let wanted = |quadrant| format!("Quadrant {quadrant} Temperature {height}");
    ["A", "B", "C", "D"].map(wanted).into_iter().filter(|column| recording.columns.contains_key(column)).collect()
}

/// Seconds from ignition to the first fire finding; panics when there is none, or one before.
fn detected_s(what: &str, found: &[Fire]) -> f64 {
    let first = found.first().unwrap_or_else(|| panic!("{what}: no fire was found"));
    assert!(first.0 >= 0, "{what}: {first:?} before ignition");
    first.0 as f64 / 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn every_compartment_fire_is_found_and_none_before_ignition() {
    let mut gains = Vec::new();
    for recording in compartments() {
        let columns = ceiling(&recording, "25 mm Below Ceiling");
        let found = play(&roster(columns.len(), 1, 60), &samples(&recording, &columns, AS_IT_IS));
        let first_s = detected_s(&recording.name, &found);
        let fixed_s =
            found.iter().find(|(_, rule, _)| rule == "heat_fixed").map_or(f64::NAN, |fire| fire.0 as f64 / 1000.0);
        let red_s =
            found.iter().find(|(_, rule, _)| rule == "coincidence").map_or(f64::NAN, |fire| fire.0 as f64 / 1000.0);
        eprintln!(
            "{:<24} found after {first_s:>5.0} s by {:<10} fixed {fixed_s:>5.0} s, red {red_s:>5.0} s",
            recording.name, found[0].1
        );
        assert!(!red_s.is_nan(), "{}: two detectors, and no coincidence", recording.name);
        if !recording.name.contains("kW") {
            gains.push(fixed_s - first_s);
        }
    }
    if !gains.is_empty() {
        let least = gains.iter().copied().fold(f64::INFINITY, f64::min);
        eprintln!("furniture: median {:.0} s before the fixed temperature, least {least:.0} s", median(gains.clone()));
        assert!(median(gains) >= 30.0);
    }
}

#[test]
fn compartment_fires_are_found_at_other_paces_with_noise_and_drift() {
    let changes = [
        Change { every_s: 1, noise_k: 0.3, wrong: 10, drift_k_h: 0.0 },
        Change { every_s: 5, noise_k: 0.3, wrong: 0, drift_k_h: 2.0 },
        Change { every_s: 10, noise_k: 0.3, wrong: 10, drift_k_h: -2.0 },
        Change { every_s: 60, noise_k: 0.3, wrong: 0, drift_k_h: 0.0 },
    ];
    let recordings = compartments();
    for change in changes {
        let mut all = Vec::new();
        for recording in &recordings {
            let columns = ceiling(recording, "25 mm Below Ceiling");
            let found = play(&roster(columns.len(), 1, 60), &samples(recording, &columns, change));
            all.push(detected_s(&format!("{} {change:?}", recording.name), &found));
        }
        if !all.is_empty() {
            eprintln!("{change:?}: median {:.0} s", median(all));
        }
    }
}

#[test]
fn one_detector_alone_finds_the_fire_at_any_height_and_is_quiet_before() {
    let mut played = 0;
    for recording in compartments() {
        let mut columns = Vec::new();
        for height in ["25 mm", "0.3 m", "0.6 m", "0.9 m"] {
            columns.extend(ceiling(&recording, &format!("{height} Below Ceiling")));
        }
        // each in a unit of its own
        let found = play(&roster(columns.len(), columns.len(), 60), &samples(&recording, &columns, AS_IT_IS));
        for (column, device) in columns.iter().zip(0..) {
            let of_device: Vec<Fire> = found.iter().filter(|fire| fire.2 == Some(device)).cloned().collect();
            detected_s(&format!("{} {column}", recording.name), &of_device);
            played += 1;
        }
    }
    eprintln!("{played} detectors, each alone");
}

#[test]
fn home_fires_are_found_by_heat_and_smoke() {
    for recording in homes() {
        let of = |prefix: &str| -> Vec<String> {
            recording.columns.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
        };
        let heat: Vec<String> = of("TC").into_iter().filter(|name| name.ends_with("_1")).collect();
        let smoke: Vec<String> = of("SM").into_iter().filter(|name| name.as_bytes().get(3) == Some(&b'_')).collect();
        let mut all = samples(&recording, &heat, AS_IT_IS);
        let by_heat = play(&roster(heat.len(), 1, 60), &all);
        for (column, device) in smoke.iter().zip(heat.len() as u32..) {
            let density = recording.columns[column].iter();
            // optical density per metre to dB per metre
            all.extend(density.map(|(at_ms, value)| (*at_ms, device, Quantity::SmokeDbM, value * 10.0)));
        }
        all.sort_by_key(|sample| (sample.0, sample.1));
        let found = play(&roster(heat.len() + smoke.len(), 1, 60), &all);
        let first_s = detected_s(&recording.name, &found);
        let heat_s = detected_s(&recording.name, &by_heat);
        eprintln!("{:<24} found after {first_s:>5.0} s by {:<10} by heat {heat_s:>5.0} s", recording.name, found[0].1);
    }
}
