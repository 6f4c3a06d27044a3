//! The contract in protobuf: `proto/proto/fenghuo/v1/device.proto`.

use model::report::Body;
use model::{AlarmKind, DeviceState, EventKind, Quantity};
use prost::{DecodeError, Message};
use proto::v1;

use super::{fitting_id, fitting_unit, state, unknown_word};
use crate::flaw::{Fault, Reject};
use crate::topic::Kind;
use crate::vendor::Decoded;

pub(super) fn decode(kind: Kind, bytes: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    match kind {
        Kind::Telemetry => telemetry(bytes, out),
        Kind::Alarm => alarm(bytes, out),
        Kind::Event => event(bytes, out),
        Kind::State => device_state(bytes, out),
    }
}

fn telemetry(bytes: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    let mut wire = std::mem::take(&mut out.wire);
    wire.clear();
    let read =
        wire.merge(bytes).map_err(|error| not_protobuf("Telemetry", &error)).and_then(|()| take(&wire, bytes, out));
    out.wire = wire;
    read?;
    out.finish_telemetry()
}

fn take(wire: &v1::Telemetry, bytes: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    if !bytes.is_empty() && *wire == v1::Telemetry::default() {
        return Err(foreign("Telemetry"));
    }
    if wire.values.len() > out.limits.values_max {
        return Err(out.too_many_values());
    }
    out.ts_ms = wire.ts;
    out.seq = wire.seq;
    let mut seen = 0_u32;
    for value in &wire.values {
        let known = v1::Quantity::try_from(value.quantity).ok().and_then(quantity);
        let Some(quantity) = known else {
            out.flaw(Fault::UnknownQuantity, format_args!("quantity {}", value.quantity));
            continue;
        };
        let bit = 1 << quantity as u32;
        if seen & bit != 0 {
            let detail = format!("{} stands twice in one message: send each quantity once", quantity.key());
            return Err(Reject::new(Fault::WrongShape, detail));
        }
        seen |= bit;
        out.value(quantity, value.value);
    }
    Ok(())
}

fn quantity(wire: v1::Quantity) -> Option<Quantity> {
    Some(match wire {
        v1::Quantity::Unspecified => return None,
        v1::Quantity::TemperatureC => Quantity::TemperatureC,
        v1::Quantity::SmokeDbM => Quantity::SmokeDbM,
        v1::Quantity::CoPpm => Quantity::CoPpm,
        v1::Quantity::GasLelPct => Quantity::GasLelPct,
        v1::Quantity::ResidualCurrentMa => Quantity::ResidualCurrentMa,
        v1::Quantity::CableTemperatureC => Quantity::CableTemperatureC,
        v1::Quantity::CurrentA => Quantity::CurrentA,
        v1::Quantity::VoltageV => Quantity::VoltageV,
        v1::Quantity::WaterPressureMpa => Quantity::WaterPressureMpa,
        v1::Quantity::WaterLevelM => Quantity::WaterLevelM,
        v1::Quantity::BatteryPct => Quantity::BatteryPct,
        v1::Quantity::BatteryV => Quantity::BatteryV,
        v1::Quantity::SignalDbm => Quantity::SignalDbm,
        v1::Quantity::HumidityPct => Quantity::HumidityPct,
    })
}

fn alarm(bytes: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    let wire = v1::Alarm::decode(bytes).map_err(|error| not_protobuf("Alarm", &error))?;
    if wire == v1::Alarm::default() {
        return Err(foreign("Alarm"));
    }
    let kind = match v1::AlarmKind::try_from(wire.kind).unwrap_or(v1::AlarmKind::Unspecified) {
        v1::AlarmKind::Unspecified => {
            out.flaw(Fault::UnknownKind, wire.kind);
            AlarmKind::Fire
        }
        v1::AlarmKind::Smoke => AlarmKind::Smoke,
        v1::AlarmKind::Heat => AlarmKind::Heat,
        v1::AlarmKind::Gas => AlarmKind::Gas,
        v1::AlarmKind::Co => AlarmKind::Co,
        v1::AlarmKind::Flame => AlarmKind::Flame,
        v1::AlarmKind::Manual => AlarmKind::Manual,
        v1::AlarmKind::Electrical => AlarmKind::Electrical,
        v1::AlarmKind::Water => AlarmKind::Water,
        v1::AlarmKind::Fire => AlarmKind::Fire,
    };
    out.ts_ms = wire.ts;
    let id = fitting_id(&wire.id, out);
    out.bodies.push(Body::Alarm {
        id,
        kind,
        active: wire.active.unwrap_or(true),
        value: wire.value.map(|value| value as f32).filter(|value| value.is_finite()),
        unit: fitting_unit(&wire.unit),
    });
    Ok(())
}

fn event(bytes: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    let wire = v1::Event::decode(bytes).map_err(|error| not_protobuf("Event", &error))?;
    let kind = match v1::EventKind::try_from(wire.kind).unwrap_or(v1::EventKind::Unspecified) {
        v1::EventKind::Unspecified => {
            return Err(unknown_word(Fault::UnknownKind, "kind", &wire.kind.to_string(), EventKind::WORDS));
        }
        v1::EventKind::Test => EventKind::Test,
        v1::EventKind::Tamper => EventKind::Tamper,
        v1::EventKind::LowBattery => EventKind::LowBattery,
        v1::EventKind::Fault => EventKind::Fault,
        v1::EventKind::Muted => EventKind::Muted,
        v1::EventKind::PowerLost => EventKind::PowerLost,
        v1::EventKind::Restored => EventKind::Restored,
        v1::EventKind::Tilt => EventKind::Tilt,
        v1::EventKind::Discharge => EventKind::Discharge,
        v1::EventKind::Impact => EventKind::Impact,
        v1::EventKind::EndOfLife => EventKind::EndOfLife,
        v1::EventKind::Contaminated => EventKind::Contaminated,
    };
    out.ts_ms = wire.ts;
    let id = fitting_id(&wire.id, out);
    out.bodies.push(Body::Event { id, kind });
    Ok(())
}

fn device_state(bytes: &[u8], out: &mut Decoded) -> Result<(), Reject> {
    let wire = v1::State::decode(bytes).map_err(|error| not_protobuf("State", &error))?;
    let word = match v1::DeviceState::try_from(wire.state).unwrap_or(v1::DeviceState::Unspecified) {
        v1::DeviceState::Unspecified => {
            return Err(unknown_word(Fault::UnknownState, "state", &wire.state.to_string(), DeviceState::WORDS));
        }
        v1::DeviceState::Online => DeviceState::Online,
        v1::DeviceState::Sleeping => DeviceState::Sleeping,
        v1::DeviceState::Lost => DeviceState::Lost,
    };
    out.bodies.push(state(word, wire.next_report_s));
    Ok(())
}

fn not_protobuf(message: &str, error: &DecodeError) -> Reject {
    let detail = format!(
        "the payload does not begin with '{{', so it was read as protobuf, and it is no fenghuo.v1.{message} ({error}): \
         send JSON, or protobuf of proto/fenghuo/v1/device.proto"
    );
    Reject::new(Fault::NotProtobuf, detail)
}

fn foreign(message: &str) -> Reject {
    let detail = format!("nothing in the payload is a field of fenghuo.v1.{message}: is it another message?");
    Reject::new(Fault::NotProtobuf, detail)
}
