//! A listener to test against and a client that sends whatever bytes it is told.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::{
    Access, Broker, Grant, Inbound, Inlets, Lane, Login, Parts, Reason, Refusal, Route, SessionEvent, Settings,
    TopicFilter,
};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must happen.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it must happen in time")
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in time: {what}"));
}

/// User `u` has password `pw-u` and may publish to `up/u/#` and subscribe to `down/u/#`; `all` may
/// do everything. Topics with `urgent` are urgent, topics with `panic` panic, topics under `relay` go from client to client.
#[derive(Default)]
pub struct Gatehouse {
    clock_ms: AtomicU64,
    /// What came with the last login.
    pub certificate: Mutex<Option<Vec<u8>>>,
}

impl Access for Gatehouse {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        *self.certificate.lock().unwrap() = login.certificate.map(<[u8]>::to_vec);
        let user = login.username.ok_or(Refusal::BadCredentials)?;
        assert!(user != "panic", "asked to");
        if login.password != Some(format!("pw-{user}").as_bytes()) {
            return Err(Refusal::BadCredentials);
        }
        let filters = |prefix: &str| -> Arc<[TopicFilter]> {
            let own = format!("{prefix}/{user}/#");
            let granted: &[&str] = if user == "all" { &["#", "$SYS/#"] } else { &[&own] };
            granted.iter().map(|filter| TopicFilter::parse(filter).unwrap()).collect()
        };
        let identity = user.into();
        Ok(Grant {
            identity,
            class: "device",
            publish: filters("up"),
            subscribe: filters("down"),
            retain: user == "all",
        })
    }

    fn route(&self, topic: &str) -> Route {
        assert!(!topic.contains("panic"), "asked to");
        if topic.starts_with("relay") {
            return Route::Relay;
        }
        Route::Consumer(if topic.contains("urgent") { Lane::Urgent } else { Lane::Normal })
    }

    fn reserved(&self, topic: &str) -> bool {
        topic.starts_with("own/")
    }

    fn now_ms(&self) -> u64 {
        self.clock_ms.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Limits small enough to meet.
pub fn settings() -> Settings {
    Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        packet_limit_bytes: 64 * 1024,
        topic_levels: 16,
        topic_bytes: 512,
        ..Settings::default()
    }
}

pub async fn start(settings: Settings) -> (Broker, Inlets) {
    broker::start(settings, Parts::new(Arc::new(Gatehouse::default()))).await.unwrap()
}

/// A listener whose consumer accepts everything at once.
pub async fn start_accepting(settings: Settings) -> Broker {
    let (broker, inlets) = start(settings).await;
    tokio::spawn(accept_everything(inlets));
    broker
}

pub async fn accept_everything(mut inlets: Inlets) {
    loop {
        tokio::select! {
            Some(batch) = inlets.urgent.recv() => batch.ack.accept_all(),
            Some(batch) = inlets.normal.recv() => batch.ack.accept_all(),
            Some(_) = inlets.sessions.recv() => {}
            else => return,
        }
    }
}

pub fn payloads(batch: &Inbound) -> Vec<String> {
    batch.messages.iter().map(|m| String::from_utf8(m.payload.to_vec()).unwrap()).collect()
}

pub async fn next_up(inlets: &mut Inlets) -> SessionEvent {
    let event = within(inlets.sessions.recv()).await.unwrap();
    assert!(matches!(event, SessionEvent::Up { .. }), "{event:?}");
    event
}

pub async fn next_down(inlets: &mut Inlets) -> broker::DownCause {
    match within(inlets.sessions.recv()).await.unwrap() {
        SessionEvent::Down { cause, .. } => cause,
        other => panic!("expected the end of a connection: {other:?}"),
    }
}

/// A packet from the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub first: u8,
    pub body: Bytes,
}

impl Packet {
    /// The application message of a PUBLISH without properties, and its packet identifier.
    pub fn publish(&self, v5: bool) -> (String, u16, Bytes) {
        assert_eq!(self.first >> 4, 3, "{self:?}");
        let length = usize::from(self.body[0]) * 256 + usize::from(self.body[1]);
        let topic = String::from_utf8(self.body[2..2 + length].to_vec()).unwrap();
        let mut at = 2 + length;
        let mut id = 0;
        if self.first & 0b110 != 0 {
            id = u16::from_be_bytes([self.body[at], self.body[at + 1]]);
            at += 2;
        }
        if v5 {
            at += 1 + usize::from(self.body[at]);
        }
        (topic, id, self.body.slice(at..))
    }
}

/// A client that is only a socket.
pub struct Raw<S = TcpStream> {
    pub stream: S,
}

