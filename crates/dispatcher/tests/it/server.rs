//! A tiny HTTP server on the loopback that answers as it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

#[derive(Clone)]
pub struct Seen {
    pub at: Instant,
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

type Script = Box<dyn Fn(usize) -> Option<String> + Send + Sync>;

pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers request number n (from 0) with `script(n)`: status line and headers, each ended by CR LF, or a whole answer; `None`:
    /// never.
    pub async fn start(script: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> Server {
        Server::begin(None, script).await
    }

    /// As [`Server::start`], over TLS.
    pub async fn start_tls(
        tls: TlsAcceptor,
        script: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    ) -> Server {
        Server::begin(Some(tls), script).await
    }

    async fn begin(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, script): (Arc<Mutex<Vec<Seen>>>, Arc<Script>) = (Arc::default(), Arc::new(Box::new(script)));
        let mut tasks = JoinSet::new();
        let all = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, all, script) = (tls.clone(), Arc::clone(&all), Arc::clone(&script));
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, all, script).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, all, script).await;
                            }
                        }
                    }
                });
            }
        });
        Server { address, seen, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?from=fenghuo", self.address)
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn request(&self, n: usize) -> Seen {
        self.seen.lock().unwrap()[n].clone()
    }
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An answer of success with a body.
pub fn says(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\n")
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Mutex<Vec<Seen>>>, script: Arc<Script>) {
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
        let n = {
            let mut seen = seen.lock().unwrap();
            seen.push(Seen { at: Instant::now(), line, headers, body });
            seen.len() - 1
        };
        let Some(head) = script(n) else { std::future::pending().await };
        let answer = if head.contains("\r\n\r\n") { head } else { format!("{head}content-length: 2\r\n\r\nok") };
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
