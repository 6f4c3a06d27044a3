use crate::hall::House;
use crate::support::{
    Connect, Gatehouse, Raw, is_puback, packet, publish, settings, start, start_accepting, subscribe, within,
};
use broker::Settings;

#[tokio::test]
async fn a_wrong_password_is_refused_with_a_reason_and_the_socket_closes() {
    let broker = start_accepting(settings()).await;
    for (v5, code) in [(false, 4), (true, 0x86)] {
        let mut raw = Raw::open(&broker).await;
        let connect = Connect { password: Some("guess".into()), v5, ..Connect::v3("c", "dev") };
        raw.send(&connect.bytes()).await;
        let connack = raw.packet().await;
        assert_eq!((connack.first, connack.body[1]), (0x20, code));
        raw.closed().await;
    }
    assert_eq!(broker.counts().refused, 2);
    assert_eq!(broker.counts().admitted, 0);
}

#[tokio::test]
async fn the_welcome_tells_a_v5_client_what_is_offered() {
    let broker = start_accepting(Settings { max_keep_alive_s: 30, ..settings() }).await;
    let mut connect = Connect::v5("", "dev");
    connect.properties = vec![0x11, 0xFF, 0xFF, 0xFF, 0xFF];
    let (_raw, connack) = Raw::login_with_connack(&broker, &connect.bytes()).await;
    let has = |bytes: &[u8]| connack.body.windows(bytes.len()).any(|window| window == bytes);
    assert!(!has(&[0x24, 1]), "Maximum QoS 2, which goes without saying");
    assert!(has(&[0x21, 0, 64]), "Receive Maximum");
    assert!(has(&[0x27, 0, 1, 0, 0]), "Maximum Packet Size");
    assert!(has(&[0x13, 0, 30]), "Server Keep Alive");
    assert!(has(&[0x11, 0, 1, 0x51, 0x80]), "Session Expiry Interval of a day");
    assert!(!has(&[0x2A, 0]) && !has(&[0x29, 0]), "shared subscriptions and identifiers are offered");
    assert!(has(b"auto-"), "Assigned Client Identifier");
}

#[tokio::test]
async fn an_empty_client_id_needs_a_clean_v3_session() {
    let broker = start_accepting(settings()).await;
    Raw::login(&broker, &Connect::v3("", "dev").bytes()).await;
    let mut raw = Raw::open(&broker).await;
    raw.send(&Connect { clean: false, ..Connect::v3("", "dev") }.bytes()).await;
    assert_eq!(raw.packet().await.body[1], 2);
    raw.closed().await;
}

#[tokio::test]
async fn other_versions_and_enhanced_authentication_are_refused_by_code() {
    let broker = start_accepting(settings()).await;
    let mut old = Raw::open(&broker).await;
    old.send(&packet(0x10, b"\x00\x06MQIsdp\x02\x02\x00\x3C\x00\x01c")).await;
    assert_eq!(old.packet().await.body[1], 1);
    old.closed().await;
    let mut future = Raw::open(&broker).await;
    future.send(&packet(0x10, b"\x00\x04MQTT\x06\x02\x00\x3C\x00\x00\x01c")).await;
    assert_eq!(future.packet().await.body[1], 0x84);
    future.closed().await;
    let mut enhanced = Connect::v5("c", "dev");
    enhanced.properties = vec![0x15, 0, 1, b'x'];
    let mut raw = Raw::open(&broker).await;
    raw.send(&enhanced.bytes()).await;
    assert_eq!(raw.packet().await.body[1], 0x8C);
    raw.closed().await;
}

#[tokio::test]
async fn foreign_filters_are_refused_one_by_one() {
    let broker = start_accepting(settings()).await;
    let long = format!("down/dev/{}", "x".repeat(settings().topic_bytes));
    let filters =
        [("down/dev/a", 1), ("down/dev/+/x", 2), ("down/other/a", 1), ("#", 0), ("$share/g/down/dev/a", 1), (&long, 1)];
    let expected = [(true, vec![1u8, 2, 0x87, 0x87, 1, 0x8F]), (false, vec![1, 2, 0x80, 0x80, 1, 0x80])];
    for (v5, codes) in expected {
        let mut raw = Raw::login(&broker, &Connect { v5, ..Connect::v3("c", "dev") }.bytes()).await;
        raw.send(&subscribe(v5, 7, &filters)).await;
        let suback = raw.packet().await;
        assert_eq!(suback.first, 0x90);
        assert_eq!(suback.body[..2], [0, 7]);
        assert_eq!(suback.body[suback.body.len() - filters.len()..], codes[..]);
    }
}

#[tokio::test]
async fn a_forbidden_publish_is_answered_0x87_and_never_reaches_the_consumer() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let sent = [
        publish(true, "up/other/x", 1, b"no"),
        publish(true, "up/other/x", 0, b"no"),
        publish(true, "$SYS/x", 2, b"no"),
        publish(true, "up/dev/x", 3, b"yes"),
    ];
    raw.send(&sent.concat()).await;
    for id in [1, 2] {
        let puback = raw.packet().await;
        assert!(is_puback(&puback, id), "{puback:?}");
        assert_eq!(puback.body[2], 0x87);
    }
    let batch = within(inlets.normal.recv()).await.unwrap();
    assert_eq!(batch.messages.len(), 1);
    assert_eq!((&*batch.identity, &*batch.client_id), ("dev", "c"));
    assert_eq!(&batch.messages[0].payload[..], b"yes");
    assert_eq!(broker.counts().forbidden, 3);
}

