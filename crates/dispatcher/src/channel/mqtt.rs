//! MQTT: the message goes to the person's own topic at QoS 1 and counts as delivered when the person's client confirmed it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Channel, Manner, Opened, Outcome, Try, With};

/// Publishes at QoS 1 to whoever is subscribed.
#[async_trait]
pub trait MqttPublisher: Send + Sync + 'static {
    /// Returns when a subscriber confirmed, when it is sure that none will, or after `deadline`.
    async fn publish(&self, topic: &str, payload: Bytes, deadline: Duration) -> MqttOutcome;
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttOutcome {
    /// A subscriber sent its PUBACK.
    Acknowledged,
    /// Sent at QoS 0, which nobody confirms.
    SentUnconfirmed,
    /// Kept for a subscriber who is away.
    Queued,
    /// Nobody is subscribed.
    NoSubscriber,
    /// Sent, and not confirmed in time.
    TimedOut,
}

/// Name of the channel.
pub(crate) const NAME: &str = "mqtt";

struct Mqtt(Arc<dyn MqttPublisher>);

/// The channel `mqtt`.
pub(crate) fn open(with: &With<'_>) -> Opened {
    Ok(vec![(NAME.into(), Arc::new(Mqtt(Arc::clone(with.mqtt))))])
}

#[async_trait]
impl Channel for Mqtt {
    fn manner(&self) -> Manner {
        Manner::plain(NAME)
    }

    async fn send(&self, attempt: Try<'_>) -> Outcome {
        let person = &attempt.delivery.person_code;
        if person.is_empty() || person.contains(['/', '+', '#', '\0']) {
            return Outcome::Failed {
                reason: format!("the code {person:?} cannot be a level of a topic: change it in the roster"),
            };
        }
        let topic = format!("people/v1/{person}/alert");
        // a little less than the limit of the try, so that the publisher's word comes first
        let deadline = attempt.limit.mul_f32(0.9);
        match self.0.publish(&topic, attempt.message.json(), deadline).await {
            MqttOutcome::Acknowledged => Outcome::Delivered { reason: "confirmed by the person's client".into() },
            MqttOutcome::NoSubscriber => Outcome::retry(format!("nobody is subscribed to {topic}")),
            MqttOutcome::Queued => Outcome::retry("the person's client is away; the message is kept for it"),
            MqttOutcome::SentUnconfirmed => {
                Outcome::retry("the person's client subscribes at QoS 0 and confirms nothing: use QoS 1")
            }
            MqttOutcome::TimedOut => {
                Outcome::retry(format!("the person's client did not confirm within {} ms", deadline.as_millis()))
            }
        }
    }
}
