//! A device's own word of its health: the last one counts.

use model::report::{Body, EventKind};

use super::history::{History, What};

const NAMES: [(EventKind, &str); 5] = [
    (EventKind::Fault, "fault"),
    (EventKind::PowerLost, "power_lost"),
    (EventKind::Tamper, "tamper"),
    (EventKind::EndOfLife, "end_of_life"),
    (EventKind::Contaminated, "contaminated"),
];

pub fn conditions(history: &History) -> Vec<&'static str> {
    let last = |asked: EventKind| {
        history.moments.iter().rev().find_map(|moment| match moment.what {
            What::Report(Body::Event { kind, .. }) if kind == asked => Some(true),
            What::Report(Body::Event { kind: EventKind::Restored, .. }) => Some(false),
            _ => None,
        })
    };
    NAMES.into_iter().filter(|(kind, _)| last(*kind) == Some(true)).map(|(_, name)| name).collect()
}
