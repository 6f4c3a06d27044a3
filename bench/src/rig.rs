//! The station under test: binary, city, ports, counters.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::Options;
use crate::mqtt::Login;

/// A device of the city, as the load needs it.
#[derive(Debug, Clone)]
pub struct Device {
    pub vendor: String,
    pub name: String,
    pub unit: String,
    pub class: String,
}

/// The city that a station is started on.
struct City<'a> {
    scale: f64,
    /// Data folder; `None`: a temporary one.
    data: Option<&'a Path>,
}

/// A running station with its city.
pub struct Rig {
    fenghuo: PathBuf,
    config: PathBuf,
    child: Child,
    pub mqtt: SocketAddr,
    pub http: SocketAddr,
    pub devices: Vec<Device>,
    pub logins: HashMap<String, Login>,
    pub admin: String,
    pub http_client: reqwest::Client,
    /// From spawn to ready, on the empty data folder.
    pub first_start: Duration,
    _folder: Option<tempfile::TempDir>,
}

impl Rig {
    /// Makes a city, starts a station on it and waits until it is ready.
    pub async fn start(options: &Options) -> Result<Rig> {
        let city = City { scale: options.scale, data: options.data.as_deref() };
        Rig::with(options.fenghuo.as_deref(), options.simulator.as_deref(), city, |_, _| Ok(String::new())).await
    }

    /// A station on a roster of the caller's own: `prepare` gets the folder of a tiny city and the name of a vendor in its
    /// credentials, may write all but the credentials anew, and returns what is to be added to the configuration.
    pub async fn prepared(
        fenghuo: Option<&Path>,
        simulator: Option<&Path>,
        prepare: impl FnOnce(&Path, &str) -> Result<String>,
    ) -> Result<Rig> {
        Rig::with(fenghuo, simulator, City { scale: 0.001, data: None }, prepare).await
    }

