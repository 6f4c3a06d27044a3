//! Clients as vendors use them: rumqttc for 3.1.1 and for 5.0.

use std::time::Duration;

use broker::{Broker, Outcome};
use bytes::Bytes;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, v5};

use crate::support::{PATIENCE, payloads, settings, start, start_accepting, within};

fn options(broker: &Broker, id: &str, user: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, "127.0.0.1", broker.local_addr().port());
    options.set_credentials(user, format!("pw-{user}"));
    options.set_keep_alive(Duration::from_secs(5));
    options
}

fn options_v5(broker: &Broker, id: &str, user: &str) -> v5::MqttOptions {
    let mut options = v5::MqttOptions::new(id, "127.0.0.1", broker.local_addr().port());
    options.set_credentials(user, format!("pw-{user}"));
    options.set_keep_alive(Duration::from_secs(5));
    options
}

#[tokio::test]
async fn rumqttc_v4_publishes_and_subscribes() {
    let broker = start_accepting(settings()).await;
    let (client, mut events) = AsyncClient::new(options(&broker, "v4", "dev"), 100);
    client.subscribe("down/dev/#", QoS::AtLeastOnce).await.unwrap();
    for n in 0..50 {
        client.publish("up/dev/x", QoS::AtLeastOnce, false, n.to_string()).await.unwrap();
    }
    let mut acknowledged = 0;
    let mut received = 0;
    let mut sending = None;
    while acknowledged < 50 || received < 1 {
        match within(events.poll()).await.unwrap() {
            Event::Incoming(Packet::SubAck(_)) => {
                let broker = broker.clone();
                sending = Some(tokio::spawn(async move {
                    let payload = Bytes::from("go");
                    broker.publish("down/dev/command", payload, 1, None, PATIENCE).await
                }));
            }
            Event::Incoming(Packet::PubAck(_)) => acknowledged += 1,
            Event::Incoming(Packet::Publish(publish)) => {
                assert_eq!(&publish.payload[..], b"go");
                received += 1;
            }
            _ => {}
        }
    }
    // The acknowledgement leaves with one of the next polls.
    let outcome = tokio::spawn(within(sending.unwrap()));
    while !outcome.is_finished() {
        let _idle = tokio::time::timeout(Duration::from_millis(5), events.poll()).await;
    }
    assert_eq!(outcome.await.unwrap().unwrap(), Outcome::Acked { subscribers: 1 });
}

#[tokio::test]
async fn rumqttc_v5_publishes_with_content_type_and_sees_reasons() {
    let (broker, mut inlets) = start(settings()).await;
    let (client, mut events) = v5::AsyncClient::new(options_v5(&broker, "v5", "dev"), 100);
    let properties =
        v5::mqttbytes::v5::PublishProperties { content_type: Some("application/json".into()), ..Default::default() };
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    client.publish_with_properties("up/dev/层", qos, false, "{}", properties).await.unwrap();
    client.publish("up/other/x", qos, false, "no").await.unwrap();
    let consuming = tokio::spawn(async move {
        let batch = within(inlets.normal.recv()).await.unwrap();
        assert_eq!(payloads(&batch), ["{}"]);
        assert_eq!(batch.messages[0].content_type.as_deref(), Some("application/json"));
        batch.ack.complete(&[broker::Reason::PayloadFormatInvalid]);
        inlets
    });
    let mut reasons = Vec::new();
    while reasons.len() < 2 {
        let event = within(events.poll()).await.unwrap();
        if let v5::Event::Incoming(v5::mqttbytes::v5::Packet::PubAck(puback)) = event {
            reasons.push(format!("{:?}", puback.reason));
        }
    }
    reasons.sort();
    assert_eq!(reasons, ["NotAuthorized", "PayloadFormatInvalid"]);
    let _inlets = consuming.await.unwrap();
}

/// Acknowledgements of two lanes leave in the order of completion; clients match by identifier.
#[tokio::test]
async fn rumqttc_takes_acknowledgements_out_of_order() {
    let (broker, mut inlets) = start(settings()).await;
    let (client, mut events) = AsyncClient::new(options(&broker, "v4", "dev"), 100);
    for n in 0..20 {
        let topic = if n % 2 == 0 { "up/dev/normal" } else { "up/dev/urgent" };
        client.publish(topic, QoS::AtLeastOnce, false, "x").await.unwrap();
    }
    tokio::spawn(async move {
        let mut held = Vec::new();
        let (mut normal, mut urgent) = (0, 0);
        while normal + urgent < 20 {
            tokio::select! {
                Some(batch) = inlets.normal.recv() => {
                    normal += batch.messages.len();
                    held.push(batch);
                }
                Some(batch) = inlets.urgent.recv() => {
                    urgent += batch.messages.len();
                    batch.ack.accept_all();
                }
            }
        }
        for batch in held {
            batch.ack.accept_all();
        }
        while inlets.sessions.recv().await.is_some() {}
    });
    let mut ids = Vec::new();
    while ids.len() < 20 {
        if let Event::Incoming(Packet::PubAck(puback)) = within(events.poll()).await.unwrap() {
            ids.push(puback.pkid);
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<u16>>());
}
