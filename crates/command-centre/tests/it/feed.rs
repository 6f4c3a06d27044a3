//! The stream: resuming, old and future cursors, slow readers, limits, the end.

use std::sync::Arc;

use model::Colour;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::city::UNITS;
use crate::station::{DEADLINE, Station, VIEWER};

fn paint_many(station: &Station, events: u64) {
    for at in 0..events {
        let round = at / UNITS as u64;
        let colour = if round.is_multiple_of(2) { Colour::Red } else { Colour::Blue };
        station.desk.paint((at % UNITS as u64) as u32, colour);
    }
}

#[tokio::test]
async fn events_come_as_they_happen_in_order() {
    let station = Station::start().await;
    let mut follower = station.follow(VIEWER, "", None).await;
    let first = follower.next().await.unwrap();
    assert!(first.is_heartbeat() && first.id == 0);
    let alert = station.desk.raise(3);
    let frame = follower.event().await;
    assert_eq!((frame.id, frame.kind.as_str()), (1, "alert.raised"));
    assert_eq!(frame.data["alert"]["id"], alert.to_string());
    assert_eq!(frame.data["alert"]["township_name"], "第1街道");
    assert_eq!(frame.data["region"], "331083001001001");
    station.desk.close(alert);
    assert_eq!(follower.event().await.kind, "alert.closed");
    station.stop().await;
}

#[tokio::test]
async fn a_consumer_resumes_without_gap_or_doubling() {
    let station = Station::start_with(|settings| settings.feed_ring_events = 10).await;
    paint_many(&station, 100);
    // from the ledger over into the ring; the header wins over the parameter
    for (query, last, expected) in
        [("?after=0", None, 1), ("?after=95", None, 96), ("?after=3", Some(50), 51), ("", Some(99), 100)]
    {
        let mut follower = station.follow(VIEWER, query, last).await;
        for id in expected..=100 {
            assert_eq!(follower.event().await.id, id, "{query} {last:?}");
        }
    }
    // broken off again and again
    let mut reached = 0;
    while reached < 100 {
        let mut follower = station.follow(VIEWER, "", Some(reached)).await;
        for _ in 0..7.min(100 - reached) {
            let frame = follower.event().await;
            assert_eq!(frame.id, reached + 1);
            reached = frame.id;
        }
    }
    station.stop().await;
}

#[tokio::test]
async fn cursors_that_do_not_fit_are_told_why() {
    let station = Station::start_with(|settings| settings.feed_ring_events = 10).await;
    paint_many(&station, 100);
    station.desk.ledger.give_up_to(40);
    for path in ["/api/v1/feed?after=39", "/api/v1/events?after=39", "/api/v1/feed?after=0"] {
        let problem = station.get(VIEWER, path).await.problem(410);
        assert_eq!(problem["oldest"], 41, "{path}");
    }
    for path in ["/api/v1/feed?after=101", "/api/v1/events?after=18446744073709551615"] {
        let problem = station.get(VIEWER, path).await.problem(409);
        assert_eq!(problem["newest"], 100, "{path}");
    }
    assert_eq!(station.follow(VIEWER, "?after=40", None).await.event().await.id, 41);
    let headers = [("authorization", &*format!("Bearer {VIEWER}")), ("last-event-id", "39")];
    station.ask(reqwest::Method::GET, "/api/v1/feed?after=90", &headers, None).await.problem(410);
    let headers = [("authorization", &*format!("Bearer {VIEWER}")), ("last-event-id", "x")];
    station.ask(reqwest::Method::GET, "/api/v1/feed", &headers, None).await.problem(400);
    station.get(VIEWER, "/api/v1/feed?after=-1").await.problem(400);
    // pages begin at the oldest when no cursor is given
    let page = station.get(VIEWER, "/api/v1/events?limit=2").await.ok();
    assert_eq!((page["events"][0]["cursor"].clone(), page["next"].clone()), (json!(41), json!(42)));
    station.stop().await;
}

