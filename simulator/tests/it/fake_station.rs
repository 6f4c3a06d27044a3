//! As much of an MQTT 3.1.1 broker as a link needs, with a mind of its own about whom to let in and what to acknowledge.

use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What the broker saw.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Connect {
        client: String,
        user: String,
        will: Option<String>,
    },
    Publish {
        topic: String,
        payload: Vec<u8>,
        qos1: bool,
    },
    Disconnect,
    /// The connection ended without a DISCONNECT.
    Broken,
}

/// How it behaves towards one connection.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    Friendly,
    /// Takes this many publishes without acknowledging the last, then hangs up.
    HangUpAfter(usize),
}

pub struct FakeStation {
    pub port: u16,
    pub seen: mpsc::Receiver<Seen>,
}

pub const PATIENCE: Duration = Duration::from_secs(20);

impl FakeStation {
    /// Listens; connection n meets `moods[n]`, later ones are friends.
    pub async fn start(moods: Vec<Mood>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tx, seen) = mpsc::channel(10_000);
        tokio::spawn(async move {
            let mut moods = moods.into_iter();
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, moods.next().unwrap_or(Mood::Friendly), tx.clone()));
            }
        });
        Self { port, seen }
    }

    pub async fn next(&mut self) -> Seen {
        tokio::time::timeout(PATIENCE, self.seen.recv()).await.expect("the broker saw nothing").unwrap()
    }

    /// The next publish, whatever comes before it.
    pub async fn next_publish(&mut self) -> (String, Vec<u8>) {
        loop {
            if let Seen::Publish { topic, payload, .. } = self.next().await {
                return (topic, payload);
            }
        }
    }
}

async fn serve(mut socket: TcpStream, mood: Mood, tx: mpsc::Sender<Seen>) {
    let mut published = 0;
    loop {
        let Some((kind, body)) = packet(&mut socket).await else {
            let _ = tx.send(Seen::Broken).await;
            return;
        };
        match kind >> 4 {
            1 => {
                let _ = tx.send(connect(&body)).await;
                socket.write_all(&[0x20, 2, 0, 0]).await.unwrap();
            }
            3 => {
                let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
                let qos1 = kind & 0b0110 == 0b0010;
                let rest = &body[2 + length..];
                let payload = rest[if qos1 { 2 } else { 0 }..].to_vec();
                let _ = tx.send(Seen::Publish { topic, payload, qos1 }).await;
                published += 1;
                if matches!(mood, Mood::HangUpAfter(n) if published == n) {
                    // what was acknowledged before still arrives
                    let _ = socket.shutdown().await;
                    while packet(&mut socket).await.is_some() {}
                    return;
                }
                if qos1 && socket.write_all(&[0x40, 2, rest[0], rest[1]]).await.is_err() {
                    return;
                }
            }
            8 => socket.write_all(&[0x90, 3, body[0], body[1], 1]).await.unwrap(),
            12 => socket.write_all(&[0xd0, 0]).await.unwrap(),
            14 => {
                let _ = tx.send(Seen::Disconnect).await;
                return;
            }
            other => panic!("packet of type {other}"),
        }
    }
}

fn connect(body: &[u8]) -> Seen {
    let flags = body[7];
    let mut at = 10;
    let mut text = || {
        let length = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
        at += 2 + length;
        String::from_utf8_lossy(&body[at - length..at]).into_owned()
    };
    let client = text();
    let will = (flags & 4 != 0).then(|| format!("{} {}", text(), text()));
    Seen::Connect { client, user: text(), will }
}

async fn packet(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = socket.read_u8().await.ok()?;
    let mut length = 0usize;
    for shift in [0, 7, 14, 21] {
        let byte = socket.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}
