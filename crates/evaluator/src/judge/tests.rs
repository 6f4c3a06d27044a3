//! Colours, incidents, rosters, and that the state holds all there is to know.

use model::report::{Body, DeviceState, EventKind};
use model::roster::DeviceClass;
use model::{Action, AlertId, Command, CommandId, Family, Phase, Reading, Report, UnitId, Verdict};

use super::*;
use crate::rollup::Rollup;
use crate::testing::{Bench, T0, line, town};

const PROMISE_S: u32 = 86_400;

fn bench() -> Bench {
    let devices = [
        ("a", DeviceClass::Combined, 0, PROMISE_S),
        ("b", DeviceClass::Combined, 0, PROMISE_S),
        ("c", DeviceClass::Combined, 1, PROMISE_S),
    ];
    let mut bench = Bench::new("", town(3, &devices));
    bench.word(0, "a presence=0");
    bench.word(0, "b presence=0");
    bench.word(0, "c presence=0");
    bench
}

fn command(id: &str, alert: AlertId, action: Action) -> Entry {
    let id = CommandId::from(id);
    let person = if action == Action::Close { "P2" } else { "P1" }.into();
    Entry::Command(Command { id, person, entered_by: None, alert, action, note: None })
}

fn fire(unit: u32, epoch: Epoch) -> AlertId {
    AlertId { epoch, unit: UnitId(unit), family: Family::Fire }
}

/// The unit's colour and reasons (but what evidence sums up to) in one line, as told in this commit.
fn told(out: &model::Evaluated, unit: u32) -> String {
    let status = out.units.iter().find(|status| status.unit == UnitId(unit));
    status.map_or("-".into(), |status| {
        let reasons = status.reasons.iter().map(|reason| &*reason.rule).filter(|rule| *rule != "evidence");
        let reasons: Vec<&str> = reasons.collect();
        format!("{}: {}", status.colour.word(), reasons.join(" "))
    })
}

#[test]
fn a_new_roster_is_judged_whole_and_counted() {
    let devices = [("a", DeviceClass::Smoke, 0, 60)];
    let mut bench = Bench::new("", town(3, &devices));
    let out = bench.word(0, "tick");
    assert_eq!(out.units.len(), 3);
    assert_eq!(told(&out, 0), "blind: blind");
    assert_eq!(told(&out, 1), "blind: no_device");
    assert_eq!(out.regions.len(), 6);
    let city = out.regions.first().expect("the city is first");
    assert_eq!((city.region.to_string().as_str(), city.counts.blind), ("331083", 3));
    let out = bench.word(1, "a presence=0");
    assert_eq!(told(&out, 0), "blue: ");
    assert_eq!(out.devices.len(), 1);
    assert!(out.devices[0].alive);
    assert_eq!(out.regions[0].counts.blind, 2);
    assert!(bench.word(2, "tick").units.is_empty());
}

#[test]
fn the_colours_of_a_unit() {
    let mut bench = bench();
    assert_eq!(told(&bench.word(1, "a event:low_battery"), 0), "yellow: low_battery");
    assert_eq!(told(&bench.word(2, "a event:fault"), 0), "yellow: low_battery fault");
    // the last one that could be trusted goes
    assert_eq!(told(&bench.word(3, "b state:lost"), 0), "-");
    assert_eq!(told(&bench.word(20, "tick"), 0), "blind: blind low_battery fault lost_contact");
    assert_eq!(told(&bench.word(21, "a alarm:smoke:1"), 0), "orange: alarm_smoke blind low_battery fault lost_contact");
    let red = bench.word(22, "b alarm:manual:2");
    assert_eq!(told(&red, 0), "red: coincidence alarm_smoke alarm_manual low_battery fault lost_contact");
    assert_eq!(red.devices.len(), 1);
    assert_eq!(told(&bench.word(23, "c alarm:gas:3"), 1), "orange: alarm_gas");
    // the warning falls some time after its condition, the fire does not
    assert_eq!(told(&bench.word(24, "c !alarm:gas:3"), 1), "orange: alarm_gas");
    bench.word(25, "a !alarm:smoke:1");
    assert_eq!(told(&bench.word(26, "b !alarm:manual:2"), 0), "red: unverified_fire low_battery fault lost_contact");
    assert_ne!(told(&bench.word(83, "c tick"), 1), "blue: ");
    assert_eq!(told(&bench.word(84, "c tick"), 1), "blue: ");
}

