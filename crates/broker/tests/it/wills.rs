//! The last will: of the session that died, and only when it died.

use broker::DownCause;

use crate::support::{Connect, Raw, next_down, next_up, packet, payloads, settings, start, within};

fn with_will(connect: Connect) -> Connect {
    Connect { will: Some(("up/dev/state", "lost", Vec::new())), ..connect }
}

#[tokio::test]
async fn an_abnormal_end_publishes_the_will_as_its_owners_message() {
    let (broker, mut inlets) = start(settings()).await;
    for connect in [Connect::v3("c", "dev"), Connect::v5("c", "dev")] {
        let raw = Raw::login(&broker, &with_will(connect).bytes()).await;
        next_up(&mut inlets).await;
        drop(raw);
        let batch = within(inlets.normal.recv()).await.unwrap();
        assert_eq!(payloads(&batch), ["lost"]);
        assert_eq!((&*batch.identity, &*batch.client_id), ("dev", "c"));
        let message = &batch.messages[0];
        assert!(message.is_will && message.qos == 1);
        assert_eq!(&*message.topic, "up/dev/state");
        batch.ack.accept_all();
        assert_eq!(next_down(&mut inlets).await, DownCause::ConnectionLost);
    }
}

#[tokio::test]
async fn a_goodbye_discards_the_will_unless_it_asks_for_it() {
    let (broker, mut inlets) = start(settings()).await;
    for (v5, goodbye, is_due) in [
        (false, packet(0xE0, &[]), false),
        (true, packet(0xE0, &[]), false),
        (true, packet(0xE0, &[4]), true),
        (true, packet(0xE0, &[0x80]), true),
    ] {
        let connect = with_will(Connect { v5, ..Connect::v3("c", "dev") });
        let mut raw = Raw::login(&broker, &connect.bytes()).await;
        next_up(&mut inlets).await;
        raw.send(&goodbye).await;
        raw.closed().await;
        next_down(&mut inlets).await;
        assert_eq!(inlets.normal.try_recv().is_ok(), is_due, "{goodbye:?}");
    }
}

#[tokio::test]
async fn a_takeover_publishes_the_will_of_the_old_connection_only() {
    let (broker, mut inlets) = start(settings()).await;
    let _old = Raw::login(&broker, &with_will(Connect::v3("c", "dev")).bytes()).await;
    let mut connect = with_will(Connect::v3("c", "dev"));
    connect.will = Some(("up/dev/state", "new", Vec::new()));
    let mut new = Raw::login(&broker, &connect.bytes()).await;
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["lost"]);
    next_up(&mut inlets).await;
    assert_eq!(next_down(&mut inlets).await, DownCause::TakenOver);
    next_up(&mut inlets).await;
    new.ping().await;
    assert!(inlets.normal.try_recv().is_err(), "the live will is kept");
    drop(new);
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["new"]);
}

#[tokio::test]
async fn a_will_with_a_delay_waits_and_is_taken_back_by_a_return() {
    let (broker, mut inlets) = start(settings()).await;
    let mut connect = Connect::lasting("c", "dev", 600);
    connect.will = Some(("up/dev/state", "lost", vec![0x18, 0, 0, 0, 1]));
    let returning = connect.bytes();
    drop(Raw::login(&broker, &returning).await);
    next_up(&mut inlets).await;
    assert_eq!(next_down(&mut inlets).await, DownCause::ConnectionLost);
    let mut back = Raw::login(&broker, &returning).await;
    next_up(&mut inlets).await;
    back.ping().await;
    drop(back);
    assert_eq!(next_down(&mut inlets).await, DownCause::ConnectionLost);
    assert!(inlets.normal.try_recv().is_err(), "neither published yet");
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["lost"]);
    assert_eq!(broker.sessions(), 1, "the session lives on");
    // The end of the session is the end of the delay.
    connect.properties = vec![0x11, 0, 0, 0, 1];
    connect.will = Some(("up/dev/state", "expired", vec![0x18, 0, 0, 9, 9]));
    drop(Raw::login(&broker, &connect.bytes()).await);
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["expired"]);
}

#[tokio::test]
async fn a_will_needs_the_permission_to_publish_it() {
    let (broker, _inlets) = start(settings()).await;
    for (v5, topic, code) in
        [(true, "up/other/state", 0x87), (false, "up/other/state", 5), (true, "$SYS/x", 0x87), (true, "up/dev/#", 0x81)]
    {
        let will = Some((topic, "x", Vec::new()));
        let mut raw = Raw::open(&broker).await;
        raw.send(&Connect { will, v5, ..Connect::v3("c", "dev") }.bytes()).await;
        assert_eq!(raw.packet().await.body[1], code, "{topic}");
        raw.closed().await;
    }
    Raw::login(&broker, &Connect { will_qos: 2, ..with_will(Connect::v5("c", "dev")) }.bytes()).await;
}
