//! Random days of several villages: restored, with two workers, recounted.

use super::*;

/// Random commits of a town of several villages over some days; the same for the same seed.
fn steps(seed: u64, roster: &Arc<Roster>, count: u64) -> Vec<Step> {
    let mut dice = seed.wrapping_mul(2).wrapping_add(1);
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let words = ["alarm:smoke:1", "!alarm:smoke:1", "event:tamper", "event:fault", "event:restored", "alarm:water:2"];
    let mut at_ms = T0;
    let step = |epoch: u64| {
        at_ms += [1000, 1000, 5000, 20_000, 600_000, 7_200_000][roll(6) as usize];
        let (mut entries, mut readings) = (Vec::new(), Vec::<Reading>::new());
        for _ in 0..roll(4) {
            let device = model::DeviceId(roll(roster.devices().len() as u64) as u32);
            let word = if roll(3) == 0 { "presence=0" } else { words[roll(words.len() as u64) as usize] };
            let (more, read) = crate::scenario::parse(device, at_ms, word).expect("a word of the language");
            entries.extend(more);
            readings.extend(read);
        }
        let alert = AlertId {
            epoch: epoch - roll(epoch.min(9)),
            unit: UnitId(roll(roster.units().len() as u64) as u32),
            family: Family::Fire,
        };
        let verdict = [Verdict::Real, Verdict::False, Verdict::Test][roll(3) as usize];
        let id = CommandId::from(format!("{epoch}").as_str());
        let command =
            Command { id, person: "P".into(), entered_by: None, alert, action: Action::verified(verdict), note: None };
        entries.push(Entry::Command(command));
        if roll(60) == 0 {
            let water = 0.001 * (roll(80) as f64);
            let rules = format!("[risk.weights]\nwater = {water}\ncategory = {}\n", 0.166 - water);
            entries.push(Entry::Rules(rules.into()));
        }
        if roll(5) != 0 {
            entries.push(Entry::Tick);
        }
        let commit = Commit { epoch, at_ms, entries, readings };
        Step { commit: Arc::new(commit), roster: Arc::clone(roster) }
    };
    (1..=count).map(step).collect()
}

fn several_villages() -> Arc<Roster> {
    let categories = ["出租房", "沿街商铺", "养老院", "船"];
    let places: Vec<Place> = (0..24)
        .map(|n| Place::new(categories[n % 4], n as u32 % 5 + 1, (n as f32 * 90.0, (n % 3) as f32 * 200.0)))
        .collect();
    let names: Vec<String> = (0..40).map(|n| format!("d{n}")).collect();
    let classes = [DeviceClass::Smoke, DeviceClass::Water, DeviceClass::Panel, DeviceClass::Electrical];
    let devices: Vec<_> = names.iter().zip(0..).map(|(name, n)| (name.as_str(), classes[n % 4], n * 7 % 22)).collect();
    let stations = [(1, Some((0.0, 0.0)), 2), (2, Some((1500.0, 100.0)), 4), (3, None, 1)];
    Arc::new(roster(&places, &devices, &stations))
}

#[test]
fn restored_and_with_two_workers_the_same_and_counts_are_exact() {
    let roster = several_villages();
    let city = "331083".parse().expect("valid");
    for seed in 0..4 {
        let (mut judge, mut rollup) = (Judge::new(Rules::default(), Share::ALL), Rollup::default());
        let mut two = [0, 1].map(|worker| Judge::new(Rules::default(), Share { worker, workers: 2 }));
        let mut joined = Rollup::default();
        let (mut restored, mut moves) = (None::<(Judge, Rollup)>, 0);
        for (step, n) in steps(seed, &roster, 400).into_iter().zip(0..) {
            if n == 150 + seed * 30 {
                let bytes = judge.encode();
                let again = Judge::restore(&bytes, Share::ALL).expect("reads back");
                assert_eq!(again.encode(), bytes);
                let counts = Rollup::of(again.counted());
                restored = Some((again, counts));
            }
            let alone = rollup.join(vec![judge.apply(step.clone())]).expect("one part");
            let parts = two.iter_mut().map(|judge| judge.apply(step.clone())).collect();
            let both = joined.join(parts).expect("two parts");
            assert_eq!(format!("{:?}{:?}", both.units, both.regions), format!("{:?}{:?}", alone.units, alone.regions));
            if let Some((judge, rollup)) = &mut restored {
                let out = rollup.join(vec![judge.apply(step)]).expect("one part");
                assert_eq!(
                    format!("{:?}{:?}", out.units, out.regions),
                    format!("{:?}{:?}", alone.units, alone.regions)
                );
            }
            moves += alone.units.len();
            assert_eq!(rollup.all(), Rollup::of(judge.counted()).all(), "seed {seed}, commit {n}");
            // the running day's sums are those of a recount
            let indices: Vec<u8> = judge.counted().filter_map(|unit| unit.risk).collect();
            let sum: i32 = indices.iter().copied().map(i32::from).sum();
            let today = *trend(judge.state(), city).last().expect("today");
            assert_eq!((today.units, today.sum), (indices.len() as i32, sum));
        }
        let (again, _) = restored.expect("was restored");
        assert_eq!(again.encode(), judge.encode(), "seed {seed}");
        assert!(moves > 300, "{moves}");
        let shares = two.map(|judge| trend(judge.state(), city));
        let whole = trend(judge.state(), city);
        assert!(whole.len() > 3);
        for ((day, one), other) in whole.iter().zip(&shares[0]).zip(&shares[1]) {
            let both = Day { day: one.day, units: one.units + other.units, sum: one.sum + other.sum };
            assert_eq!((*day, one.day), (both, other.day));
        }
    }
}
