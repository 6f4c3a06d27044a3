//! Peers that are slow, that come too often or at once, that vanish, or that meant somebody else.

use super::*;

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
