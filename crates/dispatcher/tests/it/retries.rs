//! How often, when, and until when. Time is paused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dispatcher::MqttOutcome;
use model::alert::{Attempt, ReceiptOutcome};
use model::{Colour, DeliveryState};

use crate::fixture::*;

const TOPIC: &str = "people/v1/d1/alert";

fn pauses(rig: &Rig) -> Vec<f64> {
    let times = rig.broker.times(TOPIC);
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
}

fn near(pauses: &[f64], expected: &[f64]) {
    assert_eq!(pauses.len(), expected.len(), "{pauses:?}");
    for (pause, expected) in pauses.iter().zip(expected) {
        assert!((pause - expected).abs() <= expected * 0.2 + 0.1, "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn red_is_tried_steeply_and_every_try_has_a_receipt() {
    let rig = Rig::new();
    rig.broker
        .script(|_, nth| Answer::Now(if nth < 7 { MqttOutcome::NoSubscriber } else { MqttOutcome::Acknowledged }));
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "mqtt", Colour::Red)]);
    let begun = tokio::time::Instant::now();
    until("the first try", || !rig.broker.times(TOPIC).is_empty()).await;
    assert!(begun.elapsed() < Duration::from_millis(50));
    tokio::time::sleep(Duration::from_secs(200)).await;
    near(&pauses(&rig), &[1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
    let mut expected = vec![ReceiptOutcome::Retry; 7];
    expected.push(ReceiptOutcome::Delivered);
    assert_eq!(rig.desk.outcomes("d1"), expected);
    let delivery = rig.ledger.get("d1");
    assert_eq!((delivery.state, delivery.attempt_count), (DeliveryState::Delivered, 8));
    assert_eq!(&*delivery.attempts[0].reason, "nobody is subscribed to people/v1/d1/alert");
    // done is done, also when the ledger is read again
    tokio::time::sleep(Duration::from_secs(4000)).await;
    assert_eq!(rig.broker.times(TOPIC).len(), 8);
    assert!(*rig.ledger.scans.lock().unwrap() > 10);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn other_colours_are_tried_with_longer_pauses_until_they_are_given_up() {
    let mut rig = Rig::new();
    rig.settings.give_up_other_s = 2000;
    rig.broker.script(|_, _| Answer::Now(MqttOutcome::Queued));
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "mqtt", Colour::Yellow)]);
    tokio::time::sleep(Duration::from_secs(5000)).await;
    let tries = rig.broker.times(TOPIC).len();
    near(&pauses(&rig)[..4], &[5.0, 30.0, 120.0, 600.0]);
    let outcomes = rig.desk.outcomes("d1");
    assert_eq!(outcomes.len(), tries);
    assert!(outcomes[..tries - 1].iter().all(|outcome| *outcome == ReceiptOutcome::Retry));
    assert_eq!(outcomes[tries - 1], ReceiptOutcome::Failed);
    let reason = rig.desk.last_reason("d1");
    assert!(reason.starts_with(&format!("given up after {tries} tries in ")) && reason.contains("away"), "{reason}");
    assert_eq!(rig.ledger.get("d1").state, DeliveryState::Failed);
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_tried_once_at_least() {
    let rig = Rig::new();
    rig.broker.script(|topic, _| {
        Answer::Now(if topic.contains("good") { MqttOutcome::Acknowledged } else { MqttOutcome::TimedOut })
    });
    for id in ["good", "bad"] {
        let mut delivery = rig.delivery(id, "mqtt", Colour::Red);
        delivery.owed_ms -= 30 * 86_400_000;
        rig.ledger.put(&[delivery.into()]);
    }
    let handle = rig.start();
    until("both are settled", || rig.ledger.count(DeliveryState::Owed) == 0).await;
    assert_eq!(rig.desk.outcomes("good"), [ReceiptOutcome::Delivered]);
    assert_eq!(rig.desk.outcomes("bad"), [ReceiptOutcome::Failed]);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_the_ladder_was() {
    let rig = Rig::new();
    let mut delivery = rig.delivery("d1", "mqtt", Colour::Yellow);
    let attempt = |at_ms| Attempt { at_ms, outcome: ReceiptOutcome::Retry, reason: "away".into() };
    delivery.attempts = vec![attempt(START_MS - 35_000), attempt(START_MS - 30_000), attempt(START_MS - 20_000)];
    delivery.attempt_count = 3;
    rig.ledger.put(&[delivery.into()]);
    let begun = tokio::time::Instant::now();
    let handle = rig.start();
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert!(rig.broker.topics().is_empty());
    until("it is tried", || !rig.broker.times(TOPIC).is_empty()).await;
    // 120 s after the third try
    assert_eq!((rig.broker.times(TOPIC)[0] - begun).as_secs_f64().round(), 100.0);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_receipt_waits_for_the_journal_and_nothing_is_sent_twice() {
    let rig = Rig::new();
    rig.desk.closed.store(true, Ordering::SeqCst);
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "mqtt", Colour::Red), rig.delivery("d2", "mqtt", Colour::Red)]);
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(rig.ledger.count(DeliveryState::Owed), 2);
    rig.desk.closed.store(false, Ordering::SeqCst);
    until("the receipts are journalled", || rig.ledger.count(DeliveryState::Delivered) == 2).await;
    assert_eq!(rig.broker.published.lock().unwrap().len(), 2);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_desk_that_is_behind_does_not_cause_a_second_message_at_once() {
    let rig = Rig::new();
    rig.desk.lagging.store(true, Ordering::SeqCst);
    let handle = rig.start();
    let delivery = rig.delivery("d1", "mqtt", Colour::Red);
    rig.owe(&handle, vec![delivery.clone()]);
    until("it is sent", || rig.desk.outcomes("d1").len() == 1).await;
    for _ in 0..20 {
        rig.owe(&handle, vec![delivery.clone()]);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(rig.broker.times(TOPIC).len(), 1);
    // a receipt that never took effect is not the end of it
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert!(rig.broker.times(TOPIC).len() > 1);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_not_there_is_said_so() {
    let mut rig = Rig::new();
    rig.settings.give_up_red_s = 10;
    let handle = rig.start();
    rig.owe(
        &handle,
        vec![rig.delivery("d1", "webhook:brigade", Colour::Red), rig.delivery("a/b", "mqtt", Colour::Red)],
    );
    until("it is given up", || rig.ledger.count(DeliveryState::Failed) == 2).await;
    assert!(rig.desk.last_reason("d1").contains("there is no channel \"webhook:brigade\""));
    assert!(rig.desk.outcomes("d1").len() > 2);
    assert!(rig.desk.last_reason("a/b").contains("cannot be a level of a topic"));
    assert_eq!(rig.desk.outcomes("a/b"), [ReceiptOutcome::Failed]);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_cannot_be_read_is_read_again() {
    let rig = Rig::new();
    rig.ledger.failing.store(true, Ordering::SeqCst);
    rig.ledger.put(&[rig.delivery("d1", "mqtt", Colour::Red).into()]);
    let handle = rig.start();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(rig.broker.topics().is_empty());
    rig.ledger.failing.store(false, Ordering::SeqCst);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_begins_to_listen_hears_at_once() {
    let rig = Rig::new();
    let online = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_online = std::sync::Arc::clone(&online);
    rig.broker.script(move |_, _| match is_online.load(Ordering::SeqCst) {
        true => Answer::Now(MqttOutcome::Acknowledged),
        false => Answer::Now(MqttOutcome::NoSubscriber),
    });
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "mqtt", Colour::Yellow), rig.delivery("d2", "mqtt", Colour::Yellow)]);
    // the next try would be ten minutes away
    tokio::time::sleep(Duration::from_secs(400)).await;
    let before = rig.broker.times(TOPIC).len();
    // a client that subscribes again and again makes no storm of tries
    for _ in 0..40 {
        handle.listens("d1");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let tries = rig.broker.times(TOPIC).len() - before;
    assert!((1..=2).contains(&tries), "{tries} tries");
    tokio::time::sleep(Duration::from_secs(6)).await;
    online.store(true, Ordering::SeqCst);
    let begun = tokio::time::Instant::now();
    handle.listens("d1");
    until("d1 is delivered", || rig.ledger.get("d1").state == DeliveryState::Delivered).await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert_eq!(rig.ledger.get("d2").state, DeliveryState::Owed, "d2 has not said that it listens");
    handle.listens("nobody");
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_begins_to_listen_during_a_try_is_tried_again_at_once() {
    let rig = Rig::new();
    rig.broker.script(|_, nth| match nth {
        2 => Answer::After(Duration::from_secs(3), MqttOutcome::TimedOut),
        0 | 1 => Answer::Now(MqttOutcome::NoSubscriber),
        _ => Answer::Now(MqttOutcome::Acknowledged),
    });
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "mqtt", Colour::Yellow)]);
    until("the third try", || rig.broker.times(TOPIC).len() == 3).await;
    handle.listens("d1");
    until("it is delivered", || rig.ledger.get("d1").state == DeliveryState::Delivered).await;
    let pauses = pauses(&rig);
    assert!(pauses[2] < 3.5, "{pauses:?}");
    handle.shutdown().await;
}
