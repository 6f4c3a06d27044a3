//! Ways to reach people. A new way is one file and one line in [`CHANNELS`].

pub(crate) mod console;
pub mod mqtt;
pub(crate) mod webhook;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Delivery;

pub use mqtt::MqttPublisher;

use crate::dispatcher::StartError;
use crate::message::Message;
use crate::settings::Settings;

/// One try of one delivery.
#[derive(Clone, Copy)]
pub(crate) struct Try<'a> {
    pub(crate) delivery: &'a Delivery,
    pub(crate) message: &'a Message,
    /// Now, ms since 1970.
    pub(crate) now_ms: u64,
    /// The try is broken off after this.
    pub(crate) limit: Duration,
}

/// What a try came to. Whether to try again is part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other side confirmed it.
    Delivered { reason: String },
    /// Not confirmed; to be tried again, where the other side asked for it only after `pause`, which holds for the whole channel.
    Retry { reason: String, pause: Option<Duration> },
    /// It will never be taken.
    Failed { reason: String },
}

impl Outcome {
    pub(crate) fn retry(reason: impl Into<String>) -> Outcome {
        Outcome::Retry { reason: reason.into(), pause: None }
    }
}

/// A way to reach people.
#[async_trait]
pub(crate) trait Channel: Send + Sync + 'static {
    /// Tries once. May be dropped at any moment; the delivery is then tried again.
    async fn send(&self, attempt: Try<'_>) -> Outcome;
}

/// Channels by the names that the roster uses.
pub(crate) type Channels = HashMap<Box<str>, Arc<dyn Channel>>;

/// Channels of one kind, with their names.
pub(crate) type Opened = Result<Vec<(String, Arc<dyn Channel>)>, StartError>;

/// Makes the channels of one kind, as the settings ask for.
type Open = fn(&Settings, &Arc<dyn MqttPublisher>) -> Opened;

/// Every kind of channel.
const CHANNELS: &[Open] = &[console::open, mqtt::open, webhook::open];

/// Makes every channel that the settings ask for.
pub(crate) fn open(settings: &Settings, mqtt: &Arc<dyn MqttPublisher>) -> Result<Channels, StartError> {
    let mut channels = Channels::new();
    for open in CHANNELS {
        for (name, channel) in open(settings, mqtt)? {
            if channels.insert(name.clone().into(), channel).is_some() {
                return Err(StartError::Twice(name));
            }
        }
    }
    Ok(channels)
}
