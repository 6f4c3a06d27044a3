use model::RosterChange;
use model::roster::{Camera, Hydrant, MicroStation, Person, Slot, Unit};

use super::*;
use crate::wording::tests::{alert_of, delivery};

const GRID: &str = "331083001001003";

fn person(number: u32, post: Post) -> (PersonId, Slot<Person>) {
    let code: Box<str> = format!("P{number}").into();
    let row = Person {
        name: code.clone(),
        code,
        phone: "".into(),
        post,
        region: GRID.parse().unwrap(),
        channels: Default::default(),
        contact: Default::default(),
        deputy: None,
    };
    (PersonId(number), Slot { current: true, row })
}

fn station(name: &str, position_m: Option<(f32, f32)>, members: &[u32], ready: bool) -> MicroStation {
    MicroStation {
        code: name.into(),
        name: name.into(),
        region: "331083001001".parse().unwrap(),
        position_m,
        members: members.iter().map(|number| PersonId(*number)).collect(),
        ready,
    }
}

fn roster(place: Option<(f32, f32)>) -> Roster {
    let unit = Unit {
        code: "U0".into(),
        name: "兴旺旅馆".into(),
        category: "旅馆".into(),
        address: "".into(),
        grid: GRID.parse().unwrap(),
        owner: None,
        position_m: place,
        profile: Default::default(),
    };
    let hydrant = |code: &str, x: f32| Hydrant {
        code: code.into(),
        region: GRID.parse().unwrap(),
        position_m: (x, 0.0),
        device: None,
        note: "".into(),
    };
    let camera = |code: &str, unit: u32, location: &str| Camera {
        code: code.into(),
        unit: UnitId(unit),
        location: location.into(),
        stream: "rtsp://x".into(),
    };
    let change = RosterChange {
        units: vec![(UnitId(0), Slot { current: true, row: unit })],
        people: vec![
            person(0, Post::Commander),
            person(1, Post::MicroStation),
            person(2, Post::MicroStation),
            person(3, Post::GridWorker),
        ],
        stations: Some(vec![
            station("远站", Some((3000.0, 4000.0)), &[2], true),
            station("修站", Some((10.0, 0.0)), &[1], false),
            station("南门站", Some((-200.0, -200.0)), &[1, 2], true),
        ]),
        cameras: Some(vec![camera("C1", 0, "大堂"), camera("C2", 1, "别处"), camera("C3", 0, "")]),
        hydrants: Some(vec![hydrant("H1", 500.0), hydrant("H2", 84.0)]),
        ..RosterChange::default()
    };
    Roster::default().after(&change, 1)
}

fn words_for(person: u32, roster: &Roster) -> Option<NearWords> {
    let mut delivery = delivery(Family::Fire, "x");
    delivery.person = PersonId(person);
    Surroundings::default().of(&delivery, roster, 0).map(|near| near.words())
}

#[test]
fn a_commander_hears_of_stations_that_can_come_hydrants_and_cameras() {
    let words = words_for(0, &roster(Some((0.0, 0.0)))).unwrap();
    assert_eq!(words.stations.zh, "南门站280米(2人)、远站5.0公里(1人)");
    assert_eq!(words.stations.en, "南门站 280 m (2 on duty), 远站 5.0 km (1 on duty)");
    assert_eq!(words.hydrants.zh, "H2(80米)、H1(500米)");
    assert_eq!(words.cameras.zh, "大堂、C3");
    assert_eq!(words.from_station.zh, "");
    assert_eq!(words.shown()[2], "摄像头 cameras：大堂、C3 / 大堂, C3");
}

#[test]
fn a_member_of_a_station_hears_how_far_and_where_to() {
    for (place, expected) in [
        ((0.0, 0.0), "距南门站280米，东北方向"),
        ((-200.0, 300.0), "距南门站500米，北方向"),
        ((-800.0, -200.0), "距南门站600米，西方向"),
        ((-200.0, -1400.0), "距南门站1.2公里，南方向"),
    ] {
        assert_eq!(words_for(2, &roster(Some(place))).unwrap().from_station.zh, expected);
    }
    let words = words_for(2, &roster(None)).unwrap();
    assert_eq!((words.from_station.zh.as_str(), words.stations.zh.as_str()), ("", "南门站(2人)、远站(1人)"));
}

#[test]
fn nobody_else_hears_of_it_and_nothing_is_told_of_a_fault() {
    let roster = roster(Some((0.0, 0.0)));
    assert_eq!(words_for(3, &roster), None);
    let mut fault = delivery(Family::Fault, "x");
    alert_of(&mut fault).id.family = Family::Fault;
    assert!(Surroundings::default().of(&fault, &roster, 0).is_none());
}

#[test]
fn it_is_looked_up_again_after_a_minute_and_with_another_roster() {
    let surroundings = Surroundings::default();
    let first = roster(Some((0.0, 0.0)));
    let delivery = delivery(Family::Fire, "x");
    let of = |roster: &Roster, now_ms| surroundings.of(&delivery, roster, now_ms).unwrap().nearby;
    let known = of(&first, 0);
    assert!(Arc::ptr_eq(&known, &of(&first, FRESH_MS - 1)));
    assert!(!Arc::ptr_eq(&known, &of(&first, FRESH_MS)));
    let change = RosterChange { hydrants: Some(Vec::new()), ..RosterChange::default() };
    assert!(of(&first.after(&change, 2), FRESH_MS).hydrants.is_empty());
}
