//! The station's own log, for operation without any other way and for trying things out.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Channel, Manner, Opened, Outcome, Try, With};

struct Console;

/// The channel `console`.
pub(crate) fn open(_: &With<'_>) -> Opened {
    Ok(vec![("console".into(), Arc::new(Console))])
}

#[async_trait]
impl Channel for Console {
    fn manner(&self) -> Manner {
        Manner::plain("console")
    }

    async fn send(&self, attempt: Try<'_>) -> Outcome {
        let (delivery, text) = (attempt.delivery, attempt.message.text_zh());
        tracing::info!(target: "fenghuo::console", delivery = %delivery.id, person = %delivery.person_code, "{text}");
        Outcome::Delivered { reason: "written to the log".into() }
    }
}
