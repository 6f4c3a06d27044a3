//! A unit's colour taken apart, for people who ask.

use model::{Colour, Roster, UnitId};

use super::Judgement;
use super::evidence::{self, Weighed};
use super::neighbours::Neighbourhood;
use crate::rule::{self, words};
use crate::rules::Rules;
use crate::state::{State, Unit};
use crate::why::Part;

/// What a unit's severity now and its fire probability are made of: each reason for the colour, most urgent first (value: 1 for
/// red, 0.75 orange, 0.6 blind, 0.5 yellow, 0.25 what only informs), and each piece of evidence (value: the share that is
/// left after fading; points: log-odds), the first of which is what stands there without any. Both are empty for a unit
/// that the share does not have; the evidence also where nothing speaks for a fire.
pub fn why(state: &State, rules: &Rules, roster: &Roster, id: UnitId, now_ms: u64) -> (Vec<Part>, Vec<Part>) {
    let Some(unit) = state.units.get(id.index()).filter(|unit| unit.current) else { return (Vec::new(), Vec::new()) };
    let (judgement, weighed) = judged(state, rules, roster, id, unit, now_ms);
    let severity = judgement.reasons(unit.since_ms).into_iter().map(|reason| {
        let value = match reason.colour {
            Colour::Red => 1.0,
            Colour::Orange => 0.75,
            Colour::Blind => 0.6,
            Colour::Yellow => 0.5,
            Colour::Blue => 0.25,
        };
        Part { name: reason.rule, words: reason.evidence, value, weight: 1.0, points: value }
    });
    (severity.collect(), weighed.map_or_else(Vec::new, |weighed| parts(&weighed, roster)))
}

/// A unit judged anew, for people who ask: what it needs of its surroundings is looked up for it alone.
pub fn judged<'a>(
    state: &State,
    rules: &Rules,
    roster: &Roster,
    id: UnitId,
    unit: &'a Unit,
    now_ms: u64,
) -> (Judgement<'a>, Option<Weighed>) {
    let settings = rules.settings();
    let neighbours = Neighbourhood::around(roster, id).fires(settings, state, roster, id, now_ms);
    let weighed = evidence::weigh(&settings.evidence, unit, &state.devices, &neighbours, now_ms);
    let devices = roster.devices_of(id).iter().filter_map(|device| state.devices.get(device.index()));
    let eyes = super::eyes(devices, rule::bits(|condition| condition.distrusts));
    (super::judge(settings, unit, eyes, weighed.clone(), now_ms), weighed)
}

fn parts(weighed: &Weighed, roster: &Roster) -> Vec<Part> {
    let before = Part {
        name: "before_any".into(),
        words: words("无任何证据时", "without any evidence"),
        value: 1.0,
        weight: weighed.before_any,
        points: weighed.before_any,
    };
    let device = |number: u32| {
        let row = roster.device(model::DeviceId(number));
        row.map_or_else(|| number.to_string(), model::roster::Device::key)
    };
    let unit =
        |number: u32| roster.unit(UnitId(number)).map_or_else(|| number.to_string(), |unit| unit.code.to_string());
    let pieces = weighed.pieces.iter().map(|piece| {
        let (zh, en) = piece.kind.names();
        let whence = evidence::whence(piece.source, device, unit);
        Part {
            name: piece.kind.word().into(),
            words: words(format!("{zh}（{}）", whence.zh), format!("{en} ({})", whence.en)),
            value: if piece.weight == 0.0 { 0.0 } else { piece.points / piece.weight },
            weight: piece.weight,
            points: piece.points,
        }
    });
    std::iter::once(before).chain(pieces).collect()
}
