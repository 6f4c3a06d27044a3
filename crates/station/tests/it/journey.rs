//! From a device's publish to the command feed, and through an alert's life to its end.

use std::time::Duration;

use rumqttc::QoS;
use serde_json::json;

use crate::device::{Client, Heard};
use crate::feed::Feed;
use crate::rig::{OPERATOR, Rig, VIEWER};

const ALARM: &str = r#"{"id":"a-1","kind":"smoke","value":0.18,"unit":"dB/m"}"#;

/// Says once that a device is there, so that its unit is not blind.
async fn hello(client: &mut Client, devices: &[&str]) {
    for device in devices {
        client.say(&format!("fire/v1/acme/{device}/state"), r#"{"state":"online","next_report_s":86400}"#).await;
    }
}

#[tokio::test]
async fn an_alarm_reaches_feed_screen_and_people_and_is_carried_to_its_end() {
    let mut rig = Rig::start(4).await;
    let mut feed = Feed::open(&rig, None).await;
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    hello(&mut vendor, &["s1a", "s1b", "h1"]).await;
    feed.next_of("unit.colour", "U1").await;
    assert_eq!(rig.get("/api/v1/units/U1").await["colour"], "blue");

    let mut worker = Client::connect(&rig, "G1", "phone-of-G1");
    worker.mqtt.subscribe("people/v1/G1/alert", QoS::AtLeastOnce).await.unwrap();

    vendor.say("fire/v1/acme/s1a/alarm", ALARM).await;
    let raised = feed.next_of("alert.raised", "U1").await;
    assert_eq!((&raised["detail"], &raised["alert"]["family"]), (&json!("a-1"), &json!("fire")));
    assert_eq!((&raised["alert"]["colour"], &raised["alert"]["state"]), (&json!("orange"), &json!("raised")));
    let id = raised["alert"]["id"].as_str().unwrap().to_owned();

    let (topic, told) = worker.message().await;
    assert_eq!(topic, "people/v1/G1/alert");
    assert_eq!(told["alert"], id.as_str());
    assert!(told["text_zh"].as_str().unwrap().contains("第1号店"), "{told}");

    // a second, independent detector of the same unit: the same alert, and the unit is red
    vendor.say("fire/v1/acme/s1b/alarm", r#"{"id":"b-1","kind":"smoke"}"#).await;
    feed.next_of("alert.updated", "U1").await;
    let unit = rig
        .until("the unit is red", async |rig| {
            let unit = rig.get("/api/v1/units/U1").await;
            (unit["colour"] == "red").then_some(unit)
        })
        .await;
    assert!(!unit["reasons"].as_array().unwrap().is_empty());
    let region = rig.get("/api/v1/regions/331083001").await;
    assert_eq!(region["counts"]["red"], 1);

    // an act of the operator on behalf of the worker
    let path = format!("/api/v1/alerts/{id}");
    let (status, _) = rig.post(&format!("{path}/acknowledge"), json!({"person": "G1"})).await;
    assert_eq!(status, 200);
    assert_eq!(feed.next_of("alert.acknowledged", "U1").await["alert"]["acknowledged_by"], json!(["G1"]));
    let (status, refused) = rig.post(&format!("{path}/close"), json!({})).await;
    assert_eq!(status, 409, "an unverified fire must not be closed: {refused}");
    let (status, _) =
        rig.post(&format!("{path}/verify"), json!({"person": "G1", "verdict": "real", "note": "看到明火"})).await;
    assert_eq!(status, 200);
    feed.next_of("alert.verified", "U1").await;
    vendor.say("fire/v1/acme/s1a/alarm", r#"{"id":"a-1","kind":"smoke","active":false}"#).await;
    vendor.say("fire/v1/acme/s1b/alarm", r#"{"id":"b-1","kind":"smoke","active":false}"#).await;
    assert_eq!(rig.get("/api/v1/units/U1").await["colour"], "red", "a verified fire stays red until it is closed");
    let (status, _) = rig.post(&format!("{path}/close"), json!({"person": "P1", "note": "已扑灭"})).await;
    assert_eq!(status, 200);
    feed.next_of("alert.closed", "U1").await;
    rig.until("the unit is blue again", async |rig| {
        (rig.get("/api/v1/units/U1").await["colour"] == "blue").then_some(())
    })
    .await;
    let alert = rig.get(&path).await;
    assert_eq!(alert["state"], "closed");
    assert!(alert["history"].as_array().unwrap().len() >= 5, "{alert}");

    // closed, and it burns again: it rings again
    vendor.say("fire/v1/acme/s1a/alarm", r#"{"id":"a-2","kind":"smoke"}"#).await;
    let again = feed.next_of("alert.raised", "U1").await;
    assert_ne!(again["alert"]["id"], id.as_str());
    assert!(rig.stop().await.success());
    assert_eq!(rig.complaints(&[]), Vec::<String>::new());
}

#[tokio::test]
async fn every_wrong_thing_gets_a_clear_refusal() {
    let mut rig = Rig::start(2).await;
    let topic = "fire/v1/acme/s1a/alarm";
    let Some(right) = rig.mosquitto_pub(("acme", "acme-secret"), topic, ALARM) else { return };
    assert!(right.status.success(), "{right:?}");
    rig.alert_of("U1").await;

    let wrong_password = rig.mosquitto_pub(("acme", "guess"), topic, ALARM).unwrap();
    assert!(!wrong_password.status.success());
    let said = String::from_utf8_lossy(&wrong_password.stderr).to_lowercase();
    assert!(said.contains("not authorized") || said.contains("bad user"), "{said}");

    let said = |output: std::process::Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).to_lowercase()
    };
    let foreign = rig.mosquitto_pub(("other", "other-secret"), topic, ALARM).unwrap();
    assert!(said(foreign).contains("not authorized"));
    let broken = rig.mosquitto_pub(("acme", "acme-secret"), topic, r#"{"id":"a-9","kind":"#).unwrap();
    assert!(said(broken).contains("payload format invalid"));
    let unknown = rig.mosquitto_pub(("acme", "acme-secret"), "fire/v1/acme/nobody/alarm", ALARM).unwrap();
    said(unknown);

    let quarantine = rig
        .until("both are in quarantine", async |rig| {
            let quarantine = rig.get("/api/v1/quarantine").await;
            (quarantine["items"].as_array()?.len() == 2).then_some(quarantine)
        })
        .await;
    let reasons: Vec<&str> =
        quarantine["items"].as_array().unwrap().iter().map(|item| item["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"unknown_device"), "{quarantine}");
    let broken =
        quarantine["items"].as_array().unwrap().iter().find(|item| item["payload_text"] == r#"{"id":"a-9","kind":"#);
    assert_eq!(broken.unwrap()["sender"], "acme");

    let (status, _) = rig.get_as("nobody.guess", "/api/v1/alerts").await;
    assert_eq!(status, 401);
    let (status, _) = rig.get_as(VIEWER, "/api/v1/quarantine").await;
    assert_eq!(status, 403);
    let (status, _) = rig.get_as(VIEWER, "/api/v1/units/U2").await;
    assert!(status == 403 || status == 404, "a township's token does not see another township: {status}");
    assert!(rig.stop().await.success());
}

#[tokio::test]
async fn a_broken_promise_makes_blind_and_a_will_is_believed() {
    let mut rig = Rig::start_with(2, "---").await;
    assert_eq!(rig.get("/api/v1/units/U1").await["colour"], "blind", "never heard of is not safe");
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    let mut feed = Feed::open(&rig, None).await;
    vendor.say("fire/v1/acme/s1a/telemetry", r#"{"values":{"smoke_db_m":0.01}}"#).await;
    let now = feed.next_of("unit.colour", "U1").await;
    assert_eq!(now["unit"]["colour"], "blue");
    vendor.say("fire/v1/acme/s1a/state", r#"{"state":"lost"}"#).await;
    let now = feed.next_of("unit.colour", "U1").await;
    assert_eq!(now["unit"]["colour"], "blind");
    assert!(rig.stop().await.success());
}

#[tokio::test]
async fn a_restart_forgets_nothing_and_says_nothing_twice() {
    let mut rig = Rig::start(4).await;
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    vendor.say("fire/v1/acme/s1a/alarm", ALARM).await;
    let before = rig.alert_of("U1").await;
    let mut feed = Feed::open(&rig, None).await;
    let cursor = rig.get("/api/v1/bootstrap").await["cursor"].as_u64().unwrap();
    rig.kill();
    rig.spawn().await;
    assert_eq!(feed.next().await, None);
    assert_eq!(rig.alert_of("U1").await, before);

    // the same alarm again, as a device does that never saw the acknowledgement
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    vendor.say("fire/v1/acme/s1a/alarm", ALARM).await;
    let mut feed = Feed::open(&rig, Some(cursor)).await;
    vendor.say("fire/v1/acme/s3a/alarm", r#"{"id":"c-1","kind":"smoke"}"#).await;
    let next = loop {
        let event = feed.next().await.unwrap();
        if event["type"].as_str().unwrap().starts_with("alert.") {
            break event;
        }
    };
    assert_eq!((&next["type"], &next["alert"]["unit"]), (&json!("alert.raised"), &json!("U3")), "nothing of U1 again");
    assert!(rig.stop().await.success());
}

#[tokio::test]
async fn a_stopping_station_acknowledges_what_it_took() {
    const ALARMS: usize = 200;
    let mut rig = Rig::start(ALARMS).await;
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    for unit in 1..=ALARMS {
        let topic = format!("fire/v1/acme/s{unit}a/alarm");
        let payload = format!(r#"{{"id":"q-{unit}","kind":"smoke"}}"#);
        vendor.mqtt.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    }
    rig.signal("-TERM");
    let mut acknowledged = 0;
    loop {
        match vendor.heard().await {
            Heard::Acknowledged => acknowledged += 1,
            Heard::Failed(_) => break,
            _ => {}
        }
    }
    assert!(rig.stop().await.success());
    assert!(acknowledged > 0, "nothing was taken before the end");
    rig.spawn().await;
    // one connection and one lane: acknowledgements came in the order of the alarms
    let events = rig.get("/api/v1/events?after=0&limit=5000").await;
    let events = events["events"].as_array().unwrap();
    for unit in 1..=acknowledged {
        let id = format!("q-{unit}");
        let times = events.iter().filter(|event| event["detail"] == id.as_str()).count();
        assert_eq!(times, 1, "alarm {id} of {acknowledged} acknowledged");
    }
    assert!(rig.stop().await.success());
}

#[tokio::test]
async fn a_command_goes_down_to_its_device() {
    let mut rig = Rig::start(2).await;
    let mut device = Client::connect(&rig, "s1a", "s1a");
    device.mqtt.subscribe("fire/v1/acme/s1a/command", QoS::AtLeastOnce).await.unwrap();
    let path = "/api/v1/devices/acme/s1a/command";
    rig.until("the device is subscribed", async |rig| {
        let answer =
            rig.client.post(rig.url(path)).bearer_auth(OPERATOR).json(&json!({"command": "mute"})).send().await;
        let answer: serde_json::Value = answer.unwrap().json().await.unwrap();
        (answer["sent"] == true).then_some(())
    })
    .await;
    let (topic, command) = device.message().await;
    assert_eq!((topic.as_str(), &command["command"]), ("fire/v1/acme/s1a/command", &json!("mute")));
    assert!(!Feed::open(&rig, None).await.hears("alert.raised", Duration::from_millis(100)).await);
    assert!(rig.stop().await.success());
}
