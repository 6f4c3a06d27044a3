//! Who is at the listener.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use command_centre::{ClientConnection, ClientSession, Clients};
use reqwest::Method;
use serde_json::{Value, json};

use crate::station::{ADMIN, Answer, LOCAL, OPERATOR, Station, VIEWER};

/// A listener that says what the test put in.
#[derive(Default)]
pub struct Door(Mutex<BTreeMap<String, ClientSession>>);

impl Door {
    pub fn put(&self, client_id: &str, identity: &str, connected: bool, filters: &[&str]) {
        let connection = connected.then(|| ClientConnection {
            class: "vendor",
            peer: ([10, 0, 0, 7], 50_123).into(),
            since_ms: 1_795_305_600_000,
        });
        let session = ClientSession {
            client_id: client_id.into(),
            identity: identity.into(),
            connection,
            v5: connected,
            session_expiry_s: 3_600,
            waiting: 3,
            in_flight: 1,
            subscriptions: filters.iter().map(|filter| (*filter).to_owned()).collect(),
        };
        self.0.lock().unwrap().insert(client_id.to_owned(), session);
    }
}

impl Clients for Door {
    fn page(&self, after: Option<&str>, limit: usize) -> Vec<ClientSession> {
        let sessions = self.0.lock().unwrap();
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        sessions.range::<str, _>((after, Bound::Unbounded)).take(limit).map(|(_, session)| session.clone()).collect()
    }

    fn disconnect(&self, client_id: &str) -> bool {
        let mut sessions = self.0.lock().unwrap();
        sessions.get_mut(client_id).is_some_and(|session| session.connection.take().is_some())
    }
}

async fn end(station: &Station, token: &str, client_id: &str) -> Answer {
    let path = format!("/api/v1/mqtt/connections/{client_id}");
    station.ask(Method::DELETE, &path, &[("authorization", &format!("Bearer {token}"))], None).await
}

/// All pages of so many clients.
async fn all(station: &Station, what: &str, query: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = station.get(OPERATOR, &format!("/api/v1/mqtt/{what}?limit={limit}{query}{after}")).await.ok();
        items.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('/', "%2F")),
            None => return items,
        }
    }
}

#[tokio::test]
async fn clients_are_told_in_pages() {
    let station = Station::start().await;
    for number in 0..7 {
        let identity = if number == 3 { "other" } else { "acme" };
        station.door.put(&format!("gw/{number}"), identity, number % 2 == 0, &["a/#", "b/+"][..number % 3]);
    }
    let ids = |items: &[Value]| items.iter().map(|item| item["client_id"].clone()).collect::<Vec<_>>();
    for limit in [1, 2, 3, 7, 100] {
        let connections = all(&station, "connections", "", limit).await;
        assert_eq!(ids(&connections), ["gw/0", "gw/2", "gw/4", "gw/6"], "{limit}");
        assert_eq!(all(&station, "sessions", "", limit).await.len(), 7);
        let filters = all(&station, "subscriptions", "", limit).await;
        assert_eq!(ids(&filters), ["gw/1", "gw/2", "gw/2", "gw/4", "gw/5", "gw/5"], "{limit}");
        assert_eq!(ids(&all(&station, "sessions", "&identity=other", limit).await), ["gw/3"], "{limit}");
    }
    let connection = &all(&station, "connections", "", 1).await[0];
    let expected = json!({
        "client_id": "gw/0", "identity": "acme", "class": "vendor", "protocol": "5.0", "peer": "10.0.0.7:50123",
        "since_ms": 1_795_305_600_000_u64,
    });
    assert_eq!(connection, &expected);
    let expected = json!({
        "client_id": "gw/1", "identity": "acme", "connected": false, "protocol": "3.1.1", "expiry_s": 3_600,
        "subscriptions": 1, "waiting": 3, "in_flight": 1,
    });
    assert_eq!(all(&station, "sessions", "", 100).await[1], expected);
    station.stop().await;
}

#[tokio::test]
async fn a_connection_is_ended_once() {
    let station = Station::start().await;
    station.door.put("gw/0", "acme", true, &[]);
    assert_eq!(end(&station, OPERATOR, "gw%2F0").await.status, 204);
    end(&station, OPERATOR, "gw%2F0").await.problem(404);
    end(&station, OPERATOR, "nobody").await.problem(404);
    assert!(all(&station, "connections", "", 10).await.is_empty());
    assert_eq!(all(&station, "sessions", "", 10).await.len(), 1, "its session stays");
    station.stop().await;
}

#[tokio::test]
async fn clients_are_shown_to_those_who_see_the_city() {
    let station = Station::start().await;
    for what in ["connections", "sessions", "subscriptions"] {
        let path = format!("/api/v1/mqtt/{what}");
        station.get(ADMIN, &path).await.ok();
        station.get(VIEWER, &path).await.problem(403);
        let told = station.get(LOCAL, &path).await.problem(403);
        assert!(told["detail"].as_str().unwrap().contains("whole city"), "{told}");
    }
    end(&station, LOCAL, "gw").await.problem(403);
    station.stop().await;
}
