//! Who waits for whom. Time is paused.

use std::sync::Arc;
use std::time::Duration;

use dispatcher::{Dispatcher, MqttOutcome, StartError, Webhook};
use model::{Colour, DeliveryState};

use crate::fixture::*;

#[tokio::test(start_paused = true)]
async fn a_stuck_channel_holds_up_no_other() {
    let rig = Rig::new();
    rig.broker.script(|_, _| Answer::Never);
    let handle = rig.start();
    let begun = tokio::time::Instant::now();
    let stuck = (0..500).map(|n| rig.delivery(&format!("m{n}"), "mqtt", Colour::Red));
    let lost = (0..500).map(|n| rig.delivery(&format!("w{n}"), "webhook:gone", Colour::Red));
    let clear = (0..500).map(|n| rig.delivery(&format!("c{n}"), "console", Colour::Blue));
    rig.owe(&handle, stuck.chain(lost).chain(clear).collect());
    until("the console has all of its own", || rig.ledger.count(DeliveryState::Delivered) == 500).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // and what is stuck comes back as a failed try
    until("the time limit", || !rig.desk.outcomes("m0").is_empty()).await;
    assert_eq!(rig.desk.last_reason("m0"), "no answer within 5000 ms");
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn red_goes_first_and_a_drill_last() {
    let mut rig = Rig::new();
    rig.settings.in_flight_per_channel_max = 1;
    rig.broker.script(|_, _| Answer::After(Duration::from_millis(10), MqttOutcome::Acknowledged));
    let mut drill = rig.delivery("drill", "mqtt", Colour::Red);
    alert_of(&mut drill).exercise = true;
    let mut older = rig.delivery("red-older", "mqtt", Colour::Red);
    older.owed_ms -= 1;
    let mut deliveries = vec![drill, rig.delivery("red", "mqtt", Colour::Red), older];
    for (id, colour) in [("blue", Colour::Blue), ("yellow", Colour::Yellow), ("orange", Colour::Orange)] {
        deliveries.push(rig.delivery(id, "mqtt", colour));
    }
    let deliveries: Vec<_> = deliveries.into_iter().map(Arc::new).collect();
    rig.ledger.put(&deliveries);
    let handle = rig.start();
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 6).await;
    let expected = ["red-older", "red", "orange", "yellow", "blue", "drill"].map(|id| format!("people/v1/{id}/alert"));
    assert_eq!(rig.broker.topics(), expected);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn places_are_kept_for_red() {
    let mut rig = Rig::new();
    rig.settings.in_flight_per_channel_max = 8;
    rig.broker.script(|topic, _| match topic.contains("red") {
        true => Answer::Now(MqttOutcome::Acknowledged),
        false => Answer::Never,
    });
    let handle = rig.start();
    rig.owe(&handle, (0..50).map(|n| rig.delivery(&format!("y{n}"), "mqtt", Colour::Yellow)).collect());
    until("yellow has taken its places", || rig.broker.topics().len() == 6).await;
    let begun = tokio::time::Instant::now();
    rig.owe(&handle, (0..50).map(|n| rig.delivery(&format!("red{n}"), "mqtt", Colour::Red)).collect());
    until("red went past", || rig.ledger.count(DeliveryState::Delivered) == 50).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(rig.broker.topics().len(), 56);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_try_of_one_delivery() {
    let rig = Rig::new();
    rig.broker.script(|topic, nth| match topic.contains("d1") && nth == 0 {
        true => Answer::Panic,
        false => Answer::Now(MqttOutcome::Acknowledged),
    });
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "mqtt", Colour::Red), rig.delivery("d2", "mqtt", Colour::Red)]);
    until("both are delivered", || rig.ledger.count(DeliveryState::Delivered) == 2).await;
    assert_eq!(&*rig.ledger.get("d1").attempts[0].reason, "the channel panicked");
    assert_eq!(rig.desk.outcomes("d2").len(), 1);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn hints_beyond_the_limit_are_read_from_the_ledger() {
    let mut rig = Rig::new();
    rig.settings.hints_max = 2;
    let handle = rig.start();
    // no other task runs between these
    for n in 0..300 {
        rig.owe(&handle, vec![rig.delivery(&format!("d{n}"), "mqtt", Colour::Orange)]);
    }
    let begun = tokio::time::Instant::now();
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 300).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn more_than_can_be_kept_in_mind_is_delivered_too() {
    let mut rig = Rig::new();
    rig.settings.owed_max = 10;
    rig.settings.settled_kept_s = 1;
    let handle = rig.start();
    rig.owe(&handle, (0..100).map(|n| rig.delivery(&format!("d{n}"), "mqtt", Colour::Blue)).collect());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.ledger.count(DeliveryState::Delivered), 100);
    assert_eq!(rig.broker.published.lock().unwrap().len(), 100);
    handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_lets_what_is_under_way_end() {
    let rig = Rig::new();
    rig.broker.script(|topic, _| match topic.contains("slow") {
        true => Answer::After(Duration::from_secs(1), MqttOutcome::Acknowledged),
        false => Answer::Never,
    });
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("slow", "mqtt", Colour::Red), rig.delivery("stuck", "mqtt", Colour::Red)]);
    until("both are under way", || rig.broker.topics().len() == 2).await;
    let begun = tokio::time::Instant::now();
    handle.shutdown().await;
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(rig.ledger.get("slow").state, DeliveryState::Delivered);
    assert_eq!(rig.ledger.get("stuck").state, DeliveryState::Owed);
    // telling and ending once more harms nobody
    rig.owe(&handle, vec![rig.delivery("late", "mqtt", Colour::Red)]);
    handle.shutdown().await;
    assert_eq!(rig.broker.topics().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_night_holds_what_can_wait_and_lets_a_fire_through() {
    let mut rig = Rig::new();
    // the rig's clock begins at eight in the morning, local time
    (rig.settings.quiet_until, rig.settings.quiet_kinds) = ("09:00".into(), vec!["mqtt".into()]);
    let mut fault = rig.delivery("fault", "mqtt", Colour::Orange);
    alert_of(&mut fault).id.family = model::Family::Fault;
    let spoken = model::Delivery { id: "spoken".into(), channel: "console".into(), ..fault.clone() };
    let handle = rig.start();
    rig.owe(&handle, vec![fault, spoken, rig.delivery("fire", "mqtt", Colour::Yellow)]);
    until("the fire and the console's", || rig.ledger.count(DeliveryState::Delivered) == 2).await;
    tokio::time::sleep(Duration::from_secs(3590)).await;
    assert_eq!(rig.broker.topics(), ["people/v1/fire/alert"]);
    until("the night is over", || rig.ledger.count(DeliveryState::Delivered) == 3).await;
    assert_eq!(rig.desk.outcomes("fault").len(), 1);
    handle.shutdown().await;
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let mut rig = Rig::new();
    rig.settings.in_flight_max = 0;
    assert!(matches!(Dispatcher::start(rig.parts()), Err(StartError::Zero("in_flight_max"))));
    let webhook = |url: &str, secret: &str| Webhook {
        name: "brigade".into(),
        url: url.into(),
        secrets: vec![dispatcher::Secret(secret.into())],
        allow_private: false,
        ca_file: None,
        per_minute: 0,
    };
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for (webhooks, word) in [
        (vec![webhook("http://127.0.0.1:1/", secret)], "private"),
        (vec![webhook("http://169.254.169.254/", secret)], "link-local"),
        (vec![webhook("http://example.com/", "secret")], "whsec_"),
        (vec![webhook("http://example.com/", secret); 2], "two channels"),
    ] {
        let mut rig = Rig::new();
        rig.settings.webhook = webhooks;
        let error = Dispatcher::start(rig.parts()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("brigade"), "{error}");
        assert!(!error.contains("MfKQ"), "{error}");
    }
    let text = "retry_red_s = [0, 1]\n[[webhook]]\nname = \"a\"\nurl = \"https://x/\"\nsecrets = [\"s\"]\n";
    let settings: dispatcher::Settings = toml::from_str(text).unwrap();
    assert_eq!((settings.retry_red_s.len(), settings.webhook[0].allow_private), (2, false));
    assert!(!format!("{settings:?}{}", toml::to_string(&settings).unwrap()).contains("\"s\""));
    assert!(toml::from_str::<dispatcher::Settings>("retries = 3").is_err());
}