#[test]
fn a_fire_found_false_counts_again_when_it_begins_again() {
    let mut bench = bench();
    bench.word(1, "a alarm:smoke:1");
    let id = fire(0, bench.epoch());
    // not verified: cannot be closed; another id: nothing
    let out = bench.commit(2, vec![command("1", id, Action::Close)], vec![]);
    assert_eq!(told(&out, 0), "-");
    let out = bench.commit(2, vec![command("2", fire(0, 1), Action::verified(Verdict::False))], vec![]);
    assert_eq!(told(&out, 0), "-");
    let out = bench.commit(3, vec![command("3", id, Action::verified(Verdict::False))], vec![]);
    assert_eq!(told(&out, 0), "blue: ");
    // another device at once
    assert_eq!(told(&bench.word(4, "b alarm:heat:2"), 0), "orange: alarm_heat");
    // that verdict was not about it: it does not let it be closed
    let out = bench.commit(4, vec![command("close", id, Action::Close)], vec![]);
    assert_eq!(told(&out, 0), "-");
    // the same verdict, given twice, is not one of what came since
    let out = bench.commit(5, vec![command("3", id, Action::verified(Verdict::False))], vec![]);
    assert_eq!(told(&out, 0), "-");
    let out = bench.commit(6, vec![command("4", id, Action::verified(Verdict::Test))], vec![]);
    assert_eq!(told(&out, 0), "blue: ");
    // a new alarm of a device whose old one still holds
    let out = bench.word(7, "a alarm:smoke:3");
    let lines: Vec<String> = out.findings.iter().map(line).collect();
    assert_eq!(lines, ["ended alarm_smoke orange", "began alarm_smoke orange 3"]);
    assert_eq!(told(&out, 0), "orange: alarm_smoke");
}

#[test]
fn a_real_fire_is_red_until_it_is_closed_and_then_mute() {
    let mut bench = bench();
    bench.word(1, "a alarm:smoke:1");
    let id = fire(0, bench.epoch());
    let out = bench.commit(2, vec![command("1", id, Action::verified(Verdict::Real))], vec![]);
    assert_eq!(told(&out, 0), "red: verified_fire alarm_smoke");
    bench.word(3, "a !alarm:smoke:1");
    bench.word(4, "a alarm:smoke:2");
    // it began again after quiet: it needs a verdict of its own, as at the desk
    let out = bench.commit(5, vec![command("2", id, Action::Close)], vec![]);
    assert_eq!(told(&out, 0), "-");
    bench.commit(6, vec![command("3", id, Action::verified(Verdict::Real))], vec![]);
    let out = bench.commit(7, vec![command("4", id, Action::Close)], vec![]);
    assert_eq!(told(&out, 0), "blue: ");
    assert_eq!(told(&bench.word(8, "a !alarm:smoke:2"), 0), "-");
    // an alarm in the commit of a close is a new one
    bench.word(9, "a alarm:smoke:3");
    let id = fire(0, bench.epoch());
    bench.commit(10, vec![command("5", id, Action::verified(Verdict::False))], vec![]);
    let report = Report {
        device: DeviceId(0),
        at_ms: T0 + 11_000,
        skew_ms: None,
        body: Body::Alarm { id: "4".into(), kind: model::AlarmKind::Smoke, active: true, value: None, unit: "".into() },
    };
    let out = bench.commit(11, vec![Entry::Report(report), command("6", id, Action::Close)], vec![]);
    assert_eq!(told(&out, 0), "orange: alarm_smoke");
}

