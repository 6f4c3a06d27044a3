//! Units as a whole, as text.

use std::sync::Arc;

use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};
use model::{Action, AlertId, Command, Entry, Evaluated, Family, Roster, Sighting, SightingKind, UnitId, Verdict};

use crate::judge::{Judge, Share};
use crate::testing::{Bench, line};

/// A town of text: `code x,y: device[/promise][@gateway] …`, one unit a line; `-` for no position. Units stand in one grid,
/// those whose code begins with `w` in another village.
fn town_of(text: &str) -> Roster {
    let mut rows = RosterRows::default();
    let regions = ["331083", "331083001", "331083001001", "331083001002", "331083001001001", "331083001002001"];
    rows.regions = regions.iter().map(|code| (2, code.parse().expect("valid"), (*code).into())).collect();
    for row in text.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (head, devices) = row.split_once(':').expect("a colon");
        let (code, at) = head.split_once(' ').expect("code and position");
        let position_m = at.split_once(',').map(|(x, y)| (x.parse().expect("metres"), y.parse().expect("metres")));
        let village = if code.starts_with('w') { 2 } else { 1 };
        rows.units.push((
            2,
            UnitRow {
                code: code.into(),
                name: "店".into(),
                category: "沿街商铺".into(),
                address: "".into(),
                grid: format!("331083001{village:03}001").parse().expect("valid"),
                owner: "".into(),
                position_m,
                profile: Default::default(),
            },
        ));
        for device in devices.split_whitespace() {
            let (device, gateway) = device.split_once('@').unwrap_or((device, ""));
            let (name, promise) = device.split_once('/').unwrap_or((device, "86400"));
            let class = if name.starts_with("cam") { DeviceClass::Camera } else { DeviceClass::Combined };
            rows.devices.push((
                2,
                DeviceRow {
                    vendor: "v".into(),
                    name: name.into(),
                    unit: code.into(),
                    class,
                    location: "".into(),
                    report_every_s: promise.parse().expect("seconds"),
                    gateway: gateway.into(),
                },
            ));
        }
    }
    let change = Roster::default().change_to(&rows).expect("the rows are sound");
    Roster::default().after(&change, 1)
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// Findings: `began rule colour [alarm] unit`.
    Findings,
    /// Colours where they change: `unit colour`.
    Colours,
    /// Colours and reasons where either changes: `unit colour rule rule…`.
    Reasons,
}

struct Play {
    bench: Bench,
    look: Look,
    every_s: u64,
    before_s: Option<u64>,
    colours: std::collections::BTreeMap<UnitId, model::Colour>,
    /// The commit that opened the newest alert of each unit and family.
    alerts: std::collections::BTreeMap<(UnitId, Family), u64>,
    commands: usize,
}

impl Play {
    fn new(rules: &str, town: &str, look: Look) -> Play {
        let bench = Bench::new(rules, town_of(town));
        let (colours, alerts) = Default::default();
        Play { bench, look, every_s: 10, before_s: None, colours, alerts, commands: 0 }
    }

    fn unit(&self, code: &str) -> UnitId {
        self.bench.roster.unit_by_code(code).expect("the unit is in the town")
    }

    /// Beside what [`Bench::word`] knows: `see kind person id unit`, `verify verdict unit`, `close family unit`.
    fn entry(&mut self, word: &str) -> Option<Entry> {
        let parts: Vec<&str> = word.split_whitespace().collect();
        let (unit, family, action) = match parts.as_slice() {
            ["see", kind, by, id, unit] => {
                let kind = SightingKind::from_word(kind).expect("a kind");
                let (id, by, note) = ((*id).into(), (*by).into(), "三楼".into());
                return Some(Entry::Sighting(Sighting { id, unit: self.unit(unit), by, kind, note }));
            }
            ["verify", verdict, unit] => {
                let verdict = match *verdict {
                    "real" => Verdict::Real,
                    "false" => Verdict::False,
                    "test" => Verdict::Test,
                    _ => panic!("{verdict} is no verdict"),
                };
                (self.unit(unit), Family::Fire, Action::verified(verdict))
            }
            ["work", family, unit] => (self.unit(unit), Family::from_word(family).expect("a family"), Action::BeginWork),
            ["close", family, unit] => (self.unit(unit), Family::from_word(family).expect("a family"), Action::Close),
            _ => return None,
        };
        self.commands += 1;
        let alert = AlertId { epoch: self.alerts[&(unit, family)], unit, family };
        let id = format!("k{}", self.commands).as_str().into();
        let person = if action == Action::Close { "P2" } else { "P1" }.into();
        Some(Entry::Command(Command { id, person, entered_by: None, alert, action, note: None }))
    }

