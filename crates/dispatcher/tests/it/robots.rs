//! Robots of group chats.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dispatcher::{Dingtalk, Wecom};
use hmac::{Hmac, Mac};
use model::alert::ReceiptOutcome;
use model::{Colour, DeliveryState, Family};
use serde_json::json;
use sha2::Sha256;

use crate::fixture::*;
use crate::server::*;

const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;
const TOO_FAST: &str = r#"{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}"#;

fn dingtalk(server: &Server) -> Dingtalk {
    let text = format!(
        "name = \"south\"\nallow_private = true\nsecret = \"SECabc\"\nurl = \"http://{}/robot/send?access_token=t\"",
        server.address
    );
    toml::from_str(&text).unwrap()
}

fn wecom(server: &Server) -> Wecom {
    toml::from_str(&format!("name = \"south\"\nallow_private = true\nurl = \"http://{}/send?key=k\"", server.address))
        .unwrap()
}

#[tokio::test]
async fn a_dingtalk_message_is_signed_and_names_the_person() {
    let server = Server::start(|_| Some(says(OK))).await;
    let mut rig = Rig::new();
    rig.settings.dingtalk = vec![dingtalk(&server)];
    assert!(
        !format!("{:?}", rig.settings).contains("SECabc") && !format!("{:?}", rig.settings).contains("access_token")
    );
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "dingtalk:south", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    assert_eq!(rig.desk.last_reason("d1"), "the robot took it (errcode 0)");
    let seen = server.request(0);
    assert_eq!(
        seen.json(),
        json!({
            "msgtype": "markdown",
            "markdown": {
                "title": "【红色火警】",
                "text": "#### 【红色火警】\n> 南门社区3网格兴旺旅馆，城中路12号：烟雾报警。王某，请立即到场核实\n@13800000001",
            },
            "at": {"atMobiles": ["13800000001"], "isAtAll": false},
        })
    );
    let query = seen.line.split(' ').nth(1).unwrap().strip_prefix("/robot/send?access_token=t&timestamp=").unwrap();
    let (timestamp, sign) = query.split_once("&sign=").unwrap();
    assert!((START_MS..START_MS + 60_000).contains(&timestamp.parse().unwrap()));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"SECabc").unwrap();
    mac.update(format!("{timestamp}\nSECabc").as_bytes());
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(sign.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="), expected);
    handle.shutdown().await;
}

/// Deliveries about as many alerts.
fn storm(rig: &Rig, count: u64, prefix: &str, channel: &str, colour: Colour) -> Vec<model::Delivery> {
    (0..count).map(|n| of_alert(n + 1, rig.delivery(&format!("{prefix}{n}"), channel, colour))).collect()
}

#[tokio::test]
async fn a_storm_goes_in_digests_and_a_red_alert_goes_alone() {
    let server = Server::start(|_| Some(says(OK))).await;
    let mut rig = Rig::new();
    rig.settings.dingtalk = vec![dingtalk(&server)];
    let mut yellow = storm(&rig, 100, "y", "dingtalk:south", Colour::Yellow);
    for delivery in &mut yellow {
        alert_of(delivery).id.family = Family::Fire;
    }
    let handle = rig.start();
    rig.owe(&handle, yellow);
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 100).await;
    assert_eq!(server.count(), 3, "40, 40 and 20 in one message");
    assert_eq!(rig.desk.last_reason("y0"), "the robot took it (errcode 0), in a digest of 40");
    let text = server.request(0).json()["markdown"]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("#### 【40条告警汇总】\n1. 【黄色火警】南门社区3网格兴旺旅馆"), "{text}");
    assert!(text.contains("\n40. ") && text.len() < 15_000);
    let begun = tokio::time::Instant::now();
    rig.owe(&handle, vec![of_alert(777, rig.delivery("red", "dingtalk:south", Colour::Red))]);
    until("the red one is delivered", || rig.ledger.get("red").state == DeliveryState::Delivered).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.request(3).json()["markdown"]["title"], "【红色火警】");
    handle.shutdown().await;
}

#[tokio::test]
async fn several_people_of_one_alert_are_told_in_one_message() {
    let server = Server::start(|_| Some(says(OK))).await;
    let mut rig = Rig::new();
    rig.settings.wecom = vec![wecom(&server)];
    let handle = rig.start();
    let people = (0..5).map(|n| {
        let mut delivery = rig.delivery(&format!("d{n}"), "wecom:south", Colour::Red);
        delivery.person_name = format!("人{n}").into();
        delivery
    });
    rig.owe(&handle, people.collect());
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 5).await;
    assert_eq!(server.count(), 1);
    let text =
        "【红色火警】\n南门社区3网格兴旺旅馆，城中路12号：烟雾报警。人0，请立即到场核实（同告：人1、人2、人3、人4）";
    let expected = json!({"msgtype": "text", "text": {"content": text, "mentioned_mobile_list": ["13800000001"]}});
    assert_eq!(server.request(0).json(), expected);
    // what is not red is Markdown
    rig.owe(&handle, vec![of_alert(9, rig.delivery("o", "wecom:south", Colour::Orange))]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 6).await;
    assert_eq!(server.request(1).json()["msgtype"], "markdown");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_robot_that_had_too_much_is_left_alone_and_then_red_goes_first() {
    let server = Server::start(|n| Some(says(if n == 0 { TOO_FAST } else { OK }))).await;
    let mut rig = Rig::new();
    rig.settings.dingtalk = vec![Dingtalk { busy_rest_s: 2, ..dingtalk(&server) }];
    rig.settings.retry_s = vec![0, 1];
    let handle = rig.start();
    rig.owe(&handle, vec![of_alert(1, rig.delivery("o", "dingtalk:south", Colour::Orange))]);
    until("it was refused", || rig.desk.outcomes("o").len() == 1).await;
    assert!(rig.desk.last_reason("o").contains("130101") && rig.desk.last_reason("o").contains("rests 2 s"));
    rig.owe(&handle, storm(&rig, 3, "late", "dingtalk:south", Colour::Orange));
    rig.owe(&handle, vec![of_alert(9, rig.delivery("red", "dingtalk:south", Colour::Red))]);
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 5).await;
    assert!(server.request(1).at - server.request(0).at >= Duration::from_millis(1900));
    assert_eq!(server.request(1).json()["markdown"]["title"], "【红色火警】");
    handle.shutdown().await;
}

#[tokio::test]
async fn other_answers_are_tried_again() {
    for (answer, word) in [
        (says(r#"{"errcode":310000,"errmsg":"sign not match"}"#), "errcode 310000: sign not match"),
        (says("<html>"), "not the answer of a robot"),
        (status("502 Bad Gateway"), "HTTP 502"),
    ] {
        let server = Server::start(move |_| Some(answer.clone())).await;
        let mut rig = Rig::new();
        rig.settings.wecom = vec![wecom(&server)];
        let handle = rig.start();
        rig.owe(&handle, vec![rig.delivery("d1", "wecom:south", Colour::Red)]);
        until("it was tried", || !rig.desk.outcomes("d1").is_empty()).await;
        assert_eq!(rig.desk.outcomes("d1")[0], ReceiptOutcome::Retry);
        assert!(rig.desk.last_reason("d1").contains(word), "{}", rig.desk.last_reason("d1"));
        handle.shutdown().await;
    }
}
