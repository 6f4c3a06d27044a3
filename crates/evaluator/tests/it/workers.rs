//! Several workers: the same outputs, the same checkpoints, the same liveness as one, also when a restart changes their
//! number, and for other commits of the same entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evaluator::{Abort, Evaluator, Handle, Liveness, Rules, Settings};
use model::{
    Colour, ColourCounts, Commit, DeviceId, Entry, Evaluated, Family, Finding, Phase, Reading, RegionCode, Step, UnitId,
};
use proptest::prelude::*;

use crate::kit::{Kept, cases};
use crate::oracle::script::{Act, Change, Player, Say, Script, script};

const DEADLINE: Duration = Duration::from_secs(30);

/// An evaluator that answers each step.
pub struct Answering {
    handle: Handle,
    outs: Receiver<Evaluated>,
    kept: Arc<Kept>,
}

impl Answering {
    pub fn start(workers: usize, restore: Option<(u64, Vec<u8>)>) -> Answering {
        let (told, outs) = sync_channel(1);
        let settings = Settings { workers, checkpoint_every_s: 1, ..Settings::default() };
        let kept = Arc::<Kept>::default();
        let out = Box::new(move |out| told.send(out).unwrap());
        let handle = Evaluator::start(settings, Rules::default(), restore, out, Arc::clone(&kept) as _).unwrap();
        Answering { handle, outs, kept }
    }

    pub fn liveness(&self) -> Arc<Liveness> {
        self.handle.liveness()
    }

    pub fn answer(&self, step: Step) -> Evaluated {
        self.handle.submit(step).unwrap();
        self.outs.recv_timeout(DEADLINE).unwrap()
    }

    /// The last checkpoint, and what is known of each device's liveness.
    fn end(self) -> (Vec<u8>, Vec<Known>) {
        let live = self.handle.liveness();
        self.handle.finish().unwrap();
        let last = self.kept.0.lock().unwrap().pop_last().unwrap().1;
        (last, known(&live))
    }
}

/// When a device was last heard of, and whether it is alive.
type Known = (Option<u64>, Option<bool>);

fn known(live: &Liveness) -> Vec<Known> {
    (0..12).map(|id| (live.last_seen_ms(DeviceId(id)), live.alive(DeviceId(id)))).collect()
}

/// All that an output says, in bytes.
fn bytes(out: &Evaluated) -> Vec<u8> {
    model::wire::encode(&(out.step.commit.epoch, &out.findings, &out.units, &out.regions, &*out.devices))
}

/// The steps of a script, and what one worker says of each.
fn alone(script: &Script) -> (Vec<Step>, Vec<Evaluated>, Answering) {
    let one = Answering::start(1, None);
    let (mut steps, mut outs) = (Vec::new(), Vec::new());
    Player::new(script).play(script, &mut |step| {
        let out = one.answer(step.clone());
        steps.push(step);
        outs.push(out.clone());
        out
    });
    (steps, outs, one)
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn any_number_of_workers_says_the_same_bytes(
        script in script(30),
        workers in 2..5_usize,
        later in 1..4_usize,
        at in any::<prop::sample::Index>(),
    ) {
        let (steps, outs, one) = alone(&script);
        let (last, live) = one.end();
        let several = Answering::start(workers, None);
        for (step, out) in steps.iter().zip(&outs) {
            prop_assert!(bytes(&several.answer(step.clone())) == bytes(out), "{workers} workers, commit {}", out.step.commit.epoch);
        }
        let kept = Arc::clone(&several.kept);
        let (joined, known) = several.end();
        prop_assert!(joined == last, "the checkpoint of {workers} workers is that of one");
        prop_assert_eq!(&known, &live);
        // a restart with another number of workers, from any checkpoint
        let kept = kept.0.lock().unwrap();
        let from = kept.iter().nth(at.index(kept.len().max(1))).map(|(epoch, bytes)| (*epoch, bytes.clone()));
        let begun = from.as_ref().map_or(0, |(epoch, _)| *epoch as usize);
        let again = Answering::start(later, from);
        for (step, out) in steps.iter().zip(&outs).skip(begun) {
            prop_assert!(bytes(&again.answer(step.clone())) == bytes(out), "{later} workers from {begun}, commit {}", out.step.commit.epoch);
        }
        let (joined, known) = again.end();
        prop_assert!(joined == last, "{later} workers, from commit {begun}");
        prop_assert_eq!(&known, &live);
    }
}