    fn told(&mut self, out: &Evaluated) -> Vec<String> {
        for finding in &out.findings {
            if finding.phase == model::Phase::Began {
                self.alerts.entry((finding.unit, finding.family)).or_insert(self.bench.epoch());
            }
        }
        let code = |unit: UnitId| self.bench.roster.unit(unit).expect("known").code.to_string();
        let mut told = Vec::new();
        if self.look == Look::Findings {
            told.extend(out.findings.iter().map(|finding| format!("{} {}", line(finding), code(finding.unit))));
        }
        for status in &out.units {
            let before = self.colours.insert(status.unit, status.colour);
            let (code, colour) = (code(status.unit), status.colour.word());
            match self.look {
                Look::Colours if before != Some(status.colour) => told.push(format!("{code} {colour}")),
                Look::Reasons => {
                    let rules: Vec<&str> = status.reasons.iter().map(|reason| &*reason.rule).collect();
                    told.push(format!("{code} {colour} {}", rules.join(" ")).trim().to_owned());
                }
                Look::Colours | Look::Findings => {}
            }
        }
        told
    }

    fn word(&mut self, at_s: u64, word: &str) -> Evaluated {
        if word.starts_with("close ") {
            // by a second person, which there is only where another has looked after it
            let worked = self.entry(&word.replace("close", "work"));
            self.bench.commit(at_s, worked.into_iter().collect(), vec![]);
        }
        if let Some(entry) = self.entry(word) {
            let closes = matches!(&entry, Entry::Command(Command { action: Action::Close, .. }));
            let out = self.bench.commit(at_s, vec![entry, Entry::Tick], vec![]);
            if closes {
                self.alerts.clear();
            }
            return out;
        }
        match word.strip_prefix("all ") {
            None => self.bench.word(at_s, word),
            Some(what) => {
                let names: Vec<String> =
                    self.bench.roster.devices().iter().map(|slot| slot.row.name.to_string()).collect();
                let mut outs: Vec<Evaluated> =
                    names.iter().map(|name| self.bench.word(at_s, &format!("{name} {what}"))).collect();
                let mut last = outs.pop().expect("there are devices");
                for out in outs.into_iter().rev() {
                    last.findings.splice(0..0, out.findings);
                    last.units.splice(0..0, out.units);
                }
                last
            }
        }
    }

    /// Each line: seconds, a word, and after `=>` all that is told in that commit, by `;`. Between lines the clock ticks, and
    /// nothing is told. `*` after `=>`: not looked at.
    fn run(&mut self, table: &str) -> Vec<Evaluated> {
        let first = self.bench.roster.devices().first().map_or("a".to_owned(), |slot| slot.row.name.to_string());
        let mut outs = Vec::new();
        for text in table.lines().map(str::trim).filter(|text| !text.is_empty()) {
            let (given, expected) = text.split_once("=>").unwrap_or((text, ""));
            let (at_s, word) = given.trim().split_once(' ').expect("seconds, then a word");
            let at_s: u64 = at_s.parse().expect("seconds");
            let from_s = self.before_s.map_or(at_s, |before_s| before_s + self.every_s);
            for tick_s in (from_s..at_s).step_by(self.every_s as usize) {
                let out = self.word(tick_s, &format!("{first} tick"));
                let told = self.told(&out);
                assert!(told.is_empty(), "{tick_s} s, before {text:?}: {told:?}");
            }
            let word = word.trim();
            let out = self.word(at_s, if word == "tick" { "all tick" } else { word });
            let told = self.told(&out);
            let expected: Vec<&str> = expected.split(';').map(str::trim).filter(|text| !text.is_empty()).collect();
            if expected != ["*"] {
                assert_eq!(told, expected, "at {text:?}");
            }
            self.before_s = Some(at_s);
            outs.push(out);
        }
        outs
    }
}

fn play(rules: &str, town: &str, look: Look, table: &str) -> Vec<Evaluated> {
    Play::new(rules, town, look).run(table)
}

/// The evidence reason of a unit, in English.
fn evidence_en(out: &Evaluated) -> String {
    let reasons = out.units.iter().flat_map(|status| &status.reasons);
    reasons.filter(|reason| reason.rule == "evidence").map(|reason| reason.evidence.en.to_string()).collect()
}

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
