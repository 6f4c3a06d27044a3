//! Conformance rows: bytes that any MQTT 3.1.1 and 5.0 broker must answer in the same way.
//!
//! They run against the listener of this crate or, with `FENGHUO_CONFORM_PEER=127.0.0.1:1883`, against another broker
//! that lets everybody in, to find out whether a row asks for too much. Topics lie under `relay/`, client ids begin
//! with the row's name, so that rows do not meet.

mod packets;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use broker::{Access, Broker, Grant, Login, Parts, Refusal, Route, Settings};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use self::packets::*;
use crate::support::{Gatehouse, Packet, Raw, accept_everything, packet, settings, within};

/// Whoever is put to the test.
pub struct Peer {
    pub addr: SocketAddr,
    _broker: Option<Broker>,
}

/// The usual rights, and time that passes: the rows wait for things to expire.
struct Clocked {
    gatehouse: Gatehouse,
    began: Instant,
}

impl Clocked {
    fn new() -> Clocked {
        Clocked { gatehouse: Gatehouse::default(), began: Instant::now() }
    }
}

impl Access for Clocked {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        self.gatehouse.authenticate(login)
    }

    fn route(&self, topic: &str) -> Route {
        self.gatehouse.route(topic)
    }

    fn now_ms(&self) -> u64 {
        const BEGAN_MS: u64 = 1_700_000_000_000;
        BEGAN_MS + u64::try_from(self.began.elapsed().as_millis()).expect("a test is short")
    }
}

impl Peer {
    pub async fn start() -> Peer {
        Peer::with(settings()).await
    }

    pub async fn with(settings: Settings) -> Peer {
        if let Ok(text) = std::env::var("FENGHUO_CONFORM_PEER") {
            let addr = text.parse().expect("FENGHUO_CONFORM_PEER is an address and a port");
            return Peer { addr, _broker: None };
        }
        let (broker, inlets) = broker::start(settings, Parts::new(Arc::new(Clocked::new()))).await.unwrap();
        tokio::spawn(accept_everything(inlets));
        Peer { addr: broker.local_addr(), _broker: Some(broker) }
    }

    pub async fn open(&self) -> Client {
        let stream = within(TcpStream::connect(self.addr)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { raw: Raw { stream }, v5: true, early: VecDeque::new() }
    }

    /// Logs in; the CONNACK must be a welcome.
    pub async fn client(&self, hello: &Hello) -> Client {
        self.welcome(hello).await.0
    }

    pub async fn welcome(&self, hello: &Hello) -> (Client, Connack) {
        let mut client = self.open().await;
        client.v5 = hello.v5;
        client.send(&hello.bytes()).await;
        let connack = client.connack().await;
        assert_eq!(connack.code, 0, "{}: {connack:?}", hello.id);
        (client, connack)
    }

    /// A clean v3.1.1 or v5 client.
    pub async fn plain(&self, v5: bool, id: &str) -> Client {
        self.client(&Hello::new(v5, id)).await
    }
}

/// A CONNECT.
#[derive(Clone)]
pub struct Hello {
    pub v5: bool,
    pub id: String,
    pub clean: bool,
    pub keep_alive_s: u16,
    pub properties: Vec<u8>,
    pub will: Option<Will>,
}

#[derive(Clone)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub properties: Vec<u8>,
}

pub fn will(topic: &str, payload: &str) -> Will {
    Will { topic: topic.into(), payload: payload.into(), qos: 0, retain: false, properties: Vec::new() }
}

impl Hello {
    pub fn new(v5: bool, id: &str) -> Hello {
        Hello { v5, id: id.into(), clean: true, keep_alive_s: 60, properties: Vec::new(), will: None }
    }

    /// With a session that outlives the connection.
    pub fn lasting(v5: bool, id: &str) -> Hello {
        let properties = if v5 { expiry(600) } else { Vec::new() };
        Hello { clean: false, properties, ..Hello::new(v5, id) }
    }

    pub fn clean(self) -> Hello {
        Hello { clean: true, ..self }
    }

    pub fn with(mut self, properties: &[u8]) -> Hello {
        self.properties.extend_from_slice(properties);
        self
    }

