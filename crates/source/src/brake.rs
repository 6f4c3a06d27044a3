//! A brake for log lines that a broker or its clients can provoke.

use std::time::Duration;

use tokio::time::Instant;

/// Lets a line through when it says something new, and otherwise once in a period.
#[derive(Default)]
pub(crate) struct Brake {
    last: Option<(String, Instant)>,
    muted: u64,
}

const PERIOD: Duration = Duration::from_secs(60);

impl Brake {
    /// `Some(lines kept back since the last one)` if this line may be written now.
    pub(crate) fn pass(&mut self, line: &str) -> Option<u64> {
        let now = Instant::now();
        let repeated = self.last.as_ref().is_some_and(|(last, at)| last == line && now.duration_since(*at) < PERIOD);
        if repeated {
            self.muted += 1;
            return None;
        }
        self.last = Some((line.to_owned(), now));
        Some(std::mem::take(&mut self.muted))
    }

    /// What was said is over; the next line is news.
    pub(crate) fn release(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_repeated_line_is_written_once_a_minute() {
        let mut brake = Brake::default();
        assert_eq!(brake.pass("refused"), Some(0));
        assert_eq!(brake.pass("refused"), None);
        assert_eq!(brake.pass("timeout"), Some(1));
        assert_eq!(brake.pass("timeout"), None);
        tokio::time::advance(PERIOD).await;
        assert_eq!(brake.pass("timeout"), Some(1));
        brake.release();
        assert_eq!(brake.pass("timeout"), Some(0));
    }
}