#[test]
fn warnings_and_faults_are_mute_after_close() {
    let mut bench = bench();
    bench.word(1, "a event:tamper");
    let id = AlertId { epoch: bench.epoch(), unit: UnitId(0), family: Family::Warning };
    let out = bench.commit(2, vec![command("1", id, Action::Close)], vec![]);
    assert_eq!(told(&out, 0), "-", "it holds, and nobody else has looked after it");
    bench.commit(2, vec![command("2", id, Action::BeginWork)], vec![]);
    let out = bench.commit(2, vec![command("3", id, Action::Close)], vec![]);
    assert_eq!(told(&out, 0), "blue: ");
    bench.word(3, "a event:restored");
    assert_eq!(told(&bench.word(4, "a event:tamper"), 0), "yellow: tamper");
}

#[test]
fn an_alarm_of_a_device_that_is_gone_is_told_and_latched() {
    let mut bench = bench();
    bench.word(0, "c event:fault");
    let mut rows = town(3, &[("b", DeviceClass::Combined, 0, PROMISE_S)]);
    // the same people write a new table: a and c are off it
    let change = {
        let mut change = model::RosterChange::default();
        for (slot, id) in bench.roster.devices().iter().zip(0..) {
            let current = &*slot.row.name == "b";
            change.devices.push((DeviceId(id), model::roster::Slot { current, row: slot.row.clone() }));
        }
        change
    };
    rows = bench.roster.after(&change, rows.version() + 10);
    bench.roster = Arc::new(rows);
    let out = bench.commit(1, vec![], vec![]);
    assert_eq!(told(&out, 1), "blind: no_device");
    assert_eq!(out.devices.len(), 2);
    assert_eq!(out.findings.iter().map(line).collect::<Vec<_>>(), ["ended fault yellow"]);
    assert!(out.findings[0].evidence.en.contains("taken off the roster"));
    let report = Report {
        device: DeviceId(2),
        at_ms: T0 + 2000,
        skew_ms: None,
        body: Body::Alarm { id: "x".into(), kind: model::AlarmKind::Smoke, active: true, value: None, unit: "".into() },
    };
    let out = bench.commit(2, vec![Entry::Report(report)], vec![]);
    assert_eq!(out.findings[0].alarm.as_deref(), Some("x"));
    assert_eq!(told(&out, 1), "orange: unverified_fire no_device");
}

#[test]
fn units_that_move_or_go_take_their_counts_along() {
    let mut bench = bench();
    let moved = {
        let mut change = model::RosterChange::default();
        let mut slot = bench.roster.units()[0].clone();
        slot.row.grid = bench.roster.units()[1].row.grid;
        change.units.push((UnitId(0), slot));
        let mut gone = bench.roster.units()[2].clone();
        gone.current = false;
        change.units.push((UnitId(2), gone));
        change
    };
    bench.roster = Arc::new(bench.roster.after(&moved, 50));
    let out = bench.commit(1, vec![], vec![]);
    let count = |code: &str| {
        let status = out.regions.iter().find(|status| status.region.to_string() == code);
        status.expect("told").counts
    };
    assert_eq!(count("331083").total(), 2);
    assert_eq!(count("331083001001001").total(), 0);
    assert_eq!(count("331083001002001").blue, 2);
    assert!(out.units.is_empty());
}

#[test]
fn rules_of_a_commit_count_from_it_on_and_bad_ones_do_not() {
    let mut bench = bench();
    let out = bench.word(1, "a battery_pct=15");
    assert_eq!(told(&out, 0), "-");
    let rules = "[battery]\nlow_pct = 18\n";
    bench.commit(2, vec![Entry::Rules(rules.into())], vec![]);
    assert_eq!(told(&bench.word(3, "a battery_pct=15"), 0), "yellow: low_battery");
    bench.commit(4, vec![Entry::Rules("nonsense = 1".into())], vec![]);
    assert_eq!(bench.judge.state().rules, rules);
}

