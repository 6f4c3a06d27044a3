//! Raises, or takes back, one alarm by hand: `simulator alarm`.
//!
//! Speaks MQTT 5, so that a refusal comes with its reason.

use crate::{
    clock,
    link::Target,
    roster::{self, Class, Credential, DeviceRow, Secret, Unit},
    vendor::Encoding,
    wire::{self, AlarmKind, Kind, Report},
};
use anyhow::{Context, Result, anyhow, bail};
use rumqttc::v5::{
    AsyncClient, Event, Incoming, MqttOptions,
    mqttbytes::{QoS, v5::PubAckReason},
};
use std::{path::PathBuf, time::Duration};
use tokio::time::timeout;

/// The station gets this long to connect and acknowledge.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Which alarm.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Roster folder, as `simulator city` writes it.
    #[arg(long)]
    pub roster: PathBuf,
    /// The station's MQTT listener, HOST:PORT.
    #[arg(long, default_value = "127.0.0.1:1883")]
    pub mqtt: Target,
    /// Unit code, for example U000001; without it, the first unit with a fitting device.
    #[arg(long)]
    pub unit: Option<String>,
    /// Kind of alarm.
    #[arg(long, value_enum, default_value_t = AlarmKind::Smoke)]
    pub kind: AlarmKind,
    /// Take the alarm back instead of raising it.
    #[arg(long)]
    pub clear: bool,
    /// Id of the alarm; without it, one from the time, and for --clear the one raised last.
    #[arg(long)]
    pub id: Option<String>,
}

/// Whether a class of device raises that kind by itself.
fn fits(class: Class, kind: AlarmKind) -> bool {
    match kind {
        AlarmKind::Smoke => matches!(class, Class::Smoke | Class::Combined),
        AlarmKind::Heat => matches!(class, Class::Heat | Class::Combined),
        AlarmKind::Gas => class == Class::Gas,
        AlarmKind::Co => matches!(class, Class::Co | Class::Combined),
        AlarmKind::Flame => class == Class::Camera,
        AlarmKind::Manual => class == Class::Manual,
        AlarmKind::Electrical => class == Class::Electrical,
        AlarmKind::Water => class == Class::Water,
        AlarmKind::Fire => class == Class::Panel,
    }
}

/// The device that is to speak: one in the unit, the best fitting first.
pub fn choose<'a>(devices: &'a [DeviceRow], unit: Option<&str>, kind: AlarmKind) -> Result<&'a DeviceRow> {
    let there = |d: &&DeviceRow| unit.is_none_or(|u| d.unit == u);
    if let Some(device) = devices.iter().filter(there).find(|d| fits(d.class, kind)) {
        return Ok(device);
    }
    let Some(unit) = unit else { bail!("the roster has no device that raises {} alarms", kind.name()) };
    // any detector may be misused for an alarm by hand, but the unit must have one
    let other = devices.iter().filter(there).find(|d| d.class != Class::Camera).or_else(|| devices.iter().find(there));
    other.with_context(|| format!("unit {unit} does not exist, or has no device that could raise an alarm"))
}

/// A plausible reading for it.
fn value(kind: AlarmKind) -> Option<(f64, &'static str)> {
    match kind {
        AlarmKind::Smoke => Some((0.18, "dB/m")),
        AlarmKind::Heat => Some((62.0, "°C")),
        AlarmKind::Gas => Some((14.0, "%LEL")),
        AlarmKind::Co => Some((180.0, "ppm")),
        _ => None,
    }
}

