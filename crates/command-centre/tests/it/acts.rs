//! What people do.

use std::sync::atomic::Ordering;

use command_centre::Role;
use model::Action;
use reqwest::Method;
use serde_json::json;

use crate::station::{ADMIN, LOCAL, OPERATOR, Station, VIEWER};

#[tokio::test]
async fn an_alert_goes_from_ringing_to_closed() {
    let station = Station::start().await;
    let id = station.desk.raise(0);
    let mut follower = station.follow(VIEWER, "", None).await;
    for (verb, body, state) in [
        ("acknowledge", json!({ "note": "来了" }), "acknowledged"),
        ("arrive", json!({}), "arrived"),
        ("verify", json!({ "verdict": "false", "cause": "steam" }), "verified"),
        ("assign", json!({ "to": "P3" }), "verified"),
        ("begin-work", json!({}), "in_work"),
        ("finish-work", json!({ "note": "done" }), "in_work"),
        ("check", json!({ "in_order": true }), "checked"),
        ("notes", json!({ "note": "门锁已换" }), "checked"),
        ("shelve", json!({ "note": "施工", "until_ms": 9 }), "shelved"),
        ("unshelve", json!({}), "checked"),
        ("out-of-service", json!({ "note": "改造" }), "out_of_service"),
        ("return-to-service", json!({}), "checked"),
        ("close", json!({}), "closed"),
    ] {
        let answer = station.post(LOCAL, &format!("/api/v1/alerts/{id}/{verb}"), &body).await.ok();
        assert_eq!(answer["alert"]["state"], state, "{verb}");
        // what was answered is in the view and on the feed
        let open = station.get(VIEWER, "/api/v1/alerts").await.ok();
        assert_eq!(open["alerts"].as_array().unwrap().len(), usize::from(state != "closed"));
        assert_eq!(follower.event().await.data["alert"], answer["alert"]);
    }
    let problem = station.post(LOCAL, &format!("/api/v1/alerts/{id}/acknowledge"), &json!({})).await.problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("closed"));
    let commands = station.desk.commands.lock().unwrap().clone();
    assert_eq!(commands[0].action, Action::Acknowledge);
    assert_eq!((&*commands[0].person, commands[0].entered_by.as_deref()), ("P2", None));
    assert_eq!(commands[0].note.as_deref(), Some("来了"));
    let ids: std::collections::BTreeSet<_> = commands.iter().map(|command| command.id.clone()).collect();
    assert_eq!(ids.len(), commands.len(), "every act has an id of its own");
    station.stop().await;
}

#[tokio::test]
async fn the_same_key_acts_once() {
    let station = Station::start().await;
    let id = station.desk.raise(0);
    let other = station.desk.raise(1);
    let press = |token: &'static str, alert: String, key: &'static str| {
        let station = &station;
        async move {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", &*bearer), ("idempotency-key", key)];
            station.ask(Method::POST, &format!("/api/v1/alerts/{alert}/acknowledge"), &headers, None).await
        }
    };
    let first = press(OPERATOR, id.to_string(), "k1").await.ok();
    assert_eq!(press(OPERATOR, id.to_string(), "k1").await.ok(), first);
    assert_eq!(station.desk.commands.lock().unwrap().len(), 1);
    // a key is its caller's own
    let second = press(LOCAL, id.to_string(), "k1").await.ok();
    assert_eq!(second["alert"]["acknowledged_by"], json!(["P3", "P2"]));
    assert_eq!(press(OPERATOR, other.to_string(), "k1").await.problem(422)["field"], "Idempotency-Key");
    let too_long = "k".repeat(65).leak();
    press(OPERATOR, id.to_string(), too_long).await.problem(400);
    station.stop().await;
}

