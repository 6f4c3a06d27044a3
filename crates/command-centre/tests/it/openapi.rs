//! The document and the server name the same operations, and every one answers as the document says.

use std::collections::BTreeSet;

use command_centre::{Need, ROUTES};
use model::Colour;
use reqwest::Method;
use serde_json::{Value, json};

use crate::conform::{DOCUMENT, faults, resolve};
use crate::station::{ADMIN, Station};

fn documented() -> BTreeSet<(String, String)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
    });
    operations.collect()
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let routed: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(routed.len(), ROUTES.len(), "a route stands in the table twice");
    assert_eq!(routed, documented());
}

#[test]
fn the_document_says_what_each_route_needs() {
    for route in ROUTES {
        let operation = &DOCUMENT["paths"][route.path][route.method.to_lowercase()];
        match route.need {
            Need::Nothing => assert_eq!(operation["security"], json!([]), "{}", route.path),
            Need::Vendor(role) => {
                let description = operation["description"].as_str().unwrap();
                let asked = format!("Role: {}, or the vendor itself.", role.word());
                assert!(description.ends_with(&asked), "{}", route.path);
            }
            Need::Role(role) => {
                let description = operation["description"].as_str().unwrap();
                assert!(description.ends_with(&format!("Role: {}.", role.word())), "{}", route.path);
            }
        }
        for response in operation["responses"].as_object().unwrap().values() {
            assert!(resolve(response)["description"].is_string());
        }
    }
}

#[tokio::test]
async fn every_operation_answers() {
    let station = Station::start().await;
    station.desk.paint(0, Colour::Red);
    let alert = station.desk.raise(0).to_string();
    let added = station.add_photo(ADMIN, &alert, "RIFF....WEBP1").await;
    assert!(added.status.is_success());
    let photo = station.get(ADMIN, &format!("/api/v1/alerts/{alert}")).await.ok()["photos"][0]["sha256"].clone();
    let order = station.desk.instruct("331083001");
    station.desk.keep_silence_and_storm();
    for (method, template) in documented() {
        if template == "/api/v1/feed" {
            let mut follower = station.follow(ADMIN, "", None).await;
            assert!(follower.next().await.unwrap().is_heartbeat());
            continue;
        }
        // each stage has a hand-off of its own, and ending would forbid what comes after it
        let named = if template.contains("/hand-offs/{id}") {
            station.desk.hand_off(station.desk.raise(2), "webhook:brigade")
        } else if template.ends_with("/end") {
            station.desk.instruct("331083001")
        } else {
            order
        };
        let is_order = template.contains("/orders/{id}") || template.contains("/hand-offs/{id}");
        if template == "/api/v1/feed/ws" {
            station.get(ADMIN, &template).await.problem(426);
            continue;
        }
        let path = template
            .replace("{id}", &if is_order { named.to_string() } else { alert.clone() })
            .replace("{token}", &alert)
            .replace("{sha256}", photo.as_str().unwrap())
            .replace("{silence}", "order-0-1")
            .replace("{storm}", "order-1-1")
            .replace("/regions/{code}", "/regions/331083")
            .replace("/units/{code}", "/units/U0000")
            .replace("{client_id}", "acme%2Fgateway")
            .replace("{vendor}/{device}", "acme/%E7%83%9F%E6%84%9F0")
            .replace("{vendor}", "acme");
        let body = match template.rsplit('/').next().unwrap() {
            "voice" => json!({ "callback": alert, "digit": "1" }),
            "verify" => json!({ "verdict": "real", "cause": "wiring" }),
            "assign" => json!({ "to": "P2" }),
            "check" => json!({ "in_order": true }),
            "notes" => json!({ "note": "…" }),
            "shelve" | "out-of-service" => json!({ "note": "施工", "until_ms": 1_763_798_500_000_u64 }),
            "command" => json!({ "command": "mute", "args": { "for_s": 60 } }),
            "sightings" => json!({ "id": "s1", "kind": "smoke" }),
            "devices" => json!({ "device": "new" }),
            "silences" => json!({ "unit": "U0000", "family": "fault", "for_s": 60, "reason": "works" }),
            "session" => json!({ "token": ADMIN }),
            "orders" => json!({ "region": "331083001", "text": "全体到岗" }),
            "roll-calls" | "channel-tests" => json!({ "region": "331083001" }),
            "drills" => json!({ "region": "331083001", "note": "厨房起火" }),
            "hand-offs" => json!({ "to": "webhook:brigade" }),
            "read" | "arrived" | "done" | "cannot" if template.contains("/orders/") => {
                json!({ "person": "P2", "note": "好" })
            }
            "end" if template.contains("/silences/") => json!({}),
            "end" | "rejected" | "closed" => json!({ "reason": "已解除" }),
            _ => json!({}),
        };
        // closing would forbid what comes after it in the order of the paths
        let path =
            if template.ends_with("/close") { path.replace(&alert, &station.desk.raise(1).to_string()) } else { path };
        if template.ends_with("{client_id}") {
            station.door.put("acme/gateway", "acme", true, &[]);
        }
        let method: Method = method.parse().unwrap();
        let answer = if template.ends_with("/photos") {
            station.add_photo(ADMIN, &alert, "RIFF....WEBP2").await
        } else if method == Method::POST {
            station.post(ADMIN, &path, &body).await
        } else {
            station.ask(method.clone(), &path, &[("authorization", &format!("Bearer {ADMIN}"))], None).await
        };
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status.is_success(), "{method} {path}: {} {text}", answer.status);
    }
    station.stop().await;
}

#[test]
fn the_checker_finds_faults() {
    let event = json!({ "cursor": 1, "type": "unit.colour", "at_ms": 2, "region": "331083001001001" });
    let schema = &DOCUMENT["components"]["schemas"]["FeedEvent"];
    assert_eq!(faults(schema, &event), Vec::<String>::new());
    let without = |name: &str| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let with = |name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        event
    };
    for bad in [
        without("cursor"),
        with("cursor", json!("1")),
        with("type", json!("alert.lost")),
        with("region", json!("33")),
        with("stranger", json!(1)),
        with("alert", json!({})),
        with("unit", json!({ "id": 1, "code": "U", "colour": "green", "since_ms": 1 })),
        with("unit", json!({ "id": 1, "code": "U", "colour": "red", "since_ms": 1, "more": 1 })),
    ] {
        assert!(!faults(schema, &bad).is_empty(), "{bad}");
    }
}
