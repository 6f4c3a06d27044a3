//! Orders from one press at the centre to the people's own channels, their answers and back.

use std::process::Command;

use rumqttc::QoS;
use serde_json::json;

use crate::device::Client;
use crate::feed::Feed;
use crate::rig::{Rig, fenghuo};

#[tokio::test]
async fn an_order_reaches_a_worker_and_the_answer_is_counted() {
    let mut rig = Rig::start(4).await;
    let mut feed = Feed::open(&rig, None).await;
    let mut worker = Client::connect(&rig, "G1", "phone-of-G1");
    worker.mqtt.subscribe("people/v1/G1/alert", QoS::AtLeastOnce).await.unwrap();

    let body = json!({"region": "331083001", "text": "全体到岗，检查出租房", "colour": "red"});
    let (status, given) = rig.post("/api/v1/orders", body).await;
    assert_eq!(status, 200, "{given}");
    let id = given["order"]["id"].as_str().unwrap().to_owned();
    assert_eq!(given["order"]["counts"]["asked"], 3);
    let event = feed.next().await.unwrap();
    assert_eq!((&event["type"], &event["order"]["id"]), (&json!("order.given"), &json!(id)));
    let (topic, told) = worker.message().await;
    assert_eq!((topic.as_str(), &told["order"]), ("people/v1/G1/alert", &json!(id)));
    assert_eq!((&told["text"], &told["colour"]), (&json!("全体到岗，检查出租房"), &json!("red")));

    let path = format!("/api/v1/orders/{id}");
    for verb in ["read", "arrived", "done", "done"] {
        let (status, now) = rig.post(&format!("{path}/{verb}"), json!({"person": "G1"})).await;
        assert_eq!(status, 200, "{now}");
    }
    let (status, _) = rig.post(&format!("{path}/read"), json!({"person": "G2"})).await;
    assert_eq!(status, 409, "another township's worker was not asked");
    let whole = rig
        .until("the channel says that the worker was reached", async |rig| {
            let whole = rig.get(&path).await;
            (whole["totals"]["delivered"] == 1).then_some(whole)
        })
        .await;
    let totals = &whole["totals"];
    assert_eq!(
        (&totals["read"], &totals["arrived"], &totals["done"], &totals["silent"]),
        (&json!(1), &json!(1), &json!(1), &json!(2))
    );
    let receipt = loop {
        let event = feed.next().await.unwrap();
        if event["type"] == "order.receipt" && event["order"]["counts"]["done"] == 1 {
            break event;
        }
    };
    assert_eq!(receipt["order"]["id"], id.as_str());

    // a drill goes the real way, and no unit changes its colour
    let drill = json!({"region": "331083001", "units": ["U1"], "note": "厨房起火", "lasts_s": 600});
    let (status, drilled) = rig.post("/api/v1/drills", drill).await;
    assert_eq!(status, 200, "{drilled}");
    let raised = feed.next_of("alert.raised", "U1").await;
    assert_eq!(raised["alert"]["exercise"], true);
    let (_, told) = worker.message().await;
    assert_eq!((&told["alert"], &told["exercise"]), (&raised["alert"]["id"], &json!(true)));
    assert!(told["text_zh"].as_str().unwrap().starts_with("【演练"), "{told}");
    assert_eq!(rig.get("/api/v1/units/U1").await["colour"], "blind", "as before");
    let end = format!("/api/v1/orders/{}/end", drilled["order"]["id"].as_str().unwrap());
    let (status, _) = rig.post(&end, json!({"reason": "演练结束"})).await;
    assert_eq!(status, 200);
    feed.next_of("alert.closed", "U1").await;

    // the same after a hard stop, and the journal replays to the same
    rig.kill();
    rig.spawn().await;
    assert_eq!(rig.get(&path).await["totals"], whole["totals"]);
    let (status, _) = rig.post(&format!("{path}/end"), json!({"reason": "已解除"})).await;
    assert_eq!(status, 200);
    assert!(rig.stop().await.success());
    let audit = Command::new(fenghuo()).args(["audit", "--config"]).arg(rig.config_path()).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}