#[tokio::test]
async fn an_operator_may_enter_it_for_somebody_else() {
    let station = Station::start().await;
    let path = format!("/api/v1/alerts/{}/acknowledge", station.desk.raise(0));
    let answer = station.post(OPERATOR, &path, &json!({ "person": "P2" })).await.ok();
    assert_eq!(answer["alert"]["acknowledged_by"], json!(["P2"]));
    let command = station.desk.commands.lock().unwrap()[0].clone();
    assert_eq!((&*command.person, command.entered_by.as_deref()), ("P2", Some("P3")));
    assert_eq!(station.post(OPERATOR, &path, &json!({ "person": "P9" })).await.problem(422)["field"], "person");
    station.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_named() {
    let station = Station::start().await;
    let id = station.desk.raise(0);
    for (verb, body, names) in [
        ("acknowledge", json!({ "nota": "x" }), "nota"),
        ("acknowledge", json!({ "note": 7 }), "note"),
        ("acknowledge", json!({ "note": "x".repeat(1001) }), "note"),
        ("acknowledge", json!({ "note": "a\u{0}b" }), "control characters"),
        ("notes", json!({ "note": "\u{1b}[31m" }), "control characters"),
        ("verify", json!({}), "verdict"),
        ("verify", json!({ "verdict": "perhaps" }), "verdict"),
        ("verify", json!({ "verdict": "real", "cause": "dragon" }), "dragon"),
        ("assign", json!({}), "to"),
        ("assign", json!({ "to": "P9" }), "P9"),
        ("check", json!({ "note": "x" }), "in_order"),
        ("notes", json!({}), "note"),
        ("notes", json!({ "note": " " }), "note"),
        ("shelve", json!({ "note": "x" }), "until_ms"),
        ("shelve", json!({ "until_ms": 9 }), "note"),
        ("out-of-service", json!({}), "note"),
        ("close", json!([]), "body"),
    ] {
        let problem = station.post(OPERATOR, &format!("/api/v1/alerts/{id}/{verb}"), &body).await.problem(422);
        assert!(problem["detail"].as_str().unwrap().contains(names), "{problem}");
    }
    for unknown in ["fire-0-999", "smoke-1-2", "x"] {
        station.post(OPERATOR, &format!("/api/v1/alerts/{unknown}/close"), &json!({})).await.problem(404);
    }
    assert_eq!(station.desk.submitted.load(Ordering::SeqCst), 0);
    station.stop().await;
}

#[tokio::test]
async fn an_act_that_hangs_is_answered() {
    let station = Station::start_with(|settings| settings.action_deadline_ms = 50).await;
    let id = station.desk.raise(0);
    station.desk.hangs.store(true, Ordering::SeqCst);
    let problem = station.post(OPERATOR, &format!("/api/v1/alerts/{id}/close"), &json!({})).await.problem(504);
    assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"));
    station.stop().await;
}

#[tokio::test]
async fn devices_are_commanded() {
    let station = Station::start().await;
    let path = |at: u32| format!("/api/v1/devices/acme/烟感{at}/command");
    let body = json!({ "command": "mute", "args": { "for_s": 60 } });
    let answer = station.post(OPERATOR, &path(0), &body).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({ "sent": true })));
    assert_eq!(station.post(OPERATOR, &path(1), &json!({ "command": "self_test" })).await.json()["sent"], false);
    let orders = station.desk.orders.lock().unwrap().clone();
    assert_eq!((&*orders[0].by, &*orders[0].args_json), ("P3", "{\"for_s\":60}"));
    assert_eq!((&*orders[1].command, &*orders[1].args_json), ("self_test", "null"));
    station.post(OPERATOR, &path(0), &json!({ "command": "" })).await.problem(422);
    station.post(OPERATOR, &path(999), &json!({ "command": "mute" })).await.problem(404);
    station.stop().await;
}

#[tokio::test]
async fn a_roster_is_loaded_or_its_faults_are_told() {
    let station = Station::start().await;
    let reloaded = station.post(ADMIN, "/api/v1/roster/reload", &json!({})).await.ok();
    assert_eq!(reloaded, json!({ "version": 2, "added": 1, "changed": 2, "retired": 3 }));
    station.tokens.put("f.s", "faulty", Role::Admin, None);
    let problem = station.post("f.s", "/api/v1/roster/reload", &json!({})).await.problem(422);
    assert_eq!(problem["faults"][0], "units.csv:3: owner nobody is not in people.csv");
    station.stop().await;
}

