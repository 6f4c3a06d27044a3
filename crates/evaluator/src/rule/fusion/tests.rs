//! Series made here: what a fire makes together, and what else rises.

use model::Phase;
use model::roster::DeviceClass;

use crate::testing::{Bench, scenario, town};
use crate::why::Standing;

/// When the condition began, s; each five seconds temperature, smoke, carbon monoxide and humidity are given by
/// `values(seconds)`.
fn begins(to_s: u64, values: impl Fn(f32) -> [Option<f32>; 4]) -> Option<u64> {
    let mut bench = Bench::new("", town(1, &[("a", DeviceClass::Combined, 0, 60)]));
    let keys = ["temperature_c", "smoke_db_m", "co_ppm", "humidity_pct"];
    for at_s in (0..to_s).step_by(5) {
        for (key, value) in keys.iter().zip(values(at_s as f32)) {
            let Some(value) = value else { continue };
            let out = bench.word(at_s, &format!("{key}={value}"));
            if out.findings.iter().any(|finding| finding.rule == "fusion" && finding.phase == Phase::Began) {
                return Some(at_s);
            }
        }
    }
    None
}

type Values = fn(f32) -> [Option<f32>; 4];

const ONLY: &str = "only = \"fusion\"";

fn after(at_s: f32, from_s: f32, rate: f32) -> f32 {
    (at_s - from_s).max(0.0) * rate
}

#[test]
fn heat_and_smoke_together_before_either_alone() {
    // 12 K/min and 0.01 dB/m a second from 60 s on: at 80 s 2.7 K above the base and 0.2 dB/m
    let fire = |at_s: f32| [Some(22.0 + after(at_s, 60.0, 0.2)), Some(0.01 + after(at_s, 60.0, 0.01)), None, None];
    let found = begins(200, fire);
    assert_eq!(found, Some(80));
}

#[test]
fn smoke_and_carbon_monoxide_together() {
    // smouldering: 0.01 dB/m and 3 ppm a minute
    let fire = |at_s: f32| {
        [Some(22.0), Some(0.01 + after(at_s, 60.0, 0.01 / 60.0)), Some(1.0 + after(at_s, 60.0, 0.05)), None]
    };
    // 0.105 dB/m (2.4 %/m) × 33 ppm, before the threshold of smoke
    let found = begins(900, fire).expect("smouldering is found");
    assert!((700..780).contains(&found), "{found}");
    // a gas cooker with a pan on it
    let cooker = |at_s: f32| {
        let on = (after(at_s, 60.0, 1.0) / 600.0).min(1.0);
        [Some(22.0 + 5.0 * on), Some(0.01 + 0.1 * on), Some(1.0 + 30.0 * on), None]
    };
    assert_eq!(begins(3600, cooker), None);
}

#[test]
fn what_resembles_a_fire_in_one_quantity_is_none() {
    let cases: [(&str, Values); 6] = [
        ("heating", |at_s| [Some(18.0 + after(at_s, 60.0, 4.0 / 60.0).min(10.0)), Some(0.06), Some(2.0), None]),
        ("cooking", |at_s| {
            let on = if at_s > 60.0 { 1.0 } else { 0.0 };
            [Some(22.0 + (after(at_s, 60.0, 0.01)).min(2.0)), Some(0.01 + 0.4 * on), Some(1.0 + 7.0 * on), None]
        }),
        ("steam", |at_s| {
            let on = if at_s > 600.0 { 1.0 } else { 0.0 };
            [Some(22.0 + 3.5 * on), Some(0.01 + 0.12 * on), Some(1.0), Some(45.0 + 30.0 * on)]
        }),
        ("a car in the garage", |at_s| [Some(15.0), Some(0.01), Some(1.0 + after(at_s, 60.0, 0.5).min(60.0)), None]),
        ("power", |at_s| {
            let on = if at_s < 10.0 { 0.0 } else { 1.0 };
            [Some(24.0 * on), Some(0.05 * on), Some(2.0 * on), None]
        }),
        ("one wrong sample of each", |at_s| {
            let wrong = if (300.0..305.0).contains(&at_s) { 1.0 } else { 0.0 };
            [Some(22.0 + 60.0 * wrong), Some(0.01 + 0.5 * wrong), Some(1.0 + 90.0 * wrong), None]
        }),
    ];
    for (what, values) in cases {
        assert_eq!(begins(1200, values), None, "{what}");
    }
}

#[test]
fn steam_must_not_hide_a_fire() {
    let fire = |at_s: f32| {
        let wet = if at_s > 60.0 { 75.0 } else { 45.0 };
        [Some(22.0 + after(at_s, 60.0, 0.3)), Some(0.01 + after(at_s, 60.0, 0.01)), None, Some(wet)]
    };
    let found = begins(200, fire).expect("the fire is found");
    assert!((80..100).contains(&found), "{found}");
}

#[test]
fn it_ends_when_nothing_is_high_any_longer() {
    scenario(
        ONLY,
        "
        0    temperature_c=20
        0    smoke_db_m=0.01
        10   temperature_c=20
        10   smoke_db_m=0.01
        20   temperature_c=20
        20   smoke_db_m=0.01
        30   temperature_c=30
        30   smoke_db_m=0.2
        40   temperature_c=32
        40   smoke_db_m=0.3          => began fusion orange
        50   temperature_c=20
        50   smoke_db_m=0.02
        100  temperature_c=20
        100  smoke_db_m=0.01
        150  temperature_c=20
        220  temperature_c=20
        300  temperature_c=20   => ended fusion orange
        ",
    );
}

