//! An MQTT client that does nothing by itself: what it sends again, and when, is the test's decision.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Who connects, and how.
#[derive(Clone)]
pub struct Login {
    pub name: String,
    pub client_id: String,
    /// MQTT 5, or 3.1.1.
    pub v5: bool,
    /// Life of the session without a connection (5: its expiry; 3.1.1: clean session where 0), seconds.
    pub expiry_s: u32,
}

/// What the station says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Puback { id: u16, reason: u8 },
    Pubrec { id: u16, reason: u8 },
    Pubrel { id: u16 },
    Pubcomp { id: u16, reason: u8 },
    Publish { topic: String, payload: Vec<u8>, qos: u8, dup: bool, id: u16 },
    Suback { id: u16, codes: Vec<u8> },
    Other(u8),
}

/// An open connection.
pub struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
    v5: bool,
}

impl Raw {
    /// Connects; says whether the station had a session. The first connection of a client id may find one.
    pub async fn connect(address: SocketAddr, login: &Login) -> io::Result<(Raw, bool)> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut raw = Raw { stream, received: Vec::new(), v5: login.v5 };
        let mut body = vec![0, 4];
        body.extend(b"MQTT");
        let clean = u8::from(!login.v5 && login.expiry_s == 0) << 1;
        body.extend([if login.v5 { 5 } else { 4 }, 0xC0 | clean, 0, 60]);
        if login.v5 {
            body.extend([5, 0x11]);
            body.extend(login.expiry_s.to_be_bytes());
        }
        for text in [&login.client_id, &login.name, &format!("{}-secret", login.name)] {
            put_text(&mut body, text);
        }
        raw.send(0x10, &body).await?;
        let (first, body) = raw.frame().await?;
        match body.get(..2) {
            Some(&[present, 0]) if first == 0x20 => Ok((raw, present == 1)),
            _ => Err(io::Error::other(format!("CONNACK {first:#x} {body:?}"))),
        }
    }

    pub async fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, id: u16, dup: bool) -> io::Result<()> {
        let mut body = Vec::with_capacity(topic.len() + payload.len() + 8);
        put_text(&mut body, topic);
        if qos > 0 {
            body.extend(id.to_be_bytes());
        }
        if self.v5 {
            body.push(0);
        }
        body.extend(payload);
        self.send(0x30 | qos << 1 | u8::from(dup) << 3, &body).await
    }

    pub async fn puback(&mut self, id: u16) -> io::Result<()> {
        self.send(0x40, &id.to_be_bytes()).await
    }

    pub async fn pubrec(&mut self, id: u16) -> io::Result<()> {
        self.send(0x50, &id.to_be_bytes()).await
    }

    pub async fn pubrel(&mut self, id: u16) -> io::Result<()> {
        self.send(0x62, &id.to_be_bytes()).await
    }

    pub async fn pubcomp(&mut self, id: u16) -> io::Result<()> {
        self.send(0x70, &id.to_be_bytes()).await
    }

    /// Subscribes and waits for the SUBACK; messages that come before it are handed back.
    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<Vec<Packet>> {
        let mut body = 1u16.to_be_bytes().to_vec();
        if self.v5 {
            body.push(0);
        }
        put_text(&mut body, filter);
        body.push(qos);
        self.send(0x82, &body).await?;
        let mut before = Vec::new();
        loop {
            match self.next().await? {
                Packet::Suback { codes, .. } if codes == [qos] => return Ok(before),
                Packet::Suback { codes, .. } => {
                    return Err(io::Error::other(format!("SUBACK {codes:?} for {filter}, QoS {qos}")));
                }
                other => before.push(other),
            }
        }
    }

    /// The next packet; may be cancelled without loss.
    pub async fn next(&mut self) -> io::Result<Packet> {
        let (first, body) = self.frame().await?;
        let id = |at: usize| body.get(at..at + 2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
        let reason = body.get(2).copied().unwrap_or(0);
        Ok(match first >> 4 {
            3 => {
                let qos = first >> 1 & 3;
                let mut at = 2 + usize::from(id(0));
                let topic = String::from_utf8(body[2..at].to_vec()).map_err(io::Error::other)?;
                let packet_id = if qos > 0 { id(at) } else { 0 };
                at += if qos > 0 { 2 } else { 0 };
                if self.v5 {
                    let (length, bytes) = variable(&body[at..]).unwrap_or((0, 1));
                    at += length + bytes;
                }
                Packet::Publish { topic, payload: body[at..].to_vec(), qos, dup: first & 8 != 0, id: packet_id }
            }
            4 => Packet::Puback { id: id(0), reason },
            5 => Packet::Pubrec { id: id(0), reason },
            6 => Packet::Pubrel { id: id(0) },
            7 => Packet::Pubcomp { id: id(0), reason },
            9 => Packet::Suback { id: id(0), codes: body[if self.v5 { 3 } else { 2 }..].to_vec() },
            14 => return Err(io::Error::other(format!("DISCONNECT {body:?}"))),
            kind => Packet::Other(kind),
        })
    }

    async fn send(&mut self, first: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = vec![first];
        let mut length = body.len();
        loop {
            let more = length > 127;
            packet.push((length & 127) as u8 | u8::from(more) << 7);
            length >>= 7;
            if !more {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).await
    }

    async fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            if let Some((length, bytes)) = self.received.get(1..).and_then(variable) {
                let end = 1 + bytes + length;
                if self.received.len() >= end {
                    let packet: Vec<u8> = self.received.drain(..end).collect();
                    return Ok((packet[0], packet[1 + bytes..].to_vec()));
                }
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

/// A variable byte integer, and how many bytes it takes.
fn variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 127) << (7 * at);
        if byte & 128 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}
