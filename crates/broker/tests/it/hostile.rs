//! Broken and malicious clients. Each of them loses its own connection and nothing else.

use std::time::{Duration, Instant};

use broker::{Broker, DownCause, Settings};

use crate::support::{
    Connect, Raw, is_puback, next_down, next_up, packet, publish, settings, start, start_accepting, until, within,
};

/// Another client is served as if nothing had happened.
async fn still_alive(broker: &Broker) {
    let mut raw = Raw::login(broker, &Connect::v5("witness", "witness").bytes()).await;
    raw.send(&publish(true, "up/witness/楼/层", 9, "好".as_bytes())).await;
    assert!(is_puback(&raw.packet().await, 9));
}

#[tokio::test]
async fn before_connect_only_connect_is_heard() {
    let broker = start_accepting(settings()).await;
    let openings: [&[u8]; 9] = [
        &[0xC0, 0],
        &publish(false, "up/dev/x", 1, b"x"),
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        &[0x10, 0xFF, 0xFF, 0xFF, 0x7F],
        &[0x11, 0],
        &packet(0x10, b"\x00\x04HTTP\x04\x02\x00\x00\x00\x00"),
        &packet(0x10, b""),
        &packet(0x20, b"\x00\x00"),
    ];
    for opening in openings {
        let mut raw = Raw::open(&broker).await;
        raw.send(opening).await;
        raw.closed().await;
    }
    assert_eq!(broker.counts().no_connect, openings.len() as u64);
    still_alive(&broker).await;
}

#[tokio::test]
async fn a_connect_cut_short_is_waited_for_and_one_too_large_is_not() {
    let broker = start_accepting(Settings { connect_limit_bytes: 256, ..settings() }).await;
    let whole = Connect::v5("c", "dev").bytes();
    let mut raw = Raw::open(&broker).await;
    for byte in &whole {
        raw.send(&[*byte]).await;
    }
    assert_eq!(raw.packet().await.first, 0x20);
    let mut large = Raw::open(&broker).await;
    large.send(&[0x10, 0x81, 0x02]).await; // says 257 bytes, sends none of them
    large.closed().await;
    still_alive(&broker).await;
}

#[tokio::test]
async fn a_slow_connect_is_cut_off_by_one_deadline_however_it_drips() {
    let broker = start_accepting(Settings { connect_deadline_ms: 150, ..settings() }).await;
    let mut silent = Raw::open(&broker).await;
    let dripping = Raw::open(&broker).await;
    let began = Instant::now();
    let whole = Connect::v5("c", "dev").bytes();
    let mut sent = 0;
    let ended = async {
        loop {
            tokio::select! {
                end = dripping.stream.readable() => { end.unwrap(); break }
                () = tokio::time::sleep(Duration::from_millis(40)) => {}
            }
            sent += 1;
            if dripping.stream.try_write(&whole[sent - 1..sent]).is_err() {
                break;
            }
        }
    };
    within(ended).await;
    assert!(sent < whole.len() && began.elapsed() >= Duration::from_millis(140), "sent {sent}");
    silent.closed().await;
    assert_eq!(broker.counts().no_connect, 2);
}

#[tokio::test]
async fn every_breach_of_the_protocol_ends_the_connection_with_its_code() {
    let broker = start_accepting(settings()).await;
    let breaches: Vec<(&str, u8, Vec<u8>)> = vec![
        ("second CONNECT", 0x82, Connect::v5("c", "dev").bytes()),
        ("CONNACK", 0x82, packet(0x20, &[0, 0, 0])),
        ("SUBACK", 0x82, packet(0x90, &[0, 1, 0, 0])),
        ("UNSUBACK", 0x82, packet(0xB0, &[0, 1, 0, 0])),
        ("PINGRESP", 0x82, packet(0xD0, &[])),
        ("AUTH", 0x82, packet(0xF0, &[])),
        ("packet type 0", 0x81, packet(0x00, &[])),
        ("length of five bytes", 0x81, vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        ("length beyond the limit", 0x95, vec![0x30, 0x81, 0x80, 0x04]),
        ("QoS 3", 0x81, packet(0x36, b"\x00\x08up/dev/x\x00\x01\x00")),
        ("packet identifier 0", 0x82, packet(0x32, b"\x00\x08up/dev/x\x00\x00\x00")),
        ("no packet identifier", 0x81, packet(0x32, b"\x00\x08up/dev/x")),
        ("topic over the end", 0x81, packet(0x30, b"\x00\xFFup/dev/x")),
        ("topic not UTF-8", 0x81, packet(0x30, b"\x00\x08up/dev/\xC3\x00")),
        ("topic with a surrogate", 0x81, packet(0x30, b"\x00\x0Aup/dev/\xED\xA0\x80\x00")),
        ("topic with NUL", 0x81, packet(0x30, b"\x00\x08up/dev/\x00\x00")),
        ("topic with a wildcard", 0x81, packet(0x30, b"\x00\x08up/dev/#\x00")),
        ("empty topic", 0x82, packet(0x30, b"\x00\x00\x00")),
        ("unknown alias", 0x82, packet(0x30, b"\x00\x00\x03\x23\x00\x01")),
        ("alias above the maximum", 0x94, packet(0x30, b"\x00\x08up/dev/x\x03\x23\x00\x11")),
        ("property of another packet", 0x81, packet(0x30, b"\x00\x08up/dev/x\x02\x24\x01")),
        ("SUBSCRIBE without filters", 0x82, packet(0x82, &[0, 1, 0])),
        ("SUBSCRIBE without options", 0x81, packet(0x82, b"\x00\x01\x00\x00\x01a")),
        ("SUBSCRIBE with wrong flags", 0x81, packet(0x80, b"\x00\x01\x00\x00\x01a\x01")),
        ("SUBSCRIBE with identifier 0", 0x82, packet(0x82, b"\x00\x00\x00\x00\x01a\x01")),
        ("UNSUBSCRIBE cut short", 0x81, packet(0xA2, &[0, 1])),
        ("PUBACK with identifier 0", 0x82, packet(0x40, &[0, 0])),
        ("PINGREQ with a body", 0x81, packet(0xC0, &[1])),
        ("DISCONNECT with an unknown code", 0x81, packet(0xE0, &[0x55])),
    ];
    for (what, code, bytes) in &breaches {
        let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
        raw.send(bytes).await;
        let packet = raw.packet().await;
        assert_eq!((packet.first, packet.body[0]), (0xE0, *code), "{what}");
        raw.closed().await;
        let mut raw = Raw::login(&broker, &Connect::v3("c3", "dev").bytes()).await;
        let bytes = match bytes[0] {
            0x10 => Connect::v3("c3", "dev").bytes(),
            _ => bytes.clone(),
        };
        raw.send(&bytes).await;
        // Where 3.1.1 has no properties some of these bytes mean something harmless; then the
        // connection goes on, and says so.
        raw.send(&[0xC0, 0]).await;
        while let Some(packet) = within(raw.try_packet()).await {
            if packet.first == 0xD0 {
                break;
            }
        }
    }
    still_alive(&broker).await;
    assert_eq!(broker.counts().panics, 0);
}

#[tokio::test]
async fn a_v3_breach_closes_without_a_word() {
    let broker = start_accepting(settings()).await;
    let breaches = [
        packet(0x32, b"\x00\x08up/dev/x\x00\x00"),
        packet(0x30, b"\x00\x08up/dev/\xC3"),
        packet(0x20, &[0, 0]),
        packet(0xE0, &[0]),
        packet(0x82, b"\x00\x01\x00\x01a\x04"),
        vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F],
    ];
    for bytes in breaches {
        let mut raw = Raw::login(&broker, &Connect::v3("c", "dev").bytes()).await;
        raw.send(&bytes).await;
        raw.closed().await;
    }
    still_alive(&broker).await;
}

