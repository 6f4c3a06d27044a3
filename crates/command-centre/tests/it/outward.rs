//! The feed in other words, and parts of it: CloudEvents, kinds, colours.

use model::Colour;
use reqwest::Method;
use serde_json::Value;

use crate::conform;
use crate::station::{DEADLINE, Station, VIEWER};

const ENVELOPE: &str = "application/cloudevents-batch+json";

#[tokio::test]
async fn events_come_in_the_envelope_of_cloudevents() {
    let station = Station::start_with(|settings| settings.feed_source = "urn:example:yuhuan".to_owned()).await;
    let alert = station.desk.raise(3);
    station.desk.paint(7, Colour::Blind);
    let native = station.get(VIEWER, "/api/v1/events").await.ok();
    let answer = station.get(VIEWER, "/api/v1/events?format=cloudevents&region=331083&limit=1").await;
    assert_eq!(answer.headers["content-type"], ENVELOPE);
    let next = "</api/v1/events?format=cloudevents&region=331083&limit=1&after=1>; rel=\"next\"";
    assert_eq!(answer.headers["link"], next);
    let event = &answer.ok()[0];
    let at_ms = native["events"][0]["at_ms"].as_u64().unwrap();
    for (name, expected) in [
        ("specversion", "1.0".to_owned()),
        ("id", format!("1-{at_ms}")),
        ("source", "urn:example:yuhuan".to_owned()),
        ("type", "cn.fenghuo.alert.raised.v1".to_owned()),
        ("subject", alert.to_string()),
        ("time", "2025-11-22T08:00:00.001Z".to_owned()),
        ("datacontenttype", "application/json".to_owned()),
        ("sequence", "00000000000000000001".to_owned()),
        ("severitytext", "red".to_owned()),
        ("partitionkey", "U0003".to_owned()),
    ] {
        assert_eq!(event[name], expected, "{name}");
    }
    assert_eq!(event["severitynumber"], 21);
    assert_eq!(event["data"], native["events"][0], "the data is what the feed says otherwise");

    let headers = [("authorization", &*format!("Bearer {VIEWER}")), ("accept", ENVELOPE)];
    let events = station.ask(Method::GET, "/api/v1/events?after=1", &headers, None).await.ok();
    assert_eq!(events.as_array().unwrap().len(), 1);
    assert_eq!((&events[0]["subject"], &events[0]["severitytext"]), (&"U0007".into(), &"yellow".into()));
    station.stop().await;
}

#[tokio::test]
async fn the_stream_has_the_same_envelope_when_it_is_asked_for() {
    let station = Station::start().await;
    station.desk.raise(3);
    let request = station.client.get(station.url("/api/v1/feed?after=0")).bearer_auth(VIEWER);
    let request = request.header("accept", "text/event-stream, application/cloudevents+json;q=0.9");
    let mut response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("alert.raised\ndata") {
        let chunk = tokio::time::timeout(DEADLINE, response.chunk()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("event: heartbeat\ndata: {\"cursor\":0,"));
    let data = text.lines().rfind(|line| line.starts_with("data: ")).unwrap();
    let event: Value = serde_json::from_str(&data["data: ".len()..]).unwrap();
    conform::fits("CloudEvent", &event);
    assert_eq!(event["data"]["cursor"], 1);
    drop(response);
    station.stop().await;
}

#[tokio::test]
async fn a_consumer_chooses_kinds_and_colours() {
    let station = Station::start().await;
    let alert = station.desk.raise(0); // red
    for (unit, colour) in [(1, Colour::Yellow), (2, Colour::Orange), (3, Colour::Blind)] {
        station.desk.paint(unit, colour);
    }
    station.desk.close(alert);
    let cursors = async |query: &str| -> Vec<u64> {
        let page = station.get(VIEWER, &format!("/api/v1/events?{query}")).await.ok();
        assert_eq!(page["next"], 5, "what is left out is behind: {query}");
        page["events"].as_array().unwrap().iter().map(|event| event["cursor"].as_u64().unwrap()).collect()
    };
    assert_eq!(cursors("min=orange").await, [1, 3, 5]);
    assert_eq!(cursors("min=yellow").await, [1, 2, 3, 4, 5], "unknown is not safe");
    assert_eq!(cursors("kinds=alert").await, [1, 5]);
    assert_eq!(cursors("kinds=alert.closed,unit.colour&min=orange").await, [3, 5]);
    for bad in ["min=blind", "min=pink", "kinds=alarm", "format=xml"] {
        station.get(VIEWER, &format!("/api/v1/events?{bad}")).await.problem(400);
        station.get(VIEWER, &format!("/api/v1/feed?{bad}")).await.problem(400);
    }
    let mut follower = station.follow(VIEWER, "?after=0&kinds=alert.closed", None).await;
    assert_eq!(follower.event().await.id, 5);
    drop(follower);
    station.stop().await;
}
