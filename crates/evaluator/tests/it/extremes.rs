//! Settings at their extremes: refused with a reason, or played without a fault and without losing a device's own alarm.

use std::panic::catch_unwind;

use evaluator::Rules;
use toml::{Table, Value};

/// Everything a device can say, with long silences, and alarms of which each must be found.
const TESTS: &str = r#"
[[test]]
name = "all sorts"
devices = [
    { name = "a" }, { name = "b", promise_s = 5 }, { name = "c", unit = "u1", promise_s = 86400 },
    { name = "d", unit = "u1", class = "water", gateway = "g" }, { name = "e", unit = "u1", gateway = "g" },
    { name = "f", unit = "u1", gateway = "g" },
]
only = ["alarm_smoke"]
ticks_s = 20000
timeline = """
    0       smoke_db_m=0.02 temperature_c=20 co_ppm=0 gas_lel_pct=0 humidity_pct=50 battery_pct=80 battery_v=3.6
    10      smoke_db_m=0.4 temperature_c=40 co_ppm=200 gas_lel_pct=30 humidity_pct=90 battery_pct=5 battery_v=2
    11      d water_pressure_mpa=0.3 water_level_m=2
    11      b residual_current_ma=40 cable_temperature_c=30 signal_dbm=-130
    13      b residual_current_ma=900 cable_temperature_c=130 signal_dbm=-130
    20      smoke_db_m=0.5 temperature_c=80 co_ppm=300 gas_lel_pct=60
    30      smoke_db_m=0.5 temperature_c=120 co_ppm=300 gas_lel_pct=60
    31      d water_pressure_mpa=0 water_level_m=0
    40      smoke_db_m=3e38 temperature_c=3e38 co_ppm=3e38 gas_lel_pct=3e38
    45      smoke_db_m=-3e38 temperature_c=-3e38 co_ppm=-3e38 gas_lel_pct=-3e38
    46      c event:low_battery
    47      c event:tamper
    48      u1 sighting:smoke:s1
    49      u1 sighting:fire:s2
    50      b alarm:smoke:1        => began alarm_smoke orange 1
    51      e state:lost
    52      f state:lost
    53      d state:lost
    60      u0 verify:false
    70      b alarm:smoke:2        => ended alarm_smoke orange, began alarm_smoke orange 2
    80      u0 verify:real
    90      b !alarm:smoke:3       => ended alarm_smoke orange 3
    7200    smoke_db_m=0.02 temperature_c=20 co_ppm=0 gas_lel_pct=0 humidity_pct=50
    7201    a state:sleeping:4294967295
    90000   b residual_current_ma=40 cable_temperature_c=30
    5000000 c alarm:smoke:4        => began alarm_smoke orange 4
    5000001 smoke_db_m=0.02 temperature_c=20 co_ppm=0 gas_lel_pct=0 humidity_pct=50
"""
"#;

fn extremes(of: &Value) -> Vec<String> {
    let texts: &[&str] = match of {
        Value::Integer(_) => &["0", "1", "127", "255", "65535", "4294967295"],
        Value::Float(_) => &["0.0", "-0.0", "1e-38", "1e38", "-1e38", "100.0", "1e300", "nan", "inf", "-inf"],
        _ => &[],
    };
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn settings_at_their_extremes() {
    let defaults: Table = Rules::default().to_toml().parse().unwrap();
    let plain = Rules::parse(TESTS).unwrap().run_tests();
    assert!(plain[0].passed, "{:?}", plain[0].moments.iter().find(|moment| !moment.passed));
    let mut faults = Vec::new();
    let mut tried = 0;
    let tables = defaults.iter().filter_map(|(name, table)| Some((name, table.as_table()?)));
    for (name, key, value) in tables.flat_map(|(name, table)| table.iter().map(move |(key, value)| (name, key, value)))
    {
        for text in extremes(value) {
            let rules = format!("[{name}]\n{key} = {text}\n{TESTS}");
            let Ok(rules) = Rules::parse(&rules) else { continue };
            tried += 1;
            if ["nan", "inf", "-inf"].contains(&&*text) {
                faults.push(format!("[{name}] {key} = {text} is accepted"));
                continue;
            }
            match catch_unwind(|| rules.run_tests()) {
                Err(_) => faults.push(format!("[{name}] {key} = {text} panics")),
                Ok(outcomes) => {
                    let missed = outcomes.iter().flat_map(|outcome| &outcome.moments).find(|moment| !moment.passed);
                    faults.extend(missed.map(|missed| format!("[{name}] {key} = {text}: {missed:?}")));
                }
            }
        }
    }
    assert!(tried > 300, "{tried}");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
