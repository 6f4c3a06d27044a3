//! Circuit breaker: a channel that failed several times in a row is left alone for a while, then asked by one try.

use tokio::time::Instant;

use super::{Gate, seconds};

/// What a try told about the channel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It works, whatever became of the message.
    Works,
    /// It does not.
    Down,
    /// Nothing: the message itself could not be sent.
    Nothing,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures_max: u32,
    open_s: Box<[u32]>,
    failures: u32,
    /// Openings in a row.
    openings: usize,
    open_until: Option<Instant>,
    probing: bool,
}

impl Breaker {
    pub(crate) fn new(failures_max: u32, open_s: &[u32]) -> Breaker {
        Breaker {
            failures_max: failures_max.max(1),
            open_s: open_s.into(),
            failures: 0,
            openings: 0,
            open_until: None,
            probing: false,
        }
    }

    pub(crate) fn gate(&self, now: Instant) -> Gate {
        match self.open_until {
            None => Gate::Open,
            Some(until) if until > now => Gate::Until(until),
            Some(_) if self.probing => Gate::Shut,
            Some(_) => Gate::Probe,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Notes that the one try began.
    pub(crate) fn probe(&mut self) {
        self.probing = true;
    }

    /// Notes how a try went.
    pub(crate) fn heard(&mut self, heard: Heard, now: Instant) {
        match heard {
            Heard::Works => {
                (self.failures, self.openings, self.open_until, self.probing) = (0, 0, None, false);
                return;
            }
            Heard::Nothing => {
                self.probing = false;
                return;
            }
            Heard::Down => {}
        }
        self.failures = self.failures.saturating_add(1);
        let opens = if self.is_open() { self.probing } else { self.failures >= self.failures_max };
        if opens {
            let open_s = self.open_s.get(self.openings).or(self.open_s.last()).copied().unwrap_or(1);
            self.openings = self.openings.saturating_add(1);
            self.open_until = Some(now + seconds(open_s.max(1)));
            self.probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_is_closed_by_one_success() {
        let (mut breaker, begun) = (Breaker::new(3, &[5, 10]), Instant::now());
        let at = |s| begun + seconds(s);
        for heard in [Heard::Down, Heard::Down, Heard::Works, Heard::Down, Heard::Down] {
            breaker.heard(heard, at(0));
            assert_eq!(breaker.gate(at(0)), Gate::Open);
        }
        breaker.heard(Heard::Down, at(1));
        assert_eq!(breaker.gate(at(1)), Gate::Until(at(6)));
        // tries that had begun before change nothing
        breaker.heard(Heard::Down, at(2));
        assert_eq!(breaker.gate(at(6)), Gate::Probe);
        breaker.probe();
        assert_eq!(breaker.gate(at(6)), Gate::Shut);
        breaker.heard(Heard::Down, at(7));
        assert_eq!(breaker.gate(at(8)), Gate::Until(at(17)));
        for n in 0..3 {
            let from = at(17 + 10 * n);
            assert_eq!(breaker.gate(from), Gate::Probe);
            breaker.probe();
            breaker.heard(Heard::Down, from);
            assert_eq!(breaker.gate(from), Gate::Until(from + seconds(10)), "the last pause repeats");
        }
        breaker.probe();
        breaker.heard(Heard::Nothing, at(59));
        assert_eq!(breaker.gate(at(59)), Gate::Probe, "asked again, by another message");
        breaker.probe();
        breaker.heard(Heard::Works, at(60));
        assert_eq!(breaker.gate(at(60)), Gate::Open);
        breaker.heard(Heard::Down, at(61));
        assert_eq!(breaker.gate(at(61)), Gate::Open, "the count begins anew");
    }
}
