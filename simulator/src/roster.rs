//! The roster folder: what it holds, how it is written and read back.
//!
//! CSV in UTF-8 with a header row; columns as the station's import expects them. `secrets.csv` lies beside for whoever
//! plays the devices and people, and is never read by the station.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::HashMap, fs::File, io::BufWriter, path::Path};

/// `regions.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Region {
    /// 6 (city), 9 (township), 12 (village) or 15 digits (grid).
    pub code: String,
    pub name: String,
    /// Code of the parent; empty for the city.
    pub parent: String,
}

/// `units.csv`: a fire-safety unit, that is, premises with an owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit {
    pub code: String,
    pub name: String,
    pub category: String,
    pub address: String,
    /// 15-digit grid code.
    pub grid: String,
    /// Person code.
    pub owner: String,
    /// Metres east of a local origin.
    pub x: i32,
    /// Metres north of a local origin.
    pub y: i32,
    /// People who live or stay there; empty: not known, as in the next three.
    #[serde(default)]
    pub people: Option<u32>,
    /// Of them, those who need help to get out.
    #[serde(default)]
    pub vulnerable: Option<u32>,
    #[serde(default)]
    pub storeys: Option<u16>,
    #[serde(default)]
    pub area_m2: Option<u32>,
}

/// `devices.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceRow {
    pub vendor: String,
    pub device: String,
    /// Unit code.
    pub unit: String,
    pub class: Class,
    pub location: String,
    /// The promise: heard at least this often, seconds.
    pub report_every_s: u32,
    /// What it speaks through; empty for nothing.
    #[serde(default)]
    pub gateway: String,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    Smoke,
    Heat,
    Gas,
    Co,
    Electrical,
    Water,
    Manual,
    Panel,
    Camera,
    Combined,
}

/// `people.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Person {
    pub code: String,
    pub name: String,
    pub phone: String,
    /// owner, grid_worker, village_chief, township_chief, micro_station or commander.
    pub post: String,
    pub region: String,
    /// `;`-separated: mqtt, console, webhook:<name>.
    pub channels: String,
    /// all or in_turn; empty: all.
    #[serde(default)]
    pub contact: String,
    /// Person code; empty for none.
    #[serde(default)]
    pub deputy: String,
}

/// `stations.csv`: a micro fire station (微型消防站).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Station {
    pub code: String,
    pub name: String,
    pub region: String,
    pub x: i32,
    pub y: i32,
    /// Person codes, `;`-separated.
    pub members: String,
}

/// `cameras.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Camera {
    pub code: String,
    pub unit: String,
    pub location: String,
    pub stream: String,
}

/// `shifts.csv`: a line of a duty plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shift {
    pub post: String,
    pub region: String,
    /// Person code.
    pub person: String,
    /// daily, or days of the week, `;`-separated.
    pub days: String,
    /// HH:MM, local.
    pub from: String,
    /// HH:MM; on the next day where it is below `from` or above 24:00.
    pub to: String,
    pub first_day: String,
    pub last_day: String,
}

impl Shift {
    /// Without first and last day.
    pub fn new(post: &str, region: &str, person: &str, days: &str, from: &str, to: &str) -> Self {
        Self {
            post: post.into(),
            region: region.into(),
            person: person.into(),
            days: days.into(),
            from: from.into(),
            to: to.into(),
            first_day: String::new(),
            last_day: String::new(),
        }
    }
}

/// `absences.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Absence {
    /// Person code.
    pub person: String,
    /// YYYY-MM-DD HH:MM, local.
    pub from: String,
    pub until: String,
    /// Person code; empty: the deputy.
    pub substitute: String,
    pub reason: String,
}

/// `hydrants.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hydrant {
    pub code: String,
    pub region: String,
    pub x: i32,
    pub y: i32,
    /// `vendor/device`; empty for none.
    pub device: String,
    pub note: String,
}

