//! What has brought other listeners down, one test each. Every attacker loses at most its own connection, what it may
//! cost is bounded, and a bystander is served all the while.

mod floods;
mod peers;

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
