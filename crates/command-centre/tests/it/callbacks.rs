//! What people say by a token, and the trail of it.

use std::sync::atomic::Ordering;

use model::order::Answer as Said;
use model::{Action, OrderBody};
use reqwest::Method;
use serde_json::{Value, json};

use crate::station::{Answer, Station, VIEWER};

async fn press(station: &Station, content: &str, body: String) -> Answer {
    station.ask(Method::POST, "/api/v1/callbacks/voice", &[("content-type", content)], Some(body)).await
}

async fn press_json(station: &Station, body: &Value) -> Answer {
    press(station, "application/json", body.to_string()).await
}

#[tokio::test]
async fn a_digit_in_a_call_is_an_act_of_the_person_once() {
    let station = Station::start().await;
    let id = station.desk.raise(0).to_string();
    let again = press_json(&station, &json!({ "callback": id, "digit": "7" })).await.ok();
    assert_eq!(again["result"], "not_understood");
    assert!(station.desk.commands.lock().unwrap().is_empty());
    for _ in 0..3 {
        let heard = press_json(&station, &json!({ "callback": id, "digit": 1, "call": "c-1" })).await.ok();
        assert_eq!((&heard["result"], &heard["text_zh"]), (&json!("received"), &json!("已记录您收到，谢谢")));
    }
    let form = format!("token={id}&dtmf=2%23&caller=%2B86138");
    let heard = press(&station, "application/x-www-form-urlencoded", form).await.ok();
    // the little desk knows a command by its id alone; the real one by id and action
    assert_eq!(heard["result"], "arrived");
    let commands = station.desk.commands.lock().unwrap().clone();
    assert_eq!(commands.len(), 1);
    assert_eq!((&*commands[0].person, commands[0].entered_by.as_deref()), ("P2", Some("mqtt")));
    assert_eq!(commands[0].action, Action::Acknowledge);
    assert_eq!(station.desk.reads.load(Ordering::SeqCst), 1);
    station.desk.close(id.parse().unwrap());
    let over = press_json(&station, &json!({ "callback": id, "digit": "1" })).await.ok();
    assert_eq!((&over["result"], &over["text_zh"]), (&json!("over"), &json!("该警情已结束，无需处置")));
    station.stop().await;
}

#[tokio::test]
async fn a_guesser_learns_nothing_and_is_slowed_down() {
    let station = Station::start_with(|settings| settings.sign_in_failures_max = 3).await;
    let id = station.desk.raise(0).to_string();
    let body = |token: &str| json!({ "callback": token, "digit": "1" });
    let forged = press_json(&station, &body("forged")).await.problem(404);
    let gone = press_json(&station, &body("fire-0-4711")).await.problem(404);
    assert_eq!(forged, gone);
    assert_eq!(station.ask(Method::GET, "/r/forged", &[], None).await.status, 404);
    let slowed = press_json(&station, &body("forged")).await;
    assert!(slowed.headers.contains_key("retry-after"));
    slowed.problem(429);
    let page = station.ask(Method::GET, "/r/forged", &[], None).await;
    assert!(page.status == 429 && page.headers.contains_key("retry-after"));
    assert_eq!(press_json(&station, &body(&id)).await.ok()["result"], "received", "a gateway is not locked out");
    for bad in ["{", "{}", r#"{"callback": "x"}"#, r#"{"callback": [], "digit": "1"}"#] {
        press(&station, "application/json", bad.to_owned()).await.problem(400);
        press(&station, "text/plain", bad.to_owned()).await.problem(400);
    }
    station.stop().await;
}

#[tokio::test]
async fn the_page_of_a_link_does_nothing_until_its_button_is_pressed() {
    let station = Station::start().await;
    let id = station.desk.raise(0);
    let path = format!("/r/{id}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let page = station.ask(method, &path, &[], None).await;
        assert_eq!(page.status, 200);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store");
    }
    let page = station.ask(Method::GET, &path, &[], None).await;
    let text = String::from_utf8(page.body).unwrap();
    for expected in ["烟雾浓度", "收到 Received", "<form method=\"post\">", "火警"] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("<script"));
    assert_eq!((station.desk.reads.load(Ordering::SeqCst), station.desk.submitted.load(Ordering::SeqCst)), (0, 0));

    for _ in 0..2 {
        let pressed = station.ask(Method::POST, &path, &[], None).await;
        assert!(String::from_utf8(pressed.body).unwrap().contains("已记录您收到"));
    }
    assert_eq!(station.desk.reads.load(Ordering::SeqCst), 1);
    assert_eq!(station.desk.commands.lock().unwrap().len(), 1);
    station.desk.close(id);
    for method in [Method::GET, Method::POST] {
        let text = String::from_utf8(station.ask(method, &path, &[], None).await.body).unwrap();
        assert!(text.contains("该警情已结束") && !text.contains("烟雾浓度"), "{text}");
    }
    station.stop().await;
}

#[tokio::test]
async fn the_trail_says_when_each_person_was_told_and_what_they_did() {
    let station = Station::start().await;
    let id = station.desk.raise(0);
    let trail = |station: &Station| {
        let path = format!("/api/v1/alerts/{id}/trail");
        let asked = station.client.get(station.url(&path)).bearer_auth(VIEWER);
        async move { asked.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let before = trail(&station).await;
    let person = &before["people"][0];
    assert_eq!((&person["person"], &person["acknowledged"]), (&json!("P2"), &json!(null)));
    let channel = &person["channels"][0];
    assert_eq!((&channel["state"], &channel["owed"]["after_ms"]), (&json!("owed"), &json!(0)));
    assert_eq!(channel["sent"]["reason"], "nobody is connected");
    assert_eq!((&channel["delivered"], &channel["read"]), (&json!(null), &json!(null)));

    station.ask(Method::POST, &format!("/r/{id}"), &[], None).await;
    let after = station.get(VIEWER, &format!("/api/v1/alerts/{id}/trail")).await.ok();
    let person = &after["people"][0];
    assert_eq!(person["channels"][0]["read"]["after_ms"], 1);
    assert_eq!(person["channels"][0]["read"]["reason"], "the person confirmed it");
    assert_eq!(person["acknowledged"]["after_ms"], 2);
    station.get(VIEWER, "/api/v1/alerts/fire-0-4711/trail").await.problem(404);
    station.stop().await;
}

#[tokio::test]
async fn a_press_on_an_order_is_the_answer_of_the_person() {
    let station = Station::start().await;
    let order = station.desk.owe_order();
    let page = station.ask(Method::GET, &format!("/r/{order}"), &[], None).await;
    assert!(String::from_utf8(page.body).unwrap().contains("请到岗"));
    for digit in ["1", "2"] {
        press_json(&station, &json!({ "callback": order.to_string(), "digit": digit })).await.ok();
    }
    let given = station.desk.given.lock().unwrap().clone();
    let answers: Vec<_> =
        given.iter().map(|given| (&*given.person, given.entered_by.as_deref(), &given.body)).collect();
    let answer = |answer| OrderBody::Answer { order, answer, note: None };
    let expected = [("P2", Some("mqtt"), &answer(Said::Read)), ("P2", Some("mqtt"), &answer(Said::Arrived))];
    assert_eq!(answers, expected);
    assert_ne!(given[0].id, given[1].id);
    assert_eq!(station.desk.reads.load(Ordering::SeqCst), 1);
    station.stop().await;
}
