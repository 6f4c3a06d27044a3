//! A station as ops run it: the real binary, a small city on disk, real sockets.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Every wait in these tests ends here at the latest.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub const ADMIN: &str = "admin.admin-secret";
pub const OPERATOR: &str = "desk.desk-secret";
/// A viewer confined to the first township.
pub const VIEWER: &str = "town1.town1-secret";

/// Units of the small city: U1 … U{n}, unit i in township 1 or 2 by parity, each with two smoke detectors `acme/s{i}a`
/// and `acme/s{i}b`, a heat detector `acme/h{i}`, and an owner `P{i}`.
pub struct Rig {
    pub folder: tempfile::TempDir,
    pub mqtt: SocketAddr,
    pub http: SocketAddr,
    child: Option<Child>,
    pub client: reqwest::Client,
}

impl Rig {
    /// A running station with `units` units.
    pub async fn start(units: usize) -> Rig {
        Rig::start_with(units, "").await
    }

    /// As [`Rig::start`], with further lines of configuration; the first section may be `[mqtt]`.
    pub async fn start_with(units: usize, configuration: &str) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        write_city(&folder.path().join("roster"), units);
        let (mqtt, http) = (free_port(), free_port());
        let base = format!(
            "[station]\ndata = {:?}\nroster = {:?}\nlog = \"info\"\nlog_format = \"json\"\n",
            folder.path().join("store"),
            folder.path().join("roster"),
        );
        let (station, rest) = configuration.split_once("---").unwrap_or(("", configuration));
        let listener = rest.strip_prefix("[mqtt]\n").unwrap_or(rest);
        let text = format!("{base}{station}\n[http]\nlisten = \"{http}\"\n[mqtt]\nlisten = \"{mqtt}\"\n{listener}\n");
        fs::write(folder.path().join("fenghuo.toml"), text).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut rig = Rig { folder, mqtt, http, child: None, client };
        rig.spawn().await;
        rig
    }

    /// Starts the binary and waits until it is ready.
    pub async fn spawn(&mut self) {
        assert!(self.child.is_none(), "runs already");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let child = Command::new(fenghuo())
            .args(["serve", "--config"])
            .arg(self.config_path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.until("the station is ready", async |rig| {
            if let Some(status) = rig.exited() {
                panic!("the station ended at start with {status}:\n{}", rig.log());
            }
            let answer = rig.client.get(rig.url("/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().unwrap())
    }

    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("fenghuo.toml")
    }

    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("station.log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM");
        let status = self.until("the station ends", async |rig| rig.exited()).await;
        self.child = None;
        status
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap().success());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// GET as the administrator; the JSON answer.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        self.get_as(ADMIN, path).await.1
    }

    pub async fn get_as(&self, token: &str, path: &str) -> (u16, serde_json::Value) {
        let answer = self.client.get(self.url(path)).bearer_auth(token).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// POST as the operator.
    pub async fn post(&self, path: &str, body: serde_json::Value) -> (u16, serde_json::Value) {
        let answer = self.client.post(self.url(path)).bearer_auth(OPERATOR).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Asks again until there is an answer.
    pub async fn until<T>(&mut self, what: &str, mut ask: impl AsyncFnMut(&mut Rig) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(answer) = ask(self).await {
                return answer;
            }
            assert!(Instant::now() < end, "waited in vain: {what}\n{}", tail(&self.log()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The one open alert of a unit.
    pub async fn alert_of(&mut self, unit: &str) -> serde_json::Value {
        let unit = unit.to_owned();
        self.until("an alert of the unit", async |rig| {
            let alerts = rig.get("/api/v1/alerts?state=open&limit=500").await;
            alerts["alerts"].as_array()?.iter().find(|alert| alert["unit"] == unit.as_str()).cloned()
        })
        .await
    }

    /// Lines of the log at ERROR or WARN, less those that a test expects.
    pub fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let log = self.log();
        let bad = log.lines().filter(|line| {
            line.contains("\"level\":\"ERROR\"") || line.contains("\"level\":\"WARN\"") || line.contains("panicked")
        });
        bad.filter(|line| !expected.iter().any(|words| line.contains(words))).map(str::to_owned).collect()
    }

    /// `mosquitto_pub` from Debian; `None` where it is not installed.
    pub fn mosquitto_pub(&self, login: (&str, &str), topic: &str, message: &str) -> Option<Output> {
        let (host, port) = (self.mqtt.ip().to_string(), self.mqtt.port().to_string());
        let output = Command::new("mosquitto_pub")
            .args([
                "-V", "mqttv5", "-h", &host, "-p", &port, "-u", login.0, "-P", login.1, "-q", "1", "-t", topic, "-m",
                message,
            ])
            .output();
        match output {
            Ok(output) => Some(output),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                assert!(std::env::var_os("CI").is_none(), "CI must have mosquitto_pub");
                eprintln!("SKIPPED: mosquitto_pub is not installed (make setup-test installs it as root)");
                None
            }
            Err(error) => panic!("mosquitto_pub: {error}"),
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the station's log\n{}", tail(&self.log()));
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

pub fn fenghuo() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_fenghuo"))
}

pub fn free_port() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

/// A stored secret, as credentials.csv has it.
pub fn stored(secret: &str) -> String {
    let hash: String =
        Sha256::new().chain_update([1, 2]).chain_update(secret).finalize().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:0102:{hash}")
}

fn write_city(roster: &Path, units: usize) {
    fs::create_dir_all(roster).unwrap();
    let write = |name: &str, header: &str, rows: Vec<String>| {
        let mut file = fs::File::create(roster.join(name)).unwrap();
        writeln!(file, "{header}\n{}", rows.join("\n")).unwrap();
    };
    let mut regions = vec!["331083,玉环市,".to_owned()];
    for (town, name) in [("331083001", "玉城街道"), ("331083101", "清港镇")] {
        regions.push(format!("{town},{name},331083"));
        regions.push(format!("{town}001,{name}一村,{town}"));
        regions.push(format!("{town}001001,{name}一村第1网格,{town}001"));
    }
    write("regions.csv", "code,name,parent", regions);
    let grid = |unit: usize| if unit % 2 == 1 { "331083001001001" } else { "331083101001001" };
    let mut devices = Vec::new();
    let mut people = vec!["CMD,指挥长,0001,commander,331083,console".to_owned()];
    for (number, town) in [(1, "331083001"), (2, "331083101")] {
        people.push(format!("G{number},网格员,0002,grid_worker,{town}001001,mqtt"));
        people.push(format!("V{number},村主任,0003,village_chief,{town}001,mqtt"));
        people.push(format!("T{number},镇长,0004,township_chief,{town},mqtt"));
    }
    let mut unit_rows = Vec::new();
    for unit in 1..=units {
        unit_rows.push(format!("U{unit},第{unit}号店,沿街商铺,海港路{unit}号,{},P{unit},,", grid(unit)));
        devices.push(format!("acme,s{unit}a,U{unit},smoke,厅,600"));
        devices.push(format!("acme,s{unit}b,U{unit},smoke,厨房,600"));
        devices.push(format!("acme,h{unit},U{unit},heat,厨房,600"));
        people.push(format!("P{unit},业主{unit},0005,owner,{},mqtt", grid(unit)));
    }
    write("units.csv", "code,name,category,address,grid,owner,x,y", unit_rows);
    write("devices.csv", "vendor,device,unit,class,location,report_every_s", devices);
    write("people.csv", "code,name,phone,post,region,channels", people);
    let credentials = [
        ("acme", "vendor", "acme", "", ""),
        ("other", "vendor", "other", "", ""),
        ("s1a", "device", "acme/s1a", "", ""),
        ("G1", "person", "G1", "331083001001001", ""),
        ("P1", "person", "P1", "331083001001001", ""),
        ("centre", "service", "centre", "", ""),
        ("relay", "client", "relay", "", ""),
        ("admin", "token", "CMD", "", "admin"),
        ("desk", "token", "CMD", "", "operator"),
        ("town1", "token", "T1", "331083001", "viewer"),
    ];
    let rows = credentials.map(|(name, kind, subject, scope, role)| {
        let topics = if kind == "client" { "site/#" } else { "" };
        let secret = stored(&format!("{name}-secret"));
        format!("{name},{kind},{subject},{scope},{role},{secret},{topics},{topics}")
    });
    write("credentials.csv", "name,kind,subject,scope,role,secret,publish,subscribe", rows.to_vec());
}
