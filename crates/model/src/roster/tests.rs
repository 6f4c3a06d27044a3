use super::*;
use crate::wire;

fn code(text: &str) -> RegionCode {
    text.parse().expect("valid")
}

fn rows() -> RosterRows {
    let regions = ["331083", "331083001", "331083001001", "331083001001001"];
    RosterRows {
        regions: regions.iter().zip(2..).map(|(text, line)| (line, code(text), (*text).into())).collect(),
        people: vec![(2, person("P1", "331083001001001", Post::Owner))],
        units: vec![(2, unit("U1")), (3, unit("U2"))],
        devices: vec![(2, device("a", "U1")), (3, device("b", "U2"))],
        ..RosterRows::default()
    }
}

fn person(code_text: &str, region: &str, post: Post) -> PersonRow {
    PersonRow {
        code: code_text.into(),
        name: "王".into(),
        phone: "000".into(),
        post,
        region: code(region),
        channels: vec!["mqtt".into()],
        contact: Contact::All,
        deputy: "".into(),
    }
}

fn unit(code_text: &str) -> UnitRow {
    UnitRow {
        code: code_text.into(),
        name: "店".into(),
        category: "沿街商铺".into(),
        address: "".into(),
        grid: code("331083001001001"),
        owner: "P1".into(),
        position_m: None,
        profile: Default::default(),
    }
}

fn device(name: &str, unit: &str) -> DeviceRow {
    DeviceRow {
        vendor: "acme".into(),
        name: name.into(),
        unit: unit.into(),
        class: DeviceClass::Smoke,
        location: "厨房".into(),
        report_every_s: 60,
        gateway: "".into(),
    }
}

fn import(roster: &Roster, rows: &RosterRows, version: Epoch) -> Roster {
    roster.after(&roster.change_to(rows).expect("no faults"), version)
}

#[test]
fn the_same_rows_again_change_nothing() {
    let roster = import(&Roster::default(), &rows(), 1);
    assert_eq!(roster.version(), 1);
    assert!(roster.change_to(&rows()).expect("no faults").is_empty());
    assert_eq!(roster.units_in(code("331083")), 2);
    assert_eq!(roster.devices_in(code("331083001")), 2);
}

#[test]
fn numbers_stay_when_rows_go_and_come_back() {
    let first = import(&Roster::default(), &rows(), 1);
    let b = first.device_by_key("acme/b").expect("is there");

    let mut fewer = rows();
    fewer.devices.remove(0);
    fewer.devices.push((4, device("c", "U1")));
    let second = import(&first, &fewer, 2);
    assert_eq!(second.device_by_key("acme/a"), None);
    assert_eq!(second.device_by_key("acme/b"), Some(b));
    assert_eq!(second.device_by_key("acme/c"), Some(DeviceId(2)));
    assert_eq!(&*second.device(DeviceId(0)).expect("keeps its slot").name, "a");
    assert_eq!(second.devices_of(UnitId(0)), [DeviceId(2)]);

    let third = import(&second, &rows(), 3);
    assert_eq!(third.device_by_key("acme/a"), Some(DeviceId(0)));
    assert_eq!(third.device_by_key("acme/c"), None);
}

#[test]
fn a_change_and_a_roster_survive_the_store() {
    let empty = Roster::default();
    let change = empty.change_to(&rows()).expect("no faults");
    let change: RosterChange = wire::decode(&wire::encode(&change)).expect("reads back");
    let roster = empty.after(&change, 7);
    let stored: Roster = wire::decode(&wire::encode(&roster)).expect("reads back");
    let stored = stored.reindex();
    assert_eq!(stored.version(), 7);
    assert_eq!(stored.unit_by_code("U2"), Some(UnitId(1)));
    assert_eq!(stored.people_at(code("331083001001001"), Post::Owner), [PersonId(0)]);
}

#[test]
fn every_fault_is_told_with_its_line() {
    let mut bad = rows();
    bad.regions.remove(1);
    bad.units[1].1.owner = "nobody".into();
    bad.units.push((4, unit("U1")));
    bad.devices[0].1.name = "a/b".into();
    bad.devices[1].1.unit = "U9".into();
    let faults = Roster::default().change_to(&bad).expect_err("has faults");
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for expected in [
        "regions.csv:4: region 331083001001 lies in 331083001",
        "units.csv:3: owner nobody",
        "units.csv:4: unit U1 stands here twice",
        "devices.csv:2: \"a/b\" cannot be a topic level",
        "devices.csv:3: unit U9",
    ] {
        assert!(told.iter().any(|fault| fault.starts_with(expected)), "{expected} not in {told:#?}");
    }
}

