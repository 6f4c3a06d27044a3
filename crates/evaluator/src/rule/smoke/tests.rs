//! Series made here: smoke, and what only resembles it.

use crate::testing::scenario;

#[test]
fn confirmed_by_samples_and_time_the_denser_the_sooner() {
    scenario(
        "",
        "
        0    smoke_db_m=0.02
        1    smoke_db_m=0.02
        2    smoke_db_m=0.50
        3    smoke_db_m=0.50
        4    smoke_db_m=0.50
        5    smoke_db_m=0.05
        6    smoke_db_m=0.50
        10   smoke_db_m=0.51
        11   smoke_db_m=0.14
        15   smoke_db_m=0.52
        16   smoke_db_m=0.52         => began smoke orange
        30   smoke_db_m=0.12
        31   smoke_db_m=0.16
        40   smoke_db_m=1.20         => continued smoke orange
        50   smoke_db_m=0.09
        100  smoke_db_m=0.13
        101  smoke_db_m=0.09
        160  smoke_db_m=0.06
        161  smoke_db_m=0.06         => ended smoke orange
        ",
    );
}

/// Samples of one value each five seconds, and what is found at one of them.
fn every_five(from_s: u64, to_s: u64, value: &str, found: Option<(u64, &str)>) -> String {
    fives(from_s, to_s, value, found.as_slice())
}

/// The same, with what is found at several of them.
fn fives(from_s: u64, to_s: u64, value: &str, found: &[(u64, &str)]) -> String {
    let line = |at_s: u64| match found.iter().find(|(found_s, _)| *found_s == at_s) {
        Some((_, what)) => format!("{at_s} {value} => {what}\n"),
        None => format!("{at_s} {value}\n"),
    };
    (from_s..to_s).step_by(5).map(line).collect()
}

#[test]
fn thin_smoke_must_stay_longer() {
    let quiet = every_five(0, 20, "smoke_db_m=0.02", None);
    // 0.16 above the zero: 6.25 times 0.1 of (dB/m)²·s are 25 s, at five-second steps
    let table = quiet.clone() + &every_five(20, 50, "smoke_db_m=0.18", Some((45, "began smoke orange")));
    scenario("", &table);
    // half a minute is not enough for the warning, a minute is
    let table = quiet + &every_five(20, 100, "smoke_db_m=0.12", Some((80, "began smoke_prealarm yellow")));
    scenario("", &table);
}

#[test]
fn a_slow_device_is_not_waited_for_for_ever() {
    // each minute: the second sample confirms, a lone spike does not
    scenario(
        "only = \"smoke\"",
        "
        0    smoke_db_m=0.02
        60   smoke_db_m=0.30
        120  smoke_db_m=0.02
        180  smoke_db_m=0.30
        240  smoke_db_m=0.30         => began smoke orange
        ",
    );
    // once a day: what nothing contradicts counts after half a minute
    scenario(
        "only = \"smoke\"\npromise_s = 86400",
        "
        0       smoke_db_m=0.02
        86400   smoke_db_m=0.30
        86429   tick
        86430   tick                 => began smoke orange
        172800  smoke_db_m=0.02      => ended smoke orange
        ",
    );
    // its first word is smoke
    scenario(
        "only = \"smoke\"\npromise_s = 86400",
        "
        0       smoke_db_m=0.30
        29      tick
        30      tick                 => began smoke orange
        ",
    );
}

#[test]
fn a_device_that_falls_silent_after_smoke_alarms() {
    scenario(
        "",
        "
        0    smoke_db_m=0.02
        1    smoke_db_m=0.02
        2    smoke_db_m=0.30
        31   tick
        32   tick                    => began smoke orange
        ",
    );
}

#[test]
fn a_zero_of_its_own_is_no_smoke_and_is_told() {
    // it may be smoke: somebody looks, within a minute; after an hour it is dirt
    let found = [
        (60, "began smoke_prealarm yellow"),
        (3605, "began smoke_contaminated yellow, began smoke_worn_out yellow"),
        (3670, "ended smoke_prealarm yellow"),
    ];
    let quiet = fives(0, 3700, "smoke_db_m=0.22", &found);
    let fire = every_five(3700, 3720, "smoke_db_m=0.80", Some((3710, "began smoke orange")));
    scenario("", &(quiet + &fire));
    // of dirt within what is compensated nothing is said
    scenario("", &every_five(0, 600, "smoke_db_m=0.07", None));
    // and below nothing
    let quiet = every_five(0, 60, "smoke_db_m=-0.04", None);
    let fire = every_five(60, 80, "smoke_db_m=0.50", Some((70, "began smoke orange")));
    scenario("", &(quiet + &fire));
}