/// `credentials.csv`; the secret is a salted hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credential {
    pub name: String,
    pub kind: String,
    pub subject: String,
    pub scope: String,
    pub role: String,
    /// `sha256:<salt hex>:<hex of sha256(salt bytes || secret)>`.
    pub secret: String,
}

/// `secrets.csv`: the plain secret of a credential, by its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secret {
    pub name: String,
    pub secret: String,
}

/// Everything that one folder holds.
#[derive(Debug, Default, Clone)]
pub struct Roster {
    pub regions: Vec<Region>,
    pub units: Vec<Unit>,
    pub devices: Vec<DeviceRow>,
    pub people: Vec<Person>,
    pub stations: Vec<Station>,
    pub cameras: Vec<Camera>,
    pub shifts: Vec<Shift>,
    pub absences: Vec<Absence>,
    pub hydrants: Vec<Hydrant>,
    pub credentials: Vec<Credential>,
    pub secrets: Vec<Secret>,
}

impl Roster {
    /// Writes the folder, making it where it does not exist. Files of that name are replaced.
    pub fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the roster folder {}", dir.display()))?;
        write(dir, "regions.csv", &self.regions)?;
        write(dir, "units.csv", &self.units)?;
        write(dir, "devices.csv", &self.devices)?;
        write(dir, "people.csv", &self.people)?;
        write(dir, "stations.csv", &self.stations)?;
        write(dir, "cameras.csv", &self.cameras)?;
        write(dir, "shifts.csv", &self.shifts)?;
        write(dir, "absences.csv", &self.absences)?;
        write(dir, "hydrants.csv", &self.hydrants)?;
        write(dir, "credentials.csv", &self.credentials)?;
        write(dir, "secrets.csv", &self.secrets)
    }

    /// Reads what a run needs: regions, units, devices, people, credentials (without the hashes' use) and secrets.
    pub fn read(dir: &Path) -> Result<Self> {
        Ok(Self {
            regions: read(dir, "regions.csv")?,
            units: read(dir, "units.csv")?,
            devices: read(dir, "devices.csv")?,
            people: read(dir, "people.csv")?,
            stations: Vec::new(),
            cameras: Vec::new(),
            shifts: Vec::new(),
            absences: Vec::new(),
            hydrants: Vec::new(),
            credentials: read(dir, "credentials.csv")?,
            secrets: read(dir, "secrets.csv")?,
        })
    }

    /// The plain secrets by credential name.
    pub fn secret_by_name(&self) -> HashMap<&str, &str> {
        self.secrets.iter().map(|s| (s.name.as_str(), s.secret.as_str())).collect()
    }
}

fn write<T: Serialize>(dir: &Path, name: &str, rows: &[T]) -> Result<()> {
    let path = dir.join(name);
    let file = create(&path, name == "secrets.csv").with_context(|| format!("cannot write {}", path.display()))?;
    let mut csv = csv::Writer::from_writer(BufWriter::new(file));
    for row in rows {
        csv.serialize(row).with_context(|| format!("cannot write {}", path.display()))?;
    }
    csv.flush().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(unix)]
fn create(path: &Path, private: bool) -> std::io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mode = if private { 0o600 } else { 0o644 };
    let file = File::options().write(true).create(true).truncate(true).mode(mode).open(path)?;
    if private {
        file.set_permissions(std::fs::Permissions::from_mode(mode))?; // also where the file was there before
    }
    Ok(file)
}

#[cfg(not(unix))]
fn create(path: &Path, _private: bool) -> std::io::Result<File> {
    File::create(path)
}

/// Reads one file of the folder.
pub fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<Vec<T>> {
    let path = dir.join(name);
    let mut csv = csv::Reader::from_path(&path).with_context(|| {
        format!("cannot read {}; `simulator city --out {}` writes one", path.display(), dir.display())
    })?;
    csv.deserialize().collect::<Result<Vec<T>, _>>().with_context(|| format!("{} is not as expected", path.display()))
}
