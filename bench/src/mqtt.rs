//! As much of an MQTT 3.1.1 client as a load generator needs, written into one buffer and read from one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Name and secret of a credential.
#[derive(Debug, Clone)]
pub struct Login {
    pub name: String,
    pub secret: String,
}

/// Connects from `127.0.0.{host}` (one address has about 28,000 ports) and logs in.
pub async fn connect(to: SocketAddr, host: u8, client_id: &str, login: &Login, keep_alive_s: u16) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host.max(1))), 0))?;
    let mut stream = socket.connect(to).await.context("connecting")?;
    stream.set_nodelay(true)?;
    let mut body = Vec::with_capacity(128);
    body.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2]);
    body.extend_from_slice(&keep_alive_s.to_be_bytes());
    for text in [client_id, &login.name, &login.secret] {
        put_text(&mut body, text);
    }
    let mut packet = vec![0x10];
    put_length(&mut packet, body.len());
    packet.extend_from_slice(&body);
    stream.write_all(&packet).await?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await.context("waiting for CONNACK")?;
    if connack != [0x20, 2, 0, 0] {
        bail!("refused by the station: CONNACK {connack:02x?}");
    }
    Ok(stream)
}

/// Appends a QoS 1 PUBLISH.
pub fn put_publish(buffer: &mut Vec<u8>, topic: &str, packet_id: u16, payload: &[u8]) {
    buffer.push(0x32);
    put_length(buffer, 2 + topic.len() + 2 + payload.len());
    put_text(buffer, topic);
    buffer.extend_from_slice(&packet_id.to_be_bytes());
    buffer.extend_from_slice(payload);
}

fn put_text(buffer: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("names of the load are short");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(text.as_bytes());
}

fn put_length(buffer: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = (length & 0x7F) as u8;
        length >>= 7;
        if length == 0 {
            buffer.push(low);
            return;
        }
        buffer.push(low | 0x80);
    }
}

/// Takes whole PUBACKs from the front of `buffer` and gives their packet ids; leaves a torn one.
pub fn take_pubacks(buffer: &mut Vec<u8>, mut each: impl FnMut(u16)) -> Result<()> {
    let mut at = 0;
    while buffer.len() - at >= 2 {
        let length = usize::from(buffer[at + 1]);
        if length >= 0x80 {
            bail!("an answer longer than a load generator expects");
        }
        if buffer.len() - at < 2 + length {
            break;
        }
        match buffer[at] {
            0x40 => each(u16::from_be_bytes([buffer[at + 2], buffer[at + 3]])),
            0xD0 => {}
            other => bail!("unexpected packet {other:#04x} from the station"),
        }
        at += 2 + length;
    }
    buffer.drain(..at);
    Ok(())
}
