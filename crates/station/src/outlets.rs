//! Ways out for the dispatcher: the broker's publishes, and the journal for what became of them.

use std::time::Duration;

use async_trait::async_trait;
use broker::{Broker, Outcome};
use bytes::Bytes;
use command_centre::{ActionError, Callbacks};
use dispatcher::{MqttOutcome, MqttPublisher, ReceiptSink, SinkClosed};
use ingest::{IngestHandle, Submission};
use model::{DeliveryId, Matter, Receipt};

/// Publishes through the station's own listener.
pub struct BrokerOutlet(pub Broker);

#[async_trait]
impl MqttPublisher for BrokerOutlet {
    async fn publish(&self, topic: &str, payload: Bytes, deadline: Duration) -> MqttOutcome {
        match self.0.publish(topic, payload, 1, Some("application/json"), deadline).await {
            Outcome::Acked { .. } => MqttOutcome::Acknowledged,
            Outcome::Sent => MqttOutcome::SentUnconfirmed,
            Outcome::Queued => MqttOutcome::Queued,
            Outcome::NoSubscriber => MqttOutcome::NoSubscriber,
            Outcome::TimedOut => MqttOutcome::TimedOut,
        }
    }
}

/// Journals receipts.
pub struct Receipts(pub IngestHandle);

#[async_trait]
impl ReceiptSink for Receipts {
    async fn submit(&self, receipt: Receipt) -> Result<(), SinkClosed> {
        self.0.submit(Submission::Receipt(receipt)).await.map(|_| ()).map_err(|_| SinkClosed)
    }

    async fn submit_all(&self, receipts: &[Receipt]) -> Result<(), SinkClosed> {
        let Some((last, first)) = receipts.split_last() else { return Ok(()) };
        for receipt in first {
            self.0.post(Submission::Receipt(receipt.clone())).await.map_err(|_| SinkClosed)?;
        }
        // the lane keeps its order: with the last one, the journal holds all
        self.submit(last.clone()).await
    }
}

/// What people say by the tokens in their messages.
pub struct Tokens {
    pub dispatcher: dispatcher::Handle,
    pub ingest: IngestHandle,
}

#[async_trait]
impl Callbacks for Tokens {
    fn named(&self, token: &str) -> Option<(Matter, DeliveryId)> {
        self.dispatcher.confirmed(token)
    }

    async fn read(&self, receipt: Receipt) -> Result<(), ActionError> {
        let journalled = self.ingest.submit(Submission::Receipt(receipt)).await;
        journalled.map(|_| ()).map_err(|error| ActionError::Unavailable(error.to_string()))
    }
}
