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