fn station(code_text: &str, position_m: Option<(f32, f32)>, members: &[&str]) -> (usize, StationRow) {
    let row = StationRow {
        code: code_text.into(),
        name: code_text.into(),
        region: code("331083001001"),
        position_m,
        members: members.iter().map(|member| Box::from(*member)).collect(),
        ready: true,
    };
    (2, row)
}

fn hydrant(code_text: &str, region: &str, position_m: (f32, f32)) -> (usize, HydrantRow) {
    let row = HydrantRow {
        code: code_text.into(),
        region: code(region),
        position_m,
        device: "acme/b".into(),
        note: "".into(),
    };
    (2, row)
}

#[test]
fn the_nearest_that_can_come_are_named_by_distance() {
    let mut rows = rows();
    rows.people.push((3, person("M1", "331083001001", Post::MicroStation)));
    rows.people.push((4, person("M2", "331083001001", Post::MicroStation)));
    rows.units[0].1.position_m = Some((0.0, 0.0));
    rows.stations = vec![
        station("far", Some((0.0, 900.0)), &["M1", "M2"]),
        station("near", Some((300.0, 400.0)), &["M1"]),
        station("in repair", Some((1.0, 0.0)), &["M1"]),
        station("nobody", Some((2.0, 0.0)), &[]),
        station("away", Some((3.0, 0.0)), &["M2"]),
        station("nowhere", None, &["M1"]),
    ];
    rows.stations[2].1.ready = false;
    // M2 is away on the first day, and nobody stands in
    let moment = |text: &str| text.parse::<LocalTime>().expect("valid");
    let absence = AbsenceRow {
        person: "M2".into(),
        from: moment("2026-01-01 00:00"),
        until: moment("2026-01-02 00:00"),
        substitute: "".into(),
        reason: "".into(),
    };
    rows.absences.push((2, absence));
    let roster = import(&Roster::default(), &rows, 1);
    let near = |unit: u32, day: &str, max: usize| {
        let at_ms = roster.utc_offset().at_ms(moment(&format!("{day} 12:00")).0);
        let near = roster.nearest_stations(UnitId(unit), at_ms, max).into_iter();
        near.map(|near| (&*roster.stations()[near.station].code, near.distance_m, near.on_duty)).collect::<Vec<_>>()
    };
    let on_the_first = [("near", Some(500.0), 1), ("far", Some(900.0), 1), ("nowhere", None, 1)];
    assert_eq!(near(0, "2026-01-01", 9), on_the_first);
    assert_eq!(near(0, "2026-01-02", 3), [("away", Some(3.0), 1), ("near", Some(500.0), 1), ("far", Some(900.0), 2)]);
    // a unit without a position: by code
    assert_eq!(near(1, "2026-01-02", 2), [("away", None, 1), ("far", None, 2)]);
    assert_eq!(near(9, "2026-01-02", 2), []);
}

#[test]
fn hydrants_near_a_unit() {
    let mut rows = rows();
    rows.units[0].1.position_m = Some((0.0, 0.0));
    rows.hydrants = vec![
        hydrant("h1", "331083001001", (0.0, 300.0)),
        hydrant("h2", "331083001001001", (30.0, 40.0)),
        hydrant("h3", "331083001001001", (0.0, 50.0)),
        hydrant("h4", "331083001", (0.0, 10.0)),
    ];
    let roster = import(&Roster::default(), &rows, 1);
    assert_eq!(roster.hydrants()[0].device, roster.device_by_key("acme/b"));
    let near = |unit: u32, max: usize| {
        let near = roster.nearest_hydrants(UnitId(unit), max).into_iter();
        near.map(|near| (&*roster.hydrants()[near.hydrant].code, near.distance_m)).collect::<Vec<_>>()
    };
    assert_eq!(near(0, 3), [("h4", Some(10.0)), ("h2", Some(50.0)), ("h3", Some(50.0))]);
    assert_eq!(near(1, 9), [("h2", None), ("h3", None), ("h1", None)], "its grid's, then its village's");
    assert_eq!((near(0, 0), near(9, 1)), (vec![], vec![]));

    rows.hydrants.push(hydrant("h1", "331083009", (0.0, 0.0)));
    rows.hydrants[1].1.device = "acme/x".into();
    let told: Vec<String> =
        Roster::default().change_to(&rows).expect_err("has faults").iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("hydrants.csv:2: device acme/x of hydrant h2 is not in devices.csv"), "{told:?}");
    assert!(told[1].starts_with("hydrants.csv:2: region 331083009 of hydrant h1"), "{told:?}");
    assert_eq!(told[2], "hydrants.csv:2: hydrant h1 stands here twice");
}