/// A verdict on what a device saw where it was says nothing of it where it is now, which may be another worker's.
#[test]
fn a_verdict_does_not_follow_a_device_to_another_village() {
    let alarm = |active| Act::Commit {
        gap_ms: 1000,
        entries: vec![Say::Alarm { device: 0, kind: 0, active }],
        readings: Vec::new(),
        tick: true,
    };
    let moves = Act::Roster(vec![Change::Device { device: 0, unit: 1, promise_s: 600 }]);
    let found_false = Act::Order { pick: 0, action: 1, again: false };
    let script = Script {
        units: vec![0, 1],
        devices: vec![(0, 600)],
        acts: vec![alarm(true), alarm(false), moves, found_false],
    };
    let (steps, _, one) = alone(&script);
    let several = Answering::start(3, None);
    steps.iter().for_each(|step| drop(several.answer(step.clone())));
    assert!(several.end().0 == one.end().0, "the checkpoint of 3 workers is that of one");
}

#[test]
fn a_panic_of_one_worker_ends_all() {
    let (told, why) = sync_channel(4);
    let told = Mutex::new(told);
    let abort: Abort = Arc::new(move |why| told.lock().unwrap().send(why.to_owned()).unwrap());
    let settings = Settings { workers: 3, ..Settings::default() };
    let out = Box::new(|_| panic!("a test's panic"));
    let handle = Evaluator::start_with(settings, Rules::default(), None, out, Arc::<Kept>::default(), abort).unwrap();
    let step =
        Step { commit: Arc::new(model::Commit { epoch: 1, at_ms: 1, ..Default::default() }), roster: Arc::default() };
    handle.submit(step).unwrap();
    assert_eq!(why.recv_timeout(DEADLINE).unwrap(), "the worker panicked");
    assert!(handle.finish().is_err());
    assert!(why.try_recv().is_err(), "it is told once");
}

#[test]
fn a_number_of_workers_that_makes_no_sense_is_refused() {
    for workers in [0, 65] {
        let settings = Settings { workers, ..Settings::default() };
        let started = Evaluator::start(settings, Rules::default(), None, Box::new(drop), Arc::<Kept>::default());
        assert!(started.err().unwrap().to_string().contains("must be 1 to 64"));
    }
}

/// The same entries in more commits of the same time: changes and commands, then each report, then the readings in parts,
/// then the tick. That is the order within one commit.
fn split(step: &Step, parts: usize) -> Vec<Commit> {
    let commit = &step.commit;
    let of = |entries: Vec<Entry>, readings: Vec<Reading>| Commit { epoch: 0, at_ms: commit.at_ms, entries, readings };
    let (reports, rest): (Vec<_>, Vec<_>) =
        commit.entries.iter().cloned().partition(|entry| matches!(entry, Entry::Report(_) | Entry::Sighting(_)));
    let (ticks, first): (Vec<_>, Vec<_>) = rest.into_iter().partition(|entry| *entry == Entry::Tick);
    let mut commits = vec![of(first, Vec::new())];
    commits.extend(reports.into_iter().map(|report| of(vec![report], Vec::new())));
    let size = commit.readings.len().div_ceil(parts).max(1);
    commits.extend(commit.readings.chunks(size).map(|readings| of(Vec::new(), readings.to_vec())));
    commits.extend((!ticks.is_empty()).then(|| of(ticks, Vec::new())));
    commits
}

/// Rules and devices of a unit's reasons.
type Reasons = Vec<(String, Option<DeviceId>)>;

