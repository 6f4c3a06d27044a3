//! A device (or a vendor's gateway) over rumqttc, whose publishes are counted as done when acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, Packet, QoS};
use tokio::task::JoinHandle;

use crate::rig::Rig;

/// A client whose event loop runs beside the test.
pub struct Client {
    pub mqtt: AsyncClient,
    events: tokio::sync::mpsc::Receiver<Heard>,
    task: JoinHandle<()>,
}

/// What comes back.
#[derive(Debug, Clone)]
pub enum Heard {
    Connected,
    Acknowledged,
    Message { topic: String, payload: Vec<u8> },
    Failed(String),
}

impl Client {
    pub fn connect(rig: &Rig, name: &str, client_id: &str) -> Client {
        Client::connect_with(rig, name, &format!("{name}-secret"), client_id)
    }

    pub fn connect_with(rig: &Rig, name: &str, secret: &str, client_id: &str) -> Client {
        let mut options = MqttOptions::new(client_id, rig.mqtt.ip().to_string(), rig.mqtt.port());
        options.set_credentials(name, secret);
        options.set_keep_alive(Duration::from_secs(30));
        let (mqtt, mut events) = AsyncClient::new(options, 64);
        let (tell, heard) = tokio::sync::mpsc::channel(4096);
        let task = tokio::spawn(async move {
            let mut waiting: HashMap<u16, ()> = HashMap::new();
            loop {
                let said = match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => Heard::Connected,
                    Ok(Event::Incoming(Packet::PubAck(ack))) => {
                        waiting.remove(&ack.pkid);
                        Heard::Acknowledged
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        Heard::Message { topic: publish.topic, payload: publish.payload.to_vec() }
                    }
                    Ok(Event::Outgoing(Outgoing::Publish(id))) => {
                        waiting.insert(id, ());
                        continue;
                    }
                    Ok(_) => continue,
                    Err(error) => {
                        let _ = tell.send(Heard::Failed(error.to_string())).await;
                        return;
                    }
                };
                if tell.send(said).await.is_err() {
                    return;
                }
            }
        });
        Client { mqtt, events: heard, task }
    }

    /// The next thing heard.
    pub async fn heard(&mut self) -> Heard {
        tokio::time::timeout(crate::rig::DEADLINE, self.events.recv()).await.expect("hears something").expect("lives")
    }

    /// How the connection ended or was refused.
    pub async fn end(&mut self) -> String {
        loop {
            if let Heard::Failed(error) = self.heard().await {
                return error;
            }
        }
    }

    /// Publishes at QoS 1 and waits for the acknowledgement.
    pub async fn say(&mut self, topic: &str, payload: &str) {
        self.mqtt.publish(topic, QoS::AtLeastOnce, false, payload.as_bytes().to_vec()).await.unwrap();
        loop {
            match self.heard().await {
                Heard::Acknowledged => return,
                Heard::Failed(error) => panic!("publishing to {topic}: {error}"),
                _ => {}
            }
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> (String, serde_json::Value) {
        loop {
            match self.heard().await {
                Heard::Message { topic, payload } => {
                    return (topic, serde_json::from_slice(&payload).expect("JSON"));
                }
                Heard::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}