    pub fn will(self, will: Will) -> Hello {
        Hello { will: Some(will), ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = text("MQTT");
        body.push(if self.v5 { 5 } else { 4 });
        let will = self.will.as_ref().map_or(0, |will| 4 | (will.qos << 3) | (u8::from(will.retain) << 5));
        body.push(0b1100_0000 | will | (u8::from(self.clean) << 1));
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        if self.v5 {
            body.extend_from_slice(&properties(&self.properties));
        }
        body.extend_from_slice(&text(&self.id));
        if let Some(will) = &self.will {
            if self.v5 {
                body.extend_from_slice(&properties(&will.properties));
            }
            body.extend_from_slice(&text(&will.topic));
            body.extend_from_slice(&binary(&will.payload));
        }
        body.extend_from_slice(&text("all"));
        body.extend_from_slice(&text("pw-all"));
        packet(0x10, &body)
    }
}

/// A CONNACK taken apart.
#[derive(Debug)]
pub struct Connack {
    pub present: bool,
    pub code: u8,
    pub properties: Vec<(u8, Vec<u8>)>,
}

impl Connack {
    pub fn number(&self, id: u8) -> Option<u64> {
        number(&self.properties, id)
    }
}

fn number(properties: &[(u8, Vec<u8>)], id: u8) -> Option<u64> {
    let (_, value) = properties.iter().find(|(known, _)| *known == id)?;
    Some(value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

pub struct Client {
    pub raw: Raw,
    pub v5: bool,
    /// Messages that came while something else was waited for.
    early: VecDeque<Packet>,
}

/// A client id that no other row has.
pub fn fresh(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What is wrong with a table's rows, all of them.
#[derive(Default)]
pub struct Faults(Vec<String>);

impl Faults {
    pub fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} rows fail:\n{}", self.0.len(), self.0.join("\n"));
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Without a word.
    Closed,
    /// After a DISCONNECT with this reason.
    Told(u8),
    /// Another packet came instead.
    Other(u8),
    /// It did not end.
    Open,
}

/// A broken packet is answered at once.
const SOON: Duration = Duration::from_secs(4);

/// Long enough for a broker that looks at its clocks once a second.
const NOTHING: Duration = Duration::from_millis(250);

impl Client {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.raw.send(bytes).await;
    }

    /// Sends to a peer that may close meanwhile.
    pub async fn try_send(&mut self, bytes: &[u8]) {
        let _closed = within(self.raw.stream.write_all(bytes)).await;
    }

    pub async fn packet(&mut self) -> Packet {
        self.raw.packet().await
    }

    pub async fn connack(&mut self) -> Connack {
        let packet = self.packet().await;
        assert_eq!(packet.first, 0x20, "a CONNACK: {packet:?}");
        let properties = if self.v5 && packet.body.len() > 2 { take_properties(&packet.body, 2).0 } else { Vec::new() };
        Connack { present: packet.body[0] == 1, code: packet.body[1], properties }
    }

    pub async fn publish(&mut self, publish: &Publish) {
        let bytes = publish.bytes(self.v5);
        self.send(&bytes).await;
    }

    /// Publishes and goes through all the acknowledgements.
    pub async fn publish_through(&mut self, publish: &Publish) {
        self.publish(publish).await;
        match publish.qos {
            0 => self.ping().await,
            1 => assert_eq!(self.ack().await.0, (0x40, publish.id)),
            _ => {
                assert_eq!(self.ack().await.0, (0x50, publish.id));
                self.pubrel(publish.id).await;
                assert_eq!(self.ack().await.0, (0x70, publish.id));
            }
        }
    }

    /// A PUBACK, PUBREC, PUBREL or PUBCOMP: first byte and id; reason.
    pub async fn ack(&mut self) -> ((u8, u16), u8) {
        let packet = loop {
            let packet = self.packet().await;
            if packet.first >> 4 != 3 {
                break packet;
            }
            self.early.push_back(packet);
        };
        assert!(matches!(packet.first >> 4, 4..=7), "an acknowledgement: {packet:?}");
        assert!(self.v5 || packet.body.len() == 2, "{packet:?}");
        let id = u16::from_be_bytes([packet.body[0], packet.body[1]]);
        ((packet.first, id), packet.body.get(2).copied().unwrap_or(0))
    }

    pub async fn puback(&mut self, id: u16) {
        self.send(&packet(0x40, &id.to_be_bytes())).await;
    }

    pub async fn pubrec(&mut self, id: u16) {
        self.send(&packet(0x50, &id.to_be_bytes())).await;
    }

    pub async fn pubrel(&mut self, id: u16) {
        self.send(&packet(0x62, &id.to_be_bytes())).await;
    }

    pub async fn pubcomp(&mut self, id: u16) {
        self.send(&packet(0x70, &id.to_be_bytes())).await;
    }

    pub async fn got(&mut self) -> Got {
        let packet = match self.early.pop_front() {
            Some(packet) => packet,
            None => self.packet().await,
        };
        self.read(&packet)
    }

    fn read(&self, packet: &Packet) -> Got {
        assert_eq!(packet.first >> 4, 3, "a PUBLISH: {packet:?}");
        let length = usize::from(u16::from_be_bytes([packet.body[0], packet.body[1]]));
        let mut at = 2 + length;
        let topic = String::from_utf8(packet.body[2..at].to_vec()).unwrap();
        let qos = packet.first >> 1 & 3;
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([packet.body[at], packet.body[at + 1]]);
            assert_ne!(id, 0, "MQTT-2.2.1-3");
            at += 2;
        }
        let mut properties = Vec::new();
        if self.v5 {
            (properties, at) = take_properties(&packet.body, at);
        }
        let payload = String::from_utf8(packet.body[at..].to_vec()).unwrap();
        let (dup, retain) = (packet.first & 8 > 0, packet.first & 1 > 0);
        Got { topic, payload, qos, id, dup, retain, properties }
    }

    /// The next message, acknowledged in full.
    pub async fn take(&mut self) -> Got {
        let got = self.got().await;
        match got.qos {
            0 => {}
            1 => self.puback(got.id).await,
            _ => {
                self.pubrec(got.id).await;
                assert_eq!(self.ack().await.0, (0x62, got.id), "PUBREL");
                self.pubcomp(got.id).await;
            }
        }
        got
    }

    /// Subscribes; codes of the SUBACK.
    pub async fn subscribe_with(&mut self, props: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
        let mut body = vec![0, 77];
        if self.v5 {
            body.extend_from_slice(&properties(props));
        }
        for (filter, options) in filters {
            body.extend_from_slice(&text(filter));
            body.push(*options);
        }
        self.send(&packet(0x82, &body)).await;
        self.codes(0x90).await
    }

    pub async fn subscribe(&mut self, filter: &str, options: u8) {
        let codes = self.subscribe_with(&[], &[(filter, options)]).await;
        assert_eq!(codes, [options & 3], "{filter}");
    }

    /// Subscribes with QoS 0 while messages may be on their way.
    pub async fn subscribe_after(&mut self, filter: &str) {
        let mut body = vec![0, 77];
        if self.v5 {
            body.push(0);
        }
        body.extend_from_slice(&text(filter));
        body.push(0);
        self.send(&packet(0x82, &body)).await;
        loop {
            let packet = self.packet().await;
            if packet.first == 0x90 {
                return;
            }
            self.early.push_back(packet);
        }
    }

    /// Unsubscribes; codes of the UNSUBACK, none for v3.1.1.
    pub async fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let mut body = vec![0, 77];
        if self.v5 {
            body.push(0);
        }
        filters.iter().for_each(|filter| body.extend_from_slice(&text(filter)));
        self.send(&packet(0xA2, &body)).await;
        self.codes(0xB0).await
    }

