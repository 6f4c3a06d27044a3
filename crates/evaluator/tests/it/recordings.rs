//! Recordings of real fires, read from their publishers' files. Used by the tests of detection and by the table of
//! recordings that `load fires` prints.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Quantity;

/// What burnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Furniture,
    Burner,
    Home,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Furniture => "furniture",
            Kind::Burner => "burner",
            Kind::Home => "home",
        }
    }
}

/// One sensor of a recording.
#[derive(Debug, Clone)]
pub struct Sensor {
    /// Room or quadrant.
    pub place: String,
    /// Column of the file.
    pub name: String,
    /// Under the ceiling, as a detector is.
    pub ceiling: bool,
    pub quantity: Quantity,
    /// ms after ignition, and the value in the unit of the quantity.
    pub samples: Vec<(i64, f32)>,
}

/// A fire.
#[derive(Debug, Clone)]
pub struct Recording {
    pub name: String,
    pub kind: Kind,
    pub sensors: Vec<Sensor>,
    /// When real smoke alarms in the same rooms went off.
    pub alarms: Vec<Alarm>,
}

/// A real smoke alarm that went off.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Room or quadrant.
    pub place: String,
    pub principle: Principle,
    /// Seconds after ignition.
    pub at_s: f64,
}

/// How a smoke alarm sees smoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principle {
    Ionisation,
    Photoelectric,
}

impl Recording {
    /// First activation of a real alarm of a principle, s after ignition.
    pub fn first_s(&self, principle: Principle) -> Option<f64> {
        let of_principle = self.alarms.iter().filter(|alarm| alarm.principle == principle);
        of_principle.map(|alarm| alarm.at_s).min_by(f64::total_cmp)
    }

    /// The fastest real smoke alarm, s after ignition.
    pub fn fastest_s(&self) -> Option<f64> {
        self.alarms.iter().map(|alarm| alarm.at_s).min_by(f64::total_cmp)
    }

    /// Its rooms that had a real smoke alarm and a smoke meter, each as if it were the whole fire.
    pub fn rooms(&self) -> Vec<Recording> {
        let metered = |sensor: &&Sensor| sensor.ceiling && sensor.quantity == Quantity::SmokeDbM;
        let mut places: Vec<&str> = self.sensors.iter().filter(metered).map(|sensor| sensor.place.as_str()).collect();
        places.sort_unstable();
        places.dedup();
        let room = |place: &&str| {
            let sensors = self.sensors.iter().filter(|sensor| sensor.place == *place).cloned().collect();
            let alarms: Vec<Alarm> = self.alarms.iter().filter(|alarm| alarm.place == *place).cloned().collect();
            let name = format!("{} room {place}", self.name);
            (!alarms.is_empty()).then_some(Recording { name, kind: self.kind, sensors, alarms })
        };
        places.iter().filter_map(room).collect()
    }
}

/// A file that cannot be read, and what to do about it.
pub type Fault = String;

/// The folder of recordings: `FENGHUO_DATA`, where it is set and there.
pub fn data() -> Option<PathBuf> {
    std::env::var_os("FENGHUO_DATA").map(PathBuf::from).filter(|data| data.join("fires").is_dir())
}

/// Every recording below `data/fires`, by kind and name; none where a folder is absent.
///
/// # Errors
/// A file that is not as its publisher made it.
pub fn all(data: &Path) -> Result<Vec<Recording>, Fault> {
    let mut all = compartments(&data.join("fires/fsri-compartments-2018"))?;
    all.extend(homes(&data.join("fires/nist-smoke-alarms"))?);
    all.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(all)
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Fault> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())));
    files.sort();
    Ok(files)
}

/// Rows of a CSV file without quotes: the header, then each row's cells.
fn table(path: &Path) -> Result<(Vec<String>, Vec<Vec<String>>), Fault> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rows = text.lines().map(|row| row.split(',').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let header = rows.next().ok_or_else(|| format!("{} is empty", path.display()))?;
    Ok((header, rows.collect()))
}