impl Raw {
    pub async fn open(broker: &Broker) -> Raw {
        let stream = within(TcpStream::connect(broker.local_addr())).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream }
    }

    /// Opens a socket and logs in; the CONNACK must be a welcome.
    pub async fn login(broker: &Broker, connect: &[u8]) -> Raw {
        Raw::login_with_connack(broker, connect).await.0
    }

    pub async fn login_with_connack(broker: &Broker, connect: &[u8]) -> (Raw, Packet) {
        let mut raw = Raw::open(broker).await;
        raw.send(connect).await;
        let connack = raw.packet().await;
        assert_eq!((connack.first, connack.body[1]), (0x20, 0), "{connack:?}");
        (raw, connack)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Logs in over what is already open.
    pub async fn enter(&mut self, connect: &[u8]) {
        self.send(connect).await;
        let connack = self.packet().await;
        assert_eq!((connack.first, connack.body[1]), (0x20, 0), "{connack:?}");
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.unwrap();
    }

    pub async fn packet(&mut self) -> Packet {
        within(self.try_packet()).await.expect("a packet, not the end of the connection")
    }

    /// The next packet; `None` at the end of the connection.
    pub async fn try_packet(&mut self) -> Option<Packet> {
        let first = self.stream.read_u8().await.ok()?;
        let mut length = 0usize;
        for shift in [0, 7, 14, 21] {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Packet { first, body: body.into() })
    }

    /// Expects that the listener closes without another word.
    pub async fn closed(&mut self) {
        assert_eq!(within(self.try_packet()).await, None);
    }

    /// Expects a v5 DISCONNECT with this reason, then the end.
    pub async fn disconnected(&mut self, code: u8) {
        let packet = self.packet().await;
        assert_eq!((packet.first, packet.body[0]), (0xE0, code), "{packet:?}");
        self.closed().await;
    }

    /// Sends PINGREQ and expects its answer next: all that came before was taken in and no other
    /// packet is on its way.
    pub async fn ping(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.packet().await.first, 0xD0);
    }
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
}

/// Fixed header and body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut length = body.len();
    loop {
        let byte = (length & 0x7F) as u8;
        length >>= 7;
        if length == 0 {
            out.push(byte);
            break;
        }
        out.push(byte | 0x80);
    }
    out.extend_from_slice(body);
    out
}

/// A CONNECT to be filled in.
#[derive(Clone)]
pub struct Connect {
    pub v5: bool,
    pub id: &'static str,
    pub user: &'static str,
    pub password: Option<String>,
    pub clean: bool,
    pub keep_alive_s: u16,
    pub properties: Vec<u8>,
    /// Topic, payload, will properties.
    pub will: Option<(&'static str, &'static str, Vec<u8>)>,
    pub will_qos: u8,
}

impl Connect {
    pub fn v3(id: &'static str, user: &'static str) -> Connect {
        Connect {
            v5: false,
            id,
            user,
            password: Some(format!("pw-{user}")),
            clean: true,
            keep_alive_s: 60,
            properties: Vec::new(),
            will: None,
            will_qos: 1,
        }
    }

    pub fn v5(id: &'static str, user: &'static str) -> Connect {
        Connect { v5: true, ..Connect::v3(id, user) }
    }

    /// A v5 client with a session that outlives its connection.
    pub fn lasting(id: &'static str, user: &'static str, expiry_s: u32) -> Connect {
        let mut properties = vec![0x11];
        properties.extend_from_slice(&expiry_s.to_be_bytes());
        Connect { clean: false, properties, ..Connect::v5(id, user) }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        text(&mut body, b"MQTT");
        body.push(if self.v5 { 5 } else { 4 });
        let will_flags = if self.will.is_some() { 0b100 | (self.will_qos << 3) } else { 0 };
        let password_flag = if self.password.is_some() { 0b0100_0000 } else { 0 };
        body.push(0b1000_0000 | password_flag | will_flags | (u8::from(self.clean) << 1));
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        if self.v5 {
            body.push(self.properties.len() as u8);
            body.extend_from_slice(&self.properties);
        }
        text(&mut body, self.id.as_bytes());
        if let Some((topic, payload, properties)) = &self.will {
            if self.v5 {
                body.push(properties.len() as u8);
                body.extend_from_slice(properties);
            }
            text(&mut body, topic.as_bytes());
            text(&mut body, payload.as_bytes());
        }
        text(&mut body, self.user.as_bytes());
        if let Some(password) = &self.password {
            text(&mut body, password.as_bytes());
        }
        packet(0x10, &body)
    }
}

/// A PUBLISH with QoS 1, or QoS 0 for id 0.
pub fn publish(v5: bool, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic.as_bytes());
    if id > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    if v5 {
        body.push(0);
    }
    body.extend_from_slice(payload);
    packet(if id > 0 { 0x32 } else { 0x30 }, &body)
}

pub fn subscribe(v5: bool, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if v5 {
        body.push(0);
    }
    for (filter, options) in filters {
        text(&mut body, filter.as_bytes());
        body.push(*options);
    }
    packet(0x82, &body)
}

pub fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

pub fn is_puback(packet: &Packet, id: u16) -> bool {
    packet.first == 0x40 && packet.body[..2] == id.to_be_bytes()
}

pub const ACCEPT: &[Reason] = &[Reason::Success];
