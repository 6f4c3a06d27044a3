//! Clients to clients across kill -9: what a publisher was promised reaches everybody with a session, with QoS 2 once.
//!
//! FENGHUO_KILL_ROUNDS sets the rounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::kill::{Lcg, rounds};
use crate::kill_exact::{Message, Plan, Publisher};
use crate::kill_feed::Subscriber;
use crate::rig::Rig;

const QUEUE: &str = "[mqtt]\noutbound_queue_messages = 100000\noutbound_queue_bytes = 100000000\n";

fn note(serial: usize) -> (String, String) {
    (format!("site/hall-{}/note", serial % 7), format!("note {serial}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_publish_reaches_every_session_once() {
    let mut rig = Rig::start_with(2, QUEUE).await;
    let mut subscribers = [
        Subscriber::new("relay", "hears-2", true, "site/#", 2, 0),
        Subscriber::new("relay", "slow-2", true, "site/+/note", 2, 2),
        Subscriber::new("relay", "old-2", false, "site/#", 2, 0),
    ];
    for subscriber in &mut subscribers {
        subscriber.enrol(rig.mqtt).await;
    }
    let (stay, wanted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(u64::MAX)));
    let subscribers =
        subscribers.map(|subscriber| tokio::spawn(subscriber.run(rig.mqtt, Arc::clone(&stay), Arc::clone(&wanted))));
    let plan = Arc::<Plan>::default();
    let publishers = [("says-0", true), ("says-1", false)].map(|(client_id, v5)| {
        let publisher = Publisher::new("relay", client_id, v5, (2, note as Message), u64::from(v5) + 11);
        tokio::spawn(publisher.run(rig.mqtt, Arc::clone(&plan)))
    });
    let mut random = Lcg(5);
    for _ in 0..rounds() {
        tokio::time::sleep(Duration::from_millis(150 + random.below(900))).await;
        rig.kill();
        rig.spawn().await;
    }
    plan.finish.store(true, Ordering::SeqCst);
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let sent = plan.serial.load(Ordering::SeqCst);
    assert!(sent > rounds() * 10, "the load was no load: {sent} messages");
    wanted.store(sent as u64, Ordering::SeqCst);
    stay.store(true, Ordering::SeqCst);
    for subscriber in subscribers {
        let subscriber = subscriber.await.unwrap();
        let mut heard: BTreeMap<&str, usize> = BTreeMap::new();
        for text in &subscriber.heard {
            *heard.entry(text).or_default() += 1;
        }
        let who = &subscriber.login.client_id;
        let lost = (0..sent).filter(|serial| !heard.contains_key(format!("note {serial}").as_str()));
        assert_eq!(lost.collect::<Vec<_>>(), [0usize; 0], "{who}: lost");
        let twice: Vec<_> = heard.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{who}: more than once: {twice:?}");
    }
    assert!(rig.stop().await.success());
}
