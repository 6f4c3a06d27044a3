//! Who is responsible, now and then, and where nobody will be.

use std::sync::Arc;

use model::ledger::Kept;
use model::roster::{AbsenceRow, DutyChange, DutyGap, Post, RosterRows, ShiftRow, StationRow};
use model::{KeptKind, Ledger, LedgerBatch, Roster, wire};
use serde_json::{Value, json};

use crate::city::{self, OTHER_TOWNSHIP, code};
use crate::station::{LOCAL, Station, VIEWER};

const GRID: &str = "331083001001001";
const VILLAGE: &str = "331083001001";

fn shift(person: &str, post: Post, region: &str, from: &str, to: &str) -> (usize, ShiftRow) {
    let row = ShiftRow {
        post,
        region: code(region),
        person: person.into(),
        days: "daily".parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        first_day: None,
        last_day: None,
    };
    (2, row)
}

/// P2 (grid worker) by day with P3 (township chief) in their place on 5 January; P4 of the station by night.
fn planned() -> RosterRows {
    let mut rows = city::rows();
    let mut member = rows.people[1].1.clone();
    (member.code, member.name, member.post, member.region) =
        ("P4".into(), "站员".into(), Post::MicroStation, code(VILLAGE));
    rows.people.push((5, member));
    let station = StationRow {
        code: "S1".into(),
        name: "第1村微型消防站".into(),
        region: code(VILLAGE),
        position_m: None,
        members: vec!["P4".into()],
        ready: true,
    };
    rows.stations.push((2, station));
    rows.shifts.push(shift("P2", Post::GridWorker, GRID, "08:00", "20:00"));
    rows.shifts.push(shift("P4", Post::MicroStation, VILLAGE, "20:00", "08:00"));
    let moment = |text: &str| text.parse().unwrap();
    let absence = AbsenceRow {
        person: "P2".into(),
        from: moment("2026-01-05 00:00"),
        until: moment("2026-01-06 00:00"),
        substitute: "P3".into(),
        reason: "年休".into(),
    };
    rows.absences.push((2, absence));
    rows
}

fn at_ms(local: &str) -> u64 {
    model::roster::UtcOffset::default().at_ms(local.parse::<model::roster::LocalTime>().unwrap().0)
}

/// A station that had the city's roster from 1 January on and the plan from 3 January 12:00 on; it is 5 January, 07:30.
async fn station() -> Station {
    let station = Station::start().await;
    let empty = Roster::default();
    let first = empty.change_to(&city::rows()).unwrap();
    let then = empty.after(&first, 101);
    let second = then.change_to(&planned()).unwrap();
    let now = Arc::new(then.after(&second, 102));
    let kept = |change, version, local: &str| {
        let change = DutyChange::of(change, version, at_ms(local)).unwrap();
        Kept { kind: KeptKind::DutyChange, key: change.key(), value: Some(wire::encode(&change).into()) }
    };
    let gap = DutyGap {
        region: code(VILLAGE),
        post: Post::MicroStation,
        station: "S1".into(),
        from_ms: at_ms("2026-01-05 08:00"),
        until_ms: None,
        found_ms: at_ms("2026-01-05 07:00"),
    };
    let batch = LedgerBatch {
        epoch: 103,
        at_ms: at_ms("2026-01-05 07:30"),
        kept: vec![
            kept(&first, 101, "2026-01-01 00:00"),
            kept(&second, 102, "2026-01-03 12:00"),
            Kept { kind: KeptKind::DutyGap, key: gap.key(), value: Some(wire::encode(&gap).into()) },
        ],
        ..LedgerBatch::default()
    };
    station.desk.ledger.commit(&batch).unwrap();
    station.desk.view.apply(&batch, &now, &[]);
    station
}

/// `post@region: who duty`, of a duty that anybody has.
fn shown(answer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let duties = answer["duties"].as_array().unwrap().iter();
    let people = duties.flat_map(|duty| duty["people"].as_array().unwrap().iter().map(move |person| (duty, person)));
    people
        .map(|(duty, person)| {
            let place = duty.get("station").unwrap_or(&duty["region"]);
            let absent =
                person.get("in_place_of").map_or(String::new(), |absent| format!(" of {}", text(&absent["code"])));
            format!(
                "{}@{}: {} {}{absent}",
                text(&duty["post"]),
                text(place),
                text(&person["code"]),
                text(&person["duty"])
            )
        })
        .collect()
}