/// What batching must not change: what is found of each device, in order, and in the end each unit's colour and reasons and
/// the regions' counts.
#[derive(Default)]
struct Seen {
    /// By unit and condition, so that the order of devices within a commit does not count.
    of_devices: Vec<Finding>,
    /// Of whole units: their rules are asked at the end of a commit.
    of_units: Vec<(UnitId, String, Phase)>,
    units: BTreeMap<UnitId, (Colour, bool, Reasons)>,
    regions: BTreeMap<RegionCode, (ColourCounts, u32)>,
    alive: BTreeMap<DeviceId, bool>,
}

impl Seen {
    fn take(&mut self, out: &Evaluated) {
        let (of_devices, of_units): (Vec<_>, Vec<_>) =
            out.findings.iter().cloned().partition(|finding| finding.device.is_some());
        self.of_devices.extend(of_devices);
        self.of_devices.sort_by_key(|finding| (finding.unit, finding.device, finding.rule.clone()));
        self.of_units.extend(of_units.iter().map(|finding| (finding.unit, finding.rule.to_string(), finding.phase)));
        for status in &out.units {
            let reasons = status.reasons.iter().map(|reason| (reason.rule.to_string(), reason.device)).collect();
            self.units.insert(status.unit, (status.colour, status.blind_since_ms.is_some(), reasons));
        }
        self.regions.extend(out.regions.iter().map(|status| (status.region, (status.counts, status.blind))));
        self.alive.extend(out.devices.iter().map(|change| (change.device, change.alive)));
    }
}

proptest! {
    #![proptest_config(cases(40))]

    /// Commits of the same time and order of entries mean the same, however they are cut. What differs: conditions of whole
    /// units are judged at the end of a commit, so that one which comes and goes within it is seen in its pieces only (such
    /// units are left out from then on, `loose` below); other numbers of commits give
    /// alerts other ids; a unit that is told more often may have its colour since another commit of the same time; and the
    /// standing index, computed at the ends of commits and not at all of them, may move at another one.
    #[test]
    fn batching_changes_nothing_but_numbers(script in script(25), parts in 1..4_usize) {
        let (steps, outs, _one) = alone(&script);
        let cut = Answering::start(1, None);
        let (mut epoch, mut whole, mut pieces) = (0, Seen::default(), Seen::default());
        let mut loose = BTreeSet::new();
        let mut alerts: BTreeMap<(u64, UnitId, Family), u64> = BTreeMap::new();
        for (step, out) in steps.iter().zip(&outs) {
            whole.take(out);
            for mut commit in split(step, parts) {
                epoch += 1;
                commit.epoch = epoch;
                for entry in &mut commit.entries {
                    if let Entry::Command(command) = entry {
                        let id = &mut command.alert;
                        id.epoch = alerts.get(&(id.epoch, id.unit, id.family)).copied().unwrap_or(id.epoch);
                    }
                }
                let piece = cut.answer(Step { commit: Arc::new(commit), roster: Arc::clone(&step.roster) });
                for finding in piece.findings.iter().filter(|finding| finding.phase == Phase::Began) {
                    alerts.entry((step.commit.epoch, finding.unit, finding.family)).or_insert(epoch);
                }
                pieces.take(&piece);
            }
            let epoch = step.commit.epoch;
            prop_assert_eq!(&pieces.of_devices, &whole.of_devices, "commit {}", epoch);
            prop_assert_eq!(&pieces.alive, &whole.alive, "commit {}", epoch);
            for unit in (0..16).map(UnitId) {
                let of = |seen: &Seen| seen.of_units.iter().filter(|told| told.0 == unit).cloned().collect::<Vec<_>>();
                if of(&pieces) != of(&whole) {
                    loose.insert(unit);
                }
                if !loose.contains(&unit) {
                    prop_assert_eq!(pieces.units.get(&unit), whole.units.get(&unit), "commit {}, unit {}", epoch, unit.0);
                }
            }
            if loose.is_empty() {
                prop_assert_eq!(&pieces.regions, &whole.regions, "commit {}", epoch);
            }
            for seen in [&mut pieces, &mut whole] {
                (seen.of_devices, seen.of_units) = Default::default();
            }
        }
    }
}
