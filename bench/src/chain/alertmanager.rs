//! Alertmanager beside the station: the same number of alerts, each a group of its own, to the same kind of receiver.

use std::collections::HashSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::Instant;

use super::receiver::Receiver;

/// Where Debian's package is unpacked.
const TOOLS: &str = "target/tools/alertmanager";
/// Alerts in one request.
const ALERTS_A_POST: usize = 500;

/// What it came to.
pub struct Theirs {
    pub version: String,
    pub delivered: usize,
    /// From the first POST to the last delivery.
    pub took: Duration,
}

impl Theirs {
    pub fn per_s(&self) -> f64 {
        self.delivered as f64 / self.took.as_secs_f64()
    }
}

/// The program: the one given, an installed one, or Debian's package, fetched and unpacked.
///
/// # Errors
/// Why there is none.
pub fn find(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        ensure!(given.exists(), "there is no {}", given.display());
        return Ok(given.to_owned());
    }
    let unpacked = Path::new(TOOLS).join("usr/bin/prometheus-alertmanager");
    let installed = PathBuf::from("/usr/bin/prometheus-alertmanager");
    if let Some(found) = [&unpacked, &installed].into_iter().find(|path| path.exists()) {
        return Ok(found.clone());
    }
    std::fs::create_dir_all(TOOLS)?;
    let run = |program: &str, arguments: &[&str]| -> Result<()> {
        let done = Command::new(program).args(arguments).current_dir(TOOLS).output();
        let done = done.with_context(|| format!("{program} cannot be run"))?;
        ensure!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(())
    };
    run("apt-get", &["download", "-qq", "prometheus-alertmanager"])?;
    let package = std::fs::read_dir(TOOLS)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let package = package.into_iter().find(|name| name.ends_with(".deb")).context("apt-get fetched no package")?;
    run("dpkg-deb", &["-x", &package, "."])?;
    ensure!(unpacked.exists(), "the package holds no {}", unpacked.display());
    Ok(unpacked)
}

/// Debian's program reads a template below /usr/share: one that is not installed sees its own there, in a mount namespace of its
/// own (which needs root).
fn command(program: &Path) -> Result<Command> {
    let share =
        program.ancestors().nth(2).map(|usr| usr.join("share")).filter(|share| share.join("prometheus").exists());
    let installed = Path::new("/usr/share/prometheus/alertmanager/default.tmpl").exists();
    let Some(share) = share.filter(|_| !installed) else { return Ok(Command::new(program)) };
    let (share, program) = (share.canonicalize()?, program.canonicalize()?);
    let mount = format!("mount -t overlay overlay -o lowerdir={}:/usr/share /usr/share", share.display());
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]).arg(program);
    Ok(command)
}

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub async fn run(program: &Path, alerts: usize, limit: Duration) -> Result<Theirs> {
    let told = Command::new(program).arg("--version").output()?;
    let told = [told.stdout, told.stderr].concat();
    let version = String::from_utf8_lossy(&told).split(" (").next().unwrap_or("alertmanager").to_owned();
    let receiver = Receiver::start()?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("alertmanager.yml");
    std::fs::write(
        &config,
        format!(
            "route:\n  receiver: hook\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1h\n  repeat_interval: 4h\n\
             receivers:\n- name: hook\n  webhook_configs:\n  - url: http://{}/\n    send_resolved: false\n",
            receiver.address
        ),
    )?;
    let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let child = command(program)?
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .arg("--log.level=error")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _peer = Peer(child);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let begun = Instant::now();
    while !client.get(format!("http://{address}/-/ready")).send().await.is_ok_and(|ready| ready.status().is_success()) {
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("alertmanager does not become ready");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let posts: Vec<String> = (0..alerts).step_by(ALERTS_A_POST).map(|from| batch(from, alerts)).collect();
    let begun = Instant::now();
    for body in posts {
        let request = client.post(format!("http://{address}/api/v2/alerts")).header("content-type", "application/json");
        request.body(body).send().await?.error_for_status().context("posting alerts to alertmanager")?;
    }
    receiver.wait_for(alerts, limit).await?;
    let got = receiver.take();
    let groups: HashSet<String> = got.iter().filter_map(|one| group_of(&one.body)).collect();
    ensure!(groups.len() == alerts, "{} groups of {alerts} were delivered", groups.len());
    let last = got.iter().map(|one| one.at).max().unwrap_or(begun);
    Ok(Theirs { version, delivered: alerts, took: last - begun })
}

/// Alerts of so many units from one on, as the API takes them.
fn batch(from: usize, alerts: usize) -> String {
    let one = |unit: usize| {
        serde_json::json!({
            "labels": {"alertname": "fire", "unit": format!("U{unit}"), "colour": "orange", "village": "南门社区"},
            "annotations": {"text_zh": "设备自身感烟报警", "text_en": "the device's own smoke alarm"},
        })
    };
    serde_json::Value::from((from..alerts.min(from + ALERTS_A_POST)).map(one).collect::<Vec<_>>()).to_string()
}

fn group_of(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body["groupKey"].as_str()?.to_owned())
}
