//! What has brought other listeners down, one test each. Every attacker loses at most its own connection, what it may
//! cost is bounded, and a bystander is served all the while.

mod floods;

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use broker::{Broker, Outcome, Settings};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    Connect, PATIENCE, Raw, is_puback, packet, publish, settings, start, start_accepting, subscribe, until, within,
};

/// Runs an attack while a bystander publishes and is acknowledged, over and over.
async fn while_served<T>(broker: &Broker, attack: impl Future<Output = T>) -> T {
    const ROUNDS: u16 = 50;
    let mut bystander = Raw::login(broker, &Connect::v5("bystander", "bystander").bytes()).await;
    let serving = async {
        for id in 1..=ROUNDS {
            bystander.send(&publish(true, "up/bystander/urgent", id, b"x")).await;
            assert!(is_puback(&bystander.packet().await, id));
        }
    };
    let (outcome, ()) = within(futures::future::join(attack, serving)).await;
    bystander.ping().await;
    assert_eq!(broker.counts().panics, 0);
    outcome
}

async fn attacker(broker: &Broker, v5: bool) -> Raw {
    let connect = if v5 { Connect::v5("attacker", "dev") } else { Connect::v3("attacker", "dev") };
    Raw::login(broker, &connect.bytes()).await
}

/// Sends and reads until the connection ends or a PINGREQ behind it is answered; all answers before that.
async fn answers(raw: &mut Raw, bytes: &[u8]) -> Vec<u8> {
    raw.send(bytes).await;
    drop(raw.stream.write_all(&[0xC0, 0]).await); // it may be closed by then
    let mut firsts = Vec::new();
    while let Some(packet) = within(raw.try_packet()).await {
        if packet.first == 0xD0 {
            break;
        }
        firsts.push(packet.first);
    }
    firsts
}

/// NanoMQ CVE-2026-25627 and CVE-2026-21888, Mosquitto CVE-2017-7651 and CVE-2023-0809.
#[tokio::test]
async fn lengths_that_lie() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        for length in [&[0xFF, 0xFF, 0xFF, 0x7F][..], &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F], &[0x80, 0x80, 0x80, 0x80]] {
            for first in [0x10, 0x30, 0x32, 0x82, 0xC0] {
                let bytes = [&[first], length].concat();
                let mut before = Raw::open(&broker).await;
                before.send(&bytes).await;
                before.closed().await;
                let mut after = attacker(&broker, false).await;
                after.send(&bytes).await;
                after.closed().await;
            }
        }
        // Lengths inside the body: what is claimed goes beyond what is there.
        for body in [&b"\xFF\xFFup"[..], b"\x00\x02up\x00\x01\xFF\xFF\xFF\x7F", b"\x00\x02up\x00\x01\x05\x26\xFF\xFFab"]
        {
            attacker(&broker, true).await.send(&packet(0x32, body)).await;
        }
    };
    while_served(&broker, attack).await;
}

/// NanoMQ #2270 and #2268.
#[tokio::test]
async fn bodies_cut_short() {
    let broker = start_accepting(settings()).await;
    let wholes = [
        publish(true, "up/dev/x", 1, b""),
        subscribe(true, 1, &[("down/dev/x", 1)]),
        packet(0xA2, b"\x00\x01\x00\x00\x0Adown/dev/x"),
        packet(0x40, b"\x00\x01\x00\x00"),
        packet(0xE0, b"\x00\x05\x11\x00\x00\x00\x00"),
    ];
    let attack = async {
        for whole in &wholes {
            for cut in 2..whole.len() {
                let bytes = packet(whole[0], &whole[2..cut]);
                answers(&mut attacker(&broker, true).await, &bytes).await;
            }
        }
        let connect = Connect { will: Some(("up/dev/w", "gone", Vec::new())), ..Connect::v5("c", "dev") }.bytes();
        for cut in 2..connect.len() {
            let mut raw = Raw::open(&broker).await;
            raw.send(&packet(0x10, &connect[2..cut])).await;
            let answer = within(raw.try_packet()).await;
            assert!(answer.is_none_or(|packet| packet.body[1] != 0), "cut at {cut}");
        }
    };
    while_served(&broker, attack).await;
}

