//! Tokens, roles, scopes, cookies.

use std::sync::atomic::Ordering;

use command_centre::{Need, ROUTES, Role};
use model::Colour;
use reqwest::Method;
use serde_json::json;

use crate::city::{OTHER_TOWNSHIP, TOWNSHIP, UNITS, UNITS_PER_GRID};
use crate::station::{ADMIN, LOCAL, OPERATOR, Station, VIEWER};

fn instance(template: &str) -> String {
    template.replace("{id}", "fire-0-1").replace("{code}", "331083").replace("{vendor}/{device}", "acme/x")
}

#[tokio::test]
async fn every_route_wants_a_token_with_its_role() {
    let station = Station::start_with(|settings| settings.sign_in_failures_max = 1_000).await;
    for route in ROUTES {
        let method: Method = route.method.parse().unwrap();
        let path = instance(route.path);
        let Need::Role(role) = route.need else { continue };
        let answer = station.ask(method.clone(), &path, &[], None).await;
        answer.problem(401);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        for bad in ["Bearer nobody.s", "Basic eDp5", "nonsense"] {
            station.ask(method.clone(), &path, &[("authorization", bad)], None).await.problem(401);
        }
        for (token, has) in [(VIEWER, Role::Viewer), (OPERATOR, Role::Operator)] {
            if has < role {
                let bearer = format!("Bearer {token}");
                let problem =
                    station.ask(method.clone(), &path, &[("authorization", &bearer)], None).await.problem(403);
                assert!(problem["detail"].as_str().unwrap().contains(role.word()));
            }
        }
    }
    assert_eq!(station.desk.submitted.load(Ordering::SeqCst), 0);
    station.stop().await;
}

#[tokio::test]
async fn whose_token_it_is() {
    let station = Station::start().await;
    let me = station.get(LOCAL, "/api/v1/me").await.ok();
    assert_eq!(me, json!({ "subject": "P2", "name": "P2", "role": "operator", "scope": TOWNSHIP }));
    assert_eq!(station.get(ADMIN, "/api/v1/me").await.ok()["scope"], "");
    station.stop().await;
}