/// Random commits; the same for the same seed.
fn steps(seed: u64, roster: &Arc<model::Roster>, count: usize) -> Vec<Step> {
    let mut dice = seed;
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let devices = roster.devices().len() as u64;
    let units = roster.units().len() as u64;
    let quantities = model::Quantity::ALL;
    let mut at_ms = T0;
    let mut steps = Vec::new();
    for epoch in 1..=count as u64 {
        at_ms += [10, 200, 1000, 5000, 40_000][roll(5) as usize];
        let mut commit = Commit { epoch, at_ms, ..Commit::default() };
        for n in 0..roll(4) {
            let device = DeviceId(roll(devices + 1) as u32);
            let kind = model::AlarmKind::from_word(model::AlarmKind::WORDS[roll(9) as usize]).expect("a kind");
            let event = EventKind::from_word(EventKind::WORDS[roll(7) as usize]).expect("an event");
            let state = [DeviceState::Online, DeviceState::Sleeping, DeviceState::Lost][roll(3) as usize];
            let id: Box<str> = format!("{epoch}-{n}").into();
            let verdict = [Verdict::Real, Verdict::False, Verdict::Test][roll(3) as usize];
            let body = match roll(4) {
                0 | 1 => Body::Alarm { id, kind, active: roll(2) == 0, value: None, unit: "".into() },
                2 => Body::Event { id, kind: event },
                _ => Body::State { state, next_report_s: (roll(2) == 0).then_some(120), will: roll(2) == 0 },
            };
            commit.entries.push(Entry::Report(Report { device, at_ms, skew_ms: None, body }));
            let family = Family::ALL[roll(3) as usize];
            let alert = AlertId { epoch: epoch.saturating_sub(roll(20)), unit: UnitId(roll(units) as u32), family };
            let action = if roll(2) == 0 { Action::verified(verdict) } else { Action::Close };
            commit.entries.push(command(&format!("{epoch}-{n}"), alert, action));
        }
        if roll(40) == 0 {
            let threshold = 0.1 + roll(10) as f32 / 10.0;
            let text = format!("[smoke]\nclear_db_m = 0.05\nthreshold_db_m = {threshold}\n");
            commit.entries.push(Entry::Rules(text.into()));
        }
        if roll(2) == 0 {
            commit.entries.push(Entry::Tick);
        }
        for _ in 0..roll(30) {
            let quantity = quantities[roll(quantities.len() as u64) as usize];
            let (low, high) = match quantity {
                model::Quantity::TemperatureC => (15.0, 70.0),
                model::Quantity::SmokeDbM => (0.0, 0.3),
                model::Quantity::WaterPressureMpa => (0.05, 0.5),
                model::Quantity::GasLelPct => (0.0, 20.0),
                other => (0.0, other.plausible().end().min(600.0)),
            };
            let value = low + (high - low) * roll(1000) as f32 / 1000.0;
            let device = DeviceId(roll(devices + 1) as u32);
            commit.readings.push(Reading { device, quantity, value, at_ms, skew_ms: None, seq: None });
        }
        steps.push(Step { commit: Arc::new(commit), roster: Arc::clone(roster) });
    }
    steps
}

/// What an output says, as text; the commit itself is the input.
fn shown(out: &model::Evaluated) -> String {
    format!("{:?} {:?} {:?} {:?}", out.findings, out.units, out.regions, out.devices)
}

fn big_town() -> Arc<model::Roster> {
    let names: Vec<String> = (0..24).map(|n| format!("d{n}")).collect();
    let devices: Vec<_> =
        names.iter().zip(0..).map(|(name, n)| (name.as_str(), DeviceClass::Combined, n / 3, 30)).collect();
    Arc::new(town(10, &devices))
}