/// Seconds since 1970 of `2018-12-14 15:51:00` and `2018-12-14-15:53:00`, in the recording's own zone.
fn seconds(stamp: &str) -> Option<i64> {
    let digits = stamp.trim().split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<i64> = digits.map(|digits| digits.parse().ok()).collect::<Option<_>>()?;
    let [year, month, day, hour, minute, second] = numbers[..] else { return None };
    // days from civil, March first
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719_469;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Columns by name, with the time of each row.
fn columns(
    path: &Path,
    time_of: impl Fn(&BTreeMap<&str, &str>) -> Option<i64>,
) -> Result<BTreeMap<String, Vec<(i64, f32)>>, Fault> {
    let (header, rows) = table(path)?;
    let mut columns: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
    for row in &rows {
        let cells: BTreeMap<&str, &str> =
            header.iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect();
        let at_ms = time_of(&cells).ok_or_else(|| format!("{}: a row without time", path.display()))?;
        for (name, cell) in cells {
            if let Some(value) = cell.parse().ok().filter(|value: &f32| value.is_finite()) {
                columns.entry(name.to_owned()).or_default().push((at_ms, value));
            }
        }
    }
    Ok(columns)
}

/// UL FSRI compartment fires: temperatures, 1 Hz, ignition in a file beside.
fn compartments(folder: &Path) -> Result<Vec<Recording>, Fault> {
    let record = |events: &PathBuf| {
        let (_, rows) = table(events)?;
        let ignition = rows.iter().find(|row| row.get(1).is_some_and(|event| event.starts_with("Ignition")));
        let ignition_s = ignition.and_then(|row| seconds(&row[0]));
        let ignition_s = ignition_s.ok_or_else(|| format!("{} has no ignition", events.display()))?;
        let name = events.file_name().map(|name| name.to_string_lossy().replace("_Events", "")).unwrap_or_default();
        let time = |cells: &BTreeMap<&str, &str>| Some((seconds(cells.get("Timestamp")?)? - ignition_s) * 1000);
        let columns = columns(&folder.join(&name), time)?;
        let sensor = |(name, samples): (String, Vec<(i64, f32)>)| {
            let (place, height) = name.strip_prefix("Quadrant ")?.split_once(" Temperature ")?;
            let (place, ceiling) = (place.to_owned(), height.starts_with("25 mm"));
            Some(Sensor { place, name, ceiling, quantity: Quantity::TemperatureC, samples })
        };
        let kind = if name.contains("kW") { Kind::Burner } else { Kind::Furniture };
        let name = name.trim_end_matches(".csv").to_owned();
        let sensors = columns.into_iter().filter_map(sensor).collect();
        Ok(Recording { name, kind, sensors, alarms: Vec::new() })
    };
    files(folder, |name| name.ends_with("_Events.csv"))?.iter().map(record).collect()
}

/// NIST home smoke alarm tests: temperatures, smoke meters and gas analysers of several rooms, 0.2 to 0.5 Hz, and when real
/// alarms went off.
fn homes(folder: &Path) -> Result<Vec<Recording>, Fault> {
    let activations = folder.join("activation-times.csv");
    let (_, activations) = if activations.is_file() { table(&activations)? } else { Default::default() };
    let record = |path: &PathBuf| {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let time = |cells: &BTreeMap<&str, &str>| Some((cells.get("TIME")?.parse::<f64>().ok()? * 1000.0) as i64);
        let sensors = columns(path, time)?.into_iter().filter_map(home_sensor).collect();
        let alarms = activations.iter().filter(|row| row.len() == 3 && row[0] == name).filter_map(|row| alarm(row));
        let alarms = alarms.collect();
        Ok(Recording { name, kind: Kind::Home, sensors, alarms })
    };
    files(folder, |name| name.starts_with("SD") && name.ends_with(".csv"))?.iter().map(record).collect()
}

/// `Ion1A` and `Pho3C` are smoke alarms of rooms A and C; heat and carbon monoxide alarms are left out.
fn alarm(row: &[String]) -> Option<Alarm> {
    let principle = match row[1].get(..3)? {
        "Ion" => Principle::Ionisation,
        "Pho" => Principle::Photoelectric,
        _ => return None,
    };
    let place = row[1].chars().next_back()?.to_string();
    Some(Alarm { place, principle, at_s: row[2].parse().ok()? })
}

/// `TCA_1` is the uppermost thermocouple of room A, `SMA_1` its smoke meter (optical density, 1/m), `GASA_1` its carbon
/// monoxide (volume %).
fn home_sensor((name, samples): (String, Vec<(i64, f32)>)) -> Option<Sensor> {
    let (column, number) = name.split_once('_')?;
    let number: u8 = number.parse().ok()?;
    let (quantity, factor, place) = if let Some(place) = column.strip_prefix("TC") {
        (Quantity::TemperatureC, 1.0, place)
    } else if let Some(place) = column.strip_prefix("SM") {
        (Quantity::SmokeDbM, 10.0, place)
    } else if let Some(place) = column.strip_prefix("GAS").filter(|_| number == 1) {
        (Quantity::CoPpm, 10_000.0, place)
    } else {
        return None;
    };
    let is_room = place.len() == 1 && place.as_bytes()[0].is_ascii_uppercase();
    let place = place.to_owned();
    let samples = samples.into_iter().map(|(at_ms, value)| (at_ms, value * factor)).collect();
    is_room.then_some(Sensor { place, name, ceiling: number == 1, quantity, samples })
}