    async fn with(
        fenghuo: Option<&Path>,
        simulator: Option<&Path>,
        city: City<'_>,
        prepare: impl FnOnce(&Path, &str) -> Result<String>,
    ) -> Result<Rig> {
        let beside = std::env::current_exe()?.parent().map(Path::to_path_buf).unwrap_or_default();
        let fenghuo = fenghuo.map_or_else(|| beside.join("fenghuo"), Path::to_path_buf);
        let simulator = simulator.map_or_else(|| beside.join("simulator"), Path::to_path_buf);
        let (folder, data) = match city.data {
            Some(data) => (None, data.to_path_buf()),
            None => {
                let folder = tempfile::tempdir()?;
                let data = folder.path().to_path_buf();
                (Some(folder), data)
            }
        };
        let roster = data.join("roster");
        let made = Command::new(&simulator)
            .args(["city", "--out"])
            .arg(&roster)
            .args(["--scale", &city.scale.to_string()])
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("running {}", simulator.display()))?;
        if !made.success() {
            bail!("{} city failed: {made}", simulator.display());
        }
        let logins = read_vendor_logins(&roster)?;
        let vendor = logins.keys().min().context("the city has no vendor")?;
        let more = prepare(&roster, vendor)?;
        let (mqtt, http) = (free_port()?, free_port()?);
        let config = data.join("fenghuo.toml");
        // what is added may go on in the first table
        let (of_station, tables) = match more.strip_prefix("[station]\n") {
            Some(rest) => rest.split_at(rest.find("\n[").map_or(rest.len(), |at| at + 1)),
            None => ("", more.as_str()),
        };
        std::fs::write(
            &config,
            format!(
                "[station]\ndata = {:?}\nroster = {:?}\nlog = \"warn\"\n{of_station}[mqtt]\nlisten = \"{mqtt}\"\n\
                 max_connections = 19000\n[http]\nlisten = \"{http}\"\n{tables}",
                data.join("store"),
                roster
            ),
        )?;
        let (child, first_start) = spawn(&fenghuo, &config, http).await?;
        Ok(Rig {
            fenghuo,
            config,
            child,
            mqtt,
            http,
            devices: read_devices(&roster)?,
            logins,
            admin: read_admin(&roster)?,
            http_client: reqwest::Client::builder().no_proxy().build()?,
            first_start,
            _folder: folder,
        })
    }

    /// Kills the station without warning and starts it again on the same data; time from spawn to ready.
    pub async fn kill_and_restart(&mut self) -> Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let (child, took) = spawn(&self.fenghuo, &self.config, self.http).await?;
        self.child = child;
        Ok(took)
    }

    /// The station's counters and gauges by name; labels are summed.
    pub async fn metrics(&self) -> Result<HashMap<String, f64>> {
        let text = self.http_client.get(format!("http://{}/metrics", self.http)).send().await?.error_for_status()?;
        let mut sums = HashMap::new();
        for line in text.text().await?.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, value)) = line.rsplit_once(' ') {
                let name = name.split('{').next().unwrap_or(name);
                *sums.entry(name.to_owned()).or_default() += value.parse::<f64>().unwrap_or(0.0);
            }
        }
        Ok(sums)
    }

    /// One counter, 0 before its first count.
    pub async fn counter(&self, name: &str) -> Result<u64> {
        Ok(self.metrics().await?.get(name).copied().unwrap_or(0.0) as u64)
    }

    /// Waits until a counter reaches `least`.
    ///
    /// # Errors
    /// When it has not within `limit`; says where it stands.
    pub async fn wait_for(&self, name: &str, least: u64, limit: Duration) -> Result<u64> {
        let end = Instant::now() + limit;
        loop {
            let now = self.counter(name).await?;
            if now >= least {
                return Ok(now);
            }
            if Instant::now() > end {
                bail!("{name} stands at {now} and never reached {least}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Resident memory of the station, bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// CPU time the station has used, seconds.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        ticks as f64 / 100.0
    }

    /// CPU time of the station's threads by name, seconds, and of this process as "generator". Threads that ended are
    /// not in it.
    pub fn cpu_by_thread(&self) -> BTreeMap<String, f64> {
        let mut by_thread = BTreeMap::new();
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let stations = tasks.into_iter().flatten().flatten().map(|task| (None, task.path().join("stat")));
        for (name, path) in stations.chain([(Some("generator"), PathBuf::from("/proc/self/stat"))]) {
            let stat = std::fs::read_to_string(path).unwrap_or_default();
            let Some((head, after_name)) = stat.rsplit_once(')') else { continue };
            let own_name = head.split_once('(').map_or("", |(_, own_name)| own_name);
            let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok());
            *by_thread.entry(name.unwrap_or(own_name).to_owned()).or_default() += ticks.sum::<u64>() as f64 / 100.0;
        }
        by_thread
    }

    /// Stops the station as an operator would.
    pub async fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                if !status.success() {
                    bail!("the station ended with {status}");
                }
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the station did not end within 30 s of SIGTERM")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn spawn(fenghuo: &Path, config: &Path, http: SocketAddr) -> Result<(Child, Duration)> {
    let begun = Instant::now();
    let mut child = Command::new(fenghuo)
        .args(["serve", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("running {}", fenghuo.display()))?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    while begun.elapsed() < Duration::from_secs(120) {
        if let Some(status) = child.try_wait()? {
            bail!("the station ended at start: {status}");
        }
        let ready = client.get(format!("http://{http}/readyz")).send().await;
        if ready.is_ok_and(|answer| answer.status().is_success()) {
            return Ok((child, begun.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = child.kill();
    bail!("the station was not ready within 120 s")
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn read_devices(roster: &Path) -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    for row in csv::Reader::from_path(roster.join("devices.csv"))?.records() {
        let row = row?;
        let field = |at| row.get(at).unwrap_or_default().to_owned();
        devices.push(Device { vendor: field(0), name: field(1), unit: field(2), class: field(3) });
    }
    Ok(devices)
}

fn secrets(roster: &Path) -> Result<HashMap<String, String>> {
    let mut secrets = HashMap::new();
    for row in csv::Reader::from_path(roster.join("secrets.csv"))?.records() {
        let row = row?;
        secrets.insert(row.get(0).unwrap_or_default().to_owned(), row.get(1).unwrap_or_default().to_owned());
    }
    Ok(secrets)
}

/// Login of each vendor's account, by vendor.
fn read_vendor_logins(roster: &Path) -> Result<HashMap<String, Login>> {
    let secrets = secrets(roster)?;
    let mut logins = HashMap::new();
    for row in csv::Reader::from_path(roster.join("credentials.csv"))?.records() {
        let row = row?;
        let (name, kind, subject) = (&row[0], &row[1], &row[2]);
        if kind == "vendor"
            && let Some(secret) = secrets.get(name)
        {
            logins.insert(subject.to_owned(), Login { name: name.to_owned(), secret: secret.clone() });
        }
    }
    Ok(logins)
}

/// The bearer token of an administrator.
fn read_admin(roster: &Path) -> Result<String> {
    let secrets = secrets(roster)?;
    for row in csv::Reader::from_path(roster.join("credentials.csv"))?.records() {
        let row = row?;
        if &row[1] == "token"
            && &row[4] == "admin"
            && let Some(secret) = secrets.get(&row[0])
        {
            return Ok(format!("{}.{secret}", &row[0]));
        }
    }
    bail!("credentials.csv has no admin token with a secret in secrets.csv")
}