#[tokio::test]
async fn a_packet_begun_must_be_finished() {
    let settings = Settings { packet_deadline_ms: 100, ..settings() };
    let broker = start_accepting(settings).await;
    let connect = Connect { keep_alive_s: 0, ..Connect::v3("c", "dev") };
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&[0x30, 100, 0]).await;
    raw.closed().await;
    // Packets in two halves, each finished, for longer than the deadline in all.
    let mut fine = Raw::login(&broker, &connect.bytes()).await;
    let whole = [publish(false, "up/dev/x", 1, b"x"), publish(false, "up/dev/x", 2, b"x")].concat();
    let half = whole.len() / 2 + 3;
    fine.send(&whole[..half]).await;
    assert!(is_puback(&fine.packet().await, 1));
    for _ in 0..6 {
        fine.send(&whole[half..]).await;
        fine.send(&whole[..half]).await;
        for id in [2, 1] {
            assert!(is_puback(&fine.packet().await, id));
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn keep_alive_is_one_and_a_half_periods_of_silence() {
    let (broker, mut inlets) = start(settings()).await;
    let connect = Connect { keep_alive_s: 1, ..Connect::v5("c", "dev") };
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    let began = Instant::now();
    next_up(&mut inlets).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    raw.ping().await;
    raw.disconnected(0x8D).await;
    assert!(began.elapsed() >= Duration::from_millis(2_250), "{:?}", began.elapsed());
    assert_eq!(next_down(&mut inlets).await, DownCause::KeepAliveTimeout);
    // Keep-alive 0 of a v3.1.1 client: silence is allowed.
    let connect = Connect { keep_alive_s: 0, ..Connect::v3("c0", "dev") };
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.ping().await;
}

#[tokio::test]
async fn a_panic_ends_the_connection_that_caused_it() {
    let (broker, mut inlets) = start(settings()).await;
    let mut bystander = Raw::login(&broker, &Connect::v5("b", "dev").bytes()).await;
    next_up(&mut inlets).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    next_up(&mut inlets).await;
    raw.send(&publish(true, "up/dev/panic", 1, b"x")).await;
    raw.disconnected(0x80).await;
    assert_eq!(next_down(&mut inlets).await, DownCause::Panicked);
    let mut at_login = Raw::open(&broker).await;
    at_login.send(&Connect::v5("d", "panic").bytes()).await;
    at_login.closed().await;
    assert_eq!(broker.counts().panics, 2);
    bystander.ping().await;
    until("only the bystander is connected", || broker.connections() == 1).await;
    // The session of the panicked connection can be had again.
    Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
}

#[tokio::test]
async fn random_bytes_after_a_login_hurt_nobody() {
    let broker = start_accepting(settings()).await;
    let mut random = 0x1234_5678_9ABC_DEF1u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..200 {
        let connect = match round % 2 {
            0 => Connect::v5("c", "dev"),
            _ => Connect::v3("c", "dev"),
        };
        let mut raw = Raw::login(&broker, &connect.bytes()).await;
        let mut bytes = publish(round % 2 == 0, "up/dev/x", 1, b"payload");
        for _ in 0..1 + next() % 6 {
            let at = (next() % bytes.len() as u64) as usize;
            bytes[at] = next() as u8;
        }
        raw.send(&bytes).await;
    }
    still_alive(&broker).await;
    assert_eq!(broker.counts().panics, 0);
}
