//! What vendors ask for: their refusals, and new devices.

use async_trait::async_trait;
use command_centre::{Refusal, RegisterError, Registered, Vendors};
use reqwest::Method;
use serde_json::json;

use crate::station::{ADMIN, LOCAL, OPERATOR, Station, VIEWER};

/// Refuses the same thing to every vendor.
pub struct Door;

#[async_trait]
impl Vendors for Door {
    fn refusals(&self, vendor: &str, before: Option<u64>, limit: usize) -> Vec<Refusal> {
        let refusal = |seq: u64| Refusal {
            seq,
            first_ms: 1,
            last_ms: seq,
            count: 2,
            who: Some(format!("{vendor}/d{seq}").into()),
            proved: false,
            client_id: Some("c".into()),
            peer: Some("127.0.0.1".to_owned()),
            attempt: "connect",
            topic: None,
            code: 0x86,
            reason: "Bad User Name or Password",
            detail: "set the right secret".into(),
        };
        (1..=3).rev().filter(|seq| before.is_none_or(|before| *seq < before)).take(limit).map(refusal).collect()
    }

    fn refusal_counts(&self, _: &str) -> Vec<(&'static str, u64)> {
        vec![("Bad User Name or Password", 6)]
    }

    async fn register(&self, _: &str, device: &str, account: Option<&str>) -> Result<Registered, RegisterError> {
        match (device, account) {
            ("taken", _) => Err(RegisterError::Exists("there already".to_owned())),
            ("a/b", _) => Err(RegisterError::Invalid("none of /".to_owned())),
            ("late", _) => Err(RegisterError::TooMany { detail: "tomorrow".to_owned(), retry_after_s: 7 }),
            (_, Some("silent")) => Err(RegisterError::NotAllowed("ask the operator".to_owned())),
            _ => Ok(Registered { name: device.to_owned(), secret: "s".to_owned(), on_roster: false }),
        }
    }
}

const REFUSALS: &str = "/api/v1/vendors/acme/refusals";
/// acme:vendor-secret
const BASIC: &str = "Basic YWNtZTp2ZW5kb3Itc2VjcmV0";

#[tokio::test]
async fn a_vendor_sees_its_own_refusals_and_no_others() {
    let station = Station::start().await;
    let as_vendor = station.ask(Method::GET, REFUSALS, &[("authorization", BASIC)], None).await.ok();
    assert_eq!(as_vendor["items"].as_array().unwrap().len(), 3);
    assert_eq!(as_vendor["items"][0]["who"], "acme/d3", "newest first");
    assert_eq!(station.get("acme.vendor-secret", REFUSALS).await.ok(), as_vendor);
    assert_eq!(station.get(OPERATOR, REFUSALS).await.ok(), as_vendor);
    station.get("other.vendor-secret", REFUSALS).await.problem(403);
    station.get(VIEWER, REFUSALS).await.problem(403);
    station.ask(Method::GET, REFUSALS, &[("authorization", "Basic YWNtZTpndWVzcw==")], None).await.problem(401);
    station.get("acme.guess", REFUSALS).await.problem(401);
    station.stop().await;
}

#[tokio::test]
async fn what_is_no_vendors_is_for_administrators() {
    let station = Station::start().await;
    let path = "/api/v1/vendors/unknown/refusals";
    station.get(OPERATOR, path).await.problem(403);
    assert_eq!(station.get(ADMIN, path).await.ok()["items"].as_array().unwrap().len(), 3);
    let local = station.get(LOCAL, REFUSALS).await.ok();
    assert_eq!((&local["items"], &local["counts"]), (&json!([]), &json!([])), "nobody can place these");
    station.stop().await;
}

#[tokio::test]
async fn refusals_come_in_pages() {
    let station = Station::start().await;
    let first = station.get(ADMIN, &format!("{REFUSALS}?limit=2")).await.ok();
    let next = first["next"].as_str().unwrap();
    let second = station.get(ADMIN, &format!("{REFUSALS}?limit=2&after={next}")).await.ok();
    assert_eq!((&second["items"][0]["who"], &second["next"]), (&json!("acme/d1"), &json!(null)));
    station.get(ADMIN, &format!("{REFUSALS}?after=yesterday")).await.problem(400);
    station.stop().await;
}

#[tokio::test]
async fn registering_says_what_came_of_it() {
    let station = Station::start().await;
    let path = "/api/v1/vendors/acme/devices";
    let new = station.post("acme.vendor-secret", path, &json!({ "device": "d9" })).await;
    assert_eq!(new.status, 201);
    assert_eq!(new.json()["secret"], "s");
    for (device, status) in [("taken", 409), ("a/b", 422), ("late", 429)] {
        station.post("acme.vendor-secret", path, &json!({ "device": device })).await.problem(status);
    }
    station
        .post("silent.vendor-secret", "/api/v1/vendors/silent/devices", &json!({ "device": "d" }))
        .await
        .problem(403);
    station.post("acme.vendor-secret", path, &json!({ "gadget": "d9" })).await.problem(422);
    station.post(OPERATOR, path, &json!({ "device": "d9" })).await.problem(403);
    station.stop().await;
}
