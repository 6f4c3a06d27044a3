//! The words of a scenario.

use model::report::Body;
use model::{
    Action, AlarmKind, Cause, Colour, DeviceId, DeviceState, Entry, EventKind, Family, Finding, Phase, Quantity,
    Reading, Report, Roster, SightingKind, UnitId, Verdict,
};

use crate::rule;

/// What a device says by one word, or why the word means nothing.
pub(crate) fn parse(device: DeviceId, at_ms: u64, word: &str) -> Result<(Vec<Entry>, Vec<Reading>), String> {
    let report = |body| vec![Entry::Report(Report { device, at_ms, skew_ms: None, body })];
    let one_of = |what: &str, known: &[&str]| format!("{word}: the {what} is one of {}", known.join(", "));
    let active = !word.starts_with('!');
    let parts: Vec<&str> = word.trim_start_matches('!').split(':').collect();
    let entries = match parts.as_slice() {
        ["alarm", kind, id] => {
            let kind = AlarmKind::from_word(kind).ok_or_else(|| one_of("kind", AlarmKind::WORDS))?;
            report(Body::Alarm { id: (*id).into(), kind, active, value: None, unit: "".into() })
        }
        ["event", kind] => {
            let kind = EventKind::from_word(kind).ok_or_else(|| one_of("kind", EventKind::WORDS))?;
            report(Body::Event { id: "e".into(), kind })
        }
        ["state", state, rest @ ..] => {
            let will = *state == "lost";
            let state = DeviceState::from_word(state).ok_or_else(|| one_of("state", DeviceState::WORDS))?;
            let next_report_s = rest.first().map(|text| text.parse()).transpose();
            let next_report_s = next_report_s.map_err(|_| format!("{word}: the next report is in whole seconds"))?;
            report(Body::State { state, next_report_s, will })
        }
        ["tick" | "nothing"] => Vec::new(),
        [reading] => return Ok((Vec::new(), vec![measured(device, at_ms, reading)?])),
        _ => return Err(format!("{word} means nothing")),
    };
    Ok((entries, Vec::new()))
}

fn measured(device: DeviceId, at_ms: u64, word: &str) -> Result<Reading, String> {
    let (key, value) = word.split_once('=').unwrap_or((word, if word == "presence" { "0" } else { "" }));
    let quantity = if key == "presence" { Some(Quantity::Presence) } else { Quantity::from_key(key) };
    let quantity = quantity.ok_or_else(|| {
        let known: Vec<&str> = Quantity::ALL.iter().map(|quantity| quantity.key()).collect();
        format!("{word} means nothing; measured values are {}", known.join(", "))
    })?;
    let value = value.parse().map_err(|_| format!("{word}: a number stands after ="))?;
    Ok(Reading { device, quantity, value, at_ms, skew_ms: None, seq: None })
}

/// Whether the word is about a unit.
pub(super) fn is_of_unit(word: &str) -> bool {
    ["verify:", "close", "sighting:"].iter().any(|start| word.starts_with(start))
}

/// The unit that a line is about: named itself, or that of the device.
pub(super) fn unit_of(subject: &str, roster: &Roster) -> Option<UnitId> {
    let of_device = || roster.device(roster.device_by_key(&format!("v/{subject}"))?).map(|device| device.unit);
    roster.unit_by_code(subject).or_else(of_device)
}

/// What people do with an alert.
pub(super) fn act(word: &str) -> Option<(Family, Action)> {
    let parts: Vec<&str> = word.split(':').collect();
    let family = |word: Option<&&str>| word.map_or(Some(Family::Fire), |word| Family::from_word(word));
    match parts.as_slice() {
        ["close", rest @ ..] => Some((family(rest.first())?, Action::Close)),
        ["verify", verdict, rest @ ..] => {
            let verdict =
                [Verdict::Real, Verdict::False, Verdict::Test].into_iter().find(|known| known.word() == *verdict);
            Some((family(rest.first())?, Action::Verify(verdict?, Cause::Unknown)))
        }
        _ => None,
    }
}

/// What a person reports of a unit, and its id.
pub(super) fn sighting(word: &str) -> Option<(SightingKind, &str)> {
    let (kind, id) = word.strip_prefix("sighting:")?.split_once(':')?;
    Some((SightingKind::from_word(kind)?, id))
}

/// A finding in one line.
pub(crate) fn line(finding: &Finding) -> String {
    let phase = phase_word(finding.phase);
    let alarm = finding.alarm.as_ref().map_or(String::new(), |id| format!(" {id}"));
    format!("{phase} {} {}{alarm}", finding.rule, finding.colour.word())
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Began => "began",
        Phase::Continued => "continued",
        Phase::Ended => "ended",
    }
}

/// A finding as a scenario may name it: with its device or without.
pub(super) fn fits(expected: &str, finding: &Finding, roster: &Roster) -> bool {
    let plain = line(finding);
    let device = finding.device.and_then(|device| roster.device(device));
    expected == plain || device.is_some_and(|device| expected == format!("{} {plain}", device.name))
}

/// The colour that is expected of a unit: `colour orange`, `colour u1 orange`.
pub(super) fn colour(expected: &str) -> Option<(Option<&str>, Colour)> {
    let words: Vec<&str> = expected.split_whitespace().collect();
    match words.as_slice() {
        ["colour", colour] => Some((None, Colour::from_word(colour)?)),
        ["colour", unit, colour] => Some((Some(unit), Colour::from_word(colour)?)),
        _ => None,
    }
}

/// Whether something like it can be found at all.
pub(super) fn check_expected(expected: &str, roster: &Roster) -> Result<(), String> {
    let mut words: Vec<&str> = expected.split_whitespace().collect();
    if words.first() == Some(&"colour") {
        return match colour(expected) {
            Some((None, _)) => Ok(()),
            Some((Some(unit), _)) if roster.unit_by_code(unit).is_some() => Ok(()),
            Some((Some(unit), _)) => Err(format!("there is no unit {unit}")),
            None => Err(format!("{expected:?}: write `colour orange`, or `colour <unit> orange`")),
        };
    }
    let phases = ["began", "continued", "ended"];
    if words.first().is_some_and(|word| !phases.contains(word)) {
        let device = words.remove(0);
        if roster.device_by_key(&format!("v/{device}")).is_none() {
            return Err(format!(
                "{expected:?}: a finding is `began`, `continued` or `ended`, a condition and its colour"
            ));
        }
    }
    let known = rule::names_of(rule::bits(|_| true));
    match words.as_slice() {
        [phase, condition, colour, ..] if phases.contains(phase) && Colour::from_word(colour).is_some() => {
            if known.contains(condition) {
                Ok(())
            } else {
                Err(format!("there is no condition {condition}; they are {}", known.join(", ")))
            }
        }
        _ => Err(format!("{expected:?}: a finding is `began`, `continued` or `ended`, a condition and its colour")),
    }
}