/// Does it and says what was done.
pub async fn run(settings: &Settings) -> Result<String> {
    let devices: Vec<DeviceRow> = roster::read(&settings.roster, "devices.csv")?;
    let device = choose(&devices, settings.unit.as_deref(), settings.kind)?;
    let units: Vec<Unit> = roster::read(&settings.roster, "units.csv")?;
    let unit = units
        .iter()
        .find(|u| u.code == device.unit)
        .with_context(|| format!("units.csv has no unit {}", device.unit))?;
    let credentials: Vec<Credential> = roster::read(&settings.roster, "credentials.csv")?;
    let account = credentials.iter().find(|c| c.kind == "vendor" && c.subject == device.vendor);
    let account = account.with_context(|| format!("credentials.csv has no account for vendor {}", device.vendor))?;
    let secrets: Vec<Secret> = roster::read(&settings.roster, "secrets.csv")?;
    let secret = secrets
        .iter()
        .find(|s| s.name == account.name)
        .with_context(|| format!("secrets.csv has no secret for {}", account.name))?;
    let last = settings.roster.join("alarms-by-hand.csv");
    let now_ms = clock::wall_ms();
    let mark = format!("{}/{},{}", device.vendor, device.device, settings.kind.name());
    let id = match &settings.id {
        Some(id) => id.clone(),
        None if settings.clear => last_id(&last, &mark)
            .with_context(|| format!("no alarm was raised from here for {mark}; name it with --id"))?,
        None => format!("hand-{now_ms}"),
    };
    let report = Report::Alarm {
        id: id.clone(),
        ts: Some(now_ms),
        kind: settings.kind,
        active: !settings.clear,
        value: value(settings.kind).filter(|_| !settings.clear),
    };
    let topic = wire::topic(&device.vendor, &device.device, Kind::Alarm);
    let payload = report.encode(Encoding::Json);
    let text = String::from_utf8_lossy(&payload).into_owned();
    publish(&settings.mqtt, &account.name, &secret.secret, &topic, payload).await?;
    if !settings.clear {
        // only a convenience for --clear: a roster that cannot be written to does no harm
        let _ = std::fs::write(&last, format!("{mark},{id}\n"));
    }
    let verb = if settings.clear { "taken back" } else { "raised" };
    Ok(format!(
        "{verb} and acknowledged by the station: {} alarm in {} {} ({}), from {}/{} ({})\n  {topic}\n  {text}",
        settings.kind.name(),
        unit.code,
        unit.name,
        unit.address,
        device.vendor,
        device.device,
        device.location,
    ))
}

fn last_id(path: &std::path::Path, mark: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|l| l.strip_prefix(mark)?.strip_prefix(',').map(str::to_owned))
}

/// Publishes one message with QoS 1 and waits for the PUBACK.
async fn publish(target: &Target, name: &str, secret: &str, topic: &str, payload: Vec<u8>) -> Result<()> {
    let at = format!("{}:{}", target.host, target.port);
    let mut options = MqttOptions::new(format!("sim-hand-{}", clock::wall_ms()), &target.host, target.port);
    options.set_credentials(name, secret);
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut eventloop) = AsyncClient::new(options, 4);
    client.try_publish(topic, QoS::AtLeastOnce, false, payload).context("cannot hand the message over")?;
    let answer = async {
        let mut connected = false;
        loop {
            match eventloop.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => connected = true,
                Ok(Event::Incoming(Incoming::PubAck(ack))) => {
                    return match ack.reason {
                        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
                        reason => Err(anyhow!("the station refused the alarm: {reason:?}")),
                    };
                }
                Ok(Event::Incoming(Incoming::Disconnect(bye))) => {
                    bail!("the station ended the connection: {:?}", bye.reason_code)
                }
                Ok(_) => {}
                Err(error) if connected => bail!("the station ended the connection instead of acknowledging: {error}"),
                Err(error) => bail!("cannot connect to {at} as {name}: {error}"),
            }
        }
    };
    timeout(ANSWER_MAX, answer)
        .await
        .with_context(|| format!("{at} did not acknowledge within {} s", ANSWER_MAX.as_secs()))??;
    let _ = client.try_disconnect();
    let _ = timeout(Duration::from_secs(1), eventloop.poll()).await; // lets the goodbye out
    Ok(())
}
