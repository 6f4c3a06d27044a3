//! The feed over a WebSocket, with a client of its own.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use model::Colour;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::city::UNITS;
use crate::conform;
use crate::station::{DEADLINE, LOCAL, Station, VIEWER};

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(station: &Station, query: &str, headers: &[(&'static str, &str)]) -> Result<Client, Error> {
        let stream = TcpStream::connect(station.address).await.unwrap();
        Client::open_over(stream, station, query, headers).await
    }

    async fn open_over(
        stream: TcpStream,
        station: &Station,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, Error> {
        let url = format!("ws://{}/api/v1/feed/ws{query}", station.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (stream, answer) = tokio_tungstenite::client_async(request, stream).await?;
        assert_eq!(answer.status(), 101);
        Ok(Client(stream))
    }

    async fn follow(station: &Station, token: &str, query: &str) -> Client {
        Client::open(station, query, &[("authorization", &format!("Bearer {token}"))]).await.unwrap()
    }

    /// The next frame that is no ping, which the client's library answers.
    async fn frame(&mut self) -> Message {
        let next = async {
            loop {
                match self.0.next().await.expect("a frame or the close frame comes").unwrap() {
                    Message::Ping(_) | Message::Pong(_) => {}
                    frame => return frame,
                }
            }
        };
        tokio::time::timeout(DEADLINE, next).await.expect("a frame came in time")
    }

    async fn message(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next message that is no heartbeat.
    async fn event(&mut self) -> Value {
        loop {
            let message = self.message().await;
            if message["type"] != "heartbeat" {
                return message;
            }
        }
    }

    /// Code and reason of the close frame, which comes after heartbeats only.
    async fn farewell(&mut self) -> (u16, Value) {
        loop {
            match self.frame().await {
                Message::Close(Some(frame)) => {
                    return (frame.code.into(), serde_json::from_str(&frame.reason).unwrap());
                }
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(message["type"], "heartbeat", "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }
}

fn paint(station: &Station, events: u64) {
    for at in 0..events {
        let round = at / UNITS as u64;
        let colour = if round.is_multiple_of(2) { Colour::Red } else { Colour::Blue };
        station.desk.paint((at % UNITS as u64) as u32, colour);
    }
}

#[track_caller]
fn refused(opened: Result<Client, Error>) -> (u16, Value) {
    match opened {
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            (answer.status().as_u16(), serde_json::from_slice(body).unwrap_or_default())
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was let in"),
    }
}

#[tokio::test]
async fn a_socket_is_told_what_the_stream_is_told() {
    let station = Station::start_with(|settings| settings.feed_ring_events = 10).await;
    paint(&station, 95);
    let mut follower = station.follow(VIEWER, "?after=40", None).await;
    let mut client = Client::follow(&station, VIEWER, "?after=40").await;
    let first = client.message().await;
    assert_eq!((&first["type"], &first["cursor"]), (&json!("heartbeat"), &json!(40)));
    // from the ledger over into the ring, and on to what happens now
    station.desk.raise(3);
    for cursor in 41..=96 {
        let event = client.event().await;
        assert_eq!(event["cursor"], cursor);
        conform::fits("FeedEvent", &event);
        assert_eq!(event, follower.event().await.data);
    }
    let mut local = Client::follow(&station, LOCAL, "?after=0&kinds=alert&format=cloudevents").await;
    let event = local.event().await;
    conform::fits("CloudEvent", &event);
    assert_eq!(event["data"]["cursor"], 96);
    drop(follower);
    station.stop().await;
}

#[tokio::test]
async fn who_may_not_follow_gets_no_socket() {
    let station = Station::start_with(|settings| settings.feed_consumers_max = 1).await;
    paint(&station, 5);
    station.desk.ledger.give_up_to(3);
    let bearer = format!("Bearer {VIEWER}");
    let bearer = [("authorization", &*bearer)];
    assert_eq!(refused(Client::open(&station, "", &[]).await).0, 401);
    assert_eq!(refused(Client::open(&station, "", &[("authorization", "Bearer nobody")]).await).0, 401);
    assert_eq!(refused(Client::open(&station, "?after=x", &bearer).await).0, 400);
    assert_eq!(refused(Client::open(&station, "?after=6", &bearer).await).0, 409);
    let local = format!("Bearer {LOCAL}");
    let apart = Client::open(&station, "?region=331083002", &[("authorization", &local)]).await;
    assert_eq!(refused(apart).0, 403);

    // a browser's cookie opens one for the station's own page only
    let signed_in = station.post(VIEWER, "/api/v1/session", &json!({ "token": VIEWER })).await;
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let own = format!("http://{}", station.address);
    for origin in [None, Some("http://evil.example"), Some("null")] {
        let mut headers = vec![("cookie", &*cookie)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        assert_eq!(refused(Client::open(&station, "", &headers).await).0, 403, "{origin:?}");
    }
    let mut client = Client::open(&station, "?after=3", &[("cookie", &cookie), ("origin", &own)]).await.unwrap();
    assert_eq!(client.event().await["cursor"], 4);
    // places are those of all consumers together
    assert_eq!(refused(Client::open(&station, "", &bearer).await).0, 503);
    station.get(VIEWER, "/api/v1/feed").await.problem(503);

    let plain = station.get(VIEWER, "/api/v1/feed/ws").await;
    plain.problem(426);
    assert_eq!(plain.headers["upgrade"], "websocket");
    station.stop().await;
}

#[tokio::test]
async fn credit_is_counted_and_its_end_is_told_with_the_cursor() {
    let station = Station::start_with(|settings| {
        settings.feed_heartbeat_ms = 100;
        settings.feed_credit_deadline_ms = 3000;
        settings.feed_credit_max_events = 50;
        settings.feed_chunk_events = 8;
    })
    .await;
    paint(&station, 100);
    let mut client = Client::follow(&station, VIEWER, "?after=0&credit=3").await;
    for cursor in 1..=3 {
        assert_eq!(client.event().await["cursor"], cursor);
    }
    // without credit only heartbeats come, and they stay where it is
    for _ in 0..3 {
        let message = client.message().await;
        assert_eq!((&message["type"], &message["cursor"]), (&json!("heartbeat"), &json!(3)));
    }
    client.say("{\"credit\": 20}").await;
    for cursor in 4..=23 {
        assert_eq!(client.event().await["cursor"], cursor);
    }
    // more than is allowed is cut to it
    client.say("{\"credit\": 18446744073709551615}").await;
    for cursor in 24..=73 {
        assert_eq!(client.event().await["cursor"], cursor);
    }
    let (code, reason) = client.farewell().await;
    assert_eq!((code, &reason["resume"]), (4408, &json!(73)));
    let mut client = Client::follow(&station, VIEWER, "?after=73").await;
    assert_eq!(client.event().await["cursor"], 74);
    station.stop().await;
}

#[tokio::test]
async fn who_has_no_credit_and_misses_nothing_stays() {
    let station = Station::start_with(|settings| {
        settings.feed_heartbeat_ms = 20;
        settings.feed_credit_deadline_ms = 200;
    })
    .await;
    let mut client = Client::follow(&station, VIEWER, "?after=0&credit=0&kinds=alert").await;
    paint(&station, 100);
    let began = tokio::time::Instant::now();
    let mut reached = 0;
    // what is none of its business needs no credit, and its heartbeats move on
    while began.elapsed() < std::time::Duration::from_millis(500) || reached < 100 {
        let message = client.message().await;
        assert_eq!(message["type"], "heartbeat");
        reached = message["cursor"].as_u64().unwrap();
    }
    station.desk.raise(0);
    let (code, reason) = client.farewell().await;
    assert_eq!((code, &reason["resume"], &reason["why"]), (4408, &json!(100), &json!("no credit in time")));
    station.stop().await;
}

#[tokio::test]
async fn every_end_says_where_to_resume() {
    let station = Station::start_with(|settings| settings.feed_heartbeat_ms = 100).await;
    paint(&station, 9);
    station.tokens.put("leaver.s", "leaver", command_centre::Role::Viewer, None);
    for (said, code) in [("hello", 1008), ("{\"credit\": -1}", 1008), ("{\"credit\": 1, \"more\": 1}", 1008)] {
        let mut client = Client::follow(&station, VIEWER, "?after=9").await;
        client.say(said).await;
        let (told, reason) = client.farewell().await;
        assert_eq!((told, &reason["resume"]), (code, &json!(9)), "{said}");
    }
    let mut client = Client::follow(&station, VIEWER, "?after=9").await;
    client.say(&"x".repeat(5000)).await;
    assert_eq!(client.farewell().await.0, 1008);

    let mut client = Client::follow(&station, "leaver.s", "?after=9").await;
    client.message().await;
    station.tokens.revoke("leaver.s");
    assert_eq!(client.farewell().await, (4401, json!({ "resume": 9, "why": "the token changed" })));

    let mut client = Client::follow(&station, VIEWER, "?after=9").await;
    client.0.send(Message::Ping("x".into())).await.unwrap();
    let pong = async { while !matches!(client.0.next().await, Some(Ok(Message::Pong(_)))) {} };
    tokio::time::timeout(DEADLINE, pong).await.expect("a ping is answered");
    client.0.close(None).await.unwrap();
    let ends = async { while let Some(Ok(_)) = client.0.next().await {} };
    tokio::time::timeout(DEADLINE, ends).await.expect("a client that leaves is let go");

    let mut client = Client::follow(&station, VIEWER, "?after=9").await;
    client.message().await;
    station.begin_stop();
    let (code, reason) = client.farewell().await;
    assert_eq!((code, &reason["resume"]), (1001, &json!(9)));
    drop(client);
    station.stop().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_given_up() {
    let station = Station::start_with(|settings| {
        settings.feed_heartbeat_ms = 20;
        settings.feed_consumers_max = 1;
    })
    .await;
    let client = Client::follow(&station, VIEWER, "").await;
    // nobody reads it, so that nobody answers its pings; its place becomes free
    let free = async {
        let url = station.url("/api/v1/feed");
        while station.client.get(&url).bearer_auth(VIEWER).send().await.unwrap().status() != 200 {}
    };
    tokio::time::timeout(DEADLINE, free).await.expect("its place becomes free");
    drop(client);
    station.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_takes_nothing_is_cut_and_holds_up_nobody() {
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
    let slow = socket.connect(station.address).await.unwrap();
    let bearer = format!("Bearer {VIEWER}");
    let mut slow = Client::open_over(slow, &station, "?after=0", &[("authorization", &bearer)]).await.unwrap();
    let mut quick = Client::follow(&station, VIEWER, "?after=0").await;
    let painting = {
        let station = Arc::clone(&station);
        tokio::task::spawn_blocking(move || paint(&station, EVENTS))
    };
    for cursor in 1..=EVENTS {
        assert_eq!(quick.event().await["cursor"], cursor);
    }
    painting.await.unwrap();
    let free = async {
        let url = station.url("/api/v1/feed");
        while station.client.get(&url).bearer_auth(VIEWER).send().await.unwrap().status() != 200 {}
    };
    tokio::time::timeout(DEADLINE, free).await.expect("the place of the slow one becomes free");
    // what it had taken before the cut tells it where to resume
    let mut reached = 0;
    let read_all = async {
        while let Some(Ok(message)) = slow.0.next().await {
            if let Message::Text(text) = message {
                reached = serde_json::from_str::<Value>(&text).unwrap()["cursor"].as_u64().unwrap();
            }
        }
    };
    tokio::time::timeout(DEADLINE, read_all).await.expect("the slow one was cut");
    assert!(reached > 0 && reached < EVENTS, "{reached}");
    let mut again = Client::follow(&station, VIEWER, &format!("?after={reached}")).await;
    assert_eq!(again.event().await["cursor"], reached + 1);
    drop((quick, again));
    Arc::into_inner(station).unwrap().stop().await;
}
