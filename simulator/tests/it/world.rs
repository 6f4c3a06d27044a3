//! The living city without a socket: promises kept, incidents told, the same seed the same words.

use simulator::{
    city::{self, Settings},
    clock::Timebase,
    device::Output,
    plan::{Atlas, Befall, Plan, Rates, Truth},
    roster::Class,
    wire::{AlarmKind, EventKind, Report, State},
    world::{Said, Shard, World},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

const START_MS: i64 = 1_763_697_600_000;
const HOUR_MS: i64 = 3_600_000;

fn atlas(units: usize) -> Arc<Atlas> {
    Arc::new(Atlas::new(&city::build(&Settings::small(units)).unwrap()).unwrap())
}

fn world_of(atlas: &Arc<Atlas>, rates: &Rates, seed: u64, shard: Shard) -> World {
    let plan = Plan::new(atlas, rates, seed, START_MS);
    World::new(atlas.clone(), plan, Timebase { start_ms: START_MS, speed: 1.0 }, seed, shard, 60)
}

/// Lives from `from_ms` to `to_ms` (since the start) in steps of a second; calls `see` with every output and its time.
fn live(world: &mut World, from_ms: i64, to_ms: i64, mut see: impl FnMut(&World, i64, &Said)) {
    let mut said = Vec::new();
    for at in (from_ms..to_ms).step_by(1_000) {
        world.step(START_MS + at, usize::MAX, &mut said);
        for one in said.drain(..) {
            see(world, at, &one);
        }
    }
}

fn only(fires: f64, nuisance: f64, troubles: f64) -> Rates {
    Rates { fires_per_hour: fires, nuisance_per_hour: nuisance, troubles_per_hour: troubles, ..Rates::QUIET }
}

#[test]
fn every_device_is_heard_at_once_and_keeps_its_promise_from_then_on() {
    let atlas = atlas(400);
    let mut world = world_of(&atlas, &Rates::QUIET, 1, Shard::ALL);
    let promise_ms: Vec<i64> = atlas.devices.iter().map(|d| i64::from(d.report_every_s) * 1_000).collect();
    let mut last: Vec<Option<i64>> = vec![None; world.devices.len()];
    let end = 26 * HOUR_MS;
    live(&mut world, 0, end, |world, at, (device, output)| {
        if let Output::Say(report) = output {
            match last[*device] {
                None => assert!(at <= 60_000, "{} was first heard after {at} ms", world.devices[*device].name),
                Some(before) => {
                    assert!(at - before <= promise_ms[*device], "{} kept silent", world.devices[*device].name)
                }
            }
            assert!(!matches!(report, Report::Alarm { .. }), "nothing happens, yet {report:?}");
            last[*device] = Some(at);
        }
    });
    for (device, last) in last.iter().enumerate() {
        let last = last.expect("heard at all");
        assert!(end - last <= promise_ms[device] + 1_000, "{} fell silent", world.devices[device].name);
    }
}

#[test]
fn the_load_of_a_quiet_city_is_flat() {
    let atlas = atlas(2_000);
    let mut world = world_of(&atlas, &Rates::QUIET, 1, Shard::ALL);
    let mut per_minute = vec![0u32; 60];
    live(&mut world, 0, HOUR_MS, |_, at, _| per_minute[(at / 60_000) as usize] += 1);
    let settled = &per_minute[5..];
    let (least, most) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
    assert!(f64::from(*most) < 1.35 * f64::from(*least), "{least} to {most} messages a minute");
}

#[test]
fn sleepers_say_so_and_give_their_values_with_it() {
    let atlas = atlas(300);
    let mut world = world_of(&atlas, &Rates::QUIET, 1, Shard::ALL);
    let mut asleep = HashSet::new();
    let mut told = HashSet::new();
    live(&mut world, 0, 61_000, |world, _, (device, output)| {
        if !world.devices[*device].sleeps() {
            return;
        }
        match output {
            Output::Say(Report::State { state, next_report_s }) => {
                assert_eq!(*state, State::Sleeping);
                assert!(next_report_s.is_some_and(|s| s >= 3_600));
                asleep.insert(*device);
            }
            Output::Say(Report::Telemetry { .. }) => {
                told.insert(*device);
            }
            other => panic!("{other:?}"),
        }
    });
    assert!(!asleep.is_empty());
    assert_eq!(asleep, told);
}

#[test]
fn the_same_seed_says_the_same_words() {
    let atlas = atlas(300);
    let rates = Rates {
        power_cuts_per_hour: 2.0,
        faults_per_hour: 5.0,
        deaths_per_hour: 5.0,
        drills_per_hour: 5.0,
        ..only(6.0, 6.0, 6.0)
    };
    let words = |seed| {
        let mut world = world_of(&atlas, &rates, seed, Shard::ALL);
        let mut words = Vec::new();
        live(&mut world, 0, HOUR_MS, |_, at, said| words.push((at, said.clone())));
        words
    };
    let (a, b, c) = (words(3), words(3), words(4));
    assert!(a.len() > 1_000);
    assert!(a == b, "the same seed differs");
    assert!(a != c, "the seed does not matter");
}

#[test]
fn shards_together_play_the_whole_city_once() {
    let atlas = atlas(300);
    let rates = only(20.0, 20.0, 20.0);
    let alarms = |shard, into: &mut Vec<(String, Report)>| {
        let mut world = world_of(&atlas, &rates, 5, shard);
        live(&mut world, 0, HOUR_MS, |world, _, (device, output)| {
            if let Output::Say(report @ Report::Alarm { .. }) = output {
                into.push((world.devices[*device].name.to_string(), report.clone()));
            }
        });
    };
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    alarms(Shard::ALL, &mut whole);
    for index in 0..3 {
        alarms(Shard { index, count: 3 }, &mut parts);
    }
    let sort = |list: &mut Vec<(String, Report)>| list.sort_by_key(|(name, report)| format!("{name} {report:?}"));
    sort(&mut whole);
    sort(&mut parts);
    assert!(!whole.is_empty());
    assert_eq!(whole, parts);
}

#[test]
fn fires_are_noticed_by_several_devices_and_alarms_are_taken_back() {
    let atlas = atlas(3_000);
    let mut world = world_of(&atlas, &only(60.0, 0.0, 0.0), 2, Shard::ALL);
    let mut plan = Plan::new(&atlas, &only(60.0, 0.0, 0.0), 2, START_MS);
    let mut lit = HashMap::new();
    while let Some(due) = plan.next_until(START_MS + HOUR_MS) {
        let Befall::Site { site, .. } = due.what else { panic!("{due:?}") };
        lit.entry(atlas.sites[site].code.clone()).or_insert(due.at_ms - START_MS);
    }
    assert!(lit.len() > 30, "{} fires", lit.len());
    let mut standing: HashMap<(usize, String), (AlarmKind, i64)> = HashMap::new();
    let mut alarmed: HashMap<&str, HashSet<usize>> = HashMap::new();
    let mut vanished = HashSet::new();
    live(&mut world, 0, 6 * HOUR_MS, |_, at, (device, output)| match output {
        Output::Say(Report::Alarm { id, kind, active, .. }) => {
            let unit = atlas.devices[*device].unit.as_str();
            if at < HOUR_MS {
                assert!(lit.get(unit).is_some_and(|lit| at >= *lit), "{unit} alarms at {at} ms without a fire");
            }
            if *active {
                standing.entry((*device, id.clone())).or_insert((*kind, at));
                alarmed.entry(unit).or_default().insert(*device);
            } else {
                let raised = standing.remove(&(*device, id.clone()));
                assert_eq!(raised.map(|r| r.0), Some(*kind), "taken back under its own id and kind");
            }
        }
        Output::Vanish => {
            vanished.insert(*device);
        }
        _ => {}
    });
    let noticed = lit.keys().filter(|u| alarmed.contains_key(u.as_str())).count();
    assert!(noticed * 10 >= lit.len() * 8, "{noticed} of {} fires were noticed", lit.len());
    assert!(alarmed.values().any(|d| d.len() >= 2), "no fire was noticed by two devices");
    // later fires still burn, and what a fire has destroyed says nothing more
    standing.retain(|(device, _), (_, raised)| *raised < 2 * HOUR_MS && !vanished.contains(device));
    assert!(standing.is_empty(), "never taken back: {standing:?}");
}

#[test]
fn a_standing_alarm_is_repeated_under_one_id() {
    let atlas = atlas(2_000);
    let mut world = world_of(&atlas, &only(0.0, 60.0, 0.0), 2, Shard::ALL);
    let mut times: HashMap<(usize, String), Vec<i64>> = HashMap::new();
    live(&mut world, 0, HOUR_MS, |_, at, (device, output)| {
        if let Output::Say(Report::Alarm { id, active: true, .. }) = output {
            times.entry((*device, id.clone())).or_default().push(at);
        }
    });
    let repeated = times.values().filter(|t| t.len() >= 2).count();
    assert!(repeated > 0, "no alarm stood for a minute");
    assert!(times.values().all(|t| t.windows(2).all(|w| w[1] - w[0] >= 60_000)), "not more often than once a minute");
}

#[test]
fn hazards_raise_alarms_of_their_kind() {
    let atlas = atlas(4_000);
    let mut world = world_of(&atlas, &only(0.0, 0.0, 60.0), 2, Shard::ALL);
    let mut kinds = HashSet::new();
    live(&mut world, 0, 3 * HOUR_MS, |_, _, (device, output)| {
        if let Output::Say(Report::Alarm { kind, .. }) = output {
            kinds.insert(kind.name());
            let class = atlas.devices[*device].class;
            let own = match kind {
                AlarmKind::Electrical => class == Class::Electrical,
                AlarmKind::Gas => class == Class::Gas,
                AlarmKind::Water => class == Class::Water,
                _ => false,
            };
            assert!(own, "{class:?} raises {kind:?} in a hazard without fire");
        }
    });
    assert_eq!(kinds, HashSet::from(["electrical", "gas", "water"]));
}

#[test]
fn a_power_cut_silences_mains_devices_and_only_those_and_they_come_back() {
    let atlas = atlas(4_000);
    let rates = Rates { power_cuts_per_hour: 30.0, ..Rates::QUIET };
    let mut world = world_of(&atlas, &rates, 2, Shard::ALL);
    let (mut gone, mut back) = (HashSet::new(), HashSet::new());
    let (mut lost, mut restored) = (HashSet::new(), HashSet::new());
    live(&mut world, 0, 2 * HOUR_MS, |_, at, (device, output)| match output {
        Output::Vanish => {
            gone.insert(*device);
        }
        Output::Return => {
            back.insert(*device);
        }
        Output::Say(Report::Event { kind: EventKind::PowerLost, .. }) => {
            lost.insert(atlas.devices[*device].class);
        }
        Output::Say(Report::Event { kind: EventKind::Restored, .. }) => {
            restored.insert(atlas.devices[*device].class);
        }
        Output::Say(Report::Alarm { .. }) => panic!("an alarm at {at} ms"),
        _ => {}
    });
    assert!(gone.len() > 100);
    let battery =
        |d: &usize| matches!(atlas.devices[*d].class, Class::Smoke | Class::Water | Class::Manual | Class::Panel);
    assert!(!gone.iter().any(battery), "battery and standby devices live on");
    assert!(lost.contains(&Class::Panel) && lost.contains(&Class::Electrical), "{lost:?}");
    assert!(restored.contains(&Class::Panel) && restored.contains(&Class::Electrical), "{restored:?}");
    assert!(back.len() * 2 > gone.len(), "{} of {} came back", back.len(), gone.len());
}

#[test]
fn faults_and_tests_are_told_and_deaths_are_not() {
    let atlas = atlas(1_000);
    let rates = Rates { faults_per_hour: 40.0, deaths_per_hour: 40.0, drills_per_hour: 40.0, ..Rates::QUIET };
    let mut world = world_of(&atlas, &rates, 2, Shard::ALL);
    let mut kinds = HashMap::new();
    let mut dead: HashMap<usize, i64> = HashMap::new();
    live(&mut world, 120_000, 2 * HOUR_MS, |_, at, (device, output)| match output {
        Output::Vanish => {
            dead.insert(*device, at);
        }
        Output::Return => {
            dead.remove(device);
        }
        Output::Say(report) => {
            assert!(dead.get(device).is_none_or(|since| *since == at), "a dead device says {report:?}");
            if let Report::Event { kind, .. } = report {
                *kinds.entry(kind.name()).or_insert(0) += 1;
            }
        }
    });
    assert!(dead.len() > 20, "{} devices died", dead.len());
    for kind in ["fault", "tamper", "low_battery", "test", "restored"] {
        assert!(kinds.contains_key(kind), "no {kind} among {kinds:?}");
    }
}

#[test]
fn the_limit_delays_the_quiet_but_never_those_near_an_incident() {
    let atlas = atlas(1_000);
    let mut world = world_of(&atlas, &Rates::QUIET, 1, Shard::ALL);
    let mut said = Vec::new();
    world.step(START_MS + 60_000, 10, &mut said);
    let heard: HashSet<usize> = said.iter().map(|s| s.0).collect();
    assert_eq!(heard.len(), 10, "ten devices a step");
    for _ in 0..atlas.devices.len() {
        world.step(START_MS + 60_000, 10, &mut said);
    }
    let heard: HashSet<usize> = said.iter().map(|s| s.0).collect();
    assert_eq!(heard.len(), atlas.devices.len(), "and nobody is forgotten");
}

#[test]
fn clocks_are_mostly_right_and_some_are_far_off() {
    let atlas = atlas(3_000);
    let mut world = world_of(&atlas, &Rates::QUIET, 1, Shard::ALL);
    let mut skews: HashMap<usize, i64> = HashMap::new();
    live(&mut world, 0, 400_000, |_, at, (device, output)| {
        if let Output::Say(Report::Telemetry { ts: Some(ts), .. }) = output {
            skews.entry(*device).or_insert(ts - START_MS - at);
        }
    });
    let far = |limit: i64| skews.values().filter(|s| s.abs() > limit).count() as f64 / skews.len() as f64;
    assert!((0.05..0.4).contains(&far(1_500)), "{} are more than 1.5 s off", far(1_500));
    assert!((0.001..0.1).contains(&far(60_000)), "{} are more than a minute off", far(60_000));
}

#[test]
fn the_truth_is_what_the_plan_lit() {
    let atlas = atlas(500);
    let rates = Rates { drills_per_hour: 10.0, ..only(10.0, 10.0, 10.0) };
    let mut plan = Plan::new(&atlas, &rates, 9, START_MS);
    let mut truth = Truth::default();
    truth.advance(&mut plan.clone(), &atlas, START_MS + HOUR_MS);
    let mut told: HashMap<String, Vec<&str>> = HashMap::new();
    while let Some(due) = plan.next_until(START_MS + HOUR_MS) {
        let Befall::Site { site, what } = due.what else { continue };
        told.entry(atlas.sites[site].code.clone()).or_default().push(what.verdict().name());
    }
    assert!(told.len() > 20);
    for (unit, verdicts) in &told {
        let want = if verdicts.contains(&"real") { "real" } else { verdicts[verdicts.len() - 1] };
        assert_eq!(truth.verdict(unit).name(), want, "{unit}: {verdicts:?}");
    }
    assert_eq!(truth.verdict("U999999").name(), "false", "where nothing was lit, the alarm was false");
}

#[test]
fn speed_changes_the_clock_and_not_the_city() {
    let time = Timebase { start_ms: 1_000_000, speed: 10.0 };
    assert_eq!(time.city_ms(1_006_000), 1_060_000);
    assert_eq!(time.real_ms(1_060_000), 1_006_000);
}

#[test]
fn devices_obey_once_at_once_or_when_they_wake() {
    let atlas = atlas(300);
    let mut world = world_of(&atlas, &Rates::QUIET, 1, Shard::ALL);
    live(&mut world, 0, 61_000, |_, _, _| {});
    let sleeper = world.devices.iter().position(|d| d.sleeps()).unwrap();
    let awake = world.devices.iter().position(|d| d.class == Class::Electrical).unwrap();
    let mut said = Vec::new();
    for (device, command) in [(sleeper, "mute"), (awake, "self_test"), (awake, "self_test")] {
        let topic = format!("fire/v1/{}/{}/command", world.devices[device].vendor, world.devices[device].name);
        let payload = format!(r#"{{"id":"c-{device}","command":"{command}"}}"#);
        world.command(&topic, payload.as_bytes(), START_MS + 61_000, &mut said);
    }
    assert!(
        matches!(said[..], [(d, Output::Say(Report::Event { kind: EventKind::Test, .. }))] if d == awake),
        "{said:?}"
    );
    let mut muted = 0;
    live(&mut world, 62_000, 25 * HOUR_MS, |_, _, (device, output)| {
        if let Output::Say(Report::Event { kind: EventKind::Muted, .. }) = output {
            assert_eq!(*device, sleeper);
            muted += 1;
        }
    });
    assert_eq!(muted, 1);
}