#[tokio::test]
async fn a_scope_limits_every_answer() {
    let station = Station::start().await;
    let desk = &station.desk;
    let outside_unit = u32::try_from(UNITS - 1).unwrap();
    desk.paint(0, Colour::Red);
    desk.paint(outside_unit, Colour::Orange);
    let inside = desk.raise(0).to_string();
    let outside = desk.raise(outside_unit).to_string();
    let asked = &station;
    let get = |path: String| async move { asked.get(LOCAL, &path).await.ok() };

    let bootstrap = get("/api/v1/bootstrap".into()).await;
    assert_eq!(bootstrap["region"]["code"], TOWNSHIP);
    assert_eq!(bootstrap["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(bootstrap["alerts"][0]["id"], inside);
    for state in ["open", "all"] {
        let page = get(format!("/api/v1/alerts?state={state}")).await;
        assert_eq!(page["alerts"].as_array().unwrap().len(), 1, "{state}");
    }
    let units = get("/api/v1/units?limit=1000".into()).await;
    assert_eq!(units["units"].as_array().unwrap().len(), UNITS / 2);
    let events = get("/api/v1/events".into()).await;
    assert_eq!(events["events"].as_array().unwrap().len(), 2);
    assert_eq!(events["next"], 4);

    // the city is named, with the numbers of the township
    let city = get("/api/v1/regions/331083".into()).await;
    assert_eq!(city["name"], "玉环市");
    assert_eq!(city["units"], UNITS / 2);
    assert_eq!(city["counts"], json!({ "red": 1, "orange": 0, "yellow": 0, "blue": 0, "blind": 0 }));
    assert_eq!(city["open_alerts"], 1);
    assert_eq!(city["children"].as_array().unwrap().len(), 1);

    for path in
        ["regions/331083002", "bootstrap?region=331083002", "alerts?region=331083002001", "feed?region=331083002"]
    {
        let problem = station.get(LOCAL, &format!("/api/v1/{path}")).await.problem(403);
        assert!(problem["detail"].as_str().unwrap().contains(TOWNSHIP), "{path}");
    }
    for path in [format!("alerts/{outside}"), format!("units/U{outside_unit:04}")] {
        station.get(LOCAL, &format!("/api/v1/{path}")).await.problem(404);
        station.get(VIEWER, &format!("/api/v1/{path}")).await.ok();
    }
    station.post(LOCAL, &format!("/api/v1/alerts/{outside}/close"), &json!({})).await.problem(404);
    let device = format!("/api/v1/devices/acme/烟感{outside_unit}/command");
    station.post(LOCAL, &device, &json!({ "command": "mute" })).await.problem(404);
    assert_eq!(station.desk.submitted.load(Ordering::SeqCst), 0);
    assert!(station.desk.orders.lock().unwrap().is_empty());

    let snapshot = station.get(LOCAL, "/api/v1/map/snapshot").await.body;
    assert_eq!((snapshot[12], snapshot[12 + outside_unit as usize]), (Colour::Red.byte(), 0));
    let geometry = get("/api/v1/map/geometry".into()).await;
    assert_eq!(geometry["units"]["code"][outside_unit as usize], "");
    assert_eq!(geometry["units"]["grid"][outside_unit as usize], -1);
    assert_eq!(geometry["grids"].as_array().unwrap().len(), UNITS / 2 / UNITS_PER_GRID);
    assert!(!geometry.to_string().contains(OTHER_TOWNSHIP));
    station.stop().await;
}

#[tokio::test]
async fn a_feed_tells_what_is_in_scope_and_counts_the_rest() {
    let station = Station::start_with(|settings| settings.feed_heartbeat_ms = 50).await;
    let mut follower = station.follow(LOCAL, "", None).await;
    station.desk.paint(UNITS as u32 - 1, Colour::Red);
    // out of scope: only the heartbeat's cursor tells of it
    loop {
        let frame = follower.next().await.unwrap();
        assert!(frame.is_heartbeat());
        if frame.id == 1 {
            break;
        }
    }
    station.desk.paint(0, Colour::Red);
    let frame = follower.event().await;
    assert_eq!((frame.id, frame.data["unit"]["code"].as_str()), (2, Some("U0000")));
    station.stop().await;
}

#[tokio::test]
async fn a_feed_ends_with_its_token() {
    let station = Station::start_with(|settings| settings.feed_heartbeat_ms = 20).await;
    let mut follower = station.follow(VIEWER, "", None).await;
    assert!(follower.next().await.unwrap().is_heartbeat());
    station.tokens.revoke(VIEWER);
    while follower.next().await.is_some() {}
    station.get(VIEWER, "/api/v1/feed").await.problem(401);
    station.stop().await;
}

#[tokio::test]
async fn a_browser_signs_in_acts_from_its_own_page_only_and_signs_out() {
    let station = Station::start().await;
    let alert = station.desk.raise(0);
    let json_type = ("content-type", "application/json");
    let sign_in = |headers: Vec<(&'static str, &'static str)>, token: &str| {
        let body = json!({ "token": token }).to_string();
        let station = &station;
        async move { station.ask(Method::POST, "/api/v1/session", &headers, Some(body)).await }
    };
    sign_in(vec![json_type], "nobody.s").await.problem(401);
    sign_in(vec![json_type, ("origin", "http://evil")], OPERATOR).await.problem(403);
    sign_in(vec![("content-type", "text/plain")], OPERATOR).await.problem(415);
    let answer = sign_in(vec![json_type, ("sec-fetch-site", "same-origin")], OPERATOR).await;
    assert_eq!(answer.ok()["subject"], "P3");
    let set = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(set.starts_with("fenghuo_session=") && !set.contains(OPERATOR));
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(attribute), "{set}");
    }
    let cookie = set.split(';').next().unwrap();
    let with = |more: &[(&'static str, &str)]| {
        let mut headers = vec![("cookie", cookie.to_owned())];
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        headers
    };
    let ask = |method: Method, path: String, headers: Vec<(&'static str, String)>, body: Option<&'static str>| {
        let station = &station;
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            station.ask(method, &path, &headers, body.map(str::to_owned)).await
        }
    };
    assert_eq!(ask(Method::GET, "/api/v1/me".into(), with(&[]), None).await.ok()["subject"], "P3");

    let path = format!("/api/v1/alerts/{alert}/acknowledge");
    let own = format!("http://{}", station.address);
    for (headers, status) in [
        (with(&[json_type]), 403),
        (with(&[json_type, ("origin", "http://evil")]), 403),
        (with(&[json_type, ("sec-fetch-site", "cross-site"), ("origin", &own)]), 403),
        (with(&[("content-type", "text/plain"), ("origin", &own)]), 415),
    ] {
        ask(Method::POST, path.clone(), headers, Some("{}")).await.problem(status);
    }
    assert_eq!(station.desk.submitted.load(Ordering::SeqCst), 0);
    ask(Method::POST, path.clone(), with(&[json_type, ("origin", &own)]), Some("{}")).await.ok();

    let foreign = with(&[("origin", "http://evil")]);
    ask(Method::DELETE, "/api/v1/session".into(), foreign, None).await.problem(403);
    let answer = ask(Method::DELETE, "/api/v1/session".into(), with(&[]), None).await;
    assert_eq!(answer.status, 204);
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    station.stop().await;
}

#[tokio::test]
async fn many_failures_are_slowed_and_a_valid_token_is_still_taken() {
    let station = Station::start_with(|settings| settings.sign_in_failures_max = 3).await;
    for _ in 0..3 {
        station.get("nobody.s", "/api/v1/me").await.problem(401);
    }
    let answer = station.get("nobody.s", "/api/v1/me").await;
    answer.problem(429);
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds));
    let json_type = [("content-type", "application/json")];
    let body = json!({ "token": "nobody.s" }).to_string();
    station.ask(Method::POST, "/api/v1/session", &json_type, Some(body)).await.problem(429);
    station.get(VIEWER, "/api/v1/me").await.ok();
    station.stop().await;
}

#[tokio::test]
async fn chinese_token_names_work_as_bearer_and_cookie() {
    let station = Station::start().await;
    station.tokens.put("值班台.s", "P3", Role::Viewer, None);
    assert_eq!(station.get("值班台.s", "/api/v1/me").await.ok()["subject"], "P3");
    let json_type = [("content-type", "application/json")];
    let body = json!({ "token": "值班台.s" }).to_string();
    let answer = station.ask(Method::POST, "/api/v1/session", &json_type, Some(body)).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    station.ask(Method::GET, "/api/v1/me", &[("cookie", &cookie)], None).await.ok();
    station.stop().await;
}
