//! `alarm_…`: the last word of the device on each kind.

use model::AlarmKind;
use model::report::{Body, EventKind};

use super::history::{History, What};

pub const NAMES: [(AlarmKind, &str); 9] = [
    (AlarmKind::Smoke, "alarm_smoke"),
    (AlarmKind::Heat, "alarm_heat"),
    (AlarmKind::Co, "alarm_co"),
    (AlarmKind::Flame, "alarm_flame"),
    (AlarmKind::Manual, "alarm_manual"),
    (AlarmKind::Fire, "alarm_fire"),
    (AlarmKind::Gas, "alarm_gas"),
    (AlarmKind::Electrical, "alarm_electrical"),
    (AlarmKind::Water, "alarm_water"),
];

pub fn conditions(history: &History) -> Vec<&'static str> {
    let last = |asked: AlarmKind| {
        history.moments.iter().rev().find_map(|moment| match &moment.what {
            What::Report(Body::Alarm { kind, active, .. }) if *kind == asked => Some(*active),
            What::Report(Body::Event { kind: EventKind::Restored, .. }) => Some(false),
            _ => None,
        })
    };
    NAMES.into_iter().filter(|(kind, _)| last(*kind) == Some(true)).map(|(_, name)| name).collect()
}
