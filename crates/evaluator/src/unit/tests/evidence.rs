//! What speaks for a fire, weighed.

use super::*;

#[test]
fn evidence_of_one_alarm_stands_at_the_base_rate() {
    let outs = play(
        "",
        "u 0,0: a b",
        Look::Reasons,
        "
        0    all presence=0              => *
        10   a alarm:smoke:1             => u orange alarm_smoke evidence
        15   a alarm:heat:2              => u orange alarm_smoke alarm_heat evidence
        20   b alarm:smoke:3             => u red coincidence evidence alarm_smoke alarm_heat alarm_smoke
        ",
    );
    assert_eq!(evidence_en(&outs[1]), "fire probability about 0.020%: smoke +8.6");
    assert_eq!(evidence_en(&outs[2]), "fire probability about 0.48%: fixed temperature +9.2, smoke +2.6 (same source)",);
    assert!(evidence_en(&outs[3]).starts_with("fire probability about 96%"), "{}", evidence_en(&outs[3]));
}

#[test]
fn evidence_makes_red_without_a_second_device_and_fades() {
    // a neighbour burns, and one device sees smoke, heat and gas
    let outs = play(
        "[neighbours]\nradius_m = 30\n[evidence]\nneighbour = 6.0\n",
        "u 0,0: a\nx 20,0: n\ny 60,0: m",
        Look::Reasons,
        "
        0    all presence=0              => *
        10   a alarm:smoke:1             => u orange alarm_smoke evidence
        20   a alarm:heat:2              => u orange alarm_smoke alarm_heat evidence
        30   m alarm:smoke:3             => y orange alarm_smoke evidence
        40   n alarm:manual:4            => u red unverified_fire evidence alarm_smoke alarm_heat; x orange alarm_manual evidence
        ",
    );
    assert!(evidence_en(&outs[4]).contains("fire near by +6.0"), "{}", evidence_en(&outs[4]));
    let found: Vec<String> = outs[4].findings.iter().map(line).collect();
    assert_eq!(found, ["began evidence red", "began alarm_manual orange 4"]);
}

#[test]
fn neighbours_are_of_the_village_and_within_the_radius() {
    for (other, expected) in [
        ("x 49,0", Some("fire near by +3.0")),
        ("x 51,0", None),
        ("x -", Some("fire in the same grid +0.7")),
        ("w 10,0", None),
    ] {
        let outs = play(
            "",
            &format!("u 0,0: a\n{other}: n"),
            Look::Colours,
            "
            0    all presence=0          => *
            10   n alarm:smoke:1         => *
            20   a alarm:smoke:2         => u orange
            ",
        );
        let told = outs[2].units.iter().find(|status| status.unit == UnitId(0)).expect("told");
        let told = &told.reasons.iter().find(|reason| reason.rule == "evidence").expect("shown").evidence.en;
        match expected {
            Some(expected) => assert!(told.contains(expected), "{other}: {told}"),
            None => assert!(!told.contains("fire near") && !told.contains("grid"), "{other}: {told}"),
        }
    }
}

#[test]
fn a_device_that_was_often_false_or_just_tested_speaks_less() {
    let outs = play(
        "",
        "u 0,0: a b",
        Look::Colours,
        "
        0    all presence=0              => *
        10   a alarm:smoke:1             => u orange
        20   verify false u              => u blue
        30   a !alarm:smoke:1
        40   a alarm:smoke:2             => u orange
        50   verify false u              => u blue
        60   a !alarm:smoke:2
        70   a alarm:smoke:3             => u orange
        80   a !alarm:smoke:3
        ",
    );
    // 8.6 - ln 3
    assert_eq!(evidence_en(&outs[7]), "fire probability about <0.01%: smoke +7.5");
    let outs = play(
        "",
        "u 0,0: a b",
        Look::Colours,
        "
        0    all presence=0              => *
        10   a event:test
        20   a alarm:smoke:1             => u orange
        ",
    );
    assert_eq!(evidence_en(&outs[2]), "fire probability about <0.01%: smoke +4.6");
}