/// Mosquitto CVE-2021-28166 and CVE-2023-3592, VerneMQ #1883, EMQX #8029.
#[tokio::test]
async fn properties_out_of_place_and_packets_of_a_server() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        for (first, body) in [(0x20, &[0, 0, 0][..]), (0x90, &[0, 1, 0, 0]), (0xB0, &[0, 1, 0, 0]), (0xD0, &[])] {
            for v5 in [true, false] {
                let mut raw = attacker(&broker, v5).await;
                raw.send(&packet(first, body)).await;
                while within(raw.try_packet()).await.is_some() {}
            }
        }
        for property in 0..=0x30u8 {
            let values: [&[u8]; 4] = [&[1], &[0, 1], &[0, 0, 0, 1], b"\x00\x01a\x00\x01b"];
            for value in values {
                let properties = [&[value.len() as u8 + 1, property], value].concat();
                let publish = [&b"\x00\x08up/dev/x"[..], &properties, b"x"].concat();
                answers(&mut attacker(&broker, true).await, &packet(0x30, &publish)).await;
                let properties = properties[1..].to_vec();
                let will = Some(("up/dev/w", "gone", properties.clone()));
                for connect in
                    [Connect { properties, ..Connect::v5("c", "dev") }, Connect { will, ..Connect::v5("c", "dev") }]
                {
                    answers(&mut Raw::open(&broker).await, &connect.bytes()).await;
                }
            }
        }
    };
    while_served(&broker, attack).await;
}

/// Mosquitto CVE-2021-34432 and CVE-2018-12543; one topic that ended a whole router.
#[tokio::test]
async fn topics_from_hell() {
    let broker = start_accepting(settings()).await;
    let topics = [
        Vec::new(),
        b"$SYS/x".to_vec(),
        b"$".to_vec(),
        b"/".to_vec(),
        b"//".to_vec(),
        b"up/dev/\0".to_vec(),
        "up/dev/\u{FFFF}".as_bytes().to_vec(),
        b"up/dev/\xED\xA0\x80".to_vec(),
        b"up/dev/\xC0\x80".to_vec(),
        b"up/dev/+".to_vec(),
        vec![b'x'; 65_000],
        "x/".repeat(200).into_bytes(),
        "/".repeat(60_000).into_bytes(),
    ];
    let by_first_byte = (0x80..=0xFFu8).map(|first| [&[first], &b"/x"[..]].concat());
    let attack = async {
        for topic in topics.into_iter().chain(by_first_byte) {
            let name = [&(topic.len() as u16).to_be_bytes(), &topic[..]].concat();
            for v5 in [true, false] {
                let properties: &[u8] = if v5 { &[0] } else { &[] };
                let bodies = [
                    (0x30, [&name[..], properties].concat()),
                    (0x32, [&name[..], &[0, 1], properties].concat()),
                    (0x82, [&[0, 1], properties, &name[..], &[1]].concat()),
                    (0xA2, [&[0, 1], properties, &name[..]].concat()),
                ];
                for (first, body) in bodies {
                    answers(&mut attacker(&broker, v5).await, &packet(first, &body)).await;
                }
            }
        }
    };
    while_served(&broker, attack).await;
    until("only acceptable topics got through", || broker.connections() == 0).await;
}

/// Mosquitto CVE-2017-7650: names that look like patterns are names. Ids with `/` are common in the field.
#[tokio::test]
async fn wildcards_in_a_client_id_widen_nothing() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        for id in ["+", "#", "/", "+/#", "dev/#", "a/b", "$SYS", "../other", "绣花/楼"] {
            let mut raw = Raw::login(&broker, &Connect::v5(id, "dev").bytes()).await;
            raw.send(&publish(true, "up/other/x", 1, b"x")).await;
            let refusal = raw.packet().await;
            assert_eq!((refusal.first, refusal.body[2]), (0x40, 0x87), "{id}");
            raw.send(&subscribe(true, 2, &[("down/+/#", 1), ("#", 1), ("down/other/x", 1)])).await;
            assert_eq!(raw.packet().await.body[3..], [0x87, 0x87, 0x87], "{id}");
            raw.send(&publish(true, "up/dev/x", 3, b"x")).await;
            assert_eq!(raw.packet().await.body[..2], [0, 3], "{id}");
        }
    };
    while_served(&broker, attack).await;
}