#[test]
fn a_restore_at_any_commit_goes_on_with_the_same_bytes() {
    let roster = big_town();
    for seed in 0..5 {
        let steps = steps(seed, &roster, 300);
        let (mut judge, mut rollup) = (Judge::new(Rules::default(), Share::ALL), Rollup::default());
        let mut whole = Vec::new();
        let mut checkpoints = Vec::new();
        for step in &steps {
            checkpoints.push(judge.encode());
            let judged = judge.apply(step.clone());
            whole.push(shown(&rollup.join(vec![judged]).expect("one part")));
        }
        let findings: usize = whole.iter().map(|out| out.matches("phase").count()).sum();
        assert!(findings > 100, "the steps make something happen: {findings}");
        let last = judge.encode();
        for from in [1, 7, 77, 150, 299].map(|from| (from + seed as usize) % 300) {
            let mut judge = Judge::restore(&checkpoints[from], Share::ALL).expect("reads back");
            assert_eq!(judge.encode(), checkpoints[from]);
            let mut rollup = Rollup::of(judge.counted());
            for (step, expected) in steps[from..].iter().zip(&whole[from..]) {
                let judged = judge.apply(step.clone());
                let out = rollup.join(vec![judged]).expect("one part");
                assert_eq!(shown(&out), *expected, "seed {seed}, from {from}, commit {}", step.commit.epoch);
            }
            assert_eq!(judge.encode(), last, "seed {seed}, from {from}");
        }
    }
}

#[test]
fn two_workers_find_what_one_finds() {
    let roster = big_town();
    for seed in 20..26 {
        let (mut one, mut rollup) = (Judge::new(Rules::default(), Share::ALL), Rollup::default());
        let mut two = [0, 1].map(|worker| Judge::new(Rules::default(), Share { worker, workers: 2 }));
        let mut joined = Rollup::default();
        for step in steps(seed, &roster, 300) {
            let parts = two.iter_mut().map(|judge| judge.apply(step.clone())).collect();
            let alone = rollup.join(vec![one.apply(step)]).expect("one part");
            assert_eq!(shown(&joined.join(parts).expect("two parts")), shown(&alone), "seed {seed}");
        }
    }
}

#[test]
fn counts_are_exact_at_every_commit_and_every_alarm_is_found() {
    let roster = big_town();
    let (mut judge, mut rollup) = (Judge::new(Rules::default(), Share::ALL), Rollup::default());
    let mut counts = std::collections::BTreeMap::new();
    for step in steps(99, &roster, 500) {
        let out = rollup.join(vec![judge.apply(step)]).expect("one part");
        counts.extend(out.regions.iter().map(|status| (status.region, status.counts)));
        let recounted = Rollup::of(judge.counted());
        for (region, counts) in &counts {
            assert_eq!(Some(counts), recounted.count(*region).as_ref(), "{region}");
        }
        for entry in &out.step.commit.entries {
            let Entry::Report(Report { device, body: Body::Alarm { id, .. }, .. }) = entry else { continue };
            let named = out.findings.iter().any(|finding| finding.alarm.as_ref() == Some(id));
            assert!(named || out.step.roster.device(*device).is_none(), "{id}");
        }
        assert!(out.findings.iter().all(|finding| finding.phase != Phase::Began || finding.colour != Colour::Blind));
    }
}

#[test]
fn a_damaged_checkpoint_and_one_of_another_build_are_refused() {
    let bytes = Judge::new(Rules::default(), Share::ALL).encode();
    assert!(matches!(Judge::restore(&bytes[..bytes.len() / 2], Share::ALL), Err(RestoreError::Damaged(_))));
    let state = State { layout: "other".into(), ..State::default() };
    assert!(matches!(Judge::restore(&model::wire::encode(&state), Share::ALL), Err(RestoreError::Layout)));
}
