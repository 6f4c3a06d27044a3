//! What the tests share: a roster, a runner in virtual time, checkpoints in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use evaluator::judge::{Judge, Share};
use evaluator::{Evaluator, Handle, Rules, Settings};
use model::roster::{DeviceClass, DeviceRow, Roster, RosterRows, UnitRow};
use model::{
    Checkpoints, Commit, DeviceId, Entry, Epoch, Evaluated, Family, Phase, Quantity, Reading, Step, StoreError,
};
use proptest::prelude::ProptestConfig;

pub use crate::library::Dice;

/// When tests begin, ms since 1970.
pub const T0: u64 = 1_763_798_400_000;

/// One unit with devices of one class, or several units with one each.
pub fn roster(devices: usize, units: usize, report_every_s: u32) -> Arc<Roster> {
    let mut rows = RosterRows::default();
    for code in ["331083", "331083001", "331083001001", "331083001001001"] {
        rows.regions.push((2, code.parse().unwrap(), code.into()));
    }
    for unit in 0..units {
        let row = UnitRow {
            code: format!("u{unit}").into(),
            name: "店".into(),
            category: "沿街商铺".into(),
            address: "".into(),
            grid: "331083001001001".parse().unwrap(),
            owner: "".into(),
            position_m: None,
            profile: Default::default(),
        };
        rows.units.push((2, row));
    }
    for device in 0..devices {
        let row = DeviceRow {
            vendor: "v".into(),
            name: format!("d{device}").into(),
            unit: format!("u{}", device % units).into(),
            class: DeviceClass::Combined,
            location: "".into(),
            report_every_s,
            gateway: "".into(),
        };
        rows.devices.push((2, row));
    }
    let change = Roster::default().change_to(&rows).unwrap();
    Arc::new(Roster::default().after(&change, 1))
}

/// Checkpoints in memory: all that were put.
#[derive(Default)]
pub struct Kept(pub Mutex<BTreeMap<Epoch, Vec<u8>>>);

impl Checkpoints for Kept {
    fn put(&self, stage: &str, epoch: Epoch, bytes: &[u8]) -> Result<(), StoreError> {
        assert_eq!(stage, evaluator::STAGE);
        self.0.lock().unwrap().insert(epoch, bytes.to_vec());
        Ok(())
    }

    fn newest(&self, _: &str, at_most: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        let kept = self.0.lock().unwrap();
        Ok(kept.range(..=at_most).next_back().map(|(epoch, bytes)| (*epoch, bytes.clone())))
    }
}

/// What came out.
pub type Outs = Arc<Mutex<Vec<Evaluated>>>;

/// An evaluator whose outputs are kept.
pub fn start(settings: Settings, restore: Option<(Epoch, Vec<u8>)>, kept: Arc<Kept>) -> (Handle, Outs) {
    let outs = Outs::default();
    let into = Arc::clone(&outs);
    let out = Box::new(move |evaluated| into.lock().unwrap().push(evaluated));
    (Evaluator::start(settings, Rules::default(), restore, out, kept).unwrap(), outs)
}

/// A sample: ms since the beginning, device, quantity, value.
pub type Sample = (i64, u32, Quantity, f32);

/// A fire finding that began: ms since the beginning, rule, device.
pub type Fire = (i64, String, Option<u32>);

/// Plays samples through the judge alone, with a tick at each moment; the fire findings that began.
pub fn play_moments(roster: &Arc<Roster>, samples: &[Sample]) -> Vec<Fire> {
    let mut judge = Judge::new(Rules::default(), Share::ALL);
    let mut fires = Vec::new();
    for (moment, epoch) in samples.chunk_by(|a, b| a.0 == b.0).zip(1..) {
        let at_ms = (T0 + 3_600_000).checked_add_signed(moment[0].0).unwrap();
        let readings = moment.iter().map(|sample| reading(sample, at_ms)).collect();
        let commit = Commit { epoch, at_ms, entries: vec![Entry::Tick], readings };
        let judged = judge.apply(Step { commit: Arc::new(commit), roster: Arc::clone(roster) });
        let began = judged.findings.iter().map(|(_, finding)| finding);
        let began = began.filter(|finding| finding.family == Family::Fire && finding.phase == Phase::Began);
        fires.extend(began.map(|finding| (moment[0].0, finding.rule.to_string(), finding.device.map(|id| id.0))));
    }
    fires
}

fn reading((_, device, quantity, value): &Sample, at_ms: u64) -> Reading {
    Reading { device: DeviceId(*device), quantity: *quantity, value: *value, at_ms, skew_ms: None, seq: None }
}

/// Plays samples (in order of time) at virtual time, a commit for each moment, with a tick each second for 20 seconds after
/// it and each ten seconds after that; the fire findings that began. The beginning is at least an hour after [`T0`].
pub fn play(roster: &Arc<Roster>, samples: &[Sample]) -> Vec<Fire> {
    let (handle, outs) = start(Settings::default(), None, Arc::default());
    let origin_ms = T0 + 3_600_000;
    let mut epoch = 0;
    let mut submit = |at_ms: u64, readings: Vec<Reading>| {
        epoch += 1;
        let commit = Commit { epoch, at_ms, entries: vec![Entry::Tick], readings };
        handle.submit(Step { commit: Arc::new(commit), roster: Arc::clone(roster) }).unwrap();
    };
    let mut last_ms = None;
    for moment in samples.chunk_by(|a, b| a.0 == b.0) {
        let at_ms = origin_ms.checked_add_signed(moment[0].0).unwrap();
        let from_ms = last_ms.unwrap_or(at_ms);
        let quick = (from_ms + 1000..=from_ms + 20_000).step_by(1000);
        let slow = (from_ms + 30_000..at_ms).step_by(10_000);
        for tick_ms in quick.chain(slow).take_while(|tick_ms| *tick_ms < at_ms) {
            submit(tick_ms, Vec::new());
        }
        submit(at_ms, moment.iter().map(|sample| reading(sample, at_ms)).collect());
        last_ms = Some(at_ms);
    }
    handle.finish().unwrap();
    let outs = outs.lock().unwrap();
    assert_eq!(outs.len() as u64, epoch);
    let began = outs.iter().flat_map(|out| &out.findings);
    began
        .filter(|finding| finding.family == Family::Fire && finding.phase == Phase::Began)
        .map(|finding| {
            let since_ms = finding.at_ms as i64 - origin_ms as i64;
            (since_ms, finding.rule.to_string(), finding.device.map(|device| device.0))
        })
        .collect()
}

/// So many cases of a property, or as many as `PROPTEST_CASES` says.
pub fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), failure_persistence: None, ..ProptestConfig::default() }
}
