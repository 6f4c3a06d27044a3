//! A run in several processes: the first starts the others with the same arguments and its own start time, plays the people, and
//! ends them by closing their standard input.

use crate::world::Shard;
use anyhow::{Context, Result};
use std::{process::Stdio, time::Duration};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::timeout,
};

/// How long a child may take to drain.
const CHILD_DRAIN_MAX: Duration = Duration::from_secs(20);

/// `INDEX/COUNT`, as the first process tells the others.
impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some(Self { index: i.parse().ok()?, count: n.parse().ok()? }));
        parts.filter(|s| s.index < s.count).ok_or_else(|| format!("{text:?} is not INDEX/COUNT with INDEX below COUNT"))
    }
}

/// The other processes.
pub struct Children(Vec<Child>);

impl Children {
    /// Starts one process for each shard.
    pub fn start(count: usize, start_ms: i64) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the simulator's own program")?;
        let mut children = Vec::with_capacity(count);
        for index in 0..count {
            let child = Command::new(&program)
                .args(std::env::args_os().skip(1))
                .arg("--shard")
                .arg(format!("{index}/{count}"))
                .arg("--start-ms")
                .arg(start_ms.to_string())
                .stdin(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .context("cannot start a further process")?;
            children.push(child);
        }
        Ok(Self(children))
    }

    /// Waits until all have ended; an error if one ended badly.
    pub async fn wait(&mut self) -> Result<()> {
        for child in &mut self.0 {
            // `wait` would close standard input and so end the child
            let stdin = child.stdin.take();
            let status = child.wait().await.context("cannot wait for a process")?;
            drop(stdin);
            anyhow::ensure!(status.success(), "a process of the city ended with {status}");
        }
        Ok(())
    }

    /// Ends all of them, the stubborn ones by force.
    pub async fn stop(mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
        }
        for child in &mut self.0 {
            if timeout(CHILD_DRAIN_MAX, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}

/// For a child: returns when the first process has closed our standard input, or has died.
pub async fn parent_gone() {
    let mut buffer = [0u8; 64];
    let mut stdin = tokio::io::stdin();
    while matches!(stdin.read(&mut buffer).await, Ok(1..)) {}
}
