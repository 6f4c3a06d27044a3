//! Asking a running evaluator.

use std::sync::Arc;
use std::time::Duration;

use evaluator::{AskError, Explanation, Handle, Question, Settings};
use model::report::Body;
use model::{
    AlarmKind, AlertId, Colour, Commit, DeviceId, Entry, Family, Quantity, Reading, RegionCode, Report, Roster, Step,
    UnitId,
};

use crate::kit::{Kept, T0, roster, start};

const LIMIT: Duration = Duration::from_secs(20);

fn submit(handle: &Handle, roster: &Arc<Roster>, epoch: u64, at_s: u64, entries: Vec<Entry>, smoke: &[(u32, f32)]) {
    let at_ms = T0 + at_s * 1000;
    let reading = |(device, value): &(u32, f32)| Reading {
        device: DeviceId(*device),
        quantity: Quantity::SmokeDbM,
        value: *value,
        at_ms,
        skew_ms: None,
        seq: None,
    };
    let readings = smoke.iter().map(reading).collect();
    let commit = Commit { epoch, at_ms, entries, readings };
    handle.submit(Step { commit: Arc::new(commit), roster: Arc::clone(roster) }).unwrap();
}

fn alarm(device: u32, at_s: u64) -> Entry {
    let body = Body::Alarm { id: "a-1".into(), kind: AlarmKind::Manual, active: true, value: None, unit: "".into() };
    Entry::Report(Report { device: DeviceId(device), at_ms: T0 + at_s * 1000, skew_ms: None, body })
}

/// Waits until everything submitted is out: a question is answered between two commits, also before the last one.
fn settled(handle: &Handle) {
    let end = std::time::Instant::now() + LIMIT;
    while handle.in_flight() > 0 {
        assert!(std::time::Instant::now() < end, "the evaluator stands still");
        std::thread::yield_now();
    }
}

#[test]
fn a_device_a_unit_an_alert_and_a_region_are_explained() {
    (1..=3).for_each(all_are_explained);
}

fn all_are_explained(workers: usize) {
    let roster = roster(4, 2, 60);
    let settings = Settings { workers, ..Settings::default() };
    let (handle, _) = start(settings, None, Arc::<Kept>::default());
    let inspector = handle.inspector();
    submit(&handle, &roster, 1, 0, vec![Entry::Tick], &[(0, 0.02), (2, 0.02)]);
    submit(&handle, &roster, 2, 10, vec![alarm(0, 10), Entry::Tick], &[]);
    settled(&handle);

    let Ok(Explanation::Device(device)) = inspector.ask(Question::Device(DeviceId(2)), &roster, LIMIT) else {
        panic!("a device")
    };
    assert_eq!((device.device.as_str(), device.unit.as_str(), device.as_of.epoch), ("v/d2", "u0", 2));
    assert!(device.heard.trusted && device.holds.is_empty());
    let smoke = device.rules.iter().find(|rule| rule.rule == "smoke").unwrap();
    assert_eq!(smoke.watches[0].condition, "smoke");
    assert_eq!(smoke.reads, ["smoke_db_m", "co_ppm", "humidity_pct"]);
    assert!(device.timer_ms.is_some(), "its promise is watched");

    let Ok(Explanation::Unit(unit)) = inspector.ask(Question::Unit(UnitId(0)), &roster, LIMIT) else {
        panic!("a unit")
    };
    assert_eq!((unit.colour, unit.reasons[0].rule.as_ref()), (Some(Colour::Orange), "alarm_manual"));
    assert_eq!(unit.holds[0].device.as_deref(), Some("v/d0"));
    assert_eq!(unit.incidents[0].keeps, Some(Colour::Orange));
    let ends: Vec<&str> = unit.would_change.iter().map(|words| words.en.as_ref()).collect();
    assert_eq!(ends, ["verifying it on the spot, and closing the alert"], "no sensor takes down an unverified fire");
    assert_eq!(unit.devices.len(), 2);

    let id = AlertId { epoch: 2, unit: UnitId(0), family: Family::Fire };
    let Ok(Explanation::Alert(alert)) = inspector.ask(Question::Alert(id), &roster, LIMIT) else { panic!("an alert") };
    assert!(alert.open && alert.conditions.len() == 1);
    let other = AlertId { epoch: 1, ..id };
    let Ok(Explanation::Alert(alert)) = inspector.ask(Question::Alert(other), &roster, LIMIT) else { panic!("closed") };
    assert!(!alert.open && alert.incident.is_none());

    let township: RegionCode = "331083001".parse().unwrap();
    let Ok(Explanation::Region(region)) = inspector.ask(Question::Region(township), &roster, LIMIT) else {
        panic!("a region")
    };
    assert_eq!((region.units, region.counts.orange, region.worst[0].unit.as_str()), (2, 1, "u0"));
    assert_eq!(region.worst[0].conditions, ["alarm_manual"]);

    let nobody = Question::Device(DeviceId(99));
    assert_eq!(inspector.ask(nobody, &roster, LIMIT), Err(AskError::Unknown(nobody)));
    handle.finish().unwrap();
    assert_eq!(inspector.ask(Question::Unit(UnitId(0)), &roster, LIMIT), Err(AskError::Stopped));
}

#[test]
fn questions_from_many_threads_change_nothing_and_are_all_answered() {
    let roster = roster(8, 4, 60);
    let run = |asking: bool| {
        let (handle, outs) = start(Settings::default(), None, Arc::<Kept>::default());
        submit(&handle, &roster, 1, 0, vec![Entry::Tick], &[]);
        settled(&handle);
        let inspector = handle.inspector();
        std::thread::scope(|scope| {
            for thread in 0..if asking { 4 } else { 0 } {
                let (inspector, roster) = (inspector.clone(), &roster);
                scope.spawn(move || {
                    for turn in 0..100 {
                        let question = Question::Unit(UnitId((thread + turn) % 4));
                        inspector.ask(question, roster, LIMIT).expect("answered");
                    }
                });
            }
            for epoch in 2..400 {
                let value = 0.02 + 0.2 * f32::from(u8::from(epoch % 50 > 25));
                submit(&handle, &roster, epoch, epoch, vec![Entry::Tick], &[((epoch % 8) as u32, value)]);
            }
        });
        handle.finish().unwrap();
        let outs = outs.lock().unwrap();
        outs.iter().map(|out| format!("{:?} {:?}", out.findings, out.units)).collect::<Vec<_>>()
    };
    assert_eq!(run(true), run(false));
}
