//! What goes over the wire: topics and payloads of the public contract, in JSON or protobuf.

use crate::vendor::Encoding;
use prost::Message as _;
use proto::v1;
use serde_json::{Map, Value, json};

/// Last level of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Alarm,
    Telemetry,
    Event,
    State,
}

impl Kind {
    /// As in the topic.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Telemetry => "telemetry",
            Self::Event => "event",
            Self::State => "state",
        }
    }
}

/// `fire/v1/{vendor}/{device}/{kind}`.
pub fn topic(vendor: &str, device: &str, kind: Kind) -> String {
    format!("fire/v1/{vendor}/{device}/{}", kind.name())
}

/// A message ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    /// At least once (QoS 1), else at most once (QoS 0).
    pub qos1: bool,
    pub kind: Kind,
}

/// What is measured; the names are the JSON keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    TemperatureC,
    SmokeDbM,
    CoPpm,
    GasLelPct,
    ResidualCurrentMa,
    CableTemperatureC,
    CurrentA,
    VoltageV,
    WaterPressureMpa,
    WaterLevelM,
    BatteryPct,
    BatteryV,
    SignalDbm,
    HumidityPct,
}

/// Every quantity with its key, its protobuf number and the decimals that a device of its kind resolves.
const QUANTITIES: &[(Quantity, &str, v1::Quantity, i32)] = &[
    (Quantity::TemperatureC, "temperature_c", v1::Quantity::TemperatureC, 1),
    (Quantity::SmokeDbM, "smoke_db_m", v1::Quantity::SmokeDbM, 3),
    (Quantity::CoPpm, "co_ppm", v1::Quantity::CoPpm, 0),
    (Quantity::GasLelPct, "gas_lel_pct", v1::Quantity::GasLelPct, 1),
    (Quantity::ResidualCurrentMa, "residual_current_ma", v1::Quantity::ResidualCurrentMa, 0),
    (Quantity::CableTemperatureC, "cable_temperature_c", v1::Quantity::CableTemperatureC, 1),
    (Quantity::CurrentA, "current_a", v1::Quantity::CurrentA, 1),
    (Quantity::VoltageV, "voltage_v", v1::Quantity::VoltageV, 1),
    (Quantity::WaterPressureMpa, "water_pressure_mpa", v1::Quantity::WaterPressureMpa, 3),
    (Quantity::WaterLevelM, "water_level_m", v1::Quantity::WaterLevelM, 2),
    (Quantity::BatteryPct, "battery_pct", v1::Quantity::BatteryPct, 0),
    (Quantity::BatteryV, "battery_v", v1::Quantity::BatteryV, 2),
    (Quantity::SignalDbm, "signal_dbm", v1::Quantity::SignalDbm, 0),
    (Quantity::HumidityPct, "humidity_pct", v1::Quantity::HumidityPct, 0),
];

impl Quantity {
    fn row(self) -> &'static (Quantity, &'static str, v1::Quantity, i32) {
        &QUANTITIES[self as usize]
    }

    /// The JSON key.
    pub fn key(self) -> &'static str {
        self.row().1
    }

    /// Finds a quantity by its JSON key.
    pub fn parse(key: &str) -> Option<Self> {
        QUANTITIES.iter().find(|q| q.1 == key).map(|q| q.0)
    }

    /// All keys, for messages to people.
    pub fn keys() -> String {
        QUANTITIES.iter().map(|q| q.1).collect::<Vec<_>>().join(", ")
    }

    /// Rounds as a device of this kind resolves.
    pub fn resolve(self, value: f64) -> f64 {
        let step = 10f64.powi(self.row().3);
        (value * step).round() / step + 0.0 // no minus zero
    }
}

/// A number as JSON writes it: without a fraction where there is none.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// What a device says about itself and its surroundings; times are real, ms since epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    Telemetry { ts: Option<i64>, seq: Option<u32>, values: Vec<(Quantity, f64)> },
    Alarm { id: String, ts: Option<i64>, kind: AlarmKind, active: bool, value: Option<(f64, &'static str)> },
    Event { id: String, ts: Option<i64>, kind: EventKind },
    State { state: State, next_report_s: Option<u32> },
}

/// Kinds of alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum AlarmKind {
    Smoke,
    Heat,
    Gas,
    Co,
    Flame,
    Manual,
    Electrical,
    Water,
    Fire,
}

impl AlarmKind {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Heat => "heat",
            Self::Gas => "gas",
            Self::Co => "co",
            Self::Flame => "flame",
            Self::Manual => "manual",
            Self::Electrical => "electrical",
            Self::Water => "water",
            Self::Fire => "fire",
        }
    }

    fn wire(self) -> v1::AlarmKind {
        match self {
            Self::Smoke => v1::AlarmKind::Smoke,
            Self::Heat => v1::AlarmKind::Heat,
            Self::Gas => v1::AlarmKind::Gas,
            Self::Co => v1::AlarmKind::Co,
            Self::Flame => v1::AlarmKind::Flame,
            Self::Manual => v1::AlarmKind::Manual,
            Self::Electrical => v1::AlarmKind::Electrical,
            Self::Water => v1::AlarmKind::Water,
            Self::Fire => v1::AlarmKind::Fire,
        }
    }
}

/// Kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    Test,
    Tamper,
    LowBattery,
    Fault,
    Muted,
    PowerLost,
    Restored,
    Tilt,
    Discharge,
    Impact,
    EndOfLife,
    Contaminated,
}

