//! A small city's record, judged by other rules.

use std::sync::Mutex;

use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};
use model::{
    Action, AlertId, Command, CommandId, DeviceId, Family, Mark, Quantity, Quarantined, Reading, StoreError, UnitId,
    Verdict,
};

use super::*;

const T0: u64 = 1_763_798_400_000;

/// A journal in memory; no checkpoints.
#[derive(Default)]
struct Record(Mutex<Vec<Commit>>);

impl Record {
    /// A commit at so many seconds, with a tick.
    fn put(&self, at_s: u64, mut entries: Vec<Entry>, readings: Vec<Reading>) -> Epoch {
        let mut commits = self.0.lock().expect("one thread");
        entries.push(Entry::Tick);
        let epoch = commits.len() as u64 + 1;
        commits.push(Commit { epoch, at_ms: T0 + at_s * 1000, entries, readings });
        epoch
    }
}

impl Journal for Record {
    fn append(&self, _: &Commit, _: &[Quarantined], _: &[Mark]) -> Result<(), StoreError> {
        Ok(())
    }

    fn last_epoch(&self) -> Epoch {
        self.0.lock().expect("one thread").len() as u64
    }

    fn first_epoch(&self) -> Epoch {
        1
    }

    fn read(&self, from: Epoch) -> Box<dyn Iterator<Item = Result<Commit, StoreError>> + '_> {
        let commits = self.0.lock().expect("one thread").clone();
        Box::new(commits.into_iter().filter(move |commit| commit.epoch >= from).map(Ok))
    }
}

