//! The simulator's command line. What each sub-command does stands at the head of the module of its name.
#![allow(clippy::print_stdout)] // it talks to people

use clap::{Parser, Subcommand};
use simulator::{alarm, city, replay, run};
use std::{io::IsTerminal, process::ExitCode, time::Duration};
use tokio::sync::watch;

/// A city of devices and people, for trying a fire-safety station from outside.
#[derive(Debug, Parser)]
#[command(name = "simulator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Invent a city and write its roster folder.
    City(city::Settings),
    /// Live the city: devices over MQTT, responders over HTTP.
    Run(Box<run::Settings>),
    /// Raise one alarm now, or take it back.
    Alarm(alarm::Settings),
    /// Publish a recording.
    Replay(replay::Settings),
}

/// Turns true on Ctrl-C or SIGTERM.
fn stop_signal() -> watch::Receiver<bool> {
    let (tx, rx) = watch::channel(false);
    tokio::spawn(async move {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut terminated) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        let _ = tx.send(true);
    });
    rx
}

async fn execute(command: Command) -> anyhow::Result<Option<String>> {
    match command {
        Command::City(settings) => {
            if !settings.random_secrets {
                tracing::warn!(
                    "the secrets follow from the seed; use --random-secrets for a station that others can reach"
                );
            }
            city::run(&settings).map(Some)
        }
        Command::Run(settings) => run::run(*settings, stop_signal()).await.map(|_| None),
        Command::Alarm(settings) => alarm::run(&settings).await.map(Some),
        Command::Replay(settings) => replay::run(&settings, stop_signal()).await.map(Some),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("simulator=info,warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(execute(cli.command));
    // a read of standard input cannot be called back
    runtime.shutdown_timeout(Duration::from_millis(100));
    match outcome {
        Ok(text) => {
            if let Some(text) = text {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