impl EventKind {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Tamper => "tamper",
            Self::LowBattery => "low_battery",
            Self::Fault => "fault",
            Self::Muted => "muted",
            Self::PowerLost => "power_lost",
            Self::Restored => "restored",
            Self::Tilt => "tilt",
            Self::Discharge => "discharge",
            Self::Impact => "impact",
            Self::EndOfLife => "end_of_life",
            Self::Contaminated => "contaminated",
        }
    }

    fn wire(self) -> v1::EventKind {
        match self {
            Self::Test => v1::EventKind::Test,
            Self::Tamper => v1::EventKind::Tamper,
            Self::LowBattery => v1::EventKind::LowBattery,
            Self::Fault => v1::EventKind::Fault,
            Self::Muted => v1::EventKind::Muted,
            Self::PowerLost => v1::EventKind::PowerLost,
            Self::Restored => v1::EventKind::Restored,
            Self::Tilt => v1::EventKind::Tilt,
            Self::Discharge => v1::EventKind::Discharge,
            Self::Impact => v1::EventKind::Impact,
            Self::EndOfLife => v1::EventKind::EndOfLife,
            Self::Contaminated => v1::EventKind::Contaminated,
        }
    }
}

/// A device's state of contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Online,
    Sleeping,
    Lost,
}

impl Report {
    /// The last level of its topic.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Telemetry { .. } => Kind::Telemetry,
            Self::Alarm { .. } => Kind::Alarm,
            Self::Event { .. } => Kind::Event,
            Self::State { .. } => Kind::State,
        }
    }

    /// The payload.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Json => self.json().to_string().into_bytes(),
            Encoding::Protobuf => self.protobuf(),
        }
    }

    fn json(&self) -> Value {
        let mut o = Map::new();
        match self {
            Self::Telemetry { ts, seq, values } => {
                ts.map(|ts| o.insert("ts".into(), ts.into()));
                seq.map(|seq| o.insert("seq".into(), seq.into()));
                let values = values.iter().map(|(q, v)| (q.key().to_owned(), number(q.resolve(*v)))).collect();
                o.insert("values".into(), Value::Object(values));
            }
            Self::Alarm { id, ts, kind, active, value } => {
                o.insert("id".into(), id.as_str().into());
                ts.map(|ts| o.insert("ts".into(), ts.into()));
                o.insert("kind".into(), kind.name().into());
                o.insert("active".into(), (*active).into());
                if let Some((value, unit)) = value {
                    o.insert("value".into(), number((value * 1000.0).round() / 1000.0));
                    o.insert("unit".into(), (*unit).into());
                }
            }
            Self::Event { id, ts, kind } => {
                o.insert("id".into(), id.as_str().into());
                ts.map(|ts| o.insert("ts".into(), ts.into()));
                o.insert("kind".into(), kind.name().into());
            }
            Self::State { state, next_report_s } => {
                let name = match state {
                    State::Online => "online",
                    State::Sleeping => "sleeping",
                    State::Lost => "lost",
                };
                o.insert("state".into(), name.into());
                next_report_s.map(|s| o.insert("next_report_s".into(), s.into()));
            }
        }
        Value::Object(o)
    }

    fn protobuf(&self) -> Vec<u8> {
        match self {
            Self::Telemetry { ts, seq, values } => v1::Telemetry {
                ts: *ts,
                seq: *seq,
                values: values
                    .iter()
                    .map(|(q, v)| v1::Value { quantity: q.row().2.into(), value: q.resolve(*v) })
                    .collect(),
            }
            .encode_to_vec(),
            Self::Alarm { id, ts, kind, active, value } => v1::Alarm {
                id: id.clone(),
                ts: *ts,
                kind: kind.wire().into(),
                active: Some(*active),
                value: value.map(|v| v.0),
                unit: value.map_or(String::new(), |v| v.1.into()),
            }
            .encode_to_vec(),
            Self::Event { id, ts, kind } => {
                v1::Event { id: id.clone(), ts: *ts, kind: kind.wire().into() }.encode_to_vec()
            }
            Self::State { state, next_report_s } => {
                let state = match state {
                    State::Online => v1::DeviceState::Online,
                    State::Sleeping => v1::DeviceState::Sleeping,
                    State::Lost => v1::DeviceState::Lost,
                };
                v1::State { state: state.into(), next_report_s: *next_report_s }.encode_to_vec()
            }
        }
    }
}

/// A command to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub vendor: String,
    pub device: String,
    pub id: String,
    /// "mute", "self_test", or a word of the vendor's own.
    pub command: String,
}

impl Order {
    /// Reads `fire/v1/{vendor}/{device}/command` with a payload in either encoding; none for anything else.
    pub fn parse(topic: &str, payload: &[u8]) -> Option<Self> {
        let mut levels = topic.strip_prefix("fire/v1/")?.split('/');
        let (vendor, device) = (levels.next()?.to_owned(), levels.next()?.to_owned());
        if levels.next() != Some("command") || levels.next().is_some() {
            return None;
        }
        let (id, command) = if payload.first() == Some(&b'{') {
            let json: Value = serde_json::from_slice(payload).ok()?;
            (json["id"].as_str().unwrap_or_default().to_owned(), json["command"].as_str()?.to_owned())
        } else {
            let message = v1::Command::decode(payload).ok()?;
            (message.id, message.command)
        };
        Some(Self { vendor, device, id, command })
    }
}
