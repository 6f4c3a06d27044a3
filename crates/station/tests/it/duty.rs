//! Duty plans through the real binary: imported, a hole told and filled, a fire told all the same, who was responsible then.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::device::Client;
use crate::feed::Feed;
use crate::rig::{ADMIN, Rig, fenghuo};

const GRID: &str = "331083001001001";

fn run(rig: &Rig, words: &[&str]) -> (bool, String) {
    let station = rig.url("");
    let output =
        Command::new(fenghuo()).args(words).args(["--station", &station]).env("FENGHUO_TOKEN", ADMIN).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), told)
}

fn json_of(rig: &Rig, words: &[&str]) -> Value {
    let (fine, told) = run(rig, words);
    assert!(fine, "{told}");
    serde_json::from_str(&told).unwrap()
}

async fn next_of(feed: &mut Feed, kind: &str) -> Value {
    loop {
        let event = feed.next().await.expect("the feed goes on");
        if event["type"] == kind {
            return event;
        }
    }
}

#[tokio::test]
async fn a_hole_of_the_plan_is_a_hazard_and_a_fire_does_not_fall_into_it() {
    let mut rig = Rig::start(2).await;
    let mut feed = Feed::open(&rig, None).await;
    let before = rig.get(&format!("/api/v1/regions/{GRID}/duty")).await;
    let (first_ms, first_version) = (before["at_ms"].as_u64().unwrap(), before["roster_version"].clone());

    let (into, from) = (rig.folder.path().join("roster"), rig.folder.path().join("new"));
    fs::create_dir(&from).unwrap();
    for file in ["regions", "units", "devices", "people"] {
        fs::copy(into.join(format!("{file}.csv")), from.join(format!("{file}.csv"))).unwrap();
    }
    let header = "post,region,person,days,from,to,first_day,last_day";
    let shifts = |rows: &str| fs::write(from.join("shifts.csv"), format!("{header}\n{rows}\n")).unwrap();
    let absences = "person,from,until,substitute,reason\nP1,2026-01-01 08:00,2199-01-01 08:00,V1,出国\n";
    fs::write(from.join("absences.csv"), absences).unwrap();
    let (from, into) = (from.to_str().unwrap(), into.to_str().unwrap());
    let import = ["roster", "import", from, "--into", into];

    shifts(&format!("grid_worker,{GRID},G9,daily,08:00,08:00,,"));
    let (fine, told) = run(&rig, &import);
    assert!(!fine && told.contains("shifts.csv:2: person G9 is not in people.csv"), "{told}");

    // a plan that ran out: from now on there is nobody
    shifts(&format!("grid_worker,{GRID},G1,daily,00:00,24:00,,2026-01-01"));
    let dry = json_of(&rig, &[&import[..], &["--dry-run", "--json"]].concat());
    let key = format!("grid_worker/{GRID}/G1/daily/00:00/");
    assert_eq!(dry["files"]["shifts.csv"]["rows"]["added"], json!([key]), "{dry}");
    assert_eq!(dry["files"]["absences.csv"]["added"], 1);
    let done = json_of(&rig, &[&import[..], &["--json"]].concat());
    assert_eq!(done["reloaded"]["added"], 2, "{done}");

    let gap = next_of(&mut feed, "duty.gap").await;
    assert_eq!(gap["region"], GRID);
    assert!(gap["detail"].as_str().unwrap().contains("无人值班"), "{gap}");
    let gaps = rig.get("/api/v1/duty/gaps").await;
    assert_eq!((gaps["gaps"].as_array().unwrap().len(), &gaps["gaps"][0]["until_ms"]), (1, &Value::Null), "{gaps}");
    let found_ms = gaps["gaps"][0]["found_ms"].as_u64().unwrap();
    assert!(found_ms > first_ms, "{gaps}");

    // a fire is told to whoever holds the post, and to who stands in for the owner
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    vendor.say("fire/v1/acme/s1a/alarm", r#"{"id":"a-1","kind":"smoke"}"#).await;
    let id = rig.alert_of("U1").await["id"].as_str().unwrap().to_owned();
    let alert = rig.get(&format!("/api/v1/alerts/{id}")).await;
    let notes: Vec<&str> =
        alert["history"].as_array().unwrap().iter().filter_map(|item| item["note"].as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("村主任 in place of 业主1")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("nobody on duty, 1 off duty told")), "{notes:?}");

    // the same after a crash; then somebody takes it over
    rig.kill();
    rig.spawn().await;
    let again = rig.get("/api/v1/duty/gaps").await;
    assert_eq!(again["gaps"][0]["found_ms"], found_ms, "it is not found anew");
    let mut feed = Feed::open(&rig, feed.cursor).await;
    shifts(&format!("grid_worker,{GRID},G1,daily,00:00,24:00,,2026-01-01\ngrid_worker,{GRID},V1,daily,00:00,24:00,,"));
    json_of(&rig, &[&import[..], &["--json"]].concat());
    assert_eq!(next_of(&mut feed, "duty.filled").await["region"], GRID);
    let (fine, told) = run(&rig, &["roster", "gaps"]);
    assert!(fine && told.contains("排班无空档") && told.contains("township_chief: 2 处无排班"), "{told}");

    // who is responsible now, and who was at the beginning
    let (_, now) = run(&rig, &["roster", "duty", GRID]);
    assert!(now.contains("在岗 on duty: V1 村主任") && now.contains("未当班 off duty: G1 网格员"), "{now}");
    let then = json_of(&rig, &["roster", "duty", GRID, "--at", &first_ms.to_string(), "--json"]);
    let of_grid = then["duties"].as_array().unwrap().iter().find(|duty| duty["region"] == GRID).unwrap();
    assert_eq!((&of_grid["people"][0]["code"], &of_grid["people"][0]["duty"]), (&json!("G1"), &json!("on_duty")));
    assert_eq!((&of_grid["planned"], &then["roster_version"]), (&json!(false), &first_version));
    assert!(rig.stop().await.success());
    let audit = Command::new(fenghuo()).args(["audit", "--config"]).arg(rig.config_path()).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}
