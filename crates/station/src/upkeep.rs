//! What has to be done now and then: retention, and room in the metrics.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use metrics_exporter_prometheus::PrometheusHandle;
use model::{Checkpoints, Clock, Epoch, Ledger};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::photos::Photos;

/// Histograms that nobody asks for are drained so often.
const METRICS_EVERY: Duration = Duration::from_secs(5);

/// Trims what is older than the settings keep, and drains the histograms, until `shutdown`.
pub async fn run(
    store: Arc<Store>,
    metrics: PrometheusHandle,
    clock: Arc<dyn Clock>,
    photos: Photos,
    every_s: u64,
    shutdown: CancellationToken,
) {
    let mut due = tokio::time::interval(Duration::from_secs(every_s.max(1)));
    let mut metrics_due = tokio::time::interval(METRICS_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = metrics_due.tick() => {
                metrics.run_upkeep();
                continue;
            }
            _ = due.tick() => {}
        }
        let (store, photos, now_ms) = (Arc::clone(&store), photos.clone(), clock.now_ms());
        let retained = tokio::task::spawn_blocking(move || {
            match photos.tidy(&*store, now_ms) {
                Ok(0) => {}
                Ok(gone) => tracing::info!(gone, "photos that no alert names were removed"),
                Err(error) => tracing::warn!(%error, "photos could not be tidied up, which is tried again"),
            }
            let oldest = oldest_needed(&store)?;
            store.retain(now_ms, oldest)
        });
        match retained.await {
            Ok(Ok(retained)) => tracing::debug!(?retained, "retention"),
            Ok(Err(error)) => tracing::warn!(%error, "retention failed and is tried again"),
            Err(error) => tracing::warn!(%error, "retention failed and is tried again"),
        }
    }
}

/// The commit that a restart would begin with.
fn oldest_needed(store: &Store) -> Result<Epoch, model::StoreError> {
    let applied = store.applied();
    let mut oldest = applied;
    for stage in [evaluator::STAGE, ingest::ADMISSION_STAGE] {
        oldest = oldest.min(store.newest(stage, applied)?.map_or(0, |(epoch, _)| epoch));
    }
    Ok(oldest + 1)
}
