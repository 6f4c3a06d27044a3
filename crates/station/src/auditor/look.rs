//! One look: what is on record against the clock.

use std::time::{Duration, Instant};

use model::{Epoch, StoreError};

use super::{Auditor, Seen, Verdict};

/// What it remembers from the look before.
pub(super) struct Looker {
    settings: Auditor,
    /// Wall clock and the machine's own.
    clocks: Option<(u64, Instant)>,
    /// The newest commit that was judged, and since when it is that.
    applied: Option<(Epoch, Instant)>,
    /// The newest commit, and since when it is that.
    committed: Option<(Epoch, Instant)>,
}

impl Looker {
    pub(super) fn new(settings: Auditor) -> Looker {
        Looker { settings, clocks: None, applied: None, committed: None }
    }

    /// `now_ms`: the wall clock; `now`: the machine's own, which does not jump.
    pub(super) fn look(&mut self, seen: Result<Seen, StoreError>, now_ms: u64, now: Instant) -> Verdict {
        let mut verdict = Verdict { at_ms: now_ms, ..Verdict::default() };
        verdict.faults.extend(self.clock(now_ms, now).map(|what| ("clock", what)));
        match seen {
            Ok(seen) => self.judge(&seen, now, &mut verdict),
            Err(error) => verdict.faults.push(("store", format!("what is on record cannot be read: {error}"))),
        }
        verdict
    }

    fn judge(&mut self, seen: &Seen, now: Instant, verdict: &mut Verdict) {
        let limit = Duration::from_secs(self.settings.pipeline_s);
        let still = |known: &mut Option<(Epoch, Instant)>, epoch: Epoch| match known {
            Some((before, since)) if *before == epoch => now.saturating_duration_since(*since),
            _ => {
                *known = Some((epoch, now));
                Duration::ZERO
            }
        };
        let no_commit = still(&mut self.committed, seen.committed);
        let not_judged = still(&mut self.applied, seen.applied);
        if no_commit >= limit {
            let what = format!(
                "no commit for {} s, though there is a tick each second: the journal stands",
                no_commit.as_secs()
            );
            verdict.faults.push(("ticks", what));
        }
        let behind = seen.committed.saturating_sub(seen.applied);
        if behind > 0 && not_judged >= limit {
            let seconds = not_judged.as_secs();
            verdict
                .faults
                .push(("desk", format!("{behind} commits are not judged, the newest that is for {seconds} s")));
        }
        let ahead_ms = seen.committed_ms.saturating_sub(verdict.at_ms);
        if ahead_ms > self.settings.clock_step_s * 1000 {
            let what = format!(
                "the journal is {} s ahead of the wall clock, which was set back: timers wait for it",
                ahead_ms / 1000
            );
            verdict.faults.push(("clock", what));
        }
        // steps are due by the journal's time: what the wall says beside it must not make them seem early
        let now_ms = verdict.at_ms.max(seen.committed_ms);
        verdict.late = alerts::audit(&seen.open, &seen.owed, now_ms, self.settings.limits());
        verdict.open_alerts = seen.open.len();
        (verdict.committed, verdict.applied, verdict.cursor) = (seen.committed, seen.applied, seen.cursor);
    }

    fn clock(&mut self, now_ms: u64, now: Instant) -> Option<String> {
        let (before_ms, before) = self.clocks.replace((now_ms, now))?;
        let passed_ms = u64::try_from(now.saturating_duration_since(before).as_millis()).unwrap_or(u64::MAX);
        let expected_ms = before_ms.saturating_add(passed_ms);
        let off_ms = now_ms.abs_diff(expected_ms);
        (off_ms > self.settings.clock_step_s * 1000).then(|| {
            let way = if now_ms > expected_ms { "forward" } else { "back" };
            format!("the wall clock jumped {way} by {} s: look at its synchronisation", off_ms / 1000)
        })
    }
}
