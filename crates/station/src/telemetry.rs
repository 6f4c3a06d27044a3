//! Logs to standard error, metrics for `/metrics`, and a last word when a thread panics.

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Station};

/// Crates that log an error for what a peer does; what matters of it is told by `source`. A filter that names one wins.
const QUIET: [&str; 2] = ["rumqttc", "rumqttd"];

/// Starts the log.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(settings: &Station) -> Result<()> {
    let filter = match std::env::var("FENGHUO_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter).with_context(|| format!("the variable FENGHUO_LOG = {filter:?}"))?,
        Err(_) => EnvFilter::try_new(&settings.log).with_context(|| format!("[station] log = {:?}", settings.log))?,
    };
    let filter = QUIET.iter().fold(filter, |filter, crate_name| {
        let said = filter.to_string().contains(crate_name);
        let off = format!("{crate_name}=off").parse().expect("a directive");
        if said { filter } else { filter.add_directive(off) }
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal()); // a file is read by other programs
    match settings.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        let thread = std::thread::current();
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), %panic, %backtrace, "a thread panicked");
    }));
    Ok(())
}

/// Installs the recorder of all `fenghuo_*` metrics. Call it before any stage starts.
///
/// # Errors
/// When it was installed before.
pub fn recorder() -> Result<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().context("installing the metrics recorder")
}
