//! Colours: what raises them, how long they stay, what is blind.

use super::*;

#[test]
fn a_flapping_fault_gives_one_colour_and_not_a_flood() {
    play(
        "",
        "u 0,0: a b",
        Look::Colours,
        "
        0    all presence=0              => *
        10   a event:low_battery         => u yellow
        20   a event:restored
        70   a event:low_battery
        80   a event:restored
        130  a event:low_battery
        135  a event:restored
        194  tick
        195  tick                        => u blue
        ",
    );
}

#[test]
fn a_warning_in_orange_falls_after_its_hold_time_and_by_a_person_at_once() {
    play(
        "[colour]\nwarning_hold_s = 30",
        "u 0,0: a b",
        Look::Reasons,
        "
        0    all presence=0              => *
        10   a alarm:gas:1               => u orange alarm_gas
        20   a !alarm:gas:1              => u orange alarm_gas
        50   tick                        => u blue
        60   a alarm:gas:2               => u orange alarm_gas
        70   close warning u             => u blue
        80   a !alarm:gas:2
        ",
    );
}

#[test]
fn blind_is_told_when_it_lasts_and_its_end_too() {
    let outs = play(
        "",
        "u 0,0: a/60 b/60",
        Look::Findings,
        "
        0     all presence=0
        100   a state:lost
        110   a tick                     => began lost_contact yellow u
        180   b tick                     => began lost_contact yellow u
        700   a tick
        770   a presence=0               => ended lost_contact yellow u
        950   a tick                     => began lost_contact yellow u
        1540  a tick
        1550  a tick                     => began blind yellow u
        1900  b presence=0               => ended lost_contact yellow u; ended blind yellow u
        ",
    );
    let told = outs.iter().flat_map(|out| &out.findings).find(|finding| finding.rule == "blind").expect("told");
    assert_eq!((told.family, told.device), (Family::Fault, None));
    assert_eq!(told.evidence.zh, "该单位已 10 分钟 没有可信设备，无人监测");
}

#[test]
fn a_device_that_was_never_heard_of_has_its_promise_first() {
    play(
        "",
        "u 0,0: a/600",
        Look::Findings,
        "
        0     nothing
        1790  tick
        1800  tick                       => began lost_contact yellow u
        2390  tick
        2400  tick                       => began blind yellow u
        2500  a presence=0               => ended lost_contact yellow u; ended blind yellow u
        ",
    );
}

#[test]
fn units_without_a_device_are_hazards_a_few_an_hour_in_each_village() {
    let town: String = (0..10).map(|unit| format!("u{unit} -:\n")).collect::<String>() + "w0 -: a\n";
    let mut play = Play::new("[coverage]\nno_device_after_s = 86400", &town, Look::Findings);
    play.bench.word(0, "a presence=0");
    let mut told = Vec::new();
    for at_s in (60..86_400 + 4 * 3600).step_by(60) {
        let out = play.bench.word(at_s, if at_s % 3600 == 0 { "a presence=0" } else { "a tick" });
        told.extend(out.findings.into_iter().map(|finding| (at_s, finding.unit.0, finding)));
    }
    assert!(told.iter().all(|(_, _, finding)| finding.rule == "no_device" && finding.family == Family::Warning));
    let units: Vec<u32> = told.iter().map(|(_, unit, _)| *unit).collect();
    assert_eq!(units, (0..10).collect::<Vec<u32>>(), "each once, in their order");
    assert!(told[0].0 >= 86_400, "{}", told[0].0);
    for hour in told.iter().map(|(at_s, ..)| (crate::testing::T0 / 1000 + at_s) / 3600) {
        let in_hour = told.iter().filter(|(at_s, ..)| (crate::testing::T0 / 1000 + at_s) / 3600 == hour).count();
        assert!(in_hour <= 4, "{in_hour}");
    }
    let last = &told[9].2;
    assert!(last.evidence.en.contains("4 are told an hour, this one waited for"), "{}", last.evidence.en);
    assert!(!told[0].2.evidence.en.contains("waited"), "{}", told[0].2.evidence.en);
}

#[test]
fn standing_risk_asks_for_yellow() {
    let mut play = Play::new("", "u 0,0: a", Look::Reasons);
    play.run("0 all presence=0 => *");
    let judged = |play: &mut Play, at_s, risk| {
        play.bench.judge.set_risk(UnitId(0), risk);
        let out = play.bench.word(at_s, "a tick");
        play.told(&out)
    };
    assert_eq!(judged(&mut play, 10, Some(79)), ["u blue"]);
    assert_eq!(judged(&mut play, 20, Some(80)), ["u yellow standing_risk"]);
    assert_eq!(judged(&mut play, 30, Some(76)), ["u yellow standing_risk"]);
    assert_eq!(judged(&mut play, 40, Some(74)), ["u blue"]);
}

#[test]
fn a_warning_that_stays_is_overdue_also_where_it_was_closed() {
    let mut play = Play::new("[colour]\noverdue_s = 3600", "u 0,0: a", Look::Reasons);
    play.every_s = 600;
    play.run(
        "
        0     all presence=0             => *
        10    a event:tamper             => u yellow tamper
        20    close warning u            => u blue
        3000  a presence=0
        3609  a tick
        3610  a tick                     => u yellow overdue_hazard
        3700  a event:restored           => u blue
        ",
    );
}
