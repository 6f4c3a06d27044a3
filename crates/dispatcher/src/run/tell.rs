//! What the log and the metrics say of tries.

use model::alert::ReceiptOutcome;
use model::{Colour, Delivery};

use crate::channel::Outcome;

pub(super) fn tell(delivery: &Delivery, kind: &'static str, outcome: ReceiptOutcome, reason: &str, now_ms: u64) {
    let word = match outcome {
        ReceiptOutcome::Delivered => "delivered",
        ReceiptOutcome::Retry => "retry",
        ReceiptOutcome::Failed => "failed",
        ReceiptOutcome::Read => "read",
    };
    // the label is the kind of channel, of which there are few
    metrics::counter!("fenghuo_dispatcher_tries_total", "channel" => kind, "outcome" => word).increment(1);
    if outcome == ReceiptOutcome::Delivered {
        let age_s = now_ms.saturating_sub(delivery.owed_ms) as f64 / 1000.0;
        metrics::histogram!("fenghuo_dispatcher_delivered_seconds", "channel" => kind).record(age_s);
    }
    let (id, person, channel) = (&delivery.id, &delivery.person_code, &delivery.channel);
    match outcome {
        // the newer one is what the person is owed
        ReceiptOutcome::Failed if reason.contains(super::SUPERSEDED) => {
            tracing::debug!(delivery = %id, %person, %channel, reason, "a delivery gave way to a newer one");
        }
        ReceiptOutcome::Failed if delivery.about.colour() == Colour::Red => {
            tracing::error!(delivery = %id, %person, %channel, reason, "a red alert did not reach a person");
        }
        ReceiptOutcome::Failed => {
            tracing::warn!(delivery = %id, %person, %channel, reason, "a delivery failed for good")
        }
        ReceiptOutcome::Delivered | ReceiptOutcome::Retry | ReceiptOutcome::Read => {
            tracing::debug!(delivery = %id, %person, %channel, outcome = word, reason, "a delivery was tried");
        }
    }
}

/// A breaker opened or closed.
pub(super) fn tell_breaker(channel: &str, open: bool, outcome: &Outcome) {
    metrics::gauge!("fenghuo_dispatcher_breaker_open", "channel" => channel.to_owned()).set(f64::from(u8::from(open)));
    match (open, outcome) {
        (true, Outcome::Retry { reason, .. }) => {
            tracing::warn!(channel, reason, "a channel failed several times in a row and is left alone for a while");
        }
        _ => tracing::info!(channel, "a channel works again"),
    }
}

pub(super) fn tell_digest(kind: &'static str, count: usize) {
    metrics::counter!("fenghuo_dispatcher_digests_total", "channel" => kind).increment(1);
    metrics::counter!("fenghuo_dispatcher_digested_deliveries_total", "channel" => kind).increment(count as u64);
}
