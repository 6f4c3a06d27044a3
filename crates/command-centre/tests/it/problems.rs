//! Whatever goes wrong is a problem that says what to do.

use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::json;

use crate::station::{ADMIN, OPERATOR, Station, VIEWER};

#[tokio::test]
async fn unknown_paths_and_methods() {
    let station = Station::start().await;
    for path in ["/api", "/api/v1", "/api/v1/nothing", "/api/v2/alerts", "/api/v1/alerts/a/b/c", "/nothing.js"] {
        station.get(ADMIN, path).await.problem(404);
    }
    for (method, path, allowed) in [
        (Method::PUT, "/api/v1/alerts", "GET,HEAD"),
        (Method::POST, "/api/v1/bootstrap", "GET,HEAD"),
        (Method::GET, "/api/v1/session", "POST,DELETE"),
        (Method::DELETE, "/livez", "GET,HEAD"),
        (Method::POST, "/", "GET,HEAD"),
    ] {
        let answer = station.ask(method, path, &[("authorization", &format!("Bearer {ADMIN}"))], None).await;
        answer.problem(405);
        assert_eq!(answer.headers["allow"], allowed, "{path}");
    }
    station.stop().await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let station = Station::start().await;
    let path = format!("/api/v1/alerts/{}/close", station.desk.raise(0));
    let bearer = format!("Bearer {OPERATOR}");
    let json_type = [("authorization", &*bearer), ("content-type", "application/json")];
    let ask = |body: String| station.ask(Method::POST, &path, &json_type, Some(body));
    ask("{\"note\":".into()).await.problem(400);
    ask(format!("{{\"note\":\"{}\"}}", "x".repeat(70_000))).await.problem(413);
    // without a length told beforehand
    let chunks = futures::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1000])));
    let request =
        station.client.post(station.url(&path)).bearer_auth(OPERATOR).header("content-type", "application/json");
    let response = request.body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(response.status(), 413);
    let text_type = [("authorization", &*bearer), ("content-type", "text/plain")];
    station.ask(Method::POST, &path, &text_type, Some("{}".into())).await.problem(415);
    assert_eq!(station.desk.submitted.load(Ordering::SeqCst), 0);
    station.stop().await;
}

#[tokio::test]
async fn parameters_that_cannot_be_read_are_named() {
    let station = Station::start().await;
    for (path, names) in [
        ("alerts?state=maybe", "state"),
        ("alerts?limit=many", "limit"),
        ("alerts?before=x-1", "before"),
        ("alerts?regoin=331083", "regoin"),
        ("bootstrap?region=33", "region"),
        ("units?colour=green", "colour"),
        ("events?after=x", "after"),
        ("feed?region=x", "region"),
    ] {
        let problem = station.get(VIEWER, &format!("/api/v1/{path}")).await.problem(400);
        assert!(problem["detail"].as_str().unwrap().contains(names), "{path}: {problem}");
    }
    station.get(VIEWER, "/api/v1/units/%ff").await.problem(400);
    station.stop().await;
}

#[tokio::test]
async fn health_is_told_without_a_token() {
    let station = Station::start().await;
    let live = station.ask(Method::GET, "/livez", &[], None).await;
    assert_eq!((live.status.as_u16(), &live.body[..]), (200, &b"ok\n"[..]));
    assert_eq!(station.ask(Method::GET, "/readyz", &[], None).await.ok()["ready"], true);
    station.healthy.store(false, Ordering::SeqCst);
    let problem = station.ask(Method::GET, "/readyz", &[], None).await.problem(503);
    assert!(problem["detail"].as_str().unwrap().contains("journal"));
    assert_eq!(problem["checks"][0], json!({ "name": "journal", "ok": false, "detail": "the disk is full" }));
    let metrics = station.ask(Method::GET, "/metrics", &[], None).await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(&metrics.body[..], b"fenghuo_up 1\n");
    station.stop().await;
}