#[test]
fn smoke_without_carbon_monoxide_or_with_steam_is_doubted() {
    let with = |other: &str, smoke: &str, found: Option<u64>| {
        let quiet = "0 co_ppm=1\n0 humidity_pct=45\n0 smoke_db_m=0.02\n5 smoke_db_m=0.02\n6 co_ppm=1\n";
        let lines = (10..60).step_by(5).map(|at_s: u64| match found {
            Some(found_s) if found_s == at_s => format!("{at_s} {other}\n{at_s} {smoke} => began smoke orange\n"),
            _ => format!("{at_s} {other}\n{at_s} {smoke}\n"),
        });
        scenario("only = \"smoke\"", &(quiet.to_owned() + &lines.collect::<String>()));
    };
    with("co_ppm=5", "smoke_db_m=0.60", None);
    with("co_ppm=5", "smoke_db_m=1.00", Some(55));
    with("co_ppm=30", "smoke_db_m=0.37", Some(20));
    // steam, on a device without carbon monoxide
    let steam = |humidity: &str, found: &str| {
        scenario(
            "only = \"smoke\"",
            &format!(
                "
                0    humidity_pct=45
                0    smoke_db_m=0.02
                5    smoke_db_m=0.02
                10   humidity_pct={humidity}
                10   smoke_db_m=0.28
                15   smoke_db_m=0.28
                20   smoke_db_m=0.28     {found}
                25   smoke_db_m=0.28
                40   smoke_db_m=0.04
                "
            ),
        );
    };
    steam("72", "");
    steam("56", "");
    steam("46", "=> began smoke orange");
}

#[test]
fn the_more_humidity_leaps_the_denser_steam_may_be() {
    let steam = |humidity: u32, smoke: &str, found: Option<(u64, &str)>| {
        let wet = |at_s: u64| format!("{at_s} humidity_pct={humidity}\n");
        let quiet = "0 humidity_pct=45\n0 smoke_db_m=0.02\n5 smoke_db_m=0.02\n";
        let lines: String = every_five(10, 130, smoke, found)
            .lines()
            .zip((10..130).step_by(5))
            .map(|(line, at_s)| wet(at_s) + line + "\n")
            .collect();
        scenario("only = \"smoke\"", &(quiet.to_owned() + &lines));
    };
    // a shower, at 0.8 dB/m for two minutes; less damp air hides nothing so dense
    steam(80, "smoke_db_m=0.80", None);
    steam(56, "smoke_db_m=0.80", Some((40, "began smoke orange")));
    steam(80, "smoke_db_m=1.50", Some((70, "began smoke orange")));
}

#[test]
fn the_first_words_of_a_sleepy_device_may_be_of_smoke() {
    // it speaks since there is smoke, again and again
    scenario(
        "only = \"smoke\"\npromise_s = 86400",
        "
        0       smoke_db_m=0.33
        10      smoke_db_m=0.33
        20      smoke_db_m=0.33      => began smoke orange
        ",
    );
    // one that is dirty within what it compensates has a zero
    scenario(
        "only = \"smoke\"\npromise_s = 86400",
        "
        0       smoke_db_m=0.06
        86400   smoke_db_m=0.06
        172800  smoke_db_m=0.06
        172900  tick
        ",
    );
}

#[test]
fn smouldering_is_never_compensated_away() {
    // to the threshold within five hours, a sample a minute
    let mut bench =
        crate::testing::Bench::new("", crate::testing::town(1, &[("a", model::roster::DeviceClass::Smoke, 0, 60)]));
    let mut found = Vec::new();
    for minute in 0..420_u64 {
        let word = format!("smoke_db_m={}", 0.01 + minute as f32 * 0.15 / 300.0);
        let out = bench.word(minute * 60, &word);
        found.extend(out.findings.iter().map(|finding| (minute, finding.rule.to_string())));
    }
    assert!(found.iter().any(|(minute, rule)| rule == "smoke" && *minute < 330), "{found:?}");
    assert!(found.iter().any(|(minute, rule)| rule == "smoke_prealarm" && *minute < 200), "{found:?}");
}

#[test]
fn senseless_settings_are_refused() {
    for text in ["prealarm_db_m = 0.2", "zero_max_db_m = 0.3", "doubtful_factor = 0.5", "steam_factor = 7.0"] {
        crate::Rules::parse(&format!("[smoke]\n{text}")).expect_err(text);
    }
}
