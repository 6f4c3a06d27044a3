//! The contract in JSON. Telemetry is read strictly and without allocation, its usual spelling by a reader of its own; an
//! alarm is read so that it is not lost for a field that is wrong.

mod loose;
mod plain;
mod telemetry;

use model::report::Body;
use model::{AlarmKind, DeviceState, EventKind};
use serde::de::DeserializeSeed;
use serde_json::error::Category;

use self::loose::{Fields, FieldsSeed, Loose};
use super::{fitting_id, fitting_unit, state, unknown_word};
use crate::flaw::{Fault, Reject};
use crate::topic::Kind;
use crate::vendor::Decoded;

pub(super) fn decode(kind: Kind, text: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    match kind {
        Kind::Telemetry if text.is_empty() => {
            Err(Reject::new(Fault::Empty, "the payload is blank: send a JSON object"))
        }
        Kind::Telemetry => telemetry(text, out),
        Kind::Alarm => alarm(text, out),
        Kind::Event => event(text, out),
        Kind::State => device_state(text, out),
    }
}

fn telemetry(text: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    if plain::read(text, out).is_none() {
        out.clear();
        general(text, out)?;
    }
    out.finish_telemetry()
}

/// Reads telemetry in any spelling.
fn general(text: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = telemetry::Seed { out: &mut *out }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match read {
        Ok(()) => Ok(()),
        Err(_) if out.limits.exceeded => Err(out.too_many_values()),
        Err(error) => Err(bad_json(&error)),
    }
}

fn alarm(text: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    match fields(text) {
        Ok(fields) => alarm_of(fields, out),
        Err(reject) => {
            // GBK from an older panel: the structure is ASCII and can be read
            if std::str::from_utf8(text).is_ok() {
                return Err(reject);
            }
            let readable = String::from_utf8_lossy(text);
            let fields = fields(readable.as_bytes()).map_err(|_| reject)?;
            out.flaw(Fault::NotUtf8, "the text");
            alarm_of(fields, out)
        }
    }
}

fn alarm_of(fields: Fields<'_>, out: &mut Decoded) -> Result<(), Reject> {
    if let Some(twice) = fields.twice {
        out.flaw(Fault::FieldIgnored, format_args!("{twice} stands twice, the second"));
    }
    let id = id_of(&fields, out);
    let kind = match &fields.kind {
        Some(Loose::Text(word)) => AlarmKind::from_word(word)
            .or_else(|| AlarmKind::from_word(word.trim().to_ascii_lowercase().as_str()))
            .unwrap_or_else(|| {
                out.flaw(Fault::UnknownKind, format_args!("{word:?}"));
                AlarmKind::Fire
            }),
        other => {
            let given = other.as_ref().map_or("(none)", |_| "(no text)");
            out.flaw(Fault::UnknownKind, given);
            AlarmKind::Fire
        }
    };
    let active = active_of(&fields, out);
    let value = match fields.value {
        Some(Loose::Number(value)) => Some(value as f32).filter(|value| value.is_finite()),
        Some(Loose::Whole(value)) => Some(value as f32),
        None | Some(Loose::Null) => None,
        Some(_) => {
            out.flaw(Fault::FieldIgnored, "value is no number");
            None
        }
    };
    let unit = match &fields.unit {
        Some(Loose::Text(unit)) => fitting_unit(unit),
        _ => Box::default(),
    };
    out.ts_ms = ts_of(&fields, out);
    out.bodies.push(Body::Alarm { id, kind, active, value, unit });
    Ok(())
}

/// A field that cannot be read means that the alarm is on.
fn active_of(fields: &Fields<'_>, out: &mut Decoded) -> bool {
    match fields.active {
        Some(Loose::Flag(active)) => active,
        None => true,
        Some(Loose::Whole(active @ (0 | 1))) => {
            out.flaw(Fault::FieldIgnored, "active as a number instead of true or false");
            active == 1
        }
        Some(_) => {
            out.flaw(Fault::FieldIgnored, "active is neither true nor false");
            true
        }
    }
}

fn event(text: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    let fields = strict(fields(text)?)?;
    let kind = match &fields.kind {
        Some(Loose::Text(word)) => EventKind::from_word(word)
            .ok_or_else(|| unknown_word(Fault::UnknownKind, "kind", word, EventKind::WORDS))?,
        _ => return Err(missing("kind", EventKind::WORDS)),
    };
    let id = id_of(&fields, out);
    out.ts_ms = ts_of(&fields, out);
    out.bodies.push(Body::Event { id, kind });
    Ok(())
}

fn device_state(text: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    let fields = strict(fields(text)?)?;
    let word = match &fields.state {
        Some(Loose::Text(word)) => DeviceState::from_word(word)
            .ok_or_else(|| unknown_word(Fault::UnknownState, "state", word, DeviceState::WORDS))?,
        _ => return Err(missing("state", DeviceState::WORDS)),
    };
    let next_report_s = match fields.next_report_s {
        None | Some(Loose::Null) => None,
        Some(Loose::Whole(seconds)) if seconds >= 0 => Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
        Some(_) => {
            return Err(Reject::new(Fault::WrongShape, "next_report_s must be a whole number of seconds, 0 or more"));
        }
    };
    out.bodies.push(state(word, next_report_s));
    Ok(())
}

fn fields(text: &[u8]) -> Result<Fields<'_>, Reject> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = FieldsSeed.deserialize(&mut deserializer).and_then(|fields| {
        deserializer.end()?;
        Ok(fields)
    });
    read.map_err(|error| bad_json(&error))
}

fn strict(fields: Fields<'_>) -> Result<Fields<'_>, Reject> {
    match fields.twice {
        None => Ok(fields),
        Some(twice) => Err(Reject::new(Fault::WrongShape, format!("{twice} stands twice: send it once"))),
    }
}

/// The id; empty where there is none.
fn id_of(fields: &Fields<'_>, out: &mut Decoded) -> Box<str> {
    match &fields.id {
        Some(Loose::Text(id)) => fitting_id(id, out),
        Some(Loose::Whole(id)) => id.to_string().into(),
        _ => Box::default(),
    }
}

/// The device's clock, where it can be read.
fn ts_of(fields: &Fields<'_>, out: &mut Decoded) -> Option<i64> {
    match fields.ts {
        Some(Loose::Whole(ts)) => Some(ts),
        Some(Loose::Number(ts)) => Some(ts as i64),
        None | Some(Loose::Null) => None,
        Some(_) => {
            out.flaw(Fault::FieldIgnored, "ts is no number");
            None
        }
    }
}

fn missing(field: &str, words: &[&str]) -> Reject {
    Reject::new(Fault::WrongShape, format!("{field} is missing or no text: send one of {}", words.join(", ")))
}

fn bad_json(error: &serde_json::Error) -> Reject {
    match error.classify() {
        Category::Data => Reject::new(Fault::WrongShape, error.to_string()),
        _ => Reject::new(Fault::NotJson, format!("the payload is no JSON text: {error}")),
    }
}