#[tokio::test]
async fn pages_of_events_join() {
    let station = Station::start_with(|settings| settings.feed_ring_events = 10).await;
    paint_many(&station, 95);
    let mut next = 0;
    let mut seen = Vec::new();
    loop {
        let page = station.get(VIEWER, &format!("/api/v1/events?after={next}&limit=20")).await.ok();
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        seen.extend(events.iter().map(|event| event["cursor"].as_u64().unwrap()));
        next = page["next"].as_u64().unwrap();
    }
    assert_eq!(seen, (1..=95).collect::<Vec<u64>>());
    let page = station.get(VIEWER, "/api/v1/events?region=331083002001001&limit=100").await.ok();
    assert!(page["events"].as_array().unwrap().iter().all(|event| event["region"] == "331083002001001"));
    assert_eq!(page["next"], 95);
    station.stop().await;
}

#[tokio::test]
async fn a_quiet_feed_beats_with_its_cursor() {
    let station = Station::start_with(|settings| settings.feed_heartbeat_ms = 10).await;
    paint_many(&station, 3);
    let mut follower = station.follow(VIEWER, "?after=3", None).await;
    for _ in 0..3 {
        let frame = follower.next().await.unwrap();
        assert!(frame.is_heartbeat() && frame.id == 3 && frame.data["at_ms"].as_u64().unwrap() > 0);
    }
    station.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_is_cut_and_holds_up_nobody() {
    const EVENTS: u64 = 20_000;
    let station = Arc::new(
        Station::start_with(|settings| {
            settings.send_buffer_bytes = 16 * 1024;
            settings.feed_write_deadline_ms = 1000;
            settings.feed_consumers_max = 2;
        })
        .await,
    );
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(station.address).await.unwrap();
    let request = format!("GET /api/v1/feed?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {VIEWER}\r\n\r\n");
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut quick = station.follow(VIEWER, "?after=0", None).await;

    let painting = {
        let station = Arc::clone(&station);
        tokio::task::spawn_blocking(move || paint_many(&station, EVENTS))
    };
    for id in 1..=EVENTS {
        assert_eq!(quick.event().await.id, id);
    }
    painting.await.unwrap();
    // its place on the feed is free again once it was cut
    until_a_place_is_free(&station).await;
    // the cut shows as an end (or a reset) long before everything was sent
    let mut taken = Vec::new();
    let read_all = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = slow.read(&mut buffer).await {
            taken.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(DEADLINE, read_all).await.expect("the slow reader was cut");
    let text = String::from_utf8_lossy(&taken);
    assert!(text.contains("event: unit.colour"));
    assert!(!text.contains(&format!("id: {EVENTS}\n")));
    // it may come back where it stopped
    let reached = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse::<u64>().ok()).next_back().unwrap();
    assert_eq!(station.follow(VIEWER, "", Some(reached)).await.event().await.id, reached + 1);
    drop(quick);
    Arc::into_inner(station).unwrap().stop().await;
}

#[tokio::test]
async fn there_are_so_many_places_on_the_feed() {
    let station = Station::start_with(|settings| settings.feed_consumers_max = 2).await;
    let first = station.follow(VIEWER, "", None).await;
    let _second = station.follow(VIEWER, "", None).await;
    let answer = station.get(VIEWER, "/api/v1/feed").await;
    let problem = answer.problem(503);
    assert!(problem["detail"].as_str().unwrap().contains("feed_consumers_max"));
    assert!(answer.headers.contains_key("retry-after"));
    drop(first);
    until_a_place_is_free(&station).await;
    station.stop().await;
}

async fn until_a_place_is_free(station: &Station) {
    let asking = async {
        let url = station.url("/api/v1/feed");
        while station.client.get(&url).bearer_auth(VIEWER).send().await.unwrap().status() != 200 {}
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("a place becomes free");
}

#[tokio::test]
async fn the_end_of_the_station_ends_every_stream() {
    let station = Station::start().await;
    let mut followers = Vec::new();
    for _ in 0..5 {
        let mut follower = station.follow(VIEWER, "", None).await;
        assert!(follower.next().await.unwrap().is_heartbeat());
        followers.push(follower);
    }
    station.begin_stop();
    for follower in &mut followers {
        assert!(follower.next().await.is_none());
    }
    station.stop().await;
}