#[tokio::test]
async fn people_report_what_they_see() {
    let station = Station::start().await;
    let path = "/api/v1/units/U0000/sightings";
    let body = json!({ "id": "photo-1", "kind": "fire", "note": "三楼冒火" });
    let taken = station.post(LOCAL, path, &body).await;
    assert_eq!((taken.status.as_u16(), taken.json()), (202, json!({ "epoch": 1 })));
    let call = json!({ "id": "call-7", "kind": "smoke", "person": "13800000000" });
    assert_eq!(station.post(OPERATOR, path, &call).await.status, 202);
    let seen = station.desk.sightings.lock().unwrap().clone();
    let told: Vec<_> = seen.iter().map(|one| (&*one.id, &*one.by, one.kind.word(), &*one.note)).collect();
    assert_eq!(told, [("P2/photo-1", "P2", "fire", "三楼冒火"), ("P3/call-7", "13800000000", "smoke", "")]);
    // outside of the caller's scope it does not exist; a viewer reports nothing
    let outside = format!("/api/v1/units/U{:04}/sightings", crate::city::UNITS - 1);
    station.post(LOCAL, &outside, &body).await.problem(404);
    station.post(VIEWER, path, &body).await.problem(403);
    for (bad, field) in [
        (json!({ "id": "", "kind": "fire" }), "id"),
        (json!({ "id": "x", "kind": "fire", "person": "" }), "person"),
        (json!({ "id": "x", "kind": "fire", "note": "长".repeat(1001) }), "note"),
        (json!({ "id": "x", "kind": "fire", "note": "a\u{7}" }), "note"),
    ] {
        assert_eq!(station.post(OPERATOR, path, &bad).await.problem(422)["field"], field, "{bad}");
    }
    let problem = station.post(OPERATOR, path, &json!({ "id": "x", "kind": "flood" })).await.problem(422);
    assert!(problem["detail"].as_str().unwrap().contains("all_clear"), "{problem}");
    assert_eq!(station.desk.sightings.lock().unwrap().len(), 2);
    station.stop().await;
}

const PICTURE: &str = "RIFF....WEBP";

#[tokio::test]
async fn a_photo_is_kept_and_comes_back_as_a_picture_and_nothing_else() {
    let station = Station::start_with(|settings| settings.photo_limit_bytes = 64).await;
    let id = station.desk.raise(0).to_string();
    let added = station.add_photo(LOCAL, &id, PICTURE).await.ok();
    assert_eq!(added["alert"]["id"], id);
    let story = station.get(VIEWER, &format!("/api/v1/alerts/{id}")).await.ok();
    let photo = &story["photos"][0];
    assert_eq!((&photo["media_type"], &photo["bytes"]), (&json!("image/webp"), &json!(12)));
    assert_eq!(photo["by"]["person"], "P2");
    let path = format!("/api/v1/alerts/{id}/photos/{}", photo["sha256"].as_str().unwrap());
    let answer = station.get(VIEWER, &path).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, PICTURE.as_bytes()));
    assert_eq!(answer.headers["content-type"], "image/webp");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.headers["content-disposition"].to_str().unwrap().ends_with(".webp\""));
    // another alert's page does not show it, nor does a token of another place
    let other = station.desk.raise(1);
    station.get(VIEWER, &path.replace(&id, &other.to_string())).await.problem(404);
    station.get(VIEWER, &path.replace("photos/", "photos/0")).await.problem(404);
    for (file, status) in [
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        ("<script>", 415),
        ("GIF89a", 415),
        ("", 415),
        (&*format!("{PICTURE}{}", "x".repeat(64)), 413),
    ] {
        station.add_photo(LOCAL, &id, file).await.problem(status);
    }
    station.add_photo(VIEWER, &id, PICTURE).await.problem(403);
    station.add_photo(LOCAL, "fire-0-999", PICTURE).await.problem(404);
    let commands = station.desk.commands.lock().unwrap().len();
    assert_eq!(commands, 1, "nothing was journalled of what was refused");
    station.stop().await;
}

#[tokio::test]
async fn the_case_file_holds_everything_and_its_history_can_be_checked() {
    let station = Station::start().await;
    let id = station.desk.raise(0);
    station.post(LOCAL, &format!("/api/v1/alerts/{id}/arrive"), &json!({})).await.ok();
    let body = json!({ "verdict": "real", "cause": "wiring" });
    station.post(LOCAL, &format!("/api/v1/alerts/{id}/verify"), &body).await.ok();
    station.add_photo(LOCAL, &id.to_string(), PICTURE).await.ok();
    let answer = station.get(VIEWER, &format!("/api/v1/alerts/{id}/case")).await;
    assert!(answer.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let file = answer.ok();
    assert_eq!((&file["alert"]["id"], &file["chain"]["fault"]), (&json!(id.to_string()), &json!(null)));
    assert_eq!(file["alert"]["cause"]["text_zh"], "电气线路");
    assert_eq!(file["chain"]["items"].as_array().unwrap().len(), 4);
    assert_eq!(file["chain"]["seal"], file["alert"]["seal"]);
    let acts = file["alert"]["people"][0]["acts"].as_array().unwrap();
    let acts: Vec<&str> = acts.iter().map(|act| act["what"].as_str().unwrap()).collect();
    assert_eq!(acts, ["alert.raised", "alert.arrived", "alert.verified", "alert.photographed"]);
    assert!(!file["unit"]["devices"].as_array().unwrap().is_empty());
    station.get(VIEWER, "/api/v1/alerts/fire-0-999/case").await.problem(404);
    station.stop().await;
}