#[tokio::test]
async fn a_v3_client_that_publishes_where_it_may_not_is_cut_off_at_qos_1_only() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v3("c", "dev").bytes()).await;
    raw.send(&publish(false, "up/other/x", 0, b"no")).await;
    raw.ping().await;
    raw.send(&publish(false, "up/other/x", 1, b"no")).await;
    raw.closed().await;
    crate::support::next_up(&mut inlets).await;
    assert_eq!(crate::support::next_down(&mut inlets).await, broker::DownCause::NotPermitted);
}

#[tokio::test]
async fn topics_beyond_the_limits_are_refused() {
    let broker = start_accepting(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let deep = format!("up/dev/{}", "a/".repeat(200));
    let long = format!("up/dev/{}", "a".repeat(60_000));
    for (id, topic) in [(1, deep), (2, long)] {
        raw.send(&publish(true, &topic, id, b"")).await;
        assert_eq!(raw.packet().await.body[2], 0x90);
    }
    let many: Vec<String> = (0..100).map(|i| format!("down/dev/{i}")).collect();
    let filters: Vec<(&str, u8)> = many.iter().map(|filter| (filter.as_str(), 0)).collect();
    raw.send(&subscribe(true, 9, &filters)).await;
    let suback = raw.packet().await;
    assert_eq!(suback.body.iter().filter(|code| **code == 0x97).count(), 36, "64 are allowed");
}

#[tokio::test]
async fn who_comes_before_the_door_is_open_waits_and_is_not_refused() {
    let parts =
        broker::Parts { closed_at_first: true, ..broker::Parts::new(std::sync::Arc::new(Gatehouse::default())) };
    let (broker, mut inlets) = broker::start(settings(), parts).await.unwrap();
    let mut raw = Raw::open(&broker).await;
    raw.send(&Connect::v5("early", "dev").bytes()).await;
    let soon = tokio::time::timeout(std::time::Duration::from_millis(300), inlets.sessions.recv());
    assert!(soon.await.is_err(), "the door is closed");
    assert_eq!(broker.counts().accepted, 0);
    broker.open();
    assert!(within(inlets.sessions.recv()).await.is_some());
    assert_eq!(raw.packet().await.body[1], 0);
}

/// MQTT 3.1 has no place in CONNACK for "a session is there".
#[tokio::test]
async fn a_client_of_mqtt_3_1_comes_in_and_is_told_nothing_of_its_session() {
    let broker = start_accepting(settings()).await;
    for _ in 0..2 {
        let mut raw = Raw::open(&broker).await;
        let body = b"\x00\x06MQIsdp\x03\xC0\x00\x3C\x00\x03old\x00\x03dev\x00\x06pw-dev";
        raw.send(&packet(0x10, body)).await;
        assert_eq!(raw.packet().await.body[..], [0, 0]);
        raw.ping().await;
    }
    assert_eq!(broker.sessions(), 1, "it is the same session");
}

/// MQTT 3.1 sets DUP on PUBREL, SUBSCRIBE and UNSUBSCRIBE that are sent again; later versions forbid it.
#[tokio::test]
async fn dup_stands_where_mqtt_3_1_puts_it() {
    let broker = start_accepting(settings()).await;
    let mut raw = Raw::open(&broker).await;
    raw.send(&packet(0x10, b"\x00\x06MQIsdp\x03\xC2\x00\x3C\x00\x03old\x00\x03dev\x00\x06pw-dev")).await;
    assert_eq!(raw.packet().await.first, 0x20);
    for (sent, answer) in [
        (packet(0x34, b"\x00\x08up/dev/x\x00\x07x"), 0x50),
        (packet(0x6A, &[0, 7]), 0x70),
        (packet(0x8A, b"\x00\x08\x00\x0Adown/dev/x\x01"), 0x90),
        (packet(0xAA, b"\x00\x09\x00\x0Adown/dev/x"), 0xB0),
    ] {
        raw.send(&sent).await;
        assert_eq!(raw.packet().await.first, answer);
    }
    let mut newer = Raw::login(&broker, &Connect::v3("new", "dev").bytes()).await;
    newer.send(&packet(0x6A, &[0, 7])).await;
    newer.closed().await;
}

/// Whoever has proved who they are is told apart from who only says so, also when they are not let in.
#[tokio::test]
async fn a_refused_connect_says_whether_its_name_was_proved() {
    let house = House { settings: Settings { sessions_max: 1, ..settings() }, ..House::new() };
    let (broker, _inlets) = house.start().await;
    let _first = Raw::login(&broker, &Connect::v5("1", "a").bytes()).await;
    let will = Some(("up/other/x", "x", Vec::new()));
    let wrong = Some("wrong".to_owned());
    for connect in [
        Connect::v5("2", "a"),
        Connect { will, ..Connect::v5("1", "a") },
        Connect { password: wrong, ..Connect::v5("1", "a") },
    ] {
        let mut raw = Raw::open(&broker).await;
        raw.send(&connect.bytes()).await;
        assert!(raw.packet().await.body[1] > 0x80);
        raw.closed().await;
    }
    let who = || Some("a".to_owned());
    assert_eq!(*house.hall.accused.lock().unwrap(), [(who(), true), (who(), true), (who(), false)]);
}
