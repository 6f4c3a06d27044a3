//! A webhook receiver: a small HTTP server on a thread of its own that takes everything and notes when it came.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// One request.
pub struct Got {
    pub at: Instant,
    /// `webhook-id`; empty where there is none.
    pub id: String,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Log {
    got: Mutex<Vec<Got>>,
    count: AtomicUsize,
}

/// See the head of this file. It ends with the process.
pub struct Receiver {
    pub address: SocketAddr,
    log: Arc<Log>,
}

impl Receiver {
    pub fn start() -> Result<Receiver> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let (address, log) = (listener.local_addr()?, Arc::new(Log::default()));
        let all = Arc::clone(&log);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("receiver".into()).spawn(move || {
            let _ = runtime.block_on(accept(listener, all));
        })?;
        Ok(Receiver { address, log })
    }

    pub fn count(&self) -> usize {
        self.log.count.load(Ordering::Relaxed)
    }

    /// Everything that came since the last call, in its order.
    pub fn take(&self) -> Vec<Got> {
        std::mem::take(&mut *self.log.got.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until so many requests came.
    ///
    /// # Errors
    /// When they did not within `limit`; says how many did.
    pub async fn wait_for(&self, least: usize, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        while self.count() < least {
            if Instant::now() > end {
                bail!("{} of {least} deliveries came within {} s", self.count(), limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

async fn accept(listener: std::net::TcpListener, log: Arc<Log>) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(serve(stream, Arc::clone(&log)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Log>) -> Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let field = |name: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
        };
        let length: usize = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while buffer.len() < head_end + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let id = field("webhook-id").unwrap_or_default().to_owned();
        let body = buffer[head_end..head_end + length].to_vec();
        buffer.drain(..head_end + length);
        log.got.lock().unwrap_or_else(PoisonError::into_inner).push(Got { at: Instant::now(), id, body });
        log.count.fetch_add(1, Ordering::Relaxed);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
}
