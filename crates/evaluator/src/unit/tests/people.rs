//! People who report, verify and close.

use super::*;

#[test]
fn what_people_see() {
    let outs = play(
        "",
        "u 0,0: a b",
        Look::Findings,
        "
        0    all presence=0
        10   see fire P1 s1 u            => began sighting_fire orange s1 u
        11   see fire P1 s1 u
        20   see smoke P1 s2 u           => began sighting_smoke orange s2 u
        30   see all_clear P3 s3 u       => ended sighting_all_clear blue s3 u
        40   see smoke P2 s4 u           => continued sighting_smoke orange s4 u; began coincidence red u
        50   see hazard P2 s5 u          => began sighting_hazard yellow s5 u
        60   see gas P2 s6 u             => began sighting_gas orange s6 u
        ",
    );
    assert_eq!(outs[1].findings[0].evidence.zh, "人员报告明火（P1：三楼）");
    assert!(outs[5].findings[1].evidence.en.contains("2 of them people"), "{:?}", outs[5].findings[1]);
}

#[test]
fn a_person_and_a_detector_are_two_whichever_comes_first() {
    for (first, second) in [("see fire P1 s1 u", "a alarm:smoke:1"), ("a alarm:smoke:1", "see fire P1 s1 u")] {
        play(
            "",
            "u 0,0: a b",
            Look::Colours,
            &format!("0 all presence=0 => *\n10 {first} => u orange\n800 {second} => u red"),
        );
    }
    // long after, they are two reports of two things
    play(
        "",
        "u 0,0: a b",
        Look::Colours,
        "
        0    all presence=0              => *
        10   see smoke P1 s1 u           => u orange
        1000 see smoke P2 s2 u
        1010 see smoke P3 s3 u           => u red
        ",
    );
}

#[test]
fn a_report_is_settled_by_people_and_ends_by_time_without_ending_the_fire() {
    play(
        "",
        "u 0,0: a b",
        Look::Reasons,
        "
        0    all presence=0              => *
        10   see fire P1 s1 u            => u orange sighting_fire evidence
        20   verify false u              => u blue
        30   see fire P2 s2 u            => u orange sighting_fire evidence
        40   verify false u              => u blue
        50   close fire u
        60   see hazard P1 s3 u          => u yellow sighting_hazard
        70   close warning u             => u blue
        80   see hazard P1 s4 u          => u yellow sighting_hazard
        ",
    );
    let mut play = Play::new("", "u 0,0: a b", Look::Findings);
    play.run(
        "
        0    all presence=0
        10   see fire P1 s1 u            => began sighting_fire orange s1 u
        3600 tick
        3610 tick                        => ended sighting_fire orange u
        3700 tick
        ",
    );
    let unit = play.bench.judge.state().units.get(0).expect("there");
    assert_eq!(unit.colour, Some(model::Colour::Orange));
}

#[test]
fn what_was_closed_is_not_said_to_be_found_false() {
    let mut play = Play::new("", "u 0,0: a b", Look::Colours);
    play.run(
        "
        0    all presence=0              => *
        10   a alarm:smoke:1             => u orange
        20   verify real u               => u red
        30   close fire u                => u blue
        40   b alarm:heat:2              => u orange
        ",
    );
    let why = crate::why::explain(&play.bench.judge, &play.bench.roster, crate::Question::Unit(UnitId(0)));
    let Some(crate::Explanation::Unit(why)) = why else { panic!("a unit") };
    let held_back: Vec<String> =
        why.holds.iter().filter_map(|held| held.held_back.as_ref()).map(|words| words.en.to_string()).collect();
    assert!(held_back.len() == 1 && held_back[0].contains("closed its alert"), "{held_back:?}");
}

#[test]
fn a_device_is_not_said_to_lack_data_for_what_its_unit_is_judged_by() {
    let mut play = Play::new("", "u 0,0: a b", Look::Colours);
    play.run("0 all presence=0 => *\n10 a alarm:smoke:1 => u orange\n20 b alarm:heat:2 => u red");
    let device = play.bench.roster.device_by_key("v/a").expect("there");
    let why = crate::why::explain(&play.bench.judge, &play.bench.roster, crate::Question::Device(device));
    let Some(crate::Explanation::Device(why)) = why else { panic!("a device") };
    let standing = |rule: &str, condition: &str| {
        let watches = why.rules.iter().filter(|of| of.rule == rule).flat_map(|of| &of.watches);
        let standing: Vec<_> =
            watches.filter(|watch| watch.condition == condition).map(|watch| watch.standing).collect();
        standing
    };
    assert_eq!(standing("coincidence", "coincidence"), [crate::why::Standing::Holds]);
    assert_eq!(standing("evidence", "evidence"), [crate::why::Standing::Holds]);
    assert_eq!(standing("sighting", "sighting_fire"), [crate::why::Standing::Calm]);
}