/// Filters per client, their depth and their length are bounded.
#[tokio::test]
async fn subscription_explosions() {
    let broker = start_accepting(Settings { subscriptions_per_session: 20, ..settings() }).await;
    let attack = async {
        let mut raw = attacker(&broker, true).await;
        let names: Vec<String> = (0..100).map(|n| format!("down/dev/{n}/+/#")).collect();
        let filters: Vec<(&str, u8)> = names.iter().map(|name| (&**name, 1)).collect();
        raw.send(&subscribe(true, 1, &filters)).await;
        let suback = raw.packet().await;
        let refused = suback.body[3..].iter().filter(|code| **code == 0x97).count();
        assert_eq!((suback.body.len() - 3, refused), (100, 80));
        let deep = format!("down/dev/{}", "+/".repeat(200));
        raw.send(&subscribe(true, 2, &[(&deep, 1), (&"d".repeat(5_000), 1)])).await;
        assert_eq!(raw.packet().await.body[3..], [0x8F, 0x8F]);
        // The same again and again, and away again, adds nothing.
        for id in 3..2_000u16 {
            let bytes = match id % 2 {
                0 => subscribe(true, id, &[("down/dev/1/+/#", 1)]),
                _ => packet(0xA2, &[&id.to_be_bytes()[..], b"\x00\x00\x0Edown/dev/1/+/#"].concat()),
            };
            raw.send(&bytes).await;
            let answer = raw.packet().await;
            assert_eq!(answer.body[..2], id.to_be_bytes());
        }
    };
    while_served(&broker, attack).await;
}

/// Mosquitto CVE-2018-12546: who may not retain leaves nothing behind.
#[tokio::test]
async fn retained_floods() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        let mut raw = attacker(&broker, false).await;
        for n in 0..2_000 {
            let mut bytes = publish(false, &format!("up/dev/{n}"), 0, &[b'x'; 100]);
            bytes[0] |= 1;
            raw.send(&bytes).await;
        }
        raw.ping().await;
        let mut watcher = Raw::login(&broker, &Connect::v5("watcher", "all").bytes()).await;
        watcher.send(&subscribe(true, 1, &[("up/dev/#", 1)])).await;
        assert_eq!(watcher.packet().await.first, 0x90);
        watcher.ping().await; // nothing else came
    };
    while_served(&broker, attack).await;
}

