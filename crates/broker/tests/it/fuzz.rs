//! Fuzzed bytes over real sockets: whatever a client sends after its CONNECT, or instead of it, the listener answers or
//! closes in time, no task panics, and another client does not notice. FENGHUO_FUZZ_INPUTS sets how many streams are
//! sent (default 200; each is several packets).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker::Broker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

use crate::support::{Connect, Raw, packet, publish, settings, start_accepting, subscribe, within};

fn inputs() -> usize {
    let asked = std::env::var("FENGHUO_FUZZ_INPUTS").ok().and_then(|text| text.parse::<usize>().ok());
    asked.map_or(200, |inputs| inputs / 50)
}

fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Packets that work together: subscriptions, publishes that match them, the answers of QoS 2.
fn conversation(v5: bool) -> Vec<Vec<u8>> {
    let mut packets = seeds(if v5 { "v5" } else { "v3" });
    packets.push(subscribe(v5, 1, &[("relay/#", 2), ("+/x", 1)]));
    packets.push(subscribe(v5, 2, &[("$share/g/relay/#", 1)]));
    for id in 1..4u16 {
        packets.push(publish(v5, "relay/x", id, b"to each other"));
        packets.push(publish(v5, "urgent/x", id, b"to the consumer"));
        let mut twice = publish(v5, "relay/x", id, b"exactly once");
        twice[0] = 0x34;
        packets.push(twice);
        for answer in [0x40, 0x50, 0x62, 0x70] {
            packets.push(packet(answer, &id.to_be_bytes()));
        }
    }
    packets.push(vec![0xE0, 0]);
    packets
}

struct Harness {
    runtime: Runtime,
    broker: Broker,
    witness: Mutex<Raw>,
    greetings: [Vec<Vec<u8>>; 2],
    packets: [Vec<Vec<u8>>; 2],
    connects: Vec<Vec<u8>>,
    opened: AtomicUsize,
}

impl Harness {
    fn new() -> Harness {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (broker, witness) = runtime.block_on(async {
            let broker = start_accepting(settings()).await;
            let witness = Raw::login(&broker, &Connect::v5("witness", "dev").bytes()).await;
            (broker, witness)
        });
        Harness {
            runtime,
            broker,
            witness: Mutex::new(witness),
            greetings: [
                vec![
                    Connect::v3("fuzz", "all").bytes(),
                    Connect { clean: false, ..Connect::v3("fuzz", "all") }.bytes(),
                ],
                vec![
                    Connect::v5("fuzz", "all").bytes(),
                    Connect::lasting("fuzz", "all", 60).bytes(),
                    Connect { will: Some(("relay/will", "gone", vec![])), ..Connect::v5("fuzz", "all") }.bytes(),
                ],
            ],
            packets: [conversation(false), conversation(true)],
            connects: seeds("connect"),
            opened: AtomicUsize::new(0),
        }
    }

    /// Addresses take turns: each has its own 28,000 ports, and closed ones rest for a minute.
    async fn open(&self) -> TcpStream {
        let turn = self.opened.fetch_add(1, Ordering::Relaxed);
        let socket = TcpSocket::new_v4().unwrap();
        let from = SocketAddr::from(([127, 1, (turn / 200 % 200) as u8, 1 + (turn % 200) as u8], 0));
        socket.bind(from).unwrap();
        within(socket.connect(self.broker.local_addr())).await.unwrap()
    }

    /// Sends a stream in parts of `part` bytes, ends our side and waits for the other end.
    fn send(&self, stream: &[u8], part: usize) {
        self.runtime.block_on(async {
            let mut socket = self.open().await;
            socket.set_nodelay(true).unwrap();
            let (mut from, mut to) = socket.split();
            let sending = async {
                for part in stream.chunks(part) {
                    if to.write_all(part).await.is_err() {
                        return; // closed on us, which is an answer
                    }
                    tokio::task::yield_now().await;
                }
                drop(to.shutdown().await);
            };
            let mut answers = Vec::new();
            let receiving = async { drop(from.read_to_end(&mut answers).await) };
            within(async { tokio::join!(sending, receiving) }).await;
        });
        assert_eq!(self.broker.counts().panics, 0, "a connection's task panicked");
    }

    fn witness_is_well(&self) {
        let mut witness = self.witness.lock().unwrap();
        self.runtime.block_on(witness.ping());
    }
}

/// A stream from the fuzzer's bytes: how it begins, then steps of four bytes that add a packet or change what is there.
fn stream(harness: &Harness, input: &[u8]) -> (Vec<u8>, usize) {
    let (head, script) = input.split_at(input.len().min(2));
    let choice = usize::from(head.first().copied().unwrap_or(0));
    let part = [1, 3, 64, 1 << 20][usize::from(head.get(1).copied().unwrap_or(3)) % 4];
    let version = choice % 2;
    let greetings = if choice % 16 == 15 { &harness.connects } else { &harness.greetings[version] };
    let mut bytes = greetings[choice / 16 % greetings.len()].clone();
    let after_connect = bytes.len();
    let packets = &harness.packets[version];
    for step in script.chunks_exact(4) {
        let [what, x, y, z] = [step[0], step[1], step[2], step[3]];
        // Mostly behind the CONNECT, so that the client is let in.
        let from = if z % 16 == 0 { 0 } else { after_connect.min(bytes.len()) };
        let at = from + (usize::from(x) * 256 + usize::from(y)) % (bytes.len() - from + 1);
        match what % 8 {
            0..=3 => bytes.extend_from_slice(&packets[(usize::from(x) * 256 + usize::from(y)) % packets.len()]),
            4 if at < bytes.len() => bytes[at] = z,
            5 => bytes.insert(at, z),
            6 if at < bytes.len() => drop(bytes.remove(at)),
            7 => bytes.truncate(at),
            _ => {}
        }
    }
    (bytes, part)
}

#[test]
fn fuzz_connections() {
    let harness = std::panic::AssertUnwindSafe(Harness::new());
    let sent = AtomicUsize::new(0);
    bolero::check!().with_iterations(inputs()).with_max_len(66).for_each(|input: &[u8]| {
        let (bytes, part) = stream(&harness, input);
        harness.send(&bytes, part);
        if sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(16) {
            harness.witness_is_well();
        }
    });
    harness.witness_is_well();
    let counts = harness.broker.counts();
    assert!(counts.admitted > 1 && counts.protocol_errors > 0, "streams that are let in, and bad ones: {counts:?}");
}

#[test]
fn every_seed_alone_is_answered_or_refused() {
    let harness = Harness::new();
    for (version, packets) in harness.packets.iter().enumerate() {
        for packet in packets {
            harness.send(&[&harness.greetings[version][0][..], packet].concat(), 1 << 20);
        }
    }
    for connect in &harness.connects {
        harness.send(connect, 1 << 20);
    }
    harness.witness_is_well();
}