#[test]
fn evidence_fades_after_it_ended_and_the_fire_does_not() {
    let mut play = Play::new("", "u 0,0: a b", Look::Colours);
    let outs = play.run(
        "
        0    all presence=0              => *
        10   a alarm:smoke:1             => u orange
        20   a !alarm:smoke:1
        600  tick
        3000 tick
        ",
    );
    assert_eq!(evidence_en(&outs[2]), "fire probability about 0.020%: smoke +8.6 (fading)");
    let (_, parts) = play.bench.judge.unit_parts(&play.bench.roster, UnitId(0));
    assert!(parts.is_empty(), "nothing speaks for it any longer: {parts:?}");
    let status = play.bench.judge.state().units.get(0).expect("there");
    assert_eq!(status.colour, Some(model::Colour::Orange), "an unverified fire never falls by itself");
    assert!(status.traces.is_none(), "and nothing is kept of it");
}

#[test]
fn evidence_whose_conditions_ended_fades_from_then_on() {
    let mut play = Play::new("", "u 0,0: a b", Look::Findings);
    play.run("0 all presence=0\n10 a alarm:smoke:1 => *\n20 b alarm:manual:2 => *");
    play.run("100 a !alarm:smoke:3 => *\n100 b !alarm:manual:4 => *");
    let ended = (110..2000).step_by(10).find(|at_s| {
        let out = play.bench.word(*at_s, "a tick");
        out.findings.iter().any(|finding| line(finding) == "ended evidence red")
    });
    assert_eq!(ended, Some(160));
}

#[test]
fn parts_of_a_unit_tell_which_device_said_what() {
    let mut play = Play::new("", "u 0,0: a b", Look::Colours);
    play.run("0 all presence=0 => *\n10 a alarm:smoke:1 => u orange\n20 see fire P1 s1 u => u red");
    let (severity, evidence) = play.bench.judge.unit_parts(&play.bench.roster, UnitId(0));
    let names: Vec<&str> = severity.iter().map(|part| &*part.name).collect();
    assert_eq!(names, ["coincidence", "evidence", "alarm_smoke", "sighting_fire"]);
    let names: Vec<&str> = evidence.iter().map(|part| &*part.name).collect();
    assert_eq!(names, ["before_any", "smoke", "person_fire"]);
    assert_eq!(evidence[1].words.en, "smoke (device v/a, alarm_smoke)");
    assert!((evidence[1].points - 8.6).abs() < 1e-9);
}

#[test]
fn other_reports_do_not_wash_away_who_saw_the_fire() {
    let hazards: String = (0..9).map(|at| format!("{} see hazard P3 h{at} u => *\n", 20 + at)).collect();
    let mut play = Play::new("", "u 0,0: a b", Look::Colours);
    play.run(&format!("0 all presence=0 => *\n10 see smoke P1 s1 u => u orange\n{hazards}"));
    play.run("50 see fire P2 s2 u => u red");
}

#[test]
fn many_devices_that_come_back_do_not_wash_away_what_speaks_for_a_fire() {
    let devices: String = (0..20).map(|at| format!(" d{at}")).collect();
    let mut play = Play::new("[coincidence]\ndevices = 9", &format!("u 0,0: a b{devices}"), Look::Findings);
    play.run("0 all presence=0");
    let words = |what: &str| (0..20).map(|at| format!("d{at} event:{what}")).collect::<Vec<_>>();
    for word in words("fault") {
        play.bench.word(10, &word);
    }
    play.bench.word(20, "a alarm:smoke:1");
    play.bench.word(30, "a !alarm:smoke:2");
    for word in words("restored") {
        play.bench.word(31, &word);
    }
    let out = play.bench.word(32, "b alarm:manual:3");
    let found: Vec<String> = out.findings.iter().map(line).collect();
    assert_eq!(found, ["began alarm_manual orange 3", "began evidence red"]);
}
