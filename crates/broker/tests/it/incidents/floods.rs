//! Floods of what costs little to send.

use std::sync::atomic::Ordering;

use super::*;
use crate::hall::House;
use crate::support::accept_everything;

/// Packets of two bytes cost us a packet each. Reading slows down; what was sent is all taken in, alarms too.
#[tokio::test]
async fn floods_of_small_packets_are_read_slowly_and_in_full() {
    let slow = Settings { packets_per_s: 2_000, rate_burst_s: 1, ..settings() };
    let (broker, mut inlets) = start(slow).await;
    const PUBLISHES: usize = 6_000;
    let mut raw = attacker(&broker, false).await;
    let urgent = tokio::spawn(async move {
        let (mut normal, mut urgent) = (0, 0);
        loop {
            tokio::select! {
                Some(batch) = inlets.urgent.recv() => {
                    urgent += batch.messages.iter().filter(|message| message.topic.as_str() == "up/dev/urgent").count();
                    batch.ack.accept_all();
                }
                Some(batch) = inlets.normal.recv() => {
                    normal += batch.messages.len();
                    batch.ack.accept_all();
                }
                Some(_) = inlets.sessions.recv() => {}
                else => return (normal, urgent),
            }
        }
    });
    let began = Instant::now();
    let attack = async {
        let mut bytes = publish(false, "up/dev/x", 0, b"").repeat(PUBLISHES / 2);
        bytes.extend(publish(false, "up/dev/urgent", 1, b"smoke"));
        bytes.extend(publish(false, "up/dev/x", 0, b"").repeat(PUBLISHES / 2));
        raw.send(&bytes).await;
        assert!(is_puback(&raw.packet().await, 1));
        raw.ping().await;
    };
    while_served(&broker, attack).await;
    assert!(began.elapsed() >= Duration::from_millis(1_000), "{:?}", began.elapsed());
    assert!(broker.counts().throttled > 0);
    broker.shutdown().await;
    drop(broker);
    assert_eq!(urgent.await.unwrap(), (PUBLISHES, 1));
}

#[tokio::test]
async fn floods_of_pings_by_a_client_that_reads_no_answers() {
    let broker = start_accepting(Settings { write_deadline_ms: 500, packets_per_s: 0, ..settings() }).await;
    let attack = async {
        let mut raw = attacker(&broker, false).await;
        let pings = [0xC0, 0].repeat(8 * 1024);
        while raw.stream.write_all(&pings).await.is_ok() {} // until it is cut off
    };
    while_served(&broker, attack).await;
    assert_eq!(broker.counts().slow_readers, 1);
}

#[tokio::test]
async fn bytes_are_rationed_too() {
    let slow = Settings { bytes_per_s: 100_000, rate_burst_s: 1, ..settings() };
    let broker = start_accepting(slow).await;
    let began = Instant::now();
    let attack = async {
        let mut raw = attacker(&broker, false).await;
        for id in 1..=10 {
            raw.send(&publish(false, "up/dev/x", id, &vec![b'x'; 30_000])).await;
        }
        for id in 1..=10 {
            assert!(is_puback(&raw.packet().await, id));
        }
    };
    while_served(&broker, attack).await;
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn all_clients_of_an_address_share_its_rate() {
    let slow = Settings { address_packets_per_s: 10_000, rate_burst_s: 1, ..settings() };
    let broker = start_accepting(slow).await;
    let began = Instant::now();
    let client = async |id: &'static str| {
        let mut raw = Raw::login(&broker, &Connect::v3(id, "dev").bytes()).await;
        raw.send(&publish(false, "up/dev/x", 0, b"").repeat(10_000)).await;
        raw.ping().await;
    };
    within(futures::future::join3(client("a"), client("b"), client("c"))).await;
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(broker.counts().shed, 0);
}

/// A topic of its own for each publish leaves nothing behind.
#[tokio::test]
async fn floods_of_unique_topics() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        let mut raw = attacker(&broker, true).await;
        for n in 0..5_000u32 {
            let alias = 1 + (n % 16) as u8;
            let topic = format!("up/dev/{n:08}");
            let body = [&[0, topic.len() as u8], topic.as_bytes(), &[3, 0x23, 0, alias]].concat();
            raw.send(&packet(0x30, &body)).await;
        }
        raw.ping().await;
    };
    while_served(&broker, attack).await;
    assert_eq!(broker.counts().publishes_normal + broker.counts().shed, 5_000);
}

