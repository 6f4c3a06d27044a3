//! What the process sees of its clients and does about them; subscriptions shared and taken away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use broker::{Access, Grant, Login, Outcome, Parts, Refusal, Route, TopicFilter};
use bytes::Bytes;

use crate::hall::House;
use crate::support::{
    Connect, Gatehouse, PATIENCE, Raw, accept_everything, puback, publish, settings, start_accepting, subscribe, until,
    within,
};

#[tokio::test]
async fn clients_are_told_page_by_page() {
    let broker = start_accepting(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("b", "a").bytes()).await;
    raw.send(&subscribe(true, 1, &[("down/a/x", 1), ("$share/g/down/a/#", 1)])).await;
    raw.packet().await;
    let _other = Raw::login(&broker, &Connect { clean: false, ..Connect::v3("c", "dev") }.bytes()).await;
    drop(Raw::login(&broker, &Connect::lasting("a", "a", 600).bytes()).await);
    until("one is away", || broker.connections() == 2).await;
    let first = broker.clients(None, 2);
    assert_eq!(first.iter().map(|one| &*one.client_id).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((first[0].connection, first[0].session_expiry_s, first[0].v5), (None, 600, true));
    assert_eq!(first[1].subscriptions, ["down/a/x", "$share/g/down/a/#"]);
    let connection = first[1].connection.unwrap();
    assert_eq!((connection.class, connection.peer), ("device", raw.stream.local_addr().unwrap()));
    let rest = broker.clients(Some("b"), 2);
    assert_eq!(
        rest.iter().map(|one| (&*one.client_id, &*one.identity, one.v5)).collect::<Vec<_>>(),
        [("c", "dev", false)]
    );
    broker.publish("down/a/x", Bytes::from("x"), 1, None, std::time::Duration::from_millis(1)).await;
    raw.packet().await;
    assert_eq!(broker.clients(Some("a"), 1)[0].in_flight, 2, "both ways in");
}

#[tokio::test]
async fn a_revoked_identity_is_thrown_out_everywhere_and_nobody_else_is() {
    let broker = start_accepting(settings()).await;
    let mut v5 = Raw::login(&broker, &Connect::v5("1", "a").bytes()).await;
    let mut v3 = Raw::login(&broker, &Connect::v3("2", "a").bytes()).await;
    let mut other = Raw::login(&broker, &Connect::v5("3", "dev").bytes()).await;
    assert_eq!(broker.kick("a"), 2);
    v5.disconnected(0x87).await;
    v3.closed().await;
    other.ping().await;
    until("they are gone", || broker.connections() == 1).await;
    assert_eq!(broker.kick("a"), 0);
}

#[tokio::test]
async fn subscriptions_are_told_to_who_listens() {
    let broker = start_accepting(settings()).await;
    let mut told = broker.subscribed();
    let mut raw = Raw::login(&broker, &Connect::v5("b", "a").bytes()).await;
    raw.send(&subscribe(true, 1, &[("down/other/x", 1), ("down/a/x", 1)])).await;
    let subscribed = within(told.recv()).await.unwrap();
    assert_eq!((&*subscribed.identity, &*subscribed.client_id, &*subscribed.filter), ("a", "b", "down/a/x"));
    assert!(told.try_recv().is_err(), "what was refused is not told");
}

#[tokio::test]
async fn what_a_shared_member_did_not_acknowledge_goes_to_another_when_its_session_ends() {
    let house = House::new();
    let (broker, _inlets) = house.start().await;
    let mut first = Raw::login(&broker, &Connect::v5("first", "all").bytes()).await;
    first.send(&subscribe(true, 1, &[("$share/g/relay/#", 1)])).await;
    first.packet().await;
    let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    for (id, payload) in [(1, "one"), (2, "two")] {
        publisher.send(&publish(true, "relay/x", id, payload.as_bytes())).await;
        publisher.packet().await;
        assert_eq!(&first.packet().await.publish(true).2[..], payload.as_bytes());
    }
    first.send(&puback(1)).await;
    first.ping().await;
    let mut second = Raw::login(&broker, &Connect::lasting("second", "all", 600).bytes()).await;
    second.send(&subscribe(true, 1, &[("$share/g/relay/#", 1)])).await;
    second.packet().await;
    drop(first);
    let packet = second.packet().await;
    assert_eq!((packet.first, &packet.publish(true).2[..]), (0x32, &b"two"[..]));
    second.ping().await;
}

/// [`Gatehouse`] whose user `all` may lose its right to `relay/secret`.
#[derive(Default)]
struct Strict {
    gatehouse: Gatehouse,
    strict: AtomicBool,
    seen: Mutex<Vec<String>>,
}

impl Access for Strict {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        self.seen.lock().unwrap().push(login.client_id.to_owned());
        let mut grant = self.gatehouse.authenticate(login)?;
        if self.strict.load(Ordering::Relaxed) {
            grant.subscribe = [TopicFilter::parse("relay/open/#").unwrap()].into();
        }
        Ok(grant)
    }

    fn route(&self, topic: &str) -> Route {
        self.gatehouse.route(topic)
    }

    fn now_ms(&self) -> u64 {
        self.gatehouse.now_ms()
    }
}

