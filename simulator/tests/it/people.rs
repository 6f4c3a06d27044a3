//! The responders against a scripted HTTP station: open alerts, feed, actions, a broken feed, an expired cursor.

use crate::fake_station::PATIENCE;
use simulator::{
    city::{self, Settings},
    clock::{Steady, Timebase},
    people::{Access, Duty, serve},
    plan::{Atlas, Plan, Rates},
    responders::Responders,
    stats::Counters,
};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

/// Head and body of one request, and the socket to answer on.
async fn request(mut socket: TcpStream) -> Option<(String, String, TcpStream)> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let n = socket.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some((head.into(), body.into(), socket));
        }
    }
}

async fn answer(socket: &mut TcpStream, status: &str, body: &str) {
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let _ = socket.write_all(text.as_bytes()).await;
}

const FEED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn responders_work_from_the_open_alerts_and_the_feed_and_resume_where_they_were() {
    let roster = city::build(&Settings::small(300)).unwrap();
    let unit = roster.units[0].clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (tx, mut posts) = mpsc::channel::<String>(1_000);
    let (feeds_tx, mut feeds) = mpsc::channel::<String>(1_000);
    let alert = move |id: &str| {
        let (code, grid) = (&unit.code, &unit.grid);
        format!(
            r#"{{"id":"{id}","family":"fire","state":"raised","unit":"{code}","grid":"{grid}","evidence_count":1}}"#
        )
    };
    tokio::spawn(async move {
        let mut opened = 0;
        while let Ok((socket, _)) = listener.accept().await {
            let Some((head, body, mut socket)) = request(socket).await else { continue };
            let line = head.lines().next().unwrap().to_owned();
            assert!(head.to_lowercase().contains("authorization: bearer responders.word"), "{head}");
            if line.starts_with("POST") {
                tx.send(format!("{line} {body}")).await.unwrap();
                answer(&mut socket, "200 OK", "{}").await;
            } else if line.contains("bootstrap") {
                let body = format!(r#"{{"cursor":5,"at_ms":0,"alerts":[{}],"children":[]}}"#, alert("A1"));
                answer(&mut socket, "200 OK", &body).await;
            } else {
                opened += 1;
                feeds_tx.send(head.to_lowercase()).await.unwrap();
                match opened {
                    1 => {
                        // one event, then the connection breaks
                        let data = format!(
                            r#"{{"cursor":9,"type":"alert.raised","at_ms":1,"region":"x","alert":{}}}"#,
                            alert("A2")
                        );
                        let text = format!("{FEED}id: 9\nevent: alert.raised\ndata: {data}\n\n");
                        let _ = socket.write_all(text.as_bytes()).await;
                    }
                    2 => answer(&mut socket, "410 Gone", r#"{"oldest":100}"#).await,
                    _ => {
                        let _ = socket.write_all(FEED.as_bytes()).await;
                        tokio::spawn(async move {
                            tokio::time::sleep(PATIENCE).await; // keeps the feed open
                            drop(socket);
                        });
                    }
                }
            }
        }
    });
    let atlas = Arc::new(Atlas::new(&roster).unwrap());
    let clock = Steady::start();
    let time = Timebase { start_ms: clock.now_ms(), speed: 2_000.0 };
    let plan = Plan::new(&atlas, &Rates::QUIET, 1, time.start_ms);
    let duty = Duty { responders: Responders::new(&roster, 1), plan, atlas, time, clock };
    let (stop, stopped) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let access = Access { base, token: "responders.word".into() };
    let people = tokio::spawn(serve(access, duty, counters.clone(), stopped));

    let heads = [feeds.recv().await.unwrap(), feeds.recv().await.unwrap(), feeds.recv().await.unwrap()];
    assert!(heads[0].contains("feed?after=5 "), "from the cursor of the open alerts: {}", heads[0]);
    assert!(heads[1].contains("last-event-id: 9"), "on from the last event: {}", heads[1]);
    assert!(heads[2].contains("feed?after=5 "), "after 410 from the open alerts again: {}", heads[2]);

    let mut seen = Vec::new();
    let done = |seen: &Vec<String>, id: &str| {
        ["acknowledge", "arrive", "verify", "close"]
            .iter()
            .all(|verb| seen.iter().any(|s| s.contains(&format!("/api/v1/alerts/{id}/{verb} "))))
    };
    tokio::time::timeout(PATIENCE, async {
        while !(done(&seen, "A1") && done(&seen, "A2")) {
            seen.push(posts.recv().await.unwrap());
        }
    })
    .await
    .unwrap_or_else(|_| panic!("only {seen:#?}"));
    let verify = seen.iter().find(|s| s.contains("/verify ")).unwrap();
    assert!(verify.contains(r#""verdict":"false""#), "nothing was lit: {verify}");
    assert!(seen.iter().all(|s| s.contains(r#""person":""#)), "{seen:#?}");
    stop.send(true).unwrap();
    tokio::time::timeout(PATIENCE, people).await.unwrap().unwrap().unwrap();
}