#[test]
fn heat_of_one_device_and_smoke_of_another_are_a_fire_of_the_unit() {
    scenario(
        "only = \"fusion_unit\"",
        "
        0    a temperature_c=20
        0    b smoke_db_m=0.01
        10   a temperature_c=20
        10   b smoke_db_m=0.01
        20   a temperature_c=20
        20   b smoke_db_m=0.01
        30   a temperature_c=24
        30   b smoke_db_m=0.06
        40   a temperature_c=27
        40   b smoke_db_m=0.12       => began fusion_unit orange
        50   a temperature_c=29
        50   b smoke_db_m=0.13
        60   a temperature_c=20
        60   b smoke_db_m=0.02
        200  a temperature_c=20
        200  b smoke_db_m=0.01
        210  a temperature_c=20
        210  b smoke_db_m=0.01
        300  a temperature_c=20
        300  b smoke_db_m=0.01       => ended fusion_unit orange
        ",
    );
    // long after one another; two devices with the same quantity
    scenario(
        "only = \"fusion_unit\"",
        "
        0    a temperature_c=20
        0    b temperature_c=20
        0    c smoke_db_m=0.01
        10   a temperature_c=20
        10   b temperature_c=20
        10   c smoke_db_m=0.01
        20   a temperature_c=20
        20   b temperature_c=20
        20   c smoke_db_m=0.01
        30   a temperature_c=26
        30   b temperature_c=26
        40   a temperature_c=26
        40   b temperature_c=26
        50   a temperature_c=20
        50   b temperature_c=20
        140  c smoke_db_m=0.12
        150  c smoke_db_m=0.12
        ",
    );
}

#[test]
fn it_tells_why_it_did_not_fire() {
    let mut bench = Bench::new("", town(1, &[("a", DeviceClass::Combined, 0, 60)]));
    for (at_s, word) in [
        (0, "temperature_c=20"),
        (0, "smoke_db_m=0.02"),
        (10, "temperature_c=20"),
        (10, "smoke_db_m=0.02"),
        (20, "temperature_c=26"),
        (20, "smoke_db_m=0.16"),
        (30, "temperature_c=26"),
        (30, "smoke_db_m=0.02"),
    ] {
        bench.word(at_s, word);
    }
    let (state, rules) = (bench.judge.state(), crate::Rules::default());
    let device = state.devices.get(0).expect("of the town");
    let all = crate::rule::Memory::watches(device, rules.settings(), state.at_ms, &state.deaf);
    let of = |rule: &str, condition: &str| {
        let watches = all.iter().filter(|(name, _)| *name == rule).flat_map(|(_, watches)| watches);
        watches.clone().find(|watch| watch.condition == condition).expect("it is watched").clone()
    };
    let fusion = of("fusion", "fusion");
    assert_eq!(fusion.standing, Standing::Forming);
    assert!(fusion.seen.en.contains("heat +5.3 of 2.5 K, smoke 0.000"), "{}", fusion.seen.en);
    let smoke = of("smoke", "smoke");
    assert_eq!(smoke.standing, Standing::Calm);
    assert!(smoke.seen.en.contains("threshold 0.15; 0 of 3 samples"), "{}", smoke.seen.en);
    assert_eq!(of("heat_rise", "heat_rise").standing, Standing::Forming);
    assert!(of("heat_fixed", "heat_fixed").seen.en.contains("26.0 °C, threshold 57.2"));
    assert_eq!(of("smoke", "smoke_contaminated").standing, Standing::Calm);
}

#[test]
fn what_a_dead_device_said_last_does_not_silence_the_next_fire() {
    let calm = |at_s: u64| {
        ["a temperature_c=20", "b smoke_db_m=0.01", "c smoke_db_m=0.01"].map(|said| format!("{at_s} {said}\n")).concat()
    };
    let mut timeline = [0, 10, 20].map(calm).concat();
    timeline.push_str("30 a temperature_c=24\n30 b smoke_db_m=0.06\n40 a temperature_c=27\n");
    timeline.push_str("40 b smoke_db_m=0.12 => began fusion_unit orange\n50 u0 verify:false\n");
    // b says nothing any longer
    for at_s in (300..1500).step_by(30) {
        timeline.push_str(&format!("{at_s} a temperature_c=20\n{at_s} c smoke_db_m=0.01\n"));
    }
    timeline.push_str("1500 a temperature_c=24\n1500 c smoke_db_m=0.06\n");
    timeline.push_str(
        "1510 a temperature_c=27 => ended fusion_unit orange\n1510 c smoke_db_m=0.12 => began fusion_unit orange\n",
    );
    let rules = format!(
        "[[test]]\nname = \"dead\"\nonly = [\"fusion_unit\"]\ndevices = [{{ name = \"a\" }}, {{ name = \"b\" }}, \
         {{ name = \"c\" }}]\ntimeline = \"\"\"\n{timeline}\"\"\"\n"
    );
    let outcome = crate::Rules::parse(&rules).expect("sound").run_tests().remove(0);
    let missed: Vec<_> = outcome.moments.iter().filter(|moment| !moment.passed).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
