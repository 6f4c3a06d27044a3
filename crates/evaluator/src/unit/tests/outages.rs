//! Outages of gateways and vendors, and a judge restored in the midst of them.

use super::*;

#[test]
fn a_gateways_outage_is_one_incident() {
    let town = "u0 0,0: g/60\nu1 10,0: a/60@g b/60@g\nu2 20,0: c/60@g d/60@g e/60@g\nu3 30,0: f/60";
    // the gateway itself falls silent, and all behind it
    let outs = play(
        "",
        town,
        Look::Findings,
        "
        0     all presence=0
        100   all presence=0
        110   f state:sleeping:86400
        280   g tick                     => began gateway_lost yellow u0
        400   g tick
        1000  all presence=0             => ended gateway_lost yellow u0
        ",
    );
    let told = outs.iter().flat_map(|out| &out.findings).next().expect("told");
    assert_eq!(told.evidence.en, "the gateway itself is lost; 6 of 6 devices behind one gateway are lost: one fault");
    // the units of its devices were blind all the while
    let blind = play(
        "",
        town,
        Look::Colours,
        "
        0     all presence=0             => *
        110   f state:sleeping:86400
        180   g tick                     => u0 blind; u1 blind; u2 blind
        ",
    );
    assert_eq!(blind.len(), 3);
}

#[test]
fn members_still_lost_after_an_outage_are_told() {
    play(
        "",
        "u1 10,0: a/60@g b/60@g\nu2 20,0: c/60@g d/60@g",
        Look::Findings,
        "
        0     all presence=0
        180   tick                       => began gateway_lost yellow u1
        300   a presence=0
        310   b presence=0
        315   a presence=0
        320   c presence=0               => ended gateway_lost yellow u1
        370   a presence=0
        371   b presence=0
        372   c presence=0
        379   a tick
        380   a tick                     => began lost_contact yellow u2
        ",
    );
}

#[test]
fn a_single_member_is_told_after_its_group_had_time_to_follow_and_alarms_never_wait() {
    play(
        "",
        "u1 10,0: a/600@g b/600@g\nu2 20,0: c/600@g d/600@g",
        Look::Findings,
        "
        0     all presence=0
        100   a state:lost
        110   a tick
        120   b alarm:smoke:1            => began alarm_smoke orange 1 u1
        130   a alarm:heat:2             => began alarm_heat orange 2 u1; began coincidence red u1; began evidence red u1
        140   a state:lost
        150   a tick
        160   a tick
        209   a tick
        210   a tick                     => began lost_contact yellow u1
        ",
    );
}

#[test]
fn many_of_one_vendor_in_a_village_are_one_outage() {
    let town: String = (0..25).map(|unit| format!("u{unit} -: d{unit}/60\n")).collect();
    let mut play = Play::new("", &town, Look::Findings);
    play.run(
        "
        0     all presence=0
        180   tick                       => began network_lost yellow u0
        2000  tick
        ",
    );
    let state = play.bench.judge.state();
    let unit = state.units.get(3).expect("there");
    assert_eq!(unit.colour, Some(model::Colour::Blind), "blind all the same, but nobody is told of each");
    assert!(unit.incidents.is_none());
}

#[test]
fn a_gateway_that_is_taken_off_the_roster_leaves_no_outage_behind() {
    let mut play = Play::new("", "u1 10,0: a/60@g b/60@g\nu2 20,0: c/60@g d/60@g\nu3 0,0: z", Look::Findings);
    play.run(
        "
        0     all presence=0
        180   tick                       => began gateway_lost yellow u1
        ",
    );
    let mut change = model::RosterChange::default();
    for (slot, id) in play.bench.roster.devices().iter().zip(0..) {
        let mut slot = slot.clone();
        slot.row.gateway = "".into();
        change.devices.push((model::DeviceId(id), slot));
    }
    play.bench.roster = Arc::new(play.bench.roster.after(&change, 99));
    let out = play.bench.commit(190, vec![Entry::Tick], vec![]);
    let found: Vec<String> = out.findings.iter().map(line).collect();
    assert_eq!(found.iter().filter(|line| *line == "began lost_contact yellow").count(), 4, "{found:?}");
    assert!(found.contains(&"ended gateway_lost yellow".to_owned()), "{found:?}");
    assert!(play.bench.judge.state().outages.is_empty());
}

#[test]
fn an_outage_goes_on_when_the_device_that_it_is_told_of_leaves() {
    let town: String = (0..8).map(|unit| format!("u{unit} -: d{unit}/60@g\n")).collect();
    let mut play = Play::new("", &town, Look::Findings);
    play.run("0 all presence=0\n180 tick => began gateway_lost yellow u0\n2000 tick");
    let mut change = model::RosterChange::default();
    let mut slot = play.bench.roster.devices()[0].clone();
    slot.current = false;
    change.devices.push((model::DeviceId(0), slot));
    play.bench.roster = Arc::new(play.bench.roster.after(&change, 99));
    let mut found = Vec::new();
    for at_s in (2010..2400).step_by(10) {
        let out = play.bench.commit(at_s, vec![Entry::Tick], vec![]);
        found.extend(out.findings.iter().map(|finding| format!("{} u{}", line(finding), finding.unit.0)));
    }
    assert_eq!(found, ["ended gateway_lost yellow u0", "began gateway_lost yellow u1"]);
    assert_eq!(play.bench.judge.state().outages.len(), 1);
}

#[test]
fn a_restored_judge_goes_on_as_if_nothing_had_been() {
    let town = "u0 0,0: g/60\nu1 10,0: a/60@g b/60@g\nu2 20,0: c/60@g d/60@g e/60@g\nu3 -:\nu4 30,0: f/60";
    let words = [
        (0, "all presence=0"),
        (20, "f alarm:gas:1"),
        (30, "f !alarm:gas:1"),
        (60, "see fire P1 s1 u1"),
        (180, "g tick"),
        (250, "c alarm:smoke:2"),
        (260, "see smoke P2 s2 u1"),
        (270, "verify false u1"),
        (900, "g tick"),
        (1000, "all presence=0"),
        (5000, "g tick"),
        (9000, "g tick"),
    ];
    let rules = "[coverage]\nno_device_after_s = 4000";
    let lived = |restored_before: Option<usize>| {
        let mut play = Play::new(rules, town, Look::Findings);
        let mut outs = Vec::new();
        for (at, (at_s, word)) in words.iter().enumerate() {
            if restored_before == Some(at) {
                play.bench.judge = Judge::restore(&play.bench.judge.encode(), Share::ALL).expect("reads back");
            }
            let from_s = if at == 0 { 0 } else { words[at - 1].0 + 20 };
            for (at_s, word) in (from_s..*at_s).step_by(20).map(|at_s| (at_s, "g tick")).chain([(*at_s, *word)]) {
                let out = play.word(at_s, word);
                play.told(&out);
                outs.push(format!("{word}: {:?} {:?}", out.findings, out.units));
            }
        }
        (outs, play.bench.judge.encode())
    };
    let whole = lived(None);
    let said = whole.0.join("\n");
    for rule in ["gateway_lost", "no_device", "sighting_fire", "coincidence"] {
        assert!(said.contains(&format!("rule: \"{rule}\"")), "{rule} is met");
    }
    for (at, word) in words.iter().enumerate().skip(1) {
        assert!(lived(Some(at)) == whole, "restored before {word:?}");
    }
}
