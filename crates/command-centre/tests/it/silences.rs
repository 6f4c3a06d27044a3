//! Silences, incidents, floods and what is counted of alerts.

use command_centre::Role;
use model::hold::{Flood, FloodBucket, FloodCount, SilenceScope, key};
use model::{Colour, Family, Kept, KeptKind, OrderBody, RegionCode, Verdict, wire};
use serde_json::{Value, json};

use crate::desk::START_MS;
use crate::station::{ADMIN, LOCAL, Station};

/// One new alert after the other, and whether that is a flood.
fn flood(since_ms: Option<u64>) -> Kept {
    let count = FloodCount { family: Family::Fire, colour: Colour::Red, rule: "smoke".into(), alerts: 31 };
    let flood = Flood { buckets: vec![FloodBucket { from_ms: START_MS, counts: vec![count] }], since_ms };
    let value = wire::encode(&(flood, None::<RegionCode>)).into();
    Kept { kind: KeptKind::Storm, key: key::FLOOD.into(), value: Some(value) }
}

fn ids(page: &Value) -> Vec<String> {
    page["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn operators_silence_what_lies_in_their_scope() {
    let station = Station::start().await;
    let all = station.get(ADMIN, "/api/v1/silences").await.ok();
    assert_eq!(all["silences"], json!([]));
    station.desk.keep_at(START_MS + 50, vec![]);
    let body =
        json!({ "unit": "U0000", "family": "fault", "rules": ["lost_contact"], "for_s": 600, "reason": "works" });
    let id = station.post(LOCAL, "/api/v1/silences", &body).await.ok()["id"].clone();
    assert_eq!(id, "order-0-1");
    let given = station.desk.given.lock().unwrap()[0].clone();
    let OrderBody::Silence(asked) = given.body else { panic!("{given:?}") };
    assert_eq!((asked.scope, asked.until_ms), (SilenceScope::Unit(model::UnitId(0)), START_MS + 600_050));
    assert_eq!((&*asked.owner, &*given.person), ("P2", "P2"), "whose order it is owns it");
    assert_eq!((asked.family, &*asked.rules[0]), (Family::Fault, "lost_contact"));

    for (wrong, status) in [
        (json!({ "family": "fault", "for_s": 600, "reason": "works" }), 422),
        (json!({ "unit": "U0000", "family": "fault", "reason": "works" }), 422),
        (json!({ "unit": "U9999", "family": "fault", "for_s": 600, "reason": "works" }), 422),
        (json!({ "region": "331083999", "family": "fault", "for_s": 600, "reason": "works" }), 403),
        (json!({ "unit": "U0000", "family": "flood", "for_s": 600, "reason": "works" }), 422),
        (json!({ "unit": "U0000", "family": "fault", "for_s": 600, "reason": "works", "person": "X" }), 422),
    ] {
        station.post(LOCAL, "/api/v1/silences", &wrong).await.problem(status);
    }
    station.post(LOCAL, "/api/v1/silences/order-0-1/end", &json!({})).await.problem(404);
    station.desk.keep_silence_and_storm();
    let all = station.get(ADMIN, "/api/v1/silences").await.ok();
    let silence = &all["silences"][0];
    assert_eq!((&silence["unit"], &silence["held"], &silence["in_force"]), (&json!("U0000"), &json!(3), &json!(true)));
    station.post(LOCAL, "/api/v1/silences/order-0-1/end", &json!({})).await.ok();
    let given = station.desk.given.lock().unwrap().last().unwrap().clone();
    assert!(matches!(given.body, OrderBody::EndSilence(_)));
    // its time is over
    station.desk.keep_at(START_MS + 3_600_000, vec![]);
    assert_eq!(station.get(ADMIN, "/api/v1/silences").await.ok()["silences"], json!([]));
    let all = station.get(ADMIN, "/api/v1/silences?state=all").await.ok();
    assert_eq!(all["silences"][0]["in_force"], false);
    station.stop().await;
}

#[tokio::test]
async fn who_is_elsewhere_sees_and_ends_nothing() {
    let station = Station::start().await;
    station.desk.raise(0);
    station.desk.keep_silence_and_storm();
    station.tokens.put("elsewhere.secret", "P9", Role::Operator, Some("331083009"));
    for path in ["/api/v1/silences", "/api/v1/storms"] {
        let page = station.get("elsewhere.secret", path).await.ok();
        assert!(page["silences"].as_array().or(page["storms"].as_array()).unwrap().is_empty(), "{page}");
    }
    station.get("elsewhere.secret", "/api/v1/storms/order-1-1").await.problem(404);
    station.post("elsewhere.secret", "/api/v1/silences/order-0-1/end", &json!({})).await.problem(404);
    station.stop().await;
}

#[tokio::test]
async fn an_incident_shows_its_alerts_page_by_page() {
    let station = Station::start().await;
    let raised = station.desk.raise_all(&[0, 1, 2]);
    station.desk.keep_silence_and_storm();
    let storms = station.get(ADMIN, "/api/v1/storms").await.ok();
    assert_eq!((&storms["storms"][0]["members"], &storms["flood"]), (&json!(3), &Value::Null));
    let page = station.get(ADMIN, "/api/v1/storms/order-1-1?limit=2").await.ok();
    assert_eq!((ids(&page).len(), &page["next"]), (2, &json!(2)));
    let rest = station.get(ADMIN, "/api/v1/storms/order-1-1?limit=2&from=2").await.ok();
    assert_eq!((ids(&rest).len(), &rest["next"]), (1, &Value::Null));
    let mut both: Vec<String> = ids(&page).into_iter().chain(ids(&rest)).collect();
    both.sort();
    let mut expected: Vec<String> = raised.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(both, expected);
    for nonsense in ["order-9-9", "fire-1-1", "x"] {
        station.get(ADMIN, &format!("/api/v1/storms/{nonsense}")).await.problem(404);
    }
    station.stop().await;
}

#[tokio::test]
async fn in_a_flood_what_matters_most_comes_first_and_nothing_is_hidden() {
    let station = Station::start().await;
    let first = station.desk.raise(0).to_string();
    let second = station.desk.raise(1).to_string();
    let third = station.desk.raise(2).to_string();
    station
        .post(ADMIN, &format!("/api/v1/alerts/{third}/verify"), &json!({ "verdict": Verdict::Real.word() }))
        .await
        .ok();
    let page = station.get(ADMIN, "/api/v1/alerts").await.ok();
    assert_eq!((ids(&page), &page["order"]), (vec![third.clone(), second.clone(), first.clone()], &json!("newest")));
    station.desk.keep_at(START_MS + 500, vec![flood(Some(START_MS + 400))]);
    let page = station.get(ADMIN, "/api/v1/alerts").await.ok();
    let ranked = vec![third.clone(), first.clone(), second.clone()];
    assert_eq!((ids(&page), &page["order"]), (ranked.clone(), &json!("rank")), "confirmed, then the oldest");
    assert_eq!(page["flood"], json!({ "since_ms": START_MS + 400, "alerts": 31 }));
    let newest = station.get(ADMIN, "/api/v1/alerts?order=newest").await.ok();
    assert_eq!(ids(&newest), [third.clone(), second.clone(), first.clone()]);
    // page by page
    let mut walked = Vec::new();
    let mut path = "/api/v1/alerts?limit=1".to_owned();
    loop {
        let page = station.get(ADMIN, &path).await.ok();
        walked.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/alerts?limit=1&before={next}");
    }
    assert_eq!(walked, ranked);
    station.get(ADMIN, "/api/v1/alerts?before=rank:fire-9-9999").await.problem(400);
    station.desk.keep_at(START_MS + 600, vec![flood(None)]);
    let page = station.get(ADMIN, "/api/v1/alerts").await.ok();
    assert_eq!((&page["flood"], &page["order"]), (&Value::Null, &json!("newest")));
    assert_eq!(ids(&station.get(ADMIN, "/api/v1/alerts?order=rank").await.ok()), ranked);
    station.stop().await;
}

#[tokio::test]
async fn what_an_alarm_system_is_judged_by_is_counted() {
    let station = Station::start().await;
    for unit in [0, 0, 0, 1] {
        let alert = station.desk.raise(unit);
        station.desk.close(alert);
    }
    let open = station.desk.raise(2);
    let day = station.get(ADMIN, "/api/v1/statistics/alarms?hours=1&seats=1").await.ok();
    assert_eq!((&day["alerts"], &day["complete"], &day["standing_count"]), (&json!(5), &json!(true), &json!(0)));
    assert_eq!(day["units"][0], json!({ "unit": "U0000", "unit_name": day["units"][0]["unit_name"], "alerts": 3 }));
    assert_eq!(day["units_share"], 1.0);
    assert_eq!(day["per_seat_10_min"], 5.0 / 6.0);
    assert_eq!(day["per_seat_10_min_max"], 5.0);
    // two days later one of them stands, and none is new
    station.desk.keep_at(START_MS + 2 * 86_400_000, vec![]);
    let day = station.get(ADMIN, "/api/v1/statistics/alarms").await.ok();
    assert_eq!((&day["alerts"], &day["standing"][0]["alert"]), (&json!(0), &json!(open.to_string())));
    station.get(ADMIN, "/api/v1/statistics/alarms?hours=0").await.problem(400);
    station.stop().await;
}
