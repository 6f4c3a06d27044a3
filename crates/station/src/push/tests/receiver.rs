//! A real HTTP server on the loopback that answers as it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// Status line and headers for request number n, from 0; `None`: no answer, ever. A line `after <ms>;` comes first where the
/// answer takes its time.
type Script = dyn Fn(usize) -> Option<&'static str> + Send + Sync;

pub struct Receiver {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub async fn start(script: impl Fn(usize) -> Option<&'static str> + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (seen, script): (Arc<Mutex<Vec<Seen>>>, Arc<Script>) = (Arc::default(), Arc::new(script));
        let (tell, count) = watch::channel(0);
        let (tell, all) = (Arc::new(tell), Arc::clone(&seen));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&all), Arc::clone(&tell), Arc::clone(&script)));
            }
        });
        Receiver { url, seen, count, _tasks: tasks }
    }

    pub async fn takes_all() -> Receiver {
        Receiver::start(|_| Some("200 OK\r\n")).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Seen> {
        let mut counted = self.count.clone();
        let waited = tokio::time::timeout(DEADLINE, counted.wait_for(|seen| *seen >= count)).await;
        assert!(waited.is_ok(), "{} of {count} requests came", self.seen().len());
        self.seen()
    }
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, tell: Arc<watch::Sender<usize>>, script: Arc<Script>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let mut headers = HashMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.unwrap();
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        let path = line.split(' ').nth(1).unwrap().to_owned();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Seen { at: Instant::now(), path, headers, body });
            seen.len() - 1
        };
        let answer = script(number);
        tell.send_modify(|count| *count += 1);
        let Some(mut answer) = answer else { std::future::pending().await };
        if let Some((pause, rest)) = answer.strip_prefix("after ").and_then(|rest| rest.split_once(';')) {
            tokio::time::sleep(Duration::from_millis(pause.parse().unwrap())).await;
            answer = rest;
        }
        let answer = format!("HTTP/1.1 {answer}content-length: 2\r\n\r\nok");
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
