//! What reaches the consumer, by which lane, and what happens when it is slow.

use broker::{DownCause, Reason, Settings};

use crate::support::{
    ACCEPT, Connect, Raw, is_puback, next_down, next_up, packet, payloads, publish, settings, start, until, within,
};

#[tokio::test]
async fn a_puback_waits_for_the_consumer_and_carries_its_reason() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let sent = [
        publish(true, "up/dev/a", 11, b"one"),
        publish(true, "up/dev/a", 0, b"two"),
        publish(true, "up/dev/a", 12, b"three"),
        publish(true, "up/dev/a", 13, b"four"),
    ];
    raw.send(&sent.concat()).await;
    let batch = within(inlets.normal.recv()).await.unwrap();
    assert_eq!(payloads(&batch), ["one", "two", "three", "four"], "one read, one batch");
    raw.ping().await; // answered although no PUBACK has left
    batch.ack.complete(&[Reason::Success, Reason::Success, Reason::PayloadFormatInvalid, Reason::QuotaExceeded]);
    assert_eq!(raw.packet().await.body[..], [0, 11]);
    assert_eq!(raw.packet().await.body[..], [0, 12, 0x99]);
    assert_eq!(raw.packet().await.body[..], [0, 13, 0x97]);
    raw.ping().await;
}

#[tokio::test]
async fn a_v3_client_gets_a_plain_puback_for_every_reason() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v3("c", "dev").bytes()).await;
    raw.send(&publish(false, "up/dev/a", 5, b"x")).await;
    within(inlets.normal.recv()).await.unwrap().ack.complete(&[Reason::PayloadFormatInvalid]);
    assert_eq!(raw.packet().await.body[..], [0, 5]);
}

#[tokio::test]
async fn a_batch_left_unanswered_closes_the_connection_so_that_it_is_sent_again() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    raw.send(&publish(true, "up/dev/a", 5, b"x")).await;
    drop(within(inlets.normal.recv()).await.unwrap());
    raw.disconnected(0x83).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    raw.send(&publish(true, "up/dev/a", 0, b"x")).await;
    drop(within(inlets.normal.recv()).await.unwrap());
    raw.ping().await; // QoS 0 needs no answer
}

#[tokio::test]
async fn message_parts_arrive_as_they_were_sent() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let topic = "up/dev/楼宇/ÿ/\u{FFFF}";
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend_from_slice(topic.as_bytes());
    body.extend_from_slice(b"\x00\x07\x0C\x03\x00\x09text/json");
    body.extend_from_slice(&[0, 0xFF]);
    raw.send(&packet(0x3B, &body)).await;
    let batch = within(inlets.normal.recv()).await.unwrap();
    let message = &batch.messages[0];
    assert_eq!(&*message.topic, topic);
    assert_eq!((message.qos, message.dup, message.retain), (1, true, true));
    assert_eq!(message.content_type.as_deref(), Some("text/json"));
    assert_eq!((&message.payload[..], message.is_will), (&[0, 0xFF][..], false));
    assert!(message.received_ms > 0);
}

#[tokio::test]
async fn a_topic_alias_is_learnt_and_resolved() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    raw.send(&packet(0x30, b"\x00\x08up/dev/x\x03\x23\x00\x10one")).await;
    raw.send(&packet(0x30, b"\x00\x00\x03\x23\x00\x10two")).await;
    let mut found = Vec::new();
    while found.len() < 2 {
        let batch = within(inlets.normal.recv()).await.unwrap();
        found.extend(batch.messages.iter().map(|m| (m.topic.to_string(), m.payload.clone())));
    }
    assert_eq!(found[0], ("up/dev/x".to_owned(), "one".into()));
    assert_eq!(found[1], ("up/dev/x".to_owned(), "two".into()));
}

#[tokio::test]
async fn an_alias_for_a_topic_beyond_the_limits_is_not_kept() {
    let (broker, _inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let topic = format!("up/dev/{}", "a".repeat(600));
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend_from_slice(topic.as_bytes());
    body.extend_from_slice(b"\x00\x01\x03\x23\x00\x01");
    raw.send(&packet(0x32, &body)).await;
    assert_eq!(raw.packet().await.body[2], 0x90);
    raw.send(&packet(0x30, b"\x00\x00\x03\x23\x00\x01")).await;
    raw.disconnected(0x82).await;
}

#[tokio::test]
async fn packets_sent_along_with_connect_are_taken_in() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::open(&broker).await;
    let last = publish(true, "up/dev/x", 2, b"second");
    let bytes =
        [Connect::v5("c", "dev").bytes(), publish(true, "up/dev/x", 1, b"first"), last[..last.len() - 3].to_vec()];
    raw.send(&bytes.concat()).await;
    let batch = within(inlets.normal.recv()).await.unwrap();
    assert_eq!(payloads(&batch), ["first"]);
    assert_eq!(raw.packet().await.first, 0x20);
    raw.send(&last[last.len() - 3..]).await;
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["second"]);
    batch.ack.accept_all();
    assert!(is_puback(&raw.packet().await, 1));
}