#[tokio::test]
async fn a_session_that_is_resumed_keeps_what_its_credential_still_permits() {
    let access = Arc::new(Strict::default());
    let (broker, _inlets) = broker::start(settings(), Parts::new(access.clone())).await.unwrap();
    let connect = Connect::lasting("s", "all", 600);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("relay/open/x", 1), ("relay/secret", 1), ("#", 1)])).await;
    raw.packet().await;
    access.strict.store(true, Ordering::Relaxed);
    let (mut raw, connack) = Raw::login_with_connack(&broker, &connect.bytes()).await;
    assert_eq!(connack.body[0], 1);
    assert_eq!(broker.clients(None, 1)[0].subscriptions, ["relay/open/x"]);
    let outcome = broker.publish("relay/secret", Bytes::new(), 1, None, PATIENCE).await;
    assert_eq!(outcome, Outcome::NoSubscriber);
    assert_eq!(broker.publish("relay/open/x", Bytes::new(), 0, None, PATIENCE).await, Outcome::Sent);
    assert_eq!(raw.packet().await.publish(true).0, "relay/open/x");
    assert_eq!(access.seen.lock().unwrap().len(), 2);
}

/// [`Gatehouse`] in which rights change at the worst moment.
#[derive(Default)]
struct Shifting {
    gatehouse: Gatehouse,
    changes: AtomicU64,
    changes_at_login: AtomicBool,
}

impl Access for Shifting {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        let mut grant = self.gatehouse.authenticate(login)?;
        let granted: &[&str] = if self.changes.load(Ordering::Relaxed) > 0 { &["+/open/#"] } else { &["#", "own/#"] };
        grant.subscribe = granted.iter().map(|filter| TopicFilter::parse(filter).unwrap()).collect();
        if self.changes_at_login.load(Ordering::Relaxed) {
            self.changes.fetch_add(1, Ordering::Relaxed); // by the time the client is in, its rights are others
        }
        Ok(grant)
    }

    fn version(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn route(&self, topic: &str) -> Route {
        self.gatehouse.route(topic)
    }

    fn reserved(&self, topic: &str) -> bool {
        self.gatehouse.reserved(topic)
    }

    fn may_retain(&self, identity: &str, topic: &str) -> bool {
        !(self.changes.load(Ordering::Relaxed) > 0 && identity == "all" && topic == "relay/open/kept")
    }

    fn now_ms(&self) -> u64 {
        self.gatehouse.now_ms()
    }
}

#[tokio::test]
async fn rights_that_change_while_a_client_comes_in_count_at_once() {
    let access = Arc::new(Shifting::default());
    let (broker, inlets) = broker::start(settings(), Parts::new(access.clone())).await.unwrap();
    tokio::spawn(accept_everything(inlets));
    access.changes_at_login.store(true, Ordering::Relaxed);
    let mut raw = Raw::login(&broker, &Connect::v5("c", "all").bytes()).await;
    raw.disconnected(0x87).await;
    access.changes_at_login.store(false, Ordering::Relaxed);
    Raw::login(&broker, &Connect::v5("c", "all").bytes()).await.ping().await;
}

/// What came while a right was there is not handed out when it is gone: neither from a queue nor as a retained message.
#[tokio::test]
async fn rights_that_are_taken_away_take_along_what_they_gave() {
    let access = Arc::new(Shifting::default());
    let (broker, inlets) = broker::start(settings(), Parts::new(access.clone())).await.unwrap();
    tokio::spawn(accept_everything(inlets));
    let connect = Connect::lasting("s", "all", 600);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("relay/open/x", 1), ("relay/#", 1), ("own/open/x", 1)])).await;
    assert_eq!(raw.packet().await.body[3..], [1, 1, 1]);
    drop(raw);
    until("it is away", || broker.connections() == 0).await;
    let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    broker.publish("own/open/x", Bytes::new(), 1, None, PATIENCE).await;
    for (topic, retain) in [("relay/secret", 0), ("relay/open/x", 0), ("relay/open/kept", 1)] {
        let mut bytes = publish(true, topic, 1, b"x");
        bytes[0] |= retain;
        publisher.send(&bytes).await;
        assert_eq!(publisher.packet().await.first, 0x40);
    }
    access.changes.store(1, Ordering::Relaxed);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    let mut topics = Vec::new();
    raw.send(&[0xC0, 0]).await;
    while let packet = raw.packet().await
        && packet.first != 0xD0
    {
        topics.push(packet.publish(true).0);
    }
    raw.ping().await;
    assert_eq!(topics, ["relay/open/x", "relay/open/kept"]);
    assert_eq!(broker.clients(Some("p"), 1)[0].subscriptions, ["relay/open/x"]);
    let mut late = Raw::login(&broker, &Connect::v5("late", "all").bytes()).await;
    late.send(&subscribe(true, 1, &[("relay/open/kept", 1)])).await;
    assert_eq!(late.packet().await.first, 0x90);
    late.ping().await; // whoever published it may not any more
}