/// Mosquitto CVE-2023-28366, amqtt GHSA-wcqj-wx85-c75p: what is in flight is bounded for QoS 1 and for QoS 2.
#[tokio::test]
async fn messages_in_flight_without_end() {
    let (broker, mut inlets) = start(Settings { receive_maximum: 4, unanswered_max_v3: 4, ..settings() }).await;
    for first in [0x32, 0x34] {
        let mut raw = attacker(&broker, true).await;
        let flood: Vec<u8> =
            (1..=5u8).flat_map(|id| packet(first, &[b"\x00\x08up/dev/x\x00", &[id, 0][..]].concat())).collect();
        raw.send(&flood).await;
        let goodbye = raw.packet().await;
        assert!(goodbye.first == 0xE0 && matches!(goodbye.body[0], 0x93 | 0x9B), "{goodbye:?}");
    }
    let mut old = attacker(&broker, false).await;
    for id in 1..=200 {
        old.send(&publish(false, "up/dev/y", id, b"x")).await;
    }
    let mut seen = 0;
    while seen < 4 {
        let batch = within(inlets.normal.recv()).await.unwrap();
        seen += batch.messages.iter().filter(|message| message.topic.as_str() == "up/dev/y").count();
        std::mem::forget(batch); // never answered
    }
    // Whatever one read had brought, and no more.
    let more = tokio::time::timeout(Duration::from_millis(100), inlets.normal.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

/// aedes #597, and two devices with one client id: they get pause, others do not notice.
#[tokio::test]
async fn takeover_storms() {
    let storm = Settings { takeovers_per_minute: 5, takeover_pause_ms: 400, ..settings() };
    let broker = start_accepting(storm).await;
    let attack = async {
        let mut alive = Vec::new();
        let mut refused = 0;
        for n in 0..20 {
            let v5 = n % 2 == 0;
            let connect = if v5 { Connect::v5("one", "dev") } else { Connect::v3("one", "dev") };
            let mut raw = Raw::open(&broker).await;
            raw.send(&connect.bytes()).await;
            match raw.packet().await.body[1] {
                0 => alive.push(raw),
                code => {
                    assert_eq!(code, if v5 { 0x97 } else { 0x03 });
                    refused += 1;
                }
            }
        }
        assert_eq!((alive.len(), refused), (7, 13)); // the first, five takeovers, and the one that was too many
        alive.last_mut().unwrap().ping().await; // who is in stays in
        let began = Instant::now();
        loop {
            let mut raw = Raw::open(&broker).await;
            raw.send(&Connect::v5("one", "dev").bytes()).await;
            if raw.packet().await.body[1] == 0 {
                break;
            }
            assert!(began.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    while_served(&broker, attack).await;
    assert!(broker.counts().takeovers_refused >= 13);
    // Nobody else can throw a device out at all.
    let mut mine = Raw::login(&broker, &Connect::v5("mine", "dev").bytes()).await;
    let mut thief = Raw::open(&broker).await;
    thief.send(&Connect::v5("mine", "other").bytes()).await;
    assert_eq!(thief.packet().await.body[1], 0x85);
    mine.ping().await;
}

/// SlowITe (CVE-2020-13849) and SlowTT: a huge keep-alive, a CONNECT in drips, packets in drips.
#[tokio::test]
async fn slow_writers() {
    let slow = Settings { connect_deadline_ms: 300, packet_deadline_ms: 300, max_keep_alive_s: 100, ..settings() };
    let broker = start_accepting(slow).await;
    let drip = |mut raw: Raw, bytes: Vec<u8>| async move {
        for byte in bytes {
            let mut scrap = [0; 64];
            tokio::select! {
                read = raw.stream.read(&mut scrap) => if read.map_or(0, |count| count) == 0 { return true },
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            if raw.stream.write_all(&[byte]).await.is_err() {
                return true;
            }
        }
        false
    };
    let attack = async {
        let mut drips = Vec::new();
        for n in 0..40 {
            let connect = Connect { keep_alive_s: u16::MAX, ..Connect::v3("slow", "dev") };
            let (raw, bytes) = match n % 2 {
                0 => (Raw::open(&broker).await, connect.bytes()),
                _ => {
                    let mut raw = Raw::open(&broker).await;
                    raw.enter(&Connect { keep_alive_s: u16::MAX, ..Connect::v3("", "dev") }.bytes()).await;
                    (raw, publish(false, "up/dev/x", 1, &[b'x'; 100]))
                }
            };
            drips.push(drip(raw, bytes));
        }
        assert_eq!(futures::future::join_all(drips).await, [true; 40]);
    };
    while_served(&broker, attack).await;
    let (_, connack) =
        Raw::login_with_connack(&broker, &Connect { keep_alive_s: u16::MAX, ..Connect::v5("long", "dev") }.bytes())
            .await;
    let server_keep_alive = [0x13, 0, 100];
    assert!(connack.body.windows(3).any(|window| window == server_keep_alive), "{connack:?}");
}

/// NanoMQ CVE-2024-48077, rumqtt #991: connections that come too fast are closed before they cost anything, and those
/// that never log in are bounded.
#[tokio::test]
async fn connect_floods() {
    let flood = Settings { connects_per_address_per_s: 20, connects_per_address_burst: 60, ..settings() };
    let broker = start_accepting(flood).await;
    let attack = async {
        for _ in 0..300 {
            let mut raw = Raw::open(&broker).await;
            drop(raw.stream.write_all(&Connect::v5("", "dev").bytes()).await);
            drop(within(raw.try_packet()).await);
        }
    };
    while_served(&broker, attack).await;
    let counts = broker.counts();
    assert!(counts.connects_too_fast > 100 && counts.admitted > 50, "{counts:?}");
    let refilled = async {
        loop {
            let mut raw = Raw::open(&broker).await;
            drop(raw.stream.write_all(&Connect::v5("", "dev").bytes()).await);
            if raw.try_packet().await.is_some_and(|connack| connack.body[1] == 0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(refilled).await;
}

#[tokio::test]
async fn connections_that_never_log_in() {
    let half_open =
        Settings { half_open_max: 20, half_open_per_address_max: 15, connect_deadline_ms: 700, ..settings() };
    let broker = start_accepting(half_open).await;
    let mut bystander = Raw::login(&broker, &Connect::v5("bystander", "dev").bytes()).await;
    let mut hoard = Vec::new();
    for _ in 0..15 {
        hoard.push(Raw::open(&broker).await);
    }
    until("they are all counted", || broker.counts().accepted == 16).await;
    let mut late = Raw::open(&broker).await;
    late.closed().await;
    assert_eq!(broker.counts().half_open_full, 1);
    bystander.ping().await;
    for raw in &mut hoard {
        raw.closed().await; // their time is up
    }
    drop(hoard);
    until("there is room again", || broker.connections() == 1).await;
    Raw::login(&broker, &Connect::v5("late", "dev").bytes()).await;
}

/// Guessing passwords: the answers to failures come later and later, and to nobody else.
#[tokio::test]
async fn failed_logins_are_answered_late() {
    let slow = Settings { login_failures_per_minute: 3, login_delay_max_ms: 300, ..settings() };
    let broker = start_accepting(slow).await;
    let attack = async {
        let began = Instant::now();
        for _ in 0..5 {
            let mut raw = Raw::open(&broker).await;
            raw.send(&Connect { password: Some("guess".into()), ..Connect::v5("c", "dev") }.bytes()).await;
            assert_eq!(raw.packet().await.body[1], 0x86);
        }
        assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
    };
    while_served(&broker, attack).await;
    assert_eq!(broker.counts().logins_delayed, 2);
}

/// NanoMQ CVE-2025-59946: many connections fight for one session while it subscribes and publishes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_for_one_session() {
    let broker = start_accepting(Settings { takeovers_per_minute: 0, ..settings() }).await;
    let fight = |n: u32| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for round in 0..40 {
                let mut raw = Raw::open(&broker).await;
                let connect = Connect::lasting("one", "dev", (n + round) % 3);
                let bytes = [
                    connect.bytes(),
                    subscribe(true, 1, &[("down/dev/#", 1)]),
                    publish(true, "up/dev/x", 2, b"x"),
                    packet(0xA2, b"\x00\x03\x00\x00\x0Adown/dev/#"),
                ];
                drop(raw.stream.write_all(&bytes.concat()).await);
                if round % 2 == 0 {
                    while within(raw.try_packet()).await.is_some_and(|packet| packet.first != 0xB0) {}
                }
            }
        })
    };
    let attack = async {
        let fights: Vec<_> = (0..8).map(fight).collect();
        for number in 0..200 {
            let payload = Bytes::from(number.to_string());
            broker.publish("down/dev/x", payload, 0, None, Duration::ZERO).await;
        }
        for fight in fights {
            fight.await.unwrap();
        }
    };
    while_served(&broker, attack).await;
    until("one session at most is left", || broker.connections() == 0 && broker.sessions() <= 1).await;
    let mut last = Raw::login(&broker, &Connect { clean: true, ..Connect::v5("one", "dev") }.bytes()).await;
    last.ping().await;
}

/// A subscriber that stops reading is cut off; what waited for it is bounded and others get theirs.
#[tokio::test]
async fn readers_that_stop() {
    let broker = start_accepting(Settings { write_deadline_ms: 500, ..settings() }).await;
    let mut deaf = attacker(&broker, true).await;
    deaf.send(&subscribe(true, 1, &[("down/dev/#", 0)])).await;
    assert_eq!(deaf.packet().await.first, 0x90);
    let mut fine = Raw::login(&broker, &Connect::v5("fine", "dev").bytes()).await;
    fine.send(&subscribe(true, 1, &[("down/dev/#", 1)])).await;
    assert_eq!(fine.packet().await.first, 0x90);
    let attack = async {
        while broker.counts().slow_readers == 0 {
            let sent = broker.publish("down/dev/x", Bytes::from(vec![b'x'; 50_000]), 1, None, PATIENCE);
            let took = async {
                let (_, id, _) = fine.packet().await.publish(true);
                fine.send(&crate::support::puback(id)).await;
            };
            let (outcome, ()) = futures::future::join(sent, took).await;
            assert!(matches!(outcome, Outcome::Acked { .. }), "{outcome:?}");
        }
    };
    while_served(&broker, attack).await;
    fine.ping().await;
}

/// Running out of file descriptors has its own process; see `limits`. Here: more sockets than are allowed.
#[tokio::test]
async fn more_connections_than_allowed() {
    let broker = start_accepting(Settings { max_connections: 30, ..settings() }).await;
    let attack = async {
        let mut all = Vec::new();
        for _ in 0..200 {
            all.push(Raw::open(&broker).await);
        }
        until("all were accepted", || broker.counts().accepted > 200).await;
    };
    while_served(&broker, attack).await;
    assert_eq!(broker.counts().turned_away, 171);
}

/// Who is one too many is told so, and its place is given back at once.
#[tokio::test]
async fn a_connection_too_many_is_told_why() {
    let broker = start_accepting(Settings { max_connections: 1, ..settings() }).await;
    let first = Raw::login(&broker, &Connect::v5("1", "dev").bytes()).await;
    for (v5, code) in [(true, 0x89), (false, 3)] {
        let mut raw = Raw::open(&broker).await;
        raw.send(&Connect { v5, ..Connect::v3("2", "dev") }.bytes()).await;
        assert_eq!(raw.packet().await.body[1], code);
        raw.closed().await;
    }
    drop(first);
    until("there is room", || broker.connections() == 0).await;
    Raw::login(&broker, &Connect::v5("2", "dev").bytes()).await.ping().await;
}

/// A client without a keep-alive that loses its power is noticed by the system's own probes.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn peers_without_keep_alive_are_probed_by_the_system() {
    let broker = start_accepting(settings()).await;
    let raw = Raw::login(&broker, &Connect { keep_alive_s: 0, ..Connect::v3("c", "dev") }.bytes()).await;
    let end = |addr: SocketAddr| format!("0100007F:{:04X}", addr.port());
    let (ours, theirs) = (end(broker.local_addr()), end(raw.stream.local_addr().unwrap()));
    until("its timer is that of keep-alive", || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = sockets.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.any(|row| row[1] == ours && row[2] == theirs && row[5].starts_with("02:"))
    })
    .await;
}

/// Peers that vanish without a word are noticed by their keep-alive.
#[tokio::test]
async fn peers_that_are_only_half_there() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        let mut gone = Vec::new();
        for _ in 0..20 {
            let connect = Connect { keep_alive_s: 1, ..Connect::v5("", "dev") };
            gone.push(Raw::login(&broker, &connect.bytes()).await);
        }
        until("they are cut off", || broker.counts().keep_alive_timeouts == 20).await;
    };
    while_served(&broker, attack).await;
}

/// A port that accepts must never be confused by who connects to it by mistake.
#[tokio::test]
async fn strangers_of_other_protocols() {
    let broker = start_accepting(settings()).await;
    let attack = async {
        let strangers: [&[u8]; 5] = [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            &[0x16, 3, 1, 0, 5],
            b"\0\0\0\0",
            &[0x10, 4, 0, 6, b'M', b'Q'],
        ];
        for opening in strangers {
            let to: SocketAddr = broker.local_addr();
            let mut raw = Raw { stream: TcpStream::connect(to).await.unwrap() };
            raw.send(opening).await;
            raw.closed().await;
        }
    };
    while_served(&broker, attack).await;
}
