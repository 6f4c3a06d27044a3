//! Lists and single things.

use command_centre::{Role, Settings, View};
use model::{Colour, Ledger, Quarantined};
use serde_json::{Value, json};

use crate::city::{self, UNITS};
use crate::station::{ADMIN, OPERATOR, Station, VIEWER};

fn ids(page: &Value) -> Vec<String> {
    page["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn alerts_page_even_where_one_commit_raised_many() {
    let station = Station::start().await;
    let units: Vec<u32> = (0..UNITS as u32).collect();
    let mut raised = Vec::new();
    for part in [&units[..3], &units[3..23], &units[23..24], &units[24..]] {
        raised.extend(station.desk.raise_all(part));
    }
    raised.sort_by_key(|id| std::cmp::Reverse(*id));
    let expected: Vec<String> = raised.iter().map(ToString::to_string).collect();
    for (state, limit) in [("open", 7), ("all", 7), ("all", 1), ("all", 20), ("all", 1000), ("open", 1000)] {
        let mut seen = Vec::new();
        let mut before = String::new();
        loop {
            let page = station.get(VIEWER, &format!("/api/v1/alerts?state={state}&limit={limit}{before}")).await.ok();
            assert!(ids(&page).len() <= limit);
            seen.extend(ids(&page));
            match page["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{state} {limit}");
    }
    // closed ones are in one list only
    station.desk.close(raised[0]);
    assert_eq!(ids(&station.get(VIEWER, "/api/v1/alerts").await.ok()).len(), UNITS - 1);
    assert_eq!(ids(&station.get(VIEWER, "/api/v1/alerts?state=all&limit=100").await.ok()).len(), UNITS);
    let grid = station.get(VIEWER, "/api/v1/alerts?state=all&region=331083001001001").await.ok();
    assert_eq!(ids(&grid).len(), city::UNITS_PER_GRID);
    station.stop().await;
}

#[tokio::test]
async fn an_alert_tells_its_whole_story() {
    let station = Station::start().await;
    station.desk.paint(0, Colour::Red);
    let id = station.desk.raise(0);
    station.post(OPERATOR, &format!("/api/v1/alerts/{id}/acknowledge"), &json!({})).await.ok();
    let alert = station.get(VIEWER, &format!("/api/v1/alerts/{id}")).await.ok();
    assert_eq!(alert["unit"], "U0000");
    assert_eq!(alert["evidence"][0]["device"], "acme/烟感0");
    assert_eq!(alert["evidence"][0]["text_zh"], "烟雾浓度 0.18 dB/m");
    assert_eq!(alert["ladder"][0]["people"][0]["name"], "李网格");
    assert_eq!(alert["ladder"][1]["told_ms"], Value::Null);
    assert_eq!(alert["deliveries"][0]["attempts"][0]["outcome"], "retry");
    assert_eq!(alert["deliveries"][0]["state"], "owed");
    assert_eq!(alert["acknowledged"][0]["name"], "陈镇长");
    assert_eq!(alert["acknowledged_by"], json!(["P3"]));
    assert_eq!(alert["history"][1]["what"], "alert.acknowledged");
    assert_eq!(alert["reasons"][0]["would_change_en"], "below 0.05");
    assert_eq!(alert["verified"], Value::Null);
    station.stop().await;
}

#[tokio::test]
async fn units_are_found_by_place_colour_and_words() {
    let station = Station::start().await;
    for unit in 0..10 {
        station.desk.paint(unit, if unit < 3 { Colour::Red } else { Colour::Blue });
    }
    let count = |query: &'static str| {
        let station = &station;
        async move {
            let page = station.get(VIEWER, &format!("/api/v1/units?limit=1000&{query}")).await.ok();
            page["units"].as_array().unwrap().len()
        }
    };
    assert_eq!(count("colour=red").await, 3);
    assert_eq!(count("colour=blue&region=331083001001001").await, 2);
    assert_eq!(count("colour=blind").await, 0);
    assert_eq!(count("q=harbour%20road%201").await, 11);
    assert_eq!(count("q=%E5%87%BA%E7%A7%9F").await, UNITS / 2);
    assert_eq!(count("q=u0007").await, 1);
    let mut after = String::new();
    let mut seen = Vec::new();
    loop {
        let page = station.get(VIEWER, &format!("/api/v1/units?limit=7{after}")).await.ok();
        seen.extend(page["units"].as_array().unwrap().iter().map(|unit| unit["code"].as_str().unwrap().to_owned()));
        match page["next"].as_u64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..UNITS).map(|at| format!("U{at:04}")).collect::<Vec<_>>());
    station.stop().await;
}

