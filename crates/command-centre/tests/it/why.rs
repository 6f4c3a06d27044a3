//! Why, as far as the caller's scope goes; and the rules.

use async_trait::async_trait;
use command_centre::{About, Judging, JudgingError};
use serde_json::{Value, json};

use crate::city::{OTHER_TOWNSHIP, TOWNSHIP, UNITS};
use crate::station::{ADMIN, LOCAL, OPERATOR, Station, VIEWER};

/// Says what it was asked about.
pub struct Judge;

#[async_trait]
impl Judging for Judge {
    async fn why(&self, about: About) -> Result<Value, JudgingError> {
        let mut said = json!({ "epoch": 1, "at_ms": 1, "in_force": {}, "rules": [], "about": format!("{about:?}") });
        for name in [
            "device",
            "unit",
            "heard",
            "holds",
            "colour",
            "reasons",
            "incidents",
            "devices",
            "would_change",
            "alert",
            "open",
            "conditions",
            "words",
            "region",
            "units",
            "counts",
            "worst",
        ] {
            said[name] = json!([]);
        }
        Ok(said)
    }

    fn rules(&self) -> Value {
        json!({ "hash": "0", "text": "", "checking": false })
    }

    fn rules_fault(&self) -> Option<String> {
        None
    }

    fn reload_rules(&self, by: &str, force: bool) -> Result<u64, JudgingError> {
        assert_eq!((by, force), ("admin", false));
        Ok(7)
    }
}

#[tokio::test]
async fn whoever_asks_is_told_of_what_they_may_see() {
    let station = Station::start().await;
    let inside = station.desk.raise(0).to_string();
    let outside_unit = UNITS - 1;
    let outside = station.desk.raise(u32::try_from(outside_unit).unwrap()).to_string();
    for (path, about) in [
        ("/api/v1/devices/acme/%E7%83%9F%E6%84%9F0/why".to_owned(), "Device(DeviceId(0))".to_owned()),
        ("/api/v1/units/U0000/why".to_owned(), "Unit(UnitId(0))".to_owned()),
        (format!("/api/v1/regions/{TOWNSHIP}/why"), format!("Region(RegionCode({TOWNSHIP}))")),
    ] {
        for token in [ADMIN, VIEWER, LOCAL] {
            assert_eq!(station.get(token, &path).await.ok()["about"], about, "{path}");
        }
    }
    assert!(station.get(LOCAL, &format!("/api/v1/alerts/{inside}/why")).await.ok()["about"].is_string());
    // of a larger region, the caller's own part
    let city = station.get(LOCAL, "/api/v1/regions/331083/why").await.ok();
    assert_eq!(city["about"], format!("Region(RegionCode({TOWNSHIP}))"));

    station.get(LOCAL, &format!("/api/v1/units/U{outside_unit:04}/why")).await.problem(404);
    station.get(LOCAL, &format!("/api/v1/devices/acme/%E7%83%9F%E6%84%9F{outside_unit}/why")).await.problem(404);
    station.get(LOCAL, &format!("/api/v1/alerts/{outside}/why")).await.problem(404);
    station.get(LOCAL, &format!("/api/v1/regions/{OTHER_TOWNSHIP}/why")).await.problem(403);
    station.stop().await;
}

#[tokio::test]
async fn an_unknown_name_is_answered_with_the_nearest() {
    let station = Station::start().await;
    let problem = station.get(ADMIN, "/api/v1/units/U00O1/why").await.problem(404);
    assert_eq!(problem["nearest"], "U0001", "{problem}");
    let problem = station.get(ADMIN, "/api/v1/devices/acmee/%E7%83%9F%E6%84%9F3/why").await.problem(404);
    assert_eq!(problem["nearest"], "acme/烟感3", "{problem}");
    assert!(problem["detail"].as_str().unwrap().ends_with("did you mean acme/烟感3?"));
    // nothing of what lies outside of the scope
    let outside = format!("/api/v1/units/U{:04}x/why", UNITS - 1);
    let problem = station.get(LOCAL, &outside).await.problem(404);
    assert_ne!(problem["nearest"], format!("U{:04}", UNITS - 1), "{problem}");
    let problem = station.get(ADMIN, "/api/v1/units/nothing-like-it/why").await.problem(404);
    assert_eq!(problem["nearest"], Value::Null);
    station.stop().await;
}

#[tokio::test]
async fn rules_are_shown_to_operators_and_loaded_by_administrators() {
    let station = Station::start().await;
    station.get(VIEWER, "/api/v1/rules").await.problem(403);
    assert_eq!(station.get(OPERATOR, "/api/v1/rules").await.ok()["checking"], false);
    station.post(OPERATOR, "/api/v1/rules/reload", &json!({})).await.problem(403);
    let answer = station.post(ADMIN, "/api/v1/rules/reload", &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["attempt"]), (202, &json!(7)));
    station.post(ADMIN, "/api/v1/rules/reload", &json!({ "forse": true })).await.problem(422);
    station.stop().await;
}
