//! How the sources are, for readiness.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock;

/// Answers whether everything is connected. Clones are alike.
#[derive(Clone, Default)]
pub struct Health {
    lines: Arc<Vec<Arc<Line>>>,
}

impl Health {
    pub(crate) fn new(lines: Vec<Arc<Line>>) -> Health {
        Health { lines: Arc::new(lines) }
    }

    /// Fine while every connection is subscribed, or has been within its `unready_after_ms`.
    ///
    /// # Errors
    /// Which is not and why, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        let faults: Vec<String> = self.lines.iter().filter_map(|line| line.fault()).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }

    /// What is down now, however short, and why.
    pub fn faults(&self) -> Vec<String> {
        let why = |line: &Arc<Line>| lock(&line.down).as_ref().map(|(_, why)| format!("{}: {why}", line.what));
        self.lines.iter().filter_map(why).collect()
    }

    /// Connections that are subscribed now, and all of them.
    pub fn connected(&self) -> (usize, usize) {
        let up = self.lines.iter().filter(|line| lock(&line.down).is_none()).count();
        (up, self.lines.len())
    }
}

/// What is known of one connection.
pub(crate) struct Line {
    what: String,
    patience: Duration,
    /// Since when it is down and why.
    down: Mutex<Option<(Instant, String)>>,
}

impl Line {
    /// A connection that is not up yet.
    pub(crate) fn new(what: String, patience: Duration) -> Line {
        Line { what, patience, down: Mutex::new(Some((Instant::now(), "not connected yet".into()))) }
    }

    pub(crate) fn up(&self) {
        *lock(&self.down) = None;
    }

    pub(crate) fn down(&self, why: &str) {
        let mut down = lock(&self.down);
        let since = down.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *down = Some((since, why.to_owned()));
    }

    fn fault(&self) -> Option<String> {
        let down = lock(&self.down);
        let (since, why) = down.as_ref()?;
        let away = since.elapsed();
        (away > self.patience).then(|| format!("{} is down for {} s: {why}", self.what, away.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_short_absence_is_no_fault() {
        let line = Arc::new(Line::new("source plant, connection 1".into(), Duration::from_secs(10)));
        let health = Health::new(vec![Arc::clone(&line)]);
        assert_eq!(health.check(), Ok(()));
        tokio::time::advance(Duration::from_secs(11)).await;
        line.down("refused");
        assert_eq!(health.check().expect_err("down"), "source plant, connection 1 is down for 11 s: refused");
        line.up();
        assert_eq!(health.check(), Ok(()));
        assert_eq!(health.connected(), (1, 1));
        line.down("gone");
        assert_eq!(health.check(), Ok(()), "the patience begins anew");
    }
}