#[tokio::test]
async fn a_unit_explains_its_colour() {
    let station = Station::start().await;
    let fresh = station.get(VIEWER, "/api/v1/units/U0000").await.ok();
    assert_eq!((&fresh["colour"], &fresh["since_ms"]), (&json!("none"), &Value::Null));
    assert_eq!(fresh["devices"][0]["status"], "unknown");
    station.desk.paint(0, Colour::Orange);
    station.desk.device(0, true, 5);
    let alert = station.desk.raise(0);
    let unit = station.get(VIEWER, "/api/v1/units/U0000").await.ok();
    assert_eq!(unit["colour"], "orange");
    assert_eq!(unit["reasons"][0]["rule"], "smoke");
    assert_eq!(unit["reasons"][0]["device"], "acme/烟感0");
    assert_eq!(unit["owner"]["name"], "王业主");
    assert_eq!(unit["cameras"][0]["code"], "C1");
    assert_eq!(unit["alerts"][0]["id"], alert.to_string());
    let device = &unit["devices"][0];
    assert_eq!((&device["status"], &device["last_seen_ms"]), (&json!("online"), &json!(5)));
    let path: Vec<&str> = unit["path"].as_array().unwrap().iter().map(|step| step["code"].as_str().unwrap()).collect();
    assert_eq!(path, ["331083", "331083001", "331083001001", "331083001001001"]);
    station.desk.device(0, false, 5);
    assert_eq!(station.get(VIEWER, "/api/v1/units/U0000").await.ok()["devices"][0]["status"], "lost");
    station.get(VIEWER, "/api/v1/units/U9999").await.problem(404);
    station.stop().await;
}

#[tokio::test]
async fn regions_count_and_lead_down() {
    let station = Station::start().await;
    station.desk.paint(0, Colour::Red);
    station.desk.paint(39, Colour::Blind);
    station.desk.raise(0);
    let city = station.get(VIEWER, "/api/v1/regions/331083").await.ok();
    assert_eq!((&city["units"], &city["devices"], &city["level"]), (&json!(UNITS), &json!(UNITS), &json!("city")));
    assert_eq!(
        (&city["counts"]["red"], &city["counts"]["blind"], &city["parent"]),
        (&json!(1), &json!(1), &Value::Null)
    );
    let mut region = city;
    for level in ["township", "village", "grid"] {
        let child = region["children"][0]["code"].as_str().unwrap().to_owned();
        let next = station.get(VIEWER, &format!("/api/v1/regions/{child}")).await.ok();
        assert_eq!((&next["level"], &next["parent"]), (&json!(level), &region["code"]));
        assert_eq!((&next["counts"]["red"], &next["open_alerts"]), (&json!(1), &json!(1)));
        region = next;
    }
    assert_eq!(region["children"], json!([]));
    station.get(VIEWER, "/api/v1/regions/331083009").await.problem(404);
    let problem = station.get(VIEWER, "/api/v1/regions/abc").await.problem(404);
    assert!(problem["detail"].as_str().unwrap().contains("6, 9, 12 or 15 digits"));
    station.stop().await;
}

