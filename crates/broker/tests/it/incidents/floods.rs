//! Floods of what costs little to send.

use super::*;

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