/// One packet, many times the same filter: what it costs to keep must not grow with their number times what is kept.
#[tokio::test]
async fn a_subscribe_that_repeats_itself_is_kept_once() {
    let house = House::new();
    let (broker, inlets) = house.start().await;
    tokio::spawn(accept_everything(inlets));
    let attack = async {
        let mut raw = Raw::login(&broker, &Connect::lasting("attacker", "dev", 600).bytes()).await;
        let long = format!("down/dev/{}", "x".repeat(400));
        let names: Vec<String> = (10..60).map(|n| format!("{long}{n}")).collect();
        let filters: Vec<(&str, u8)> = names.iter().map(|name| (&**name, 1)).collect();
        raw.send(&subscribe(true, 1, &filters)).await;
        assert!(raw.packet().await.body[3..].iter().all(|code| *code == 1));
        let before = house.vault.bytes.load(Ordering::Relaxed);
        let same: Vec<(&str, u8)> = (0..900u16).map(|n| ("down/dev/a", (n % 3) as u8)).collect();
        raw.send(&subscribe(true, 2, &same)).await;
        assert_eq!(raw.packet().await.body.len(), 3 + 900);
        let many: Vec<u8> =
            (3..1_000u16).flat_map(|id| subscribe(true, id, &[("down/dev/a", (id % 3) as u8)])).collect();
        raw.send(&many).await;
        for id in 3..1_000u16 {
            assert_eq!(raw.packet().await.body[..2], id.to_be_bytes());
        }
        house.vault.bytes.load(Ordering::Relaxed) - before
    };
    let written = while_served(&broker, attack).await;
    assert!(written < 4 * 1024 * 1024, "{written} bytes were written for 24,000 that came");
}

/// Nobody needs thousands of filters in one packet.
#[tokio::test]
async fn a_subscribe_without_end_ends_the_connection() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        for first in [0x82, 0xA2] {
            let mut raw = attacker(&broker, true).await;
            let one: &[u8] = if first == 0x82 { b"\x00\x01a\x00" } else { b"\x00\x01a" };
            raw.send(&packet(first, &[b"\x00\x01\x00", &one.repeat(1_025)[..]].concat())).await;
            raw.disconnected(0x97).await;
        }
    };
    while_served(&broker, attack).await;
}

/// Every SUBSCRIBE brings the retained messages again: what waits for one session is bounded all the same.
#[tokio::test]
async fn retained_messages_asked_for_again_and_again() {
    const RETAINED: usize = 200;
    let broker = start_accepting(Settings { retained_messages: RETAINED + 100, ..settings() }).await;
    let mut publisher = Raw::login(&broker, &Connect::v5("publisher", "all").bytes()).await;
    for n in 0..RETAINED {
        let mut bytes = publish(true, &format!("relay/{n}"), 0, &[b'x'; 100]);
        bytes[0] |= 1;
        publisher.send(&bytes).await;
    }
    publisher.ping().await;
    let attack = async {
        let mut raw = Raw::login(&broker, &Connect::v5("attacker", "all").bytes()).await;
        let all: Vec<u8> = (1..=500u16).flat_map(|id| subscribe(true, id, &[("relay/#", 1)])).collect();
        raw.send(&all).await;
        let mut most = 0;
        let mut seen = 0;
        while seen < 500 {
            most = most.max(broker.clients(None, 9).iter().map(|client| client.waiting).max().unwrap_or(0));
            seen += usize::from(raw.packet().await.first == 0x90);
        }
        most
    };
    let most = while_served(&broker, attack).await;
    assert!(most <= RETAINED + 100, "{most} messages waited for one session");
}

/// A disk that does not keep up with what clients send each other holds up those clients, and no device.
#[tokio::test]
async fn a_flood_between_clients_that_the_disk_does_not_take() {
    let mut house = House::new();
    house.settings.vault_backlog_bytes = 10_000;
    let (broker, inlets) = house.start().await;
    tokio::spawn(accept_everything(inlets));
    let mut away = Raw::login(&broker, &Connect::lasting("away", "all", 600).bytes()).await;
    away.send(&subscribe(true, 1, &[("relay/#", 1)])).await;
    assert_eq!(away.packet().await.first, 0x90);
    let mut attacker = Raw::login(&broker, &Connect::v3("attacker", "all").bytes()).await;
    house.vault.is_full.store(true, Ordering::Relaxed);
    let flood: Vec<u8> = (1..=100).flat_map(|id| publish(false, "relay/x", id, &[b'x'; 500])).collect();
    attacker.send(&flood).await;
    while_served(&broker, async {}).await;
    house.vault.is_full.store(false, Ordering::Relaxed);
    for id in 1..=100 {
        assert!(is_puback(&attacker.packet().await, id));
    }
}