#[tokio::test]
async fn packets_of_any_size_and_split_arrive_whole() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v3("c", "dev").bytes()).await;
    let sizes = [0usize, 1, 100, 1_900, 2_100, 5_000, 16_384, 40_000, 65_000, 7, 65_000, 3];
    let mut wire = Vec::new();
    for (index, size) in sizes.iter().enumerate() {
        wire.extend(publish(false, "up/dev/x", index as u16 + 1, &vec![index as u8; *size]));
    }
    let sending = async {
        let mut rest = &wire[..];
        let mut step = 1;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(step.min(rest.len()));
            raw.send(now).await;
            tokio::task::yield_now().await;
            rest = later;
            step = step * 7 % 9_973 + 1;
        }
    };
    let taking = async {
        let mut seen = Vec::new();
        while seen.len() < sizes.len() {
            let batch = within(inlets.normal.recv()).await.unwrap();
            for message in &batch.messages {
                assert!(message.payload.iter().all(|byte| usize::from(*byte) == seen.len()));
                seen.push(message.payload.len());
            }
            batch.ack.accept_all();
        }
        seen
    };
    let ((), seen) = tokio::join!(sending, taking);
    assert_eq!(seen, sizes);
    for id in 1..=sizes.len() as u16 {
        assert!(is_puback(&raw.packet().await, id));
    }
}

#[tokio::test]
async fn an_urgent_publish_passes_held_telemetry_on_the_same_connection() {
    let settings = Settings { inbound_queue_batches_normal: 1, receive_maximum: 8, ..settings() };
    let (broker, mut inlets) = start(settings).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    for id in 1..=6 {
        raw.send(&publish(true, "up/dev/normal", id, b"held")).await;
        raw.ping().await; // a read, and so a batch, of its own
    }
    for _ in 0..10 {
        raw.send(&publish(true, "up/dev/normal", 0, b"shed")).await;
    }
    raw.send(&publish(true, "up/dev/urgent", 7, b"!")).await;
    let urgent = within(inlets.urgent.recv()).await.unwrap();
    urgent.ack.complete(ACCEPT);
    assert!(is_puback(&raw.packet().await, 7), "acknowledged before what came first");
    until("QoS 0 was dropped and counted", || broker.counts().shed == 10).await;
    for id in 1..=6 {
        let batch = within(inlets.normal.recv()).await.unwrap();
        assert_eq!(payloads(&batch), ["held"]);
        batch.ack.accept_all();
        assert!(is_puback(&raw.packet().await, id), "held ones stay in order");
    }
}

#[tokio::test]
async fn urgent_publishes_wait_for_room_and_none_is_dropped() {
    let settings = Settings { inbound_queue_batches_urgent: 1, ..settings() };
    let (broker, mut inlets) = start(settings).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let sending = async {
        for n in 0..500u32 {
            raw.send(&publish(true, "up/dev/urgent", 0, n.to_string().as_bytes())).await;
        }
        raw
    };
    let taking = async {
        let mut seen = Vec::new();
        while seen.len() < 500 {
            seen.extend(payloads(&within(inlets.urgent.recv()).await.unwrap()));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (_raw, seen) = tokio::join!(sending, taking);
    assert_eq!(seen, (0..500).map(|n: u32| n.to_string()).collect::<Vec<_>>());
    assert_eq!(broker.counts().shed, 0);
}

#[tokio::test]
async fn an_urgent_publish_is_handed_over_even_if_its_client_has_gone() {
    let settings = Settings { inbound_queue_batches_urgent: 1, ..settings() };
    let (broker, mut inlets) = start(settings).await;
    let mut first = Raw::login(&broker, &Connect::v5("a", "dev").bytes()).await;
    first.send(&publish(true, "up/dev/urgent", 0, b"first")).await;
    first.ping().await;
    let mut second = Raw::login(&broker, &Connect::v5("b", "dev").bytes()).await;
    let bytes = [publish(true, "up/dev/urgent", 0, b"second"), packet(0xE0, &[0])].concat();
    second.send(&bytes).await;
    second.closed().await;
    for expected in ["first", "second"] {
        assert_eq!(payloads(&within(inlets.urgent.recv()).await.unwrap()), [expected]);
    }
}

#[tokio::test]
async fn the_receive_maximum_holds() {
    let settings = Settings { receive_maximum: 4, ..settings() };
    let (broker, mut inlets) = start(settings).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    next_up(&mut inlets).await;
    for id in 1..=4 {
        raw.send(&publish(true, "up/dev/x", id, b"x")).await;
    }
    raw.ping().await;
    raw.send(&publish(true, "up/dev/x", 5, b"x")).await;
    raw.disconnected(0x93).await;
    assert_eq!(next_down(&mut inlets).await, DownCause::ProtocolError);
}

#[tokio::test]
async fn a_v3_client_is_not_read_from_while_too_much_is_unacknowledged() {
    let settings = Settings { unanswered_max_v3: 4, ..settings() };
    let (broker, mut inlets) = start(settings).await;
    let connect = Connect { keep_alive_s: 1, ..Connect::v3("c", "dev") };
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    for id in 1..=4 {
        raw.send(&publish(false, "up/dev/x", id, b"x")).await;
        raw.send(&[0xC0, 0]).await;
        if id < 4 {
            assert_eq!(raw.packet().await.first, 0xD0);
        }
    }
    let mut batches = Vec::new();
    for _ in 0..4 {
        batches.push(within(inlets.normal.recv()).await.unwrap());
    }
    raw.send(&publish(false, "up/dev/x", 5, b"x")).await;
    // Longer than its keep-alive allows: the silence is ours, and the client stays.
    tokio::time::sleep(std::time::Duration::from_millis(1_700)).await;
    assert!(inlets.normal.try_recv().is_err(), "the fifth is still in the socket");
    for batch in batches {
        batch.ack.accept_all();
    }
    let fifth = within(inlets.normal.recv()).await.unwrap();
    assert_eq!(fifth.messages.len(), 1);
    fifth.ack.accept_all();
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 5 {
        let packet = raw.packet().await;
        if packet.first == 0x40 {
            acknowledged.push(packet.body[1]);
        }
    }
    assert_eq!(acknowledged, [1, 2, 3, 4, 5]);
}
