//! A running command centre, and somebody who asks it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use command_centre::{Access, Caller, CommandCentre, Parts, Photos, RiskDay, RiskHistory, Role, Settings, View};
use model::alert::Photo;
use model::{AlertId, RegionCode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::city::{self, code};
use crate::conform;
use crate::desk::Desk;
use crate::ledger::MemoryLedger;
use crate::mqtt::Door;
use crate::{vendors, why};

pub const DEADLINE: Duration = Duration::from_secs(20);
pub const ADMIN: &str = "ops.admin.s";
pub const OPERATOR: &str = "operator.s";
pub const VIEWER: &str = "viewer.s";
/// Operator of the first township.
pub const LOCAL: &str = "local.s";

#[derive(Default)]
pub struct Tokens(Mutex<BTreeMap<String, Caller>>);

impl Tokens {
    pub fn put(&self, token: &str, subject: &str, role: Role, scope: Option<&str>) {
        let caller = Caller { subject: subject.into(), name: subject.into(), role, scope: scope.map(code) };
        self.0.lock().unwrap().insert(token.to_owned(), caller);
    }

    pub fn revoke(&self, token: &str) {
        self.0.lock().unwrap().remove(token);
    }
}

impl Access for Tokens {
    fn caller(&self, token: &str) -> Option<Caller> {
        self.0.lock().unwrap().get(token).cloned()
    }

    fn vendor(&self, name: &str, secret: &[u8]) -> Option<Box<str>> {
        (secret == b"vendor-secret").then(|| name.into())
    }
}

/// The city's mean was 40, 50 and 60 at the ends of the days 30 days ago, yesterday and today; of other regions nothing is
/// known.
struct Weeks;

impl RiskHistory for Weeks {
    fn version(&self) -> String {
        "2026-11".to_owned()
    }

    fn days(&self, region: RegionCode) -> Vec<RiskDay> {
        let today_ms = crate::desk::START_MS - crate::desk::START_MS % RiskDay::MS;
        let day = |(ago, mean)| RiskDay { begins_ms: today_ms - ago * RiskDay::MS, units: 4, mean: Some(mean) };
        let known = if region == code(city::CITY) { &[(30, 40.0), (1, 50.0), (0, 60.0)][..] } else { &[] };
        known.iter().copied().map(day).collect()
    }
}

pub struct Station {
    pub address: SocketAddr,
    pub desk: Arc<Desk>,
    pub tokens: Arc<Tokens>,
    pub door: Arc<Door>,
    pub healthy: Arc<AtomicBool>,
    pub client: reqwest::Client,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem's detail, after checking that it is one with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{text}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:fenghuo:problem:"));
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        problem
    }

    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

impl Station {
    pub async fn start() -> Station {
        Station::start_with(|_| ()).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Station {
        let mut settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        change(&mut settings);
        let ledger = Arc::new(MemoryLedger::default());
        let roster = city::roster();
        let view = Arc::new(View::load(&*ledger, Arc::clone(&roster), &settings).unwrap());
        let desk = Arc::new(Desk::new(Arc::clone(&ledger), Arc::clone(&view), roster));
        let tokens = Arc::new(Tokens::default());
        tokens.put(ADMIN, "admin", Role::Admin, None);
        tokens.put(OPERATOR, "P3", Role::Operator, None);
        tokens.put(VIEWER, "wall", Role::Viewer, None);
        tokens.put(LOCAL, "P2", Role::Operator, Some(city::TOWNSHIP));
        let door = Arc::new(Door::default());
        let healthy = Arc::new(AtomicBool::new(true));
        let is_healthy = Arc::clone(&healthy);
        let shutdown = CancellationToken::new();
        let parts = Parts {
            settings,
            devices: view.clone(),
            view,
            ledger,
            access: tokens.clone(),
            actions: desk.clone(),
            clients: Arc::clone(&door) as _,
            vendors: Arc::new(vendors::Door),
            risk: Arc::new(Weeks),
            judging: Arc::new(why::Judge),
            callbacks: desk.clone(),
            photos: Arc::new(Album::default()),
            webhooks: ["brigade".into()].into(),
            metrics: Arc::new(|| "fenghuo_up 1\n".to_owned()),
            ready: Arc::new(move || {
                let disk = if is_healthy.load(Ordering::SeqCst) { Ok(()) } else { Err("the disk is full".to_owned()) };
                vec![("journal", disk), ("rules", Ok(()))]
            }),
        };
        let (address, task) = CommandCentre::serve(parts, shutdown.clone()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Station { address, desk, tokens, door, healthy, client, shutdown, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(Method::GET, path, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
        self.ask(Method::POST, path, &headers, Some(body.to_string())).await
    }

    pub async fn add_photo(&self, token: &str, alert: &str, file: &str) -> Answer {
        let headers = [("authorization", &*format!("Bearer {token}"))];
        self.ask(Method::POST, &format!("/api/v1/alerts/{alert}/photos"), &headers, Some(file.into())).await
    }

    /// Asks, and checks the answer against the OpenAPI document where that has the operation.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
        let mut request = self.client.request(method.clone(), self.url(path)).timeout(DEADLINE);
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = Answer { status, headers, body: response.bytes().await.unwrap().to_vec() };
        if method != Method::HEAD {
            conform::check(method.as_str(), path.split('?').next().unwrap(), &answer);
        }
        answer
    }

    /// Opens a stream on the feed.
    pub async fn follow(&self, token: &str, query: &str, last_event_id: Option<u64>) -> Follower {
        let mut request = self.client.get(self.url(&format!("/api/v1/feed{query}"))).bearer_auth(token);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id.to_string());
        }
        let response = tokio::time::timeout(DEADLINE, request.send()).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{}", response.text().await.unwrap());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Follower { response, buffer: String::new(), pending: Vec::new() }
    }

    /// The parts of a second command centre beside this one.
    pub fn parts_at(&self, listen: SocketAddr) -> Parts {
        Parts {
            settings: Settings { listen, ..Settings::default() },
            devices: self.desk.view.clone(),
            view: self.desk.view.clone(),
            ledger: self.desk.ledger.clone(),
            access: self.tokens.clone(),
            actions: self.desk.clone(),
            clients: Arc::clone(&self.door) as _,
            vendors: Arc::new(vendors::Door),
            risk: Arc::new(Weeks),
            judging: Arc::new(why::Judge),
            callbacks: self.desk.clone(),
            photos: Arc::new(Album::default()),
            webhooks: ["brigade".into()].into(),
            metrics: Arc::new(String::new),
            ready: Arc::new(Vec::new),
        }
    }

    pub fn begin_stop(&self) {
        self.shutdown.cancel();
    }

    /// Stops and waits for the end of every task.
    pub async fn stop(self) {
        self.shutdown.cancel();
        drop(self.client);
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

#[derive(Debug)]
pub struct Frame {
    pub id: u64,
    pub kind: String,
    pub data: Value,
}

impl Frame {
    pub fn is_heartbeat(&self) -> bool {
        self.kind == "heartbeat"
    }
}

/// Reads a stream of server-sent events.
pub struct Follower {
    response: reqwest::Response,
    buffer: String,
    pending: Vec<u8>,
}

impl Follower {
    /// `None` at the stream's end, however it ended.
    pub async fn next(&mut self) -> Option<Frame> {
        tokio::time::timeout(DEADLINE, self.next_forever()).await.expect("a frame came in time")
    }

    async fn next_forever(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let text: String = self.buffer.drain(..end + 2).collect();
                return Some(frame(&text));
            }
            let chunk = self.response.chunk().await.ok()??;
            self.pending.extend_from_slice(&chunk);
            // a chunk may end within a character
            let whole = match std::str::from_utf8(&self.pending) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let rest = self.pending.split_off(whole);
            self.buffer.push_str(std::str::from_utf8(&self.pending).unwrap());
            self.pending = rest;
        }
    }

    /// The next frame that is no heartbeat.
    pub async fn event(&mut self) -> Frame {
        loop {
            let frame = self.next().await.expect("the stream goes on");
            if !frame.is_heartbeat() {
                return frame;
            }
        }
    }
}

fn frame(text: &str) -> Frame {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let frame = Frame {
        id: field("id").unwrap().parse().unwrap(),
        kind: field("event").unwrap().to_owned(),
        data: serde_json::from_str(field("data").unwrap()).unwrap(),
    };
    assert_eq!(frame.data["cursor"], frame.id);
    if !frame.is_heartbeat() {
        assert_eq!(frame.data["type"], frame.kind);
        conform::fits("FeedEvent", &frame.data);
    }
    frame
}

/// Photos in memory.
#[derive(Default)]
pub struct Album(Mutex<BTreeMap<(AlertId, String), Vec<u8>>>);

impl Photos for Album {
    fn put(&self, alert: AlertId, photo: &Photo, bytes: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap().insert((alert, photo.name()), bytes.to_vec());
        Ok(())
    }

    fn get(&self, alert: AlertId, photo: &Photo) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(&(alert, photo.name())).cloned())
    }
}