#[tokio::test]
async fn who_is_responsible_now_and_then() {
    let station = station().await;
    let ask = async |path: &str| station.get(VIEWER, &format!("/api/v1/regions/{path}")).await;
    let now = ask(&format!("{GRID}/duty")).await.ok();
    assert_eq!((&now["at_ms"], &now["roster_version"]), (&json!(at_ms("2026-01-05 07:30")), &json!(102)));
    assert_eq!(now["duties"].as_array().unwrap().len(), 5, "city, township, village, grid, station");
    assert_eq!(
        shown(&now),
        [
            "township_chief@331083001: P3 on_duty",
            "grid_worker@331083001001001: P2 away",
            "micro_station@S1: P4 on_duty",
        ]
    );
    assert_eq!(now["duties"][4]["people"][0]["until_ms"], at_ms("2026-01-05 08:00"));
    assert_eq!((&now["duties"][3]["planned"], &now["duties"][2]["planned"]), (&json!(true), &json!(false)));

    // later today, by the plan
    let later = ask(&format!("{GRID}/duty?at=2026-01-05T09:00:00%2B08:00")).await.ok();
    assert_eq!(
        shown(&later)[1..],
        [
            "grid_worker@331083001001001: P3 in_place of P2",
            "grid_worker@331083001001001: P2 away",
            "micro_station@S1: P4 off_duty"
        ]
    );
    // after the plan came: by the plan
    let after = ask(&format!("{GRID}/duty?at=2026-01-03T21:00")).await.ok();
    assert_eq!(after["roster_version"], 102);
    assert_eq!(shown(&after)[1..], ["grid_worker@331083001001001: P2 off_duty", "micro_station@S1: P4 on_duty"]);
    // before: by the roster of then, which had no plan and no station
    let before = ask(&format!("{GRID}/duty?at=2026-01-02T21:00")).await.ok();
    assert_eq!(before["roster_version"], 101);
    assert_eq!(shown(&before), ["township_chief@331083001: P3 on_duty", "grid_worker@331083001001001: P2 on_duty"]);
    let none = ask(&format!("{GRID}/duty?at=2025-12-31T21:00")).await.problem(404);
    assert!(none["detail"].as_str().unwrap().contains("there was no roster then"));
    assert!(ask("331083009/duty").await.problem(404)["detail"].as_str().unwrap().contains("no region 331083009"));
    assert_eq!(ask(&format!("{GRID}/duty?at=yesterday")).await.problem(400)["field"], "at");
    station.stop().await;
}

#[tokio::test]
async fn a_token_sees_the_duties_of_its_region() {
    let station = station().await;
    let own = station.get(LOCAL, &format!("/api/v1/regions/{VILLAGE}/duty")).await.ok();
    let regions: Vec<_> =
        own["duties"].as_array().unwrap().iter().map(|duty| duty["region"].as_str().unwrap()).collect();
    assert_eq!(regions, ["331083001", VILLAGE, GRID, "331083001001002", VILLAGE], "not the city's commander");
    station.get(LOCAL, &format!("/api/v1/regions/{OTHER_TOWNSHIP}/duty")).await.problem(403);
    station.get(LOCAL, &format!("/api/v1/duty/gaps?region={OTHER_TOWNSHIP}")).await.problem(403);
    let whole = station.get(LOCAL, "/api/v1/regions/331083/duty").await.ok();
    assert_eq!(whole["duties"].as_array().unwrap().len(), 1, "its township below the city");
    station.stop().await;
}

#[tokio::test]
async fn where_nobody_will_be() {
    let station = station().await;
    let gaps = station.get(VIEWER, "/api/v1/duty/gaps").await.ok();
    let grid = json!({ "post": "grid_worker", "region": GRID, "region_name": "001网格", "from_ms": at_ms("2026-01-05 07:30"),
        "until_ms": at_ms("2026-01-05 08:00"), "found_ms": null });
    let of_station = json!({ "post": "micro_station", "region": VILLAGE, "region_name": "第1村", "station": "S1",
        "station_name": "第1村微型消防站", "from_ms": at_ms("2026-01-05 08:00"), "until_ms": at_ms("2026-01-05 20:00"),
        "found_ms": at_ms("2026-01-05 07:00") });
    assert_eq!(gaps["gaps"], json!([grid, of_station]));
    let count = |post: &str| {
        let of_post = gaps["without_plan"].as_array().unwrap().iter().find(|row| row["post"] == post).unwrap();
        (of_post["count"].as_u64().unwrap(), of_post["without_anybody"].as_array().unwrap().len())
    };
    assert_eq!((count("grid_worker"), count("township_chief"), count("village_chief")), ((7, 7), (2, 1), (4, 4)));
    let soon = station.get(VIEWER, "/api/v1/duty/gaps?within_s=60").await.ok();
    assert_eq!(soon["gaps"], json!([grid]));
    let elsewhere = station.get(VIEWER, &format!("/api/v1/duty/gaps?region={OTHER_TOWNSHIP}")).await.ok();
    assert_eq!(elsewhere["gaps"], json!([]));
    assert_eq!(station.get(VIEWER, "/api/v1/duty/gaps?within_s=9").await.problem(400)["field"], "within_s");
    station.stop().await;
}
