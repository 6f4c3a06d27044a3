//! What the listener tells about itself.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::Settings;

use crate::support::{Connect, Raw, publish, settings, start_accepting, subscribe, within};

/// Values until `enough` of them were told.
async fn told(raw: &mut Raw, enough: impl Fn(&BTreeMap<String, String>) -> bool) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    within(async {
        while !enough(&values) {
            let (topic, _, payload) = raw.packet().await.publish(true);
            values.insert(topic, String::from_utf8(payload.to_vec()).unwrap());
        }
    })
    .await;
    values
}

#[tokio::test]
async fn its_state_is_under_the_names_that_users_know() {
    let broker = start_accepting(Settings { sys_every_s: 1, ..settings() }).await;
    let mut device = Raw::login(&broker, &Connect::lasting("d", "dev", 60).bytes()).await;
    device.send(&subscribe(true, 1, &[("down/dev/a", 1), ("down/dev/b", 0)])).await;
    device.packet().await;
    device.send(&publish(true, "up/dev/x", 7, b"x")).await;
    device.packet().await;
    let mut watcher = Raw::login(&broker, &Connect::v5("w", "all").bytes()).await;
    watcher.send(&subscribe(true, 1, &[("$SYS/#", 1)])).await;
    let seen = |values: &BTreeMap<String, String>, topic: &str, value: &str| {
        values.get(&format!("$SYS/broker/{topic}")).is_some_and(|told| told == value)
    };
    assert_eq!(watcher.packet().await.first, 0x90);
    let values = told(&mut watcher, |values| {
        seen(values, "clients/connected", "2")
            && seen(values, "messages/received", "1")
            && values.contains_key("$SYS/broker/retained messages/count")
            && values.contains_key("$SYS/broker/bytes/sent")
            && seen(values, "subscriptions/count", "3")
    })
    .await;
    assert!(seen(&values, "clients/total", "2") && seen(&values, "clients/maximum", "2"), "{values:?}");
    drop(device);
    let values = told(&mut watcher, |values| seen(values, "clients/connected", "1")).await;
    assert!(values.keys().all(|topic| topic.starts_with("$SYS/broker/")), "{values:?}");
    // whoever comes later gets what was told, version and all
    let mut later = Raw::login(&broker, &Connect::v5("later", "all").bytes()).await;
    later.send(&subscribe(true, 1, &[("$SYS/broker/version", 0), ("$SYS/broker/clients/+", 0)])).await;
    assert_eq!(later.packet().await.first, 0x90);
    let values = told(&mut later, |values| values.len() >= 6).await;
    assert!(values["$SYS/broker/version"].starts_with("fenghuo version "), "{values:?}");
    assert!(seen(&values, "clients/maximum", "2") && seen(&values, "clients/total", "2"), "{values:?}");
}

#[tokio::test]
async fn nobody_else_says_what_it_is_and_nothing_is_told_unasked() {
    let broker = start_accepting(Settings { sys_every_s: 1, ..settings() }).await;
    let mut raw = Raw::login(&broker, &Connect::v5("w", "all").bytes()).await;
    // MQTT-4.7.2-1
    raw.send(&subscribe(true, 1, &[("#", 0), ("+/broker/uptime", 0)])).await;
    raw.packet().await;
    raw.send(&publish(true, "$SYS/broker/version", 3, b"mine")).await;
    assert_eq!(raw.packet().await.body[2], 0x87);
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    raw.ping().await;
}