impl Checkpoints for Record {
    fn put(&self, _: &str, _: Epoch, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn newest(&self, _: &str, _: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        Ok(None)
    }
}

/// Two units, each with a smoke detector.
fn city() -> Entry {
    let mut rows = RosterRows::default();
    for code in ["331083", "331083001", "331083001001", "331083001001001"] {
        rows.regions.push((2, code.parse().expect("a code"), code.into()));
    }
    for unit in ["u0", "u1"] {
        rows.units.push((
            2,
            UnitRow {
                code: unit.into(),
                name: "店".into(),
                category: "沿街商铺".into(),
                address: "".into(),
                grid: "331083001001001".parse().expect("a code"),
                owner: "".into(),
                position_m: None,
                profile: Default::default(),
            },
        ));
        rows.devices.push((
            2,
            DeviceRow {
                vendor: "v".into(),
                name: unit.into(),
                unit: unit.into(),
                class: DeviceClass::Smoke,
                location: "".into(),
                report_every_s: 600,
                gateway: "".into(),
            },
        ));
    }
    Entry::Roster(Box::new(Roster::default().change_to(&rows).expect("sound")))
}

fn smoke(device: u32, at_s: u64, value: f32) -> Vec<Reading> {
    let at_ms = T0 + at_s * 1000;
    vec![Reading { device: DeviceId(device), quantity: Quantity::SmokeDbM, value, at_ms, skew_ms: None, seq: None }]
}

fn act(id: &str, epoch: Epoch, unit: u32, action: Action) -> Entry {
    let alert = AlertId { epoch, unit: UnitId(unit), family: Family::Fire };
    let id = CommandId(id.into());
    let person = if action == Action::Close { "V2" } else { "G1" }.into();
    Entry::Command(Command { id, person, entered_by: None, alert, action, note: None })
}

/// An hour: a fire of 0.3 dB/m in u0 that was verified as real and closed, then one of 0.18 dB/m in u1 that was false.
fn record() -> Record {
    let record = Record::default();
    record.put(0, vec![city()], Vec::new());
    let mut raised = 0;
    for at_s in (5..120).step_by(5) {
        let value = if at_s >= 60 { 0.3 } else { 0.02 };
        let epoch = record.put(at_s, Vec::new(), smoke(0, at_s, value));
        // the third sample at or above 0.15, ten seconds after the first
        if at_s == 70 {
            raised = epoch;
        }
    }
    record.put(300, vec![act("1", raised, 0, Action::verified(Verdict::Real))], Vec::new());
    record.put(900, vec![act("2", raised, 0, Action::Close)], Vec::new());
    for at_s in (1785..1860).step_by(5) {
        record.put(at_s, Vec::new(), smoke(1, at_s, if at_s >= 1800 { 0.18 } else { 0.0 }));
    }
    for at_s in (1860..3600).step_by(30) {
        record.put(at_s, Vec::new(), smoke(1, at_s, 0.02));
    }
    record
}

fn rules(threshold_db_m: f32) -> Rules {
    let text = format!("[smoke]\nclear_db_m = {}\nthreshold_db_m = {threshold_db_m}\n", threshold_db_m / 2.0);
    Rules::parse(&text).expect("sound")
}

fn tried(plan: &Plan) -> Report {
    let record = record();
    run(&record, &record, plan).expect("replays")
}

#[test]
fn the_same_rules_differ_in_nothing() {
    let report = tried(&Plan::new(Rules::default()));
    assert_eq!((report.alerts.same, report.real_fires), (2, 1), "{report:#?}");
    assert_eq!(report.alerts.gained_count + report.alerts.lost_count, 0);
    assert_eq!(report.alerts.earlier_count + report.alerts.later_count, 0);
    assert!(report.colours.changed.is_empty() && report.lost_fires.is_empty() && report.run.whole);
}

#[test]
fn a_duller_rule_loses_a_false_alarm_and_a_much_duller_one_a_real_fire() {
    let report = tried(&Plan::new(rules(0.25)));
    assert_eq!((report.alerts.same, report.alerts.lost_count), (1, 1), "{report:#?}");
    assert_eq!(report.alerts.lost[0].unit, "u1");
    assert!(report.lost_fires.is_empty());
    let fire = &report.families[Family::Fire as usize];
    assert_eq!((fire.before, fire.after), (2, 1));
    let smoke = report.rules.iter().find(|rule| rule.rule == "smoke").expect("it began");
    assert_eq!((smoke.before, smoke.after), (2, 1));
    assert!(report.colours.units_changed == 1 && report.colours.units[0].unit == "u1");

    let report = tried(&Plan::new(rules(0.5)));
    assert_eq!((report.lost_fires.len(), report.real_fires), (1, 1), "{report:#?}");
    assert_eq!((report.lost_fires[0].unit.as_str(), report.lost_fires[0].verdict), ("u0", Some(Verdict::Real)));
}

#[test]
fn a_keener_rule_is_earlier_and_what_people_did_still_counts() {
    let keen = Rules::parse("[smoke]\nconfirm_samples = 1\nconfirm_s = 0\n").expect("sound");
    let report = tried(&Plan::new(keen));
    assert_eq!((report.alerts.earlier_count, report.alerts.later_count), (2, 0), "{report:#?}");
    assert_eq!(report.alerts.earlier[0].later_s, Some(-10.0));
    // the fire was closed on both sides: colours are the same but for ten seconds, and twenty of the thinner smoke
    let changed: f64 = report.colours.changed.iter().map(|change| change.unit_hours).sum();
    assert!((changed * 3600.0 - 30.0).abs() < 1.0, "{report:#?}");
}

#[test]
fn only_the_time_asked_for_is_compared() {
    let mut plan = Plan::new(rules(0.5));
    plan.from_ms = T0 + 1_000_000;
    let report = tried(&plan);
    assert_eq!((report.real_fires, report.alerts.lost_count), (0, 1), "{report:#?}");
    assert!(report.run.from_ms >= plan.from_ms);
    plan.to_ms = T0 + 1_500_000;
    assert_eq!(tried(&plan).alerts.lost_count, 0);
    plan.limit = Some(Duration::ZERO);
    let cut = tried(&plan);
    assert!(!cut.run.whole && cut.notes.iter().any(|note| note.en.contains("were not replayed")));
}

#[test]
fn a_time_has_its_commit() {
    let record = record();
    for commit in record.read(1).map(|commit| commit.expect("there")) {
        assert_eq!(epoch_at(&record, commit.at_ms).expect("found"), commit.epoch);
        assert_eq!(epoch_at(&record, commit.at_ms - 1).expect("found"), commit.epoch);
    }
    assert_eq!(epoch_at(&record, u64::MAX).expect("found"), record.last_epoch() + 1);
    assert_eq!(epoch_at(&record, 0).expect("found"), 1);
}
