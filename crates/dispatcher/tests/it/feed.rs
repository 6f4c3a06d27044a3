//! The feed over MQTT. Time is paused.

use std::time::Duration;

use dispatcher::MqttOutcome;
use model::ledger::UnitColour;
use model::{AlertId, Colour, Cursor, Family, FeedEvent, FeedKind, UnitId};
use serde_json::json;

use crate::fixture::*;

fn event(cursor: Cursor, alert: bool) -> FeedEvent {
    let id = AlertId { epoch: cursor, unit: UnitId(0), family: Family::Fire };
    FeedEvent {
        cursor,
        epoch: cursor,
        at_ms: START_MS + cursor,
        kind: if alert { FeedKind::AlertRaised } else { FeedKind::UnitColour },
        grid: "331083001001003".parse().unwrap(),
        alert: alert.then(|| Box::new(summary(id, Colour::Orange))),
        unit: (!alert).then_some(UnitColour { unit: UnitId(0), colour: Colour::Orange, since_ms: START_MS }),
        detail: Some("a-1".into()),
    }
}

/// Makes the ledger's feed reach up to `newest`, every third event a unit's colour, and wakes the follower.
fn reach(rig: &Rig, newest: Cursor) {
    let mut feed = rig.ledger.feed.lock().unwrap();
    let from = feed.len() as u64 + 1;
    feed.extend((from..=newest).map(|cursor| event(cursor, cursor % 3 != 0)));
    rig.newest.send_replace(newest);
}

#[tokio::test(start_paused = true)]
async fn alert_events_are_published_from_now_on_in_order() {
    let rig = Rig::new();
    reach(&rig, 10);
    let handle = rig.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(rig.broker.topics().is_empty());
    reach(&rig, 11);
    until("the first", || rig.broker.topics().len() == 1).await;
    let (_, topic, body) = rig.broker.published.lock().unwrap()[0].clone();
    assert_eq!(topic, "feed/v1/331083001/331083001001/331083001001003/fire-0-11");
    let expected = json!({
        "cursor": 11, "type": "alert.raised", "at_ms": START_MS + 11, "region": "331083001001003", "detail": "a-1",
        "alert": {
            "id": "fire-0-11", "family": "fire", "colour": "orange", "state": "raised",
            "unit": "U1", "unit_name": "兴旺旅馆", "address": "城中路12号",
            "grid": "331083001001003", "village": "331083001001", "village_name": "南门社区",
            "township": "331083001", "township_name": "玉城街道",
            "raised_ms": START_MS, "updated_ms": START_MS, "ring": 1,
            "summary_zh": "烟雾报警", "summary_en": "smoke alarm",
            "acknowledged_by": [], "evidence_count": 1, "exercise": false,
        },
    });
    assert_eq!(body, expected);
    reach(&rig, 2000);
    let expected: Vec<_> = (11..=2000).filter(|cursor| cursor % 3 != 0).collect();
    until("the rest", || rig.broker.topics().len() == expected.len()).await;
    let cursor = |body: &serde_json::Value| body["cursor"].as_u64().unwrap();
    let cursors: Vec<_> = rig.broker.published.lock().unwrap().iter().map(|(_, _, body)| cursor(body)).collect();
    assert_eq!(cursors, expected);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_is_not_waited_for() {
    let rig = Rig::new();
    rig.broker.script(|topic, _| match topic.ends_with("-1") {
        true => Answer::After(Duration::from_secs(3600), MqttOutcome::Acknowledged),
        false => Answer::Now(MqttOutcome::Acknowledged),
    });
    let handle = rig.start();
    tokio::time::sleep(Duration::from_millis(10)).await;
    reach(&rig, 1);
    reach(&rig, 400);
    let begun = tokio::time::Instant::now();
    reach(&rig, 500);
    until("all", || rig.broker.topics().len() == 334).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    handle.shutdown().await;
}