    async fn codes(&mut self, first: u8) -> Vec<u8> {
        let packet = self.packet().await;
        assert_eq!((packet.first, &packet.body[..2]), (first, &[0, 77][..]), "{packet:?}");
        let at = if self.v5 { take_properties(&packet.body, 2).1 } else { 2 };
        packet.body[at..].to_vec()
    }

    /// The connection lives and no other packet is on its way.
    pub async fn ping(&mut self) {
        assert!(self.early.is_empty(), "{:?}", self.early);
        self.raw.ping().await;
    }

    /// The connection lives and, after a while, no packet is on its way.
    pub async fn quiet(&mut self) {
        assert!(self.early.is_empty(), "{:?}", self.early);
        if let Ok(packet) = timeout(NOTHING, self.raw.try_packet()).await {
            panic!("nothing was to come: {packet:?}");
        }
        self.ping().await;
    }

    /// Reads to the end of the connection.
    pub async fn end(&mut self) -> End {
        let end = within(self.raw.try_packet()).await;
        self.read_end(end).await
    }

    async fn read_end(&mut self, packet: Option<Packet>) -> End {
        let Some(packet) = packet else { return End::Closed };
        if !self.v5 || packet.first != 0xE0 {
            return End::Other(packet.first);
        }
        let rest = timeout(SOON, self.raw.try_packet()).await;
        if rest.ok().flatten().is_some() {
            return End::Other(0xE0);
        }
        End::Told(packet.body.first().copied().unwrap_or(0))
    }

    /// Reads to the end of the connection that should come at once.
    pub async fn end_soon(&mut self) -> End {
        match timeout(SOON, self.raw.try_packet()).await {
            Ok(packet) => self.read_end(packet).await,
            Err(_) => End::Open,
        }
    }

    /// Says goodbye and waits for the end.
    pub async fn goodbye(mut self) {
        self.send(&[0xE0, 0]).await;
        assert_eq!(self.end().await, End::Closed);
    }

    /// Breaks the connection.
    pub async fn cut(mut self) {
        let _gone = self.raw.stream.shutdown().await;
        drop(self);
    }
}