#[tokio::test]
async fn the_quarantine_shows_what_came() {
    let station = Station::start().await;
    for at in 0..50u64 {
        let vendor = if at.is_multiple_of(2) { "acme" } else { "zeta" };
        station.desk.ledger.put_in_quarantine(Quarantined {
            at_ms: at,
            sender: vendor.into(),
            topic: format!("fire/v1/{vendor}/d/alarm").into(),
            reason: "not_json".into(),
            detail: "the payload is no JSON".into(),
            payload: if at == 0 { b"\xff\x00".as_slice().into() } else { b"{\"ts\":".as_slice().into() },
        });
    }
    let mut after = String::new();
    let mut seen = Vec::new();
    loop {
        let page = station.get(ADMIN, &format!("/api/v1/quarantine?limit=10&vendor=acme{after}")).await.ok();
        seen.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_u64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.iter().all(|item| item["sender"] == "acme"));
    assert_eq!((&seen[0]["id"], &seen[0]["payload_text"]), (&json!(49), &json!("{\"ts\":")));
    let oldest = seen.last().unwrap();
    assert_eq!((oldest["payload_base64"].as_str(), oldest.get("payload_text")), (Some("/wA="), None));
    station.stop().await;
}

#[tokio::test]
async fn a_scope_limits_the_quarantine_to_its_devices() {
    let station = Station::start().await;
    let outside = city::UNITS - 1;
    let topics = [
        "fire/v1/acme/烟感0/alarm".to_owned(),
        format!("fire/v1/acme/烟感{outside}/alarm"),
        "fire/v1/acme/nobody/alarm".to_owned(),
        "fire/v1/acme".to_owned(),
        "elsewhere/acme/烟感0/alarm".to_owned(),
        "fire/v1/acme/烟感1".to_owned(),
    ];
    for topic in &topics {
        station.desk.ledger.put_in_quarantine(Quarantined {
            at_ms: 1,
            sender: "acme".into(),
            topic: topic.as_str().into(),
            reason: "not_json".into(),
            detail: "the payload is no JSON".into(),
            payload: Box::default(),
        });
    }
    station.tokens.put("local.a", "a", Role::Admin, Some(city::TOWNSHIP));
    station.tokens.put("city.a", "a", Role::Admin, Some(city::CITY));
    for (token, expected) in
        [("local.a", vec![5, 0]), ("city.a", vec![5, 4, 3, 2, 1, 0]), (ADMIN, vec![5, 4, 3, 2, 1, 0])]
    {
        let page = station.get(token, "/api/v1/quarantine").await.ok();
        let told: Vec<&str> =
            page["items"].as_array().unwrap().iter().map(|item| item["topic"].as_str().unwrap()).collect();
        let expected: Vec<&str> = expected.iter().map(|at: &usize| topics[*at].as_str()).collect();
        assert_eq!(told, expected, "{token}");
        assert_eq!(page["next"], json!(null));
    }
    station.stop().await;
}

#[tokio::test]
async fn a_view_loaded_from_the_ledger_is_the_view_that_was() {
    let station = Station::start().await;
    for unit in 0..5 {
        station.desk.paint(unit, Colour::ALL[unit as usize]);
    }
    let closed = station.desk.raise(1);
    station.desk.raise(2);
    station.desk.close(closed);
    let ledger = &*station.desk.ledger;
    let again = View::load(ledger, city::roster(), &Settings::default()).unwrap();
    assert_eq!(again.cursor(), ledger.newest_cursor());
    assert_eq!(again.cursor(), station.desk.view.cursor());
    // the same commits told once more change nothing
    let batch = model::LedgerBatch { epoch: ledger.applied(), ..model::LedgerBatch::default() };
    again.apply(&batch, &city::roster(), &[]);
    assert_eq!(again.cursor(), ledger.newest_cursor());
    station.stop().await;
}

#[tokio::test]
async fn a_local_admin_may_not_ask_beyond_the_page_limit() {
    let station = Station::start().await;
    station.tokens.put("a.s", "a", Role::Admin, Some(city::TOWNSHIP));
    for path in
        ["alerts?limit=0", "alerts?limit=1001", "units?limit=1001", "quarantine?limit=1001", "events?limit=10001"]
    {
        let problem = station.get("a.s", &format!("/api/v1/{path}")).await.problem(400);
        assert_eq!(problem["field"], "limit", "{path}");
    }
    station.stop().await;
}
