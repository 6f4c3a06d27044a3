//! The evaluator against a naive model that must find the same: plain lists of everything that ever happened, read from the
//! beginning at every commit, without shares, rings, timers or incremental counts.
//!
//! Each rule's model is a file that says which conditions hold on a device after its history. A rule without one is taken
//! at its word, and what follows for units and regions is counted from that all the same.

mod alarm_message;
mod colour;
mod device_event;
mod electrical;
mod gas;
mod heat_fixed;
mod heat_rise;
mod history;
mod lost_contact;
pub mod script;
mod smoke;
mod threshold;
mod town;
mod water_pressure;

use std::collections::BTreeSet;

use model::DeviceId;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::kit::cases;
use crate::workers::Answering;
use colour::Colours;
use history::{History, Record};
use script::{Player, Script, dispute, script};
use town::Town;

/// The naive rules: the conditions that each knows, and which of them hold.
type Naive = (&'static [&'static str], fn(&History) -> Vec<&'static str>);

const NAIVE: &[Naive] = &[
    (&["smoke"], smoke::conditions),
    (&["heat_fixed"], heat_fixed::conditions),
    (&["heat_rise"], heat_rise::conditions),
    (&["gas", "co"], gas::conditions),
    (&["residual_current", "cable_temperature"], electrical::conditions),
    (&["water_low"], water_pressure::conditions),
    (&["fault", "power_lost", "tamper", "end_of_life", "contaminated"], device_event::conditions),
    (
        &[
            "alarm_smoke",
            "alarm_heat",
            "alarm_co",
            "alarm_flame",
            "alarm_manual",
            "alarm_fire",
            "alarm_gas",
            "alarm_electrical",
            "alarm_water",
        ],
        alarm_message::conditions,
    ),
];

/// Plays a script and compares at every commit; the conditions that held at some time.
fn compare(script: &Script) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    let evaluator = Answering::start(1, None);
    let live = evaluator.liveness();
    let (mut record, mut town, mut colours) = (Record::default(), Town::default(), Colours::default());
    Player::new(script).play(script, &mut |step| {
        let out = evaluator.answer(step.clone());
        let epoch = step.commit.epoch;
        record.take(&step);
        town.take(&out);
        for (history, device) in
            record.devices.iter().zip(0..).filter_map(|(history, id)| Some((history.as_ref()?, DeviceId(id))))
        {
            for (names, conditions) in NAIVE {
                let expected: BTreeSet<&str> = conditions(history).into_iter().collect();
                let found: BTreeSet<&str> = names.iter().copied().filter(|name| town.holds(device, name)).collect();
                assert_eq!(found, expected, "commit {epoch}, device {}: {}", device.0, newest(history));
                seen.extend(expected);
            }
            let alive = match (lost_contact::is_lost(history), lost_contact::was_heard(history)) {
                (true, _) => Some(false),
                (false, true) => Some(true),
                (false, false) => None,
            };
            assert_eq!(live.alive(device), alive, "commit {epoch}, device {}: {}", device.0, newest(history));
            seen.extend((alive == Some(false)).then_some("lost_contact"));
            town.trust(device, alive == Some(true));
        }
        town.check(&out);
        colours.take(&out, |device| live.alive(device));
        out
    });
    seen
}

/// The end of a history, for messages.
fn newest(history: &History) -> String {
    let from = history.moments.len().saturating_sub(12);
    let line = |moment: &history::Moment| format!("now {} at {} {:?}", moment.now_ms, moment.at_ms, moment.what);
    history.moments[from..].iter().map(line).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn the_naive_model_finds_the_same(script in script(24)) {
        compare(&script);
    }

    #[test]
    fn colours_follow_from_what_people_say(script in dispute(60)) {
        compare(&script);
    }
}

#[test]
fn the_scripts_make_every_condition_hold() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        seen.extend(compare(&script(24).new_tree(&mut runner).unwrap().current()));
    }
    let all = NAIVE.iter().flat_map(|(names, _)| names.iter().copied()).chain(["lost_contact"]);
    let missing: Vec<&str> = all.filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "never held: {missing:?}");
}
